#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "core/time.h"
#include "core/venue.h"

namespace spreadwatch {

/// Whether coins may go in or out.
enum class WalletState : std::uint8_t { kUnknown, kOpen, kClosed };

/// A chain over which a venue moves an asset.
struct WalletNetwork {
  std::string name;  ///< upper case; empty = the venue does not say which
  WalletState deposit = WalletState::kUnknown;
  WalletState withdraw = WalletState::kUnknown;
  std::optional<double> withdrawal_fee;      ///< in the asset; nullopt = not known
  std::optional<double> minimum_withdrawal;  ///< in the asset
  std::optional<int> expected_minutes;       ///< until a deposit over it can be sold

  friend bool operator==(const WalletNetwork&, const WalletNetwork&) = default;
};

/// What a venue says about moving an asset in and out. No networks = nothing is known.
struct WalletInfo {
  std::vector<WalletNetwork> networks;

  friend bool operator==(const WalletInfo&, const WalletInfo&) = default;
};

/// One venue's answer about one of its tickers.
struct WalletStatus {
  VenueId venue{};
  std::string ticker;  ///< as the venue lists it, upper case
  WalletInfo info;
  Timestamp time{};  ///< when it was received
};

}  // namespace spreadwatch
