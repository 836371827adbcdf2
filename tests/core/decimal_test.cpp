#include "core/decimal.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <random>
#include <string>

namespace spreadwatch {
namespace {

std::string written(std::string_view text) {
  const Result<Decimal> parsed = Decimal::parse(text);
  REQUIRE(parsed.has_value());
  std::string out;
  parsed->append_as_written(out);
  return out;
}

std::string number(double value) {
  std::string out;
  append_number(out, value);
  return out;
}

TEST_CASE("a tiny price and a huge size are kept exactly") {
  CHECK(Decimal::parse("0.0000089123")->to_string() == "0.0000089123");
  CHECK(Decimal::parse("9876543210.12345678")->to_string() == "9876543210.12345678");
}

TEST_CASE("the written digits stay known while comparison is by value") {
  CHECK(written("64028.60") == "64028.60");
  CHECK(*Decimal::parse("64028.60") == *Decimal::parse("64028.6"));
  CHECK(*Decimal::parse("64028.60") < *Decimal::parse("64028.61"));
  CHECK(*Decimal::parse("-0.5") < *Decimal::parse("0.000000000000000001"));
  CHECK(Decimal::parse("0.00000000")->is_zero());
}

TEST_CASE("a price of 10^-18 and a size of 10^15 with eight decimals are kept exactly") {
  CHECK(written("0.000000000000000001") == "0.000000000000000001");
  CHECK(written("1000000000000000.12345678") == "1000000000000000.12345678");
  CHECK(written("15234567890.12345600") == "15234567890.12345600");
  CHECK(written("-99999999999999999999999999999999999") == "-99999999999999999999999999999999999");
  CHECK(written("0.000000000000000000012345678901234567") ==
        "0.000000000000000000012345678901234567");
  CHECK(written("1000000000000000000") == "1000000000000000000");
  CHECK(written("00000000000000000000000012.50") == "12.50");
  CHECK(*Decimal::parse("1000000000000000.12345678") <
        *Decimal::parse("1000000000000000.123456781"));
}

/// A number as digits of fixed width, so that the order of two is that of their texts.
std::string padded(const std::string& plain) {
  const std::size_t point = std::min(plain.find('.'), plain.size());
  std::string out(40 - point, '0');
  out += plain.substr(0, point);
  if (point < plain.size()) out += plain.substr(point + 1);
  out.resize(80, '0');
  return out;
}

TEST_CASE("numbers of any width are ordered, printed and made doubles as their digits say") {
  std::mt19937_64 random(3);
  const auto below = [&random](std::uint64_t n) { return random() % n; };
  std::string before = "1";
  for (int i = 0; i < 20'000; ++i) {
    std::string digits = std::to_string(1 + below(9));
    const std::size_t count = 1 + below(35);
    while (digits.size() < count)
      digits += static_cast<char>('0' + (below(3) == 0 ? 0 : below(10)));
    const std::size_t scale = below(37);
    if (digits.size() <= scale) digits.insert(0, scale + 1 - digits.size(), '0');
    if (scale > 0) digits.insert(digits.size() - scale, 1, '.');
    // Now and then the same number with more zeros behind it, or its neighbour.
    if (below(4) == 0 && before.find('.') != std::string::npos && before.size() < 30) {
      digits = before + (below(2) == 0 ? "0" : "1");
    }
    CAPTURE(digits);
    CHECK(written(digits) == digits);
    const Decimal a = *Decimal::parse(before);
    const Decimal b = *Decimal::parse(digits);
    CHECK((a < b) == (padded(before) < padded(digits)));
    CHECK((a > b) == (padded(before) > padded(digits)));
    CHECK((a == b) == (padded(before) == padded(digits)));
    CHECK(b.to_double() == std::stod(digits));
    CHECK(static_cast<double>(b.to_long_double()) ==
          doctest::Approx(std::stod(digits)).epsilon(1e-15));
    const Decimal negative = *Decimal::parse("-" + digits);
    CHECK(negative < b);
    CHECK((Decimal{} < b && negative < Decimal{}));
    CHECK(written("-" + digits) == "-" + digits);
    before = digits;
  }
}

TEST_CASE("exponents and zeros beyond 18 digits are read when the value fits") {
  CHECK(written("1.16539E8") == "116539000");
  CHECK(written("7.9276E-4") == "0.00079276");
  CHECK(written("1e-08") == "0.00000001");
  CHECK(Decimal::parse("1000000000000000.00000000")->to_string() == "1000000000000000");
  CHECK(Decimal::parse("0e99999")->is_zero());
}

TEST_CASE("text that is no number is a schema mismatch") {
  for (const char* text : {"", "-", ".", "1.", ".5", "+1", "1e", "1e+", "nan", "inf", "0x10", "1 ",
                           " 1", "1,5", "1.2.3", "--1"}) {
    CAPTURE(text);
    const Result<Decimal> parsed = Decimal::parse(text);
    REQUIRE_FALSE(parsed.has_value());
    CHECK(parsed.error().code == ErrorCode::kSchemaMismatch);
  }
}

TEST_CASE("a number that does not fit exactly is out of range, not rounded") {
  for (const char* text :
       {"123456789012345678901234567890123456", "0.123456789012345678901234567890123456", "1e35",
        "1e-37", "1e999999999999", "1e-999999999999", "99999999999999999999999999999999999.5"}) {
    CAPTURE(text);
    const Result<Decimal> parsed = Decimal::parse(text);
    REQUIRE_FALSE(parsed.has_value());
    CHECK(parsed.error().code == ErrorCode::kValueOutOfRange);
  }
}

TEST_CASE("differences are exact") {
  CHECK(subtract(*Decimal::parse("64028.6"), *Decimal::parse("64324"))->to_string() == "-295.4");
  CHECK(subtract(*Decimal::parse("0.99981"), *Decimal::parse("0.00005"))->to_string() == "0.99976");
  CHECK(subtract(*Decimal::parse("1000000000000000.12345678"), *Decimal::parse("1e-18"))
            ->to_string() == "1000000000000000.123456779999999999");
  CHECK_FALSE(
      subtract(*Decimal::parse("99999999999999999999999999999999999"), *Decimal::parse("-0.5"))
          .has_value());
  CHECK_FALSE(subtract(*Decimal::parse("1e34"), *Decimal::parse("1e-36")).has_value());
}

TEST_CASE("the double of a decimal is the one its text reads as") {
  std::mt19937_64 random(7);
  for (int i = 0; i < 20'000; ++i) {
    const auto mantissa = static_cast<std::int64_t>(random() % 9'007'199'254'740'991ULL);
    const Decimal value{mantissa, static_cast<int>(random() % 19)};
    CHECK(value.to_double() == std::stod(value.to_string()));
  }
}

TEST_CASE("numbers are printed with the fewest digits that read back") {
  CHECK(number(0) == "0");
  CHECK(number(-0.0042) == "-0.0042");
  CHECK(number(100'000'000) == "100000000");
  CHECK(number(116'539'000.5) == "116539000.5");
  CHECK(number(0.0000089123) == "0.0000089123");
  CHECK(number(1e-9) == "1e-9");
  CHECK(number(1.5e300) == "1.5e300");
  CHECK(number(std::numeric_limits<double>::infinity()) == "null");
  CHECK(number(-std::numeric_limits<double>::infinity()) == "null");
  CHECK(number(std::nan("")) == "null");
  std::mt19937_64 random(11);
  for (int i = 0; i < 20'000; ++i) {
    const double value =
        std::ldexp(static_cast<double>(random()), static_cast<int>(random() % 200) - 150);
    CHECK(std::stod(number(value)) == value);
  }
}

}  // namespace
}  // namespace spreadwatch
