#include "http/server.h"

#include <netinet/tcp.h>
#include <spdlog/spdlog.h>

#include <algorithm>
#include <array>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/thread_pool.hpp>
#include <boost/asio/write.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/http/error.hpp>
#include <boost/beast/http/parser.hpp>
#include <boost/beast/http/read.hpp>
#include <boost/beast/http/string_body.hpp>
#include <ctime>
#include <list>
#include <optional>
#include <stdexcept>
#include <thread>

#include "core/address.h"

namespace spreadwatch::http {
namespace {

namespace asio = boost::asio;
namespace beast = boost::beast;
namespace wire = boost::beast::http;
using asio::ip::tcp;
using Code = boost::system::error_code;
using SteadyTime = std::chrono::steady_clock::time_point;
using std::chrono::milliseconds;

constexpr milliseconds kDrainWithin{300};    // of stop()
constexpr milliseconds kLingerWithin{1000};  // for a client to take the last answer
constexpr milliseconds kAcceptPause{100};    // when a connection cannot be accepted
constexpr std::chrono::minutes kWarnEvery{1};
constexpr std::size_t kLingerBytes = 256U << 10U;  // of an unwanted body
constexpr std::size_t kWriteBytes = 256U << 10U;
constexpr std::size_t kChunksAtOnce = 32;
// The kernel's own growth would keep 4 MiB for each client that does not read.
constexpr int kSendBufferBytes = 256 << 10;
constexpr std::string_view kContinue = "HTTP/1.1 100 Continue\r\n\r\n";
constexpr std::string_view kLineEnd = "\r\n";
constexpr std::string_view kLastChunk = "0\r\n\r\n";

asio::const_buffer buffer_of(std::string_view text) { return {text.data(), text.size()}; }

std::string http_date() {
  const std::time_t now = std::chrono::system_clock::to_time_t(std::chrono::system_clock::now());
  std::tm utc{};
  ::gmtime_r(&now, &utc);
  std::array<char, 32> text{};
  const std::size_t n = std::strftime(text.data(), text.size(), "%a, %d %b %Y %H:%M:%S GMT", &utc);
  return {text.data(), n};
}

/// Path and query of a request target in origin or absolute form; a fragment has no place in one.
std::pair<std::string, std::string> split_target(std::string_view target) {
  for (const std::string_view scheme : {"http://", "https://"}) {
    if (!target.starts_with(scheme)) continue;
    target.remove_prefix(scheme.size());
    target.remove_prefix(std::min(target.find_first_of("/?#"), target.size()));
  }
  target = target.substr(0, target.find('#'));
  const std::size_t mark = std::min(target.find('?'), target.size());
  std::string path{target.substr(0, mark)};
  if (path.empty()) path = "/";
  return {std::move(path), std::string{target.substr(std::min(mark + 1, target.size()))}};
}

/// `address:port`, an IPv6 address in brackets.
tcp::endpoint endpoint_of(const std::string& address, std::uint16_t port) {
  if (address == "localhost") return {asio::ip::address_v4::loopback(), port};
  Code error;
  const asio::ip::address parsed = asio::ip::make_address(address, error);
  if (error) throw std::runtime_error("not an IPv4 or IPv6 address");
  return {parsed, port};
}

class Connection;

/// What the connections of a server share. Everything without a word about threads belongs to the
/// server's own.
class Core {
 public:
  using Connections = std::list<std::shared_ptr<Connection>>;

  Core(std::string address, std::uint16_t port, Server::Handler handler, Server::Refuse refuse,
       Limits limits, Observer* observer)
      : limits_(limits),
        address_(std::move(address)),
        wanted_port_(port),
        handler_(std::move(handler)),
        refuse_(std::move(refuse)),
        observer_(observer) {}

  void start();          // the owner's thread
  void stop() noexcept;  // the owner's thread
  const std::string& address() const { return address_; }
  std::uint16_t port() const { return port_; }

  asio::io_context& io() { return io_; }
  asio::thread_pool& workers() { return *workers_; }
  const Limits& limits() const { return limits_; }
  bool stopping() const { return stopping_; }

