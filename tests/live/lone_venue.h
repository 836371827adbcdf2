#pragma once

#include <boost/asio/io_context.hpp>
#include <chrono>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "core/time.h"
#include "ingest/book/normalizer.h"
#include "ingest/decode/live_sink.h"
#include "ingest/live/venue_context.h"
#include "ingest/net/rate_budget.h"
#include "ingest/net/rest_client.h"
#include "ingest/net/transport.h"
#include "metrics/ingest_metrics.h"
#include "metrics/registry.h"

namespace spreadwatch::ingest::test {

class SetClock final : public Clock {
 public:
  Timestamp now() const override { return time; }
  Timestamp time = std::chrono::floor<microseconds>(std::chrono::system_clock::now());
};

class EventLog final : public LiveSink {
 public:
  void on_event(MarketEvent event) override { events.push_back(std::move(event)); }
  void on_raw(VenueId /*venue*/, const Frame& frame, bool /*sent*/) override {
    recorded.emplace_back(frame.channel);
  }
  std::vector<ErrorCode> errors() const {
    std::vector<ErrorCode> out;
    for (const MarketEvent& event : events) {
      if (const auto* const error = std::get_if<FeedError>(&event)) {
        out.push_back(error->error.code);
      }
    }
    return out;
  }

  std::vector<MarketEvent> events;
  std::vector<std::string> recorded;
};

/// What one part of a venue's feed stands on, on a loop that the test turns and in a time that it
/// sets: for parts that are tested without the others.
struct LoneVenue {
  explicit LoneVenue(VenueId id) : venue(id) {}
  ~LoneVenue() { rest.stop(); }
  LoneVenue(const LoneVenue&) = delete;
  LoneVenue& operator=(const LoneVenue&) = delete;

  VenueContext context() {
    return {io, tls, clock, normalizer, budget, rest, metrics.venue(venue), sink};
  }
  /// Both clocks.
  void pass(milliseconds span) {
    clock.time += span;
    now += span;
  }
  void turn(milliseconds wait) {
    if (io.stopped()) io.restart();
    io.run_one_for(wait);
  }
  template <class F>
  bool until(F&& condition) {
    const auto end = std::chrono::steady_clock::now() + std::chrono::seconds{8};
    while (!condition()) {
      if (std::chrono::steady_clock::now() >= end) return false;
      turn(milliseconds{5});
    }
    return true;
  }

  const VenueId venue;
  boost::asio::io_context io;
  SetClock clock;
  SteadyTime now = std::chrono::steady_clock::now();
  metrics::Registry registry;
  metrics::IngestMetrics metrics{registry, std::vector<VenueId>{venue}};
  TlsClient tls;
  Normalizer normalizer{venue};
  VenueBudget budget{normalizer.adapter().profile()};
  RestClient rest{io};
  EventLog sink;
};

}  // namespace spreadwatch::ingest::test
