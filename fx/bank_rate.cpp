#include "fx/bank_rate.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <utility>

#include "core/decimal.h"

namespace spreadwatch::fx {
namespace {

constexpr double kLowestRate = 100;
constexpr double kHighestRate = 100'000;
constexpr double kLargestStep = 0.1;

std::string text_of(double number) {
  std::string text;
  append_number(text, number);
  return text;
}

bool is_digit(char c) { return c >= '0' && c <= '9'; }

/// "1,385.20", as the Korean banks write it, without its commas; nullopt when one stands anywhere
/// but before three digits of the whole part, or after a leading zero.
std::optional<std::string> without_groups(std::string_view text) {
  const std::string_view whole = text.substr(0, text.find('.'));
  if (!std::ranges::all_of(text.substr(whole.size()), [](char c) { return c != ','; })) {
    return std::nullopt;
  }
  const std::size_t first = whole.find(',');
  if (first == 0 || first > 3 || whole.front() == '0') return std::nullopt;
  std::string out;
  for (std::size_t i = 0; i < whole.size(); ++i) {
    const bool separator = i >= first && (i - first) % 4 == 0;
    if (separator ? whole[i] != ',' : !is_digit(whole[i])) return std::nullopt;
    if (!separator) out.push_back(whole[i]);
  }
  if ((whole.size() - first) % 4 != 0) return std::nullopt;
  return out.append(text.substr(whole.size()));
}

std::optional<double> number_of(const nlohmann::json& value) {
  if (value.is_number()) return value.get<double>();
  if (!value.is_string()) return std::nullopt;
  std::string text = value.get_ref<const std::string&>();
  if (text.find(',') != std::string::npos) {
    std::optional<std::string> plain = without_groups(text);
    if (!plain) return std::nullopt;
    text = std::move(*plain);
  }
  double out = 0;
  const auto [ptr, ec] = std::from_chars(text.data(), text.data() + text.size(), out);
  if (ec != std::errc{} || ptr != text.data() + text.size()) return std::nullopt;
  return out;
}

}  // namespace

Result<double> parse_bank_rate(std::string_view body, std::string_view pointer, bool invert) {
  const nlohmann::json document = nlohmann::json::parse(body, nullptr, false);
  if (document.is_discarded()) {
    return Unexpected{Error{ErrorCode::kMalformedJson, "the bank's answer is not JSON"}};
  }
  const std::string at{pointer};
  std::optional<double> number;
  try {
    const nlohmann::json::json_pointer path(at);
    if (document.contains(path)) number = number_of(document.at(path));
  } catch (const nlohmann::json::exception& e) {
    return Unexpected{Error{ErrorCode::kSchemaMismatch, at + ": " + e.what()}};
  }
  if (!number) return Unexpected{Error{ErrorCode::kSchemaMismatch, "no number at " + at}};
  const double rate = invert ? 1.0 / *number : *number;
  // The reciprocal of a number near zero is infinite, that of an infinite one is zero.
  if (!std::isfinite(*number) || !std::isfinite(rate) || rate <= 0.0) {
    return Unexpected{Error{ErrorCode::kValueOutOfRange, "not a rate at " + at}};
  }
  return rate;
}

bool is_possible_bank_rate(double rate) { return rate >= kLowestRate && rate <= kHighestRate; }

Result<double> BankGate::admit(double rate) {
  if (!is_possible_bank_rate(rate)) {
    moved_count_ = 0;
    return Unexpected{
        Error{ErrorCode::kValueOutOfRange, text_of(rate) + " KRW for a dollar cannot be"}};
  }
  if (!good_ || std::abs(rate - *good_) <= kLargestStep * *good_) {
    good_ = rate;
    moved_count_ = 0;
    return rate;
  }
  if (moved_count_ == kInARow) {
    std::shift_left(moved_.begin(), moved_.end(), 1);
    --moved_count_;
  }
  moved_[moved_count_++] = rate;
  if (moved_count_ == kInARow) {
    const auto [low, high] = std::ranges::minmax(moved_);
    if (high - low <= max_deviation_ * (low + high) / 2) {
      good_ = rate;
      moved_count_ = 0;
      return rate;
    }
  }
  return Unexpected{
      Error{ErrorCode::kValueOutOfRange,
            text_of(rate) + " is more than 10 % off the last good " + text_of(*good_)}};
}

}  // namespace spreadwatch::fx
