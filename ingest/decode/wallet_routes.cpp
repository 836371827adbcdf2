#include "ingest/decode/wallet_routes.h"

#include <simdjson.h>

#include <array>
#include <charconv>
#include <optional>
#include <string>
#include <unordered_map>
#include <utility>

#include "core/text.h"
#include "ingest/decode/decoded.h"

namespace spreadwatch::ingest {
namespace {

// The whole document at once: a list of thousands of coins is read between two frames.
namespace dom = simdjson::dom;

/// The routes nest five levels deep.
constexpr std::size_t kMaxWalletDepth = 32;

// A request each: no documentation names a weight. Bithumb allows 150 a second of a category,
// Korbit 50 a second, Coinone 1,200 a minute, Gate 200 in 10 s of an endpoint.
constexpr std::array kBithumbRoutes = {WalletRoute{"/public/assetsstatus/multichain/ALL", 1},
                                       WalletRoute{"/v2/fee/inout/ALL", 1}};
constexpr std::array kKorbitRoutes = {WalletRoute{"/v2/currencies", 1}};
constexpr std::array kCoinoneRoutes = {WalletRoute{"/public/v2/currencies", 1}};
constexpr std::array kGateRoutes = {WalletRoute{"/api/v4/spot/currencies", 1}};

/// A member of an object; nullopt when there is none, or no object.
std::optional<dom::element> member(const dom::element& row, std::string_view key) {
  dom::element found;
  if (row[key].get(found) != simdjson::SUCCESS) return std::nullopt;
  return found;
}

std::optional<std::string_view> text_of(const std::optional<dom::element>& value) {
  std::string_view text;
  if (!value || value->get_string().get(text) != simdjson::SUCCESS) return std::nullopt;
  return text;
}

/// A member that is a list; empty when there is none.
std::optional<dom::array> list_of(const dom::element& row, std::string_view key) {
  const auto found = member(row, key);
  dom::array items;
  if (!found || found->get_array().get(items) != simdjson::SUCCESS) return std::nullopt;
  return items;
}

/// A name of a coin or a network: present, not empty, not absurdly long.
std::optional<std::string> wallet_name(const dom::element& row, std::string_view key) {
  const auto text = text_of(member(row, key));
  if (!text || text->empty() || text->size() > 40) return std::nullopt;
  return to_upper(*text);
}

/// An amount as a string or a number, not negative; null, "" and what no coin could be sent for are
/// none.
std::optional<double> wallet_amount(const dom::element& row, std::string_view key) {
  const auto found = member(row, key);
  if (!found) return std::nullopt;
  double value = 0;
  if (const auto text = text_of(found)) {
    const char* const end = text->data() + text->size();
    const auto read = std::from_chars(text->data(), end, value);
    if (read.ec != std::errc{} || read.ptr != end) return std::nullopt;
  } else if (found->get_double().get(value) != simdjson::SUCCESS) {
    return std::nullopt;
  }
  constexpr double kMostCoins = 1e15;
  if (!(value >= 0 && value <= kMostCoins)) return std::nullopt;
  return value;
}

bool equals(const dom::element& value, std::string_view expected) {
  return text_of(value) == expected;
}
bool equals(const dom::element& value, bool expected) {
  bool flag = false;
  return value.get_bool().get(flag) == simdjson::SUCCESS && flag == expected;
}
bool equals(const dom::element& value, int expected) {
  double number = 0;
  return value.get_double().get(number) == simdjson::SUCCESS && number == expected;
}

/// `open` is the one value that means open; every other present one means closed.
template <class Value>
WalletState wallet_state(const dom::element& row, std::string_view key, Value open) {
  const auto found = member(row, key);
  if (!found || found->is_null()) return WalletState::kUnknown;
  return equals(*found, open) ? WalletState::kOpen : WalletState::kClosed;
}

/// Collects rows by ticker: a coin can have a row per network.
class WalletRows {
 public:
  WalletRows(VenueId venue, Timestamp received) : venue_(venue), received_(received) {}

