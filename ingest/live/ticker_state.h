#pragma once

#include <optional>

#include "core/feed_status.h"
#include "core/market_data.h"
#include "core/time.h"
#include "ingest/live/cadence.h"
#include "ingest/live/steady_time.h"

namespace spreadwatch::ingest {

/// What may be believed of one market's ticker.
///
/// No venue promises a ticker while nothing happens (see contracts.md), so on a live connection a
/// silent stream may be a stalled one or a quiet market, and only a request shows which. A ticker
/// of the socket is believed while its connection lives and the silence is not longer than the
/// stream's habit. What is silent for longer, or has no connection, is requested over REST by
/// RestFallback, and lives from answer to answer: one is good for `liveness`. A ticker that neither
/// confirms for so long is stale, for the reason that REST failed with. Time is monotonic and
/// passed in. Threads: one at a time.
class TickerState {
 public:
  using Time = SteadyTime;
  struct Limits {
    milliseconds quiet{30'000};  ///< the longest silence of a stream that needs no answer
    milliseconds liveness{15'000};
  };

  explicit TickerState(Limits limits) : limits_(limits) {}

  /// The socket brought one.
  void on_socket(Time now);
  /// The connection that carried it is gone.
  void on_socket_lost() { connected_ = false; }
  /// REST answered with one.
  void on_polled(const Ticker& ticker, Time now);
  /// REST was requested in vain.
  void on_poll_failed(ErrorCode reason) { failure_ = reason; }

  /// Corrects what the connection alone says of the channel.
  void judge(FeedStatus& status, Time now) const;

 private:
  const Limits limits_;
  bool connected_ = false;
  std::optional<Time> alive_at_;  // over the socket
  Cadence cadence_;
  std::optional<Time> polled_at_;  // since the last one of the socket
  std::optional<Timestamp> received_;
  std::optional<Timestamp> exchange_time_;
  std::optional<ErrorCode> failure_;  // since the last one, of socket or REST
};

}  // namespace spreadwatch::ingest
