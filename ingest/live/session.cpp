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
constexpr milliseconds kWatchEvery{200};
constexpr int kMaxSnapshotsInFlight = 4;  // leaves others' requests a place in the queue
constexpr int kUnfitSnapshots = 8;        // in a row, after which the stream is asked for anew
constexpr milliseconds kFirstCooling{1'000};
constexpr milliseconds kLongestCooling{60'000};
constexpr milliseconds kLongestWatch{600'000};
constexpr milliseconds kLongestRejection{3'600'000};
constexpr milliseconds kStable{60'000};  // synced for so long: earlier failures no longer count
constexpr milliseconds kInTransit{
    5'000};  // what was sent before a resubscription may still come in
constexpr milliseconds kRateLimitHold{5'000};
constexpr int kUnanswered = 2;           // requests in a row, after which a connection is hollow
constexpr double kSpareForFaults = 0.5;  // of the message budget
constexpr milliseconds kRenewSpread{1'000};
// Between two connections opened for the sake of streams that the one before has stranded.
constexpr milliseconds kFirstRescue{60'000};
constexpr milliseconds kLongestRescue{3'600'000};

SteadyTime steady_now() { return std::chrono::steady_clock::now(); }

milliseconds doubled(milliseconds first, int times, milliseconds cap) {
  return std::min(cap, first * (1 << std::clamp(times, 0, 20)));
}

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
      messages_(profile_.messages),
      self_(std::make_shared<Session*>(this)) {}

Session::~Session() = default;

// --- what is subscribed
// ----------------------------------------------------------------------------------

void Session::add(std::span<const Subscription> subscriptions) {
  const SteadyTime now = steady_now();
  Streams fresh;
  for (const Subscription& s : subscriptions) {
    const auto [it, inserted] = streams_.try_emplace(s);
    if (!inserted) continue;
    Stream& stream = it->second;
    stream.subscription = s;
    if (s.channel == Channel::kOrderBook) {
      stream.name = context_.normalizer.adapter().book_stream(s.instrument, s.depth);
      books_[stream.name] = &stream;
    } else {
      tickers_[s.instrument] = &stream;
    }
    fresh.push_back(&stream);
  }
  if (!fresh.empty() && up()) subscribe(fresh, now);
}

void Session::remove(std::span<const Subscription> subscriptions, std::optional<ErrorCode> reason) {
  std::vector<Subscription> asked;
  for (const Subscription& s : subscriptions) {
    const auto it = streams_.find(s);
    if (it == streams_.end()) continue;
    if (s.channel == Channel::kOrderBook) {
      context_.normalizer.invalidate_stream(it->second.name, FeedState::kDown, reason, *this);
      context_.normalizer.forget(it->second.name);
      books_.erase(it->second.name);
    } else {
      tickers_.erase(s.instrument);
    }
    if (it->second.asked) asked.push_back(s);
    streams_.erase(it);
  }
  if (asked.empty() || !up()) return;
  if (profile_.subscribe_replaces) return resubscribe({}, steady_now());
  const VenueAdapter& adapter = context_.normalizer.adapter();
  queue(adapter.unsubscribe(asked, context_.clock.now()));
}

bool Session::fault_book(const Instrument& instrument, const std::string& detail) {
  for (const auto& [name, stream] : books_) {
    if (stream->subscription.instrument != instrument) continue;
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
  return false;
}

void Session::mark_subscribed(Stream& stream, SteadyTime now) {
  stream.asked = true;
  stream.asked_at = now;
  stream.data = false;
  stream.resubscribe_at.reset();
  stream.rejected_until.reset();
}

void Session::subscribe(const Streams& streams, SteadyTime now) {
  std::vector<Subscription> list;
  for (Stream* stream : streams) mark_subscribed(*stream, now);
  if (profile_.subscribe_replaces) {
    // A later list replaces all earlier ones: every list is the whole list.
    for (auto& [subscription, stream] : streams_) {
      if (stream.rejected_until) continue;
      if (!stream.asked) mark_subscribed(stream, now);
      list.push_back(subscription);
    }
  } else {
    for (const Stream* stream : streams) list.push_back(stream->subscription);
  }
  if (list.empty()) return;
  queue(context_.normalizer.adapter().subscribe(list, context_.clock.now()));
  send_queued(now);
}

void Session::resubscribe(const Streams& streams, SteadyTime now) {
  if (!profile_.subscribe_replaces) {
    std::vector<Subscription> list;
    for (const Stream* stream : streams) list.push_back(stream->subscription);
    for (std::string& text :
         context_.normalizer.adapter().unsubscribe(list, context_.clock.now())) {
      if (outbox_.size() < kMaxOutbox) outbox_.push_back(std::move(text));
    }
  }
  subscribe(streams, now);
}

Session::Stream* Session::book_stream(const std::string& name) {
  const auto it = books_.find(name);
  return it == books_.end() ? nullptr : it->second;
}

// --- the connection
// --------------------------------------------------------------------------------------

void Session::tick(SteadyTime now) {
  if (stopping_) return;
  if (phase_ == Phase::kWaiting) {
    if (!leaving_ && now >= next_attempt_ && !streams_.empty()) connect(now);
    return;
  }
  if (phase_ != Phase::kOpen) return;
  keep_alive(now);
  if (!up()) return;  // it was found dead
  if (leaving_ && successor_up_) return;
  if (now - streams_watched_at_ >= kWatchEvery) {
    streams_watched_at_ = now;
    watch_streams(now);
  }
  fetch_snapshots(now);
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
  if (generation_ > 0) ++reconnects_;
  ++generation_;
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
  streams_watched_at_ = now;
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
  Streams all;
  for (auto& [subscription, stream] : streams_) {
    if (!stream.rejected_until) all.push_back(&stream);
  }
  subscribe(all, now);
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
  for (auto& [subscription, stream] : streams_) {
    stream.asked = stream.data = stream.synced = false;
    if (context_.fallback != nullptr && !leaving_) {
      context_.fallback->on_socket_lost(subscription.channel, subscription.instrument, now);
    }
    stream.resubscribe_at.reset();
    stream.snapshot_at.reset();
    stream.snapshot_in_flight = false;
    stream.snapshot_failures = 0;
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
  std::vector<Subscription> subscriptions;
  for (const auto& [subscription, stream] : old.streams_) subscriptions.push_back(subscription);
  add(subscriptions);
  for (auto& [subscription, stream] : streams_) {
    const Stream& known = old.streams_.at(subscription);
    stream.cadence = known.cadence;
    stream.rejections = known.rejections;
    stream.rejected_until = known.rejected_until;
    stream.duplicates = known.duplicates;
  }
  rescues_ = old.rescues_;
  next_rescue_ = old.next_rescue_;
  reconnects_ = old.reconnects_ + 1;
  old.leaving_ = true;
}

bool Session::covers(const Session& old) const {
  return std::ranges::all_of(old.streams_, [this, &old](const auto& entry) {
    const auto& [subscription, stream] = entry;
    if (!old.delivers(stream) || old.unanswered(stream)) return true;
    const auto mine = streams_.find(subscription);
    if (mine == streams_.end()) return true;
    if (stream.name.empty()) return mine->second.data;
    const MaintainedBook* const book = context_.normalizer.find(stream.name);
    return book == nullptr || book->book().connection == settings_.connection;
  });
}

void Session::retire(Session& successor) {
  context_.normalizer.invalidate(settings_.connection, FeedState::kDown, std::nullopt, *this);
  const SteadyTime now = steady_now();
  for (auto& [subscription, stream] : streams_) {
    const auto heir = successor.streams_.find(subscription);
    if (heir == successor.streams_.end()) continue;
    // A snapshot under way would come to nobody.
    if (stream.snapshot_in_flight || stream.snapshot_at) heir->second.snapshot_at = now;
    if (stream.name.empty() && !heir->second.data && context_.fallback != nullptr) {
      context_.fallback->on_socket_lost(subscription.channel, subscription.instrument, now);
    }
  }
  report_status(false);
  stop();
}

void Session::stop() {
  if (std::exchange(stopping_, true)) return;
  if (link_ != nullptr) link_->close();
}

void Session::mark_alive(SteadyTime now) {
  alive_at_ = now;
  if (now - status_told_at_ >= kStatusEvery) report_status(true);
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
  if (std::exchange(snapshot_wanted_, false)) fetch_snapshots(frame_at_);
}

void Session::count_data() {
  if (std::exchange(data_seen_, true)) return;
  // Only data proves that the venue serves us again.
  backoff_.reset();
}

void Session::count_message(Stream& stream, SteadyTime now) {
  // The pause before the first answer to a request is no pause of the stream.
  if (delivers(stream) && stream.data_at > stream.asked_at) {
    stream.cadence.add(std::chrono::duration_cast<milliseconds>(now - stream.data_at));
  }
  if (now - stream.asked_at >= kInTransit) stream.refreshes = 0;
  stream.data_at = now;
}

void Session::on_ticker(const Ticker& ticker) {
  frame_has_ticker_ = true;
  context_.metrics.decode_latency(steady_now() - frame_at_);
  if (ticker.exchange_time && ticker.receive_time && ticker.origin == Origin::kWs) {
    context_.metrics.exchange_delay(*ticker.receive_time - *ticker.exchange_time);
  }
  count_data();
  const auto it = tickers_.find(ticker.instrument);
  if (it == tickers_.end()) return;  // still under way when it was unsubscribed
  context_.metrics.ticker(ticker.instrument);
  Stream& stream = *it->second;
  count_message(stream, frame_at_);
  stream.data = true;
  stream.failures = 0;
  stream.received = ticker.receive_time;
  stream.exchange_time = ticker.exchange_time;
  stream.origin = ticker.origin;
  stream.rejections = 0;
  if (context_.fallback != nullptr) context_.fallback->on_socket_ticker(ticker, frame_at_);
  emit(ticker);
}

void Session::on_order_book(const std::string& name, const OrderBook& book) {
  Stream* const stream = book_stream(name);
  if (stream == nullptr) return;  // still under way when it was unsubscribed
  if (book.synced()) {
    frame_has_book_ = true;
    const SteadyTime now = steady_now();
    if (!stream->synced) {
      stream->synced_at = now;
      if (stream->was_synced) context_.metrics.resync();
    } else if (now - stream->synced_at >= kStable) {
      stream->failures = 0;
    }
    count_message(*stream, now);
    stream->data = stream->synced = stream->was_synced = true;
    stream->received = book.receive_time;
    stream->exchange_time = book.exchange_time;
    stream->origin = book.origin;
    stream->rejections = 0;
    stream->snapshot_failures = 0;
    stream->snapshot_at.reset();
    count_data();
    context_.metrics.book_latency(now - frame_at_);
    if (book.receive_time) {
      context_.metrics.book_updated(*book.receive_time);
      if (book.exchange_time && book.origin == Origin::kWs) {
        context_.metrics.exchange_delay(*book.receive_time - *book.exchange_time);
        if (book.excess_delay) context_.metrics.excess_delay(*book.excess_delay);
      }
    }
  } else {
    stream->synced = false;
  }
  if (context_.fallback != nullptr && !context_.fallback->on_socket_book(book, steady_now()))
    return;
  emit(book);
}

void Session::on_error(const FeedError& error) {
  const SteadyTime now = steady_now();
  count(context_.metrics, error.error.code);
  spdlog::debug("{} {}: {} ({})", to_string(settings_.venue), error.symbol, error.error.detail,
                to_string(error.error.code));
  if (error.error.code == ErrorCode::kUnknownSymbol && !error.symbol.empty()) {
    reject(error.symbol, now);
  } else if (!reading_rest_ && (error.error.code == ErrorCode::kRateLimited ||
                                error.error.code == ErrorCode::kBanned)) {
    hold_until_ = now + kRateLimitHold;
  }
  emit(error);
}

void Session::reject(const std::string& symbol, SteadyTime now) {
  const std::optional<Instrument> instrument = context_.normalizer.adapter().instrument(symbol);
  bool known = false;
  for (auto& [subscription, stream] : streams_) {
    if (!stream.asked || stream.data || subscription.instrument != instrument) continue;
    known = true;
    set_aside(stream, now);
  }
  if (!known) return;
  spdlog::warn("{} does not know {}", to_string(settings_.venue), symbol);
  // Some venues refuse a whole request for one unknown symbol: what was asked with it and does not
  // come is asked for again.
  for (auto& [subscription, stream] : streams_) {
    if (stream.asked && !stream.data && !stream.resubscribe_at &&
        now - stream.asked_at < kInTransit) {
      stream.resubscribe_at = now + kFirstCooling;
    }
  }
}

void Session::set_aside(Stream& stream, SteadyTime now) const {
  stream.asked = false;
  stream.rejected_until =
      now + doubled(settings_.first_rejection, stream.rejections++, kLongestRejection);
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
  Stream* const stream = book_stream(name);
  if (stream == nullptr || !stream->asked) return;
  const SteadyTime now = steady_now();
  if (need == MaintainedBook::Need::kSnapshot) {
    want_snapshot(*stream, now);
  } else if (need == MaintainedBook::Need::kResubscribe) {
    if (stream->resubscribe_at) return;
    stream->resubscribe_at = now;
    if (stream->failures > 0) {
      stream->resubscribe_at = now + doubled(kFirstCooling, stream->failures - 1, kLongestCooling);
    }
    // Between asking again and the snapshot the old stream may still deliver. A snapshot that comes
    // in time mends that; one that could not be used is as good as none.
    if (!stream->data) {
      stream->resubscribe_at = std::max(*stream->resubscribe_at, stream->asked_at + kInTransit);
    }
  }
}

// --- order books that need help
// --------------------------------------------------------------------------

void Session::watch_streams(SteadyTime now) {
  Streams again;
  Streams anew;
  Streams quiet;
  bool stranded = false;
  for (auto& [subscription, stream] : streams_) {
    if (stream.rejected_until) {
      if (now >= *stream.rejected_until) anew.push_back(&stream);
      continue;
    }
    if (!stream.asked) continue;
    if (profile_.book_needs_rest && !stream.name.empty()) {
      // The state of the book decides, not what once was asked for: a market that says nothing for
      // an hour does not say again that its book is broken.
      const MaintainedBook* const book = context_.normalizer.find(stream.name);
      if (book != nullptr && book->wants_snapshot()) want_snapshot(stream, now);
    }
    if (stream.resubscribe_at) {
      if (now < *stream.resubscribe_at) continue;
      if (delivers(stream)) {
        stream.resubscribe_at.reset();
      } else {
        ++stream.failures;
        again.push_back(&stream);
      }
      continue;
    }
    if (!delivers(stream) || unanswered(stream)) {
      if (!outbox_.empty() || stream.snapshot_in_flight || stream.snapshot_at) continue;
      milliseconds limit = doubled(settings_.first_data, stream.failures, kLongestWatch);
      if (delivers(stream)) limit = std::min(limit, patience(stream));
      if (now - std::max(stream.asked_at, outbox_empty_at_) < limit) continue;
      ++stream.failures;
      stranded = stranded || (stream.was_synced && stream.failures >= kUnanswered);
      spdlog::info("{} {}: no {}, asking again", to_string(settings_.venue),
                   subscription.instrument.name(), to_string(subscription.channel));
      again.push_back(&stream);
    } else if (now - std::max(stream.data_at, stream.asked_at) >= patience(stream)) {
      // Whoever is seeded over REST need not answer: then only such a long silence tells.
      stranded = stranded || (profile_.book_needs_rest && stream.was_synced && !stream.data &&
                              stream.cadence.known() && stream.refreshes >= kUnanswered);
      quiet.push_back(&stream);
    }
  }
  if (!again.empty() && nothing_answers()) {
    link_->fail(ErrorCode::kTimeout, "pings are answered, but no stream is");
    return;
  }
  if (stranded) seek_rescue(now);
  // Stalled or only quiet looks the same from here; asking again tells which. It must not use up
  // the messages that mending a broken book takes.
  if (!quiet.empty() && messages_.leaves(context_.clock.now(), 2, kSpareForFaults)) {
    for (Stream* stream : quiet) {
      ++stream->refreshes;
      context_.metrics.stalled();
      spdlog::info("{} {}: the {} stream fell silent, asking again", to_string(settings_.venue),
                   stream->subscription.instrument.name(), to_string(stream->subscription.channel));
      again.push_back(stream);
    }
  }
  if (!anew.empty()) subscribe(anew, now);
  if (!again.empty()) resubscribe(again, now);
}

bool Session::delivers(const Stream& stream) {
  return stream.name.empty() ? stream.data : stream.synced;
}

bool Session::unanswered(const Stream& stream) const {
  return !stream.name.empty() && !profile_.book_needs_rest && !stream.data;
}

void Session::seek_rescue(SteadyTime now) {
  if (leaving_ || wants_successor(now) || now < next_rescue_) return;
  spdlog::warn("{} connection {}: order books do not come back, opening another connection",
               to_string(settings_.venue), settings_.connection);
  if (now - next_rescue_ > kLongestRescue) rescues_ = 0;
  next_rescue_ = now + doubled(kFirstRescue, rescues_++, kLongestRescue);
  renew_at_ = now;
}

milliseconds Session::patience(const Stream& stream) const {
  // What is older than `quiet` is no longer believed; a ticker that waits for a trade is no harm.
  milliseconds limit = stream.cadence.patience(settings_.least_patience, settings_.quiet);
  if (stream.name.empty()) {
    limit = stream.cadence.known() ? std::max(settings_.quiet, stream.cadence.unusual())
                                   : kLongestWatch;
  }
  return doubled(std::min(limit, kLongestWatch), stream.refreshes, kLongestWatch);
}

bool Session::nothing_answers() const {
  return std::ranges::all_of(streams_, [this](const auto& entry) {
    const Stream& stream = entry.second;
    const bool mute = !delivers(stream) || unanswered(stream);
    return !stream.asked || (mute && stream.failures >= kUnanswered);
  });
}

void Session::want_snapshot(Stream& stream, SteadyTime now) {
  if (stream.snapshot_in_flight || stream.snapshot_at) return;
  stream.snapshot_at = now;
  if (stream.snapshot_failures > 0) {
    *stream.snapshot_at += snapshot_pause(stream.snapshot_failures);
  } else {
    snapshot_wanted_ = true;
  }
}

milliseconds Session::snapshot_pause(int failures) {
  // At least half of it: each costs weight, and what made the last one fail needs time to pass.
  const milliseconds longest =
      doubled(settings_.first_snapshot_retry, failures - 1, settings_.longest_snapshot_retry);
  std::uniform_int_distribution<milliseconds::rep> wait(longest.count() / 2, longest.count());
  return milliseconds{wait(random_)};
}

void Session::fetch_snapshots(SteadyTime now) {
  if (!up()) return;
  Streams due;
  for (auto& [name, stream] : books_) {
    if (stream->snapshot_at && now >= *stream->snapshot_at && !stream->snapshot_in_flight) {
      due.push_back(stream);
    }
  }
  if (due.empty()) return;
  // Whoever has waited longest goes first, so that one whose requests fail holds up nobody.
  std::ranges::sort(due, {}, [](const Stream* stream) { return *stream->snapshot_at; });
  RestOutage& outage = context_.budget.outage();
  for (Stream* stream : due) {
    if (snapshots_in_flight_ >= kMaxSnapshotsInFlight || !outage.may_ask(now)) return;
    // As if every book needed one: a shallow book now goes before a deep one in a minute, and all
    // of them may be lost once more within it.
    const int weight =
        context_.budget.rest_left(context_.clock.now()) / static_cast<int>(books_.size());
    const RestCall call = context_.normalizer.adapter().seed_call(
        stream->subscription.instrument, stream->subscription.depth, weight);
    const std::optional<microseconds> wait =
        rest_.get({.call = call, .timeout = settings_.rest_timeout, .order_book = true}, now,
                  [self = std::weak_ptr(self_), name = stream->name, generation = generation_](
                      const RestCall& asked, const RestResult& result) {
                    if (const auto session = self.lock()) {
                      (*session)->on_snapshot(name, generation, asked, result);
                    }
                  });
    if (wait) {
      stream->snapshot_at = now + *wait;
      return;
    }
    ++snapshots_in_flight_;
    stream->snapshot_at.reset();
    stream->snapshot_in_flight = true;
  }
}

void Session::on_snapshot(const std::string& name, std::uint64_t generation, const RestCall& call,
                          const RestResult& result) {
  --snapshots_in_flight_;
  if (stopping_) return;
  const SteadyTime now = steady_now();
  Stream* const stream = book_stream(name);
  // The deltas that waited for this snapshot are gone with their connection.
  if (stream != nullptr && generation == generation_ && up()) {
    stream->snapshot_in_flight = false;
    ++stream->snapshot_failures;  // until the book is synced
    if (result) {
      read_snapshot(*stream, call, *result, now);
    } else {
      snapshot_failed(*stream, call, result.error(), now);
    }
  }
  fetch_snapshots(now);
}

void Session::read_snapshot(Stream& stream, const RestCall& call, const RestAnswer& answer,
                            SteadyTime now) {
  frame_at_ = now;
  const Frame frame = rest_.record(call, answer, Channel::kOrderBook, settings_.connection);
  reading_rest_ = true;
  rest_.read(frame, *this);
  reading_rest_ = false;
  if (stream.synced) return;
  // The pause holds from here, whatever the book has said meanwhile.
  stream.snapshot_at = now + snapshot_pause(stream.snapshot_failures);
  if (stream.snapshot_failures % kUnfitSnapshots == 0 && !stream.resubscribe_at) {
    // Perhaps it is the stream that is not what it should be.
    stream.resubscribe_at = now + doubled(kFirstCooling, stream.failures, kLongestCooling);
  }
}

void Session::snapshot_failed(Stream& stream, const RestCall& call, const RestFailure& failure,
                              SteadyTime now) {
  Error error = error_of(failure, call, context_.normalizer.adapter());
  const bool unknown = error.code == ErrorCode::kUnknownSymbol;
  if (unknown) count(context_.metrics, error.code);
  emit(FeedError{settings_.venue, call.symbol, std::move(error), context_.clock.now(), {}});
  if (unknown) {
    stream.snapshot_failures = 0;
    stream.snapshot_at.reset();
    return set_aside(stream, now);
  }
  // For as long as it takes: no state of the stream makes REST answer, and once it does the book
  // is to be there.
  stream.snapshot_at = now + snapshot_pause(stream.snapshot_failures);
}

// --- what is told
// ----------------------------------------------------------------------------------------

void Session::report_status(bool alive) {
  status_told_at_ = steady_now();
  emit(ConnectionStatus{settings_.venue, settings_.connection, alive, context_.clock.now(),
                        alive ? std::nullopt : last_close_});
}

void Session::emit(MarketEvent event) {
  if (stopping_) return;
  notify(context_.sink, std::move(event));
}

void Session::count_duplicates() {
  for (const auto& [name, stream] : books_) {
    const MaintainedBook* const book = context_.normalizer.find(name);
    if (book == nullptr) continue;
    for (; stream->duplicates < book->duplicates(); ++stream->duplicates) {
      context_.metrics.duplicate();
    }
  }
}

void Session::append_status(Timestamp now, std::vector<FeedStatus>& out) const {
  for (const auto& [subscription, stream] : streams_) {
    FeedStatus status;
    status.venue = settings_.venue;
    status.symbol = subscription.instrument.name();
    status.channel = subscription.channel;
    status.origin = stream.origin;
    status.exchange_ts = stream.exchange_time;
    status.reconnects = reconnects_;
    status.updated = stream.received;
    status.state = stream.data ? FeedState::kSynced : FeedState::kSyncing;
    if (!stream.name.empty()) {
      const MaintainedBook* const book = context_.normalizer.find(stream.name);
      status.state = FeedState::kSyncing;
      if (book != nullptr) {
        status.state = book->book().state;
        status.reason = book->book().reason;
        if (book->book().synced()) status.updated = book->book().receive_time;
        status.gaps = book->gaps();
        status.checksum_mismatches = book->checksum_mismatches();
        status.resyncs = book->resyncs();
      }
    }
    if (status.state == FeedState::kSynced && !stream.name.empty() && status.updated &&
        now - *status.updated > settings_.quiet) {
      status.state = FeedState::kStale;
      status.reason = ErrorCode::kTimeout;
    }
    if (stream.rejected_until) {
      status.state = FeedState::kFaulted;
      status.reason = ErrorCode::kUnknownSymbol;
    }
    if (!up()) {
      status.state = FeedState::kDown;
      status.reason = last_close_;
    }
    out.push_back(std::move(status));
  }
}

}  // namespace spreadwatch::ingest
