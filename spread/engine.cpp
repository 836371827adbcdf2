#include "spread/engine.h"

#include <algorithm>
#include <variant>

namespace spreadwatch::spread {
namespace {

/// When an event was received; nullopt when it does not say.
std::optional<Timestamp> received_at(const MarketEvent& event) {
  return std::visit(
      [](const auto& e) -> std::optional<Timestamp> {
        if constexpr (requires { e.receive_time; }) {
          return e.receive_time;
        } else if constexpr (requires { e.time; }) {
          return e.time;
        } else {
          return std::nullopt;
        }
      },
      event);
}

}  // namespace

Engine::Engine(const config::Settings& settings, const config::AssetRegistry& registry,
               EventSink& sink, const config::StandingWallets& wallets)
    : settings_(settings),
      registry_(registry),
      sink_(sink),
      view_(settings, registry),
      converter_(settings),
      pairs_(settings, view_, converter_,
             [this](const OpportunityEvent& event) { sink_.on_opportunity(event); }),
      premiums_(!settings.fx.bank.empty()),
      wallets_(wallets, settings.wallets.max_age) {
  for (const config::StandingWallets::Entry& entry : wallets.entries) {
    pairs_.set_wallet(entry.venue, entry.asset, wallets_.current(entry.venue, entry.asset), {}, {});
  }
}

/// The first event: rates that nothing is known of are said to be unavailable.
void Engine::start(Timestamp now) {
  started_ = true;
  dirty_rates_.fill(true);
  rates_changed(converter_.refresh(now), now);
}

/// Does what is due before an event that was received at `received`.
void Engine::begin_event(std::optional<Timestamp> received, Timestamp now) {
  advance(now);
  if (!started_) start(now);
  pairs_.set_cause(received);
}

void Engine::on(const MarketEvent& event, Timestamp now) {
  if (const auto* book = std::get_if<OrderBook>(&event)) return on_book(*book, now);
  now = std::max(now, last_);
  begin_event(received_at(event), now);
  std::optional<ConnectionStatus> status;
  if (const auto* s = std::get_if<ConnectionStatus>(&event)) {
    status = *s;
  } else if (const auto* ticker = std::get_if<Ticker>(&event);
             ticker != nullptr && ticker->origin == Origin::kWs) {
    status = {ticker->venue, ticker->connection, true, ticker->receive_time.value_or(now)};
  } else if (const auto* quote = std::get_if<BankQuote>(&event)) {
    rates_changed(converter_.set_bank(*quote, now), now);
  } else if (const auto* wallet = std::get_if<WalletStatus>(&event)) {
    // Of a coin that is not known nobody could say that the other end has the same one.
    if (const auto asset = registry_.asset_of(wallet->venue, wallet->ticker)) {
      wallets_.update(wallet->venue, *asset, wallet->info, now);
      wallet_changed(wallet->venue, *asset, now);
    }
  } else if (const auto* market_status = std::get_if<MarketStatus>(&event)) {
    const std::optional<std::size_t> market = view_.update(*market_status);
    if (market) {
      join(*market);
      market_changed(*market, now);
    }
  }
  if (status) {
    changed_.clear();
    view_.update(*status, now, changed_);
    for (const std::size_t market : changed_) market_changed(market, now);
  }
  advance(now);  // with a period of 0 everything leaves at once
}

void Engine::on_book(const OrderBook& book, Timestamp now) {
  now = std::max(now, last_);
  begin_event(book.receive_time.value_or(now), now);
  changed_.clear();
  const std::optional<std::size_t> market = view_.update(book, now, changed_);
  if (!market) return;
  join(*market);
  market_changed(*market, now);
  for (const std::size_t other : changed_) {
    if (other != *market) market_changed(other, now);
  }
  advance(now);
}

void Engine::on_wallet(VenueId venue, std::string_view asset, WalletInfo info, Timestamp now) {
  now = std::max(now, last_);
  advance(now);
  pairs_.set_cause(now);
  wallets_.set_standing(venue, asset, std::move(info));
  wallet_changed(venue, asset, now);
  advance(now);
}

void Engine::wallet_changed(VenueId venue, std::string_view asset, Timestamp now) {
  std::optional<std::size_t> market;
  if (const auto found = asset_index_.find(asset); found != asset_index_.end()) {
    for (const std::size_t m : assets_[found->second].markets) {
      if (view_.market(m).venue == venue) market = m;
    }
  }
  pairs_.set_wallet(venue, asset, wallets_.current(venue, asset), market, now);
  note_changes(now);
}

void Engine::restore(const OpportunityEvent& last, Timestamp now, bool goes_on) {
  // Rows are made as their books arrive: join() and advance() look here.
  last_ = std::max(last_, now);
  const microseconds wait = goes_on ? settings_.spread.max_quiet : microseconds{0};
  restored_.insert_or_assign(RowKey{last.asset, last.buy, last.sell, last.mode},
                             PairTable::Restored{last, now + wait});
}

std::optional<PairTable::Restored> Engine::take_restored(const PairTable::Key& key) {
  if (restored_.empty()) return std::nullopt;
  const auto found = restored_.find({std::string{key.asset}, key.buy, key.sell, key.mode});
  if (found == restored_.end()) return std::nullopt;
  PairTable::Restored restored = std::move(found->second);
  restored_.erase(found);
  return restored;
}

/// Gives a new market its place: its asset, and the pairs with every other market of it.
void Engine::join(std::size_t market) {
  if (market >= market_asset_.size()) market_asset_.resize(market + 1);
  const Market& m = view_.market(market);
  if (market_asset_[market]) return;
  if (m.fx) return pairs_.join(market, {}, {});
  const auto [found, fresh] = asset_index_.try_emplace(m.asset, assets_.size());
  if (fresh) {
    if (free_assets_.empty()) {
      assets_.emplace_back();
    } else {
      found->second = free_assets_.back();
      free_assets_.pop_back();
    }
    assets_[found->second].name = m.asset;
  }
  Asset& asset = assets_[found->second];
  market_asset_[market] = found->second;
  pairs_.join(market, asset.markets,
              [this](const PairTable::Key& key) { return take_restored(key); });
  asset.markets.push_back(market);
  // Venue order, whatever came first: medians and events then do not depend on arrival.
  std::ranges::sort(asset.markets, {}, [this](std::size_t i) { return view_.market(i).venue; });
}

void Engine::market_changed(std::size_t market, Timestamp now) {
  const Market& m = view_.market(market);
  if (m.fx) {
    return rates_changed(converter_.set_book(m, now), now);
  }
  pairs_.market_changed(market, now);
  compute_premiums(*market_asset_[market], now);
  note_changes(now);
}

std::vector<MarketRemoved::Premium> Engine::compute_premiums(std::size_t asset, Timestamp now) {
  std::array<const Market*, kVenueCount> markets{};
  std::size_t count = 0;
  for (const std::size_t market : assets_[asset].markets) {
    markets[count++] = &view_.market(market);
  }
  return premiums_.compute(asset, assets_[asset].name, {markets.data(), count}, converter_, now);
}

std::size_t Engine::unwatch(std::string_view asset, Timestamp now) {
  now = std::max(now, last_);
  begin_event(std::nullopt, now);
  const std::vector<std::size_t> gone = view_.unwatch(asset);
  for (const std::size_t market : gone) remove(market, now);
  // Left open by the run before, and neither of its books came back yet.
  std::erase_if(restored_, [&](const auto& entry) {
    if (std::get<0>(entry.first) != asset) return false;
    close_restored(entry.second.last, CloseReason::kNotTradable, {}, now);
    return true;
  });
  advance(now);
  return gone.size();
}

std::size_t Engine::unwatch(VenueId venue, const Instrument& instrument, Timestamp now) {
  now = std::max(now, last_);
  begin_event(std::nullopt, now);
  const std::optional<std::size_t> gone = view_.unwatch(venue, instrument);
  if (gone) remove(*gone, now);
  advance(now);
  return gone ? 1 : 0;
}

/// Takes a market out of everything, in the reverse of the order of join(), and tells it.
void Engine::remove(std::size_t market, Timestamp now) {
  const Market& m = view_.market(market);
  MarketRemoved event{.time = now, .venue = m.venue, .instrument = m.instrument, .asset = m.asset};
  if (market < market_asset_.size() && market_asset_[market]) {
    const std::size_t index = *market_asset_[market];
    Asset& asset = assets_[index];
    pairs_.leave(market, now);
    std::erase(asset.markets, market);
    market_asset_[market].reset();
    event.premiums = compute_premiums(index, now);
    event.last_of_asset = asset.markets.empty();
    std::erase_if(restored_, [&](const auto& entry) {
      const auto& [name, buy, sell, mode] = entry.first;
      if (name != m.asset || (buy != m.venue && sell != m.venue)) return false;
      close_restored(entry.second.last, CloseReason::kNotTradable, {}, now);
      return true;
    });
    if (event.last_of_asset) {
      asset_index_.erase(asset.name);
      asset = {};
      free_assets_.push_back(index);
    }
  }
  view_.remove(market);
  sink_.on_removed(event);
  note_changes(now);
}

/// Ends an opportunity that has no row.
void Engine::close_restored(const OpportunityEvent& last, CloseReason reason, Reasons reasons,
                            Timestamp now) {
  OpportunityEvent close = last;
  close.kind = OpportunityEvent::Kind::kClose;
  close.time = now;
  close.net_profit_usdt.reset();
  close.net_ratio.reset();
  close.quantity.reset();
  close.reason = reason;
  close.reasons = reasons;
  sink_.on_opportunity(close);
}

/// What converts differently now is computed again.
void Engine::rates_changed(const fx::Converter::Changed& changed, Timestamp now) {
  for (std::size_t i = 0; i < kCurrencyPairCount; ++i) {
    dirty_rates_[i] = dirty_rates_[i] || changed.rates[i];
  }
  pairs_.rates_changed(changed, now);
  if (changed.krw || changed.usd ||
      changed.rates[static_cast<std::size_t>(CurrencyPair::kUsdKrw)]) {
    for (std::size_t i = 0; i < assets_.size(); ++i) {
      if (!assets_[i].markets.empty()) compute_premiums(i, now);
    }
  }
  premiums_.compute_usdt(converter_, now);
  note_changes(now);
}

/// The first change of a period starts it.
void Engine::note_changes(Timestamp now) {
  if (flush_at_) return;
  const bool rates_dirty = std::ranges::find(dirty_rates_, true) != dirty_rates_.end();
  if (!rates_dirty && !pairs_.dirty() && !premiums_.dirty()) return;
  const microseconds period = settings_.publish.conflate;
  flush_at_ = period.count() == 0 ? now : Timestamp{(now.time_since_epoch() / period + 1) * period};
}

void Engine::flush() {
  flush_at_.reset();
  for (std::size_t i = 0; i < kCurrencyPairCount; ++i) {
    if (!dirty_rates_[i]) continue;
    dirty_rates_[i] = false;
    const Rate& rate = rates().rate(static_cast<CurrencyPair>(i));
    if (emitted_rates_[i] && emitted_rates_[i]->same_value(rate)) continue;
    emitted_rates_[i] = rate;
    sink_.on_fx({rates().evaluated(), rate});
  }
  premiums_.flush(sink_);
  pairs_.flush(sink_, last_);
}

std::optional<Timestamp> Engine::next_deadline() const {
  std::optional<Timestamp> next;
  const auto consider = [&next](const std::optional<Timestamp>& t) {
    if (t && (!next || *t < *next)) next = t;
  };
  consider(flush_at_);
  consider(pairs_.next_release());
  consider(view_.next_expiry());
  consider(converter_.next_expiry());
  consider(pairs_.next_expiry());
  consider(wallets_.next_expiry());
  for (const auto& [key, restored] : restored_) consider(restored.wait_until);
  return next;
}

/// What is due at exactly this moment, in a fixed order. What the period that ends now held back
/// comes first: whatever else happens at this moment belongs to the next period.
void Engine::do_due(Timestamp now) {
  const std::optional<Timestamp> release = pairs_.next_release();
  if ((flush_at_ && *flush_at_ <= now) || (release && *release <= now)) flush();
  pairs_.set_cause(std::nullopt);
  changed_.clear();
  view_.expire(now, changed_);
  for (const std::size_t market : changed_) market_changed(market, now);
  if (const auto expiry = converter_.next_expiry(); expiry && *expiry <= now) {
    rates_changed(converter_.refresh(now), now);
  }
  for (const WalletTable::Key& key : wallets_.expire(now)) {
    wallet_changed(key.first, key.second, now);
  }
  pairs_.expire(now);
  for (auto it = restored_.begin(); it != restored_.end();) {
    if (it->second.wait_until > now) {
      ++it;
      continue;
    }
    // Neither of its books ever came.
    close_restored(it->second.last, CloseReason::kStale, Reason::kStaleLeg, now);
    it = restored_.erase(it);
  }
}

void Engine::advance(Timestamp now) {
  while (const std::optional<Timestamp> next = next_deadline()) {
    if (*next > now) break;
    // A deadline that lies before what was already done is done now: time does not go back.
    last_ = std::max(*next, last_);
    do_due(last_);
  }
  last_ = std::max(now, last_);
}

void Engine::suspend(Timestamp now) {
  advance(now);
  flush();
  pairs_.flush_opportunities(last_);
}

void Engine::finish(Timestamp now) {
  suspend(now);
  pairs_.shut_down(last_);
}

Engine::Places Engine::places() const {
  return {.markets = view_.size(),
          .rows = pairs_.row_places(),
          .timers = view_.timers() + pairs_.timers()};
}

std::size_t Engine::open_opportunities() const {
  return restored_.size() + pairs_.open_opportunities();
}

std::vector<std::string> Engine::assets() const {
  std::vector<std::string> names;
  names.reserve(asset_index_.size());
  for (const auto& [name, index] : asset_index_) names.push_back(name);
  return names;
}

void Engine::for_each_row(std::string_view asset, const RowFilter& filter, Timestamp now,
                          const std::function<void(const SpreadEvent&)>& visit) const {
  const auto found = asset_index_.find(asset);
  if (found == asset_index_.end()) return;
  pairs_.for_each(assets_[found->second].markets, filter, now, visit);
}

void Engine::for_each_row(const std::function<void(const SpreadEvent&)>& visit) const {
  for (const auto& [name, index] : asset_index_) {
    pairs_.for_each(assets_[index].markets, {}, last_, visit);
  }
}

void Engine::for_each_premium(const std::function<void(const PremiumEvent&)>& visit) const {
  for (const auto& [name, index] : asset_index_) premiums_.for_each(index, visit);
  premiums_.for_each_usdt(visit);
}

std::optional<SpreadEvent> Engine::evaluate(std::string_view asset, VenueId buy, VenueId sell,
                                            Mode mode, std::span<const double> sizes_usdt,
                                            Timestamp now) const {
  const auto found = asset_index_.find(asset);
  if (found == asset_index_.end()) return std::nullopt;
  for (const std::size_t market : assets_[found->second].markets) {
    if (view_.market(market).venue == buy) {
      return pairs_.evaluate(market, sell, mode, sizes_usdt, now);
    }
  }
  return std::nullopt;
}

}  // namespace spreadwatch::spread
