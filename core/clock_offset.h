#pragma once

#include <algorithm>
#include <chrono>
#include <optional>

#include "core/time.h"

namespace spreadwatch {

/// Estimates how far a venue's clock is behind ours: the shortest exchange-to-receive time of the
/// last five to ten minutes. What is constant is clock, what varies is delay.
///
/// So a clock that is wrong by any constant never makes anything late, and neither does the
/// constant part of the network's delay; a clock that is set back makes everything late until the
/// window has passed. Time is passed in. Threads: one at a time.
class ClockOffset {
 public:
  /// The delay of a message beyond the offset, which takes this message into account.
  microseconds excess(Timestamp exchange, Timestamp receive) {
    const microseconds delay = receive - exchange;
    if (!shortest_) window_start_ = receive;
    if (receive - window_start_ >= kWindow) {
      previous_shortest_ = shortest_;
      shortest_.reset();
      window_start_ = receive;
    }
    shortest_ = shortest_ ? std::min(*shortest_, delay) : delay;
    return delay - *estimate();
  }

  /// Above zero: the venue's clock is behind ours, or its messages take so long at least. nullopt
  /// before the first message.
  std::optional<microseconds> estimate() const {
    if (!shortest_) return std::nullopt;
    return std::min(*shortest_, previous_shortest_.value_or(*shortest_));
  }

 private:
  static constexpr microseconds kWindow = std::chrono::minutes{5};

  Timestamp window_start_{};
  std::optional<microseconds> shortest_;           // of the present window
  std::optional<microseconds> previous_shortest_;  // of the one before
};

}  // namespace spreadwatch
