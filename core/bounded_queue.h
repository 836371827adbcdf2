#pragma once

#include <chrono>
#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <mutex>
#include <utility>
#include <vector>

namespace spreadwatch {

/// A queue of at most `capacity` values between threads. A value that finds it full is refused and
/// counted. Threads: any number of writers and readers.
template <class T>
class BoundedQueue {
 public:
  /// REQUIRES: capacity > 0.
  explicit BoundedQueue(std::size_t capacity) : capacity_(capacity) {}

  /// False, and counted as refused, when the queue is full or closed; `value` is then unchanged.
  bool try_push(T&& value) {
    {
      const std::lock_guard lock(mutex_);
      if (closed_ || values_.size() >= capacity_) {
        ++refused_;
        return false;
      }
      values_.push_back(std::move(value));
    }
    ready_.notify_one();
    return true;
  }

  /// Waits for room up to `timeout`; false, and counted, when there was none or the queue was
  /// closed.
  bool push_for(T&& value, std::chrono::microseconds timeout) {
    {
      std::unique_lock lock(mutex_);
      room_.wait_for(lock, timeout, [this] { return closed_ || values_.size() < capacity_; });
      if (closed_ || values_.size() >= capacity_) {
        ++refused_;
        return false;
      }
      values_.push_back(std::move(value));
    }
    ready_.notify_one();
    return true;
  }

  /// Moves everything there is into `out` (cleared first), waiting up to `timeout` for the first
  /// value. False once the queue is closed and empty.
  bool pop_all(std::vector<T>& out, std::chrono::microseconds timeout) {
    out.clear();
    std::unique_lock lock(mutex_);
    ready_.wait_for(lock, timeout, [this] { return closed_ || !values_.empty(); });
    for (T& value : values_) out.push_back(std::move(value));
    values_.clear();
    const bool open = !closed_ || !out.empty();
    lock.unlock();
    room_.notify_all();
    return open;
  }

  /// After this nothing is accepted; readers drain what is left.
  void close() {
    {
      const std::lock_guard lock(mutex_);
      closed_ = true;
    }
    ready_.notify_all();
    room_.notify_all();
  }

  std::size_t size() const {
    const std::lock_guard lock(mutex_);
    return values_.size();
  }
  std::uint64_t refused() const {
    const std::lock_guard lock(mutex_);
    return refused_;
  }
  std::size_t capacity() const { return capacity_; }

 private:
  const std::size_t capacity_;
  mutable std::mutex mutex_;
  std::condition_variable ready_;
  std::condition_variable room_;
  std::deque<T> values_;       // guarded by mutex_
  std::uint64_t refused_ = 0;  // guarded by mutex_
  bool closed_ = false;        // guarded by mutex_
};

}  // namespace spreadwatch
