#pragma once

#include <array>
#include <bitset>
#include <optional>
#include <span>

#include "core/event.h"
#include "core/money.h"
#include "core/reason.h"
#include "core/time.h"
#include "core/venue.h"
#include "fx/converter.h"
#include "spread/market_view.h"

namespace spreadwatch::spread {

/// The largest ratio of two converted prices that is believed to be of one coin.
inline constexpr Real kMaxPriceRatio = 1.5L;
/// Whether two prices of one asset, in one currency, are too far apart for that.
template <class Currency>
constexpr bool is_quarantined(Money<Currency> a, Money<Currency> b) {
  return a > b * kMaxPriceRatio || b > a * kMaxPriceRatio;
}

using VenueSet = std::bitset<kVenueCount>;

/// What a region pays for an asset: medians over its usable venues.
struct RegionPrice {
  std::optional<UsdtAmount> usdt;  ///< each venue converted at the rate's mid; a double's value
  std::optional<QuoteAmount> krw;  ///< of the venues that quote in KRW, unconverted; likewise
  VenueSet venues;                 ///< behind `usdt`
  VenueSet krw_venues;             ///< behind `krw`
  Reasons reasons;                 ///< why venues are missing
  std::optional<Timestamp> fx_updated;  ///< the oldest rate behind `usdt`
  CurrencyPairSet fx_rates;             ///< those rates
};

/// Prices of one asset by region. `markets` are the asset's markets, at most one a venue. A venue
/// whose price is too far from those of more than half of the other venues is left out (both, when
/// there are only two). Threads: as DepthCurve; pure otherwise.
std::array<RegionPrice, 3> region_prices(std::span<const Market* const> markets,
                                         const fx::Converter& converter);

/// A premium, or why there is none.
struct PremiumValue {
  std::optional<double> premium;
  Reasons reasons;
  std::optional<double> price;
  std::optional<double> over_price;
  VenueSet venues;
  VenueSet over_venues;
  std::optional<Timestamp> fx_updated;  ///< the oldest rate in it
  CurrencyPairSet fx_rates;             ///< the rates in it
  std::optional<bool> bases_disagree;   ///< see PremiumEvent

  /// Equal but for the age of the rates.
  bool same_value(const PremiumValue& o) const {
    return premium == o.premium && reasons == o.reasons && price == o.price &&
           over_price == o.over_price && venues == o.venues && over_venues == o.over_venues &&
           bases_disagree == o.bases_disagree;
  }
};

/// The premium of `region` over `over` (nullopt = the banks, for kUsdtPremium) from region prices.
PremiumValue premium_of(const std::array<RegionPrice, 3>& prices, Region region,
                        std::optional<Region> over, Basis basis, const fx::Converter& converter);

}  // namespace spreadwatch::spread
