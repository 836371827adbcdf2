// One order book update → every pair of its asset, with depth and FX: cost per update for 9 venues
// × N assets. It must not grow with N. Allocations on that path are counted as well. `level`:
// prices are within fees of each other, as they are nearly always; otherwise Korea pays so much
// more that every level of the book is profitable there, and four pairs are walked to their last
// kink.
#include <benchmark/benchmark.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdlib>
#include <new>
#include <optional>
#include <string>
#include <vector>

#include "config/loader.h"
#include "spread/engine.h"
#include "spread/event_sink.h"

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
  void on_fx(const FxEvent&) override {}
  void on_premium(const PremiumEvent&) override {}
  void on_spread(const SpreadEvent&) override {}
  void on_opportunity(const OpportunityEvent&) override {}
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

/// An engine that knows every asset of nine venues, and the next updates of one of them.
class Market {
 public:
  Market(int assets, bool level) {
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
    loaded_ = config::load_text(config_text, "bench");
    loaded_.registry = {};
    ok_ = loaded_.ok() &&
          config::load_registry_text(registry_text, "bench", loaded_.registry).empty();
    if (!ok_) return;
    engine_.emplace(loaded_.settings, loaded_.registry, sink_);
    for (const VenueIdentity& v : kVenues) {
      engine_->on(ConnectionStatus{.venue = v.id, .time = now_}, now_);
      const std::string quote{v.default_quote};
      if (quote != "USDT") {
        const double rate = quote == "KRW" ? 1400 : 1;
        engine_->on_book(book(v.id, "USDT", quote, rate, now_, 0, 5'000'000'000'000), now_);
      }
    }
    const double korea = level ? 140'000'000.0 : 142'000'000.0;
    for (int i = 0; i < assets; ++i) {
      for (const VenueIdentity& v : kVenues) {
        const double price = v.default_quote == "KRW" ? korea : 100'000.0;
        engine_->on_book(book(v.id, asset_name(i), std::string{v.default_quote}, price, now_, 0),
                         now_);
      }
    }
    for (std::int64_t jitter = 0; jitter < 16; ++jitter) {
      updates_.push_back(book(VenueId::kOkx, "A0", "USDT", 100'000, now_, jitter));
    }
    for (int i = 0; i < 64; ++i) update();  // warm
  }

  bool ok() const { return ok_; }
  void update() { engine_->on_book(updates_[next_++ % updates_.size()], now_); }

 private:
  config::Loaded loaded_;
  bool ok_ = false;
  Quiet sink_;
  std::optional<spread::Engine> engine_;
  Timestamp now_ = timestamp_from_ms(1'700'000'000'000);
  std::vector<OrderBook> updates_;
  std::size_t next_ = 0;
};

void one_update(benchmark::State& state) {
  Market market(static_cast<int>(state.range(0)), state.range(1) != 0);
  if (!market.ok()) return state.SkipWithError("the configuration is wrong");
  const std::uint64_t before = allocations.load();
  for (auto _ : state) market.update();
  state.counters["allocations"] = benchmark::Counter(
      static_cast<double>(allocations.load() - before), benchmark::Counter::kAvgIterations);
  state.counters["pairs"] = 2 * (static_cast<double>(kVenueCount) - 1);
}
BENCHMARK(one_update)->ArgNames({"assets", "level"})->ArgsProduct({{10, 100, 1000}, {1, 0}});

/// The same update by update: the median and the slowest of a hundred, in nanoseconds. Reading the
/// clock is part of each.
void update_latency(benchmark::State& state) {
  Market market(static_cast<int>(state.range(0)), state.range(1) != 0);
  if (!market.ok()) return state.SkipWithError("the configuration is wrong");
  std::vector<std::int64_t> latencies;
  latencies.reserve(1U << 22U);
  for (auto _ : state) {
    const auto start = std::chrono::steady_clock::now();
    market.update();
    const auto end = std::chrono::steady_clock::now();
    if (latencies.size() < latencies.capacity()) {
      latencies.push_back(
          std::chrono::duration_cast<std::chrono::nanoseconds>(end - start).count());
    }
  }
  std::sort(latencies.begin(), latencies.end());
  const auto at = [&latencies](double share) {
    const auto place = static_cast<std::size_t>(share * static_cast<double>(latencies.size() - 1));
    return static_cast<double>(latencies[place]);
  };
  state.counters["p50_ns"] = at(0.5);
  state.counters["p99_ns"] = at(0.99);
}
BENCHMARK(update_latency)->ArgNames({"assets", "level"})->ArgsProduct({{10, 100, 1000}, {1, 0}});

}  // namespace

BENCHMARK_MAIN();
