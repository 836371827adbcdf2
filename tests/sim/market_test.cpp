#include "sim/market.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <functional>
#include <map>
#include <set>

using namespace spreadwatch;
using namespace spreadwatch::sim;

namespace {

constexpr std::int64_t kStart = 1'790'000'000'000;
const std::vector<std::string> kAssets = {"BTC", "XRP", "SHIB", "NOSUCHCOIN"};

struct Observer : MarketObserver {
  std::function<void(const BookEvent&)> book = [](const BookEvent&) {};
  std::function<void(const Listing&)> ticker = [](const Listing&) {};
  std::function<void(VenueId, std::int64_t)> instant = [](VenueId, std::int64_t) {};

  void on_book(const BookEvent& event) override { book(event); }
  void on_ticker(const Listing& listing) override { ticker(listing); }
  void on_instant(VenueId venue, std::int64_t ts_ms) override { instant(venue, ts_ms); }
};

/// Runs the market for so many seconds of its own time, in steps as a timer would.
void run(Market& market, Observer& observer, int seconds) {
  const std::int64_t begin = market.next_tick_ms();
  for (std::int64_t t = 0; t < seconds * 1000LL; t += 20) market.advance_to(begin + t, observer);
}

using Window = std::map<std::int64_t, std::int64_t>;

Window window_of(const std::vector<Level>& side, std::size_t depth) {
  Window window;
  for (std::size_t i = 0; i < std::min(depth, side.size()); ++i) {
    window[side[i].price] = side[i].size;
  }
  return window;
}

/// As a client without any trimming would do it.
void apply_levels(Window& window, const std::vector<LevelChange>& changes) {
  for (const LevelChange& change : changes) {
    if (change.kind == ChangeKind::kSet) {
      window[change.level.price] = change.level.size;
    } else {
      CHECK(window.erase(change.level.price) == 1);
    }
  }
}

}  // namespace

TEST_CASE("market: books are sorted, on their tick, never crossed, and deep enough") {
  Market market({kAssets, 3, {}}, kStart);
  Observer observer;
  std::size_t events = 0;
  observer.book = [&](const BookEvent& event) {
    ++events;
    const Book& book = event.after;
    const Instrument& instrument = event.listing.instrument;
    REQUIRE(book.bids.size() >= 10);
    REQUIRE(book.asks.size() >= 10);
    REQUIRE(book.bids.front().price < book.asks.front().price);
    REQUIRE(std::is_sorted(book.bids.begin(), book.bids.end(),
                           [](auto& a, auto& b) { return a.price > b.price; }));
    REQUIRE(std::is_sorted(book.asks.begin(), book.asks.end(),
                           [](auto& a, auto& b) { return a.price < b.price; }));
    for (const auto* side : {&book.bids, &book.asks}) {
      for (const Level& level : *side) {
        REQUIRE(level.price > 0);
        REQUIRE(level.size > 0);
        REQUIRE(level.price % instrument.tick == 0);
      }
    }
    REQUIRE(book.first_id == event.before.last_id + 1);
    REQUIRE(book.previous_id == event.before.last_id);
    REQUIRE(book.last_id >= book.first_id);
    REQUIRE(book.revision == event.before.revision + 1);
    REQUIRE(book.ts_ms > event.before.ts_ms);
  };
  run(market, observer, 60);
  CHECK(events > 60 * 40);
}

TEST_CASE("market: the change of any window leads from one book to the next") {
  Market market({kAssets, 4, {}}, kStart);
  const std::vector<std::size_t> depths = {1, 5, 10, 25, 50, 100, 400};
  std::map<std::pair<const Listing*, std::size_t>, std::pair<Window, Window>> windows;
  for (const VenueIdentity& venue : kVenues) {
    for (const Listing* listing : market.listings(venue.id)) {
      for (const std::size_t depth : depths) {
        windows[{listing, depth}] = {window_of(listing->book.bids, depth),
                                     window_of(listing->book.asks, depth)};
      }
    }
  }
  Observer observer;
  bool something_left = false;
  observer.book = [&](const BookEvent& event) {
    for (const std::size_t depth : depths) {
      const WindowChange change = window_change(event.before, event.after, depth);
      if (depth >= 10) REQUIRE_FALSE(change.empty());
      for (const LevelChange& one : change.bids) something_left |= one.kind == ChangeKind::kLeft;
      auto& [bids, asks] = windows[{&event.listing, depth}];
      apply_levels(bids, change.bids);
      apply_levels(asks, change.asks);
      REQUIRE(bids == window_of(event.after.bids, depth));
      REQUIRE(asks == window_of(event.after.asks, depth));
    }
  };
  run(market, observer, 40);
  CHECK(something_left);
}

