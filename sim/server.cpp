#include "sim/server.h"

#include <poll.h>

#include <array>
#include <boost/asio/dispatch.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/ssl/context.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/beast/core.hpp>
#include <boost/beast/http.hpp>
#include <boost/beast/ssl.hpp>
#include <boost/beast/websocket.hpp>
#include <boost/beast/websocket/ssl.hpp>
#include <cctype>
#include <ctime>
#include <deque>
#include <stdexcept>
#include <type_traits>
#include <utility>
#include <vector>

#include "core/service_clock.h"
#include "sim/format.h"

namespace spreadwatch::sim {
namespace {

namespace asio = boost::asio;
namespace beast = boost::beast;
namespace http = beast::http;
namespace websocket = beast::websocket;
using tcp = asio::ip::tcp;
using PlainStream = beast::tcp_stream;
using TlsStream = beast::ssl_stream<beast::tcp_stream>;

constexpr auto kHandshakeTimeout = std::chrono::seconds(10);
constexpr auto kIdleHttpTimeout = std::chrono::seconds(60);
constexpr auto kCloseTimeout = std::chrono::seconds(3);
// A kernel buffer that swallows megabytes would hide a slow reader from the queue's bound.
constexpr auto kAcceptPause = std::chrono::milliseconds(100);
constexpr int kSendBufferBytes = 256 * 1024;
constexpr auto kFrozenWatch = std::chrono::milliseconds(200);
constexpr std::string_view kFormType = "application/x-www-form-urlencoded";
constexpr std::size_t kDripPieces = 20;
constexpr std::size_t kMaxWaitingForDrip = 16;  // above, messages go whole again

struct PortHandler {
  std::string name;
  VenueId id = VenueId::kUpbit;
  VenueProtocol* venue = nullptr;
  Violations* violations = nullptr;
  Server::HttpHandler http;
  std::unique_ptr<asio::ssl::context> tls;
};

struct Shared {
  ServerLimits limits;
  std::size_t connections = 0;
  std::uint64_t next_id = 1;
};

/// Counts a connection while it lives.
class Slot {
 public:
  explicit Slot(Shared& shared) : shared_(&shared) { ++shared_->connections; }
  ~Slot() { --shared_->connections; }
  Slot(const Slot&) = delete;
  Slot& operator=(const Slot&) = delete;

 private:
  Shared* shared_;
};

int hex_digit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

std::string percent_decoded(std::string_view text, bool query) {
  std::string result;
  result.reserve(text.size());
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '%' && i + 2 < text.size() && hex_digit(text[i + 1]) >= 0 &&
        hex_digit(text[i + 2]) >= 0) {
      result += static_cast<char>(hex_digit(text[i + 1]) * 16 + hex_digit(text[i + 2]));
      i += 2;
    } else if (query && text[i] == '+') {
      result += ' ';
    } else {
      result += text[i];
    }
  }
  return result;
}

/// Adds the parameters of a query, or of a form, in order.
void append_parameters(std::string_view text, HttpRequest& request) {
  while (!text.empty()) {
    const std::size_t end = text.find('&');
    const std::string_view pair = text.substr(0, end);
    const std::size_t equals = pair.find('=');
    if (!pair.empty()) {
      request.query.emplace_back(
          percent_decoded(pair.substr(0, equals), true),
          equals == std::string_view::npos ? "" : percent_decoded(pair.substr(equals + 1), true));
    }
    text = end == std::string_view::npos ? "" : text.substr(end + 1);
  }
}

