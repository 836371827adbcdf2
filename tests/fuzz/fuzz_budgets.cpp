// The file of kept bans and rate budgets against text: what it gives survives being written again.

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "ingest/net/budget_store.h"
#include "tests/fuzz/require.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using spreadwatch::fuzz::require;
  using namespace spreadwatch::ingest;  // NOLINT(google-build-using-namespace)
  const auto budgets = decode_budgets({reinterpret_cast<const char*>(data), size});
  if (!budgets) {
    require(!budgets.error().detail.empty(), "an error says what is wrong");
    return 0;
  }
  const std::string text = encode_budgets(*budgets);
  const auto again = decode_budgets(text);
  require(again.has_value() && encode_budgets(*again) == text, "what is written can be read");
  return 0;
}
