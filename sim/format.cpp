#include "sim/format.h"

#include <array>
#include <charconv>
#include <cmath>
#include <cstdio>
#include <ctime>

namespace spreadwatch::sim {
namespace {

void strip_zeros(std::string& text) {
  if (text.find('.') == std::string::npos) return;
  while (text.back() == '0') text.pop_back();
  if (text.back() == '.') text.pop_back();
}

std::tm utc(std::int64_t unix_s) {
  const std::time_t time = unix_s;
  std::tm parts{};
  gmtime_r(&time, &parts);
  return parts;
}

std::string stamp(std::int64_t unix_s, const char* pattern) {
  const std::tm parts = utc(unix_s);
  std::array<char, 64> text{};
  const std::size_t length = std::strftime(text.data(), text.size(), pattern, &parts);
  return {text.data(), length};
}

}  // namespace

std::string fixed(std::int64_t value, int decimals, int shown) {
  if (shown < decimals) shown = decimals;
  const bool negative = value < 0;
  std::string digits = std::to_string(negative ? -value : value);
  const auto fraction = static_cast<std::size_t>(decimals);
  if (digits.size() <= fraction) digits.insert(0, fraction + 1 - digits.size(), '0');
  if (fraction > 0) digits.insert(digits.size() - fraction, 1, '.');
  if (shown > decimals) {
    if (decimals == 0) digits += '.';
    digits.append(static_cast<std::size_t>(shown - decimals), '0');
  }
  return negative ? "-" + digits : digits;
}

std::string trimmed(std::int64_t value, int decimals) {
  std::string text = fixed(value, decimals);
  strip_zeros(text);
  return text;
}

std::string java_double(std::int64_t value, int decimals) {
  if (value == 0) return "0.0";
  const bool negative = value < 0;
  std::string digits = std::to_string(negative ? -value : value);
  // value = 0.digits x 10^point
  const int point = static_cast<int>(digits.size()) - decimals;
  while (digits.size() > 1 && digits.back() == '0') digits.pop_back();
  std::string text;
  if (point > 7 || point < -2) {
    text = digits.substr(0, 1) + '.' + (digits.size() > 1 ? digits.substr(1) : "0") + 'E' +
           std::to_string(point - 1);
  } else if (point <= 0) {
    text = "0." + std::string(static_cast<std::size_t>(-point), '0') + digits;
  } else {
    const auto whole = static_cast<std::size_t>(point);
    if (digits.size() < whole) digits.append(whole - digits.size(), '0');
    text = digits.substr(0, whole) + '.' + (digits.size() > whole ? digits.substr(whole) : "0");
  }
  return negative ? "-" + text : text;
}

double to_double(std::int64_t value, int decimals) {
  const std::string text = fixed(value, decimals);
  double result = 0;
  std::from_chars(text.data(), text.data() + text.size(), result);
  return result;
}

std::string fixed(double value, int decimals) {
  // Half away from zero, where printf would round the binary value.
  const double scale = std::pow(10.0, decimals);
  double scaled = value * scale;
  if (std::abs(scaled) < 9e15) {
    return fixed(static_cast<std::int64_t>(std::llround(scaled)), decimals);
  }
  std::array<char, 400> text{};
  const int length = std::snprintf(text.data(), text.size(), "%.*f", decimals, value);
  return {text.data(), static_cast<std::size_t>(length)};
}

std::string trimmed(double value, int decimals) {
  std::string text = fixed(value, decimals);
  strip_zeros(text);
  return text == "-0" ? "0" : text;
}

std::string rfc3339_micros(std::int64_t unix_us) {
  std::array<char, 16> micros{};
  std::snprintf(micros.data(), micros.size(), ".%06dZ", static_cast<int>(unix_us % 1'000'000));
  return stamp(unix_us / 1'000'000, "%Y-%m-%dT%H:%M:%S") + micros.data();
}

std::string date_compact(std::int64_t unix_ms) { return stamp(unix_ms / 1000, "%Y%m%d"); }
std::string time_compact(std::int64_t unix_ms) { return stamp(unix_ms / 1000, "%H%M%S"); }
std::string date_dashed(std::int64_t unix_ms) { return stamp(unix_ms / 1000, "%Y-%m-%d"); }

std::string quoted(std::string_view text) {
  std::string result = "\"";
  for (const char c : text) {
    if (c == '"' || c == '\\') {
      result += '\\';
      result += c;
    } else if (static_cast<unsigned char>(c) < 0x20) {
      std::array<char, 8> escape{};
      std::snprintf(escape.data(), escape.size(), "\\u%04x", static_cast<unsigned>(c));
      result += escape.data();
    } else {
      result += c;
    }
  }
  return result + '"';
}

JsonObject& JsonObject::raw(std::string_view key, std::string_view json) {
  if (body_.size() > 1) body_ += ',';
  body_ += '"';
  body_ += key;
  body_ += "\":";
  body_ += json;
  return *this;
}

JsonArray& JsonArray::add(std::string_view json) {
  if (body_.size() > 1) body_ += ',';
  body_ += json;
  return *this;
}

}  // namespace spreadwatch::sim
