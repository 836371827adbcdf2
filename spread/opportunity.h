#pragma once

#include <functional>
#include <optional>
#include <string>

#include "config/settings.h"
#include "core/time.h"
#include "spread/event.h"

namespace spreadwatch::spread {

/// The life of one pair's opportunity: waiting, held, open, fading, closed.
///
/// Opens after the pair has been tradable with enough profit and ratio for `open_hold`; closes as `converged` after
/// `close_hold` below the close thresholds, at once as `stale` when a feed fell silent, and at once as
/// `not_tradable` for any other reason. One `open` and one `close` each, in this order.
/// Threads: one at a time; time is passed in.
class Opportunity {
 public:
  using Emit = std::function<void(const OpportunityEvent&)>;

  /// The pair was computed at `now`.
  void update(const SpreadEvent& row, const config::SpreadSettings& settings, Timestamp now,
              const Emit& emit);
  /// A hold that ends by `now` takes effect.
  void expire(const SpreadEvent& row, Timestamp now, const Emit& emit);
  /// Says what changed since the last event, if anything did.
  void flush(const Emit& emit);
  /// Ends it as `shutdown` when it is open.
  void shut_down(Timestamp now, const Emit& emit);

  bool open() const { return open_.has_value(); }
  /// When expire() has something to do; nullopt = nothing waits.
  std::optional<Timestamp> deadline() const { return deadline_; }

 private:
  void begin(const SpreadEvent& row, Timestamp now, const Emit& emit);
  void end(CloseReason reason, Reasons reasons, Timestamp now, const Emit& emit);

  std::optional<OpportunityEvent> open_;  ///< the latest state while it is open
  bool changed_ = false;                  ///< since the last event
  std::optional<Timestamp> deadline_;     ///< end of the hold that runs
};

}  // namespace spreadwatch::spread
