#include "spread/wallet_table.h"

#include "world.h"

namespace spreadwatch::spread {
namespace {

using test::kStart;
using test::World;

constexpr WalletState kOpen = WalletState::kOpen;
constexpr WalletState kClosed = WalletState::kClosed;
constexpr WalletState kUnknown = WalletState::kUnknown;
constexpr VenueId kVenue = VenueId::kBithumb;

WalletTable table(std::vector<WalletNetwork> standing = {}) {
  config::WalletTable written;
  written.aliases[{kVenue, "ARB_ETH"}] = "ARB";
  if (!standing.empty()) written.entries.push_back({kVenue, "ETH", {std::move(standing)}, ""});
  return WalletTable{written, seconds{60}};
}

TEST_CASE("what the venue says stands above what was written down, field by field") {
  WalletTable wallets = table({{"ETH", kUnknown, kUnknown, 0.01, 0.1, 12}});
  wallets.update(kVenue, "ETH", {{{"ETH", kOpen, kClosed, {}, 0.2, {}}}}, kStart);
  CHECK(wallets.current(kVenue, "ETH") == WalletInfo{{{"ETH", kOpen, kClosed, 0.01, 0.2, 12}}});
  CHECK(wallets.current(VenueId::kOkx, "ETH") == WalletInfo{});
}

TEST_CASE("states and fees from two answers are put together under one network name") {
  WalletTable wallets = table();
  wallets.update(kVenue, "ETH", {{{"ARB_ETH", kUnknown, kUnknown, 0.001, {}, {}}}}, kStart);
  wallets.update(kVenue, "ETH", {{{"ARB_ETH", kOpen, kOpen, {}, {}, {}}}}, kStart);
  CHECK(wallets.current(kVenue, "ETH") == WalletInfo{{{"ARB", kOpen, kOpen, 0.001, {}, {}}}});
}

TEST_CASE("an answer that got old says nothing of states any more, its fees stand") {
  WalletTable wallets = table();
  wallets.update(kVenue, "ETH", {{{"ETH", kOpen, kOpen, 0.001, {}, {}}}}, kStart);
  CHECK(wallets.next_expiry() == kStart + seconds{60});
  CHECK(wallets.expire(kStart + seconds{59}).empty());
  wallets.update(kVenue, "ETH", {{{"ETH", kUnknown, kUnknown, 0.002, {}, {}}}},
                 kStart + seconds{50});  // fees only
  CHECK(wallets.expire(kStart + seconds{60}).size() == 1);
  CHECK(wallets.current(kVenue, "ETH") == WalletInfo{{{"ETH", kUnknown, kUnknown, 0.002, {}, {}}}});
  CHECK_FALSE(wallets.next_expiry().has_value());
}

TEST_CASE("a network that is no longer mentioned is unknown") {
  WalletTable wallets = table();
  wallets.update(kVenue, "ETH",
                 {{{"ETH", kOpen, kOpen, {}, {}, {}}, {"ARB_ETH", kOpen, kOpen, {}, {}, {}}}},
                 kStart);
  wallets.update(kVenue, "ETH", {{{"ETH", kClosed, kOpen, {}, {}, {}}}}, kStart);
  CHECK(wallets.current(kVenue, "ETH") ==
        WalletInfo{{{"ETH", kClosed, kOpen, {}, {}, {}}, {"ARB", kUnknown, kUnknown, {}, {}, {}}}});
}

TEST_CASE("an end that does not name its network is closed when it says so, else unknown") {
  const WalletInfo named{{{"TRX", kOpen, kOpen, 1, {}, {}}}};
  const WalletInfo open{{{"", kOpen, kOpen, 2, {}, {}}}};
  const WalletInfo closed{{{"", kClosed, kClosed, 2, {}, {}}}};
  CHECK(find_route(&named, &open).reasons == Reasons{Reason::kWalletUnknown});
  CHECK(find_route(&open, &named).reasons == Reasons{Reason::kWalletUnknown});
  CHECK(find_route(&named, &closed).reasons == Reasons{Reason::kWalletClosed});
  CHECK(find_route(&closed, &named).reasons == Reasons{Reason::kWalletClosed});
  // Where the table knows the one network that it is, what it says goes for that.
  WalletTable wallets = table({{"TRX", kUnknown, kUnknown, {}, {}, {}}});
  wallets.update(kVenue, "ETH", open, kStart);
  CHECK(wallets.current(kVenue, "ETH") == WalletInfo{{{"TRX", kOpen, kOpen, 2, {}, {}}}});
}

TEST_CASE("a pair follows what the venues say of their wallets, and forgets it in time") {
  World w("publish: {conflate_ms: 0}\nwallets: {max_age_ms: 5000}\n");
  w.put_profitable();
  w.engine.on_wallet(VenueId::kOkx, "BTC", {{{"BTC", kOpen, kOpen, 0.0001, {}, {}}}}, w.now);
  const auto say = [&w](WalletState deposit) {
    w.engine.on(
        WalletStatus{VenueId::kUpbit, "BTC", {{{"BTC", deposit, kOpen, 0.001, {}, 25}}}, w.now},
        w.now);
    return w.said.spread(VenueId::kOkx, VenueId::kUpbit, config::Mode::kTransfer);
  };
  const SpreadEvent* row = say(kClosed);
  CHECK(row->reasons == Reasons{Reason::kWalletClosed});
  row = say(kOpen);
  CHECK(row->verdict == Verdict::kTradable);
  CHECK(row->network == "BTC");
  CHECK(row->withdrawal_fee == 0.0001);
  CHECK(row->expected_minutes == 25);
  w.pass(milliseconds{5000});
  row = w.said.spread(VenueId::kOkx, VenueId::kUpbit, config::Mode::kTransfer);
  CHECK(row->reasons.contains(Reason::kWalletUnknown));
  CHECK(row->verdict == Verdict::kUnknown);
  // A coin that nobody has proven is none that could arrive.
  w.engine.on(WalletStatus{VenueId::kUpbit, "NEWCOIN", {{{"X", kOpen, kOpen, 1, {}, {}}}}, w.now},
              w.now);
}

}  // namespace
}  // namespace spreadwatch::spread
