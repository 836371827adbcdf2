#pragma once

#include <array>
#include <compare>
#include <cstdint>
#include <string>
#include <string_view>

#include "core/result.h"

namespace spreadwatch {

/// An exact decimal number: `mantissa / 10^scale`, the scale as it was written.
///
/// "64028.60" is mantissa 6402860, scale 2: comparison is by value (equal to "64028.6"), but the
/// written digits stay known, which is what checksums over the text of a number need. Holds every
/// number of up to 18 significant digits and up to 18 decimals (trailing zeros beyond that do not
/// count). Threads: a value.
class Decimal {
 public:
  static constexpr int kMaxScale = 18;
  static constexpr std::int64_t kMaxMantissa = 999'999'999'999'999'999LL;

  constexpr Decimal() = default;
  /// REQUIRES: 0 <= scale <= kMaxScale.
  constexpr Decimal(std::int64_t mantissa, int scale)
      : mantissa_(mantissa), scale_(static_cast<std::int8_t>(scale)) {}

  /// Reads plain or exponent notation ("0.0005", "1.16539E8", "-3"), the whole text or nothing.
  ///
  /// Errors: kSchemaMismatch when it is not a number, kValueOutOfRange when it does not fit
  /// exactly.
  static Result<Decimal> parse(std::string_view text);

  /// As parse() without building an error text: false when the text is not a number or does not
  /// fit.
  static bool try_parse(std::string_view text, Decimal& out) noexcept {
    return parse_plain(text, out) || parse_any(text, out);
  }

  constexpr std::int64_t mantissa() const { return mantissa_; }
  constexpr int scale() const { return scale_; }
  constexpr bool is_zero() const { return mantissa_ == 0; }
  constexpr bool is_positive() const { return mantissa_ > 0; }
  constexpr bool is_negative() const { return mantissa_ < 0; }

  /// The nearest double (exact up to one rounding while the mantissa is below 2^53).
  double to_double() const noexcept;
  long double to_long_double() const noexcept;

  /// Plain notation without trailing zeros: "64028.6". Reads back to the same value.
  std::string to_string() const;
  /// Appends what to_string() gives.
  void append_to(std::string& out) const;
  /// The digits as written, trailing zeros kept: "64028.60".
  void append_as_written(std::string& out) const;

  friend std::strong_ordering operator<=>(const Decimal& a, const Decimal& b) noexcept {
    if (a.scale_ == b.scale_) return a.mantissa_ <=> b.mantissa_;
    return compare_scaled(a, b);
  }
  friend bool operator==(const Decimal& a, const Decimal& b) noexcept { return (a <=> b) == 0; }

 private:
  static std::strong_ordering compare_scaled(const Decimal& a, const Decimal& b) noexcept;

  /// Up to 18 digits without an exponent need no overflow check; that is nearly every number on a
  /// wire. False says nothing of other texts.
  static bool parse_plain(std::string_view text, Decimal& out) noexcept {
    const char* p = text.data();
    const char* const end = p + text.size();
    const bool negative = p != end && *p == '-';
    if (negative) ++p;
    if (p == end || end - p > kMaxScale + 1) return false;
    std::uint64_t mantissa = 0;
    const char* point = nullptr;
    const char* const first = p;
    for (; p != end; ++p) {
      const auto digit = static_cast<unsigned>(*p - '0');
      if (digit < 10) {
        mantissa = mantissa * 10 + digit;
      } else if (*p == '.' && point == nullptr && p != first && p + 1 != end) {
        point = p;
      } else {
        return false;
      }
    }
    if (mantissa > static_cast<std::uint64_t>(kMaxMantissa)) return false;
    const auto value = static_cast<std::int64_t>(mantissa);
    out = Decimal{negative ? -value : value,
                  point == nullptr ? 0 : static_cast<int>(end - point - 1)};
    return true;
  }
  static bool parse_any(std::string_view text, Decimal& out) noexcept;

  std::int64_t mantissa_ = 0;
  std::int8_t scale_ = 0;
};

/// a − b, exact. Errors: kValueOutOfRange when the difference does not fit.
Result<Decimal> subtract(const Decimal& a, const Decimal& b);

/// Appends the shortest text that reads back to the same double, in plain notation from 1e-7 up to
/// 1e21.
///
/// REQUIRES: value is finite.
void append_number(std::string& out, double value);

}  // namespace spreadwatch
