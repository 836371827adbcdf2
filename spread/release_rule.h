#pragma once

#include <optional>

#include "config/settings.h"
#include "core/reason.h"
#include "core/time.h"
#include "core/verdict.h"

namespace spreadwatch::spread {

/// When what is known of a pair leaves, so that what can be earned leaves at once and the rest now
/// and then.
///
/// A row is live while it is tradable, the best of its asset and mode, or its net ratio is at least
/// `live_above`. A change of verdict or reasons leaves with the next period; so does a live row
/// whose net ratio moved by at least `min_change` since it last left, and any other change of one
/// after `update`. Rows in the background leave after `background`. With a period of 0 everything
/// leaves at once. Threads: any; pure.
class ReleaseRule {
 public:
  /// What of a row decides.
  struct Row {
    Verdict verdict = Verdict::kUnknown;
    Reasons reasons;
    std::optional<double> net_ratio;  ///< nullopt = no net result
  };

  explicit ReleaseRule(const config::PublishSettings& publish) : publish_(publish) {}

  /// `best`: no row of the asset and mode has a higher net ratio.
  bool is_live(const Row& row, bool best) const;
  /// The first moment at which a row that has changed may leave: not after `now` = with this
  /// period, else the end of a period. `left` is what left last, at `left_at`.
  Timestamp due(const Row& row, bool best, const Row& left, Timestamp left_at) const;
  /// The same for an update of an opportunity that was last told of at `told`.
  Timestamp due(Timestamp told) const;
  /// The end of the period that `time` lies in; `time` itself when it is one, or there are none.
  Timestamp end_of_period(Timestamp time) const;

 private:
  const config::PublishSettings publish_;
};

}  // namespace spreadwatch::spread
