#include "spread/market_view.h"

#include <algorithm>

namespace spreadwatch::spread {

microseconds ClockOffset::excess(Timestamp exchange, Timestamp receive, microseconds limit) {
  const microseconds delay = receive - exchange;
  if (samples_ == 0) {
    first_ = receive;
    window_start_ = receive;
  }
  if (samples_ < kSamples) ++samples_;
  if (receive - window_start_ >= kWindow) {
    previous_shortest_ = shortest_;
    shortest_.reset();
    window_start_ = receive;
  }
  shortest_ = shortest_ ? std::min(*shortest_, delay) : delay;
  if (samples_ < kSamples || receive - first_ < kLearning) return delay;
  const microseconds offset = previous_shortest_ ? std::min(*shortest_, *previous_shortest_) : *shortest_;
  return delay - std::clamp(offset, -limit, limit);
}

MarketView::MarketView(const config::Settings& settings, const config::AssetRegistry& registry)
    : settings_(settings), registry_(registry) {
  for (const config::VenueSettings& venue : settings.venues) venues_[index_of(venue.id)] = &venue;
}

std::optional<std::size_t> MarketView::find(VenueId venue, const Instrument& instrument) {
  auto& known = index_[index_of(venue)];
  if (const auto found = known.find(instrument); found != known.end()) return found->second;

  const config::VenueSettings* const settings = venues_[index_of(venue)];
  if (settings == nullptr) return std::nullopt;
  Market market{.venue = venue, .instrument = instrument, .asset = {}, .min_notional = {}, .book = {}};
  const std::string_view fx_quote = region_of(venue) == Region::kKorea ? "KRW" : "USD";
  const bool has_fx = region_of(venue) == Region::kKorea || venue == VenueId::kKraken;
  if (has_fx && instrument.base == "USDT" && instrument.quote == fx_quote) {
    market.fx = true;
    market.asset = "USDT";
  } else {
    if (instrument.quote != settings->quote) return std::nullopt;
    const auto asset = registry_.asset_of(venue, instrument.base);
    market.asset = asset ? std::string{*asset} : instrument.base;
    market.proven = asset.has_value();
    const bool wanted = settings_.all_assets ||
                        std::ranges::find(settings_.assets, market.asset) != settings_.assets.end();
    if (!wanted || market.asset == "USDT") return std::nullopt;
  }
  const std::size_t index = markets_.size();
  if (market.fx) fx_[index_of(venue)] = index;
  markets_.push_back(std::move(market));
  freshness_.emplace_back();
  known.emplace(instrument, index);
  return index;
}

Timestamp MarketView::alive_until(VenueId venue, std::uint32_t connection) const {
  const auto& alive = alive_[index_of(venue)];
  const auto found = alive.find(connection);
  if (found == alive.end()) return Timestamp::min();
  if (found->second == Timestamp::min()) return found->second;
  return found->second + venues_[index_of(venue)]->liveness;
}

Timestamp MarketView::fresh_until(const Market& market) const {
  if (!market.updated) return Timestamp::min();
  return std::min(alive_until(market.venue, market.connection),
                  *market.updated + settings_.spread.max_quiet);
}

bool MarketView::judge_freshness(std::size_t index, Timestamp now) {
  Market& market = markets_[index];
  if (market.unusable.contains(Reason::kBookNotSynced)) return false;
  Reasons reasons;
  if (!market.book.two_sided()) reasons.add(Reason::kOneSided);
  if (freshness_[index].late || now >= fresh_until(market)) reasons.add(Reason::kStaleLeg);
  const bool changed = !(reasons == market.unusable);
  market.unusable = reasons;
  return changed;
}

void MarketView::schedule(std::size_t index) {
  if (freshness_[index].scheduled) return;
  freshness_[index].scheduled = true;
  due_.emplace(fresh_until(markets_[index]), index);
}

std::optional<std::size_t> MarketView::update(const OrderBook& book, Timestamp now) {
  const std::optional<std::size_t> index = find(book.venue, book.instrument);
  if (!index) return std::nullopt;
  Market& market = markets_[*index];
  market.connection = book.connection;
  if (!book.synced()) {
    market.book.bids.clear();
    market.book.asks.clear();
    // A feed that went away fell silent; a feed that is wrong is not synced.
    const bool silent = book.state == FeedState::kDown || book.state == FeedState::kStale;
    const bool crossed = book.reason == ErrorCode::kCrossedBook;
    market.unusable = Reasons{Reason::kBookNotSynced};
    if (silent) market.unusable.add(Reason::kStaleLeg);
    if (crossed) market.unusable.add(Reason::kCrossed);
    return index;
  }
  market.book.assign(book);
  market.updated = book.receive_time.value_or(now);
  market.unusable = {};
  Freshness& freshness = freshness_[*index];
  freshness.late = false;
  if (book.exchange_time && book.receive_time) {
    const microseconds limit = settings_.spread.max_delay;
    freshness.late =
        offsets_[index_of(book.venue)].excess(*book.exchange_time, *book.receive_time, limit) > limit;
  }
  judge_freshness(*index, now);
  schedule(*index);
  return index;
}

void MarketView::update(const StreamStatus& status, Timestamp now, std::vector<std::size_t>& changed) {
  if (venues_[index_of(status.venue)] == nullptr) return;
  auto& alive = alive_[index_of(status.venue)];
  const Timestamp before = alive_until(status.venue, status.connection);
  Timestamp& last = alive.try_emplace(status.connection, Timestamp::min()).first->second;
  last = status.alive ? std::max(last, status.time) : Timestamp::min();
  // As long as the connection was alive and stays so, no book of it changes its state.
  if (status.alive && now < before) return;
  for (std::size_t i = 0; i < markets_.size(); ++i) {
    const Market& market = markets_[i];
    if (market.venue != status.venue || market.connection != status.connection) continue;
    if (judge_freshness(i, now)) changed.push_back(i);
    if (market.usable()) schedule(i);
  }
}

std::optional<std::size_t> MarketView::update(const MarketStatus& status) {
  const std::optional<std::size_t> index = find(status.venue, status.instrument);
  if (!index) return std::nullopt;
  markets_[*index].active = status.active;
  markets_[*index].min_notional = status.min_notional;
  return index;
}

void MarketView::expire(Timestamp now, std::vector<std::size_t>& changed) {
  while (!due_.empty() && due_.top().first <= now) {
    const std::size_t index = due_.top().second;
    due_.pop();
    freshness_[index].scheduled = false;
    if (judge_freshness(index, now)) changed.push_back(index);
    if (now < fresh_until(markets_[index])) schedule(index);
  }
}

std::optional<Timestamp> MarketView::next_expiry() const {
  if (due_.empty()) return std::nullopt;
  return due_.top().first;
}

}  // namespace spreadwatch::spread
