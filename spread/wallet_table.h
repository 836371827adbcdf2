#pragma once

#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "config/loader.h"
#include "core/time.h"
#include "core/venue.h"
#include "core/wallet.h"

namespace spreadwatch::spread {

/// What is known of moving each asset in and out of each venue: what somebody wrote down, and above
/// it what the venue last said, as long as that is young enough.
///
/// A venue's states are forgotten (unknown) `max_age` after it last gave any; its fees stand until
/// it gives others. Networks go by their canonical names. Threads: one at a time; time is passed
/// in.
class WalletTable {
 public:
  using Key = std::pair<VenueId, std::string>;  ///< venue and asset

  WalletTable(const config::StandingWallets& table, microseconds max_age);

  /// What stands while the venue has said nothing.
  void set_standing(VenueId venue, std::string_view asset, WalletInfo info);
  /// The venue said something about the asset (canonical). An answer without any state adds its
  /// fees to what is known.
  void update(VenueId venue, std::string_view asset, WalletInfo reported, Timestamp now);
  /// Forgets the states that are too old by `now`; returns whose.
  std::vector<Key> expire(Timestamp now);
  std::optional<Timestamp> next_expiry() const { return next_; }

  /// Everything known about an asset at a venue, empty when nothing is.
  WalletInfo current(VenueId venue, std::string_view asset) const;

 private:
  struct Wallet {
    WalletInfo standing;
    WalletInfo reported;
    std::optional<Timestamp> until;  // the states in `reported` count
  };

  const std::map<std::pair<VenueId, std::string>, std::string> aliases_;
  const microseconds max_age_;
  std::map<Key, Wallet> wallets_;
  std::optional<Timestamp> next_;  // may be early, never late
};

}  // namespace spreadwatch::spread
