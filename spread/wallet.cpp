#include "spread/wallet.h"

#include <algorithm>
#include <limits>
#include <string_view>
#include <tuple>

namespace spreadwatch::spread {
Route find_route(const WalletInfo* from, const WalletInfo* to) {
  Route route;
  if (from == nullptr || to == nullptr || from->networks.empty() || to->networks.empty()) {
    route.reasons = Reason::kWalletUnknown;
    return route;
  }
  bool unknown = false;
  // An end that does not name its network can be anything that it has not closed.
  const auto unnamed = [](const WalletInfo& info, WalletState Network::*direction) {
    return std::ranges::any_of(info.networks, [direction](const Network& n) {
      return n.name.empty() && n.*direction != WalletState::kClosed;
    });
  };
  const auto any = [](const WalletInfo& info, WalletState Network::*direction) {
    return std::ranges::any_of(info.networks, [direction](const Network& n) {
      return n.*direction != WalletState::kClosed;
    });
  };
  unknown = (unnamed(*from, &Network::withdraw) && any(*to, &Network::deposit)) ||
            (unnamed(*to, &Network::deposit) && any(*from, &Network::withdraw));
  for (const Network& out : from->networks) {
    if (out.name.empty()) continue;
    const auto in = std::ranges::find(to->networks, out.name, &Network::name);
    if (in == to->networks.end()) continue;
    if (out.withdraw == WalletState::kClosed || in->deposit == WalletState::kClosed) continue;
    if (out.withdraw == WalletState::kUnknown || in->deposit == WalletState::kUnknown ||
        !out.withdrawal_fee) {
      unknown = true;
      continue;
    }
    // How long it takes is the receiving venue's to say: it decides how many confirmations it
    // wants.
    const std::optional<int> minutes =
        in->expected_minutes ? in->expected_minutes : out.expected_minutes;
    const auto rank = [](const Network& n, std::optional<int> m) {
      return std::tuple{*n.withdrawal_fee, m.value_or(std::numeric_limits<int>::max()),
                        std::string_view{n.name}};
    };
    if (route.out == nullptr || rank(out, minutes) < rank(*route.out, route.expected_minutes)) {
      route.out = &out;
      route.expected_minutes = minutes;
    }
  }
  if (route.out == nullptr) {
    route.reasons = unknown ? Reason::kWalletUnknown : Reason::kWalletClosed;
  }
  return route;
}

}  // namespace spreadwatch::spread
