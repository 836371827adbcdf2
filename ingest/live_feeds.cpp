#include "ingest/live_feeds.h"

#include <spdlog/spdlog.h>

#include <algorithm>
#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <condition_variable>
#include <exception>
#include <filesystem>
#include <functional>
#include <map>
#include <mutex>
#include <random>
#include <set>
#include <span>
#include <thread>
#include <tuple>
#include <utility>

#include "ingest/backoff.h"
#include "ingest/book_audit.h"
#include "ingest/budget_store.h"
#include "ingest/normalizer.h"
#include "ingest/rate_budget.h"
#include "ingest/rest_client.h"
#include "ingest/rest_fallback.h"
#include "ingest/session.h"
#include "ingest/transport.h"
#include "ingest/wallet_feed.h"

namespace spreadwatch::ingest {
namespace {

namespace asio = boost::asio;

constexpr milliseconds kSnapshotEvery{250};
constexpr milliseconds kMarketsTimeout{15'000};
constexpr std::size_t kMarketsBytes = VenueAdapter::kMaxFrameBytes;
constexpr milliseconds kMarketsEvery{300'000};
constexpr Backoff::Limits kMarketsBackoff{milliseconds{2'000}, milliseconds{60'000},
                                          milliseconds{500}};
constexpr milliseconds kStopWait{1'500};
constexpr milliseconds kBudgetsEvery{5'000};
// For an instrument that the last list lacks, or that the venue no longer seems to know.
constexpr milliseconds kListAgainAfter{10'000};
constexpr std::size_t kMaxWanted = Normalizer::kMaxStreams;

std::optional<Instrument> fx_market(VenueId venue) {
  if (region_of(venue) == Region::kKorea) return Instrument{"USDT", "KRW"};
  if (venue == VenueId::kKraken) return Instrument{"USDT", "USD"};
  return std::nullopt;
}

std::string without_slash(std::string url) {
  while (!url.empty() && url.back() == '/') url.pop_back();
  return url;
}

std::string or_default(const std::string& set, std::string_view venue_default) {
  return set.empty() ? std::string{venue_default} : set;
}

// How often wallets are asked for; 0 = nothing is made of them.
milliseconds wallet_interval(const config::Settings& settings) {
  const auto& modes = settings.spread.modes;
  const bool needed = std::ranges::find(modes, config::Mode::kTransfer) != modes.end();
  return needed ? settings.wallets.poll : milliseconds{0};
}

// The address to connect to: the venue's own path where the setting names only a host.
std::string websocket_url(const std::string& set, std::string_view venue_default) {
  std::string out = or_default(set, venue_default);
  const Result<Url> url = Url::parse(out);
  const Result<Url> own = Url::parse(venue_default);
  if (!url || !own || url->target != "/" || own->target == "/") return out;
  return without_slash(std::move(out)) + own->target;
}

}  // namespace

std::vector<VenueInstruments> wanted_instruments(const config::Settings& settings,
                                                 const config::AssetRegistry& registry) {
  std::vector<VenueInstruments> out;
  for (const config::VenueSettings& venue : settings.venues) {
    std::set<Instrument> wanted;
    if (const auto fx = fx_market(venue.id)) wanted.insert(*fx);
    for (const std::string& asset : settings.assets) {
      const auto ticker = registry.ticker_of(venue.id, asset);
      // The same letters may be another coin there: then there is nothing to watch under this name.
      if (!ticker && registry.asset_of(venue.id, asset)) continue;
      const Instrument instrument{ticker ? std::string{*ticker} : asset, venue.quote};
      if (instrument.base != instrument.quote) wanted.insert(instrument);
    }
    out.push_back({venue.id, {wanted.begin(), wanted.end()}});
  }
  return out;
}

namespace {

/// Passes on what a venue says, and notices when it does not know an instrument any longer.
class Ear final : public LiveSink {
 public:
  /// `on_doubt` is told the venue's symbol.
  Ear(LiveSink& sink, std::function<void(const std::string&)> on_doubt)
      : sink_(sink), on_doubt_(std::move(on_doubt)) {}

  void on_event(MarketEvent event) override {
    std::string doubted;
    if (const auto* const error = std::get_if<FeedError>(&event)) {
      if (error->error.code == ErrorCode::kUnknownSymbol) doubted = error->symbol;
    }
    sink_.on_event(std::move(event));
    if (!doubted.empty()) on_doubt_(doubted);
  }
  void on_raw(VenueId venue, const Frame& frame, bool sent) override {
    sink_.on_raw(venue, frame, sent);
  }
  void on_note(const FeedNote& note) override { sink_.on_note(note); }

 private:
  LiveSink& sink_;
  std::function<void(const std::string&)> on_doubt_;
};

/// Everything of one venue: its market list, and the connections that share its instruments.
class VenueFeed final : private MarketSink, private BookObserver {
 public:
  VenueFeed(asio::io_context& io, const TlsClient& tls, const config::VenueSettings& settings,
            milliseconds quiet, milliseconds wallets, const Clock& clock, LiveSink& sink,
            metrics::VenueMetrics& metrics, const LiveOptions& options, std::uint64_t seed)
      : settings_(settings),
        options_(options),
        seed_(seed),
        quiet_(quiet),
        normalizer_(settings.id),
        budget_(normalizer_.adapter().profile()),
        rest_(io, RestOptions{4, 256, options.ca_file}),
        ear_(sink, [this](const std::string& symbol) { doubt(symbol); }),
        context_{io, tls, clock, normalizer_, budget_, rest_, metrics, ear_, &fallback_},
        rest_url_(
            without_slash(or_default(settings.rest_url, normalizer_.adapter().profile().rest_url))),
        depth_(normalizer_.adapter().offered_depth(settings.orderbook_depth)),
        markets_backoff_(kMarketsBackoff, seed),
        fallback_(context_, fallback_settings()),
        audit_(context_, audit_settings(),
               [this](const Instrument& instrument, const std::string& why) {
                 distrust(instrument, why);
               }),
        wallets_(context_, {settings_.id, rest_url_, wallets}) {
    normalizer_.set_observer(this);
  }

  const config::VenueSettings& settings() const { return settings_; }

  void start(SteadyTime now) {
    started_at_ = now;
    markets_at_ = now;
  }

  /// Adds to what is wanted, but for what was removed by request.
  void want(const std::vector<Instrument>& instruments) {
    for (const Instrument& instrument : instruments) {
      if (removed_.contains(instrument) || !wanted_.insert(instrument).second) continue;
      wanted_changed_ = true;
      if (const auto it = listed_.find(instrument); it != listed_.end()) emit(it->second);
    }
  }

  void add(const Instrument& instrument) {
    removed_.erase(instrument);
    if (!wanted_.contains(instrument) && wanted_.size() >= kMaxWanted) {
      context_.metrics.decode_error(ErrorCode::kVenueError);
      emit(FeedError{settings_.id,
                     normalizer_.adapter().venue_symbol(instrument),
                     {ErrorCode::kVenueError, "more instruments than allowed"},
                     context_.clock.now(),
                     {}});
      return;
    }
    want({instrument});
    // It may be newer than the list.
    if (!active_.contains(instrument)) list_again();
  }

  void remove(const Instrument& instrument) {
    if (wanted_.erase(instrument) == 0) return;
    if (removed_.size() < kMaxWanted) removed_.insert(instrument);
    unlisted_.erase(instrument);
    const auto carried = carried_.find(instrument);
    if (carried != carried_.end()) unsubscribe(carried, std::nullopt);
  }

  /// What the venue's addresses must not be allowed to forget over a restart.
  KeptBudget budget(Timestamp now) { return {hosts(), budget_.state(now)}; }
  void restore_budget(const KeptBudget& kept, Timestamp now) {
    if (kept.hosts != hosts()) return;
    budget_.restore(kept.state, now);
    const auto until = budget_.connect_paused_until(now);
    if (until) {
      spdlog::warn("{}: connects are paused for {} s more, as known from before the restart",
                   to_string(settings_.id),
                   std::chrono::duration_cast<seconds>(*until - now).count());
    }
  }
  /// Changes with every new pause.
  std::pair<std::optional<Timestamp>, std::optional<Timestamp>> pauses(Timestamp now) const {
    return {budget_.connect_paused_until(now), budget_.rest_paused_until(now)};
  }

  /// The venue's active instruments; nullptr until a list has been had.
  const std::set<Instrument>* active() const { return markets_known_ ? &active_ : nullptr; }
  std::uint64_t list_version() const { return list_version_; }

  void tick(SteadyTime now) {
    if (stopping_) return;
    if (markets_at_ && now >= *markets_at_) fetch_markets(now);
    const bool ready = markets_known_ || now - started_at_ >= options_.markets_wait;
    if (ready && std::exchange(wanted_changed_, false)) apply();
    for (const auto& session : sessions_) session->tick(now);
    renew(now);
    fallback_.tick(now);
    audit_.tick(now);
    wallets_.tick(now);
  }

  void stop() {
    stopping_ = true;
    rest_.stop();
    fallback_.stop();
    audit_.stop();
    wallets_.stop();
    for (const auto& session : sessions_) session->stop();
    for (auto& [place, handover] : handovers_) handover.old->stop();
  }
  bool stopped() const {
    const auto is_stopped = [](const auto& session) { return session->stopped(); };
    return std::ranges::all_of(sessions_, is_stopped) &&
           std::ranges::all_of(retired_, is_stopped) &&
           std::ranges::all_of(handovers_,
                               [](const auto& entry) { return entry.second.old->stopped(); });
  }

  /// Appends the state of every channel and sets the gauges that follow from it.
  void append_status(Timestamp now, std::vector<FeedStatus>& out) {
    const std::size_t first = out.size();
    for (std::size_t place = 0; place < sessions_.size(); ++place) {
      sessions_[place]->count_duplicates();
      const auto handover = handovers_.find(place);
      (handover == handovers_.end() ? *sessions_[place] : *handover->second.old)
          .append_status(now, out);
    }
    for (; duplicate_tickers_ < normalizer_.duplicate_tickers(); ++duplicate_tickers_) {
      context_.metrics.duplicate();
    }
    fallback_.overlay(std::span{out}.subspan(first), now);
    std::size_t tickers = 0;
    std::size_t books = 0;
    std::size_t synced = 0;
    std::optional<std::int64_t> oldest_ms;
    for (std::size_t i = first; i < out.size(); ++i) {
      const FeedStatus& status = out[i];
      if (status.channel == Channel::kTicker) {
        ++tickers;
        continue;
      }
      ++books;
      if (status.state != FeedState::kSynced && status.state != FeedState::kStale) continue;
      ++synced;
      oldest_ms = std::max(oldest_ms.value_or(0), status.age_ms.value_or(0));
    }
    metrics::VenueMetrics& metrics = context_.metrics;
    metrics.set_subscriptions(metrics::Channel::kTicker, tickers);
    metrics.set_subscriptions(metrics::Channel::kOrderBook, books);
    metrics.set_books_synced(synced);
    metrics.set_clock_offset(synced > 0 ? normalizer_.clock_offset().estimate() : std::nullopt);
    metrics.set_book_age(oldest_ms ? std::optional<microseconds>{milliseconds{*oldest_ms}}
                                   : std::nullopt);
  }

 private:
  /// A connection that has a successor in its place.
  struct Handover {
    std::unique_ptr<Session> old;
    std::optional<SteadyTime> since;  // the successor is up
  };

  std::string hosts() {
    return websocket_url(settings_.ws_url, normalizer_.adapter().profile().ws_url) + " " +
           rest_url_;
  }

  // BookObserver
  void on_invalidated(const OrderBook& book) override {
    note({FeedNote::Kind::kInvalidated, settings_.id, book.instrument,
          book.connection == kPolledConnection, book.state, book.reason, context_.clock.now()});
  }
  void on_forgotten(const OrderBook& book) override {
    note({FeedNote::Kind::kForgotten, settings_.id, book.instrument,
          book.connection == kPolledConnection, FeedState::kDown, std::nullopt,
          context_.clock.now()});
  }
  void note(FeedNote::Kind kind, const Instrument& instrument) {
    note({kind, settings_.id, instrument, false, FeedState::kDown, std::nullopt,
          context_.clock.now()});
  }
  void note(const FeedNote& note) {
    if (!stopping_) tell(context_.sink, note);
  }

  /// Fetches the market list sooner than it is due, but not sooner after a failure than that
  /// allows.
  void list_again() {
    if (markets_known_ && markets_at_ && !list_failed_) {
      markets_at_ = std::min(*markets_at_, listed_at_ + kListAgainAfter);
    }
  }

  /// The venue does not answer for a symbol: it may have been delisted since the last list.
  void doubt(const std::string& symbol) {
    const auto instrument = normalizer_.adapter().instrument(symbol);
    if (instrument && carried_.contains(*instrument)) list_again();
  }

  // MarketSink of the market list
  void on_ticker(const Ticker&) override {}
  void on_order_book(const std::string&, const OrderBook&) override {}
  void on_error(const FeedError& error) override {
    if (error.error.code == ErrorCode::kRateLimited) {
      budget_.refused_rest(context_.clock.now(), 429, std::nullopt);  // in the body of a 200
    }
    emit(error);
  }
  void on_market(const MarketInfo& market) override { listing_.push_back(market); }

  void fetch_markets(SteadyTime now) {
    markets_at_.reset();
    const RestCall call = normalizer_.adapter().markets_call();
    const microseconds wait = budget_.take_rest(context_.clock.now(), call.weight);
    if (wait.count() > 0) {
      markets_at_ = now + std::min<microseconds>(wait, seconds{1});
      return;
    }
    RestRequest request;
    request.url = rest_url_ + call.path;
    request.timeout = kMarketsTimeout;
    request.max_bytes = kMarketsBytes;
    rest_.get(std::move(request),
              [this, call](RestResult result) { on_markets(call, std::move(result)); });
  }

  void on_markets(const RestCall& call, RestResult result) {
    const Timestamp wall = context_.clock.now();
    const SteadyTime now = std::chrono::steady_clock::now();
    settle(context_, result, wall);
    if (!result) {
      const Error& error = result.error().error;
      emit(FeedError{settings_.id, {}, error, wall, {}});
      return markets_failed(error.detail, now);
    }
    context_.metrics.frame(metrics::Channel::kOther, result->body.size());
    const Frame frame{Origin::kRest, result->body, call.channel, call.symbol, wall, 0};
    context_.sink.on_raw(settings_.id, frame, false);
    listing_.clear();
    normalizer_.feed(frame, *this);
    if (listing_.empty()) return markets_failed("no market in the answer", now);
    markets_backoff_.reset();
    list_failed_ = false;
    markets_at_ = now + kMarketsEvery + milliseconds{static_cast<int>(seed_ % 10'000)};
    learn();
  }

  void markets_failed(const std::string& why, SteadyTime now) {
    spdlog::warn("{}: no market list: {}", to_string(settings_.id), why);
    list_failed_ = true;
    markets_at_ = now + markets_backoff_.next();
  }

  void learn() {
    listed_at_ = std::chrono::steady_clock::now();
    std::set<Instrument> active;
    const auto before = std::exchange(listed_, {});
    for (const MarketInfo& market : listing_) {
      if (market.active) active.insert(market.instrument);
      MarketStatus status{settings_.id, market.instrument, market.active, std::nullopt};
      if (market.min_notional) status.min_notional = market.min_notional->to_double();
      if (wanted_.contains(market.instrument)) emit(status);
      listed_.insert_or_assign(market.instrument, std::move(status));
    }
    listing_.clear();
    // What has gone from the list is told, too.
    for (const auto& [instrument, last] : before) {
      if (listed_.contains(instrument) || !last.active) continue;
      MarketStatus status = last;
      status.active = false;
      if (wanted_.contains(instrument)) emit(status);
      listed_.insert_or_assign(instrument, std::move(status));
    }
    if (!markets_known_ || active != active_) {
      active_ = std::move(active);
      markets_known_ = true;
      wanted_changed_ = true;
      ++list_version_;
    }
    if (list_version_ == 1) {
      spdlog::info("{}: {} active markets", to_string(settings_.id), active_.size());
    }
  }

  // Brings what is subscribed in line with what is wanted and listed.
  void apply() {
    for (const Instrument& instrument : wanted_) {
      const bool listed = !markets_known_ || active_.contains(instrument);
      const auto carried = carried_.find(instrument);
      if (listed && carried == carried_.end()) {
        subscribe(instrument);
      } else if (!listed) {
        if (carried != carried_.end()) unsubscribe(carried, ErrorCode::kUnknownSymbol);
        report_unlisted(instrument);
      }
    }
  }

  std::vector<Subscription> subscriptions_of(const Instrument& instrument) const {
    return {{Channel::kTicker, instrument, 0}, {Channel::kOrderBook, instrument, depth_}};
  }

  void subscribe(const Instrument& instrument) {
    const std::vector<Subscription> subscriptions = subscriptions_of(instrument);
    const std::size_t most = normalizer_.adapter().profile().max_subscriptions;
    std::size_t place = 0;
    while (place < sessions_.size() &&
           sessions_[place]->subscriptions() + subscriptions.size() > most) {
      ++place;
    }
    if (place == sessions_.size())
      sessions_.push_back(make_session(static_cast<std::uint32_t>(place)));
    note(FeedNote::Kind::kAdded, instrument);
    fallback_.watch(instrument, std::chrono::steady_clock::now());
    audit_.watch(instrument);
    sessions_[place]->add(subscriptions);
    carried_[instrument] = place;
    unlisted_.erase(instrument);
  }

  void unsubscribe(std::map<Instrument, std::size_t>::iterator carried,
                   std::optional<ErrorCode> reason) {
    const Instrument instrument = carried->first;
    audit_.forget(instrument);
    fallback_.forget(instrument, reason);
    const std::vector<Subscription> subscriptions = subscriptions_of(instrument);
    if (const auto handover = handovers_.find(carried->second); handover != handovers_.end()) {
      handover->second.old->remove(subscriptions, reason);
    }
    sessions_[carried->second]->remove(subscriptions, reason);
    carried_.erase(carried);
    note(FeedNote::Kind::kRemoved, instrument);
  }

  RestFallback::Settings fallback_settings() const {
    RestFallback::Settings s;
    s.venue = settings_.id;
    s.rest_url = rest_url_;
    s.after = settings_.fallback_after;
    s.poll = settings_.fallback_poll;
    s.liveness = settings_.liveness;
    s.quiet = quiet_;
    s.depth = depth_;
    return s;
  }

  BookAudit::Settings audit_settings() const {
    BookAudit::Settings s;
    s.venue = settings_.id;
    s.rest_url = rest_url_;
    s.interval = settings_.audit_interval;
    s.depth = depth_;
    return s;
  }

  void distrust(const Instrument& instrument, const std::string& why) {
    const auto carried = carried_.find(instrument);
    if (carried == carried_.end()) return;
    const auto handover = handovers_.find(carried->second);
    if (sessions_[carried->second]->distrust(instrument, why)) return;
    if (handover != handovers_.end()) handover->second.old->distrust(instrument, why);
  }

  // Opens a successor for each connection that the venue will close, and lets the old one go when
  // the new one delivers what it delivered, or has had its time. Until then the old one goes on,
  // whatever becomes of the new one.
  void renew(SteadyTime now) {
    std::erase_if(retired_, [](const auto& session) { return session->stopped(); });
    for (std::size_t place = 0; place < sessions_.size(); ++place) {
      if (!sessions_[place]->wants_successor(now)) continue;
      if (const auto handover = handovers_.find(place); handover != handovers_.end()) {
        end_handover(handover);
      }
      std::unique_ptr<Session> fresh = make_session(sessions_[place]->connection() + kPlaces);
      fresh->succeed(*sessions_[place]);
      std::swap(fresh, sessions_[place]);
      handovers_[place].old = std::move(fresh);
    }
    for (auto it = handovers_.begin(); it != handovers_.end();) {
      Session& fresh = *sessions_[it->first];
      Handover& handover = it->second;
      if (!fresh.up()) {
        handover.since.reset();
      } else if (!handover.since) {
        handover.since = now;
      }
      const bool done = handover.since && (fresh.covers(*handover.old) ||
                                           now - *handover.since >= options_.longest_handover);
      const auto next = std::next(it);
      if (done || !handover.old->up()) end_handover(it);
      it = next;
    }
  }

  void end_handover(std::map<std::size_t, Handover>::iterator handover) {
    std::unique_ptr<Session> old = std::move(handover->second.old);
    if (old->up()) {
      context_.metrics.renewed();
      old->retire(*sessions_[handover->first]);
    } else {
      old->stop();
    }
    retired_.push_back(std::move(old));
    handovers_.erase(handover);
  }

  std::unique_ptr<Session> make_session(std::uint32_t connection) {
    SessionSettings s;
    s.venue = settings_.id;
    s.connection = connection;
    s.max_age = options_.max_age;
    s.ws_url = websocket_url(settings_.ws_url, normalizer_.adapter().profile().ws_url);
    s.rest_url = rest_url_;
    s.liveness = settings_.liveness;
    s.quiet = quiet_;
    s.first_rejection = options_.first_rejection;
    s.transport.connect_timeout = options_.connect_timeout;
    s.seed = seed_ + std::uint64_t{connection} * 2;
    return std::make_unique<Session>(context_, std::move(s));
  }

  void report_unlisted(const Instrument& instrument) {
    if (!unlisted_.insert(instrument).second) return;
    spdlog::warn("{} does not list {} as active", to_string(settings_.id), instrument.name());
    context_.metrics.decode_error(ErrorCode::kUnknownSymbol);
    emit(FeedError{settings_.id,
                   normalizer_.adapter().venue_symbol(instrument),
                   {ErrorCode::kUnknownSymbol, "not listed, or not active: " + instrument.name()},
                   context_.clock.now(),
                   {}});
  }

  void emit(MarketEvent event) {
    if (stopping_) return;
    tell(context_.sink, std::move(event));
  }

  const config::VenueSettings settings_;
  const LiveOptions options_;
  const std::uint64_t seed_;
  const milliseconds quiet_;
  Normalizer normalizer_;
  VenueBudget budget_;
  RestClient rest_;
  Ear ear_;
  SessionContext context_;
  const std::string rest_url_;
  const int depth_;
  Backoff markets_backoff_;

  SteadyTime started_at_{};
  std::optional<SteadyTime> markets_at_;  // when to fetch the market list
  std::vector<MarketInfo> listing_;       // of the answer being read
  bool list_failed_ = false;              // the last time
  bool markets_known_ = false;
  std::uint64_t list_version_ = 0;
  std::set<Instrument> active_;
  std::map<Instrument, MarketStatus> listed_;  // active or not

  SteadyTime listed_at_{};
  std::set<Instrument> wanted_;
  std::set<Instrument> removed_;  // by request: not wanted again because two venues list it
  bool wanted_changed_ = false;
  std::map<Instrument, std::size_t> carried_;       // in which place
  std::set<Instrument> unlisted_;                   // and reported as such
  std::vector<std::unique_ptr<Session>> sessions_;  // by place
  std::map<std::size_t, Handover> handovers_;       // by place
  std::uint64_t duplicate_tickers_ = 0;             // counted so far
  std::vector<std::unique_ptr<Session>> retired_;   // until their connections are closed
  RestFallback fallback_;
  BookAudit audit_;
  WalletFeed wallets_;
  bool stopping_ = false;
};

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
      budgets_.reset();
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

  std::vector<FeedStatus> feeds() const {
    const std::lock_guard lock(status_mutex_);
    return status_;
  }

 private:
  void run() noexcept {
    asio::post(io_, [this] {
      started_at_ = std::chrono::steady_clock::now();
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
    const SteadyTime now = std::chrono::steady_clock::now();
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
    const Timestamp wall = clock_.now();
    Pauses pauses;
    for (const auto& feed : feeds_) pauses.push_back(feed->pauses(wall));
    if (pauses == pauses_ && now - budgets_at_ < kBudgetsEvery) return;
    pauses_ = std::move(pauses);
    budgets_at_ = now;
    save_budgets(wall);
  }
  void save_budgets(Timestamp wall) {
    KeptBudgets budgets;
    for (const auto& feed : feeds_) budgets[feed->settings().id] = feed->budget(wall);
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
      versions += feed->list_version();
      all_known = all_known && feed->active() != nullptr;
    }
    if (versions == versions_seen_) return;
    if (!all_known && now - started_at_ < options_.markets_wait) return;
    versions_seen_ = versions;
    std::map<std::string, std::vector<std::pair<VenueFeed*, Instrument>>> by_asset;
    for (const auto& feed : feeds_) {
      if (feed->active() == nullptr) continue;
      for (const Instrument& instrument : *feed->active()) {
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

}  // namespace spreadwatch::ingest
