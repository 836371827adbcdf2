#include "fx/bank_poller.h"

#include <spdlog/spdlog.h>

#include <algorithm>
#include <chrono>
#include <condition_variable>
#include <exception>
#include <mutex>
#include <optional>
#include <thread>
#include <utility>

#include "fx/bank_rate.h"

namespace spreadwatch::fx {
namespace {

constexpr milliseconds kFirstRetry{1'000};
constexpr milliseconds kLongestRetry{600'000};

}  // namespace

class BankPoller::Impl {
 public:
  Impl(std::vector<config::BankSettings> sources, const Clock& clock, BankSink& sink,
       HttpGet http_get, double max_deviation)
      : sources_(std::move(sources)),
        clock_(clock),
        sink_(sink),
        http_get_(std::move(http_get)),
        max_deviation_(max_deviation),
        heartbeats_(sources_.size()) {}

  void start() {
    for (std::size_t i = 0; i < sources_.size(); ++i) {
      threads_.emplace_back([this, i](const std::stop_token& stop) {
        poll(sources_[i], heartbeats_[i], stop);
        heartbeats_[i].rest();
      });
    }
  }

  void stop() noexcept {
    for (std::jthread& thread : threads_) thread.request_stop();
    threads_.clear();  // joins
  }

  const std::deque<Heartbeat>& heartbeats() const { return heartbeats_; }

 private:
  void poll(const config::BankSettings& source, Heartbeat& heartbeat, const std::stop_token& stop) {
    std::mutex mutex;
    std::condition_variable_any
        sleep;  // nothing notifies it: it is the wait that a stop cuts short
    BankGate gate(max_deviation_);
    int failures = 0;
    bool good = true;  // the last poll was
    ErrorCode logged{};
    while (!stop.stop_requested()) {
      heartbeat.beat(std::chrono::steady_clock::now(), kTimeout + Heartbeat::kPass);
      bool refused = false;
      const std::optional<Error> error = fetch(source, gate, refused, stop);
      if (stop.stop_requested()) return;
      milliseconds wait = source.poll;
      if (error) {
        if (good || logged != error->code) {
          spdlog::warn("bank rate {}: {} ({})", source.name, error->detail, to_string(error->code));
        }
        logged = error->code;
        notify([&] { sink_.on_bank_error(source.name, *error); });
      } else if (!good) {
        spdlog::info("bank rate {}: good again", source.name);
      }
      good = !error;
      if (error && !refused) {
        const milliseconds longest = std::max<milliseconds>(source.poll, kLongestRetry);
        wait = std::min(longest, kFirstRetry * (1 << std::min(failures, 16)));
        ++failures;
      } else {
        failures = 0;
      }
      heartbeat.beat(std::chrono::steady_clock::now(), wait + Heartbeat::kPass);
      std::unique_lock lock(mutex);
      sleep.wait_for(lock, stop, wait, [] { return false; });
    }
  }

  // One poll; why it failed, and whether a rate came that was refused.
  std::optional<Error> fetch(const config::BankSettings& source, BankGate& gate, bool& refused,
                             const std::stop_token& stop) {
    try {
      const Result<std::string> body = http_get_(source.url, kTimeout, kMaxBodyBytes, stop);
      if (!body) return body.error();
      if (stop.stop_requested()) return std::nullopt;
      const Timestamp received = clock_.now();
      notify([&] { sink_.on_bank_body(source.name, *body, received); });
      const Result<double> rate = parse_bank_rate(*body, source.pointer, source.invert);
      if (!rate) return rate.error();
      const Result<double> admitted = gate.admit(*rate);
      refused = !admitted;
      if (refused) return admitted.error();
      notify([&] { sink_.on_bank_quote({source.name, *admitted, received}); });
      return std::nullopt;
    } catch (const std::exception& e) {
      return Error{ErrorCode::kConnectFailed, e.what()};
    }
  }

  // A sink that throws must not end the polling.
  template <class F>
  static void notify(F&& f) noexcept {
    try {
      f();
    } catch (const std::exception& e) {
      spdlog::error("a bank-rate handler threw: {}", e.what());
    } catch (...) {
      spdlog::error("a bank-rate handler threw something unknown");
    }
  }

  const std::vector<config::BankSettings> sources_;
  const Clock& clock_;
  BankSink& sink_;
  const HttpGet http_get_;
  const double max_deviation_;
  std::deque<Heartbeat> heartbeats_;  // by source
  std::vector<std::jthread> threads_;
};

BankPoller::BankPoller(std::vector<config::BankSettings> sources, const Clock& clock,
                       BankSink& sink, HttpGet http_get, double max_deviation)
    : impl_(std::make_unique<Impl>(std::move(sources), clock, sink, std::move(http_get),
                                   max_deviation)) {}
BankPoller::~BankPoller() { stop(); }
void BankPoller::start() { impl_->start(); }
void BankPoller::stop() noexcept { impl_->stop(); }
const std::deque<Heartbeat>& BankPoller::heartbeats() const { return impl_->heartbeats(); }

}  // namespace spreadwatch::fx
