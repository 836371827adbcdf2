#include "app/pair_rows.h"

#include <doctest/doctest.h>

#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "engine_world.h"

namespace spreadwatch::app {
namespace {

using namespace std::chrono_literals;
using test::book;
using test::Hold;
using test::World;

/// Two venues of which OKX may be moved.
struct Rows : World {
  Rows()
      : World(queue_bounds<MarketQueue>(),
              config::load_text("assets: [BTC, ETH]\nvenues: {okx: , binance: }\n", "c.yaml")) {
    REQUIRE(loaded.ok());
    put(VenueId::kBinance, "BTC", 1);
    put(VenueId::kOkx, "BTC", 1);
    put(VenueId::kBinance, "ETH", 1);
    put(VenueId::kOkx, "ETH", 1);
    loop.start();
    CHECK(loop.ask([](spread::Engine&, Timestamp) { return true; }, 20s));
  }
  void put(VenueId venue, const std::string& base, std::int64_t bid) {
    OrderBook b = book(base, 1, FeedState::kSynced, venue);
    b.receive_time = clock.now();
    b.bids = {{Decimal{100 + bid, 0}, Decimal{1, 0}}};
    b.asks = {{Decimal{101 + bid, 0}, Decimal{1, 0}}};
    loop.push(b);
  }
  std::optional<double> price(const char* asset = "BTC") {
    const auto found = rows.find({.asset = asset, .buy = VenueId::kOkx, .mode = Mode::kInventory});
    if (!found || found->size() != 1) return std::nullopt;
    return found->front().buy_price_usdt;
  }

  PairRows rows{loop, clock};
};

TEST_CASE("pair rows are those of the engine now, by asset and the rest of their key") {
  Rows w;
  CHECK(w.price() == 102);
  const auto all = w.rows.find({});
  REQUIRE(all);
  CHECK(all->size() == 8);
  CHECK(all->front().asset == "BTC");
  CHECK(all->back().asset == "ETH");
  CHECK(w.rows.find({.sell = VenueId::kOkx})->size() == 4);
  CHECK(w.rows.find({.asset = "ETH", .verdict = Verdict::kTradable})->empty());
  CHECK(w.rows.find({.asset = "DOGE"})->empty());
}

TEST_CASE("many who ask at once are answered from one question") {
  Rows w;
  CHECK(w.price() == 102);
  w.put(VenueId::kOkx, "BTC", 5);
  CHECK(w.price() == 102);
  w.clock.pass(PairRows::kReuse);
  CHECK(w.price() == 106);
}

TEST_CASE("an engine that stands is no reason to wait: what is known is told while it is young") {
  Rows w;
  CHECK(w.price() == 102);
  w.clock.pass(PairRows::kReuse);
  Hold hold(w.loop);
  std::vector<std::jthread> askers;
  for (std::size_t i = 0; i < PairRows::kAskers; ++i) {
    askers.emplace_back([&w] { CHECK_FALSE(w.rows.find({.asset = "ETH"})); });
  }
  while (w.rows.asking() < PairRows::kAskers) std::this_thread::yield();
  CHECK(w.price() == 102);
  CHECK_FALSE(w.rows.find({}));  // of all, which were never asked for
  w.clock.pass(PairRows::kMaxAge);
  CHECK_FALSE(w.price());
  askers.clear();
  hold.release();
  CHECK(w.price() == 102);
}

}  // namespace
}  // namespace spreadwatch::app
