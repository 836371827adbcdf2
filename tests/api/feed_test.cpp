#include "api/feed.h"

#include <doctest/doctest.h>

#include <chrono>
#include <memory>
#include <nlohmann/json.hpp>

#include "publish/encode.h"

namespace spreadwatch::api {

using namespace std::chrono_literals;

TEST_CASE("every kind of event is kept under its own key") {
  Store store;
  Broadcaster broadcaster(10, 15s);
  Ticker ticker;
  ticker.instrument = {"BTC", "KRW"};
  feed(store, broadcaster, ticker);
  OrderBook book;
  book.instrument = {"BTC", "KRW"};
  feed(store, broadcaster, book);
  feed(store, broadcaster, FeedError{});
  fx::FxEvent rate;
  rate.rate.reasons.add(Reason::kFxQuorum);
  feed(store, broadcaster, rate);
  spread::PremiumEvent premium;
  premium.asset = "BTC";
  premium.currency = "USDT";
  feed(store, broadcaster, premium);
  premium.over = Region::kEurope;
  feed(store, broadcaster, premium);
  spread::SpreadEvent pair;
  pair.asset = "BTC";
  pair.sell = VenueId::kBinance;
  pair.verdict = spread::Verdict::kNotTradable;
  feed(store, broadcaster, pair);
  spread::OpportunityEvent opportunity;
  opportunity.id = "a";
  feed(store, broadcaster, opportunity);
  opportunity.kind = spread::OpportunityEvent::Kind::kClose;
  opportunity.reason = spread::CloseReason::kStale;
  feed(store, broadcaster, opportunity);

  CHECK(store.tickers().size() == 1);
  CHECK(store.order_book(VenueId::kUpbit, {"BTC", "KRW"}) != nullptr);
  REQUIRE(store.rates().size() == 1);
  CHECK(nlohmann::json::parse(*store.rates()[0]).at("pair") == "USDT/KRW");
  CHECK(store.premiums().size() == 2);
  CHECK(store.spreads({.sell = VenueId::kBinance, .verdict = "not_tradable"}).size() == 1);
  REQUIRE(store.opportunities().size() == 1);
  CHECK(nlohmann::json::parse(*store.opportunities()[0]).at("event") == "close");
}

TEST_CASE("a record that is already encoded is shared, not encoded again") {
  Store store;
  Broadcaster broadcaster(10, 15s);
  const auto record = std::make_shared<const std::string>("{}");
  feed(store, broadcaster, fx::FxEvent{}, record);
  CHECK(store.rates().at(0) == record);
}

}  // namespace spreadwatch::api
