#include "api/store.h"

#include <doctest/doctest.h>

#include <memory>
#include <string>
#include <thread>

#include "tests/api/sample.h"

namespace spreadwatch::api {
namespace {

using namespace std::chrono_literals;

constexpr Timestamp kNow = timestamp_from_ms(1'700'000'000'000);

/// Both sides and the sequence say the same number, so that a torn copy shows.
OrderBook book_of(std::int64_t n) {
  OrderBook book;
  book.venue = VenueId::kUpbit;
  book.instrument = {"BTC", "KRW"};
  book.state = FeedState::kSynced;
  book.sequence = n;
  for (int i = 0; i < 20; ++i) {
    book.bids.push_back({Decimal{n, 0}, Decimal{n, 0}});
    book.asks.push_back({Decimal{n + 1, 0}, Decimal{n, 0}});
  }
  return book;
}

Ticker ticker_of(VenueId venue, const char* quote, double price) {
  Ticker ticker;
  ticker.venue = venue;
  ticker.instrument = {"BTC", quote};
  ticker.trade_price = price;
  return ticker;
}

TEST_CASE("the latest value of a key replaces the one before") {
  Store store;
  store.update(ticker_of(VenueId::kUpbit, "KRW", 1));
  store.update(ticker_of(VenueId::kUpbit, "KRW", 2));
  store.update(ticker_of(VenueId::kOkx, "USDT", 3));
  const auto tickers = store.tickers();
  REQUIRE(tickers.size() == 2);
  CHECK(tickers[0]->trade_price == 2.0);
  CHECK(tickers[1]->venue == VenueId::kOkx);
  MarketRemoved removed;
  removed.venue = VenueId::kUpbit;
  removed.instrument = {"BTC", "KRW"};
  removed.asset = "BTC";
  store.update(removed);
  CHECK(store.tickers().size() == 1);
}

TEST_CASE("a market that is removed takes the premiums that went with it, and no others") {
  Store store;
  PremiumEvent premium;
  premium.asset = "BTC";
  for (const Region over : {Region::kAsia, Region::kEurope}) {
    premium.over = over;
    store.update(premium);
  }
  MarketRemoved removed;
  removed.venue = VenueId::kUpbit;
  removed.instrument = {"BTC", "KRW"};
  removed.asset = "BTC";
  removed.premiums = {{Region::kKorea, Region::kAsia, Basis::kUsdt}};
  store.update(removed);
  const auto premiums = store.premiums("BTC", kNow);
  REQUIRE(premiums.size() == 1);
  CHECK(premiums[0].over == Region::kEurope);
}

TEST_CASE("premiums are found by asset, rates by pair") {
  Store store;
  const auto premium = [](const char* asset, double value) {
    return test::premium(asset, Region::kKorea, Region::kEurope, Basis::kUsdt, value, kNow);
  };
  store.update(premium("BTC", 0.01));
  store.update(premium("ETH", 0.02));
  store.update(test::rate(CurrencyPair::kUsdtKrw, 1390, 1391, 1ms, {}, kNow));
  store.update(test::rate(CurrencyPair::kUsdtKrw, 1392, 1393, 1ms, {}, kNow));
  CHECK(store.premiums("", kNow).size() == 2);
  CHECK(store.premiums("ETH", kNow).at(0).premium == 0.02);
  CHECK(store.premiums("XRP", kNow).empty());
  REQUIRE(store.rates(kNow).size() == 1);
  CHECK(store.rates(kNow)[0].rate.bid == 1392);
}

OpportunityEvent opportunity(const std::string& id, bool open) {
  using Kind = OpportunityEvent::Kind;
  OpportunityEvent event;
  event.id = id;
  event.kind = open ? Kind::kOpen : Kind::kClose;
  event.time = kNow;
  return event;
}

TEST_CASE("open opportunities come first, and the bound drops the oldest that ended") {
  Store store;
  store.update(opportunity("old", true));
  store.update(opportunity("ended", true));
  store.update(opportunity("new", true));
  store.update(opportunity("ended", false));
  auto list = store.opportunities(kNow);
  REQUIRE(list.size() == 3);
  CHECK(list[0].id == "new");
  CHECK(list[1].id == "old");
  CHECK(list[2].id == "ended");
  for (std::size_t i = 0; i < Store::kMaxOpportunities - 2; ++i) {
    store.update(opportunity("x" + std::to_string(i), true));
  }
  list = store.opportunities(kNow);
  CHECK(list.size() == Store::kMaxOpportunities);
  CHECK(list.back().id == "old");
}

TEST_CASE("what is new beyond a bound is refused and counted, what is known goes on") {
  Store store;
  const auto ticker = [](std::size_t i, double price) {
    Ticker t = ticker_of(VenueId::kUpbit, "KRW", price);
    t.instrument.base = std::to_string(i);
    return t;
  };
  for (std::size_t i = 0; i < Store::kMaxMarkets; ++i) store.update(ticker(i, 1));
  store.update(ticker(Store::kMaxMarkets, 2));
  store.update(ticker(0, 3));
  CHECK(store.tickers().size() == Store::kMaxMarkets);
  CHECK(store.refused() == 1);
  CHECK(store.tickers().front()->trade_price == 3);
}

/// Bank rates judged as of a moment.
struct Bank {
  explicit Bank(double rate) : value(rate) {
    settings.bank = {{.name = "a"}};
    table.emplace(settings, std::vector<VenueId>{});
  }
  const fx::RateTable& poll(Timestamp now) {
    table->set_bank({"a", value, now});
    changed = table->evaluate(now)[static_cast<std::size_t>(CurrencyPair::kUsdKrw)];
    return *table;
  }

