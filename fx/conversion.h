#pragma once

#include <cstddef>
#include <optional>

#include "core/depth_curve.h"
#include "core/money.h"
#include "core/reason.h"
#include "core/time.h"

/// Where an amount of one currency becomes one of another: nothing outside of fx makes the one out
/// of the other. No fee is in it: who pays it knows of what it is taken.
namespace spreadwatch::fx {

/// What `amount` comes to along one side of a book whose asset is USDT; nullopt beyond its depth.
inline std::optional<UsdtAmount> to_usdt(const DepthCurve& usdt_book, QuoteAmount amount) {
  const std::optional<Real> usdt = usdt_book.quantity_of(amount);
  return usdt ? std::optional{UsdtAmount{*usdt}} : std::nullopt;
}

/// The inverse of to_usdt().
inline std::optional<QuoteAmount> from_usdt(const DepthCurve& usdt_book, UsdtAmount amount) {
  return usdt_book.amount_of(amount.value());
}

/// to_usdt() of an amount that is known to end in the level `step`, or at the end of the book.
/// REQUIRES: as DepthCurve::before().
inline UsdtAmount to_usdt_in_level(const DepthCurve& usdt_book, std::size_t step,
                                   QuoteAmount amount) {
  const DepthCurve::Step better = usdt_book.before(step);
  // Past the last level nothing is left to be converted.
  const Real inverse = usdt_book.has(step) ? usdt_book[step].inverse : 0;
  return UsdtAmount{better.quantity + (amount - better.amount).value() * inverse};
}

/// A price at one level's price. Rounds as to_usdt_in_level() does.
inline UsdtAmount to_usdt_at(const DepthCurve::Step& level, QuoteAmount price) {
  return UsdtAmount{level.quantity_for(price)};
}

/// A price at the best price. REQUIRES: not empty.
inline UsdtAmount to_usdt_at_top(const DepthCurve& usdt_book, QuoteAmount price) {
  return UsdtAmount{price / usdt_book.top()};
}

/// How the quote currency of one venue becomes USDT and comes out of it there. The curves live as
/// long as the converter that gave it.
struct VenueConversion {
  bool available = false;     ///< else nothing below but the reasons counts
  bool at_consensus = false;  ///< since the venue's own book is not usable
  Reasons reasons;            ///< what is wrong with the rate, also of one that is available
  const DepthCurve* usdt_bids = nullptr;  ///< USDT is sold here to pay in the quote currency
  const DepthCurve* usdt_asks = nullptr;  ///< USDT is bought here with what was received
  Real fee = 0;                           ///< the taker's, a fraction; 0 when nothing is converted
  QuoteAmount mid;                        ///< of one USDT
  std::optional<Timestamp> updated;  ///< of the book or of the consensus; nullopt for USDT itself

  /// REQUIRES: available.
  UsdtAmount to_usdt_at_mid(QuoteAmount amount) const { return UsdtAmount{amount / mid}; }
  /// The same in kind: prices may differ.
  bool same_terms(const VenueConversion& o) const {
    return available == o.available && at_consensus == o.at_consensus && reasons == o.reasons &&
           usdt_bids == o.usdt_bids;
  }
};

}  // namespace spreadwatch::fx
