#pragma once

#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "config/settings.h"
#include "core/venue.h"

namespace spreadwatch::publish {

/// The program's Kafka topics.
enum class TopicId : std::uint8_t {
  kTickerKorea,
  kTickerAsia,
  kTickerEurope,
  kOrderBookKorea,
  kOrderBookAsia,
  kOrderBookEurope,
  kFx,
  kPremium,
  kSpread,
  kOpportunity,
  kAlert,
  kDeadLetter,
};

/// How a record's partition is chosen.
enum class Partitioning : std::uint8_t {
  kVenue,   ///< the venue's place in its region: a record never goes to another venue's partition
  kKey,     ///< by the key's hash, as Java clients do it (murmur2)
  kSingle,  ///< there is one
};

/// What is fixed about a topic.
struct TopicIdentity {
  TopicId id;
  std::string_view name;  ///< without the configured prefix
  int partitions;         ///< created with so many; an existing topic must have at least so many
  Partitioning partitioning;
  bool must_deliver;       ///< never dropped for want of room; market data may be
  std::chrono::days kept;  ///< retention of a topic that is created here
  std::string_view type;   ///< of its records: the schema's name
};

constexpr int venues_in(Region region) {
  int count = 0;
  for (const VenueIdentity& v : kVenues) count += v.region == region ? 1 : 0;
  return count;
}

/// The venue's place among all venues of its region, watched or not: leaving one out moves no
/// other.
constexpr int venue_partition(VenueId venue) {
  int place = 0;
  for (const VenueIdentity& v : kVenues) {
    if (v.id == venue) break;
    place += v.region == region_of(venue) ? 1 : 0;
  }
  return place;
}

/// Every topic, in TopicId order. A venue topic has a partition for every registered venue of its
/// region, watched or not, so that turning a venue on never needs more partitions.
inline constexpr std::array<TopicIdentity, 12> kTopics = {{
    {TopicId::kTickerKorea, "ticker.korea", venues_in(Region::kKorea), Partitioning::kVenue, false,
     std::chrono::days{1}, "ticker"},
    {TopicId::kTickerAsia, "ticker.asia", venues_in(Region::kAsia), Partitioning::kVenue, false,
     std::chrono::days{1}, "ticker"},
    {TopicId::kTickerEurope, "ticker.europe", venues_in(Region::kEurope), Partitioning::kVenue,
     false, std::chrono::days{1}, "ticker"},
    {TopicId::kOrderBookKorea, "orderbook.korea", venues_in(Region::kKorea), Partitioning::kVenue,
     false, std::chrono::days{1}, "orderbook"},
    {TopicId::kOrderBookAsia, "orderbook.asia", venues_in(Region::kAsia), Partitioning::kVenue,
     false, std::chrono::days{1}, "orderbook"},
    {TopicId::kOrderBookEurope, "orderbook.europe", venues_in(Region::kEurope),
     Partitioning::kVenue, false, std::chrono::days{1}, "orderbook"},
    {TopicId::kFx, "fx", 1, Partitioning::kSingle, false, std::chrono::days{7}, "fx"},
    {TopicId::kPremium, "premium", 6, Partitioning::kKey, false, std::chrono::days{7}, "premium"},
    {TopicId::kSpread, "spread", 6, Partitioning::kKey, false, std::chrono::days{7}, "spread"},
    {TopicId::kOpportunity, "opportunity", 6, Partitioning::kKey, true, std::chrono::days{30},
     "opportunity"},
    {TopicId::kAlert, "alert", 1, Partitioning::kSingle, true, std::chrono::days{30}, "alert"},
    {TopicId::kDeadLetter, "dead-letter", 1, Partitioning::kSingle, true, std::chrono::days{30},
     "dead_letter"},
}};
inline constexpr std::size_t kTopicCount = kTopics.size();

/// The topics' names in TopicId order: the `topic` label of metrics::PublishMetrics.
inline constexpr std::array<std::string_view, kTopicCount> kTopicNames = [] {
  std::array<std::string_view, kTopicCount> names{};
  for (std::size_t i = 0; i < kTopicCount; ++i) names[i] = kTopics[i].name;
  return names;
}();

constexpr std::size_t index_of(TopicId id) { return static_cast<std::size_t>(id); }
constexpr const TopicIdentity& identity(TopicId id) { return kTopics[index_of(id)]; }
constexpr std::string_view to_string(TopicId id) { return identity(id).name; }

constexpr TopicId ticker_topic(Region region) {
  return static_cast<TopicId>(index_of(TopicId::kTickerKorea) + static_cast<std::size_t>(region));
}
constexpr TopicId orderbook_topic(Region region) {
  return static_cast<TopicId>(index_of(TopicId::kOrderBookKorea) +
                              static_cast<std::size_t>(region));
}

/// The partition of records whose topic is not partitioned by venue: chosen by key.
inline constexpr int kPartitionByKey = -1;

/// What the configuration adds to the table: the prefix. Threads: a value.
class Topics {
 public:
  explicit Topics(const config::Settings& settings);

  /// The topic's name on the broker.
  const std::string& name(TopicId id) const { return names_[index_of(id)]; }

 private:
  std::array<std::string, kTopicCount> names_;
};

}  // namespace spreadwatch::publish