  double value;
  config::FxSettings settings;
  std::optional<fx::RateTable> table;
  bool changed = false;
};

TEST_CASE("a rate is as old as its last good answer, whether or not that was another value") {
  Store store;
  Bank bank(1380);
  store.update_ages(bank.poll(kNow));
  CHECK(bank.changed);
  store.update(FxEvent{kNow, bank.table->rate(CurrencyPair::kUsdKrw)});
  const auto age = [&](Timestamp now) {
    const Rate rate = store.rates(now).at(0).rate;
    CHECK(rate.sources.at(0).age == rate.age);
    return rate.age;
  };
  CHECK(age(kNow) == 0us);
  CHECK(age(kNow + 42s) == 42s);  // the source is dead
  store.update_ages(bank.poll(kNow + 60s));
  CHECK_FALSE(bank.changed);  // so no event tells of it
  CHECK(age(kNow + 61s) == 1s);
  CHECK(age(kNow + 59s) == 0us);  // a reader that looked at the clock before
}

TEST_CASE("a premium is as old as the oldest rate in it") {
  Store store;
  Bank bank(1380);
  PremiumEvent event =
      test::premium("BTC", Region::kKorea, Region::kEurope, Basis::kBank, 0.01, kNow);
  event.fx_rates.reset().set(static_cast<std::size_t>(CurrencyPair::kUsdKrw));
  event.fx_age = 2s;
  store.update(event);
  CHECK(store.premiums("", kNow + 5s).at(0).fx_age == 7s);
  store.update_ages(bank.poll(kNow + 6s));
  CHECK(store.premiums("", kNow + 10s).at(0).fx_age == 4s);
  event.fx_age.reset();
  store.update(event);
  CHECK_FALSE(store.premiums("", kNow + 10s).at(0).fx_age);
}

TEST_CASE("the legs of an open opportunity are as old as the last updates of their order books") {
  Store store;
  const auto book = [&](VenueId venue, const char* quote, Timestamp received, FeedState state) {
    OrderBook b = book_of(1);
    b.venue = venue;
    b.instrument = {"BTC", quote};
    b.state = state;
    b.receive_time = received;
    store.update(b);
  };
  OpportunityEvent open = opportunity("open", true);
  open.asset = "BTC";
  open.buy = VenueId::kBinance;
  open.sell = VenueId::kUpbit;
  open.buy_age = 40ms;
  open.sell_age = 55ms;
  store.update(open);
  const auto now = [&](Timestamp time) { return store.opportunities(time).at(0); };
  const SpreadEvent row = test::pair("BTC", open.buy, open.sell, Verdict::kTradable, {}, kNow);
  store.update(row);
  CHECK(now(kNow + 1s).buy_age == 1'040ms);
  CHECK(now(kNow + 1s).sell_age == 1'055ms);
  // A book that came again, without another value of the pair.
  book(VenueId::kBinance, "USDT", kNow + 3s, FeedState::kSynced);
  CHECK(now(kNow + 5s).buy_age == 2s);
  CHECK(now(kNow + 5s).sell_age == 5'055ms);
  // Nor does one that may not be believed make it younger.
  book(VenueId::kUpbit, "KRW", kNow + 4s, FeedState::kFaulted);
  CHECK(now(kNow + 5s).sell_age == 5'055ms);

  // A pair whose market was removed and is watched again follows the new one.
  MarketRemoved removed;
  removed.venue = open.buy;
  removed.instrument = row.buy_market;
  removed.asset = "BTC";
  store.update(removed);
  book(VenueId::kBinance, "USDT", kNow + 6s, FeedState::kSynced);
  CHECK(now(kNow + 7s).buy_age == 7'040ms);
  store.update(row);
  book(VenueId::kBinance, "USDT", kNow + 8s, FeedState::kSynced);
  CHECK(now(kNow + 9s).buy_age == 1s);

  // One that ended stays as it was.
  OpportunityEvent closed = open;
  closed.kind = OpportunityEvent::Kind::kClose;
  store.update(closed);
  CHECK(now(kNow + 9s).buy_age == 40ms);
}

TEST_CASE("a reader never sees a half-written book") {
  Store store;
  store.update(book_of(1));
  constexpr std::int64_t kWrites = 20'000;
  std::thread writer([&] {
    for (std::int64_t n = 2; n <= kWrites; ++n) store.update(book_of(n));
  });
  std::int64_t last = 0;
  bool whole = true;
  while (last < kWrites) {
    const auto book = store.order_book(VenueId::kUpbit, {"BTC", "KRW"});
    const std::int64_t n = *book->sequence;
    whole = whole && n >= last;
    for (const auto& level : book->bids) whole = whole && level.price == Decimal{n, 0};
    for (const auto& level : book->asks) whole = whole && level.price == Decimal{n + 1, 0};
    last = n;
  }
  writer.join();
  CHECK(whole);
  CHECK(store.order_book(VenueId::kUpbit, {"ETH", "KRW"}) == nullptr);
}

}  // namespace
}  // namespace spreadwatch::api
