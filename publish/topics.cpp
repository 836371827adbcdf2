#include "publish/topics.h"

#include <cassert>

namespace spreadwatch::publish {

static_assert(kTopics.back().id == TopicId::kDeadLetter);
static_assert([] {
  for (std::size_t i = 0; i < kTopicCount; ++i) {
    if (index_of(kTopics[i].id) != i) return false;
  }
  return true;
}());

Topics::Topics(const config::Settings& settings) {
  for (const TopicIdentity& topic : kTopics) {
    names_[index_of(topic.id)] = settings.kafka.prefix + std::string{topic.name};
  }
  partitions_.fill(kPartitionByKey);
  std::array<int, kRegions.size()> next{};
  for (const config::VenueSettings& venue : settings.venues) {
    partitions_[spreadwatch::index_of(venue.id)] =
        next[static_cast<std::size_t>(region_of(venue.id))]++;
  }
}

int Topics::venue_partition(VenueId venue) const {
  const int partition = partitions_[spreadwatch::index_of(venue)];
  assert(partition >= 0);
  return partition;
}

}  // namespace spreadwatch::publish
