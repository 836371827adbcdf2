#pragma once

#include <functional>
#include <optional>
#include <string_view>

#include "config/settings.h"
#include "core/event.h"
#include "core/time.h"

namespace spreadwatch::spread {

/// What of a pair's row an opportunity lives on. Points into the row.
struct PairState {
  std::string_view asset;
  VenueId buy{};
  VenueId sell{};
  Mode mode{};
  Verdict verdict = Verdict::kUnknown;
  Reasons reasons;
  const Trade* optimal = nullptr;  ///< null = no profitable size, or no numbers
  std::optional<microseconds> buy_age;
  std::optional<microseconds> sell_age;
};

/// The life of one pair's opportunity: waiting, held, open, fading, closed.
///
/// Opens after the pair has been tradable with enough profit and ratio, both of the optimal size,
/// for `open_hold`; closes as `converged` after `close_hold` with no profitable size or below
/// either close threshold, at once as `stale` when a feed fell silent (the leg's or the rate's),
/// and at once as `not_tradable` for any other reason. One `open` and one `close` each, in this
/// order. A restored one waits for its first good row until a moment, since at a start no book is
/// there yet. Threads: one at a time; time is passed in.
class Opportunity {
 public:
  using Emit = std::function<void(const OpportunityEvent&)>;

  /// Takes up an opportunity of a run before. REQUIRES: not open.
  void restore(const OpportunityEvent& last, Timestamp wait_until);

  /// The pair was computed at `now`.
  void update(const PairState& row, const config::SpreadSettings& settings, Timestamp now,
              const Emit& emit);
  /// A hold that ends by `now` takes effect.
  void expire(const PairState& row, Timestamp now, const Emit& emit);
  /// Says what changed since the last event, if anything did.
  void flush(Timestamp now, const Emit& emit);
  /// Its pair is watched no more: ends it as `not_tradable` when it is open.
  void remove(const PairState& row, Timestamp now, const Emit& emit);
  /// Ends it as `shutdown` when it is open.
  void shut_down(Timestamp now, const Emit& emit);

  bool open() const { return open_.has_value(); }
  /// It is open and something changed since it was last told of.
  bool changed() const { return open_ && changed_; }
  /// When it was last told of: its opening or an update. REQUIRES: open.
  Timestamp told_at() const { return told_at_; }
  /// When expire() has something to do; nullopt = nothing waits.
  std::optional<Timestamp> deadline() const { return deadline_; }

 private:
  void begin(const PairState& row, Timestamp now, const Emit& emit);
  void end(CloseReason reason, Reasons reasons, Timestamp now, const Emit& emit);

  std::optional<OpportunityEvent> open_;  ///< the latest state while it is open
  bool changed_ = false;                  ///< since the last event
  Timestamp told_at_{};                   ///< the last event
  bool restored_ = false;                 ///< and no good row seen yet
  std::optional<Timestamp> deadline_;     ///< end of the hold that runs
};

}  // namespace spreadwatch::spread
