#pragma once

#include <optional>
#include <span>
#include <vector>

#include "core/market_data.h"
#include "spread/event.h"

namespace spreadwatch::spread {

/// One side of an order book for walking: best price first.
struct Step {
  double price = 0;
  double size = 0;
};

/// An order book for walking. Reused between updates.
struct CompiledBook {
  std::vector<Step> bids;
  std::vector<Step> asks;

  /// REQUIRES: the book is synced.
  void assign(const OrderBook& book);
  bool two_sided() const { return !bids.empty() && !asks.empty(); }
  double mid() const { return (bids.front().price + asks.front().price) / 2; }
};

/// How an amount of a venue's quote currency becomes USDT (or the other way round) at one price after another.
///
/// For USDT itself there is no step and no fee. `steps` are the FX book's asks when USDT is bought (receiving
/// KRW or USD) and its bids when USDT is sold (paying in KRW or USD); one step of infinite size stands for the
/// consensus.
struct Conversion {
  std::span<const Step> steps;  ///< empty = the quote currency is USDT
  double fee = 0;               ///< taker fee of the FX market, a fraction
  bool is_usdt() const { return steps.empty(); }
};

/// Everything a pair's numbers depend on. Fees are fractions of the quote amount.
struct PairInput {
  std::span<const Step> asks;  ///< of the venue where the asset is bought
  std::span<const Step> bids;  ///< of the venue where it is sold
  double buy_fee = 0;
  double sell_fee = 0;
  Conversion pay;      ///< USDT is sold to get the buying venue's currency
  Conversion receive;  ///< USDT is bought with the selling venue's currency
  /// Both venues trade in this one currency: the result is computed in it and divided by its USDT price, and
  /// `pay` and `receive` are not used. 1 for a USDT pair with itself; nullopt = different currencies.
  std::optional<double> common_rate;
  std::span<const double> sizes_usdt;  ///< rising
};

/// What a pair gives.
struct PairResult {
  double gross_ratio = 0;
  double net_ratio = 0;
  double buy_price_usdt = 0;
  double sell_price_usdt = 0;
  std::optional<Trade> optimal;
  double break_even_quantity = 0;
  std::vector<SizeRow> sizes;
};

/// Walks all books at once, piece by piece: within a piece every price is constant, so cost and proceeds are
/// linear in the quantity and the kinks are exact.
///
/// optimal = the smallest quantity with the highest net(q), if that is above 0; break-even = the largest
/// quantity within depth with net(q) >= 0; a ladder row = the quantity that spends its size. Sums are kept in
/// extended precision, since a profit is a small difference of large sums.
/// REQUIRES: asks, bids and the steps of each conversion are not empty (but for USDT); every price and size is
/// above 0. `out` is overwritten, its capacity reused: no allocation once warm. Threads: any; pure.
void evaluate(const PairInput& input, PairResult& out);

}  // namespace spreadwatch::spread
