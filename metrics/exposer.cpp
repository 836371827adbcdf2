#include "metrics/exposer.h"

#include <prometheus/exposer.h>
#include <prometheus/registry.h>

#include <exception>
#include <stdexcept>
#include <vector>

namespace spreadwatch::metrics {

Exposer::Exposer(const Registry& registry, const std::string& address, std::uint16_t port) {
  // An IPv6 address needs brackets before a port can follow it.
  const bool bare_v6 = address.find(':') != std::string::npos && address.front() != '[';
  const std::string endpoint =
      (bare_v6 ? "[" + address + "]" : address) + ":" + std::to_string(port);
  constexpr std::size_t kThreads = 2;
  try {
    exposer_ = std::make_unique<prometheus::Exposer>(endpoint, kThreads);
    const std::vector<int> ports = exposer_->GetListeningPorts();
    if (ports.empty()) throw std::runtime_error("no port");
    port_ = static_cast<std::uint16_t>(ports.front());
  } catch (const std::exception&) {
    // The HTTP library says only that something failed, and that is nearly always the port.
    throw std::runtime_error("cannot serve metrics on " + endpoint +
                             ": the port is taken or the address is not this machine's");
  }
  exposer_->RegisterCollectable(registry.scraped());
}

Exposer::~Exposer() = default;

}  // namespace spreadwatch::metrics
