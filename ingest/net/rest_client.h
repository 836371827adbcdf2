#pragma once

#include <cstddef>
#include <functional>
#include <memory>
#include <optional>
#include <stop_token>
#include <string>
#include <utility>
#include <vector>

#include "core/error.h"
#include "core/result.h"
#include "core/time.h"

namespace boost::asio {
class io_context;
}  // namespace boost::asio

namespace spreadwatch::ingest {

/// One HTTP GET.
struct RestRequest {
  std::string url;  ///< http:// or https://, with path and query
  std::vector<std::pair<std::string, std::string>>
      headers;                        ///< besides User-Agent, which is always sent
  milliseconds timeout{5000};         ///< from sending to the last byte of the body
  std::size_t max_bytes = 8U << 20U;  ///< a longer body is kOversizedFrame
};

/// An answer with a status of 2xx.
struct RestAnswer {
  int status = 0;
  std::string body;
  std::optional<int> used_weight;  ///< Binance's X-MBX-USED-WEIGHT-1M
  /// Of the Retry-After header: some venues refuse in the body of a 200.
  std::optional<milliseconds> retry_after = std::nullopt;
};

/// Why there is no answer. `error.code` is one of kConnectFailed, kTlsFailed, kTimeout,
/// kOversizedFrame, kRateLimited (429), kBanned (418; 403), kHttpStatus (any other outside 2xx).
struct RestFailure {
  Error error;
  int status = 0;                           ///< 0 when there was no HTTP answer
  std::optional<milliseconds> retry_after;  ///< of the Retry-After header
  std::optional<int> used_weight;
  std::string body = {};  ///< of the answer, cut to 1 KiB
};

using RestResult = Result<RestAnswer, RestFailure>;

struct RestOptions {
  std::size_t max_in_flight = 4;
  std::size_t max_waiting =
      256;  ///< requests queued behind those in flight; more are refused as kRateLimited
  std::string ca_file{};  ///< PEM file trusted besides the system's authorities; empty = none
};

/// HTTP GETs whose answers come back on an io_context. For https the certificate is verified, and
/// the host name as names_host() does.
///
/// Requests run on the process-wide pool of cpprestsdk: call
/// `crossplat::threadpool::initialize_with_threads(4)` before the first one.
/// Threads: get() and stop() by the thread that runs the io_context (or before it runs).
class RestClient {
 public:
  using Callback = std::function<void(RestResult)>;

  /// `io` must outlive the client.
  explicit RestClient(boost::asio::io_context& io, RestOptions options = {});
  ~RestClient();  ///< stops
  RestClient(const RestClient&) = delete;
  RestClient& operator=(const RestClient&) = delete;

  /// `callback` is called exactly once on the io_context, never from inside get(), at the latest a
  /// second after the timeout of the request, counted from when it is sent; not at all after
  /// stop().
  void get(RestRequest request, Callback callback);
  /// Cancels what is in flight and forgets what waits. Does not wait for the cancelled requests to
  /// unwind.
  void stop() noexcept;

  std::size_t in_flight() const;
  std::size_t waiting() const;

 private:
  class Impl;
  std::shared_ptr<Impl> impl_;
};

/// The same request, waited for: returns at the latest about a second after the timeout, at once
/// when `stop` is requested (as kTimeout). Not to be called on a thread of cpprestsdk's pool or of
/// an io_context.
RestResult rest_get(const RestRequest& request, const std::string& ca_file = {},
                    const std::stop_token& stop = {});

/// rest_get() in the shape that fx::BankPoller takes.
Result<std::string> http_get(const std::string& url, milliseconds timeout, std::size_t max_bytes,
                             const std::stop_token& stop);

}  // namespace spreadwatch::ingest
