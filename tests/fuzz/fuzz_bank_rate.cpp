// A bank's answer against text. The input is a JSON pointer, a blank and the body; a pointer behind
// "1/" asks for the reciprocal.

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "fx/bank_rate.h"
#include "tests/fuzz/require.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using spreadwatch::fuzz::require;
  const std::string_view input{reinterpret_cast<const char*>(data), size};
  const std::size_t blank = std::min(input.find(' '), input.size());
  std::string_view pointer = input.substr(0, blank);
  const bool invert = pointer.starts_with("1/");
  if (invert) pointer.remove_prefix(1);
  const auto rate = spreadwatch::fx::parse_bank_rate(
      input.substr(std::min(blank + 1, input.size())), pointer, invert);
  if (rate) {
    require(std::isfinite(*rate) && *rate > 0, "a rate is above zero");
  } else {
    require(!rate.error().detail.empty(), "an error says what is wrong");
  }
  return 0;
}
