#include "ingest/live/market_list.h"

#include <spdlog/spdlog.h>

#include <algorithm>
#include <utility>

namespace spreadwatch::ingest {
namespace {

constexpr milliseconds kTimeout{15'000};
constexpr std::size_t kMaxBytes = VenueAdapter::kMaxFrameBytes;
constexpr milliseconds kEvery{300'000};
constexpr milliseconds kAgainAfter{10'000};
constexpr std::size_t kMaxListed = 100'000;
// Where everything is watched that a venue lists, nothing is before the list has come.
constexpr Backoff::Limits kBackoff{milliseconds{2'000}, milliseconds{20'000}, milliseconds{500}};

}  // namespace

MarketList::MarketList(SessionContext context, Settings settings,
                       std::function<void(const MarketStatus&)> on_status)
    : context_(context),
      settings_(std::move(settings)),
      on_status_(std::move(on_status)),
      backoff_(kBackoff, settings_.seed) {}

const MarketStatus* MarketList::find(const Instrument& instrument) const {
  const auto found = listed_.find(instrument);
  return found == listed_.end() ? nullptr : &found->second;
}

void MarketList::tick(SteadyTime now) {
  if (!stopping_ && due_ && now >= *due_) ask(now);
}

void MarketList::doubt() {
  if (known_ && due_ && !failed_) due_ = std::min(*due_, listed_at_ + kAgainAfter);
}

void MarketList::ask(SteadyTime now) {
  due_.reset();
  const RestCall call = context_.normalizer.adapter().markets_call();
  const microseconds wait = context_.budget.take_rest(context_.clock.now(), call.weight);
  if (wait.count() > 0) {
    due_ = now + std::min<microseconds>(wait, seconds{1});
    return;
  }
  RestRequest request;
  request.url = settings_.rest_url + call.path;
  request.timeout = kTimeout;
  request.max_bytes = kMaxBytes;
  context_.rest.get(std::move(request),
                    [this, call](RestResult result) { on_answer(call, std::move(result)); });
}

void MarketList::on_answer(const RestCall& call, RestResult result) {
  const Timestamp wall = context_.clock.now();
  const SteadyTime now = std::chrono::steady_clock::now();
  due_ = now + kEvery;  // whatever comes of this answer
  settle(context_, result, wall);
  if (!result) {
    const Error& error = result.error().error;
    emit({settings_.venue, {}, error, wall, {}});
    return failed(error.detail, now);
  }
  context_.metrics.frame(std::nullopt, result->body.size());
  const Frame frame{Origin::kRest, result->body, call.channel, call.symbol, wall, 0};
  context_.sink.on_raw(settings_.venue, frame, false);
  listing_.clear();
  context_.normalizer.feed(frame, *this);
  if (listing_.empty()) return failed("no market in the answer", now);
  backoff_.reset();
  failed_ = false;
  due_ = now + kEvery + milliseconds{static_cast<int>(settings_.seed % 10'000)};
  learn(now);
}

void MarketList::failed(const std::string& why, SteadyTime now) {
  spdlog::warn("{}: no market list: {}", to_string(settings_.venue), why);
  failed_ = true;
  due_ = now + backoff_.next();
}

void MarketList::on_error(const FeedError& error) {
  settle_body(context_, error.error.code, context_.clock.now());
  emit(error);
}

void MarketList::learn(SteadyTime now) {
  listed_at_ = now;
  std::set<Instrument> active;
  const auto before = std::exchange(listed_, {});
  for (const MarketInfo& market : listing_) {
    if (market.active) active.insert(market.instrument);
    const MarketStatus status = market.status(settings_.venue);
    listed_.insert_or_assign(market.instrument, status);
    on_status_(status);
  }
  listing_.clear();
  for (const auto& [instrument, last] : before) {
    if (listed_.contains(instrument) || !last.active) continue;
    MarketStatus gone = last;
    gone.active = false;
    listed_.insert_or_assign(instrument, gone);
    on_status_(gone);
  }
  if (!known_ || active != active_) {
    active_ = std::move(active);
    known_ = true;
    ++version_;
  }
  if (version_ == 1) {
    spdlog::info("{}: {} active markets", to_string(settings_.venue), active_.size());
  }
}

void MarketList::update(const MarketInfo& market) {
  // Before the first answer it would be taken for all there is.
  if (stopping_ || !known_) return;
  if (listed_.size() >= kMaxListed && !listed_.contains(market.instrument)) {
    context_.metrics.decode_error(ErrorCode::kVenueError);
    return;
  }
  const MarketStatus status = market.status(settings_.venue);
  listed_.insert_or_assign(market.instrument, status);
  const bool changed = market.active ? active_.insert(market.instrument).second
                                     : active_.erase(market.instrument) > 0;
  if (changed) ++version_;
  on_status_(status);
}

void MarketList::emit(const FeedError& error) {
  if (!stopping_) tell(context_.sink, error);
}

}  // namespace spreadwatch::ingest
