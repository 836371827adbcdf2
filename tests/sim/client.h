#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

/// A plain client for tests against the simulator. Every call ends by its deadline.
namespace spreadwatch::sim::test {

using Headers = std::vector<std::pair<std::string, std::string>>;

struct HttpReply {
  int status = 0;
  std::string body;
  std::string content_type;
};

/// One request on a connection of its own. Throws std::runtime_error after five seconds. With
/// `ca_pem` over TLS, verifying the certificate for 127.0.0.1.
HttpReply http_request(std::uint16_t port, const std::string& method, const std::string& target,
                       const std::string& body = {}, const std::string& ca_pem = {});

/// A POST of a form, as web pages send it.
HttpReply http_post_form(std::uint16_t port, const std::string& target, const std::string& form);

class WebSocketClient {
 public:
  struct Message {
    std::string text;
    bool binary = false;
  };

  /// Throws std::runtime_error when the upgrade is refused or takes five seconds.
  WebSocketClient(std::uint16_t port, const std::string& target, const Headers& headers = {});
  ~WebSocketClient();

  void send(const std::string& text);
  /// The next message, or nothing when none came within `timeout` or the connection ended.
  std::optional<Message> read(std::chrono::milliseconds timeout = std::chrono::seconds(5));
  [[nodiscard]] bool closed() const;
  /// Code of the peer's close frame; 1006 when it ended without one.
  [[nodiscard]] int close_code() const;

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace spreadwatch::sim::test
