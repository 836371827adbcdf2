#pragma once

// Sorting rationals under the sanitizers makes GCC 12 see uninitialised limbs inside Boost.
#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"
#endif
#include <boost/multiprecision/cpp_int.hpp>
#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC diagnostic pop
#endif

#include <algorithm>
#include <optional>
#include <vector>

namespace spreadwatch::test {

/// The documentation's formulas in exact rational arithmetic, written from them and not from the
/// engine: no walk over several books at once, but each primitive by itself and every kink tried.
using Rational = boost::multiprecision::cpp_rational;

struct ExactLevel {
  Rational price;
  Rational size;
};
using ExactSide = std::vector<ExactLevel>;

/// A leg of a pair: the asset's side and, where the quote currency is not USDT, the FX book's.
struct ExactLeg {
  ExactSide book;
  ExactSide fx;  ///< empty = USDT
  Rational fee;
  Rational fx_fee;
};

/// Σ price·size for quantity q; nullopt beyond depth.
inline std::optional<Rational> value_of(const ExactSide& side, Rational q) {
  Rational sum = 0;
  for (const ExactLevel& level : side) {
    const Rational take = q < level.size ? q : level.size;
    sum += take * level.price;
    q -= take;
    if (q == 0) return sum;
  }
  if (q == 0) return sum;
  return std::nullopt;
}

/// The quantity whose Σ price·size is `value`; nullopt beyond depth.
inline std::optional<Rational> quantity_of(const ExactSide& side, Rational value) {
  Rational q = 0;
  for (const ExactLevel& level : side) {
    const Rational whole = level.price * level.size;
    if (value <= whole) return q + value / level.price;
    value -= whole;
    q += level.size;
  }
  if (value == 0) return q;
  return std::nullopt;
}

/// What buying q costs: C(q)·(1+f), and usdt_for() of it.
inline std::optional<Rational> spent(const ExactLeg& leg, const Rational& q) {
  const auto cost = value_of(leg.book, q);
  if (!cost) return std::nullopt;
  const Rational quote = *cost * (1 + leg.fee);
  if (leg.fx.empty()) return quote;
  return quantity_of(leg.fx, quote / (1 - leg.fx_fee));
}

/// What selling q brings: R(q)·(1−f), and to_usdt() of it.
inline std::optional<Rational> received(const ExactLeg& leg, const Rational& q) {
  const auto proceeds = value_of(leg.book, q);
  if (!proceeds) return std::nullopt;
  const Rational quote = *proceeds * (1 - leg.fee);
  if (leg.fx.empty()) return quote;
  return quantity_of(leg.fx, quote / (1 + leg.fx_fee));
}

inline std::optional<Rational> net(const ExactLeg& buy, const ExactLeg& sell, const Rational& q) {
  const auto out = spent(buy, q);
  const auto in = received(sell, q);
  if (!out || !in) return std::nullopt;
  return *in - *out;
}

/// Every quantity at which a price of any of the books changes, rising, within the depth of all.
inline std::vector<Rational> kinks(const ExactLeg& buy, const ExactLeg& sell) {
  std::vector<Rational> all{0};
  const auto of_leg = [&all](const ExactLeg& leg, const Rational& quote_factor,
                             const Rational& fx_factor) {
    Rational q = 0;
    for (const ExactLevel& level : leg.book) all.push_back(q += level.size);
    Rational amount = 0;
    for (const ExactLevel& level : leg.fx) {
      amount += level.price * level.size * fx_factor;  // of the quote currency
      if (const auto at = quantity_of(leg.book, amount / quote_factor)) all.push_back(*at);
    }
  };
  of_leg(buy, 1 + buy.fee, 1 - buy.fx_fee);
  of_leg(sell, 1 - sell.fee, 1 + sell.fx_fee);
  std::vector<Rational> within;
  for (const Rational& q : all) {
    if (net(buy, sell, q)) within.push_back(q);
  }
  std::sort(within.begin(), within.end());
  within.erase(std::unique(within.begin(), within.end()), within.end());
  return within;
}

struct ExactOptimum {
  Rational quantity = 0;
  Rational profit = 0;
};

/// The smallest quantity with the highest net(q): net is linear between kinks, so it is one of
/// them.
inline ExactOptimum exact_optimum(const ExactLeg& buy, const ExactLeg& sell) {
  ExactOptimum best;
  for (const Rational& q : kinks(buy, sell)) {
    const Rational profit = *net(buy, sell, q);
    if (profit > best.profit) best = {q, profit};
  }
  return best;
}

/// The largest quantity within depth with net(q) >= 0; 0 when no size is profitable.
inline Rational exact_break_even(const ExactLeg& buy, const ExactLeg& sell) {
  if (exact_optimum(buy, sell).profit <= 0) return 0;
  const std::vector<Rational> points = kinks(buy, sell);
  for (std::size_t i = points.size(); i-- > 0;) {
    const Rational here = *net(buy, sell, points[i]);
    if (here < 0) continue;
    if (i + 1 == points.size()) return points[i];
    const Rational next = *net(buy, sell, points[i + 1]);
    return points[i] + (points[i + 1] - points[i]) * here / (here - next);
  }
  return 0;
}

}  // namespace spreadwatch::test
