#include "publish/topics.h"

#include <doctest/doctest.h>

#include <initializer_list>

namespace spreadwatch::publish {
namespace {

config::Settings settings_with(std::initializer_list<VenueId> venues) {
  config::Settings settings;
  for (const VenueId id : venues) {
    config::VenueSettings venue;
    venue.id = id;
    settings.venues.push_back(venue);
  }
  return settings;
}

TEST_CASE("every topic has its documented name and partitions") {
  const Topics topics(settings_with({}));
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

TEST_CASE("a venue's partition is its place in its region in the configuration's order") {
  const Topics topics(settings_with({VenueId::kKraken, VenueId::kCoinone, VenueId::kOkx,
                                     VenueId::kBinance, VenueId::kUpbit, VenueId::kGateio}));
  CHECK(topics.venue_partition(VenueId::kKraken) == 0);
  CHECK(topics.venue_partition(VenueId::kBinance) == 1);
  CHECK(topics.venue_partition(VenueId::kCoinone) == 0);
  CHECK(topics.venue_partition(VenueId::kUpbit) == 1);
  CHECK(topics.venue_partition(VenueId::kOkx) == 0);
  CHECK(topics.venue_partition(VenueId::kGateio) == 1);
}

TEST_CASE("the prefix is the configuration's") {
  config::Settings settings;
  settings.kafka.prefix = "desk1-";
  CHECK(Topics(settings).name(TopicId::kFx) == "desk1-fx");
}

}  // namespace
}  // namespace spreadwatch::publish