HttpRequest to_request(const http::request<http::string_body>& message, std::string remote) {
  HttpRequest request;
  request.method = std::string(message.method_string());
  request.target = std::string(message.target());
  request.body = message.body();
  request.remote = std::move(remote);
  request.now_ms = now_ms();
  std::string_view target = request.target;
  // A client that was told to use a proxy sends the absolute form.
  if (const std::size_t scheme = target.find("://"); scheme < std::string_view{"https:"}.size()) {
    const std::size_t slash = target.find('/', scheme + 3);
    target = slash == std::string_view::npos ? "/" : target.substr(slash);
  }
  const std::size_t mark = target.find('?');
  request.path = percent_decoded(target.substr(0, mark), false);
  if (mark != std::string_view::npos) append_parameters(target.substr(mark + 1), request);
  for (const auto& field : message) {
    request.headers.emplace_back(
        to_lower(std::string_view(field.name_string().data(), field.name_string().size())),
        std::string(field.value()));
  }
  // Kraken's public routes may be POSTed, and some of its clients do nothing else.
  if (to_lower(request.header("content-type").value_or("")).starts_with(kFormType)) {
    append_parameters(request.body, request);
  }
  return request;
}

std::string http_date() {
  const std::time_t time = now_ms() / 1000;
  std::tm parts{};
  gmtime_r(&time, &parts);
  std::array<char, 64> text{};
  const std::size_t n =
      std::strftime(text.data(), text.size(), "%a, %d %b %Y %H:%M:%S GMT", &parts);
  return {text.data(), n};
}

http::response<http::string_body> to_response(const HttpAnswer& answer, unsigned version,
                                              bool keep_alive) {
  http::response<http::string_body> response;
  response.version(version);
  response.result(static_cast<unsigned>(answer.status));
  response.set(http::field::date, http_date());
  response.set(http::field::content_type, answer.content_type);
  for (const auto& [name, value] : answer.headers) response.insert(name, value);
  response.keep_alive(keep_alive);
  response.body() = answer.body;
  response.prepare_payload();
  return response;
}

template <class Stream>
void close_socket(Stream& stream) {
  beast::error_code ignored;
  tcp::socket& socket = beast::get_lowest_layer(stream).socket();
  socket.shutdown(tcp::socket::shutdown_both, ignored);
  socket.close(ignored);
}

/// Closing with nothing to linger for sends RST.
template <class Stream>
void reset_socket(Stream& stream) {
  beast::error_code ignored;
  tcp::socket& socket = beast::get_lowest_layer(stream).socket();
  socket.set_option(asio::socket_base::linger(true, 0), ignored);
  socket.close(ignored);
}

/// Whether the peer has closed its end, seen without reading.
bool peer_is_gone(tcp::socket& socket) {
  pollfd state{socket.native_handle(), POLLRDHUP, 0};
  return ::poll(&state, 1, 0) > 0;
}

