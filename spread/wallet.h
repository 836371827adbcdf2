#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "core/reason.h"

namespace spreadwatch::spread {

/// Whether coins may go in or out.
enum class WalletState : std::uint8_t { kUnknown, kOpen, kClosed };

/// A chain over which a venue moves an asset.
struct Network {
  std::string name;  ///< canonical, the same at every venue
  WalletState deposit = WalletState::kUnknown;
  WalletState withdraw = WalletState::kUnknown;
  std::optional<double> withdrawal_fee;      ///< in the asset; nullopt = not known
  std::optional<double> minimum_withdrawal;  ///< in the asset
  std::optional<int> expected_minutes;       ///< until a deposit over it can be sold
};

/// What a venue says about moving an asset in and out. No networks = nothing is known.
struct WalletInfo {
  std::vector<Network> networks;
};

/// How an asset gets from one venue to another, or why it does not.
struct Route {
  Reasons reasons;  ///< kWalletUnknown or kWalletClosed; empty = it goes, at a known fee
  const Network* out =
      nullptr;  ///< the withdrawing venue's network; null unless `reasons` is empty
  std::optional<int> expected_minutes;
};

/// The cheapest network that is open at both ends; of equally cheap ones the faster, then the first
/// by name.
///
/// Closed when no network is common to both or each common one is closed at an end; unknown when
/// nothing is known of an end, or a network that could be open has no known state or fee. A null
/// pointer = no data. Threads: any; pure. The result points into `from`.
Route find_route(const WalletInfo* from, const WalletInfo* to);

}  // namespace spreadwatch::spread
