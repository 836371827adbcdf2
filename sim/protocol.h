#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "core/venue.h"
#include "sim/limits.h"
#include "sim/market_view.h"

/// The seam between the server (sockets) and a venue's protocol (text in, text out).
///
/// A protocol does no I/O and reads no clock: it is told what arrived and what changed, and answers
/// through Connection. Everything runs on the simulator's one thread; no call blocks, and no call
/// into a Connection re-enters the protocol (on_close included: it comes later, from the loop).
namespace spreadwatch::sim {

/// What a request or an upgrade carried.
struct HttpRequest {
  std::string method;  ///< "GET"
  std::string target;  ///< as sent, path and query
  std::string path;    ///< percent-decoded, without the query
  /// Decoded, in order, repeats kept; those of a form in the body come last.
  std::vector<std::pair<std::string, std::string>> query;
  std::vector<std::pair<std::string, std::string>> headers;  ///< names lower case
  std::string body;
  std::string remote;       ///< client address without port
  std::int64_t now_ms = 0;  ///< arrival, Unix ms

  /// First value of a query parameter, or nothing.
  [[nodiscard]] std::optional<std::string> parameter(std::string_view name) const;
  /// Every value of a parameter, each also split at commas; empty when it is absent.
  [[nodiscard]] std::vector<std::string> parameter_list(std::string_view name) const;
  /// Value of a header (`name` in lower case), or nothing.
  [[nodiscard]] std::optional<std::string> header(std::string_view name) const;
};

struct HttpAnswer {
  int status = 200;
  std::string body;
  std::string content_type = "application/json;charset=utf-8";
  std::vector<std::pair<std::string, std::string>> headers = {};  ///< besides type, length, date
};

inline HttpAnswer http_answer(int status, std::string body) {
  HttpAnswer answer;
  answer.status = status;
  answer.body = std::move(body);
  return answer;
}
inline HttpAnswer text_answer(int status, std::string text) {
  HttpAnswer answer = http_answer(status, std::move(text));
  answer.content_type = "text/plain";
  return answer;
}

/// What a websocket upgrade is answered with: a refusal, or nothing but extra headers.
struct UpgradeAnswer {
  std::optional<HttpAnswer> refusal = {};
  std::vector<std::pair<std::string, std::string>> headers = {};
};

/// What a frame is, for those who tamper with frames on purpose between protocol and socket.
enum class FrameKind : std::uint8_t { kControl, kBook, kTicker, kHeartbeat };

/// One outgoing message. The payload is shared, so a broadcast is built once.
struct Frame {
  std::shared_ptr<const std::string> payload;
  bool binary = false;
  FrameKind kind = FrameKind::kControl;
  const Listing* listing = nullptr;  ///< the market it is about, if any
  std::int64_t drip_ms = 0;          ///< above 0: sent in small pieces over so long
  bool bulk = false;                 ///< made big on purpose: no burden of the reader's queue
};

/// Base of whatever a protocol remembers about one connection (its subscriptions, rates,
/// deadlines).
struct ConnectionState {
  virtual ~ConnectionState() = default;
};

/// One websocket connection as a protocol sees it. Implemented by the server, which owns it; valid
/// from on_open until on_close returns. After close() or drop() sends are ignored and no more
/// messages are delivered.
class Connection {
 public:
  virtual ~Connection() = default;

  /// Queues a message. A reader too slow for the bounded queue is dropped.
  virtual void send(Frame frame) = 0;
  /// Protocol ping; the answer arrives in on_pong.
  virtual void ping(std::string_view payload) = 0;
  /// Close frame with this code after what is queued.
  virtual void close(std::uint16_t code, std::string_view reason = {}) = 0;
  /// The TCP connection ends at once without a close frame (a client sees 1006).
  virtual void drop() = 0;
  /// The same with RST in place of FIN.
  virtual void reset() = 0;
  /// From now on nothing is read and nothing is sent, pongs included, until drop() or until the
  /// client's end is closed; TCP stays up.
  virtual void freeze() = 0;

  /// The request that opened it.
  [[nodiscard]] virtual const HttpRequest& upgrade() const = 0;
  /// Unique in this process, from 1.
  [[nodiscard]] virtual std::uint64_t id() const = 0;

  /// Shorthand for control text (acks, errors, pongs).
  void send_text(std::string text) {
    send({std::make_shared<const std::string>(std::move(text)), false, FrameKind::kControl,
          nullptr});
  }

