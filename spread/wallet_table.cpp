#include "spread/wallet_table.h"

#include <algorithm>

namespace spreadwatch::spread {
namespace {

bool gives_state(const WalletInfo& info) {
  return std::ranges::any_of(info.networks, [](const WalletNetwork& n) {
    return n.deposit != WalletState::kUnknown || n.withdraw != WalletState::kUnknown;
  });
}

void forget_states(WalletInfo& info) {
  for (WalletNetwork& network : info.networks) {
    network.deposit = network.withdraw = WalletState::kUnknown;
  }
}

/// Puts what `over` knows above what `network` knows.
void lay_over(WalletNetwork& network, const WalletNetwork& over) {
  if (over.deposit != WalletState::kUnknown) network.deposit = over.deposit;
  if (over.withdraw != WalletState::kUnknown) network.withdraw = over.withdraw;
  if (over.withdrawal_fee) network.withdrawal_fee = over.withdrawal_fee;
  if (over.minimum_withdrawal) network.minimum_withdrawal = over.minimum_withdrawal;
  if (over.expected_minutes) network.expected_minutes = over.expected_minutes;
}

/// Also for a network without a name, which stands for every one that is known by name.
void lay_over(WalletInfo& info, const WalletInfo& over) {
  for (const WalletNetwork& network : over.networks) {
    const auto found = std::ranges::find(info.networks, network.name, &WalletNetwork::name);
    if (found != info.networks.end()) {
      lay_over(*found, network);
    } else if (network.name.empty() && !info.networks.empty()) {
      for (WalletNetwork& named : info.networks) lay_over(named, network);
    } else {
      info.networks.push_back(network);
    }
  }
}

}  // namespace

WalletTable::WalletTable(const config::StandingWallets& table, microseconds max_age)
    : aliases_(table.aliases), max_age_(max_age) {
  for (const config::StandingWallets::Entry& entry : table.entries) {
    set_standing(entry.venue, entry.asset, entry.info);
  }
}

void WalletTable::set_standing(VenueId venue, std::string_view asset, WalletInfo info) {
  wallets_[{venue, std::string{asset}}].standing = std::move(info);
}

void WalletTable::update(VenueId venue, std::string_view asset, WalletInfo reported,
                         Timestamp now) {
  for (WalletNetwork& network : reported.networks) {
    const auto alias = aliases_.find({venue, network.name});
    if (alias != aliases_.end()) network.name = alias->second;
  }
  Wallet& wallet = wallets_[{venue, std::string{asset}}];
  if (gives_state(reported)) {
    // A network that is not mentioned any more is one that nothing is known of.
    forget_states(wallet.reported);
    wallet.until = now + max_age_;
    if (!next_ || *wallet.until < *next_) next_ = wallet.until;
  }
  lay_over(wallet.reported, reported);
}

std::vector<WalletTable::Key> WalletTable::expire(Timestamp now) {
  std::vector<Key> expired;
  if (!next_ || *next_ > now) return expired;
  next_.reset();
  for (auto& [key, wallet] : wallets_) {
    if (!wallet.until) continue;
    if (*wallet.until <= now) {
      wallet.until.reset();
      forget_states(wallet.reported);
      expired.push_back(key);
    } else if (!next_ || *wallet.until < *next_) {
      next_ = wallet.until;
    }
  }
  return expired;
}

WalletInfo WalletTable::current(VenueId venue, std::string_view asset) const {
  const auto found = wallets_.find({venue, std::string{asset}});
  if (found == wallets_.end()) return {};
  WalletInfo info = found->second.standing;
  lay_over(info, found->second.reported);
  return info;
}

}  // namespace spreadwatch::spread
