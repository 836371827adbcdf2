#include "spread/market_view.h"

#include <algorithm>
#include <cassert>
#include <functional>
#include <tuple>
#include <utility>

namespace spreadwatch::spread {
namespace {

MarketFreshness::Limits limits_of(const config::Settings& settings) {
  MarketFreshness::Limits limits{.max_quiet = settings.spread.max_quiet,
                                 .max_delay = settings.spread.max_delay};
  for (const config::VenueSettings& venue : settings.venues) {
    limits.liveness[index_of(venue.id)] = venue.liveness;
  }
  return limits;
}

}  // namespace

MarketView::MarketView(const config::Settings& settings, const config::AssetRegistry& registry)
    : settings_(settings),
      registry_(registry),
      assets_(settings.assets.begin(), settings.assets.end()),
      freshness_(limits_of(settings)) {
  for (const config::VenueSettings& venue : settings.venues) venues_[index_of(venue.id)] = &venue;
}

MarketView::Named MarketView::name_of(VenueId venue, const Instrument& instrument) const {
  const auto asset = registry_.asset_of(venue, instrument.base);
  return {asset ? std::string{*asset} : instrument.base, asset.has_value()};
}

bool MarketView::asset_watched(std::string_view asset) const {
  return settings_.all_assets ? !unwatched_.contains(asset) : assets_.contains(asset);
}

bool MarketView::wanted(VenueId venue, const Instrument& instrument,
                        const std::string& asset) const {
  if (const auto of_asset = exceptions_.find(asset); of_asset != exceptions_.end()) {
    if (const auto found = of_asset->second.find({venue, instrument});
        found != of_asset->second.end()) {
      return found->second;
    }
  }
  return asset_watched(asset);
}

void MarketView::set_exception(VenueId venue, const Instrument& instrument, bool watched) {
  const std::string asset = name_of(venue, instrument).asset;
  if (watched != asset_watched(asset)) {
    exceptions_[asset][{venue, instrument}] = watched;
  } else if (const auto found = exceptions_.find(asset); found != exceptions_.end()) {
    found->second.erase({venue, instrument});
    if (found->second.empty()) exceptions_.erase(found);
  }
}

void MarketView::watch(std::string_view asset) {
  assets_.emplace(asset);
  unwatched_.erase(std::string{asset});
  exceptions_.erase(std::string{asset});
}

void MarketView::watch(VenueId venue, const Instrument& instrument) {
  set_exception(venue, instrument, true);
}

std::vector<std::size_t> MarketView::unwatch(std::string_view asset) {
  assets_.erase(std::string{asset});
  if (settings_.all_assets) unwatched_.emplace(asset);
  exceptions_.erase(std::string{asset});
  std::vector<std::size_t> gone;
  for (const auto& known : index_) {
    for (const auto& [instrument, index] : known) {
      if (!markets_[index]->fx && markets_[index]->asset == asset) gone.push_back(index);
    }
  }
  // The order in which a hash map holds them must not show.
  std::ranges::sort(gone, [this](std::size_t a, std::size_t b) {
    const Market& x = *markets_[a];
    const Market& y = *markets_[b];
    return std::tie(x.venue, x.instrument.base, x.instrument.quote) <
           std::tie(y.venue, y.instrument.base, y.instrument.quote);
  });
  return gone;
}

std::optional<std::size_t> MarketView::unwatch(VenueId venue, const Instrument& instrument) {
  const auto& known = index_[index_of(venue)];
  const auto found = known.find(instrument);
  if (found != known.end() && markets_[found->second]->fx) return std::nullopt;
  set_exception(venue, instrument, false);
  if (found == known.end()) return std::nullopt;
  return found->second;
}

void MarketView::remove(std::size_t index) {
  const Market& market = *markets_[index];
  assert(!market.fx);
  index_[index_of(market.venue)].erase(market.instrument);
  *markets_[index] = {};
  // Its entry must not stand for the next market in this place, which may be due earlier.
  std::erase_if(due_, [index](const Due& due) { return due.second == index; });
  std::ranges::make_heap(due_, std::greater<>{});
  scheduled_[index] = false;
  free_.push_back(index);
}

std::optional<std::size_t> MarketView::find(VenueId venue, const Instrument& instrument) {
  auto& known = index_[index_of(venue)];
  if (const auto found = known.find(instrument); found != known.end()) return found->second;

  const config::VenueSettings* const settings = venues_[index_of(venue)];
  if (settings == nullptr) return std::nullopt;
  Market market;
  market.venue = venue;
  market.instrument = instrument;
  if (instrument.base == "USDT") {
    const std::string_view fx_quote = identity(venue).fx_quote;
    if (fx_quote.empty() || instrument.quote != fx_quote) return std::nullopt;
    market.fx = true;
    market.asset = "USDT";
  } else {
    if (instrument.quote != settings->quote) return std::nullopt;
    Named named = name_of(venue, instrument);
    market.asset = std::move(named.asset);
    market.proven = named.proven;
    if (!wanted(venue, instrument, market.asset)) return std::nullopt;
    // An unproven ticker that is spelled like an asset the venue lists under another ticker would
    // stand in that asset's place; it is certainly another coin.
    if (!market.proven && registry_.ticker_of(venue, market.asset)) return std::nullopt;
  }
  std::size_t index = markets_.size();
  if (free_.empty()) {
    markets_.push_back(std::make_unique<Market>());
    scheduled_.push_back(false);
  } else {
    index = free_.back();
    free_.pop_back();
  }
  *markets_[index] = std::move(market);
  known.emplace(instrument, index);
  return index;
}

void MarketView::schedule(std::size_t index) {
  if (scheduled_[index]) return;
  scheduled_[index] = true;
  due_.emplace_back(fresh_until(index), index);
  std::ranges::push_heap(due_, std::greater<>{});
}

std::optional<std::size_t> MarketView::update(const OrderBook& book, Timestamp now,
                                              std::vector<std::size_t>& changed) {
  const std::optional<std::size_t> index = find(book.venue, book.instrument);
  if (!index) return std::nullopt;
  Market& market = *markets_[*index];
  if (!freshness_.update(book, now, market)) return index;
  if (book.synced() && book.connection != kPolledConnection) {
    update(ConnectionStatus{book.venue, book.connection, true, *market.updated}, now, changed);
  }
  freshness_.judge(market, now);
  if (market.usable()) schedule(*index);
  return index;
}

void MarketView::update(const ConnectionStatus& status, Timestamp now,
                        std::vector<std::size_t>& changed) {
  if (venues_[index_of(status.venue)] == nullptr || !freshness_.update(status, now)) return;
  // A free place never was updated: nothing of it changes.
  for (std::size_t i = 0; i < markets_.size(); ++i) {
    Market& market = *markets_[i];
    if (market.venue != status.venue || market.connection != status.connection) continue;
    if (freshness_.judge(market, now)) changed.push_back(i);
    if (market.usable()) schedule(i);
  }
}

std::optional<std::size_t> MarketView::update(const MarketStatus& status) {
  const std::optional<std::size_t> index = find(status.venue, status.instrument);
  if (!index) return std::nullopt;
  markets_[*index]->active = status.active;
  markets_[*index]->min_notional = status.min_notional;
  return index;
}

void MarketView::expire(Timestamp now, std::vector<std::size_t>& changed) {
  while (!due_.empty() && due_.front().first <= now) {
    const std::size_t index = due_.front().second;
    std::ranges::pop_heap(due_, std::greater<>{});
    due_.pop_back();
    scheduled_[index] = false;
    if (freshness_.judge(*markets_[index], now)) changed.push_back(index);
    if (markets_[index]->usable()) schedule(index);
  }
}

std::optional<Timestamp> MarketView::next_expiry() const {
  if (due_.empty()) return std::nullopt;
  return due_.front().first;
}

}  // namespace spreadwatch::spread
