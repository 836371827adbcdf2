#include "config/standing_wallets.h"

#include <doctest/doctest.h>

namespace spreadwatch::config {
namespace {

TEST_CASE("the built-in wallet table is valid and makes no number up") {
  StandingWallets table;
  CHECK(load_wallets_text(builtin_wallets_text(), "wallets.yaml", table).empty());
  CHECK(table.aliases.at({VenueId::kBithumb, "ARB_ETH"}) == "ARB");
  for (const StandingWallets::Entry& entry : table.entries) {
    for (const WalletNetwork& network : entry.info.networks) {
      CHECK(network.deposit == WalletState::kUnknown);
      CHECK(network.withdraw == WalletState::kUnknown);
    }
  }
}

TEST_CASE("a wallet table's entries have a date, a source and networks") {
  StandingWallets table;
  const auto errors = load_wallets_text(
      "wallets:\n  okx:\n    BTC:\n      as_of: 2026-11-01\n      source: fee page\n      "
      "networks:\n"
      "        BTC: {withdrawal_fee: 0.0001, minimum: 0.001, expected_minutes: 30, withdraw: "
      "open}\n",
      "w.yaml", table);
  CHECK(errors.empty());
  REQUIRE(table.entries.size() == 1);
  CHECK(table.entries[0].venue == VenueId::kOkx);
  CHECK(table.entries[0].asset == "BTC");
  CHECK(table.entries[0].as_of == "2026-11-01");
  CHECK(table.entries[0].info ==
        WalletInfo{{{"BTC", WalletState::kUnknown, WalletState::kOpen, 0.0001, 0.001, 30}}});
}

TEST_CASE("every error of a wallet table is told with its line") {
  StandingWallets table;
  const auto errors = load_wallets_text(
      "networks:\n"
      "  ARB: {bithumb: ARB_ETH}\n"
      "  ARC: {bithumb: ARB_ETH}\n"
      "wallets:\n"
      "  okx:\n"
      "    BTC:\n"
      "      as_of: yesterday\n"
      "      networks:\n"
      "        BTC: {withdrawal_fee: -1, deposit: maybe, speed: 3}\n"
      "  nowhere: {}\n",
      "w.yaml", table);
  const auto told = [&errors](int line, const std::string& text) {
    for (const Finding& e : errors) {
      if (e.line == line && e.message.find(text) != std::string::npos) return true;
    }
    return false;
  };
  CHECK(told(3, "ARB_ETH is already another network"));
  CHECK(told(7, "must be a date"));
  CHECK(told(7, "source: missing"));
  CHECK(told(9, "withdrawal_fee"));
  CHECK(told(9, "allowed: open, closed, unknown"));
  CHECK(told(9, "speed"));
  CHECK(told(10, "unknown venue"));
  CHECK(errors.size() == 7);
}

}  // namespace
}  // namespace spreadwatch::config
