#include "tests/live/test_server.h"

#include <openssl/bio.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>
#include <stdlib.h>
#include <sys/socket.h>

#include <array>
#include <atomic>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/read.hpp>
#include <boost/asio/ssl/context.hpp>
#include <boost/asio/ssl/stream.hpp>
#include <boost/asio/write.hpp>
#include <boost/beast/core/buffers_to_string.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/http/read.hpp>
#include <boost/beast/http/string_body.hpp>
#include <boost/beast/websocket/ssl.hpp>
#include <boost/beast/websocket/stream.hpp>
#include <cstdio>
#include <filesystem>
#include <list>
#include <stdexcept>
#include <thread>
#include <type_traits>

namespace spreadwatch::test {
namespace {

namespace asio = boost::asio;
namespace beast = boost::beast;
namespace http = boost::beast::http;
namespace websocket = boost::beast::websocket;
using asio::ip::tcp;
using boost::system::error_code;

using Key = std::unique_ptr<EVP_PKEY, decltype(&EVP_PKEY_free)>;
using Cert = std::unique_ptr<X509, decltype(&X509_free)>;
using Bio = std::unique_ptr<BIO, decltype(&BIO_free)>;

std::string text_of(BIO* bio) {
  std::string out;
  char buffer[1024];
  for (int n = 0; (n = BIO_read(bio, buffer, sizeof buffer)) > 0;) {
    out.append(buffer, static_cast<std::size_t>(n));
  }
  return out;
}

void extend(X509* cert, X509* issuer, int nid, const std::string& value) {
  X509V3_CTX context;
  X509V3_set_ctx(&context, issuer, cert, nullptr, nullptr, 0);
  X509_EXTENSION* const extension = X509V3_EXT_conf_nid(nullptr, &context, nid, value.c_str());
  if (extension == nullptr) throw std::runtime_error("bad certificate extension " + value);
  X509_add_ext(cert, extension, -1);
  X509_EXTENSION_free(extension);
}

Cert make_certificate(EVP_PKEY* key, const std::string& name, long serial, X509* issuer,
                      EVP_PKEY* issuer_key, const std::string& alt_name) {
  Cert cert(X509_new(), &X509_free);
  X509_set_version(cert.get(), 2);
  ASN1_INTEGER_set(X509_get_serialNumber(cert.get()), serial);
  X509_gmtime_adj(X509_getm_notBefore(cert.get()), -3600);
  X509_gmtime_adj(X509_getm_notAfter(cert.get()), 86'400);
  X509_set_pubkey(cert.get(), key);
  X509_NAME* const subject = X509_get_subject_name(cert.get());
  X509_NAME_add_entry_by_txt(subject, "CN", MBSTRING_ASC,
                             reinterpret_cast<const unsigned char*>(name.c_str()), -1, -1, 0);
  X509* const signer = issuer != nullptr ? issuer : cert.get();
  X509_set_issuer_name(cert.get(), X509_get_subject_name(signer));
  extend(cert.get(), signer, NID_basic_constraints,
         issuer == nullptr ? "critical,CA:TRUE" : "CA:FALSE");
  if (!alt_name.empty()) extend(cert.get(), signer, NID_subject_alt_name, alt_name);
  X509_sign(cert.get(), issuer_key, EVP_sha256());
  return cert;
}

tcp::socket& socket_of(tcp::socket& stream) { return stream; }
tcp::socket& socket_of(asio::ssl::stream<tcp::socket>& stream) { return stream.next_layer(); }

template <class Stream>
class StreamPeer final : public Peer {
 public:
  StreamPeer(asio::io_context& io, Stream stream) : io_(io), ws_(std::move(stream)) {
    ws_.control_callback([this](websocket::frame_type kind, beast::string_view payload) {
      if (kind == websocket::frame_type::pong) pongs_.emplace_back(payload);
    });
  }

  bool handshake() {
    if constexpr (!std::is_same_v<Stream, tcp::socket>) {
      error_code ec;
      stream().handshake(asio::ssl::stream_base::server, ec);
      return !ec;
    }
    return true;
  }
  bool read_request() {
    error_code ec;
    http::read(stream(), buffer_, request_, ec);
    return !ec;
  }

  std::string target() const override { return std::string{request_.target()}; }
  std::string header(const std::string& name) const override { return std::string{request_[name]}; }
  bool write_raw(std::string_view bytes) override {
    error_code ec;
    asio::write(stream(), asio::buffer(bytes), ec);
    return !ec;
  }
  bool accept() override {
    error_code ec;
    ws_.accept(request_, ec);
    return !ec;
  }
  std::optional<std::string> read() override {
    error_code ec;
    beast::flat_buffer message;
    ws_.read(message, ec);
    if (ec) return std::nullopt;
    return beast::buffers_to_string(message.data());
  }
  std::optional<std::string> read_for(std::chrono::milliseconds wait) override {
    if (!reading_) {
      reading_ = true;
      ws_.async_read(message_, [this](const error_code& ec, std::size_t) {
        reading_ = false;
        ended_ = static_cast<bool>(ec);
      });
    }
    run_while_reading(wait);
    if (reading_ || ended_) return std::nullopt;
    std::string out = beast::buffers_to_string(message_.data());
    message_.clear();
    return out;
  }
  std::optional<WsFrame> read_frame() override {
    error_code ec;
    std::array<unsigned char, 14> head{};
    const auto get = [&](std::size_t at, std::size_t count) {
      if (!ec) asio::read(stream(), asio::buffer(head.data() + at, count), ec);
    };
    get(0, 2);
    std::size_t size = head[1] & 0x7FU;
    const std::size_t more = size == 126 ? 2 : size == 127 ? 8 : 0;
    get(2, more);
    if (more > 0) size = 0;
    for (std::size_t i = 0; i < more; ++i) size = size << 8U | head[2 + i];
    get(10, 4);  // the mask, which a client always sends
    if (ec) return std::nullopt;
    WsFrame frame{head[0] & 0x0F, (head[0] & 0x80U) != 0, std::string(size, '\0')};
    asio::read(stream(), asio::buffer(frame.payload), ec);
    if (ec) return std::nullopt;
    for (std::size_t i = 0; i < size; ++i) {
      frame.payload[i] = static_cast<char>(frame.payload[i] ^ head[10 + i % 4]);
    }
    return frame;
  }
  bool ended() const override { return ended_; }
  bool send(std::string_view text) override { return write(text, true); }
  bool send_binary(std::string_view bytes) override { return write(bytes, false); }
  bool ping(const std::string& payload) override {
    error_code ec;
    ws_.ping(websocket::ping_data(payload.c_str()), ec);
    return !ec;
  }
  void close(std::uint16_t code, const std::string& reason) override {
    const websocket::close_reason why(static_cast<websocket::close_code>(code), reason);
    error_code ec;
    if (!reading_) {
      ws_.close(why, ec);
      return;
    }
    ws_.async_close(why, [](const error_code&) {});
    run_while_reading(std::chrono::seconds{1});
  }
  std::vector<std::string> pongs() const override { return pongs_; }
  void reset() override {
    error_code ec;
    socket_of(stream()).set_option(asio::socket_base::linger(true, 0), ec);
    socket_of(stream()).close(ec);
  }
  void hold() override {
    char sink[4096];
    for (error_code ec; !ec;) socket_of(stream()).read_some(asio::buffer(sink), ec);
  }

 private:
  Stream& stream() { return ws_.next_layer(); }
  void run_while_reading(std::chrono::milliseconds wait) {
    const auto end = std::chrono::steady_clock::now() + wait;
    io_.restart();
    while (reading_ && std::chrono::steady_clock::now() < end) io_.run_one_until(end);
  }
  bool write(std::string_view bytes, bool text) {
    error_code ec;
    ws_.text(text);
    ws_.write(asio::buffer(bytes), ec);
    return !ec;
  }

  asio::io_context& io_;
  websocket::stream<Stream> ws_;
  beast::flat_buffer buffer_;
  http::request<http::string_body> request_;
  std::vector<std::string> pongs_;
  beast::flat_buffer message_;
  bool reading_ = false;
  bool ended_ = false;
};

}  // namespace

std::unique_ptr<Certificates> make_certificates(const std::string& alt_name,
                                                const std::string& common_name) {
  Key ca_key(EVP_EC_gen("P-256"), &EVP_PKEY_free);
  Key key(EVP_EC_gen("P-256"), &EVP_PKEY_free);
  const Cert ca =
      make_certificate(ca_key.get(), "spreadwatch test authority", 1, nullptr, ca_key.get(), {});
  const Cert cert = make_certificate(key.get(), common_name, 2, ca.get(), ca_key.get(), alt_name);
  auto out = std::make_unique<Certificates>();
  Bio bio(BIO_new(BIO_s_mem()), &BIO_free);
  PEM_write_bio_X509(bio.get(), cert.get());
  out->cert_pem = text_of(bio.get());
  PEM_write_bio_PrivateKey(bio.get(), key.get(), nullptr, nullptr, 0, nullptr, nullptr);
  out->key_pem = text_of(bio.get());
  PEM_write_bio_X509(bio.get(), ca.get());
  const std::string pem = text_of(bio.get());
  std::string path = (std::filesystem::temp_directory_path() / "live_test_ca_XXXXXX").string();
  const int fd = ::mkstemp(path.data());
  if (fd < 0) throw std::runtime_error("no temporary file for the authority");
  std::FILE* const file = ::fdopen(fd, "w");
  std::fwrite(pem.data(), 1, pem.size(), file);
  std::fclose(file);
  out->ca_file = path;
  return out;
}

Certificates::~Certificates() {
  if (!ca_file.empty()) std::remove(ca_file.c_str());
}

bool Peer::respond(std::string_view body, std::string_view status, std::string_view headers) {
  std::string answer = "HTTP/1.1 ";
  answer.append(status).append("\r\nContent-Length: ").append(std::to_string(body.size()));
  answer.append("\r\nConnection: close\r\n").append(headers).append("\r\n").append(body);
  return write_raw(answer);
}

class TestServer::Impl {
 public:
  Impl(Handler handler, const Certificates* certificates, const std::string& address)
      : handler_(std::move(handler)), acceptor_(io_, {asio::ip::make_address(address), 0}) {
    if (certificates != nullptr) {
      tls_ = std::make_unique<asio::ssl::context>(asio::ssl::context::tls_server);
      tls_->use_certificate(asio::buffer(certificates->cert_pem), asio::ssl::context::pem);
      tls_->use_private_key(asio::buffer(certificates->key_pem), asio::ssl::context::pem);
    }
    port_ = acceptor_.local_endpoint().port();
    accepting_ = std::thread([this] { accept(); });
  }

