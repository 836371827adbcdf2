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

/// The one way in which a venue is asked over REST: within its budget and, for order books, outside
/// an outage; accounted for, recorded, and with a ban that only the body of a 200 reports applied
/// like one of the status.
///
/// Threads: one at a time, the one that runs the io_context of the RestClient.
class VenueRest {
 public:
  struct Request {
    RestCall call;
    milliseconds timeout{5'000};
    std::size_t max_bytes = VenueAdapter::kMaxFrameBytes;
    double reserve = 0;  ///< the fraction of the budget's window that is left to what cannot wait
    /// Tells by how it ends whether there is an outage, in which it is one of many that have to
    /// wait, see RestOutage.
    bool order_book = false;
  };
  /// Why a request was not sent.
  struct NotSent {
    enum class Reason : std::uint8_t {
      kBudget,  ///< it has no room
      kOutage   ///< another request has just been let through
    };
    Reason reason{};
    /// How long to wait before asking again, at most a second: a pause may be lifted, an outage may
    /// end, and the wall clock may jump.
    microseconds wait{};
  };
  using Callback = std::function<void(const RestCall&, const RestResult&)>;

  /// What `context` refers to must outlive the answers to what was requested. `rest_url` is without
  /// a slash at the end.
  VenueRest(const VenueContext& context, VenueId venue, std::string rest_url);

  /// Sends it, or says why not. When `callback` runs, how the request ended is counted and the
  /// budget knows of it.
  std::optional<NotSent> get(Request request, SteadyTime now, Callback callback);

  /// The answer as a frame received now: recorded and counted as one of `channel` (nullopt = of
  /// neither). It lives as long as the answer.
  Frame record(const RestCall& call, const RestAnswer& answer, std::optional<Channel> channel,
               std::uint32_t connection = 0) const;
  /// Has the normalizer read it.
  void read(const Frame& frame, MarketSink& sink) const;
  /// Has the adapter decode it; no order book knows of it.
  void decode(const Frame& frame, Decoded& out) const;
  /// It came too late for whoever requested it: neither recorded nor read, but for a refusal or a
  /// ban in its body.
  void discard(const RestCall& call, const RestAnswer& answer) const;

 private:
  const VenueContext context_;
  const VenueId venue_;
  const std::string rest_url_;
};

}  // namespace spreadwatch::ingest
