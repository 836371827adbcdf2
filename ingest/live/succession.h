#pragma once

#include <optional>
#include <random>

#include "core/time.h"
#include "ingest/live/steady_time.h"

namespace spreadwatch::ingest {

/// When a connection needs a successor: because it is as old as the venue lets one become, because
/// the venue has announced that it will close it, or because it has stranded streams that a fresh
/// one may have. It decides only, and time is passed in. Threads: one at a time.
class Succession {
 public:
  /// After an announcement, so that not all connections come back at one moment.
  static constexpr milliseconds kSpread{1'000};
  /// Between two successors opened for the sake of stranded streams; doubles.
  static constexpr milliseconds kFirstRescue{60'000};
  static constexpr milliseconds kLongestRescue{3'600'000};

  /// `random` is of the jitter and must outlive the object.
  explicit Succession(std::mt19937_64& random) : random_(random) {}

  /// `max_age`: how old the venue lets a connection become; 0 = as old as it likes.
  void on_open(SteadyTime now, milliseconds max_age);
  /// The venue will close the connection.
  void on_announced(SteadyTime now);
  /// Streams are stranded. False when a successor is due anyway, or one has been opened for that
  /// too short a time ago.
  bool rescue(SteadyTime now);
  /// This connection is the successor of the one that knows this.
  void succeed(const Succession& old);

  bool due(SteadyTime now) const { return due_at_ && now >= *due_at_; }

 private:
  std::mt19937_64& random_;
  std::optional<SteadyTime> due_at_;
  int rescues_ = 0;
  SteadyTime next_rescue_{};
};

}  // namespace spreadwatch::ingest
