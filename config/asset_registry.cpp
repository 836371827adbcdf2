#include "config/asset_registry.h"

#include <cassert>

namespace spreadwatch::config {

void AssetRegistry::add(Asset asset) {
  const std::size_t index = assets_.size();
  [[maybe_unused]] const bool fresh = by_name_.emplace(asset.name, index).second;
  assert(fresh);
  for (std::size_t venue = 0; venue < kVenueCount; ++venue) {
    if (!asset.tickers[venue]) continue;
    [[maybe_unused]] const bool unmapped =
        by_ticker_[venue].emplace(*asset.tickers[venue], index).second;
    assert(unmapped);
  }
  assets_.push_back(std::move(asset));
}

std::optional<std::string_view> AssetRegistry::asset_of(VenueId venue,
                                                        std::string_view ticker) const {
  const auto& tickers = by_ticker_[index_of(venue)];
  const auto found = tickers.find(std::string{ticker});
  if (found == tickers.end()) return std::nullopt;
  return assets_[found->second].name;
}

std::optional<std::string_view> AssetRegistry::ticker_of(VenueId venue,
                                                         std::string_view asset) const {
  const auto found = by_name_.find(std::string{asset});
  if (found == by_name_.end()) return std::nullopt;
  const std::optional<std::string>& ticker = assets_[found->second].tickers[index_of(venue)];
  if (!ticker) return std::nullopt;
  return *ticker;
}

bool AssetRegistry::contains(std::string_view asset) const {
  return by_name_.contains(std::string{asset});
}

}  // namespace spreadwatch::config
