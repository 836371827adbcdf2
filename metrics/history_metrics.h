#pragma once

#include <cstddef>
#include <cstdint>
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

  /// So many `open` or `close` of opportunities got to disk, or events that must last were lost.
  void events(bool kept, std::uint64_t count);
  /// Events that wait for the disk.
  void set_waiting(std::size_t events);
  /// Whether the last write succeeded.
  void set_writable(bool writable);

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace spreadwatch::metrics
