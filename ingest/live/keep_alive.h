#pragma once

#include <optional>
#include <string>

#include "core/time.h"
#include "ingest/live/steady_time.h"

namespace spreadwatch::ingest {

/// When to ping over a connection, and when to take it for dead. It decides only: no socket is in
/// it, and time is passed in. Threads: one at a time.
class KeepAlive {
 public:
  struct Rules {
    milliseconds liveness{15'000};  ///< a connection that says nothing for so long is dead
    milliseconds ping_every{0};     ///< as the venue asks; 0 = it does not
    milliseconds pong_within{10'000};
  };
  struct Check {
    std::optional<std::string> dead;  ///< why; then nothing is to be sent
    bool pong_missed = false;
    bool ping = false;  ///< to be sent now, and told of by on_pinged()
  };

  explicit KeepAlive(Rules rules) : rules_(rules) {}

  void on_open(SteadyTime now);
  /// Anything came: a payload, a ping, a pong.
  void on_received(SteadyTime now) { received_at_ = now; }
  void on_pong() { pong_due_.reset(); }
  void on_pinged(SteadyTime now);

  Check check(SteadyTime now);

 private:
  const Rules rules_;
  SteadyTime received_at_{};
  SteadyTime pinged_at_{};
  std::optional<SteadyTime> pong_due_;  // of the oldest ping that is not answered
};

}  // namespace spreadwatch::ingest
