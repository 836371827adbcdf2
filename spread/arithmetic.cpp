#include "spread/arithmetic.h"

#include <algorithm>
#include <limits>

namespace spreadwatch::spread {
namespace {

/// Two slopes closer than this are one: what is left between them is rounding, and the smallest
/// quantity with the highest profit must not depend on it.
constexpr Real kSameSlope = 1e-16L;
/// How far beyond the end of a book a quantity may be and still count as its end, for the same
/// reason.
constexpr Real kSameDepth = 1e-15L;

Real buy_factor(const Leg& leg) { return (1 + leg.fee) / (1 - leg.fx_fee); }
Real sell_factor(const Leg& leg) { return (1 - leg.fee) / (1 + leg.fx_fee); }

/// USDT as a function of the quantity traded on one leg: piecewise linear, with a kink wherever the
/// asset's book or the FX book goes on to its next level. Each kink and each value comes from the
/// books' own sums, not from the kink before, so that rounding does not add up.
class Segments {
 public:
  Segments(const Leg& leg, Real factor)
      : book_(*leg.book), fx_(*leg.fx), factor_(factor), inverse_factor_(1 / factor) {
    load();
  }

  bool done() const { return done_; }
  /// USDT for one more unit inside this segment.
  Real slope() const { return slope_; }
  /// Quantity at the end of this segment.
  Real end() const { return end_; }
  /// REQUIRES: inside this segment, or at the end of the last one.
  Real usdt_at(Real quantity) const {
    const DepthCurve::Step before = before_of(book_, step_);
    const DepthCurve::Step fx_before = before_of(fx_, fx_step_);
    // Past the last level nothing is left to be priced.
    const Real price = book_.has(step_) ? book_[step_].price : 0;
    const Real inverse = fx_.has(fx_step_) ? fx_[fx_step_].inverse : 0;
    const Real amount = before.amount + (quantity - before.quantity) * price;
    return fx_before.quantity + (factor_ * amount - fx_before.amount) * inverse;
  }

  void next() {
    if (book_ends_) ++step_;
    if (fx_ends_) ++fx_step_;
    load();
  }

 private:
  static DepthCurve::Step before_of(const DepthCurve& curve, std::size_t step) {
    return step == 0 ? DepthCurve::Step{} : curve[step - 1];
  }

  void load() {
    if (!book_.has(step_) || !fx_.has(fx_step_)) {
      done_ = true;
      return;
    }
    const DepthCurve::Step& step = book_[step_];
    const DepthCurve::Step& fx = fx_[fx_step_];
    const Real amount = factor_ * step.amount;
    slope_ = factor_ * step.price * fx.inverse;
    book_ends_ = amount <= fx.amount;
    fx_ends_ = amount >= fx.amount;
    if (book_ends_) {
      end_ = step.quantity;
    } else {
      const DepthCurve::Step before = before_of(book_, step_);
      const Real end =
          before.quantity + (fx.amount * inverse_factor_ - before.amount) * step.inverse;
      end_ = std::max(end, end_);
    }
  }

  const DepthCurve& book_;
  const DepthCurve& fx_;
  const Real factor_;
  const Real inverse_factor_;
  std::size_t step_ = 0;
  std::size_t fx_step_ = 0;
  Real slope_ = 0;
  Real end_ = 0;
  bool book_ends_ = false;  // the segment's end is the end of the book's level
  bool fx_ends_ = false;
  bool done_ = false;
};

/// Both legs at once, from one kink of either to the next.
class PairWalk {
 public:
  explicit PairWalk(const PairInput& pair)
      : lost_(pair.withdrawal_fee),
        quantity_(pair.withdrawal_fee),
        buy_(pair.buy, buy_factor(pair.buy)),
        sell_(pair.sell, sell_factor(pair.sell)) {
    // What the withdrawal keeps is bought first and never sold.
    while (!buy_.done() && buy_.end() <= lost_) buy_.next();
  }

