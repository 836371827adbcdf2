#pragma once

#include <optional>
#include <span>
#include <vector>

#include "core/venue.h"
#include "fx/rate_table.h"
#include "spread/event.h"
#include "spread/market_view.h"

namespace spreadwatch::spread {

/// What a region pays for an asset: medians over its usable venues.
struct RegionPrice {
  std::optional<double> usdt;   ///< in USDT, each venue converted at the rate's mid
  std::optional<double> krw;    ///< of the venues that quote in KRW, unconverted
  std::vector<VenueId> venues;      ///< behind `usdt`
  std::vector<VenueId> krw_venues;  ///< behind `krw`
  Reasons reasons;              ///< why venues are missing
  std::optional<microseconds> fx_age;
};

/// Prices of one asset by region. `markets` are the asset's markets; venues without one do not count. A venue
/// whose converted price is more than 1.5 times off the median of all is quarantined.
/// Threads: any; pure.
std::array<RegionPrice, 3> region_prices(std::span<const Market* const> markets,
                                         const fx::RateTable& rates);

/// The premium of `region` over `over` (nullopt = the banks, for kUsdtPremium) from region prices. Sets everything
/// but asset, time and the extremes of the period. Threads: any; pure.
PremiumEvent premium_of(const std::array<RegionPrice, 3>& prices, Region region,
                        std::optional<Region> over, Basis basis, const fx::RateTable& rates);

/// The largest ratio of two converted prices that is believed to be of one coin.
inline constexpr double kMaxPriceRatio = 1.5;

}  // namespace spreadwatch::spread
