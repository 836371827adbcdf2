#include "sim/venues.h"

#include <array>
#include <cstddef>

namespace spreadwatch::sim {
namespace {

struct SimulatedVenue {
  VenueId id;
  std::unique_ptr<VenueProtocol> (*make)(const VenueContext& context);
};

// In VenueId order: a venue without a row does not compile.
constexpr std::array kSimulated = std::to_array<SimulatedVenue>({
    {VenueId::kUpbit, make_upbit},
    {VenueId::kBithumb, make_bithumb},
    {VenueId::kKorbit, make_korbit},
    {VenueId::kCoinone, make_coinone},
    {VenueId::kOkx, make_okx},
    {VenueId::kBybit, make_bybit},
    {VenueId::kGateio, make_gateio},
    {VenueId::kBinance, make_binance},
    {VenueId::kKraken, make_kraken},
});

static_assert(covers_every_venue(kSimulated), "a venue of core/venue.h has no row in kSimulated");

}  // namespace

std::unique_ptr<VenueProtocol> make_venue(const VenueContext& context) {
  return kSimulated[index_of(context.venue)].make(context);
}

}  // namespace spreadwatch::sim
