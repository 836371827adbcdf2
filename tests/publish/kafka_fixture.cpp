#include "tests/publish/kafka_fixture.h"

#include <array>
#include <sstream>
#include <stdexcept>

namespace spreadwatch::publish {
namespace {

KafkaPtr<rd_kafka_t> make_client(rd_kafka_type_t type,
                                 const std::map<std::string, std::string>& settings) {
  std::array<char, 512> text{};
  rd_kafka_conf_t* const conf = rd_kafka_conf_new();
  for (const auto& [name, value] : settings) {
    if (rd_kafka_conf_set(conf, name.c_str(), value.c_str(), text.data(), text.size()) !=
        RD_KAFKA_CONF_OK) {
      throw std::runtime_error(text.data());
    }
  }
  KafkaPtr<rd_kafka_t> client{rd_kafka_new(type, conf, text.data(), text.size())};
  if (!client) throw std::runtime_error(text.data());
  return client;
}

Consumed consumed(const rd_kafka_message_t& message) {
  Consumed c;
  c.topic = rd_kafka_topic_name(message.rkt);
  c.partition = message.partition;
  c.offset = message.offset;
  c.key.assign(static_cast<const char*>(message.key), message.key_len);
  c.value.assign(static_cast<const char*>(message.payload), message.len);
  rd_kafka_headers_t* headers = nullptr;
  if (rd_kafka_message_headers(&message, &headers) == RD_KAFKA_RESP_ERR_NO_ERROR) {
    const char* name = nullptr;
    const void* value = nullptr;
    std::size_t size = 0;
    for (std::size_t i = 0;
         rd_kafka_header_get_all(headers, i, &name, &value, &size) == RD_KAFKA_RESP_ERR_NO_ERROR;
         ++i) {
      c.headers[name] = std::string{static_cast<const char*>(value), size};
    }
  }
  return c;
}

}  // namespace

MockBroker::MockBroker()
    : owner_(make_client(RD_KAFKA_PRODUCER, {{"log_level", "3"}})),
      cluster_(rd_kafka_mock_cluster_new(owner_.get(), 1)) {
  if (!cluster_) throw std::runtime_error("no mock cluster");
}

std::string MockBroker::bootstraps() const {
  return rd_kafka_mock_cluster_bootstraps(cluster_.get());
}

void MockBroker::create_topic(const std::string& name, int partitions) {
  // The cluster's thread can miss a request made while it answers another, and then sleeps for a
  // second.
  std::this_thread::sleep_for(milliseconds{2});
  if (rd_kafka_mock_topic_create(cluster_.get(), name.c_str(), partitions, 1) !=
      RD_KAFKA_RESP_ERR_NO_ERROR) {
    throw std::runtime_error("cannot create " + name);
  }
}

void MockBroker::create_topics(const Topics& topics) {
  for (const TopicIdentity& topic : kTopics) create_topic(topics.name(topic.id), topic.partitions);
}

void MockBroker::set_down() { rd_kafka_mock_broker_set_down(cluster_.get(), 1); }

void MockBroker::set_up() { rd_kafka_mock_broker_set_up(cluster_.get(), 1); }

void MockBroker::set_leader(const std::string& topic, int partition, bool present) {
  std::this_thread::sleep_for(milliseconds{2});
  if (rd_kafka_mock_partition_set_leader(cluster_.get(), topic.c_str(), partition,
                                         present ? 1 : -1) != RD_KAFKA_RESP_ERR_NO_ERROR) {
    throw std::runtime_error("cannot set the leader of " + topic);
  }
}

void MockBroker::refuse_produce(const std::vector<rd_kafka_resp_err_t>& errors) {
  constexpr std::int16_t kProduce = 0;
  rd_kafka_mock_push_request_errors_array(cluster_.get(), kProduce, errors.size(), errors.data());
}

Consumer::Consumer(const std::string& brokers, const std::map<std::string, int>& partitions)
    : client_(make_client(RD_KAFKA_CONSUMER, {{"bootstrap.servers", brokers},
                                              {"group.id", "test"},
                                              {"enable.auto.commit", "false"},
                                              {"auto.offset.reset", "earliest"},
                                              {"log_level", "3"}})) {
  rd_kafka_poll_set_consumer(client_.get());
  rd_kafka_topic_partition_list_t* const list = rd_kafka_topic_partition_list_new(16);
  for (const auto& [topic, count] : partitions) {
    for (int p = 0; p < count; ++p) {
      rd_kafka_topic_partition_list_add(list, topic.c_str(), p)->offset = RD_KAFKA_OFFSET_BEGINNING;
    }
  }
  const rd_kafka_resp_err_t code = rd_kafka_assign(client_.get(), list);
  rd_kafka_topic_partition_list_destroy(list);
  if (code != RD_KAFKA_RESP_ERR_NO_ERROR) throw std::runtime_error(rd_kafka_err2str(code));
}

Consumer::~Consumer() { rd_kafka_consumer_close(client_.get()); }

std::vector<Consumed> Consumer::read(std::size_t count, milliseconds deadline) {
  std::vector<Consumed> all;
  const auto end = std::chrono::steady_clock::now() + deadline;
  while (all.size() < count && std::chrono::steady_clock::now() < end) {
    rd_kafka_message_t* const message = rd_kafka_consumer_poll(client_.get(), 100);
    if (message == nullptr) continue;
    if (message->err == RD_KAFKA_RESP_ERR_NO_ERROR) all.push_back(consumed(*message));
    rd_kafka_message_destroy(message);
  }
  return all;
}

bool create_topic(const std::string& brokers, const std::string& topic, int partitions,
                  const std::map<std::string, std::string>& settings) {
  const KafkaPtr<rd_kafka_t> client =
      make_client(RD_KAFKA_PRODUCER, {{"bootstrap.servers", brokers}});
  const KafkaPtr<rd_kafka_NewTopic_t> wanted{
      rd_kafka_NewTopic_new(topic.c_str(), partitions, 1, nullptr, 0)};
  for (const auto& [name, value] : settings) {
    rd_kafka_NewTopic_set_config(wanted.get(), name.c_str(), value.c_str());
  }
  std::array<rd_kafka_NewTopic_t*, 1> all = {wanted.get()};
  const KafkaPtr<rd_kafka_queue_t> queue{rd_kafka_queue_new(client.get())};
  rd_kafka_CreateTopics(client.get(), all.data(), all.size(), nullptr, queue.get());
  const KafkaPtr<rd_kafka_event_t> event{rd_kafka_queue_poll(queue.get(), 20'000)};
  if (!event || rd_kafka_event_error(event.get()) != RD_KAFKA_RESP_ERR_NO_ERROR) {
    throw std::runtime_error("cannot create " + topic);
  }
  std::size_t count = 0;
  const rd_kafka_topic_result_t** const results =
      rd_kafka_CreateTopics_result_topics(rd_kafka_event_CreateTopics_result(event.get()), &count);
  return count == 1 && rd_kafka_topic_result_error(results[0]) == RD_KAFKA_RESP_ERR_NO_ERROR;
}

void deny(const std::string& brokers, const std::string& topic,
          std::optional<rd_kafka_AclOperation_t> denied) {
  const KafkaPtr<rd_kafka_t> client =
      make_client(RD_KAFKA_PRODUCER, {{"bootstrap.servers", brokers}});
  const KafkaPtr<rd_kafka_queue_t> queue{rd_kafka_queue_new(client.get())};
  const auto answered = [&](const char* what) {
    const KafkaPtr<rd_kafka_event_t> event{rd_kafka_queue_poll(queue.get(), 20'000)};
    if (!event || rd_kafka_event_error(event.get()) != RD_KAFKA_RESP_ERR_NO_ERROR) {
      throw std::runtime_error(std::string{what} + " of " + topic);
    }
  };
  rd_kafka_AclBindingFilter_t* const old = rd_kafka_AclBindingFilter_new(
      RD_KAFKA_RESOURCE_TOPIC, topic.c_str(), RD_KAFKA_RESOURCE_PATTERN_LITERAL, nullptr, nullptr,
      RD_KAFKA_ACL_OPERATION_ANY, RD_KAFKA_ACL_PERMISSION_TYPE_ANY, nullptr, 0);
  std::array<rd_kafka_AclBindingFilter_t*, 1> filters = {old};
  rd_kafka_DeleteAcls(client.get(), filters.data(), filters.size(), nullptr, queue.get());
  answered("deleting the rights");
  rd_kafka_AclBinding_destroy(old);
  if (!denied) return;
  std::array<rd_kafka_AclBinding_t*, 2> wanted = {
      rd_kafka_AclBinding_new(
          RD_KAFKA_RESOURCE_TOPIC, topic.c_str(), RD_KAFKA_RESOURCE_PATTERN_LITERAL, "User:*", "*",
          RD_KAFKA_ACL_OPERATION_ALL, RD_KAFKA_ACL_PERMISSION_TYPE_ALLOW, nullptr, 0),
      rd_kafka_AclBinding_new(RD_KAFKA_RESOURCE_TOPIC, topic.c_str(),
                              RD_KAFKA_RESOURCE_PATTERN_LITERAL, "User:*", "*", *denied,
                              RD_KAFKA_ACL_PERMISSION_TYPE_DENY, nullptr, 0)};
  rd_kafka_CreateAcls(client.get(), wanted.data(), wanted.size(), nullptr, queue.get());
  answered("creating the rights");
  for (rd_kafka_AclBinding_t* const binding : wanted) rd_kafka_AclBinding_destroy(binding);
}

int partition_count(const std::string& brokers, const std::string& topic) {
  const KafkaPtr<rd_kafka_t> client =
      make_client(RD_KAFKA_PRODUCER, {{"bootstrap.servers", brokers}});
  const rd_kafka_metadata_t* metadata = nullptr;
  // All topics: asking for one by name would create it.
  if (rd_kafka_metadata(client.get(), 1, nullptr, &metadata, 20'000) !=
      RD_KAFKA_RESP_ERR_NO_ERROR) {
    throw std::runtime_error("no metadata");
  }
  const KafkaPtr<const rd_kafka_metadata_t> owned{metadata};
  for (int i = 0; i < metadata->topic_cnt; ++i) {
    if (topic == metadata->topics[i].topic) return metadata->topics[i].partition_cnt;
  }
  return 0;
}

std::map<std::string, int> partitions_of(const Topics& topics) {
  std::map<std::string, int> all;
  for (const TopicIdentity& topic : kTopics) all[topics.name(topic.id)] = topic.partitions;
  return all;
}

config::Settings settings_for(const std::string& brokers) {
  config::Settings settings;
  for (const VenueIdentity& venue : kVenues) {
    config::VenueSettings v;
    v.id = venue.id;
    settings.venues.push_back(v);
  }
  settings.kafka.brokers = brokers;
  settings.kafka.linger = milliseconds{2};
  return settings;
}

std::string metric(const metrics::Registry& registry, const std::string& series) {
  std::istringstream lines(registry.text());
  for (std::string line; std::getline(lines, line);) {
    if (line.starts_with(series + " ")) return line.substr(series.size() + 1);
  }
  return "";
}

}  // namespace spreadwatch::publish
