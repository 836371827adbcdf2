#pragma once

// Private to this folder: librdkafka's handles, and what is done with them before the first record.

#include <librdkafka/rdkafka.h>
#include <librdkafka/rdkafka_mock.h>

#include <array>
#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "config/settings.h"
#include "publish/topics.h"

namespace spreadwatch::publish {

/// Calls librdkafka's destroy function of the handle.
struct KafkaDeleter {
  void operator()(rd_kafka_t* p) const { rd_kafka_destroy(p); }
  void operator()(rd_kafka_conf_t* p) const { rd_kafka_conf_destroy(p); }
  void operator()(rd_kafka_topic_t* p) const { rd_kafka_topic_destroy(p); }
  void operator()(rd_kafka_queue_t* p) const { rd_kafka_queue_destroy(p); }
  void operator()(rd_kafka_event_t* p) const { rd_kafka_event_destroy(p); }
  void operator()(rd_kafka_error_t* p) const { rd_kafka_error_destroy(p); }
  void operator()(rd_kafka_NewTopic_t* p) const { rd_kafka_NewTopic_destroy(p); }
  void operator()(rd_kafka_NewPartitions_t* p) const { rd_kafka_NewPartitions_destroy(p); }
  void operator()(rd_kafka_AdminOptions_t* p) const { rd_kafka_AdminOptions_destroy(p); }
  void operator()(rd_kafka_mock_cluster_t* p) const { rd_kafka_mock_cluster_destroy(p); }
  void operator()(const rd_kafka_metadata_t* p) const { rd_kafka_metadata_destroy(p); }
};
template <class T>
using KafkaPtr = std::unique_ptr<T, KafkaDeleter>;

/// librdkafka's mock cluster with the program's topics: a broker in this process, in memory only.
class EmbeddedBroker {
 public:
  /// Throws std::runtime_error when it cannot be started.
  explicit EmbeddedBroker(const Topics& topics);
  std::string bootstraps() const;

 private:
  // The cluster runs inside its owner and must go first.
  KafkaPtr<rd_kafka_t> owner_;
  KafkaPtr<rd_kafka_mock_cluster_t> cluster_;
};

/// The producer's callbacks; `opaque` is handed to each.
struct ProducerCallbacks {
  void (*delivered)(rd_kafka_t*, const rd_kafka_message_t*, void* opaque) = nullptr;
  void (*error)(rd_kafka_t*, int code, const char* reason, void* opaque) = nullptr;
  void* opaque = nullptr;
};

/// How a producer goes on after the broker refused a batch for good.
enum class AfterRefusal : std::uint8_t {
  kGoOn,  ///< with the next one: of market data the refused ones are missing
  kStop,  ///< not at all: nothing may overtake what was refused, so it turns fatal, and until then
          ///< has one request out at a time
};

/// Makes an idempotent producer that creates no topics by itself. Throws std::runtime_error naming
/// a refused setting.
KafkaPtr<rd_kafka_t> make_producer(const config::KafkaSettings& settings,
                                   const std::string& brokers, AfterRefusal after_refusal,
                                   std::size_t max_records, std::size_t max_bytes,
                                   const ProducerCallbacks& callbacks);

using TopicHandles = std::array<KafkaPtr<rd_kafka_topic_t>, kTopicCount>;
TopicHandles make_handles(rd_kafka_t* producer, const Topics& topics);

/// What a broker says of a topic.
struct TopicLook {
  enum class Is : std::uint8_t {
    kThere,     ///< with `partitions`
    kMissing,   ///< and may be created
    kNotReady,  ///< no leader yet, or a passing error: ask again
    kRefused,   ///< for good, see `why`
  };
  Is is = Is::kNotReady;
  int partitions = 0;
  std::string why;
};
using TopicLooks = std::array<TopicLook, kTopicCount>;

/// Asks for the topics by name, which also tells the producer's handles (make_handles()) of their
/// partitions. nullopt when no broker answered within `patience`.
std::optional<TopicLooks> look_at_topics(rd_kafka_t* producer, const Topics& topics,
                                         std::chrono::milliseconds patience);

/// Asked while one of the calls below waits: true = it gives up.
using GiveUp = std::function<bool()>;
/// What the broker will not do, by topic; what may work at the next try is not among it.
using Refusals = std::vector<std::pair<TopicId, std::string>>;

/// Creates topics with the counts of the table. Waits for the answer, at most `patience`.
Refusals create_topics(rd_kafka_t* producer, const Topics& topics,
                       const std::vector<TopicId>& missing, std::chrono::milliseconds patience,
                       const GiveUp& give_up);
/// Gives topics as many partitions as the table says.
Refusals add_partitions(rd_kafka_t* producer, const Topics& topics,
                        const std::vector<TopicId>& narrow, std::chrono::milliseconds patience,
                        const GiveUp& give_up);
/// Whether nothing was ever written to the topic's `partitions`. nullopt when that cannot be known
/// now.
std::optional<bool> is_empty(rd_kafka_t* producer, const std::string& topic, int partitions,
                             std::chrono::milliseconds patience, const GiveUp& give_up);

/// What a person should read of an error in writing to a topic: that it is WRITE which is denied,
/// or what librdkafka calls it.
std::string write_error(rd_kafka_resp_err_t code);

/// Does nothing but pull tsan_threads.cpp out of the static library.
void keep_thread_interposition();

}  // namespace spreadwatch::publish
