#pragma once

#include <string_view>
#include <vector>

#include "core/venue.h"

namespace spreadwatch::api {

// Of any script: see is_asset().
inline constexpr std::string_view kMarketPattern =
    "^[$.0-9A-Za-z\u00a1-\U0010ffff]{1,20}-[$.0-9A-Za-z\u00a1-\U0010ffff]{1,20}$";
inline constexpr std::string_view kAssetPattern = "^[$.0-9A-Za-z\u00a1-\U0010ffff]{1,20}$";
inline constexpr std::string_view kDepthPattern = "^[1-9][0-9]{0,3}$";
inline constexpr std::string_view kAmountPattern = "^[0-9]{1,9}([.][0-9]{1,8})?$";

/// The names of all venues there can be.
inline std::vector<std::string_view> venue_names() {
  std::vector<std::string_view> names;
  names.reserve(kVenues.size());
  for (const VenueIdentity& v : kVenues) names.push_back(v.name);
  return names;
}

/// The parts between the separators; always one at least.
inline std::vector<std::string_view> split_text(std::string_view text, char separator) {
  std::vector<std::string_view> parts;
  for (;;) {
    const std::size_t at = text.find(separator);
    parts.push_back(text.substr(0, at));
    if (at == std::string_view::npos) return parts;
    text.remove_prefix(at + 1);
  }
}

}  // namespace spreadwatch::api
