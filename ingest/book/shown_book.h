#pragma once

#include <cstdint>
#include <optional>

#include "core/market_data.h"

namespace spreadwatch::ingest {

/// Which of an instrument's two order books, the socket's and the one polled over REST in its
/// place, is passed on. Live feeds and readers of a capture share it, so that both pass on the
/// same.
struct ShownBook {
  /// State of the polled book as it was last passed on; nullopt = nothing polled stands in the
  /// socket's place.
  std::optional<FeedState> polled;
  // Of the socket's last synced book:
  std::optional<Timestamp> socket_time;
  std::optional<std::int64_t> socket_sequence;

  bool polled_synced() const { return polled == FeedState::kSynced; }

  /// The socket's book changed. False when it is not synced while the polled one is shown in its
  /// place: then it is not to be passed on. A synced one takes its place back.
  bool on_socket(const OrderBook& book);
  /// The polled book changed. False when it is not to be passed on: because it lies before what the
  /// socket has shown, or is not synced and never was shown.
  bool on_polled(const OrderBook& book);
};

}  // namespace spreadwatch::ingest
