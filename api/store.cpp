#include "api/store.h"

#include <algorithm>

namespace spreadwatch::api {
namespace {

/// An age that an event told as of `told_at`, as of `now`: counted from the last update, which need
/// not have made an event. nullopt stays nullopt.
std::optional<microseconds> age_now(const std::optional<microseconds>& told, Timestamp told_at,
                                    const std::optional<Timestamp>& updated, Timestamp now) {
  if (!told) return std::nullopt;
  const Timestamp then = told_at - *told;
  return std::max(microseconds{0}, now - std::max(then, updated.value_or(then)));
}

std::optional<Timestamp> time_of(const std::shared_ptr<const UpdateTime>& updated) {
  return updated ? updated->get() : std::nullopt;
}

}  // namespace

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
  const Market market{book.venue, book.instrument};
  auto value = std::make_shared<const OrderBook>(book);
  put(order_books_, kMaxMarkets, market, value);
  if (!book.synced() || !book.receive_time) return;
  const std::lock_guard lock(mutex_);
  if (const auto updated = book_time(market)) updated->set(*book.receive_time);
}

std::shared_ptr<UpdateTime> Store::book_time(const Market& market) {
  const auto found = book_times_.find(market);
  if (found != book_times_.end()) return found->second;
  if (book_times_.size() >= kMaxMarkets) return nullptr;
  return book_times_.emplace(market, std::make_shared<UpdateTime>()).first->second;
}

void Store::update(const FxEvent& event) {
  std::optional<FxEvent> value = event;
  const std::lock_guard lock(mutex_);
  std::swap(rates_[static_cast<std::size_t>(event.rate.pair)], value);
}

void Store::update_ages(const fx::RateTable& rates) {
  const Timestamp judged = rates.evaluated();
  const std::lock_guard lock(mutex_);
  for (std::size_t i = 0; i < kCurrencyPairCount; ++i) {
    const Rate& rate = rates.rate(static_cast<CurrencyPair>(i));
    RateTimes& times = rate_times_[i];
    if (rate.age) times.rate = judged - *rate.age;
    times.sources.resize(rate.sources.size());
    for (std::size_t k = 0; k < rate.sources.size(); ++k) {
      if (rate.sources[k].age) times.sources[k] = judged - *rate.sources[k].age;
    }
  }
}

void Store::update(const PremiumEvent& event) {
  auto value = std::make_shared<const PremiumEvent>(event);
  put(premiums_, kMaxPremiums, PremiumKey{event.asset, event.region, event.over, event.basis},
      value);
}

void Store::update(const SpreadEvent& event) {
  const std::lock_guard lock(mutex_);
  SpreadKey key{event.asset, event.buy, event.sell, event.mode};
  if (legs_.contains(key)) return;
  if (legs_.size() >= kMaxPairs) {
    ++refused_;
    return;
  }
  legs_.emplace(std::move(key), Legs{.buy = book_time({event.buy, event.buy_market}),
                                     .sell = book_time({event.sell, event.sell_market})});
}

void Store::update(const OpportunityEvent& event) {
  Opportunity value{std::make_shared<const OpportunityEvent>(event)};
  const std::lock_guard lock(mutex_);
  const auto found = opportunity_by_id_.find(event.id);
  if (found != opportunity_by_id_.end()) {
    std::swap(*found->second, value);
    return;
  }
  if (opportunities_.size() >= kMaxOpportunities) {
    // The oldest that ended; while a thousand are open, the oldest of them.
    auto last = std::prev(opportunities_.end());
    for (auto at = opportunities_.rbegin(); at != opportunities_.rend(); ++at) {
      if (at->open()) continue;
      last = std::prev(at.base());
      break;
    }
    opportunity_by_id_.erase(last->event->id);
    opportunities_.erase(last);
  }
  opportunities_.push_front(std::move(value));
  opportunity_by_id_.emplace(event.id, opportunities_.begin());
}

