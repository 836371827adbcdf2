#include "api/server.h"

#include <arpa/inet.h>
#include <cpprest/http_listener.h>
#include <netinet/in.h>
#include <pplx/threadpool.h>
#include <spdlog/spdlog.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <future>
#include <stdexcept>
#include <string_view>
#include <utility>

#include "api/connection_guard.h"
#include "api/event_stream_buffer.h"
#include "api/router.h"

namespace spreadwatch::api {
namespace {

namespace http = web::http;
using Listener = web::http::experimental::listener::http_listener;

constexpr int kPortAttempts = 20;
constexpr std::chrono::milliseconds kDrainWithin{600};
constexpr std::chrono::milliseconds kCloseWithin{300};

// What a browser needs to be told. The board loads nothing but its own files.
constexpr std::array<std::pair<std::string_view, std::string_view>, 6> kSecurityHeaders = {{
    {"X-Content-Type-Options", "nosniff"},
    {"X-Frame-Options", "DENY"},
    {"Referrer-Policy", "no-referrer"},
    {"Cross-Origin-Resource-Policy", "same-origin"},
    {"Cross-Origin-Opener-Policy", "same-origin"},
    {"Content-Security-Policy",
     "default-src 'none'; script-src 'self'; worker-src 'self'; style-src 'self'; connect-src "
     "'self'; img-src 'self' "
     "data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"},
}};

/// The port that `address` can be listened on: `port` itself, or a free one when it is 0. cpprest's
/// listener can neither report an ephemeral port nor say clearly why it could not bind, so a socket
/// of our own tries first. Throws std::runtime_error.
std::uint16_t probe_port(const std::string& address, std::uint16_t port) {
  const auto fail = [&](const std::string& why) -> std::runtime_error {
    return std::runtime_error("cannot listen on " + address + ":" + std::to_string(port) + ": " +
                              why);
  };
  sockaddr_in wanted{};
  wanted.sin_family = AF_INET;
  wanted.sin_port = htons(port);
  const std::string numeric = address == "localhost" ? "127.0.0.1" : address;
  if (::inet_pton(AF_INET, numeric.c_str(), &wanted.sin_addr) != 1) {
    throw fail("not an IPv4 address");
  }
  const int probe = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (probe < 0) throw fail(std::strerror(errno));
  const int on = 1;
  ::setsockopt(probe, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  socklen_t size = sizeof wanted;
  const bool ok = ::bind(probe, reinterpret_cast<const sockaddr*>(&wanted), size) == 0 &&
                  ::listen(probe, 1) == 0 &&
                  ::getsockname(probe, reinterpret_cast<sockaddr*>(&wanted), &size) == 0;
  const int error = errno;
  ::close(probe);
  if (!ok) throw fail(std::strerror(error));
  return ntohs(wanted.sin_port);
}

void add_headers(http::http_response& reply, const Response& response) {
  http::http_headers& headers = reply.headers();
  for (const auto& [name, value] : kSecurityHeaders) {
    headers.add(std::string{name}, std::string{value});
  }
  headers.add("Cache-Control", response.content_type.starts_with("text/") &&
                                       !response.content_type.starts_with("text/event-stream")
                                   ? "no-cache"
                                   : "no-store");
  if (!response.allow.empty()) headers.add("Allow", response.allow);
}

/// Reads a body nobody wants and forgets it: the library sends no answer before the body has ended,
/// and would keep all of it in memory.
void drain(const http::http_request& request) {
  auto scratch = std::make_shared<std::array<std::uint8_t, 16384>>();
  auto body = request.body().streambuf();
  pplx::details::_do_while([body, scratch]() mutable {
    return body.getn(scratch->data(), scratch->size()).then([](size_t n) { return n > 0; });
  }).then([](const pplx::task<bool>& done) {
    try {
      done.get();
    } catch (const std::exception&) {
      // The client went away in the middle of its body.
    }
  });
}

/// Waits for nothing: what becomes of the reply matters only to the stream.
void forget(const pplx::task<void>& sent) {
  sent.then([](const pplx::task<void>& done) {
    try {
      done.get();
    } catch (const std::exception&) {
      // The client went away before it had its answer.
    }
  });
}

}  // namespace

class Server::Impl {
 public:
  Impl(config::HttpSettings http, std::vector<config::VenueSettings> venues, const Store& store,
       const Clock& clock, Providers providers, ServerLimits limits)
      : http_(std::move(http)),
        limits_(limits),
        shared_(std::make_shared<Shared>(
            Router(std::move(venues), store, clock, std::move(providers)), limits)) {}

  void start() {
    for (int attempt = 1;; ++attempt) {
      const std::uint16_t port = probe_port(http_.address, http_.port);
      try {
        listen(port);
        break;
      } catch (const std::exception& error) {
        // Another program may take a free port between the probe and us; a configured one is just
        // taken.
        if (http_.port == 0 && attempt < kPortAttempts) continue;
        throw std::runtime_error("cannot listen on " + http_.address + ":" + std::to_string(port) +
                                 ": " + error.what());
      }
    }
    guard_ = std::make_unique<ConnectionGuard>(port_, limits_.connections, limits_.idle);
  }

