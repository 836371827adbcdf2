#pragma once

#include <algorithm>
#include <cstdint>
#include <random>

#include "core/time.h"

namespace spreadwatch::ingest {

/// `first`, doubled so many times, at most `cap`.
constexpr milliseconds doubled(milliseconds first, int times, milliseconds cap) {
  return std::min(cap, first * (1 << std::clamp(times, 0, 20)));
}

/// Waiting times between attempts that keep failing: exponential, capped, with full jitter, so that
/// many connections lost at one moment do not come back at one moment. Threads: one at a time.
class Backoff {
 public:
  struct Limits {
    milliseconds first{500};   ///< the longest first wait
    milliseconds cap{60'000};  ///< the longest wait of all
    milliseconds floor{50};    ///< the shortest
  };

  /// The same seed gives the same waits. REQUIRES: 0 < floor <= first <= cap.
  Backoff(Limits limits, std::uint64_t seed);

  /// How long to wait after one more failure: anything from `floor` up to `first` doubled with each
  /// failure since the last reset(), at most `cap`.
  milliseconds next();

  /// It works again. To be called when data came, not when a connect succeeded: a venue that
  /// accepts and drops connections would otherwise be hammered.
  void reset() { failures_ = 0; }

  int failures() const { return failures_; }

 private:
  Limits limits_;
  std::mt19937_64 random_;
  int failures_ = 0;
};

}  // namespace spreadwatch::ingest