  Response answer(const Request& request) const;  // a worker
  Response refusal(Rejection reason) const;
  void answered(int status) const {
    if (observer_ != nullptr) observer_->answered(status);
  }
  void rejected(Rejection reason) const {  // any thread
    if (observer_ != nullptr) observer_->rejected(reason);
  }

  /// Counts bytes of an answer under way; others may be closed to keep the sum within its limit.
  void hold(const Connection& by, std::size_t bytes);
  void release(std::size_t bytes) { held_bytes_ -= bytes; }

  Connections::iterator joined(std::shared_ptr<Connection> connection);
  void moved(Connections::iterator place, bool from_streams, bool to_streams);  // to the end
  void left(Connections::iterator place, bool stream);

 private:
  void accept();
  void admit(tcp::socket socket);
  void not_accepted(const Code& error);
  bool make_room(Rejection reason);
  void sweep();
  static void expire(Connections& connections, SteadyTime before);
  void end_all();
  void count() const {
    if (observer_ != nullptr) {
      observer_->connections(connections_.size() + streams_.size(), streams_.size());
    }
  }

  const Limits limits_;
  const std::string address_;
  const std::uint16_t wanted_port_;
  const Server::Handler handler_;
  const Server::Refuse refuse_;
  Observer* const observer_;
  std::uint16_t port_ = 0;

  asio::io_context io_{1};
  tcp::acceptor acceptor_{io_};
  asio::steady_timer accept_pause_{io_};
  asio::steady_timer sweep_timer_{io_};
  asio::steady_timer drain_timer_{io_};
  // Each ordered by the last progress, the longest ago first.
  Connections connections_;
  Connections streams_;
  std::size_t held_bytes_ = 0;  // of answers under way
  SteadyTime last_warning_{};
  bool stopping_ = false;
  std::optional<asio::thread_pool> workers_;
  std::thread thread_;
};

class Connection final : public std::enable_shared_from_this<Connection> {
 public:
  Connection(Core& core, tcp::socket socket)
      : core_(core), socket_(std::move(socket)), buffer_(core.limits().head_bytes) {}

  void start() {
    place_ = core_.joined(shared_from_this());
    read();
  }

  SteadyTime progress() const { return progress_; }
  /// Whether it may be closed in favour of another: nobody is at work on its answer.
  bool replaceable() const { return state_ != State::kAnswering; }

  bool writing_answer() const { return state_ == State::kWriting; }

  /// There was no progress for as long as is allowed.
  void expire() {
    switch (state_) {
      case State::kReading:
        if (buffer_.size() == 0 && !parser_->got_some()) return close();
        late_ = true;
        progressed();
        cancel();
        return;
      case State::kAnswering:
        return progressed();
      case State::kStreaming:
        if (!writing_) return progressed();  // there was nothing to say
        [[fallthrough]];
      case State::kWriting:
        core_.rejected(Rejection::kUnread);
        return close();
      case State::kLingering:
      case State::kClosed:
        return close();
    }
  }

  /// The server ends: what is being answered may be sent, nothing more is read.
  void end() {
    if (state_ == State::kReading || state_ == State::kLingering) close();
  }

  void close() {
    if (state_ == State::kClosed) return;
    const auto self = shared_from_this();
    state_ = State::kClosed;
    Code ignored;  // it is over either way
    socket_.close(ignored);
    if (linger_timer_) linger_timer_->cancel();
    release();
    if (response_.stream) response_.stream->over();
    core_.left(place_, among_streams_);
  }

 private:
  enum class State : std::uint8_t {
    kReading,    ///< waiting for a request, or in the middle of one
    kAnswering,  ///< a worker has it
    kWriting,
    kStreaming,
    kLingering,  ///< everything is sent; the client may still be sending
    kClosed,
  };

  void progressed() {
    progress_ = std::chrono::steady_clock::now();
    core_.moved(place_, among_streams_, among_streams_);
  }

  void release() { core_.release(std::exchange(held_, 0)); }

  void move_among(bool streams) {
    core_.moved(place_, std::exchange(among_streams_, streams), streams);
  }

  void cancel() {
    Code ignored;  // nothing to cancel is as good
    socket_.cancel(ignored);
  }

