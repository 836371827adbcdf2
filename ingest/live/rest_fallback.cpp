#include "ingest/live/rest_fallback.h"

#include <spdlog/spdlog.h>

#include <algorithm>
#include <cassert>
#include <string>
#include <utility>

#include "ingest/decode/venues/registry.h"

namespace spreadwatch::ingest {
namespace {

constexpr double kSpareForOthers = 0.25;  // of the REST budget
constexpr int kPolledDepth = 100;  // levels a side: deep enough to walk, cheap enough to repeat

/// A whole call fails for one unknown instrument in it; not for want of a key, in time, or by law.
bool may_be_one_of_several(const RestFailure& failure) {
  return failure.status >= 400 && failure.status < 500 && failure.status != 401 &&
         failure.status != 408 && failure.status != 451 &&
         failure.error.code == ErrorCode::kHttpStatus;
}

/// An error of a whole answer that one instrument in the call can be the cause of.
bool names_one(ErrorCode code) { return code == ErrorCode::kUnknownSymbol; }

constexpr std::size_t kMaxUnnamed = 4;  // errors of one answer that name no instrument

void count_polled(metrics::VenueMetrics& metrics, ErrorCode code) { metrics.decode_error(code); }

}  // namespace

Error error_of(const RestFailure& failure, const RestCall& call, VenueAdapter& adapter) {
  if (call.symbol.empty() || failure.body.empty() || !may_be_one_of_several(failure)) {
    return failure.error;
  }
  Decoded decoded;
  adapter.decode({Origin::kRest, failure.body, call.channel, call.symbol, {}, 0}, decoded);
  for (const DecodeError& error : decoded.errors) {
    if (error.error.code == ErrorCode::kUnknownSymbol) {
      return {ErrorCode::kUnknownSymbol, failure.error.detail};
    }
  }
  return failure.error;
}

RestFallback::RestFallback(VenueContext context, Settings settings)
    : context_(context),
      settings_(std::move(settings)),
      rest_(context_, settings_.venue, settings_.rest_url) {}

void RestFallback::watch(const Instrument& instrument, SteadyTime now) {
  const TickerState::Limits limits{std::max(settings_.after, settings_.quiet), settings_.liveness};
  const auto [it, inserted] = watched_.try_emplace(instrument, limits);
  if (!inserted) return;
  it->second.book.since = it->second.ticker.since = now;
}

void RestFallback::forget(const Instrument& instrument, std::optional<ErrorCode> reason) {
  const auto it = watched_.find(instrument);
  if (it == watched_.end()) return;
  Track& book = it->second.book;
  if (book.active) {
    if (book.shown.polled) retract(instrument, reason);
    context_.normalizer.forget(stream_of(instrument));
  }
  watched_.erase(it);
  set_gauge();
}

RestFallback::Track* RestFallback::find(Channel channel, const Instrument& instrument) {
  const auto it = watched_.find(instrument);
  if (it == watched_.end()) return nullptr;
  return channel == Channel::kOrderBook ? &it->second.book : &it->second.ticker;
}

bool RestFallback::active(Channel channel, const Instrument& instrument) const {
  const auto it = watched_.find(instrument);
  if (it == watched_.end()) return false;
  return (channel == Channel::kOrderBook ? it->second.book : it->second.ticker).active;
}

std::string RestFallback::stream_of(const Instrument& instrument) const {
  return rest_stream(context_.normalizer.adapter().venue_symbol(instrument));
}

// --- what the socket does
// --------------------------------------------------------------------------------

void RestFallback::mark_received(Track& track, SteadyTime now) {
  if (track.live) {
    track.cadence.add(std::chrono::duration_cast<milliseconds>(now - track.since));
  }
  track.live = true;
  track.since = now;
  // The venue knows it.
  track.refusals = 0;
  track.at_most = 0;
}

bool RestFallback::on_socket_book(const OrderBook& book, SteadyTime now) {
  Track* const track = find(Channel::kOrderBook, book.instrument);
  if (track == nullptr) return true;
  if (!book.synced()) {
    if (std::exchange(track->live, false)) track->since = now;
    return track->shown.on_socket(book);
  }
  mark_received(*track, now);
  if (track->active) {
    end_book(book.instrument, *track);
    set_gauge();
  }
  return track->shown.on_socket(book);
}

void RestFallback::on_socket_ticker(const Ticker& ticker, SteadyTime now) {
  const auto it = watched_.find(ticker.instrument);
  if (it == watched_.end()) return;
  it->second.ticker_state.on_socket(now);
  Track& track = it->second.ticker;
  mark_received(track, now);
  if (!std::exchange(track.active, false)) return;
  set_gauge();
}

void RestFallback::on_socket_lost(Channel channel, const Instrument& instrument, SteadyTime now) {
  const auto it = watched_.find(instrument);
  if (it == watched_.end()) return;
  if (channel == Channel::kTicker) it->second.ticker_state.on_socket_lost();
  Track& track = channel == Channel::kOrderBook ? it->second.book : it->second.ticker;
  if (std::exchange(track.live, false)) track.since = now;
}

bool RestFallback::due(const Track& track, SteadyTime now) const {
  milliseconds limit = settings_.after;
  if (track.live) {
    limit = track.cadence.patience(settings_.after, std::max(settings_.after, settings_.quiet));
  }
  return now - track.since >= limit;
}

void RestFallback::begin(Track& track, SteadyTime now) {
  track.active = true;
  ++track.episode;
  track.in_flight = false;
  track.shown.polled.reset();
  track.next_at = track.refusals > 0 ? std::max(track.next_at, now) : now;
  track.failures = 0;
  track.failure.reset();
  track.reason.reset();
  track.received.reset();
  track.exchange_time.reset();
}

void RestFallback::end_book(const Instrument& instrument, Track& track) {
  track.active = false;
  context_.normalizer.forget(stream_of(instrument));
  spdlog::info("{} {}: the order book comes over the socket again", to_string(settings_.venue),
               instrument.name());
}

void RestFallback::retract(const Instrument& instrument, std::optional<ErrorCode> reason) {
  context_.normalizer.invalidate_stream(stream_of(instrument), FeedState::kDown, reason, *this);
}

void RestFallback::set_gauge() {
  context_.metrics.set_rest_fallback(static_cast<std::size_t>(std::count_if(
      watched_.begin(), watched_.end(),
      [](const auto& entry) { return entry.second.book.active || entry.second.ticker.active; })));
}

// --- polling
// ---------------------------------------------------------------------------------------------

void RestFallback::tick(SteadyTime now) {
  if (stopping_) return;
  bool changed = false;
  for (auto& [instrument, watched] : watched_) {
    if (!watched.book.active && due(watched.book, now)) {
      spdlog::warn("{} {}: no order book over the socket, polling", to_string(settings_.venue),
                   instrument.name());
      begin(watched.book, now);
      changed = true;
    }
    if (!watched.ticker.active && due(watched.ticker, now)) {
      begin(watched.ticker, now);
      notify(context_.sink, FeedNote{FeedNote::Kind::kTickerPolled, settings_.venue, instrument,
                                     false, FeedState::kDown, std::nullopt, context_.clock.now()});
      tickers_at_ = std::max(tickers_at_, now);
      changed = true;
    }
    Track& book = watched.book;
    if (book.active && book.shown.polled_synced() && now - book.shown_at >= settings_.liveness) {
      retract(instrument, book.failure.value_or(ErrorCode::kTimeout));
    }
  }
  if (changed) set_gauge();
  // Where the budget is for one of them only, the one that waits longer goes first.
  const bool tickers_first = tickers_wait_longer(now);
  if (tickers_first) poll_tickers(now);
  poll_books(now);
  if (!tickers_first) poll_tickers(now);
}

bool RestFallback::tickers_wait_longer(SteadyTime now) const {
  const SteadyTime since = ticker_groups_.empty() ? tickers_at_ : tickers_due_;
  if (since > now) return false;
  return std::all_of(watched_.begin(), watched_.end(), [&](const auto& entry) {
    const Track& book = entry.second.book;
    return !book.active || book.in_flight || book.next_at > since;
  });
}

bool RestFallback::request(const RestCall& call, bool order_book, SteadyTime now,
                           VenueRest::Callback callback) {
  const auto not_sent = rest_.get({.call = call,
                                   .timeout = settings_.timeout,
                                   .reserve = kSpareForOthers,
                                   .order_book = order_book},
                                  now, std::move(callback));
  if (!not_sent) {
    ++in_flight_;
  } else if (not_sent->reason == VenueRest::NotSent::Reason::kBudget) {
    // An outage of order books holds up no ticker.
    hold_until_ = now + not_sent->wait;
  }
  return !not_sent;
}

void RestFallback::poll_books(SteadyTime now) {
  const VenueAdapter& adapter = context_.normalizer.adapter();
  const std::size_t most = std::max<std::size_t>(1, adapter.profile().books_per_call);
  while (in_flight_ < kMaxInFlight && now >= hold_until_) {
    // The one that waits longest, and with it what is due too.
    std::vector<std::pair<const Instrument*, Track*>> ready;
    for (auto& [instrument, watched] : watched_) {
      Track& track = watched.book;
      if (track.active && !track.in_flight && now >= track.next_at) {
        ready.emplace_back(&instrument, &track);
      }
    }
    if (ready.empty()) return;
    std::stable_sort(ready.begin(), ready.end(), [](const auto& a, const auto& b) {
      return a.second->next_at < b.second->next_at;
    });
    std::vector<Instrument> instruments;
    std::vector<Request> requested;
    const std::size_t at_most = ready.front().second->at_most;
    const std::size_t room = at_most == 0 ? most : std::min(at_most, most);
    for (const auto& [instrument, track] : ready) {
      if (track->at_most != at_most) continue;
      instruments.push_back(*instrument);
      requested.push_back({*instrument, track->episode});
      if (requested.size() == room) break;
    }
    RestCall call = adapter.polled_call(instruments, std::min(settings_.depth, kPolledDepth));
    call.channel = kPolledChannel;
    const bool sent = request(
        call, true, now, [this, requested](const RestCall& sent_call, const RestResult& result) {
          on_books(requested, sent_call, result);
        });
    if (!sent) return;
    for (const Instrument& instrument : instruments) {
      Track& track = watched_.at(instrument).book;
      track.in_flight = true;
      track.next_at = now + settings_.poll;
    }
  }
}

void RestFallback::poll_tickers(SteadyTime now) {
  if (ticker_groups_.empty() && tickers_in_flight_ == 0 && now >= tickers_at_) begin_round(now);
  while (!ticker_groups_.empty() && in_flight_ < kMaxInFlight && now >= hold_until_) {
    std::vector<Instrument>& group = ticker_groups_.front();
    std::erase_if(group, [this](const Instrument& i) { return !active(Channel::kTicker, i); });
    if (!group.empty()) {
      const std::vector<RestCall> calls = context_.normalizer.adapter().ticker_calls(group);
      assert(calls.size() == 1);
      const bool sent = request(calls.front(), false, now,
                                [this, group](const RestCall& call, const RestResult& result) {
                                  on_tickers(group, call, result);
                                });
      if (!sent) return;
      ++tickers_in_flight_;
    }
    ticker_groups_.pop_front();
  }
}

void RestFallback::begin_round(SteadyTime now) {
  const std::size_t per_call = context_.normalizer.adapter().profile().tickers_per_call;
  std::vector<Instrument> together;
  ticker_round_.clear();
  for (const auto& [instrument, watched] : watched_) {
    const Track& track = watched.ticker;
    if (!track.active || now < track.next_at) continue;
    ticker_round_.insert(instrument);
    if (track.refusals > 0 && per_call > 0) {
      ticker_groups_.push_back({instrument});
    } else {
      together.push_back(instrument);
    }
  }
  if (ticker_round_.empty()) return;
  const std::size_t size = per_call > 0 ? per_call : std::max<std::size_t>(1, together.size());
  for (const auto group : chunks(std::span<const Instrument>{together}, size)) {
    ticker_groups_.emplace_back(group.begin(), group.end());
  }
  tickers_due_ = tickers_at_;
  tickers_at_ = now + settings_.poll;
  ticker_refusals_ = 0;
}

void RestFallback::report_failure(const RestCall& call, const RestFailure& failure) {
  Error error = error_of(failure, call, context_.normalizer.adapter());
  if (error.code == ErrorCode::kUnknownSymbol) count_polled(context_.metrics, error.code);
  emit(FeedError{settings_.venue, call.symbol, std::move(error), context_.clock.now(), {}});
}

void RestFallback::report_missing(const std::string& symbol, const Error& error) {
  count_polled(context_.metrics, error.code);
  emit(FeedError{settings_.venue, symbol, error, context_.clock.now(), {}});
}

void RestFallback::read(const RestCall& call, const RestAnswer& answer, const Wanted& wanted) {
  const Frame frame = rest_.record(
      call, answer, call.channel == kPolledChannel ? Channel::kOrderBook : Channel::kTicker);
  answer_error_.reset();
  unnamed_.clear();
  foreign_.reset();
  judged_ = {wanted.begin(), wanted.end()};
  for (const auto& [instrument, track] : wanted) {
    track->answered = false;
    track->error.reset();
  }
  rest_.read(frame, *this);
  judged_.clear();
  // A payload that fails as a whole may name whatever it got to; what else there is wrong with
  // others' rows is nothing to us.
  const bool any =
      std::ranges::any_of(wanted, [](const auto& entry) { return entry.second->answered; });
  if (!any && !answer_error_ && foreign_) {
    answer_error_ = foreign_->error.code;
    unnamed_.push_back(std::move(*foreign_));
  }
  foreign_.reset();
}

void RestFallback::report_unnamed() {
  for (FeedError& error : unnamed_) emit(std::move(error));
  unnamed_.clear();
}

bool RestFallback::may_split(std::size_t requested, int& refusals) {
  return ++refusals < kMaxRefusals && requested > 1;
}

void RestFallback::failed(Track& track, ErrorCode code, SteadyTime now) const {
  track.failure = code;
  const milliseconds pause = settings_.poll * (1 << std::min(track.failures, 10));
  ++track.failures;
  track.next_at = now + std::min(pause, std::max(kLongestPause, settings_.poll));
}

void RestFallback::back_off_unknown(Track& track, SteadyTime now) const {
  track.failure = ErrorCode::kUnknownSymbol;
  track.at_most = 1;
  track.next_at = now + std::min(kLongestRefusal,
                                 settings_.first_refusal * (1 << std::min(track.refusals, 10)));
  ++track.refusals;
}

void RestFallback::report_ticker_states(const Wanted& wanted) {
  for (const auto& [instrument, track] : wanted) {
    if (track->failure) watched_.at(instrument).ticker_state.on_poll_failed(*track->failure);
  }
}

void RestFallback::on_books(const std::vector<Request>& requested, const RestCall& call,
                            const RestResult& result) {
  if (stopping_) return;
  const SteadyTime now = steady_now();
  --in_flight_;
  Wanted wanted;
  for (const Request& one : requested) {
    Track* const track = find(Channel::kOrderBook, one.instrument);
    if (track == nullptr || !track->active || track->episode != one.episode) continue;
    track->in_flight = false;
    wanted.emplace_back(one.instrument, track);
  }
  if (!result) {
    const RestFailure& failure = result.error();
    const bool refused = may_be_one_of_several(failure);
    if (refused && may_split(requested.size(), book_refusals_)) {
      return split_books(requested.size(), wanted, now);
    }
    report_failure(call, failure);
    const ErrorCode code = error_of(failure, call, context_.normalizer.adapter()).code;
    for (const auto& [instrument, track] : wanted) {
      if (code == ErrorCode::kUnknownSymbol) {
        back_off_unknown(*track, now);
      } else {
        // Where all are refused it is none of them: they start from one call again.
        if (refused && requested.size() > 1) track->at_most = 0;
        failed(*track, code, now);
      }
    }
    if (requested.size() > 1) book_refusals_ = 0;
    return;
  }
  // An answer that is too late for one is not read at all, so that whoever reads the capture sees
  // nothing that was not shown; the others are requested again at once.
  if (wanted.size() < requested.size()) {
    context_.metrics.late_rest_answer();
    rest_.discard(call, *result);
    for (const auto& [instrument, track] : wanted) track->next_at = now;
    return;
  }
  read(call, *result, wanted);
  Wanted unclear;
  for (const auto& [instrument, track] : wanted) {
    if (track->answered) {
      book_refusals_ = 0;
      track->failures = track->refusals = 0;
      track->failure.reset();
      track->at_most = 0;
    } else if (track->error == ErrorCode::kUnknownSymbol) {
      back_off_unknown(*track, now);
    } else if (track->error) {
      failed(*track, *track->error, now);
    } else if (answer_error_) {
      unclear.emplace_back(instrument, track);
    } else if (context_.normalizer.find(stream_of(instrument)) != nullptr) {
      context_.metrics.duplicate();  // older than what is known
    } else {
      report_missing(context_.normalizer.adapter().venue_symbol(instrument),
                     {ErrorCode::kSnapshotMissing, "no order book in the answer"});
      failed(*track, ErrorCode::kSnapshotMissing, now);
    }
  }
  if (unclear.empty()) return;
  if (names_one(*answer_error_) && may_split(requested.size(), book_refusals_)) {
    return split_books(requested.size(), unclear, now);
  }
  report_unnamed();
  for (const auto& [instrument, track] : unclear) {
    if (*answer_error_ == ErrorCode::kUnknownSymbol && requested.size() == 1) {
      back_off_unknown(*track, now);
    } else {
      failed(*track, *answer_error_, now);
    }
  }
}

void RestFallback::split_books(std::size_t requested, const Wanted& wanted, SteadyTime now) {
  for (const auto& [instrument, track] : wanted) {
    track->at_most = (requested + 1) / 2;
    track->next_at = now;
  }
}

void RestFallback::on_tickers(const std::vector<Instrument>& requested, const RestCall& call,
                              const RestResult& result) {
  if (stopping_) return;
  const SteadyTime now = steady_now();
  --tickers_in_flight_;
  --in_flight_;
  Wanted wanted;
  for (const Instrument& instrument : requested) {
    Track* const track = find(Channel::kTicker, instrument);
    if (track != nullptr && track->active) wanted.emplace_back(instrument, track);
  }
  if (!result) {
    const RestFailure& failure = result.error();
    if (may_be_one_of_several(failure) && may_split_tickers(requested)) {
      return split_tickers(requested);
    }
    report_failure(call, failure);
    const ErrorCode code = error_of(failure, call, context_.normalizer.adapter()).code;
    for (const auto& [instrument, track] : wanted) {
      if (code == ErrorCode::kUnknownSymbol) {
        back_off_unknown(*track, now);
      } else {
        failed(*track, code, now);
      }
    }
    return report_ticker_states(wanted);
  }
  if (wanted.empty()) {
    context_.metrics.late_rest_answer();
    return rest_.discard(call, *result);
  }
  read(call, *result, wanted);
  const auto came =
      std::ranges::count_if(wanted, [](const auto& entry) { return entry.second->answered; });
  if (came > 0) ticker_refusals_ = 0;
  if (came == static_cast<std::ptrdiff_t>(wanted.size())) return;
  const bool unknown = answer_error_ && names_one(*answer_error_);
  if (came == 0 && unknown && may_split_tickers(requested)) return split_tickers(requested);
  report_unnamed();
  bool nothing = false;
  for (const auto& [instrument, track] : wanted) {
    if (track->answered) continue;
    if (track->error && *track->error != ErrorCode::kUnknownSymbol) {
      failed(*track, *track->error, now);
    } else if (track->error || (unknown && (came > 0 || requested.size() == 1))) {
      back_off_unknown(*track, now);
    } else if (answer_error_) {
      failed(*track, *answer_error_, now);
    } else if (came > 0 || track->refusals > 0) {
      report_missing(context_.normalizer.adapter().venue_symbol(instrument),
                     {ErrorCode::kUnknownSymbol, "no ticker in the answer"});
      back_off_unknown(*track, now);
    } else {
      failed(*track, ErrorCode::kSnapshotMissing, now);  // nothing at all says nothing of one
      nothing = true;
    }
  }
  if (nothing) {
    report_missing(call.symbol, {ErrorCode::kSnapshotMissing, "no ticker in the answer"});
  }
  report_ticker_states(wanted);
}

bool RestFallback::may_split_tickers(const std::vector<Instrument>& requested) {
  // Where a call for several names none of them, none of them is what it was refused for.
  const bool named = context_.normalizer.adapter().profile().tickers_per_call > 0;
  return may_split(requested.size(), ticker_refusals_) && named;
}

void RestFallback::split_tickers(const std::vector<Instrument>& requested) {
  const auto middle = requested.begin() + static_cast<std::ptrdiff_t>((requested.size() + 1) / 2);
  ticker_groups_.emplace_front(middle, requested.end());
  ticker_groups_.emplace_front(requested.begin(), middle);
}

// --- what an answer holds
// --------------------------------------------------------------------------------

void RestFallback::on_ticker(const Ticker& ticker) {
  Track* const track = find(Channel::kTicker, ticker.instrument);
  // A call may answer for every market of the venue.
  if (track == nullptr) return;
  if (!track->active) {
    if (ticker_round_.contains(ticker.instrument)) context_.metrics.late_rest_answer();
    return;
  }
  track->answered = true;
  track->failures = track->refusals = 0;
  track->failure.reset();
  track->next_at = {};
  watched_.at(ticker.instrument).ticker_state.on_polled(ticker, steady_now());
  context_.metrics.ticker(ticker.instrument);
  emit(ticker);
}

void RestFallback::on_order_book(const std::string&, const OrderBook& book) {
  Track* const track = find(Channel::kOrderBook, book.instrument);
  if (track == nullptr || !track->active) return;
  const bool passed_on = track->shown.on_polled(book);
  if (book.synced()) {
    track->answered = true;
    if (!passed_on) {
      count_polled(context_.metrics, ErrorCode::kOutOfOrder);
      track->reason = ErrorCode::kOutOfOrder;
      return;
    }
    track->shown_at = steady_now();
    track->received = book.receive_time;
    track->exchange_time = book.exchange_time;
    if (book.receive_time) {
      context_.metrics.book_updated(*book.receive_time);
    }
  }
  if (!passed_on) return;
  track->reason = book.reason;
  emit(book);
}

void RestFallback::on_error(const FeedError& error) {
  const ErrorCode code = error.error.code;
  count_polled(context_.metrics, code);
  if (error.symbol.empty()) {
    answer_error_ = code;
    if (unnamed_.size() < kMaxUnnamed) unnamed_.push_back(error);
    return;
  }
  const auto instrument = context_.normalizer.adapter().instrument(error.symbol);
  const auto judged = instrument ? judged_.find(*instrument) : judged_.end();
  if (judged == judged_.end()) {
    if (!foreign_) foreign_ = error;
    return;
  }
  judged->second->error = code;
  emit(error);
}

void RestFallback::overlay(std::span<FeedStatus> statuses) const {
  const SteadyTime now = steady_now();
  for (FeedStatus& status : statuses) {
    const auto it = watched_.find(instrument_from_name(status.symbol));
    if (it == watched_.end()) continue;
    if (status.channel == Channel::kTicker) {
      it->second.ticker_state.judge(status, now);
      continue;
    }
    const Track& track = it->second.book;
    if (!track.active || !track.shown.polled) continue;
    status.origin = Origin::kRest;
    status.state = *track.shown.polled;
    status.reason = track.reason;
    if (track.received) status.updated = track.received;
    status.exchange_ts = track.exchange_time;
  }
}

void RestFallback::emit(MarketEvent event) {
  if (stopping_) return;
  notify(context_.sink, std::move(event));
}

}  // namespace spreadwatch::ingest
