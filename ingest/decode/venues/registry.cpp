#include "ingest/decode/venues/registry.h"

#include <array>

namespace spreadwatch::ingest {
namespace {

// In VenueId order: a venue without a row does not compile.
constexpr std::array kRegistry = std::to_array<RegisteredVenue>({
    {VenueId::kUpbit, make_upbit, kNoWallets},
    {VenueId::kBithumb, make_bithumb, kBithumbWallets},
    {VenueId::kKorbit, make_korbit, kKorbitWallets},
    {VenueId::kCoinone, make_coinone, kCoinoneWallets},
    {VenueId::kOkx, make_okx, kNoWallets},
    {VenueId::kBybit, make_bybit, kNoWallets},
    {VenueId::kGateio, make_gateio, kGateioWallets},
    {VenueId::kBinance, make_binance, kNoWallets},
    {VenueId::kKraken, make_kraken, kNoWallets},
});

static_assert(covers_every_venue(kRegistry), "a venue of core/venue.h has no row in kRegistry");

}  // namespace

const RegisteredVenue& registered(VenueId id) { return kRegistry[index_of(id)]; }

std::unique_ptr<VenueAdapter> make_adapter(VenueId id) { return registered(id).make(); }

}  // namespace spreadwatch::ingest
