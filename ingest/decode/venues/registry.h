#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "core/instrument.h"
#include "core/text.h"
#include "core/venue.h"
#include "ingest/decode/decoded.h"
#include "ingest/decode/venue_adapter.h"
#include "ingest/decode/wallet_reader.h"

/// The venue files, each behind one function, and what they share. A tenth venue is its maker and
/// its row here, and a file.
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
/// In VenueId order: a venue without a row does not compile.
inline constexpr auto kRegistry = std::to_array<RegisteredVenue>({
    {VenueId::kUpbit, make_upbit, kNoWallets},
    {VenueId::kBithumb, make_bithumb, kBithumbWallets},
    {VenueId::kKorbit, make_korbit, kKorbitWallets},
    {VenueId::kCoinone, make_coinone, kCoinoneWallets},
    {VenueId::kOkx, make_okx, kNoWallets},
    {VenueId::kBybit, make_bybit, kNoWallets},
    {VenueId::kGateio, make_gateio, kGateioWallets},
    {VenueId::kBinance, make_binance, kNoWallets},
    {VenueId::kKraken, make_kraken, kNoWallets},
});

static_assert(covers_every_venue(kRegistry), "a venue of core/venue.h has no row in kRegistry");

/// Threads: any.
constexpr const RegisteredVenue& registered(VenueId id) { return kRegistry[index_of(id)]; }

/// Splits "BTCUSDT" at the longest known quote currency; nullopt when there is none or the base is
/// no asset.
std::optional<Instrument> split_at_quote(std::string_view symbol);
/// Splits "BTC-USDT" at the one separator; nullopt unless both parts are assets.
std::optional<Instrument> split_at(std::string_view symbol, char separator);

/// As split_at() for "KRW-BTC".
std::optional<Instrument> split_quote_first(std::string_view symbol, char separator);

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
