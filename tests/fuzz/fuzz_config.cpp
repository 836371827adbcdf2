// The configuration, the asset registry and the wallet table against arbitrary text: an answer with
// errors, never a crash.

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "config/loader.h"
#include "config/standing_wallets.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using spreadwatch::config::Finding;
  const std::string_view text{reinterpret_cast<const char*>(data), size};
  const auto loaded = spreadwatch::config::load_text(text, "fuzz");
  for (const Finding& finding : loaded.errors) {
    if (finding.message.empty() || finding.line < 0) std::abort();
  }
  spreadwatch::config::AssetRegistry registry;
  static_cast<void>(spreadwatch::config::load_registry_text(text, "fuzz", registry));
  spreadwatch::config::StandingWallets wallets;
  static_cast<void>(spreadwatch::config::load_wallets_text(text, "fuzz", wallets));
  return 0;
}
