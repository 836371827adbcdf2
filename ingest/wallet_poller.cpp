#include "ingest/wallet_poller.h"

#include <spdlog/spdlog.h>

#include <algorithm>
#include <chrono>
#include <condition_variable>
#include <exception>
#include <mutex>
#include <optional>
#include <thread>
#include <utility>

#include "ingest/venue_adapter.h"
#include "ingest/wallet_routes.h"

namespace spreadwatch::ingest {
namespace {

using PollClock = std::chrono::steady_clock;

constexpr milliseconds kFirstWalletRetry{30'000};
constexpr milliseconds kLongestWalletRetry{3'600'000};

/// One route and when it is asked next.
struct PolledRoute {
  VenueId venue{};
  std::string_view route;
  std::string url;
  PollClock::time_point due{};
  int failures = 0;
};

std::vector<PolledRoute> polled_routes(const config::Settings& settings) {
  std::vector<PolledRoute> routes;
  const auto& modes = settings.spread.modes;
  const bool needed = std::ranges::find(modes, config::Mode::kTransfer) != modes.end() &&
                      settings.wallets.poll.count() > 0;
  if (!needed) return routes;
  for (const config::VenueSettings& venue : settings.venues) {
    for (const std::string_view route : wallet_routes(venue.id)) {
      std::string base = venue.rest_url;
      if (base.empty()) base = make_adapter(venue.id)->profile().rest_url;
      while (base.ends_with('/')) base.pop_back();
      routes.push_back({venue.id, route, base + std::string{route}});
    }
  }
  return routes;
}

}  // namespace

class WalletPoller::Impl {
 public:
  Impl(const config::Settings& settings, const Clock& clock, WalletSink& sink, HttpGet http_get)
      : routes_(polled_routes(settings)),
        poll_(settings.wallets.poll),
        clock_(clock),
        sink_(sink),
        http_get_(std::move(http_get)) {}

  void start() {
    if (routes_.empty()) return;
    thread_ = std::jthread([this](const std::stop_token& stop) { work(stop); });
  }

  void stop() noexcept {
    thread_.request_stop();
    if (thread_.joinable()) thread_.join();
  }

 private:
  void work(const std::stop_token& stop) {
    std::mutex mutex;
    std::condition_variable_any sleep;  // nothing notifies it: a stop cuts the wait short
    while (!stop.stop_requested()) {
      PolledRoute& next = *std::ranges::min_element(routes_, {}, &PolledRoute::due);
      {
        std::unique_lock lock(mutex);
        sleep.wait_until(lock, stop, next.due, [] { return false; });
      }
      if (stop.stop_requested()) return;
      const std::optional<Error> error = ask(next, stop);
      if (stop.stop_requested()) return;
      milliseconds wait = poll_;
      if (error) {
        spdlog::warn("wallets of {}: {} ({})", to_string(next.venue), error->detail,
                     to_string(error->code));
        tell([&] { sink_.on_wallet_error(next.venue, next.route, *error); });
        wait = std::min(kLongestWalletRetry, kFirstWalletRetry * (1 << std::min(next.failures, 7)));
        ++next.failures;
      } else {
        next.failures = 0;
      }
      next.due = PollClock::now() + wait;
    }
  }

  std::optional<Error> ask(const PolledRoute& route, const std::stop_token& stop) {
    try {
      const Result<std::string> body = http_get_(route.url, kTimeout, kMaxBodyBytes, stop);
      if (!body) return body.error();
      if (stop.stop_requested()) return std::nullopt;
      const Timestamp received = clock_.now();
      tell([&] { sink_.on_wallet_body(route.venue, route.route, *body, received); });
      const Result<std::vector<WalletStatus>> wallets = parse_wallets(route.venue, *body, received);
      if (!wallets) return wallets.error();
      for (const WalletStatus& status : *wallets) tell([&] { sink_.on_wallet(status); });
      return std::nullopt;
    } catch (const std::exception& e) {
      return Error{ErrorCode::kConnectFailed, e.what()};
    }
  }

  // A sink that throws must not end the polling.
  template <class F>
  static void tell(F&& f) noexcept {
    try {
      f();
    } catch (const std::exception& e) {
      spdlog::error("a wallet handler threw: {}", e.what());
    } catch (...) {
      spdlog::error("a wallet handler threw something unknown");
    }
  }

  std::vector<PolledRoute> routes_;  // the thread's own once it runs
  const milliseconds poll_;
  const Clock& clock_;
  WalletSink& sink_;
  const HttpGet http_get_;
  std::jthread thread_;
};

WalletPoller::WalletPoller(const config::Settings& settings, const Clock& clock, WalletSink& sink,
                           HttpGet http_get)
    : impl_(std::make_unique<Impl>(settings, clock, sink, std::move(http_get))) {}
WalletPoller::~WalletPoller() { stop(); }
void WalletPoller::start() { impl_->start(); }
void WalletPoller::stop() noexcept { impl_->stop(); }

}  // namespace spreadwatch::ingest
