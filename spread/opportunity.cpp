#include "spread/opportunity.h"

#include <cstdint>
#include <string>
#include <utility>

namespace spreadwatch::spread {
namespace {

/// FNV-1a over the key and the opening time: the same on every replay and machine.
std::string id_of(const PairState& row, Timestamp opened) {
  const std::string key = std::string{row.asset} + "|" + std::string{to_string(row.buy)} + "|" +
                          std::string{to_string(row.sell)} + "|" +
                          std::string{to_string(row.mode)} + "|" + std::to_string(to_us(opened));
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

bool above(const PairState& row, double profit, double ratio) {
  return row.verdict == Verdict::kTradable && row.optimal != nullptr &&
         row.optimal->net_profit_usdt >= profit && row.optimal->net_ratio >= ratio;
}

/// Reasons that end an opportunity at once; being unprofitable only does so after the hold.
Reasons hard_reasons(const PairState& row) {
  Reasons hard;
  row.reasons.for_each([&hard](Reason r) {
    if (r != Reason::kUnprofitable) hard.add(r);
  });
  return hard;
}

/// A rate that is too old is a feed that fell silent as well.
CloseReason close_reason(Reasons hard) {
  const bool silent = hard.contains(Reason::kStaleLeg) || hard.contains(Reason::kFxStale);
  return silent ? CloseReason::kStale : CloseReason::kNotTradable;
}

}  // namespace

void Opportunity::restore(const OpportunityEvent& last, Timestamp wait_until) {
  open_ = last;
  open_->kind = OpportunityEvent::Kind::kUpdate;
  open_->reason.reset();
  open_->reasons = {};
  changed_ = false;
  told_at_ = last.time;
  restored_ = true;
  deadline_ = wait_until;
}

void Opportunity::update(const PairState& row, const config::SpreadSettings& settings,
                         Timestamp now, const Emit& emit) {
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
  if (!hard.empty()) {
    if (restored_ && now < *deadline_) return;
    // No number stands while its books or rates may not be believed; the peak was, when it was
    // seen.
    open_->net_profit_usdt.reset();
    open_->net_ratio.reset();
    open_->quantity.reset();
    open_->buy_age = row.buy_age;
    open_->sell_age = row.sell_age;
    return end(close_reason(hard), row.reasons, now, emit);
  }
  if (std::exchange(restored_, false)) deadline_.reset();

  const Trade* const best = row.optimal;
  const auto profit = best != nullptr ? std::optional{best->net_profit_usdt} : std::nullopt;
  const auto ratio = best != nullptr ? std::optional{best->net_ratio} : std::nullopt;
  const auto quantity = best != nullptr ? std::optional{best->quantity} : std::nullopt;
  if (profit != open_->net_profit_usdt || ratio != open_->net_ratio ||
      quantity != open_->quantity) {
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

void Opportunity::expire(const PairState& row, Timestamp now, const Emit& emit) {
  // Whatever would have ended the hold came through update() before: what waited holds.
  if (!deadline_ || *deadline_ > now) return;
  if (!open_) {
    begin(row, now, emit);
  } else if (restored_) {
    const Reasons hard = hard_reasons(row);
    end(hard.empty() ? CloseReason::kStale : close_reason(hard), row.reasons, now, emit);
  } else {
    end(CloseReason::kConverged, row.reasons, now, emit);
  }
}

void Opportunity::begin(const PairState& row, Timestamp now, const Emit& emit) {
  deadline_.reset();
  restored_ = false;
  changed_ = false;
  told_at_ = now;
  OpportunityEvent event;
  event.kind = OpportunityEvent::Kind::kOpen;
  event.id = id_of(row, now);
  event.asset = row.asset;
  event.buy = row.buy;
  event.sell = row.sell;
  event.mode = row.mode;
  event.opened = now;
  event.time = now;
  event.net_profit_usdt = row.optimal->net_profit_usdt;
  event.net_ratio = row.optimal->net_ratio;
  event.quantity = row.optimal->quantity;
  event.peak_profit_usdt = row.optimal->net_profit_usdt;
  event.peak_quantity = row.optimal->quantity;
  event.peak_time = now;
  event.buy_age = row.buy_age;
  event.sell_age = row.sell_age;
  open_ = event;
  open_->kind = OpportunityEvent::Kind::kUpdate;
  emit(event);
}

void Opportunity::end(CloseReason reason, Reasons reasons, Timestamp now, const Emit& emit) {
  deadline_.reset();
  restored_ = false;
  changed_ = false;
  OpportunityEvent event = std::move(*open_);
  open_.reset();
  event.kind = OpportunityEvent::Kind::kClose;
  event.time = now;
  event.reason = reason;
  event.reasons = reasons;
  emit(event);
}

void Opportunity::flush(Timestamp now, const Emit& emit) {
  if (!changed()) return;
  changed_ = false;
  told_at_ = now;
  emit(*open_);
}

void Opportunity::remove(const PairState& row, Timestamp now, const Emit& emit) {
  deadline_.reset();
  if (!open_) return;
  open_->net_profit_usdt.reset();
  open_->net_ratio.reset();
  open_->quantity.reset();
  open_->buy_age = row.buy_age;
  open_->sell_age = row.sell_age;
  end(CloseReason::kNotTradable, row.reasons, now, emit);
}

void Opportunity::shut_down(Timestamp now, const Emit& emit) {
  if (open_) end(CloseReason::kShutdown, {}, now, emit);
}

}  // namespace spreadwatch::spread
