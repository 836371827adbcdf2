#pragma once

#include <cstdint>
#include <optional>

#include "core/depth_curve.h"
#include "core/instrument.h"
#include "core/money.h"
#include "core/reason.h"
#include "core/time.h"
#include "core/venue.h"

namespace spreadwatch {

/// An event can be received a little after the moment it is handled at; that is no negative age.
inline std::optional<microseconds> age_of(const std::optional<Timestamp>& updated, Timestamp now) {
  if (!updated) return std::nullopt;
  return now > *updated ? now - *updated : microseconds{0};
}

/// The book of one market of one venue, ready for walking, and whether it may be used, as
/// MarketFreshness judges it. A copy is a value: it stays as it was. Threads: as DepthCurve.
struct MarketBook {
  VenueId venue{};
  Instrument instrument;
  DepthCurve bids;  ///< both empty unless the book is synced
  DepthCurve asks;
  Reasons unusable{Reason::kBookNotSynced};  ///< why no number may come from it now; empty = usable
  std::uint32_t connection = 0;
  std::optional<Timestamp> updated;  ///< last update of the book, receive time
  Reasons not_synced{
      Reason::kBookNotSynced};  ///< why the book itself is not believed; empty = synced
  /// How much later the last update could still have been taken; below 0 = it came too late.
  microseconds time_left{0};

  bool usable() const { return unusable.empty(); }
  /// REQUIRES: usable.
  QuoteAmount mid() const { return (bids.top() + asks.top()) / 2; }
};

}  // namespace spreadwatch
