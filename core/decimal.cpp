#include "core/decimal.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>

namespace spreadwatch {
namespace {

using Wide = Decimal::Mantissa;

constexpr std::array<Wide, 39> kPow10 = [] {
  std::array<Wide, 39> powers{};
  Wide power = 1;
  for (std::size_t i = 0; i < powers.size(); ++i) {
    powers[i] = power;
    if (i + 1 < powers.size()) power *= 10;
  }
  return powers;
}();
/// Those that 64 bits hold.
constexpr int kHalfDigits = 18;
constexpr std::array<std::uint64_t, kHalfDigits + 1> kSmallPow10 = [] {
  std::array<std::uint64_t, kHalfDigits + 1> powers{};
  for (std::size_t i = 0; i < powers.size(); ++i) powers[i] = static_cast<std::uint64_t>(kPow10[i]);
  return powers;
}();

/// Room for a mantissa's digits, sign and an exponent.
using Digits = std::array<char, 48>;

constexpr Wide pow10(int exponent) { return kPow10[static_cast<std::size_t>(exponent)]; }
/// As pow10(), each the nearest long double; exact up to 10^27.
constexpr std::array<long double, 39> kRealPow10 = [] {
  std::array<long double, 39> powers{};
  for (std::size_t i = 0; i < powers.size(); ++i) powers[i] = static_cast<long double>(kPow10[i]);
  return powers;
}();

enum class ParseStatus : std::uint8_t { kOk, kNotANumber, kDoesNotFit };

/// The general case: exponents, more than 18 digits, long runs of zeros.
ParseStatus parse_slow(std::string_view text, Decimal& out) noexcept {
  const char* p = text.data();
  const char* const end = p + text.size();
  const bool negative = p != end && *p == '-';
  if (negative) ++p;

  // Trailing zeros stay out of the mantissa until the end: they may be more than it can hold.
  Wide mantissa = 0;
  std::int64_t trailing_zeros = 0;
  std::int64_t decimals = 0;
  bool fits = true;
  bool any_digit = false;
  bool after_point = false;
  for (; p != end; ++p) {
    if (*p == '.') {
      if (after_point || !any_digit || p + 1 == end || p[1] < '0' || p[1] > '9') {
        return ParseStatus::kNotANumber;
      }
      after_point = true;
      continue;
    }
    if (*p < '0' || *p > '9') break;
    any_digit = true;
    if (after_point) ++decimals;
    if (*p == '0') {
      ++trailing_zeros;
      continue;
    }
    for (; trailing_zeros > 0 && mantissa != 0 && fits; --trailing_zeros) {
      fits = mantissa <= Decimal::kMaxMantissa / 10;
      if (fits) mantissa *= 10;
    }
    trailing_zeros = 0;
    const int digit = *p - '0';
    fits = fits && mantissa <= (Decimal::kMaxMantissa - digit) / 10;
    if (fits) mantissa = mantissa * 10 + digit;
  }
  if (!any_digit) return ParseStatus::kNotANumber;

  std::int64_t exponent = 0;
  if (p != end && (*p == 'e' || *p == 'E')) {
    ++p;
    const bool minus = p != end && *p == '-';
    if (p != end && (*p == '-' || *p == '+')) ++p;
    if (p == end) return ParseStatus::kNotANumber;
    for (; p != end && *p >= '0' && *p <= '9'; ++p) {
      if (exponent < 1'000'000'000) exponent = exponent * 10 + (*p - '0');
    }
    if (minus) exponent = -exponent;
  }
  if (p != end) return ParseStatus::kNotANumber;
  if (!fits) return ParseStatus::kDoesNotFit;

  std::int64_t scale = decimals - exponent;
  if (mantissa == 0) {
    out = Decimal{0, static_cast<int>(std::clamp<std::int64_t>(scale, 0, Decimal::kMaxScale))};
    return ParseStatus::kOk;
  }
  scale -= trailing_zeros;
  for (; trailing_zeros > 0 && scale < Decimal::kMaxScale; --trailing_zeros, ++scale) {
    if (mantissa > Decimal::kMaxMantissa / 10) break;
    mantissa *= 10;
  }
  for (; scale < 0; ++scale) {
    if (mantissa > Decimal::kMaxMantissa / 10) return ParseStatus::kDoesNotFit;
    mantissa *= 10;
  }
  if (scale > Decimal::kMaxScale) return ParseStatus::kDoesNotFit;
  out = Decimal{negative ? -mantissa : mantissa, static_cast<int>(scale)};
  return ParseStatus::kOk;
}

/// The mantissa's digits with a point `scale` digits from the right.
void append_digits(std::string& out, const Decimal& value) {
  Digits buffer;
  const char* first = buffer.data();
  const char* const end = value.write_mantissa(buffer.data());
  if (*first == '-') {
    out.push_back('-');
    ++first;
  }
  const auto digits = static_cast<int>(end - first);
  const int scale = value.scale();
  if (scale == 0) {
    out.append(first, end);
    return;
  }
  if (digits <= scale) {
    out.append("0.");
    out.append(static_cast<std::size_t>(scale - digits), '0');
    out.append(first, end);
    return;
  }
  out.append(first, end - scale);
  out.push_back('.');
  out.append(end - scale, end);
}

/// Strips decimals that are zero. `Int` is as wide as the mantissa needs.
template <class Int>
Decimal without_trailing_zeros(Int mantissa, int scale) {
  while (scale > 0 && mantissa % 10 == 0) {
    mantissa /= 10;
    --scale;
  }
  return Decimal{mantissa, scale};
}

}  // namespace

bool Decimal::parse_any(std::string_view text, Decimal& out) noexcept {
  return parse_slow(text, out) == ParseStatus::kOk;
}

Result<Decimal> Decimal::parse(std::string_view text) {
  Decimal value;
  if (parse_plain(text, value)) return value;
  switch (parse_slow(text, value)) {
    case ParseStatus::kOk:
      return value;
    case ParseStatus::kNotANumber:
      return Unexpected{Error{ErrorCode::kSchemaMismatch,
                              "not a number: \"" + std::string{text.substr(0, 40)} + "\""}};
    case ParseStatus::kDoesNotFit:
      break;
  }
  return Unexpected{Error{ErrorCode::kValueOutOfRange,
                          "more than 35 digits: \"" + std::string{text.substr(0, 40)} + "\""}};
}

double Decimal::to_double() const noexcept {
  // Both operands are exact below 2^53 and 10^22, so the division is the only rounding.
  constexpr std::int64_t kExact = 1LL << 53;
  constexpr int kExactPower = 22;
  const Mantissa m = mantissa();
  if (m <= kExact && m >= -kExact && scale() <= kExactPower) {
    return static_cast<double>(static_cast<std::int64_t>(m)) /
           static_cast<double>(kRealPow10[static_cast<std::size_t>(scale())]);
  }
  Digits text;
  char* const digits = write_mantissa(text.data());
  *digits = 'e';
  char* const end = std::to_chars(digits + 1, text.data() + text.size(), -scale()).ptr;
  double value = 0;
  std::from_chars(text.data(), end, value);
  return value;
}

long double Decimal::to_long_double() const noexcept {
  const long double numerator =
      upper() == 0 ? static_cast<long double>(low_) : static_cast<long double>(mantissa());
  return numerator / kRealPow10[static_cast<std::size_t>(scale())];
}

void Decimal::append_to(std::string& out) const {
  append_digits(out, upper() == 0 ? without_trailing_zeros(low_, scale())
                                  : without_trailing_zeros(mantissa(), scale()));
}

std::string Decimal::to_string() const {
  std::string out;
  append_to(out);
  return out;
}

void Decimal::append_as_written(std::string& out) const { append_digits(out, *this); }

char* Decimal::write_wide(char* out) const noexcept {
  Mantissa rest = mantissa();
  if (rest < 0) {
    *out++ = '-';
    rest = -rest;
  }
  constexpr std::uint64_t kBelow = kSmallPow10.back();
  char* const end = out + kMaxDigits;
  const auto first = static_cast<std::uint64_t>(rest / kBelow);
  auto last = static_cast<std::uint64_t>(rest % kBelow);
  if (first == 0) return std::to_chars(out, end, last).ptr;
  // The lower digits keep their leading zeros.
  out = std::to_chars(out, end, first).ptr;
  for (int i = kHalfDigits; i-- > 0; last /= 10) out[i] = static_cast<char>('0' + last % 10);
  return out + kHalfDigits;
}

std::strong_ordering Decimal::compare_unlike(const Decimal& a, const Decimal& b) noexcept {
  __extension__ using Unsigned = unsigned __int128;
  const int more = b.scale() - a.scale();
  if (a.upper() == 0 && b.upper() == 0 && more <= kHalfDigits && more >= -kHalfDigits) {
    const auto scaled = [](std::uint64_t mantissa, int zeros) {
      return zeros > 0 ? Unsigned{mantissa} * kSmallPow10[static_cast<std::size_t>(zeros)]
                       : Unsigned{mantissa};
    };
    return scaled(a.low_, more) <=> scaled(b.low_, -more);
  }
  if (more < 0) return 0 <=> compare_unlike(b, a);
  Mantissa left = a.mantissa();
  if (__builtin_mul_overflow(left, pow10(more), &left)) {
    // Beyond 10^38, where no mantissa gets to.
    return a.is_negative() ? std::strong_ordering::less : std::strong_ordering::greater;
  }
  return left <=> b.mantissa();
}

Result<Decimal> subtract(const Decimal& a, const Decimal& b) {
  const int scale = std::max(a.scale(), b.scale());
  Wide left = 0;
  Wide right = 0;
  Wide value = 0;
  const bool fits = !__builtin_mul_overflow(a.mantissa(), pow10(scale - a.scale()), &left) &&
                    !__builtin_mul_overflow(b.mantissa(), pow10(scale - b.scale()), &right) &&
                    !__builtin_sub_overflow(left, right, &value);
  int kept = scale;
  while (fits && kept > 0 && (value > Decimal::kMaxMantissa || value < -Decimal::kMaxMantissa) &&
         value % 10 == 0) {
    value /= 10;
    --kept;
  }
  if (!fits || value > Decimal::kMaxMantissa || value < -Decimal::kMaxMantissa) {
    return Unexpected{Error{ErrorCode::kValueOutOfRange, "difference has more than 35 digits"}};
  }
  return Decimal{value, kept};
}

void append_number(std::string& out, double value) {
  if (!std::isfinite(value)) {
    out += "null";
    return;
  }
  if (value == 0) {
    out.push_back('0');
    return;
  }
  // The shortest round-trip digits come from scientific notation; the layout is ours.
  std::array<char, 40> buffer{};
  const auto result = std::to_chars(buffer.data(), buffer.data() + buffer.size(), value,
                                    std::chars_format::scientific);
  std::string_view text{buffer.data(), static_cast<std::size_t>(result.ptr - buffer.data())};
  if (text.front() == '-') {
    out.push_back('-');
    text.remove_prefix(1);
  }
  const auto e = text.find('e');
  int exponent = 0;
  const char* const exponent_text = text.data() + e + (text[e + 1] == '+' ? 2 : 1);
  std::from_chars(exponent_text, text.data() + text.size(), exponent);
  std::array<char, 24> digits{};
  std::size_t n = 0;
  for (const char c : text.substr(0, e)) {
    if (c != '.') digits[n++] = c;
  }
  const std::string_view all{digits.data(), n};
  if (exponent < -7 || exponent >= 21) {
    out.push_back(all.front());
    if (n > 1) {
      out.push_back('.');
      out.append(all.substr(1));
    }
    out.push_back('e');
    out.append(std::to_string(exponent));
  } else if (exponent < 0) {
    out.append("0.");
    out.append(static_cast<std::size_t>(-exponent - 1), '0');
    out.append(all);
  } else if (n <= static_cast<std::size_t>(exponent) + 1) {
    out.append(all);
    out.append(static_cast<std::size_t>(exponent) + 1 - n, '0');
  } else {
    out.append(all.substr(0, static_cast<std::size_t>(exponent) + 1));
    out.push_back('.');
    out.append(all.substr(static_cast<std::size_t>(exponent) + 1));
  }
}

}  // namespace spreadwatch
