#pragma once

// Private to this folder: what waits for Kafka, and in which order it may go.

#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <list>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "publish/kafka_record.h"
#include "publish/topics.h"

namespace spreadwatch::publish {

/// The records that are accepted and not acknowledged, in lanes: one for each partition that a
/// topic has at least. A key is always in the same lane, and a lane's records are handed over in
/// the order they came, also when some come back: nothing of a lane is handed over while one that
/// came back waits for others that are still out.
///
/// Market data and what must be delivered have bounds of their own, in records and bytes, so that
/// neither displaces the other. Market data beyond its bound: the oldest that has not been handed
/// over goes. Beyond the other: an opportunity's updates go first, oldest first, then the new
/// record itself, and then also what follows of the same opportunity, so that there is no update or
/// close without its open.
///
/// Threads: one at a time.
class RecordLanes {
 public:
  using Time = std::chrono::steady_clock::time_point;

  struct Bounds {
    std::size_t records = 0;
    std::size_t bytes = 0;
  };
  struct Limits {
    Bounds market;
    Bounds must_deliver;
    Bounds window;  ///< what a lane may have handed over; always at least one record
  };
  struct Item {
    KafkaRecord record;
    std::uint64_t number = 0;  ///< counts up as records are accepted
    Time accepted{};
    std::size_t lane = 0;
    std::size_t bytes = 0;
    bool resumed = false;  ///< comes from the run before
    bool back = false;     ///< handed over and came back
    std::list<Item>::iterator self;
  };
  enum class Left : std::uint8_t { kDropped, kConflated };
  using LeftOut = std::function<void(const Item&, Left)>;

  /// `left_out` is told of each record that goes for want of room.
  RecordLanes(const Limits& limits, LeftOut left_out);

  /// Takes a record and gives its lane; nullopt = dropped (and told, as are others that go in its
  /// place).
  std::optional<std::size_t> add(KafkaRecord record, Time now, bool resumed = false);

  /// The next record of the lane that may be handed over; null = none now.
  Item* next(std::size_t lane);
  /// `item`, as next() gave it, was handed over.
  void handed_over(Item& item);
  /// `item` was acknowledged: it is gone after this.
  void acknowledged(Item& item, Time now);
  /// `item` was handed over and is to be handed over again, before all that came later.
  void came_back(Item& item);
  /// All that is handed over of these topics came back.
  void all_back(const std::function<bool(TopicId)>& of);
  /// `item` was handed over and is given up: it is gone after this.
  void give_up(Item& item);
  /// The same for one that was not handed over: as next() gave it.
  void refuse(Item& item);

  /// How many records a lane of the topic may have out: made small after a refusal and doubled by
  /// each acknowledgement, so that what is tried is one record, not thousands.
  void narrow(TopicId topic);

  static constexpr std::size_t kLanes = [] {
    std::size_t count = 0;
    for (const TopicIdentity& topic : kTopics) count += static_cast<std::size_t>(topic.partitions);
    return count;
  }();
  static TopicId topic_of(std::size_t lane);

  std::size_t records() const { return totals_[0].records + totals_[1].records; }
  std::size_t bytes() const { return totals_[0].bytes + totals_[1].bytes; }
  std::size_t must_deliver_records() const { return totals_[1].records; }
  std::size_t records_of(TopicId topic) const;
  /// When the oldest record that waits was accepted.
  std::optional<Time> oldest() const;
  /// Since when something of the topic has waited in a lane without any acknowledgement to that
  /// lane; nullopt = nothing waits.
  std::optional<Time> waiting_since(TopicId topic) const;
  /// Nothing of the lane is out or on its way back.
  bool at_rest(std::size_t lane) const { return lanes_[lane].out.empty(); }

  /// Gives away every record, oldest first. REQUIRES: none is handed over.
  std::vector<Item> take_all();

 private:
  struct Lane {
    TopicId topic{};
    std::list<Item> waiting;
    std::list<Item> out;  // handed over, and what of it came back
    std::size_t out_bytes = 0;
    std::size_t returned = 0;  // how many of `out` came back
    std::size_t window = 0;    // records that may be out
    Time progress{};           // of the last acknowledgement, or when it began to wait
  };

  std::size_t lane_of(const KafkaRecord& record) const;
  Bounds& total_of(TopicId topic) { return totals_[identity(topic).must_deliver ? 1 : 0]; }
  bool make_room(const KafkaRecord& record, std::size_t bytes);
  bool drop_oldest_market();
  bool conflate_updates(const KafkaRecord& coming);
  void remove(std::list<Item>& from, Item& item);
  void return_if_complete(Lane& lane);

  const Limits limits_;
  const LeftOut left_out_;
  std::array<Lane, kLanes> lanes_;
  std::array<Bounds, 2> totals_{};  // market data, what must be delivered
  std::uint64_t next_number_ = 0;
  std::uint64_t conflate_from_ = 0;
  std::set<std::string, std::less<>> withheld_;  // opportunities whose open was dropped
};

}  // namespace spreadwatch::publish
