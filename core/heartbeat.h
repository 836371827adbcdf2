#pragma once

#include <atomic>
#include <chrono>
#include <limits>
#include <optional>

#include "core/time.h"

namespace spreadwatch {

/// A stage's signs of life: with each it says by when the next one comes, so that others can tell a
/// stage that waits from one that stands. Time is passed in.
/// Threads: beat() and rest() the stage's; the others any.
class Heartbeat {
 public:
  using Steady = std::chrono::steady_clock;
  using Time = Steady::time_point;

  /// A stage that has said nothing for so long, unless it had announced a longer wait, stands.
  static constexpr milliseconds kPass{3000};

  /// The stage works. The next sign comes within `within`.
  void beat(Time now, milliseconds within = kPass) {
    last_.store(now.time_since_epoch().count(), std::memory_order_relaxed);
    due_.store((now + within).time_since_epoch().count(), std::memory_order_relaxed);
  }
  /// The stage has ended, or does nothing until somebody calls it: it owes no sign. So before the
  /// first beat().
  void rest() { due_.store(kNever, std::memory_order_relaxed); }

  bool stands(Time now) const {
    return now.time_since_epoch().count() > due_.load(std::memory_order_relaxed);
  }
  /// The last sign; nullopt before the first.
  std::optional<Time> last() const {
    const Steady::rep last = last_.load(std::memory_order_relaxed);
    if (last == kNone) return std::nullopt;
    return Time{Steady::duration{last}};
  }

 private:
  static constexpr Steady::rep kNever = std::numeric_limits<Steady::rep>::max();
  static constexpr Steady::rep kNone = std::numeric_limits<Steady::rep>::min();

  std::atomic<Steady::rep> last_{kNone};
  std::atomic<Steady::rep> due_{kNever};
};

}  // namespace spreadwatch
