#pragma once

#include <functional>
#include <string>
#include <vector>

#include "ingest/live_feeds.h"

namespace spreadwatch::api {

/// What `/readyz` answers. Ready means: no reasons.
struct Readiness {
  std::vector<std::string> reasons;  ///< why the service cannot do its job, e.g. `venue_down:upbit`
  std::vector<std::string>
      notices;  ///< what a reader should know although it works, e.g. `broker_embedded`
};

/// What the server asks at the time of a request. Each is called on a server thread and must be
/// thread-safe, must not wait for the server, and may be left empty (then there is nothing of its
/// kind).
struct Providers {
  std::function<Readiness()> readiness;
  std::function<std::vector<ingest::FeedStatus>()> feeds;
};

}  // namespace spreadwatch::api
