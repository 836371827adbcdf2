#pragma once

#include <functional>
#include <memory>
#include <stop_token>
#include <string>
#include <string_view>
#include <vector>

#include "config/settings.h"
#include "core/error.h"
#include "core/result.h"
#include "core/time.h"
#include "core/wallet.h"

namespace spreadwatch::ingest {

/// Receives what the venues say about their wallets. Threads: called on the poller's thread.
class WalletSink {
 public:
  virtual ~WalletSink() = default;
  virtual void on_wallet(const WalletStatus& status) = 0;
  /// A poll failed; the route is asked again after a growing delay.
  virtual void on_wallet_error(VenueId venue, std::string_view route, const Error& error) = 0;
  /// The body as it came: what a capture holds as channel `wallet`.
  virtual void on_wallet_body(VenueId venue, std::string_view route, std::string_view body,
                              Timestamp received) {
    static_cast<void>(venue), static_cast<void>(route), static_cast<void>(body),
        static_cast<void>(received);
  }
};

/// Asks the public wallet routes of the configured venues: each at once and then every
/// `wallets.poll_s`, one request at a time for all of them; after a failure with a delay that
/// doubles up to an hour. That is a request every few minutes, far below any budget.
///
/// Threads: one std::jthread. start() and stop() by the owner.
class WalletPoller {
 public:
  static constexpr std::size_t kMaxBodyBytes = 8U << 20U;
  static constexpr milliseconds kTimeout{10'000};
  /// A blocking GET; `ingest::http_get` is one.
  using HttpGet = std::function<Result<std::string>(const std::string& url, milliseconds timeout,
                                                    std::size_t max_bytes, std::stop_token stop)>;

  /// `settings` are copied; `clock` and `sink` must outlive the poller. Asks nobody when no mode
  /// needs wallets or `wallets.poll_s` is 0.
  WalletPoller(const config::Settings& settings, const Clock& clock, WalletSink& sink,
               HttpGet http_get);
  ~WalletPoller();  ///< stops
  WalletPoller(const WalletPoller&) = delete;
  WalletPoller& operator=(const WalletPoller&) = delete;

  void start();
  /// Joins. Idempotent, never throws; no sink call is made after it returns.
  void stop() noexcept;

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace spreadwatch::ingest
