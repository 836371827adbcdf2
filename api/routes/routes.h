#pragma once

#include <vector>

#include "api/route.h"

namespace spreadwatch::api {

// The rows of each resource, in the order in which the document lists them.
std::vector<Route> board_routes();
std::vector<Route> health_routes();
std::vector<Route> openapi_routes();
std::vector<Route> venues_routes();
std::vector<Route> feeds_routes();
std::vector<Route> tickers_routes();
std::vector<Route> orderbooks_routes();
std::vector<Route> fx_routes();
std::vector<Route> premiums_routes();
std::vector<Route> spreads_routes();
std::vector<Route> opportunities_routes();
std::vector<Route> profit_routes();
std::vector<Route> stream_routes();

}  // namespace spreadwatch::api
