#include "ingest/rest_fallback.h"

#include <spdlog/spdlog.h>

#include <algorithm>
#include <string>
#include <utility>

#include "ingest/venues/registry.h"

namespace spreadwatch::ingest {
namespace {

constexpr double kSpareForOthers = 0.25;  // of the REST budget
constexpr milliseconds kLongestPollPause{60'000};
constexpr int kPolledDepth = 100;  // levels a side: deep enough to walk, cheap enough to repeat

/// A whole call fails for one unknown instrument in it.
bool may_be_one_of_several(const RestFailure& failure) {
  return failure.status >= 400 && failure.status < 500 &&
         failure.error.code == ErrorCode::kHttpStatus;
}

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

RestFallback::RestFallback(SessionContext context, Settings settings)
    : context_(context), settings_(std::move(settings)) {}

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
    if (book.which.polled) take_back(instrument, reason);
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

void RestFallback::heard(Track& track, SteadyTime now) {
  if (track.live) {
    track.cadence.add(std::chrono::duration_cast<milliseconds>(now - track.since));
  }
  track.live = true;
  track.since = now;
}

bool RestFallback::on_socket_book(const OrderBook& book, SteadyTime now) {
  Track* const track = find(Channel::kOrderBook, book.instrument);
  if (track == nullptr) return true;
  if (!book.synced()) {
    if (std::exchange(track->live, false)) track->since = now;
    return track->which.on_socket(book);
  }
  heard(*track, now);
  if (track->active) {
    end_book(book.instrument, *track);
    set_gauge();
  }
  return track->which.on_socket(book);
}

void RestFallback::on_socket_ticker(const Ticker& ticker, SteadyTime now) {
  const auto it = watched_.find(ticker.instrument);
  if (it == watched_.end()) return;
  it->second.ticker_state.on_socket(now);
  Track& track = it->second.ticker;
  heard(track, now);
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
  track.in_flight = track.alone = false;
  track.which.polled.reset();
  track.next_at = now;
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

void RestFallback::take_back(const Instrument& instrument, std::optional<ErrorCode> reason) {
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
      tell(context_.sink, FeedNote{FeedNote::Kind::kTickerPolled, settings_.venue, instrument,
                                   false, FeedState::kDown, std::nullopt, context_.clock.now()});
      tickers_at_ = std::max(tickers_at_, now);
      changed = true;
    }
    Track& book = watched.book;
    if (book.active && book.which.polled_synced() && now - book.shown_at >= settings_.liveness) {
      take_back(instrument, book.failure.value_or(ErrorCode::kTimeout));
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
  const SteadyTime since = ticker_calls_.empty() ? tickers_at_ : tickers_due_;
  if (since > now) return false;
  return std::all_of(watched_.begin(), watched_.end(), [&](const auto& entry) {
    const Track& book = entry.second.book;
    return !book.active || book.in_flight || book.next_at > since;
  });
}

bool RestFallback::request(const RestCall& call, SteadyTime now, RestClient::Callback callback) {
  const microseconds wait =
      context_.budget.take_rest(context_.clock.now(), call.weight, kSpareForOthers);
  if (wait.count() > 0) {
    hold_until_ = now + std::min<microseconds>(wait, seconds{1});
    return false;
  }
  RestRequest request;
  request.url = settings_.rest_url + call.path;
  request.timeout = settings_.timeout;
  request.max_bytes = VenueAdapter::kMaxFrameBytes;
  ++in_flight_;
  context_.rest.get(std::move(request), std::move(callback));
  return true;
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
    std::vector<Asked> asked;
    const bool alone = ready.front().second->alone;
    for (const auto& [instrument, track] : ready) {
      if (track->alone != alone) continue;
      instruments.push_back(*instrument);
      asked.push_back({*instrument, track->episode});
      if (alone || asked.size() == most) break;
    }
    RestCall call = adapter.polled_call(instruments, std::min(settings_.depth, kPolledDepth));
    call.channel = kPolledChannel;
    const bool sent = request(call, now, [this, asked, call](const RestResult& result) {
      on_books(asked, call, result);
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
  std::vector<Instrument> instruments;
  for (const auto& [instrument, watched] : watched_) {
    if (watched.ticker.active) instruments.push_back(instrument);
  }
  if (instruments.empty()) return ticker_calls_.clear();
  if (ticker_calls_.empty() && tickers_in_flight_ == 0 && now >= tickers_at_) {
    const std::vector<RestCall> calls = context_.normalizer.adapter().ticker_calls(instruments);
    ticker_calls_.assign(calls.begin(), calls.end());
    ticker_round_ = {instruments.begin(), instruments.end()};
    tickers_due_ = tickers_at_;
    tickers_at_ = now + settings_.poll;
  }
  while (!ticker_calls_.empty() && in_flight_ < kMaxInFlight && now >= hold_until_) {
    const RestCall& call = ticker_calls_.front();
    const bool sent = request(
        call, now, [this, asked = call](const RestResult& result) { on_tickers(asked, result); });
    if (!sent) return;
    ++tickers_in_flight_;
    ticker_calls_.pop_front();
  }
}

void RestFallback::settle(const RestCall& call, const RestResult& result, Timestamp wall) {
  --in_flight_;
  ingest::settle(context_, result, wall);
  if (result) return;
  Error error = error_of(result.error(), call, context_.normalizer.adapter());
  if (error.code == ErrorCode::kUnknownSymbol) count_polled(context_.metrics, error.code);
  emit(FeedError{settings_.venue, call.symbol, std::move(error), wall, {}});
}

void RestFallback::read(const RestCall& call, const RestAnswer& answer, Timestamp wall) {
  const Frame frame{Origin::kRest, answer.body, call.channel, call.symbol, wall, 0};
  context_.sink.on_raw(settings_.venue, frame, false);
  context_.metrics.frame(
      call.channel == kPolledChannel ? metrics::Channel::kOrderBook : metrics::Channel::kTicker,
      answer.body.size());
  answer_error_.reset();
  ticker_call_.reset();
  if (call.channel != kPolledChannel) ticker_call_ = call.symbol;
  context_.normalizer.feed(frame, *this);
}

void RestFallback::failed(Track& track, ErrorCode code, SteadyTime now) const {
  track.failure = code;
  const milliseconds pause = settings_.poll * (1 << std::min(track.failures, 10));
  ++track.failures;
  track.next_at = now + std::min(pause, std::max(kLongestPollPause, settings_.poll));
}

void RestFallback::on_books(const std::vector<Asked>& asked, const RestCall& call,
                            const RestResult& result) {
  if (stopping_) return;
  const Timestamp wall = context_.clock.now();
  const SteadyTime now = std::chrono::steady_clock::now();
  settle(call, result, wall);
  std::vector<std::pair<Instrument, Track*>> wanted;
  for (const Asked& one : asked) {
    Track* const track = find(Channel::kOrderBook, one.instrument);
    if (track == nullptr || !track->active || track->episode != one.episode) continue;
    track->in_flight = false;
    track->touched = false;
    wanted.emplace_back(one.instrument, track);
  }
  if (!result) {
    const bool split = asked.size() > 1 && may_be_one_of_several(result.error());
    for (const auto& [instrument, track] : wanted) {
      if (split && !track->alone) {
        track->alone = true;
        track->next_at = now;
      } else {
        failed(*track, result.error().error.code, now);
      }
    }
    return;
  }
  // An answer that is too late for one is not read at all, so that whoever reads the capture sees
  // nothing that was not shown; the others are asked for again at once.
  if (wanted.size() < asked.size()) {
    context_.metrics.late_rest_answer();
    for (const auto& [instrument, track] : wanted) track->next_at = now;
    return;
  }
  read(call, *result, wall);
  for (const auto& [instrument, track] : wanted) {
    if (track->touched) {
      track->failures = 0;
      track->failure.reset();
      continue;
    }
    if (answer_error_ && asked.size() > 1 && !track->alone) {
      track->alone = true;
      track->next_at = now;
    } else if (answer_error_) {
      failed(*track, *answer_error_, now);
    } else if (context_.normalizer.find(stream_of(instrument)) != nullptr) {
      context_.metrics.duplicate();  // older than what is known
    } else {
      const Error missing{ErrorCode::kSnapshotMissing, "no order book in the answer"};
      count_polled(context_.metrics, missing.code);
      emit(FeedError{settings_.venue,
                     context_.normalizer.adapter().venue_symbol(instrument),
                     missing,
                     wall,
                     {}});
      failed(*track, missing.code, now);
    }
  }
}

void RestFallback::on_tickers(const RestCall& call, const RestResult& result) {
  if (stopping_) return;
  const Timestamp wall = context_.clock.now();
  const SteadyTime now = std::chrono::steady_clock::now();
  --tickers_in_flight_;
  settle(call, result, wall);
  const bool wanted = std::any_of(watched_.begin(), watched_.end(),
                                  [](const auto& entry) { return entry.second.ticker.active; });
  if (result && !wanted) return context_.metrics.late_rest_answer();
  if (result) {
    read(call, *result, wall);
  } else {
    ticker_failed(call.symbol, error_of(result.error(), call, context_.normalizer.adapter()).code);
  }
  if (result && !answer_error_) {
    ticker_failures_ = 0;
    return;
  }
  ticker_calls_.clear();
  const milliseconds pause = settings_.poll * (1 << std::min(ticker_failures_++, 10));
  tickers_at_ = now + std::min(pause, std::max(kLongestPollPause, settings_.poll));
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
  watched_.at(ticker.instrument).ticker_state.on_polled(ticker, std::chrono::steady_clock::now());
  context_.metrics.ticker(ticker.instrument);
  emit(ticker);
}

void RestFallback::on_order_book(const std::string&, const OrderBook& book) {
  Track* const track = find(Channel::kOrderBook, book.instrument);
  if (track == nullptr || !track->active) return;
  const bool passed_on = track->which.on_polled(book);
  if (book.synced()) {
    track->touched = true;
    if (!passed_on) {
      count_polled(context_.metrics, ErrorCode::kOutOfOrder);
      track->reason = ErrorCode::kOutOfOrder;
      return;
    }
    track->shown_at = std::chrono::steady_clock::now();
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
  answer_error_ = code;
  if (ticker_call_) ticker_failed(error.symbol.empty() ? *ticker_call_ : error.symbol, code);
  if (code == ErrorCode::kRateLimited || code == ErrorCode::kBanned) {
    // Some venues say so in the body of a 200.
    context_.budget.refused_rest(context_.clock.now(), code == ErrorCode::kBanned ? 418 : 429,
                                 std::nullopt);
  }
  emit(error);
}

void RestFallback::ticker_failed(const std::string& symbol, ErrorCode code) {
  const auto instrument = context_.normalizer.adapter().instrument(symbol);
  for (auto& [watched_instrument, watched] : watched_) {
    if (!watched.ticker.active) continue;
    if (symbol.empty() || instrument == watched_instrument) {
      watched.ticker_state.on_poll_failed(code);
    }
  }
}

void RestFallback::overlay(std::span<FeedStatus> statuses) const {
  const SteadyTime now = std::chrono::steady_clock::now();
  for (FeedStatus& status : statuses) {
    const auto it = watched_.find(instrument_from_name(status.symbol));
    if (it == watched_.end()) continue;
    if (status.channel == Channel::kTicker) {
      it->second.ticker_state.judge(status, now);
      continue;
    }
    const Track& track = it->second.book;
    if (!track.active || !track.which.polled) continue;
    status.origin = Origin::kRest;
    status.state = *track.which.polled;
    status.reason = track.reason;
    if (track.received) status.updated = track.received;
    status.exchange_ts = track.exchange_time;
  }
}

void RestFallback::emit(MarketEvent event) {
  if (stopping_) return;
  tell(context_.sink, std::move(event));
}

}  // namespace spreadwatch::ingest
