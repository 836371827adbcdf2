#include "app/event_metrics.h"

#include <algorithm>
#include <variant>

namespace spreadwatch::app {

void EventMetrics::on_event(const Event& event, Timestamp now) {
  std::visit([this, now](const auto& e) { on(e, now); }, event);
}

void EventMetrics::on_restored(const OpportunityEvent& last) {
  spread_.set_open_opportunities(last.asset, ++open_[last.asset]);
}

void EventMetrics::forget(std::string_view asset) {
  auto it = rows_.lower_bound(std::string{asset} + "|");
  while (it != rows_.end() && it->second.asset == asset) it = rows_.erase(it);
  if (const auto open = open_.find(asset); open != open_.end()) open_.erase(open);
  spread_.remove_asset(asset);
}

void EventMetrics::on_rates(const fx::RateTable& rates) {
  for (std::size_t pair = 0; pair < kCurrencyPairCount; ++pair) {
    const std::optional<Timestamp> updated = rates.updated(static_cast<CurrencyPair>(pair));
    if (updated) fx_.confirm(pair, *updated);
  }
}

void EventMetrics::on_counts(const spread::Engine::Counts& counts) {
  for (std::size_t i = 0; i < counts.by_verdict.size(); ++i) {
    spread_.set_pairs(kVerdictNames[i], counts.by_verdict[i]);
  }
  for (std::size_t i = 0; i < counts.by_reason.size(); ++i) {
    spread_.set_pair_reasons(static_cast<Reason>(i), counts.by_reason[i]);
  }
}

void EventMetrics::delivered_late_by(std::optional<Timestamp> received, Timestamp now) {
  if (received && now >= *received) publish_.latency(now - *received);
}

void EventMetrics::on(const Ticker& ticker, Timestamp now) {
  delivered_late_by(ticker.receive_time, now);
}

void EventMetrics::on(const OrderBook& book, Timestamp now) {
  if (!book.synced()) return;  // nothing of it is delivered
  delivered_late_by(book.receive_time, now);
}

void EventMetrics::on(const FxEvent& event, Timestamp) {
  const auto pair = static_cast<std::size_t>(event.rate.pair);
  if (event.rate.ok()) {
    fx_.set_rate(pair, event.rate.bid, event.rate.ask, *event.rate.mid,
                 event.time - event.rate.age.value_or(microseconds{0}));
  } else {
    fx_.clear_rate(pair);
  }
  std::size_t used = 0;
  for (const RateSource& source : event.rate.sources) {
    used += source.used ? 1U : 0U;
    if (source.reason) fx_.source_excluded(pair, static_cast<std::size_t>(*source.reason));
  }
  fx_.set_sources_used(pair, used);
}

void EventMetrics::on(const PremiumEvent& event, Timestamp now) {
  spread_.set_premium(event.asset, to_string(event.region), event.over_name(),
                      to_string(event.basis), event.premium, now);
}

void EventMetrics::on(const SpreadEvent& event, Timestamp now) {
  spread_.verdict(to_string(event.verdict), event.reasons);
  if (event.received && event.time >= *event.received) {
    spread_.latency(event.time - *event.received);
  }
  update_best(event, now);
}

void EventMetrics::on(const OpportunityEvent& event, Timestamp) {
  using Kind = OpportunityEvent::Kind;
  std::size_t& open = open_[event.asset];
  if (event.kind == Kind::kOpen) {
    ++open;
    spread_.opportunity_opened(event.asset);
  } else if (event.kind == Kind::kClose) {
    open -= open > 0 ? 1 : 0;
    spread_.opportunity_closed(to_string(*event.reason));
  }
  spread_.set_open_opportunities(event.asset, open);
}

void EventMetrics::on(const MarketRemoved& event, Timestamp now) {
  if (event.last_of_asset) return forget(event.asset);
  for (auto it = rows_.lower_bound(event.asset + "|");
       it != rows_.end() && it->second.asset == event.asset;) {
    const bool gone = it->second.buy == event.venue || it->second.sell == event.venue;
    it = gone ? rows_.erase(it) : std::next(it);
  }
  set_best(event.asset, now);
  for (const MarketRemoved::Premium& premium : event.premiums) {
    spread_.set_premium(event.asset, to_string(premium.region),
                        premium.over ? to_string(*premium.over) : "bank", to_string(premium.basis),
                        std::nullopt, now);
  }
}

/// What is not tradable is no best: its numbers may be another coin's, or nobody's to earn.
void EventMetrics::update_best(const SpreadEvent& event, Timestamp now) {
  const std::string key = event.asset + "|" + std::string{to_string(event.buy)} + "|" +
                          std::string{to_string(event.sell)} + "|" +
                          std::string{to_string(event.mode)};
  Row& row = rows_[key];
  row.asset = event.asset;
  row.buy = event.buy;
  row.sell = event.sell;
  row.best.reset();
  if (event.verdict == Verdict::kTradable && event.net_ratio && event.optimal) {
    row.best = {*event.net_ratio, event.optimal->net_profit_usdt};
  }
  set_best(event.asset, now);
}

void EventMetrics::set_best(const std::string& asset, Timestamp now) {
  std::optional<Best> best;
  for (auto it = rows_.lower_bound(asset + "|"); it != rows_.end() && it->second.asset == asset;
       ++it) {
    if (!it->second.best) continue;
    if (!best) best = it->second.best;
    best->net_ratio = std::max(best->net_ratio, it->second.best->net_ratio);
    best->net_profit_usdt = std::max(best->net_profit_usdt, it->second.best->net_profit_usdt);
  }
  spread_.set_best(asset, best, now);
}

}  // namespace spreadwatch::app
