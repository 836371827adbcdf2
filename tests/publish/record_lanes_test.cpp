#include "publish/record_lanes.h"

#include <doctest/doctest.h>

#include <map>
#include <string>
#include <vector>

namespace spreadwatch::publish {
namespace {

using Item = RecordLanes::Item;
using Time = RecordLanes::Time;

const Time kNow = Time{} + std::chrono::hours{1};

KafkaRecord record(TopicId topic, int partition, const std::string& key, const std::string& value) {
  KafkaRecord r;
  r.topic = topic;
  r.partition = partition;
  r.key = key;
  r.value = value;
  return r;
}
KafkaRecord ticker(int partition, const std::string& value) {
  return record(TopicId::kTickerKorea, partition, "k", value);
}
KafkaRecord opportunity(const std::string& id, const std::string& kind) {
  KafkaRecord r = record(TopicId::kOpportunity, kPartitionByKey, "BTC", id + kind);
  r.id = id + "-" + kind;
  return r;
}

struct Lanes {
  explicit Lanes(std::size_t records, std::size_t window = 100)
      : lanes({.market = {records, 1000}, .must_deliver = {records, 1000}, .window = {window, 500}},
              [this](const Item& item, RecordLanes::Left why) {
                auto& list = why == RecordLanes::Left::kDropped ? dropped : conflated;
                list.push_back(item.record.value);
              }) {}

  /// Hands over all that may go of the lane.
  std::vector<Item*> out(std::size_t lane) {
    std::vector<Item*> items;
    while (Item* const item = lanes.next(lane)) {
      lanes.handed_over(*item);
      items.push_back(item);
    }
    return items;
  }
  static std::string values(const std::vector<Item*>& items) {
    std::string text;
    for (const Item* const item : items) text += item->record.value + " ";
    return text;
  }

