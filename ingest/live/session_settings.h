#pragma once

#include <cstdint>
#include <string>

#include "core/market_data.h"
#include "core/time.h"
#include "ingest/net/backoff.h"
#include "ingest/net/transport.h"

namespace spreadwatch::ingest {

/// Where one connection of a venue goes, and how patient it is.
struct SessionSettings {
  VenueId venue{};
  std::uint32_t connection = 0;  ///< its Frame::connection, kept across reconnects
  std::string ws_url;
  std::string rest_url;             ///< without a slash at the end
  milliseconds liveness{15'000};    ///< a connection that says nothing for so long is dead
  milliseconds first_data{10'000};  ///< a subscription without an answer for so long is repeated
  /// A synced order book that says nothing for so long is subscribed anew; sooner where it usually
  /// speaks all the time, see Cadence.
  milliseconds quiet{30'000};
  milliseconds least_patience{10'000};  ///< with a stream that speaks all the time
  /// What the venue does not know is subscribed again after so long; doubles.
  milliseconds first_rejection{60'000};
  milliseconds rest_timeout{5'000};
  /// How long a snapshot over REST that failed is waited for again at first and at most.
  milliseconds first_snapshot_retry{200};
  milliseconds longest_snapshot_retry{10'000};
  milliseconds max_age{0};  ///< as VenueProfile::max_age, in its place; 0 = the profile's
  Backoff::Limits backoff;
  TransportOptions transport;
  std::uint64_t seed = 1;  ///< of the jitter
};

}  // namespace spreadwatch::ingest
