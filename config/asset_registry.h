#pragma once

#include <array>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "core/venue.h"

namespace spreadwatch::config {

/// Canonical asset → the ticker each venue lists it under, with evidence that they are the same
/// coin.
///
/// Identity is never guessed: a venue's ticker that is not registered is `identity_unproven`.
/// Threads: immutable after loading.
class AssetRegistry {
 public:
  struct Asset {
    std::string name;  ///< canonical ticker
    std::array<std::optional<std::string>, kVenueCount>
        tickers;  ///< by VenueId; nullopt = not proven there
  };

  /// Errors (an asset or a venue's ticker named twice) are the loader's to report; see
  /// config/loader.h.
  void add(Asset asset);

  /// The canonical asset behind a venue's ticker; nullopt when unproven. Ticker upper case.
  std::optional<std::string_view> asset_of(VenueId venue, std::string_view ticker) const;
  /// The ticker a venue lists the asset under; nullopt when unproven.
  std::optional<std::string_view> ticker_of(VenueId venue, std::string_view asset) const;
  bool contains(std::string_view asset) const;
  const std::vector<Asset>& assets() const { return assets_; }

 private:
  std::vector<Asset> assets_;
  std::unordered_map<std::string, std::size_t> by_name_;
  std::array<std::unordered_map<std::string, std::size_t>, kVenueCount> by_ticker_;
};

}  // namespace spreadwatch::config
