#include "publish/kafka_publisher.h"

#include <doctest/doctest.h>
#include <stdlib.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <initializer_list>
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

using Status = KafkaPublisher::Status;

/// A publisher with everything it needs.
struct Publishing {
  explicit Publishing(config::Settings with, const KafkaPublisher::Patience& patience = {})
      : settings(std::move(with)), publisher(settings, metrics, patience) {}

  std::string total(const char* what, TopicId topic) const {
    return metric(registry, "spreadwatch_publish_" + std::string{what} + "_total{topic=\"" +
                                std::string{to_string(topic)} + "\"}");
  }

  config::Settings settings;
  metrics::Registry registry;
  metrics::PublishMetrics metrics{registry, kTopicNames};
  KafkaPublisher publisher;
};

KafkaRecord record(TopicId topic, int partition, std::string key, std::string value) {
  KafkaRecord r;
  r.topic = topic;
  r.partition = partition;
  r.key = std::move(key);
  r.value = std::move(value);
  r.type = "test";
  r.time = timestamp_from_ms(1'700'000'000'000);
  return r;
}

TEST_CASE("the embedded broker has every topic and delivers with key, partition and headers") {
  Publishing p(settings_for("embedded"));
  p.publisher.start();
  const KafkaPublisher::State state = p.publisher.state();
  CHECK(state.status == Status::kReady);
  CHECK(state.embedded);
  CHECK(state.detail.find("embedded") != std::string::npos);

  KafkaRecord book = record(TopicId::kOrderBookKorea, 3, "coinone:BTC-KRW", "");
  append_record(book.value, sample_book());
  book.type = "orderbook";
  const std::string book_value = book.value;
  CHECK(p.publisher.publish(std::move(book)));
  KafkaRecord opportunity =
      record(TopicId::kOpportunity, kPartitionByKey, "BTC", R"({"type":"opportunity"})");
  opportunity.id = "0123-open";
  CHECK(p.publisher.publish(std::move(opportunity)));
  REQUIRE(p.publisher.flush(seconds{10}));

  Consumer consumer(p.publisher.brokers(), partitions_of(p.publisher.topics()));
  const std::vector<Consumed> got = consumer.read(2, seconds{10});
  REQUIRE(got.size() == 2);
  const Consumed& a = got[0].key == "BTC" ? got[1] : got[0];
  const Consumed& b = got[0].key == "BTC" ? got[0] : got[1];
  CHECK(a.topic == "spreadwatch.orderbook.korea");
  CHECK(a.partition == 3);
  CHECK(a.key == "coinone:BTC-KRW");
  CHECK(a.value == book_value);
  CHECK(a.headers.at("ce_specversion") == "1.0");
  CHECK(a.headers.at("ce_id").size() == 32);
  CHECK(a.headers.at("ce_source") == "/spreadwatch/orderbook.korea");
  CHECK(a.headers.at("ce_type") == "spreadwatch.orderbook");
  CHECK(a.headers.at("ce_time") == "2023-11-14T22:13:20.000000Z");
  CHECK(a.headers.at("ce_subject") == "coinone:BTC-KRW");
  CHECK(a.headers.at("ce_dataschema") == "urn:spreadwatch:schema:orderbook:1");
  CHECK(a.headers.at("content-type") == "application/json");
  CHECK(b.topic == "spreadwatch.opportunity");
  CHECK(b.headers.at("ce_id") == "0123-open");

  CHECK(p.total("delivered", TopicId::kOrderBookKorea) == "1");
  CHECK(p.total("delivered", TopicId::kOpportunity) == "1");
  CHECK(p.total("failed", TopicId::kOpportunity) == "0");
}

TEST_CASE("a key always goes to one partition, and the keys use several") {
  Publishing p(settings_for("embedded"));
  p.publisher.start();
  for (int i = 0; i < 120; ++i) {
    p.publisher.publish(record(TopicId::kPremium, kPartitionByKey, "A" + std::to_string(i % 12),
                               std::to_string(i)));
  }
  REQUIRE(p.publisher.flush(seconds{10}));
  Consumer consumer(p.publisher.brokers(), partitions_of(p.publisher.topics()));
  std::map<std::string, std::set<int>> partitions;
  std::set<int> used;
  for (const Consumed& c : consumer.read(120, seconds{10})) {
    partitions[c.key].insert(c.partition);
    used.insert(c.partition);
  }
  CHECK(partitions.size() == 12);
  for (const auto& [key, where] : partitions) {
    CAPTURE(key);
    CHECK(where.size() == 1);
  }
  CHECK(used.size() > 1);
}

