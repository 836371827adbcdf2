#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <utility>
#include <vector>

#include "app/queue_rules.h"
#include "core/time.h"
#include "metrics/queue_metrics.h"

namespace spreadwatch::app {

/// The queue before a stage, with what the metrics say of it. Threads: push() and refused() any,
/// the rest the stage's.
template <class Queue, class Value>
class StageQueue {
 public:
  /// `metrics` must outlive it; `stage` is the queue's there.
  StageQueue(const typename Queue::Bounds& bounds, metrics::QueueMetrics& metrics,
             std::size_t stage)
      : metrics_(metrics), stage_(stage), queue_(bounds) {
    metrics_.set_capacity(stage_, bounds.replaceable.values + bounds.kept.values);
  }

  /// Never waits. What comes after close() is nobody's loss and not counted.
  void push(Value value) {
    const auto pushed = queue_.push(std::move(value));
    metrics_.set_depth(stage_, pushed.waiting);
    if (pushed.shed > 0) dropped(pushed.shed);
    if (pushed.conflated) metrics_.conflated(stage_);
    if (pushed.taken || pushed.closed) return;
    dropped(1);
    ++refused_;
  }

  /// As ConflatingQueue::pop(), a batch at most.
  bool pop(std::vector<Value>& out, microseconds timeout) {
    return queue_.pop(out, kBatch, timeout);
  }
  void done(std::size_t count) { queue_.done(count); }
  /// Says how much waits now.
  void report() {
    metrics_.set_depth(stage_, queue_.waiting());
    metrics_.set_bytes(stage_, queue_.bytes());
  }
  /// The stage gave so many up.
  void dropped(std::size_t count) { metrics_.dropped(stage_, count); }
  void wake() { queue_.wake(); }
  void close() { queue_.close(); }

  /// Values that no later one makes up for and that found no room.
  std::uint64_t refused() const { return refused_; }

 private:
  metrics::QueueMetrics& metrics_;
  const std::size_t stage_;
  Queue queue_;
  std::atomic<std::uint64_t> refused_{0};
};

}  // namespace spreadwatch::app
