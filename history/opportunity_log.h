#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "core/time.h"
#include "history/opportunity_store.h"
#include "spread/event.h"

namespace spreadwatch::history {

/// Opportunity events on their way out: on disk first, then sent, then marked as delivered; what
/// was on disk and perhaps not delivered is sent again by the next run, with the same ids.
///
/// A store that cannot write does not hold events back: they are sent and counted as not kept, and
/// failing() says so until a write succeeds. Threads: delivered(), failing() and not_kept() any,
/// all else one.
class OpportunityLog {
 public:
  using Send = std::function<void(const spread::OpportunityEvent&)>;

  /// Closed opportunities are kept for 30 days, the latest 100,000 of them.
  static constexpr microseconds kKeepFor = std::chrono::days{30};
  static constexpr std::size_t kKeepAtMost = 100'000;

  /// Without a store (null) everything is only sent.
  explicit OpportunityLog(std::unique_ptr<OpportunityStore> store) : store_(std::move(store)) {}

  bool keeps() const { return store_ != nullptr; }
  /// What the run before left open, for Engine::restore().
  std::vector<spread::OpportunityEvent> open() const;
  /// The run before ended so recently that what it left open can be taken up: after a longer
  /// absence nobody knows what happened in between.
  static constexpr microseconds kLongestAbsence = std::chrono::minutes{10};
  bool recent(Timestamp now) const;
  /// When the latest event that is kept happened.
  std::optional<Timestamp> latest() const;
  /// Sends what the run before may not have delivered. Before the first on().
  void resend(const Send& send);
  void on(const spread::OpportunityEvent& event, const Send& send);
  /// An event reached who must have it.
  void delivered(std::string id, spread::OpportunityEvent::Kind kind);
  /// Writes what waits. The end.
  void finish();
  /// Writes what waits, at most once a second; prunes at most once an hour.
  void tick(Timestamp now);

  bool failing() const { return failing_; }
  std::uint64_t not_kept() const { return not_kept_; }

 private:
  void take_delivered();
  void note(bool written);

  std::unique_ptr<OpportunityStore> store_;
  std::atomic<bool> failing_{false};
  std::atomic<std::uint64_t> not_kept_{0};
  std::optional<Timestamp> flushed_;
  std::optional<Timestamp> pruned_;
  using Delivered = std::pair<std::string, spread::OpportunityEvent::Kind>;
  std::mutex mutex_;
  std::vector<Delivered> delivered_;  // guarded by mutex_; as many as events are on their way
};

}  // namespace spreadwatch::history
