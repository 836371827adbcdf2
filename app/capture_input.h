#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <vector>

#include "ingest/capture/capture_reader.h"

namespace spreadwatch::app {

/// The captures named on a command line, merged by time, with progress on stderr when that is a
/// terminal. Threads: one at a time.
class CaptureInput {
 public:
  /// nullopt, with a message on stderr for each, when a file cannot be opened.
  static std::optional<CaptureInput> open(const std::vector<std::filesystem::path>& files);

  /// The next line, or nullptr at the end.
  const ingest::CaptureLine* next();

 private:
  CaptureInput(ingest::CaptureMerge merge, std::uint64_t total_bytes);
  void show_progress(bool last);

  ingest::CaptureMerge merge_;
  std::uint64_t total_bytes_;
  std::uint64_t lines_ = 0;
  bool terminal_;
};

/// What came on stdin, in a file that is gone at the end. Throws std::runtime_error when it cannot
/// be written.
class StdinCopy {
 public:
  StdinCopy();
  StdinCopy(const StdinCopy&) = delete;
  StdinCopy& operator=(const StdinCopy&) = delete;
  ~StdinCopy();
  const std::filesystem::path& path() const { return path_; }

 private:
  std::filesystem::path path_;
};

}  // namespace spreadwatch::app
