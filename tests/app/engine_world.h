#pragma once

#include <doctest/doctest.h>

#include <array>
#include <atomic>
#include <cstdint>
#include <future>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "app/engine_loop.h"
#include "metrics/registry.h"

namespace spreadwatch::app::test {

inline constexpr Timestamp kNow = timestamp_from_ms(1'700'000'000'000);

/// Stands until it is set. Threads: any.
class SetClock final : public Clock {
 public:
  Timestamp now() const override { return timestamp_from_us(us_); }
  void pass(microseconds time) { us_ += time.count(); }

 private:
  std::atomic<std::int64_t> us_{to_us(kNow)};
};

/// An engine loop over a small configuration, with what comes out of it.

struct World {
  explicit World(MarketQueue::Bounds bounds = queue_bounds<MarketQueue>(),
                 config::Loaded configuration = {})
      : loaded(std::move(configuration)),
        loop(loaded,
             {.out =
                  [this](Event event) {
                    const std::lock_guard lock(mutex);
                    out.push_back(std::move(event));
                  },
              .after_batch = [](const spread::Engine&, bool) {},
              .bounds = bounds},
             clock, metrics, 0, drain) {}
  ~World() { loop.stop(); }

  std::string value(const std::string& series) const {
    const std::string text = registry.text();
    const std::size_t at = text.find("\n" + series + " ");
    if (at == std::string::npos) return "";
    const std::size_t from = at + series.size() + 2;
    return text.substr(from, text.find('\n', from) - from);
  }
  /// The books that came out, by sequence; 0 for one that is not synced.
  std::vector<std::int64_t> books() {
    const std::lock_guard lock(mutex);
    std::vector<std::int64_t> all;
    for (const Event& event : out) {
      if (const auto* book = std::get_if<OrderBook>(&event)) {
        all.push_back(book->synced() ? book->sequence.value_or(-1) : 0);
      }
    }
    return all;
  }

  config::Loaded loaded;
  SetClock clock;
  metrics::Registry registry{clock};
  metrics::QueueMetrics metrics{registry, std::array<std::string_view, 1>{"spread"}};
  DrainDeadline drain;
  std::mutex mutex;
  std::vector<Event> out;  // guarded by mutex
  EngineLoop loop;
};

/// Has the engine stand until it is told to go on, or this goes.
class Hold {
 public:
  explicit Hold(EngineLoop& loop) {
    const auto entered = std::make_shared<std::promise<void>>();
    CHECK(loop.post([entered, go = go_.get_future().share()](spread::Engine&, Timestamp) {
      entered->set_value();
      go.wait();
    }));
    entered->get_future().wait();
  }
  ~Hold() { release(); }
  Hold(const Hold&) = delete;
  Hold& operator=(const Hold&) = delete;

  void release() {
    if (!std::exchange(released_, true)) go_.set_value();
  }

 private:
  std::promise<void> go_;
  bool released_ = false;
};

inline OrderBook book(std::string base, std::int64_t sequence, FeedState state = FeedState::kSynced,
                      VenueId venue = VenueId::kOkx) {
  OrderBook b;
  b.venue = venue;
  b.instrument = {std::move(base), "USDT"};
  b.state = state;
  b.sequence = sequence;
  b.receive_time = kNow;
  if (state == FeedState::kSynced) {
    b.bids = {{Decimal{100, 0}, Decimal{1, 0}}};
    b.asks = {{Decimal{101, 0}, Decimal{1, 0}}};
  }
  return b;
}

}  // namespace spreadwatch::app::test
