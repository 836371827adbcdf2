#pragma once

#include <simdjson.h>

#include <cstddef>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include "core/error.h"
#include "core/time.h"
#include "core/venue.h"
#include "core/wallet.h"
#include "ingest/decode/decoded.h"
#include "ingest/decode/wallet_routes.h"

/// What the venue files read the answers of their public wallet routes with.
namespace spreadwatch::ingest {

// The whole document at once: a list of thousands of coins is read between two frames.
namespace dom = simdjson::dom;

/// A member of an object; nullopt when there is none, or no object.
std::optional<dom::element> member(const dom::element& row, std::string_view key);
/// A member that is a list; empty when there is none.
std::optional<dom::array> list_of(const dom::element& row, std::string_view key);
/// A name of a coin or a network: present, not empty, not absurdly long; in upper case.
std::optional<std::string> wallet_name(const dom::element& row, std::string_view key);
/// An amount as a string or a number, not negative; null, "" and what no coin could be sent for are
/// none.
std::optional<double> wallet_amount(const dom::element& row, std::string_view key);

bool equals(const dom::element& value, std::string_view expected);
bool equals(const dom::element& value, bool expected);
bool equals(const dom::element& value, int expected);

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
void for_each_wallet(const dom::array& list, Read&& read) {
  std::size_t index = 0;
  for (const dom::element row : list) read(row, index++);
}

/// How a venue tells of its wallets.
struct WalletSource {
  std::span<const WalletRoute> routes;  ///< empty = only account holders are told
  /// An object that is not an error answer says so here; nullptr = none does.
  bool (*accepted)(const dom::element& body) = nullptr;
  /// Throws simdjson_error when the answer has not the shape of a list of wallets.
  void (*read)(const dom::element& body, WalletRows& out) = nullptr;
};

}  // namespace spreadwatch::ingest
