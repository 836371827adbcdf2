#include "ingest/net/rest_client.h"

#include <cpprest/http_client.h>
#include <openssl/ssl.h>
#include <openssl/x509_vfy.h>
#include <pplx/pplxtasks.h>
#include <spdlog/spdlog.h>

#include <algorithm>
#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/ssl/context.hpp>
#include <boost/asio/steady_timer.hpp>
#include <charconv>
#include <chrono>
#include <condition_variable>
#include <deque>
#include <exception>
#include <map>
#include <mutex>
#include <tuple>

#include "ingest/net/host_name.h"
#include "ingest/net/transport.h"

namespace spreadwatch::ingest {
namespace {

namespace http = web::http;
using http::client::http_client;
using http::client::http_client_config;

constexpr std::size_t kMaxClients = 16;  // addresses whose connections are kept for reuse
constexpr std::size_t kKeptBodyBytes = 1024;
constexpr std::size_t kDetailBytes = 200;  // of an error answer's body in the error text
// The library keeps its own deadline, except for a name look-up that hangs.
constexpr milliseconds kGrace{1'000};

/// Thrown into cpprestsdk to end a download that got too long.
struct BodyTooLong : std::runtime_error {
  BodyTooLong() : std::runtime_error("body too long") {}
};

RestFailure failure(ErrorCode code, std::string detail) {
  RestFailure out;
  out.error = {code, std::move(detail)};
  return out;
}

std::optional<int> number(const std::string& text) {
  int value = 0;
  const auto [ptr, ec] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (ec != std::errc{} || ptr != text.data() + text.size()) return std::nullopt;
  return value;
}

std::string header(const http::http_headers& headers, const char* name) {
  const auto it = headers.find(name);
  return it == headers.end() ? std::string{} : it->second;
}

std::optional<int> used_weight(const http::http_headers& headers) {
  return number(header(headers, "X-MBX-USED-WEIGHT-1M"));
}

std::optional<milliseconds> retry_after(const http::http_headers& headers) {
  return parse_retry_after(header(headers, "Retry-After"), time_of_answer(header(headers, "Date")));
}

ErrorCode code_of_status(int status) {
  if (status == 429) return ErrorCode::kRateLimited;
  if (status == 418 || status == 403) return ErrorCode::kBanned;
  return ErrorCode::kHttpStatus;
}

RestFailure refusal(int status, const http::http_headers& headers, const std::string& body) {
  RestFailure out = failure(code_of_status(status), "HTTP " + std::to_string(status));
  out.status = status;
  out.retry_after = retry_after(headers);
  out.used_weight = used_weight(headers);
  out.body = body.substr(0, kKeptBodyBytes);
  if (!body.empty()) out.error.detail += ": " + body.substr(0, kDetailBytes);
  return out;
}

// cpprestsdk says what went wrong in words and in an error number that is often a different one;
// both are looked at.
RestFailure from_exception(const std::exception_ptr& thrown, bool timed_out) {
  try {
    std::rethrow_exception(thrown);
  } catch (const BodyTooLong&) {
    return failure(ErrorCode::kOversizedFrame, "the answer is longer than allowed");
  } catch (const pplx::task_canceled&) {
    return failure(ErrorCode::kTimeout, timed_out ? "no answer in time" : "cancelled");
  } catch (const http::http_exception& e) {
    const std::string text = e.what();
    if (timed_out || e.error_code() == std::errc::timed_out) {
      return failure(ErrorCode::kTimeout, text);
    }
    if (text.find("SSL") != std::string::npos || text.find("ertificate") != std::string::npos) {
      return failure(ErrorCode::kTlsFailed, text);
    }
    return failure(ErrorCode::kConnectFailed, text);
  } catch (const std::exception& e) {
    return failure(ErrorCode::kConnectFailed, e.what());
  } catch (...) {
    return failure(ErrorCode::kConnectFailed, "unknown failure of the HTTP library");
  }
}

/// Verifies the certificate as OpenSSL does, and that it was made out to the host that the
/// connection has asked for (as it says by SNI, so that this holds behind a redirect, too).
/// cpprestsdk's own look at the name comes on top: it is content with a common name beside
/// alternative names.
int verify_with_name(X509_STORE_CTX* store, void* /*unused*/) {
  const int verified = X509_verify_cert(store);
  if (verified != 1) return verified;
  const auto* const ssl =
      static_cast<SSL*>(X509_STORE_CTX_get_ex_data(store, SSL_get_ex_data_X509_STORE_CTX_idx()));
  const char* const name =
      ssl == nullptr ? nullptr : SSL_get_servername(ssl, TLSEXT_NAMETYPE_host_name);
  std::string host = name == nullptr ? "" : name;
  if (host.starts_with('[') && host.ends_with(']')) host = host.substr(1, host.size() - 2);
  if (names_host(X509_STORE_CTX_get0_cert(store), host)) return 1;
  X509_STORE_CTX_set_error(store, X509_V_ERR_HOSTNAME_MISMATCH);
  return 0;
}

http_client_config configuration(const Url& url, const RestRequest& request,
                                 const std::string& ca_file) {
  http_client_config config;
  config.set_timeout(request.timeout);
  // A password is for the host it was given for.
  config.set_max_redirects(url.userinfo.empty() ? 3 : 0);
  config.set_ssl_context_callback([ca_file](boost::asio::ssl::context& context) {
    context.set_options(boost::asio::ssl::context::default_workarounds |
                        boost::asio::ssl::context::no_sslv2 | boost::asio::ssl::context::no_sslv3 |
                        boost::asio::ssl::context::no_tlsv1 |
                        boost::asio::ssl::context::no_tlsv1_1);
    SSL_CTX_set_cert_verify_callback(context.native_handle(), &verify_with_name, nullptr);
    if (ca_file.empty()) return;
    // An unreadable file leaves the authority untrusted, which the handshake then reports.
    boost::system::error_code ignored;
    context.load_verify_file(ca_file, ignored);
  });
  return config;
}

bool is_v6(const Url& url) { return url.host.find(':') != std::string::npos; }

/// Clients by address, so that a second request reuses the connection of the first.
/// Threads: one at a time.
class Clients {
 public:
  explicit Clients(std::string ca_file) : ca_file_(std::move(ca_file)) {}

  /// Throws what cpprestsdk throws for an address it does not like.
  http_client& of(const Url& url, const RestRequest& request) {
    const std::string scheme = url.secure ? "https://" : "http://";
    // cpprestsdk asks the resolver for what stands in the address, and no resolver knows brackets.
    // Without them it takes what is behind the last colon for the port.
    const std::string address = scheme + (is_v6(url) ? url.host + ":" + url.port : url.authority());
    const auto key = std::make_tuple(address, request.timeout, url.userinfo.empty());
    const auto it = clients_.find(key);
    if (it != clients_.end()) return it->second;
    if (clients_.size() >= kMaxClients) clients_.clear();
    return clients_.try_emplace(key, web::uri{address}, configuration(url, request, ca_file_))
        .first->second;
  }

 private:
  const std::string ca_file_;
  std::map<std::tuple<std::string, milliseconds, bool>, http_client> clients_;
};

/// Starts a request; `done` is called exactly once, on a thread of cpprestsdk's pool or from
/// inside, and does not throw.
void begin(Clients& clients, const RestRequest& request, const pplx::cancellation_token& token,
           const std::function<void(RestResult)>& done) {
  using Clock = std::chrono::steady_clock;
  const auto deadline = Clock::now() + request.timeout;
  try {
    const Result<Url> url = Url::parse(request.url);
    if (!url) return done(Unexpected{failure(url.error().code, url.error().detail)});

    http::http_request message(http::methods::GET);
    message.set_request_uri(web::uri{url->target});
    message.headers().add("User-Agent", std::string{user_agent()});
    if (is_v6(*url)) message.headers().add("Host", url->authority());
    if (const std::string basic = url->authorization(); !basic.empty()) {
      message.headers().add("Authorization", basic);
    }
    for (const auto& [name, value] : request.headers) message.headers().add(name, value);
    // cpprestsdk buffers what arrives without a bound; an exception from here is its way to stop.
    message.set_progress_handler(
        [max = request.max_bytes](http::message_direction::direction way, utility::size64_t size) {
          if (way == http::message_direction::download && size > max) throw BodyTooLong{};
        });

    struct Head {
      int status = 0;
      http::http_headers headers;
    };
    const auto head = std::make_shared<Head>();
    clients.of(*url, request)
        .request(message, token)
        .then([head, max = request.max_bytes](const http::http_response& response) {
          head->status = response.status_code();
          head->headers = response.headers();
          if (response.headers().content_length() > max) throw BodyTooLong{};
          return response.extract_vector();
        })
        .then([head, deadline, max = request.max_bytes,
               done](const pplx::task<std::vector<unsigned char>>& task) {
          try {
            const std::vector<unsigned char> bytes = task.get();
            if (bytes.size() > max) throw BodyTooLong{};
            std::string body(bytes.begin(), bytes.end());
            if (head->status / 100 != 2) {
              return done(Unexpected{refusal(head->status, head->headers, body)});
            }
            done(RestAnswer{head->status, std::move(body), used_weight(head->headers),
                            retry_after(head->headers)});
          } catch (...) {
            // A refusal whose body could not be read is still a refusal.
            if (head->status != 0 && head->status / 100 != 2) {
              return done(Unexpected{refusal(head->status, head->headers, {})});
            }
            done(Unexpected{from_exception(std::current_exception(), Clock::now() >= deadline)});
          }
        });
  } catch (...) {
    done(Unexpected{from_exception(std::current_exception(), false)});
  }
}

}  // namespace

class RestClient::Impl : public std::enable_shared_from_this<Impl> {
 public:
  Impl(boost::asio::io_context& io, RestOptions options)
      : io_(io), options_(std::move(options)), clients_(options_.ca_file) {}

