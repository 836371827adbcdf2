#include "app/capture_input.h"

#include <poll.h>
#include <unistd.h>

#include <array>
#include <cstdio>
#include <iostream>
#include <stdexcept>

#include "core/text.h"

namespace spreadwatch::app {

std::optional<CaptureInput> CaptureInput::open(const std::vector<std::filesystem::path>& files) {
  std::vector<std::unique_ptr<ingest::CaptureReader>> readers;
  std::uint64_t total_bytes = 0;
  bool good = true;
  for (const std::filesystem::path& file : files) {
    auto reader = ingest::CaptureReader::open(file);
    if (!reader) {
      std::cerr << visible(reader.error().detail) << '\n';
      good = false;
      continue;
    }
    std::error_code unknown_size;
    const auto size = std::filesystem::file_size(file, unknown_size);
    if (!unknown_size) total_bytes += size;
    readers.push_back(std::move(*reader));
  }
  if (!good) return std::nullopt;
  return CaptureInput{ingest::CaptureMerge{std::move(readers)}, total_bytes};
}

CaptureInput::CaptureInput(ingest::CaptureMerge merge, std::uint64_t total_bytes)
    : merge_(std::move(merge)), total_bytes_(total_bytes), terminal_(isatty(STDERR_FILENO) == 1) {}

const ingest::CaptureLine* CaptureInput::next() {
  const ingest::CaptureLine* const line = merge_.next();
  constexpr std::uint64_t kEvery = 4096;
  if (line != nullptr) ++lines_;
  if (terminal_ && (line == nullptr || lines_ % kEvery == 0)) show_progress(line == nullptr);
  return line;
}

void CaptureInput::show_progress(bool last) {
  // A terminal that was stopped must not stop the work: this line of progress is left out.
  pollfd terminal{.fd = STDERR_FILENO, .events = POLLOUT, .revents = 0};
  if (poll(&terminal, 1, 0) != 1) return;
  std::cerr << '\r' << lines_ << " lines";
  if (total_bytes_ > 0) std::cerr << ", " << 100 * merge_.bytes_read() / total_bytes_ << " %";
  std::cerr << (last ? "\n" : "");
}

StdinCopy::StdinCopy() {
  std::string name = (std::filesystem::temp_directory_path() / "spreadwatch-stdin-XXXXXX").string();
  const int descriptor = mkstemp(name.data());
  std::FILE* const file = descriptor < 0 ? nullptr : fdopen(descriptor, "wb");
  if (file == nullptr) throw std::runtime_error("cannot write to " + name);
  path_ = name;
  std::array<char, 64U << 10U> buffer{};
  bool good = true;
  while (const std::size_t got = std::fread(buffer.data(), 1, buffer.size(), stdin)) {
    good = std::fwrite(buffer.data(), 1, got, file) == got && good;
  }
  good = std::fclose(file) == 0 && good;
  if (!good) {
    std::filesystem::remove(path_);
    throw std::runtime_error("cannot write to " + name);
  }
}

StdinCopy::~StdinCopy() {
  std::error_code ignored;  // a file that somebody else removed is gone as well
  std::filesystem::remove(path_, ignored);
}

}  // namespace spreadwatch::app
