#pragma once

namespace spreadwatch {

/// What sums are kept in: a profit is a small difference of large sums.
using Real = long double;

/// An amount of one currency; a price is the amount for one unit.
///
/// Two of one currency are added, compared and divided by each other (which gives a plain number);
/// a plain number scales. What is of two currencies does none of that: it does not compile. Only
/// `fx` makes an amount of one currency out of one of another. Every operation is the one on the
/// number itself, so that typed and untyped arithmetic round alike. Threads: a value.
template <class Currency>
class Money {
 public:
  constexpr Money() = default;
  /// `value` is in this currency, as the one who reads it from a book or a setting knows.
  explicit constexpr Money(Real value) : value_(value) {}

  constexpr Real value() const { return value_; }
  explicit constexpr operator double() const { return static_cast<double>(value_); }

  friend constexpr Money operator+(Money a, Money b) { return Money{a.value_ + b.value_}; }
  friend constexpr Money operator-(Money a, Money b) { return Money{a.value_ - b.value_}; }
  friend constexpr Money operator-(Money a) { return Money{-a.value_}; }
  friend constexpr Money operator*(Money a, Real factor) { return Money{a.value_ * factor}; }
  friend constexpr Money operator*(Real factor, Money a) { return Money{factor * a.value_}; }
  friend constexpr Money operator/(Money a, Real divisor) { return Money{a.value_ / divisor}; }
  friend constexpr Real operator/(Money a, Money b) { return a.value_ / b.value_; }
  // One by one: out of <=> a compiler makes more than one comparison.
  friend constexpr bool operator==(Money a, Money b) { return a.value_ == b.value_; }
  friend constexpr bool operator<(Money a, Money b) { return a.value_ < b.value_; }
  friend constexpr bool operator<=(Money a, Money b) { return a.value_ <= b.value_; }
  friend constexpr bool operator>(Money a, Money b) { return a.value_ > b.value_; }
  friend constexpr bool operator>=(Money a, Money b) { return a.value_ >= b.value_; }

 private:
  Real value_ = 0;
};

struct QuoteCurrency;
struct Usdt;

/// Of the currency that a venue's market is quoted in, before conversion: KRW, USD, or USDT itself.
/// Of two venues' amounts, whoever brings them together has made sure that it is the same one.
using QuoteAmount = Money<QuoteCurrency>;
/// What everything is settled and compared in.
using UsdtAmount = Money<Usdt>;

}  // namespace spreadwatch
