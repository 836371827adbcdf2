#include "spread/release_rule.h"

#include <cmath>

namespace spreadwatch::spread {

bool ReleaseRule::is_live(const Row& row, bool best) const {
  return best || row.verdict == Verdict::kTradable ||
         (row.net_ratio && *row.net_ratio >= publish_.live_above);
}

Timestamp ReleaseRule::due(const Row& row, bool best, const Row& left, Timestamp left_at) const {
  if (publish_.conflate.count() == 0) return left_at;
  if (row.verdict != left.verdict || row.reasons != left.reasons) return left_at;
  if (!is_live(row, best)) return end_of_period(left_at + publish_.background);
  const bool moved =
      row.net_ratio.has_value() != left.net_ratio.has_value() ||
      (row.net_ratio && std::abs(*row.net_ratio - *left.net_ratio) >= publish_.min_change);
  return moved ? left_at : end_of_period(left_at + publish_.update);
}

Timestamp ReleaseRule::due(Timestamp told) const {
  return publish_.conflate.count() == 0 ? told : end_of_period(told + publish_.update);
}

Timestamp ReleaseRule::end_of_period(Timestamp time) const {
  const microseconds period = publish_.conflate;
  if (period.count() == 0) return time;
  const microseconds since = time.time_since_epoch();
  const microseconds into = since % period;
  return into.count() == 0 ? time : time + (period - into);
}

}  // namespace spreadwatch::spread
