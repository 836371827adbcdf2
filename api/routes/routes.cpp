#include "api/routes/routes.h"

#include <utility>

namespace spreadwatch::api {

std::span<const Route> routes() {
  static const std::vector<Route> kRoutes = [] {
    std::vector<Route> all;
    for (const auto rows : {
             board_routes,
             health_routes,
             openapi_routes,
             venues_routes,
             feeds_routes,
             tickers_routes,
             orderbooks_routes,
             fx_routes,
             premiums_routes,
             spreads_routes,
             opportunities_routes,
             profit_routes,
             stream_routes,
         }) {
      for (Route& route : rows()) all.push_back(std::move(route));
    }
    return all;
  }();
  return kRoutes;
}

}  // namespace spreadwatch::api
