#include "spread/pair_table.h"

#include <algorithm>
#include <tuple>

#include "core/verdict.h"
#include "spread/premium.h"

namespace spreadwatch::spread {
PairTable::PairTable(const config::Settings& settings, const MarketView& view,
                     const fx::Converter& converter, Opportunity::Emit emit)
    : settings_(settings),
      view_(view),
      converter_(converter),
      rule_(settings.publish),
      emit_(std::move(emit)) {
  for (const config::VenueSettings& venue : settings.venues) {
    fees_[index_of(venue.id)] = static_cast<Real>(venue.taker_fee);
  }
}

Real PairTable::fee_of(const Market& market) const { return fees_[index_of(market.venue)]; }

const WalletInfo* PairTable::wallet(VenueId venue, const std::string& asset) const {
  if (wallets_.empty()) return nullptr;
  const auto found = wallets_.find({venue, asset});
  return found == wallets_.end() ? nullptr : &found->second;
}

void PairTable::set_wallet(VenueId venue, std::string_view asset, WalletInfo info,
                           std::optional<std::size_t> market, Timestamp now) {
  wallets_.insert_or_assign({venue, std::string{asset}}, std::move(info));
  if (!market) return;
  for (const std::size_t pair : market_pairs_[*market]) compute_pair(pair, now);
}

void PairTable::join(std::size_t market, std::span<const std::size_t> others,
                     const TakeRestored& take) {
  if (market >= market_pairs_.size()) {
    market_pairs_.resize(market + 1);
    converted_.resize(market + 1);
    group_of_.resize(market + 1);
  }
  if (!others.empty()) {
    group_of_[market] = group_of_[others.front()];
  } else if (free_groups_.empty()) {
    group_of_[market] = groups_.size();
    groups_.emplace_back();
  } else {
    group_of_[market] = free_groups_.back();
    free_groups_.pop_back();
  }
  groups_[group_of_[market]].markets.push_back(market);
  for (const std::size_t other : others) {
    add(other, market, take);
    add(market, other, take);
  }
}

void PairTable::add(std::size_t buy, std::size_t sell, const TakeRestored& take) {
  std::size_t index = pairs_.size();
  if (free_pairs_.empty()) {
    pairs_.emplace_back().rows = rows_.size();
    rows_.resize(rows_.size() + settings_.spread.modes.size());
  } else {
    index = free_pairs_.back();
    free_pairs_.pop_back();
    pairs_[index] = {.rows = pairs_[index].rows};
  }
  Pair& pair = pairs_[index];
  pair.buy = buy;
  pair.sell = sell;
  market_pairs_[buy].push_back(index);
  market_pairs_[sell].push_back(index);
  const Market& bought = view_.market(buy);
  std::size_t row_index = pair.rows;
  for (const Mode mode : settings_.spread.modes) {
    Row& row = rows_[row_index];
    row.pair = index;
    row.mode = mode;
    const auto restored = take({bought.asset, bought.venue, view_.market(sell).venue, mode});
    if (restored) {
      row.opportunity.restore(restored->last, restored->wait_until);
      schedule_hold(row_index);
    }
    ++row_index;
  }
}

void PairTable::leave(std::size_t market, Timestamp now) {
  const std::vector<std::size_t> gone = std::move(market_pairs_[market]);
  market_pairs_[market].clear();
  converted_[market] = {};
  std::vector<bool> row_gone(rows_.size());
  for (const std::size_t index : gone) {
    Pair& pair = pairs_[index];
    std::erase(market_pairs_[pair.buy == market ? pair.sell : pair.buy], index);
    for (std::size_t i = 0; i < settings_.spread.modes.size(); ++i) {
      Row& row = rows_[pair.rows + i];
      row.opportunity.remove(state_of(row, now), now, emit_);
      uncount(row);
      row = {};
      row_gone[pair.rows + i] = true;
    }
    pair.used = false;
    free_pairs_.push_back(index);
  }
  std::erase_if(dirty_, [&](std::size_t row) { return row_gone[row]; });
  for (std::vector<Timer>* const timers : {&holds_, &releases_}) {
    std::erase_if(*timers, [&](const Timer& timer) { return row_gone[timer.second]; });
    std::ranges::make_heap(*timers, std::greater<>{});
  }
  Group& group = groups_[group_of_[market]];
  std::erase(group.markets, market);
  if (group.markets.empty()) {
    group = {};
    free_groups_.push_back(group_of_[market]);
  } else {
    find_best(group_of_[market]);
  }
}

void PairTable::market_changed(std::size_t market, Timestamp now) {
  convert(market);
  for (const std::size_t pair : market_pairs_[market]) compute_pair(pair, now);
}

void PairTable::rates_changed(const fx::Converter::Changed& changed, Timestamp now) {
  if (!changed.any_venue() && !changed.krw && !changed.usd) return;
  const auto touched = [&changed](const Market& m) { return changed.venues[index_of(m.venue)]; };
  for (std::size_t i = 0; i < converted_.size(); ++i) {
    if (touched(view_.market(i))) convert(i);
  }
  for (std::size_t i = 0; i < pairs_.size(); ++i) {
    if (!pairs_[i].used) continue;
    const Market& buy = view_.market(pairs_[i].buy);
    const Market& sell = view_.market(pairs_[i].sell);
    const bool common = buy.instrument.quote == sell.instrument.quote;
    const bool common_moved = common && ((buy.instrument.quote == "KRW" && changed.krw) ||
                                         (buy.instrument.quote == "USD" && changed.usd));
    const bool by_venue = !common && (touched(buy) || touched(sell));
    if (common_moved || by_venue) compute_pair(i, now);
  }
}

/// The top of a market's book in USDT.
void PairTable::convert(std::size_t market) {
  const Market& m = view_.market(market);
  Converted& out = converted_[market];
  out.available = false;
  if (m.fx || !m.usable()) return;
  const fx::VenueConversion& conversion = converter_.venue(m.venue);
  if (!conversion.available) return;
  const Real fee = fee_of(m);
  PairInput input;
  input.buy = {&m.asks, conversion.usdt_bids, fee, conversion.fee};
  input.sell = {&m.bids, conversion.usdt_asks, fee, conversion.fee};
  out.top = top_of(input);
  out.mid = conversion.to_usdt_at_mid(m.mid());
  out.available = true;
}

void PairTable::compute_pair(std::size_t index, Timestamp now) {
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
  bool rate_available = true;
  const bool common = buy.instrument.quote == sell.instrument.quote;
  Top top;
  if (common && buy.instrument.quote != "USDT") {
    // Computed in the one currency: its price in USDT cancels out of every ratio.
    const fx::ConsensusRate& rate = converter_.consensus(buy.instrument.quote);
    reasons.add(rate.reasons);
    rate_available = rate.available();
    if (rate_available) {
      if (buy.usable()) {
        top.buy_price = rate.to_usdt_at_mid(buy.asks.top());
        top.buy_cost = top.buy_price * (1 + fee_of(buy));
        pair.buy_price = static_cast<double>(top.buy_price);
      }
      if (sell.usable()) {
        top.sell_price = rate.to_usdt_at_mid(sell.bids.top());
        top.sell_proceeds = top.sell_price * (1 - fee_of(sell));
        pair.sell_price = static_cast<double>(top.sell_price);
      }
    }
  } else {
    const fx::VenueConversion& buy_conversion = converter_.venue(buy.venue);
    const fx::VenueConversion& sell_conversion = converter_.venue(sell.venue);
    reasons.add(buy_conversion.reasons);
    reasons.add(sell_conversion.reasons);
    rate_available = buy_conversion.available && sell_conversion.available;
    pair.fallback = buy_conversion.at_consensus || sell_conversion.at_consensus;
    const Converted& bought = converted_[pair.buy];
    const Converted& sold = converted_[pair.sell];
    if (bought.available) {
      top.buy_price = bought.top.buy_price;
      top.buy_cost = bought.top.buy_cost;
      pair.buy_price = static_cast<double>(top.buy_price);
    }
    if (sold.available) {
      top.sell_price = sold.top.sell_price;
      top.sell_proceeds = sold.top.sell_proceeds;
      pair.sell_price = static_cast<double>(top.sell_price);
    }
  }
  bool numbers = buy.usable() && sell.usable() && buy.proven && sell.proven && rate_available;
  if (buy.usable() && sell.usable()) {
    bool far = false;
    if (common) {
      far = is_quarantined(buy.mid(), sell.mid());
    } else if (rate_available) {
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

PairInput PairTable::input_of(const Pair& pair, const Row& row) const {
  const Market& buy = view_.market(pair.buy);
  const Market& sell = view_.market(pair.sell);
  PairInput input;
  input.buy.book = &buy.asks;
  input.sell.book = &sell.bids;
  input.buy.fee = fee_of(buy);
  input.sell.fee = fee_of(sell);
  if (buy.instrument.quote == sell.instrument.quote) {
    input.buy.fx = input.sell.fx = &converter_.consensus(buy.instrument.quote).mid_curve;
  } else {
    const fx::VenueConversion& buy_conversion = converter_.venue(buy.venue);
    const fx::VenueConversion& sell_conversion = converter_.venue(sell.venue);
    input.buy.fx = buy_conversion.usdt_bids;
    input.buy.fx_fee = buy_conversion.fee;
    input.sell.fx = sell_conversion.usdt_asks;
    input.sell.fx_fee = sell_conversion.fee;
  }
  if (row.route.out != nullptr) {
    input.withdrawal_fee = static_cast<Real>(*row.route.out->withdrawal_fee);
  }
  return input;
}

void PairTable::compute_row(Row& row, const Pair& pair, Reasons reasons, bool numbers,
                            Timestamp now) {
  row.time = now;
  row.received = cause_;
  row.numbers = numbers;
  row.net = numbers;
  row.optimal.reset();
  row.net_ratio = pair.net_ratio;
  if (row.mode == Mode::kTransfer) {
    const std::string& asset = view_.market(pair.buy).asset;
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
  count(row, verdict_of(reasons), reasons);

  const auto index = static_cast<std::size_t>(&row - rows_.data());
  row.opportunity.update(state_of(row, now), settings_.spread, now, emit_);
  schedule_hold(index);
  row.changed = true;
  mark_dirty(index);
}

void PairTable::count(Row& row, Verdict verdict, Reasons reasons) {
  if (row.counted && verdict == row.verdict && reasons == row.reasons) return;
  uncount(row);
  row.counted = true;
  row.verdict = verdict;
  row.reasons = reasons;
  ++counts_.by_verdict[static_cast<std::size_t>(verdict)];
  reasons.for_each([this](Reason r) { ++counts_.by_reason[static_cast<std::size_t>(r)]; });
}

void PairTable::uncount(const Row& row) {
  if (!row.counted) return;
  --counts_.by_verdict[static_cast<std::size_t>(row.verdict)];
  row.reasons.for_each([this](Reason r) { --counts_.by_reason[static_cast<std::size_t>(r)]; });
}

PairState PairTable::state_of(const Row& row, Timestamp now) const {
  const Pair& pair = pairs_[row.pair];
  const Market& buy = view_.market(pair.buy);
  const Market& sell = view_.market(pair.sell);
  PairState state;
  state.asset = view_.market(pair.buy).asset;
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

void PairTable::schedule_hold(std::size_t index) {
  Row& row = rows_[index];
  const std::optional<Timestamp> deadline = row.opportunity.deadline();
  if (deadline == row.hold) return;
  row.hold = deadline;
  if (!deadline) return;
  holds_.emplace_back(*deadline, index);
  std::ranges::push_heap(holds_, std::greater<>{});
}

/// A row as the outside sees it. The ladder and the break-even size are computed here only: they
/// are the costly part, and nobody sees them in between.
void PairTable::fill(const Row& row, std::span<const double> sizes, Timestamp now,
                     SpreadEvent& out) const {
  const Pair& pair = pairs_[row.pair];
  const Market& buy = view_.market(pair.buy);
  const Market& sell = view_.market(pair.sell);
  out.asset = view_.market(pair.buy).asset;
  out.buy = buy.venue;
  out.sell = sell.venue;
  out.buy_market = buy.instrument;
  out.sell_market = sell.instrument;
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
  out.received = row.received;
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
    size.trade = trade_spending(input, UsdtAmount{static_cast<Real>(size.size_usdt)});
    size.insufficient_depth = !size.trade;
  }
}

/// The first moment at which a row that leaves at `leaves` is too old: when either leg falls
/// silent, or has been on its way for longer than a book may be.
std::optional<Timestamp> PairTable::fresh_until(const Pair& pair, Timestamp leaves) const {
  const Market& buy = view_.market(pair.buy);
  const Market& sell = view_.market(pair.sell);
  if (!buy.usable() || !sell.usable()) return std::nullopt;
  const Timestamp silent = std::min(view_.fresh_until(pair.buy), view_.fresh_until(pair.sell));
  return std::min(silent, leaves + std::min(buy.time_left, sell.time_left) + microseconds{1});
}

void PairTable::mark_dirty(std::size_t index) {
  Row& row = rows_[index];
  if (row.dirty) return;
  row.dirty = true;
  dirty_.push_back(index);
}

void PairTable::schedule_release(std::size_t index, Timestamp due) {
  Row& row = rows_[index];
  if (row.release == due) return;
  row.release = due;
  releases_.emplace_back(due, index);
  std::ranges::push_heap(releases_, std::greater<>{});
}

/// Rows whose time has come are looked at like those that changed.
void PairTable::take_due_releases(Timestamp now) {
  while (!releases_.empty() && releases_.front().first <= now) {
    const auto [due, index] = releases_.front();
    std::ranges::pop_heap(releases_, std::greater<>{});
    releases_.pop_back();
    if (rows_[index].release != due) continue;
    rows_[index].release.reset();
    mark_dirty(index);
  }
}

/// The best row of each mode; the first in order of several that are equal. One that has become it
/// is looked at, since what it held back may now leave sooner.
void PairTable::find_best(std::size_t index) {
  Group& group = groups_[index];
  group.best.resize(settings_.spread.modes.size());
  for (std::size_t mode = 0; mode < group.best.size(); ++mode) {
    std::optional<std::size_t> best;
    for (const std::size_t market : group.markets) {
      for (const std::size_t pair : market_pairs_[market]) {
        if (pairs_[pair].buy != market) continue;
        const std::size_t candidate = pairs_[pair].rows + mode;
        const Row& row = rows_[candidate];
        if (!row.net) continue;
        if (!best || row.net_ratio > rows_[*best].net_ratio ||
            (row.net_ratio == rows_[*best].net_ratio && candidate < *best)) {
          best = candidate;
        }
      }
    }
    if (best && best != group.best[mode] && rows_[*best].changed) mark_dirty(*best);
    group.best[mode] = best;
  }
}

void PairTable::refresh_best() {
  for (const std::size_t index : dirty_) {
    const std::size_t group = group_of_[pairs_[rows_[index].pair].buy];
    if (std::exchange(groups_[group].touched, true)) continue;
    touched_.push_back(group);
  }
  for (const std::size_t group : touched_) {
    groups_[group].touched = false;
    find_best(group);
  }
  touched_.clear();
}

bool PairTable::is_best(std::size_t index) const {
  const Pair& pair = pairs_[rows_[index].pair];
  return groups_[group_of_[pair.buy]].best[index - pair.rows] == index;
}

void PairTable::emit_row(Row& row, EventSink& sink, Timestamp now) {
  row.changed = false;
  fill(row, settings_.spread.sizes_usdt, row.time, scratch_);
  scratch_.fresh_until = fresh_until(pairs_[row.pair], now);
  withdraw_if_stale(scratch_, now);
  if (!row.left_at || !scratch_.same_value(row.emitted)) {
    std::swap(scratch_, row.emitted);
    sink.on_spread(row.emitted);
  }
  row.left_at = now;
}

/// Lets go of a row what may leave now; when the rest may, nullopt when nothing is held back.
std::optional<Timestamp> PairTable::release(std::size_t index, EventSink& sink, Timestamp now) {
  Row& row = rows_[index];
  std::optional<Timestamp> next;
  if (row.changed) {
    Timestamp due = now;
    if (row.left_at) {
      due = rule_.due(
          {row.verdict, row.reasons, row.net ? std::optional{row.net_ratio} : std::nullopt},
          is_best(index), {row.emitted.verdict, row.emitted.reasons, row.emitted.net_ratio},
          *row.left_at);
    }
    if (due <= now) {
      emit_row(row, sink, now);
    } else {
      next = due;
    }
  }
  if (row.opportunity.changed()) {
    const Timestamp due = rule_.due(row.opportunity.told_at());
    if (due <= now) {
      row.opportunity.flush(now, emit_);
    } else {
      next = next ? std::min(*next, due) : due;
    }
  }
  return next;
}

void PairTable::flush(EventSink& sink, Timestamp now) {
  take_due_releases(now);
  refresh_best();
  std::ranges::sort(dirty_);
  for (const std::size_t index : dirty_) {
    rows_[index].dirty = false;
    if (const auto due = release(index, sink, now)) schedule_release(index, *due);
  }
  dirty_.clear();
}

void PairTable::flush_opportunities(Timestamp now) {
  for (Row& row : rows_) row.opportunity.flush(now, emit_);
}

std::optional<Timestamp> PairTable::next_release() const {
  return releases_.empty() ? std::nullopt : std::optional{releases_.front().first};
}

std::optional<Timestamp> PairTable::next_expiry() const {
  return holds_.empty() ? std::nullopt : std::optional{holds_.front().first};
}

void PairTable::expire(Timestamp now) {
  while (!holds_.empty() && holds_.front().first <= now) {
    const auto [deadline, index] = holds_.front();
    std::ranges::pop_heap(holds_, std::greater<>{});
    holds_.pop_back();
    Row& row = rows_[index];
    if (row.hold != deadline) continue;
    row.hold.reset();
    row.opportunity.expire(state_of(row, now), now, emit_);
    schedule_hold(index);
  }
}

void PairTable::shut_down(Timestamp now) {
  for (Row& row : rows_) row.opportunity.shut_down(now, emit_);
}

std::size_t PairTable::open_opportunities() const {
  return static_cast<std::size_t>(
      std::ranges::count_if(rows_, [](const Row& r) { return r.opportunity.open(); }));
}

void PairTable::for_each(std::span<const std::size_t> markets, const RowFilter& filter,
                         Timestamp now,
                         const std::function<void(const SpreadEvent&)>& visit) const {
  std::vector<const Row*> rows;
  for (const std::size_t market : markets) {
    if (filter.buy && *filter.buy != view_.market(market).venue) continue;
    for (const std::size_t index : market_pairs_[market]) {
      const Pair& pair = pairs_[index];
      if (pair.buy != market) continue;
      if (filter.sell && *filter.sell != view_.market(pair.sell).venue) continue;
      for (std::size_t i = 0; i < settings_.spread.modes.size(); ++i) {
        const Row& row = rows_[pair.rows + i];
        if (filter.mode && *filter.mode != row.mode) continue;
        if (row.counted) rows.push_back(&row);
      }
    }
  }
  std::ranges::sort(rows, {}, [this](const Row* row) {
    const Pair& pair = pairs_[row->pair];
    return std::tuple{view_.market(pair.buy).venue, view_.market(pair.sell).venue, row->mode};
  });
  SpreadEvent event;
  for (const Row* row : rows) {
    as_of(*row, settings_.spread.sizes_usdt, now, event);
    if (!filter.verdict || *filter.verdict == event.verdict) visit(event);
  }
}

/// A row as it is at `now`, for whoever asks.
void PairTable::as_of(const Row& row, std::span<const double> sizes, Timestamp now,
                      SpreadEvent& out) const {
  fill(row, sizes, now, out);
  out.fresh_until = fresh_until(pairs_[row.pair], now);
  withdraw_if_stale(out, now);
}

std::optional<SpreadEvent> PairTable::evaluate(std::size_t buy_market, VenueId sell, Mode mode,
                                               std::span<const double> sizes_usdt,
                                               Timestamp now) const {
  for (const std::size_t pair : market_pairs_[buy_market]) {
    if (pairs_[pair].buy != buy_market || view_.market(pairs_[pair].sell).venue != sell) continue;
    for (std::size_t i = 0; i < settings_.spread.modes.size(); ++i) {
      const Row& row = rows_[pairs_[pair].rows + i];
      if (row.mode != mode) continue;
      SpreadEvent event;
      as_of(row, sizes_usdt, now, event);
      return event;
    }
  }
  return std::nullopt;
}

}  // namespace spreadwatch::spread