TEST_CASE("market: a window change spans several events as well as one") {
  Market market({{"ETH"}, 5, {VenueId::kBinance}}, kStart);
  Observer observer;
  const Listing* const listing = market.find(VenueId::kBinance, "ETH", "USDT");
  REQUIRE(listing != nullptr);
  const Book begin = listing->book;
  run(market, observer, 5);
  Window bids = window_of(begin.bids, 20);
  apply_levels(bids, window_change(begin, listing->book, 20).bids);
  CHECK(bids == window_of(listing->book.bids, 20));
  CHECK(window_change(begin, begin, 20).empty());
}

TEST_CASE("market: a seed fixes the prices, whatever the clock, and another seed changes them") {
  const auto path = [](std::uint64_t seed, std::int64_t start) {
    Market market({kAssets, seed, {}}, start);
    Observer observer;
    std::vector<std::int64_t> prices;
    observer.book = [&](const BookEvent& event) {
      prices.push_back(event.after.bids.front().price);
      prices.push_back(event.after.asks.front().size);
    };
    observer.ticker = [&](const Listing& listing) { prices.push_back(listing.ticker.last); };
    run(market, observer, 10);
    return prices;
  };
  CHECK(path(7, kStart) == path(7, kStart + 86'400'123));
  CHECK(path(7, kStart) != path(8, kStart));
}

TEST_CASE("market: another asset changes no price of the others") {
  const auto path = [](const std::vector<std::string>& assets) {
    Market market({assets, 9, {}}, kStart);
    Observer observer;
    std::vector<std::int64_t> prices;
    observer.book = [&](const BookEvent& event) {
      if (event.listing.instrument.base == "BTC") {
        prices.push_back(event.after.asks.front().price);
      }
    };
    run(market, observer, 5);
    return prices;
  };
  CHECK(path({"BTC"}) == path({"BTC", "ETH", "ZZZ"}));
}

