#include "metrics/capture_metrics.h"

#include "metrics/series.h"

namespace spreadwatch::metrics {

struct CaptureMetrics::Impl {
  explicit Impl(Registry& registry)
      : lines(counters(registry, "spreadwatch_ingest_capture_lines_total",
                       "Lines written to capture files.")
                  .Add({})),
        bytes(counters(registry, "spreadwatch_ingest_capture_bytes_total",
                       "Compressed bytes written to capture files.")
                  .Add({})),
        dropped(counters(registry, "spreadwatch_ingest_capture_dropped_total",
                         "Lines lost because the queue was full or no file could be written.")
                    .Add({})),
        write_errors(counters(registry, "spreadwatch_ingest_capture_write_errors_total",
                              "Attempts to open or write a capture file that failed.")
                         .Add({})),
        files_opened(
            counters(registry, "spreadwatch_ingest_capture_files_opened_total", "Files begun.")
                .Add({})),
        files_removed(counters(registry, "spreadwatch_ingest_capture_files_removed_total",
                               "Oldest files removed to stay within the folder's bound.")
                          .Add({})),
        queue_bytes(gauges(registry, "spreadwatch_ingest_capture_queue_bytes",
                           "Payload bytes that wait for the writer.")
                        .Add({})) {}

  prometheus::Counter& lines;
  prometheus::Counter& bytes;
  prometheus::Counter& dropped;
  prometheus::Counter& write_errors;
  prometheus::Counter& files_opened;
  prometheus::Counter& files_removed;
  prometheus::Gauge& queue_bytes;
};

CaptureMetrics::CaptureMetrics(Registry& registry) : impl_(std::make_unique<Impl>(registry)) {}
CaptureMetrics::~CaptureMetrics() = default;

void CaptureMetrics::written(std::uint64_t lines, std::size_t file_bytes) {
  impl_->lines.Increment(static_cast<double>(lines));
  impl_->bytes.Increment(static_cast<double>(file_bytes));
}
void CaptureMetrics::dropped(std::uint64_t lines) {
  impl_->dropped.Increment(static_cast<double>(lines));
}
void CaptureMetrics::write_error() { impl_->write_errors.Increment(); }
void CaptureMetrics::file_opened() { impl_->files_opened.Increment(); }
void CaptureMetrics::file_removed() { impl_->files_removed.Increment(); }
void CaptureMetrics::set_queue_bytes(std::size_t bytes) {
  impl_->queue_bytes.Set(static_cast<double>(bytes));
}

}  // namespace spreadwatch::metrics
