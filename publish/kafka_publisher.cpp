#include "publish/kafka_publisher.h"

#include <spdlog/spdlog.h>

#include <algorithm>
#include <cassert>
#include <condition_variable>
#include <deque>
#include <map>
#include <mutex>
#include <optional>
#include <stdexcept>
#include <thread>
#include <utility>
#include <vector>

#include "publish/cloud_event.h"
#include "publish/kafka_client.h"

namespace spreadwatch::publish {
namespace {

using std::chrono::steady_clock;

/// What may wait for the broker, in bytes of keys and values.
constexpr std::size_t kMaxBytes = 256U << 20U;
/// The share of the queue that market data may use, in quarters.
constexpr std::size_t kMarketQuarters = 3;
constexpr milliseconds kFirstContact{3000};
constexpr milliseconds kRetryEvery{1000};
constexpr milliseconds kReportEvery{250};
/// How long a delivery report may wait for the thread that serves it.
constexpr milliseconds kIdle{10};
/// connect_again() may take so long: what the broker is asked for, topics that are made.
constexpr milliseconds kLongestTry{15'000};
constexpr milliseconds kStopWithin{5000};
constexpr milliseconds kPurgeWithin{2000};
/// Records that wait longer than this mean that the broker does not take them, whatever the sockets
/// say.
constexpr seconds kTooLong{10};

/// What a delivery report must know of its record, in the pointer librdkafka carries along: the
/// topic in the low byte, the second it was accepted in above.
void* pack(TopicId topic, std::int64_t second) {
  static_assert(sizeof(void*) == 8);
  // NOLINTNEXTLINE(performance-no-int-to-ptr): never followed, only carried
  return reinterpret_cast<void*>((static_cast<std::uintptr_t>(second) << 8U) | index_of(topic));
}
TopicId packed_topic(const void* p) {
  return static_cast<TopicId>(reinterpret_cast<std::uintptr_t>(p) & 0xffU);
}
std::int64_t packed_second(const void* p) {
  return static_cast<std::int64_t>(reinterpret_cast<std::uintptr_t>(p) >> 8U);
}

std::int64_t second_of(Timestamp t) {
  return std::chrono::floor<seconds>(t).time_since_epoch().count();
}

/// The CloudEvents binary-mode headers. Owned by the caller until produced.
rd_kafka_headers_t* headers_of(const KafkaRecord& record) {
  constexpr std::size_t kCount = 6;
  rd_kafka_headers_t* const headers = rd_kafka_headers_new(kCount);
  const auto add = [headers](std::string_view name, std::string_view value) {
    rd_kafka_header_add(headers, name.data(), static_cast<ssize_t>(name.size()), value.data(),
                        static_cast<ssize_t>(value.size()));
  };
  const std::string_view topic = to_string(record.topic);
  add("ce_specversion", "1.0");
  add("ce_id", record.id.empty() ? event_id(topic, record.key, record.value) : record.id);
  add("ce_source", "/spreadwatch/" + std::string{topic});
  add("ce_type", "spreadwatch." + std::string{record.type});
  add("ce_time", rfc3339(record.time));
  add("content-type", "application/json");
  return headers;
}

rd_kafka_vu_t field(rd_kafka_vtype_t type) {
  rd_kafka_vu_t v{};
  v.vtype = type;
  return v;
}
rd_kafka_vu_t field(rd_kafka_vtype_t type, std::string& bytes) {
  rd_kafka_vu_t v = field(type);
  v.u.mem.ptr = bytes.data();
  v.u.mem.size = bytes.size();
  return v;
}

}  // namespace

class KafkaPublisher::Impl {
 public:
  Impl(const config::Settings& settings, metrics::PublishMetrics& metrics, const Clock& clock)
      : settings_(settings.kafka),
        topics_(settings),
        metrics_(metrics),
        clock_(clock),
        max_records_(std::max<std::size_t>(settings_.queue_records, 4)) {}

  ~Impl() { stop(kStopWithin); }

