#include "api/server.h"

#include <array>
#include <atomic>
#include <string>
#include <string_view>
#include <utility>

#include "api/router.h"

namespace spreadwatch::api {
namespace {

// Each waits for the engine; the other workers are left for what must be answered at once.
constexpr int kProfitsAtOnce = 2;

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

http::Response with_headers(Response response) {
  http::Response reply{.status = response.status};
  reply.headers.reserve(kSecurityHeaders.size() + 4);
  const bool file = response.content_type.starts_with("text/") &&
                    !response.content_type.starts_with("text/event-stream");
  reply.headers.emplace_back("Content-Type", std::move(response.content_type));
  for (const auto& [name, value] : kSecurityHeaders) {
    reply.headers.emplace_back(std::string{name}, std::string{value});
  }
  reply.headers.emplace_back("Cache-Control", file ? "no-cache" : "no-store");
  if (!response.allow.empty()) reply.headers.emplace_back("Allow", std::move(response.allow));
  reply.body = std::move(response.body);
  return reply;
}

/// What never became a request, as a problem like any other.
Response refusal(http::Rejection reason, const ServerLimits& limits) {
  using http::Rejection;
  switch (reason) {
    case Rejection::kTimeout:
      return problem(
          408, "request_timeout",
          "the request did not come whole within " + std::to_string(limits.idle.count()) + " s");
    case Rejection::kBodyTooLarge:
      return problem(413, "payload_too_large",
                     "the request body may have " + std::to_string(limits.body_bytes) + " bytes");
    case Rejection::kTargetTooLong:
      return problem(414, "uri_too_long",
                     "the request target may have " + std::to_string(limits.uri_bytes) + " bytes");
    case Rejection::kHeadTooLarge:
      return problem(
          431, "head_too_large",
          "the request line and headers may have " + std::to_string(limits.head_bytes) + " bytes");
    case Rejection::kFailed:
      return problem(500, "internal_error", "the request failed; the log says why");
    default:
      return problem(400, "malformed_request", "this is not an HTTP/1.1 request");
  }
}

/// A stream client's place in the broadcaster.
class StreamClient final : public StreamSink {
 public:
  explicit StreamClient(std::shared_ptr<http::Stream> stream) : stream_(std::move(stream)) {}
  bool offer(const StreamChunk& chunk) override { return stream_->offer(chunk); }
  void finish(bool cut) override { stream_->finish(cut); }

 private:
  const std::shared_ptr<http::Stream> stream_;
};

http::Limits http_limits(const ServerLimits& limits) {
  return {.connections = limits.connections,
          .head_bytes = limits.head_bytes,
          .target_bytes = limits.uri_bytes,
          .body_bytes = limits.body_bytes,
          .idle = limits.idle};
}

}  // namespace

class Server::Impl {
 public:
  Impl(config::HttpSettings http, std::vector<config::VenueSettings> venues, const Store& store,
       const Clock& clock, Providers providers, ServerLimits limits, ServerObservers observers)
      : limits_(limits),
        observer_(observers.http),
        router_(std::move(venues), store, clock, guarded(std::move(providers))),
        broadcaster_(limits.stream_clients, limits.heartbeat, std::move(observers.event_dropped)),
        server_(
            std::move(http.address), http.port,
            [this](const http::Request& request) { return answer(request); },
            [this](http::Rejection reason) { return with_headers(refusal(reason, limits_)); },
            http_limits(limits), observers.http) {}

  void start() { server_.start(); }
  void stop() noexcept {
    broadcaster_.close();  // ends the streams, so that the server's stop finds none
    server_.stop();
  }

  std::uint16_t port() const { return server_.port(); }
  std::string url() const { return server_.url(); }
  Broadcaster& broadcaster() { return broadcaster_; }

 private:
  Providers guarded(Providers providers) {
    if (!providers.profit) return providers;
    providers.profit = [this, ask = std::move(providers.profit)](const ProfitQuery& query) {
      const bool busy = profits_.fetch_add(1) >= kProfitsAtOnce;
      ProfitAnswer answer = busy ? ProfitAnswer{} : ask(query);
      profits_.fetch_sub(1);
      return answer;
    };
    return providers;
  }

  http::Response answer(const http::Request& request) {
    Response response = router_.answer({.method = request.method,
                                        .path = request.path,
                                        .query = request.query,
                                        .body = request.body});
    if (!response.stream) return with_headers(std::move(response));
    return stream(*response.stream, request.head);
  }

  http::Response stream(TopicMask topics, bool head_only) {
    static const StreamChunk kHello =
        std::make_shared<const std::string>("retry: 2000\n: connected\n\n");
    auto stream = std::make_shared<http::Stream>(limits_.stream_queue_bytes);
    if (!head_only) {
      stream->offer(kHello);
      const auto client = std::make_shared<StreamClient>(stream);
      if (!broadcaster_.add(client, topics)) {
        if (observer_ != nullptr) observer_->rejected(http::Rejection::kStreamLimit);
        http::Response full =
            with_headers(problem(503, "too_many_streams", "as many streams as allowed are open"));
        full.headers.emplace_back("Retry-After", "10");
        return full;
      }
      stream->on_over([this, sink = client.get()] { broadcaster_.remove(sink); });
    }
    http::Response reply = with_headers({.content_type = "text/event-stream"});
    reply.headers.emplace_back("X-Accel-Buffering", "no");  // a proxy must pass events on at once
    reply.stream = std::move(stream);
    return reply;
  }

  const ServerLimits limits_;
  http::Observer* const observer_;
  std::atomic<int> profits_{0};
  const Router router_;
  Broadcaster broadcaster_;
  http::Server server_;  // last: its threads use the others
};

Server::Server(config::HttpSettings http, std::vector<config::VenueSettings> venues,
               const Store& store, const Clock& clock, Providers providers, ServerLimits limits,
               ServerObservers observers)
    : impl_(std::make_unique<Impl>(std::move(http), std::move(venues), store, clock,
                                   std::move(providers), limits, std::move(observers))) {}

Server::~Server() { stop(); }

void Server::start() { impl_->start(); }
void Server::stop() noexcept { impl_->stop(); }
std::uint16_t Server::port() const { return impl_->port(); }
std::string Server::url() const { return impl_->url(); }
Broadcaster& Server::broadcaster() { return impl_->broadcaster(); }

}  // namespace spreadwatch::api
