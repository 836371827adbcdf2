#include "spread/arithmetic.h"

#include <algorithm>

#include "fx/conversion.h"

namespace spreadwatch::spread {
namespace {

/// Two slopes closer than this are one: what is left between them is rounding, and the smallest
/// quantity with the highest profit must not depend on it.
constexpr Real kSameSlope = 1e-16L;

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
  UsdtAmount slope() const { return slope_; }
  /// Quantity at the end of this segment.
  Real end() const { return end_; }
  /// REQUIRES: inside this segment, or at the end of the last one.
  UsdtAmount usdt_at(Real quantity) const {
    const DepthCurve::Step before = book_.before(step_);
    // Past the last level nothing is left to be priced.
    const QuoteAmount price = book_.has(step_) ? book_[step_].price : QuoteAmount{};
    const QuoteAmount amount = before.amount + (quantity - before.quantity) * price;
    return fx::to_usdt_in_level(fx_, fx_step_, factor_ * amount);
  }

  void next() {
    if (book_ends_) ++step_;
    if (fx_ends_) ++fx_step_;
    load();
  }

 private:
  void load() {
    if (!book_.has(step_) || !fx_.has(fx_step_)) {
      done_ = true;
      return;
    }
    const DepthCurve::Step& step = book_[step_];
    const DepthCurve::Step& fx_step = fx_[fx_step_];
    const QuoteAmount amount = factor_ * step.amount;
    slope_ = fx::to_usdt_at(fx_step, factor_ * step.price);
    book_ends_ = amount <= fx_step.amount;
    fx_ends_ = amount >= fx_step.amount;
    if (book_ends_) {
      end_ = step.quantity;
    } else {
      const DepthCurve::Step before = book_.before(step_);
      const Real end =
          before.quantity + step.quantity_for(fx_step.amount * inverse_factor_ - before.amount);
      end_ = std::max(end, end_);
    }
  }

  const DepthCurve& book_;
  const DepthCurve& fx_;
  const Real factor_;
  const Real inverse_factor_;
  std::size_t step_ = 0;
  std::size_t fx_step_ = 0;
  UsdtAmount slope_;
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
  UsdtAmount marginal() const { return sell_.slope() - buy_.slope(); }

  Real quantity() const { return quantity_; }
  UsdtAmount spent() const { return buy_.usdt_at(quantity_); }
  UsdtAmount received() const { return sell_.usdt_at(quantity_ - lost_); }

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

Trade make_trade(const PairInput& pair, Real quantity, UsdtAmount spent, UsdtAmount received) {
  const Leg& buy = pair.buy;
  const Leg& sell = pair.sell;
  const Real sold = std::max<Real>(0, quantity - pair.withdrawal_fee);
  const Top top = top_of(pair);
  const UsdtAmount net = received - spent;
  const UsdtAmount top_net = sold * top.sell_proceeds - quantity * top.buy_cost;
  const QuoteAmount cost = buy.book->amount_of(quantity).value_or(QuoteAmount{});
  const QuoteAmount proceeds = sell.book->amount_of(sold).value_or(QuoteAmount{});
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
  const UsdtAmount lost = top_net - net;
  trade.slippage_usdt = lost > kSameSlope * spent ? static_cast<double>(lost) : 0;
  return trade;
}

}  // namespace

std::optional<UsdtAmount> usdt_spent(const Leg& buy, Real q) {
  const std::optional<QuoteAmount> cost = buy.book->amount_of(q);
  if (!cost) return std::nullopt;
  return fx::to_usdt(*buy.fx, *cost * buy_factor(buy));
}

std::optional<UsdtAmount> usdt_received(const Leg& sell, Real q) {
  const std::optional<QuoteAmount> proceeds = sell.book->amount_of(q);
  if (!proceeds) return std::nullopt;
  return fx::to_usdt(*sell.fx, *proceeds * sell_factor(sell));
}

std::optional<Real> quantity_for(const Leg& buy, UsdtAmount usdt) {
  const std::optional<QuoteAmount> amount = fx::from_usdt(*buy.fx, usdt);
  if (!amount) return std::nullopt;
  return buy.book->quantity_of(*amount / buy_factor(buy));
}

Top top_of(const PairInput& pair) {
  Top top;
  top.buy_price = fx::to_usdt_at_top(*pair.buy.fx, pair.buy.book->top());
  top.buy_cost = top.buy_price * buy_factor(pair.buy);
  top.sell_price = fx::to_usdt_at_top(*pair.sell.fx, pair.sell.book->top());
  top.sell_proceeds = top.sell_price * sell_factor(pair.sell);
  return top;
}

std::optional<Trade> optimal(const PairInput& pair, bool* depth_ended) {
  PairWalk walk(pair);
  walk.to_optimum();
  if (depth_ended != nullptr) *depth_ended = walk.done();
  const UsdtAmount spent = walk.spent();
  const UsdtAmount received = walk.received();
  if (!(received > spent)) return std::nullopt;
  return make_trade(pair, walk.quantity(), spent, received);
}

Real break_even(const PairInput& pair) {
  PairWalk walk(pair);
  walk.to_optimum();
  UsdtAmount net = walk.received() - walk.spent();
  if (!(net > UsdtAmount{})) return 0;
  while (!walk.done()) {
    const Real quantity = walk.quantity();
    const UsdtAmount before = net;
    const UsdtAmount marginal = walk.marginal();
    walk.next();
    const UsdtAmount spent = walk.spent();
    net = walk.received() - spent;
    // A loss that is only rounding is none.
    if (net < -kSameSlope * spent) return quantity + before / -marginal;
  }
  return walk.quantity();
}

std::optional<Trade> trade_spending(const PairInput& pair, UsdtAmount usdt) {
  const std::optional<Real> quantity = quantity_for(pair.buy, usdt);
  if (!quantity) return std::nullopt;
  const std::optional<UsdtAmount> received =
      usdt_received(pair.sell, std::max<Real>(0, *quantity - pair.withdrawal_fee));
  if (!received) return std::nullopt;
  return make_trade(pair, *quantity, usdt, *received);
}

}  // namespace spreadwatch::spread
