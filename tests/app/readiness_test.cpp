#include "app/readiness.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <string>
#include <vector>

namespace spreadwatch::app {
namespace {

using std::chrono::hours;
using std::chrono::seconds;
using Texts = std::vector<std::string>;

constexpr Heartbeat::Time kStart{hours{1}};

Texts reasons_of(const Stages& stages, Heartbeat::Time now) {
  api::Readiness readiness;
  add_stages(readiness, stages, now);
  CHECK(readiness.notices.empty());
  return readiness.reasons;
}

TEST_CASE("each stage is asked about itself: the one that stands is the one that is named") {
  Heartbeat feeds;
  Heartbeat engine;
  Heartbeat bank_a;
  Heartbeat bank_b;
  Stages stages;
  stages.add(Stage::kFeeds, feeds);
  stages.add(Stage::kEngine, engine);
  stages.add(Stage::kBank, bank_a);
  stages.add(Stage::kBank, bank_b);
  CHECK(reasons_of(stages, kStart).empty());  // nothing has begun
  CHECK_FALSE(stages.last(Stage::kEngine));

  engine.beat(kStart);
  Heartbeat::Time now = kStart;
  for (int i = 0; i < 10; ++i, now += seconds{1}) {
    feeds.beat(now);
    bank_a.beat(now, seconds{60});
    bank_b.beat(now, seconds{60});
    const Texts expected = i <= 3 ? Texts{} : Texts{"stalled:engine"};
    CHECK(reasons_of(stages, now) == expected);
  }
  CHECK(stages.last(Stage::kEngine) == kStart);
  CHECK(stages.last(Stage::kFeeds) == now - seconds{1});
  engine.beat(now);
  CHECK(reasons_of(stages, now).empty());

  // Of several threads one is enough.
  bank_a.beat(now + seconds{100}, seconds{60});
  feeds.beat(now + seconds{100});
  engine.rest();
  CHECK(reasons_of(stages, now + seconds{100}) == Texts{"stalled:bank"});
}

TEST_CASE("a venue without a synced order book, or without a synced ticker, is a reason") {
  config::Settings settings;
  settings.venues.resize(3);
  settings.venues[0].id = VenueId::kUpbit;
  settings.venues[1].id = VenueId::kOkx;
  settings.venues[2].id = VenueId::kKraken;
  const auto feed = [](VenueId venue, Channel channel, FeedState state) {
    FeedStatus status;
    status.venue = venue;
    status.channel = channel;
    status.state = state;
    return status;
  };
  api::Readiness readiness;
  add_venues(readiness, settings,
             {feed(VenueId::kUpbit, Channel::kOrderBook, FeedState::kSynced),
              feed(VenueId::kUpbit, Channel::kTicker, FeedState::kStale),
              feed(VenueId::kOkx, Channel::kOrderBook, FeedState::kSynced),
              feed(VenueId::kOkx, Channel::kTicker, FeedState::kSynced),
              feed(VenueId::kKraken, Channel::kOrderBook, FeedState::kDown),
              feed(VenueId::kKraken, Channel::kTicker, FeedState::kSynced)});
  CHECK(readiness.reasons == Texts{"tickers_down:upbit", "venue_down:kraken"});
}

TEST_CASE("parts add their reasons and notices in order") {
  ReadinessParts parts;
  CHECK(parts.evaluate().reasons.empty());
  parts.add([](api::Readiness& r) { r.reasons.emplace_back("a"); });
  parts.add([](api::Readiness& r) { r.notices.emplace_back("b"); });
  parts.add([](api::Readiness& r) { r.reasons.emplace_back("c"); });
  CHECK(parts.evaluate().reasons == Texts{"a", "c"});
  CHECK(parts.evaluate().notices == Texts{"b"});
}

/// A machine whose clocks stand until they are moved.
struct Machine {
  Timestamp wall{hours{500'000}};
  microseconds elapsed = hours{7};
  ServiceClock clock{{[this] { return wall; }, [this] { return elapsed; }}};
  metrics::Registry registry;
  metrics::ServiceMetrics service_metrics{registry, kStageNames};
  ClockWatch watch{clock, service_metrics};

  void pass(microseconds time) {
    wall += time;
    elapsed += time;
  }
  Texts notices() {
    api::Readiness readiness;
    add_clock(readiness, watch);
    CHECK(readiness.reasons.empty());
    return readiness.notices;
  }
  bool scraped(const std::string& line) const {
    return registry.text().find("\n" + line + "\n") != std::string::npos;
  }
};

TEST_CASE("a clock that was set forward is told for a minute") {
  Machine machine;
  CHECK(machine.notices().empty());
  CHECK(machine.scraped("spreadwatch_app_clock_steps_total{direction=\"forward\"} 0"));
  machine.pass(seconds{1});
  machine.wall += seconds{60};
  CHECK(machine.notices() == Texts{"clock: the wall clock was set forward by 60.0 s"});
  CHECK(machine.scraped("spreadwatch_app_clock_steps_total{direction=\"forward\"} 1"));
  CHECK(machine.scraped("spreadwatch_app_clock_steps_total{direction=\"back\"} 0"));
  CHECK(machine.scraped("spreadwatch_app_clock_ahead_seconds 0"));
  machine.pass(seconds{59});
  CHECK(machine.notices().size() == 1);
  machine.pass(seconds{1});
  CHECK(machine.notices().empty());
  CHECK(machine.scraped("spreadwatch_app_clock_steps_total{direction=\"forward\"} 1"));
}

TEST_CASE("a clock that was set back is told until times of day have met it") {
  Machine machine;
  machine.watch.look();
  machine.pass(seconds{1});
  machine.wall -= hours{1};
  CHECK(machine.notices() == Texts{"clock: the wall clock was set back by 3600.0 s; times of day "
                                   "are told 3600.0 s ahead of the wall clock until it has caught "
                                   "up"});
  CHECK(machine.scraped("spreadwatch_app_clock_steps_total{direction=\"back\"} 1"));
  CHECK(machine.scraped("spreadwatch_app_clock_ahead_seconds 3600"));
  machine.pass(seconds{600});
  machine.watch.look();
  CHECK(machine.scraped("spreadwatch_app_clock_ahead_seconds 3540"));
  machine.pass(hours{9} + std::chrono::minutes{49});
  CHECK(machine.notices().size() == 1);
  machine.pass(std::chrono::minutes{2});
  CHECK(machine.notices().empty());
  CHECK(machine.scraped("spreadwatch_app_clock_ahead_seconds 0"));
}

TEST_CASE("times of day that go on from before a restart are told as well") {
  Machine machine;
  machine.clock.go_on_from(machine.clock.now() + std::chrono::minutes{10});
  CHECK(machine.notices() ==
        Texts{"clock: times of day are told 600.0 s ahead of the wall clock until it has caught "
              "up"});
}

}  // namespace
}  // namespace spreadwatch::app
