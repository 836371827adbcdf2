#pragma once

#include <cstddef>
#include <deque>
#include <functional>
#include <memory>
#include <stop_token>
#include <string>
#include <string_view>
#include <vector>

#include "config/settings.h"
#include "core/error.h"
#include "core/heartbeat.h"
#include "core/market_data.h"
#include "core/result.h"
#include "core/time.h"

namespace spreadwatch::fx {

/// Receives what the bank-rate sources say.
/// Threads: called on the poller's threads, for several sources at the same time.
class BankSink {
 public:
  virtual ~BankSink() = default;
  virtual void on_bank_quote(const BankQuote& quote) = 0;
  /// A poll failed, or its answer was refused. Each one is told; the log has the changes.
  virtual void on_bank_error(const std::string& source, const Error& error) {
    static_cast<void>(source), static_cast<void>(error);
  }
  /// The body as it came, before it is read: what a capture holds as channel `fx`, symbol
  /// `USD/KRW`.
  virtual void on_bank_body(const std::string& source, std::string_view body, Timestamp received) {
    static_cast<void>(source), static_cast<void>(body), static_cast<void>(received);
  }
};

/// A blocking HTTP GET that gives the body of a 2xx answer, ends within `timeout` and at once when
/// `stop` is requested. `ingest::http_get` is one.
using HttpGet = std::function<Result<std::string>(const std::string& url, milliseconds timeout,
                                                  std::size_t max_bytes, std::stop_token stop)>;

/// Asks every bank-rate source for its rate: at once, then every `poll`; after a failure sooner at
/// first, then with a delay that doubles up to `poll` or ten minutes, whichever is longer. What a
/// source's BankGate refuses is no quote; the next answer is waited for as usual, so that several
/// in a row are as many polls apart.
///
/// Threads: one std::jthread a source, named in `sources`. start() and stop() by the owner,
/// heartbeats() by any.
class BankPoller {
 public:
  static constexpr std::size_t kMaxBodyBytes = 1U << 20U;
  static constexpr milliseconds kTimeout{5000};

  /// `clock` and `sink` must outlive the poller. `max_deviation` is the gates'.
  BankPoller(std::vector<config::BankSettings> sources, const Clock& clock, BankSink& sink,
             HttpGet http_get, double max_deviation = config::FxSettings{}.max_deviation);
  ~BankPoller();  ///< stops
  BankPoller(const BankPoller&) = delete;
  BankPoller& operator=(const BankPoller&) = delete;

  void start();
  /// Joins. Idempotent, never throws; no sink call is made after it returns.
  void stop() noexcept;
  /// One of each source's thread.
  const std::deque<Heartbeat>& heartbeats() const;

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace spreadwatch::fx