  void start() {
    state_.embedded = settings_.brokers == "embedded";
    if (state_.embedded) {
      embedded_.emplace(topics_);
      spdlog::warn(
          "kafka: the embedded broker at {} is for trying things out: memory only, this machine "
          "only, about 5 MiB a partition",
          embedded_->bootstraps());
    }
    producer_ = make_producer(settings_, brokers(), max_records_, kMaxBytes,
                              {.delivered = on_delivered, .error = on_error, .opaque = this});
    set_state(Status::kConnecting, "no broker has answered yet");
    try {
      adopt(prepare_topics(producer_.get(), topics_, kFirstContact));
    } catch (const std::exception& e) {
      set_state(Status::kFailed, e.what());
      throw;
    }
    if (status() == Status::kConnecting) {
      spdlog::warn("kafka: no broker at {} answers; records wait", brokers());
    }
    worker_ = std::jthread([this](const std::stop_token& stop) { work(stop); });
  }

  bool publish(KafkaRecord record) {
    const TopicIdentity& topic = identity(record.topic);
    assert((topic.partitioning == Partitioning::kVenue)
               ? (record.partition >= 0 && record.partition < topic.partitions)
               : record.partition == kPartitionByKey);
    if (topic.partitioning == Partitioning::kSingle) record.partition = 0;

    std::unique_lock lock(mutex_);
    const std::size_t quarters = topic.must_deliver ? 4 : kMarketQuarters;
    const std::size_t bytes = record.key.size() + record.value.size();
    const auto fits = [&] {
      return records_ < max_records_ * quarters / 4 && bytes_ + bytes <= kMaxBytes * quarters / 4;
    };
    const auto taking = [&] {
      return state_.status != Status::kStopped && state_.status != Status::kFailed;
    };
    if (topic.must_deliver) room_.wait(lock, [&] { return !taking() || fits(); });
    if (!taking() || !fits()) {
      metrics_.dropped(index_of(topic.id));
      return false;
    }
    const std::int64_t second = second_of(clock_.now());
    records_ += 1;
    bytes_ += bytes;
    ++accepted_at_[second];
    Waiting waiting{std::move(record), second};
    if (ready_ && pending_.empty()) {
      switch (produce(waiting)) {
        case Produced::kYes:
          return true;
        case Produced::kNever:
          return false;
        case Produced::kLater:
          break;
      }
    }
    // Behind the ones that already wait, so that the order per key holds.
    pending_.push_back(std::move(waiting));
    return true;
  }

  bool flush(milliseconds deadline) {
    const auto end = steady_clock::now() + deadline;
    std::unique_lock lock(mutex_);
    while (records_ > 0) {
      const auto now = steady_clock::now();
      if (now >= end || state_.status == Status::kStopped) return false;
      if (ready_ && pending_.empty()) {
        // librdkafka's own flush also ends lingering.
        const auto left = std::chrono::ceil<milliseconds>(end - now);
        const auto slice = static_cast<int>(std::min(left, milliseconds{100}).count());
        lock.unlock();
        rd_kafka_flush(producer_.get(), slice);
        lock.lock();
      } else {
        room_.wait_until(lock, std::min(end, now + milliseconds{100}));
      }
    }
    return true;
  }

  void stop(milliseconds deadline) {
    if (!producer_) return;
    {
      const std::lock_guard lock(mutex_);
      if (state_.status == Status::kStopped) return;
    }
    flush(deadline);
    set_state(Status::kStopped, "stopped");
    worker_ = {};  // asks it to stop and waits
    // What is left is given up; its reports count it as failed.
    rd_kafka_purge(producer_.get(), RD_KAFKA_PURGE_F_QUEUE | RD_KAFKA_PURGE_F_INFLIGHT);
    const auto end = steady_clock::now() + kPurgeWithin;
    while (rd_kafka_outq_len(producer_.get()) > 0 && steady_clock::now() < end) {
      rd_kafka_poll(producer_.get(), 50);
    }
    {
      const std::lock_guard lock(mutex_);
      for (const Waiting& waiting : pending_) {
        metrics_.failed(index_of(waiting.record.topic));
        release(waiting.record.key.size() + waiting.record.value.size(), waiting.second);
      }
      pending_.clear();
      if (records_ > 0) spdlog::warn("kafka: {} records have no delivery report", records_);
    }
    report();
    handles_ = {};
    producer_.reset();
    embedded_.reset();
  }