/// A websocket connection. Keeps itself alive while the socket is open.
template <class Stream>
class WebSocketSession final : public Connection,
                               public std::enable_shared_from_this<WebSocketSession<Stream>> {
 public:
  WebSocketSession(Stream&& stream, PortHandler& port, Shared& shared, HttpRequest request,
                   std::shared_ptr<Slot> slot)
      : stream_(std::move(stream)),
        port_(port),
        shared_(shared),
        request_(std::move(request)),
        slot_(std::move(slot)),
        id_(shared.next_id++),
        close_timer_(stream_.get_executor()),
        pace_timer_(stream_.get_executor()) {}

  void accept(const http::request<http::string_body>& message,
              std::vector<std::pair<std::string, std::string>> headers) {
    beast::get_lowest_layer(stream_).expires_never();
    websocket::stream_base::timeout timeout{};
    timeout.handshake_timeout = kHandshakeTimeout;
    timeout.idle_timeout = websocket::stream_base::none();
    timeout.keep_alive_pings = false;
    stream_.set_option(timeout);
    stream_.set_option(websocket::stream_base::decorator(
        [headers = std::move(headers)](websocket::response_type& response) {
          for (const auto& [name, value] : headers) response.insert(name, value);
        }));
    if (port_.venue->compresses()) {
      websocket::permessage_deflate deflate;
      deflate.server_enable = true;
      deflate.compLevel = 1;
      stream_.set_option(deflate);
    }
    stream_.read_message_max(shared_.limits.max_message_bytes);
    stream_.auto_fragment(false);
    message_ = message;
    stream_.async_accept(message_, [self = this->shared_from_this()](beast::error_code error) {
      if (!error) self->opened();
    });
  }

  void send(Frame frame) override {
    if (ending_) return;
    if (!frame.bulk) queued_bytes_ += frame.payload->size();
    queue_.push_back({Item::kMessage, std::move(frame), {}, 0});
    if (queued_bytes_ > shared_.limits.max_queue_bytes ||
        queue_.size() > shared_.limits.max_queue_frames) {
      port_.violations->count(port_.id, "slow_consumer", now_ms());
      drop();
      return;
    }
    pump();
  }

  void ping(std::string_view payload) override {
    if (ending_) return;
    queue_.push_back({Item::kPing, {}, std::string(payload), 0});
    pump();
  }

  void close(std::uint16_t code, std::string_view reason) override {
    if (ending_) return;
    ending_ = true;
    queue_.push_back({Item::kClose, {}, std::string(reason), code});
    // Also covers a peer that never reads what is queued before the close frame.
    close_timer_.expires_after(kCloseTimeout);
    close_timer_.async_wait([self = this->shared_from_this()](beast::error_code error) {
      if (!error) self->finish();
    });
    pump();
  }

  void drop() override {
    if (finished_) return;
    ending_ = true;
    asio::post(stream_.get_executor(), [self = this->shared_from_this()] { self->finish(); });
  }

  void reset() override {
    reset_ = true;
    drop();
  }

  void freeze() override {
    if (finished_) return;
    ending_ = true;
    frozen_ = true;
    close_timer_.cancel();
    pace_timer_.cancel();
    // The pending read would answer pings.
    beast::get_lowest_layer(stream_).cancel();
    watch_frozen();
  }

  [[nodiscard]] const HttpRequest& upgrade() const override { return request_; }
  [[nodiscard]] std::uint64_t id() const override { return id_; }

 private:
  struct Item {
    enum Kind : std::uint8_t { kMessage, kPing, kClose } kind;
    Frame frame;
    std::string text;
    std::uint16_t code;
  };

  void opened() {
    stream_.control_callback([this](websocket::frame_type kind, beast::string_view payload) {
      if (ending_) return;
      const std::string_view text(payload.data(), payload.size());
      if (kind == websocket::frame_type::ping) port_.venue->on_ping(*this, text, now_ms());
      if (kind == websocket::frame_type::pong) port_.venue->on_pong(*this, text, now_ms());
    });
    open_ = true;
    port_.venue->attach(*this);
    port_.venue->on_open(*this, now_ms());
    read();
  }

  void read() {
    stream_.async_read(
        buffer_, [self = this->shared_from_this()](beast::error_code error, std::size_t) {
          if (self->frozen_) return;
          if (error) {
            self->finish();
            return;
          }
          if (!self->ending_) {
            const auto data = self->buffer_.cdata();
            const std::string_view text(static_cast<const char*>(data.data()), data.size());
            if (self->stream_.got_text()) {
              self->port_.venue->on_text(*self, text, now_ms());
            } else {
              self->port_.venue->on_binary(*self, text, now_ms());
            }
          }
          self->buffer_.consume(self->buffer_.size());
          self->read();
        });
  }

  void pump() {
    if (writing_ || finished_ || frozen_ || queue_.empty()) return;
    writing_ = true;
    Item& item = queue_.front();
    if (item.frame.drip_ms > 0 && queue_.size() <= kMaxWaitingForDrip) {
      stream_.binary(item.frame.binary);
      drip(0);
      return;
    }
    auto done = [self = this->shared_from_this()](beast::error_code error, std::size_t = 0) {
      self->written(error);
    };
    switch (item.kind) {
      case Item::kMessage:
        stream_.binary(item.frame.binary);
        stream_.async_write(asio::buffer(*item.frame.payload), std::move(done));
        break;
      case Item::kPing:
        stream_.async_ping(websocket::ping_data(item.text.data(), item.text.size()),
                           std::move(done));
        break;
      case Item::kClose: {
        websocket::close_reason reason(item.code);
        reason.reason.assign(item.text.data(), item.text.size());
        stream_.async_close(reason, std::move(done));
        break;
      }
    }
  }

  /// Sends the front message from `from` on, as a fragment at a time.
  void drip(std::size_t from) {
    const Frame& frame = queue_.front().frame;
    const std::size_t size = frame.payload->size();
    const std::size_t piece = size / kDripPieces + 1;
    const bool last = from + piece >= size;
    const auto pause = std::chrono::milliseconds(frame.drip_ms / kDripPieces);
    stream_.async_write_some(
        last, asio::buffer(frame.payload->data() + from, std::min(piece, size - from)),
        [self = this->shared_from_this(), last, pause, next = from + piece](beast::error_code error,
                                                                            std::size_t) {
          if (error || last || self->finished_ || self->frozen_) {
            self->written(error);
            return;
          }
          self->pace_timer_.expires_after(pause);
          self->pace_timer_.async_wait([self, next](beast::error_code cancelled) {
            if (cancelled || self->finished_) {
              self->written(cancelled);
            } else {
              self->drip(next);
            }
          });
        });
  }

  /// A frozen connection ends when the client gives it up.
  void watch_frozen() {
    pace_timer_.expires_after(kFrozenWatch);
    pace_timer_.async_wait([self = this->shared_from_this()](beast::error_code error) {
      if (error || self->finished_) return;
      if (peer_is_gone(beast::get_lowest_layer(self->stream_).socket())) {
        self->finish();
      } else {
        self->watch_frozen();
      }
    });
  }

  void written(beast::error_code error) {
    if (frozen_) return;
    writing_ = false;
    if (!queue_.empty()) {
      const Item& item = queue_.front();
      if (item.kind == Item::kMessage && !item.frame.bulk) {
        queued_bytes_ -= item.frame.payload->size();
      }
      const bool closing = item.kind == Item::kClose;
      queue_.pop_front();
      if (closing) {
        finish();
        return;
      }
    }
    if (error) {
      finish();
      return;
    }
    pump();
  }

  void finish() {
    if (finished_) return;
    finished_ = true;
    ending_ = true;
    close_timer_.cancel();
    pace_timer_.cancel();
    if (reset_) {
      reset_socket(stream_);
    } else {
      close_socket(stream_);
    }
    if (open_) {
      port_.venue->on_close(*this, now_ms());
      port_.venue->detach(*this);
    }
    state.reset();
  }

  websocket::stream<Stream> stream_;
  PortHandler& port_;
  Shared& shared_;
  HttpRequest request_;
  std::shared_ptr<Slot> slot_;
  std::uint64_t id_;
  asio::steady_timer close_timer_;
  asio::steady_timer pace_timer_;  // of drops that drip, or of a look at a frozen socket
  http::request<http::string_body> message_;
  beast::flat_buffer buffer_;
  std::deque<Item> queue_;
  std::size_t queued_bytes_ = 0;
  bool writing_ = false;
  bool open_ = false;
  bool ending_ = false;    // no more is sent or delivered
  bool finished_ = false;  // the socket is closed
  bool frozen_ = false;    // neither read nor written
  bool reset_ = false;     // to be closed with RST
};

