#pragma once

#include <boost/asio/io_context.hpp>

#include "core/market_data.h"
#include "core/time.h"
#include "ingest/book/normalizer.h"
#include "ingest/decode/live_sink.h"
#include "ingest/live/steady_time.h"
#include "ingest/net/rate_budget.h"
#include "ingest/net/rest_client.h"
#include "ingest/net/transport.h"
#include "metrics/ingest_metrics.h"

namespace spreadwatch::ingest {

class MarketList;
class RestFallback;

/// What everything of one venue shares. All of it must outlive whoever has a context.
struct VenueContext {
  boost::asio::io_context& io;
  const TlsClient& tls;
  const Clock& clock;
  Normalizer& normalizer;
  VenueBudget& budget;
  RestClient& rest;
  metrics::VenueMetrics& metrics;
  LiveSink& sink;
  RestFallback* fallback = nullptr;  ///< told what the socket delivers; nullptr = nobody
  MarketList* markets = nullptr;     ///< told what the socket says of markets; nullptr = nobody
};

/// Passes it on; an exception that leaves the sink is logged and goes no further.
void notify(LiveSink& sink, MarketEvent event) noexcept;
void notify(LiveSink& sink, const FeedNote& note) noexcept;
void notify(LiveSink& sink, VenueId venue, const Frame& frame, bool sent) noexcept;

}  // namespace spreadwatch::ingest
