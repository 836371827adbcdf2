// The wallet routes' answers against text. The input is a venue's name, a blank and the body.

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "ingest/decode/wallet_routes.h"
#include "tests/fuzz/require.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace spreadwatch;  // NOLINT(google-build-using-namespace)
  const std::string_view input{reinterpret_cast<const char*>(data), size};
  const std::size_t blank = std::min(input.find(' '), input.size());
  const auto venue = venue_from_name(input.substr(0, blank));
  const std::string_view body = input.substr(std::min(blank + 1, input.size()));
  const auto answer = ingest::parse_wallets(venue.value_or(VenueId::kGateio), venue ? body : input,
                                            timestamp_from_ms(1));
  if (!answer) {
    fuzz::require(!answer.error().detail.empty(), "an error says what is wrong");
    return 0;
  }
  fuzz::require(!answer->empty(), "an answer without wallets is an error");
  for (const WalletStatus& status : *answer) {
    fuzz::require(!status.ticker.empty() && !status.info.networks.empty(),
                  "a wallet has its names");
    for (const WalletNetwork& network : status.info.networks) {
      for (const auto& amount : {network.withdrawal_fee, network.minimum_withdrawal}) {
        fuzz::require(!amount || (std::isfinite(*amount) && *amount >= 0), "a fee is an amount");
      }
    }
  }
  return 0;
}
