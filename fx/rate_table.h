#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

#include "config/settings.h"
#include "core/market_data.h"
#include "core/rate.h"
#include "core/time.h"
#include "core/venue.h"

namespace spreadwatch::fx {

/// The top of a venue's FX book, and why it must not be used.
struct FxQuote {
  double bid = 0;
  double ask = 0;
  Timestamp updated{};  ///< the book's last update
  Reasons unusable;     ///< empty = synced, fresh, uncrossed, two-sided
};

/// Computes the rates. It fails closed: what is missing, too old or in disagreement makes the rate
/// unavailable with the reason; no constant and no earlier value ever stands in.
///
/// USDT/KRW: the Korean venues' own books, those that are usable and at most `max_age` old
/// ("judged"). While the one farthest from the median of all is more than `max_deviation` off it,
/// that one is out; two that disagree by more than that, of their mean, are both out. Of equally
/// far ones the first in the configuration's order goes. Bid, ask and mid are the medians over the
/// remaining sources. Unavailable as `fx_disagree` when not more than half of the judged remain,
/// else as `fx_quorum` when fewer than `quorum` remain or none was judged, with `fx_stale` beside
/// it when a source is missing for being old or silent. USDT/USD: the book of the one venue that
/// tells it (VenueIdentity::fx_quote); `fx_stale` when it is old or silent, else `fx_unavailable`.
/// USD/KRW: the median of the bank sources that are fresh, judged by the same rule; one alone
/// counts, whatever the quorum. `fx_stale` when all that answered are old, `fx_unavailable` when
/// none answered, `fx_disagree` when not more than half of the judged remain or the median is more
/// than 20 % off USDT/KRW ÷ USDT/USD while those are usable. A source whose book is not usable
/// shows no numbers; an old one or an outlier shows its own. Threads: one at a time; pure, time is
/// passed in.
class RateTable {
 public:
  /// `krw_venues` in the order of `sources`.
  RateTable(const config::FxSettings& settings, std::vector<VenueId> krw_venues);

  /// The state of a venue's FX book (its USDT market in VenueIdentity::fx_quote).
  void set_quote(VenueId venue, const FxQuote& quote);
  /// Ignored unless the source is configured and the rate is possible.
  void set_bank(const BankQuote& quote);

  /// Computes all rates as of `now`. Returns which differ in more than an age from before.
  std::array<bool, kCurrencyPairCount> evaluate(Timestamp now);

  /// As of the last evaluate(), with ages of then.
  const Rate& rate(CurrencyPair pair) const { return rates_[static_cast<std::size_t>(pair)]; }
  /// When evaluate() was last called.
  Timestamp evaluated() const { return evaluated_; }
  /// The update that is the rate's age; nullopt while it is unavailable.
  std::optional<Timestamp> updated(CurrencyPair pair) const;

  /// When the next source becomes too old; nullopt when none will.
  std::optional<Timestamp> next_expiry(Timestamp now) const;

  /// Whether the last evaluate() left the venue's book out for being too far from the others.
  bool is_outlier(VenueId venue) const { return was_outlier_[index_of(venue)]; }
  /// Times a venue's book became an outlier since the start.
  std::uint64_t outliers(VenueId venue) const { return outliers_[index_of(venue)]; }

 private:
  void consensus(Timestamp now, Rate& rate);
  void usdt_usd(Timestamp now, Rate& rate) const;
  void bank(Timestamp now, const Rate& usdt_krw, const Rate& usdt_usd, Rate& rate);
  void exclude_outliers(std::vector<RateSource>& sources);
  double median_of_kept(const std::vector<RateSource>& sources);

  const config::FxSettings settings_;
  const std::vector<VenueId> krw_venues_;
  std::array<std::optional<FxQuote>, kVenueCount> quotes_;
  std::array<bool, kVenueCount> was_outlier_{};
  std::array<std::uint64_t, kVenueCount> outliers_{};
  std::vector<std::optional<BankQuote>> bank_quotes_;  // by place in settings_.bank
  std::array<Rate, kCurrencyPairCount> rates_;
  std::array<Rate, kCurrencyPairCount> scratch_;
  Timestamp evaluated_{};
  // Of the rate being judged: positions of its sources that remain, and their numbers.
  std::vector<std::size_t> kept_;
  std::vector<double> values_;
};

/// The median, the mean of the two in the middle when there is an even number. Reorders `values`.
/// REQUIRES: not empty.
double median(std::span<double> values);

}  // namespace spreadwatch::fx
