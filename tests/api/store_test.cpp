#include "api/store.h"

#include <doctest/doctest.h>

#include <memory>
#include <string>
#include <thread>

using spreadwatch::Decimal;
using spreadwatch::FeedState;
using spreadwatch::Instrument;
using spreadwatch::OrderBook;
using spreadwatch::Ticker;
using spreadwatch::VenueId;
using spreadwatch::api::Record;
using spreadwatch::api::Store;
using spreadwatch::config::Mode;

namespace {

Record record(std::string text) { return std::make_shared<const std::string>(std::move(text)); }

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

}  // namespace

TEST_CASE("the latest value of a key replaces the one before") {
  Store store;
  store.update(ticker_of(VenueId::kUpbit, "KRW", 1));
  store.update(ticker_of(VenueId::kUpbit, "KRW", 2));
  store.update(ticker_of(VenueId::kOkx, "USDT", 3));
  const auto tickers = store.tickers();
  REQUIRE(tickers.size() == 2);
  CHECK(tickers[0]->trade_price == 2.0);
  CHECK(tickers[1]->venue == VenueId::kOkx);
  store.forget(VenueId::kUpbit, {"BTC", "KRW"});
  CHECK(store.tickers().size() == 1);
}

TEST_CASE("spreads are filtered by every part of their key and by verdict") {
  Store store;
  store.update_spread({"BTC", VenueId::kBinance, VenueId::kUpbit, Mode::kInventory}, "tradable",
                      record("1"));
  store.update_spread({"BTC", VenueId::kUpbit, VenueId::kBinance, Mode::kInventory}, "not_tradable",
                      record("2"));
  store.update_spread({"BTC", VenueId::kBinance, VenueId::kUpbit, Mode::kTransfer}, "unknown",
                      record("3"));
  store.update_spread({"BTCX", VenueId::kBinance, VenueId::kUpbit, Mode::kInventory}, "tradable",
                      record("4"));
  CHECK(store.spreads({}).size() == 4);
  CHECK(store.spreads({.asset = "BTC"}).size() == 3);
  CHECK(store.spreads({.asset = "BT"}).empty());
  CHECK(*store.spreads({.asset = "BTCX"}).at(0) == "4");
  CHECK(*store.spreads({.buy = VenueId::kUpbit}).at(0) == "2");
  CHECK(store.spreads({.sell = VenueId::kUpbit}).size() == 3);
  CHECK(*store.spreads({.mode = Mode::kTransfer}).at(0) == "3");
  CHECK(store.spreads({.verdict = "tradable"}).size() == 2);
  // A pair whose verdict changes is found under the new one only.
  store.update_spread({"BTC", VenueId::kBinance, VenueId::kUpbit, Mode::kInventory}, "unknown",
                      record("5"));
  CHECK(store.spreads({.verdict = "tradable"}).size() == 1);
}

TEST_CASE("premiums are found by asset, rates by pair") {
  Store store;
  store.update_premium({"BTC", "korea", "europe", "usdt"}, record("a"));
  store.update_premium({"ETH", "korea", "europe", "usdt"}, record("b"));
  store.update_rate("USDT/KRW", record("c"));
  store.update_rate("USDT/KRW", record("d"));
  CHECK(store.premiums().size() == 2);
  CHECK(*store.premiums("ETH").at(0) == "b");
  CHECK(store.premiums("XRP").empty());
  REQUIRE(store.rates().size() == 1);
  CHECK(*store.rates()[0] == "d");
}

TEST_CASE("open opportunities come first, and the bound drops the oldest that ended") {
  Store store;
  store.update_opportunity("old", true, record("old"));
  store.update_opportunity("ended", true, record("ended"));
  store.update_opportunity("new", true, record("new"));
  store.update_opportunity("ended", false, record("ended!"));
  auto list = store.opportunities();
  REQUIRE(list.size() == 3);
  CHECK(*list[0] == "new");
  CHECK(*list[1] == "old");
  CHECK(*list[2] == "ended!");
  for (std::size_t i = 0; i < Store::kMaxOpportunities - 2; ++i) {
    store.update_opportunity("x" + std::to_string(i), true, record("x"));
  }
  list = store.opportunities();
  CHECK(list.size() == Store::kMaxOpportunities);
  CHECK(*list.back() == "old");
}

TEST_CASE("what is new beyond a bound is refused and counted, what is known goes on") {
  Store store;
  for (std::size_t i = 0; i < Store::kMaxRates; ++i)
    store.update_rate(std::to_string(i), record("a"));
  store.update_rate("more", record("b"));
  store.update_rate("0", record("c"));
  CHECK(store.rates().size() == Store::kMaxRates);
  CHECK(store.refused() == 1);
  CHECK(*store.rates()[0] == "c");
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