  std::unique_ptr<ConnectionState> state;  ///< the protocol's own; set in on_open
};

/// What a protocol may use.
struct VenueContext {
  VenueId venue;
  MarketView& market;
  Violations& violations;
};

/// A venue's public wire protocol. One object per venue; all its connections share it.
///
/// Order of calls within one publish instant of the venue: on_book / on_ticker per listing, then
/// on_instant. `now_ms` of the socket calls is the wall clock; `ts_ms` the market's own instant,
/// at or slightly before it. A message must carry the market's times, not the wall clock, wherever
/// the venue documents an engine time.
class VenueProtocol {
 public:
  explicit VenueProtocol(const VenueContext& context) : context_(context) {}
  virtual ~VenueProtocol() = default;
  VenueProtocol(const VenueProtocol&) = delete;
  VenueProtocol& operator=(const VenueProtocol&) = delete;

  /// Path of the venue's one websocket address for `ws_url`, e.g. "/v5/public/spot"; empty when the
  /// address is the bare host.
  [[nodiscard]] virtual std::string ws_path() const = 0;
  /// Whether permessage-deflate is accepted when a client offers it.
  [[nodiscard]] virtual bool compresses() const { return false; }

  /// A client asks for a websocket. Check path, headers and connection rate here.
  virtual UpgradeAnswer on_upgrade(const HttpRequest& request) = 0;
  virtual void on_open(Connection& connection, std::int64_t now_ms) = 0;
  virtual void on_text(Connection& connection, std::string_view text, std::int64_t now_ms) = 0;
  /// A binary message; most venues read it like text.
  virtual void on_binary(Connection& connection, std::string_view data, std::int64_t now_ms) {
    on_text(connection, data, now_ms);
  }
  /// A protocol ping came; the server has already queued the pong.
  virtual void on_ping(Connection&, std::string_view /*payload*/, std::int64_t /*now_ms*/) {}
  virtual void on_pong(Connection&, std::string_view /*payload*/, std::int64_t /*now_ms*/) {}
  /// The connection is gone; forget every pointer to it.
  virtual void on_close(Connection&, std::int64_t /*now_ms*/) {}

  virtual HttpAnswer on_http(const HttpRequest& request) = 0;

  virtual void on_book(const BookEvent& event) = 0;
  virtual void on_ticker(const Listing& listing) = 0;
  virtual void on_instant(std::int64_t /*ts_ms*/) {}
  /// About every 100 ms of wall clock: heartbeats, pings, timeouts.
  virtual void on_timer(std::int64_t /*now_ms*/) {}

  /// `sequence` of GET /v1/books: the venue's own number of the published book, if it has one.
  [[nodiscard]] virtual std::optional<std::uint64_t> sequence(const Listing&) const {
    return std::nullopt;
  }

  /// What the venue answers to somebody it has banned. Retry-After is added by the caller.
  [[nodiscard]] virtual HttpAnswer ban_answer(bool upgrade) const = 0;
  /// The venue's own body for a refusal with this status.
  [[nodiscard]] virtual HttpAnswer refusal(int status) const = 0;
  /// Says on one connection that maintenance begins, or that it is over, where the venue has words
  /// for it.
  virtual void announce_maintenance(Connection&, bool /*begins*/, std::int64_t /*now_ms*/) {}
  /// Whether maintenance ends connections and refuses new ones.
  [[nodiscard]] virtual bool maintenance_disconnects() const { return true; }
  /// Whether this route still works under maintenance, e.g. to say so.
  [[nodiscard]] virtual bool works_in_maintenance(const HttpRequest&) const { return false; }
  /// The market has just left the venue's lists; nothing is sent for it any more.
  virtual void on_delisted(const Listing&) {}

  /// Called by the server around on_open and on_close; connections() is the live list between.
  virtual void attach(Connection& connection) { connections_.push_back(&connection); }
  virtual void detach(Connection& connection) { std::erase(connections_, &connection); }

 protected:
  /// Open connections, oldest first.
  [[nodiscard]] const std::vector<Connection*>& connections() const { return connections_; }
  [[nodiscard]] MarketView& market() const { return context_.market; }
  [[nodiscard]] const std::vector<const Listing*>& listings() const {
    return context_.market.listings();
  }
  /// The venue's clock at a wall-clock time, for times that are shown.
  [[nodiscard]] std::int64_t clock(std::int64_t now_ms) const {
    return now_ms + market().skew_ms();
  }
  /// The wall clock at a time that is shown, for deadlines.
  [[nodiscard]] std::int64_t wall(std::int64_t ts_ms) const { return ts_ms - market().skew_ms(); }
  [[nodiscard]] HttpRequest at_venue_clock(HttpRequest request) const {
    request.now_ms = clock(request.now_ms);
    return request;
  }
  void violation(std::string_view rule, std::int64_t now_ms) {
    context_.violations.count(context_.venue, rule, now_ms);
  }

 private:
  VenueContext context_;
  std::vector<Connection*> connections_;
};

}  // namespace spreadwatch::sim