/// One TCP connection until it is closed or becomes a websocket.
template <class Stream>
class HttpSession : public std::enable_shared_from_this<HttpSession<Stream>> {
 public:
  HttpSession(Stream&& stream, PortHandler& port, Shared& shared, std::string remote)
      : stream_(std::move(stream)),
        port_(port),
        shared_(shared),
        remote_(std::move(remote)),
        slot_(std::make_shared<Slot>(shared)) {}

  void start() {
    if constexpr (std::is_same_v<Stream, TlsStream>) {
      beast::get_lowest_layer(stream_).expires_after(kHandshakeTimeout);
      stream_.async_handshake(asio::ssl::stream_base::server,
                              [self = this->shared_from_this()](beast::error_code error) {
                                if (!error) self->read();
                              });
    } else {
      read();
    }
  }

 private:
  void read() {
    parser_.emplace();
    parser_->header_limit(static_cast<std::uint32_t>(shared_.limits.max_header_bytes));
    parser_->body_limit(shared_.limits.max_body_bytes);
    beast::get_lowest_layer(stream_).expires_after(kIdleHttpTimeout);
    http::async_read(stream_, buffer_, *parser_,
                     [self = this->shared_from_this()](beast::error_code error, std::size_t) {
                       self->received(error);
                     });
  }

