#pragma once

#include <optional>

#include "core/time.h"

namespace spreadwatch::app {

/// Keeps SIGINT and SIGTERM for wait(). Make it before any thread starts: threads inherit the mask.
/// Threads: wait() by one.
class TerminationSignals {
 public:
  TerminationSignals();
  /// Blocks until one of them comes; its number.
  int wait() const;
  /// As wait(), but nullopt when none came within `longest`.
  std::optional<int> wait_for(microseconds longest) const;
};

}  // namespace spreadwatch::app
