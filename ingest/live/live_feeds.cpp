#include "ingest/live/live_feeds.h"

#include <spdlog/spdlog.h>

#include <algorithm>
#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <condition_variable>
#include <exception>
#include <filesystem>
#include <map>
#include <mutex>
#include <random>
#include <set>
#include <thread>
#include <tuple>
#include <utility>

#include "ingest/live/venue_feed.h"
#include "ingest/net/budget_store.h"

namespace spreadwatch::ingest {
namespace {

namespace asio = boost::asio;

constexpr milliseconds kSnapshotEvery{250};
constexpr milliseconds kStopWait{1'500};
constexpr milliseconds kBudgetsEvery{5'000};

// In the wall clock's time, which the next run begins with.
KeptBudget by_wall_clock(KeptBudget kept, const Clock& clock) {
  for (auto* const pause : {&kept.state.connect_pause, &kept.state.rest_pause}) {
    if (*pause) *pause = clock.wall(**pause);
  }
  for (auto* const window : {&kept.state.connects, &kept.state.rest}) {
    for (RateWindow::Taken& taken : *window) taken.time = clock.wall(taken.time);
  }
  return kept;
}

// How often wallets are polled; 0 = nothing uses them.
milliseconds wallet_interval(const config::Settings& settings) {
  const auto& modes = settings.spread.modes;
  const bool needed = std::ranges::find(modes, Mode::kTransfer) != modes.end();
  return needed ? settings.wallets.poll : milliseconds{0};
}

}  // namespace

class LiveFeeds::Impl {
 public:
  Impl(const config::Settings& settings, const config::AssetRegistry& registry,
       const std::vector<VenueInstruments>& wanted, const Clock& clock, LiveSink& sink,
       metrics::IngestMetrics& metrics, LiveOptions options)
      : all_assets_(settings.all_assets),
        registry_(registry),
        metrics_(metrics),
        clock_(clock),
        options_(std::move(options)),
        tls_(options_.ca_file),
        timer_(io_) {
    std::uint64_t seed = options_.seed != 0 ? options_.seed : std::random_device{}();
    for (const config::VenueSettings& venue : settings.venues) {
      // Far enough apart for the seeds that a venue gives its connections.
      seed += 1'000'003;
      feeds_.push_back(std::make_unique<VenueFeed>(io_, tls_, venue, settings.spread.max_quiet,
                                                   wallet_interval(settings), clock, sink,
                                                   metrics.venue(venue.id), options_, seed));
    }
    for (const VenueInstruments& v : wanted) {
      if (VenueFeed* const feed = find(v.venue)) feed->want(v.instruments);
    }
    if (settings.state_dir.empty()) return;
    budgets_ = std::make_unique<BudgetStore>(
        std::filesystem::path{settings.state_dir} / options_.budgets_file,
        [this](BudgetStore::Operation operation, const std::string& detail) {
          const bool read = operation == BudgetStore::Operation::kRead;
          spdlog::error("kept budgets cannot be {}: {}", read ? "read" : "written", detail);
          metrics_.state_error(read ? metrics::StateOperation::kRead
                                    : metrics::StateOperation::kWrite);
        });
    const Timestamp now = clock_.now();
    for (const auto& [venue, kept] : budgets_->load()) {
      if (VenueFeed* const feed = find(venue)) feed->restore_budget(kept, now);
    }
  }

  ~Impl() { stop(); }

  void start() {
    thread_ = std::jthread([this] { run(); });
  }

  void stop() noexcept {
    if (!thread_.joinable()) return;
    try {
      asio::post(io_, [this] {
        stopping_ = true;
        for (const auto& feed : feeds_) feed->stop();
        timer_.cancel();
        work_.reset();  // the loop ends with the last connection
      });
    } catch (const std::exception& e) {
      spdlog::error("stopping the feeds: {}", e.what());
    }
    {
      std::unique_lock lock(done_mutex_);
      if (!done_changed_.wait_for(lock, kStopWait, [this] { return done_; })) io_.stop();
    }
    thread_.join();
    if (budgets_) {
      save_budgets(clock_.now());
      budgets_->finish();
    }
  }

  bool add(VenueId venue, const Instrument& instrument) {
    VenueFeed* const feed = find(venue);
    if (feed == nullptr) return false;
    asio::post(io_, [feed, instrument] { feed->add(instrument); });
    return true;
  }
  bool remove(VenueId venue, const Instrument& instrument) {
    VenueFeed* const feed = find(venue);
    if (feed == nullptr) return false;
    asio::post(io_, [feed, instrument] { feed->remove(instrument); });
    return true;
  }

  BudgetStore::State budgets_state() const {
    return budgets_ ? budgets_->state() : BudgetStore::State{};
  }

  std::vector<FeedStatus> feeds() const {
    const std::lock_guard lock(status_mutex_);
    return status_;
  }
  const Heartbeat& heartbeat() const { return heartbeat_; }

 private:
  void run() noexcept {
    asio::post(io_, [this] {
      started_at_ = steady_now();
      for (const auto& feed : feeds_) feed->start(started_at_);
      tick();
    });
    for (;;) {
      try {
        io_.run();
        break;
      } catch (const std::exception& e) {
        // One handler's failure is not the feeds' end.
        spdlog::error("a feed handler threw: {}", e.what());
      } catch (...) {
        spdlog::error("a feed handler threw something unknown");
      }
    }
    heartbeat_.rest();
    const std::lock_guard lock(done_mutex_);
    done_ = true;
    done_changed_.notify_all();
  }

  void tick() {
    if (stopping_) return;
    // Armed first, so that a tick that throws is not the last one.
    timer_.expires_after(Session::kTick);
    timer_.async_wait([this](const boost::system::error_code& ec) {
      if (!ec) tick();
    });
    const SteadyTime now = steady_now();
    heartbeat_.beat(now);
    if (all_assets_) want_common_assets(now);
    for (const auto& feed : feeds_) feed->tick(now);
    if (now - status_at_ >= kSnapshotEvery) {
      status_at_ = now;
      refresh_status();
    }
    if (budgets_) keep_budgets(now);
  }

  // Pauses at once; what was used of the windows now and then.
  void keep_budgets(SteadyTime now) {
    const Timestamp time = clock_.now();
    Pauses pauses;
    for (const auto& feed : feeds_) pauses.push_back(feed->pauses(time));
    if (pauses == pauses_ && now - budgets_at_ < kBudgetsEvery) return;
    pauses_ = std::move(pauses);
    budgets_at_ = now;
    save_budgets(time);
  }
  void save_budgets(Timestamp now) {
    KeptBudgets budgets;
    for (const auto& feed : feeds_) {
      budgets[feed->settings().id] = by_wall_clock(feed->budget(now), clock_);
    }
    budgets_->save(budgets);
  }

  // The venues never change, so any thread may look one up.
  VenueFeed* find(VenueId venue) const {
    for (const auto& feed : feeds_) {
      if (feed->settings().id == venue) return feed.get();
    }
    return nullptr;
  }

  // Every registered asset that at least two venues list is wanted of each of them.
  void want_common_assets(SteadyTime now) {
    std::uint64_t versions = 0;
    bool all_known = true;
    for (const auto& feed : feeds_) {
      versions += feed->markets().version();
      all_known = all_known && feed->markets().known();
    }
    if (versions == versions_seen_) return;
    if (!all_known && now - started_at_ < options_.markets_wait) return;
    versions_seen_ = versions;
    std::map<std::string, std::vector<std::pair<VenueFeed*, Instrument>>> by_asset;
    for (const auto& feed : feeds_) {
      for (const Instrument& instrument : feed->markets().active()) {
        if (instrument.quote != feed->settings().quote) continue;
        const auto asset = registry_.asset_of(feed->settings().id, instrument.base);
        if (asset) by_asset[std::string{*asset}].emplace_back(feed.get(), instrument);
      }
    }
    for (const auto& [asset, places] : by_asset) {
      if (places.size() < 2) continue;
      for (const auto& [feed, instrument] : places) feed->want({instrument});
    }
  }

  void refresh_status() {
    std::vector<FeedStatus> fresh;
    const Timestamp now = clock_.now();
    for (const auto& feed : feeds_) feed->append_status(now, fresh);
    std::sort(fresh.begin(), fresh.end(), [](const FeedStatus& a, const FeedStatus& b) {
      return std::tie(a.venue, a.symbol, a.channel) < std::tie(b.venue, b.symbol, b.channel);
    });
    const std::lock_guard lock(status_mutex_);
    status_.swap(fresh);
  }

  using Pauses = std::vector<std::pair<std::optional<Timestamp>, std::optional<Timestamp>>>;

  const bool all_assets_;
  const config::AssetRegistry& registry_;
  metrics::IngestMetrics& metrics_;
  const Clock& clock_;
  const LiveOptions options_;
  asio::io_context io_{1};
  asio::executor_work_guard<asio::io_context::executor_type> work_{io_.get_executor()};
  TlsClient tls_;
  asio::steady_timer timer_;
  Heartbeat heartbeat_;
  std::vector<std::unique_ptr<VenueFeed>> feeds_;

  // Of the feeds' thread:
  SteadyTime started_at_{};
  SteadyTime status_at_{};
  std::uint64_t versions_seen_ = 0;
  std::unique_ptr<BudgetStore> budgets_;  // null = nothing is kept
  SteadyTime budgets_at_{};
  Pauses pauses_;
  bool stopping_ = false;

  mutable std::mutex status_mutex_;
  std::vector<FeedStatus> status_;  // guarded by status_mutex_

  std::mutex done_mutex_;
  std::condition_variable done_changed_;
  bool done_ = false;  // guarded by done_mutex_

  std::jthread thread_;  // last: joined before anything it uses goes
};

LiveFeeds::LiveFeeds(const config::Settings& settings, const config::AssetRegistry& registry,
                     const std::vector<VenueInstruments>& wanted, const Clock& clock,
                     LiveSink& sink, metrics::IngestMetrics& metrics, LiveOptions options)
    : impl_(std::make_unique<Impl>(settings, registry, wanted, clock, sink, metrics,
                                   std::move(options))) {}
LiveFeeds::~LiveFeeds() = default;

void LiveFeeds::start() { impl_->start(); }
void LiveFeeds::stop() noexcept { impl_->stop(); }
bool LiveFeeds::add(VenueId venue, const Instrument& instrument) {
  return impl_->add(venue, instrument);
}
bool LiveFeeds::remove(VenueId venue, const Instrument& instrument) {
  return impl_->remove(venue, instrument);
}
std::vector<FeedStatus> LiveFeeds::feeds() const { return impl_->feeds(); }
const Heartbeat& LiveFeeds::heartbeat() const { return impl_->heartbeat(); }
BudgetStore::State LiveFeeds::budgets_state() const { return impl_->budgets_state(); }

}  // namespace spreadwatch::ingest