  void on_acknowledged(Acknowledged acknowledged) { acknowledged_ = std::move(acknowledged); }

  State state() const {
    const std::lock_guard lock(mutex_);
    State state = state_;
    if (state.status == Status::kReady && stuck_) {
      state.status = Status::kDown;
      state.detail = "a broker answers, but records wait without being acknowledged";
    } else if (state.status == Status::kReady && state.embedded) {
      state.detail = "embedded broker: for trying things out, nothing survives a restart";
    }
    return state;
  }

  std::string brokers() const { return embedded_ ? embedded_->bootstraps() : settings_.brokers; }
  const Topics& topics() const { return topics_; }
  const Heartbeat& heartbeat() const { return heartbeat_; }

 private:
  /// A record that is accepted but not handed to librdkafka.
  struct Waiting {
    KafkaRecord record;
    std::int64_t second = 0;  // when it was accepted
  };
  enum class Produced : std::uint8_t { kYes, kLater, kNever };

  /// Hands a record to librdkafka. Needs mutex_. kNever: counted as failed and released.
  Produced produce(Waiting& waiting) {
    KafkaRecord& record = waiting.record;
    rd_kafka_headers_t* const headers = headers_of(record);
    std::array<rd_kafka_vu_t, 7> fields{};
    fields[0] = field(RD_KAFKA_VTYPE_RKT);
    fields[0].u.rkt = handles_[index_of(record.topic)].get();
    fields[1] = field(RD_KAFKA_VTYPE_PARTITION);
    fields[1].u.i32 = record.partition;
    fields[2] = field(RD_KAFKA_VTYPE_MSGFLAGS);
    fields[2].u.i = RD_KAFKA_MSG_F_COPY;
    fields[3] = field(RD_KAFKA_VTYPE_KEY, record.key);
    fields[4] = field(RD_KAFKA_VTYPE_VALUE, record.value);
    fields[5] = field(RD_KAFKA_VTYPE_HEADERS);
    fields[5].u.headers = headers;
    fields[6] = field(RD_KAFKA_VTYPE_OPAQUE);
    fields[6].u.ptr = pack(record.topic, waiting.second);
    const KafkaPtr<rd_kafka_error_t> error{
        rd_kafka_produceva(producer_.get(), fields.data(), fields.size())};
    if (!error) return Produced::kYes;
    rd_kafka_headers_destroy(headers);
    if (rd_kafka_error_code(error.get()) == RD_KAFKA_RESP_ERR__QUEUE_FULL) return Produced::kLater;
    complain(record.topic, rd_kafka_error_string(error.get()));
    metrics_.failed(index_of(record.topic));
    release(record.key.size() + record.value.size(), waiting.second);
    return Produced::kNever;
  }

  /// Takes a record out of the bound. Needs mutex_.
  void release(std::size_t bytes, std::int64_t second) {
    records_ -= 1;
    bytes_ -= bytes;
    const auto found = accepted_at_.find(second);
    if (found != accepted_at_.end() && --found->second == 0) accepted_at_.erase(found);
    room_.notify_all();
  }

  /// At most a line every few seconds: a topic that refuses one record refuses thousands. Needs
  /// mutex_.
  void complain(TopicId topic, const char* why) {
    const auto now = steady_clock::now();
    ++unsaid_;
    if (now < quiet_until_) return;
    spdlog::error("kafka: {} record(s) not delivered, the last to {}: {}", unsaid_,
                  topics_.name(topic), why);
    unsaid_ = 0;
    quiet_until_ = now + seconds{10};
  }

