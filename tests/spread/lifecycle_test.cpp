#include <map>
#include <random>
#include <set>

#include "world.h"

namespace spreadwatch::spread {
namespace {

using test::kStart;
using test::World;

const std::string kNow = "spread: {modes: [inventory]}\npublish: {conflate_ms: 0}\n";

TEST_CASE("a profit that does not last for the hold opens nothing") {
  World w(kNow);
  w.put_profitable();
  w.pass(milliseconds{499});
  w.put(w.upbit(140'000'000, 140'010'000));
  w.put(w.upbit(143'000'000, 143'010'000));
  w.pass(milliseconds{499});
  CHECK(w.journal.opportunities.empty());
  w.pass(milliseconds{1});
  CHECK(w.journal.opportunities.size() == 1);
}

TEST_CASE("an open opportunity tells what changed and keeps its peak") {
  World w(kNow);
  const OpportunityEvent opened = w.open();
  w.put(w.upbit(145'000'000, 145'010'000));
  const Timestamp peak = w.now;
  w.pass(milliseconds{100});
  w.put(w.upbit(144'000'000, 144'010'000));
  REQUIRE(w.journal.opportunities.size() == 3);
  const OpportunityEvent& up = w.journal.opportunities[1];
  const OpportunityEvent& down = w.journal.opportunities[2];
  CHECK(up.kind == OpportunityEvent::Kind::kUpdate);
  CHECK(*up.net_profit_usdt > *opened.net_profit_usdt);
  CHECK(*down.net_profit_usdt < *up.net_profit_usdt);
  CHECK(down.peak_profit_usdt == *up.net_profit_usdt);
  CHECK(down.peak_time == peak);
  CHECK(down.id == opened.id);
  CHECK(down.opened == opened.opened);
}

TEST_CASE("a dip shorter than the closing hold closes nothing") {
  World w(kNow);
  w.open();
  w.put(w.upbit(140'000'000, 140'010'000));
  w.pass(milliseconds{1999});
  w.put(w.upbit(143'000'000, 143'010'000));
  w.pass(milliseconds{3000});
  CHECK(w.engine.open_opportunities() == 1);
}

TEST_CASE("a rate that fell silent closes as stale, one that disagrees as not tradable") {
  SUBCASE("silent") {
    World w(kNow);
    w.open();
    // Only the assets' books go on.
    for (int i = 0; i < 31; ++i) {
      w.pass(milliseconds{1000});
      w.put(w.okx());
      w.put(w.upbit(143'000'000, 143'010'000));
    }
    CHECK(w.engine.open_opportunities() == 0);
    CHECK(w.journal.opportunities.back().reason == CloseReason::kStale);
    const SpreadEvent* row = w.journal.spread(VenueId::kOkx, VenueId::kUpbit);
    CHECK(row->reasons.contains(Reason::kFxQuorum));
    CHECK_FALSE(row->gross_ratio.has_value());  // neither its own FX book nor a consensus
  }
  SUBCASE("disagreeing") {
    World w(kNow);
    w.open();
    w.put(w.book(VenueId::kBithumb, "USDT", "KRW", 150'000, 150'100, 100'000'000));
    CHECK(w.engine.open_opportunities() == 0);
    CHECK(w.journal.opportunities.back().reason == CloseReason::kNotTradable);
    const SpreadEvent* row = w.journal.spread(VenueId::kOkx, VenueId::kUpbit);
    CHECK(row->reasons == Reasons{Reason::kFxDisagree});
    CHECK(row->verdict == Verdict::kUnknown);
    CHECK(row->gross_ratio.has_value());  // by its own FX book
  }
}

TEST_CASE("without any rate a KRW pair has no number at all") {
  World w(kNow);
  w.put(w.okx());
  w.put(w.upbit(143'000'000, 143'010'000));
  w.put(w.book(VenueId::kBithumb, "BTC", "KRW", 14'300'000'000, 14'301'000'000));
  for (const VenueId buy : {VenueId::kOkx, VenueId::kBithumb}) {
    const SpreadEvent* row = w.journal.spread(buy, VenueId::kUpbit);
    REQUIRE(row != nullptr);
    CHECK(row->verdict == Verdict::kUnknown);
    CHECK(row->reasons.contains(Reason::kFxQuorum));
    CHECK_FALSE(row->gross_ratio.has_value());
    CHECK_FALSE(row->sell_price_usdt.has_value());
    CHECK_FALSE(row->optimal.has_value());
    CHECK_FALSE(row->break_even_quantity.has_value());
  }
  // And the missing rates are said.
  REQUIRE(w.journal.fx.size() == 3);
  for (const FxEvent& e : w.journal.fx) CHECK_FALSE(e.rate.ok());
}

TEST_CASE("an FX book older than the rates' limit gives way to the consensus") {
  World w(
      "spread: {modes: [inventory]}\npublish: {conflate_ms: 0}\n"
      "fx: {quorum: 1, max_age_ms: 5000}\n");
  w.put_fx();
  w.put(w.okx());
  w.put(w.upbit(143'000'000, 143'010'000));
  w.pass(milliseconds{4000});
  w.put(w.book(VenueId::kBithumb, "USDT", "KRW", 141'000, 141'100, 100'000'000));
  CHECK_FALSE(w.journal.spread(VenueId::kOkx, VenueId::kUpbit)->fx_venue_fallback);
  w.pass(milliseconds{1001});
  const SpreadEvent* row = w.journal.spread(VenueId::kOkx, VenueId::kUpbit);
  CHECK(row->fx_venue_fallback);
  CHECK(*row->sell_price_usdt == doctest::Approx(143'000'000 / 1411.0).epsilon(1e-12));
}

TEST_CASE("a pair inside Korea follows the consensus in USDT and not in its ratios") {
  World w(kNow);
  w.put_fx();
  w.put(w.upbit(143'000'000, 143'010'000));
  w.put(w.book(VenueId::kBithumb, "BTC", "KRW", 14'500'000'000, 14'501'000'000));
  const SpreadEvent before = *w.journal.spread(VenueId::kUpbit, VenueId::kBithumb);
  REQUIRE(before.optimal.has_value());
  w.put(w.book(VenueId::kUpbit, "USDT", "KRW", 140'500, 140'600, 100'000'000));
  const SpreadEvent after = *w.journal.spread(VenueId::kUpbit, VenueId::kBithumb);
  REQUIRE(after.optimal.has_value());
  CHECK(after.gross_ratio == before.gross_ratio);
  CHECK(after.net_ratio == before.net_ratio);
  CHECK(after.optimal->net_profit_usdt ==
        doctest::Approx(before.optimal->net_profit_usdt * 1400.5 / 1403).epsilon(1e-9));
}

TEST_CASE("a bucket never spans two periods and holds only its own extremes") {
  World w("spread: {modes: [inventory]}\n");  // 100 ms
  w.put_profitable();
  w.pass(milliseconds{150});
  w.journal.premiums.clear();
  w.put(w.upbit(145'000'000, 145'010'000));  // at .150
  w.pass(milliseconds{40});
  w.put(w.upbit(141'000'000, 141'010'000));  // at .190
  w.pass(milliseconds{10});                  // .200 ends the period
  w.put(w.upbit(142'000'000, 142'010'000));  // at .200: the next one
  w.pass(milliseconds{100});
  std::vector<PremiumEvent> seen;
  for (const PremiumEvent& e : w.journal.premiums) {
    if (e.basis == Basis::kUsdt && e.over == Region::kAsia) seen.push_back(e);
  }
  REQUIRE(seen.size() == 2);
  CHECK(seen[0].time == kStart + milliseconds{190});
  CHECK(seen[0].first == seen[0].high);
  CHECK(seen[0].low == seen[0].premium);
  CHECK(*seen[0].high > *seen[1].premium);
  CHECK(seen[1].time == kStart + milliseconds{200});
  CHECK(seen[1].high == seen[1].premium);
  CHECK(seen[1].low == seen[1].premium);
}

TEST_CASE("the moment an event is due is its own, however late advance() is called") {
  World w(kNow);
  w.put_profitable();
  w.pass(milliseconds{14'000});
  REQUIRE(w.journal.opportunities.size() == 1);
  CHECK(w.journal.opportunities[0].time == kStart + milliseconds{500});
  w.pass(milliseconds{60'000});
  CHECK(w.journal.opportunities[1].time == kStart + milliseconds{15'000});
  CHECK(w.journal.opportunities[1].reason == CloseReason::kStale);
}

TEST_CASE(
    "a restored opportunity goes on under its id, or closes as stale when its books do not come "
    "back") {
  World before(kNow);
  const OpportunityEvent last = before.open();
  SUBCASE("its books come back") {
    World w(kNow);
    w.now = before.now + milliseconds{10'000};
    w.engine.restore(last, w.now);
    CHECK(w.engine.open_opportunities() == 1);
    w.put(w.okx());
    w.put(w.upbit(143'000'000, 143'010'000));
    w.put_fx();
    CHECK(w.engine.open_opportunities() == 1);
    for (int i = 0; i < 40; ++i) {
      w.pass(milliseconds{1000});
      w.put_profitable();
    }
    CHECK(w.engine.open_opportunities() == 1);
    w.engine.finish(w.now);
    REQUIRE_FALSE(w.journal.opportunities.empty());
    for (const OpportunityEvent& e : w.journal.opportunities) {
      CHECK(e.id == last.id);
      CHECK(e.kind != OpportunityEvent::Kind::kOpen);
    }
    CHECK(w.journal.opportunities.back().reason == CloseReason::kShutdown);
  }
  SUBCASE("they do not") {
    World w(kNow);
    w.engine.restore(last, w.now);
    w.put(w.okx());
    w.pass(milliseconds{30'000});
    CHECK(w.engine.open_opportunities() == 0);
    REQUIRE(w.journal.opportunities.size() == 1);
    CHECK(w.journal.opportunities[0].reason == CloseReason::kStale);
    CHECK(w.journal.opportunities[0].id == last.id);
  }
  SUBCASE("it was too long ago") {
    World w(kNow);
    w.now = before.now + milliseconds{3'600'000};
    w.engine.restore(last, w.now, false);
    w.put_profitable();  // as good as ever, but another one
    w.pass(milliseconds{500});
    REQUIRE(w.journal.opportunities.size() >= 2);
    CHECK(w.journal.opportunities[0].id == last.id);
    CHECK(w.journal.opportunities[0].reason == CloseReason::kStale);
    CHECK(w.journal.opportunities[1].kind == OpportunityEvent::Kind::kOpen);
    CHECK(w.journal.opportunities[1].id != last.id);
  }
  SUBCASE("one is there, but bad") {
    World w(kNow);
    w.engine.restore(last, w.now);
    w.put(w.okx());
    w.put(w.upbit(143'000'000, 143'010'000));
    w.pass(milliseconds{30'000});
    CHECK(w.engine.open_opportunities() == 0);
    REQUIRE(w.journal.opportunities.size() == 1);
    CHECK(w.journal.opportunities[0].kind == OpportunityEvent::Kind::kClose);
  }
}

TEST_CASE("a pair can be asked for with sizes of one's own") {
  World w(kNow);
  w.put_profitable();
  const std::vector<double> sizes{250, 1'000'000};
  const auto row =
      w.engine.evaluate("BTC", VenueId::kOkx, VenueId::kUpbit, Mode::kInventory, sizes, w.now);
  REQUIRE(row.has_value());
  REQUIRE(row->sizes.size() == 2);
  REQUIRE(row->sizes[0].trade.has_value());
  CHECK(row->sizes[0].trade->spent_usdt == 250);
  CHECK(row->sizes[1].insufficient_depth);
  CHECK_FALSE(
      w.engine.evaluate("ETH", VenueId::kOkx, VenueId::kUpbit, Mode::kInventory, sizes, w.now));
}

/// A random day of a small market, the same for the same seed.
class RandomDay {
 public:
  RandomDay(std::uint64_t seed, World& world) : random_(seed), w_(world) {}

  void step() {
    w_.now += milliseconds{below(400)};
    const auto venue = static_cast<VenueId>(
        std::array{VenueId::kUpbit, VenueId::kBithumb, VenueId::kOkx, VenueId::kBinance}[below(4)]);
    const bool krw = region_of(venue) == Region::kKorea;
    const std::uint64_t kind = below(40);
    if (kind == 0) {
      w_.now += milliseconds{below(40'000)};
      w_.engine.advance(w_.now);
    } else if (kind == 1) {
      w_.engine.on(ConnectionStatus{.venue = venue, .alive = false, .time = w_.now}, w_.now);
    } else if (kind < 12 && krw) {
      const std::int64_t bid = 140'000 + moved(500) + (below(50) == 0 ? 5000 : 0);
      put(w_.book(venue, "USDT", "KRW", bid, bid + 100, 1'000'000));
    } else {
      const std::int64_t bid =
          krw ? 14'200'000'000 + moved(200'000'000) : 10'000'000 + moved(100'000);
      put(w_.book(venue, "BTC", krw ? "KRW" : "USDT", bid, bid + (krw ? 100'000 : 100)));
    }
  }

  /// Whether the last book of a market was one that numbers may come from.
  bool good(VenueId venue) const {
    const auto found = good_.find({venue, "BTC"});
    return found != good_.end() && found->second;
  }

 private:
  std::uint64_t below(std::uint64_t n) { return random_() % n; }
  std::int64_t moved(std::int64_t range) {
    return static_cast<std::int64_t>(below(static_cast<std::uint64_t>(range)));
  }
  void put(OrderBook b) {
    const std::uint64_t fault = below(15);
    if (fault == 0) b.asks.clear();
    if (fault == 1) std::swap(b.bids, b.asks);
    if (fault == 2) {
      b.state = FeedState::kFaulted;
      b.bids.clear();
      b.asks.clear();
    }
    good_[{b.venue, b.instrument.base}] = fault > 2;
    w_.put(b);
  }

  std::mt19937_64 random_;
  World& w_;
  std::map<std::pair<VenueId, std::string>, bool> good_;
};

TEST_CASE("over a random day no number comes from a bad book and every opportunity has one end") {
  World w(kNow);
  RandomDay day(11, w);
  std::size_t rows_with_numbers = 0;
  std::map<std::string, std::vector<OpportunityEvent>> lives;
  for (int i = 0; i < 8000; ++i) {
    w.journal.spreads.clear();
    w.journal.opportunities.clear();
    w.journal.lines.clear();
    const Timestamp before = w.now;
    day.step();
    // Rows of this very moment: those of timers before it were judged by the books of then.
    for (const SpreadEvent& e : w.journal.spreads) {
      if (e.time != w.now || w.now == before) continue;
      if (e.gross_ratio || e.optimal || e.break_even_quantity) {
        ++rows_with_numbers;
        CHECK(day.good(e.buy));
        CHECK(day.good(e.sell));
        CHECK(*e.buy_age < w.loaded.settings.spread.max_quiet);
        CHECK(*e.sell_age < w.loaded.settings.spread.max_quiet);
      }
      CHECK((e.verdict == Verdict::kTradable) == e.reasons.empty());
      if (e.verdict == Verdict::kTradable) CHECK(e.optimal->net_profit_usdt > 0);
    }
    for (const OpportunityEvent& e : w.journal.opportunities) lives[e.id].push_back(e);
  }
  w.journal.opportunities.clear();
  w.engine.finish(w.now);
  for (const OpportunityEvent& e : w.journal.opportunities) lives[e.id].push_back(e);
  CHECK(rows_with_numbers > 1000);
  CHECK(lives.size() > 20);
  std::set<CloseReason> ends;
  for (const auto& [id, events] : lives) {
    REQUIRE(events.size() >= 2);
    CHECK(events.front().kind == OpportunityEvent::Kind::kOpen);
    CHECK(events.back().kind == OpportunityEvent::Kind::kClose);
    for (std::size_t i = 0; i < events.size(); ++i) {
      if (i > 0) CHECK(events[i].time >= events[i - 1].time);
      CHECK(events[i].reason.has_value() == (i + 1 == events.size()));
      if (i > 0 && i + 1 < events.size()) CHECK(events[i].kind == OpportunityEvent::Kind::kUpdate);
    }
    ends.insert(*events.back().reason);
  }
  CHECK(ends.contains(CloseReason::kStale));
  CHECK(ends.contains(CloseReason::kNotTradable));
}

TEST_CASE("the counts of verdicts and reasons are those of the rows") {
  World w(kNow);
  RandomDay day(5, w);
  for (int i = 0; i < 2000; ++i) {
    day.step();
    if (i % 100 != 0) continue;
    w.engine.advance(w.now);
    Engine::Counts counts;
    w.engine.for_each_row([&counts](const SpreadEvent& e) {
      ++counts.by_verdict[static_cast<std::size_t>(e.verdict)];
      e.reasons.for_each([&](Reason r) { ++counts.by_reason[static_cast<std::size_t>(r)]; });
    });
    CHECK(counts.by_verdict == w.engine.counts().by_verdict);
    CHECK(counts.by_reason == w.engine.counts().by_reason);
  }
}

TEST_CASE("the same events give the same output, whenever advance() is called in between") {
  const auto run = [](bool eager) {
    World w("spread: {modes: [inventory, transfer]}\n");
    RandomDay day(23, w);
    for (int i = 0; i < 3000; ++i) {
      const Timestamp before = w.now;
      if (eager) {
        for (Timestamp t = before - milliseconds{50}; t <= before; t += milliseconds{10}) {
          w.engine.advance(t);
        }
      }
      day.step();
    }
    w.engine.finish(w.now);
    return w.journal.lines;
  };
  const auto lines = run(false);
  CHECK(lines.size() > 1000);
  CHECK(run(false) == lines);
  CHECK(run(true) == lines);
}

}  // namespace
}  // namespace spreadwatch::spread