  /// Tells about each piece that left, so that only a client that takes nothing runs out of time.
  auto noting_progress() {
    return [self = shared_from_this(), sent = std::size_t{0}](const Code& error,
                                                              std::size_t n) mutable {
      if (n > sent && self->state_ != State::kClosed) self->progressed();
      sent = n;
      return error ? std::size_t{0} : kWriteBytes;
    };
  }

  void read() {
    state_ = State::kReading;
    parser_.emplace();
    parser_->header_limit(static_cast<std::uint32_t>(core_.limits().head_bytes));
    parser_->body_limit(core_.limits().body_bytes);
    head_only_ = false;
    wire::async_read_header(
        socket_, buffer_, *parser_,
        [self = shared_from_this()](const Code& error, std::size_t) { self->on_head(error); });
  }

  void on_head(const Code& error) {
    if (state_ == State::kClosed) return;
    if (parser_->is_header_done()) head_only_ = parser_->get().method() == wire::verb::head;
    if (late_) return refuse(Rejection::kTimeout);
    if (error) return on_read_error(error);
    progressed();
    const auto& head = parser_->get();
    const bool http_1_1 = head.version() == 11;
    if ((!http_1_1 && head.version() != 10) || (http_1_1 && head.count(wire::field::host) != 1)) {
      return refuse(Rejection::kMalformed);
    }
    if (head.target().size() > core_.limits().target_bytes) {
      return refuse(Rejection::kTargetTooLong);
    }
    if (parser_->is_done()) return dispatch();
    if (!beast::iequals(head[wire::field::expect], "100-continue")) return read_body();
    asio::async_write(socket_, buffer_of(kContinue),
                      [self = shared_from_this()](const Code& failed, std::size_t) {
                        if (self->state_ == State::kClosed) return;
                        if (failed) return self->close();
                        self->read_body();
                      });
  }

  void read_body() {
    wire::async_read(socket_, buffer_, *parser_,
                     [self = shared_from_this()](const Code& error, std::size_t) {
                       if (self->state_ == State::kClosed) return;
                       if (self->late_) return self->refuse(Rejection::kTimeout);
                       if (error) return self->on_read_error(error);
                       self->dispatch();
                     });
  }

  void on_read_error(const Code& error) {
    static const auto& kParsing = wire::make_error_code(wire::error::end_of_stream).category();
    if (error == wire::error::body_limit) return refuse(Rejection::kBodyTooLarge);
    if (error == wire::error::header_limit || error == wire::error::buffer_overflow) {
      return refuse(request_line_came() ? Rejection::kHeadTooLarge : Rejection::kTargetTooLong);
    }
    if (error.category() != kParsing || error == wire::error::end_of_stream ||
        error == wire::error::partial_message) {
      return close();  // the client went away
    }
    refuse(Rejection::kMalformed);
  }

  bool request_line_came() const {
    if (!parser_->get().target().empty()) return true;
    const asio::const_buffer rest = buffer_.cdata();
    const std::string_view text{static_cast<const char*>(rest.data()), rest.size()};
    return text.find('\n') != std::string_view::npos;
  }

  void dispatch() {
    state_ = State::kAnswering;
    progressed();
    keep_alive_ = parser_->keep_alive();
    auto message = parser_->release();
    auto request = std::make_shared<Request>();
    request->head = head_only_;
    const beast::string_view method = head_only_ ? "GET" : message.method_string();
    request->method.assign(method.data(), method.size());
    std::tie(request->path, request->query) =
        split_target({message.target().data(), message.target().size()});
    const beast::string_view coding = message[wire::field::accept_encoding];
    request->accept_encoding.assign(coding.data(), coding.size());
    request->body = std::move(message.body());
    http_1_0_ = message.version() == 10;
    asio::post(core_.workers(), [self = shared_from_this(), request] {
      auto response = std::make_shared<Response>(self->core_.answer(*request));
      asio::post(self->core_.io(), [self, response] { self->answer(std::move(*response)); });
    });
  }

  void refuse(Rejection reason) {
    core_.rejected(reason);
    keep_alive_ = false;
    state_ = State::kAnswering;
    answer(core_.refusal(reason));
  }

