#include "publish/kafka_client.h"

#include <spdlog/spdlog.h>

#include <algorithm>
#include <limits>
#include <stdexcept>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

namespace spreadwatch::publish {
namespace {

using std::chrono::milliseconds;
using std::chrono::steady_clock;

constexpr std::size_t kTextSize = 512;  // librdkafka's advice for error texts
constexpr milliseconds kCreateWithin{5000};

void log(const rd_kafka_t* /*client*/, int level, const char* facility, const char* text) {
  constexpr int kSyslogWarning = 4;
  constexpr int kSyslogInfo = 6;
  const spdlog::level::level_enum to = level <= kSyslogWarning ? spdlog::level::warn
                                       : level <= kSyslogInfo  ? spdlog::level::info
                                                               : spdlog::level::debug;
  spdlog::log(to, "kafka: {}: {}", facility, text);
}

void set(rd_kafka_conf_t* conf, const char* name, const std::string& value) {
  std::array<char, kTextSize> text{};
  if (rd_kafka_conf_set(conf, name, value.c_str(), text.data(), text.size()) != RD_KAFKA_CONF_OK) {
    throw std::runtime_error("kafka: " + std::string{text.data()});
  }
}

KafkaPtr<rd_kafka_t> make_client(KafkaPtr<rd_kafka_conf_t> conf) {
  keep_thread_interposition();
  std::array<char, kTextSize> text{};
  KafkaPtr<rd_kafka_t> client{
      rd_kafka_new(RD_KAFKA_PRODUCER, conf.get(), text.data(), text.size())};
  if (!client) throw std::runtime_error("kafka: " + std::string{text.data()});
  static_cast<void>(conf.release());  // owned by the client from here on
  return client;
}

int milliseconds_until(steady_clock::time_point deadline) {
  const auto left = std::chrono::duration_cast<milliseconds>(deadline - steady_clock::now());
  return static_cast<int>(std::clamp<milliseconds::rep>(left.count(), 1, 60'000));
}

/// The topics that are not there; throws when one has too few partitions. nullopt when a topic is
/// there but not ready yet.
std::optional<std::vector<TopicId>> missing_topics(const rd_kafka_metadata_t& metadata,
                                                   const Topics& topics) {
  std::vector<TopicId> missing;
  bool unready = false;
  for (const TopicIdentity& wanted : kTopics) {
    const std::string& name = topics.name(wanted.id);
    const rd_kafka_metadata_topic_t* const begin = metadata.topics;
    const rd_kafka_metadata_topic_t* const end = begin + metadata.topic_cnt;
    const rd_kafka_metadata_topic_t* const found = std::find_if(
        begin, end, [&name](const rd_kafka_metadata_topic_t& t) { return name == t.topic; });
    if (found == end || found->err == RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART) {
      missing.push_back(wanted.id);
    } else if (found->err != RD_KAFKA_RESP_ERR_NO_ERROR) {
      unready = true;
    } else if (found->partition_cnt < wanted.partitions) {
      throw std::runtime_error("kafka: topic " + name + " has " +
                               std::to_string(found->partition_cnt) + " partitions and needs " +
                               std::to_string(wanted.partitions) +
                               ": add partitions, or choose another kafka.prefix");
    }
  }
  if (unready) return std::nullopt;
  return missing;
}

bool worth_another_try(rd_kafka_resp_err_t code) {
  switch (code) {
    case RD_KAFKA_RESP_ERR_NO_ERROR:
    case RD_KAFKA_RESP_ERR_TOPIC_ALREADY_EXISTS:  // another instance was faster
    case RD_KAFKA_RESP_ERR__TRANSPORT:
    case RD_KAFKA_RESP_ERR__TIMED_OUT:
    case RD_KAFKA_RESP_ERR__ALL_BROKERS_DOWN:
    case RD_KAFKA_RESP_ERR_REQUEST_TIMED_OUT:
    case RD_KAFKA_RESP_ERR_NOT_CONTROLLER:
    case RD_KAFKA_RESP_ERR_COORDINATOR_LOAD_IN_PROGRESS:
    case RD_KAFKA_RESP_ERR_INVALID_REPLICATION_FACTOR:  // brokers of the cluster still starting
      return true;
    default:
      return false;
  }
}

/// Asks for the topics. Throws when the broker will never create one; what may work later is left
/// to the caller's next look.
void create_topics(rd_kafka_t* producer, const Topics& topics, const std::vector<TopicId>& missing,
                   steady_clock::time_point deadline) {
  constexpr int kBrokersDefault = -1;
  std::array<char, kTextSize> text{};
  std::vector<KafkaPtr<rd_kafka_NewTopic_t>> owned;
  std::vector<rd_kafka_NewTopic_t*> wanted;
  for (const TopicId id : missing) {
    owned.emplace_back(rd_kafka_NewTopic_new(topics.name(id).c_str(), identity(id).partitions,
                                             kBrokersDefault, text.data(), text.size()));
    if (!owned.back()) throw std::runtime_error("kafka: " + std::string{text.data()});
    wanted.push_back(owned.back().get());
  }
  const KafkaPtr<rd_kafka_AdminOptions_t> options{
      rd_kafka_AdminOptions_new(producer, RD_KAFKA_ADMIN_OP_CREATETOPICS)};
  rd_kafka_AdminOptions_set_request_timeout(options.get(), milliseconds_until(deadline),
                                            text.data(), text.size());
  const KafkaPtr<rd_kafka_queue_t> queue{rd_kafka_queue_new(producer)};
  rd_kafka_CreateTopics(producer, wanted.data(), wanted.size(), options.get(), queue.get());
  const KafkaPtr<rd_kafka_event_t> event{
      rd_kafka_queue_poll(queue.get(), milliseconds_until(deadline) + 500)};
  if (!event) return;
  if (const auto code = rd_kafka_event_error(event.get()); code != RD_KAFKA_RESP_ERR_NO_ERROR) {
    if (worth_another_try(code)) return;
    throw std::runtime_error("kafka: topics cannot be created: " +
                             std::string{rd_kafka_event_error_string(event.get())});
  }
  std::size_t count = 0;
  const rd_kafka_topic_result_t** const results =
      rd_kafka_CreateTopics_result_topics(rd_kafka_event_CreateTopics_result(event.get()), &count);
  for (std::size_t i = 0; i < count; ++i) {
    const rd_kafka_resp_err_t code = rd_kafka_topic_result_error(results[i]);
    const std::string name = rd_kafka_topic_result_name(results[i]);
    if (code == RD_KAFKA_RESP_ERR_NO_ERROR) {
      spdlog::info("kafka: created topic {}", name);
    } else if (!worth_another_try(code)) {
      const char* const why = rd_kafka_topic_result_error_string(results[i]);
      throw std::runtime_error("kafka: topic " + name + " cannot be created: " +
                               (why != nullptr ? why : rd_kafka_err2str(code)));
    }
  }
}

KafkaPtr<const rd_kafka_metadata_t> read_metadata(rd_kafka_t* producer, bool all, int timeout_ms) {
  const rd_kafka_metadata_t* metadata = nullptr;
  if (rd_kafka_metadata(producer, all ? 1 : 0, nullptr, &metadata, timeout_ms) !=
      RD_KAFKA_RESP_ERR_NO_ERROR) {
    return nullptr;
  }
  return KafkaPtr<const rd_kafka_metadata_t>{metadata};
}

}  // namespace

EmbeddedBroker::EmbeddedBroker(const Topics& topics) {
  KafkaPtr<rd_kafka_conf_t> conf{rd_kafka_conf_new()};
  set(conf.get(), "log_level", "3");  // it has no brokers of its own, and says so
  rd_kafka_conf_set_log_cb(conf.get(), log);
  owner_ = make_client(std::move(conf));
  cluster_.reset(rd_kafka_mock_cluster_new(owner_.get(), 1));
  if (!cluster_) throw std::runtime_error("kafka: the embedded broker cannot be started");
  for (const TopicIdentity& topic : kTopics) {
    // The cluster's thread can miss a request made while it answers another, and then sleeps for a
    // second.
    std::this_thread::sleep_for(milliseconds{2});
    const rd_kafka_resp_err_t code = rd_kafka_mock_topic_create(
        cluster_.get(), topics.name(topic.id).c_str(), topic.partitions, 1);
    if (code != RD_KAFKA_RESP_ERR_NO_ERROR) {
      throw std::runtime_error("kafka: the embedded broker cannot create topic " +
                               topics.name(topic.id) + ": " + rd_kafka_err2str(code));
    }
  }
}

std::string EmbeddedBroker::bootstraps() const {
  return rd_kafka_mock_cluster_bootstraps(cluster_.get());
}

KafkaPtr<rd_kafka_t> make_producer(const config::KafkaSettings& settings,
                                   const std::string& brokers, std::size_t max_records,
                                   std::size_t max_bytes, const ProducerCallbacks& callbacks) {
  KafkaPtr<rd_kafka_conf_t> conf{rd_kafka_conf_new()};
  set(conf.get(), "bootstrap.servers", brokers);
  set(conf.get(), "client.id", "spreadwatch");
  set(conf.get(), "enable.idempotence", "true");
  set(conf.get(), "acks", "all");
  set(conf.get(), "linger.ms", std::to_string(settings.linger.count()));
  set(conf.get(), "compression.codec", settings.compression);
  // An outage must not let records expire; the bound is on their number, not their age.
  set(conf.get(), "message.timeout.ms", "0");
  set(conf.get(), "partitioner", "murmur2_random");
  set(conf.get(), "reconnect.backoff.max.ms", "2000");
  set(conf.get(), "log.connection.close", "false");
  // The publisher keeps the bound; librdkafka's own is a little above it, so that it never refuses
  // first.
  set(conf.get(), "queue.buffering.max.messages",
      std::to_string(std::min<std::size_t>(max_records + 1000, 10'000'000)));
  constexpr std::size_t kMaxKbytes = std::numeric_limits<std::int32_t>::max();
  set(conf.get(), "queue.buffering.max.kbytes",
      std::to_string(std::min(max_bytes / 1024 + 16'384, kMaxKbytes)));
  rd_kafka_conf_set_opaque(conf.get(), callbacks.opaque);
  rd_kafka_conf_set_dr_msg_cb(conf.get(), callbacks.delivered);
  rd_kafka_conf_set_error_cb(conf.get(), callbacks.error);
  rd_kafka_conf_set_log_cb(conf.get(), log);
  return make_client(std::move(conf));
}

std::optional<TopicHandles> prepare_topics(rd_kafka_t* producer, const Topics& topics,
                                           milliseconds patience) {
  KafkaPtr<const rd_kafka_metadata_t> metadata =
      read_metadata(producer, true, static_cast<int>(patience.count()));
  const auto deadline = steady_clock::now() + kCreateWithin;
  for (;;) {
    if (!metadata) return std::nullopt;
    const std::optional<std::vector<TopicId>> missing = missing_topics(*metadata, topics);
    if (missing && missing->empty()) break;
    if (steady_clock::now() >= deadline) return std::nullopt;
    if (missing) create_topics(producer, topics, *missing, deadline);
    // A topic shows in the metadata a moment after it was created.
    std::this_thread::sleep_for(milliseconds{50});
    metadata = read_metadata(producer, true, milliseconds_until(deadline));
  }
  TopicHandles handles;
  for (const TopicIdentity& topic : kTopics) {
    handles[index_of(topic.id)].reset(
        rd_kafka_topic_new(producer, topics.name(topic.id).c_str(), nullptr));
  }
  if (!read_metadata(producer, false, milliseconds_until(deadline))) return std::nullopt;
  return handles;
}

}  // namespace spreadwatch::publish