  std::vector<std::string> dropped;
  std::vector<std::string> conflated;
  RecordLanes lanes;
};

TEST_CASE("market data beyond its bound loses the oldest, whichever lane it waits in") {
  Lanes l(3);
  const auto a = l.lanes.add(ticker(0, "0"), kNow);
  const auto b = l.lanes.add(ticker(1, "1"), kNow);
  REQUIRE(a);
  REQUIRE(b);
  CHECK(*a != *b);
  CHECK(l.lanes.add(ticker(0, "2"), kNow));
  CHECK(l.lanes.add(ticker(0, "3"), kNow));
  CHECK(l.lanes.add(ticker(0, "4"), kNow));
  CHECK(l.dropped == std::vector<std::string>{"0", "1"});
  CHECK(l.lanes.records() == 3);

  // What was handed over cannot be taken back: then it is the new one that finds no room.
  CHECK(Lanes::values(l.out(*a)) == "2 3 4 ");
  CHECK_FALSE(l.lanes.add(ticker(0, "5"), kNow));
  CHECK(l.dropped.back() == "5");
  // What must be delivered has room of its own.
  CHECK(l.lanes.add(opportunity("a", "open"), kNow));
}

TEST_CASE(
    "bytes are bounded as well, and a record larger than the bound does not empty the queue") {
  Lanes l(100);
  CHECK(l.lanes.add(ticker(0, std::string(700, 'a')), kNow));
  CHECK_FALSE(l.lanes.add(ticker(0, std::string(2000, 'b')), kNow));
  CHECK(l.lanes.records() == 1);
  CHECK(l.lanes.add(ticker(0, std::string(700, 'c')), kNow));
  CHECK(l.lanes.records() == 1);
  CHECK(l.lanes.bytes() == 701);
}

TEST_CASE(
    "when what must be delivered finds no room, updates with a successor go, then the newest") {
  Lanes l(5);
  for (const char* const kind : {"open", "update-1", "update-2"}) {
    CHECK(l.lanes.add(opportunity("a", kind), kNow));
  }
  CHECK(l.lanes.add(opportunity("b", "open"), kNow));
  CHECK(l.lanes.add(opportunity("b", "update-3"), kNow));
  CHECK(l.lanes.add(opportunity("c", "open"), kNow));
  CHECK(l.conflated == std::vector<std::string>{"aupdate-1"});
  CHECK(l.dropped.empty());

  // No room for another: nothing of it may come later.
  CHECK_FALSE(l.lanes.add(opportunity("d", "open"), kNow));
  const auto lane = l.lanes.add(opportunity("a", "close"), kNow);
  REQUIRE(lane);
  CHECK(l.conflated.back() == "aupdate-2");
  const auto out = l.out(*lane);
  CHECK(Lanes::values(out) == "aopen bopen bupdate-3 copen aclose ");
  for (Item* const item : out) l.lanes.acknowledged(*item, kNow);
  CHECK_FALSE(l.lanes.add(opportunity("d", "update-4"), kNow));
  CHECK_FALSE(l.lanes.add(opportunity("d", "close"), kNow));
  CHECK(l.dropped == std::vector<std::string>{"dopen", "dupdate-4", "dclose"});
  CHECK(l.lanes.add(opportunity("d", "open"), kNow));
}

TEST_CASE("what comes back goes again before what came later, once all that was out is settled") {
  Lanes l(100);
  const std::size_t lane = *l.lanes.add(ticker(2, "1"), kNow);
  for (const char* const v : {"2", "3", "4"}) l.lanes.add(ticker(2, v), kNow);
  const auto out = l.out(lane);
  REQUIRE(out.size() == 4);
  l.lanes.add(ticker(2, "5"), kNow);
  l.lanes.came_back(*out[1]);
  CHECK(l.lanes.next(lane) == nullptr);  // 1, 3 and 4 are still out
  l.lanes.acknowledged(*out[0], kNow);
  l.lanes.came_back(*out[3]);
  CHECK(l.lanes.next(lane) == nullptr);
  l.lanes.came_back(*out[2]);
  CHECK(Lanes::values(l.out(lane)) == "2 3 4 5 ");
}

TEST_CASE("a narrowed lane lets out one record, and twice as many after each acknowledgement") {
  Lanes l(100, 4);
  const std::size_t lane = *l.lanes.add(ticker(0, "1"), kNow);
  for (int i = 2; i <= 12; ++i) l.lanes.add(ticker(0, std::to_string(i)), kNow);
  l.lanes.narrow(TopicId::kTickerKorea);
  for (const std::size_t expected : {1U, 2U, 4U, 4U}) {
    const auto out = l.out(lane);
    CHECK(out.size() == expected);
    l.lanes.acknowledged(*out[0], kNow);
    for (std::size_t i = 1; i < out.size(); ++i) l.lanes.give_up(*out[i]);
    if (expected == 2) l.lanes.narrow(TopicId::kTickerAsia);  // another topic's are not touched
  }
}

TEST_CASE("a topic waits since its last acknowledgement or since its oldest record came") {
  Lanes l(100);
  CHECK_FALSE(l.lanes.waiting_since(TopicId::kTickerKorea));
  const std::size_t lane = *l.lanes.add(ticker(0, "1"), kNow);
  l.lanes.add(ticker(0, "2"), kNow + seconds{1});
  CHECK(l.lanes.waiting_since(TopicId::kTickerKorea) == kNow);
  CHECK(l.lanes.oldest() == kNow);
  const auto out = l.out(lane);
  l.lanes.acknowledged(*out[0], kNow + seconds{7});
  CHECK(l.lanes.waiting_since(TopicId::kTickerKorea) == kNow + seconds{7});
  l.lanes.acknowledged(*out[1], kNow + seconds{8});
  CHECK_FALSE(l.lanes.waiting_since(TopicId::kTickerKorea));
  l.lanes.add(ticker(0, "3"), kNow + seconds{60});
  CHECK(l.lanes.waiting_since(TopicId::kTickerKorea) == kNow + seconds{60});
}

TEST_CASE("a key is always in one lane, and the lanes of a topic are used") {
  Lanes l(1000);
  std::map<std::string, std::size_t> lane_of;
  std::map<std::size_t, int> used;
  for (int i = 0; i < 100; ++i) {
    const std::string key = "A" + std::to_string(i % 20);
    const auto lane = l.lanes.add(record(TopicId::kOpportunity, kPartitionByKey, key, ""), kNow);
    REQUIRE(lane);
    CHECK(RecordLanes::topic_of(*lane) == TopicId::kOpportunity);
    CHECK(lane_of.try_emplace(key, *lane).first->second == *lane);
    ++used[*lane];
  }
  CHECK(used.size() > 3);
}

}  // namespace
}  // namespace spreadwatch::publish
