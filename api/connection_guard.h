#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <thread>

namespace spreadwatch::api {

/// Ends every connection to a listening port of this process: nothing is read from it any more,
/// what is being answered is sent, and what is not over after half of `within` is cut. The library
/// then closes each on the thread that serves it; closing the listener while there are connections
/// would let it close sockets under the threads that use them. False when some are left.
bool drain_connections(std::uint16_t port, std::chrono::milliseconds within);

/// Keeps the connections to one listening port within limits that cpprest's http_listener does not
/// enforce: how many there are, and how long one may go without being answered anything (a header
/// or body that never ends, a stream client that stopped reading, an idle keep-alive).
///
/// The library hides its sockets, so the guard looks at this process's own descriptors about once a
/// second and shuts down the offending ones; the library then sees an ordinary disconnect. Threads:
/// owns one; construct and destroy by any.
class ConnectionGuard {
 public:
  /// REQUIRES: a socket of this process listens on `port`.
  ConnectionGuard(std::uint16_t port, std::size_t max_connections, std::chrono::seconds idle);

  /// What one look found and did. Used by the guard's thread; public for tests.
  struct Sweep {
    std::size_t connections = 0;
    std::size_t closed = 0;
  };
  Sweep sweep() const;

 private:
  const std::uint16_t port_;
  const std::size_t max_connections_;
  const std::chrono::seconds idle_;
  std::jthread thread_;
};

}  // namespace spreadwatch::api
