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

static_assert(kSimulated.size() == kVenueCount, "a venue of core/venue.h has no row, or two");
static_assert(
    [] {
      for (std::size_t i = 0; i < kSimulated.size(); ++i) {
        if (index_of(kSimulated[i].id) != i) return false;
      }
      return true;
    }(),
    "the rows are in the order of core/venue.h");

}  // namespace

std::unique_ptr<VenueProtocol> make_venue(const VenueContext& context) {
  return kSimulated[index_of(context.venue)].make(context);
}

}  // namespace spreadwatch::sim
