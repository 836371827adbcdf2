#pragma once

#include <span>
#include <string_view>
#include <vector>

#include "core/result.h"
#include "core/time.h"
#include "core/venue.h"
#include "core/wallet.h"

namespace spreadwatch::ingest {

/// The public routes, below the venue's REST address, that say whether coins may go in and out and
/// what a withdrawal costs. Empty for venues that only tell account holders (Upbit, OKX, Bybit,
/// Binance, Kraken). Read on 2026-11-24 from the venues' documentation.
std::span<const std::string_view> wallet_routes(VenueId venue);

/// Reads the answer of any of the venue's wallet routes; which one is told by its shape.
///
/// States and fees can come from different routes: what an answer does not say stays unknown. A row
/// that cannot be read is left out. Errors: kMalformedJson, kVenueError (an error answer with
/// status 200), kSchemaMismatch (nothing in it could be read). Threads: any; pure.
Result<std::vector<WalletStatus>> parse_wallets(VenueId venue, std::string_view body,
                                                Timestamp received);

}  // namespace spreadwatch::ingest