  void stop() noexcept {
    try {
      shared_->broadcaster.close();
      guard_.reset();
      if (!listener_) return;
      if (!drain_connections(port_, kDrainWithin)) {
        spdlog::warn("http: some connections did not end in time");
      }
      auto closed = std::make_shared<std::promise<void>>();
      auto listener = std::exchange(listener_, nullptr);
      std::future<void> done = closed->get_future();
      listener->close().then([closed, listener](const pplx::task<void>& task) {
        try {
          task.get();
        } catch (const std::exception& error) {
          spdlog::warn("http: closing the listener: {}", error.what());
        }
        closed->set_value();
      });
      if (done.wait_for(kCloseWithin) != std::future_status::ready) {
        spdlog::warn("http: the listener did not close in time");
      }
    } catch (const std::exception& error) {
      spdlog::warn("http: stop: {}", error.what());
    }
  }

  std::uint16_t port() const { return port_; }
  std::string url() const { return "http://" + http_.address + ":" + std::to_string(port_); }
  Broadcaster& broadcaster() { return shared_->broadcaster; }

 private:
  /// What requests use; they may outlive the server by a moment.
  struct Shared {
    Shared(Router r, const ServerLimits& l)
        : router(std::move(r)), limits(l), broadcaster(l.stream_clients, l.heartbeat) {}
    const Router router;
    const ServerLimits limits;
    Broadcaster broadcaster;
  };

  void listen(std::uint16_t port) {
    auto listener = std::make_shared<Listener>(
        web::uri("http://" + http_.address + ":" + std::to_string(port) + "/"));
    const auto handler = [shared = shared_](const http::http_request& request) {
      handle(shared, request);
    };
    listener->support(handler);
    // The library answers these two by itself unless told otherwise.
    listener->support(http::methods::OPTIONS, handler);
    listener->support(http::methods::TRCE, handler);
    listener->open().get();
    listener_ = std::move(listener);
    port_ = port;
  }

  static Response answer(const Shared& shared, const http::http_request& request) {
    const web::uri& target = request.request_uri();
    if (target.path().size() + target.query().size() > shared.limits.uri_bytes) {
      return problem(
          414, "uri_too_long",
          "the request target may have " + std::to_string(shared.limits.uri_bytes) + " bytes");
    }
    if (request.headers().content_length() > shared.limits.body_bytes) {
      return problem(
          413, "payload_too_large",
          "the request body may have " + std::to_string(shared.limits.body_bytes) + " bytes");
    }
    return shared.router.answer({request.method(), target.path(), target.query()});
  }

  static void handle(const std::shared_ptr<Shared>& shared, const http::http_request& request) {
    Response response;
    try {
      if (request.headers().content_length() > 0 || request.headers().has("Transfer-Encoding")) {
        drain(request);
      }
      response = answer(*shared, request);
    } catch (const std::exception& error) {
      spdlog::error("http: {} {}: {}", request.method(), request.request_uri().path(),
                    error.what());
      response = problem(500, "internal_error", "the request failed; the log says why");
    }
    if (response.stream) {
      stream(shared, request, *response.stream);
      return;
    }
    http::http_response reply(static_cast<http::status_code>(response.status));
    add_headers(reply, response);
    reply.set_body(std::move(response.body), response.content_type);
    forget(request.reply(reply));
  }

  static void stream(const std::shared_ptr<Shared>& shared, const http::http_request& request,
                     TopicMask topics) {
    static const StreamChunk kHello =
        std::make_shared<const std::string>("retry: 2000\n: connected\n\n");
    auto buffer = std::make_shared<EventStreamBuffer>(shared->limits.stream_queue_bytes);
    buffer->offer(kHello);
    if (!shared->broadcaster.add(buffer, topics)) {
      Response full = problem(503, "too_many_streams", "as many streams as allowed are open");
      http::http_response reply(static_cast<http::status_code>(full.status));
      add_headers(reply, full);
      reply.headers().add("Retry-After", "10");
      reply.set_body(std::move(full.body), full.content_type);
      forget(request.reply(reply));
      return;
    }
    http::http_response reply(http::status_codes::OK);
    add_headers(reply, {.content_type = "text/event-stream"});
    reply.headers().add("X-Accel-Buffering", "no");  // a proxy must pass events on as they come
    using concurrency::streams::details::basic_streambuf;
    const concurrency::streams::streambuf<std::uint8_t> body(
        std::static_pointer_cast<basic_streambuf<std::uint8_t>>(buffer));
    reply.set_body(concurrency::streams::istream(body), "text/event-stream");
    request.reply(reply).then([shared, buffer](const pplx::task<void>& done) {
      try {
        done.get();
      } catch (const std::exception&) {
        // The client went away, which is how most streams end.
      }
      shared->broadcaster.remove(buffer.get());
    });
  }

  const config::HttpSettings http_;
  const ServerLimits limits_;
  const std::shared_ptr<Shared> shared_;
  std::shared_ptr<Listener> listener_;
  std::uint16_t port_ = 0;
  std::unique_ptr<ConnectionGuard> guard_;
};

Server::Server(config::HttpSettings http, std::vector<config::VenueSettings> venues,
               const Store& store, const Clock& clock, Providers providers, ServerLimits limits)
    : impl_(std::make_unique<Impl>(std::move(http), std::move(venues), store, clock,
                                   std::move(providers), limits)) {}

Server::~Server() { stop(); }

void Server::start() { impl_->start(); }
void Server::stop() noexcept { impl_->stop(); }
std::uint16_t Server::port() const { return impl_->port(); }
std::string Server::url() const { return impl_->url(); }
Broadcaster& Server::broadcaster() { return impl_->broadcaster(); }

}  // namespace spreadwatch::api
