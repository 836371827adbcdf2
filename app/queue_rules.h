#pragma once

#include <cstddef>
#include <string>

#include "core/conflating_queue.h"
#include "core/event.h"
#include "core/market_data.h"

namespace spreadwatch::app {

/// What of the first seam makes up for what: a ticker and a whole order book for the one before of
/// the same market. All else changes a state and stays; a book that is not synced and a market's
/// status part the market's books. Threads: any.
struct MarketRules {
  static bool keep(const MarketEvent& event);
  static std::string key(const MarketEvent& event);
  static std::size_t bytes(const MarketEvent& event);
  static void merge(MarketEvent& /*newer*/, const MarketEvent& /*older*/) {}
};

/// The same of the second seam, where premiums and pair rows are replaceable as well. A premium
/// that takes another's place has the first, high and low value of both. Threads: any.
struct EventRules {
  static bool keep(const Event& event);
  static std::string key(const Event& event);
  static std::size_t bytes(const Event& event);
  static void merge(Event& newer, const Event& older);
};

using MarketQueue = ConflatingQueue<MarketEvent, MarketRules>;
using EventQueue = ConflatingQueue<Event, EventRules>;

/// How much may wait before a stage. What waits with the reader idle for as long as it takes for
/// the rest of a frame is not behind.
template <class Queue>
constexpr typename Queue::Bounds queue_bounds() {
  constexpr std::size_t kMebibyte = 1024UL * 1024UL;
  return {.replaceable = {.values = 16'384, .bytes = 128 * kMebibyte},
          .kept = {.values = 65'536, .bytes = 64 * kMebibyte},
          .behind = 256};
}
/// How many values a stage takes at a time: what still waits can be replaced.
inline constexpr std::size_t kBatch = 256;

}  // namespace spreadwatch::app