  void received(beast::error_code error) {
    if (error == http::error::header_limit || error == http::error::body_limit) {
      respond({413, "{}"}, false);
      return;
    }
    if (error == http::error::end_of_stream || !parser_->is_done()) {
      close_socket(stream_);
      return;
    }
    if (error) {
      respond({400, "{}"}, false);
      return;
    }
    const http::request<http::string_body>& message = parser_->get();
    HttpRequest request = to_request(message, remote_);
    if (port_.venue == nullptr) {
      respond(port_.http(request), message.keep_alive());
      return;
    }
    if (!websocket::is_upgrade(message)) {
      respond(port_.venue->on_http(request), message.keep_alive());
      return;
    }
    UpgradeAnswer answer = port_.venue->on_upgrade(request);
    if (answer.refusal) {
      respond(*answer.refusal, false);
      return;
    }
    std::make_shared<WebSocketSession<Stream>>(std::move(stream_), port_, shared_,
                                               std::move(request), slot_)
        ->accept(message, std::move(answer.headers));
  }

  void respond(const HttpAnswer& answer, bool keep_alive) {
    const unsigned version = parser_ && parser_->is_header_done() ? parser_->get().version() : 11;
    const bool head =
        parser_ && parser_->is_header_done() && parser_->get().method() == http::verb::head;
    response_ = to_response(answer, version, keep_alive);
    if (head) response_.body().clear();
    http::async_write(
        stream_, response_,
        [self = this->shared_from_this(), keep_alive](beast::error_code error, std::size_t) {
          if (error || !keep_alive) {
            close_socket(self->stream_);
          } else {
            self->read();
          }
        });
  }

  Stream stream_;
  PortHandler& port_;
  Shared& shared_;
  std::string remote_;
  std::shared_ptr<Slot> slot_;
  beast::flat_buffer buffer_;
  boost::optional<http::request_parser<http::string_body>> parser_;
  http::response<http::string_body> response_;
};

class Listener {
 public:
  Listener(asio::io_context& io, std::uint16_t port, std::unique_ptr<PortHandler> handler,
           Shared& shared)
      : acceptor_(io), pause_(io), port_(std::move(handler)), shared_(shared) {
    const tcp::endpoint endpoint(asio::ip::address_v4::loopback(), port);
    try {
      acceptor_.open(endpoint.protocol());
      acceptor_.set_option(asio::socket_base::reuse_address(true));
      acceptor_.bind(endpoint);
      acceptor_.listen(asio::socket_base::max_listen_connections);
    } catch (const boost::system::system_error& error) {
      throw std::runtime_error(port_->name + ": cannot listen on 127.0.0.1:" +
                               std::to_string(port) + ": " + error.code().message());
    }
    accept();
  }

  [[nodiscard]] std::uint16_t port() const { return acceptor_.local_endpoint().port(); }

 private:
  void accept() {
    acceptor_.async_accept([this](beast::error_code error, tcp::socket socket) {
      if (error == asio::error::operation_aborted) return;
      if (error && error != asio::error::connection_aborted) return accept_later();
      if (!error) admit(std::move(socket));
      accept();
    });
  }

  /// There is no descriptor for another connection: asking again at once would take a whole core.
  void accept_later() {
    pause_.expires_after(kAcceptPause);
    pause_.async_wait([this](beast::error_code cancelled) {
      if (!cancelled) accept();
    });
  }

