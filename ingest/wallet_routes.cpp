#include "ingest/wallet_routes.h"

#include <array>
#include <charconv>
#include <cmath>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <unordered_map>
#include <utility>

namespace spreadwatch::ingest {
namespace {

using WalletJson = nlohmann::json;

/// The routes nest five levels deep. Copying, comparing and printing recurse as deep as a value
/// does, so an answer of nothing but brackets would use up the stack.
constexpr int kMaxWalletDepth = 32;
struct WalletTooDeep {};

constexpr std::array<std::string_view, 2> kBithumbRoutes = {"/public/assetsstatus/multichain/ALL",
                                                            "/v2/fee/inout/ALL"};
constexpr std::array<std::string_view, 1> kKorbitRoutes = {"/v2/currencies"};
constexpr std::array<std::string_view, 1> kCoinoneRoutes = {"/public/v2/currencies"};
constexpr std::array<std::string_view, 1> kGateRoutes = {"/api/v4/spot/currencies"};

std::string upper_case(std::string text) {
  for (char& c : text) {
    if (c >= 'a' && c <= 'z') c = static_cast<char>(c - 'a' + 'A');
  }
  return text;
}

/// A name of a coin or a network: present, not empty, not absurdly long.
std::optional<std::string> wallet_name(const WalletJson& row, const char* key) {
  const auto found = row.find(key);
  if (found == row.end() || !found->is_string()) return std::nullopt;
  const auto& text = found->get_ref<const std::string&>();
  if (text.empty() || text.size() > 40) return std::nullopt;
  return upper_case(text);
}

/// An amount as a string or a number, not negative; null and "" are none.
std::optional<double> wallet_amount(const WalletJson& row, const char* key) {
  const auto found = row.find(key);
  if (found == row.end()) return std::nullopt;
  double value = 0;
  if (found->is_number()) {
    value = found->get<double>();
  } else if (found->is_string()) {
    const auto& text = found->get_ref<const std::string&>();
    const char* const end = text.data() + text.size();
    const auto read = std::from_chars(text.data(), end, value);
    if (read.ec != std::errc{} || read.ptr != end) return std::nullopt;
  } else {
    return std::nullopt;
  }
  if (!std::isfinite(value) || value < 0) return std::nullopt;
  return value;
}

/// `open` names the one value that means open; every other present one means closed.
WalletState wallet_state(const WalletJson& row, const char* key, const WalletJson& open) {
  const auto found = row.find(key);
  if (found == row.end() || found->is_null()) return WalletState::kUnknown;
  return *found == open ? WalletState::kOpen : WalletState::kClosed;
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

  std::vector<WalletStatus> take() { return std::move(rows_); }

 private:
  VenueId venue_;
  Timestamp received_;
  std::vector<WalletStatus> rows_;
  std::unordered_map<std::string, std::size_t> places_;  // by ticker
};

void read_bithumb(const WalletJson& body, WalletRows& out) {
  if (body.is_array()) {  // fees
    for (const WalletJson& row : body) {
      const auto ticker = wallet_name(row, "currency");
      if (!ticker || !row.contains("networks") || !row["networks"].is_array()) continue;
      for (const WalletJson& item : row["networks"]) {
        auto name = wallet_name(item, "net_type");
        if (!name) name = wallet_name(item, "net_name");
        if (!name) continue;
        WalletNetwork network;
        network.name = *name;
        network.withdrawal_fee = wallet_amount(item, "withdraw_fee_quantity");
        network.minimum_withdrawal = wallet_amount(item, "withdraw_minimum_quantity");
        out.add(*ticker, std::move(network));
      }
    }
    return;
  }
  for (const WalletJson& row : body.at("data")) {
    const auto ticker = wallet_name(row, "currency");
    const auto name = wallet_name(row, "net_type");
    if (!ticker || !name) continue;
    WalletNetwork network;
    network.name = *name;
    network.deposit = wallet_state(row, "deposit_status", 1);
    network.withdraw = wallet_state(row, "withdrawal_status", 1);
    out.add(*ticker, std::move(network));
  }
}

void read_korbit(const WalletJson& body, WalletRows& out) {
  for (const WalletJson& row : body.at("data")) {
    const auto ticker = wallet_name(row, "name");
    if (!ticker || !row.contains("networkList")) continue;  // KRW has none
    for (const WalletJson& item : row["networkList"]) {
      const auto name = wallet_name(item, "name");
      if (!name) continue;
      WalletNetwork network;
      network.name = *name;
      network.deposit = wallet_state(item, "depositStatus", "launched");
      network.withdraw = wallet_state(item, "withdrawalStatus", "launched");
      network.withdrawal_fee = wallet_amount(item, "withdrawalTxFee");
      network.minimum_withdrawal = wallet_amount(item, "withdrawalMinAmount");
      out.add(*ticker, std::move(network));
    }
  }
}

void read_coinone(const WalletJson& body, WalletRows& out) {
  for (const WalletJson& row : body.at("currencies")) {
    const auto ticker = wallet_name(row, "symbol");
    if (!ticker) continue;
    WalletNetwork network;  // Coinone names none
    network.deposit = wallet_state(row, "deposit_status", "normal");
    network.withdraw = wallet_state(row, "withdraw_status", "normal");
    network.withdrawal_fee = wallet_amount(row, "withdrawal_fee");
    network.minimum_withdrawal = wallet_amount(row, "withdrawal_min_amount");
    out.add(*ticker, std::move(network));
  }
}

void read_gate(const WalletJson& body, WalletRows& out) {
  for (const WalletJson& row : body) {
    const auto ticker = wallet_name(row, "currency");
    if (!ticker) continue;
    const auto add = [&](const WalletJson& from, std::string name) {
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
    if (row.contains("chains") && row["chains"].is_array() && !row["chains"].empty()) {
      for (const WalletJson& chain : row["chains"]) {
        if (const auto name = wallet_name(chain, "name")) add(chain, *name);
      }
    } else if (const auto chain = wallet_name(row, "chain")) {
      add(row, *chain);
    }
  }
}

/// Why an answer with status 200 is none.
std::optional<std::string> wallet_refusal(VenueId venue, const WalletJson& body) {
  if (!body.is_object()) return std::nullopt;
  switch (venue) {
    case VenueId::kBithumb:
      if (body.value("status", WalletJson{}) == "0000") return std::nullopt;
      break;
    case VenueId::kKorbit:
      if (body.value("success", WalletJson{}) == true) return std::nullopt;
      break;
    case VenueId::kCoinone:
      if (body.value("result", WalletJson{}) == "success") return std::nullopt;
      break;
    default:
      break;
  }
  return body.dump(-1, ' ', false, WalletJson::error_handler_t::replace).substr(0, 200);
}

}  // namespace

std::span<const std::string_view> wallet_routes(VenueId venue) {
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
                                                Timestamp received) {
  WalletRows rows(venue, received);
  try {
    const WalletJson json =
        WalletJson::parse(body, [](int depth, WalletJson::parse_event_t, const WalletJson&) {
          if (depth > kMaxWalletDepth) throw WalletTooDeep{};
          return true;
        });
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
  } catch (const WalletTooDeep&) {
    return Unexpected{Error{ErrorCode::kMalformedJson, "nested too deep"}};
  } catch (const WalletJson::parse_error& e) {
    return Unexpected{Error{ErrorCode::kMalformedJson, e.what()}};
  } catch (const WalletJson::exception& e) {
    return Unexpected{Error{ErrorCode::kSchemaMismatch, e.what()}};
  }
  std::vector<WalletStatus> all = rows.take();
  if (all.empty()) return Unexpected{Error{ErrorCode::kSchemaMismatch, "no wallet in the answer"}};
  return all;
}

}  // namespace spreadwatch::ingest
