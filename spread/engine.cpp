#include "spread/engine.h"

#include <algorithm>
#include <limits>

#include "spread/arithmetic.h"
#include "spread/premium.h"

namespace spreadwatch::spread {
namespace {

constexpr std::array<std::pair<Region, Region>, 3> kRegionPairs = {{{Region::kKorea, Region::kAsia},
                                                                    {Region::kKorea, Region::kEurope},
                                                                    {Region::kAsia, Region::kEurope}}};

std::vector<VenueId> krw_venues(const config::Settings& settings) {
  std::vector<VenueId> venues;
  for (const config::VenueSettings& venue : settings.venues) {
    if (region_of(venue.id) == Region::kKorea) venues.push_back(venue.id);
  }
  return venues;
}

/// Reasons that leave a question open rather than answer it with no.
constexpr std::array<Reason, 8> kOpenQuestions = {
    Reason::kBookNotSynced, Reason::kStaleLeg,         Reason::kFxUnavailable, Reason::kFxQuorum,
    Reason::kFxDisagree,    Reason::kFxStale,          Reason::kIdentityUnproven,
    Reason::kWalletUnknown};

Verdict verdict_of(Reasons reasons) {
  if (reasons.empty()) return Verdict::kTradable;
  // A crossed book is a definite no, although it is not synced either.
  if (reasons.contains(Reason::kCrossed)) return Verdict::kNotTradable;
  for (const Reason reason : kOpenQuestions) {
    if (reasons.contains(reason)) return Verdict::kUnknown;
  }
  return Verdict::kNotTradable;
}

}  // namespace

Engine::Engine(const config::Settings& settings, const config::AssetRegistry& registry, EventSink& sink)
    : settings_(settings),
      sink_(sink),
      view_(settings, registry),
      rates_(settings.fx, krw_venues(settings)),
      emit_opportunity_([this](const OpportunityEvent& event) { sink_.on_opportunity(event); }) {
  for (const config::VenueSettings& venue : settings.venues) venues_[index_of(venue.id)] = &venue;
}

void Engine::on(const MarketEvent& event, Timestamp now) {
  if (const auto* book = std::get_if<OrderBook>(&event)) return on_book(*book, now);
  advance(now);
  if (const auto* status = std::get_if<StreamStatus>(&event)) {
    changed_.clear();
    view_.update(*status, now, changed_);
    for (const std::size_t market : changed_) market_changed(market, now);
  } else if (const auto* quote = std::get_if<BankQuote>(&event)) {
    rates_.set_bank(*quote);
    rates_changed(now, false);
  } else if (const auto* market_status = std::get_if<MarketStatus>(&event)) {
    const std::optional<std::size_t> market = view_.update(*market_status);
    if (market) {
      join(*market);
      market_changed(*market, now);
    }
  }
  advance(now);  // with a period of 0 everything leaves at once
}

void Engine::on_book(const OrderBook& book, Timestamp now) {
  advance(now);
  const std::optional<std::size_t> market = view_.update(book, now);
  if (!market) return;
  join(*market);
  market_changed(*market, now);
  advance(now);
}

/// Gives a new market its place: its asset, and the pairs with every other market of it.
void Engine::join(std::size_t market) {
  if (market < market_asset_.size() && market_asset_[market]) return;
  market_asset_.resize(std::max(market_asset_.size(), market + 1));
  const Market& m = view_.market(market);
  if (m.fx) return;
  // An unproven ticker is an asset of its own, so that it meets no proven one of the same name unmarked.
  const auto [found, fresh] = asset_index_.try_emplace(m.asset, assets_.size());
  if (fresh) assets_.push_back({.name = m.asset, .markets = {}, .pairs = {}, .premiums = {}});
  const std::size_t index = found->second;
  Asset& asset = assets_[index];
  market_asset_[market] = index;
  for (const std::size_t other : asset.markets) {
    for (const auto& [buy, sell] : {std::pair{other, market}, std::pair{market, other}}) {
      for (const config::Mode mode : settings_.spread.modes) {
        asset.pairs.push_back(pairs_.size());
        Pair& pair = pairs_.emplace_back();
        pair.buy = buy;
        pair.sell = sell;
        pair.row.asset = asset.name;
        pair.row.buy = view_.market(buy).venue;
        pair.row.sell = view_.market(sell).venue;
        pair.row.mode = mode;
      }
    }
  }
  asset.markets.push_back(market);
  // Venue order, whatever came first: medians and events then do not depend on arrival.
  std::ranges::sort(asset.markets, {}, [this](std::size_t i) { return view_.market(i).venue; });
}

void Engine::market_changed(std::size_t market, Timestamp now) {
  const Market& m = view_.market(market);
  if (m.fx) {
    fx::FxQuote quote{.unusable = m.unusable};
    if (m.book.two_sided()) {
      quote.bid = m.book.bids.front().price;
      quote.ask = m.book.asks.front().price;
    } else {
      quote.unusable.add(m.unusable.empty() ? Reasons{Reason::kOneSided} : m.unusable);
    }
    quote.updated = m.updated.value_or(now);
    rates_.set_quote(m.venue, quote);
    // A book that stopped being usable must not stand behind a number a moment longer.
    rates_changed(now, !m.usable());
    return;
  }
  Asset& asset = assets_[*market_asset_[market]];
  for (const std::size_t pair : asset.pairs) {
    if (pairs_[pair].buy == market || pairs_[pair].sell == market) compute_pair(pair, now);
  }
  compute_asset_premiums(asset, now);
}

void Engine::rates_changed(Timestamp now, bool at_once) {
  std::array<bool, fx::kPairCount> ok_before{};
  for (std::size_t i = 0; i < fx::kPairCount; ++i) {
    ok_before[i] = rates_.rate(static_cast<fx::Pair>(i)).ok();
  }
  const auto changed = rates_.evaluate(now);
  rates_expiry_ = rates_.next_expiry(now);
  bool any = at_once;
  for (std::size_t i = 0; i < fx::kPairCount; ++i) {
    if (!changed[i]) continue;
    any = true;
    dirty_rates_[i] = true;
    at_once = at_once || ok_before[i] != rates_.rate(static_cast<fx::Pair>(i)).ok();
  }
  if (!any) return;
  if (at_once || settings_.publish.conflate.count() == 0) {
    for (std::size_t i = 0; i < pairs_.size(); ++i) {
      if (view_.market(pairs_[i].buy).instrument.quote != "USDT" ||
          view_.market(pairs_[i].sell).instrument.quote != "USDT") {
        compute_pair(i, now);
      }
    }
    for (Asset& asset : assets_) compute_asset_premiums(asset, now);
    fx_dirty_ = false;
  } else {
    // A rate moves every pair; they follow at the end of the period, together.
    fx_dirty_ = true;
  }
  compute_usdt_premium(now);
  mark_dirty(now);
}

double Engine::fx_fee(VenueId venue) const {
  const config::VenueSettings& settings = *venues_[index_of(venue)];
  return settings.fx_taker_fee.value_or(settings.taker_fee);
}

/// How a market's quote currency becomes USDT or comes out of it. False, with the reasons added, when it cannot.
bool Engine::convert(const Market& market, bool pay, std::array<Step, 1>& fallback, Conversion& out,
                     SpreadEvent& row) const {
  if (market.instrument.quote == "USDT") return true;
  out.fee = fx_fee(market.venue);
  const bool krw = market.instrument.quote == "KRW";
  const fx::Rate& rate = rates_.rate(krw ? fx::Pair::kUsdtKrw : fx::Pair::kUsdtUsd);
  row.reasons.add(rate.reasons);
  const std::optional<std::size_t> own = view_.fx_market(market.venue);
  if (own && view_.market(*own).usable()) {
    const CompiledBook& book = view_.market(*own).book;
    out.steps = pay ? book.bids : book.asks;
    return true;
  }
  if (!rate.ok()) return false;
  row.fx_venue_fallback = true;
  fallback[0] = {pay ? *rate.bid : *rate.ask, std::numeric_limits<double>::infinity()};
  out.steps = fallback;
  return true;
}

/// For comparing the two legs' prices, whatever the verdict will be.
std::optional<double> Engine::mid_usdt(const Market& market) const {
  if (market.instrument.quote == "USDT") return market.book.mid();
  const fx::Rate& rate =
      rates_.rate(market.instrument.quote == "KRW" ? fx::Pair::kUsdtKrw : fx::Pair::kUsdtUsd);
  if (rate.ok()) return market.book.mid() / *rate.mid;
  const std::optional<std::size_t> own = view_.fx_market(market.venue);
  if (own && view_.market(*own).usable()) return market.book.mid() / view_.market(*own).book.mid();
  return std::nullopt;
}

void Engine::compute_pair(std::size_t index, Timestamp now) {
  Pair& pair = pairs_[index];
  const Market& buy = view_.market(pair.buy);
  const Market& sell = view_.market(pair.sell);
  SpreadEvent& row = pair.row;
  row.time = now;
  row.reasons = {};
  row.fx_venue_fallback = false;
  row.gross_ratio.reset();
  row.net_ratio.reset();
  row.buy_price_usdt.reset();
  row.sell_price_usdt.reset();
  row.optimal.reset();
  row.break_even_quantity.reset();
  row.buy_age = buy.updated ? std::optional{now - *buy.updated} : std::nullopt;
  row.sell_age = sell.updated ? std::optional{now - *sell.updated} : std::nullopt;
  row.received = buy.updated && sell.updated ? std::max(*buy.updated, *sell.updated)
                                             : (buy.updated ? buy.updated : sell.updated);
  row.sizes.resize(settings_.spread.sizes_usdt.size());
  for (std::size_t i = 0; i < row.sizes.size(); ++i) {
    row.sizes[i] = {.size_usdt = settings_.spread.sizes_usdt[i], .insufficient_depth = false, .trade = {}};
  }

  row.reasons.add(buy.unusable);
  row.reasons.add(sell.unusable);
  if (!buy.proven || !sell.proven) row.reasons.add(Reason::kIdentityUnproven);
  if (!buy.active || !sell.active) row.reasons.add(Reason::kMarketSuspended);

  if (buy.usable() && sell.usable()) {
    PairInput input{.asks = buy.book.asks,
                    .bids = sell.book.bids,
                    .buy_fee = venues_[index_of(buy.venue)]->taker_fee,
                    .sell_fee = venues_[index_of(sell.venue)]->taker_fee,
                    .common_rate = {},
                    .sizes_usdt = settings_.spread.sizes_usdt};
    std::array<Step, 1> pay_fallback{};
    std::array<Step, 1> receive_fallback{};
    bool numbers = true;
    if (buy.instrument.quote != sell.instrument.quote) {
      numbers = convert(buy, true, pay_fallback, input.pay, row);
      numbers = convert(sell, false, receive_fallback, input.receive, row) && numbers;
    } else if (buy.instrument.quote != "USDT") {
      const fx::Rate& rate =
          rates_.rate(buy.instrument.quote == "KRW" ? fx::Pair::kUsdtKrw : fx::Pair::kUsdtUsd);
      row.reasons.add(rate.reasons);
      input.common_rate = rate.mid;
      numbers = rate.ok();
    }
    const std::optional<double> buy_mid = mid_usdt(buy);
    const std::optional<double> sell_mid = mid_usdt(sell);
    if (buy_mid && sell_mid) {
      const double ratio = *sell_mid / *buy_mid;
      if (ratio > kMaxPriceRatio || ratio < 1 / kMaxPriceRatio) {
        row.reasons.add(Reason::kPriceRatioQuarantine);
      }
    }
    if (numbers) {
      evaluate(input, result_);
      row.gross_ratio = result_.gross_ratio;
      row.net_ratio = result_.net_ratio;
      row.buy_price_usdt = result_.buy_price_usdt;
      row.sell_price_usdt = result_.sell_price_usdt;
      if (row.mode == config::Mode::kTransfer) {
        // Without the network's withdrawal fee there is no net result, and none is made up.
        row.net_ratio.reset();
        row.reasons.add(Reason::kWalletUnknown);
      } else {
        row.optimal = result_.optimal;
        row.break_even_quantity = result_.break_even_quantity;
        std::swap(row.sizes, result_.sizes);
        if (!row.optimal) {
          row.reasons.add(Reason::kUnprofitable);
        } else {
          const auto too_small = [&row](const Market& m, double vwap) {
            return m.min_notional && row.optimal->quantity * vwap < *m.min_notional;
          };
          if (too_small(buy, row.optimal->buy_vwap) || too_small(sell, row.optimal->sell_vwap)) {
            row.reasons.add(Reason::kBelowMinNotional);
          }
        }
      }
    }
  }
  row.verdict = verdict_of(row.reasons);

  pair.opportunity.update(row, settings_.spread, now, emit_opportunity_);
  set_hold(index);
  if (!pair.dirty) {
    pair.dirty = true;
    dirty_pairs_.push_back(index);
  }
  mark_dirty(now);
}

void Engine::set_hold(std::size_t index) {
  Pair& pair = pairs_[index];
  const std::optional<Timestamp> deadline = pair.opportunity.deadline();
  if (deadline == pair.hold) return;
  if (pair.hold) holds_.erase({*pair.hold, index});
  if (deadline) holds_.emplace(*deadline, index);
  pair.hold = deadline;
}

std::size_t Engine::premium_index(Asset& asset, std::size_t region_pair, Basis basis) {
  const std::pair key{static_cast<std::uint8_t>(region_pair), static_cast<std::uint8_t>(basis)};
  const auto [found, fresh] = asset.premiums.try_emplace(key, premiums_.size());
  if (fresh) premiums_.emplace_back();
  return found->second;
}

void Engine::compute_asset_premiums(Asset& asset, Timestamp now) {
  std::array<bool, 3> present{};
  std::array<const Market*, kVenueCount> markets{};
  std::size_t count = 0;
  for (const std::size_t market : asset.markets) {
    const Market& m = view_.market(market);
    if (!m.proven) continue;
    present[static_cast<std::size_t>(region_of(m.venue))] = true;
    markets[count++] = &m;
  }
  const auto prices = region_prices({markets.data(), count}, rates_);
  for (std::size_t i = 0; i < kRegionPairs.size(); ++i) {
    const auto [region, over] = kRegionPairs[i];
    if (!present[static_cast<std::size_t>(region)] || !present[static_cast<std::size_t>(over)]) continue;
    for (const Basis basis : {Basis::kUsdt, Basis::kBank}) {
      if (basis == Basis::kBank && (region != Region::kKorea || settings_.fx.bank.empty())) continue;
      PremiumEvent event = premium_of(prices, region, over, basis, rates_);
      event.asset = asset.name;
      set_premium(premium_index(asset, i, basis), std::move(event), now);
    }
  }
}

void Engine::compute_usdt_premium(Timestamp now) {
  if (settings_.fx.bank.empty()) return;
  if (!usdt_premium_) {
    usdt_premium_ = premiums_.size();
    premiums_.emplace_back();
  }
  PremiumEvent event = premium_of({}, Region::kKorea, std::nullopt, Basis::kUsdtPremium, rates_);
  event.asset = "USDT";
  set_premium(*usdt_premium_, std::move(event), now);
}

void Engine::set_premium(std::size_t index, PremiumEvent event, Timestamp now) {
  Premium& premium = premiums_[index];
  event.time = now;
  if (premium.period_open) {
    event.first = premium.now.first ? premium.now.first : event.premium;
    event.high = premium.now.high;
    event.low = premium.now.low;
    if (event.premium) {
      event.high = event.high ? std::max(*event.high, *event.premium) : event.premium;
      event.low = event.low ? std::min(*event.low, *event.premium) : event.premium;
    }
  } else {
    event.first = event.high = event.low = event.premium;
  }
  premium.period_open = true;
  premium.now = std::move(event);
  if (!premium.dirty) {
    premium.dirty = true;
    dirty_premiums_.push_back(index);
  }
  mark_dirty(now);
}

void Engine::mark_dirty(Timestamp now) {
  const microseconds period = settings_.publish.conflate;
  if (flush_at_) return;
  if (period.count() == 0) {
    flush_at_ = now;
    return;
  }
  flush_at_ = Timestamp{(now.time_since_epoch() / period + 1) * period};
}

void Engine::emit_pair(Pair& pair) {
  pair.dirty = false;
  if (!pair.said || !pair.row.same_value(pair.emitted)) {
    pair.said = true;
    pair.emitted = pair.row;
    sink_.on_spread(pair.row);
  }
  pair.opportunity.flush(emit_opportunity_);
}

void Engine::emit_premium(Premium& premium) {
  premium.dirty = false;
  premium.period_open = false;
  const PremiumEvent& a = premium.now;
  const PremiumEvent& b = premium.emitted;
  // The extremes count as well: a value that went away and came back within the period is a change.
  const bool same = premium.said && a.reasons == b.reasons && a.premium == b.premium &&
                    a.price == b.price && a.over_price == b.over_price && a.venues == b.venues &&
                    a.over_venues == b.over_venues && a.high == a.premium && a.low == a.premium;
  if (same) return;
  premium.said = true;
  premium.emitted = a;
  sink_.on_premium(a);
}

void Engine::flush(Timestamp now) {
  flush_at_.reset();
  if (fx_dirty_) {
    fx_dirty_ = false;
    for (std::size_t i = 0; i < pairs_.size(); ++i) {
      if (view_.market(pairs_[i].buy).instrument.quote != "USDT" ||
          view_.market(pairs_[i].sell).instrument.quote != "USDT") {
        compute_pair(i, now);
      }
    }
    for (Asset& asset : assets_) compute_asset_premiums(asset, now);
    flush_at_.reset();  // what this made dirty leaves with the rest, now
  }
  for (std::size_t i = 0; i < fx::kPairCount; ++i) {
    if (!dirty_rates_[i]) continue;
    dirty_rates_[i] = false;
    sink_.on_fx({now, rates_.rate(static_cast<fx::Pair>(i))});
  }
  std::ranges::sort(dirty_premiums_);
  for (const std::size_t index : dirty_premiums_) emit_premium(premiums_[index]);
  dirty_premiums_.clear();
  std::ranges::sort(dirty_pairs_);
  for (const std::size_t index : dirty_pairs_) emit_pair(pairs_[index]);
  dirty_pairs_.clear();
}

std::optional<Timestamp> Engine::next_deadline() const {
  std::optional<Timestamp> next;
  const auto consider = [&next](std::optional<Timestamp> t) {
    if (t && (!next || *t < *next)) next = t;
  };
  consider(view_.next_expiry());
  consider(rates_expiry_);
  consider(flush_at_);
  if (!holds_.empty()) consider(holds_.begin()->first);
  return next;
}

/// What is due at exactly this moment, in a fixed order: freshness, rates, holds, then what is to be said.
void Engine::do_due(Timestamp now) {
  changed_.clear();
  view_.expire(now, changed_);
  for (const std::size_t market : changed_) market_changed(market, now);
  if (rates_expiry_ && *rates_expiry_ <= now) rates_changed(now, true);
  while (!holds_.empty() && holds_.begin()->first <= now) {
    const std::size_t index = holds_.begin()->second;
    Pair& pair = pairs_[index];
    pair.opportunity.expire(pair.row, now, emit_opportunity_);
    set_hold(index);
  }
  if (flush_at_ && *flush_at_ <= now) flush(now);
}

void Engine::advance(Timestamp now) {
  while (const std::optional<Timestamp> next = next_deadline()) {
    if (*next > now) break;
    // A deadline that lies before what was already done is done now: time does not go back.
    do_due(std::max(*next, last_));
    last_ = std::max(*next, last_);
  }
  last_ = std::max(now, last_);
}

void Engine::finish(Timestamp now) {
  advance(now);
  flush(now);
  for (Pair& pair : pairs_) pair.opportunity.shut_down(now, emit_opportunity_);
}

std::size_t Engine::open_opportunities() const {
  return static_cast<std::size_t>(
      std::ranges::count_if(pairs_, [](const Pair& p) { return p.opportunity.open(); }));
}

}  // namespace spreadwatch::spread
