#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "config/settings.h"
#include "core/time.h"
#include "metrics/registry.h"
#include "publish/kafka_client.h"
#include "publish/kafka_publisher.h"

namespace spreadwatch::publish {

/// What a consumer sees of one record.
struct Consumed {
  std::string topic;
  int partition = 0;
  std::int64_t offset = 0;
  std::string key;
  std::string value;
  std::map<std::string, std::string> headers;
};

/// A broker that a test can break, with no topics yet.
class MockBroker {
 public:
  MockBroker();
  std::string bootstraps() const;
  void create_topic(const std::string& name, int partitions);
  /// All of the program's topics.
  void create_topics(const Topics& topics);
  void set_down();
  void set_up();
  /// Whether a partition has a leader; without one nothing can be written to it.
  void set_leader(const std::string& topic, int partition, bool present);
  /// The next produce requests are answered with these errors.
  void refuse_produce(const std::vector<rd_kafka_resp_err_t>& errors);

 private:
  KafkaPtr<rd_kafka_t> owner_;
  KafkaPtr<rd_kafka_mock_cluster_t> cluster_;
};

/// Reads topics from their beginning, by a client that shares nothing with the publisher's.
class Consumer {
 public:
  Consumer(const std::string& brokers, const std::map<std::string, int>& partitions);
  ~Consumer();
  /// Reads until `count` records are there or `deadline` has passed.
  std::vector<Consumed> read(std::size_t count, milliseconds deadline);

 private:
  KafkaPtr<rd_kafka_t> client_;
};

/// Creates a topic by the admin protocol, and counts the partitions that a broker says a topic has
/// (0 = it does not exist). For brokers that know the protocol: not the mock.
/// False when the topic exists already.
bool create_topic(const std::string& brokers, const std::string& topic, int partitions,
                  const std::map<std::string, std::string>& settings = {});
int partition_count(const std::string& brokers, const std::string& topic);

/// Gives everyone all rights on a topic but `denied`, or on all again with nullopt. For brokers
/// with an authorizer.
void deny(const std::string& brokers, const std::string& topic,
          std::optional<rd_kafka_AclOperation_t> denied);

/// Partitions of every one of the program's topics, by the broker's name.
std::map<std::string, int> partitions_of(const Topics& topics);

/// Nine venues, the given brokers, a short linger.
config::Settings settings_for(const std::string& brokers);

/// Value of a series in the exposition; empty when there is none.
std::string metric(const metrics::Registry& registry, const std::string& series);

/// Waits until `holds()`; false when `deadline` passed first.
template <class Condition>
bool eventually(const Condition& holds, milliseconds deadline) {
  const auto end = std::chrono::steady_clock::now() + deadline;
  while (!holds()) {
    if (std::chrono::steady_clock::now() >= end) return false;
    std::this_thread::sleep_for(milliseconds{10});
  }
  return true;
}

}  // namespace spreadwatch::publish
