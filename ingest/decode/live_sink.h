#pragma once

#include <optional>

#include "core/instrument.h"
#include "core/market_data.h"
#include "core/time.h"
#include "ingest/decode/decoded.h"

namespace spreadwatch::ingest {

/// What the live layer did to an instrument's streams that no frame says: a capture has to hold it
/// besides the frames.
struct FeedNote {
  enum class Kind : std::uint8_t {
    kAdded,        ///< subscribed from now on
    kRemoved,      ///< no longer: what still comes over the socket is not passed on
    kInvalidated,  ///< the order book became `state`, for `reason`
    kForgotten,    ///< nothing is known of the order book any more
    kTickerPolled  ///< tickers over REST are passed on until the socket brings one
  };
  Kind kind{};
  VenueId venue{};
  Instrument instrument;
  bool polled = false;  ///< the order book polled over REST, not the socket's
  FeedState state = FeedState::kDown;
  std::optional<ErrorCode> reason;
  Timestamp time{};
};

/// Receives what live feeds say.
/// Threads: called on the feeds' thread only, one call at a time. A call must not wait, and an
/// exception that leaves it is logged and dropped.
class LiveSink {
 public:
  virtual ~LiveSink() = default;
  /// Ticker, OrderBook (whenever it was updated, and once when it stops being synced),
  /// ConnectionStatus (per connection at most every 250 ms, and at once when it comes up or goes
  /// down), FeedError, MarketStatus, WalletStatus.
  virtual void on_event(MarketEvent event) = 0;
  /// One payload as it came (or, with `sent`, as we sent it), before it is decoded. Lives only
  /// during the call.
  virtual void on_raw(VenueId venue, const Frame& frame, bool sent) {
    static_cast<void>(venue), static_cast<void>(frame), static_cast<void>(sent);
  }
  /// Comes between the payloads where it happened. A connection that is lost is told as a
  /// ConnectionStatus only, right behind what it makes of its order books.
  virtual void on_note(const FeedNote& note) { static_cast<void>(note); }
};

}  // namespace spreadwatch::ingest
