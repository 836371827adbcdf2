#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

#include "core/time.h"

namespace spreadwatch::spread {

/// The spans over which a value is compared with its own past.
enum class Window : std::uint8_t { kHour, kDay, kWeek };
inline constexpr std::array<std::string_view, 3> kWindowNames = {"1h", "24h", "7d"};

/// What a value was, sampled at fixed moments, so that each minute weighs the same however often it
/// changed in it: at the end of every minute for a day, of every ten minutes for a week.
///
/// About 10 KB, taken when it is made and never more. So a percentile is off by at most what the
/// value did between two samples: the place among 60 (1h), 1440 (24h) or 1008 (7d) of them. What
/// could not be known at a sample's moment leaves a gap, which counts for nothing. In memory only:
/// a restart begins anew. Threads: one at a time; time is passed in.
class ValueHistory {
 public:
  ValueHistory();

  /// From `now` on the value is this; nullopt = it is not known. Samples due before get what was
  /// held until now. REQUIRES: `now` does not go back.
  void hold(std::optional<double> value, Timestamp now);

  /// The share of the window's samples that lie below `value`, those equal to it counted half.
  /// nullopt while less than half of the window's samples are known.
  std::optional<double> percentile(Window window, double value) const;

 private:
  /// The latest samples, oldest overwritten; NaN = not known.
  class Ring {
   public:
    explicit Ring(std::size_t capacity);
    void push(float value);
    std::size_t capacity() const { return samples_.size(); }
    /// As percentile(), over the latest `count`. REQUIRES: count <= capacity().
    std::optional<double> rank(std::size_t count, float value) const;

   private:
    std::vector<float> samples_;
    std::size_t next_ = 0;
  };
  void close(Ring& ring, std::optional<std::int64_t>& slot, microseconds period, Timestamp now);

  Ring minutes_;
  Ring tens_;
  std::optional<std::int64_t> minute_;  // the slot that runs
  std::optional<std::int64_t> ten_;
  std::optional<double> held_;
};

}  // namespace spreadwatch::spread
