#include "spread/market_view.h"

#include "world.h"

namespace spreadwatch::spread {
namespace {

using test::kStart;
using test::World;

const std::string kNow = "spread: {modes: [inventory]}\npublish: {conflate_ms: 0}\n";

TEST_CASE("a book that came too late is stale until a timely one comes") {
  World w(kNow);
  const auto opened = w.open();
  OrderBook late = w.okx();
  late.excess_delay = milliseconds{5000};
  w.put(late);
  CHECK(w.engine.open_opportunities() == 1);  // 5000 ms is the limit itself
  late.excess_delay = milliseconds{5001};
  w.put(late);
  CHECK(w.engine.open_opportunities() == 0);
  CHECK(w.journal.opportunities.back().reason == CloseReason::kStale);
  CHECK_FALSE(w.journal.opportunities.back().net_profit_usdt.has_value());
  CHECK(w.journal.spread(VenueId::kOkx, VenueId::kUpbit)->reasons.contains(Reason::kStaleLeg));
  w.put(w.okx());
  CHECK(w.journal.spread(VenueId::kOkx, VenueId::kUpbit)->verdict == Verdict::kTradable);
}

TEST_CASE("a crossed book is behind no number, whoever calls it synced") {
  for (const std::int64_t ask : {9'999'000LL, 9'998'000LL}) {
    World w(kNow);
    w.open();
    w.put(w.okx(9'999'000, ask));
    const SpreadEvent* row = w.journal.spread(VenueId::kOkx, VenueId::kUpbit);
    CHECK(row->reasons.contains(Reason::kCrossed));
    CHECK(row->verdict == Verdict::kNotTradable);
    CHECK_FALSE(row->gross_ratio.has_value());
    CHECK_FALSE(row->buy_price_usdt.has_value());
    CHECK(w.journal.opportunities.back().reason == CloseReason::kNotTradable);
  }
}

TEST_CASE("a lost connection is a silent feed, with and without its books saying so") {
  for (const bool book_says : {false, true}) {
    CAPTURE(book_says);
    World w(kNow);
    w.open();
    if (book_says) {
      OrderBook down;
      down.venue = VenueId::kOkx;
      down.instrument = {"BTC", "USDT"};
      down.state = FeedState::kDown;
      down.receive_time = w.now;
      w.put(down);
    } else {
      w.engine.on(ConnectionStatus{.venue = VenueId::kOkx, .alive = false, .time = w.now}, w.now);
    }
    CHECK(w.journal.opportunities.back().kind == OpportunityEvent::Kind::kClose);
    CHECK(w.journal.opportunities.back().reason == CloseReason::kStale);
  }
}

TEST_CASE("a connection speaks for its own books only") {
  World w(kNow);
  w.put_fx();
  OrderBook b = w.okx();
  b.connection = 7;
  w.put(b);
  w.put(w.upbit(143'000'000, 143'010'000));
  // Connection 7 is silent for its 15 s while connection 0 of the same venue talks.
  for (int i = 0; i < 15; ++i) {
    w.pass(milliseconds{1000});
    w.engine.on(ConnectionStatus{.venue = VenueId::kOkx, .connection = 0, .time = w.now}, w.now);
    w.put_fx();
    w.put(w.upbit(143'000'000, 143'010'000));
  }
  CHECK(w.journal.spread(VenueId::kOkx, VenueId::kUpbit)->reasons.contains(Reason::kStaleLeg));
  // It speaks again: the book itself is younger than max_quiet, so it counts again.
  w.engine.on(ConnectionStatus{.venue = VenueId::kOkx, .connection = 7, .time = w.now}, w.now);
  CHECK(w.journal.spread(VenueId::kOkx, VenueId::kUpbit)->verdict == Verdict::kTradable);
}

TEST_CASE("a polled book is as fresh as its last poll, whatever the venue's connections do") {
  World w(kNow);
  w.open();
  const auto row = [&w] { return w.journal.spread(VenueId::kOkx, VenueId::kUpbit); };
  const auto poll = [&w] {
    OrderBook polled = w.okx();
    polled.origin = Origin::kRest;
    polled.connection = kPolledConnection;
    w.put(polled);
  };
  OrderBook down;
  down.venue = VenueId::kOkx;
  down.instrument = {"BTC", "USDT"};
  down.state = FeedState::kDown;
  w.put(down);
  w.engine.on(ConnectionStatus{.venue = VenueId::kOkx, .alive = false, .time = w.now}, w.now);
  CHECK(row()->reasons.contains(Reason::kStaleLeg));
  poll();
  CHECK(row()->verdict == Verdict::kTradable);
  // Another failure of the socket says nothing against what is polled.
  w.engine.on(ConnectionStatus{.venue = VenueId::kOkx, .alive = false, .time = w.now}, w.now);
  w.put(down);
  CHECK(row()->verdict == Verdict::kTradable);
  // Polls go on: fresh beyond the liveness of the first.
  const auto pass = [&w](int seconds, const std::function<void()>& each) {
    for (int i = 0; i < seconds; ++i) {
      w.pass(milliseconds{1000});
      w.put_fx();
      w.put(w.upbit(143'000'000, 143'010'000));
      each();
    }
  };
  pass(20, poll);
  CHECK(row()->verdict == Verdict::kTradable);
  // They stop, while a connection of the venue talks.
  pass(15, [&w] {
    w.engine.on(ConnectionStatus{.venue = VenueId::kOkx, .connection = 0, .time = w.now}, w.now);
  });
  CHECK(row()->reasons.contains(Reason::kStaleLeg));
  // The socket's own book counts again at once.
  w.put(w.okx());
  CHECK(row()->verdict == Verdict::kTradable);
}

TEST_CASE("a polled book's time is that of its last change: late only beyond max_quiet") {
  World w(kNow);
  w.open();
  const auto poll = [&w](milliseconds age) {
    OrderBook polled = w.okx();
    polled.origin = Origin::kRest;
    polled.connection = kPolledConnection;
    polled.excess_delay = age;
    w.put(polled);
  };
  poll(milliseconds{0});
  poll(milliseconds{20'000});  // four times max_delay
  CHECK(w.journal.spread(VenueId::kOkx, VenueId::kUpbit)->verdict == Verdict::kTradable);
  poll(milliseconds{31'000});
  CHECK(w.journal.spread(VenueId::kOkx, VenueId::kUpbit)->reasons.contains(Reason::kStaleLeg));
}

TEST_CASE("a suspended market and a size below the venue's minimum are no opportunity") {
  World w(kNow);
  w.open();
  MarketStatus status;
  status.venue = VenueId::kUpbit;
  status.instrument = {"BTC", "KRW"};
  status.active = false;
  w.engine.on(status, w.now);
  const SpreadEvent* row = w.journal.spread(VenueId::kOkx, VenueId::kUpbit);
  CHECK(row->reasons.contains(Reason::kMarketSuspended));
  CHECK(row->verdict == Verdict::kNotTradable);
  CHECK(w.journal.opportunities.back().reason == CloseReason::kNotTradable);
  status.active = true;
  status.min_notional = 143'000'001;  // one BTC brings 143,000,000 KRW
  w.engine.on(status, w.now);
  CHECK(w.journal.spread(VenueId::kOkx, VenueId::kUpbit)
            ->reasons.contains(Reason::kBelowMinNotional));
  status.min_notional = 143'000'000;
  w.engine.on(status, w.now);
  CHECK(w.journal.spread(VenueId::kOkx, VenueId::kUpbit)->verdict == Verdict::kTradable);
}

TEST_CASE("an unproven or quarantined pair shows its legs' prices, but no ratio, size or premium") {
  World w(kNow);
  w.put_fx();
  w.put(w.okx(4'999'000, 5'000'000));
  w.put(w.upbit(143'000'000, 143'010'000));
  w.put(w.book(VenueId::kOkx, "NEWCOIN", "USDT", 99, 100));
  w.put(w.book(VenueId::kUpbit, "NEWCOIN", "KRW", 150'000, 150'100));
  w.pass(milliseconds{5000});
  int seen = 0;
  w.engine.for_each_row([&seen](const SpreadEvent& e) {
    ++seen;
    CHECK(e.verdict != Verdict::kTradable);
    CHECK(e.reasons.contains(e.asset == "BTC" ? Reason::kPriceRatioQuarantine
                                              : Reason::kIdentityUnproven));
    CHECK(e.buy_price_usdt.has_value());
    CHECK(e.sell_price_usdt.has_value());
    CHECK_FALSE(e.gross_ratio.has_value());
    CHECK_FALSE(e.net_ratio.has_value());
    CHECK_FALSE(e.optimal.has_value());
    CHECK_FALSE(e.break_even_quantity.has_value());
    for (const SizeRow& size : e.sizes) CHECK_FALSE(size.trade.has_value());
  });
  CHECK(seen == 4);
  CHECK(w.journal.opportunities.empty());
  for (const PremiumEvent& e : w.journal.premiums) {
    CHECK(e.asset != "NEWCOIN");
    if (e.asset == "BTC" && e.time == w.journal.premiums.back().time) CHECK_FALSE(e.ok());
  }
}

TEST_CASE("one venue's wrong coin does not move the premium of the others") {
  World w(kNow);
  w.put_profitable();
  w.put(w.book(VenueId::kBinance, "BTC", "USDT", 9'999'000, 10'000'000));
  w.put(w.book(VenueId::kBithumb, "BTC", "KRW", 100'000, 100'100));
  int seen = 0;
  w.engine.for_each_premium([&seen](const PremiumEvent& e) {
    if (e.region != Region::kKorea || e.basis != Basis::kUsdt) return;
    ++seen;
    CHECK(e.ok());
    CHECK(e.venues == std::vector<VenueId>{VenueId::kUpbit});
  });
  CHECK(seen == 2);
}

TEST_CASE("markets that nobody watches make no rows; a watched one does at once") {
  World w(kNow);
  w.put_fx();
  w.put(w.book(VenueId::kOkx, "ETH", "USDT", 300'000, 300'100));
  w.put(w.book(VenueId::kBinance, "ETH", "USDT", 300'000, 300'100));
  w.put(w.book(VenueId::kOkx, "BTC", "USDC", 300'000, 300'100));
  w.put(w.book(VenueId::kBinance, "BTC", "USDT", 300'000, 300'100));
  CHECK(w.journal.spreads.empty());
  w.engine.watch("ETH");
  w.put(w.book(VenueId::kOkx, "ETH", "USDT", 300'000, 300'100));
  w.put(w.book(VenueId::kBinance, "ETH", "USDT", 300'000, 300'100));
  CHECK_FALSE(w.journal.spreads.empty());
}

TEST_CASE("one symbol's fault leaves every other symbol's output unchanged") {
  World w(kNow);
  w.engine.watch("ETH");
  w.open();
  w.put(w.book(VenueId::kOkx, "ETH", "USDT", 300'000, 300'100));
  w.put(w.book(VenueId::kBinance, "ETH", "USDT", 300'000, 300'100));
  const std::size_t before = w.journal.lines.size();
  OrderBook faulted = w.book(VenueId::kOkx, "ETH", "USDT", 1, 2);
  faulted.state = FeedState::kFaulted;
  faulted.bids.clear();
  faulted.asks.clear();
  w.put(faulted);
  REQUIRE(w.journal.lines.size() > before);
  for (std::size_t i = before; i < w.journal.lines.size(); ++i) {
    CHECK(w.journal.lines[i].find("BTC") == std::string::npos);
  }
  CHECK(w.engine.open_opportunities() == 1);
}

}  // namespace
}  // namespace spreadwatch::spread