  void add(const std::string& ticker, WalletNetwork network) {
    const auto [found, fresh] = places_.try_emplace(ticker, rows_.size());
    if (fresh) rows_.push_back({venue_, ticker, {}, received_});
    rows_[found->second].info.networks.push_back(std::move(network));
  }

  /// Row `index` of the answer, or a part of it, cannot be read; `ticker` where it is known.
  void refuse(std::size_t index, std::string_view what, std::string_view ticker = {}) {
    if (++refused_count_ > Decoded::kMaxRowErrors) return;
    std::string detail = "row " + std::to_string(index);
    if (!ticker.empty()) detail.append(" (").append(ticker).append(")");
    refused_.push_back({ErrorCode::kSchemaMismatch, detail.append(": ").append(what)});
  }

  std::vector<WalletStatus> take() { return std::move(rows_); }
  std::vector<Error> take_refused() {
    if (refused_count_ > Decoded::kMaxRowErrors) {
      refused_.push_back(
          {ErrorCode::kSchemaMismatch,
           std::to_string(refused_count_ - Decoded::kMaxRowErrors) + " further rows refused"});
    }
    return std::move(refused_);
  }

 private:
  VenueId venue_;
  Timestamp received_;
  std::vector<WalletStatus> rows_;
  std::unordered_map<std::string, std::size_t> places_;  // by ticker
  std::vector<Error> refused_;
  std::size_t refused_count_ = 0;
};

/// Calls `read(row, index)` for each row of a list.
template <class Read>
void for_each_row(const dom::array& list, Read&& read) {
  std::size_t index = 0;
  for (const dom::element row : list) read(row, index++);
}

// Each throws simdjson_error when the answer has not the shape of a list of wallets.

void read_bithumb(const dom::element& body, WalletRows& out) {
  if (body.is_array()) {  // fees
    for_each_row(body.get_array(), [&](const dom::element& row, std::size_t index) {
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
  for_each_row(body["data"].get_array(), [&](const dom::element& row, std::size_t index) {
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

constexpr std::string_view kKorbitOpen = "launched";
constexpr std::string_view kCoinoneOpen = "normal";

void read_korbit(const dom::element& body, WalletRows& out) {
  for_each_row(body["data"].get_array(), [&](const dom::element& row, std::size_t index) {
    const auto ticker = wallet_name(row, "name");
    if (!ticker) return out.refuse(index, "no name");
    const auto networks = list_of(row, "networkList");
    if (!networks) return;  // KRW has none
    for (const dom::element item : *networks) {
      const auto name = wallet_name(item, "name");
      if (!name) {
        out.refuse(index, "a network without name", *ticker);
        continue;
      }
      WalletNetwork network;
      network.name = *name;
      network.deposit = wallet_state(item, "depositStatus", kKorbitOpen);
      network.withdraw = wallet_state(item, "withdrawalStatus", kKorbitOpen);
      network.withdrawal_fee = wallet_amount(item, "withdrawalTxFee");
      network.minimum_withdrawal = wallet_amount(item, "withdrawalMinAmount");
      out.add(*ticker, std::move(network));
    }
  });
}

void read_coinone(const dom::element& body, WalletRows& out) {
  for_each_row(body["currencies"].get_array(), [&](const dom::element& row, std::size_t index) {
    const auto ticker = wallet_name(row, "symbol");
    if (!ticker) return out.refuse(index, "no symbol");
    WalletNetwork network;  // Coinone names none
    network.deposit = wallet_state(row, "deposit_status", kCoinoneOpen);
    network.withdraw = wallet_state(row, "withdraw_status", kCoinoneOpen);
    network.withdrawal_fee = wallet_amount(row, "withdrawal_fee");
    network.minimum_withdrawal = wallet_amount(row, "withdrawal_min_amount");
    out.add(*ticker, std::move(network));
  });
}

void read_gate(const dom::element& body, WalletRows& out) {
  for_each_row(body.get_array(), [&](const dom::element& row, std::size_t index) {
    const auto ticker = wallet_name(row, "currency");
    if (!ticker) return out.refuse(index, "no currency");
    const auto add = [&](const dom::element& from, std::string name) {
      WalletNetwork network;
      network.name = std::move(name);
      network.deposit = wallet_state(from, "deposit_disabled", false);
      network.withdraw = wallet_state(from, "withdraw_disabled", false);
      // It leaves, but nobody says when.
      if (wallet_state(from, "withdraw_delayed", false) == WalletState::kClosed &&
          network.withdraw == WalletState::kOpen) {
        network.withdraw = WalletState::kUnknown;
      }
      out.add(*ticker, std::move(network));
    };
    const auto chains = list_of(row, "chains");
    if (chains && chains->size() > 0) {
      for (const dom::element chain : *chains) {
        if (const auto name = wallet_name(chain, "name")) {
          add(chain, *name);
        } else {
          out.refuse(index, "a chain without name", *ticker);
        }
      }
    } else if (const auto chain = wallet_name(row, "chain")) {
      add(row, *chain);
    }
  });
}

/// Why an answer with status 200 is none.
std::optional<std::string> wallet_refusal(VenueId venue, const dom::element& body) {
  if (!body.is_object()) return std::nullopt;
  const auto says = [&](std::string_view key, auto expected) {
    const auto found = member(body, key);
    return found && equals(*found, expected);
  };
  switch (venue) {
    case VenueId::kBithumb:
      if (says("status", std::string_view{"0000"})) return std::nullopt;
      break;
    case VenueId::kKorbit:
      if (says("success", true)) return std::nullopt;
      break;
    case VenueId::kCoinone:
      if (says("result", std::string_view{"success"})) return std::nullopt;
      break;
    default:
      break;
  }
  return simdjson::minify(body).substr(0, 200);
}

}  // namespace

std::span<const WalletRoute> wallet_routes(VenueId venue) {
  switch (venue) {
    case VenueId::kBithumb:
      return kBithumbRoutes;
    case VenueId::kKorbit:
      return kKorbitRoutes;
    case VenueId::kCoinone:
      return kCoinoneRoutes;
    case VenueId::kGateio:
      return kGateRoutes;
    default:
      return {};
  }
}

Result<std::vector<WalletStatus>> parse_wallets(VenueId venue, std::string_view body,
                                                Timestamp received, std::vector<Error>* refused) {
  WalletRows rows(venue, received);
  try {
    dom::parser parser;
    dom::element json;
    auto error = parser.allocate(body.size(), kMaxWalletDepth);
    if (!error) error = parser.parse(body.data(), body.size()).get(json);
    if (error) {
      return Unexpected{Error{ErrorCode::kMalformedJson, simdjson::error_message(error)}};
    }
    if (const auto refusal = wallet_refusal(venue, json)) {
      return Unexpected{Error{ErrorCode::kVenueError, *refusal}};
    }
    switch (venue) {
      case VenueId::kBithumb:
        read_bithumb(json, rows);
        break;
      case VenueId::kKorbit:
        read_korbit(json, rows);
        break;
      case VenueId::kCoinone:
        read_coinone(json, rows);
        break;
      case VenueId::kGateio:
        read_gate(json, rows);
        break;
      default:
        return Unexpected{Error{ErrorCode::kSchemaMismatch, "the venue has no wallet route"}};
    }
  } catch (const simdjson::simdjson_error& e) {
    return Unexpected{Error{ErrorCode::kSchemaMismatch, e.what()}};
  }
  std::vector<WalletStatus> all = rows.take();
  if (refused != nullptr) *refused = rows.take_refused();
  if (all.empty()) return Unexpected{Error{ErrorCode::kSchemaMismatch, "no wallet in the answer"}};
  return all;
}

}  // namespace spreadwatch::ingest
