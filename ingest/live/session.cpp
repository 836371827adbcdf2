#include "ingest/live/session.h"

#include <spdlog/spdlog.h>

#include <algorithm>
#include <utility>

#include "ingest/live/market_list.h"
#include "ingest/live/rest_fallback.h"

namespace spreadwatch::ingest {
namespace {

constexpr milliseconds kStatusEvery{250};
constexpr milliseconds kReviewEvery{200};
constexpr double kSpareForFaults = 0.5;  // of the message budget

}  // namespace

Session::Session(VenueContext context, SessionSettings settings)
    : context_(context),
      settings_(std::move(settings)),
      rest_(context_, settings_.venue, settings_.rest_url),
      profile_(context_.normalizer.adapter().profile()),
      backoff_(settings_.backoff, settings_.seed),
      random_(settings_.seed + 1),
      table_({.venue = settings_.venue,
              .seeded_over_rest = profile_.book_needs_rest,
              .subscribe_replaces = profile_.subscribe_replaces,
              .first_data = settings_.first_data,
              .quiet = settings_.quiet,
              .least_patience = settings_.least_patience,
              .first_rejection = settings_.first_rejection}),
      seeder_(context_,
              {.venue = settings_.venue,
               .connection = settings_.connection,
               .timeout = settings_.rest_timeout,
               .first_retry = settings_.first_snapshot_retry,
               .longest_retry = settings_.longest_snapshot_retry},
              rest_, table_, random_,
              [this](const Frame& frame, SteadyTime now) { read_snapshot(frame, now); }),
      keep_alive_({.liveness = std::min(settings_.liveness, profile_.silence),
                   .ping_every = profile_.ping == VenueProfile::Ping::kNone ? milliseconds{0}
                                                                            : profile_.ping_every,
                   .pong_within = profile_.pong_within}),
      succession_(random_),
      outbox_(profile_.messages),
      meter_(context_.metrics) {}

Session::~Session() = default;

// --- what is subscribed
// ----------------------------------------------------------------------------------

void Session::add(std::span<const Subscription> subscriptions) {
  Subscriptions fresh;
  for (const Subscription& s : subscriptions) {
    std::string stream;
    if (s.channel == Channel::kOrderBook) {
      stream = context_.normalizer.adapter().book_stream(s.instrument, s.depth);
    }
    if (table_.add(s, std::move(stream))) fresh.push_back(s);
  }
  if (!fresh.empty() && up()) subscribe(fresh, steady_now());
}

void Session::remove(std::span<const Subscription> subscriptions, std::optional<ErrorCode> reason) {
  Subscriptions subscribed;
  for (const Subscription& s : subscriptions) {
    const SubscriptionTable::Stream* const stream = table_.find(s);
    if (stream == nullptr) continue;
    if (stream->is_book()) {
      context_.normalizer.invalidate_stream(stream->name, FeedState::kDown, reason, *this);
      context_.normalizer.forget(stream->name);
      seeder_.forget(stream->name);
    }
    if (stream->subscribed) subscribed.push_back(s);
    table_.remove(s);
  }
  if (subscribed.empty() || !up()) return;
  if (profile_.subscribe_replaces) return resubscribe({}, steady_now());
  outbox_.add(context_.normalizer.adapter().unsubscribe(subscribed, context_.clock.now()));
}

bool Session::fault_book(const Instrument& instrument, const std::string& detail) {
  const SubscriptionTable::Stream* const stream = table_.find_book(instrument);
  if (stream == nullptr) return false;
  const std::string name = stream->name;
  const MaintainedBook* const book = context_.normalizer.find(name);
  if (book == nullptr || !book->book().synced() ||
      book->book().connection != settings_.connection) {
    return false;
  }
  const Error error{ErrorCode::kChecksumMismatch, detail};
  spdlog::warn("{} {}: {}", to_string(settings_.venue), instrument.name(), error.detail);
  context_.normalizer.invalidate_stream(name, FeedState::kFaulted, error.code, *this);
  emit(FeedError{settings_.venue,
                 context_.normalizer.adapter().venue_symbol(instrument),
                 error,
                 context_.clock.now(),
                 {}});
  on_need(name, instrument,
          profile_.book_needs_rest ? MaintainedBook::Need::kSnapshot
                                   : MaintainedBook::Need::kResubscribe);
  return true;
}

void Session::subscribe(const Subscriptions& subscriptions, SteadyTime now) {
  const Subscriptions list = table_.subscribe(subscriptions, now);
  if (list.empty()) return;
  outbox_.add(context_.normalizer.adapter().subscribe(list, context_.clock.now()));
  send_queued(now);
}

void Session::resubscribe(const Subscriptions& subscriptions, SteadyTime now) {
  if (!profile_.subscribe_replaces) {
    outbox_.add(context_.normalizer.adapter().unsubscribe(subscriptions, context_.clock.now()));
  }
  subscribe(subscriptions, now);
}

// --- the connection
// --------------------------------------------------------------------------------------

void Session::tick(SteadyTime now) {
  if (stopping_) return;
  if (phase_ == Phase::kWaiting) {
    if (!leaving_ && now >= next_attempt_ && !table_.empty()) connect(now);
    return;
  }
  if (phase_ != Phase::kOpen) return;
  check_alive(now);
  if (!up()) return;  // it was found dead
  if (leaving_ && successor_up_) return;
  if (now - streams_reviewed_at_ >= kReviewEvery) {
    streams_reviewed_at_ = now;
    review_streams(now);
  }
  seeder_.fetch(now);
  send_queued(now);
}

void Session::connect(SteadyTime now) {
  const microseconds wait = context_.budget.take_connect(context_.clock.now());
  if (wait.count() > 0) {
    // Asked again at least once a second: a pause may be lifted, and the wall clock may jump.
    next_attempt_ = now + std::min<microseconds>(wait, seconds{1});
    return;
  }
  if (connects_++ > 0) context_.metrics.reconnect_attempt();
  phase_ = Phase::kConnecting;
  link_ = std::make_unique<WebsocketConnection>(context_.io, context_.tls, settings_.ws_url,
                                                settings_.transport,
                                                static_cast<WebsocketEvents&>(*this));
}

void Session::on_open() {
  const SteadyTime now = steady_now();
  phase_ = Phase::kOpen;
  if (std::exchange(ever_open_, true)) ++reconnects_;
  seeder_.on_open();
  context_.budget.accepted_connect();
  context_.metrics.connected();
  spdlog::info("{} connection {} is up", to_string(settings_.venue), settings_.connection);

  outbox_.on_open(now);
  keep_alive_.on_open(now);
  streams_reviewed_at_ = now;
  data_seen_ = false;
  last_close_.reset();
  succession_.on_open(now, settings_.max_age.count() > 0 ? settings_.max_age : profile_.max_age);
  report_status(true);
  subscribe(table_.accepted(), now);
  // Once a venue, not once a connection.
  if (context_.markets != nullptr && settings_.connection % kPlaces == 0) {
    outbox_.add(context_.normalizer.adapter().watch_markets(context_.clock.now()));
  }
}

void Session::on_closed(const CloseInfo& info) {
  // First of all nothing of this connection may be believed any longer.
  if (!stopping_ && info.was_open) {
    context_.normalizer.invalidate(settings_.connection, FeedState::kDown, info.code, *this);
  }
  const SteadyTime now = steady_now();
  const Timestamp wall = context_.clock.now();
  phase_ = Phase::kWaiting;
  link_.reset();
  outbox_.on_closed();
  last_close_ = info.code;
  table_.on_closed();
  seeder_.on_closed();
  if (context_.fallback != nullptr && !leaving_) {
    for (const auto& [subscription, stream] : table_.streams()) {
      context_.fallback->on_socket_lost(subscription.channel, subscription.instrument, now);
    }
  }
  if (info.was_open) context_.metrics.disconnected(info.code);
  if (stopping_) return;

  if (info.was_open) report_status(false);
  if (info.code) {
    spdlog::warn("{} connection {}: {} ({})", to_string(settings_.venue), settings_.connection,
                 info.detail, to_string(*info.code));
    emit(FeedError{settings_.venue, {}, {*info.code, info.detail}, wall, {}});
  }
  context_.budget.refused_connect(wall, info.http_status, info.retry_after);
  next_attempt_ = now + backoff_.next();
}

void Session::succeed(Session& old) {
  table_.succeed(old.table_);
  succession_.succeed(old.succession_);
  reconnects_ = old.reconnects_ + 1;
  old.leaving_ = true;
}

bool Session::covers(const Session& old) const {
  return table_.covers(old.table_, context_.normalizer, settings_.connection);
}

void Session::retire(Session& successor) {
  context_.normalizer.invalidate(settings_.connection, FeedState::kDown, std::nullopt, *this);
  const SteadyTime now = steady_now();
  for (const auto& [subscription, stream] : table_.streams()) {
    const SubscriptionTable::Stream* const heir = successor.table_.find(subscription);
    if (heir != nullptr && !stream.is_book() && !heir->answered && context_.fallback != nullptr) {
      context_.fallback->on_socket_lost(subscription.channel, subscription.instrument, now);
    }
  }
  successor.seeder_.succeed(seeder_, now);
  report_status(false);
  stop();
}

void Session::stop() {
  if (std::exchange(stopping_, true)) return;
  seeder_.stop();
  if (link_ != nullptr) link_->close();
}

void Session::mark_alive(SteadyTime now) {
  keep_alive_.on_received(now);
  if (now - status_reported_at_ >= kStatusEvery) report_status(true);
}

void Session::on_pong() {
  keep_alive_.on_pong();
  mark_alive(steady_now());
}

void Session::on_ping() { mark_alive(steady_now()); }

void Session::check_alive(SteadyTime now) {
  const KeepAlive::Check check = keep_alive_.check(now);
  if (check.pong_missed) context_.metrics.pong_missed();
  if (check.dead) return link_->fail(ErrorCode::kTimeout, *check.dead);
  const Timestamp wall = context_.clock.now();
  if (!check.ping || !outbox_.take_ping(wall)) return;
  bool sent = false;
  if (profile_.ping == VenueProfile::Ping::kText) {
    std::string text = context_.normalizer.adapter().ping(wall);
    record_sent(text, wall);
    sent = link_->send(std::move(text));
  } else {
    sent = link_->ping();
  }
  if (sent) keep_alive_.on_pinged(now);
}

void Session::send_queued(SteadyTime now) {
  while (up()) {
    const Timestamp wall = context_.clock.now();
    const std::string* const text = outbox_.next(now, wall);
    if (text == nullptr) return;
    record_sent(*text, wall);
    if (!link_->send(*text)) return;
    outbox_.sent(now);
  }
}

void Session::record_sent(std::string_view text, Timestamp wall) {
  const Frame frame{Origin::kWs, text, "request", {}, wall, settings_.connection};
  context_.sink.on_raw(settings_.venue, frame, true);
}

// --- what comes in
// ---------------------------------------------------------------------------------------

void Session::on_frame(std::string_view payload, bool) {
  if (stopping_) return;
  const SteadyTime now = steady_now();
  meter_.begin(now);
  reading_rest_ = false;
  const Frame frame{Origin::kWs, payload, {}, {}, context_.clock.now(), settings_.connection};
  context_.sink.on_raw(settings_.venue, frame, false);
  context_.normalizer.feed(frame, *this);
  meter_.end(payload.size());
  mark_alive(now);
  seeder_.fetch_wanted(now);
}

void Session::count_data() {
  if (std::exchange(data_seen_, true)) return;
  // Only data proves that the venue serves us again.
  backoff_.reset();
}

void Session::read_snapshot(const Frame& frame, SteadyTime now) {
  meter_.begin(now);
  reading_rest_ = true;
  rest_.read(frame, *this);
  reading_rest_ = false;
}

void Session::on_ticker(const Ticker& ticker) {
  meter_.ticker(ticker);
  count_data();
  // Else it was still under way when it was unsubscribed.
  if (!table_.on_ticker(ticker, meter_.begun_at())) return;
  context_.metrics.ticker(ticker.instrument);
  if (context_.fallback != nullptr) context_.fallback->on_socket_ticker(ticker, meter_.begun_at());
  emit(ticker);
}

void Session::on_order_book(const std::string& name, const OrderBook& book) {
  const SteadyTime now = steady_now();
  const auto change = table_.on_book(name, book, now);
  if (!change) return;  // still under way when it was unsubscribed
  if (*change != SubscriptionTable::BookChange::kUnsynced) {
    if (*change == SubscriptionTable::BookChange::kResynced) context_.metrics.resync();
    seeder_.on_synced(name);
    count_data();
    meter_.book(book, now);
  }
  if (context_.fallback != nullptr && !context_.fallback->on_socket_book(book, now)) return;
  emit(book);
}

void Session::on_error(const FeedError& error) {
  const SteadyTime now = steady_now();
  meter_.error(error.error.code);
  spdlog::debug("{} {}: {} ({})", to_string(settings_.venue), error.symbol, error.error.detail,
                to_string(error.error.code));
  if (error.error.code == ErrorCode::kUnknownSymbol && !error.symbol.empty()) {
    const auto instrument = context_.normalizer.adapter().instrument(error.symbol);
    if (instrument && table_.on_unknown(*instrument, now)) {
      spdlog::warn("{} does not know {}", to_string(settings_.venue), error.symbol);
    }
  } else if (!reading_rest_ && (error.error.code == ErrorCode::kRateLimited ||
                                error.error.code == ErrorCode::kBanned)) {
    outbox_.hold(now);
  }
  emit(error);
}

void Session::on_control(const ControlMessage& control) {
  if (control.kind == ControlMessage::Kind::kPong) {
    keep_alive_.on_pong();
  } else if (control.kind == ControlMessage::Kind::kReconnect && up() && !leaving_) {
    spdlog::info("{} announces that it will close connection {}", to_string(settings_.venue),
                 settings_.connection);
    succession_.on_announced(steady_now());
  }
}

void Session::on_market(const MarketInfo& market) {
  if (context_.markets != nullptr) context_.markets->update(market);
}

void Session::on_need(const std::string& name, const Instrument&, MaintainedBook::Need need) {
  const SubscriptionTable::Stream* const stream = table_.find_book(name);
  if (stream == nullptr || !stream->subscribed) return;
  const SteadyTime now = steady_now();
  if (need == MaintainedBook::Need::kSnapshot) {
    seeder_.want(name, now);
  } else if (need == MaintainedBook::Need::kResubscribe) {
    table_.resubscribe_book(name, now);
  }
}

// --- streams that need help
// ------------------------------------------------------------------------------

void Session::review_streams(SteadyTime now) {
  SubscriptionTable::Outgoing outgoing;
  outgoing.sent_at = outbox_.sent_at();
  outgoing.spare = outbox_.leaves(context_.clock.now(), 2, kSpareForFaults);
  const SubscriptionTable::Review review =
      table_.review(now, outgoing, context_.normalizer,
                    [this](const std::string& stream) { return seeder_.awaited(stream); });
  for (const std::string& stream : review.seed) seeder_.want(stream, now);
  for (const auto& [channel, instrument, depth] : review.unanswered) {
    spdlog::info("{} {}: no {}, asking again", to_string(settings_.venue), instrument.name(),
                 to_string(channel));
  }
  if (review.nothing_answers) {
    link_->fail(ErrorCode::kTimeout, "pings are answered, but no stream is");
    return;
  }
  if (review.stranded && !leaving_ && succession_.rescue(now)) {
    spdlog::warn("{} connection {}: order books do not come back, opening another connection",
                 to_string(settings_.venue), settings_.connection);
  }
  for (const auto& [channel, instrument, depth] : review.silent) {
    context_.metrics.stalled();
    spdlog::info("{} {}: the {} stream fell silent, asking again", to_string(settings_.venue),
                 instrument.name(), to_string(channel));
  }
  if (!review.subscribe.empty()) subscribe(review.subscribe, now);
  if (!review.resubscribe.empty()) resubscribe(review.resubscribe, now);
}

// --- what is reported
// ----------------------------------------------------------------------------------------

void Session::report_status(bool alive) {
  status_reported_at_ = steady_now();
  emit(ConnectionStatus{settings_.venue, settings_.connection, alive, context_.clock.now(),
                        alive ? std::nullopt : last_close_});
}

void Session::emit(MarketEvent event) {
  if (stopping_) return;
  notify(context_.sink, std::move(event));
}

void Session::count_duplicates() {
  for (auto fresh = table_.take_duplicates(context_.normalizer); fresh > 0; --fresh) {
    context_.metrics.duplicate();
  }
}

void Session::append_status(Timestamp now, std::vector<FeedStatus>& out) const {
  table_.append_status(now, {up(), last_close_, reconnects_}, context_.normalizer, out);
}

}  // namespace spreadwatch::ingest
