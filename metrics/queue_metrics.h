#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string_view>

#include "metrics/registry.h"

namespace spreadwatch::metrics {

/// The `spreadwatch_app_queue_*` series: the bounded queues between stages, and the failures of
/// those that take events out of the last.
/// Threads: any.
class QueueMetrics {
 public:
  /// `stages` are the values of the `stage` label (the stage that reads the queue); positions in
  /// the list are the `stage` argument of the calls below.
  QueueMetrics(Registry& registry, std::span<const std::string_view> stages);
  ~QueueMetrics();
  QueueMetrics(const QueueMetrics&) = delete;
  QueueMetrics& operator=(const QueueMetrics&) = delete;

  void set_depth(std::size_t stage, std::size_t values);
  void set_capacity(std::size_t stage, std::size_t values);
  /// Values that the queue refused because it was full.
  void dropped(std::size_t stage, std::uint64_t count);
  /// A value took the place of an older one of its kind, since the stage was behind.
  void conflated(std::size_t stage);
  /// About how much memory the waiting values take.
  void set_bytes(std::size_t stage, std::size_t bytes);

  /// The series of one that is told of events, at zero; the result is what consumer_failed() takes.
  /// Before the other calls.
  std::size_t add_consumer(std::string_view name);
  /// An event could not be taken by it.
  void consumer_failed(std::size_t consumer);

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace spreadwatch::metrics
