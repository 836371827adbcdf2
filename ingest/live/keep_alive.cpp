#include "ingest/live/keep_alive.h"

namespace spreadwatch::ingest {

void KeepAlive::on_open(SteadyTime now) {
  received_at_ = pinged_at_ = now;
  pong_due_.reset();
}

void KeepAlive::on_pinged(SteadyTime now) {
  pinged_at_ = now;
  if (!pong_due_) pong_due_ = now + rules_.pong_within;
}

KeepAlive::Check KeepAlive::check(SteadyTime now) {
  Check out;
  const auto silent = now - received_at_;
  if (silent >= rules_.liveness) {
    out.dead = "nothing received for " + std::to_string(rules_.liveness.count()) + " ms";
    return out;
  }
  if (pong_due_ && now >= *pong_due_) {
    pong_due_.reset();
    out.pong_missed = true;
    // Data without a pong is a slow answer; neither is a dead line.
    if (received_at_ < pinged_at_) {
      out.dead = "a ping was not answered";
      return out;
    }
  }
  const auto since_ping = now - pinged_at_;
  const bool due = rules_.ping_every.count() > 0 && since_ping >= rules_.ping_every;
  // A quiet market is not a dead line: a third of the window leaves two tries to tell them apart. A
  // venue that pings by itself has to answer a protocol ping, too.
  const bool probe = silent >= rules_.liveness / 3 && since_ping >= rules_.liveness / 3;
  out.ping = due || probe;
  return out;
}

}  // namespace spreadwatch::ingest
