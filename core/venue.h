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
  /// Of its spot market for an account without discounts, a fraction of the quote amount. Read on
  /// 2026-11-24 from the venue's fee page; a promotion counts only where every account has it. What
  /// an account really pays is `venues.<venue>.taker_fee`.
  double taker_fee;
  /// The currency in which its USDT market tells a rate; empty = none of its markets does.
  std::string_view fx_quote;
};

/// Every registered venue, in VenueId order.
inline constexpr auto kVenues = std::to_array<VenueIdentity>({
    {VenueId::kUpbit, "upbit", Region::kKorea, "KRW", 0.0005, "KRW"},
    // 0.0004 with the free 30-day coupon, which has to be registered
    {VenueId::kBithumb, "bithumb", Region::kKorea, "KRW", 0.0025, "KRW"},
    // 0 for everyone from 2026-08-24 for one year; 0.002 before and after
    {VenueId::kKorbit, "korbit", Region::kKorea, "KRW", 0.0, "KRW"},
    {VenueId::kCoinone, "coinone", Region::kKorea, "KRW", 0.0002, "KRW"},
    {VenueId::kOkx, "okx", Region::kAsia, "USDT", 0.001, ""},
    {VenueId::kBybit, "bybit", Region::kAsia, "USDT", 0.001, ""},
    {VenueId::kGateio, "gateio", Region::kAsia, "USDT", 0.001, ""},
    {VenueId::kBinance, "binance", Region::kEurope, "USDT", 0.001, ""},
    {VenueId::kKraken, "kraken", Region::kEurope, "USD", 0.004, "USD"},
});
inline constexpr std::size_t kVenueCount = kVenues.size();

constexpr std::size_t index_of(VenueId id) { return static_cast<std::size_t>(id); }
constexpr const VenueIdentity& identity(VenueId id) { return kVenues[index_of(id)]; }
constexpr std::string_view to_string(VenueId id) { return identity(id).name; }
constexpr Region region_of(VenueId id) { return identity(id).region; }

/// Whether a table has one row (a struct with the venue as `id` or `venue`) for each venue, in
/// VenueId order. For the static_assert that makes a table without the newest venue not compile.
template <class Table>
constexpr bool covers_every_venue(const Table& table) {
  if (table.size() != kVenueCount) return false;
  std::size_t at = 0;
  for (const auto& row : table) {
    VenueId id{};
    if constexpr (requires { row.venue; }) {
      id = row.venue;
    } else {
      id = row.id;
    }
    if (index_of(id) != at++) return false;
  }
  return true;
}
static_assert(covers_every_venue(kVenues), "the rows are in the order of VenueId");

/// The venue of that name, or nothing.
constexpr std::optional<VenueId> venue_from_name(std::string_view name) {
  for (const VenueIdentity& v : kVenues) {
    if (v.name == name) return v.id;
  }
  return std::nullopt;
}

}  // namespace spreadwatch
