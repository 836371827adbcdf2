#pragma once

#include <array>
#include <memory>

#include "core/venue.h"
#include "sim/protocol.h"
#include "sim/venue_model.h"

/// Every simulated venue: a file in sim/venues/, its factory and its row here.
namespace spreadwatch::sim {

std::unique_ptr<VenueProtocol> make_upbit(const VenueContext& context);
std::unique_ptr<VenueProtocol> make_bithumb(const VenueContext& context);
std::unique_ptr<VenueProtocol> make_korbit(const VenueContext& context);
std::unique_ptr<VenueProtocol> make_coinone(const VenueContext& context);
std::unique_ptr<VenueProtocol> make_okx(const VenueContext& context);
std::unique_ptr<VenueProtocol> make_bybit(const VenueContext& context);
std::unique_ptr<VenueProtocol> make_gateio(const VenueContext& context);
std::unique_ptr<VenueProtocol> make_binance(const VenueContext& context);
std::unique_ptr<VenueProtocol> make_kraken(const VenueContext& context);

/// What the simulator has of a venue.
struct SimulatedVenue {
  VenueId id;
  std::unique_ptr<VenueProtocol> (*make)(const VenueContext& context);
  bool tells_wallets;    ///< over a public route
  bool sends_checksums;  ///< with its order books
  VenueModel model;
};

/// In VenueId order: a venue without a row does not compile.
inline constexpr auto kSimulated = std::to_array<SimulatedVenue>({
    {VenueId::kUpbit,
     make_upbit,
     false,
     false,
     {5, 0, 0.45, 27, 30, 0.008, 2e-4, 8'000, 3e-4, 0.50}},
    {VenueId::kBithumb,
     make_bithumb,
     true,
     false,
     {5, 1, 0.45, 13, 15, 0.004, 3e-4, 5'000, 3e-4, 0.25}},
    {VenueId::kKorbit,
     make_korbit,
     true,
     false,
     {15, 2, 0.85, 27, 30, 0.015, 6e-4, 1'500, 4e-4, 0.02}},
    {VenueId::kCoinone,
     make_coinone,
     true,
     false,
     {10, 3, 0.75, 14, 16, 0.008, 6e-4, 1'500, 4e-4, 0.03}},
    {VenueId::kOkx, make_okx, false, false, {5, 4, 0.45, 90, 110, 0.008, 3e-5, 8'000, 1e-4, 0.60}},
    {VenueId::kBybit,
     make_bybit,
     false,
     false,
     {10, 0, 0.80, 55, 70, 0.006, 3e-5, 8'000, 1e-4, 0.60}},
    {VenueId::kGateio,
     make_gateio,
     true,
     false,
     {5, 1, 0.45, 55, 70, 0.008, 1e-4, 4'000, 1.5e-4, 0.30}},
    {VenueId::kBinance,
     make_binance,
     true,
     false,
     {5, 2, 0.50, 60, 80, 0.006, 2e-5, 15'000, 1e-4, 1.50}},
    {VenueId::kKraken,
     make_kraken,
     true,
     true,
     {5, 3, 0.40, 55, 70, 0.010, 8e-5, 6'000, 1.5e-4, 0.20}},
});
static_assert(covers_every_venue(kSimulated), "a venue of core/venue.h has no row in kSimulated");

constexpr const SimulatedVenue& simulated(VenueId id) { return kSimulated[index_of(id)]; }

/// The protocol of the venue the context names; every VenueId has one.
inline std::unique_ptr<VenueProtocol> make_venue(const VenueContext& context) {
  return simulated(context.venue).make(context);
}

}  // namespace spreadwatch::sim
