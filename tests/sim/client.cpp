#include "tests/sim/client.h"

#include <boost/asio/connect.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/ssl/context.hpp>
#include <boost/beast/core.hpp>
#include <boost/beast/http.hpp>
#include <boost/beast/ssl.hpp>
#include <boost/beast/websocket.hpp>
#include <stdexcept>

namespace spreadwatch::sim::test {
namespace {

namespace asio = boost::asio;
namespace beast = boost::beast;
namespace http = beast::http;
namespace websocket = beast::websocket;
using tcp = asio::ip::tcp;

constexpr auto kTimeout = std::chrono::seconds(5);

tcp::endpoint loopback(std::uint16_t port) { return {asio::ip::address_v4::loopback(), port}; }

template <class Stream>
HttpReply exchange(Stream& stream, const std::string& method, const std::string& target,
                   const std::string& body, const std::string& content_type = {}) {
  http::request<http::string_body> request(http::string_to_verb(method), target, 11);
  request.set(http::field::host, "127.0.0.1");
  if (!content_type.empty()) request.set(http::field::content_type, content_type);
  request.set(http::field::connection, "close");
  request.body() = body;
  request.prepare_payload();
  http::write(stream, request);
  beast::flat_buffer buffer;
  http::response<http::string_body> response;
  http::read(stream, buffer, response);
  return {static_cast<int>(response.result_int()), response.body(),
          std::string(response[http::field::content_type])};
}

tcp::socket connected(asio::io_context& io, std::uint16_t port) {
  tcp::socket socket(io);
  socket.connect(loopback(port));
  // A blocking call on loopback; the kernel ends it when the server is stuck.
  timeval limit{5, 0};
  setsockopt(socket.native_handle(), SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
  return socket;
}

}  // namespace

HttpReply http_post_form(std::uint16_t port, const std::string& target, const std::string& form) {
  asio::io_context io;
  tcp::socket socket = connected(io, port);
  return exchange(socket, "POST", target, form, "application/x-www-form-urlencoded;charset=UTF-8");
}

HttpReply http_request(std::uint16_t port, const std::string& method, const std::string& target,
                       const std::string& body, const std::string& ca_pem) {
  asio::io_context io;
  tcp::socket socket = connected(io, port);
  if (ca_pem.empty()) return exchange(socket, method, target, body);
  asio::ssl::context context(asio::ssl::context::tls_client);
  context.add_certificate_authority(asio::buffer(ca_pem));
  context.set_verify_mode(asio::ssl::verify_peer);
  beast::ssl_stream<tcp::socket> stream(std::move(socket), context);
  X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(stream.native_handle()), "127.0.0.1");
  stream.handshake(asio::ssl::stream_base::client);
  return exchange(stream, method, target, body);
}

class WebSocketClient::Impl {
 public:
  Impl(std::uint16_t port, const std::string& target, const Headers& headers) : stream_(io_) {
    beast::get_lowest_layer(stream_).socket().connect(loopback(port));
    stream_.set_option(
        websocket::stream_base::decorator([headers](websocket::request_type& request) {
          for (const auto& [name, value] : headers) request.set(name, value);
        }));
    stream_.read_message_max(64 * 1024 * 1024);
    std::optional<beast::error_code> result;
    websocket::response_type response;
    stream_.async_handshake(response, "127.0.0.1", target,
                            [&](beast::error_code error) { result = error; });
    if (!run_until(kTimeout, [&] { return result.has_value(); })) {
      throw std::runtime_error("no answer to the upgrade");
    }
    if (*result) {
      throw std::runtime_error("upgrade refused: " + std::to_string(response.result_int()));
    }
    read_next();
  }

  void send(const std::string& text) {
    std::optional<beast::error_code> result;
    stream_.text(true);
    stream_.async_write(asio::buffer(text),
                        [&](beast::error_code error, std::size_t) { result = error; });
    if (!run_until(kTimeout, [&] { return result.has_value(); })) {
      throw std::runtime_error("cannot send");
    }
  }

  std::optional<Message> read(std::chrono::milliseconds timeout) {
    run_until(timeout, [&] { return !messages_.empty() || closed_; });
    if (messages_.empty()) return std::nullopt;
    Message message = std::move(messages_.front());
    messages_.erase(messages_.begin());
    return message;
  }

  [[nodiscard]] bool closed() const { return closed_; }
  [[nodiscard]] int close_code() const {
    const auto code = stream_.reason().code;
    return code == websocket::close_code::none ? 1006 : code;
  }

 private:
  void read_next() {
    stream_.async_read(buffer_, [this](beast::error_code error, std::size_t) {
      if (error) {
        closed_ = true;
        return;
      }
      messages_.push_back({beast::buffers_to_string(buffer_.data()), stream_.got_binary()});
      buffer_.consume(buffer_.size());
      read_next();
    });
  }

  template <class Done>
  bool run_until(std::chrono::steady_clock::duration timeout, Done done) {
    const auto deadline = std::chrono::steady_clock::now() + timeout;
    while (!done() && std::chrono::steady_clock::now() < deadline) {
      io_.restart();
      io_.run_one_until(deadline);
    }
    return done();
  }

  asio::io_context io_;
  websocket::stream<beast::tcp_stream> stream_;
  beast::flat_buffer buffer_;
  std::vector<Message> messages_;
  bool closed_ = false;
};

WebSocketClient::WebSocketClient(std::uint16_t port, const std::string& target,
                                 const Headers& headers)
    : impl_(std::make_unique<Impl>(port, target, headers)) {}
WebSocketClient::~WebSocketClient() = default;
void WebSocketClient::send(const std::string& text) { impl_->send(text); }
std::optional<WebSocketClient::Message> WebSocketClient::read(std::chrono::milliseconds timeout) {
  return impl_->read(timeout);
}
bool WebSocketClient::closed() const { return impl_->closed(); }
int WebSocketClient::close_code() const { return impl_->close_code(); }

}  // namespace spreadwatch::sim::test