TEST_CASE("a lone record leaves within the linger time, not with the next one") {
  Publishing p(settings_for("embedded"));
  p.publisher.start();
  p.publisher.publish(record(TopicId::kTickerKorea, 0, "upbit:BTC-KRW", "1"));
  // No flush, which would hurry it; the first record of a topic must not wait for metadata either.
  CHECK(eventually([&] { return p.total("delivered", TopicId::kTickerKorea) == "1"; }, seconds{5}));
}

TEST_CASE("a broker outage loses nothing and keeps the order of every key") {
  MockBroker broker;
  Publishing p(settings_for(broker.bootstraps()));
  broker.create_topics(p.publisher.topics());
  p.publisher.start();
  REQUIRE(p.publisher.state().status == Status::kReady);
  constexpr int kRecords = 10'000;
  constexpr int kKeys = 20;
  for (int i = 0; i < kRecords; ++i) {
    if (i == 1000) {
      broker.set_down();
      REQUIRE(eventually([&] { return p.publisher.state().status == Status::kDown; }, seconds{20}));
    }
    const std::string key = "A" + std::to_string(i % kKeys);
    const bool venue_topic = i % 2 == 0;
    REQUIRE(p.publisher.publish(
        venue_topic ? record(TopicId::kTickerKorea, i % 4, key, std::to_string(i))
                    : record(TopicId::kOpportunity, kPartitionByKey, key, std::to_string(i))));
  }
  CHECK(!p.publisher.flush(milliseconds{300}));
  broker.set_up();
  REQUIRE(p.publisher.flush(seconds{40}));
  CHECK(eventually([&] { return p.publisher.state().status == Status::kReady; }, seconds{10}));

  // The records that were acknowledged to nobody when the broker went away are sent again; unlike a
  // real broker, this one does not know their sequence numbers and may hold them twice. So it is
  // each record's first copy that must be there and in order; that there is no second one is
  // checked with a real broker.
  Consumer consumer(broker.bootstraps(), partitions_of(p.publisher.topics()));
  std::set<int> seen;
  std::map<std::string, int> last;
  int out_of_order = 0;
  int wrong_partition = 0;
  for (bool more = true; more && seen.size() < kRecords;) {
    const std::vector<Consumed> got = consumer.read(kRecords - seen.size(), seconds{30});
    more = !got.empty();
    for (const Consumed& c : got) {
      const int i = std::stoi(c.value);
      if (c.topic == "spreadwatch.ticker.korea" && c.partition != i % 4) ++wrong_partition;
      if (!seen.insert(i).second) continue;
      const auto [entry, first] = last.try_emplace(c.topic + c.key, i);
      if (!first && i <= entry->second) ++out_of_order;
      entry->second = i;
    }
  }
  CHECK(seen.size() == kRecords);
  CHECK(out_of_order == 0);
  CHECK(wrong_partition == 0);
  CHECK(p.total("delivered", TopicId::kTickerKorea) == "5000");
  CHECK(p.total("delivered", TopicId::kOpportunity) == "5000");
  CHECK(p.total("dropped", TopicId::kTickerKorea) == "0");
  CHECK(metric(p.registry, "spreadwatch_publish_connected") == "1");
}

TEST_CASE("records of a venue whose partition is unavailable wait for it, in order") {
  MockBroker broker;
  Publishing p(settings_for(broker.bootstraps()));
  broker.create_topics(p.publisher.topics());
  p.publisher.start();
  const std::string topic = p.publisher.topics().name(TopicId::kOrderBookAsia);
  broker.set_leader(topic, 1, false);
  constexpr int kRecords = 300;
  for (int i = 0; i < kRecords; ++i) {
    CHECK(p.publisher.publish(
        record(TopicId::kOrderBookAsia, i % 3, "v" + std::to_string(i % 3), std::to_string(i))));
  }
  // The other venues' records go out meanwhile.
  CHECK(eventually([&] { return p.total("delivered", TopicId::kOrderBookAsia) == "200"; },
                   seconds{20}));
  CHECK(!p.publisher.flush(milliseconds{100}));
  broker.set_leader(topic, 1, true);
  REQUIRE(p.publisher.flush(seconds{60}));
  Consumer consumer(broker.bootstraps(), {{topic, 3}});
  const std::vector<Consumed> got = consumer.read(kRecords, seconds{20});
  CHECK(got.size() == kRecords);
  std::map<int, int> last;
  for (const Consumed& c : got) {
    const int i = std::stoi(c.value);
    CHECK(c.partition == i % 3);
    const auto [entry, first] = last.try_emplace(c.partition, i);
    CHECK((first || i > entry->second));
    entry->second = i;
  }
}

