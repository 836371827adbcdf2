#include "spread/engine.h"

#include <algorithm>
#include <initializer_list>

namespace spreadwatch::spread {
namespace {

/// The premiums of an asset, in the order of Asset::premiums.
struct PremiumKind {
  Region region;
  Region over;
  Basis basis;
};
constexpr std::array<PremiumKind, 5> kPremiumKinds = {
    {{Region::kKorea, Region::kAsia, Basis::kUsdt},
     {Region::kKorea, Region::kEurope, Basis::kUsdt},
     {Region::kAsia, Region::kEurope, Basis::kUsdt},
     {Region::kKorea, Region::kAsia, Basis::kBank},
     {Region::kKorea, Region::kEurope, Basis::kBank}}};

std::vector<VenueId> krw_venues(const config::Settings& settings) {
  std::vector<VenueId> venues;
  for (const config::VenueSettings& venue : settings.venues) {
    if (region_of(venue.id) == Region::kKorea) venues.push_back(venue.id);
  }
  return venues;
}

constexpr Reasons set_of(std::initializer_list<Reason> list) {
  Reasons set;
  for (const Reason reason : list) set.add(reason);
  return set;
}

/// Reasons that answer with no, whatever else is not known.
constexpr Reasons kDefiniteNo =
    set_of({Reason::kCrossed, Reason::kOneSided, Reason::kPriceRatioQuarantine,
            Reason::kMarketSuspended, Reason::kWalletClosed, Reason::kMuted});
/// Reasons that leave the question open.
constexpr Reasons kOpenQuestion = set_of(
    {Reason::kBookNotSynced, Reason::kStaleLeg, Reason::kFxUnavailable, Reason::kFxQuorum,
     Reason::kFxDisagree, Reason::kFxStale, Reason::kIdentityUnproven, Reason::kWalletUnknown});

bool intersect(Reasons a, Reasons b) {
  bool any = false;
  a.for_each([&](Reason r) { any = any || b.contains(r); });
  return any;
}

Verdict verdict_of(Reasons reasons) {
  if (reasons.empty()) return Verdict::kTradable;
  if (intersect(reasons, kDefiniteNo)) return Verdict::kNotTradable;
  if (intersect(reasons, kOpenQuestion)) return Verdict::kUnknown;
  return Verdict::kNotTradable;
}

/// An event can be received a little after the moment it is handled at; that is no negative age.
std::optional<microseconds> age_of(const std::optional<Timestamp>& updated, Timestamp now) {
  if (!updated) return std::nullopt;
  return std::max(microseconds{0}, now - *updated);
}

std::vector<VenueId> list_of(const VenueSet& set) {
  std::vector<VenueId> list;
  for (const VenueIdentity& venue : kVenues) {
    if (set.test(index_of(venue.id))) list.push_back(venue.id);
  }
  return list;
}

}  // namespace

bool SpreadEvent::same_value(const SpreadEvent& o) const {
  return asset == o.asset && buy == o.buy && sell == o.sell && mode == o.mode &&
         verdict == o.verdict && reasons == o.reasons && gross_ratio == o.gross_ratio &&
         net_ratio == o.net_ratio && buy_price_usdt == o.buy_price_usdt &&
         sell_price_usdt == o.sell_price_usdt && fx_venue_fallback == o.fx_venue_fallback &&
         optimal == o.optimal && break_even_quantity == o.break_even_quantity && sizes == o.sizes &&
         network == o.network && withdrawal_fee == o.withdrawal_fee &&
         expected_minutes == o.expected_minutes;
}

Engine::Engine(const config::Settings& settings, const config::AssetRegistry& registry,
               EventSink& sink)
    : settings_(settings),
      sink_(sink),
      view_(settings, registry),
      rates_(settings.fx, krw_venues(settings)),
      emit_opportunity_([this](const OpportunityEvent& event) { sink_.on_opportunity(event); }) {
  krw_.pair = fx::Pair::kUsdtKrw;
  usd_.pair = fx::Pair::kUsdtUsd;
  one_.assign_unlimited(1);
  refresh_currency(krw_);
  refresh_currency(usd_);
  for (const config::VenueSettings& venue : settings.venues) {
    venues_[index_of(venue.id)] = &venue;
    venue_fx_[index_of(venue.id)] = venue_fx(venue, {});
  }
}

/// The first event: rates that nothing is known of are said to be unavailable.
void Engine::start(Timestamp now) {
  started_ = true;
  dirty_rates_.fill(true);
  mark_dirty(now);
  refresh_rates(std::nullopt, now);
}

void Engine::on(const MarketEvent& event, Timestamp now) {
  if (const auto* book = std::get_if<OrderBook>(&event)) return on_book(*book, now);
  now = std::max(now, last_);
  advance(now);
  if (!started_) start(now);
  std::optional<StreamStatus> status;
  if (const auto* s = std::get_if<StreamStatus>(&event)) {
    status = *s;
  } else if (const auto* ticker = std::get_if<Ticker>(&event)) {
    status = {ticker->venue, ticker->connection, true, ticker->receive_time.value_or(now)};
  } else if (const auto* quote = std::get_if<BankQuote>(&event)) {
    rates_.set_bank(*quote);
    refresh_rates(std::nullopt, now);
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
  advance(now);
  if (!started_) start(now);
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
  wallets_.insert_or_assign({venue, std::string{asset}}, std::move(info));
  const auto found = asset_index_.find(asset);
  if (found == asset_index_.end()) return;
  for (const std::size_t market : assets_[found->second].markets) {
    if (view_.market(market).venue != venue) continue;
    for (const std::size_t pair : market_pairs_[market]) compute_pair(pair, now);
  }
  advance(now);
}

void Engine::restore(const OpportunityEvent& last, Timestamp now) {
  // Rows are made as their books arrive: join() and advance() look here.
  last_ = std::max(last_, now);
  restored_.insert_or_assign(RowKey{last.asset, last.buy, last.sell, last.mode},
                             Restored{last, now + settings_.spread.max_quiet});
}

const WalletInfo* Engine::wallet(VenueId venue, const std::string& asset) const {
  if (wallets_.empty()) return nullptr;
  const auto found = wallets_.find({venue, asset});
  return found == wallets_.end() ? nullptr : &found->second;
}

/// Gives a new market its place: its asset, and the pairs with every other market of it.
void Engine::join(std::size_t market) {
  if (market >= market_asset_.size()) {
    market_asset_.resize(market + 1);
    market_pairs_.resize(market + 1);
    converted_.resize(market + 1);
  }
  const Market& m = view_.market(market);
  if (m.fx || market_asset_[market]) return;
  const auto [found, fresh] = asset_index_.try_emplace(m.asset, assets_.size());
  if (fresh) {
    assets_.emplace_back();
    assets_.back().name = m.asset;
  }
  Asset& asset = assets_[found->second];
  market_asset_[market] = found->second;
  for (const std::size_t other : asset.markets) {
    for (const auto& [buy, sell] : {std::pair{other, market}, std::pair{market, other}}) {
      const std::size_t index = pairs_.size();
      Pair& pair = pairs_.emplace_back();
      pair.buy = buy;
      pair.sell = sell;
      pair.asset = found->second;
      pair.rows = rows_.size();
      market_pairs_[buy].push_back(index);
      market_pairs_[sell].push_back(index);
      for (const config::Mode mode : settings_.spread.modes) {
        const std::size_t row_index = rows_.size();
        Row& row = rows_.emplace_back();
        row.pair = index;
        row.mode = mode;
        const auto restored =
            restored_.find({asset.name, view_.market(buy).venue, view_.market(sell).venue, mode});
        if (restored == restored_.end()) continue;
        row.opportunity.restore(restored->second.last, restored->second.wait_until);
        restored_.erase(restored);
        schedule_hold(row_index);
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
    fx::FxQuote quote;
    quote.unusable = m.unusable;
    quote.updated = m.updated.value_or(now);
    if (m.usable()) {
      quote.bid = static_cast<double>(m.bids.top());
      quote.ask = static_cast<double>(m.asks.top());
    }
    rates_.set_quote(m.venue, quote);
    refresh_rates(m.venue, now);
    return;
  }
  convert(market);
  for (const std::size_t pair : market_pairs_[market]) compute_pair(pair, now);
  const std::size_t asset = *market_asset_[market];
  compute_premiums(assets_[asset], asset, now);
}

const Engine::Currency* Engine::currency_of(std::string_view quote) const {
  if (quote == "KRW") return &krw_;
  if (quote == "USD") return &usd_;
  return nullptr;
}

void Engine::refresh_currency(Currency& currency) {
  const fx::Rate& rate = rates_.rate(currency.pair);
  currency.reasons = rate.reasons;
  currency.bid = rate.bid;
  currency.ask = rate.ask;
  currency.mid = rate.mid;
  const auto assign = [](Ladder& ladder, const std::optional<double>& price) {
    if (price) {
      ladder.assign_unlimited(static_cast<Real>(*price));
    } else {
      ladder.clear();
    }
  };
  assign(currency.bid_ladder, rate.bid);
  assign(currency.ask_ladder, rate.ask);
  assign(currency.mid_ladder, rate.mid);
}

Engine::VenueFx Engine::venue_fx(const config::VenueSettings& venue, Timestamp now) const {
  VenueFx out;
  if (venue.quote == "USDT") {
    out.ok = true;
    out.pay = out.receive = &one_;
    out.mid = 1;
    return out;
  }
  const Currency* const currency = currency_of(venue.quote);
  if (currency == nullptr) {
    out.reasons = Reason::kFxUnavailable;
    return out;
  }
  out.reasons = currency->reasons;
  out.fee = static_cast<Real>(venue.fx_taker_fee.value_or(venue.taker_fee));
  if (const std::optional<std::size_t> own = view_.fx_market(venue.id)) {
    const Market& market = view_.market(*own);
    if (market.usable() && market.instrument.quote == venue.quote &&
        now - *market.updated <= settings_.fx.max_age) {
      out.ok = true;
      out.pay = &market.bids;
      out.receive = &market.asks;
      out.mid = market.mid();
      return out;
    }
  }
  if (currency->mid && currency->bid && currency->ask) {
    out.ok = true;
    out.fallback = true;
    out.pay = &currency->bid_ladder;
    out.receive = &currency->ask_ladder;
    out.mid = static_cast<Real>(*currency->mid);
  }
  return out;
}

/// Rates are judged again, since the FX book of `own` or a bank said something or time has passed;
/// what converts differently now is computed again.
void Engine::refresh_rates(std::optional<VenueId> own, Timestamp now) {
  const auto changed = rates_.evaluate(now);
  rates_expiry_ = rates_.next_expiry(now);
  bool any_changed = false;
  for (std::size_t i = 0; i < fx::kPairCount; ++i) {
    if (!changed[i]) continue;
    dirty_rates_[i] = true;
    any_changed = true;
  }
  if (any_changed) mark_dirty(now);
  const auto moved = [this](Currency& currency) {
    const fx::Rate& rate = rates_.rate(currency.pair);
    const bool same = currency.reasons == rate.reasons && currency.bid == rate.bid &&
                      currency.ask == rate.ask && currency.mid == rate.mid;
    if (!same) refresh_currency(currency);
    return !same;
  };
  const bool krw_moved = moved(krw_);
  const bool usd_moved = moved(usd_);

  std::array<bool, kVenueCount> touched{};
  bool any_touched = false;
  for (const config::VenueSettings& venue : settings_.venues) {
    const std::size_t v = index_of(venue.id);
    const VenueFx before = venue_fx_[v];
    venue_fx_[v] = venue_fx(venue, now);
    const bool moved_under =
        venue_fx_[v].fallback && (venue.quote == "KRW" ? krw_moved : usd_moved);
    touched[v] = own == venue.id || moved_under || !before.same_way(venue_fx_[v]);
    any_touched = any_touched || touched[v];
  }
  if (any_touched || krw_moved || usd_moved) {
    for (std::size_t i = 0; i < converted_.size(); ++i) {
      if (touched[index_of(view_.market(i).venue)]) convert(i);
    }
    for (std::size_t i = 0; i < pairs_.size(); ++i) {
      const Market& buy = view_.market(pairs_[i].buy);
      const Market& sell = view_.market(pairs_[i].sell);
      const bool common = buy.instrument.quote == sell.instrument.quote;
      const bool common_moved = common && ((buy.instrument.quote == "KRW" && krw_moved) ||
                                           (buy.instrument.quote == "USD" && usd_moved));
      const bool by_venue =
          !common && (touched[index_of(buy.venue)] || touched[index_of(sell.venue)]);
      if (common_moved || by_venue) compute_pair(i, now);
    }
  }
  if (krw_moved || usd_moved || changed[static_cast<std::size_t>(fx::Pair::kUsdKrw)]) {
    for (std::size_t i = 0; i < assets_.size(); ++i) compute_premiums(assets_[i], i, now);
  }
  compute_usdt_premium(now);
}

/// The top of a market's book in USDT.
void Engine::convert(std::size_t market) {
  const Market& m = view_.market(market);
  Converted& out = converted_[market];
  out.ok = false;
  if (m.fx || !m.usable()) return;
  const VenueFx& fx = venue_fx_[index_of(m.venue)];
  if (!fx.ok) return;
  const Real fee = static_cast<Real>(venues_[index_of(m.venue)]->taker_fee);
  PairInput input;
  input.buy = {&m.asks, fx.pay, fee, fx.fee};
  input.sell = {&m.bids, fx.receive, fee, fx.fee};
  out.top = top_of(input);
  out.mid = m.mid() / fx.mid;
  out.ok = true;
}

void Engine::compute_pair(std::size_t index, Timestamp now) {
  Pair& pair = pairs_[index];
  const Market& buy = view_.market(pair.buy);
  const Market& sell = view_.market(pair.sell);
  Reasons reasons = buy.unusable;
  reasons.add(sell.unusable);
  if (!buy.proven || !sell.proven) reasons.add(Reason::kIdentityUnproven);
  if (!buy.active || !sell.active) reasons.add(Reason::kMarketSuspended);

  pair.fallback = false;
  pair.buy_price.reset();
  pair.sell_price.reset();
  bool rate_ok = true;
  const bool common = buy.instrument.quote == sell.instrument.quote;
  Top top;
  if (common && buy.instrument.quote != "USDT") {
    // Computed in the one currency: its price in USDT cancels out of every ratio.
    const Currency* const currency = currency_of(buy.instrument.quote);
    if (currency == nullptr) {
      reasons.add(Reason::kFxUnavailable);
    } else {
      reasons.add(currency->reasons);
    }
    rate_ok = currency != nullptr && currency->mid.has_value();
    if (rate_ok) {
      const Real mid = static_cast<Real>(*currency->mid);
      if (buy.usable()) {
        top.buy_price = buy.asks.top() / mid;
        top.buy_cost =
            top.buy_price * (1 + static_cast<Real>(venues_[index_of(buy.venue)]->taker_fee));
        pair.buy_price = static_cast<double>(top.buy_price);
      }
      if (sell.usable()) {
        top.sell_price = sell.bids.top() / mid;
        top.sell_proceeds =
            top.sell_price * (1 - static_cast<Real>(venues_[index_of(sell.venue)]->taker_fee));
        pair.sell_price = static_cast<double>(top.sell_price);
      }
    }
  } else {
    const VenueFx& buy_fx = venue_fx_[index_of(buy.venue)];
    const VenueFx& sell_fx = venue_fx_[index_of(sell.venue)];
    reasons.add(buy_fx.reasons);
    reasons.add(sell_fx.reasons);
    rate_ok = buy_fx.ok && sell_fx.ok;
    pair.fallback = buy_fx.fallback || sell_fx.fallback;
    const Converted& b = converted_[pair.buy];
    const Converted& s = converted_[pair.sell];
    if (b.ok) {
      top.buy_price = b.top.buy_price;
      top.buy_cost = b.top.buy_cost;
      pair.buy_price = static_cast<double>(top.buy_price);
    }
    if (s.ok) {
      top.sell_price = s.top.sell_price;
      top.sell_proceeds = s.top.sell_proceeds;
      pair.sell_price = static_cast<double>(top.sell_price);
    }
  }
  bool numbers = buy.usable() && sell.usable() && buy.proven && sell.proven && rate_ok;
  if (buy.usable() && sell.usable()) {
    bool far = false;
    if (common) {
      far = is_quarantined(buy.mid(), sell.mid());
    } else if (rate_ok) {
      far = is_quarantined(converted_[pair.buy].mid, converted_[pair.sell].mid);
    }
    if (far) {
      reasons.add(Reason::kPriceRatioQuarantine);
      numbers = false;
    }
  }
  if (numbers) {
    pair.gross_ratio = static_cast<double>((top.sell_price - top.buy_price) / top.buy_price);
    pair.net_ratio = static_cast<double>((top.sell_proceeds - top.buy_cost) / top.buy_cost);
  }
  for (std::size_t i = 0; i < settings_.spread.modes.size(); ++i) {
    compute_row(rows_[pair.rows + i], pair, reasons, numbers, now);
  }
}

PairInput Engine::input_of(const Pair& pair, const Row& row) const {
  const Market& buy = view_.market(pair.buy);
  const Market& sell = view_.market(pair.sell);
  PairInput input;
  input.buy.book = &buy.asks;
  input.sell.book = &sell.bids;
  input.buy.fee = static_cast<Real>(venues_[index_of(buy.venue)]->taker_fee);
  input.sell.fee = static_cast<Real>(venues_[index_of(sell.venue)]->taker_fee);
  if (buy.instrument.quote == sell.instrument.quote) {
    const Currency* const currency = currency_of(buy.instrument.quote);
    input.buy.fx = input.sell.fx = currency == nullptr ? &one_ : &currency->mid_ladder;
  } else {
    const VenueFx& buy_fx = venue_fx_[index_of(buy.venue)];
    const VenueFx& sell_fx = venue_fx_[index_of(sell.venue)];
    input.buy.fx = buy_fx.pay;
    input.buy.fx_fee = buy_fx.fee;
    input.sell.fx = sell_fx.receive;
    input.sell.fx_fee = sell_fx.fee;
  }
  if (row.route.out != nullptr) {
    input.withdrawal_fee = static_cast<Real>(*row.route.out->withdrawal_fee);
  }
  return input;
}

void Engine::compute_row(Row& row, const Pair& pair, Reasons reasons, bool numbers, Timestamp now) {
  row.time = now;
  row.numbers = numbers;
  row.net = numbers;
  row.optimal.reset();
  row.net_ratio = pair.net_ratio;
  if (row.mode == config::Mode::kTransfer) {
    const std::string& asset = assets_[pair.asset].name;
    row.route = find_route(wallet(view_.market(pair.buy).venue, asset),
                           wallet(view_.market(pair.sell).venue, asset));
    reasons.add(row.route.reasons);
    // Without the network's fee there is no net result, and none is made up.
    row.net = numbers && row.route.out != nullptr;
  }
  if (row.net) {
    const bool worth_walking = pair.net_ratio > 0;
    const PairInput input = worth_walking ? input_of(pair, row) : PairInput{};
    bool depth_ended = false;
    if (worth_walking) row.optimal = optimal(input, &depth_ended);
    if (!row.optimal) {
      // Profitable unit for unit, but the depth ends before it has earned the withdrawal fee.
      reasons.add(depth_ended ? Reason::kInsufficientDepth : Reason::kUnprofitable);
    } else {
      const double sold = row.optimal->quantity - static_cast<double>(input.withdrawal_fee);
      const auto too_small = [](const Market& m, double quantity, double vwap) {
        return m.min_notional && quantity * vwap < *m.min_notional;
      };
      if (too_small(view_.market(pair.buy), row.optimal->quantity, row.optimal->buy_vwap) ||
          too_small(view_.market(pair.sell), sold, row.optimal->sell_vwap) ||
          (row.route.out != nullptr && row.route.out->minimum_withdrawal &&
           row.optimal->quantity < *row.route.out->minimum_withdrawal)) {
        reasons.add(Reason::kBelowMinNotional);
      }
    }
  }
  const Verdict verdict = verdict_of(reasons);
  if (!row.counted || verdict != row.verdict || !(reasons == row.reasons)) {
    if (row.counted) {
      --counts_.by_verdict[static_cast<std::size_t>(row.verdict)];
      row.reasons.for_each([this](Reason r) { --counts_.by_reason[static_cast<std::size_t>(r)]; });
    }
    row.counted = true;
    row.verdict = verdict;
    row.reasons = reasons;
    ++counts_.by_verdict[static_cast<std::size_t>(verdict)];
    reasons.for_each([this](Reason r) { ++counts_.by_reason[static_cast<std::size_t>(r)]; });
  }

  const auto index = static_cast<std::size_t>(&row - rows_.data());
  row.opportunity.update(state_of(row, now), settings_.spread, now, emit_opportunity_);
  schedule_hold(index);
  if (!row.dirty) {
    row.dirty = true;
    dirty_rows_.push_back(index);
  }
  mark_dirty(now);
}

PairState Engine::state_of(const Row& row, Timestamp now) const {
  const Pair& pair = pairs_[row.pair];
  const Market& buy = view_.market(pair.buy);
  const Market& sell = view_.market(pair.sell);
  PairState state;
  state.asset = assets_[pair.asset].name;
  state.buy = buy.venue;
  state.sell = sell.venue;
  state.mode = row.mode;
  state.verdict = row.verdict;
  state.reasons = row.reasons;
  state.optimal = row.optimal ? &*row.optimal : nullptr;
  state.buy_age = age_of(buy.updated, now);
  state.sell_age = age_of(sell.updated, now);
  return state;
}

void Engine::schedule_hold(std::size_t index) {
  Row& row = rows_[index];
  const std::optional<Timestamp> deadline = row.opportunity.deadline();
  if (deadline == row.hold) return;
  row.hold = deadline;
  if (deadline) holds_.emplace(*deadline, index);
}

void Engine::compute_premiums(Asset& asset, std::size_t index, Timestamp now) {
  std::array<const Market*, kVenueCount> markets{};
  std::array<bool, 3> present{};
  std::size_t count = 0;
  for (const std::size_t market : asset.markets) {
    const Market& m = view_.market(market);
    if (!m.proven) continue;
    present[static_cast<std::size_t>(region_of(m.venue))] = true;
    markets[count++] = &m;
  }
  const auto prices = region_prices({markets.data(), count}, rates_);
  for (std::size_t i = 0; i < kPremiumKinds.size(); ++i) {
    const PremiumKind& kind = kPremiumKinds[i];
    if (!present[static_cast<std::size_t>(kind.region)] ||
        !present[static_cast<std::size_t>(kind.over)]) {
      continue;
    }
    if (kind.basis == Basis::kBank && settings_.fx.bank.empty()) continue;
    set_premium(asset.premiums[i], index, kind.region, kind.over, kind.basis,
                premium_of(prices, kind.region, kind.over, kind.basis, rates_), now);
  }
}

void Engine::compute_usdt_premium(Timestamp now) {
  if (settings_.fx.bank.empty()) return;
  set_premium(usdt_premium_, kUsdt, Region::kKorea, std::nullopt, Basis::kUsdtPremium,
              premium_of({}, Region::kKorea, std::nullopt, Basis::kUsdtPremium, rates_), now);
}

void Engine::set_premium(std::optional<std::size_t>& slot, std::size_t asset, Region region,
                         std::optional<Region> over, Basis basis, const PremiumValue& value,
                         Timestamp now) {
  const bool fresh = !slot;
  if (fresh) {
    slot = premiums_.size();
    Premium& added = premiums_.emplace_back();
    added.asset = asset;
    added.region = region;
    added.over = over;
    added.basis = basis;
  }
  Premium& premium = premiums_[*slot];
  if (!fresh && value.same_value(premium.value)) {
    premium.value.fx_updated = value.fx_updated;
    return;
  }
  premium.value = value;
  premium.time = now;
  if (value.premium) {
    if (!premium.first) premium.first = value.premium;
    premium.high = std::max(premium.high.value_or(*value.premium), *value.premium);
    premium.low = std::min(premium.low.value_or(*value.premium), *value.premium);
  }
  if (!premium.dirty) {
    premium.dirty = true;
    dirty_premiums_.push_back(*slot);
  }
  mark_dirty(now);
}

void Engine::mark_dirty(Timestamp now) {
  if (flush_at_) return;
  const microseconds period = settings_.publish.conflate;
  flush_at_ = period.count() == 0 ? now : Timestamp{(now.time_since_epoch() / period + 1) * period};
}

/// A row as the outside sees it. The ladder and the break-even size are only computed here: they
/// are the costly part, and nobody sees them in between.
void Engine::fill(const Row& row, std::span<const double> sizes, Timestamp now,
                  SpreadEvent& out) const {
  const Pair& pair = pairs_[row.pair];
  const Market& buy = view_.market(pair.buy);
  const Market& sell = view_.market(pair.sell);
  out.asset = assets_[pair.asset].name;
  out.buy = buy.venue;
  out.sell = sell.venue;
  out.mode = row.mode;
  out.time = now;
  out.verdict = row.verdict;
  out.reasons = row.reasons;
  out.gross_ratio = row.numbers ? std::optional{pair.gross_ratio} : std::nullopt;
  out.net_ratio = row.net ? std::optional{row.net_ratio} : std::nullopt;
  out.buy_price_usdt = pair.buy_price;
  out.sell_price_usdt = pair.sell_price;
  out.buy_age = age_of(buy.updated, now);
  out.sell_age = age_of(sell.updated, now);
  out.received = std::max(buy.updated, sell.updated);
  out.fx_venue_fallback = pair.fallback;
  out.optimal = row.optimal;
  out.break_even_quantity.reset();
  out.network.clear();
  out.withdrawal_fee.reset();
  out.expected_minutes = row.route.expected_minutes;
  if (row.route.out != nullptr) {
    out.network = row.route.out->name;
    out.withdrawal_fee = row.route.out->withdrawal_fee;
  }
  out.sizes.resize(sizes.size());
  for (std::size_t i = 0; i < sizes.size(); ++i) {
    out.sizes[i].size_usdt = sizes[i];
    out.sizes[i].insufficient_depth = false;
    out.sizes[i].trade.reset();
  }
  if (!row.net) return;
  const PairInput input = input_of(pair, row);
  out.break_even_quantity = row.optimal ? static_cast<double>(break_even(input)) : 0.0;
  for (SizeRow& size : out.sizes) {
    size.trade = trade_spending(input, static_cast<Real>(size.size_usdt));
    size.insufficient_depth = !size.trade;
  }
}

void Engine::emit_row(Row& row) {
  row.dirty = false;
  fill(row, settings_.spread.sizes_usdt, row.time, scratch_);
  if (!row.said || !scratch_.same_value(row.emitted)) {
    row.said = true;
    std::swap(scratch_, row.emitted);
    sink_.on_spread(row.emitted);
  }
  row.opportunity.flush(emit_opportunity_);
}

void Engine::emit_premium(Premium& premium) {
  premium.dirty = false;
  // The extremes count as well: a value that went away and came back within the period is a change.
  const bool same = premium.said && premium.value.same_value(premium.said_value) &&
                    premium.high == premium.value.premium && premium.low == premium.value.premium;
  if (!same) {
    premium.said = true;
    premium.said_value = premium.value;
    const PremiumValue& value = premium.value;
    PremiumEvent& event = premium.emitted;
    event.asset = premium.asset == kUsdt ? "USDT" : assets_[premium.asset].name;
    event.region = premium.region;
    event.over = premium.over;
    event.basis = premium.basis;
    event.time = premium.time;
    event.reasons = value.premium ? Reasons{} : value.reasons;
    event.premium = value.premium;
    event.first = premium.first;
    event.high = premium.high;
    event.low = premium.low;
    event.currency = premium.basis == Basis::kUsdt ? "USDT" : "KRW";
    event.price = value.price;
    event.over_price = value.over_price;
    event.venues = list_of(value.venues);
    event.over_venues = list_of(value.over_venues);
    event.fx_age = age_of(value.fx_updated, premium.time);
    sink_.on_premium(event);
  }
  premium.first.reset();
  premium.high.reset();
  premium.low.reset();
}

void Engine::flush() {
  flush_at_.reset();
  for (std::size_t i = 0; i < fx::kPairCount; ++i) {
    if (!dirty_rates_[i]) continue;
    dirty_rates_[i] = false;
    const fx::Rate& rate = rates_.rate(static_cast<fx::Pair>(i));
    if (said_rates_[i] && said_rates_[i]->same_value(rate)) continue;
    said_rates_[i] = rate;
    sink_.on_fx({rates_.evaluated(), rate});
  }
  std::ranges::sort(dirty_premiums_);
  for (const std::size_t index : dirty_premiums_) emit_premium(premiums_[index]);
  dirty_premiums_.clear();
  std::ranges::sort(dirty_rows_);
  for (const std::size_t index : dirty_rows_) emit_row(rows_[index]);
  dirty_rows_.clear();
}

std::optional<Timestamp> Engine::next_deadline() const {
  std::optional<Timestamp> next;
  const auto consider = [&next](const std::optional<Timestamp>& t) {
    if (t && (!next || *t < *next)) next = t;
  };
  consider(flush_at_);
  consider(view_.next_expiry());
  consider(rates_expiry_);
  if (!holds_.empty()) consider(holds_.top().first);
  for (const auto& [key, restored] : restored_) consider(restored.wait_until);
  return next;
}

/// What is due at exactly this moment, in a fixed order. What the period that ends now held back
/// comes first: whatever else happens at this moment belongs to the next period.
void Engine::do_due(Timestamp now) {
  if (flush_at_ && *flush_at_ <= now) flush();
  changed_.clear();
  view_.expire(now, changed_);
  for (const std::size_t market : changed_) market_changed(market, now);
  if (rates_expiry_ && *rates_expiry_ <= now) refresh_rates(std::nullopt, now);
  while (!holds_.empty() && holds_.top().first <= now) {
    const auto [deadline, index] = holds_.top();
    holds_.pop();
    Row& row = rows_[index];
    if (row.hold != deadline) continue;
    row.hold.reset();
    row.opportunity.expire(state_of(row, now), now, emit_opportunity_);
    schedule_hold(index);
  }
  for (auto it = restored_.begin(); it != restored_.end();) {
    if (it->second.wait_until > now) {
      ++it;
      continue;
    }
    // Neither of its books ever came.
    OpportunityEvent close = it->second.last;
    close.kind = OpportunityEvent::Kind::kClose;
    close.time = now;
    close.net_profit_usdt.reset();
    close.net_ratio.reset();
    close.quantity.reset();
    close.reason = CloseReason::kStale;
    close.reasons = Reason::kStaleLeg;
    sink_.on_opportunity(close);
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

void Engine::finish(Timestamp now) {
  advance(now);
  flush();
  for (Row& row : rows_) row.opportunity.shut_down(last_, emit_opportunity_);
}

std::size_t Engine::open_opportunities() const {
  return restored_.size() + static_cast<std::size_t>(std::ranges::count_if(
                                rows_, [](const Row& r) { return r.opportunity.open(); }));
}

void Engine::for_each_row(const std::function<void(const SpreadEvent&)>& visit) const {
  for (const auto& [name, index] : asset_index_) {
    std::vector<const SpreadEvent*> rows;
    for (const std::size_t market : assets_[index].markets) {
      for (const std::size_t pair : market_pairs_[market]) {
        if (pairs_[pair].buy != market) continue;
        for (std::size_t i = 0; i < settings_.spread.modes.size(); ++i) {
          const Row& row = rows_[pairs_[pair].rows + i];
          if (row.said) rows.push_back(&row.emitted);
        }
      }
    }
    std::ranges::stable_sort(rows, {}, [](const SpreadEvent* e) {
      return std::tuple{e->buy, e->sell, e->mode};
    });
    for (const SpreadEvent* row : rows) visit(*row);
  }
}

void Engine::for_each_premium(const std::function<void(const PremiumEvent&)>& visit) const {
  for (const auto& [name, index] : asset_index_) {
    for (const std::optional<std::size_t>& slot : assets_[index].premiums) {
      if (slot && premiums_[*slot].said) visit(premiums_[*slot].emitted);
    }
  }
  if (usdt_premium_ && premiums_[*usdt_premium_].said) visit(premiums_[*usdt_premium_].emitted);
}

std::optional<SpreadEvent> Engine::evaluate(std::string_view asset, VenueId buy, VenueId sell,
                                            config::Mode mode, std::span<const double> sizes_usdt,
                                            Timestamp now) const {
  const auto found = asset_index_.find(asset);
  if (found == asset_index_.end()) return std::nullopt;
  for (const std::size_t market : assets_[found->second].markets) {
    if (view_.market(market).venue != buy) continue;
    for (const std::size_t pair : market_pairs_[market]) {
      if (pairs_[pair].buy != market || view_.market(pairs_[pair].sell).venue != sell) continue;
      for (std::size_t i = 0; i < settings_.spread.modes.size(); ++i) {
        const Row& row = rows_[pairs_[pair].rows + i];
        if (row.mode != mode) continue;
        SpreadEvent event;
        fill(row, sizes_usdt, now, event);
        return event;
      }
    }
  }
  return std::nullopt;
}

}  // namespace spreadwatch::spread
