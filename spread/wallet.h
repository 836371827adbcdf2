#pragma once

#include <optional>

#include "core/reason.h"
#include "core/wallet.h"

namespace spreadwatch::spread {

using Network = WalletNetwork;

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
/// nothing is known of an end, a network that could be open has no known state or fee, or an end
/// that is open does not say over which network. A null pointer = no data. Threads: any; pure. The
/// result points into `from`.
Route find_route(const WalletInfo* from, const WalletInfo* to);

}  // namespace spreadwatch::spread
