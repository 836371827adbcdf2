// Against one real Apache Kafka broker: what the mock cluster cannot show (topic creation by the
// admin protocol, a broker process that stops and comes back).

#include <doctest/doctest.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cstdio>
#include <cstdlib>
#include <map>
#include <optional>
#include <set>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

#include "publish/encode.h"
#include "tests/publish/kafka_fixture.h"
#include "tests/publish/samples.h"

namespace spreadwatch::publish {
namespace {

/// tests/publish/real_kafka.sh as a child process; it ends when its standard input does, so also
/// when this program crashes.
class RealBroker {
 public:
  /// `properties` are lines of the broker's configuration.
  explicit RealBroker(const std::string& properties) {
    std::array<int, 2> input{};
    std::array<int, 2> output{};
    if (pipe2(input.data(), O_CLOEXEC) != 0 || pipe2(output.data(), O_CLOEXEC) != 0) return;
    const std::string script = std::string{SPREADWATCH_SOURCE_DIR} + "/tests/publish/real_kafka.sh";
    child_ = fork();
    if (child_ == 0) {
      dup2(input[0], STDIN_FILENO);
      dup2(output[1], STDOUT_FILENO);
      setenv("KAFKA_PROPERTIES", properties.c_str(), 1);
      execl(script.c_str(), script.c_str(), static_cast<char*>(nullptr));
      _exit(127);
    }
    close(input[0]);
    close(output[1]);
    input_ = input[1];
    output_ = fdopen(output[0], "r");
    constexpr std::string_view kPrefix = "bootstrap=";
    const std::string line = read_line(kPrefix);
    if (!line.empty()) bootstrap_ = line.substr(kPrefix.size());
  }
  ~RealBroker() {
    if (child_ > 0 && status_ < 0) kill(child_, SIGTERM);
    close(input_);
    wait_for_end();
    if (output_ != nullptr) std::fclose(output_);
  }
  RealBroker(const RealBroker&) = delete;
  RealBroker& operator=(const RealBroker&) = delete;

  /// Empty when it did not start.
  const std::string& bootstrap() const { return bootstrap_; }
  /// Kills the broker's process; returns when it is gone.
  void kill_process() {
    say("kill\n");
    read_line("killed");
  }
  /// Deletes the data of a broker that was killed.
  void wipe() {
    say("wipe\n");
    read_line("wiped");
  }
  /// Starts it again with its data, on the same port; returns when it accepts connections.
  bool start_again() {
    say("start\n");
    return !read_line("bootstrap=").empty();
  }
  /// There is nothing here to run a broker with.
  bool unavailable() {
    if (!bootstrap_.empty()) return false;
    wait_for_end();
    constexpr int kUnavailable = 77;
    return status_ >= 0 && WIFEXITED(status_) && WEXITSTATUS(status_) == kUnavailable;
  }

 private:
  void say(const std::string& line) const {
    CHECK(write(input_, line.data(), line.size()) == static_cast<ssize_t>(line.size()));
  }
  /// The next line with `part` in it, from there on; empty at the end of the output.
  std::string read_line(std::string_view part) {
    std::array<char, 256> line{};
    while (std::fgets(line.data(), line.size(), output_) != nullptr) {
      const std::string text = line.data();
      const auto at = text.find(part);
      if (at != std::string::npos) return text.substr(at, text.find('\n') - at);
    }
    return "";
  }
  void wait_for_end() {
    if (child_ > 0 && status_ < 0) waitpid(child_, &status_, 0);
  }

  pid_t child_ = -1;
  int status_ = -1;  // as waitpid gives it; -1 = running
  int input_ = -1;
  std::FILE* output_ = nullptr;
  std::string bootstrap_;
};

/// A publisher with everything it needs.
struct Publishing {
  Publishing(const std::string& brokers, const std::string& prefix)
      : settings([&] {
          config::Settings s = settings_for(brokers);
          s.kafka.prefix = prefix;
          return s;
        }()),
        publisher(settings, metrics) {}

