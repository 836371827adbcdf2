#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "metrics/registry.h"

namespace prometheus {
class Exposer;
}  // namespace prometheus

namespace spreadwatch::metrics {

/// Serves the registry at `http://<address>:<port>/metrics` until it is destroyed.
/// Threads: any; owns the HTTP server's threads.
class Exposer {
 public:
  /// Port 0 takes any free port. Throws std::runtime_error, naming the address, when it cannot
  /// listen there.
  Exposer(const Registry& registry, const std::string& address, std::uint16_t port);
  ~Exposer();
  Exposer(const Exposer&) = delete;
  Exposer& operator=(const Exposer&) = delete;

  /// The port it listens on, never 0.
  std::uint16_t port() const { return port_; }

 private:
  std::unique_ptr<prometheus::Exposer> exposer_;
  std::uint16_t port_ = 0;
};

}  // namespace spreadwatch::metrics
