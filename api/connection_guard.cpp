#include "api/connection_guard.h"

#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <condition_variable>
#include <filesystem>
#include <mutex>
#include <string>
#include <thread>
#include <utility>
#include <vector>

namespace spreadwatch::api {
namespace {

constexpr std::chrono::seconds kEvery{1};
constexpr std::chrono::milliseconds kDrainLook{5};

/// Owns a duplicate of a descriptor: the library may close its own at any moment, and a number that
/// was closed and handed out again must not be shut down in its place.
class Duplicate {
 public:
  explicit Duplicate(int fd) : fd_(::fcntl(fd, F_DUPFD_CLOEXEC, 0)) {}
  ~Duplicate() {
    if (fd_ >= 0) ::close(fd_);
  }
  Duplicate(Duplicate&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  Duplicate& operator=(Duplicate&& other) noexcept {
    std::swap(fd_, other.fd_);
    return *this;
  }
  int get() const { return fd_; }

 private:
  int fd_ = -1;
};

std::uint16_t local_port(int fd) {
  sockaddr_storage address{};
  socklen_t size = sizeof address;
  if (::getsockname(fd, reinterpret_cast<sockaddr*>(&address), &size) != 0) return 0;
  if (address.ss_family == AF_INET) {
    return ntohs(reinterpret_cast<const sockaddr_in*>(&address)->sin_port);
  }
  if (address.ss_family == AF_INET6) {
    return ntohs(reinterpret_cast<const sockaddr_in6*>(&address)->sin6_port);
  }
  return 0;
}

struct Connection {
  Duplicate socket;
  std::chrono::milliseconds
      unanswered{};  ///< since we last sent something, or since it was accepted
};

std::vector<Connection> connections_to(std::uint16_t port) {
  std::vector<Connection> found;
  std::error_code error;
  for (const auto& entry : std::filesystem::directory_iterator("/proc/self/fd", error)) {
    const std::string name = entry.path().filename();
    int fd = -1;
    if (std::from_chars(name.data(), name.data() + name.size(), fd).ec != std::errc{}) continue;
    if (local_port(fd) != port) continue;  // also what is not a socket
    Duplicate socket{fd};
    if (socket.get() < 0 || local_port(socket.get()) != port) continue;
    tcp_info info{};
    socklen_t size = sizeof info;
    if (::getsockopt(socket.get(), IPPROTO_TCP, TCP_INFO, &info, &size) != 0) continue;
    if (info.tcpi_state == TCP_LISTEN) continue;
    found.push_back({std::move(socket), std::chrono::milliseconds{info.tcpi_last_data_sent}});
  }
  return found;
}

}  // namespace

bool drain_connections(std::uint16_t port, std::chrono::milliseconds within) {
  const auto begin = std::chrono::steady_clock::now();
  for (;;) {
    const std::vector<Connection> connections = connections_to(port);
    if (connections.empty()) return true;
    const auto passed = std::chrono::steady_clock::now() - begin;
    if (passed >= within) return false;
    for (const Connection& connection : connections) {
      ::shutdown(connection.socket.get(), passed < within / 2 ? SHUT_RD : SHUT_RDWR);
    }
    std::this_thread::sleep_for(kDrainLook);
  }
}

ConnectionGuard::ConnectionGuard(std::uint16_t port, std::size_t max_connections,
                                 std::chrono::seconds idle)
    : port_(port),
      max_connections_(max_connections),
      idle_(idle),
      thread_([this](const std::stop_token& stop) {
        std::mutex mutex;
        std::condition_variable_any wake;
        std::unique_lock lock(mutex);
        while (!wake.wait_for(lock, stop, kEvery, [] { return false; })) {
          if (stop.stop_requested()) return;
          sweep();
        }
      }) {}

ConnectionGuard::Sweep ConnectionGuard::sweep() const {
  std::vector<Connection> connections = connections_to(port_);
  std::sort(connections.begin(), connections.end(),
            [](const Connection& a, const Connection& b) { return a.unanswered > b.unanswered; });
  Sweep result{.connections = connections.size()};
  const std::size_t excess =
      connections.size() > max_connections_ ? connections.size() - max_connections_ : 0;
  for (const Connection& connection : connections) {
    if (result.closed >= excess && connection.unanswered <= idle_) break;
    ::shutdown(connection.socket.get(), SHUT_RDWR);
    ++result.closed;
  }
  return result;
}

}  // namespace spreadwatch::api
