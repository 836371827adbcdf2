#include "core/event.h"

#include <algorithm>

namespace spreadwatch {

bool Rate::same_value(const Rate& other) const {
  return pair == other.pair && reasons == other.reasons && bid == other.bid && ask == other.ask &&
         mid == other.mid &&
         std::ranges::equal(sources, other.sources, [](const RateSource& a, const RateSource& b) {
           return a.same_value(b);
         });
}

bool SpreadEvent::same_value(const SpreadEvent& o) const {
  return asset == o.asset && buy == o.buy && sell == o.sell && mode == o.mode &&
         verdict == o.verdict && reasons == o.reasons && gross_ratio == o.gross_ratio &&
         net_ratio == o.net_ratio && buy_price_usdt == o.buy_price_usdt &&
         sell_price_usdt == o.sell_price_usdt && fx_venue_fallback == o.fx_venue_fallback &&
         optimal == o.optimal && break_even_quantity == o.break_even_quantity && sizes == o.sizes &&
         network == o.network && withdrawal_fee == o.withdrawal_fee &&
         expected_minutes == o.expected_minutes;
}

bool withdraw_if_stale(SpreadEvent& row, Timestamp now) {
  if (is_fresh(row, now)) return false;
  row.fresh_until.reset();
  row.reasons.add(Reason::kStaleLeg);
  row.verdict = verdict_of(row.reasons);
  row.gross_ratio.reset();
  row.net_ratio.reset();
  row.buy_price_usdt.reset();
  row.sell_price_usdt.reset();
  row.optimal.reset();
  row.break_even_quantity.reset();
  for (SizeRow& size : row.sizes) {
    size.insufficient_depth = false;
    size.trade.reset();
  }
  return true;
}

}  // namespace spreadwatch
