#pragma once

#include <chrono>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "ingest/live/live_feeds.h"
#include "metrics/registry.h"
#include "tests/live/fake_venue.h"

namespace spreadwatch::test {

/// Live feeds of BTC and ETH at a fake Bybit, told to a `Sink`. What a test needs of the settings
/// it sets before start().
template <class Sink>
struct BybitFeeds {
  BybitFeeds() {
    config::VenueSettings bybit;
    bybit.id = VenueId::kBybit;
    bybit.quote = "USDT";
    bybit.orderbook_depth = 50;
    bybit.ws_url = venue.ws_url();
    bybit.rest_url = venue.rest_url();
    settings.venues = {bybit};
    settings.assets = {"BTC", "ETH"};
  }

  config::VenueSettings& bybit() { return settings.venues.front(); }

  void start() {
    feeds = std::make_unique<ingest::LiveFeeds>(settings, assets,
                                                ingest::wanted_instruments(settings, assets), clock,
                                                sink, metrics, options);
    feeds->start();
  }

  /// Asks again and again, since nothing signals a metric; false at the limit.
  template <class F>
  static bool eventually(F&& condition,
                         std::chrono::milliseconds limit = std::chrono::seconds{15}) {
    const auto end = std::chrono::steady_clock::now() + limit;
    while (!condition()) {
      if (std::chrono::steady_clock::now() >= end) return false;
      std::this_thread::sleep_for(std::chrono::milliseconds{5});
    }
    return true;
  }

  FakeBybit venue;
  config::Settings settings;
  ingest::LiveOptions options;
  config::AssetRegistry assets;
  SystemClock clock;
  Sink sink;
  metrics::Registry registry;
  metrics::IngestMetrics metrics{registry, std::vector<VenueId>{VenueId::kBybit}};
  std::unique_ptr<ingest::LiveFeeds> feeds;  // last: stops before what it uses goes
};

}  // namespace spreadwatch::test
