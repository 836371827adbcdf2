#pragma once

#include <atomic>
#include <functional>
#include <mutex>
#include <optional>
#include <vector>

#include "core/time.h"

namespace spreadwatch {

/// The clock of a live program: begins at the wall clock's time and goes on by what has really
/// passed, whatever happens to the wall clock afterwards. So no age, hold, pause or estimate of a
/// venue's clock changes when somebody sets the machine's clock.
///
/// What the outside is told as a time of day, shown(), follows the wall clock: one that was set
/// forward at once, one that was set back by going at nine tenths of its pace until they meet, so
/// that it never falls. Time in which the machine is suspended has passed.
/// Threads: any.
class ServiceClock final : public Clock {
 public:
  struct Sources {
    std::function<Timestamp()> wall;
    /// Since some fixed moment; never falls.
    std::function<microseconds()> elapsed;
  };
  /// The wall clock was set by `by` (above zero: forward), noticed at `at` of now().
  struct Step {
    microseconds by{};
    Timestamp at{};
  };
  /// A difference below this is no step.
  static constexpr microseconds kLeastStep = milliseconds{500};
  /// The pace of shown() while it waits for a wall clock that was set back: it loses one in so
  /// many.
  static constexpr int kLosesOneIn = 10;
  /// go_on_from() believes a time so far ahead.
  static constexpr microseconds kLongestLead = std::chrono::hours{24};

  /// The machine's clocks.
  ServiceClock();
  explicit ServiceClock(Sources sources);

  Timestamp now() const override;
  Timestamp shown(Timestamp moment) const override;
  Timestamp wall(Timestamp moment) const override;

  /// Compares with the wall clock, and follows it when it was set since the last call.
  std::optional<Step> look();
  /// How far shown() is ahead of the wall clock now, steps not looked at left out.
  microseconds ahead() const;
  /// What was shown before a restart came as far as `latest`: when that lies ahead of now, because
  /// the wall clock was set back meanwhile, shown() goes on from there. Returns how far it lies
  /// ahead; what an earlier run showed as t was the moment t − lead. For the start of a program.
  microseconds go_on_from(Timestamp latest);

 private:
  /// What shown() adds from a moment on.
  struct Segment {
    Timestamp from{};
    microseconds before{};  ///< added just before `from`
    microseconds added{};   ///< at `from`
    microseconds target{};  ///< not below this: as far as the wall clock is from now()

    microseconds at(Timestamp moment) const;  // REQUIRES: moment >= from
  };
  /// Times of day before the oldest of so many steps are told as of that step.
  static constexpr std::size_t kMaxSegments = 64;

  microseconds added_at(Timestamp moment) const;  // REQUIRES: mutex_ held
  void begin_segment(Segment segment);            // REQUIRES: mutex_ held

  const Sources sources_;
  Timestamp base_;                    // of elapsed() = 0; never changes
  std::atomic<bool> stepped_{false};  // segments_ is not empty
  std::atomic<microseconds::rep> wall_is_ahead_{0};
  mutable std::mutex mutex_;
  std::vector<Segment> segments_;  // guarded by mutex_; rising
};

}  // namespace spreadwatch