  config::Settings settings;
  metrics::Registry registry;
  metrics::PublishMetrics metrics{registry, kTopicNames};
  KafkaPublisher publisher;
};

void creates_topics_and_delivers(const std::string& brokers) {
  Publishing p(brokers, "spreadwatch.");
  p.publisher.start();
  REQUIRE(p.publisher.state().status == KafkaPublisher::Status::kReady);
  CHECK(!p.publisher.state().embedded);
  for (const TopicIdentity& topic : kTopics) {
    CAPTURE(topic.name);
    CHECK(partition_count(brokers, p.publisher.topics().name(topic.id)) == topic.partitions);
  }

  constexpr int kRecords = 600;
  for (int i = 0; i < kRecords; ++i) {
    const VenueIdentity& venue = kVenues[static_cast<std::size_t>(i) % kVenueCount];
    KafkaRecord record;
    record.type = "ticker";
    record.time = timestamp_from_ms(1'700'000'000'000 + i);
    if (i % 2 == 0) {
      record.topic = ticker_topic(venue.region);
      record.partition = venue_partition(venue.id);
      record.key = std::string{venue.name} + ":BTC-" + std::string{venue.default_quote};
      append_record(record.value, sample_ticker());
    } else {
      record.topic = TopicId::kOpportunity;
      record.key = "A" + std::to_string(i % 30);
      record.value = R"({"n":)" + std::to_string(i) + "}";
    }
    REQUIRE(p.publisher.publish(std::move(record)));
  }
  REQUIRE(p.publisher.flush(seconds{30}));

  Consumer consumer(brokers, partitions_of(p.publisher.topics()));
  const std::vector<Consumed> got = consumer.read(kRecords, seconds{30});
  REQUIRE(got.size() == kRecords);
  std::map<std::string, std::set<int>> partitions;
  std::set<std::string> ids;
  for (const Consumed& c : got) {
    partitions[c.key].insert(c.partition);
    CHECK(c.headers.size() == 8);
    CHECK(c.headers.at("ce_specversion") == "1.0");
    CHECK(c.headers.at("content-type") == "application/json");
    if (c.topic == "spreadwatch.opportunity") ids.insert(c.headers.at("ce_id"));
  }
  CHECK(ids.size() == kRecords / 2);
  for (const auto& [key, where] : partitions) {
    CAPTURE(key);
    CHECK(where.size() == 1);
  }
  for (const VenueIdentity& venue : kVenues) {
    const std::string key = std::string{venue.name} + ":BTC-" + std::string{venue.default_quote};
    CHECK(partitions.at(key) == std::set<int>{venue_partition(venue.id)});
  }
}

void takes_existing_topics_as_they_are(const std::string& brokers) {
  create_topic(brokers, "kept.premium", 9);
  Publishing p(brokers, "kept.");
  CHECK_NOTHROW(p.publisher.start());
  CHECK(partition_count(brokers, "kept.premium") == 9);
}

void refuses_too_few_partitions(const std::string& brokers) {
  create_topic(brokers, "small.ticker.korea", 3);
  Publishing p(brokers, "small.");
  try {
    p.publisher.start();
    FAIL("no error");
  } catch (const std::runtime_error& e) {
    const std::string what = e.what();
    CAPTURE(what);
    CHECK(what.find("small.ticker.korea has 3 partitions and needs 4") != std::string::npos);
  }
}

void loses_nothing_when_it_is_killed(RealBroker& broker) {
  Publishing p(broker.bootstrap(), "outage.");
  p.publisher.start();
  constexpr int kRecords = 10'000;
  constexpr int kKilledAt = 3000;
  for (int i = 0; i < kRecords; ++i) {
    if (i == kKilledAt) {
      broker.kill_process();
      CHECK(eventually([&] { return p.publisher.state().status == KafkaPublisher::Status::kDown; },
                       seconds{30}));
    }
    KafkaRecord record;
    record.topic = TopicId::kOpportunity;
    record.type = "opportunity";
    record.key = "A" + std::to_string(i % 20);
    record.value = std::to_string(i);
    REQUIRE(p.publisher.publish(std::move(record)));
  }
  REQUIRE(broker.start_again());
  REQUIRE(p.publisher.flush(seconds{60}));
  Consumer consumer(broker.bootstrap(), {{"outage.opportunity", 6}});
  const std::vector<Consumed> got = consumer.read(kRecords, seconds{60});
  CHECK(got.size() == kRecords);
  CHECK(consumer.read(1, milliseconds{500}).empty());
  std::map<std::string, int> last;
  int out_of_order = 0;
  for (const Consumed& c : got) {
    const int i = std::stoi(c.value);
    const auto [entry, first] = last.try_emplace(c.key, i);
    if (!first && i != entry->second + 20) ++out_of_order;
    entry->second = i;
  }
  CHECK(out_of_order == 0);
}

/// Opportunity records with the numbers from…to−1 over 20 keys.
void publish_numbers(Publishing& p, int from, int to, std::size_t padding = 0) {
  for (int i = from; i < to; ++i) {
    KafkaRecord record;
    record.topic = TopicId::kOpportunity;
    record.type = "opportunity";
    record.key = "A" + std::to_string(i % 20);
    record.value = std::to_string(i) + std::string(padding, ' ');
    REQUIRE(p.publisher.publish(std::move(record)));
  }
}

/// That exactly the numbers from…to−1 are in the topic, each key's in order; what is there twice
/// counts as its first copy.
void check_numbers(const std::string& brokers, const std::string& topic, int from, int to) {
  Consumer consumer(brokers, {{topic, 6}});
  std::set<int> seen;
  std::map<std::string, int> last;
  int out_of_order = 0;
  for (bool more = true; more && seen.size() < static_cast<std::size_t>(to - from);) {
    const std::vector<Consumed> got = consumer.read(500, seconds{5});
    more = !got.empty();
    for (const Consumed& c : got) {
      const int i = std::stoi(c.value);
      CHECK(i >= from);
      if (!seen.insert(i).second) continue;
      const auto [entry, first] = last.try_emplace(c.key, i);
      if (!first && i <= entry->second) ++out_of_order;
      entry->second = i;
    }
  }
  CHECK(seen.size() == static_cast<std::size_t>(to - from));
  CHECK(out_of_order == 0);
}

bool has_reason(const Publishing& p, std::string_view part) {
  for (const std::string& reason : p.publisher.state().reasons) {
    if (reason.find(part) != std::string::npos) return true;
  }
  return false;
}

void check_all_partitions(const std::string& brokers, const Topics& topics) {
  for (const TopicIdentity& topic : kTopics) {
    CAPTURE(topic.name);
    CHECK(partition_count(brokers, topics.name(topic.id)) == topic.partitions);
  }
}

/// With `by_others` once more, with another client there first that has topics made with one
/// partition.
void delivers_to_a_broker_that_comes_back_empty(RealBroker& broker, bool by_others) {
  Publishing p(broker.bootstrap(), "wiped.");
  p.publisher.start();
  for (int round = 0; round < (by_others ? 2 : 1); ++round) {
    CAPTURE(round);
    const bool other_client = round == 1;
    publish_numbers(p, 0, 500);
    REQUIRE(p.publisher.flush(seconds{30}));
    broker.kill_process();
    publish_numbers(p, 500, 3000);
    broker.wipe();
    REQUIRE(broker.start_again());
    if (other_client) {
      create_topic(broker.bootstrap(), "wiped.opportunity", 1);
      create_topic(broker.bootstrap(), "wiped.ticker.korea", 1);
    }
    publish_numbers(p, 3000, 4000);
    REQUIRE(p.publisher.flush(seconds{90}));
    CHECK(p.publisher.state().reasons.empty());
    check_all_partitions(broker.bootstrap(), p.publisher.topics());
    check_numbers(broker.bootstrap(), "wiped.opportunity", 500, 4000);
  }
}

void keeps_what_may_not_be_written(const std::string& brokers) {
  Publishing p(brokers, "denied.");
  p.publisher.start();
  publish_numbers(p, 0, 500);
  REQUIRE(p.publisher.flush(seconds{30}));
  deny(brokers, "denied.opportunity", RD_KAFKA_ACL_OPERATION_WRITE);
  publish_numbers(p, 500, 1500);
  CHECK(eventually([&] { return has_reason(p, "denied.opportunity: WRITE denied"); }, seconds{30}));
  publish_numbers(p, 1500, 2000);
  deny(brokers, "denied.opportunity", std::nullopt);
  REQUIRE(p.publisher.flush(seconds{90}));
  CHECK(p.publisher.state().reasons.empty());
  check_numbers(brokers, "denied.opportunity", 0, 2000);
}

void names_what_may_not_be_described(const std::string& brokers) {
  create_topic(brokers, "hidden.opportunity", 6);
  deny(brokers, "hidden.opportunity", RD_KAFKA_ACL_OPERATION_DESCRIBE);
  Publishing p(brokers, "hidden.");
  p.publisher.start();
  CHECK(has_reason(p, "hidden.opportunity: DESCRIBE denied"));
  publish_numbers(p, 0, 100);
  CHECK(!p.publisher.flush(milliseconds{200}));
  deny(brokers, "hidden.opportunity", std::nullopt);
  REQUIRE(p.publisher.flush(seconds{60}));
  CHECK(p.publisher.state().reasons.empty());
  check_numbers(brokers, "hidden.opportunity", 0, 100);
}

void delivers_one_by_one_what_is_too_large_together(const std::string& brokers) {
  create_topic(brokers, "limited.opportunity", 6, {{"max.message.bytes", "1000"}});
  Publishing p(brokers, "limited.");
  p.publisher.start();
  publish_numbers(p, 0, 100, 500);
  REQUIRE(p.publisher.flush(seconds{60}));
  CHECK(p.publisher.state().reasons.empty());
  check_numbers(brokers, "limited.opportunity", 0, 100);
}

constexpr const char* kProperties =
    "authorizer.class.name=org.apache.kafka.metadata.authorizer.StandardAuthorizer\n"
    "allow.everyone.if.no.acl.found=true\n";

TEST_CASE("a real broker") {
  RealBroker broker(kProperties);
  if (broker.unavailable()) {
    MESSAGE("SKIPPED: no real broker: java, mvn or the broker's jars are not to be had here");
    return;
  }
  REQUIRE(broker.bootstrap() != "");
  // One after the other against one broker: starting one takes seconds.
  creates_topics_and_delivers(broker.bootstrap());
  takes_existing_topics_as_they_are(broker.bootstrap());
  refuses_too_few_partitions(broker.bootstrap());
  loses_nothing_when_it_is_killed(broker);
  keeps_what_may_not_be_written(broker.bootstrap());
  names_what_may_not_be_described(broker.bootstrap());
  delivers_one_by_one_what_is_too_large_together(broker.bootstrap());
}

TEST_CASE("a real broker that loses everything it had") {
  std::string properties = kProperties;
  bool creates = true;
  SUBCASE("and makes topics that are asked for") {}
  SUBCASE("and makes none") {
    creates = false;
    properties += "auto.create.topics.enable=false\n";
  }
  RealBroker broker(properties);
  if (broker.unavailable()) {
    MESSAGE("SKIPPED: no real broker: java, mvn or the broker's jars are not to be had here");
    return;
  }
  REQUIRE(broker.bootstrap() != "");
  delivers_to_a_broker_that_comes_back_empty(broker, creates);
}

}  // namespace
}  // namespace spreadwatch::publish