  void get(RestRequest request, Callback callback) {
    if (stopped_) return;
    if (pending_.size() < options_.max_in_flight) return launch(request, std::move(callback));
    if (waiting_.size() < options_.max_waiting) {
      waiting_.emplace_back(std::move(request), std::move(callback));
      return;
    }
    boost::asio::post(io_, [self = shared_from_this(), callback = std::move(callback)] {
      if (!self->stopped_) {
        callback(Unexpected{failure(ErrorCode::kRateLimited, "too many requests wait already")});
      }
    });
  }

  void stop() noexcept {
    if (stopped_) return;
    stopped_ = true;
    {
      const std::lock_guard lock(post_mutex_);
      may_post_ = false;
    }
    waiting_.clear();
    try {
      for (auto& [id, pending] : pending_) pending.cancel.cancel();
    } catch (const std::exception& e) {
      spdlog::warn("cancelling HTTP requests: {}", e.what());
    }
    // The timers go before their event loop may.
    pending_.clear();
  }

  std::size_t in_flight() const { return pending_.size(); }
  std::size_t waiting() const { return waiting_.size(); }

 private:
  struct Pending {
    Pending(boost::asio::io_context& io, Callback on_result)
        : callback(std::move(on_result)), deadline(io) {}
    Callback callback;
    boost::asio::steady_timer deadline;
    pplx::cancellation_token_source cancel;
  };

