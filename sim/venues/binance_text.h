#pragma once

#include <cstddef>
#include <cstdint>
#include <string>

#include "sim/market_view.h"

/// How Binance spells markets, numbers, books and tickers, on the socket and over REST.
namespace spreadwatch::sim::binance {

std::string symbol_of(const Instrument& instrument);
std::string price_text(std::int64_t v, const Instrument& instrument);
std::string size_text(std::int64_t v, const Instrument& instrument);

/// The end of the day that a ticker sums up, Unix ms.
std::int64_t statistics_time(const Listing& listing);
struct Statistics {
  std::string change;
  std::string percent;
  std::string average;
};
Statistics statistics(const Listing& listing);

/// A time of a stream, in the unit the connection asked for.
std::int64_t stamp(std::int64_t ms, bool micros);
/// Events of the socket.
std::string ticker_text(const Listing& listing, std::int64_t event_ms, bool micros);
std::string mini_ticker_text(const Listing& listing, std::int64_t event_ms, bool micros);
std::string book_ticker_text(const Listing& listing);
/// What has changed since the book was `from`, beginning with the id after that.
std::string diff_text(const Listing& listing, const Book& from, std::int64_t event_ms, bool micros);

/// A whole book, of a partial stream and of /depth.
std::string snapshot_text(const Listing& listing, std::size_t depth);

}  // namespace spreadwatch::sim::binance
