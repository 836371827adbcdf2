#include "api/store.h"

#include <algorithm>

namespace spreadwatch::api {

// The old value leaves in `value`, so that it is destroyed after the lock is given back.
template <class Map, class Key, class Value>
void Store::put(Map& map, std::size_t bound, const Key& key, Value& value) {
  const std::lock_guard lock(mutex_);
  const auto found = map.find(key);
  if (found != map.end()) {
    std::swap(found->second, value);
  } else if (map.size() < bound) {
    map.emplace(key, std::move(value));
  } else {
    ++refused_;
  }
}

void Store::update(const Ticker& ticker) {
  auto value = std::make_shared<const Ticker>(ticker);
  put(tickers_, kMaxMarkets, Market{ticker.venue, ticker.instrument}, value);
}

void Store::update(const OrderBook& book) {
  auto value = std::make_shared<const OrderBook>(book);
  put(order_books_, kMaxMarkets, Market{book.venue, book.instrument}, value);
}

void Store::update_rate(std::string_view pair, Record record) {
  put(rates_, kMaxRates, std::string{pair}, record);
}

void Store::update_premium(const PremiumKey& key, Record record) {
  put(premiums_, kMaxPremiums, key, record);
}

void Store::update_spread(const SpreadKey& key, std::string_view verdict, Record record) {
  Spread spread{verdict, std::move(record)};
  put(spreads_, kMaxPairs, key, spread);
}

void Store::update_opportunity(std::string_view id, bool open, Record record) {
  const std::lock_guard lock(mutex_);
  const auto found = opportunity_by_id_.find(std::string{id});
  if (found != opportunity_by_id_.end()) {
    found->second->open = open;
    found->second->record = std::move(record);
    return;
  }
  if (opportunities_.size() >= kMaxOpportunities) {
    // The oldest that ended; while a thousand are open, the oldest of them.
    auto last = std::prev(opportunities_.end());
    for (auto at = opportunities_.rbegin(); at != opportunities_.rend(); ++at) {
      if (at->open) continue;
      last = std::prev(at.base());
      break;
    }
    opportunity_by_id_.erase(last->id);
    opportunities_.erase(last);
  }
  opportunities_.push_front({std::string{id}, open, std::move(record)});
  opportunity_by_id_.emplace(id, opportunities_.begin());
}

void Store::forget(VenueId venue, const Instrument& instrument) {
  const std::lock_guard lock(mutex_);
  tickers_.erase({venue, instrument});
  order_books_.erase({venue, instrument});
}

std::vector<std::shared_ptr<const Ticker>> Store::tickers() const {
  std::vector<std::shared_ptr<const Ticker>> all;
  const std::lock_guard lock(mutex_);
  all.reserve(tickers_.size());
  for (const auto& [key, ticker] : tickers_) all.push_back(ticker);
  return all;
}

std::shared_ptr<const OrderBook> Store::order_book(VenueId venue,
                                                   const Instrument& instrument) const {
  const std::lock_guard lock(mutex_);
  const auto found = order_books_.find({venue, instrument});
  return found == order_books_.end() ? nullptr : found->second;
}

std::vector<Record> Store::rates() const {
  std::vector<Record> all;
  const std::lock_guard lock(mutex_);
  for (const auto& [pair, record] : rates_) all.push_back(record);
  return all;
}

std::vector<Record> Store::premiums(std::string_view asset) const {
  std::vector<Record> all;
  const std::lock_guard lock(mutex_);
  for (const auto& [key, record] : premiums_) {
    if (asset.empty() || key.asset == asset) all.push_back(record);
  }
  return all;
}

std::vector<Record> Store::spreads(const SpreadFilter& filter) const {
  std::vector<Record> all;
  const std::lock_guard lock(mutex_);
  auto at =
      filter.asset.empty() ? spreads_.begin() : spreads_.lower_bound({filter.asset, {}, {}, {}});
  for (; at != spreads_.end(); ++at) {
    const SpreadKey& key = at->first;
    if (!filter.asset.empty() && key.asset != filter.asset) break;
    if (filter.buy && key.buy != *filter.buy) continue;
    if (filter.sell && key.sell != *filter.sell) continue;
    if (filter.mode && key.mode != *filter.mode) continue;
    if (!filter.verdict.empty() && at->second.verdict != filter.verdict) continue;
    all.push_back(at->second.record);
  }
  return all;
}

std::vector<Record> Store::opportunities() const {
  std::vector<Record> all;
  const std::lock_guard lock(mutex_);
  all.reserve(opportunities_.size());
  for (const bool open : {true, false}) {
    for (const Opportunity& o : opportunities_) {
      if (o.open == open) all.push_back(o.record);
    }
  }
  return all;
}

std::uint64_t Store::refused() const {
  const std::lock_guard lock(mutex_);
  return refused_;
}

}  // namespace spreadwatch::api
