#pragma once

// Private to this folder: librdkafka's handles, and what is done with them before the first record.

#include <librdkafka/rdkafka.h>
#include <librdkafka/rdkafka_mock.h>

#include <array>
#include <chrono>
#include <memory>
#include <optional>
#include <string>

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

/// Makes the idempotent producer. Throws std::runtime_error naming a refused setting.
KafkaPtr<rd_kafka_t> make_producer(const config::KafkaSettings& settings,
                                   const std::string& brokers, std::size_t max_records,
                                   std::size_t max_bytes, const ProducerCallbacks& callbacks);

using TopicHandles = std::array<KafkaPtr<rd_kafka_topic_t>, kTopicCount>;

/// Looks at the broker's topics, creates what is missing and waits until every one is there; gives
/// handles whose partitions are known, so that the first record does not wait for metadata. nullopt
/// when the broker did not answer, or had not finished, within `patience` for the first answer and
/// 5 s more.
///
/// Throws std::runtime_error when an existing topic has too few partitions or one cannot be
/// created.
std::optional<TopicHandles> prepare_topics(rd_kafka_t* producer, const Topics& topics,
                                           std::chrono::milliseconds patience);

/// Does nothing but pull tsan_threads.cpp out of the static library.
void keep_thread_interposition();

}  // namespace spreadwatch::publish