  void answer(Response response) {
    if (state_ == State::kClosed) {
      if (response.stream) response.stream->over();
      return;
    }
    response_ = std::move(response);
    state_ = State::kWriting;
    if (core_.stopping() || (response_.stream && http_1_0_)) keep_alive_ = false;
    compose_head();
    progressed();
    held_ = head_only_ ? 0 : response_.body.size();
    core_.hold(*this, held_);
    const std::array<asio::const_buffer, 2> buffers = {
        buffer_of(head_), head_only_ ? asio::const_buffer{} : buffer_of(response_.body)};
    asio::async_write(socket_, buffers, noting_progress(),
                      [self = shared_from_this()](const Code& error, std::size_t) {
                        if (self->state_ == State::kClosed) return;
                        if (error) return self->close();
                        self->on_answered();
                      });
  }

  void compose_head() {
    const beast::string_view reason =
        wire::obsolete_reason(wire::int_to_status(static_cast<unsigned>(response_.status)));
    head_ = "HTTP/1.1 " + std::to_string(response_.status) + ' ';
    head_.append(reason.data(), reason.size());
    head_ += "\r\nDate: " + http_date() + "\r\n";
    for (const auto& [name, value] : response_.headers) {
      head_ += name;
      head_ += ": ";
      head_ += value;
      head_ += kLineEnd;
    }
    if (!response_.stream) {
      head_ += "Content-Length: " + std::to_string(response_.body.size()) + "\r\n";
    } else if (!http_1_0_) {
      head_ += "Transfer-Encoding: chunked\r\n";
    }
    if (!keep_alive_) {
      head_ += "Connection: close\r\n";
    } else if (http_1_0_) {
      head_ += "Connection: keep-alive\r\n";
    }
    head_ += kLineEnd;
  }

  void on_answered() {
    core_.answered(response_.status);
    release();
    if (response_.stream && !head_only_) return stream();
    if (response_.stream) response_.stream->over();
    response_ = {};
    if (keep_alive_ && !core_.stopping()) return read();
    linger();
  }

  void stream() {
    state_ = State::kStreaming;
    move_among(true);
    const std::weak_ptr<Connection> weak = weak_from_this();
    response_.stream->attach([weak, &io = core_.io()] {
      asio::post(io, [weak] {
        if (const auto self = weak.lock()) self->send_chunks();
      });
    });
    send_chunks();
  }

  void send_chunks() {
    // While a write is under way take() would give its bytes back; cut, it shall not be waited for.
    if (state_ != State::kStreaming) return;
    if (writing_ && !response_.stream->cut()) return;
    const Stream::State state = response_.stream->take(chunks_, kChunksAtOnce);
    if (state == Stream::State::kCut) {
      core_.rejected(Rejection::kSlowStream);
      return close();
    }
    if (state == Stream::State::kFinished) return end_stream();
    if (chunks_.empty()) return;
    std::vector<asio::const_buffer> buffers;
    std::size_t size = 0;
    for (const Stream::Chunk& chunk : chunks_) size += chunk->size();
    if (!http_1_0_) {
      std::array<char, 20> line{};
      const int n = std::snprintf(line.data(), line.size(), "%zx\r\n", size);
      head_.assign(line.data(), static_cast<std::size_t>(n));
      buffers.push_back(buffer_of(head_));
    }
    for (const Stream::Chunk& chunk : chunks_) buffers.push_back(buffer_of(*chunk));
    if (!http_1_0_) buffers.push_back(buffer_of(kLineEnd));
    writing_ = true;
    asio::async_write(socket_, buffers, noting_progress(),
                      [self = shared_from_this()](const Code& error, std::size_t) {
                        self->writing_ = false;
                        if (self->state_ == State::kClosed) return;
                        if (error) return self->close();
                        self->send_chunks();
                      });
  }

  void end_stream() {
    if (http_1_0_) return linger();
    writing_ = true;
    asio::async_write(socket_, buffer_of(kLastChunk),
                      [self = shared_from_this()](const Code& error, std::size_t) {
                        if (self->state_ == State::kClosed) return;
                        if (error) return self->close();
                        self->linger();
                      });
  }

  /// Closing with something unread would reset the connection, and the client might lose its
  /// answer: so the end is told first, and what still comes is thrown away for a moment.
  void linger() {
    state_ = State::kLingering;
    move_among(false);
    Code error;
    socket_.shutdown(tcp::socket::shutdown_send, error);
    if (error) return close();
    linger_timer_.emplace(core_.io(), kLingerWithin);
    linger_timer_->async_wait([self = shared_from_this()](const Code& cancelled) {
      if (!cancelled) self->close();
    });
    parser_.reset();
    buffer_.consume(buffer_.size());
    discard();
  }

