#include "ingest/net/transport.h"

#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509_vfy.h>
#include <spdlog/spdlog.h>
#include <time.h>

#include <algorithm>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/address.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/ssl/context.hpp>
#include <boost/asio/ssl/error.hpp>
#include <boost/asio/ssl/verify_context.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/core/tcp_stream.hpp>
#include <boost/beast/http/field.hpp>
#include <boost/beast/ssl/ssl_stream.hpp>
#include <boost/beast/websocket/ssl.hpp>
#include <boost/beast/websocket/stream.hpp>
#include <charconv>
#include <deque>
#include <exception>
#include <type_traits>
#include <utility>
#include <vector>

#include "ingest/net/host_name.h"

namespace spreadwatch::ingest {
namespace {

namespace asio = boost::asio;
namespace beast = boost::beast;
namespace websocket = boost::beast::websocket;
using asio::ip::tcp;
using boost::system::error_code;

constexpr std::size_t kReadChunk = 64U << 10U;

bool is_ip_literal(const std::string& host) {
  error_code ec;
  asio::ip::make_address(host, ec);
  return !ec;
}

// An owner that throws must not take the event loop down with it.
template <class F>
void guarded(F&& f) noexcept {
  try {
    f();
  } catch (const std::exception& e) {
    spdlog::error("a websocket event handler threw: {}", e.what());
  } catch (...) {
    spdlog::error("a websocket event handler threw something unknown");
  }
}

}  // namespace

std::string_view user_agent() { return "spreadwatch/" SPREADWATCH_VERSION; }

namespace {

std::optional<Timestamp> parse_http_date(std::string_view text) {
  std::tm when{};
  const std::string copy{text};
  const char* const rest = ::strptime(copy.c_str(), "%a, %d %b %Y %H:%M:%S GMT", &when);
  if (rest == nullptr || *rest != '\0') return std::nullopt;
  return Timestamp{seconds{::timegm(&when)}};
}

}  // namespace

Timestamp time_of_answer(std::string_view date) {
  const std::optional<Timestamp> said = parse_http_date(date);
  return said ? *said : SystemClock{}.now();
}

std::optional<milliseconds> parse_retry_after(std::string_view text, Timestamp now) {
  std::int64_t value = 0;
  const char* const end = text.data() + text.size();
  if (const auto [ptr, ec] = std::from_chars(text.data(), end, value);
      ec == std::errc{} && ptr == end && value >= 0) {
    return milliseconds{std::min<std::int64_t>(value, 30 * 86'400) * 1000};
  }
  const std::optional<Timestamp> at = parse_http_date(text);
  if (!at) return std::nullopt;
  return std::max(milliseconds{0}, std::chrono::ceil<milliseconds>(*at - now));
}

struct TlsClient::Impl {
  asio::ssl::context context{asio::ssl::context::tls_client};
  std::string error;
};

TlsClient::TlsClient(const std::string& ca_file) : impl_(std::make_shared<Impl>()) {
  SSL_CTX_set_min_proto_version(impl_->context.native_handle(), TLS1_2_VERSION);
  error_code ec;
  impl_->context.set_default_verify_paths(ec);
  impl_->context.set_verify_mode(asio::ssl::verify_peer, ec);
  if (ca_file.empty()) return;
  impl_->context.load_verify_file(ca_file, ec);
  if (ec) impl_->error = "cannot read " + ca_file + ": " + ec.message();
}

TlsClient::~TlsClient() = default;

/// What ws and wss have in common: who is told what, and the queue of messages to send.
class WebsocketConnection::Impl : public std::enable_shared_from_this<Impl> {
 public:
  Impl(const TransportOptions& options, WebsocketEvents& events)
      : options_(options), events_(&events) {}
  virtual ~Impl() = default;

  virtual void start() = 0;
  virtual bool send(std::string text) = 0;
  virtual bool ping() = 0;
  virtual void close() = 0;
  virtual void fail(ErrorCode code, std::string detail) = 0;

  void detach() { events_ = nullptr; }

 protected:
  template <class F>
  void tell(F&& f) {
    if (events_ != nullptr) guarded([&] { f(*events_); });
  }

  void report(const CloseInfo& info) {
    if (WebsocketEvents* const events = std::exchange(events_, nullptr)) {
      guarded([&] { events->on_closed(info); });
    }
  }

  const TransportOptions options_;
  WebsocketEvents* events_;  // null once the end was told or the owner is gone
};

namespace {

/// An address that cannot be parsed: tells so from the event loop, as every other failure.
class Unparsable final : public WebsocketConnection::Impl {
 public:
  Unparsable(asio::io_context& io, const TransportOptions& options, WebsocketEvents& events,
             Error error)
      : Impl(options, events), io_(io), error_(std::move(error)) {}

  void start() override {
    asio::post(io_, [self = shared_from_this(), this] {
      report({.code = error_.code, .detail = error_.detail});
    });
  }
  bool send(std::string) override { return false; }
  bool ping() override { return false; }
  void close() override { report({}); }
  void fail(ErrorCode code, std::string detail) override {
    report({.code = code, .detail = std::move(detail)});
  }

 private:
  asio::io_context& io_;
  const Error error_;
};

/// A connection over `Stream`: beast::tcp_stream or a TLS stream around one. Every pending
/// operation holds a reference, so that it outlives its owner by the closing handshake.
template <class Stream>
class Link final : public WebsocketConnection::Impl {
 public:
  template <class... Args>
  Link(asio::io_context& io, Url url, std::shared_ptr<TlsClient::Impl> tls,
       const TransportOptions& options, WebsocketEvents& events, Args&&... args)
      : Impl(options, events),
        url_(std::move(url)),
        tls_(std::move(tls)),
        resolver_(io),
        deadline_(io),
        write_deadline_(io),
        ws_(io, std::forward<Args>(args)...) {}

  void start() override {
    // Beast's own timers do not cover a peer that stays silent while a protocol error is being
    // reported to it.
    ws_.set_option(websocket::stream_base::timeout{websocket::stream_base::none(),
                                                   websocket::stream_base::none(), false});
    ws_.set_option(websocket::stream_base::decorator(
        [basic = url_.authorization()](websocket::request_type& request) {
          request.set(beast::http::field::user_agent, std::string{user_agent()});
          if (!basic.empty()) request.set(beast::http::field::authorization, basic);
        }));
    ws_.read_message_max(0);  // the limit is ours, see on_read()
    ws_.text(true);
    // A message is one frame, however long: not every exchange puts fragments together.
    ws_.auto_fragment(false);
    ws_.control_callback([weak = weak()](websocket::frame_type kind, beast::string_view) {
      // Not told from here: this runs inside Beast's read, and an owner may close or destroy.
      if (const auto self = weak.lock()) self->on_control(kind);
    });
    stage_ = "connect";
    arm(options_.connect_timeout);
    error_code ec;
    const auto address = asio::ip::make_address(url_.host, ec);
    if (!ec) {
      // Without a name there is no need for the resolver's thread.
      const auto port = static_cast<unsigned short>(std::stoul(url_.port));
      connect(std::vector<tcp::endpoint>{{address, port}});
      return;
    }
    resolver_.async_resolve(
        url_.host, url_.port,
        [self = me(), this](const error_code& e, const tcp::resolver::results_type& results) {
          if (done_) return;
          if (e) {
            return finish(failure(ErrorCode::kConnectFailed, "look up " + url_.host, e));
          }
          std::vector<tcp::endpoint> endpoints;
          for (const auto& r : results) endpoints.push_back(r.endpoint());
          connect(std::move(endpoints));
        });
  }

  bool send(std::string text) override {
    if (!open_ || closing_ || done_) return false;
    if (queue_.size() >= options_.max_queued ||
        queued_bytes_ + text.size() > options_.max_queued_bytes) {
      return false;
    }
    queued_bytes_ += text.size();
    queue_.push_back(std::move(text));
    if (queue_.size() == 1) write();
    return true;
  }

  bool ping() override {
    if (!open_ || closing_ || done_ || pinging_) return false;
    pinging_ = true;
    ws_.async_ping({}, [self = me(), this](const error_code& ec) {
      pinging_ = false;
      if (ec && !done_ && !closing_) finish(ended(ec));
    });
    return true;
  }

  void close() override {
    if (done_ || closing_) return;
    if (!open_) return finish({.detail = "closed while connecting"});
    begin_close({.detail = "closed by us", .was_open = true});
  }

  void fail(ErrorCode code, std::string detail) override {
    if (done_) return;
    CloseInfo info{.code = code, .detail = std::move(detail), .was_open = open_};
    if (!open_ || closing_) return finish(std::move(info));
    begin_close(info);
    report(info);
  }

 private:
  static constexpr bool kTls = !std::is_same_v<Stream, beast::tcp_stream>;

  std::shared_ptr<Link> me() { return std::static_pointer_cast<Link>(shared_from_this()); }
  std::weak_ptr<Link> weak() { return me(); }
  beast::tcp_stream& tcp_layer() { return beast::get_lowest_layer(ws_); }

  void connect(std::vector<tcp::endpoint> endpoints) {
    const auto shared = std::make_shared<std::vector<tcp::endpoint>>(std::move(endpoints));
    tcp_layer().async_connect(
        *shared, [self = me(), this, shared](const error_code& ec, const tcp::endpoint&) {
          if (done_) return;
          if (ec) {
            return finish(failure(ErrorCode::kConnectFailed, "connect to " + url_.authority(), ec));
          }
          error_code ignored;
          tcp_layer().socket().set_option(tcp::no_delay(true), ignored);
          stage_ = "handshake";
          arm(options_.handshake_timeout);
          if constexpr (kTls) {
            secure();
          } else {
            upgrade();
          }
        });
  }

  void secure() {
    if constexpr (kTls) {
      if (!tls_->error.empty()) {
        return finish({.code = ErrorCode::kTlsFailed, .detail = tls_->error});
      }
      auto& tls = ws_.next_layer();
      // SNI is for names only (RFC 6066).
      if (!is_ip_literal(url_.host)) {
        // What the macro SSL_set_tlsext_host_name does, without its C cast.
        SSL_ctrl(tls.native_handle(), SSL_CTRL_SET_TLSEXT_HOSTNAME, TLSEXT_NAMETYPE_host_name,
                 const_cast<char*>(url_.host.c_str()));
      }
      tls.set_verify_mode(asio::ssl::verify_peer);
      tls.set_verify_callback(
          [host = url_.host](bool verified, asio::ssl::verify_context& context) {
            if (!verified) return false;
            // The authorities above it are made out to nobody's host.
            if (X509_STORE_CTX_get_error_depth(context.native_handle()) > 0) return true;
            X509* const certificate = X509_STORE_CTX_get_current_cert(context.native_handle());
            if (names_host(certificate, host)) return true;
            X509_STORE_CTX_set_error(context.native_handle(), X509_V_ERR_HOSTNAME_MISMATCH);
            return false;
          });
      tls.async_handshake(
          asio::ssl::stream_base::client, [self = me(), this](const error_code& ec) {
            if (done_) return;
            if (!ec) return upgrade();
            CloseInfo info = failure(ErrorCode::kTlsFailed, "TLS with " + url_.authority(), ec);
            const long verified = SSL_get_verify_result(ws_.next_layer().native_handle());
            if (verified != X509_V_OK) {
              info.detail += std::string{" ("} + X509_verify_cert_error_string(verified) + ")";
            }
            finish(std::move(info));
          });
    }
  }

  void upgrade() {
    ws_.async_handshake(response_, url_.authority(), url_.target,
                        [self = me(), this](const error_code& ec) { on_upgraded(ec); });
  }

  void on_upgraded(const error_code& ec) {
    if (done_) return;
    if (ec == websocket::error::upgrade_declined) {
      const int status = static_cast<int>(response_.result_int());
      CloseInfo info{.code = ErrorCode::kHttpStatus,
                     .detail = "upgrade answered with HTTP " + std::to_string(status),
                     .http_status = status};
      if (status == 429) info.code = ErrorCode::kRateLimited;
      if (status == 418 || status == 403) info.code = ErrorCode::kBanned;
      const auto field = response_[beast::http::field::retry_after];
      const auto date = response_[beast::http::field::date];
      info.retry_after = parse_retry_after({field.data(), field.size()},
                                           time_of_answer({date.data(), date.size()}));
      return finish(std::move(info));
    }
    if (ec) {
      return finish(failure(ErrorCode::kConnectFailed, "upgrade at " + url_.authority(), ec));
    }
    response_ = {};
    open_ = true;
    // Not only cancelled: a wait that has already fired must see that it is void.
    deadline_.expires_at(std::chrono::steady_clock::time_point::max());
    tell([](WebsocketEvents& e) { e.on_open(); });
    read();
  }

  void read() {
    if (done_) return;
    ws_.async_read_some(buffer_, kReadChunk,
                        [self = me(), this](const error_code& ec, std::size_t) { on_read(ec); });
  }

  void on_read(const error_code& ec) {
    if (done_) return;
    if (ec) {
      if (closing_) return finish(std::move(last_words_));
      return finish(ended(ec));
    }
    if (buffer_.size() > options_.max_message) {
      // Told at once: waiting for the peer to react to the close frame is not needed to know.
      return fail(ErrorCode::kOversizedFrame,
                  "a message of more than " + std::to_string(options_.max_message) + " bytes");
    }
    if (ws_.is_message_done()) {
      if (!closing_) {
        const auto data = buffer_.data();
        const std::string_view payload{static_cast<const char*>(data.data()), data.size()};
        const bool binary = ws_.got_binary();
        tell([&](WebsocketEvents& e) { e.on_frame(payload, binary); });
      }
      buffer_.consume(buffer_.size());
    } else if (closing_) {
      buffer_.consume(buffer_.size());
    }
    read();
  }

  void on_control(websocket::frame_type kind) {
    if (kind == websocket::frame_type::close) {
      // Beast answers it and then waits for the peer to hang up, which is its turn but not certain.
      if (!closing_) arm(options_.close_timeout);
      peer_closing_ = true;
      return;
    }
    asio::post(ws_.get_executor(), [self = me(), this, kind] {
      if (done_ || closing_) return;
      tell([kind](WebsocketEvents& e) {
        kind == websocket::frame_type::pong ? e.on_pong() : e.on_ping();
      });
    });
  }

  void write() {
    // Who sends and does not read looks alive, and nothing that is asked for would ever get there.
    write_deadline_.expires_after(options_.write_timeout);
    write_deadline_.async_wait([self = me(), this](const error_code& ec) {
      if (ec || done_ || closing_) return;
      if (write_deadline_.expiry() > std::chrono::steady_clock::now()) return;
      finish({.code = ErrorCode::kTimeout,
              .detail = "a message could not be sent to " + url_.authority(),
              .was_open = true});
    });
    ws_.async_write(asio::buffer(queue_.front()),
                    [self = me(), this](const error_code& ec, std::size_t) {
                      write_deadline_.expires_at(std::chrono::steady_clock::time_point::max());
                      queued_bytes_ -= queue_.front().size();
                      queue_.pop_front();
                      if (done_ || closing_) return;
                      // While the peer is closing, the read tells how it ended and knows more.
                      if (ec && !peer_closing_) return finish(ended(ec));
                      if (!ec && !queue_.empty()) write();
                    });
  }

  void begin_close(CloseInfo info) {
    closing_ = true;
    last_words_ = std::move(info);
    arm(options_.close_timeout);
    ws_.async_close(websocket::close_code::normal, [self = me(), this](const error_code&) {
      if (!done_) finish(std::move(last_words_));
    });
  }

  void arm(milliseconds timeout) {
    deadline_.expires_after(timeout);
    deadline_.async_wait([self = me(), this](const error_code& ec) {
      if (ec || done_ || deadline_.expiry() > std::chrono::steady_clock::now()) return;
      if (closing_) return finish(std::move(last_words_));
      if (open_) return finish(ended(websocket::error::closed));
      finish({.code = ErrorCode::kTimeout,
              .detail = std::string{"no end of the "} + stage_ + " with " + url_.authority()});
    });
  }

  CloseInfo failure(ErrorCode code, const std::string& what, const error_code& ec) const {
    return {.code = code, .detail = what + ": " + ec.message()};
  }

  // Why a connection that was open is not any more.
  CloseInfo ended(const error_code& ec) {
    CloseInfo info{.code = ErrorCode::kClosedByPeer, .detail = ec.message(), .was_open = true};
    if (ec == websocket::error::message_too_big || ec == websocket::error::buffer_overflow) {
      info.code = ErrorCode::kOversizedFrame;
    } else if (ec == websocket::error::closed) {
      const websocket::close_reason& reason = ws_.reason();
      info.close_code = reason.code;
      info.close_reason = std::string{reason.reason.data(), reason.reason.size()};
      info.detail = "closed with code " + std::to_string(info.close_code);
      if (!info.close_reason.empty()) info.detail += ": " + info.close_reason;
    }
    return info;
  }

  void finish(CloseInfo info) {
    if (std::exchange(done_, true)) return;
    const auto self = me();  // report() may let go of the last owner
    deadline_.cancel();
    write_deadline_.cancel();
    resolver_.cancel();
    tcp_layer().close();
    report(info);
  }

  const Url url_;
  const std::shared_ptr<TlsClient::Impl> tls_;  // its context must outlive the stream
  tcp::resolver resolver_;
  asio::steady_timer deadline_;
  asio::steady_timer write_deadline_;  // of the message being written
  websocket::stream<Stream> ws_;
  websocket::response_type response_;
  beast::flat_buffer buffer_;
  std::deque<std::string> queue_;  // the front is being written
  std::size_t queued_bytes_ = 0;
  const char* stage_ = "";
  CloseInfo last_words_;  // what to tell when a close of ours is through
  bool open_ = false;
  bool closing_ = false;  // we sent a close frame
  bool peer_closing_ = false;
  bool done_ = false;
  bool pinging_ = false;
};

using PlainLink = Link<beast::tcp_stream>;
using TlsLink = Link<beast::ssl_stream<beast::tcp_stream>>;

std::shared_ptr<WebsocketConnection::Impl> make_link(asio::io_context& io, const TlsClient& tls,
                                                     const std::string& text,
                                                     const TransportOptions& options,
                                                     WebsocketEvents& events) {
  Result<Url> url = Url::parse(text);
  if (!url) return std::make_shared<Unparsable>(io, options, events, url.error());
  if (!url->secure) {
    return std::make_shared<PlainLink>(io, std::move(*url), tls.impl(), options, events);
  }
  return std::make_shared<TlsLink>(io, std::move(*url), tls.impl(), options, events,
                                   tls.impl()->context);
}

}  // namespace

WebsocketConnection::WebsocketConnection(asio::io_context& io, const TlsClient& tls,
                                         const std::string& url, const TransportOptions& options,
                                         WebsocketEvents& events)
    : impl_(make_link(io, tls, url, options, events)) {
  impl_->start();
}

WebsocketConnection::~WebsocketConnection() {
  impl_->detach();
  impl_->close();
}

bool WebsocketConnection::send(std::string text) { return impl_->send(std::move(text)); }
bool WebsocketConnection::ping() { return impl_->ping(); }
// The copies keep the implementation while an event destroys this object.
void WebsocketConnection::close() {
  std::shared_ptr { impl_ } -> close();
}
void WebsocketConnection::fail(ErrorCode code, std::string detail) {
  std::shared_ptr { impl_ } -> fail(code, std::move(detail));
}

}  // namespace spreadwatch::ingest
