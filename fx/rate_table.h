#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "config/settings.h"
#include "core/market_data.h"
#include "core/time.h"
#include "core/venue.h"
#include "fx/rate.h"

namespace spreadwatch::fx {

/// The top of a venue's FX book, and why it must not be used.
struct FxQuote {
  double bid = 0;
  double ask = 0;
  Timestamp updated{};  ///< the book's last update
  Reasons unusable;     ///< empty = synced, fresh, uncrossed, two-sided
};

/// Computes the rates. This is the only place where a currency becomes another.
///
/// USDT/KRW: medians over the Korean venues' own books after outliers are out; see the documentation for the
/// exact rule. USDT/USD: Kraken's book. USD/KRW: the median of the fresh bank sources. It fails closed: what is
/// missing, too old or in disagreement makes the rate unavailable with the reason.
/// Threads: one at a time; pure, time is passed in.
class RateTable {
 public:
  RateTable(const config::FxSettings& settings, std::vector<VenueId> krw_venues);

  /// The state of a venue's FX book (KRW-USDT in Korea, USDT-USD at Kraken).
  void set_quote(VenueId venue, const FxQuote& quote);
  void set_bank(const BankQuote& quote);

  /// Computes all rates as of `now`. Returns which differ in more than an age from before.
  std::array<bool, kPairCount> evaluate(Timestamp now);

  /// As of the last evaluate(), with ages of then.
  const Rate& rate(Pair pair) const { return rates_[static_cast<std::size_t>(pair)]; }

  /// When the next source becomes too old; nullopt when none will.
  std::optional<Timestamp> next_expiry(Timestamp now) const;

  /// Sources put out as outliers since the start, per venue.
  std::uint64_t outliers(VenueId venue) const { return outliers_[index_of(venue)]; }

 private:
  Rate consensus(Timestamp now);
  Rate usdt_usd(Timestamp now) const;
  Rate bank(Timestamp now) const;

  const config::FxSettings settings_;
  const std::vector<VenueId> krw_venues_;
  std::array<std::optional<FxQuote>, kVenueCount> quotes_;
  std::array<bool, kVenueCount> was_outlier_{};
  std::array<std::uint64_t, kVenueCount> outliers_{};
  std::map<std::string, BankQuote> bank_quotes_;
  std::array<Rate, kPairCount> rates_;
};

/// The median of a list, the mean of the two in the middle when it is even. REQUIRES: not empty.
double median(std::vector<double> values);

}  // namespace spreadwatch::fx
