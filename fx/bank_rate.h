#pragma once

#include <string_view>

#include "core/result.h"

namespace spreadwatch::fx {

/// Reads KRW per USD out of a bank-rate answer: the number (or a text that is a number, thousands
/// separators allowed) at the JSON pointer, its reciprocal when `invert`.
///
/// Errors: kMalformedJson; kSchemaMismatch when nothing numeric is there; kValueOutOfRange unless
/// the rate is finite and above zero.
Result<double> parse_bank_rate(std::string_view body, std::string_view pointer, bool invert);

}  // namespace spreadwatch::fx
