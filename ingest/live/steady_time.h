#pragma once

#include <chrono>

namespace spreadwatch::ingest {

/// Monotonic time, for everything that is a duration and must not follow the wall clock.
using SteadyTime = std::chrono::steady_clock::time_point;

inline SteadyTime steady_now() { return std::chrono::steady_clock::now(); }

}  // namespace spreadwatch::ingest
