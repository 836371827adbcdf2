#include "core/decimal.h"

#include <algorithm>
#include <cassert>
#include <charconv>
#include <cmath>

namespace spreadwatch {
namespace {

__extension__ using Wide = __int128;

constexpr std::array<std::int64_t, 19> kPow10 = [] {
  std::array<std::int64_t, 19> powers{};
  std::int64_t power = 1;
  for (std::size_t i = 0; i < powers.size(); ++i) {
    powers[i] = power;
    if (i + 1 < powers.size()) power *= 10;
  }
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
  std::int64_t mantissa = 0;
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
      if (exponent < 100'000) exponent = exponent * 10 + (*p - '0');
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
void append_digits(std::string& out, std::int64_t mantissa, int scale) {
  std::array<char, 24> buffer{};
  const bool negative = mantissa < 0;
  const std::uint64_t magnitude =
      negative ? 0U - static_cast<std::uint64_t>(mantissa) : static_cast<std::uint64_t>(mantissa);
  const auto result = std::to_chars(buffer.data(), buffer.data() + buffer.size(), magnitude);
  const auto digits = static_cast<int>(result.ptr - buffer.data());
  if (negative) out.push_back('-');
  if (scale == 0) {
    out.append(buffer.data(), static_cast<std::size_t>(digits));
    return;
  }
  if (digits <= scale) {
    out.append("0.");
    out.append(static_cast<std::size_t>(scale - digits), '0');
    out.append(buffer.data(), static_cast<std::size_t>(digits));
    return;
  }
  out.append(buffer.data(), static_cast<std::size_t>(digits - scale));
  out.push_back('.');
  out.append(buffer.data() + (digits - scale), static_cast<std::size_t>(scale));
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
                          "more than 18 digits: \"" + std::string{text.substr(0, 40)} + "\""}};
}

double Decimal::to_double() const noexcept {
  // Both operands are exact below 2^53 and 10^22, so the division is the only rounding.
  constexpr std::int64_t kExact = 1LL << 53;
  if (mantissa_ <= kExact && mantissa_ >= -kExact) {
    return static_cast<double>(mantissa_) /
           static_cast<double>(kPow10[static_cast<std::size_t>(scale())]);
  }
  return static_cast<double>(to_long_double());
}

long double Decimal::to_long_double() const noexcept {
  return static_cast<long double>(mantissa_) /
         static_cast<long double>(kPow10[static_cast<std::size_t>(scale())]);
}

void Decimal::append_to(std::string& out) const {
  std::int64_t m = mantissa_;
  int s = scale();
  while (s > 0 && m % 10 == 0) {
    m /= 10;
    --s;
  }
  append_digits(out, m, s);
}

std::string Decimal::to_string() const {
  std::string out;
  append_to(out);
  return out;
}

void Decimal::append_as_written(std::string& out) const { append_digits(out, mantissa_, scale_); }

std::strong_ordering Decimal::compare_scaled(const Decimal& a, const Decimal& b) noexcept {
  const int scale = a.scale() > b.scale() ? a.scale() : b.scale();
  const Wide left = Wide{a.mantissa_} * kPow10[static_cast<std::size_t>(scale - a.scale_)];
  const Wide right = Wide{b.mantissa_} * kPow10[static_cast<std::size_t>(scale - b.scale_)];
  return left < right   ? std::strong_ordering::less
         : left > right ? std::strong_ordering::greater
                        : std::strong_ordering::equal;
}

Result<Decimal> subtract(const Decimal& a, const Decimal& b) {
  int scale = a.scale() > b.scale() ? a.scale() : b.scale();
  Wide value = Wide{a.mantissa()} * kPow10[static_cast<std::size_t>(scale - a.scale())] -
               Wide{b.mantissa()} * kPow10[static_cast<std::size_t>(scale - b.scale())];
  while (scale > 0 && (value > Decimal::kMaxMantissa || value < -Decimal::kMaxMantissa) &&
         value % 10 == 0) {
    value /= 10;
    --scale;
  }
  if (value > Decimal::kMaxMantissa || value < -Decimal::kMaxMantissa) {
    return Unexpected{Error{ErrorCode::kValueOutOfRange, "difference has more than 18 digits"}};
  }
  return Decimal{static_cast<std::int64_t>(value), scale};
}

void append_number(std::string& out, double value) {
  assert(std::isfinite(value));
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
