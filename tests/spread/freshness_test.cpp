// How old a number may be is judged when it is computed, when it leaves, and by whoever sends it
// on.
#include <array>

#include "core/event.h"
#include "world.h"

namespace spreadwatch::spread {
namespace {

using test::kStart;
using test::World;

const std::string kNow = "spread: {modes: [inventory]}\npublish: {conflate_ms: 0}\n";

const SpreadEvent& row(const World& w) {
  const SpreadEvent* const found = w.journal.spread(VenueId::kOkx, VenueId::kUpbit);
  REQUIRE(found != nullptr);
  return *found;
}

/// As the book is taken `waited` after it was received.
OrderBook after_queue(OrderBook book, const World& w, milliseconds waited) {
  book.receive_time = w.now - waited;
  return book;
}

TEST_CASE("time spent in a queue counts as delay: what waited too long is stale") {
  World w(kNow);
  w.open();
  w.put(after_queue(w.okx(), w, milliseconds{5000}));  // the limit itself
  CHECK(row(w).verdict == Verdict::kTradable);
  w.put(after_queue(w.okx(), w, milliseconds{5001}));
  CHECK(row(w).verdict == Verdict::kUnknown);
  CHECK(row(w).reasons == Reasons{Reason::kStaleLeg});
  CHECK_FALSE(row(w).gross_ratio.has_value());
  CHECK_FALSE(row(w).optimal.has_value());
  CHECK(w.journal.opportunities.back().reason == CloseReason::kStale);
  w.put(w.okx());
  CHECK(row(w).verdict == Verdict::kTradable);
}

TEST_CASE("delay on the way and in the queue add up") {
  World w(kNow);
  w.open();
  OrderBook book = after_queue(w.okx(), w, milliseconds{2000});
  book.excess_delay = milliseconds{3000};
  w.put(book);
  CHECK(row(w).verdict == Verdict::kTradable);
  book.excess_delay = milliseconds{3001};
  w.put(book);
  CHECK(row(w).reasons == Reasons{Reason::kStaleLeg});
  book.excess_delay = milliseconds{-3000};  // earlier than usual is not a credit
  book.receive_time = w.now - milliseconds{5001};
  w.put(book);
  CHECK(row(w).reasons == Reasons{Reason::kStaleLeg});
}

TEST_CASE("a polled book that waited in the queue is judged by the wait, not only by its change") {
  World w(kNow);
  w.open();
  OrderBook polled = after_queue(w.okx(), w, milliseconds{5000});
  polled.origin = Origin::kRest;
  polled.connection = kPolledConnection;
  polled.excess_delay = milliseconds{20'000};
  w.put(polled);
  CHECK(row(w).verdict == Verdict::kTradable);
  polled.receive_time = w.now - milliseconds{5001};
  w.put(polled);
  CHECK(row(w).reasons == Reasons{Reason::kStaleLeg});
}

TEST_CASE("an FX book that waited too long gives no rate of its own") {
  World w(kNow);
  w.open();
  w.put(after_queue(w.book(VenueId::kUpbit, "USDT", "KRW", 140'000, 140'100, 100'000'000), w,
                    milliseconds{5001}));
  CHECK(row(w).verdict == Verdict::kUnknown);
  CHECK(row(w).reasons.contains(Reason::kFxQuorum));
}

TEST_CASE("a leg that became too old while its row was held back leaves without numbers") {
  World w("spread: {modes: [inventory], open_hold_ms: 0}\n");  // 100 ms
  w.put_profitable();
  const auto others = [&w] {
    w.put_fx();
    w.put(w.upbit(143'500'000, 143'510'000));
  };
  for (int i = 0; i < 14; ++i) {
    w.pass(milliseconds{1000});
    others();
  }
  w.pass(milliseconds{950});
  w.journal.spreads.clear();
  w.put(w.upbit(144'000'000, 144'010'000));
  // At 15.0 s the period ends and OKX has been silent for its 15 s.
  w.pass(milliseconds{50});
  REQUIRE_FALSE(w.journal.spreads.empty());
  for (const SpreadEvent& e : w.journal.spreads) {
    if (e.buy != VenueId::kOkx && e.sell != VenueId::kOkx) continue;
    CHECK(e.verdict == Verdict::kUnknown);
    CHECK(e.reasons.contains(Reason::kStaleLeg));
    CHECK_FALSE(e.gross_ratio.has_value());
    CHECK_FALSE(e.optimal.has_value());
    for (const SizeRow& size : e.sizes) CHECK_FALSE(size.trade.has_value());
    CHECK(e.time == kStart + milliseconds{14'950});
  }
  CHECK(w.journal.opportunities.back().reason == CloseReason::kStale);
}

TEST_CASE("a row says until when it is fresh, and is withdrawn by whoever let it wait for longer") {
  World w(kNow);
  w.open();
  // No leg's silence comes first: the time that a book may be on its way does.
  w.pass(milliseconds{2000});
  w.put(after_queue(w.okx(9'998'900, 9'999'900), w, milliseconds{1200}));
  SpreadEvent waiting = row(w);
  REQUIRE(waiting.verdict == Verdict::kTradable);
  const Timestamp last = w.now + milliseconds{3800};
  CHECK(is_fresh(waiting, last));
  CHECK_FALSE(withdraw_if_stale(waiting, last));
  CHECK(waiting.same_value(row(w)));
  CHECK_FALSE(is_fresh(waiting, last + microseconds{1}));
  CHECK(withdraw_if_stale(waiting, last + microseconds{1}));
  CHECK(waiting.verdict == Verdict::kUnknown);
  CHECK(waiting.reasons == Reasons{Reason::kStaleLeg});
  CHECK(waiting.time == row(w).time);
  CHECK_FALSE(waiting.gross_ratio.has_value());
  CHECK_FALSE(waiting.net_ratio.has_value());
  CHECK_FALSE(waiting.buy_price_usdt.has_value());
  CHECK_FALSE(waiting.sell_price_usdt.has_value());
  CHECK_FALSE(waiting.optimal.has_value());
  CHECK_FALSE(waiting.break_even_quantity.has_value());
  CHECK(waiting.sizes.size() == row(w).sizes.size());
  for (const SizeRow& size : waiting.sizes) CHECK_FALSE(size.trade.has_value());
  // Once is enough.
  CHECK_FALSE(withdraw_if_stale(waiting, last + seconds{60}));

  // A leg that falls silent sooner than that ends it.
  const Timestamp okx = w.now - milliseconds{1200};
  w.pass(milliseconds{12'000});
  w.put_fx();
  w.put(w.upbit(143'600'000, 143'610'000));
  REQUIRE(row(w).verdict == Verdict::kTradable);
  CHECK(row(w).fresh_until == okx + seconds{15});
}

TEST_CASE("a row without a usable pair of legs has nothing that could grow old") {
  World w(kNow);
  w.open();
  w.engine.on(ConnectionStatus{.venue = VenueId::kOkx, .alive = false, .time = w.now}, w.now);
  SpreadEvent stale = row(w);
  CHECK_FALSE(stale.fresh_until.has_value());
  CHECK_FALSE(withdraw_if_stale(stale, w.now + seconds{3600}));
}

TEST_CASE("a definite no stays one when its legs grow old") {
  World w(kNow);
  w.open();
  w.put(w.okx(249'000, 250'000));
  SpreadEvent far = row(w);
  REQUIRE(far.verdict == Verdict::kNotTradable);
  CHECK(withdraw_if_stale(far, w.now + seconds{6}));
  CHECK(far.verdict == Verdict::kNotTradable);
  CHECK(far.reasons.contains(Reason::kStaleLeg));
}

TEST_CASE("a pair asked for later than its legs are good for has no numbers") {
  World w(kNow);
  w.open();
  const std::array sizes{1000.0};
  const auto ask = [&](Timestamp at) {
    return w.engine.evaluate("BTC", VenueId::kOkx, VenueId::kUpbit, Mode::kInventory, sizes, at);
  };
  CHECK(ask(w.now)->verdict == Verdict::kTradable);
  const auto late = ask(kStart + seconds{15});
  REQUIRE(late.has_value());
  CHECK(late->reasons.contains(Reason::kStaleLeg));
  CHECK_FALSE(late->sizes[0].trade.has_value());
}

TEST_CASE("latency counts from the event that caused a row") {
  World w(kNow);
  w.open();
  w.pass(milliseconds{3000});
  w.put(after_queue(w.upbit(143'200'000, 143'210'000), w, milliseconds{7}));
  CHECK(row(w).time == w.now);
  CHECK(row(w).received == w.now - milliseconds{7});
  SUBCASE("an FX tick") {
    w.pass(milliseconds{3000});
    w.put(after_queue(w.book(VenueId::kUpbit, "USDT", "KRW", 140'050, 140'150, 100'000'000), w,
                      milliseconds{3}));
    CHECK(row(w).time == w.now);
    CHECK(row(w).received == w.now - milliseconds{3});
  }
  SUBCASE("a connection") {
    const Timestamp lost = w.now - milliseconds{2};
    w.engine.on(ConnectionStatus{.venue = VenueId::kOkx, .alive = false, .time = lost}, w.now);
    CHECK(row(w).received == lost);
  }
  SUBCASE("time alone") {
    w.pass(milliseconds{20'000});
    CHECK(row(w).reasons.contains(Reason::kStaleLeg));
    CHECK_FALSE(row(w).received.has_value());
  }
}

}  // namespace
}  // namespace spreadwatch::spread