  /// The `ce_id` of a message; empty when it cannot be read.
  static std::string_view id_of(const rd_kafka_message_t* message) {
    rd_kafka_headers_t* headers = nullptr;
    const void* value = nullptr;
    std::size_t size = 0;
    if (rd_kafka_message_headers(message, &headers) != RD_KAFKA_RESP_ERR_NO_ERROR ||
        rd_kafka_header_get_last(headers, "ce_id", &value, &size) != RD_KAFKA_RESP_ERR_NO_ERROR) {
      return {};
    }
    return {static_cast<const char*>(value), size};
  }

  static void on_delivered(rd_kafka_t* /*client*/, const rd_kafka_message_t* message,
                           void* opaque) {
    Impl& self = *static_cast<Impl*>(opaque);
    const TopicId topic = packed_topic(message->_private);
    if (self.acknowledged_ && message->err == RD_KAFKA_RESP_ERR_NO_ERROR &&
        identity(topic).must_deliver) {
      self.acknowledged_(id_of(message));
    }
    const std::lock_guard lock(self.mutex_);
    if (message->err == RD_KAFKA_RESP_ERR_NO_ERROR) {
      self.metrics_.delivered(index_of(topic), microseconds{rd_kafka_message_latency(message)});
      self.recovered();
    } else {
      self.metrics_.failed(index_of(topic));
      self.complain(topic, rd_kafka_err2str(message->err));
    }
    self.release(message->key_len + message->len, packed_second(message->_private));
  }

  static void on_error(rd_kafka_t* client, int code, const char* reason, void* opaque) {
    Impl& self = *static_cast<Impl*>(opaque);
    if (code == RD_KAFKA_RESP_ERR__FATAL) {
      std::array<char, 512> text{};
      rd_kafka_fatal_error(client, text.data(), text.size());
      spdlog::error("kafka: fatal: {}", text.data());
      self.set_state(Status::kFailed, text.data());
    } else if (code == RD_KAFKA_RESP_ERR__ALL_BROKERS_DOWN) {
      const std::lock_guard lock(self.mutex_);
      if (self.state_.status != Status::kReady) return;
      spdlog::warn("kafka: {}; records wait", reason);
      self.state_.status = Status::kDown;
      self.state_.detail = reason;
    }
  }

  /// A broker has answered. Needs mutex_.
  void recovered() {
    if (state_.status != Status::kDown) return;
    spdlog::info("kafka: a broker answers again");
    state_.status = Status::kReady;
    state_.detail.clear();
  }

  void adopt(std::optional<TopicHandles> handles) {
    if (!handles) return;
    const std::lock_guard lock(mutex_);
    handles_ = std::move(*handles);
    ready_ = true;
    state_.status = Status::kReady;
    state_.detail.clear();
  }

  void work(const std::stop_token& stop) {
    auto next_try = steady_clock::now() + kRetryEvery;
    auto next_report = steady_clock::now();
    while (!stop.stop_requested()) {
      serve_reports();
      const auto now = steady_clock::now();
      heartbeat_.beat(now);
      if (now >= next_try) {
        if (status() != Status::kReady) heartbeat_.beat(now, kLongestTry);
        connect_again();
        next_try = steady_clock::now() + kRetryEvery;
      }
      hand_over_pending();
      if (now >= next_report) {
        report();
        next_report = now + kReportEvery;
      }
    }
    heartbeat_.rest();
  }

  /// The wait is not rd_kafka_poll()'s own: that one is until a moment of the wall clock, and would
  /// last an hour longer when somebody sets the clock back an hour.
  void serve_reports() {
    if (rd_kafka_poll(producer_.get(), 0) > 0) return;
    std::unique_lock lock(mutex_);
    room_.wait_for(lock, kIdle, [] { return false; });
  }

