#include "ingest/live/session.h"

#include <spdlog/spdlog.h>

#include <algorithm>
#include <exception>
#include <utility>

#include "ingest/live/market_list.h"
#include "ingest/live/rest_fallback.h"

namespace spreadwatch::ingest {
namespace {

constexpr std::size_t kMaxOutbox = 10'000;
constexpr milliseconds kStatusEvery{250};
constexpr milliseconds kReviewEvery{200};
constexpr milliseconds kRateLimitHold{5'000};
constexpr double kSpareForFaults = 0.5;  // of the message budget
constexpr milliseconds kRenewSpread{1'000};
// Between two connections opened for the sake of streams that the one before has stranded.
constexpr milliseconds kFirstRescue{60'000};
constexpr milliseconds kLongestRescue{3'600'000};

void count(metrics::VenueMetrics& metrics, ErrorCode code) {
  switch (code) {
    case ErrorCode::kSequenceGap:
      metrics.gap();
      break;
    case ErrorCode::kChecksumMismatch:
      metrics.checksum_mismatch();
      break;
    default:
      metrics.decode_error(code);
  }
}

}  // namespace

Session::Session(VenueContext context, SessionSettings settings)
    : context_(context),
      settings_(std::move(settings)),
      rest_(context_, settings_.venue, settings_.rest_url),
      profile_(context_.normalizer.adapter().profile()),
      liveness_(std::min(settings_.liveness, profile_.silence)),
      backoff_(settings_.backoff, settings_.seed),
      random_(settings_.seed + 1),
      table_(rules()),
      seeder_(context_, seeder_settings(), rest_, table_, random_,
              [this](const Frame& frame, SteadyTime now) { read_snapshot(frame, now); }),
      messages_(profile_.messages) {}

Session::~Session() = default;

SubscriptionTable::Rules Session::rules() const {
  SubscriptionTable::Rules r;
  r.venue = settings_.venue;
  r.seeded_over_rest = profile_.book_needs_rest;
  r.subscribe_replaces = profile_.subscribe_replaces;
  r.first_data = settings_.first_data;
  r.quiet = settings_.quiet;
  r.least_patience = settings_.least_patience;
  r.first_rejection = settings_.first_rejection;
  return r;
}

SnapshotSeeder::Settings Session::seeder_settings() const {
  return {settings_.venue, settings_.connection, settings_.rest_timeout,
          settings_.first_snapshot_retry, settings_.longest_snapshot_retry};
}

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
  queue(context_.normalizer.adapter().unsubscribe(subscribed, context_.clock.now()));
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
  queue(context_.normalizer.adapter().subscribe(list, context_.clock.now()));
  send_queued(now);
}

void Session::resubscribe(const Subscriptions& subscriptions, SteadyTime now) {
  if (!profile_.subscribe_replaces) {
    queue(context_.normalizer.adapter().unsubscribe(subscriptions, context_.clock.now()));
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
  keep_alive(now);
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

  messages_ = MessageBudget(profile_.messages);
  outbox_.clear();
  outbox_empty_at_ = now;
  hold_until_ = {};
  alive_at_ = now;
  ping_sent_at_ = now;
  pong_due_.reset();
  streams_reviewed_at_ = now;
  data_seen_ = false;
  last_close_.reset();
  renew_at_.reset();
  const milliseconds max_age = settings_.max_age.count() > 0 ? settings_.max_age : profile_.max_age;
  if (max_age.count() > 0) {
    // Spread, so that connections opened together are not renewed together.
    std::uniform_real_distribution<double> share(0.90, 0.96);
    const auto age = static_cast<double>(max_age.count()) * share(random_);
    renew_at_ = now + milliseconds{static_cast<milliseconds::rep>(age)};
  }
  report_status(true);
  subscribe(table_.accepted(), now);
  // Once a venue, not once a connection.
  if (context_.markets != nullptr && settings_.connection % kPlaces == 0) {
    queue(context_.normalizer.adapter().watch_markets(context_.clock.now()));
  }
}

void Session::queue(std::vector<std::string> texts) {
  for (std::string& text : texts) {
    if (outbox_.size() < kMaxOutbox) outbox_.push_back(std::move(text));
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
  outbox_.clear();
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
  rescues_ = old.rescues_;
  next_rescue_ = old.next_rescue_;
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
  alive_at_ = now;
  if (now - status_reported_at_ >= kStatusEvery) report_status(true);
}

void Session::on_pong() {
  pong_due_.reset();
  mark_alive(steady_now());
}

void Session::on_ping() { mark_alive(steady_now()); }

void Session::keep_alive(SteadyTime now) {
  const auto silent = now - alive_at_;
  if (silent >= liveness_) {
    link_->fail(ErrorCode::kTimeout,
                "nothing received for " + std::to_string(liveness_.count()) + " ms");
    return;
  }
  if (pong_due_ && now >= *pong_due_) {
    pong_due_.reset();
    context_.metrics.pong_missed();
    // Data without a pong is a slow answer; neither is a dead line.
    if (alive_at_ < ping_sent_at_) {
      link_->fail(ErrorCode::kTimeout, "a ping was not answered");
      return;
    }
  }
  const auto since_ping = now - ping_sent_at_;
  const bool due = profile_.ping != VenueProfile::Ping::kNone && since_ping >= profile_.ping_every;
  // A quiet market is not a dead line: a third of the window leaves two tries to tell them apart. A
  // venue that pings by itself has to answer a protocol ping, too.
  const bool probe = silent >= liveness_ / 3 && since_ping >= liveness_ / 3;
  if (!due && !probe) return;
  const Timestamp wall = context_.clock.now();
  if (messages_.take(wall, true).count() > 0) return;
  bool sent = false;
  if (profile_.ping == VenueProfile::Ping::kText) {
    std::string text = context_.normalizer.adapter().ping(wall);
    const Frame frame{Origin::kWs, text, "request", {}, wall, settings_.connection};
    context_.sink.on_raw(settings_.venue, frame, true);
    sent = link_->send(std::move(text));
  } else {
    sent = link_->ping();
  }
  if (!sent) return;
  ping_sent_at_ = now;
  if (!pong_due_) pong_due_ = now + profile_.pong_within;
}

void Session::send_queued(SteadyTime now) {
  if (!up() || now < hold_until_) return;
  while (!outbox_.empty()) {
    const Timestamp wall = context_.clock.now();
    if (messages_.take(wall).count() > 0) return;
    const Frame frame{Origin::kWs, outbox_.front(), "request", {}, wall, settings_.connection};
    context_.sink.on_raw(settings_.venue, frame, true);
    if (!link_->send(outbox_.front())) return;
    outbox_.pop_front();
    outbox_empty_at_ = now;
  }
}

// --- what comes in
// ---------------------------------------------------------------------------------------

void Session::on_frame(std::string_view payload, bool) {
  if (stopping_) return;
  frame_at_ = steady_now();
  reading_rest_ = false;
  frame_has_ticker_ = frame_has_book_ = false;
  const Frame frame{Origin::kWs, payload, {}, {}, context_.clock.now(), settings_.connection};
  context_.sink.on_raw(settings_.venue, frame, false);
  context_.normalizer.feed(frame, *this);
  std::optional<Channel> channel;
  if (frame_has_ticker_) channel = Channel::kTicker;
  if (frame_has_book_) channel = Channel::kOrderBook;
  context_.metrics.frame(channel, payload.size());
  mark_alive(frame_at_);
  seeder_.fetch_wanted(frame_at_);
}

void Session::count_data() {
  if (std::exchange(data_seen_, true)) return;
  // Only data proves that the venue serves us again.
  backoff_.reset();
}

void Session::read_snapshot(const Frame& frame, SteadyTime now) {
  frame_at_ = now;
  reading_rest_ = true;
  rest_.read(frame, *this);
  reading_rest_ = false;
}

void Session::on_ticker(const Ticker& ticker) {
  frame_has_ticker_ = true;
  context_.metrics.decode_latency(steady_now() - frame_at_);
  if (ticker.exchange_time && ticker.receive_time && ticker.origin == Origin::kWs) {
    context_.metrics.exchange_delay(*ticker.receive_time - *ticker.exchange_time);
  }
  count_data();
  if (!table_.on_ticker(ticker, frame_at_)) return;  // still under way when it was unsubscribed
  context_.metrics.ticker(ticker.instrument);
  if (context_.fallback != nullptr) context_.fallback->on_socket_ticker(ticker, frame_at_);
  emit(ticker);
}

void Session::on_order_book(const std::string& name, const OrderBook& book) {
  const SteadyTime now = steady_now();
  const auto change = table_.on_book(name, book, now);
  if (!change) return;  // still under way when it was unsubscribed
  if (*change != SubscriptionTable::BookChange::kUnsynced) {
    frame_has_book_ = true;
    if (*change == SubscriptionTable::BookChange::kResynced) context_.metrics.resync();
    seeder_.on_synced(name);
    count_data();
    context_.metrics.book_latency(now - frame_at_);
    if (book.receive_time) {
      context_.metrics.book_updated(*book.receive_time);
      if (book.exchange_time && book.origin == Origin::kWs) {
        context_.metrics.exchange_delay(*book.receive_time - *book.exchange_time);
        if (book.excess_delay) context_.metrics.excess_delay(*book.excess_delay);
      }
    }
  }
  if (context_.fallback != nullptr && !context_.fallback->on_socket_book(book, now)) return;
  emit(book);
}

void Session::on_error(const FeedError& error) {
  const SteadyTime now = steady_now();
  count(context_.metrics, error.error.code);
  spdlog::debug("{} {}: {} ({})", to_string(settings_.venue), error.symbol, error.error.detail,
                to_string(error.error.code));
  if (error.error.code == ErrorCode::kUnknownSymbol && !error.symbol.empty()) {
    on_unknown(error.symbol, now);
  } else if (!reading_rest_ && (error.error.code == ErrorCode::kRateLimited ||
                                error.error.code == ErrorCode::kBanned)) {
    hold_until_ = now + kRateLimitHold;
  }
  emit(error);
}

void Session::on_unknown(const std::string& symbol, SteadyTime now) {
  const std::optional<Instrument> instrument = context_.normalizer.adapter().instrument(symbol);
  if (instrument && table_.on_unknown(*instrument, now)) {
    spdlog::warn("{} does not know {}", to_string(settings_.venue), symbol);
  }
}

void Session::on_control(const ControlMessage& control) {
  if (control.kind == ControlMessage::Kind::kPong) {
    pong_due_.reset();
  } else if (control.kind == ControlMessage::Kind::kReconnect && up() && !leaving_) {
    spdlog::info("{} announces that it will close connection {}", to_string(settings_.venue),
                 settings_.connection);
    std::uniform_int_distribution<milliseconds::rep> wait(0, kRenewSpread.count());
    renew_at_ = steady_now() + milliseconds{wait(random_)};
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
  if (outbox_.empty()) outgoing.sent_at = outbox_empty_at_;
  outgoing.spare = messages_.leaves(context_.clock.now(), 2, kSpareForFaults);
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
  if (review.stranded) seek_rescue(now);
  for (const auto& [channel, instrument, depth] : review.silent) {
    context_.metrics.stalled();
    spdlog::info("{} {}: the {} stream fell silent, asking again", to_string(settings_.venue),
                 instrument.name(), to_string(channel));
  }
  if (!review.subscribe.empty()) subscribe(review.subscribe, now);
  if (!review.resubscribe.empty()) resubscribe(review.resubscribe, now);
}

void Session::seek_rescue(SteadyTime now) {
  if (leaving_ || wants_successor(now) || now < next_rescue_) return;
  spdlog::warn("{} connection {}: order books do not come back, opening another connection",
               to_string(settings_.venue), settings_.connection);
  if (now - next_rescue_ > kLongestRescue) rescues_ = 0;
  next_rescue_ = now + doubled(kFirstRescue, rescues_++, kLongestRescue);
  renew_at_ = now;
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
