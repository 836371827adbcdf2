#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "core/error.h"
#include "core/market_data.h"
#include "core/time.h"
#include "core/venue.h"

namespace spreadwatch {

/// One channel of one instrument now.
struct FeedStatus {
  VenueId venue{};
  std::string symbol;  ///< canonical BASE-QUOTE
  Channel channel{};
  FeedState state = FeedState::kDown;
  std::optional<ErrorCode> reason;
  Origin origin = Origin::kWs;
  std::optional<Timestamp> updated;  ///< receive time of its last message; nullopt = none yet
  std::optional<Timestamp> exchange_ts;
  std::uint64_t gaps = 0;
  std::uint64_t checksum_mismatches = 0;
  std::uint64_t resyncs = 0;
  std::uint64_t reconnects = 0;  ///< of the connection that carries it
};

}  // namespace spreadwatch