  void launch(const RestRequest& request, Callback callback) {
    const std::uint64_t id = ++launched_;
    Pending& pending = pending_.try_emplace(id, io_, std::move(callback)).first->second;
    // Whatever becomes of the request inside the library: it is answered, and its place is free.
    pending.deadline.expires_after(request.timeout + kGrace);
    pending.deadline.async_wait(
        [self = shared_from_this(), id](const boost::system::error_code& ec) {
          if (!ec) self->give_up(id);
        });
    begin(clients_, request, pending.cancel.get_token(),
          [self = shared_from_this(), id](RestResult result) {
            // The event loop may be gone once stop() was called: whether it is still there is
            // decided and used under one lock.
            const std::lock_guard lock(self->post_mutex_);
            if (!self->may_post_) return;
            boost::asio::post(self->io_, [self, id, result = std::move(result)]() mutable {
              self->finish(id, std::move(result));
            });
          });
  }

  void give_up(std::uint64_t id) {
    const auto found = pending_.find(id);
    if (found == pending_.end()) return;
    found->second.cancel.cancel();
    finish(id, Unexpected{failure(ErrorCode::kTimeout, "no answer in time")});
  }

  void finish(std::uint64_t id, RestResult result) {
    const auto found = pending_.find(id);
    if (found == pending_.end()) return;  // given up
    const Callback callback = std::move(found->second.callback);
    pending_.erase(found);
    if (!waiting_.empty()) {
      auto [request, next] = std::move(waiting_.front());
      waiting_.pop_front();
      launch(request, std::move(next));
    }
    try {
      callback(std::move(result));
    } catch (const std::exception& e) {
      spdlog::error("a REST answer's handler threw: {}", e.what());
    }
  }