  void discard() {
    socket_.async_read_some(buffer_.prepare(core_.limits().head_bytes),
                            [self = shared_from_this()](const Code& error, std::size_t n) {
                              if (self->state_ == State::kClosed) return;
                              self->discarded_ += n;
                              if (error || self->discarded_ > kLingerBytes) return self->close();
                              self->discard();
                            });
  }

  Core& core_;
  tcp::socket socket_;
  beast::flat_buffer buffer_;
  std::optional<wire::request_parser<wire::string_body>> parser_;
  Core::Connections::iterator place_;
  SteadyTime progress_ = std::chrono::steady_clock::now();
  State state_ = State::kReading;
  bool late_ = false;
  bool head_only_ = false;
  bool http_1_0_ = false;
  bool keep_alive_ = false;
  bool among_streams_ = false;
  bool writing_ = false;  // in a stream
  std::string head_;
  Response response_;
  std::size_t held_ = 0;  // bytes of response_ that count as under way
  std::vector<Stream::Chunk> chunks_;
  std::size_t discarded_ = 0;
  std::optional<asio::steady_timer> linger_timer_;
};

void Core::start() {
  try {
    const tcp::endpoint wanted = endpoint_of(address_, wanted_port_);
    acceptor_.open(wanted.protocol());
    acceptor_.set_option(tcp::acceptor::reuse_address(true));
    acceptor_.bind(wanted);
    acceptor_.listen(asio::socket_base::max_listen_connections);
    port_ = acceptor_.local_endpoint().port();
  } catch (const std::runtime_error& error) {
    // Of a system error only the reason: asio's own text names its function.
    const auto* const system = dynamic_cast<const boost::system::system_error*>(&error);
    throw std::runtime_error("cannot listen on " + join_host_port(address_, wanted_port_) + ": " +
                             (system != nullptr ? system->code().message() : error.what()));
  }
  workers_.emplace(limits_.workers);
  accept();
  sweep();
  thread_ = std::thread([this] {
    for (;;) {
      try {
        io_.run();
        return;
      } catch (const std::exception& error) {
        spdlog::error("http: {}", error.what());
      }
    }
  });
}

void Core::stop() noexcept {
  if (!thread_.joinable()) return;
  asio::post(io_, [this] { end_all(); });
  thread_.join();
  workers_->stop();
  workers_->join();
}

void Core::end_all() {
  stopping_ = true;
  Code ignored;  // closing cannot fail in a way that matters
  acceptor_.close(ignored);
  accept_pause_.cancel();
  sweep_timer_.cancel();
  const Connections all = connections_;
  for (const auto& connection : all) connection->end();
  if (connections_.empty() && streams_.empty()) return;
  drain_timer_.expires_after(kDrainWithin);
  drain_timer_.async_wait([this](const Code& cancelled) {
    if (cancelled) return;
    Connections rest = connections_;
    rest.insert(rest.end(), streams_.begin(), streams_.end());
    for (const auto& connection : rest) connection->close();
  });
}

Response Core::answer(const Request& request) const {
  try {
    return handler_(request);
  } catch (const std::exception& error) {
    spdlog::error("http: {} {}: {}", request.method, request.path, error.what());
    rejected(Rejection::kFailed);
    return refusal(Rejection::kFailed);
  }
}

Response Core::refusal(Rejection reason) const { return refuse_(reason); }

void Core::hold(const Connection& by, std::size_t bytes) {
  held_bytes_ += bytes;
  while (held_bytes_ > limits_.answer_bytes) {
    const auto slowest =
        std::find_if(connections_.begin(), connections_.end(),
                     [&by](const auto& c) { return c.get() != &by && c->writing_answer(); });
    if (slowest == connections_.end()) return;  // one answer alone may be larger
    rejected(Rejection::kUnread);
    (*slowest)->close();
  }
}

Core::Connections::iterator Core::joined(std::shared_ptr<Connection> connection) {
  connections_.push_back(std::move(connection));
  count();
  return std::prev(connections_.end());
}

void Core::moved(Connections::iterator place, bool from_streams, bool to_streams) {
  Connections& to = to_streams ? streams_ : connections_;
  to.splice(to.end(), from_streams ? streams_ : connections_, place);
  if (from_streams != to_streams) count();
}

void Core::left(Connections::iterator place, bool stream) {
  (stream ? streams_ : connections_).erase(place);
  count();
  if (stopping_ && connections_.empty() && streams_.empty()) drain_timer_.cancel();
}

void Core::accept() {
  acceptor_.async_accept([this](const Code& error, tcp::socket socket) {
    if (stopping_ || error == asio::error::operation_aborted) return;
    if (error && error != asio::error::connection_aborted) return not_accepted(error);
    if (!error) admit(std::move(socket));
    accept();
  });
}

void Core::admit(tcp::socket socket) {
  Code ignored;  // an option that cannot be set is a client that is gone: the read will tell
  socket.set_option(tcp::no_delay(true), ignored);
  socket.set_option(asio::socket_base::send_buffer_size(kSendBufferBytes), ignored);
  const auto unacknowledged = static_cast<unsigned>(limits_.idle.count());
  ::setsockopt(socket.native_handle(), IPPROTO_TCP, TCP_USER_TIMEOUT, &unacknowledged,
               sizeof unacknowledged);
  if (connections_.size() + streams_.size() >= limits_.connections &&
      !make_room(Rejection::kMadeRoom)) {
    rejected(Rejection::kNoRoom);
    return;
  }
  std::make_shared<Connection>(*this, std::move(socket))->start();
}

/// Trying again at once would take all of a core for as long as there is nothing to be had, and
/// with the one descriptor that a connection gives back nobody else would ever get one.
void Core::not_accepted(const Code& error) {
  rejected(Rejection::kNoDescriptors);
  const SteadyTime now = std::chrono::steady_clock::now();
  if (last_warning_ == SteadyTime{} || now - last_warning_ > kWarnEvery) {
    last_warning_ = now;
    spdlog::warn("http: port {} cannot accept a connection: {}", port_, error.message());
  }
  for (std::size_t i = connections_.size() / 8 + 1; i > 0; --i) {
    if (!make_room(Rejection::kMadeRoom)) break;
  }
  accept_pause_.expires_after(kAcceptPause);
  accept_pause_.async_wait([this](const Code& cancelled) {
    if (!cancelled && !stopping_) accept();
  });
}

bool Core::make_room(Rejection reason) {
  const auto found = std::find_if(connections_.begin(), connections_.end(),
                                  [](const auto& c) { return c->replaceable(); });
  if (found == connections_.end()) return false;
  rejected(reason);
  (*found)->close();
  return true;
}

void Core::expire(Connections& connections, SteadyTime before) {
  // Each is either closed or goes to the end.
  while (!connections.empty() && connections.front()->progress() <= before) {
    const std::shared_ptr<Connection> oldest = connections.front();
    oldest->expire();
  }
}

void Core::sweep() {
  sweep_timer_.expires_after(std::clamp(limits_.idle / 8, milliseconds{5}, milliseconds{1000}));
  sweep_timer_.async_wait([this](const Code& cancelled) {
    if (cancelled || stopping_) return;
    const SteadyTime before = std::chrono::steady_clock::now() - limits_.idle;
    expire(connections_, before);
    expire(streams_, before);
    sweep();
  });
}

}  // namespace

std::string origin(std::string_view address, std::uint16_t port) {
  return "http://" + join_host_port(address, port);
}

class Server::Impl : public Core {
 public:
  using Core::Core;
};

Server::Server(std::string address, std::uint16_t port, Handler handler, Refuse refuse,
               Limits limits, Observer* observer)
    : impl_(std::make_unique<Impl>(std::move(address), port, std::move(handler), std::move(refuse),
                                   limits, observer)) {}

Server::~Server() { stop(); }

void Server::start() { impl_->start(); }
void Server::stop() noexcept { impl_->stop(); }
std::uint16_t Server::port() const { return impl_->port(); }
std::string Server::url() const { return origin(impl_->address(), impl_->port()); }

}  // namespace spreadwatch::http
