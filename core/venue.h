#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string_view>

namespace spreadwatch {

/// A group of venues whose prices are compared with another group's.
enum class Region : std::uint8_t { kKorea, kAsia, kEurope };

inline constexpr std::array<std::string_view, 3> kRegionNames = {"korea", "asia", "europe"};
inline constexpr std::array<Region, 3> kRegions = {Region::kKorea, Region::kAsia, Region::kEurope};

constexpr std::string_view to_string(Region region) {
  return kRegionNames[static_cast<std::size_t>(region)];
}

/// An exchange. The order is the order of regions and, inside a region, the default Kafka
/// partition.
enum class VenueId : std::uint8_t {
  kUpbit,
  kBithumb,
  kKorbit,
  kCoinone,
  kOkx,
  kBybit,
  kGateio,
  kBinance,
  kKraken,
};

/// What is fixed about a venue wherever it is mentioned.
struct VenueIdentity {
  VenueId id;
  std::string_view name;  ///< as in records, topics, configuration
  Region region;
  std::string_view default_quote;  ///< the currency its assets are watched in
};

/// Every registered venue, in VenueId order. A tenth venue is a line here and an adapter file.
inline constexpr std::array<VenueIdentity, 9> kVenues = {{
    {VenueId::kUpbit, "upbit", Region::kKorea, "KRW"},
    {VenueId::kBithumb, "bithumb", Region::kKorea, "KRW"},
    {VenueId::kKorbit, "korbit", Region::kKorea, "KRW"},
    {VenueId::kCoinone, "coinone", Region::kKorea, "KRW"},
    {VenueId::kOkx, "okx", Region::kAsia, "USDT"},
    {VenueId::kBybit, "bybit", Region::kAsia, "USDT"},
    {VenueId::kGateio, "gateio", Region::kAsia, "USDT"},
    {VenueId::kBinance, "binance", Region::kEurope, "USDT"},
    {VenueId::kKraken, "kraken", Region::kEurope, "USD"},
}};
inline constexpr std::size_t kVenueCount = kVenues.size();

constexpr std::size_t index_of(VenueId id) { return static_cast<std::size_t>(id); }
constexpr const VenueIdentity& identity(VenueId id) { return kVenues[index_of(id)]; }
constexpr std::string_view to_string(VenueId id) { return identity(id).name; }
constexpr Region region_of(VenueId id) { return identity(id).region; }

/// The venue of that name, or nothing.
constexpr std::optional<VenueId> venue_from_name(std::string_view name) {
  for (const VenueIdentity& v : kVenues) {
    if (v.name == name) return v.id;
  }
  return std::nullopt;
}

}  // namespace spreadwatch
