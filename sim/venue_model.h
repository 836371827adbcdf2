#pragma once

#include <cstddef>
#include <cstdint>

namespace spreadwatch::sim {

/// How a venue's simulated markets behave. Periods follow the rhythm each venue shows on the wire;
/// a slot is the market's smallest step of time.
struct VenueModel {
  std::int64_t period;    ///< slots between publish instants
  std::int64_t phase;     ///< slots
  double activity;        ///< chance that a book changes at an instant
  std::size_t min_depth;  ///< levels a side
  std::size_t max_depth;
  double span;         ///< fraction of the price the levels of one side cover
  double half_spread;  ///< fraction of the price
  double notional;     ///< median USD on one level
  double noise;        ///< deviation of the venue's own price wobble
  double volume;       ///< share of the asset's volume
};

}  // namespace spreadwatch::sim
