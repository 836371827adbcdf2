#include "ingest/live/wanted_instruments.h"

#include <set>
#include <string>
#include <string_view>

namespace spreadwatch::ingest {

std::optional<Instrument> fx_market(VenueId venue) {
  const std::string_view quote = identity(venue).fx_quote;
  if (quote.empty()) return std::nullopt;
  return Instrument{"USDT", std::string{quote}};
}

std::vector<VenueInstruments> wanted_instruments(const config::Settings& settings,
                                                 const config::AssetRegistry& registry) {
  std::vector<VenueInstruments> out;
  for (const config::VenueSettings& venue : settings.venues) {
    std::set<Instrument> wanted;
    if (const auto fx = fx_market(venue.id)) wanted.insert(*fx);
    for (const std::string& asset : settings.assets) {
      const auto ticker = registry.ticker_of(venue.id, asset);
      // The same letters may be another coin there: then there is nothing to watch under this name.
      if (!ticker && registry.asset_of(venue.id, asset)) continue;
      const Instrument instrument{ticker ? std::string{*ticker} : asset, venue.quote};
      if (instrument.base != instrument.quote) wanted.insert(instrument);
    }
    out.push_back({venue.id, {wanted.begin(), wanted.end()}});
  }
  return out;
}

}  // namespace spreadwatch::ingest
