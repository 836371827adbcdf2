#pragma once

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include <cstdint>
#include <cstdlib>
#include <map>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>

namespace spreadwatch::api::test {

/// A plain TCP connection to loopback; every read gives up after 10 s.
class RawClient {
 public:
  explicit RawClient(std::uint16_t port, int receive_buffer = 0) : RawClient(port, Later{}) {
    if (receive_buffer > 0) {
      ::setsockopt(fd_, SOL_SOCKET, SO_RCVBUF, &receive_buffer, sizeof receive_buffer);
    }
    connect();
  }
  struct Later {};
  /// Not yet connected.
  RawClient(std::uint16_t port, Later, int family = AF_INET)
      : port_(port), family_(family), fd_(::socket(family, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    const timeval deadline{.tv_sec = 10, .tv_usec = 0};
    ::setsockopt(fd_, SOL_SOCKET, SO_RCVTIMEO, &deadline, sizeof deadline);
  }
  ~RawClient() { ::close(fd_); }
  RawClient(const RawClient&) = delete;
  RawClient& operator=(const RawClient&) = delete;

  void connect() {
    sockaddr_in v4{};
    v4.sin_family = AF_INET;
    v4.sin_port = htons(port_);
    v4.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    sockaddr_in6 v6{};
    v6.sin6_family = AF_INET6;
    v6.sin6_port = htons(port_);
    v6.sin6_addr = in6addr_loopback;
    const int result = family_ == AF_INET
                           ? ::connect(fd_, reinterpret_cast<const sockaddr*>(&v4), sizeof v4)
                           : ::connect(fd_, reinterpret_cast<const sockaddr*>(&v6), sizeof v6);
    if (result != 0) throw std::runtime_error("connect failed");
  }

  void send(std::string_view text) {
    while (!text.empty()) {
      const ssize_t n = ::send(fd_, text.data(), text.size(), MSG_NOSIGNAL);
      if (n <= 0) throw std::runtime_error("send failed");
      text.remove_prefix(static_cast<std::size_t>(n));
    }
  }

  /// More bytes into received(); false at the end of the connection or after the deadline.
  bool receive() {
    char buffer[65536];
    const ssize_t n = ::recv(fd_, buffer, sizeof buffer, 0);
    if (n <= 0) return false;
    received_.append(buffer, static_cast<std::size_t>(n));
    return true;
  }
  bool receive_until(std::string_view text) {
    while (received_.find(text) == std::string::npos) {
      if (!receive()) return false;
    }
    return true;
  }
  void receive_all() {
    while (receive()) {
    }
  }
  const std::string& received() const { return received_; }
  void forget() { received_.clear(); }
  /// Tells the server that nothing more will be sent.
  void end() { ::shutdown(fd_, SHUT_WR); }

 private:
  std::uint16_t port_;
  int family_;
  int fd_;
  std::string received_;
};

struct Reply {
  int status = 0;
  std::map<std::string, std::string> headers;  ///< names in lower case
  std::string body;
};

inline Reply parse_reply(const std::string& text) {
  Reply reply;
  const std::size_t end = text.find("\r\n\r\n");
  if (end == std::string::npos || text.size() < 12) return reply;
  reply.status = std::atoi(text.c_str() + 9);
  std::size_t at = text.find("\r\n") + 2;
  while (at < end + 2) {
    const std::size_t line_end = text.find("\r\n", at);
    const std::size_t colon = text.find(':', at);
    if (colon < line_end) {
      std::string name = text.substr(at, colon - at);
      for (char& c : name) c = static_cast<char>(c >= 'A' && c <= 'Z' ? c - 'A' + 'a' : c);
      std::size_t value = colon + 1;
      while (value < line_end && text[value] == ' ') ++value;
      reply.headers[name] = text.substr(value, line_end - value);
    }
    at = line_end + 2;
  }
  reply.body = text.substr(end + 4);
  return reply;
}

/// One request on a connection of its own.
inline Reply request(std::uint16_t port, std::string_view method, std::string_view target,
                     std::string_view headers = "", std::string_view body = "") {
  RawClient client(port);
  client.send(std::string{method} + " " + std::string{target} +
              " HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n" + std::string{headers} +
              "\r\n" + std::string{body});
  client.receive_all();
  return parse_reply(client.received());
}
inline Reply get(std::uint16_t port, std::string_view target) {
  return request(port, "GET", target);
}

}  // namespace spreadwatch::api::test
