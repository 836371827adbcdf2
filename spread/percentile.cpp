#include "spread/percentile.h"

#include <algorithm>
#include <limits>
#include <span>

namespace spreadwatch::spread {
namespace {

constexpr microseconds kMinute = std::chrono::minutes{1};
constexpr microseconds kTenMinutes = std::chrono::minutes{10};
constexpr std::size_t kMinutesOfHour = 60;
constexpr std::size_t kMinutesOfDay = 1440;
constexpr std::size_t kTensOfWeek = 1008;
constexpr float kNotKnown = std::numeric_limits<float>::quiet_NaN();

/// A double beyond the range of a float has no float to become.
float to_sample(double value) {
  constexpr double kLimit = std::numeric_limits<float>::max();
  return static_cast<float>(std::clamp(value, -kLimit, kLimit));
}

}  // namespace

ValueHistory::Ring::Ring(std::size_t capacity) : samples_(capacity, kNotKnown) {}

void ValueHistory::Ring::push(float value) {
  samples_[next_] = value;
  next_ = next_ + 1 == samples_.size() ? 0 : next_ + 1;
}

std::optional<double> ValueHistory::Ring::rank(std::size_t count, float value) const {
  std::uint32_t known = 0;
  std::uint32_t below = 0;
  std::uint32_t equal = 0;
  const auto add = [&](std::span<const float> samples) {
    for (const float sample : samples) {
      known += sample == sample ? 1U : 0U;
      below += sample < value ? 1U : 0U;
      equal += sample == value ? 1U : 0U;
    }
  };
  const std::span all{samples_};
  const std::size_t first = std::min(count, next_);
  add(all.subspan(next_ - first, first));
  add(all.last(count - first));
  if (known == 0 || known < (count + 1) / 2) return std::nullopt;
  return (below + 0.5 * equal) / known;
}

ValueHistory::ValueHistory() : minutes_(kMinutesOfDay), tens_(kTensOfWeek) {}

void ValueHistory::close(Ring& ring, std::optional<std::int64_t>& slot, microseconds period,
                         Timestamp now) {
  const std::int64_t current = now.time_since_epoch() / period;
  if (slot && current > *slot) {
    const auto passed = static_cast<std::uint64_t>(current - *slot);
    const float sample = held_ ? to_sample(*held_) : kNotKnown;
    for (std::uint64_t i = std::min<std::uint64_t>(passed, ring.capacity()); i > 0; --i) {
      ring.push(sample);
    }
  }
  slot = current;
}

void ValueHistory::hold(std::optional<double> value, Timestamp now) {
  close(minutes_, minute_, kMinute, now);
  close(tens_, ten_, kTenMinutes, now);
  held_ = value;
}

std::optional<double> ValueHistory::percentile(Window window, double value) const {
  const float sample = to_sample(value);
  switch (window) {
    case Window::kHour:
      return minutes_.rank(kMinutesOfHour, sample);
    case Window::kDay:
      return minutes_.rank(kMinutesOfDay, sample);
    case Window::kWeek:
      break;
  }
  return tens_.rank(kTensOfWeek, sample);
}

}  // namespace spreadwatch::spread