  void admit(tcp::socket socket) {
    beast::error_code error;
    const tcp::endpoint peer = socket.remote_endpoint(error);
    if (error || shared_.connections >= shared_.limits.max_connections) return;
    socket.set_option(tcp::no_delay(true), error);
    socket.set_option(asio::socket_base::send_buffer_size(kSendBufferBytes), error);
    std::string remote = peer.address().to_string();
    if (port_->tls) {
      std::make_shared<HttpSession<TlsStream>>(
          TlsStream(PlainStream(std::move(socket)), *port_->tls), *port_, shared_,
          std::move(remote))
          ->start();
    } else {
      std::make_shared<HttpSession<PlainStream>>(PlainStream(std::move(socket)), *port_, shared_,
                                                 std::move(remote))
          ->start();
    }
  }

  tcp::acceptor acceptor_;
  asio::steady_timer pause_;
  std::unique_ptr<PortHandler> port_;
  Shared& shared_;
};

class Repeater {
 public:
  Repeater(asio::io_context& io, std::chrono::milliseconds period, std::function<void()> action)
      : timer_(io), period_(period), action_(std::move(action)) {
    arm();
  }

 private:
  void arm() {
    timer_.expires_after(period_);
    timer_.async_wait([this](beast::error_code error) {
      if (error) return;
      action_();
      arm();
    });
  }

  asio::steady_timer timer_;
  std::chrono::milliseconds period_;
  std::function<void()> action_;
};

}  // namespace

std::int64_t now_ms() {
  // An exchange's clock is not this machine's: whoever sets that sets none of the market's.
  static const ServiceClock kClock;
  return to_ms(kClock.now());
}

class Server::Impl {
 public:
  explicit Impl(const ServerLimits& limits) : io_(1) { shared_.limits = limits; }

  std::uint16_t listen(std::uint16_t port, std::unique_ptr<PortHandler> handler) {
    listeners_.push_back(std::make_unique<Listener>(io_, port, std::move(handler), shared_));
    return listeners_.back()->port();
  }

  // Order matters at the end: acceptors and timers go before the io_context, sessions that still
  // sit in its queue with it, and what they count themselves out of last.
  Shared shared_;
  asio::io_context io_;
  std::vector<std::unique_ptr<Listener>> listeners_;
  std::vector<std::unique_ptr<Repeater>> repeaters_;
};

Server::Server(const ServerLimits& limits) : impl_(std::make_unique<Impl>(limits)) {}

Server::~Server() = default;

std::uint16_t Server::listen(const std::string& name, std::uint16_t port, VenueId id,
                             VenueProtocol& venue, Violations& violations, const TlsMaterial& tls) {
  auto handler = std::make_unique<PortHandler>();
  handler->name = name;
  handler->id = id;
  handler->venue = &venue;
  handler->violations = &violations;
  if (!tls.certificate_pem.empty()) {
    handler->tls = std::make_unique<asio::ssl::context>(asio::ssl::context::tls_server);
    try {
      handler->tls->use_certificate_chain(asio::buffer(tls.certificate_pem));
      handler->tls->use_private_key(asio::buffer(tls.key_pem), asio::ssl::context::pem);
    } catch (const boost::system::system_error& error) {
      throw std::runtime_error(name + ": unusable certificate or key: " + error.code().message());
    }
  }
  return impl_->listen(port, std::move(handler));
}

std::uint16_t Server::listen(const std::string& name, std::uint16_t port,
                             HttpHandler http_handler) {
  auto handler = std::make_unique<PortHandler>();
  handler->name = name;
  handler->http = std::move(http_handler);
  return impl_->listen(port, std::move(handler));
}

void Server::every(std::chrono::milliseconds period, std::function<void()> action) {
  impl_->repeaters_.push_back(std::make_unique<Repeater>(impl_->io_, period, std::move(action)));
}

void Server::run() { impl_->io_.run(); }
void Server::stop() { impl_->io_.stop(); }
void Server::post(std::function<void()> action) { asio::post(impl_->io_, std::move(action)); }

}  // namespace spreadwatch::sim
