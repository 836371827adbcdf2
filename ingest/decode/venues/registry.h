#pragma once

#include <algorithm>
#include <cstddef>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "core/instrument.h"
#include "core/text.h"
#include "ingest/decode/decoded.h"
#include "ingest/decode/venue_adapter.h"
#include "ingest/decode/wallet_reader.h"

/// The venue files, each behind one function, and what they share. A tenth venue is a line here, a
/// row in registry.cpp and a file.
namespace spreadwatch::ingest {

std::unique_ptr<VenueAdapter> make_upbit();
std::unique_ptr<VenueAdapter> make_bithumb();
std::unique_ptr<VenueAdapter> make_korbit();
std::unique_ptr<VenueAdapter> make_coinone();
std::unique_ptr<VenueAdapter> make_okx();
std::unique_ptr<VenueAdapter> make_bybit();
std::unique_ptr<VenueAdapter> make_gateio();
std::unique_ptr<VenueAdapter> make_binance();
std::unique_ptr<VenueAdapter> make_kraken();

extern const WalletSource kBithumbWallets;
extern const WalletSource kKorbitWallets;
extern const WalletSource kCoinoneWallets;
extern const WalletSource kGateioWallets;
/// Of venues that only tell account holders.
inline constexpr WalletSource kNoWallets{};

/// What a venue's file has for the rest of the program.
struct RegisteredVenue {
  VenueId id;
  std::unique_ptr<VenueAdapter> (*make)();
  const WalletSource& wallets;
};
/// Every VenueId has one. Threads: any.
const RegisteredVenue& registered(VenueId id);

/// Splits "BTCUSDT" at the longest known quote currency; nullopt when there is none or the base is
/// no asset.
std::optional<Instrument> split_at_quote(std::string_view symbol);
/// Splits "BTC-USDT" at the one separator; nullopt unless both parts are assets.
std::optional<Instrument> split_at(std::string_view symbol, char separator);

/// The stream name of a REST book that does not seed a websocket stream.
std::string rest_stream(std::string_view symbol);

/// Groups of at most `size` items, in order.
template <class T>
std::vector<std::span<const T>> chunks(std::span<const T> items, std::size_t size) {
  std::vector<std::span<const T>> out;
  for (std::size_t at = 0; at < items.size(); at += size) {
    out.push_back(items.subspan(at, std::min(size, items.size() - at)));
  }
  return out;
}

}  // namespace spreadwatch::ingest
