#pragma once

#include <cstddef>
#include <optional>
#include <span>
#include <vector>

#include "core/event.h"
#include "core/market_data.h"

namespace spreadwatch::spread {

/// What sums are kept in: a profit is a small difference of large sums.
using Real = long double;

/// One side of an order book, best price first, for walking: quantities and amounts (Σ price·size)
/// are summed up level by level.
///
/// Levels become numbers only when a walk gets that far, since most walks end near the top.
/// Threads: one at a time, also for const calls.
class DepthCurve {
 public:
  struct Step {
    Real price = 0;
    Real quantity = 0;  ///< sizes of this and all better levels
    Real amount = 0;    ///< price·size of this and all better levels
    Real inverse = 0;   ///< 1 ÷ price: every walk over the level divides by it
  };

  /// Copies the levels, reusing memory. Levels without a price or a size are left out.
  void assign(std::span<const Level> levels);
  /// One price at which any quantity can be had. REQUIRES: price > 0.
  void assign_unlimited(Real price);
  void clear();

  bool empty() const { return !has(0); }
  /// Best price. REQUIRES: not empty.
  Real top() const { return (*this)[0].price; }
  bool has(std::size_t step) const { return step < steps_.size() || compile_to(step); }
  /// REQUIRES: has(step).
  const Step& operator[](std::size_t step) const { return steps_[step]; }

  /// Σ price·size for a quantity; nullopt beyond depth.
  std::optional<Real> amount_of(Real quantity) const;
  /// The quantity whose Σ price·size is `amount`; nullopt beyond depth.
  std::optional<Real> quantity_of(Real amount) const;

 private:
  bool compile_to(std::size_t step) const;
  std::optional<std::size_t> find(Real Step::*total, Real& value) const;

  std::vector<Level> levels_;
  mutable std::size_t next_level_ = 0;  // first level not compiled
  mutable std::vector<Step> steps_;
};

/// One leg of a pair: a book and how its currency becomes USDT. Fees are fractions of the quote
/// amount.
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
std::optional<Real> usdt_spent(const Leg& buy, Real q);
/// USDT received for the quantity `q` sold; nullopt beyond depth.
std::optional<Real> usdt_received(const Leg& sell, Real q);
/// The quantity that costs `usdt`; nullopt beyond depth.
std::optional<Real> quantity_for(const Leg& buy, Real usdt);

/// The top of the books.
struct Top {
  Real buy_price = 0;  ///< USDT for one unit, no fees
  Real buy_cost = 0;   ///< the same with every fee
  Real sell_price = 0;
  Real sell_proceeds = 0;
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
std::optional<Trade> trade_spending(const PairInput& pair, Real usdt);

}  // namespace spreadwatch::spread
