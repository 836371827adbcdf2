#include "fx/bank_rate.h"

#include <charconv>
#include <cmath>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>

namespace spreadwatch::fx {
namespace {

std::optional<double> number_of(const nlohmann::json& value) {
  if (value.is_number()) return value.get<double>();
  if (!value.is_string()) return std::nullopt;
  std::string text;
  for (const char c : value.get_ref<const std::string&>()) {
    if (c != ',') text.push_back(c);  // "1,385.20", as the Korean banks write it
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

}  // namespace spreadwatch::fx