  bool done() const { return buy_.done() || sell_.done(); }
  bool profitable() const { return sell_.slope() > buy_.slope() * (1 + kSameSlope); }
  /// Profit on one more unit inside this piece.
  Real marginal() const { return sell_.slope() - buy_.slope(); }

  Real quantity() const { return quantity_; }
  Real spent() const { return buy_.usdt_at(quantity_); }
  Real received() const { return sell_.usdt_at(quantity_ - lost_); }

  void next() {
    const Real buy_end = buy_.end();
    const Real sell_end = sell_.end() + lost_;
    quantity_ = std::min(buy_end, sell_end);
    if (buy_end <= quantity_) buy_.next();
    if (sell_end <= quantity_) sell_.next();
  }

  /// To the smallest quantity with the highest net result.
  void to_optimum() {
    while (!done() && profitable()) next();
  }

 private:
  const Real lost_;
  Real quantity_;
  Segments buy_;
  Segments sell_;
};

Trade make_trade(const PairInput& pair, Real quantity, Real spent, Real received) {
  const Leg& buy = pair.buy;
  const Leg& sell = pair.sell;
  const Real sold = std::max<Real>(0, quantity - pair.withdrawal_fee);
  const Top top = top_of(pair);
  const Real net = received - spent;
  const Real top_net = sold * top.sell_proceeds - quantity * top.buy_cost;
  const Real cost = buy.book->amount_of(quantity).value_or(0);
  const Real proceeds = sell.book->amount_of(sold).value_or(0);
  Trade trade;
  trade.quantity = static_cast<double>(quantity);
  trade.spent_usdt = static_cast<double>(spent);
  trade.net_profit_usdt = static_cast<double>(net);
  trade.net_ratio = static_cast<double>(net / spent);
  trade.buy_vwap = static_cast<double>(cost / quantity);
  trade.sell_vwap = static_cast<double>(sold > 0 ? proceeds / sold : sell.book->top());
  // A fee in the venue's currency is counted at the average price of the conversion it went
  // through, so that fees, principal and conversion add up to what was spent or received.
  trade.buy_fee_usdt = static_cast<double>(spent * (1 - buy.fx_fee) * buy.fee / (1 + buy.fee));
  trade.sell_fee_usdt =
      static_cast<double>(received * (1 + sell.fx_fee) * sell.fee / (1 - sell.fee));
  trade.fx_fee_usdt = static_cast<double>(spent * buy.fx_fee + received * sell.fx_fee);
  trade.withdrawal_fee_usdt = static_cast<double>(pair.withdrawal_fee * spent / quantity);
  // What is left of a size that fits into the tops is rounding.
  const Real lost = top_net - net;
  trade.slippage_usdt = lost > kSameSlope * spent ? static_cast<double>(lost) : 0;
  return trade;
}

}  // namespace

void DepthCurve::assign(std::span<const Level> levels) {
  levels_.assign(levels.begin(), levels.end());
  steps_.clear();
  next_level_ = 0;
}

void DepthCurve::assign_unlimited(Real price) {
  constexpr Real kUnlimited = std::numeric_limits<Real>::infinity();
  clear();
  steps_.push_back({price, kUnlimited, kUnlimited, 1 / price});
}

void DepthCurve::clear() {
  levels_.clear();
  steps_.clear();
  next_level_ = 0;
}

bool DepthCurve::compile_to(std::size_t step) const {
  while (steps_.size() <= step && next_level_ < levels_.size()) {
    const Level& level = levels_[next_level_++];
    if (!level.price.is_positive() || !level.size.is_positive()) continue;
    const Step before = steps_.empty() ? Step{} : steps_.back();
    const Real price = level.price.to_long_double();
    const Real size = level.size.to_long_double();
    steps_.push_back({price, before.quantity + size, before.amount + price * size, 1 / price});
  }
  return step < steps_.size();
}

/// The step in which a running total reaches `value`; a value a rounding beyond the end becomes the
/// end.
std::optional<std::size_t> DepthCurve::find(Real Step::*total, Real& value) const {
  while (steps_.empty() || steps_.back().*total < value) {
    if (has(steps_.size())) continue;
    if (steps_.empty() || value > steps_.back().*total * (1 + kSameDepth)) return std::nullopt;
    value = steps_.back().*total;
  }
  const auto found =
      std::ranges::lower_bound(steps_, value, {}, [total](const Step& s) { return s.*total; });
  return static_cast<std::size_t>(found - steps_.begin());
}

std::optional<Real> DepthCurve::amount_of(Real quantity) const {
  const std::optional<std::size_t> step = find(&Step::quantity, quantity);
  if (!step) return std::nullopt;
  const Step before = *step == 0 ? Step{} : steps_[*step - 1];
  return before.amount + (quantity - before.quantity) * steps_[*step].price;
}

std::optional<Real> DepthCurve::quantity_of(Real amount) const {
  const std::optional<std::size_t> step = find(&Step::amount, amount);
  if (!step) return std::nullopt;
  const Step before = *step == 0 ? Step{} : steps_[*step - 1];
  return before.quantity + (amount - before.amount) / steps_[*step].price;
}

std::optional<Real> usdt_spent(const Leg& buy, Real q) {
  const std::optional<Real> cost = buy.book->amount_of(q);
  if (!cost) return std::nullopt;
  return buy.fx->quantity_of(*cost * buy_factor(buy));
}

std::optional<Real> usdt_received(const Leg& sell, Real q) {
  const std::optional<Real> proceeds = sell.book->amount_of(q);
  if (!proceeds) return std::nullopt;
  return sell.fx->quantity_of(*proceeds * sell_factor(sell));
}

std::optional<Real> quantity_for(const Leg& buy, Real usdt) {
  const std::optional<Real> amount = buy.fx->amount_of(usdt);
  if (!amount) return std::nullopt;
  return buy.book->quantity_of(*amount / buy_factor(buy));
}

Top top_of(const PairInput& pair) {
  Top top;
  top.buy_price = pair.buy.book->top() / pair.buy.fx->top();
  top.buy_cost = top.buy_price * buy_factor(pair.buy);
  top.sell_price = pair.sell.book->top() / pair.sell.fx->top();
  top.sell_proceeds = top.sell_price * sell_factor(pair.sell);
  return top;
}

std::optional<Trade> optimal(const PairInput& pair, bool* depth_ended) {
  PairWalk walk(pair);
  walk.to_optimum();
  if (depth_ended != nullptr) *depth_ended = walk.done();
  const Real spent = walk.spent();
  const Real received = walk.received();
  if (!(received > spent)) return std::nullopt;
  return make_trade(pair, walk.quantity(), spent, received);
}

Real break_even(const PairInput& pair) {
  PairWalk walk(pair);
  walk.to_optimum();
  Real net = walk.received() - walk.spent();
  if (!(net > 0)) return 0;
  while (!walk.done()) {
    const Real quantity = walk.quantity();
    const Real before = net;
    const Real marginal = walk.marginal();
    walk.next();
    const Real spent = walk.spent();
    net = walk.received() - spent;
    // A loss that is only rounding is none.
    if (net < -kSameSlope * spent) return quantity + before / -marginal;
  }
  return walk.quantity();
}

std::optional<Trade> trade_spending(const PairInput& pair, Real usdt) {
  const std::optional<Real> quantity = quantity_for(pair.buy, usdt);
  if (!quantity) return std::nullopt;
  const std::optional<Real> received =
      usdt_received(pair.sell, std::max<Real>(0, *quantity - pair.withdrawal_fee));
  if (!received) return std::nullopt;
  return make_trade(pair, *quantity, usdt, *received);
}

}  // namespace spreadwatch::spread
