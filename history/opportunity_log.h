#pragma once

#include <atomic>
#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "core/event.h"
#include "core/time.h"
#include "history/opportunity_store.h"

namespace spreadwatch::history {

/// Opportunity events on their way out: on disk first, then sent, then marked as delivered; what
/// was on disk and perhaps not delivered is sent again by the next run, with the same ids.
///
/// Events wait for the disk: one that was sent and is not on disk could be contradicted by the next
/// run, which would not know of it. While the store cannot be written they are held in memory, in
/// order, up to a bound; state() says so until a write succeeds. Files that are deleted or replaced
/// under the process are noticed within a second and written anew, with all that is open.
///
/// Threads: on(), delivered(), state() and the counts any; all else one.
class OpportunityLog {
 public:
  using Send = std::function<void(const OpportunityEvent&)>;
  /// Opens the store again after its files have gone. Throws StoreError.
  using Reopen = std::function<OpenedStore()>;

  /// Closed opportunities are kept for 30 days, the latest 100,000 of them.
  static constexpr microseconds kKeepFor = std::chrono::days{30};
  static constexpr std::size_t kKeepAtMost = 100'000;
  /// How many events may wait for the disk.
  static constexpr std::size_t kHoldAtMost = 100'000;
  /// How often a write that failed is tried again.
  static constexpr microseconds kRetryEvery = milliseconds{250};

  struct State {
    std::vector<std::string> reasons;  ///< why events that must last do not get to disk now
    std::vector<std::string> notices;  ///< what happened to earlier ones
  };

  /// Without a store (null) everything is only sent. Without `reopen` files that have gone are only
  /// told of.
  explicit OpportunityLog(std::unique_ptr<OpportunityStore> store, Reopen reopen = {},
                          std::size_t hold_at_most = kHoldAtMost);

  bool keeps() const { return keeps_; }
  /// What the run before left open, for Engine::restore().
  std::vector<OpportunityEvent> open() const;
  /// The run before ended so recently that what it left open can be taken up: after a longer
  /// absence nobody knows what happened in between.
  static constexpr microseconds kLongestAbsence = std::chrono::minutes{10};
  bool recent(Timestamp now) const;
  /// When the latest event that is kept happened.
  std::optional<Timestamp> latest() const;
  /// Sends what the run before may not have delivered. Before the first on().
  void resend(const Send& send);

  /// Takes an event; never waits. Beyond the bound, updates that a later event of the same
  /// opportunity makes up for go first, then the event itself, and are counted as lost.
  void on(OpportunityEvent event);
  /// Waits until an event is there to be written, at most so long.
  void wait(milliseconds at_most);
  /// Writes what waits, then sends it, some thousands a call; at most once a second writes what was
  /// delivered and looks after the files, at most once an hour prunes. `now` may go back.
  void write(Timestamp now, const Send& send);
  /// An event reached who must have it.
  void delivered(std::string id, OpportunityEvent::Kind kind);
  /// Writes what was delivered. The end: what still waits for the disk has not been sent.
  void finish();

  State state() const;
  std::uint64_t kept() const { return kept_; }  ///< an `open` or `close` that is on disk
  std::uint64_t lost() const { return lost_; }  ///< events that found no room to wait for the disk
  std::size_t waiting() const;                  ///< events that wait for the disk

 private:
  using Event = OpportunityEvent;

  void write_waiting(Timestamp now, const Send& send);
  void shed();
  void take_delivered();
  bool look_after_files();
  void note(OpportunityStore::Written written);
  void set_failure(std::string failure);

  const bool keeps_;
  const Reopen reopen_;
  const std::size_t hold_at_most_;
  std::unique_ptr<OpportunityStore> store_;  // null: there is none, or its files have gone
  std::vector<OpportunityStore::Unfinished> orphans_;  // of a store whose files have gone
  std::atomic<std::uint64_t> kept_{0};
  std::atomic<std::uint64_t> lost_{0};
  std::optional<Timestamp> failed_at_;
  std::optional<Timestamp> flushed_;
  std::optional<Timestamp> pruned_;

  using Delivered = std::pair<std::string, Event::Kind>;
  mutable std::mutex mutex_;
  std::condition_variable changed_;
  // All guarded by mutex_.
  std::deque<Event> waiting_;
  std::size_t in_hand_ = 0;           // of the front of waiting_: being written
  std::vector<Delivered> delivered_;  // as many as events are on their way
  std::string failure_;               // empty = the last write succeeded
  std::vector<std::string> notices_;
};

}  // namespace spreadwatch::history
