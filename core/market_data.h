#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "core/decimal.h"
#include "core/error.h"
#include "core/instrument.h"
#include "core/time.h"
#include "core/venue.h"
#include "core/wallet.h"

namespace spreadwatch {

/// How a payload reached us.
enum class Origin : std::uint8_t { kWs, kRest };
constexpr std::string_view to_string(Origin o) { return o == Origin::kWs ? "ws" : "rest"; }

/// What a subscription gives.
enum class Channel : std::uint8_t { kTicker, kOrderBook };
constexpr std::string_view to_string(Channel c) {
  return c == Channel::kTicker ? "ticker" : "orderbook";
}

/// OrderBook::connection of a book that is polled over REST instead of streamed: it has no
/// connection that could be alive, and is as fresh as its last poll.
inline constexpr std::uint32_t kPolledConnection = 0xffff'ffffU;

/// What may be believed of an order book or ticker stream.
enum class FeedState : std::uint8_t {
  kSyncing,  ///< subscribed, waiting for the snapshot
  kSynced,   ///< provably the venue's book
  kStale,    ///< synced once, but the stream is silent or late
  kFaulted,  ///< a gap, a wrong checksum, a crossed book: waiting for a resync
  kDown,     ///< no connection
};
inline constexpr std::array<std::string_view, 5> kFeedStateNames = {"syncing", "synced", "stale",
                                                                    "faulted", "down"};
constexpr std::string_view to_string(FeedState s) {
  return kFeedStateNames[static_cast<std::size_t>(s)];
}

/// One price of an order book. Price in the quote currency, size in the base currency, both exact.
struct Level {
  Decimal price;
  Decimal size;

  friend bool operator==(const Level&, const Level&) = default;
};

/// The normalized ticker: §"Records" of the documentation. Prices and price changes in the quote
/// currency, volumes in the base currency, rates as fractions; absent is nullopt, never zero.
struct Ticker {
  VenueId venue{};
  Instrument instrument;
  Origin origin = Origin::kWs;
  std::uint32_t connection = 0;
  std::optional<Timestamp> exchange_time;
  std::optional<Timestamp> receive_time;
  std::optional<double> opening_price;
  std::optional<double> trade_price;
  std::optional<double> high_price;
  std::optional<double> low_price;
  std::optional<double> prev_closing_price;
  std::optional<double> acc_trade_volume_24h;
  std::optional<double> signed_change_price;
  std::optional<double> signed_change_rate;
};

/// The whole maintained order book after a change, or why there is none.
///
/// `bids` and `asks` are best first, every size above zero, and empty unless `state` is kSynced.
struct OrderBook {
  VenueId venue{};
  Instrument instrument;
  FeedState state = FeedState::kSyncing;
  std::optional<ErrorCode> reason;  ///< why it is not synced, when known
  Origin origin = Origin::kWs;
  std::uint32_t connection = 0;  ///< the venue's connection that carries it, for liveness;
                                 ///< kPolledConnection = none
  std::uint64_t epoch = 0;       ///< rises with every resync; nothing of an older epoch survives
  std::optional<std::int64_t> sequence;
  std::optional<Timestamp> exchange_time;
  std::optional<Timestamp> receive_time;
  /// How late its last message came, beyond the venue's clock offset; nullopt where it has no time.
  std::optional<microseconds> excess_delay;
  std::vector<Level> bids;
  std::vector<Level> asks;

  bool synced() const { return state == FeedState::kSynced; }
};

/// A connection of a venue said something (a frame, a pong, a heartbeat) at `time`, or went away.
struct ConnectionStatus {
  VenueId venue{};
  std::uint32_t connection = 0;
  bool alive = true;
  Timestamp time{};
  std::optional<ErrorCode> reason{};  ///< why it went away; nullopt = we closed it
};

/// One answer of a bank-rate source: KRW per USD.
struct BankQuote {
  std::string source;
  double rate = 0;
  Timestamp time{};  ///< when it was received
};

/// Something from outside that could not be used. `payload` is the original, cut to a bound.
struct FeedError {
  VenueId venue{};
  std::string symbol;  ///< as the venue spells it; empty when unknown
  Error error;
  std::optional<Timestamp> receive_time;
  std::string payload;
  bool partial =
      false;  ///< of one part of the payload, such as a row: whatever else it holds counts
};

/// Market state of an instrument as the venue lists it.
struct MarketStatus {
  VenueId venue{};
  Instrument instrument;
  bool active = true;
  std::optional<double> min_notional;  ///< smallest order in the quote currency
};

/// The first seam: what flows from ingest and the bank-rate sources into fx and spread.
using MarketEvent = std::variant<Ticker, OrderBook, ConnectionStatus, BankQuote, FeedError,
                                 MarketStatus, WalletStatus>;

}  // namespace spreadwatch