TEST_CASE("records wait for a broker that is not there yet, and its topics are not made up") {
  MockBroker broker;
  Publishing p(settings_for(broker.bootstraps()));
  broker.create_topics(p.publisher.topics());
  broker.set_down();
  const auto before = std::chrono::steady_clock::now();
  p.publisher.start();
  CHECK(std::chrono::steady_clock::now() - before < seconds{10});
  CHECK(p.publisher.state().status == Status::kConnecting);
  CHECK(metric(p.registry, "spreadwatch_publish_connected") == "0");
  for (int i = 0; i < 100; ++i) {
    CHECK(
        p.publisher.publish(record(TopicId::kFx, kPartitionByKey, "USDT/KRW", std::to_string(i))));
  }
  CHECK(!p.publisher.flush(milliseconds{100}));
  broker.set_up();
  REQUIRE(p.publisher.flush(seconds{30}));
  Consumer consumer(broker.bootstraps(), {{"spreadwatch.fx", 1}});
  const std::vector<Consumed> got = consumer.read(100, seconds{10});
  REQUIRE(got.size() == 100);
  for (std::size_t i = 0; i < got.size(); ++i) CHECK(got[i].value == std::to_string(i));
}

TEST_CASE("while no broker answers nothing waits for room: the oldest market data goes, counted") {
  MockBroker broker;
  config::Settings settings = settings_for(broker.bootstraps());
  settings.kafka.queue_records = 100;
  Publishing p(settings);
  broker.create_topics(p.publisher.topics());
  p.publisher.start();
  broker.set_down();
  REQUIRE(eventually([&] { return p.publisher.state().status == Status::kDown; }, seconds{20}));
  for (int i = 0; i < 200; ++i) {
    CHECK(p.publisher.publish(record(TopicId::kTickerAsia, 2, "k", std::to_string(i))));
  }
  CHECK(p.total("dropped", TopicId::kTickerAsia) == "125");
  // What must be delivered has its own room, and is refused, not waited for, when that is full.
  int taken = 0;
  for (int i = 0; i < 120; ++i) {
    taken +=
        p.publisher.publish(record(TopicId::kDeadLetter, kPartitionByKey, "okx", std::to_string(i)))
            ? 1
            : 0;
  }
  CHECK(taken == 100);
  CHECK(p.total("dropped", TopicId::kDeadLetter) == "20");
  CHECK(!p.publisher.state().notices.empty());
  CHECK(eventually([&] { return metric(p.registry, "spreadwatch_publish_queue_records") == "175"; },
                   seconds{5}));
  broker.set_up();
  REQUIRE(p.publisher.flush(seconds{30}));
  CHECK(p.total("delivered", TopicId::kTickerAsia) == "75");
  CHECK(p.total("delivered", TopicId::kDeadLetter) == "100");
  Consumer consumer(broker.bootstraps(), {{"spreadwatch.ticker.asia", 3}});
  const std::vector<Consumed> got = consumer.read(75, seconds{10});
  REQUIRE(got.size() == 75);
  CHECK(got.front().value == "125");
  CHECK(got.back().value == "199");
}

/// The values of a key in the order of their first copies.
std::vector<std::string> first_copies(const std::vector<Consumed>& all, const std::string& key) {
  std::vector<std::string> values;
  for (const Consumed& c : all) {
    if (c.key == key && std::ranges::find(values, c.value) == values.end()) {
      values.push_back(c.value);
    }
  }
  return values;
}

bool has_reason(const KafkaPublisher::State& state, std::initializer_list<std::string_view> parts) {
  return std::ranges::any_of(state.reasons, [&](const std::string& reason) {
    return std::ranges::all_of(
        parts, [&](std::string_view part) { return reason.find(part) != std::string::npos; });
  });
}

