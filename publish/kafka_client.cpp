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
constexpr milliseconds kSlice{50};

void log(const rd_kafka_t* /*client*/, int level, const char* facility, const char* text) {
  // It warns of a setting that was chosen here, and of the end which that setting means; the
  // publisher tells of the refusal behind it.
  const std::string_view said = text;
  if (said.find("enable.gapless.guarantee") != std::string_view::npos ||
      said.find("unable to satisfy gap-less guarantee") != std::string_view::npos) {
    return;
  }
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

bool worth_another_try(rd_kafka_resp_err_t code) {
  switch (code) {
    case RD_KAFKA_RESP_ERR_NO_ERROR:
    case RD_KAFKA_RESP_ERR_TOPIC_ALREADY_EXISTS:   // another instance was faster
    case RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART:  // deleted again meanwhile
    case RD_KAFKA_RESP_ERR__TRANSPORT:
    case RD_KAFKA_RESP_ERR__TIMED_OUT:
    case RD_KAFKA_RESP_ERR__ALL_BROKERS_DOWN:
    case RD_KAFKA_RESP_ERR_REQUEST_TIMED_OUT:
    case RD_KAFKA_RESP_ERR_NOT_CONTROLLER:
    case RD_KAFKA_RESP_ERR_COORDINATOR_LOAD_IN_PROGRESS:
    case RD_KAFKA_RESP_ERR_REASSIGNMENT_IN_PROGRESS:
    case RD_KAFKA_RESP_ERR_INVALID_REPLICATION_FACTOR:  // brokers of the cluster still starting
      return true;
    default:
      return false;
  }
}

/// Waits for the answer to an admin request; null when it did not come in time or `give_up` said
/// so.
KafkaPtr<rd_kafka_event_t> wait_for(rd_kafka_queue_t* queue, milliseconds patience,
                                    const GiveUp& give_up) {
  const auto deadline = steady_clock::now() + patience;
  for (;;) {
    KafkaPtr<rd_kafka_event_t> event{rd_kafka_queue_poll(queue, static_cast<int>(kSlice.count()))};
    if (event || give_up() || steady_clock::now() >= deadline) return event;
  }
}

KafkaPtr<rd_kafka_AdminOptions_t> options_for(rd_kafka_t* producer, rd_kafka_admin_op_t operation,
                                              milliseconds patience) {
  std::array<char, kTextSize> text{};
  KafkaPtr<rd_kafka_AdminOptions_t> options{rd_kafka_AdminOptions_new(producer, operation)};
  rd_kafka_AdminOptions_set_request_timeout(options.get(), static_cast<int>(patience.count()),
                                            text.data(), text.size());
  return options;
}

/// What of an admin answer is final. `of_event` gives the topics' results of this kind of event.
template <class Results>
Refusals refusals_of(rd_kafka_event_t* event, const Topics& topics,
                     const std::vector<TopicId>& asked, const char* done, const Results& of_event) {
  Refusals refusals;
  if (event == nullptr) return refusals;
  if (const auto code = rd_kafka_event_error(event); code != RD_KAFKA_RESP_ERR_NO_ERROR) {
    if (worth_another_try(code)) return refusals;
    for (const TopicId id : asked) refusals.emplace_back(id, rd_kafka_event_error_string(event));
    return refusals;
  }
  std::size_t count = 0;
  const rd_kafka_topic_result_t** const results = of_event(event, &count);
  for (std::size_t i = 0; i < count; ++i) {
    const rd_kafka_resp_err_t code = rd_kafka_topic_result_error(results[i]);
    const std::string name = rd_kafka_topic_result_name(results[i]);
    if (code == RD_KAFKA_RESP_ERR_NO_ERROR) {
      spdlog::info("kafka: {} topic {}", done, name);
    } else if (!worth_another_try(code)) {
      const char* const why = rd_kafka_topic_result_error_string(results[i]);
      for (const TopicId id : asked) {
        if (topics.name(id) != name) continue;
        refusals.emplace_back(id, why != nullptr ? why : rd_kafka_err2str(code));
      }
    }
  }
  return refusals;
}

TopicLook look_of(const rd_kafka_metadata_topic_t& topic) {
  TopicLook look;
  look.partitions = topic.partition_cnt;
  look.why = rd_kafka_err2str(topic.err);
  switch (topic.err) {
    case RD_KAFKA_RESP_ERR_NO_ERROR:
      look.is = TopicLook::Is::kThere;
      break;
    case RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART:
      look.is = TopicLook::Is::kMissing;
      break;
    case RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED:
      look.is = TopicLook::Is::kRefused;
      look.why = "DESCRIBE denied (" + look.why + ")";
      break;
    case RD_KAFKA_RESP_ERR_TOPIC_EXCEPTION:
      look.is = TopicLook::Is::kRefused;
      break;
    default:
      break;
  }
  return look;
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
                                   const std::string& brokers, AfterRefusal after_refusal,
                                   std::size_t max_records, std::size_t max_bytes,
                                   const ProducerCallbacks& callbacks) {
  KafkaPtr<rd_kafka_conf_t> conf{rd_kafka_conf_new()};
  set(conf.get(), "bootstrap.servers", brokers);
  set(conf.get(), "client.id", "spreadwatch");
  set(conf.get(), "enable.idempotence", "true");
  set(conf.get(), "acks", "all");
  if (after_refusal == AfterRefusal::kStop) {
    set(conf.get(), "enable.gapless.guarantee", "true");
    set(conf.get(), "max.in.flight.requests.per.connection", "1");
  }
  // A broker that creates topics as they are asked for gives them one partition.
  set(conf.get(), "allow.auto.create.topics", "false");
  set(conf.get(), "linger.ms", std::to_string(settings.linger.count()));
  set(conf.get(), "compression.codec", settings.compression);
  // An outage must not let records expire; the bound is on their number, not their age.
  set(conf.get(), "message.timeout.ms", "0");
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

TopicHandles make_handles(rd_kafka_t* producer, const Topics& topics) {
  TopicHandles handles;
  for (const TopicIdentity& topic : kTopics) {
    handles[index_of(topic.id)].reset(
        rd_kafka_topic_new(producer, topics.name(topic.id).c_str(), nullptr));
  }
  return handles;
}

std::optional<TopicLooks> look_at_topics(rd_kafka_t* producer, const Topics& topics,
                                         milliseconds patience) {
  // Only the topics that there are handles of: others of a large cluster do not matter, and by
  // name a topic that may not be described is told apart from one that is not there.
  constexpr int kOnlyKnown = 0;
  const rd_kafka_metadata_t* raw = nullptr;
  if (rd_kafka_metadata(producer, kOnlyKnown, nullptr, &raw, static_cast<int>(patience.count())) !=
      RD_KAFKA_RESP_ERR_NO_ERROR) {
    return std::nullopt;
  }
  const KafkaPtr<const rd_kafka_metadata_t> metadata{raw};
  TopicLooks looks;
  for (int i = 0; i < metadata->topic_cnt; ++i) {
    for (const TopicIdentity& topic : kTopics) {
      if (topics.name(topic.id) == metadata->topics[i].topic) {
        looks[index_of(topic.id)] = look_of(metadata->topics[i]);
      }
    }
  }
  return looks;
}

Refusals create_topics(rd_kafka_t* producer, const Topics& topics,
                       const std::vector<TopicId>& missing, milliseconds patience,
                       const GiveUp& give_up) {
  constexpr int kBrokersDefault = -1;
  std::array<char, kTextSize> text{};
  std::vector<KafkaPtr<rd_kafka_NewTopic_t>> owned;
  std::vector<rd_kafka_NewTopic_t*> wanted;
  for (const TopicId id : missing) {
    owned.emplace_back(rd_kafka_NewTopic_new(topics.name(id).c_str(), identity(id).partitions,
                                             kBrokersDefault, text.data(), text.size()));
    if (!owned.back()) return {{id, text.data()}};
    const std::string kept = std::to_string(milliseconds{identity(id).kept}.count());
    const rd_kafka_resp_err_t code =
        rd_kafka_NewTopic_set_config(owned.back().get(), "retention.ms", kept.c_str());
    if (code != RD_KAFKA_RESP_ERR_NO_ERROR) return {{id, rd_kafka_err2str(code)}};
    wanted.push_back(owned.back().get());
  }
  const auto options = options_for(producer, RD_KAFKA_ADMIN_OP_CREATETOPICS, patience);
  const KafkaPtr<rd_kafka_queue_t> queue{rd_kafka_queue_new(producer)};
  rd_kafka_CreateTopics(producer, wanted.data(), wanted.size(), options.get(), queue.get());
  const auto event = wait_for(queue.get(), patience + kSlice, give_up);
  return refusals_of(
      event.get(), topics, missing, "created", [](rd_kafka_event_t* e, std::size_t* count) {
        return rd_kafka_CreateTopics_result_topics(rd_kafka_event_CreateTopics_result(e), count);
      });
}

Refusals add_partitions(rd_kafka_t* producer, const Topics& topics,
                        const std::vector<TopicId>& narrow, milliseconds patience,
                        const GiveUp& give_up) {
  std::array<char, kTextSize> text{};
  std::vector<KafkaPtr<rd_kafka_NewPartitions_t>> owned;
  std::vector<rd_kafka_NewPartitions_t*> wanted;
  for (const TopicId id : narrow) {
    owned.emplace_back(rd_kafka_NewPartitions_new(topics.name(id).c_str(),
                                                  static_cast<std::size_t>(identity(id).partitions),
                                                  text.data(), text.size()));
    if (!owned.back()) return {{id, text.data()}};
    wanted.push_back(owned.back().get());
  }
  const auto options = options_for(producer, RD_KAFKA_ADMIN_OP_CREATEPARTITIONS, patience);
  const KafkaPtr<rd_kafka_queue_t> queue{rd_kafka_queue_new(producer)};
  rd_kafka_CreatePartitions(producer, wanted.data(), wanted.size(), options.get(), queue.get());
  const auto event = wait_for(queue.get(), patience + kSlice, give_up);
  return refusals_of(event.get(), topics, narrow, "added partitions to",
                     [](rd_kafka_event_t* e, std::size_t* count) {
                       return rd_kafka_CreatePartitions_result_topics(
                           rd_kafka_event_CreatePartitions_result(e), count);
                     });
}

std::optional<bool> is_empty(rd_kafka_t* producer, const std::string& topic, int partitions,
                             milliseconds patience, const GiveUp& give_up) {
  const auto deadline = steady_clock::now() + patience;
  for (int p = 0; p < partitions; ++p) {
    std::int64_t low = 0;
    std::int64_t high = 0;
    if (give_up() || steady_clock::now() >= deadline) return std::nullopt;
    const rd_kafka_resp_err_t code = rd_kafka_query_watermark_offsets(
        producer, topic.c_str(), p, &low, &high, milliseconds_until(deadline));
    if (code != RD_KAFKA_RESP_ERR_NO_ERROR) return std::nullopt;
    // What was there and has expired has been written all the same.
    if (high > 0) return false;
  }
  return true;
}

std::string write_error(rd_kafka_resp_err_t code) {
  std::string text = rd_kafka_err2str(code);
  switch (code) {
    case RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED:
      return "WRITE denied (" + text + ")";
    case RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE:
      return "record larger than the broker takes (" + text + ")";
    default:
      return text;
  }
}

}  // namespace spreadwatch::publish
