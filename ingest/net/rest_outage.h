#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <set>
#include <string>

#include "ingest/net/backoff.h"

namespace spreadwatch::ingest {

/// Tells a venue that serves no order books over REST from one that fails for one market, so that
/// in an outage not every market asks for itself, which would use up the budget that bringing all
/// of them back takes.
///
/// After failures of kDifferent different requests without a success between them it is an outage:
/// from then on one request is let through now and then, with full jitter, until one is answered.
/// One market that fails alone never holds up another. There is nothing that an answer has to end:
/// a request that is let through is paid for with the wait before the next one.
/// Time is monotonic and passed in. Threads: one at a time.
class RestOutage {
 public:
  using Time = std::chrono::steady_clock::time_point;
  static constexpr std::size_t kDifferent = 3;
  static constexpr Backoff::Limits kBetween{milliseconds{500}, milliseconds{8'000},
                                            milliseconds{200}};

  /// `seed` is of the jitter.
  explicit RestOutage(std::uint64_t seed) : backoff_(kBetween, seed) {}

  bool out() const { return failed_.size() >= kDifferent; }
  /// A request for an order book may be sent now, as far as outages go.
  bool may_ask(Time now) const { return !out() || now >= next_at_; }
  /// How long until then; 0 = now.
  std::chrono::microseconds wait(Time now) const {
    if (may_ask(now)) return {};
    return std::chrono::ceil<std::chrono::microseconds>(next_at_ - now);
  }
  /// One has been sent.
  void asked(Time now) {
    if (out()) next_at_ = now + backoff_.next();
  }
  /// The request `subject` was not answered, or with a status that speaks of the venue.
  void failed(const std::string& subject, Time now) {
    if (out()) return;
    failed_.insert(subject);
    if (out()) next_at_ = now + backoff_.next();
  }
  /// A request was answered, be it with a refusal.
  void answered() {
    failed_.clear();
    backoff_.reset();
  }

 private:
  std::set<std::string> failed_;  // since the last answer, at most kDifferent
  Backoff backoff_;
  Time next_at_{};
};

}  // namespace spreadwatch::ingest
