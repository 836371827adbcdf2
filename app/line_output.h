#pragma once

#include <cstdio>
#include <string>

namespace spreadwatch::app {

/// JSON Lines on stdout, written in large pieces. Threads: one at a time.
class LineOutput {
 public:
  LineOutput() = default;
  LineOutput(const LineOutput&) = delete;
  LineOutput& operator=(const LineOutput&) = delete;
  ~LineOutput() { flush(); }

  /// Where the next line is to be appended; end_line() completes it.
  std::string& buffer() { return buffer_; }
  void end_line() {
    buffer_.push_back('\n');
    if (buffer_.size() >= kFlushBytes) flush();
  }
  /// False once stdout could not take everything.
  bool flush() {
    if (!buffer_.empty()) {
      good_ = std::fwrite(buffer_.data(), 1, buffer_.size(), stdout) == buffer_.size() && good_;
      buffer_.clear();
    }
    return std::fflush(stdout) == 0 && good_;
  }

 private:
  static constexpr std::size_t kFlushBytes = 64U << 10U;
  std::string buffer_;
  bool good_ = true;
};

}  // namespace spreadwatch::app
