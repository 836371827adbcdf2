#include "ingest/rate_budget.h"

#include <algorithm>
#include <cmath>

namespace spreadwatch::ingest {
namespace {

constexpr milliseconds kLongestPause{
    std::chrono::hours{72}};  // Binance's longest ban is three days
constexpr milliseconds kLongestGuess{std::chrono::minutes{16}};
constexpr milliseconds kPingWindow{60'000};

RateLimit with_margin(RateLimit limit) {
  if (limit.count <= 0 || limit.per.count() <= 0) return {};
  const double share = limit.count * kBudgetShare;
  if (share >= 1.0) return {static_cast<int>(share), limit.per};
  return {1, milliseconds{std::llround(static_cast<double>(limit.per.count()) / share)}};
}

// How long a refusal lasts that does not say so itself. 403 is what Bybit and Cloudflare answer to
// an address that asked too often; Bybit's documentation wants ten quiet minutes on HTTP.
milliseconds guess(int status, bool rest, int refusals) {
  const milliseconds first = status == 418           ? milliseconds{300'000}
                             : status == 403 && rest ? milliseconds{600'000}
                             : status == 403         ? milliseconds{60'000}
                                                     : milliseconds{10'000};
  return std::max(first, std::min(kLongestGuess, first * (1 << std::min(refusals, 10))));
}

bool is_refusal(int status, const std::optional<milliseconds>& retry_after) {
  return status == 429 || status == 418 || status == 403 || retry_after.has_value();
}

milliseconds pause_for(int status, bool rest, int refusals,
                       const std::optional<milliseconds>& retry_after) {
  // Only a limit or a ban is believed to last for days.
  const bool limit = status == 429 || status == 418 || status == 403;
  return std::min(limit ? kLongestPause : kLongestGuess,
                  retry_after.value_or(guess(status, rest, refusals)));
}

void extend(std::optional<Timestamp>& pause, Timestamp until) {
  if (!pause || *pause < until) pause = until;
}

std::optional<Timestamp> still(const std::optional<Timestamp>& pause, Timestamp now) {
  return pause && *pause > now ? pause : std::nullopt;
}

}  // namespace

RateWindow::RateWindow(RateLimit limit) : limit_(with_margin(limit)) {}

void RateWindow::advance(Timestamp now) {
  if (now < last_) {
    for (Taken& t : taken_) t.time -= last_ - now;
  }
  last_ = now;
  while (!taken_.empty() && taken_.front().time + limit_.per <= now) {
    sum_ -= taken_.front().weight;
    taken_.pop_front();
  }
}

microseconds RateWindow::wait(Timestamp now, int weight) {
  if (limit_.count == 0) return microseconds{0};
  advance(now);
  int left = sum_;
  Timestamp free_at = now;
  for (const Taken& t : taken_) {
    if (left + weight <= limit_.count) break;
    left -= t.weight;
    free_at = t.time + limit_.per;
  }
  return free_at - now;
}

void RateWindow::take(Timestamp now, int weight) {
  if (limit_.count == 0) return;
  advance(now);
  taken_.push_back({now, weight});
  sum_ += weight;
}

MessageBudget::MessageBudget(std::span<const RateLimit> limits) {
  for (const RateLimit& limit : limits) windows_.emplace_back(limit);
}

microseconds MessageBudget::take(Timestamp now, bool ping) {
  const auto counts = [ping](const RateWindow& w) { return !ping || w.limit().per <= kPingWindow; };
  microseconds wait{0};
  for (RateWindow& w : windows_) {
    if (counts(w)) wait = std::max(wait, w.wait(now));
  }
  if (wait.count() > 0) return wait;
  for (RateWindow& w : windows_) {
    if (counts(w)) w.take(now);
  }
  return wait;
}

VenueBudget::VenueBudget(const VenueProfile& profile)
    : connects_(profile.connects), rest_(profile.rest) {}

microseconds VenueBudget::take_connect(Timestamp now) {
  if (const auto until = connect_paused_until(now)) return *until - now;
  const microseconds wait = connects_.wait(now);
  if (wait.count() == 0) connects_.take(now);
  return wait;
}

microseconds VenueBudget::take_rest(Timestamp now, int weight) {
  if (const auto until = rest_paused_until(now)) return *until - now;
  const microseconds wait = rest_.wait(now, weight);
  if (wait.count() == 0) rest_.take(now, weight);
  return wait;
}

microseconds VenueBudget::take_rest(Timestamp now, int weight, double spare) {
  if (const auto until = rest_paused_until(now)) return *until - now;
  const int all = rest_.limit().count;
  const int kept = static_cast<int>(spare * all);
  const microseconds wait = rest_.wait(now, std::max(weight, std::min(weight + kept, all)));
  if (wait.count() == 0) rest_.take(now, weight);
  return wait;
}

void VenueBudget::refused_connect(Timestamp now, int status,
                                  std::optional<milliseconds> retry_after) {
  if (!is_refusal(status, retry_after)) return;
  const milliseconds pause = pause_for(status, false, connect_refusals_, retry_after);
  ++connect_refusals_;
  extend(connect_pause_, now + pause);
  if (status == 418) extend(rest_pause_, now + pause);
}

void VenueBudget::refused_rest(Timestamp now, int status, std::optional<milliseconds> retry_after) {
  if (!is_refusal(status, retry_after)) return;
  const milliseconds pause = pause_for(status, true, rest_refusals_, retry_after);
  ++rest_refusals_;
  extend(rest_pause_, now + pause);
  if (status == 418) extend(connect_pause_, now + pause);
}

void VenueBudget::used_weight(Timestamp now, int used) {
  const RateLimit& limit = rest_.limit();
  // Others behind this address use the same weight: the venue's count is the one that bans.
  if (limit.count > 0 && used >= limit.count) extend(rest_pause_, now + limit.per / 2);
}

void VenueBudget::ban_until(Timestamp until) {
  extend(connect_pause_, until);
  extend(rest_pause_, until);
}

std::optional<Timestamp> VenueBudget::connect_paused_until(Timestamp now) const {
  return still(connect_pause_, now);
}

std::optional<Timestamp> VenueBudget::rest_paused_until(Timestamp now) const {
  return still(rest_pause_, now);
}

}  // namespace spreadwatch::ingest
