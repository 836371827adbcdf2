// Bithumb spot, public data of WebSocket v1 and REST v1, which follow Upbit's. The payloads are
// read in upbit_family.cpp.
//
// Docs: https://apidocs.bithumb.com/ (v2.1.5, read 2026-10).
// Limits: 10 connects a second for an address, beyond which it is refused for 10 minutes; REST 150
// calls a second in each group, at most 200 markets in a ticker call. The socket's message rate is
// not published.
// Traps: four time bases. The socket's ticker has milliseconds, its book microseconds (2024:
// milliseconds), the REST book milliseconds, and the REST ticker Korean wall clock written as if it
// were UTC. Sizes are cut to four decimals, so that a live price, even the best one, comes with
// size 0. Day figures start at midnight in Korea. REST errors come with status 200. An idle socket
// is closed after 60 s, not 120.
// Retired, and refused here: `/public/*` and pubwss.bithumb.com (BTC_KRW, "content", "resmsg",
// "0000").

#include <algorithm>
#include <array>
#include <chrono>

#include "ingest/decode/venues/registry.h"
#include "ingest/decode/venues/upbit_family.h"
#include "ingest/decode/wallet_reader.h"

namespace spreadwatch::ingest {
namespace {

using std::chrono::hours;

const VenueProfile& bithumb_profile() {
  static const VenueProfile profile = [] {
    VenueProfile p;
    p.id = VenueId::kBithumb;
    p.ws_url = "wss://ws-api.bithumb.com/websocket/v1";
    p.rest_url = "https://api.bithumb.com";
    p.docs_url = "https://apidocs.bithumb.com/";
    p.protocol = "WebSocket v1, REST v1 (2026-10)";
    p.integrity = "every message is a whole book; no sequence number and no checksum";
    p.ping = VenueProfile::Ping::kProtocol;
    p.ping_every = milliseconds{10'000};
    p.pong_within = milliseconds{10'000};
    p.silence = milliseconds{30'000};
    p.connects = {10, seconds{1}};
    p.messages = {{5, seconds{1}}};  // not published
    p.rest = {150, seconds{1}};
    p.block = std::chrono::minutes{10};
    p.max_subscriptions = 1000;  // not published
    p.subscribe_replaces = true;
    p.depths = {5, 15};
    p.default_depth = 15;
    p.match = VenueProfile::Match::kTime;  // of the last change, in both
    p.books_per_call = 30;                 // every market in one call works; keeps it short
    p.tickers_per_call = 200;
    return p;
  }();
  return profile;
}

/// The number of `count` digits at `at`, or −1.
int digits_at(std::string_view text, std::size_t at, std::size_t count) {
  if (text.size() < at + count) return -1;
  int value = 0;
  for (const char c : text.substr(at, count)) {
    if (c < '0' || c > '9') return -1;
    value = value * 10 + (c - '0');
  }
  return value;
}

/// `trade_date` and `trade_time` of REST, which are UTC.
std::optional<Timestamp> trade_clock(const RestTickerClock& clock) {
  const int year = digits_at(clock.trade_date, 0, 4);
  const int month = digits_at(clock.trade_date, 4, 2);
  const int day = digits_at(clock.trade_date, 6, 2);
  const int hour = digits_at(clock.trade_time, 0, 2);
  const int minute = digits_at(clock.trade_time, 2, 2);
  const int second = digits_at(clock.trade_time, 4, 2);
  if (std::min({year, month, day, hour, minute, second}) < 0) return std::nullopt;
  const std::chrono::year_month_day date{std::chrono::year{year},
                                         std::chrono::month{static_cast<unsigned>(month)},
                                         std::chrono::day{static_cast<unsigned>(day)}};
  if (!date.ok()) return std::nullopt;
  return Timestamp{std::chrono::sys_days{date}} + hours{hour} + std::chrono::minutes{minute} +
         seconds{second};
}

/// Takes the nine hours off where they were added, and survives their repair: which of the two time
/// fields is shifted has changed before.
///
/// A time far ahead of our own receipt is shifted. Where the receipt is unknown the last trade
/// decides: being nine hours later than it means shifted, or a market that rested so long, and then
/// the corrected time still lies between the trade and the truth.
std::optional<Timestamp> rest_ticker_time(const RestTickerClock& clock,
                                          std::optional<Timestamp> receive_time) {
  constexpr hours kShift{9};
  const Timestamp sent = clock.sent;
  if (receive_time) return sent > *receive_time + hours{8} ? sent - kShift : sent;
  const std::optional<Timestamp> traded = trade_clock(clock);
  return traded && sent >= *traded + kShift - seconds{1} ? sent - kShift : sent;
}

bool is_retired(std::string_view key, std::string_view text) {
  constexpr std::array<std::string_view, 8> kKeys = {
      "resmsg",        "content",      "payment_currency", "order_currency",
      "closing_price", "units_traded", "min_price",        "symbols"};
  if (key == "status") return digits_at(text, 0, 4) >= 0;
  return std::find(kKeys.begin(), kKeys.end(), key) != kKeys.end();
}

constexpr UpbitDialect kBithumb = {
    .profile = bithumb_profile,
    .markets_path = "/v1/market/all?isDetails=true",
    .book_call_counts = false,
    .ungrouped_level = 1,
    .rest_ticker_time = rest_ticker_time,
    .is_retired = is_retired,
};

}  // namespace

std::unique_ptr<VenueAdapter> make_bithumb() { return make_upbit_like(kBithumb); }

namespace {

// Its wallets. A request each, as it counts all public ones: 150 a second of a category.
constexpr std::array kWalletRoutes = {WalletRoute{"/public/assetsstatus/multichain/ALL", 1},
                                      WalletRoute{"/v2/fee/inout/ALL", 1}};

void read_wallets(const dom::element& body, WalletRows& out) {
  if (body.is_array()) {  // fees
    for_each_wallet(body.get_array(), [&](const dom::element& row, std::size_t index) {
      const auto ticker = wallet_name(row, "currency");
      const auto networks = list_of(row, "networks");
      if (!ticker || !networks) return out.refuse(index, "no currency or networks");
      for (const dom::element item : *networks) {
        auto name = wallet_name(item, "net_type");
        if (!name) name = wallet_name(item, "net_name");
        if (!name) {
          out.refuse(index, "a network without name", *ticker);
          continue;
        }
        WalletNetwork network;
        network.name = *name;
        network.withdrawal_fee = wallet_amount(item, "withdraw_fee_quantity");
        network.minimum_withdrawal = wallet_amount(item, "withdraw_minimum_quantity");
        out.add(*ticker, std::move(network));
      }
    });
    return;
  }
  for_each_wallet(body["data"].get_array(), [&](const dom::element& row, std::size_t index) {
    const auto ticker = wallet_name(row, "currency");
    const auto name = wallet_name(row, "net_type");
    if (!ticker || !name) return out.refuse(index, "no currency or net_type");
    WalletNetwork network;
    network.name = *name;
    network.deposit = wallet_state(row, "deposit_status", 1);
    network.withdraw = wallet_state(row, "withdrawal_status", 1);
    out.add(*ticker, std::move(network));
  });
}

/// An answer with status 200 can be a refusal.
bool wallets_accepted(const dom::element& body) {
  const auto found = member(body, "status");
  return found && equals(*found, std::string_view{"0000"});
}
}  // namespace

const WalletSource kBithumbWallets{kWalletRoutes, wallets_accepted, read_wallets};

}  // namespace spreadwatch::ingest
