#include "publish/kafka_publisher.h"

#include <spdlog/spdlog.h>
#include <sys/eventfd.h>
#include <sys/poll.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cassert>
#include <cerrno>
#include <condition_variable>
#include <cstring>
#include <filesystem>
#include <mutex>
#include <optional>
#include <set>
#include <stdexcept>
#include <thread>
#include <utility>
#include <vector>

#include "core/lock_within.h"
#include "core/state_file.h"
#include "publish/cloud_event.h"
#include "publish/kafka_client.h"
#include "publish/record_lanes.h"
#include "publish/schemas.h"
#include "publish/topic_keeper.h"
#include "publish/undelivered.h"

namespace spreadwatch::publish {
namespace {

using std::chrono::steady_clock;
using Time = steady_clock::time_point;
using Item = RecordLanes::Item;

/// What may wait for the broker, in bytes of keys and values.
constexpr std::size_t kMaxMarketBytes = 192U << 20U;
constexpr std::size_t kMaxMustDeliverBytes = 128U << 20U;
/// What librdkafka may have of one lane; all lanes together stay below the bound of market data.
constexpr std::size_t kWindowBytes = 2U << 20U;
constexpr std::size_t kWindowParts = 64;
constexpr std::size_t kLeastWindow = 16;

constexpr milliseconds kFirstContact{3000};
constexpr milliseconds kLookPatience{500};
constexpr milliseconds kLookAgain{1000};
constexpr milliseconds kLongestLook{15'000};  // with topics that are made
constexpr milliseconds kLookSoon{200};
constexpr milliseconds kReportEvery{250};
constexpr milliseconds kIdle{50};
constexpr seconds kRefusalLasts{60};
constexpr milliseconds kStopWithin{5000};
constexpr milliseconds kPurgeWithin{1000};

/// Wakes the worker. Threads: any.
class Wake {
 public:
  Wake() : fd_(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) {
    if (fd_ < 0) throw std::runtime_error(std::string{"kafka: eventfd: "} + std::strerror(errno));
  }
  ~Wake() { ::close(fd_); }
  Wake(const Wake&) = delete;
  Wake& operator=(const Wake&) = delete;

  void up() const {
    const std::uint64_t one = 1;
    // Full means that it is awake.
    static_cast<void>(::write(fd_, &one, sizeof one) == sizeof one);
  }
  void wait(milliseconds at_most) const {
    ::pollfd waiting{fd_, POLLIN, 0};
    ::poll(&waiting, 1, static_cast<int>(at_most.count()));
    std::uint64_t count = 0;
    static_cast<void>(::read(fd_, &count, sizeof count) == sizeof count);
  }

 private:
  int fd_;
};

/// The CloudEvents binary-mode headers. Owned by the caller until produced.
rd_kafka_headers_t* headers_of(const KafkaRecord& record) {
  constexpr std::size_t kCount = 8;
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
  add("ce_subject", record.key);
  add("ce_dataschema", schema_id(record.type));
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

/// What a delivery report says of a record that was not delivered.
enum class Failure : std::uint8_t {
  kGivenBack,  ///< nothing about the record: the producer ended, or its topic is not there
  kRefused,    ///< the broker does not take it
};

bool no_such_place(rd_kafka_resp_err_t code) {
  return code == RD_KAFKA_RESP_ERR__UNKNOWN_TOPIC || code == RD_KAFKA_RESP_ERR__UNKNOWN_PARTITION ||
         code == RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART;
}

Failure failure_of(rd_kafka_resp_err_t code) {
  if (no_such_place(code)) return Failure::kGivenBack;
  switch (code) {
    case RD_KAFKA_RESP_ERR__PURGE_QUEUE:
    case RD_KAFKA_RESP_ERR__PURGE_INFLIGHT:
    case RD_KAFKA_RESP_ERR__DESTROY:
    case RD_KAFKA_RESP_ERR__FATAL:
    case RD_KAFKA_RESP_ERR__GAPLESS_GUARANTEE:
    case RD_KAFKA_RESP_ERR__INCONSISTENT:
    case RD_KAFKA_RESP_ERR__TRANSPORT:
    case RD_KAFKA_RESP_ERR_OUT_OF_ORDER_SEQUENCE_NUMBER:
    case RD_KAFKA_RESP_ERR_DUPLICATE_SEQUENCE_NUMBER:
    case RD_KAFKA_RESP_ERR_INVALID_PRODUCER_EPOCH:
    case RD_KAFKA_RESP_ERR_PRODUCER_FENCED:
    case RD_KAFKA_RESP_ERR_UNKNOWN_PRODUCER_ID:
    case RD_KAFKA_RESP_ERR_INVALID_PRODUCER_ID_MAPPING:
      return Failure::kGivenBack;
    default:
      return Failure::kRefused;
  }
}

RecordLanes::Limits limits_for(const config::KafkaSettings& settings) {
  const std::size_t records = std::max<std::size_t>(settings.queue_records, 4);
  return {.market = {records * 3 / 4, kMaxMarketBytes},
          .must_deliver = {records, kMaxMustDeliverBytes},
          .window = {std::max(records / kWindowParts, kLeastWindow), kWindowBytes}};
}

}  // namespace

class KafkaPublisher::Impl {
 public:
  Impl(const config::Settings& settings, metrics::PublishMetrics& metrics, const Patience& patience)
      : settings_(settings.kafka),
        topics_(settings),
        metrics_(metrics),
        patience_(patience),
        limits_(limits_for(settings_)),
        lanes_(limits_, [this](const Item& item, RecordLanes::Left why) { left_out(item, why); }),
        keeper_(topics_) {
    if (!settings.state_dir.empty()) {
      undelivered_file_ = std::filesystem::path{settings.state_dir} / kUndeliveredFile;
    }
  }

  ~Impl() { stop(kStopWithin); }

  void start() {
    take_up_undelivered();
    embedded_wanted_ = settings_.brokers == "embedded";
    if (embedded_wanted_) {
      embedded_.emplace(topics_);
      spdlog::warn(
          "kafka: the embedded broker at {} is for trying things out: memory only, this machine "
          "only, about 5 MiB a partition",
          embedded_->bootstraps());
    }
    for (Producer& producer : producers_) make(producer);
    try {
      const bool answered = keeper_.prepare_at_start(must_deliver().client.get(), kFirstContact);
      if (answered) refresh_market_handles(kFirstContact);
      const std::lock_guard lock(mutex_);
      phase_ = Phase::kRunning;
      contact_ = answered;
      answers_ = answered;
    } catch (const std::exception& e) {
      const std::lock_guard lock(mutex_);
      refused_start_ = e.what();
      throw;
    }
    if (!contact_) spdlog::warn("kafka: no broker at {} answers; records wait", brokers());
    report();
    worker_ = std::jthread([this](const std::stop_token& stop) { work(stop); });
  }

  bool took_up(std::string_view id) const { return taken_up_.contains(id); }

  bool publish(KafkaRecord record) {
    assert((identity(record.topic).partitioning == Partitioning::kVenue)
               ? (record.partition >= 0 && record.partition < identity(record.topic).partitions)
               : record.partition == kPartitionByKey);
    const std::lock_guard lock(mutex_);
    if (phase_ == Phase::kStopped || !refused_start_.empty()) {
      metrics_.dropped(index_of(record.topic));
      return false;
    }
    const std::size_t topic = index_of(record.topic);
    const std::uint64_t refused_before = refused_here_[topic];
    const std::optional<std::size_t> lane = lanes_.add(std::move(record), steady_clock::now());
    if (!lane) return false;
    hand_over(*lane, limits_.window.records);
    return refused_here_[topic] == refused_before;
  }

  bool flush(milliseconds deadline) {
    const auto end = steady_clock::now() + deadline;
    std::unique_lock lock(mutex_);
    emptied_.wait_until(lock, end,
                        [this] { return lanes_.records() == 0 || phase_ == Phase::kStopped; });
    return lanes_.records() == 0;
  }

  void stop(milliseconds deadline) {
    bool running = false;
    {
      const std::lock_guard lock(mutex_);
      if (phase_ == Phase::kStopped) return;
      running = phase_ == Phase::kRunning;
    }
    if (running) flush(deadline);
    {
      const std::lock_guard lock(mutex_);
      phase_ = Phase::kStopped;
    }
    emptied_.notify_all();
    worker_.request_stop();
    wake_.up();
    worker_ = {};
    {
      // Ending one takes up to a second when its broker is away.
      const auto end = [this](Producer& producer) {
        take_back(producer);
        unmake(producer);
      };
      const std::jthread market([&] { end(producers_[kMarket]); });
      end(producers_[kMustDeliver]);
    }
    keep_undelivered();
    report();
    embedded_.reset();
  }

  void on_acknowledged(Acknowledged acknowledged) { acknowledged_ = std::move(acknowledged); }

  State state() const {
    const std::unique_lock lock = lock_within(mutex_, kHeldTooLong);
    if (lock) return state_of(steady_clock::now());
    const std::string held = "what waits for the brokers is held up";
    return {.status = Status::kDown,
            .reasons = {held},
            .detail = held,
            .embedded = embedded_.has_value()};
  }

  std::string brokers() const { return embedded_ ? embedded_->bootstraps() : settings_.brokers; }
  const Topics& topics() const { return topics_; }
  const Heartbeat& heartbeat() const { return heartbeat_; }

  void break_producers(const std::string& why) {
    const std::lock_guard lock(mutex_);
    for (Producer& producer : producers_) {
      if (producer.client) {
        rd_kafka_test_fatal_error(producer.client.get(),
                                  RD_KAFKA_RESP_ERR_OUT_OF_ORDER_SEQUENCE_NUMBER, why.c_str());
      }
    }
  }

 private:
  enum class Phase : std::uint8_t { kNew, kRunning, kStopped };

  /// One of the two producers: what market data does must not touch what must be delivered.
  struct Producer {
    Impl* owner = nullptr;
    AfterRefusal after_refusal = AfterRefusal::kGoOn;
    // The handles and the queue go before the client.
    KafkaPtr<rd_kafka_t> client;
    KafkaPtr<rd_kafka_queue_t> queue;
    TopicHandles handles;
    // Guarded by the owner's mutex_.
    bool usable = false;
    std::string fatal;   // why it can go no further; empty = it can
    int made_again = 0;  // since the last acknowledgement
    Time make_at{};
  };

  /// How it stands with delivering what is in a lane. Guarded by mutex_.
  struct Delivery {
    std::string refusal;  // what the broker said last; empty = it takes records
    int refusals = 0;     // since the last acknowledgement
    Time refused_at{};
    Time retry_at{};
  };

  static constexpr std::size_t kMarket = 0;
  static constexpr std::size_t kMustDeliver = 1;
  Producer& producer_of(TopicId topic) {
    return producers_[identity(topic).must_deliver ? kMustDeliver : kMarket];
  }
  Producer& must_deliver() { return producers_[kMustDeliver]; }

  // --- producers ---

  void make(Producer& producer) {
    producer.owner = this;
    // The lanes keep the bounds; librdkafka's own are a little above, so that it never refuses.
    const std::size_t lanes = RecordLanes::kLanes;
    KafkaPtr<rd_kafka_t> client = make_producer(
        settings_, brokers(), producer.after_refusal, limits_.window.records * lanes + lanes,
        kWindowBytes * lanes * 2, {.delivered = on_report, .error = on_error, .opaque = &producer});
    TopicHandles handles = make_handles(client.get(), topics_);
    KafkaPtr<rd_kafka_queue_t> queue{rd_kafka_queue_get_main(client.get())};
    rd_kafka_queue_cb_event_enable(
        queue.get(), [](rd_kafka_t*, void* wake) { static_cast<const Wake*>(wake)->up(); }, &wake_);
    const std::lock_guard lock(mutex_);
    producer.client = std::move(client);
    producer.handles = std::move(handles);
    producer.queue = std::move(queue);
    producer.fatal.clear();
    producer.usable = true;
  }

  /// Everything that it was given and that is not acknowledged comes back.
  void take_back(Producer& producer) {
    if (!producer.client) return;
    {
      const std::lock_guard lock(mutex_);
      producer.usable = false;
    }
    rd_kafka_poll(producer.client.get(), 0);
    rd_kafka_purge(producer.client.get(), RD_KAFKA_PURGE_F_QUEUE | RD_KAFKA_PURGE_F_INFLIGHT);
    const auto end = steady_clock::now() + kPurgeWithin;
    while (rd_kafka_outq_len(producer.client.get()) > 0 && steady_clock::now() < end) {
      rd_kafka_poll(producer.client.get(), 50);
    }
  }

  void unmake(Producer& producer) {
    if (!producer.client) return;
    rd_kafka_queue_cb_event_enable(producer.queue.get(), nullptr, nullptr);
    TopicHandles handles;
    KafkaPtr<rd_kafka_t> client;
    {
      const std::lock_guard lock(mutex_);
      handles = std::move(producer.handles);
      client = std::move(producer.client);
      producer.queue.reset();
    }
    handles = {};
    client.reset();
    // A report that never came is of a client that is gone: its records are to be sent again.
    const std::lock_guard lock(mutex_);
    lanes_.all_back([&](TopicId topic) { return &producer_of(topic) == &producer; });
  }

  /// A producer that met a fatal error is replaced, at first at once, then ever more rarely.
  void make_again_if_due(Producer& producer) {
    std::string why;
    {
      const std::lock_guard lock(mutex_);
      if (producer.fatal.empty() || steady_clock::now() < producer.make_at) return;
      why = producer.fatal;
    }
    take_back(producer);
    unmake(producer);
    try {
      make(producer);
    } catch (const std::exception& e) {
      spdlog::error("kafka: the producer cannot be made anew: {}", e.what());
      const std::lock_guard lock(mutex_);
      producer.fatal = why;
      producer.make_at = steady_clock::now() + patience_.last_retry;
      return;
    }
    const std::lock_guard lock(mutex_);
    last_fatal_ = why;
    ++producer.made_again;
    producer.make_at = steady_clock::now() + wait_after(producer.made_again);
    look_at_ = Time{};
    topics_suspect_ = true;  // the new handles know no partitions yet
  }

  milliseconds wait_after(int failures) const {
    constexpr int kDoublings = 10;
    return std::min(patience_.first_retry * (1 << std::clamp(failures - 1, 0, kDoublings)),
                    patience_.last_retry);
  }

  // --- records in and out ---

  /// Hands over what may go of a lane, at most so many records. Needs mutex_.
  void hand_over(std::size_t lane, std::size_t at_most) {
    const TopicId id = RecordLanes::topic_of(lane);
    const TopicKeeper::Topic& topic = keeper_[id];
    Producer& producer = producer_of(id);
    if (!contact_ || topics_suspect_ || !topic.ready || !producer.usable ||
        !producer.fatal.empty()) {
      return;
    }
    const Delivery& delivery = delivery_[lane];
    if (delivery.refusals > 0 && identity(id).must_deliver &&
        steady_clock::now() < delivery.retry_at) {
      return;
    }
    for (std::size_t i = 0; i < at_most; ++i) {
      Item* const item = lanes_.next(lane);
      if (item == nullptr || !produce(producer, topic, *item)) return;
    }
  }

  /// Hands a record to librdkafka. False: nothing more of its lane now. Needs mutex_.
  bool produce(Producer& producer, const TopicKeeper::Topic& topic, Item& item) {
    KafkaRecord& record = item.record;
    rd_kafka_headers_t* const headers = headers_of(record);
    std::array<rd_kafka_vu_t, 6> fields{};
    fields[0] = field(RD_KAFKA_VTYPE_RKT);
    fields[0].u.rkt = producer.handles[index_of(record.topic)].get();
    fields[1] = field(RD_KAFKA_VTYPE_PARTITION);
    fields[1].u.i32 = partition_of(record, topic);
    // No copy: the record stays where it is until it is reported on.
    fields[2] = field(RD_KAFKA_VTYPE_KEY, record.key);
    fields[3] = field(RD_KAFKA_VTYPE_VALUE, record.value);
    fields[4] = field(RD_KAFKA_VTYPE_HEADERS);
    fields[4].u.headers = headers;
    fields[5] = field(RD_KAFKA_VTYPE_OPAQUE);
    fields[5].u.ptr = &item;
    const KafkaPtr<rd_kafka_error_t> error{
        rd_kafka_produceva(producer.client.get(), fields.data(), fields.size())};
    if (!error) {
      lanes_.handed_over(item);
      return true;
    }
    rd_kafka_headers_destroy(headers);
    const rd_kafka_resp_err_t code = rd_kafka_error_code(error.get());
    if (code == RD_KAFKA_RESP_ERR__QUEUE_FULL) return false;
    if (code != RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE) {
      // Nothing about the record: what librdkafka knows of the topic is out of date (it has gone,
      // or was refused a moment ago), or the producer ends.
      if (no_such_place(code) || failure_of(code) == Failure::kRefused) suspect_topics();
      return false;
    }
    // librdkafka itself will not have it, today or later: no broker was asked.
    const TopicId id = record.topic;
    complain(id, rd_kafka_error_string(error.get()));
    metrics_.failed(index_of(id));
    ++refused_here_[index_of(id)];
    forget(item);
    lanes_.refuse(item);
    emptied_.notify_all();
    return true;
  }

  /// A key's partition is Kafka's own choice, made here so that a topic which comes back with fewer
  /// partitions does not move it.
  static int partition_of(const KafkaRecord& record, const TopicKeeper::Topic& topic) {
    switch (identity(record.topic).partitioning) {
      case Partitioning::kVenue:
        return record.partition;
      case Partitioning::kKey:
        return rd_kafka_msg_partitioner_murmur2(nullptr, record.key.data(), record.key.size(),
                                                topic.partitions, nullptr, nullptr);
      case Partitioning::kSingle:
        break;
    }
    return 0;
  }

  void hand_over_all() {
    // In slices, so that publish() is never kept waiting for long.
    constexpr std::size_t kSlice = 500;
    for (std::size_t lane = 0; lane < RecordLanes::kLanes; ++lane) {
      const std::lock_guard lock(mutex_);
      hand_over(lane, kSlice);
    }
  }

  /// A record that will not go any more: it cannot be asked for by the next run either. Needs
  /// mutex_.
  void forget(const Item& item) {
    if (item.resumed && resumed_left_ > 0) --resumed_left_;
  }

  /// For want of room. Called from lanes_, so with mutex_.
  void left_out(const Item& item, RecordLanes::Left why) {
    const std::size_t topic = index_of(item.record.topic);
    forget(item);
    if (why == RecordLanes::Left::kConflated) {
      metrics_.conflated(topic);
      return;
    }
    metrics_.dropped(topic);
    if (identity(item.record.topic).must_deliver) {
      ++must_dropped_;
      must_dropped_at_ = steady_clock::now();
    }
  }

  /// At most a line every few seconds: a topic that refuses one record refuses thousands. Needs
  /// mutex_.
  void complain(TopicId topic, const std::string& why) {
    const auto now = steady_clock::now();
    ++unsaid_;
    if (now < quiet_until_) return;
    spdlog::error("kafka: {} record(s) refused, the last to {}: {}", unsaid_, topics_.name(topic),
                  why);
    unsaid_ = 0;
    quiet_until_ = now + seconds{10};
  }

  // --- what librdkafka reports ---

  static void on_report(rd_kafka_t* client, const rd_kafka_message_t* message, void* opaque) {
    Producer& producer = *static_cast<Producer*>(opaque);
    Impl& self = *producer.owner;
    Item& item = *static_cast<Item*>(message->_private);
    const bool delivered = message->err == RD_KAFKA_RESP_ERR_NO_ERROR;
    std::unique_lock lock(self.mutex_);
    const TopicId topic = item.record.topic;
    if (delivered && self.acknowledged_ && identity(topic).must_deliver) {
      const std::string id = item.record.id;
      lock.unlock();  // who is told may lock and wait
      self.acknowledged_(id);
      lock.lock();
    }
    if (delivered) {
      self.metrics_.delivered(index_of(topic), microseconds{rd_kafka_message_latency(message)});
      self.delivered(producer, item);
    } else {
      std::array<char, 16> unused{};
      const bool ended =
          rd_kafka_fatal_error(client, unused.data(), unused.size()) != RD_KAFKA_RESP_ERR_NO_ERROR;
      self.not_delivered(message->err, ended, item);
    }
    if (self.lanes_.records() == 0) self.emptied_.notify_all();
  }

  /// Needs mutex_.
  void delivered(Producer& producer, Item& item) {
    Delivery& delivery = delivery_[item.lane];
    if (delivery.refusals > 0) {
      spdlog::info("kafka: {} takes records again", topics_.name(item.record.topic));
    }
    delivery = {};
    producer.made_again = 0;
    answers_ = true;
    down_reason_.clear();
    forget(item);
    lanes_.acknowledged(item, steady_clock::now());
  }

  /// Needs mutex_.
  void not_delivered(rd_kafka_resp_err_t code, bool producer_ended, Item& item) {
    const TopicId topic = item.record.topic;
    const bool must = identity(topic).must_deliver;
    if (no_such_place(code)) suspect_topics();
    if (failure_of(code) == Failure::kGivenBack || (producer_ended && !must)) {
      lanes_.came_back(item);
      return;
    }
    Delivery& delivery = delivery_[item.lane];
    const auto now = steady_clock::now();
    const std::string why = write_error(code);
    complain(topic, why);
    // All that one refusal brings back is one refusal.
    if (delivery.refusals == 0 || now >= delivery.retry_at) {
      ++delivery.refusals;
      delivery.retry_at = now + wait_after(delivery.refusals);
    }
    delivery.refusal = why;
    delivery.refused_at = now;
    if (must) {
      metrics_.refused(index_of(topic));
      lanes_.narrow(topic);
      lanes_.came_back(item);
    } else {
      metrics_.failed(index_of(topic));
      forget(item);
      lanes_.give_up(item);
    }
  }

  /// The topics may not be what they were: nothing more goes out before they were looked at. Needs
  /// mutex_.
  void suspect_topics() {
    if (topics_suspect_) return;
    topics_suspect_ = true;
    look_at_ = looked_at_ + kLookSoon;
    wake_.up();
  }

  static void on_error(rd_kafka_t* client, int code, const char* reason, void* opaque) {
    Producer& producer = *static_cast<Producer*>(opaque);
    Impl& self = *producer.owner;
    if (code == RD_KAFKA_RESP_ERR__FATAL) {
      std::array<char, 512> text{};
      rd_kafka_fatal_error(client, text.data(), text.size());
      const std::lock_guard lock(self.mutex_);
      // One that stops at a refusal is meant to; the refusal is what is told of.
      const bool meant = producer.after_refusal == AfterRefusal::kStop;
      spdlog::log(meant ? spdlog::level::debug : spdlog::level::err,
                  "kafka: the producer ends and is made anew: {}", text.data());
      producer.fatal = text.data();
      self.wake_.up();
    } else if (code == RD_KAFKA_RESP_ERR__ALL_BROKERS_DOWN) {
      const std::lock_guard lock(self.mutex_);
      if (!self.answers_) return;
      spdlog::warn("kafka: {}; records wait", reason);
      self.answers_ = false;
      self.down_reason_ = reason;
      self.suspect_topics();
    }
  }

  // --- the worker ---

  void work(const std::stop_token& stop) {
    auto next_report = steady_clock::now();
    while (!stop.stop_requested()) {
      wake_.wait(kIdle);
      heartbeat_.beat(steady_clock::now());
      for (Producer& producer : producers_) {
        if (producer.client) rd_kafka_poll(producer.client.get(), 0);
        make_again_if_due(producer);
      }
      look_if_due(stop);
      hand_over_all();
      const auto now = steady_clock::now();
      if (now >= next_report) {
        report();
        next_report = now + kReportEvery;
      }
    }
    heartbeat_.rest();
  }

  void refresh_market_handles(milliseconds patience) {
    if (producers_[kMarket].client) {
      static_cast<void>(look_at_topics(producers_[kMarket].client.get(), topics_, patience));
    }
  }

  void look_if_due(const std::stop_token& stop) {
    {
      const std::lock_guard lock(mutex_);
      if (steady_clock::now() < look_at_ || !must_deliver().client) return;
    }
    heartbeat_.beat(steady_clock::now(), kLongestLook);
    // The keeper is the worker's; who hands records over reads it under the lock.
    TopicKeeper looked = copy_of_keeper();
    const bool answered = looked.look(must_deliver().client.get(), kLookPatience,
                                      [&stop] { return stop.stop_requested(); });
    if (answered) refresh_market_handles(kLookPatience);
    const std::lock_guard lock(mutex_);
    if (answered) {
      if (!contact_) spdlog::info("kafka: connected to {}", brokers());
      if (contact_ && !answers_) spdlog::info("kafka: a broker answers again");
      contact_ = true;
      answers_ = true;
      down_reason_.clear();
      topics_suspect_ = false;
      keeper_ = std::move(looked);
    } else {
      if (contact_ && answers_) spdlog::warn("kafka: no broker answers; records wait");
      answers_ = false;
      topics_suspect_ = true;
    }
    const bool settled = answered && keeper_.complete();
    looked_at_ = steady_clock::now();
    look_at_ = looked_at_ + (settled ? patience_.look_every : kLookAgain);
    if (answered && !settled && keeper_.unsettled()) look_at_ = looked_at_ + kLookSoon;
  }

  TopicKeeper copy_of_keeper() const {
    const std::lock_guard lock(mutex_);
    return keeper_;
  }

  void report() {
    bool all_taken_up = false;
    {
      const std::lock_guard lock(mutex_);
      const auto now = steady_clock::now();
      std::optional<microseconds> oldest;
      if (const auto since = lanes_.oldest()) {
        oldest = std::chrono::duration_cast<microseconds>(now - *since);
      }
      metrics_.set_queue(lanes_.records(), lanes_.bytes(), oldest);
      const Status status = state_of(now).status;
      metrics_.set_connected(status == Status::kReady || status == Status::kFailed);
      metrics_.set_delivering(status == Status::kReady);
      if (resumed_ && resumed_left_ == 0 && phase_ == Phase::kRunning) {
        resumed_ = false;
        all_taken_up = true;
      }
    }
    if (all_taken_up) remove_undelivered();
  }

  // --- how it stands ---

  /// Needs mutex_.
  State state_of(Time now) const {
    State state;
    state.embedded = embedded_wanted_;
    const auto because = [&state](Status status, std::string reason) {
      if (state.reasons.empty() || status == Status::kFailed) state.status = status;
      state.reasons.push_back(std::move(reason));
    };
    state.status = Status::kReady;
    if (!refused_start_.empty()) {
      because(Status::kFailed, refused_start_);
    } else if (phase_ != Phase::kRunning) {
      because(Status::kStopped, phase_ == Phase::kNew ? "not started" : "stopped");
    } else if (!contact_) {
      because(Status::kConnecting, "no broker has answered yet");
    } else if (!answers_) {
      because(Status::kDown,
              down_reason_.empty() ? "no broker answers" : "no broker answers: " + down_reason_);
    } else {
      add_reasons(now, because);
    }
    for (std::size_t i = 0; i < state.reasons.size(); ++i) {
      state.detail += (i == 0 ? "" : "; ") + state.reasons[i];
    }
    if (state.reasons.empty() && state.embedded) {
      state.detail = "embedded broker: for trying things out, nothing survives a restart";
    }
    state.notices = notices_;
    if (must_dropped_ > 0) {
      state.notices.push_back(std::to_string(must_dropped_) +
                              " record(s) that must be delivered found no room and were dropped");
    }
    for (const TopicIdentity& topic : kTopics) {
      if (!topic.must_deliver || refused_here_[index_of(topic.id)] == 0) continue;
      state.notices.push_back(topics_.name(topic.id) + ": " +
                              std::to_string(refused_here_[index_of(topic.id)]) +
                              " record(s) too large to be sent were given up");
    }
    return state;
  }

  template <class Because>
  void add_reasons(Time now, const Because& because) const {
    std::vector<TopicId> stuck;
    bool all_stuck = true;
    for (const TopicIdentity& topic : kTopics) {
      const std::string& name = topics_.name(topic.id);
      if (const std::string& problem = keeper_[topic.id].problem; !problem.empty()) {
        because(Status::kFailed, std::string{name}.append(": ").append(problem));
      } else if (const std::string* const refusal = refusal_of(topic, now)) {
        because(Status::kFailed, std::string{name}.append(": ").append(*refusal));
      } else if (const auto since = lanes_.waiting_since(topic.id)) {
        if (now - *since >= patience_.unacknowledged) {
          stuck.push_back(topic.id);
        } else {
          all_stuck = false;
        }
      }
    }
    const std::string text = "nothing acknowledged for " +
                             std::to_string(patience_.unacknowledged.count() / 1000) +
                             " s while records wait";
    if (!stuck.empty() && all_stuck) {
      because(Status::kDown, text);
    } else {
      for (const TopicId topic : stuck) because(Status::kDown, topics_.name(topic) + ": " + text);
    }
    for (const Producer& producer : producers_) {
      // One that stops at a refusal is told of by the refusal.
      if (producer.made_again > 1 && producer.after_refusal == AfterRefusal::kGoOn) {
        because(Status::kFailed, "the producer ends again and again: " + last_fatal_);
      }
    }
    if (must_dropped_at_ && now - *must_dropped_at_ < seconds{60}) {
      because(Status::kFailed, "records that must be delivered find no room and are dropped");
    }
  }

  /// What a broker says against records of the topic; null = nothing. Needs mutex_.
  const std::string* refusal_of(const TopicIdentity& topic, Time now) const {
    for (std::size_t lane = 0; lane < RecordLanes::kLanes; ++lane) {
      const Delivery& delivery = delivery_[lane];
      if (RecordLanes::topic_of(lane) != topic.id || delivery.refusals == 0) continue;
      // Market data that was refused is gone: it says something for a while only.
      if (topic.must_deliver || now - delivery.refused_at < kRefusalLasts) return &delivery.refusal;
    }
    return nullptr;
  }

  // --- from run to run ---

  void take_up_undelivered() {
    if (undelivered_file_.empty()) return;
    Undelivered found = read_undelivered(undelivered_file_);
    const std::lock_guard lock(mutex_);
    if (!found.moved_aside.empty()) {
      spdlog::error("kafka: what the run before left undelivered was damaged; it is now {}",
                    found.moved_aside);
      notices_.push_back("damaged undelivered records moved to " + found.moved_aside);
    }
    if (found.records.empty()) return;
    spdlog::info("kafka: {} record(s) of the run before are to be delivered", found.records.size());
    resumed_ = true;
    for (KafkaRecord& record : found.records) {
      taken_up_.insert(record.id);
      ++resumed_left_;
      lanes_.add(std::move(record), steady_clock::now(), true);
    }
  }

  void remove_undelivered() const {
    std::error_code failed;
    std::filesystem::remove(undelivered_file_, failed);
    if (failed) {
      spdlog::error("kafka: {} cannot be removed and will be sent again: {}",
                    undelivered_file_.string(), failed.message());
    }
  }

  /// What is left at the end: kept for the next run, or lost and counted.
  void keep_undelivered() {
    std::vector<KafkaRecord> records;
    {
      const std::lock_guard lock(mutex_);
      for (Item& item : lanes_.take_all()) {
        if (identity(item.record.topic).must_deliver) {
          records.push_back(std::move(item.record));
        } else {
          metrics_.failed(index_of(item.record.topic));
        }
      }
    }
    std::string why_lost = "there is no state_dir";
    if (!undelivered_file_.empty()) {
      if (records.empty()) {
        if (resumed_) remove_undelivered();
        return;
      }
      auto error = make_private_folder(undelivered_file_.parent_path());
      if (!error) error = replace_file(undelivered_file_, encode_undelivered(records));
      if (!error) {
        spdlog::warn("kafka: {} record(s) that must be delivered are kept for the next run",
                     records.size());
        return;
      }
      why_lost = *error;
    }
    if (records.empty()) return;
    spdlog::error("kafka: {} record(s) that must be delivered are lost: {}", records.size(),
                  why_lost);
    for (const KafkaRecord& record : records) metrics_.failed(index_of(record.topic));
  }

  const config::KafkaSettings settings_;
  const Topics topics_;
  metrics::PublishMetrics& metrics_;
  const Patience patience_;
  const RecordLanes::Limits limits_;
  Heartbeat heartbeat_;
  std::filesystem::path undelivered_file_;  // empty = nothing outlives this run
  Acknowledged acknowledged_;
  std::set<std::string, std::less<>> taken_up_;  // ids; fixed by start()
  bool embedded_wanted_ = false;                 // fixed by start()
  Wake wake_;

  mutable std::mutex mutex_;
  std::condition_variable emptied_;  // nothing waits any more, or the end
  // All guarded by mutex_.
  Phase phase_ = Phase::kNew;
  RecordLanes lanes_;
  TopicKeeper keeper_;
  std::string refused_start_;
  bool contact_ = false;         // a broker has answered once
  bool answers_ = false;         // and does now
  bool topics_suspect_ = false;  // the topics must be looked at first
  Time look_at_{};
  Time looked_at_{};
  std::string down_reason_;
  std::string last_fatal_;
  std::array<Delivery, RecordLanes::kLanes> delivery_;
  std::array<std::uint64_t, kTopicCount> refused_here_{};  // by librdkafka itself
  std::uint64_t must_dropped_ = 0;
  std::optional<Time> must_dropped_at_;
  std::size_t resumed_left_ = 0;  // records of the run before that are not acknowledged
  bool resumed_ = false;          // their file is still there
  std::vector<std::string> notices_;
  std::size_t unsaid_ = 0;
  Time quiet_until_{};

  // Changed by start(), the worker and stop(), one after the other. The broker goes last.
  std::optional<EmbeddedBroker> embedded_;
  std::array<Producer, 2> producers_ = [] {
    std::array<Producer, 2> both;
    both[kMustDeliver].after_refusal = AfterRefusal::kStop;
    return both;
  }();
  std::jthread worker_;
};

KafkaPublisher::KafkaPublisher(const config::Settings& settings, metrics::PublishMetrics& metrics,
                               const Patience& patience)
    : impl_(std::make_unique<Impl>(settings, metrics, patience)) {}

KafkaPublisher::~KafkaPublisher() = default;

void KafkaPublisher::on_acknowledged(Acknowledged acknowledged) {
  impl_->on_acknowledged(std::move(acknowledged));
}

void KafkaPublisher::start() { impl_->start(); }

bool KafkaPublisher::took_up(std::string_view id) const { return impl_->took_up(id); }

bool KafkaPublisher::publish(KafkaRecord record) { return impl_->publish(std::move(record)); }

bool KafkaPublisher::flush(milliseconds deadline) { return impl_->flush(deadline); }

void KafkaPublisher::stop(milliseconds deadline) { impl_->stop(deadline); }

KafkaPublisher::State KafkaPublisher::state() const { return impl_->state(); }

const Heartbeat& KafkaPublisher::heartbeat() const { return impl_->heartbeat(); }

std::string KafkaPublisher::brokers() const { return impl_->brokers(); }

const Topics& KafkaPublisher::topics() const { return impl_->topics(); }

void KafkaPublisher::break_producers(const std::string& why) { impl_->break_producers(why); }

}  // namespace spreadwatch::publish
