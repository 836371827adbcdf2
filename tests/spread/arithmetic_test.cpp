#include "spread/arithmetic.h"

#include <doctest/doctest.h>

#include <array>
#include <cmath>
#include <optional>
#include <random>

#include "oracle.h"

namespace spreadwatch::spread {
namespace {

using test::ExactLeg;
using test::ExactLevel;
using test::ExactSide;
using test::Rational;

/// One side of a book in both worlds.
struct Side {
  std::vector<Level> levels;
  ExactSide exact;
};

Rational rational(const Decimal& d) {
  Rational value = d.mantissa();
  for (int i = 0; i < d.scale(); ++i) value /= 10;
  return value;
}

void add(Side& side, Decimal price, Decimal size) {
  side.levels.push_back({price, size});
  side.exact.push_back({rational(price), rational(size)});
}

/// Prices step away from `top` (in units of 10^-decimals) by 1 to `step` units a level.
Side random_side(std::mt19937_64& random, std::int64_t top, int decimals, bool bids,
                 std::size_t levels, std::int64_t size_top) {
  Side side;
  std::int64_t price = top;
  for (std::size_t i = 0; i < levels; ++i) {
    const auto size =
        static_cast<std::int64_t>(1 + random() % static_cast<std::uint64_t>(size_top));
    add(side, Decimal{price, decimals}, Decimal{size, 8});
    const auto step = static_cast<std::int64_t>(1 + random() % 40);
    price += bids ? -step : step;
  }
  return side;
}

/// A random pair: asks and bids around a common price, FX books or none.
struct Sample {
  Side asks;
  Side bids;
  Side pay;
  Side receive;
  Decimal buy_fee;
  Decimal sell_fee;
  Decimal fx_fee;
  DepthCurve ask_curve;
  DepthCurve bid_curve;
  DepthCurve pay_curve;
  DepthCurve receive_curve;

