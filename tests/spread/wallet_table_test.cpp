#include "spread/wallet_table.h"

#include "world.h"

namespace spreadwatch::spread {
namespace {

using test::kStart;
using test::World;

constexpr WalletState kIsOpen = WalletState::kOpen;
constexpr WalletState kIsClosed = WalletState::kClosed;
constexpr WalletState kNotKnown = WalletState::kUnknown;
constexpr VenueId kVenue = VenueId::kBithumb;

WalletTable table(std::vector<WalletNetwork> standing = {}) {
  config::StandingWallets written;
  written.aliases[{kVenue, "ARB_ETH"}] = "ARB";
  if (!standing.empty()) written.entries.push_back({kVenue, "ETH", {std::move(standing)}, ""});
  return WalletTable{written, seconds{60}};
}

TEST_CASE("what the venue says stands above what was written down, field by field") {
  WalletTable wallets = table({{"ETH", kNotKnown, kNotKnown, 0.01, 0.1, 12}});
  wallets.update(kVenue, "ETH", {{{"ETH", kIsOpen, kIsClosed, {}, 0.2, {}}}}, kStart);
  CHECK(wallets.current(kVenue, "ETH") == WalletInfo{{{"ETH", kIsOpen, kIsClosed, 0.01, 0.2, 12}}});
  CHECK(wallets.current(VenueId::kOkx, "ETH") == WalletInfo{});
}

TEST_CASE("states and fees from two answers are put together under one network name") {
  WalletTable wallets = table();
  wallets.update(kVenue, "ETH", {{{"ARB_ETH", kNotKnown, kNotKnown, 0.001, {}, {}}}}, kStart);
  wallets.update(kVenue, "ETH", {{{"ARB_ETH", kIsOpen, kIsOpen, {}, {}, {}}}}, kStart);
  CHECK(wallets.current(kVenue, "ETH") == WalletInfo{{{"ARB", kIsOpen, kIsOpen, 0.001, {}, {}}}});
}

TEST_CASE("an answer that got old says nothing of states any more, its fees stand") {
  WalletTable wallets = table();
  wallets.update(kVenue, "ETH", {{{"ETH", kIsOpen, kIsOpen, 0.001, {}, {}}}}, kStart);
  CHECK(wallets.next_expiry() == kStart + seconds{60});
  CHECK(wallets.expire(kStart + seconds{59}).empty());
  wallets.update(kVenue, "ETH", {{{"ETH", kNotKnown, kNotKnown, 0.002, {}, {}}}},
                 kStart + seconds{50});  // fees only
  CHECK(wallets.expire(kStart + seconds{60}).size() == 1);
  CHECK(wallets.current(kVenue, "ETH") ==
        WalletInfo{{{"ETH", kNotKnown, kNotKnown, 0.002, {}, {}}}});
  CHECK_FALSE(wallets.next_expiry().has_value());
}

TEST_CASE("a network that is no longer mentioned is unknown") {
  WalletTable wallets = table();
  wallets.update(
      kVenue, "ETH",
      {{{"ETH", kIsOpen, kIsOpen, {}, {}, {}}, {"ARB_ETH", kIsOpen, kIsOpen, {}, {}, {}}}}, kStart);
  wallets.update(kVenue, "ETH", {{{"ETH", kIsClosed, kIsOpen, {}, {}, {}}}}, kStart);
  CHECK(wallets.current(kVenue, "ETH") == WalletInfo{{{"ETH", kIsClosed, kIsOpen, {}, {}, {}},
                                                      {"ARB", kNotKnown, kNotKnown, {}, {}, {}}}});
}

TEST_CASE("an end that does not name its network is closed when it says so, else unknown") {
  const WalletInfo named{{{"TRX", kIsOpen, kIsOpen, 1, {}, {}}}};
  const WalletInfo open{{{"", kIsOpen, kIsOpen, 2, {}, {}}}};
  const WalletInfo closed{{{"", kIsClosed, kIsClosed, 2, {}, {}}}};
  CHECK(find_route(&named, &open).reasons == Reasons{Reason::kWalletUnknown});
  CHECK(find_route(&open, &named).reasons == Reasons{Reason::kWalletUnknown});
  CHECK(find_route(&named, &closed).reasons == Reasons{Reason::kWalletClosed});
  CHECK(find_route(&closed, &named).reasons == Reasons{Reason::kWalletClosed});
  // Where the table knows the one network that it is, what it says goes for that.
  WalletTable wallets = table({{"TRX", kNotKnown, kNotKnown, {}, {}, {}}});
  wallets.update(kVenue, "ETH", open, kStart);
  CHECK(wallets.current(kVenue, "ETH") == WalletInfo{{{"TRX", kIsOpen, kIsOpen, 2, {}, {}}}});
}

TEST_CASE("a pair follows what the venues say of their wallets, and forgets it in time") {
  World w("publish: {conflate_ms: 0}\nwallets: {max_age_ms: 5000}\n");
  w.put_profitable();
  w.engine.on_wallet(VenueId::kOkx, "BTC", {{{"BTC", kIsOpen, kIsOpen, 0.0001, {}, {}}}}, w.now);
  const auto say = [&w](WalletState deposit) {
    w.engine.on(
        WalletStatus{VenueId::kUpbit, "BTC", {{{"BTC", deposit, kIsOpen, 0.001, {}, 25}}}, w.now},
        w.now);
    return w.journal.spread(VenueId::kOkx, VenueId::kUpbit, Mode::kTransfer);
  };
  const SpreadEvent* row = say(kIsClosed);
  CHECK(row->reasons == Reasons{Reason::kWalletClosed});
  row = say(kIsOpen);
  CHECK(row->verdict == Verdict::kTradable);
  CHECK(row->network == "BTC");
  CHECK(row->withdrawal_fee == 0.0001);
  CHECK(row->expected_minutes == 25);
  w.pass(milliseconds{5000});
  row = w.journal.spread(VenueId::kOkx, VenueId::kUpbit, Mode::kTransfer);
  CHECK(row->reasons.contains(Reason::kWalletUnknown));
  CHECK(row->verdict == Verdict::kUnknown);
  // A coin that nobody has proven is none that could arrive.
  w.engine.on(
      WalletStatus{VenueId::kUpbit, "NEWCOIN", {{{"X", kIsOpen, kIsOpen, 1, {}, {}}}}, w.now},
      w.now);
}

}  // namespace
}  // namespace spreadwatch::spread
