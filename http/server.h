#pragma once

#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "http/stream.h"

namespace spreadwatch::http {

/// Why a server refused or ended what a client wanted: one closed list, the metric's `reason`.
enum class Rejection : std::uint8_t {
  kMalformed,      ///< not an HTTP/1 request: answered 400
  kTimeout,        ///< a request that did not come whole in time: answered 408
  kBodyTooLarge,   ///< answered 413
  kTargetTooLong,  ///< answered 414
  kHeadTooLarge,   ///< answered 431
  kUnread,         ///< the client did not take its answer: closed
  kMadeRoom,       ///< idle longest while there were as many connections as allowed: closed
  kNoRoom,         ///< a new one while all of those were being answered: closed
  kNoDescriptors,  ///< the process had no descriptor for another one: accepted later
  kStreamLimit,    ///< as many event streams as allowed are open: answered 503
  kSlowStream,     ///< the client of an event stream did not keep up: closed
  kFailed,         ///< what should have answered failed: answered 500
};
inline constexpr std::array<std::string_view, 12> kRejectionNames = {
    "malformed", "timeout", "body_too_large", "target_too_long", "head_too_large", "unread",
    "made_room", "no_room", "no_descriptors", "stream_limit",    "slow_stream",    "failed"};
constexpr std::string_view to_string(Rejection r) {
  return kRejectionNames[static_cast<std::size_t>(r)];
}

/// The status it is answered with; 400 when there is no answer.
constexpr int status_of(Rejection r) {
  switch (r) {
    case Rejection::kTimeout:
      return 408;
    case Rejection::kBodyTooLarge:
      return 413;
    case Rejection::kTargetTooLong:
      return 414;
    case Rejection::kHeadTooLarge:
      return 431;
    case Rejection::kFailed:
      return 500;
    default:
      return 400;
  }
}

/// A request as it came, path and query still percent-encoded; `query` without the question mark.
struct Request {
  std::string method;  ///< `GET` also for a HEAD
  bool head = false;   ///< the body of the answer will not be sent
  std::string path;
  std::string query;
  std::string accept_encoding;
  std::string body;
};

/// What to answer. Content-Length, Transfer-Encoding, Connection and Date are the server's.
struct Response {
  int status = 200;
  std::vector<std::pair<std::string, std::string>> headers{};
  std::string body{};
  std::shared_ptr<Stream> stream{};  ///< set: the body is this instead of `body`
};

/// What happened at a server. Threads: called from several.
class Observer {
 public:
  virtual ~Observer() = default;
  /// Connections there are now; `streams` of them are event streams.
  virtual void connections(std::size_t all, std::size_t streams) = 0;
  virtual void answered(int status) = 0;
  virtual void rejected(Rejection reason) = 0;
};

struct Limits {
  std::size_t connections = 512;        ///< beyond it the one that was idle longest is closed
  std::size_t head_bytes = 16U << 10U;  ///< request line and headers; more is answered 431
  std::size_t target_bytes = 4096;      ///< a longer request target is answered 414
  std::size_t body_bytes = 64U << 10U;  ///< a longer request body is answered 413
  /// Bytes of answers under way; beyond it the client that has taken nothing for longest is closed.
  std::size_t answer_bytes = 64U << 20U;
  std::chrono::milliseconds idle{30'000};  ///< a connection that got nothing for so long is closed
  std::size_t workers = 4;                 ///< requests answered at the same time
};

/// `http://address:port`, an IPv6 address in brackets.
std::string origin(std::string_view address, std::uint16_t port);

/// An HTTP/1.1 server that stays answerable whatever its clients do.
///
/// One thread owns every connection and never waits; requests are answered by a few workers, one
/// request of a connection at a time, so that what is queued is bounded by the connections. HEAD is
/// answered as GET without the body. The connections are bounded, and so is what each may hold in
/// memory: a request head, a request body; so are the answers under way together. When there are as
/// many as allowed, or the process has no descriptor for another one, those that were idle longest
/// make room.
///
/// Threads: start() and stop() by one thread; the others any.
class Server {
 public:
  /// Called by the workers, several at a time. What it throws is logged and answered 500.
  using Handler = std::function<Response(const Request&)>;
  /// The answer to what cannot be handled, for the reasons that have one. Called by the server's
  /// threads.
  using Refuse = std::function<Response(Rejection)>;

  /// `address` is `localhost` or an IPv4 or IPv6 address without brackets; port 0 takes any free
  /// one. `observer` may be null and must outlive the server.
  Server(std::string address, std::uint16_t port, Handler handler, Refuse refuse, Limits limits,
         Observer* observer);
  ~Server();  ///< stops
  Server(const Server&) = delete;
  Server& operator=(const Server&) = delete;

  /// Begins to listen. Throws std::runtime_error naming address and port when they cannot be bound.
  void start();
  /// Takes no more; what is being answered may take another 300 ms to be sent. Idempotent, never
  /// throws. Waits for the handlers that run.
  void stop() noexcept;

  /// The port listened on (also when the setting is 0); 0 before start().
  std::uint16_t port() const;
  /// origin() of what is listened on.
  std::string url() const;

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace spreadwatch::http
