#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace spreadwatch::test {

/// A private authority and a server certificate signed by it, made anew for a test.
struct Certificates {
  Certificates() = default;
  ~Certificates();  ///< removes the file
  Certificates(const Certificates&) = delete;
  Certificates& operator=(const Certificates&) = delete;

  std::string ca_file;   ///< path of the authority's PEM file
  std::string cert_pem;  ///< of the server
  std::string key_pem;
};

/// `alt_name` is the certificate's only subject alternative name: "DNS:localhost" or
/// "IP:127.0.0.1"; none when it is empty.
std::unique_ptr<Certificates> make_certificates(
    const std::string& alt_name, const std::string& common_name = "spreadwatch test server");

/// One websocket frame as it came.
struct WsFrame {
  int opcode = 0;
  bool last = false;  ///< FIN
  std::string payload;
};

/// The server's end of one connection, after the HTTP request has been read. Calls block; every one
/// ends when the server is stopped.
class Peer {
 public:
  virtual ~Peer() = default;

  virtual std::string target() const = 0;
  virtual std::string header(const std::string& name) const = 0;

  /// Writes bytes as they are, e.g. an HTTP answer instead of the upgrade.
  virtual bool write_raw(std::string_view bytes) = 0;
  /// Answers with 200 and the body.
  bool respond(std::string_view body, std::string_view status = "200 OK",
               std::string_view headers = "");

  /// Does the websocket upgrade; the calls below need it.
  virtual bool accept() = 0;
  /// The next message; nullopt when the connection has ended.
  virtual std::optional<std::string> read() = 0;
  /// The next message if there is one within this time. A peer that uses this does not use read().
  virtual std::optional<std::string> read_for(std::chrono::milliseconds wait) = 0;
  /// The next frame of the client; nullopt when the connection has ended. A peer that uses this
  /// uses no other way to read.
  virtual std::optional<WsFrame> read_frame() = 0;
  /// read_for() has found the end of the connection.
  virtual bool ended() const = 0;
  virtual bool send(std::string_view text) = 0;
  virtual bool send_binary(std::string_view bytes) = 0;
  virtual bool ping(const std::string& payload) = 0;
  virtual void close(std::uint16_t code, const std::string& reason) = 0;
  /// Payloads of the pongs that read() came across.
  virtual std::vector<std::string> pongs() const = 0;

  /// Ends the TCP connection with RST.
  virtual void reset() = 0;
  /// Does nothing until the client or the server ends the connection.
  virtual void hold() = 0;
};

/// A server on a free port of 127.0.0.1, or another address, with a thread for each connection.
class TestServer {
 public:
  using Handler = std::function<void(Peer&)>;

  /// With `certificates` it speaks TLS. The handler runs once for each connection, on that
  /// connection's thread.
  explicit TestServer(Handler handler, const Certificates* certificates = nullptr,
                      const std::string& address = "127.0.0.1");
  ~TestServer();
  TestServer(const TestServer&) = delete;
  TestServer& operator=(const TestServer&) = delete;

  std::uint16_t port() const;
  /// `ws://127.0.0.1:port`, with the scheme and host asked for.
  std::string url(const std::string& scheme, const std::string& host = "127.0.0.1") const;
  /// Connections accepted so far.
  int connections() const;

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

/// A port of 127.0.0.1 on which nothing listens.
std::uint16_t closed_port();

/// Strings collected by one thread and looked at by another.
class Log {
 public:
  void add(std::string line) {
    const std::lock_guard lock(mutex_);
    lines_.push_back(std::move(line));
  }
  std::vector<std::string> lines() const {
    const std::lock_guard lock(mutex_);
    return lines_;
  }
  std::size_t size() const { return lines().size(); }
  bool contains(std::string_view text) const {
    for (const std::string& line : lines()) {
      if (line.find(text) != std::string::npos) return true;
    }
    return false;
  }

 private:
  mutable std::mutex mutex_;
  std::vector<std::string> lines_;  // guarded by mutex_
};

}  // namespace spreadwatch::test
