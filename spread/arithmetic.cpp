#include "spread/arithmetic.h"

#include <algorithm>
#include <cassert>
#include <cmath>
#include <limits>

namespace spreadwatch::spread {
namespace {

using Real = long double;

/// A place in one side of a book: what is left of the present step.
class Cursor {
 public:
  explicit Cursor(std::span<const Step> steps) : steps_(steps), left_(steps.front().size) {}

  bool done() const { return index_ == steps_.size(); }
  Real price() const { return static_cast<Real>(steps_[index_].price); }
  Real left() const { return left_; }

  /// REQUIRES: amount <= left(). Taking everything goes on to the next step.
  void take(Real amount, bool all) {
    left_ -= amount;
    if (all || left_ <= 0) {
      if (++index_ < steps_.size()) left_ = static_cast<Real>(steps_[index_].size);
    }
  }

 private:
  std::span<const Step> steps_;
  std::size_t index_ = 0;
  Real left_;
};

/// Running totals of a walk, each linear within a piece.
struct Totals {
  Real quantity = 0;
  Real cost = 0;      // C(q), in the buying venue's currency
  Real proceeds = 0;  // R(q), in the selling venue's currency
  Real spent = 0;     // USDT
  Real received = 0;  // USDT
};

class Walk {
 public:
  Walk(const PairInput& input)  // NOLINT(google-explicit-constructor): built in one place
      : input_(input),
        asks_(input.asks),
        bids_(input.bids),
        buy_factor_(1 + static_cast<Real>(input.buy_fee)),
        sell_factor_(1 - static_cast<Real>(input.sell_fee)),
        pay_factor_(1 - static_cast<Real>(input.pay.fee)),
        receive_factor_(1 + static_cast<Real>(input.receive.fee)) {
    if (!input.common_rate && !input.pay.is_usdt()) pay_.emplace(input.pay.steps);
    if (!input.common_rate && !input.receive.is_usdt()) receive_.emplace(input.receive.steps);
  }

  bool done() const {
    return asks_.done() || bids_.done() || (pay_ && pay_->done()) || (receive_ && receive_->done());
  }

  /// USDT paid for one more unit of the asset.
  Real marginal_cost() const {
    const Real quote = asks_.price() * buy_factor_;
    if (input_.common_rate) return quote / static_cast<Real>(*input_.common_rate);
    return pay_ ? quote / (pay_->price() * pay_factor_) : quote;
  }
  /// USDT got for one more unit of the asset.
  Real marginal_proceeds() const {
    const Real quote = bids_.price() * sell_factor_;
    if (input_.common_rate) return quote / static_cast<Real>(*input_.common_rate);
    return receive_ ? quote / (receive_->price() * receive_factor_) : quote;
  }

  /// The quantity until the next price of any of the books.
  Real piece() const { return std::min({asks_.left(), bids_.left(), pay_limit(), receive_limit()}); }

  Totals after(Real quantity) const {
    Totals t = totals_;
    t.quantity += quantity;
    t.cost += quantity * asks_.price();
    t.proceeds += quantity * bids_.price();
    t.spent += quantity * marginal_cost();
    t.received += quantity * marginal_proceeds();
    return t;
  }

  /// Takes the whole piece.
  void advance() {
    const Real quantity = piece();
    const Real used_pay = pay_ ? quantity * marginal_cost() : 0;
    const Real used_receive = receive_ ? quantity * marginal_proceeds() : 0;
    const bool pay_all = pay_ && quantity == pay_limit();
    const bool receive_all = receive_ && quantity == receive_limit();
    totals_ = after(quantity);
    asks_.take(quantity, quantity == asks_.left());
    bids_.take(quantity, quantity == bids_.left());
    if (pay_) pay_->take(used_pay, pay_all);
    if (receive_) receive_->take(used_receive, receive_all);
  }

  const Totals& totals() const { return totals_; }

 private:
  /// How much of the asset the present FX step pays for.
  Real pay_limit() const {
    if (!pay_) return std::numeric_limits<Real>::infinity();
    return pay_->left() / marginal_cost();
  }
  Real receive_limit() const {
    if (!receive_) return std::numeric_limits<Real>::infinity();
    return receive_->left() / marginal_proceeds();
  }

