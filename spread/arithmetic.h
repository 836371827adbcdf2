#pragma once

#include <optional>

#include "core/depth_curve.h"
#include "core/event.h"
#include "core/money.h"

namespace spreadwatch::spread {

/// One leg of a pair: a book, and the side of a USDT book over which its currency becomes USDT (see
/// fx/conversion.h). Fees are fractions of the quote amount.
struct Leg {
  const DepthCurve* book = nullptr;  ///< asks where the asset is bought, bids where it is sold
  /// Bids of the FX book where USDT is sold to pay, its asks where USDT is bought with what was
  /// received; one unlimited step for the consensus, for a common currency, and (price 1) for USDT.
  const DepthCurve* fx = nullptr;
  Real fee = 0;
  Real fx_fee = 0;  ///< 0 when nothing is converted
};

/// Everything a pair's numbers depend on. REQUIRES: no curve is empty, fees are below 1.
struct PairInput {
  Leg buy;
  Leg sell;
  Real withdrawal_fee = 0;  ///< of the asset: only `q − withdrawal_fee` is sold
};

/// USDT paid for the quantity `q` bought; nullopt beyond the depth of the book or of its FX book.
std::optional<UsdtAmount> usdt_spent(const Leg& buy, Real q);
/// USDT received for the quantity `q` sold; nullopt beyond depth.
std::optional<UsdtAmount> usdt_received(const Leg& sell, Real q);
/// The quantity that costs `usdt`; nullopt beyond depth.
std::optional<Real> quantity_for(const Leg& buy, UsdtAmount usdt);

/// The top of the books.
struct Top {
  UsdtAmount buy_price;  ///< for one unit, no fees
  UsdtAmount buy_cost;   ///< the same with every fee
  UsdtAmount sell_price;
  UsdtAmount sell_proceeds;
};
Top top_of(const PairInput& pair);

/// The smallest quantity with the highest net(q); nullopt unless that is above 0.
///
/// Walks all books at once, kink by kink: between two kinks every price is constant and net(q) is
/// linear, so the kinks are exact. `depth_ended`, when given, tells whether the books ended before
/// the profit did.
std::optional<Trade> optimal(const PairInput& pair, bool* depth_ended = nullptr);

/// The largest quantity within depth with net(q) >= 0; 0 when no size is profitable.
Real break_even(const PairInput& pair);

/// The trade that spends `usdt`; nullopt when the books are not deep enough for it.
std::optional<Trade> trade_spending(const PairInput& pair, UsdtAmount usdt);

}  // namespace spreadwatch::spread
