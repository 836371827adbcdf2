#include "core/venue_profile.h"

namespace spreadwatch {

int VenueProfile::offered_depth(int requested) const {
  if (requested <= 0 || depths.empty()) return default_depth;
  for (const int depth : depths) {
    if (depth >= requested) return depth;
  }
  return depths.back();
}

}  // namespace spreadwatch
