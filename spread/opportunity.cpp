#include "spread/opportunity.h"

#include <array>
#include <cstdint>

namespace spreadwatch::spread {
namespace {

/// FNV-1a over the key and the opening time: the same on every replay and machine.
std::string id_of(const SpreadEvent& row, Timestamp opened) {
  const std::string key = row.asset + "|" + std::string{to_string(row.buy)} + "|" +
                          std::string{to_string(row.sell)} + "|" +
                          std::string{config::to_string(row.mode)} + "|" + std::to_string(to_us(opened));
  std::uint64_t hash = 0xcbf29ce484222325U;
  for (const char c : key) {
    hash ^= static_cast<unsigned char>(c);
    hash *= 0x100000001b3U;
  }
  constexpr std::string_view kDigits = "0123456789abcdef";
  std::string id(16, '0');
  for (std::size_t i = 16; i-- > 0; hash >>= 4U) id[i] = kDigits[hash & 0xfU];
  return id;
}

bool above(const SpreadEvent& row, double profit, double ratio) {
  return row.verdict == Verdict::kTradable && row.optimal && row.optimal->net_profit_usdt >= profit &&
         row.optimal->net_ratio >= ratio;
}

/// Reasons that end an opportunity at once; being unprofitable only does so after the hold.
Reasons hard_reasons(const SpreadEvent& row) {
  Reasons hard;
  row.reasons.for_each([&hard](Reason r) {
    if (r != Reason::kUnprofitable) hard.add(r);
  });
  return hard;
}

}  // namespace

void Opportunity::update(const SpreadEvent& row, const config::SpreadSettings& settings, Timestamp now,
                         const Emit& emit) {
  if (!open_) {
    if (!above(row, settings.open_profit_usdt, settings.open_ratio)) {
      deadline_.reset();
    } else if (!deadline_) {
      deadline_ = now + settings.open_hold;
    }
    if (deadline_ && *deadline_ <= now) begin(row, now, emit);
    return;
  }
  const Reasons hard = hard_reasons(row);
  if (hard.contains(Reason::kStaleLeg)) return end(CloseReason::kStale, row.reasons, now, emit);
  if (!hard.empty()) return end(CloseReason::kNotTradable, row.reasons, now, emit);

  const auto profit = row.optimal ? std::optional{row.optimal->net_profit_usdt} : std::nullopt;
  const auto ratio = row.optimal ? std::optional{row.optimal->net_ratio} : std::nullopt;
  const auto quantity = row.optimal ? std::optional{row.optimal->quantity} : std::nullopt;
  if (profit != open_->net_profit_usdt || ratio != open_->net_ratio || quantity != open_->quantity) {
    open_->net_profit_usdt = profit;
    open_->net_ratio = ratio;
    open_->quantity = quantity;
    open_->time = now;
    changed_ = true;
  }
  open_->buy_age = row.buy_age;
  open_->sell_age = row.sell_age;
  if (profit && *profit > open_->peak_profit_usdt) {
    open_->peak_profit_usdt = *profit;
    open_->peak_quantity = *quantity;
    open_->peak_time = now;
  }
  if (above(row, settings.close_profit_usdt, settings.close_ratio)) {
    deadline_.reset();
  } else if (!deadline_) {
    deadline_ = now + settings.close_hold;
  }
  if (deadline_ && *deadline_ <= now) end(CloseReason::kConverged, row.reasons, now, emit);
}

void Opportunity::expire(const SpreadEvent& row, Timestamp now, const Emit& emit) {
  // Whatever would have ended the hold came through update() before: what waited holds.
  if (!deadline_ || *deadline_ > now) return;
  if (open_) {
    end(CloseReason::kConverged, row.reasons, now, emit);
  } else {
    begin(row, now, emit);
  }
}

void Opportunity::begin(const SpreadEvent& row, Timestamp now, const Emit& emit) {
  deadline_.reset();
  OpportunityEvent event{.kind = OpportunityEvent::Kind::kOpen,
                         .id = id_of(row, now),
                         .asset = row.asset,
                         .buy = row.buy,
                         .sell = row.sell,
                         .mode = row.mode,
                         .opened = now,
                         .time = now,
                         .net_profit_usdt = row.optimal->net_profit_usdt,
                         .net_ratio = row.optimal->net_ratio,
                         .quantity = row.optimal->quantity,
                         .peak_profit_usdt = row.optimal->net_profit_usdt,
                         .peak_quantity = row.optimal->quantity,
                         .peak_time = now,
                         .buy_age = row.buy_age,
                         .sell_age = row.sell_age,
                         .reason = {},
                         .reasons = {}};
  emit(event);
  open_ = std::move(event);
  open_->kind = OpportunityEvent::Kind::kUpdate;
  changed_ = false;
}

void Opportunity::end(CloseReason reason, Reasons reasons, Timestamp now, const Emit& emit) {
  deadline_.reset();
  changed_ = false;
  OpportunityEvent event = std::move(*open_);
  open_.reset();
  event.kind = OpportunityEvent::Kind::kClose;
  event.time = now;
  event.reason = reason;
  event.reasons = reasons;
  emit(event);
}

void Opportunity::flush(const Emit& emit) {
  if (!open_ || !changed_) return;
  changed_ = false;
  emit(*open_);
}

void Opportunity::shut_down(Timestamp now, const Emit& emit) {
  if (open_) end(CloseReason::kShutdown, {}, now, emit);
}

}  // namespace spreadwatch::spread
