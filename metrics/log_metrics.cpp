#include "metrics/log_metrics.h"

#include <mutex>

#include "metrics/series.h"

namespace spreadwatch::metrics {

struct LogMetrics::Impl {
  explicit Impl(Registry& registry)
      : lost(counters(registry, "spreadwatch_app_log_lines_lost_total",
                      "Lines of the log that were lost because nobody read it fast enough.")
                 .Add({})) {}

  prometheus::Counter& lost;
  std::mutex mutex;
  std::uint64_t lines = 0;  // guarded by mutex
};

LogMetrics::LogMetrics(Registry& registry) : impl_(std::make_unique<Impl>(registry)) {}
LogMetrics::~LogMetrics() = default;

void LogMetrics::set_lost(std::uint64_t lines) {
  const std::lock_guard lock(impl_->mutex);
  if (lines <= impl_->lines) return;
  impl_->lost.Increment(static_cast<double>(lines - impl_->lines));
  impl_->lines = lines;
}

std::uint64_t LogMetrics::lost() const {
  const std::lock_guard lock(impl_->mutex);
  return impl_->lines;
}

}  // namespace spreadwatch::metrics
