#pragma once

#include <unistd.h>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

namespace spreadwatch::app {

/// The log of a command that goes on until a signal: while one lives, spdlog's default logger
/// writes here, and through it everything that the program and its libraries have to say.
///
/// A line is put into a bounded queue and written by a thread of its own, so that a pipe nobody
/// reads, or a stopped terminal, holds up nobody; what finds the queue full is lost, counted, and
/// said in the log once there is room again. Every line is one line: what is not printable is
/// escaped, what is too long is cut, and no secret (core/secrets.h) is in it.
///
/// Threads: say() and lost() any; one Log at a time, made and destroyed by one thread.
class Log {
 public:
  struct Options {
    int descriptor = STDERR_FILENO;       ///< its flags stay as they are: others may share it
    std::string level = "info";           ///< debug, info, warn or error
    std::size_t queue_lines = 8192;       ///< lines that may wait
    std::size_t queue_bytes = 4U << 20U;  ///< and their bytes
    std::chrono::milliseconds flush_within{400};  ///< for what waits at the end
  };

  explicit Log(const Options& options);
  ~Log();  ///< stops
  Log(const Log&) = delete;
  Log& operator=(const Log&) = delete;

  /// A line without time and level, as a command tells why it ends: `spreadwatch: <text>`.
  void say(std::string_view text);

  /// Writes what waits, for `flush_within` at most; the rest, and what is logged afterwards, is
  /// lost. Idempotent.
  void stop() noexcept;

  /// Lines lost so far.
  std::uint64_t lost() const;

 private:
  class Writer;
  class Sink;
  std::shared_ptr<Writer> writer_;
};

}  // namespace spreadwatch::app
