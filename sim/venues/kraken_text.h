#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "sim/market_view.h"

/// How Kraken spells markets and numbers, and the frames of its socket.
namespace spreadwatch::sim::kraken {

/// "BTC/USD".
std::string symbol_of(const Instrument& i);
/// With all their decimals: the checksum is taken over this text.
std::string price_text(std::int64_t price, const Instrument& i);
std::string size_text(std::int64_t size, const Instrument& i);
/// Volume-weighted price, or the last one while nothing traded.
double vwap(double turnover, std::int64_t volume, const Listing& listing);
std::int64_t trade_count(const Ticker& t);
const char* wallet_status(const WalletState& wallet);
/// Readable names, in the order of the listings.
std::vector<std::string> assets_of(const std::vector<const Listing*>& listings);

std::string channel_frame(std::string_view channel, std::string_view type, std::string_view data);
std::string book_snapshot(const Listing& listing, int depth);
std::string book_update(const BookEvent& event, int depth);
std::string ticker_frame(std::string_view type, const Listing& listing, std::int64_t ts_ms);
/// Rows of the instrument channel.
std::string pair_info(const Instrument& i, std::string_view status = "online");
std::string asset_info(const std::string& name, const WalletState& wallet);

}  // namespace spreadwatch::sim::kraken
