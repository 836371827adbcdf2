#pragma once

#include <cstdint>
#include <memory>

#include "metrics/registry.h"

namespace spreadwatch::metrics {

/// The `spreadwatch_app_log_*` series: what the log could not take.
/// Threads: any.
class LogMetrics {
 public:
  explicit LogMetrics(Registry& registry);
  ~LogMetrics();
  LogMetrics(const LogMetrics&) = delete;
  LogMetrics& operator=(const LogMetrics&) = delete;

  /// Lines lost since the start; a lower number than before changes nothing.
  void set_lost(std::uint64_t lines);
  std::uint64_t lost() const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace spreadwatch::metrics