constexpr KafkaPublisher::Patience kQuick{.unacknowledged = milliseconds{400},
                                          .first_retry = milliseconds{200},
                                          .last_retry = milliseconds{400},
                                          .look_every = milliseconds{500}};

TEST_CASE("what must be delivered and is refused is a reason, and delivered later, in order") {
  rd_kafka_resp_err_t error{};
  std::string_view text;
  SUBCASE("WRITE denied") {
    error = RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED;
    text = "WRITE denied";
  }
  SUBCASE("too large for the broker") {
    error = RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE;
    text = "larger than the broker takes";
  }
  SUBCASE("an error that is not known to be anything") {
    error = RD_KAFKA_RESP_ERR_INVALID_RECORD;
    text = "Broker";
  }
  MockBroker broker;
  Publishing p(settings_for(broker.bootstraps()), kQuick);
  broker.create_topics(p.publisher.topics());
  p.publisher.start();
  CHECK(p.publisher.publish(record(TopicId::kOpportunity, kPartitionByKey, "BTC", "0")));
  REQUIRE(p.publisher.flush(seconds{10}));
  broker.refuse_produce({error, error, error});
  std::vector<std::string> expected = {"0"};
  for (int i = 1; i <= 50; ++i) {
    expected.push_back(std::to_string(i));
    CHECK(p.publisher.publish(
        record(TopicId::kOpportunity, kPartitionByKey, "BTC", std::to_string(i))));
  }
  CHECK(eventually(
      [&] {
        return has_reason(p.publisher.state(), {"spreadwatch.opportunity: ", text});
      },
      seconds{10}));
  CHECK(p.publisher.state().status == Status::kFailed);
  REQUIRE(p.publisher.flush(seconds{30}));
  CHECK(p.publisher.state().reasons.empty());
  CHECK(p.total("failed", TopicId::kOpportunity) == "0");
  CHECK(p.total("delivered", TopicId::kOpportunity) == "51");
  CHECK(p.total("refused", TopicId::kOpportunity) != "0");
  Consumer consumer(broker.bootstraps(), {{"spreadwatch.opportunity", 6}});
  CHECK(first_copies(consumer.read(51, seconds{10}), "BTC") == expected);
}

TEST_CASE("market data that is refused is counted as failed, and a reason while it is") {
  MockBroker broker;
  Publishing p(settings_for(broker.bootstraps()), kQuick);
  broker.create_topics(p.publisher.topics());
  p.publisher.start();
  broker.refuse_produce({RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED});
  CHECK(p.publisher.publish(record(TopicId::kSpread, kPartitionByKey, "BTC", "1")));
  CHECK(eventually(
      [&] { return has_reason(p.publisher.state(), {"spreadwatch.spread: WRITE denied"}); },
      seconds{10}));
  CHECK(p.total("failed", TopicId::kSpread) == "1");
  CHECK(p.publisher.publish(record(TopicId::kSpread, kPartitionByKey, "BTC", "2")));
  REQUIRE(p.publisher.flush(seconds{10}));
  CHECK(p.publisher.state().reasons.empty());
}

TEST_CASE("a producer that turned fatal is made anew with what was not acknowledged, in order") {
  MockBroker broker;
  Publishing p(settings_for(broker.bootstraps()), kQuick);
  broker.create_topics(p.publisher.topics());
  p.publisher.start();
  std::map<std::string, std::vector<std::string>> expected;
  const auto publish = [&](int from, int to) {
    for (int i = from; i < to; ++i) {
      const std::string value = std::to_string(i);
      const bool market = i % 2 == 0;
      const std::string key = (market ? "m" : "o") + std::to_string(i % 7);
      expected[key].push_back(value);
      REQUIRE(
          p.publisher.publish(market ? record(TopicId::kSpread, kPartitionByKey, key, value)
                                     : record(TopicId::kOpportunity, kPartitionByKey, key, value)));
    }
  };
  publish(0, 500);
  REQUIRE(p.publisher.flush(seconds{20}));
  broker.set_down();
  publish(500, 1000);
  p.publisher.break_producers("a broker that came back on older data");
  publish(1000, 1500);
  broker.set_up();
  REQUIRE(p.publisher.flush(seconds{30}));
  publish(1500, 2000);
  REQUIRE(p.publisher.flush(seconds{30}));
  CHECK(p.publisher.state().reasons.empty());
  CHECK(p.total("failed", TopicId::kSpread) == "0");
  CHECK(p.total("delivered", TopicId::kSpread) == "1000");
  CHECK(p.total("delivered", TopicId::kOpportunity) == "1000");
  Consumer consumer(broker.bootstraps(), partitions_of(p.publisher.topics()));
  const std::vector<Consumed> got = consumer.read(2200, seconds{3});
  for (const auto& [key, values] : expected) {
    CAPTURE(key);
    CHECK(first_copies(got, key) == values);
  }
}

