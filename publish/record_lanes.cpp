#include "publish/record_lanes.h"

#include <librdkafka/rdkafka.h>

#include <algorithm>
#include <string_view>
#include <utility>

#include "publish/records.h"

namespace spreadwatch::publish {
namespace {

using Kind = OpportunityEvent::Kind;

constexpr std::array<std::size_t, kTopicCount> kFirstLane = [] {
  std::array<std::size_t, kTopicCount> first{};
  std::size_t next = 0;
  for (std::size_t i = 0; i < kTopicCount; ++i) {
    first[i] = next;
    next += static_cast<std::size_t>(kTopics[i].partitions);
  }
  return first;
}();

constexpr std::array<TopicId, RecordLanes::kLanes> kLaneTopics = [] {
  std::array<TopicId, RecordLanes::kLanes> topics{};
  for (const TopicIdentity& topic : kTopics) {
    for (int p = 0; p < topic.partitions; ++p) {
      topics[kFirstLane[index_of(topic.id)] + static_cast<std::size_t>(p)] = topic.id;
    }
  }
  return topics;
}();

}  // namespace

TopicId RecordLanes::topic_of(std::size_t lane) { return kLaneTopics[lane]; }

RecordLanes::RecordLanes(const Limits& limits, LeftOut left_out)
    : limits_(limits), left_out_(std::move(left_out)) {
  for (std::size_t i = 0; i < kLanes; ++i) {
    lanes_[i].topic = kLaneTopics[i];
    lanes_[i].window = limits_.window.records;
  }
}

std::size_t RecordLanes::lane_of(const KafkaRecord& record) const {
  const TopicIdentity& topic = identity(record.topic);
  const int place =
      topic.partitioning == Partitioning::kKey
          ? rd_kafka_msg_partitioner_murmur2(nullptr, record.key.data(), record.key.size(),
                                             topic.partitions, nullptr, nullptr)
          : std::max(record.partition, 0);
  return kFirstLane[index_of(record.topic)] + static_cast<std::size_t>(place);
}

std::optional<std::size_t> RecordLanes::add(KafkaRecord record, Time now, bool resumed) {
  Item item;
  item.record = std::move(record);
  item.accepted = now;
  item.lane = lane_of(item.record);
  item.bytes = item.record.key.size() + item.record.value.size();
  item.resumed = resumed;

  const auto event =
      item.record.topic == TopicId::kOpportunity ? opportunity_of(item.record.id) : std::nullopt;
  const bool headless = event && event->kind != Kind::kOpen && withheld_.contains(event->id);
  if (headless || !make_room(item.record, item.bytes)) {
    // An open or close that is missing takes with it what follows.
    if (event && event->kind == Kind::kOpen) withheld_.insert(event->id);
    if (event && event->kind == Kind::kClose) withheld_.erase(event->id);
    left_out_(item, Left::kDropped);
    return std::nullopt;
  }
  Bounds& total = total_of(item.record.topic);
  total.records += 1;
  total.bytes += item.bytes;
  Lane& lane = lanes_[item.lane];
  if (lane.waiting.empty() && lane.out.empty()) lane.progress = now;
  // A record that was written piece by piece has room to grow, which would wait along with it.
  if (!lane.waiting.empty()) item.record.value.shrink_to_fit();
  item.number = next_number_++;
  lane.waiting.push_back(std::move(item));
  lane.waiting.back().self = std::prev(lane.waiting.end());
  return lane.waiting.back().lane;
}

bool RecordLanes::make_room(const KafkaRecord& record, std::size_t bytes) {
  const bool must = identity(record.topic).must_deliver;
  const Bounds& bound = must ? limits_.must_deliver : limits_.market;
  const Bounds& total = total_of(record.topic);
  if (bytes > bound.bytes) return false;
  while (total.records + 1 > bound.records || total.bytes + bytes > bound.bytes) {
    if (must ? !conflate_updates(record) : !drop_oldest_market()) return false;
  }
  return true;
}

bool RecordLanes::drop_oldest_market() {
  Lane* from = nullptr;
  for (Lane& lane : lanes_) {
    if (identity(lane.topic).must_deliver || lane.waiting.empty()) continue;
    if (from == nullptr || lane.waiting.front().number < from->waiting.front().number) from = &lane;
  }
  if (from == nullptr) return false;
  left_out_(from->waiting.front(), Left::kDropped);
  remove(from->waiting, from->waiting.front());
  return true;
}

/// Takes out the updates that a later event of the same opportunity makes up for, `coming` among
/// them. It looks at every record, so the next time is a while away.
bool RecordLanes::conflate_updates(const KafkaRecord& coming) {
  if (next_number_ < conflate_from_) return false;
  conflate_from_ = next_number_ + limits_.must_deliver.records / 16;
  bool any = false;
  for (Lane& lane : lanes_) {
    if (lane.topic != TopicId::kOpportunity) continue;
    std::set<std::string> later;
    if (const auto event = opportunity_of(coming.id)) later.insert(event->id);
    for (auto it = lane.waiting.end(); it != lane.waiting.begin();) {
      Item& item = *--it;
      const auto event = opportunity_of(item.record.id);
      if (!event || later.insert(event->id).second || event->kind != Kind::kUpdate) continue;
      ++it;
      left_out_(item, Left::kConflated);
      remove(lane.waiting, item);
      any = true;
    }
  }
  return any;
}

RecordLanes::Item* RecordLanes::next(std::size_t index) {
  Lane& lane = lanes_[index];
  if (lane.waiting.empty() || lane.returned > 0) return nullptr;
  Item& item = lane.waiting.front();
  const bool fits =
      lane.out.size() < lane.window && lane.out_bytes + item.bytes <= limits_.window.bytes;
  return fits || lane.out.empty() ? &item : nullptr;
}

void RecordLanes::handed_over(Item& item) {
  Lane& lane = lanes_[item.lane];
  lane.out_bytes += item.bytes;
  lane.out.splice(lane.out.end(), lane.waiting, item.self);
}

void RecordLanes::acknowledged(Item& item, Time now) {
  Lane& lane = lanes_[item.lane];
  lane.progress = now;
  lane.window = std::min(lane.window * 2, limits_.window.records);
  give_up(item);
}

void RecordLanes::came_back(Item& item) {
  Lane& lane = lanes_[item.lane];
  item.back = true;
  ++lane.returned;
  return_if_complete(lane);
}

void RecordLanes::all_back(const std::function<bool(TopicId)>& of) {
  for (Lane& lane : lanes_) {
    if (!of(lane.topic)) continue;
    lane.returned = lane.out.size();
    return_if_complete(lane);
  }
}

void RecordLanes::give_up(Item& item) {
  Lane& lane = lanes_[item.lane];
  remove(lane.out, item);
  return_if_complete(lane);
}

void RecordLanes::refuse(Item& item) { remove(lanes_[item.lane].waiting, item); }

void RecordLanes::return_if_complete(Lane& lane) {
  if (lane.returned == 0 || lane.returned < lane.out.size()) return;
  for (Item& item : lane.out) item.back = false;
  lane.returned = 0;
  lane.out_bytes = 0;
  lane.waiting.splice(lane.waiting.begin(), lane.out);
}

void RecordLanes::remove(std::list<Item>& from, Item& item) {
  Lane& lane = lanes_[item.lane];
  Bounds& total = total_of(lane.topic);
  total.records -= 1;
  total.bytes -= item.bytes;
  if (&from == &lane.out) lane.out_bytes -= item.bytes;
  from.erase(item.self);
}

void RecordLanes::narrow(TopicId topic) {
  for (Lane& lane : lanes_) {
    if (lane.topic == topic) lane.window = 1;
  }
}

std::size_t RecordLanes::records_of(TopicId topic) const {
  std::size_t count = 0;
  for (const Lane& lane : lanes_) {
    if (lane.topic == topic) count += lane.waiting.size() + lane.out.size();
  }
  return count;
}

std::optional<RecordLanes::Time> RecordLanes::oldest() const {
  std::optional<Time> time;
  for (const Lane& lane : lanes_) {
    for (const std::list<Item>* list : {&lane.out, &lane.waiting}) {
      if (!list->empty() && (!time || list->front().accepted < *time)) {
        time = list->front().accepted;
      }
    }
  }
  return time;
}

std::optional<RecordLanes::Time> RecordLanes::waiting_since(TopicId topic) const {
  std::optional<Time> since;
  for (const Lane& lane : lanes_) {
    if (lane.topic != topic || (lane.waiting.empty() && lane.out.empty())) continue;
    // A record that has just been accepted has not waited since the last acknowledgement.
    const Item& first = lane.out.empty() ? lane.waiting.front() : lane.out.front();
    const Time waits = std::max(lane.progress, first.accepted);
    if (!since || waits < *since) since = waits;
  }
  return since;
}

std::vector<RecordLanes::Item> RecordLanes::take_all() {
  std::vector<Item> all;
  for (Lane& lane : lanes_) {
    for (Item& item : lane.waiting) all.push_back(std::move(item));
    lane.waiting.clear();
  }
  std::ranges::sort(all, {}, &Item::number);
  totals_ = {};
  return all;
}

}  // namespace spreadwatch::publish
