// One order book update → every pair of its asset, with depth and FX: cost per update for 9 venues
// × N assets. It must not grow with N. Allocations on that path are counted as well. `level`:
// prices are within fees of each other, as they are nearly always; otherwise Korea pays so much
// more that every level of the book is profitable there, and four pairs are walked to their last
// kink.
#include <benchmark/benchmark.h>

#include <atomic>
#include <cstdlib>
#include <new>

#include "config/loader.h"
#include "spread/engine.h"

namespace {

std::atomic<std::uint64_t> allocations{0};

}  // namespace

// Not inlined: the compiler would else see malloc() given back with delete, and warn.
[[gnu::noinline]] void* operator new(std::size_t size) {
  allocations.fetch_add(1, std::memory_order_relaxed);
  if (void* memory = std::malloc(size)) return memory;
  throw std::bad_alloc();
}
[[gnu::noinline]] void operator delete(void* memory) noexcept { std::free(memory); }
[[gnu::noinline]] void operator delete(void* memory, std::size_t) noexcept { std::free(memory); }

namespace {

using namespace spreadwatch;

std::string asset_name(int i) { return std::string{"A"}.append(std::to_string(i)); }

class Quiet final : public spread::EventSink {
 public:
  void on_fx(const fx::FxEvent&) override {}
  void on_premium(const spread::PremiumEvent&) override {}
  void on_spread(const spread::SpreadEvent&) override {}
  void on_opportunity(const spread::OpportunityEvent&) override {}
};

OrderBook book(VenueId venue, const std::string& base, const std::string& quote, double mid,
               Timestamp now, std::int64_t jitter, std::int64_t size = 50'000'000) {
  OrderBook b;
  b.venue = venue;
  b.instrument = {base, quote};
  b.state = FeedState::kSynced;
  b.receive_time = now;
  const auto top = static_cast<std::int64_t>(mid * 10'000);
  for (std::int64_t i = 0; i < 30; ++i) {
    b.bids.push_back({Decimal{top - 5 - i * 7 + jitter, 4}, Decimal{size + i * 1'000'000, 8}});
    b.asks.push_back({Decimal{top + 5 + i * 7 + jitter, 4}, Decimal{size + i * 1'000'000, 8}});
  }
  return b;
}

void one_update(benchmark::State& state) {
  const auto assets = static_cast<int>(state.range(0));
  std::string config_text = "assets: [";
  std::string registry_text = "USDT: {evidence: x}\n";
  for (int i = 0; i < assets; ++i) {
    const std::string name = asset_name(i);
    config_text += (i == 0 ? "" : ", ") + name;
    registry_text += name + ": {evidence: x}\n";
  }
  config_text += "]\nspread: {modes: [inventory]}\nvenues: {";
  for (const VenueIdentity& v : kVenues) config_text += std::string{v.name} + ": , ";
  config_text += "}\n";
  config::Loaded loaded = config::load_text(config_text, "bench");
  loaded.registry = {};
  if (!loaded.ok() ||
      !config::load_registry_text(registry_text, "bench", loaded.registry).empty()) {
    state.SkipWithError("the configuration is wrong");
    return;
  }
  Quiet sink;
  spread::Engine engine(loaded.settings, loaded.registry, sink);
  Timestamp now = timestamp_from_ms(1'700'000'000'000);
  for (const VenueIdentity& v : kVenues) {
    engine.on(StreamStatus{.venue = v.id, .time = now}, now);
    const std::string quote{v.default_quote};
    if (quote != "USDT") {
      const double rate = quote == "KRW" ? 1400 : 1;
      engine.on_book(book(v.id, "USDT", quote, rate, now, 0, 5'000'000'000'000), now);
    }
  }
  const double korea = state.range(1) != 0 ? 140'000'000.0 : 142'000'000.0;
  const auto price = [korea](const VenueIdentity& v) {
    return v.default_quote == "KRW" ? korea : 100'000.0;
  };
  for (int i = 0; i < assets; ++i) {
    for (const VenueIdentity& v : kVenues) {
      engine.on_book(book(v.id, asset_name(i), std::string{v.default_quote}, price(v), now, 0),
                     now);
    }
  }
  std::vector<OrderBook> updates;
  for (std::int64_t jitter = 0; jitter < 16; ++jitter) {
    updates.push_back(book(VenueId::kOkx, "A0", "USDT", 100'000, now, jitter));
  }
  std::size_t next = 0;
  for (int i = 0; i < 64; ++i) engine.on_book(updates[next++ % updates.size()], now);  // warm
  const std::uint64_t before = allocations.load();
  for (auto _ : state) engine.on_book(updates[next++ % updates.size()], now);
  state.counters["allocations"] = benchmark::Counter(
      static_cast<double>(allocations.load() - before), benchmark::Counter::kAvgIterations);
  state.counters["pairs"] = 2 * (static_cast<double>(kVenueCount) - 1);
}
BENCHMARK(one_update)->ArgNames({"assets", "level"})->ArgsProduct({{10, 100, 1000}, {1, 0}});

}  // namespace

BENCHMARK_MAIN();
