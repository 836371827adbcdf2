#pragma once

#include <functional>

namespace spreadwatch::app {

/// Keeps SIGINT, SIGTERM and SIGHUP for wait(), and has SIGPIPE ignored: a peer, or a reader of the
/// output, that goes away is an error of the write. Make it before any thread starts: threads
/// inherit the mask. Threads: wait() by one.
class TerminationSignals {
 public:
  TerminationSignals();
  /// Blocks until SIGINT or SIGTERM comes; its number. SIGHUP, as of a terminal that closes or of
  /// log rotation, is logged and changes nothing: there is no file to open again, and the
  /// configuration is read at the start. `each_second` is called about once a second.
  int wait(const std::function<void()>& each_second = {}) const;
};

}  // namespace spreadwatch::app