  explicit Sample(std::mt19937_64& random) {
    const bool buy_krw = random() % 3 == 0;
    const bool sell_krw = !buy_krw && random() % 2 == 0;
    const std::int64_t base = 6'400'000 + static_cast<std::int64_t>(random() % 10'000);
    const std::int64_t premium = static_cast<std::int64_t>(random() % 400'000) - 100'000;
    const std::size_t depth = 1 + random() % 20;
    const std::int64_t krw = 1400;
    asks = random_side(random, (base + 10) * (buy_krw ? krw : 1), buy_krw ? 0 : 2, false, depth,
                       80'000'000);
    bids = random_side(random, (base + premium) * (sell_krw ? krw : 1), sell_krw ? 0 : 2, true,
                       1 + random() % 20, 80'000'000);
    if (buy_krw) {
      // 0 decimals: the price is in whole KRW, base was in cents, so the FX price is in cents per
      // USDT as well.
      pay = random_side(random, krw * 100 - 50, 0, true, 1 + random() % 12, 9'000'000'000'000);
    }
    if (sell_krw)
      receive = random_side(random, krw * 100 + 50, 0, false, 1 + random() % 12, 9'000'000'000'000);
    buy_fee = Decimal{static_cast<std::int64_t>(random() % 50), 4};
    sell_fee = Decimal{static_cast<std::int64_t>(random() % 50), 4};
    fx_fee = Decimal{static_cast<std::int64_t>(random() % 30), 4};
  }

  ExactLeg exact_buy() const {
    return {asks.exact, pay.exact, rational(buy_fee), rational(fx_fee)};
  }
  ExactLeg exact_sell() const {
    return {bids.exact, receive.exact, rational(sell_fee), rational(fx_fee)};
  }

  PairInput input() {
    ask_curve.assign(asks.levels);
    bid_curve.assign(bids.levels);
    const auto fx = [](DepthCurve& curve, const Side& side) {
      if (side.levels.empty())
        curve.assign_unlimited(QuoteAmount{1});
      else
        curve.assign(side.levels);
    };
    fx(pay_curve, pay);
    fx(receive_curve, receive);
    const Real conversion = fx_fee.to_long_double();
    return {.buy = {&ask_curve, &pay_curve, buy_fee.to_long_double(),
                    pay.levels.empty() ? 0 : conversion},
            .sell = {&bid_curve, &receive_curve, sell_fee.to_long_double(),
                     receive.levels.empty() ? 0 : conversion}};
  }
};

/// Agreement to 1e-9 relative; `scale` bounds what counts as zero.
void check_close(double ours, const Rational& exact, double scale) {
  const auto truth = static_cast<double>(exact);
  CHECK(std::abs(ours - truth) <= 1e-9 * std::abs(truth) + 1e-15 * scale);
}

TEST_CASE("optimal size, break-even and ladder agree with a rational oracle") {
  std::mt19937_64 random(20'261'125);
  int profitable = 0;
  int deep_enough = 0;
  for (int i = 0; i < 3000; ++i) {
    Sample sample(random);
    const PairInput input = sample.input();
    const ExactLeg buy = sample.exact_buy();
    const ExactLeg sell = sample.exact_sell();
    const test::ExactOptimum best = test::exact_optimum(buy, sell);
    const std::optional<Trade> ours = optimal(input);
    CAPTURE(i);
    REQUIRE(ours.has_value() == (best.profit > 0));
    const Rational limit = test::exact_break_even(buy, sell);
    const auto limit_scale = static_cast<double>(limit);
    check_close(static_cast<double>(break_even(input)), limit, limit_scale);
    if (ours) {
      ++profitable;
      const auto paid = static_cast<double>(*test::spent(buy, best.quantity));
      check_close(ours->quantity, best.quantity, 1);
      check_close(ours->spent_usdt, *test::spent(buy, best.quantity), paid);
      check_close(ours->net_profit_usdt, best.profit, paid);
      check_close(ours->buy_vwap, *test::value_of(buy.book, best.quantity) / best.quantity, 1);
      check_close(ours->sell_vwap, *test::value_of(sell.book, best.quantity) / best.quantity, 1);
    }
    for (const int size : {1000, 5000, 50'000}) {
      const std::optional<Trade> trade = trade_spending(input, UsdtAmount{static_cast<Real>(size)});
      const Rational quote = buy.fx.empty()
                                 ? Rational{size}
                                 : test::value_of(buy.fx, size).value_or(-1) * (1 - buy.fx_fee);
      const auto quantity =
          quote < 0 ? std::nullopt : test::quantity_of(buy.book, quote / (1 + buy.fee));
      const auto in = quantity ? test::received(sell, *quantity) : std::nullopt;
      REQUIRE(trade.has_value() == in.has_value());
      if (!trade) continue;
      ++deep_enough;
      check_close(trade->quantity, *quantity, 1);
      check_close(trade->net_profit_usdt, *in - size, size);
    }
  }
  // The samples must reach the interesting cases for the comparison to mean something.
  CHECK(profitable > 500);
  CHECK(deep_enough > 500);
}

TEST_CASE("the widest numbers that a book can hold give finite results") {
  const std::array<Decimal, 3> numbers = {Decimal{1, Decimal::kMaxScale}, Decimal{1, 0},
                                          Decimal{Decimal::kMaxMantissa, 0}};
  const auto ladder = [](const Decimal& price, const Decimal& size) {
    DepthCurve out;
    out.assign(std::array{Level{price, size}});
    return out;
  };
  const auto check_finite = [](const std::optional<Trade>& trade) {
    if (!trade) return;
    for (const double number :
         {trade->quantity, trade->spent_usdt, trade->net_profit_usdt, trade->net_ratio,
          trade->buy_vwap, trade->sell_vwap, trade->buy_fee_usdt, trade->sell_fee_usdt,
          trade->fx_fee_usdt, trade->slippage_usdt, trade->withdrawal_fee_usdt}) {
      CHECK(std::isfinite(number));
    }
  };
  for (const Decimal& price : numbers) {
    for (const Decimal& size : numbers) {
      for (const Decimal& other_price : numbers) {
        for (const Decimal& fx_price : numbers) {
          const DepthCurve asks = ladder(price, size);
          const DepthCurve bids = ladder(other_price, size);
          const DepthCurve fx = ladder(fx_price, size);
          DepthCurve one;
          one.assign_unlimited(QuoteAmount{1});
          for (const Real lost : {0.0L, 1e15L}) {
            const PairInput pair{{&asks, &fx, 0.05L, 0.05L}, {&bids, &one, 0.05L, 0}, lost};
            check_finite(optimal(pair));
            CHECK(std::isfinite(static_cast<double>(break_even(pair))));
            for (const Real usdt : {1e-8L, 1e9L})
              check_finite(trade_spending(pair, UsdtAmount{usdt}));
            const Top top = top_of(pair);
            CHECK(std::isfinite(
                static_cast<double>((top.sell_proceeds - top.buy_cost) / top.buy_cost)));
          }
        }
      }
    }
  }
}

TEST_CASE("adding depth beyond the optimum changes nothing about it") {
  std::mt19937_64 random(3);
  for (int i = 0; i < 500; ++i) {
    Sample sample(random);
    const std::optional<Trade> before = optimal(sample.input());
    if (!before || before->quantity >= 0.999 * static_cast<double>(sample.ask_curve[0].quantity))
      continue;
    const Level& worst = sample.asks.levels.back();
    add(sample.asks, Decimal{worst.price.mantissa() * 2, worst.price.scale()},
        Decimal{100'000'000, 8});
    const std::optional<Trade> after = optimal(sample.input());
    REQUIRE(after.has_value());
    CHECK(after->quantity == doctest::Approx(before->quantity).epsilon(1e-12));
    CHECK(after->net_profit_usdt == doctest::Approx(before->net_profit_usdt).epsilon(1e-9));
  }
}

TEST_CASE("splitting a level in two changes no result") {
  std::mt19937_64 random(5);
  for (int i = 0; i < 500; ++i) {
    Sample sample(random);
    const std::optional<Trade> before = optimal(sample.input());
    const Level whole = sample.asks.levels.front();
    const Decimal::Mantissa half = whole.size.mantissa() / 2;
    if (half == 0) continue;
    sample.asks.levels.front().size = Decimal{half, 8};
    sample.asks.levels.insert(sample.asks.levels.begin() + 1,
                              Level{whole.price, Decimal{whole.size.mantissa() - half, 8}});
    const std::optional<Trade> after = optimal(sample.input());
    REQUIRE(after.has_value() == before.has_value());
    if (after)
      CHECK(after->net_profit_usdt == doctest::Approx(before->net_profit_usdt).epsilon(1e-9));
  }
}

TEST_CASE("another unit of money or of the asset changes only the unit of the result") {
  std::mt19937_64 random(6);
  int compared = 0;
  for (int i = 0; i < 500; ++i) {
    Sample sample(random);
    const std::optional<Trade> before = optimal(sample.input());
    const double limit = static_cast<double>(break_even(sample.input()));
    const auto scale = [](Side& side, std::int64_t price, std::int64_t size) {
      for (Level& level : side.levels) {
        level.price = Decimal{level.price.mantissa() * price, level.price.scale()};
        level.size = Decimal{level.size.mantissa() * size, level.size.scale()};
      }
    };
    // Money that is worth a thousandth: a leg's prices and its FX prices rise alike. The asset in
    // tenths: a tenth of the price for ten times as many.
    const bool converted = !sample.pay.levels.empty();
    if (converted) {
      scale(sample.asks, 1000, 1);
      scale(sample.pay, 1000, 1);
    }
    scale(sample.asks, 1, 10);
    scale(sample.bids, 1, 10);
    for (Side* const side : {&sample.asks, &sample.bids}) {
      for (Level& level : side->levels) {
        level.price = Decimal{level.price.mantissa(), level.price.scale() + 1};
      }
    }
    const std::optional<Trade> after = optimal(sample.input());
    REQUIRE(after.has_value() == before.has_value());
    CHECK(static_cast<double>(break_even(sample.input())) ==
          doctest::Approx(limit * 10).epsilon(1e-9));
    if (!after) continue;
    ++compared;
    CHECK(after->quantity == doctest::Approx(before->quantity * 10).epsilon(1e-9));
    CHECK(after->spent_usdt == doctest::Approx(before->spent_usdt).epsilon(1e-9));
    CHECK(after->net_profit_usdt == doctest::Approx(before->net_profit_usdt).epsilon(1e-9));
    CHECK(after->fees_usdt() == doctest::Approx(before->fees_usdt()).epsilon(1e-9));
  }
  CHECK(compared > 50);
}

TEST_CASE("without fees, what one side pays for a quantity the other receives") {
  std::mt19937_64 random(7);
  for (int i = 0; i < 500; ++i) {
    Sample sample(random);
    sample.buy_fee = sample.sell_fee = sample.fx_fee = Decimal{0, 0};
    const PairInput pair = sample.input();
    const Real q = pair.buy.book->has(0) ? (*pair.buy.book)[0].quantity / 3 : 0;
    const auto forth = usdt_spent(pair.buy, q);
    const auto back = usdt_received(pair.buy, q);
    REQUIRE(forth.has_value() == back.has_value());
    if (forth) CHECK(static_cast<double>(*forth) == static_cast<double>(*back));
  }
}

TEST_CASE("the fees of a trade are what its gross and net differ by") {
  std::mt19937_64 random(8);
  for (int i = 0; i < 500; ++i) {
    Sample sample(random);
    PairInput input = sample.input();
    const std::optional<Trade> trade = optimal(input);
    if (!trade) continue;
    CHECK(trade->fees_usdt() ==
          doctest::Approx(trade->buy_fee_usdt + trade->sell_fee_usdt + trade->fx_fee_usdt));
    CHECK(trade->net_ratio ==
          doctest::Approx(trade->net_profit_usdt / trade->spent_usdt).epsilon(1e-12));
    if (!sample.pay.levels.empty() || !sample.receive.levels.empty()) continue;
    const double gross = trade->quantity * (trade->sell_vwap - trade->buy_vwap);
    CHECK(gross - trade->fees_usdt() == doctest::Approx(trade->net_profit_usdt).epsilon(1e-9));
  }
}

}  // namespace
}  // namespace spreadwatch::spread
