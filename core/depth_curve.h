#pragma once

#include <cstddef>
#include <optional>
#include <span>
#include <vector>

#include "core/market_data.h"
#include "core/money.h"

namespace spreadwatch {

/// One side of an order book, best price first, for walking: quantities and amounts (Σ price·size)
/// are summed up level by level.
///
/// Levels but the best become numbers only when a walk gets that far, since most walks end near the
/// top.
/// Threads: one at a time, also for const calls.
class DepthCurve {
 public:
  struct Step {
    QuoteAmount price;
    Real quantity = 0;   ///< sizes of this and all better levels
    QuoteAmount amount;  ///< price·size of this and all better levels
    Real inverse = 0;    ///< 1 ÷ price: every walk over the level divides by it

    /// What an amount buys at this level's price.
    Real quantity_for(QuoteAmount spent) const { return spent.value() * inverse; }
  };

  /// Copies the levels, reusing memory. Levels without a price or a size are left out.
  void assign(std::span<const Level> levels);
  /// One price at which any quantity can be had. REQUIRES: price > 0.
  void assign_unlimited(QuoteAmount price);
  void clear();

  bool empty() const { return steps_.empty(); }
  /// Best price. REQUIRES: not empty.
  QuoteAmount top() const { return (*this)[0].price; }
  bool has(std::size_t step) const { return step < steps_.size() || compile_to(step); }
  /// REQUIRES: has(step).
  const Step& operator[](std::size_t step) const { return steps_[step]; }
  /// The sums of all levels better than `step`. REQUIRES: step is 0 or has(step - 1).
  Step before(std::size_t step) const { return step == 0 ? Step{} : steps_[step - 1]; }

  /// Σ price·size for a quantity; nullopt beyond depth.
  std::optional<QuoteAmount> amount_of(Real quantity) const;
  /// The quantity whose Σ price·size is `amount`; nullopt beyond depth.
  std::optional<Real> quantity_of(QuoteAmount amount) const;

 private:
  bool compile_to(std::size_t step) const;
  template <class Total>
  std::optional<std::size_t> find(Total Step::*total, Total& value) const;

  std::vector<Level> levels_;
  mutable std::size_t next_level_ = 0;  // first level not compiled
  mutable std::vector<Step> steps_;
};

}  // namespace spreadwatch
