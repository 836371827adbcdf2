#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "core/address.h"
#include "core/error.h"
#include "core/result.h"
#include "core/time.h"

namespace boost::asio {
class io_context;
}  // namespace boost::asio

namespace spreadwatch::ingest {

/// `spreadwatch/VERSION`, sent with every request and websocket upgrade.
std::string_view user_agent();

/// When an answer was sent: by its Date header, so that our own clock need not be right; the wall
/// clock's time when there is none.
Timestamp time_of_answer(std::string_view date);

/// Seconds or an HTTP date as in a Retry-After header, counted from `now`; nullopt when it is
/// neither.
std::optional<milliseconds> parse_retry_after(std::string_view text, Timestamp now);

/// The client side of TLS, shared by connections: TLS 1.2 or newer, certificates checked against
/// the system's authorities and, when given, those of one more PEM file. Threads: one at a time.
class TlsClient {
 public:
  /// Errors (an unreadable `ca_file`) show as kTlsFailed of every connection.
  explicit TlsClient(const std::string& ca_file = {});
  ~TlsClient();
  TlsClient(const TlsClient&) = delete;
  TlsClient& operator=(const TlsClient&) = delete;

  struct Impl;
  const std::shared_ptr<Impl>& impl() const { return impl_; }

 private:
  std::shared_ptr<Impl> impl_;
};

struct TransportOptions {
  milliseconds connect_timeout{10'000};    ///< name look-up and TCP
  milliseconds handshake_timeout{10'000};  ///< TLS and websocket upgrade together
  milliseconds write_timeout{20'000};      ///< of one message; a peer that reads nothing is left
  milliseconds close_timeout{1'000};  ///< from our close frame (or a protocol error) to the end
  std::size_t max_message =
      8U << 20U;                 ///< bytes; a longer message ends the connection as kOversizedFrame
  std::size_t max_queued = 512;  ///< messages waiting to be sent
  std::size_t max_queued_bytes = 4U << 20U;
};

/// How a connection, or the attempt at one, ended.
struct CloseInfo {
  std::optional<ErrorCode> code{};  ///< nullopt: we closed it
  std::string detail{};
  bool was_open = false;
  int http_status = 0;  ///< of an upgrade that was refused; else 0
  std::optional<milliseconds> retry_after{};
  std::uint16_t close_code = 0;  ///< of the peer's close frame; 0 = none
  std::string close_reason{};
};

/// What a connection tells its owner. A call may destroy the connection. Exceptions are logged and
/// dropped.
class WebsocketEvents {
 public:
  virtual ~WebsocketEvents() = default;
  /// The upgrade is done; send() works from here on.
  virtual void on_open() = 0;
  /// One whole message. `payload` lives during the call.
  virtual void on_frame(std::string_view payload, bool binary) = 0;
  /// The answer to a ping() of ours.
  virtual void on_pong() = 0;
  /// A ping of the server came in; it is answered already.
  virtual void on_ping() {}
  /// The end, exactly once; nothing follows.
  virtual void on_closed(const CloseInfo& info) = 0;
};

/// One websocket connection, from name look-up to close. Answers the server's pings with the same
/// payload, sends no Origin header and offers no compression.
///
/// Threads: all calls and all events on the thread that runs the io_context.
class WebsocketConnection {
 public:
  /// Begins to connect; nothing is called from inside the constructor. `events` must outlive the
  /// connection, `io` also what the connection leaves behind (at most `close_timeout`).
  WebsocketConnection(boost::asio::io_context& io, const TlsClient& tls, const std::string& url,
                      const TransportOptions& options, WebsocketEvents& events);
  /// Closes without telling; a close frame is still sent in the background.
  ~WebsocketConnection();
  WebsocketConnection(const WebsocketConnection&) = delete;
  WebsocketConnection& operator=(const WebsocketConnection&) = delete;

  /// Queues a text message, which leaves as one frame. False when the connection is not open or the
  /// queue is full.
  bool send(std::string text);
  /// Sends a protocol ping. False when not open or the last one is still on its way out.
  bool ping();
  /// Sends a close frame and ends within `close_timeout` with on_closed(); one that is not open
  /// ends at once.
  void close();
  /// Ends at once with on_closed(`code`, `detail`), sending a close frame where that does not
  /// block.
  void fail(ErrorCode code, std::string detail);

  class Impl;

 private:
  std::shared_ptr<Impl> impl_;
};

}  // namespace spreadwatch::ingest
