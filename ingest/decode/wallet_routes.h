#pragma once

#include <span>
#include <string_view>
#include <vector>

#include "core/result.h"
#include "core/time.h"
#include "core/venue.h"
#include "core/wallet.h"

namespace spreadwatch::ingest {

struct WalletRoute {
  std::string_view path;  ///< from the slash, below the venue's REST address
  int weight = 1;         ///< what it costs of VenueProfile::rest
};

/// The public routes, below the venue's REST address, that say whether coins may go in and out and
/// what a withdrawal costs. Empty for venues that only tell account holders (Upbit, OKX, Bybit,
/// Binance, Kraken). Read on 2026-11-24 from the venues' documentation, which gives none of them a
/// weight of its own: each counts as one request, as Bithumb, Korbit, Coinone and Gate count all
/// public ones.
std::span<const WalletRoute> wallet_routes(VenueId venue);

/// Reads the answer of any of the venue's wallet routes; which one is told by its shape.
///
/// States and fees can come from different routes: what an answer does not say stays unknown. A row
/// that cannot be read is left out and becomes an error in `refused`, of which there are at most
/// Decoded::kMaxRowErrors and one for the rest; nullptr = nobody wants to know. Errors:
/// kMalformedJson, kVenueError (an error answer with status 200), kSchemaMismatch (nothing in it
/// could be read). Threads: any; pure.
Result<std::vector<WalletStatus>> parse_wallets(VenueId venue, std::string_view body,
                                                Timestamp received,
                                                std::vector<Error>* refused = nullptr);

}  // namespace spreadwatch::ingest
