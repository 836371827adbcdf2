#pragma once

#include <string>
#include <vector>

#include "core/venue.h"

namespace spreadwatch::fuzz {

/// An input for the fuzz target of that name to start from.
struct Seed {
  std::string target;  ///< "fuzz_upbit"
  std::string name;    ///< of its file
  std::string content;
};

/// What the simulator says as a venue: subscriptions at every depth, both channels, REST answers,
/// refusals, and every fault that touches frames; and the documentation's samples.
std::vector<Seed> venue_seeds(VenueId venue);

/// Of all targets, venues included.
std::vector<Seed> all_seeds();

}  // namespace spreadwatch::fuzz