  ~Impl() {
    stopping_ = true;
    // Wakes the blocked accept; closing alone would not.
    ::shutdown(acceptor_.native_handle(), SHUT_RDWR);
    accepting_.join();
    {
      const std::lock_guard lock(mutex_);
      for (const int fd : open_) ::shutdown(fd, SHUT_RDWR);
    }
    for (std::thread& thread : threads_) thread.join();
  }

  std::uint16_t port() const { return port_; }
  int connections() const { return connections_; }

 private:
  void accept() {
    while (!stopping_) {
      error_code ec;
      // A loop of its own, for the one thread that serves it.
      auto io = std::make_unique<asio::io_context>();
      tcp::socket socket(*io);
      acceptor_.accept(socket, ec);
      if (ec) continue;
      ++connections_;
      // A duplicate, so that it stays valid to shut down whatever the handler does with its own.
      const int fd = ::dup(socket.native_handle());
      {
        const std::lock_guard lock(mutex_);
        open_.push_back(fd);
      }
      threads_.emplace_back([this, fd, own_io = std::move(io), s = std::move(socket)]() mutable {
        serve(*own_io, std::move(s));
        const std::lock_guard lock(mutex_);
        open_.remove(fd);
        ::close(fd);
      });
    }
  }

  void serve(asio::io_context& io, tcp::socket socket) {
    if (tls_ != nullptr) {
      run(StreamPeer<asio::ssl::stream<tcp::socket>>(io, {std::move(socket), *tls_}));
    } else {
      run(StreamPeer<tcp::socket>(io, std::move(socket)));
    }
  }

