#pragma once

#include <optional>
#include <vector>

#include "config/asset_registry.h"
#include "config/settings.h"
#include "core/market_data.h"

namespace spreadwatch::ingest {

/// The market in which a venue's quote currency is exchanged for USDT, or USDT for US dollars;
/// nullopt where it has none.
std::optional<Instrument> fx_market(VenueId venue);

/// What is wanted of one venue, by its own tickers in canonical spelling.
struct VenueInstruments {
  VenueId venue{};
  std::vector<Instrument> instruments;
};

/// The markets that the settings ask for: every asset under the venue's registered ticker (under
/// its own name where the registry proves nothing) in the venue's quote currency, and the FX market
/// of each venue that has one (USDT-KRW in Korea, USDT-USD at Kraken). With `settings.all_assets`
/// only the FX markets: LiveFeeds adds the rest from the market lists.
std::vector<VenueInstruments> wanted_instruments(const config::Settings& settings,
                                                 const config::AssetRegistry& registry);

}  // namespace spreadwatch::ingest
