#pragma once

#include <algorithm>
#include <chrono>
#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <mutex>
#include <utility>
#include <vector>

namespace spreadwatch {

/// A bounded queue between threads whose writers never wait. Values are of two kinds: those that a
/// later one makes up for, of which the oldest goes when there is no room, and those that must not
/// be lost, which have a bound of their own. Readers get both in the order they came. Threads: any
/// number of writers, one reader.
template <class T>
class SheddingQueue {
 public:
  struct Pushed {
    bool taken = false;       ///< false: closed, or no room among what must not be lost
    std::size_t shed = 0;     ///< older values that went to make room
    std::size_t waiting = 0;  ///< as waiting(), afterwards
  };

  /// At most `capacity` values that may be shed and `keep_capacity` that may not. REQUIRES: both >
  /// 0.
  SheddingQueue(std::size_t capacity, std::size_t keep_capacity)
      : capacity_(capacity), keep_capacity_(keep_capacity) {}

  /// Never waits. With `keep` the value is never shed once it is taken.
  Pushed push(T value, bool keep) {
    Pushed pushed;
    {
      const std::lock_guard lock(mutex_);
      std::deque<Numbered>& values = keep ? kept_ : sheddable_;
      if (closed_ || (keep && kept_.size() >= keep_capacity_)) {
        pushed.waiting = count();
        return pushed;
      }
      if (!keep && sheddable_.size() >= capacity_) {
        sheddable_.pop_front();
        pushed.shed = 1;
      }
      values.push_back({next_++, std::move(value)});
      pushed.taken = true;
      pushed.waiting = count();
    }
    ready_.notify_one();
    return pushed;
  }

  /// Moves everything there is into `out` (cleared first), waiting up to `timeout` for the first
  /// value. False once the queue is closed and empty. What is handed out counts as waiting until
  /// done() is told of it.
  bool pop_all(std::vector<T>& out, std::chrono::microseconds timeout) {
    out.clear();
    std::unique_lock lock(mutex_);
    ready_.wait_for(lock, timeout,
                    [this] { return closed_ || !kept_.empty() || !sheddable_.empty(); });
    auto kept = kept_.begin();
    auto sheddable = sheddable_.begin();
    while (kept != kept_.end() || sheddable != sheddable_.end()) {
      const bool take_kept = sheddable == sheddable_.end() ||
                             (kept != kept_.end() && kept->number < sheddable->number);
      out.push_back(std::move(take_kept ? (kept++)->value : (sheddable++)->value));
    }
    kept_.clear();
    sheddable_.clear();
    in_hand_ += out.size();
    return !closed_ || !out.empty();
  }

  /// The reader has dealt with `count` of the values it took.
  void done(std::size_t count) {
    const std::lock_guard lock(mutex_);
    in_hand_ -= std::min(count, in_hand_);
  }

  /// Values that wait, those in the reader's hand included.
  std::size_t waiting() const {
    const std::lock_guard lock(mutex_);
    return count();
  }

  /// After this nothing is accepted; the reader drains what is left.
  void close() {
    {
      const std::lock_guard lock(mutex_);
      closed_ = true;
    }
    ready_.notify_all();
  }

 private:
  struct Numbered {
    std::uint64_t number = 0;
    T value;
  };
  std::size_t count() const { return kept_.size() + sheddable_.size() + in_hand_; }

  const std::size_t capacity_;
  const std::size_t keep_capacity_;
  mutable std::mutex mutex_;
  std::condition_variable ready_;
  // All guarded by mutex_.
  std::deque<Numbered> kept_;
  std::deque<Numbered> sheddable_;
  std::uint64_t next_ = 0;
  std::size_t in_hand_ = 0;
  bool closed_ = false;
};

}  // namespace spreadwatch
