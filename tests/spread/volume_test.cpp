// What leaves of what is known of pairs: what can be earned at once, the rest now and then.
#include <doctest/doctest.h>

#include <algorithm>
#include <string>
#include <vector>

#include "world.h"

namespace spreadwatch::spread::test {
namespace {

using namespace std::chrono_literals;

const std::string kOneMode = "spread: {modes: [inventory]}\n";

/// Rows of one direction since a moment.
std::vector<SpreadEvent> rows(const World& w, VenueId buy, VenueId sell, Timestamp since) {
  std::vector<SpreadEvent> found;
  for (const SpreadEvent& e : w.journal.spreads) {
    if (e.buy == buy && e.sell == sell && e.time >= since) found.push_back(e);
  }
  return found;
}

/// OKX and Binance at about one price: the pair is far from paying either way (fees are 0.2 %), the
/// one from OKX to Binance by less.
struct Quiet : World {
  Quiet() : World(kOneMode) {
    put(okx(9'900'000, 9'910'000));
    put(binance(9'900'100, 9'910'100));
    pass(1s);
  }
  OrderBook binance(std::int64_t bid, std::int64_t ask) const {
    return book(VenueId::kBinance, "BTC", "USDT", bid, ask);
  }
};

TEST_CASE(
    "a row far from paying leaves every five seconds, the best of its asset with the period") {
  Quiet w;
  const Timestamp since = w.now;
  // Every 100 ms the price moves by 0.025 % or more; selling there stays the better direction.
  for (int i = 0; i < 100; ++i) {
    const std::int64_t move = 5'000 + 2'500 * (i % 3);
    w.put(w.okx(9'900'000 + move, 9'910'000 + move));
    w.pass(100ms);
  }
  CHECK(rows(w, VenueId::kBinance, VenueId::kOkx, since).size() == 100);
  CHECK(rows(w, VenueId::kOkx, VenueId::kBinance, since).size() == 2);
}

TEST_CASE("the best row leaves at most every second while it hardly moves") {
  Quiet w;
  const Timestamp since = w.now;
  for (int i = 0; i < 50; ++i) {
    w.put(w.okx(9'900'000, 9'910'001 + i));
    w.pass(100ms);
  }
  CHECK(rows(w, VenueId::kOkx, VenueId::kBinance, since).size() == 5);
  CHECK(rows(w, VenueId::kBinance, VenueId::kOkx, since).empty());
}

TEST_CASE("a change of verdict leaves with the period, whatever the row is") {
  Quiet w;
  const Timestamp since = w.now;
  OrderBook down = w.okx();
  down.state = FeedState::kDown;
  down.bids.clear();
  down.asks.clear();
  w.put(down);
  w.pass(100ms);
  for (const auto& [buy, sell] :
       {std::pair{VenueId::kOkx, VenueId::kBinance}, std::pair{VenueId::kBinance, VenueId::kOkx}}) {
    const auto told = rows(w, buy, sell, since);
    REQUIRE(told.size() == 1);
    CHECK(told[0].verdict == Verdict::kUnknown);
  }
}

TEST_CASE("what was held back leaves by itself when its time has come, as it is then") {
  Quiet w;
  const Timestamp since = w.now;
  w.put(w.binance(9'900'100, 9'911'000));  // dearer to buy: the background row alone
  w.pass(100ms);
  w.put(w.binance(9'900'100, 9'912'000));
  w.pass(100ms);
  CHECK(rows(w, VenueId::kBinance, VenueId::kOkx, since).empty());
  w.pass(5s);
  const auto told = rows(w, VenueId::kBinance, VenueId::kOkx, since);
  REQUIRE(told.size() == 1);
  CHECK(told[0].buy_price_usdt == doctest::Approx(99'120));
  w.pass(60s);
  // Then one leg is stale, which leaves at once, and the other, which changes no reason.
  CHECK(rows(w, VenueId::kBinance, VenueId::kOkx, since + 6s).size() == 2);
}

TEST_CASE("a row that becomes the best does not wait for its turn in the background") {
  Quiet w;
  const Timestamp since = w.now;
  w.put(w.binance(9'900'100, 9'905'000));  // the other direction improves, but is not the best yet
  w.pass(100ms);
  w.put(w.binance(9'890'000, 9'905'000));  // and now it is
  w.pass(100ms);
  const auto told = rows(w, VenueId::kBinance, VenueId::kOkx, since);
  REQUIRE_FALSE(told.empty());
  CHECK(told.back().buy_price_usdt == doctest::Approx(99'050));
}

TEST_CASE("whoever asks gets a row as it is now, whether or not it left as that") {
  Quiet w;
  w.put(w.binance(9'900'100, 9'912'000));
  w.pass(100ms);
  std::vector<SpreadEvent> asked;
  w.engine.for_each_row("BTC", {.buy = VenueId::kBinance}, w.now,
                        [&](const SpreadEvent& e) { asked.push_back(e); });
  REQUIRE(asked.size() == 1);
  CHECK(asked[0].buy_price_usdt == doctest::Approx(99'120));
  CHECK(asked[0].time == w.now);
  CHECK(asked[0].buy_age == 100ms);
  CHECK(asked[0].sizes.size() == w.loaded.settings.spread.sizes_usdt.size());
  w.engine.for_each_row("ETH", {}, w.now, [&](const SpreadEvent&) { FAIL("nobody watches it"); });
}

TEST_CASE("rows are found by every part of their key and by verdict") {
  World w("publish: {conflate_ms: 0}\n");
  w.put_profitable();
  const auto count = [&](const RowFilter& filter) {
    std::size_t n = 0;
    w.engine.for_each_row("BTC", filter, w.now, [&n](const SpreadEvent&) { ++n; });
    return n;
  };
  CHECK(w.engine.assets() == std::vector<std::string>{"BTC"});
  CHECK(count({}) == 4);
  CHECK(count({.buy = VenueId::kOkx}) == 2);
  CHECK(count({.sell = VenueId::kOkx, .mode = Mode::kTransfer}) == 1);
  CHECK(count({.verdict = Verdict::kTradable}) == 1);
  CHECK(count({.buy = VenueId::kKraken}) == 0);
}

TEST_CASE("an opportunity begins and ends at once; its updates leave every second, with the peak") {
  World w(kOneMode);
  w.put_profitable();
  w.pass(500ms);
  REQUIRE(w.journal.opportunities.size() == 1);
  const Timestamp opened = w.now;
  // 24 changes in 2.4 s, the third with the highest price.
  for (int i = 0; i < 24; ++i) {
    w.put(w.upbit(143'000'000 + (i == 2 ? 500'000 : i * 1000), 143'600'000));
    w.pass(100ms);
  }
  std::vector<OpportunityEvent> updates(w.journal.opportunities.begin() + 1,
                                        w.journal.opportunities.end());
  REQUIRE(updates.size() == 2);
  for (const OpportunityEvent& update : updates) {
    CHECK(update.kind == OpportunityEvent::Kind::kUpdate);
    CHECK(update.peak_time == opened + 200ms);
  }
  CHECK(updates[0].time > opened + 800ms);
  CHECK(updates[1].time > updates[0].time);
  CHECK(updates[1].net_profit_usdt < updates[1].peak_profit_usdt);
  // And its end has the peak that was seen, told of or not.
  OrderBook down = w.okx();
  down.state = FeedState::kDown;
  down.bids.clear();
  down.asks.clear();
  w.put(down);
  const OpportunityEvent& close = w.journal.opportunities.back();
  CHECK(close.kind == OpportunityEvent::Kind::kClose);
  CHECK(close.time == w.now);
  CHECK(close.peak_profit_usdt == updates[1].peak_profit_usdt);
}

TEST_CASE("what an opportunity held back is said before the engine is suspended") {
  World w(kOneMode);
  w.put_profitable();
  w.pass(500ms);
  w.put(w.upbit(143'500'000, 143'600'000));
  w.pass(100ms);
  REQUIRE(w.journal.opportunities.size() == 1);
  w.engine.suspend(w.now);
  REQUIRE(w.journal.opportunities.size() == 2);
  CHECK(w.journal.opportunities[1].peak_profit_usdt > w.journal.opportunities[0].peak_profit_usdt);
}

}  // namespace
}  // namespace spreadwatch::spread::test
