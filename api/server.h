#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "api/broadcaster.h"
#include "api/providers.h"
#include "api/store.h"
#include "config/settings.h"
#include "core/time.h"
#include "http/server.h"

namespace spreadwatch::api {

/// Limits of one server. The defaults suit loopback and a reverse proxy in front.
struct ServerLimits {
  std::size_t head_bytes = 16U << 10U;  ///< request line and headers; more is answered 431
  std::size_t uri_bytes = 4096;         ///< a longer target is answered 414
  std::size_t body_bytes = 64U << 10U;  ///< a longer request body is answered 413
  std::size_t connections = 512;        ///< beyond it the one that was idle longest is closed
  std::chrono::seconds idle{30};        ///< a connection that got nothing for so long is closed
  std::size_t stream_clients = 200;     ///< beyond it /api/v1/stream answers 503
  /// Unsent bytes at which a slow stream client is cut.
  std::size_t stream_queue_bytes = 1U << 20U;
  std::chrono::milliseconds heartbeat{15'000};  ///< comment line on a quiet stream
};

/// Who is told what happens at a server; either may be empty. Threads: called from several.
struct ServerObservers {
  http::Observer* http = nullptr;       ///< must outlive the server
  std::function<void()> event_dropped;  ///< an event that the full queue to the streams refused
};

/// The HTTP surface: board, health, REST, Server-Sent Events and the OpenAPI document that
/// describes them.
///
/// Read-only: it changes nothing of the service. Threads: start() and stop() by one thread; the
/// others any; owns those of the HTTP server and the broadcaster.
class Server {
 public:
  /// `store`, `clock` and what `providers` capture must outlive the server. `venues` are the
  /// watched ones.
  Server(config::HttpSettings http, std::vector<config::VenueSettings> venues, const Store& store,
         const Clock& clock, Providers providers, ServerLimits limits = {},
         ServerObservers observers = {});
  ~Server();  ///< stops
  Server(const Server&) = delete;
  Server& operator=(const Server&) = delete;

  /// Begins to listen. Throws std::runtime_error naming address and port when they cannot be bound.
  void start();
  /// Ends open streams and connections; returns within a second. Idempotent, never throws.
  void stop() noexcept;

  /// The port listened on (also when the setting is 0); 0 before start().
  std::uint16_t port() const;
  /// `http://address:port`.
  std::string url() const;

  /// Where events for `/api/v1/stream` go in. Usable before start() and after stop().
  Broadcaster& broadcaster();

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace spreadwatch::api
