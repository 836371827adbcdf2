#include "sim/market.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <map>

namespace spreadwatch::sim {
namespace {

constexpr std::int64_t kStart = 1'790'000'000'000;

/// Follows every book by its window changes alone, as a client of each depth would.
class Follower final : public MarketObserver {
 public:
  void on_book(const BookEvent& event) override {
    ++events;
    CHECK(event.after.bids.front().price < event.after.asks.front().price);
    CHECK(event.after.previous_id == event.before.last_id);
    CHECK(event.after.first_id == event.before.last_id + 1);
    CHECK(event.after.last_id >= event.after.first_id);
    CHECK(event.after.revision == event.before.revision + 1);
    for (const std::size_t depth : {std::size_t{10}, std::size_t{20}, std::size_t{50}, std::size_t{400}}) {
      const WindowChange change = window_change(event.before, event.after, depth);
      CHECK(apply(window(event.before.bids, depth), change.bids, true) == window(event.after.bids, depth));
      CHECK(apply(window(event.before.asks, depth), change.asks, false) == window(event.after.asks, depth));
    }
    for (const Level& level : event.after.bids) CHECK(level.size > 0);
  }
  void on_ticker(const Listing& listing) override {
    ++tickers;
    const Ticker& t = listing.ticker;
    CHECK(t.low <= t.last);
    CHECK(t.last <= t.high);
    CHECK(t.low > 0);
  }
  void on_instant(VenueId, std::int64_t) override {}

  int events = 0;
  int tickers = 0;

 private:
  static std::vector<Level> window(const std::vector<Level>& side, std::size_t depth) {
    return {side.begin(), side.begin() + static_cast<std::ptrdiff_t>(std::min(depth, side.size()))};
  }
  static std::vector<Level> apply(std::vector<Level> side, const std::vector<LevelChange>& changes, bool bids) {
    std::map<std::int64_t, std::int64_t> levels;
    for (const Level& level : side) levels[level.price] = level.size;
    for (const LevelChange& change : changes) {
      if (change.kind == ChangeKind::kSet) levels[change.level.price] = change.level.size;
      else levels.erase(change.level.price);
    }
    std::vector<Level> result;
    for (const auto& [price, size] : levels) result.push_back({price, size});
    if (bids) std::reverse(result.begin(), result.end());
    return result;
  }
};

TEST_CASE("books are never crossed and every window follows from its changes") {
  Market market({.assets = {"BTC", "XRP", "ODDCOIN"}, .seed = 7, .venues = {}}, kStart);
  Follower follower;
  for (int i = 1; i <= 100; ++i) market.advance_to(kStart + i * 100, follower);
  CHECK(follower.events > 1000);
  CHECK(follower.tickers > 50);
}

TEST_CASE("the seed fixes the prices") {
  const auto prices = [](std::uint64_t seed) {
    Market market({.assets = {"BTC", "ETH"}, .seed = seed, .venues = {}}, kStart);
    Follower follower;
    for (int i = 1; i <= 50; ++i) market.advance_to(kStart + i * 100, follower);
    std::vector<std::int64_t> mids;
    for (const VenueIdentity& venue : kVenues) {
      for (const Listing* listing : market.listings(venue.id)) {
        mids.push_back(listing->book.bids.front().price);
        mids.push_back(listing->book.asks.front().size);
      }
    }
    return mids;
  };
  CHECK(prices(7) == prices(7));
  CHECK(prices(7) != prices(8));
}

TEST_CASE("every venue lists its assets in its own currency and its FX market") {
  Market market({.assets = {"BTC"}, .seed = 1, .venues = {}}, kStart);
  for (const VenueId venue : {VenueId::kUpbit, VenueId::kBithumb, VenueId::kKorbit, VenueId::kCoinone}) {
    CHECK(market.find(venue, "BTC", "KRW") != nullptr);
    CHECK(market.find(venue, "USDT", "KRW") != nullptr);
  }
  for (const VenueId venue : {VenueId::kOkx, VenueId::kBybit, VenueId::kGateio, VenueId::kBinance}) {
    CHECK(market.find(venue, "BTC", "USDT") != nullptr);
  }
  CHECK(market.find(VenueId::kKraken, "BTC", "USD") != nullptr);
  CHECK(market.find(VenueId::kKraken, "USDT", "USD") != nullptr);
  CHECK(market.find(VenueId::kKraken, "BTC", "KRW") == nullptr);
}

}  // namespace
}  // namespace spreadwatch::sim
