#include "api/routes/answer.h"
#include "api/routes/routes.h"
#include "core/venue_profile.h"

namespace spreadwatch::api {
namespace {

void append_venue(std::string& out, const config::VenueSettings& venue,
                  const VenueProfile& profile) {
  publish::JsonObject object(out);
  object.add("venue", to_string(venue.id));
  object.add("region", to_string(region_of(venue.id)));
  object.add("quote", venue.quote);
  object.add("taker_fee", venue.taker_fee);
  object.add("fx_taker_fee", venue.fx_taker_fee.value_or(venue.taker_fee));
  object.add("orderbook_depth", profile.offered_depth(venue.orderbook_depth));
  object.add("liveness_ms", to_ms(venue.liveness));
  object.add("protocol", profile.protocol);
  object.add("docs_url", profile.docs_url);
}

Response list_venues(const Context& context, const Request& /*request*/,
                     const Arguments& /*arguments*/, const Route& /*route*/) {
  return list_of("venues", context.venues, context.clock, context.clock.now(),
                 [&context](std::string& out, const config::VenueSettings& venue) {
                   append_venue(out, venue, context.providers.profile(venue.id));
                 });
}

}  // namespace

std::vector<Route> venues_routes() {
  return {
      {.path = "/api/v1/venues",
       .operation = "listVenues",
       .summary = "The watched venues and their fees",
       .schema = "Venues",
       .handler = list_venues},
  };
}

}  // namespace spreadwatch::api