  template <class P>
  void run(P&& peer) {
    if (peer.handshake() && peer.read_request()) handler_(peer);
  }

  const Handler handler_;
  asio::io_context io_;
  std::unique_ptr<asio::ssl::context> tls_;
  tcp::acceptor acceptor_;
  std::uint16_t port_ = 0;
  std::atomic<bool> stopping_{false};
  std::atomic<int> connections_{0};
  std::thread accepting_;
  std::list<std::thread> threads_;  // of accepting_ until it is joined
  std::mutex mutex_;
  std::list<int> open_;  // guarded by mutex_
};

TestServer::TestServer(Handler handler, const Certificates* certificates,
                       const std::string& address)
    : impl_(std::make_unique<Impl>(std::move(handler), certificates, address)) {}
TestServer::~TestServer() = default;
std::uint16_t TestServer::port() const { return impl_->port(); }
std::string TestServer::url(const std::string& scheme, const std::string& host) const {
  return scheme + "://" + host + ":" + std::to_string(port());
}
int TestServer::connections() const { return impl_->connections(); }

std::uint16_t closed_port() {
  asio::io_context io;
  tcp::acceptor acceptor(io, {asio::ip::make_address("127.0.0.1"), 0});
  return acceptor.local_endpoint().port();
}

}  // namespace spreadwatch::test
