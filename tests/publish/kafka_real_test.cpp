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
#include <set>
#include <stdexcept>
#include <string>

#include "publish/encode.h"
#include "tests/publish/kafka_fixture.h"
#include "tests/publish/samples.h"

namespace spreadwatch::publish {
namespace {

/// tests/publish/real_kafka.sh as a child process; it ends when its standard input does, so also
/// when this program crashes.
class RealBroker {
 public:
  RealBroker() {
    std::array<int, 2> input{};
    std::array<int, 2> output{};
    if (pipe2(input.data(), O_CLOEXEC) != 0 || pipe2(output.data(), O_CLOEXEC) != 0) return;
    const std::string script = std::string{SPREADWATCH_SOURCE_DIR} + "/tests/publish/real_kafka.sh";
    child_ = fork();
    if (child_ == 0) {
      dup2(input[0], STDIN_FILENO);
      dup2(output[1], STDOUT_FILENO);
      execl(script.c_str(), script.c_str(), static_cast<char*>(nullptr));
      _exit(127);
    }
    close(input[0]);
    close(output[1]);
    input_ = input[1];
    output_ = fdopen(output[0], "r");
    read_bootstrap();
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
  /// There is nothing here to run a broker with.
  bool unavailable() {
    if (!bootstrap_.empty()) return false;
    wait_for_end();
    constexpr int kUnavailable = 77;
    return status_ >= 0 && WIFEXITED(status_) && WEXITSTATUS(status_) == kUnavailable;
  }

 private:
  void read_bootstrap() {
    constexpr std::string_view kPrefix = "bootstrap=";
    std::array<char, 256> line{};
    while (std::fgets(line.data(), line.size(), output_) != nullptr) {
      std::string text = line.data();
      const auto at = text.find(kPrefix);
      if (at == std::string::npos) continue;
      text.erase(0, at + kPrefix.size());
      bootstrap_ = text.substr(0, text.find('\n'));
      return;
    }
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
        publisher(settings, metrics, clock) {}

  config::Settings settings;
  metrics::Registry registry;
  metrics::PublishMetrics metrics{registry, kTopicNames};
  SystemClock clock;
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
      record.partition = p.publisher.topics().venue_partition(venue.id);
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
    CHECK(c.headers.size() == 6);
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
    CHECK(partitions.at(key) == std::set<int>{p.publisher.topics().venue_partition(venue.id)});
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

TEST_CASE("a real broker") {
  RealBroker broker;
  if (broker.unavailable()) {
    MESSAGE("SKIPPED: no real broker: java, mvn or the broker's jars are not to be had here");
    return;
  }
  REQUIRE(broker.bootstrap() != "");
  // One after the other against one broker: starting one takes seconds.
  creates_topics_and_delivers(broker.bootstrap());
  takes_existing_topics_as_they_are(broker.bootstrap());
  refuses_too_few_partitions(broker.bootstrap());
}

}  // namespace
}  // namespace spreadwatch::publish
