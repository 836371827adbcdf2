#pragma once

#include <memory>

#include "metrics/registry.h"

namespace spreadwatch::metrics {

/// The `spreadwatch_history_*` series: what of the events that must outlive a crash got to disk.
/// Threads: any.
class HistoryMetrics {
 public:
  explicit HistoryMetrics(Registry& registry);
  ~HistoryMetrics();
  HistoryMetrics(const HistoryMetrics&) = delete;
  HistoryMetrics& operator=(const HistoryMetrics&) = delete;

  /// An `open` or `close` of an opportunity is on disk, or could not be written.
  void event(bool kept);
  /// Whether the last write succeeded.
  void set_writable(bool writable);

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace spreadwatch::metrics
