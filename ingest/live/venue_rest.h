#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>

#include "core/market_data.h"
#include "core/time.h"
#include "ingest/decode/decoded.h"
#include "ingest/decode/venue_adapter.h"
#include "ingest/live/venue_context.h"
#include "ingest/net/rest_client.h"

namespace spreadwatch::ingest {

/// The one way in which a venue is asked over REST: within its budget, accounted for, recorded, and
/// with a ban that only the body of an answer tells heeded like one that the status told.
///
/// Threads: one at a time, the one that runs the io_context of the RestClient.
class VenueRest {
 public:
  struct Request {
    RestCall call;
    milliseconds timeout{5'000};
    std::size_t max_bytes = VenueAdapter::kMaxFrameBytes;
    double reserve = 0;  ///< the fraction of the budget's window that is left to what cannot wait
    bool order_book = false;  ///< tells by how it ends whether there is an outage, see RestOutage
  };
  using Callback = std::function<void(const RestCall&, const RestResult&)>;

  /// What `context` refers to must outlive the answers to what was asked. `rest_url` is without a
  /// slash at the end.
  VenueRest(const VenueContext& context, VenueId venue, std::string rest_url);

  /// Sends it, unless the budget has no room: then it says how long to wait before asking again, at
  /// most a second, since a pause may be lifted and the wall clock may jump. When `callback` runs,
  /// how the request ended is counted and the budget knows of it.
  std::optional<microseconds> get(Request request, SteadyTime now, Callback callback);

  /// The answer as a frame received now: recorded and counted as one of `channel` (nullopt = of
  /// neither). It lives as long as the answer.
  Frame record(const RestCall& call, const RestAnswer& answer, std::optional<Channel> channel,
               std::uint32_t connection = 0) const;
  /// Has the normalizer read it.
  void read(const Frame& frame, MarketSink& sink) const;
  /// Has the adapter decode it; no order book knows of it.
  void decode(const Frame& frame, Decoded& out) const;

 private:
  const VenueContext context_;
  const VenueId venue_;
  const std::string rest_url_;
};

}  // namespace spreadwatch::ingest
