#include "publish/topics.h"

#include <doctest/doctest.h>

#include <vector>

namespace spreadwatch::publish {
namespace {

TEST_CASE("every topic has its documented name and partitions") {
  const Topics topics{config::Settings{}};
  const auto check = [&](TopicId id, const char* name, int partitions) {
    CAPTURE(name);
    CHECK(topics.name(id) == name);
    CHECK(identity(id).partitions == partitions);
  };
  check(TopicId::kTickerKorea, "spreadwatch.ticker.korea", 4);
  check(TopicId::kTickerAsia, "spreadwatch.ticker.asia", 3);
  check(TopicId::kTickerEurope, "spreadwatch.ticker.europe", 2);
  check(TopicId::kOrderBookKorea, "spreadwatch.orderbook.korea", 4);
  check(TopicId::kOrderBookAsia, "spreadwatch.orderbook.asia", 3);
  check(TopicId::kOrderBookEurope, "spreadwatch.orderbook.europe", 2);
  check(TopicId::kFx, "spreadwatch.fx", 1);
  check(TopicId::kPremium, "spreadwatch.premium", 6);
  check(TopicId::kSpread, "spreadwatch.spread", 6);
  check(TopicId::kOpportunity, "spreadwatch.opportunity", 6);
  check(TopicId::kAlert, "spreadwatch.alert", 1);
  check(TopicId::kDeadLetter, "spreadwatch.dead-letter", 1);
}

TEST_CASE("only opportunities, alerts and dead letters must be delivered") {
  for (const TopicIdentity& topic : kTopics) {
    CAPTURE(topic.name);
    CHECK(topic.must_deliver == (topic.id == TopicId::kOpportunity || topic.id == TopicId::kAlert ||
                                 topic.id == TopicId::kDeadLetter));
  }
}

TEST_CASE("a region has its own ticker and order book topic") {
  CHECK(ticker_topic(Region::kKorea) == TopicId::kTickerKorea);
  CHECK(ticker_topic(Region::kEurope) == TopicId::kTickerEurope);
  CHECK(orderbook_topic(Region::kAsia) == TopicId::kOrderBookAsia);
}

TEST_CASE("a venue's partition is its place among all venues of its region, whoever is watched") {
  const auto partitions = [](Region region) {
    std::vector<int> all;
    for (const VenueIdentity& venue : kVenues) {
      if (venue.region == region) all.push_back(venue_partition(venue.id));
    }
    return all;
  };
  CHECK(partitions(Region::kKorea) == std::vector<int>{0, 1, 2, 3});
  CHECK(partitions(Region::kAsia) == std::vector<int>{0, 1, 2});
  CHECK(partitions(Region::kEurope) == std::vector<int>{0, 1});
  CHECK(venue_partition(VenueId::kUpbit) == 0);
  CHECK(venue_partition(VenueId::kGateio) == 2);
  CHECK(venue_partition(VenueId::kKraken) == 1);
  for (const TopicIdentity& topic : kTopics) {
    if (topic.partitioning != Partitioning::kVenue) continue;
    for (const VenueIdentity& venue : kVenues) {
      if (ticker_topic(venue.region) != topic.id && orderbook_topic(venue.region) != topic.id) {
        continue;
      }
      CHECK(venue_partition(venue.id) < topic.partitions);
    }
  }
}

TEST_CASE(
    "market data is kept for a day, what is computed a week, what must be delivered a month") {
  for (const TopicIdentity& topic : kTopics) {
    CAPTURE(topic.name);
    const bool market = topic.partitioning == Partitioning::kVenue;
    CHECK(topic.kept.count() == (market ? 1 : topic.must_deliver ? 30 : 7));
  }
}

TEST_CASE("the prefix is the configuration's") {
  config::Settings settings;
  settings.kafka.prefix = "desk1-";
  CHECK(Topics(settings).name(TopicId::kFx) == "desk1-fx");
}

}  // namespace
}  // namespace spreadwatch::publish
