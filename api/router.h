#pragma once

#include <span>
#include <vector>

#include "api/providers.h"
#include "api/route.h"
#include "api/store.h"
#include "config/settings.h"
#include "core/time.h"

namespace spreadwatch::api {

/// From requests to answers, without a network: finds the route, checks the request against its
/// row and hands it over.
/// Threads: any.
class Router {
 public:
  /// As Server's constructor; `table` outlives the router.
  Router(std::vector<config::VenueSettings> venues, const Store& store, const Clock& clock,
         Providers providers, std::span<const Route> table = routes());

  Response answer(const Request& request) const;

 private:
  const Context context_;
  const std::span<const Route> table_;
};

}  // namespace spreadwatch::api