TEST_CASE("records that wait without acknowledgement are a reason, though a broker answers") {
  MockBroker broker;
  Publishing p(settings_for(broker.bootstraps()), kQuick);
  broker.create_topics(p.publisher.topics());
  p.publisher.start();
  broker.set_leader(p.publisher.topics().name(TopicId::kFx), 0, false);
  CHECK(p.publisher.publish(record(TopicId::kFx, kPartitionByKey, "USDT/KRW", "1")));
  CHECK(eventually([&] { return has_reason(p.publisher.state(), {"nothing acknowledged"}); },
                   seconds{10}));
  // Others are delivered meanwhile: then it is the topic that is named.
  CHECK(eventually(
      [&] {
        p.publisher.publish(record(TopicId::kAlert, kPartitionByKey, "rule", "1"));
        return has_reason(p.publisher.state(), {"spreadwatch.fx: nothing acknowledged"});
      },
      seconds{10}));
  CHECK(eventually([&] { return metric(p.registry, "spreadwatch_publish_delivering") == "0"; },
                   seconds{5}));
  broker.set_leader(p.publisher.topics().name(TopicId::kFx), 0, true);
  REQUIRE(p.publisher.flush(seconds{30}));
  CHECK(p.publisher.state().reasons.empty());
  CHECK(eventually([&] { return metric(p.registry, "spreadwatch_publish_delivering") == "1"; },
                   seconds{5}));
}

TEST_CASE("what must be delivered and was not at the stop is the first that the next run sends") {
  std::string name = (std::filesystem::temp_directory_path() / "publish-XXXXXX").string();
  REQUIRE(mkdtemp(name.data()) != nullptr);
  const std::filesystem::path dir = name;
  MockBroker broker;
  config::Settings settings = settings_for(broker.bootstraps());
  settings.state_dir = dir.string();
  broker.create_topics(Topics(settings));
  broker.set_down();
  {
    Publishing p(settings);
    p.publisher.start();
    for (int i = 0; i < 5; ++i) {
      KafkaRecord r = record(TopicId::kOpportunity, kPartitionByKey, "BTC", std::to_string(i));
      r.id = "id" + std::to_string(i);
      CHECK(p.publisher.publish(std::move(r)));
      CHECK(p.publisher.publish(record(TopicId::kSpread, kPartitionByKey, "BTC", "m")));
    }
    const auto before = std::chrono::steady_clock::now();
    p.publisher.stop(milliseconds{200});
    CHECK(std::chrono::steady_clock::now() - before < seconds{4});
    CHECK(p.total("failed", TopicId::kOpportunity) == "0");
    CHECK(p.total("failed", TopicId::kSpread) == "5");
  }
  using std::filesystem::perms;
  CHECK(std::filesystem::status(dir / "undelivered").permissions() == perms{0600});
  broker.set_up();
  {
    Publishing p(settings);
    p.publisher.start();
    CHECK(p.publisher.took_up("id0"));
    CHECK(!p.publisher.took_up("id5"));
    CHECK(p.publisher.publish(record(TopicId::kOpportunity, kPartitionByKey, "BTC", "5")));
    REQUIRE(p.publisher.flush(seconds{30}));
    CHECK(p.total("delivered", TopicId::kOpportunity) == "6");
    CHECK(eventually([&] { return !std::filesystem::exists(dir / "undelivered"); }, seconds{5}));
  }
  Consumer consumer(broker.bootstraps(), {{"spreadwatch.opportunity", 6}});
  CHECK(first_copies(consumer.read(6, seconds{10}), "BTC") ==
        std::vector<std::string>{"0", "1", "2", "3", "4", "5"});

  std::ofstream(dir / "undelivered") << "not ours";
  {
    Publishing p(settings);
    p.publisher.start();
    REQUIRE(p.publisher.state().notices.size() == 1);
    CHECK(std::filesystem::exists(dir / "undelivered.damaged-1"));
  }
  std::filesystem::remove_all(dir);
}