  /// While no broker answers: looks whether one does now.
  void connect_again() {
    const Status now = status();
    if (now == Status::kConnecting) {
      try {
        adopt(prepare_topics(producer_.get(), topics_, milliseconds{500}));
        if (status() == Status::kReady) spdlog::info("kafka: connected to {}", brokers());
      } catch (const std::exception& e) {
        spdlog::error("{}", e.what());
        set_state(Status::kFailed, e.what());
      }
    } else if (now == Status::kDown) {
      const rd_kafka_metadata_t* metadata = nullptr;
      if (rd_kafka_metadata(producer_.get(), 0, nullptr, &metadata, 300) ==
          RD_KAFKA_RESP_ERR_NO_ERROR) {
        rd_kafka_metadata_destroy(metadata);
        const std::lock_guard lock(mutex_);
        recovered();
      }
    }
  }

  void hand_over_pending() {
    // In slices, so that publish() is never kept waiting for long.
    constexpr std::size_t kSlice = 500;
    for (bool more = true; more;) {
      const std::lock_guard lock(mutex_);
      if (!ready_) return;
      for (std::size_t i = 0; i < kSlice && !pending_.empty(); ++i) {
        if (produce(pending_.front()) == Produced::kLater) return;
        pending_.pop_front();
      }
      more = !pending_.empty();
    }
  }

  void report() {
    const std::lock_guard lock(mutex_);
    std::optional<microseconds> oldest;
    if (!accepted_at_.empty()) {
      const Timestamp since{seconds{accepted_at_.begin()->first}};
      oldest = std::max(microseconds{0}, clock_.now() - since);
    }
    metrics_.set_queue(records_, bytes_, oldest);
    stuck_ = oldest && *oldest > kTooLong;
    metrics_.set_connected(state_.status == Status::kReady && !stuck_);
  }

  void set_state(Status to, std::string detail) {
    {
      const std::lock_guard lock(mutex_);
      state_.status = to;
      state_.detail = std::move(detail);
    }
    room_.notify_all();
  }
  Status status() const {
    const std::lock_guard lock(mutex_);
    return state_.status;
  }

  const config::KafkaSettings settings_;
  const Topics topics_;
  metrics::PublishMetrics& metrics_;
  const Clock& clock_;
  const std::size_t max_records_;
  Heartbeat heartbeat_;
  Acknowledged acknowledged_;

  mutable std::mutex mutex_;
  std::condition_variable room_;  // records_ fell or the state changed
  // All guarded by mutex_.
  State state_;
  bool ready_ = false;       // handles_ are there
  bool stuck_ = false;       // the oldest record waits for too long
  std::size_t records_ = 0;  // accepted, not yet reported on
  std::size_t bytes_ = 0;
  std::map<std::int64_t, std::size_t> accepted_at_;  // how many of them, by the second
  std::deque<Waiting> pending_;
  std::size_t unsaid_ = 0;
  steady_clock::time_point quiet_until_{};

  // Set by start(), used by every thread after it. The handles go before the producer, it before
  // the broker.
  std::optional<EmbeddedBroker> embedded_;
  KafkaPtr<rd_kafka_t> producer_;
  TopicHandles handles_;
  std::jthread worker_;
};

KafkaPublisher::KafkaPublisher(const config::Settings& settings, metrics::PublishMetrics& metrics,
                               const Clock& clock)
    : impl_(std::make_unique<Impl>(settings, metrics, clock)) {}

KafkaPublisher::~KafkaPublisher() = default;

void KafkaPublisher::on_acknowledged(Acknowledged acknowledged) {
  impl_->on_acknowledged(std::move(acknowledged));
}

void KafkaPublisher::start() { impl_->start(); }

bool KafkaPublisher::publish(KafkaRecord record) { return impl_->publish(std::move(record)); }

bool KafkaPublisher::flush(milliseconds deadline) { return impl_->flush(deadline); }

void KafkaPublisher::stop(milliseconds deadline) { impl_->stop(deadline); }

KafkaPublisher::State KafkaPublisher::state() const { return impl_->state(); }

const Heartbeat& KafkaPublisher::heartbeat() const { return impl_->heartbeat(); }

std::string KafkaPublisher::brokers() const { return impl_->brokers(); }

const Topics& KafkaPublisher::topics() const { return impl_->topics(); }

}  // namespace spreadwatch::publish