  const PairInput& input_;
  Cursor asks_;
  Cursor bids_;
  std::optional<Cursor> pay_;
  std::optional<Cursor> receive_;
  const Real buy_factor_;
  const Real sell_factor_;
  const Real pay_factor_;
  const Real receive_factor_;
  Totals totals_;
};

/// A result row from the totals at a quantity.
Trade trade_at(const PairInput& input, const Totals& t, Real top_cost, Real top_proceeds) {
  const Real buy_fee = static_cast<Real>(input.buy_fee);
  const Real sell_fee = static_cast<Real>(input.sell_fee);
  Real pay_fx_fee = 0;
  Real receive_fx_fee = 0;
  Real buy_amount = t.spent;     // what reaches the buying venue's currency, in USDT
  Real sell_amount = t.received; // the same before the conversion's fee
  if (!input.common_rate && !input.pay.is_usdt()) {
    pay_fx_fee = t.spent * static_cast<Real>(input.pay.fee);
    buy_amount = t.spent - pay_fx_fee;
  }
  if (!input.common_rate && !input.receive.is_usdt()) {
    receive_fx_fee = t.received * static_cast<Real>(input.receive.fee);
    sell_amount = t.received + receive_fx_fee;
  }
  const Real net = t.received - t.spent;
  const Real top_net = t.quantity * (top_proceeds - top_cost);
  Trade trade;
  trade.quantity = static_cast<double>(t.quantity);
  trade.spent_usdt = static_cast<double>(t.spent);
  trade.net_profit_usdt = static_cast<double>(net);
  trade.net_ratio = static_cast<double>(net / t.spent);
  trade.buy_vwap = static_cast<double>(t.cost / t.quantity);
  trade.sell_vwap = static_cast<double>(t.proceeds / t.quantity);
  trade.buy_fee_usdt = static_cast<double>(buy_amount * buy_fee / (1 + buy_fee));
  trade.sell_fee_usdt = static_cast<double>(sell_amount * sell_fee / (1 - sell_fee));
  trade.fx_fee_usdt = static_cast<double>(pay_fx_fee + receive_fx_fee);
  trade.slippage_usdt = static_cast<double>(std::max<Real>(0, top_net - net));
  return trade;
}

}  // namespace

void CompiledBook::assign(const OrderBook& book) {
  const auto compile = [](const std::vector<Level>& levels, std::vector<Step>& steps) {
    steps.resize(levels.size());
    for (std::size_t i = 0; i < levels.size(); ++i) {
      steps[i] = {levels[i].price.to_double(), levels[i].size.to_double()};
    }
  };
  compile(book.bids, bids);
  compile(book.asks, asks);
}

bool SpreadEvent::same_value(const SpreadEvent& o) const {
  return asset == o.asset && buy == o.buy && sell == o.sell && mode == o.mode && verdict == o.verdict &&
         reasons == o.reasons && gross_ratio == o.gross_ratio && net_ratio == o.net_ratio &&
         buy_price_usdt == o.buy_price_usdt && sell_price_usdt == o.sell_price_usdt &&
         fx_venue_fallback == o.fx_venue_fallback && optimal == o.optimal &&
         break_even_quantity == o.break_even_quantity && sizes == o.sizes;
}

void evaluate(const PairInput& input, PairResult& out) {
  assert(!input.asks.empty() && !input.bids.empty());
  Walk walk(input);
  const Real top_cost = walk.marginal_cost();
  const Real top_proceeds = walk.marginal_proceeds();

  // The top of the books with and without fees.
  const auto rate = [&input](const Conversion& conversion) -> Real {
    if (input.common_rate) return static_cast<Real>(*input.common_rate);
    return conversion.is_usdt() ? 1 : static_cast<Real>(conversion.steps.front().price);
  };
  const Real ask_usdt = static_cast<Real>(input.asks.front().price) / rate(input.pay);
  const Real bid_usdt = static_cast<Real>(input.bids.front().price) / rate(input.receive);
  out.buy_price_usdt = static_cast<double>(ask_usdt);
  out.sell_price_usdt = static_cast<double>(bid_usdt);
  out.gross_ratio = static_cast<double>((bid_usdt - ask_usdt) / ask_usdt);
  out.net_ratio = static_cast<double>((top_proceeds - top_cost) / top_cost);
  out.optimal.reset();
  out.break_even_quantity = 0;
  out.sizes.resize(input.sizes_usdt.size());
  for (std::size_t i = 0; i < out.sizes.size(); ++i) {
    out.sizes[i] = {.size_usdt = input.sizes_usdt[i], .insufficient_depth = true, .trade = {}};
  }

  bool before_optimum = true;   // the marginal profit has been positive so far
  bool before_break_even = true;
  std::size_t rung = 0;
  while (!walk.done() && (before_break_even || rung < out.sizes.size())) {
    const Real cost = walk.marginal_cost();
    const Real profit = walk.marginal_proceeds() - cost;
    const Real quantity = walk.piece();
    const Totals& t = walk.totals();

    if (before_optimum && profit <= 0) {
      before_optimum = false;
      if (t.received - t.spent > 0) out.optimal = trade_at(input, t, top_cost, top_proceeds);
    }
    if (before_break_even) {
      const Real net = t.received - t.spent;
      if (net + profit * quantity < 0) {
        // net(q) reaches 0 inside this piece; before it, when it starts at a loss.
        out.break_even_quantity = static_cast<double>(t.quantity + (profit < 0 ? std::max<Real>(0, net) / -profit : 0));
        before_break_even = false;
      }
    }
    while (rung < out.sizes.size()) {
      const Real missing = static_cast<Real>(out.sizes[rung].size_usdt) - t.spent;
      if (missing > cost * quantity) break;
      out.sizes[rung].insufficient_depth = false;
      out.sizes[rung].trade = trade_at(input, walk.after(missing / cost), top_cost, top_proceeds);
      ++rung;
    }
    walk.advance();
  }
  const Totals& end = walk.totals();
  if (walk.done()) {
    if (before_optimum && end.received - end.spent > 0) {
      out.optimal = trade_at(input, end, top_cost, top_proceeds);
    }
    if (before_break_even) out.break_even_quantity = static_cast<double>(end.quantity);
  }
}

}  // namespace spreadwatch::spread
