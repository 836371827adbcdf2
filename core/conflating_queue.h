#pragma once

#include <algorithm>
#include <chrono>
#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <list>
#include <mutex>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

namespace spreadwatch {

/// A bounded queue between threads whose writers never wait, for values of which the newest is what
/// counts.
///
/// Values are of two kinds. A replaceable one (a whole order book, a row) makes up for the one
/// before with the same key: while the reader is behind, it takes its place, which is counted. When
/// there is no room all the same, the oldest goes. A kept one (a state change) is never replaced
/// nor shed and has bounds of its own; it also parts what came before from what comes after: a
/// value does not replace one from before a kept value with the same key.
///
/// The reader gets what is left in the order it came: a value that replaces another stands where it
/// came itself, at the back, so that nothing overtakes anything. Threads: any number of writers,
/// one reader.
///
/// `Rules` says of a value, as static functions:
///  - `bool keep(const T&)`;
///  - `std::string key(const T&)`: what it replaces, or of a kept one, what it parts; empty =
///  nothing;
///  - `std::size_t bytes(const T&)`: about how much memory it takes;
///  - `void merge(T& newer, const T& older)`: gives the newer what must outlive the older.
template <class T, class Rules>
class ConflatingQueue {
 public:
  struct Bound {
    std::size_t values = 0;
    std::size_t bytes = 0;
  };
  struct Bounds {
    Bound replaceable;
    Bound kept;
    /// The reader is behind while more values than this wait, or half of the replaceable bytes.
    std::size_t behind = 0;
  };
  struct Pushed {
    bool taken = false;       ///< false: closed, or no room
    bool closed = false;      ///< why it was not taken
    bool conflated = false;   ///< it took the place of an older one
    std::size_t shed = 0;     ///< older values that went to make room
    std::size_t waiting = 0;  ///< as waiting(), afterwards
  };

  /// REQUIRES: values and bytes > 0.
  explicit ConflatingQueue(const Bounds& bounds) : bounds_(bounds) {}

  /// Never waits.
  Pushed push(T value) {
    Pushed pushed;
    {
      Entry entry{0, Rules::bytes(value), Rules::key(value), std::move(value)};
      const bool keep = Rules::keep(entry.value);
      const std::lock_guard lock(mutex_);
      pushed.closed = closed_;
      if (!closed_) pushed.taken = keep ? add_kept(entry) : add_replaceable(entry, pushed);
      pushed.waiting = count();
    }
    if (pushed.taken) ready_.notify_one();
    return pushed;
  }

  /// Moves up to `at_most` values into `out` (cleared first), waiting up to `timeout` for the first
  /// or for wake(). False once the queue is closed and empty. What is handed out counts as waiting
  /// until done() is told of it.
  bool pop(std::vector<T>& out, std::size_t at_most, std::chrono::microseconds timeout) {
    out.clear();
    std::unique_lock lock(mutex_);
    ready_.wait_for(lock, timeout, [this] {
      return closed_ || woken_ || !kept_.empty() || !replaceable_.empty();
    });
    woken_ = false;
    while (out.size() < at_most && !(kept_.empty() && replaceable_.empty())) {
      const bool take_kept = replaceable_.empty() ||
                             (!kept_.empty() && kept_.front().number < replaceable_.front().number);
      if (take_kept) {
        kept_bytes_ -= kept_.front().bytes;
        out.push_back(std::move(kept_.front().value));
        kept_.pop_front();
      } else {
        out.push_back(std::move(replaceable_.front().value));
        remove(replaceable_.begin());
      }
    }
    in_hand_ += out.size();
    return !closed_ || !out.empty();
  }

  /// The reader has dealt with `count` of the values it took.
  void done(std::size_t count) {
    const std::lock_guard lock(mutex_);
    in_hand_ -= std::min(count, in_hand_);
  }

  /// Ends the wait of pop(), the next one's when nobody waits.
  void wake() {
    {
      const std::lock_guard lock(mutex_);
      woken_ = true;
    }
    ready_.notify_one();
  }

  /// Values that wait, those in the reader's hand included.
  std::size_t waiting() const {
    const std::lock_guard lock(mutex_);
    return count();
  }
  /// Bytes of those that wait, without the reader's hand.
  std::size_t bytes() const {
    const std::lock_guard lock(mutex_);
    return replaceable_bytes_ + kept_bytes_;
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
  struct Entry {
    std::uint64_t number = 0;
    std::size_t bytes = 0;
    std::string key;
    T value;
  };
  using Entries = std::list<Entry>;

  // All below REQUIRE mutex_ held.
  std::size_t count() const { return kept_.size() + replaceable_.size() + in_hand_; }
  bool behind() const {
    return count() > bounds_.behind || replaceable_bytes_ > bounds_.replaceable.bytes / 2;
  }

  bool add_kept(Entry& entry) {
    if (kept_.size() >= bounds_.kept.values ||
        entry.bytes > bounds_.kept.bytes - std::min(kept_bytes_, bounds_.kept.bytes)) {
      return false;
    }
    if (!entry.key.empty()) newest_.erase(entry.key);
    entry.number = next_++;
    kept_bytes_ += entry.bytes;
    kept_.push_back(std::move(entry));
    return true;
  }

  bool add_replaceable(Entry& entry, Pushed& pushed) {
    if (entry.bytes > bounds_.replaceable.bytes) return false;
    if (!entry.key.empty() && behind()) {
      if (const auto older = newest_.find(entry.key); older != newest_.end()) {
        Rules::merge(entry.value, older->second->value);
        remove(older->second);
        pushed.conflated = true;
      }
    }
    while (replaceable_.size() >= bounds_.replaceable.values ||
           replaceable_bytes_ + entry.bytes > bounds_.replaceable.bytes) {
      remove(replaceable_.begin());
      ++pushed.shed;
    }
    entry.number = next_++;
    replaceable_bytes_ += entry.bytes;
    replaceable_.push_back(std::move(entry));
    const auto last = std::prev(replaceable_.end());
    if (!last->key.empty()) newest_.insert_or_assign(last->key, last);
    return true;
  }

  void remove(typename Entries::iterator entry) {
    const auto newest = newest_.find(entry->key);
    if (newest != newest_.end() && newest->second == entry) newest_.erase(newest);
    replaceable_bytes_ -= entry->bytes;
    replaceable_.erase(entry);
  }

  const Bounds bounds_;
  mutable std::mutex mutex_;
  std::condition_variable ready_;
  // All guarded by mutex_.
  std::deque<Entry> kept_;
  Entries replaceable_;
  std::unordered_map<std::string, typename Entries::iterator> newest_;  // that may be replaced
  std::size_t kept_bytes_ = 0;
  std::size_t replaceable_bytes_ = 0;
  std::uint64_t next_ = 0;
  std::size_t in_hand_ = 0;
  bool woken_ = false;
  bool closed_ = false;
};

}  // namespace spreadwatch
