// What is watched no more takes everything that was made of it with it.
#include <algorithm>

#include "world.h"

namespace spreadwatch::spread {
namespace {

using test::World;

const std::string kNow = "spread: {modes: [inventory, transfer]}\npublish: {conflate_ms: 0}\n";

std::size_t rows(const Engine& engine) {
  std::size_t count = 0;
  engine.for_each_row([&count](const SpreadEvent&) { ++count; });
  return count;
}
std::size_t premiums(const Engine& engine, std::string_view asset) {
  std::size_t count = 0;
  engine.for_each_premium([&](const PremiumEvent& e) { count += e.asset == asset ? 1U : 0U; });
  return count;
}
void check_counts(const Engine& engine) {
  Engine::Counts counts;
  engine.for_each_row([&counts](const SpreadEvent& e) {
    ++counts.by_verdict[static_cast<std::size_t>(e.verdict)];
    e.reasons.for_each([&](Reason r) { ++counts.by_reason[static_cast<std::size_t>(r)]; });
  });
  CHECK(counts.by_verdict == engine.counts().by_verdict);
  CHECK(counts.by_reason == engine.counts().by_reason);
}
void put_eth(World& w) {
  w.put(w.book(VenueId::kOkx, "ETH", "USDT", 300'000, 300'100));
  w.put(w.book(VenueId::kUpbit, "ETH", "KRW", 420'000'000, 420'100'000));
}

TEST_CASE("an asset that is unwatched takes its rows, premiums and open opportunity with it") {
  World w(kNow);
  w.engine.watch("ETH");
  put_eth(w);
  const OpportunityEvent opened = w.open();
  REQUIRE(rows(w.engine) == 8);
  w.journal.lines.clear();
  CHECK(w.engine.unwatch("BTC", w.now) == 2);

  CHECK(w.engine.open_opportunities() == 0);
  const OpportunityEvent& closed = w.journal.opportunities.back();
  CHECK(closed.id == opened.id);
  CHECK(closed.kind == OpportunityEvent::Kind::kClose);
  CHECK(closed.reason == CloseReason::kNotTradable);
  CHECK(closed.time == w.now);
  CHECK_FALSE(closed.net_profit_usdt.has_value());
  CHECK(closed.peak_profit_usdt == opened.peak_profit_usdt);

  REQUIRE(w.journal.removed.size() == 2);
  const MarketRemoved& first = w.journal.removed[0];
  CHECK(first.venue == VenueId::kUpbit);
  CHECK(first.instrument == Instrument{"BTC", "KRW"});
  CHECK(first.asset == "BTC");
  CHECK(first.time == w.now);
  CHECK_FALSE(first.last_of_asset);
  CHECK(first.premiums ==
        std::vector<MarketRemoved::Premium>{{Region::kKorea, Region::kAsia, Basis::kUsdt},
                                            {Region::kKorea, Region::kAsia, Basis::kBank}});
  CHECK(w.journal.removed[1].venue == VenueId::kOkx);
  CHECK(w.journal.removed[1].premiums.empty());
  CHECK(w.journal.removed[1].last_of_asset);
  // The close comes before the word that the market is gone, and nothing of it comes after.
  CHECK(w.journal.lines.front().starts_with("opportunity BTC"));
  CHECK(w.journal.lines.back().starts_with("removed BTC"));

  CHECK(rows(w.engine) == 4);
  CHECK(premiums(w.engine, "BTC") == 0);
  CHECK(premiums(w.engine, "ETH") == 2);
  check_counts(w.engine);
  const std::vector<double> sizes{1000};
  CHECK_FALSE(
      w.engine.evaluate("BTC", VenueId::kOkx, VenueId::kUpbit, Mode::kInventory, sizes, w.now));

  w.journal.lines.clear();
  w.put(w.okx());
  w.put(w.upbit(143'000'000, 143'010'000));
  w.pass(milliseconds{60'000});
  for (const std::string& line : w.journal.lines) CHECK(line.find(" BTC ") == std::string::npos);
  CHECK(w.engine.unwatch("BTC", w.now) == 0);
}

TEST_CASE("an asset that is watched again begins as a new one") {
  World w(kNow);
  const OpportunityEvent opened = w.open();
  w.engine.unwatch("BTC", w.now);
  w.engine.watch("BTC");
  CHECK(rows(w.engine) == 0);
  w.journal.spreads.clear();
  w.journal.opportunities.clear();
  w.put_profitable();
  CHECK(rows(w.engine) == 4);
  CHECK(w.journal.spread(VenueId::kOkx, VenueId::kUpbit)->verdict == Verdict::kTradable);
  CHECK(w.journal.opportunities.empty());  // its hold begins anew
  w.pass(milliseconds{500});
  REQUIRE(w.journal.opportunities.size() == 1);
  CHECK(w.journal.opportunities[0].kind == OpportunityEvent::Kind::kOpen);
  CHECK(w.journal.opportunities[0].id != opened.id);
  check_counts(w.engine);
  // It also grows old by itself: no timer of the market before stands for it.
  w.pass(milliseconds{15'000});
  CHECK(w.journal.spread(VenueId::kOkx, VenueId::kUpbit)->reasons.contains(Reason::kStaleLeg));
}

TEST_CASE("one market that is unwatched leaves the others of its asset") {
  World w(kNow);
  w.put(w.book(VenueId::kBinance, "BTC", "USDT", 9'999'000, 10'000'000));
  w.put(w.book(VenueId::kKraken, "BTC", "USD", 9'999'000, 10'000'000));
  w.put_profitable();
  w.pass(milliseconds{500});
  REQUIRE(rows(w.engine) == 24);
  const std::size_t open = w.engine.open_opportunities();
  CHECK(w.engine.unwatch(VenueId::kOkx, {"BTC", "USDT"}, w.now) == 1);
  CHECK(rows(w.engine) == 12);
  CHECK(w.engine.open_opportunities() + 1 == open);
  // With the last market of a region its premiums go.
  CHECK(w.journal.removed.back().premiums.size() == 3);
  check_counts(w.engine);
  w.put(w.okx());
  CHECK(rows(w.engine) == 12);
  w.engine.unwatch(VenueId::kBinance, {"BTC", "USDT"}, w.now);
  CHECK(w.journal.removed.back().premiums.empty());  // Europe still has Kraken
  CHECK(premiums(w.engine, "BTC") == 2);             // Korea over Europe, both bases
  // Each can come back by itself.
  w.engine.watch(VenueId::kOkx, {"BTC", "USDT"});
  w.put(w.okx());
  CHECK(rows(w.engine) == 12);
  CHECK(premiums(w.engine, "BTC") == 5);
  w.put(w.book(VenueId::kBinance, "BTC", "USDT", 9'999'000, 10'000'000));
  CHECK(rows(w.engine) == 12);
  w.engine.watch("BTC");
  w.put(w.book(VenueId::kBinance, "BTC", "USDT", 9'999'000, 10'000'000));
  CHECK(rows(w.engine) == 24);
  check_counts(w.engine);
}

TEST_CASE("one market of an asset that is not watched can be") {
  World w(kNow);
  w.engine.watch(VenueId::kOkx, {"ETH", "USDT"});
  w.engine.watch(VenueId::kUpbit, {"ETH", "KRW"});
  put_eth(w);
  w.put(w.book(VenueId::kBinance, "ETH", "USDT", 300'000, 300'100));
  CHECK(rows(w.engine) == 4);
  CHECK(w.engine.unwatch("ETH", w.now) == 2);
  put_eth(w);
  CHECK(rows(w.engine) == 0);
}

TEST_CASE("an FX market cannot be unwatched") {
  World w(kNow);
  w.open();
  CHECK(w.engine.unwatch(VenueId::kUpbit, {"USDT", "KRW"}, w.now) == 0);
  CHECK(w.engine.unwatch("USDT", w.now) == 0);
  CHECK(w.journal.removed.empty());
  CHECK(w.engine.rates().rate(CurrencyPair::kUsdtKrw).ok());
}

TEST_CASE("what the period held back of an unwatched market is not said any more") {
  World w("spread: {modes: [inventory]}\n");  // 100 ms
  w.put_profitable();
  CHECK(w.engine.unwatch("BTC", w.now) == 2);
  w.pass(milliseconds{1000});
  CHECK(w.journal.spreads.empty());
  CHECK(w.journal.opportunities.empty());
  for (const PremiumEvent& e : w.journal.premiums) CHECK(e.asset == "USDT");
  // What nobody was told of is not told to be gone either.
  for (const MarketRemoved& e : w.journal.removed) CHECK(e.premiums.empty());
}

TEST_CASE("an opportunity of the run before closes when its market is unwatched") {
  World before(kNow);
  const OpportunityEvent last = before.open();
  for (const bool one_came : {false, true}) {
    CAPTURE(one_came);
    World w(kNow);
    w.engine.restore(last, w.now);
    if (one_came) w.put(w.okx());
    CHECK(w.engine.open_opportunities() == 1);
    w.engine.unwatch("BTC", w.now);
    CHECK(w.engine.open_opportunities() == 0);
    REQUIRE(w.journal.opportunities.size() == 1);
    CHECK(w.journal.opportunities[0].id == last.id);
    CHECK(w.journal.opportunities[0].reason == CloseReason::kNotTradable);
  }
}

TEST_CASE("with all assets watched, one can be left out and taken in again") {
  World w(kNow);
  w.loaded.settings.all_assets = true;
  put_eth(w);
  CHECK(rows(w.engine) == 4);
  CHECK(w.engine.unwatch("ETH", w.now) == 2);
  put_eth(w);
  CHECK(rows(w.engine) == 0);
  w.engine.watch("ETH");
  put_eth(w);
  CHECK(rows(w.engine) == 4);
}

TEST_CASE("a thousand times unwatched and watched again, places are used again") {
  World w(kNow);
  MarketView view(w.loaded.settings, w.loaded.registry);
  std::vector<std::size_t> changed;
  std::size_t places = 0;
  for (int i = 0; i < 1000; ++i) {
    view.watch("BTC");
    view.update(w.okx(), w.now, changed);
    view.update(w.upbit(143'000'000, 143'010'000), w.now, changed);
    if (i == 0) places = view.size();
    for (const std::size_t market : view.unwatch("BTC")) view.remove(market);
  }
  CHECK(view.size() == places);

  std::size_t row_count = 0;
  for (int i = 0; i < 1000; ++i) {
    w.engine.watch("BTC");
    w.put_profitable();
    w.pass(milliseconds{500});
    CHECK(w.engine.open_opportunities() == 1);
    if (i == 0) row_count = rows(w.engine);
    REQUIRE(rows(w.engine) == row_count);
    w.engine.unwatch("BTC", w.now);
    REQUIRE(rows(w.engine) == 0);
    REQUIRE(w.engine.open_opportunities() == 0);
  }
  check_counts(w.engine);
  CHECK(w.engine.places().rows == row_count);
  CHECK(w.engine.places().timers <= 4);
}

}  // namespace
}  // namespace spreadwatch::spread
