#include "ingest/live/market_list.h"

#include <spdlog/spdlog.h>

#include <algorithm>
#include <utility>

namespace spreadwatch::ingest {
namespace {

constexpr milliseconds kTimeout{15'000};
constexpr milliseconds kEvery{300'000};
constexpr milliseconds kAgainAfter{10'000};
constexpr std::size_t kMaxListed = 100'000;
// Where everything is watched that a venue lists, nothing is before the list has come.
constexpr Backoff::Limits kBackoff{milliseconds{2'000}, milliseconds{20'000}, milliseconds{500}};

}  // namespace

MarketList::MarketList(VenueContext context, Settings settings,
                       std::function<void(const MarketStatus&)> on_status)
    : context_(context),
      settings_(std::move(settings)),
      rest_(context_, settings_.venue, settings_.rest_url),
      on_status_(std::move(on_status)),
      backoff_(kBackoff, settings_.seed) {}

const MarketStatus* MarketList::find(const Instrument& instrument) const {
  const auto found = listed_.find(instrument);
  return found == listed_.end() ? nullptr : &found->second;
}

void MarketList::tick(SteadyTime now) {
  if (!stopping_ && due_ && now >= *due_) request(now);
}

void MarketList::refresh_soon() {
  if (known_ && due_ && !failed_) due_ = std::min(*due_, listed_at_ + kAgainAfter);
}

void MarketList::request(SteadyTime now) {
  due_.reset();
  const auto not_sent = rest_.get(
      {.call = context_.normalizer.adapter().markets_call(), .timeout = kTimeout}, now,
      [this](const RestCall& call, const RestResult& result) { on_answer(call, result); });
  if (not_sent) due_ = now + not_sent->wait;
}

void MarketList::on_answer(const RestCall& call, const RestResult& result) {
  const SteadyTime now = steady_now();
  due_ = now + kEvery;  // whatever comes of this answer
  if (!result) {
    const Error& error = result.error().error;
    emit({settings_.venue, {}, error, context_.clock.now(), {}});
    return failed(error.detail, now);
  }
  const Frame frame = rest_.record(call, *result, std::nullopt);
  listing_.clear();
  rest_.read(frame, *this);
  if (listing_.empty()) return failed("no market in the answer", now);
  backoff_.reset();
  failed_ = false;
  due_ = now + kEvery + milliseconds{static_cast<int>(settings_.seed % 10'000)};
  apply(now);
}

void MarketList::failed(const std::string& why, SteadyTime now) {
  spdlog::warn("{}: no market list: {}", to_string(settings_.venue), why);
  failed_ = true;
  due_ = now + backoff_.next();
}

void MarketList::on_error(const FeedError& error) { emit(error); }

void MarketList::apply(SteadyTime now) {
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
  if (!stopping_) notify(context_.sink, error);
}

}  // namespace spreadwatch::ingest