TEST_CASE("market: every venue lists every asset in its own quote, and its FX market") {
  Market market({kAssets, 1, {}}, kStart);
  for (const std::string& asset : kAssets) {
    for (const VenueIdentity& venue : kVenues) {
      CHECK(market.find(venue.id, asset, venue.default_quote) != nullptr);
    }
    CHECK(market.find(VenueId::kKraken, asset, "USDT") != nullptr);
  }
  for (const VenueId venue :
       {VenueId::kUpbit, VenueId::kBithumb, VenueId::kKorbit, VenueId::kCoinone}) {
    const Listing* const fx = market.find(venue, "USDT", "KRW");
    REQUIRE(fx != nullptr);
    CHECK(fx->instrument.price_decimals == 0);
    CHECK(fx->instrument.tick == 1);
    CHECK(fx->book.bids.front().price > 1'300);
    CHECK(fx->book.asks.front().price < 1'500);
    CHECK(market.usd_krw() > 1'300);
  }
  CHECK(market.find(VenueId::kKraken, "USDT", "USD") != nullptr);
  CHECK(market.find(VenueId::kOkx, "USDT", "KRW") == nullptr);
}

TEST_CASE("market: every book moves several times a second and every ticker every few seconds") {
  Market market({{"BTC", "DOGE"}, 2, {}}, kStart);
  Observer observer;
  std::map<const Listing*, int> books;
  std::map<const Listing*, int> tickers;
  observer.book = [&](const BookEvent& event) { ++books[&event.listing]; };
  observer.ticker = [&](const Listing& listing) {
    ++tickers[&listing];
    const Ticker& t = listing.ticker;
    REQUIRE(t.low <= t.last);
    REQUIRE(t.last <= t.high);
    REQUIRE(t.low <= t.open);
    REQUIRE(t.open <= t.high);
    const auto& book = listing.book;
    REQUIRE((t.last == book.bids.front().price || t.last == book.asks.front().price));
    REQUIRE(t.bid_volume_day + t.ask_volume_day == t.volume_day);
    REQUIRE(t.volume_day <= t.volume_24h);
  };
  run(market, observer, 30);
  for (const VenueIdentity& venue : kVenues) {
    for (const Listing* listing : market.listings(venue.id)) {
      CHECK(books[listing] >= 60);
      CHECK(tickers[listing] >= 8);
      CHECK(tickers[listing] <= 30);
    }
  }
}

TEST_CASE("market: publish instants lie on the venue's grid, one event a book and instant") {
  Market market({{"BTC"}, 6, {VenueId::kBybit, VenueId::kBinance}}, kStart + 777);
  Observer observer;
  std::map<VenueId, std::int64_t> last;
  std::set<std::pair<const Listing*, std::int64_t>> seen;
  observer.book = [&](const BookEvent& event) {
    CHECK(seen.insert({&event.listing, event.after.ts_ms}).second);
  };
  observer.instant = [&](VenueId venue, std::int64_t ts_ms) {
    if (last[venue] != 0) CHECK(ts_ms - last[venue] == (venue == VenueId::kBybit ? 200 : 100));
    last[venue] = ts_ms;
  };
  run(market, observer, 5);
}

TEST_CASE("market: a stall is skipped, not replayed in a burst") {
  Market market({{"BTC"}, 6, {VenueId::kOkx}}, kStart);
  Observer observer;
  run(market, observer, 1);
  std::size_t events = 0;
  observer.book = [&](const BookEvent&) { ++events; };
  market.advance_to(kStart + 600'500, observer);
  CHECK(events <= 20);
  CHECK(market.next_tick_ms() > kStart + 600'000);
}

TEST_CASE("market: every few minutes one venue leaves the others for some seconds") {
  Market market({{"BTC"}, 11, {VenueId::kOkx, VenueId::kBinance}}, kStart);
  Observer observer;
  const Listing* const okx = market.find(VenueId::kOkx, "BTC", "USDT");
  const Listing* const binance = market.find(VenueId::kBinance, "BTC", "USDT");
  int times = 0;
  int seconds_apart = 0;
  int together = 0;
  bool was_apart = false;
  for (int second = 0; second < 3'600; ++second) {
    run(market, observer, 1);
    const double a = static_cast<double>(okx->book.bids.front().price) / 10;
    const double b = static_cast<double>(binance->book.bids.front().price) / 100;
    const double gap = std::abs(a / b - 1);
    const bool apart = gap > 0.008;
    times += apart && !was_apart;
    seconds_apart += apart;
    was_apart = apart;
    together += gap < 0.002;
  }
  CHECK(times >= 5);
  CHECK(times <= 18);
  CHECK(seconds_apart >= 3 * times);
  CHECK(seconds_apart <= 11 * times);
  CHECK(together >= 3'300);
}

TEST_CASE("market: the Korean premium in USDT lies about what trading it costs, on both sides") {
  for (const std::uint64_t seed : {1, 7, 42}) {
    CAPTURE(seed);
    Market market({{"BTC"}, seed, {VenueId::kUpbit, VenueId::kOkx}}, kStart);
    Observer observer;
    const auto mid = [&](VenueId venue, const char* base, const char* quote) {
      const Listing& listing = *market.find(venue, base, quote);
      const double sum =
          static_cast<double>(listing.book.bids.front().price + listing.book.asks.front().price);
      return sum / 2 / std::pow(10.0, listing.instrument.price_decimals);
    };
    double total = 0;
    int low = 0;
    int high = 0;
    constexpr int kSeconds = 3'600;
    for (int second = 0; second < kSeconds; ++second) {
      run(market, observer, 1);
      const double usdt = mid(VenueId::kUpbit, "USDT", "KRW");
      const double premium =
          mid(VenueId::kUpbit, "BTC", "KRW") / usdt / mid(VenueId::kOkx, "BTC", "USDT") - 1;
      total += premium;
      low += premium < 0.0045;
      high += premium > 0.0095;
    }
    CHECK(total / kSeconds > 0.005);
    CHECK(total / kSeconds < 0.010);
    CHECK(low > kSeconds / 20);
    CHECK(high > kSeconds / 20);
  }
}
