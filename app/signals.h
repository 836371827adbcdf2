#pragma once

namespace spreadwatch::app {

/// Keeps SIGINT and SIGTERM for wait(). Make it before any thread starts: threads inherit the mask.
/// Threads: wait() by one.
class TerminationSignals {
 public:
  TerminationSignals();
  /// Blocks until one of them comes; its number.
  int wait() const;
};

}  // namespace spreadwatch::app
