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

/// The protocol of the venue the context names; every VenueId has one.
std::unique_ptr<VenueProtocol> make_venue(const VenueContext& context);

}  // namespace spreadwatch::sim
