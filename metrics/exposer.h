#pragma once

#include <cstddef>
#include <cstdint>
#include <string>

#include "http/server.h"
#include "metrics/registry.h"

namespace spreadwatch::metrics {

/// Serves the registry at `http://<address>:<port>/metrics` until it is destroyed, compressed for
/// who asks for gzip. Threads: any; owns the HTTP server's threads.
class Exposer {
 public:
  /// Port 0 takes any free port. `observer` may be null; what is given must outlive the exposer.
  /// Throws std::runtime_error, naming the address, when it cannot listen there.
  Exposer(const Registry& registry, const std::string& address, std::uint16_t port,
          std::size_t connections = 64, http::Observer* observer = nullptr);
  Exposer(const Exposer&) = delete;
  Exposer& operator=(const Exposer&) = delete;

  /// The port it listens on, never 0.
  std::uint16_t port() const { return server_.port(); }
  /// `http://address:port/metrics`.
  std::string url() const { return server_.url() + "/metrics"; }

 private:
  http::Server server_;
};

}  // namespace spreadwatch::metrics
