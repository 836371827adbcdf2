#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string_view>

#include "metrics/registry.h"

namespace spreadwatch::metrics {

/// The `spreadwatch_app_queue_*` series: the bounded queues between stages.
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

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace spreadwatch::metrics
