#include "ingest/live/venue_feed.h"

#include <spdlog/spdlog.h>

#include <algorithm>
#include <chrono>
#include <span>
#include <utility>

#include "core/secrets.h"

namespace spreadwatch::ingest {
namespace {

constexpr std::size_t kMaxWanted = Normalizer::kMaxStreams;

std::string without_slash(std::string url) {
  while (!url.empty() && url.back() == '/') url.pop_back();
  return url;
}

std::string or_default(const std::string& set, std::string_view venue_default) {
  return set.empty() ? std::string{venue_default} : set;
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

VenueFeed::VenueFeed(boost::asio::io_context& io, const TlsClient& tls,
                     const config::VenueSettings& settings, milliseconds quiet,
                     milliseconds wallets, const Clock& clock, LiveSink& sink,
                     metrics::VenueMetrics& metrics, const LiveOptions& options, std::uint64_t seed)
    : settings_(settings),
      options_(options),
      seed_(seed),
      quiet_(quiet),
      sink_(sink),
      normalizer_(settings.id),
      budget_(normalizer_.adapter().profile(), seed),
      rest_(io, RestOptions{4, 256, options.ca_file}),
      context_{io, tls, clock, normalizer_, budget_, rest_, metrics, *this, &fallback_, &markets_},
      rest_url_(
          without_slash(or_default(settings.rest_url, normalizer_.adapter().profile().rest_url))),
      depth_(normalizer_.adapter().offered_depth(settings.orderbook_depth)),
      markets_(context_, {settings_.id, rest_url_, seed},
               [this](const MarketStatus& status) {
                 if (wanted_.contains(status.instrument)) emit(status);
               }),
      fallback_(context_, fallback_settings()),
      audit_(context_, audit_settings(),
             [this](const Instrument& instrument, const std::string& why) {
               fault_book(instrument, why);
             }),
      wallets_(context_, {settings_.id, rest_url_, wallets}) {
  normalizer_.set_observer(this);
}

VenueFeed::~VenueFeed() = default;

void VenueFeed::tick(SteadyTime now) {
  if (stopping_) return;
  markets_.tick(now);
  const bool ready = markets_.known() || now - started_at_ >= options_.markets_wait;
  if (markets_.version() != applied_version_) {
    applied_version_ = markets_.version();
    wanted_changed_ = true;
  }
  if (ready && std::exchange(wanted_changed_, false)) apply();
  for (const auto& session : sessions_) session->tick(now);
  renew(now);
  fallback_.tick(now);
  audit_.tick(now);
  wallets_.tick(now);
}

void VenueFeed::stop() {
  stopping_ = true;
  rest_.stop();
  markets_.stop();
  fallback_.stop();
  audit_.stop();
  wallets_.stop();
  for (const auto& session : sessions_) session->stop();
  for (auto& [place, handover] : handovers_) handover.old->stop();
}

void VenueFeed::want(const std::vector<Instrument>& instruments) {
  for (const Instrument& instrument : instruments) {
    if (removed_.contains(instrument) || !wanted_.insert(instrument).second) continue;
    wanted_changed_ = true;
    if (const MarketStatus* const status = markets_.find(instrument)) emit(*status);
  }
}

void VenueFeed::add(const Instrument& instrument) {
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
  if (!markets_.active().contains(instrument)) markets_.refresh_soon();
}

void VenueFeed::remove(const Instrument& instrument) {
  if (wanted_.erase(instrument) == 0) return;
  if (removed_.size() < kMaxWanted) removed_.insert(instrument);
  unlisted_.erase(instrument);
  gone_.erase(instrument);
  const auto carried = carried_.find(instrument);
  if (carried != carried_.end()) unsubscribe(carried, std::nullopt);
  context_.metrics.remove_symbol(instrument);
}

void VenueFeed::restore_budget(const KeptBudget& kept, Timestamp now) {
  if (kept.hosts != hosts()) return;
  budget_.restore(kept.state, now);
  const auto until = budget_.connect_paused_until(now);
  if (until) {
    spdlog::warn("{}: connects are paused for {} s more, as known from before the restart",
                 to_string(settings_.id),
                 std::chrono::duration_cast<seconds>(*until - now).count());
  }
}

void VenueFeed::append_subscribed(Timestamp now, std::vector<FeedStatus>& out) const {
  const std::size_t first = out.size();
  for (std::size_t place = 0; place < sessions_.size(); ++place) {
    const auto handover = handovers_.find(place);
    (handover == handovers_.end() ? *sessions_[place] : *handover->second.old)
        .append_status(now, out);
  }
  fallback_.overlay(std::span{out}.subspan(first));
}

void VenueFeed::append_status(Timestamp now, std::vector<FeedStatus>& out) {
  for (const auto& session : sessions_) session->count_duplicates();
  count_decoded();
  const std::size_t first = out.size();
  append_subscribed(now, out);
  set_gauges(std::span{out}.subspan(first));
  for (const auto& [instrument, channels] : gone_) {
    out.insert(out.end(), channels.begin(), channels.end());
  }
}

void VenueFeed::set_gauges(std::span<const FeedStatus> subscribed) {
  struct Channels {
    std::size_t all = 0;
    std::size_t synced = 0;
    std::optional<Timestamp> oldest;
    std::optional<Timestamp> newest;
  };
  Channels books;
  Channels tickers;
  for (const FeedStatus& status : subscribed) {
    const bool ticker = status.channel == Channel::kTicker;
    Channels& channels = ticker ? tickers : books;
    ++channels.all;
    // A stale book is the venue's, only old; a stale ticker is confirmed by nothing.
    const bool stale_book = !ticker && status.state == FeedState::kStale;
    if (status.state != FeedState::kSynced && !stale_book) continue;
    ++channels.synced;
    if (!status.updated) continue;
    channels.oldest = std::min(channels.oldest.value_or(*status.updated), *status.updated);
    channels.newest = std::max(channels.newest.value_or(*status.updated), *status.updated);
  }
  metrics::VenueMetrics& metrics = context_.metrics;
  metrics.set_subscriptions(Channel::kTicker, tickers.all);
  metrics.set_subscriptions(Channel::kOrderBook, books.all);
  metrics.set_books_synced(books.synced);
  metrics.set_oldest_book(books.oldest);
  metrics.set_tickers(tickers.synced, tickers.oldest, tickers.newest);
  metrics.set_clock_offset(books.synced > 0 ? normalizer_.clock_offset().estimate() : std::nullopt);
}

void VenueFeed::count_decoded() {
  for (; duplicate_tickers_ < normalizer_.duplicate_tickers(); ++duplicate_tickers_) {
    context_.metrics.duplicate();
  }
  const auto since = [](std::uint64_t& counted, std::uint64_t now) {
    return now - std::exchange(counted, now);
  };
  context_.metrics.dropped_levels(since(dropped_levels_, normalizer_.dropped_levels()));
  context_.metrics.unknown_topics(since(unknown_topics_, normalizer_.unknown_topics()));
  context_.metrics.venue_warnings(since(warnings_, normalizer_.warnings()));
  for (const Remark& remark : normalizer_.take_remarks()) {
    if (remark.kind == Remark::Kind::kWarning) {
      spdlog::warn("{} warns: {}", to_string(settings_.id), remark.text);
    } else {
      spdlog::info("{}: messages of {} are not read here", to_string(settings_.id), remark.text);
    }
  }
}

void VenueFeed::on_event(MarketEvent event) {
  std::string unknown_symbol;
  if (const auto* const error = std::get_if<FeedError>(&event)) {
    if (error->error.code == ErrorCode::kUnknownSymbol) unknown_symbol = error->symbol;
  }
  sink_.on_event(std::move(event));
  if (unknown_symbol.empty()) return;
  // It may have been delisted since the last list.
  const auto instrument = normalizer_.adapter().instrument(unknown_symbol);
  if (instrument && carried_.contains(*instrument)) markets_.refresh_soon();
}

void VenueFeed::on_invalidated(const OrderBook& book) {
  note({FeedNote::Kind::kInvalidated, settings_.id, book.instrument,
        book.connection == kPolledConnection, book.state, book.reason, context_.clock.now()});
}

void VenueFeed::on_forgotten(const OrderBook& book) {
  note({FeedNote::Kind::kForgotten, settings_.id, book.instrument,
        book.connection == kPolledConnection, FeedState::kDown, std::nullopt,
        context_.clock.now()});
}

std::string VenueFeed::hosts() {
  // This goes to disk, where a password has no place.
  return without_credentials(
             websocket_url(settings_.ws_url, normalizer_.adapter().profile().ws_url)) +
         " " + without_credentials(rest_url_);
}

void VenueFeed::note(FeedNote::Kind kind, const Instrument& instrument) {
  note({kind, settings_.id, instrument, false, FeedState::kDown, std::nullopt,
        context_.clock.now()});
}

void VenueFeed::note(const FeedNote& note) {
  if (!stopping_) notify(context_.sink, note);
}

void VenueFeed::emit(MarketEvent event) {
  if (stopping_) return;
  notify(context_.sink, std::move(event));
}

void VenueFeed::apply() {
  for (const Instrument& instrument : wanted_) {
    const bool listed = !markets_.known() || markets_.active().contains(instrument);
    const auto carried = carried_.find(instrument);
    if (listed && carried == carried_.end()) {
      subscribe(instrument);
    } else if (!listed) {
      if (carried != carried_.end()) unsubscribe(carried, ErrorCode::kUnknownSymbol);
      report_unlisted(instrument);
    }
  }
}

std::vector<Subscription> VenueFeed::subscriptions_of(const Instrument& instrument) const {
  return {{Channel::kTicker, instrument, 0}, {Channel::kOrderBook, instrument, depth_}};
}

void VenueFeed::subscribe(const Instrument& instrument) {
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
  fallback_.watch(instrument, steady_now());
  audit_.watch(instrument);
  sessions_[place]->add(subscriptions);
  carried_[instrument] = place;
  unlisted_.erase(instrument);
  gone_.erase(instrument);
}

void VenueFeed::unsubscribe(Carried::iterator carried, std::optional<ErrorCode> reason) {
  const Instrument instrument = carried->first;
  if (reason) keep_status(instrument, *reason);
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

/// What was shown does not just vanish: it is down, and why.
void VenueFeed::keep_status(const Instrument& instrument, ErrorCode reason) {
  std::vector<FeedStatus> channels;
  append_subscribed(context_.clock.now(), channels);
  std::erase_if(channels, [name = instrument.name()](const FeedStatus& status) {
    return status.symbol != name;
  });
  for (FeedStatus& status : channels) {
    status.state = FeedState::kDown;
    status.reason = reason;
  }
  gone_[instrument] = std::move(channels);
}

void VenueFeed::report_unlisted(const Instrument& instrument) {
  if (!unlisted_.insert(instrument).second) return;
  spdlog::warn("{} does not list {} as active", to_string(settings_.id), instrument.name());
  context_.metrics.decode_error(ErrorCode::kUnknownSymbol);
  emit(FeedError{settings_.id,
                 normalizer_.adapter().venue_symbol(instrument),
                 {ErrorCode::kUnknownSymbol, "not listed, or not active: " + instrument.name()},
                 context_.clock.now(),
                 {}});
}

void VenueFeed::fault_book(const Instrument& instrument, const std::string& why) {
  const auto carried = carried_.find(instrument);
  if (carried == carried_.end()) return;
  const auto handover = handovers_.find(carried->second);
  if (sessions_[carried->second]->fault_book(instrument, why)) return;
  if (handover != handovers_.end()) handover->second.old->fault_book(instrument, why);
}

void VenueFeed::renew(SteadyTime now) {
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
    handover.old->successor_is_up(fresh.up());
    handover.old->tick(now);
    const bool done = handover.since && (fresh.covers(*handover.old) ||
                                         now - *handover.since >= options_.longest_handover);
    const auto next = std::next(it);
    if (done || !handover.old->up()) end_handover(it);
    it = next;
  }
}

void VenueFeed::end_handover(std::map<std::size_t, Handover>::iterator handover) {
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

std::unique_ptr<Session> VenueFeed::make_session(std::uint32_t connection) {
  SessionSettings s;
  s.venue = settings_.id;
  s.connection = connection;
  s.max_age = options_.max_age;
  s.ws_url = websocket_url(settings_.ws_url, normalizer_.adapter().profile().ws_url);
  s.rest_url = rest_url_;
  s.liveness = settings_.liveness;
  s.quiet = quiet_;
  s.first_rejection = options_.first_rejection;
  s.first_data = options_.first_data;
  s.least_patience = options_.least_patience;
  s.transport.connect_timeout = options_.connect_timeout;
  s.seed = seed_ + std::uint64_t{connection} * 2;
  return std::make_unique<Session>(context_, std::move(s));
}

RestFallback::Settings VenueFeed::fallback_settings() const {
  RestFallback::Settings s;
  s.venue = settings_.id;
  s.rest_url = rest_url_;
  s.after = settings_.fallback_after;
  s.poll = settings_.fallback_poll;
  s.liveness = settings_.liveness;
  s.quiet = quiet_;
  s.first_refusal = options_.first_rejection;
  s.depth = depth_;
  return s;
}

BookAudit::Settings VenueFeed::audit_settings() const {
  BookAudit::Settings s;
  s.venue = settings_.id;
  s.rest_url = rest_url_;
  s.interval = settings_.audit_interval;
  s.depth = depth_;
  return s;
}

}  // namespace spreadwatch::ingest
