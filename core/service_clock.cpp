#include "core/service_clock.h"

#include <time.h>

#include <algorithm>
#include <utility>

namespace spreadwatch {
namespace {

/// Counts while the machine is suspended as well, which CLOCK_MONOTONIC does not: after it every
/// book is as old as it is.
microseconds since_boot() {
  timespec t{};
  if (::clock_gettime(CLOCK_BOOTTIME, &t) != 0) {
    return std::chrono::floor<microseconds>(std::chrono::steady_clock::now().time_since_epoch());
  }
  return seconds{t.tv_sec} + std::chrono::floor<microseconds>(std::chrono::nanoseconds{t.tv_nsec});
}

struct Reading {
  Timestamp wall{};
  microseconds elapsed{};
};

/// Both clocks at one moment, or nearly: a thread that is held up between the two would see a step
/// where there is none.
Reading read(const ServiceClock::Sources& sources) {
  constexpr int kTries = 5;
  constexpr microseconds kTogether{1000};
  Reading best;
  microseconds best_width = microseconds::max();
  for (int i = 0; i < kTries && best_width > kTogether; ++i) {
    const microseconds before = sources.elapsed();
    const Timestamp wall = sources.wall();
    const microseconds width = sources.elapsed() - before;
    if (width >= best_width) continue;
    best_width = width;
    best = {wall, before + width / 2};
  }
  return best;
}

}  // namespace

ServiceClock::ServiceClock()
    : ServiceClock({[] { return SystemClock{}.now(); }, [] { return since_boot(); }}) {}

ServiceClock::ServiceClock(Sources sources) : sources_(std::move(sources)) {
  const Reading start = read(sources_);
  base_ = start.wall - start.elapsed;
}

Timestamp ServiceClock::now() const { return base_ + sources_.elapsed(); }

microseconds ServiceClock::Segment::at(Timestamp moment) const {
  return std::max(target, added - (moment - from) / kLosesOneIn);
}

microseconds ServiceClock::added_at(Timestamp moment) const {
  if (segments_.empty()) return microseconds{0};
  const auto after = std::upper_bound(segments_.begin(), segments_.end(), moment,
                                      [](Timestamp t, const Segment& s) { return t < s.from; });
  return after == segments_.begin() ? segments_.front().before : std::prev(after)->at(moment);
}

Timestamp ServiceClock::shown(Timestamp moment) const {
  if (!stepped_) return moment;
  const std::lock_guard lock(mutex_);
  return moment + added_at(moment);
}

Timestamp ServiceClock::wall(Timestamp moment) const {
  return moment + microseconds{wall_is_ahead_.load()};
}

void ServiceClock::begin_segment(Segment segment) {
  if (segments_.size() == kMaxSegments) segments_.erase(segments_.begin());
  segments_.push_back(segment);
  stepped_ = true;
}

std::optional<ServiceClock::Step> ServiceClock::look() {
  const std::lock_guard lock(mutex_);
  const Reading reading = read(sources_);
  const microseconds target = reading.wall - (base_ + reading.elapsed);
  const microseconds by = target - microseconds{wall_is_ahead_.load()};
  if (std::chrono::abs(by) < kLeastStep) return std::nullopt;
  wall_is_ahead_ = target.count();
  const Timestamp at = now();
  const microseconds added = added_at(at);
  begin_segment({at, added, std::max(added, target), target});
  return Step{by, at};
}

microseconds ServiceClock::ahead() const {
  const std::lock_guard lock(mutex_);
  return added_at(now()) - microseconds{wall_is_ahead_.load()};
}

microseconds ServiceClock::go_on_from(Timestamp latest) {
  const std::lock_guard lock(mutex_);
  const Timestamp at = now();
  const microseconds lead = latest - at;
  if (lead <= microseconds{0} || lead > kLongestLead) return microseconds{0};
  const microseconds added = std::max(added_at(at), lead);
  segments_.clear();
  begin_segment({at, lead, added, microseconds{wall_is_ahead_.load()}});
  return lead;
}

}  // namespace spreadwatch
