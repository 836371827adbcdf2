#pragma once

#include <array>
#include <cstddef>
#include <optional>
#include <string_view>

#include "core/result.h"

namespace spreadwatch::fx {

/// Reads KRW per USD out of a bank-rate answer: the number (or a text that is a number) at the JSON
/// pointer, its reciprocal when `invert`. In a text, commas may stand where they separate groups of
/// three digits ("1,385.20") and nowhere else: "1.390,20" is no number, and not 1.3902 either.
///
/// Errors: kMalformedJson; kSchemaMismatch when nothing numeric is there; kValueOutOfRange unless
/// the rate is finite and above zero. Whether it can be true is for BankGate to say.
Result<double> parse_bank_rate(std::string_view body, std::string_view pointer, bool invert);

/// Whether KRW per USD can be that much at all: from 100 to 100,000. What is outside was read at
/// the wrong place, in another unit or notation.
bool is_possible_bank_rate(double rate);

/// Judges the answers of one source, one after the other: a rate that cannot be, or one that is
/// more than 10 % off the last good one, is refused. What moved that far is believed once three in
/// a row say so that agree with each other to within `max_deviation` of their mean. Threads: one at
/// a time.
class BankGate {
 public:
  explicit BankGate(double max_deviation) : max_deviation_(max_deviation) {}

  /// The rate, which is then the last good one. Errors: kValueOutOfRange.
  Result<double> admit(double rate);

 private:
  static constexpr std::size_t kInARow = 3;

  const double max_deviation_;
  std::optional<double> good_;
  std::array<double, kInARow> moved_{};  // refused ones in a row, for being too far off `good_`
  std::size_t moved_count_ = 0;
};

}  // namespace spreadwatch::fx
