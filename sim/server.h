#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "sim/protocol.h"
#include "sim/tls_material.h"

/// Sockets of the simulator: HTTP and websocket on the same port, plain or TLS, one thread.
namespace spreadwatch::sim {

/// Bounds of everything a client can make grow.
struct ServerLimits {
  std::size_t max_connections = 2048;       ///< of all ports together
  std::size_t max_queue_bytes = 8U << 20U;  ///< unsent bytes of one websocket
  std::size_t max_queue_frames = 16'384;
  std::size_t max_message_bytes = 1U << 20U;  ///< one incoming websocket message
  std::size_t max_header_bytes = 64U << 10U;
  std::size_t max_body_bytes = 256U << 10U;
};

/// Listens on loopback and runs handlers and timers on the thread that calls run().
///
/// Only stop() and post() may be called from other threads.
class Server {
 public:
  using HttpHandler = std::function<HttpAnswer(const HttpRequest&)>;

  explicit Server(const ServerLimits& limits = {});
  ~Server();
  Server(const Server&) = delete;
  Server& operator=(const Server&) = delete;

  /// Binds 127.0.0.1:`port` (0 = any free one) for a venue; websockets and HTTP go to `venue`,
  /// which must outlive run(). A reader that is too slow is counted in `violations`. Returns the
  /// port. Throws std::runtime_error naming `name` and the port when it is taken.
  std::uint16_t listen(const std::string& name, std::uint16_t port, VenueId id,
                       VenueProtocol& venue, Violations& violations, const TlsMaterial& tls);
  /// The same for plain HTTP without websockets.
  std::uint16_t listen(const std::string& name, std::uint16_t port, HttpHandler handler);

  /// Calls `action` every `period`, drifting rather than bursting when late.
  void every(std::chrono::milliseconds period, std::function<void()> action);

  /// Blocks until stop().
  void run();
  void stop();
  void post(std::function<void()> action);

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

/// The exchanges' time, Unix ms: the wall clock's of the start and what has passed since.
std::int64_t now_ms();

}  // namespace spreadwatch::sim
