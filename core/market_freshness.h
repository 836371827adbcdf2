#pragma once

#include <array>
#include <cstdint>
#include <map>

#include "core/market_book.h"
#include "core/market_data.h"
#include "core/time.h"
#include "core/venue.h"

namespace spreadwatch {

/// The rule by which a number may come from a market's book: it is synced, two-sided, uncrossed and
/// fresh. One rule for the markets that are compared and for those that tell a rate.
///
/// A book is fresh while its connection is alive (a book, a ticker or a ConnectionStatus of it
/// within the venue's liveness), its own last update is younger than `max_quiet`, and that update
/// was not more than `max_delay` late when it was taken: on its way (OrderBook::excess_delay) and
/// in queues since it was received, together. A book polled over REST (kPolledConnection) is fresh
/// until the venue's liveness has passed since its last poll, and while its own last change is
/// younger than `max_quiet`; in queues it may have been for `max_delay` as well.
/// Threads: one at a time; time is passed in.
class MarketFreshness {
 public:
  struct Limits {
    std::array<milliseconds, kVenueCount> liveness{};  ///< by venue
    milliseconds max_quiet{0};
    milliseconds max_delay{0};
  };

  explicit MarketFreshness(const Limits& limits) : limits_(limits) {}

  /// Takes what a book says into `market`, which is its; to be judged afterwards. False when it
  /// says nothing: a stream that has nothing to show, while the market is polled meanwhile.
  bool update(const OrderBook& book, Timestamp now, MarketBook& market) const;
  /// A connection said something or went away. False when no book of it can have changed its state;
  /// else those are to be judged.
  bool update(const ConnectionStatus& status, Timestamp now);
  /// Sets `unusable`; true when it changed.
  bool judge(MarketBook& market, Timestamp now) const;
  /// The first moment at which a usable market is stale when nothing more is heard of it.
  Timestamp fresh_until(const MarketBook& market) const;

 private:
  Timestamp alive_until(VenueId venue, std::uint32_t connection) const;

  const Limits limits_;
  // When a connection last said something, as long as it is there.
  std::array<std::map<std::uint32_t, Timestamp>, kVenueCount> alive_;
};

}  // namespace spreadwatch
