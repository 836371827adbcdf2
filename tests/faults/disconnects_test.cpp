// Every connection of every exchange lost at once, and again and again: how long until all books
// are back, and whether a limit was broken on the way.
#include <doctest/doctest.h>

#include <algorithm>
#include <fstream>
#include <iostream>
#include <map>
#include <mutex>
#include <nlohmann/json.hpp>
#include <optional>
#include <sstream>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "ingest/live/live_feeds.h"
#include "metrics/registry.h"
#include "tests/app/process.h"
#include "tests/faults/simulated.h"

namespace spreadwatch {
namespace {

using Json = nlohmann::json;
using std::chrono::milliseconds;
using SteadyClock = std::chrono::steady_clock;
using test::SimulatedVenues;

/// Within this time every book has to be back.
constexpr milliseconds kAllBack{30'000};

double seconds_between(SteadyClock::time_point from, SteadyClock::time_point to) {
  return std::chrono::duration<double>(to - from).count();
}

/// When each book was lost and came back, and what was sent for it.
class Watch final : public ingest::LiveSink {
 public:
  struct Book {
    bool synced = false;  // and from the socket
    std::optional<SteadyClock::time_point> lost_at;
    std::optional<SteadyClock::time_point> back_at;
  };
  struct Traffic {
    int sent = 0;      // websocket messages
    int answered = 0;  // REST answers, polls of the fallback included
  };

  void on_event(MarketEvent event) override {
    const auto* const book = std::get_if<OrderBook>(&event);
    if (book == nullptr) return;
    const auto now = SteadyClock::now();
    const std::lock_guard lock(mutex_);
    Book& known = books_[{book->venue, book->instrument}];
    const bool synced = book->synced() && book->origin == Origin::kWs;
    if (known.synced && !synced) known.lost_at = now, known.back_at.reset();
    if (!known.synced && synced && !known.back_at) known.back_at = now;
    known.synced = synced;
  }
  void on_raw(VenueId venue, const ingest::Frame& frame, bool sent) override {
    const std::lock_guard lock(mutex_);
    Traffic& traffic = traffic_[venue];
    if (sent) ++traffic.sent;
    if (frame.origin == Origin::kRest && !sent) ++traffic.answered;
  }

  void mark() {
    const std::lock_guard lock(mutex_);
    for (auto& [key, book] : books_) book.lost_at.reset(), book.back_at.reset();
    traffic_.clear();
  }
  std::map<std::pair<VenueId, Instrument>, Book> books() const {
    const std::lock_guard lock(mutex_);
    return books_;
  }
  Traffic traffic(VenueId venue) const {
    const std::lock_guard lock(mutex_);
    const auto at = traffic_.find(venue);
    return at == traffic_.end() ? Traffic{} : at->second;
  }
  std::string missing() const {
    const std::lock_guard lock(mutex_);
    std::string out;
    for (const auto& [key, book] : books_) {
      if (!book.synced) out += std::string{to_string(key.first)} + " " + key.second.name() + ", ";
    }
    return out;
  }
  /// Books of a venue (nullopt = all) that are synced from the socket; with `again`, only those
  /// that were lost since the mark.
  std::size_t synced(std::optional<VenueId> venue = std::nullopt, bool again = false) const {
    const std::lock_guard lock(mutex_);
    return static_cast<std::size_t>(std::ranges::count_if(books_, [&](const auto& entry) {
      return (!venue || entry.first.first == *venue) && entry.second.synced &&
             (!again || entry.second.lost_at);
    }));
  }

 private:
  mutable std::mutex mutex_;
  std::map<std::pair<VenueId, Instrument>, Book> books_;
  std::map<VenueId, Traffic> traffic_;
};

/// The live layer over simulated venues.
class World {
 public:
  World(std::vector<std::string> assets, const std::string& more)
      : venues_(config(std::move(assets)), "", more) {
    const config::Settings& settings = this->settings();
    std::vector<VenueId> ids;
    for (const config::VenueSettings& venue : settings.venues) ids.push_back(venue.id);
    metrics_.emplace(registry_, ids);
    auto wanted = ingest::wanted_instruments(settings, venues_.loaded().registry);
    for (const auto& venue : wanted) {
      expected_[venue.venue] = venue.instruments.size();
      books_ += venue.instruments.size();
    }
    feeds_.emplace(settings, venues_.loaded().registry, std::move(wanted), clock_, watch_,
                   *metrics_);
    feeds_->start();
  }
  ~World() { feeds_->stop(); }
  World(const World&) = delete;
  World& operator=(const World&) = delete;

  const config::Settings& settings() const { return venues_.loaded().settings; }
  const SimulatedVenues& venues() const { return venues_; }
  Watch& watch() { return watch_; }
  std::size_t books() const { return books_; }
  std::size_t books(VenueId venue) const { return expected_.at(venue); }
  double metric(std::string_view name, VenueId venue, const std::string& label = "") const {
    return test::metric(registry_, name,
                        {"venue=\"" + std::string{to_string(venue)} + "\"", label});
  }

 private:
  static sim::SimulatorConfig config(std::vector<std::string> assets) {
    sim::SimulatorConfig config;
    config.assets = std::move(assets);
    config.seed = 5;
    config.base_port = 0;
    return config;
  }

  SimulatedVenues venues_;
  SystemClock clock_;
  metrics::Registry registry_;
  std::optional<metrics::IngestMetrics> metrics_;
  Watch watch_;
  std::map<VenueId, std::size_t> expected_;
  std::size_t books_ = 0;
  std::optional<ingest::LiveFeeds> feeds_;
};

TEST_CASE("nine exchanges with 100 assets each are back within 30 s of losing every connection") {
  std::vector<std::string> assets{"BTC", "ETH", "XRP", "SOL", "DOGE"};
  while (assets.size() < 100) assets.push_back("COIN" + std::to_string(assets.size()));
  World world(assets, "");
  const auto start = SteadyClock::now();
  const bool began = test::eventually(milliseconds{90'000},
                                      [&] { return world.watch().synced() == world.books(); });
  INFO(world.watch().synced(), " of ", world.books(), " books; not: ", world.watch().missing(),
       world.venues().violations());
  REQUIRE(began);
  std::ostringstream table;
  table << "All " << world.books() << " books were first synced after "
        << static_cast<int>(seconds_between(start, SteadyClock::now()) * 10) / 10.0 << " s.\n\n"
        << "| lost by | exchange | connections | books | first back | last back | messages sent | "
           "REST answers |\n| --- | --- | --- | --- | --- | --- | --- | --- |\n";
  for (const std::string fault : {"close", "reset"}) {
    world.watch().mark();
    const auto lost = SteadyClock::now();
    world.venues().control("/v1/faults", "POST", Json{{"fault", fault}}.dump());
    const bool back = test::eventually(kAllBack, [&] {
      return std::ranges::all_of(world.settings().venues, [&](const auto& venue) {
        return world.watch().synced(venue.id, true) == world.books(venue.id);
      });
    });
    INFO(fault, ": ", world.watch().synced(std::nullopt, true), " of ", world.books(),
         "; not: ", world.watch().missing());
    CHECK(back);
    const auto books = world.watch().books();
    for (const config::VenueSettings& venue : world.settings().venues) {
      std::optional<SteadyClock::time_point> first;
      std::optional<SteadyClock::time_point> last;
      for (const auto& [key, book] : books) {
        if (key.first != venue.id || !book.back_at) continue;
        first = std::min(first.value_or(*book.back_at), *book.back_at);
        last = std::max(last.value_or(*book.back_at), *book.back_at);
      }
      const auto text = [&](const std::optional<SteadyClock::time_point>& at) {
        if (!at) return std::string{"-"};
        std::ostringstream out;
        out.precision(1);
        out << std::fixed << seconds_between(lost, *at) << " s";
        return out.str();
      };
      const std::size_t again = world.watch().synced(venue.id, true);
      CHECK(again == world.books(venue.id));
      const Watch::Traffic traffic = world.watch().traffic(venue.id);
      table << "| `" << fault << "` | " << to_string(venue.id) << " | "
            << world.metric("spreadwatch_ingest_connections", venue.id) << " | " << again << " of "
            << world.books(venue.id) << " | " << text(first) << " | " << text(last) << " | "
            << traffic.sent << " | " << traffic.answered << " |\n";
    }
  }
  CHECK(world.venues().violations() == "");
  std::cout << table.str();
  std::ofstream(std::string{SPREADWATCH_BINARY_DIR} + "/mass_disconnect_table.md") << table.str();
}

TEST_CASE(
    "ten closes of every exchange's sockets are ten reconnects, and the fallback ends each time") {
  constexpr int kTimes = 10;
  // Silence is the fallback's beginning after so long at the latest.
  World world({"BTC", "ETH"}, "spread: { max_quiet_ms: 3500 }\n");
  REQUIRE(test::eventually(milliseconds{40'000},
                           [&] { return world.watch().synced() == world.books(); }));
  const auto of_each = [&](const auto& holds) {
    return std::ranges::all_of(world.settings().venues,
                               [&](const auto& venue) { return holds(venue.id); });
  };
  const auto polled = [&](VenueId venue) {
    return world.metric("spreadwatch_ingest_rest_fallback_active", venue) > 0;
  };
  const auto closes = [&](VenueId venue) {
    return world.metric("spreadwatch_ingest_disconnections_total", venue,
                        R"(reason="closed_by_peer")");
  };
  std::map<VenueId, double> connections;
  for (const config::VenueSettings& venue : world.settings().venues) {
    connections[venue.id] = world.metric("spreadwatch_ingest_connections", venue.id);
    CHECK(connections[venue.id] >= 1);
  }
  for (int i = 1; i <= kTimes; ++i) {
    INFO("close ", i);
    // A close alone is mended before the fallback begins, so the streams fall silent first.
    world.venues().control("/v1/faults", "POST", Json{{"fault", "freeze_stream"}}.dump());
    REQUIRE(test::eventually(milliseconds{30'000}, [&] { return of_each(polled); }));
    world.watch().mark();
    world.venues().control("/v1/faults", "POST", Json{{"fault", "close"}}.dump());
    REQUIRE(test::eventually(milliseconds{30'000}, [&] {
      return world.watch().synced() == world.books() &&
             of_each([&](VenueId venue) { return !polled(venue); }) &&
             of_each([&](VenueId venue) { return closes(venue) == i * connections[venue]; });
    }));
    world.venues().control("/v1/faults", "DELETE");
  }
  for (const config::VenueSettings& venue : world.settings().venues) {
    INFO(to_string(venue.id));
    CHECK(closes(venue.id) == kTimes * connections[venue.id]);
    CHECK(world.metric("spreadwatch_ingest_disconnections_total", venue.id) ==
          kTimes * connections[venue.id]);
    // None was refused, so each close is one attempt.
    CHECK(world.metric("spreadwatch_ingest_reconnect_attempts_total", venue.id) ==
          kTimes * connections[venue.id]);
    CHECK(world.metric("spreadwatch_ingest_connections", venue.id) == connections[venue.id]);
  }
  CHECK(world.venues().violations() == "");
}

}  // namespace
}  // namespace spreadwatch
