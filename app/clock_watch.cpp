#include "app/clock_watch.h"

#include <spdlog/spdlog.h>

#include <array>
#include <cstdio>

#include "core/lock_within.h"

namespace spreadwatch::app {
namespace {

std::string in_seconds(microseconds d) {
  std::array<char, 32> text{};
  std::snprintf(text.data(), text.size(), "%.1f s",
                static_cast<double>(std::chrono::abs(d).count()) * 1e-6);
  return text.data();
}

std::string step_text(microseconds by) {
  return "the wall clock was set " + std::string{by > microseconds{0} ? "forward" : "back"} +
         " by " + in_seconds(by);
}

}  // namespace

void ClockWatch::look() {
  const std::unique_lock lock = lock_within(mutex_, kHeldTooLong);
  if (!lock) return;
  const Timestamp now = clock_.now();
  if (looked_ && now - *looked_ < kEvery) return;
  looked_ = now;
  const std::optional<ServiceClock::Step> step = clock_.look();
  metrics_.set_clock_ahead(clock_.ahead());
  if (!step) return;
  last_ = step;
  metrics_.clock_step(step->by > microseconds{0});
  spdlog::warn("{}; ages, holds and limits go on as before, times of day follow{}",
               step_text(step->by),
               clock_.ahead() > kMatters ? " without falling: they go at nine tenths of the pace "
                                           "until they meet the wall clock"
                                         : "");
}

std::optional<std::string> ClockWatch::notice() {
  look();
  const std::unique_lock lock = lock_within(mutex_, kHeldTooLong);
  if (!lock) return std::nullopt;
  const microseconds ahead = clock_.ahead();
  const bool recent = last_ && clock_.now() - last_->at < kTellFor;
  if (!recent && ahead <= kMatters) return std::nullopt;
  std::string text = "clock: ";
  if (last_) text += step_text(last_->by);
  if (last_ && ahead > kMatters) text += "; ";
  if (ahead > kMatters) {
    text += "times of day are told " + in_seconds(ahead) +
            " ahead of the wall clock until it has "
            "caught up";
  }
  return text;
}

}  // namespace spreadwatch::app
