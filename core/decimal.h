#pragma once

#include <charconv>
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
/// number of up to 35 significant digits and up to 36 decimals (trailing zeros beyond that do not
/// count): a size of 10^15 with 8 decimals has 23 digits, and what a venue makes of a binary
/// fraction has up to 17 behind its leading zeros. Both share 16 bytes, and whatever has a mantissa
/// of 64 bits, which is nearly every number on a wire, is read and compared in 64 bits.
/// Threads: a value.
class Decimal {
 public:
  __extension__ using Mantissa = __int128;

  static constexpr int kMaxScale = 36;
  static constexpr int kMaxDigits = 35;
  static constexpr Mantissa kMaxMantissa =
      Mantissa{99'999'999'999'999'999LL} * 1'000'000'000'000'000'000LL + 999'999'999'999'999'999LL;

  constexpr Decimal() = default;
  /// REQUIRES: 0 <= scale <= kMaxScale, -kMaxMantissa <= mantissa <= kMaxMantissa.
  constexpr Decimal(Mantissa mantissa, int scale)
      : low_(static_cast<std::uint64_t>(mantissa)),
        high_(static_cast<std::int64_t>(mantissa >> 64) * kScales + scale) {}

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

  constexpr Mantissa mantissa() const { return Mantissa{high_ >> kScaleBits} * kHalf + low_; }
  constexpr int scale() const { return static_cast<std::uint8_t>(high_); }
  constexpr bool is_zero() const { return low_ == 0 && upper() == 0; }
  constexpr bool is_positive() const { return high_ >= 0 && !is_zero(); }
  constexpr bool is_negative() const { return high_ < 0; }

  /// The nearest double.
  double to_double() const noexcept;
  /// Within one rounding of the last digit while the mantissa is one of 64 bits, else within three.
  long double to_long_double() const noexcept;

  /// Plain notation without trailing zeros: "64028.6". Reads back to the same value.
  std::string to_string() const;
  /// Appends what to_string() gives.
  void append_to(std::string& out) const;
  /// The digits as written, trailing zeros kept: "64028.60".
  void append_as_written(std::string& out) const;
  /// Writes the mantissa's digits and returns their end.
  /// REQUIRES: room for kMaxDigits + 1 characters.
  char* write_mantissa(char* out) const noexcept {
    if (upper() == 0) return std::to_chars(out, out + kMaxDigits + 1, low_).ptr;
    return write_wide(out);
  }

  friend std::strong_ordering operator<=>(const Decimal& a, const Decimal& b) noexcept {
    // Of one scale and, as nearly always, within 64 bits: the rest of the mantissa decides.
    if (a.high_ == b.high_) return a.low_ <=> b.low_;
    return compare_unlike(a, b);
  }
  friend bool operator==(const Decimal& a, const Decimal& b) noexcept {
    if (a.high_ == b.high_) return a.low_ == b.low_;
    return compare_unlike(a, b) == std::strong_ordering::equal;
  }

 private:
  /// Digits that 64 bits hold whatever they are.
  static constexpr int kSmallDigits = 18;
  static constexpr int kScaleBits = 8;
  static constexpr std::int64_t kScales = 1 << kScaleBits;
  static constexpr Mantissa kHalf = Mantissa{1} << 64;

  /// The mantissa ÷ 2^64, rounded down: 0 for what is neither negative nor beyond 64 bits.
  constexpr std::int64_t upper() const { return high_ >> kScaleBits; }

  static std::strong_ordering compare_unlike(const Decimal& a, const Decimal& b) noexcept;
  char* write_wide(char* out) const noexcept;

  /// Up to 18 digits without an exponent need no overflow check; that is nearly every number on a
  /// wire. False says nothing of other texts.
  static bool parse_plain(std::string_view text, Decimal& out) noexcept {
    const char* p = text.data();
    const char* const end = p + text.size();
    const bool negative = p != end && *p == '-';
    if (negative) ++p;
    if (p == end || end - p > kSmallDigits + 1) return false;
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
    // Nineteen digits, without a point, still fit into 64 bits without a sign.
    const auto scale = point == nullptr ? 0 : end - point - 1;
    if (negative) [[unlikely]] {
      out = Decimal{-static_cast<Mantissa>(mantissa), static_cast<int>(scale)};
      return true;
    }
    out.low_ = mantissa;
    out.high_ = scale;
    return true;
  }
  static bool parse_any(std::string_view text, Decimal& out) noexcept;

  std::uint64_t low_ = 0;  // mantissa modulo 2^64
  std::int64_t high_ = 0;  // upper() · 2^8 + scale
};
static_assert(sizeof(Decimal) == 16);

/// a − b, exact. Errors: kValueOutOfRange when the difference does not fit.
Result<Decimal> subtract(const Decimal& a, const Decimal& b);

/// Appends the shortest text that reads back to the same double, in plain notation from 1e-7 up to
/// 1e21.
///
/// What is not finite becomes `null`, as JSON has no number for it.
void append_number(std::string& out, double value);

}  // namespace spreadwatch
