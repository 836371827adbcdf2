#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>

#include "core/market_data.h"
#include "core/time.h"
#include "metrics/capture_metrics.h"

namespace spreadwatch::ingest {

/// One line of a capture to be written; CaptureLine is what comes out of it again.
struct CaptureEntry {
  std::string exchange;  ///< venue, or the bank-rate source when `channel` is kBankChannel
  Origin origin = Origin::kWs;
  std::string channel;  ///< empty = left out
  std::string symbol;   ///< empty = left out
  Timestamp receive_time{};
  std::uint32_t connection = 0;
  bool sent = false;   ///< the client sent it
  std::string event;   ///< not a payload but one of capture_event; empty = left out
  std::string state;   ///< of an event; empty = left out
  std::string reason;  ///< of an event; empty = left out
  std::string payload;
};

/// Appends the entry as one line of a capture file, with its end. What is not UTF-8 in the payload
/// cannot stand in JSON text: each such byte becomes U+001A (substitute), which no JSON document
/// may hold either, so that replay refuses such a payload (`malformed_json`) as the live feed did.
void append_capture_line(std::string& out, const CaptureEntry& entry);

/// Writes capture files, `spreadwatch-<start, UTC>.jsonl.zst`, into one folder.
///
/// A file is a row of complete zstd frames, each made in memory and appended by one write at least
/// every `flush_every`, and cut back to the last complete one when a write fails. So a file can be
/// read at any time, also while it grows and after the program died, and at most the last
/// `flush_every` is lost. Files are closed by size and age; when the folder would exceed its bound
/// the oldest capture file of this naming is removed. When nothing can be written (disk full) the
/// writer tries again every `retry_every` with what fits into its bounds; the rest is dropped and
/// counted, and the first line written afterwards (`event` "dropped", `count`) says how much is
/// missing.
///
/// Threads: offer() and counts() by any; start() and stop() by the owner. One thread of its own
/// writes.
class CaptureWriter {
 public:
  struct Options {
    std::filesystem::path folder;
    std::uint64_t max_file_bytes = 256U << 20U;
    milliseconds max_file_age{3'600'000};
    std::uint64_t max_total_bytes = 10ULL << 30U;  ///< of all capture files in the folder
    std::size_t queue_entries = 100'000;
    std::size_t queue_bytes = 64U << 20U;  ///< payloads that wait
    std::size_t block_bytes = 1U << 20U;   ///< uncompressed; a frame is written at the latest now
    milliseconds flush_every{1000};
    milliseconds retry_every{1000};
  };
  struct Counts {
    std::uint64_t lines = 0;  ///< written, without the writer's own
    std::uint64_t dropped = 0;
    std::uint64_t write_errors = 0;
    std::uint64_t files_opened = 0;
    std::uint64_t files_removed = 0;
  };

  /// `clock` and `metrics` must outlive the writer.
  CaptureWriter(Options options, const Clock& clock, metrics::CaptureMetrics& metrics);
  ~CaptureWriter();  ///< stops
  CaptureWriter(const CaptureWriter&) = delete;
  CaptureWriter& operator=(const CaptureWriter&) = delete;

  /// Makes the folder and the first file. Throws std::runtime_error, naming the file, when it
  /// cannot be written. REQUIRES: not started before.
  void start();
  /// Never waits. False, and counted, when the entry is dropped because too much waits already.
  bool offer(CaptureEntry entry);
  /// Writes what was accepted and closes the file. Idempotent, never throws.
  void stop() noexcept;

  Counts counts() const;

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace spreadwatch::ingest