void Store::update(const MarketRemoved& event) {
  const std::lock_guard lock(mutex_);
  const Market market{event.venue, event.instrument};
  tickers_.erase(market);
  order_books_.erase(market);
  book_times_.erase(market);
  for (auto it = legs_.lower_bound({.asset = event.asset});
       it != legs_.end() && it->first.asset == event.asset;) {
    const bool gone = it->first.buy == event.venue || it->first.sell == event.venue;
    it = gone ? legs_.erase(it) : std::next(it);
  }
  for (const MarketRemoved::Premium& premium : event.premiums) {
    premiums_.erase({event.asset, premium.region, premium.over, premium.basis});
  }
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

std::vector<FxEvent> Store::rates(Timestamp now) const {
  std::vector<FxEvent> all;
  const std::lock_guard lock(mutex_);
  for (std::size_t i = 0; i < kCurrencyPairCount; ++i) {
    if (!rates_[i]) continue;
    FxEvent& event = all.emplace_back(*rates_[i]);
    const RateTimes& times = rate_times_[i];
    event.rate.age = age_now(event.rate.age, event.time, times.rate, now);
    for (std::size_t k = 0; k < event.rate.sources.size(); ++k) {
      std::optional<microseconds>& age = event.rate.sources[k].age;
      age =
          age_now(age, event.time, k < times.sources.size() ? times.sources[k] : std::nullopt, now);
    }
  }
  return all;
}

std::vector<PremiumEvent> Store::premiums(std::string_view asset, Timestamp now) const {
  std::vector<std::shared_ptr<const PremiumEvent>> events;
  std::array<std::optional<Timestamp>, kCurrencyPairCount> updated;
  {
    const std::lock_guard lock(mutex_);
    for (const auto& [key, event] : premiums_) {
      if (asset.empty() || key.asset == asset) events.push_back(event);
    }
    for (std::size_t i = 0; i < kCurrencyPairCount; ++i) updated[i] = rate_times_[i].rate;
  }
  std::vector<PremiumEvent> all;
  all.reserve(events.size());
  for (const auto& event : events) {
    PremiumEvent& premium = all.emplace_back(*event);
    std::optional<Timestamp> oldest;
    for (std::size_t i = 0; i < kCurrencyPairCount; ++i) {
      if (!premium.fx_rates.test(i) || !updated[i]) continue;
      oldest = std::min(oldest.value_or(*updated[i]), *updated[i]);
    }
    premium.fx_age = age_now(premium.fx_age, premium.time, oldest, now);
  }
  return all;
}

std::vector<OpportunityEvent> Store::opportunities(Timestamp now) const {
  struct Found {
    std::shared_ptr<const OpportunityEvent> event;
    std::optional<Timestamp> buy_updated;
    std::optional<Timestamp> sell_updated;
  };
  std::vector<Found> found;
  {
    const std::lock_guard lock(mutex_);
    found.reserve(opportunities_.size());
    for (const bool open : {true, false}) {
      for (const Opportunity& o : opportunities_) {
        if (o.open() != open) continue;
        Found& f = found.emplace_back(Found{o.event, {}, {}});
        if (!open) continue;
        const auto legs = legs_.find({o.event->asset, o.event->buy, o.event->sell, o.event->mode});
        if (legs == legs_.end()) continue;
        f.buy_updated = time_of(legs->second.buy);
        f.sell_updated = time_of(legs->second.sell);
      }
    }
  }
  std::vector<OpportunityEvent> all;
  all.reserve(found.size());
  for (const Found& f : found) {
    OpportunityEvent& event = all.emplace_back(*f.event);
    if (event.kind == OpportunityEvent::Kind::kClose) continue;
    event.buy_age = age_now(event.buy_age, event.time, f.buy_updated, now);
    event.sell_age = age_now(event.sell_age, event.time, f.sell_updated, now);
  }
  return all;
}

std::uint64_t Store::refused() const {
  const std::lock_guard lock(mutex_);
  return refused_;
}

}  // namespace spreadwatch::api