TEST_CASE("a topic with too few partitions is an error at start that names it and the counts") {
  MockBroker broker;
  Publishing p(settings_for(broker.bootstraps()));
  broker.create_topics(p.publisher.topics());
  Publishing other([&] {
    config::Settings s = settings_for(broker.bootstraps());
    s.kafka.prefix = "other.";
    return s;
  }());
  for (const TopicIdentity& topic : kTopics) {
    broker.create_topic("other." + std::string{topic.name},
                        topic.id == TopicId::kOrderBookAsia ? 2 : topic.partitions + 1);
  }
  CHECK_NOTHROW(p.publisher.start());
  try {
    other.publisher.start();
    FAIL("no error");
  } catch (const std::runtime_error& e) {
    const std::string what = e.what();
    CHECK(what.find("other.orderbook.asia") != std::string::npos);
    CHECK(what.find("has 2 partitions and needs 3") != std::string::npos);
  }
  CHECK(other.publisher.state().status == Status::kFailed);
  CHECK(!other.publisher.publish(record(TopicId::kFx, kPartitionByKey, "k", "v")));
}

TEST_CASE("more partitions than needed are used by key and left alone by venue") {
  MockBroker broker;
  Publishing p(settings_for(broker.bootstraps()));
  for (const TopicIdentity& topic : kTopics) {
    broker.create_topic(p.publisher.topics().name(topic.id), topic.partitions + 2);
  }
  p.publisher.start();
  p.publisher.publish(record(TopicId::kTickerEurope, 1, "kraken:BTC-USD", "1"));
  p.publisher.publish(record(TopicId::kAlert, kPartitionByKey, "rule", "2"));
  REQUIRE(p.publisher.flush(seconds{10}));
  Consumer consumer(broker.bootstraps(),
                    {{"spreadwatch.ticker.europe", 4}, {"spreadwatch.alert", 3}});
  for (const Consumed& c : consumer.read(2, seconds{10})) {
    CHECK(c.partition == (c.key == "rule" ? 0 : 1));
  }
}

TEST_CASE("a refused setting is an error at start that names it") {
  config::Settings settings = settings_for("127.0.0.1:1");
  settings.kafka.compression = "rar";
  Publishing p(settings);
  try {
    p.publisher.start();
    FAIL("no error");
  } catch (const std::runtime_error& e) {
    CHECK(std::string{e.what()}.find("compression") != std::string::npos);
  }
}

TEST_CASE("a record too large for Kafka is counted as failed and holds nothing up") {
  Publishing p(settings_for("embedded"));
  p.publisher.start();
  CHECK(!p.publisher.publish(
      record(TopicId::kDeadLetter, kPartitionByKey, "okx", std::string(2U << 20U, 'x'))));
  CHECK(p.publisher.publish(record(TopicId::kDeadLetter, kPartitionByKey, "okx", "small")));
  REQUIRE(p.publisher.flush(seconds{10}));
  CHECK(p.total("failed", TopicId::kDeadLetter) == "1");
  CHECK(p.total("delivered", TopicId::kDeadLetter) == "1");
}

TEST_CASE("what a stop leaves undelivered is counted as failed, and nothing is taken after it") {
  MockBroker broker;
  Publishing p(settings_for(broker.bootstraps()));
  broker.create_topics(p.publisher.topics());
  p.publisher.start();
  broker.set_down();
  for (int i = 0; i < 50; ++i) {
    p.publisher.publish(record(TopicId::kSpread, -1, "BTC", "v"));
    p.publisher.publish(record(TopicId::kAlert, -1, "rule", "v"));
  }
  p.publisher.stop(milliseconds{100});
  CHECK(p.total("failed", TopicId::kSpread) == "50");
  // Without state_dir there is no next run that could send them.
  CHECK(p.total("failed", TopicId::kAlert) == "50");
  CHECK(p.publisher.state().status == Status::kStopped);
  CHECK(!p.publisher.publish(record(TopicId::kOpportunity, kPartitionByKey, "BTC", "v")));
  CHECK(p.total("dropped", TopicId::kOpportunity) == "1");
  CHECK(metric(p.registry, "spreadwatch_publish_queue_records") == "0");
}

}  // namespace
}  // namespace spreadwatch::publish
