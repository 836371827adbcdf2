#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

namespace spreadwatch::http {

/// A body that goes on for as long as there is something to say: a bounded queue of shared chunks
/// between who speaks and the connection that sends them.
///
/// Threads: any; locked inside.
class Stream {
 public:
  /// A piece that any number of streams send without copying it.
  using Chunk = std::shared_ptr<const std::string>;

  /// At most `max_bytes` wait to be sent.
  explicit Stream(std::size_t max_bytes) : max_bytes_(max_bytes) {}
  Stream(const Stream&) = delete;
  Stream& operator=(const Stream&) = delete;

  /// Queues the chunk; false when there is no room or nobody sends any more. Never blocks.
  bool offer(const Chunk& chunk);
  /// No more will come. `cut`: what is still queued is thrown away and the connection closed.
  void finish(bool cut);
  /// `over` is called once, when the connection has ended, on a thread of the server; at once when
  /// it has ended already.
  void on_over(std::function<void()> over);

  // The connection's side.

  enum class State : std::uint8_t {
    kOpen,      ///< more may come
    kFinished,  ///< everything was taken and no more will come
    kCut,       ///< to be closed as it is
  };
  /// `wake` is called, with the stream locked, when there is something to take; it must only
  /// schedule.
  void attach(std::function<void()> wake);
  /// Moves up to `at_most` chunks into `out` (cleared first). What the call before gave counts as
  /// sent, and its bytes as free.
  State take(std::vector<Chunk>& out, std::size_t at_most);
  /// Whether take() would give kCut.
  bool cut() const;
  /// The connection has ended: nothing is accepted any more, and `wake` is never called again.
  void over();

 private:
  void wake();   // REQUIRES: mutex_ held
  void clear();  // REQUIRES: mutex_ held

  const std::size_t max_bytes_;
  mutable std::mutex mutex_;
  std::deque<Chunk> chunks_;    // guarded by mutex_
  std::size_t bytes_ = 0;       // guarded by mutex_; queued and under way
  std::size_t under_way_ = 0;   // guarded by mutex_; bytes of the last take()
  bool finished_ = false;       // guarded by mutex_
  bool cut_ = false;            // guarded by mutex_
  bool ended_ = false;          // guarded by mutex_
  bool woken_ = false;          // guarded by mutex_; since the last take()
  std::function<void()> wake_;  // guarded by mutex_
  std::function<void()> over_;  // guarded by mutex_
};

}  // namespace spreadwatch::http
