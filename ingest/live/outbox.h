#pragma once

#include <cstddef>
#include <deque>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "core/time.h"
#include "ingest/decode/venue_adapter.h"
#include "ingest/live/steady_time.h"
#include "ingest/net/rate_budget.h"

namespace spreadwatch::ingest {

/// What is to be sent over a connection, in order, and what the venue lets be sent now. It sends
/// nothing itself, and time is passed in.
///
/// Bounds: kMaxTexts, beyond which nothing more is taken; whatever is not sent is not answered, and
/// the subscription table subscribes that anew. Threads: one at a time.
class Outbox {
 public:
  static constexpr std::size_t kMaxTexts = 10'000;
  /// Nothing is sent for so long after the venue has said that we send too much.
  static constexpr milliseconds kHold{5'000};

  /// `limits` are the venue's of one connection and must outlive the object.
  explicit Outbox(std::span<const RateLimit> limits) : limits_(limits), budget_(limits) {}

  /// A fresh connection: nothing waits and nothing of its budget is used.
  void on_open(SteadyTime now);
  void on_closed() { texts_.clear(); }
  void add(std::vector<std::string> texts);
  void hold(SteadyTime now) { hold_until_ = now + kHold; }

  /// The next text, if there is one and it may be sent now; what it takes of the budget is taken.
  /// nullptr = none. It stays the next until sent().
  const std::string* next(SteadyTime now, Timestamp wall);
  void sent(SteadyTime now);
  /// Whether a ping may be sent now; takes it from the budget.
  bool take_ping(Timestamp wall) { return budget_.take(wall, true).count() == 0; }

  /// Since when everything has been sent; nullopt while something waits.
  std::optional<SteadyTime> sent_at() const {
    return texts_.empty() ? std::optional{sent_at_} : std::nullopt;
  }
  /// See MessageBudget::leaves().
  bool leaves(Timestamp wall, int messages, double spare) {
    return budget_.leaves(wall, messages, spare);
  }

 private:
  const std::span<const RateLimit> limits_;
  MessageBudget budget_;
  std::deque<std::string> texts_;
  SteadyTime sent_at_{};
  SteadyTime hold_until_{};
};

}  // namespace spreadwatch::ingest
