#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>

#include "metrics/registry.h"

namespace spreadwatch::metrics {

/// The `spreadwatch_ingest_capture_*` series: what a recording keeps and what it loses.
/// Threads: any.
class CaptureMetrics {
 public:
  explicit CaptureMetrics(Registry& registry);
  ~CaptureMetrics();
  CaptureMetrics(const CaptureMetrics&) = delete;
  CaptureMetrics& operator=(const CaptureMetrics&) = delete;

  /// Lines reached a file, as so many compressed bytes.
  void written(std::uint64_t lines, std::size_t file_bytes);
  /// Lines lost because the queue was full or no file could be written.
  void dropped(std::uint64_t lines);
  void write_error();
  void file_opened();
  /// The oldest file was removed to stay within the bound of the folder.
  void file_removed();
  /// Payload bytes that wait for the writer.
  void set_queue_bytes(std::size_t bytes);

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace spreadwatch::metrics
