#pragma once

#include <memory>

#include "sim/protocol.h"

/// Every simulated venue: one factory and one file in sim/venues/ each.
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

/// The protocol of the venue the context names.
inline std::unique_ptr<VenueProtocol> make_venue(const VenueContext& context) {
  switch (context.venue) {
    case VenueId::kUpbit:
      return make_upbit(context);
    case VenueId::kBithumb:
      return make_bithumb(context);
    case VenueId::kKorbit:
      return make_korbit(context);
    case VenueId::kCoinone:
      return make_coinone(context);
    case VenueId::kOkx:
      return make_okx(context);
    case VenueId::kBybit:
      return make_bybit(context);
    case VenueId::kGateio:
      return make_gateio(context);
    case VenueId::kBinance:
      return make_binance(context);
    case VenueId::kKraken:
      return make_kraken(context);
  }
  return nullptr;
}

}  // namespace spreadwatch::sim
