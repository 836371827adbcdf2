#pragma once

#include <map>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "config/loader.h"
#include "core/venue.h"
#include "core/wallet.h"

namespace spreadwatch::config {

/// Reads a wallet table: what is known of moving assets without asking the venues, each entry
/// dated. Errors with their lines: unknown venue or key, a missing date, a value out of range.
std::vector<Finding> load_wallets_text(std::string_view text, const std::string& file,
                                       StandingWallets& out);

/// The table that was built in (config/wallets.yaml).
std::string_view builtin_wallets_text();

}  // namespace spreadwatch::config
