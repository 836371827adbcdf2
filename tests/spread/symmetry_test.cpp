// What must not matter, and what must mirror.
#include <algorithm>
#include <random>

#include "world.h"

namespace spreadwatch::spread {
namespace {

using test::Journal;
using test::kStart;

/// The venues in some order, and each venue's books in the same.
std::vector<std::string> final_lines(const std::vector<VenueId>& order, std::uint64_t seed) {
  std::string text = "assets: [BTC, ETH]\nvenues: {";
  for (const VenueId venue : order) text += std::string{to_string(venue)} + ": , ";
  text += "}\nfx: {bank: [{name: bank, url: \"http://x\"}]}\npublish: {conflate_ms: 0}\n";
  const config::Loaded loaded = config::load_text(text, "test");
  REQUIRE(loaded.ok());
  Journal journal;
  Engine engine(loaded.settings, loaded.registry, journal);
  engine.on(BankQuote{.source = "bank", .rate = 1390, .time = kStart}, kStart);
  for (const VenueId venue : order) {
    // The market depends on the venue and the seed alone.
    std::mt19937_64 random(seed * 100 + index_of(venue));
    const std::string quote{identity(venue).default_quote};
    const auto put = [&](const std::string& base, double mid, std::int64_t size) {
      OrderBook b;
      b.venue = venue;
      b.instrument = {base, quote};
      b.state = FeedState::kSynced;
      b.receive_time = kStart;
      const auto top = static_cast<std::int64_t>(mid * 1e4);
      for (std::int64_t i = 1; i <= 8; ++i) {
        const auto step = static_cast<std::int64_t>(1 + random() % 50) * i * top / 1'000'000;
        b.bids.push_back({Decimal{top - i - step, 4}, Decimal{size, 4}});
        b.asks.push_back({Decimal{top + i + step, 4}, Decimal{size, 4}});
      }
      std::sort(b.bids.begin(), b.bids.end(),
                [](const Level& x, const Level& y) { return y.price < x.price; });
      std::sort(b.asks.begin(), b.asks.end(),
                [](const Level& x, const Level& y) { return x.price < y.price; });
      engine.on(b, kStart);
    };
    const double rate = quote == "KRW" ? 1400 : 1;
    if (quote != "USDT") put("USDT", rate, 1'000'000'000);
    const double shift = 1 + static_cast<double>(random() % 300) * 1e-4;
    put("BTC", 100'000 * rate * shift, 20'000);
    put("ETH", 4'000 * rate * shift, 300'000);
  }
  Journal end;
  engine.for_each_row([&end](const SpreadEvent& e) { end.on_spread(e); });
  engine.for_each_premium([&end](const PremiumEvent& e) { end.on_premium(e); });
  return end.lines;
}

TEST_CASE("the order of the venues, in the configuration and in time, changes no number") {
  std::vector<VenueId> order;
  for (const VenueIdentity& venue : kVenues) order.push_back(venue.id);
  std::mt19937_64 random(12);
  for (std::uint64_t seed = 0; seed < 12; ++seed) {
    const std::vector<std::string> first = final_lines(order, seed);
    CHECK(first.size() > 2 * 9 * 8);
    std::vector<VenueId> other = order;
    for (std::size_t i = other.size(); i > 1; --i) std::swap(other[i - 1], other[random() % i]);
    CHECK(final_lines(other, seed) == first);
  }
}

TEST_CASE("a pair and the same pair backwards cannot both pay") {
  std::mt19937_64 random(13);
  test::World w;
  w.put_fx();
  for (int i = 0; i < 300; ++i) {
    const auto mid = static_cast<std::int64_t>(9'900'000 + random() % 200'000);
    const auto half = static_cast<std::int64_t>(random() % 5000);
    w.put(w.okx(mid - half - 1, mid + half + 1));
    const auto won = static_cast<std::int64_t>(139'000'000 + random() % 4'000'000);
    w.put(w.upbit(won - 1000, won + 1000));
    const SpreadEvent* const there = w.journal.spread(VenueId::kOkx, VenueId::kUpbit);
    const SpreadEvent* const back = w.journal.spread(VenueId::kUpbit, VenueId::kOkx);
    REQUIRE(there != nullptr);
    REQUIRE(back != nullptr);
    // (bid_B / ask_A) × (bid_A / ask_B): a round trip at the tops loses the two bid-ask spreads.
    CHECK((1 + *there->gross_ratio) * (1 + *back->gross_ratio) < 1);
    CHECK_FALSE((there->optimal.has_value() && back->optimal.has_value()));
  }
}

}  // namespace
}  // namespace spreadwatch::spread
