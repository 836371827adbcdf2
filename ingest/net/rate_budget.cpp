#include "ingest/net/rate_budget.h"

#include <algorithm>
#include <cmath>
#include <limits>

namespace spreadwatch::ingest {
namespace {

constexpr milliseconds kLongestPause{
    std::chrono::hours{72}};  // Binance's longest ban is three days
constexpr milliseconds kLongestGuess{std::chrono::minutes{16}};
constexpr milliseconds kPingWindow{60'000};
constexpr milliseconds kShortWindow{10'000};
constexpr milliseconds kJitter{500};
constexpr int kPersistent = 2;  // refusals in a row after which the next one is taken for a block

/// Our share of a limit, in a window that is longer than the venue's: it counts when things come,
/// and what left at one end of the window may have been longer under way than what left at the
/// other.
RateLimit with_margin(RateLimit limit) {
  if (limit.count <= 0 || limit.per.count() <= 0) return {};
  const double share = limit.count * kBudgetShare;
  const milliseconds per = limit.per + std::min(limit.per / 2, kJitter);
  if (share >= 1.0) return {static_cast<int>(share), per};
  const milliseconds apart{std::llround(static_cast<double>(limit.per.count()) / share)};
  return {1, std::max(per, apart)};
}

bool is_refusal(int status, const std::optional<milliseconds>& retry_after) {
  return status == 429 || status == 418 || status == 403 || retry_after.has_value();
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

int RateWindow::left(Timestamp now) {
  if (limit_.count == 0) return std::numeric_limits<int>::max();
  advance(now);
  return std::max(0, limit_.count - sum_);
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

std::vector<RateWindow::Taken> RateWindow::kept(Timestamp now) {
  std::vector<Taken> out;
  if (limit_.count == 0 || limit_.per < kShortWindow) return out;
  advance(now);
  for (const Taken& t : taken_) {
    if (!out.empty() &&
        std::chrono::floor<seconds>(out.back().time) == std::chrono::floor<seconds>(t.time)) {
      out.back() = {t.time, out.back().weight + t.weight};
    } else {
      out.push_back(t);
    }
  }
  return out;
}

void RateWindow::restore(const std::vector<Taken>& taken, Timestamp now) {
  if (limit_.count == 0) return;
  taken_.clear();
  sum_ = 0;
  last_ = now;
  for (const Taken& t : taken) {
    const bool in_order = taken_.empty() || taken_.back().time <= t.time;
    // No more than fills the window: the file is from outside.
    if (!in_order || t.time > now || t.time + limit_.per <= now || t.weight <= 0) continue;
    const int weight = std::min(t.weight, limit_.count - sum_);
    if (weight == 0) break;
    taken_.push_back({t.time, weight});
    sum_ += weight;
  }
}

MessageBudget::MessageBudget(std::span<const RateLimit> limits) {
  for (const RateLimit& limit : limits) {
    windows_.push_back({RateWindow{limit}, limit.per <= kPingWindow});
  }
}

microseconds MessageBudget::take(Timestamp now, bool ping) {
  microseconds wait{0};
  for (Window& w : windows_) {
    if (!ping || w.counts_pings) wait = std::max(wait, w.rate.wait(now));
  }
  if (wait.count() > 0) return wait;
  for (Window& w : windows_) {
    if (!ping || w.counts_pings) w.rate.take(now);
  }
  return wait;
}

bool MessageBudget::leaves(Timestamp now, int messages, double spare) {
  return std::ranges::all_of(windows_, [&](Window& w) {
    const auto kept = static_cast<int>(std::ceil(spare * w.rate.limit().count));
    return w.rate.wait(now, messages + kept).count() == 0;
  });
}

VenueBudget::VenueBudget(const VenueProfile& profile, std::uint64_t seed)
    : connects_(profile.connects), rest_(profile.rest), block_(profile.block), outage_(seed) {}

VenueBudget::State VenueBudget::state(Timestamp now) {
  return {still(connect_pause_, now), still(rest_pause_, now), connects_.kept(now),
          rest_.kept(now)};
}

void VenueBudget::restore(const State& state, Timestamp now) {
  if (state.connect_pause)
    extend(connect_pause_, std::min(*state.connect_pause, now + kLongestPause));
  if (state.rest_pause) extend(rest_pause_, std::min(*state.rest_pause, now + kLongestPause));
  connects_.restore(state.connects, now);
  rest_.restore(state.rest, now);
}

// How long a refusal lasts that does not say so itself. 403 is what Bybit and Cloudflare answer to
// an address that asked too often. Whoever goes on asking is shut out for the venue's block, where
// it has one: from the third refusal in a row we wait at least as long.
milliseconds VenueBudget::guess(int status, bool rest, int refusals) const {
  const milliseconds first = status == 418           ? milliseconds{300'000}
                             : status == 403 && rest ? milliseconds{600'000}
                             : status == 403         ? milliseconds{60'000}
                                                     : milliseconds{10'000};
  const milliseconds wait =
      std::max(first, std::min(kLongestGuess, first * (1 << std::min(refusals, 10))));
  const bool blocked = status == 418 || status == 403 || refusals >= kPersistent;
  return blocked ? std::max(wait, block_) : wait;
}

milliseconds VenueBudget::pause_for(int status, bool rest, int refusals,
                                    const std::optional<milliseconds>& retry_after) const {
  // Only a limit or a ban is believed to last for days.
  const bool limit = status == 429 || status == 418 || status == 403;
  return std::min(limit ? kLongestPause : kLongestGuess,
                  retry_after.value_or(guess(status, rest, refusals)));
}

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

void VenueBudget::refused_in_body(Timestamp now, bool banned) {
  rest_refusals_ = std::max(rest_refusals_, refusals_before_);
  refused_rest(now, banned ? 418 : 429, retry_after_);
  refusals_before_ = rest_refusals_;
}

void VenueBudget::used_weight(Timestamp now, int used) {
  const RateLimit& limit = rest_.limit();
  // Others behind this address use the same weight: the venue's count is the one that bans.
  if (limit.count > 0 && used >= limit.count) extend(rest_pause_, now + limit.per / 2);
}

std::optional<Timestamp> VenueBudget::connect_paused_until(Timestamp now) const {
  return still(connect_pause_, now);
}

std::optional<Timestamp> VenueBudget::rest_paused_until(Timestamp now) const {
  return still(rest_pause_, now);
}

}  // namespace spreadwatch::ingest