  boost::asio::io_context& io_;
  const RestOptions options_;
  Clients clients_;
  std::deque<std::pair<RestRequest, Callback>> waiting_;
  std::map<std::uint64_t, Pending> pending_;  // in flight, by number
  std::uint64_t launched_ = 0;
  bool stopped_ = false;
  std::mutex post_mutex_;
  bool may_post_ = true;  // guarded by post_mutex_
};

RestClient::RestClient(boost::asio::io_context& io, RestOptions options)
    : impl_(std::make_shared<Impl>(io, std::move(options))) {}
RestClient::~RestClient() { stop(); }

void RestClient::get(RestRequest request, Callback callback) {
  impl_->get(std::move(request), std::move(callback));
}
void RestClient::stop() noexcept { impl_->stop(); }
std::size_t RestClient::in_flight() const { return impl_->in_flight(); }
std::size_t RestClient::waiting() const { return impl_->waiting(); }

RestResult rest_get(const RestRequest& request, const std::string& ca_file,
                    const std::stop_token& stop) {
  struct Shared {
    std::mutex mutex;
    std::condition_variable_any changed;
    std::optional<RestResult> result;  // guarded by mutex
  };
  const auto shared = std::make_shared<Shared>();
  pplx::cancellation_token_source cancel;
  Clients clients(ca_file);
  begin(clients, request, cancel.get_token(), [shared](RestResult result) {
    const std::lock_guard lock(shared->mutex);
    shared->result = std::move(result);
    shared->changed.notify_all();
  });
  std::unique_lock lock(shared->mutex);
  shared->changed.wait_for(lock, stop, request.timeout + kGrace,
                           [&] { return shared->result.has_value(); });
  if (shared->result) return std::move(*shared->result);
  lock.unlock();
  cancel.cancel();
  return Unexpected{failure(ErrorCode::kTimeout,
                            stop.stop_requested() ? "given up at shutdown" : "no answer in time")};
}

Result<std::string> http_get(const std::string& url, milliseconds timeout, std::size_t max_bytes,
                             const std::stop_token& stop) {
  RestRequest request;
  request.url = url;
  request.timeout = timeout;
  request.max_bytes = max_bytes;
  RestResult result = rest_get(request, {}, stop);
  if (!result) return Unexpected{result.error().error};
  return std::move(result->body);
}

}  // namespace spreadwatch::ingest
