// Nine exchanges with a hundred markets each lose every connection at once. What is printed is the
// second table of ingest/recovery.md.
#include <doctest/doctest.h>

#include <algorithm>
#include <chrono>
#include <fstream>
#include <iostream>
#include <map>
#include <mutex>
#include <nlohmann/json.hpp>
#include <optional>
#include <set>
#include <sstream>
#include <string>
#include <thread>
#include <utility>
#include <variant>
#include <vector>

#include "config/loader.h"
#include "ingest/live_feeds.h"
#include "metrics/registry.h"
#include "sim/simulator.h"
#include "tests/app/process.h"

namespace spreadwatch {
namespace {

using Json = nlohmann::json;
using std::chrono::milliseconds;
using SteadyClock = std::chrono::steady_clock;

constexpr int kMarkets = 100;
constexpr milliseconds kBound{30'000};

std::vector<std::string> hundred_assets() {
  std::vector<std::string> assets{"BTC"};
  while (assets.size() < kMarkets) assets.push_back("M" + std::to_string(assets.size()));
  return assets;
}

/// What became of a venue's order books.
struct VenueBooks {
  std::map<Instrument, std::uint64_t> shown;  // by the socket, and in which epoch
  std::set<Instrument> lost;                  // since mark()
  std::set<Instrument> back;                  // and synced again
  std::set<std::uint32_t> connections;
  std::optional<SteadyClock::time_point> first_back;
  std::optional<SteadyClock::time_point> last_back;
  int sent = 0;      // messages and REST requests, since mark()
  int requests = 0;  // REST answers, since mark()
};

class MassWatch final : public ingest::LiveSink {
 public:
  void on_event(MarketEvent event) override {
    const auto* const book = std::get_if<OrderBook>(&event);
    if (book == nullptr || book->connection == kPolledConnection) return;
    const std::lock_guard lock(mutex_);
    VenueBooks& venue = venues_[book->venue];
    if (!book->synced()) {
      if (venue.shown.erase(book->instrument) > 0) venue.lost.insert(book->instrument);
      return;
    }
    venue.connections.insert(book->connection);
    venue.shown[book->instrument] = book->epoch;
    if (!venue.lost.contains(book->instrument)) return;
    if (!venue.back.insert(book->instrument).second) return;
    venue.last_back = SteadyClock::now();
    if (!venue.first_back) venue.first_back = venue.last_back;
  }
  void on_raw(VenueId venue, const ingest::Frame& frame, bool sent) override {
    const std::lock_guard lock(mutex_);
    if (sent) ++venues_[venue].sent;
    if (!sent && frame.origin == Origin::kRest) ++venues_[venue].requests;
  }

  void mark() {
    const std::lock_guard lock(mutex_);
    for (auto& [id, venue] : venues_) {
      venue.lost.clear(), venue.back.clear(), venue.connections.clear();
      venue.first_back.reset(), venue.last_back.reset();
      venue.sent = venue.requests = 0;
    }
  }
  std::map<VenueId, VenueBooks> venues() const {
    const std::lock_guard lock(mutex_);
    return venues_;
  }
  bool all_shown(std::size_t books) const {
    const std::lock_guard lock(mutex_);
    std::size_t shown = 0;
    for (const auto& [id, venue] : venues_) shown += venue.shown.size();
    return shown == books;
  }
  bool all_back(std::size_t books) const {
    const std::lock_guard lock(mutex_);
    std::size_t back = 0;
    for (const auto& [id, venue] : venues_) back += venue.back.size();
    return back == books;
  }

 private:
  mutable std::mutex mutex_;
  std::map<VenueId, VenueBooks> venues_;  // guarded by mutex_
};

TEST_CASE("nine exchanges with a hundred markets each are back within 30 s of losing everything") {
  sim::SimulatorConfig config;
  config.assets = hundred_assets();
  config.seed = 3;
  config.base_port = 0;
  sim::Simulator simulator(config);
  simulator.start();
  const std::jthread thread([&] { simulator.run(); });
  const Json ready = Json::parse(simulator.ready_line());
  const auto control = [&](const std::string& path, const std::string& body = "") {
    const test::HttpAnswer answer = test::http_get(ready["control_url"].get<std::string>() + path,
                                                   body.empty() ? "GET" : "POST", body);
    INFO(path, " -> ", answer.status, " ", answer.body);
    REQUIRE(answer.status / 100 == 2);
    return answer.body;
  };
  std::ostringstream text;
  text << "assets: [BTC]\nvenues:\n";
  for (const auto& [venue, urls] : ready["venues"].items()) {
    text << "  " << venue << ": { ws_url: " << urls["ws_url"] << ", rest_url: " << urls["rest_url"]
         << " }\n";
  }
  config::Loaded loaded = config::load_text(text.str(), "mass.yaml");
  for (const config::Finding& finding : loaded.errors) MESSAGE(finding.text());
  REQUIRE(loaded.ok());
  loaded.settings.assets = hundred_assets();
  std::vector<VenueId> venues;
  for (const config::VenueSettings& venue : loaded.settings.venues) venues.push_back(venue.id);
  metrics::Registry registry;
  metrics::IngestMetrics metrics(registry, venues);
  const SystemClock clock;
  MassWatch watch;
  ingest::LiveFeeds feeds(loaded.settings, loaded.registry,
                          ingest::wanted_instruments(loaded.settings, loaded.registry), clock,
                          watch, metrics);
  feeds.start();
  const std::size_t books = venues.size() * kMarkets + 5;  // and five FX markets
  REQUIRE(test::eventually(milliseconds{60'000}, [&] { return watch.all_shown(books); }));

  std::ostringstream table;
  table << "| connections end by | exchange | connections | order books | first back after | last "
           "back after | messages sent | REST answers |\n"
           "| --- | --- | --- | --- | --- | --- | --- | --- |\n";
  for (const char* fault : {"close", "reset"}) {
    watch.mark();
    const auto start = SteadyClock::now();
    control("/v1/faults", Json{{"fault", fault}, {"venue", nullptr}, {"symbol", nullptr}}.dump());
    CHECK(test::eventually(kBound, [&] { return watch.all_back(books); }));
    const auto ms = [&](const std::optional<SteadyClock::time_point>& t) {
      if (!t) return std::string{"-"};
      return std::to_string(std::chrono::duration_cast<milliseconds>(*t - start).count()) + " ms";
    };
    for (const auto& [id, venue] : watch.venues()) {
      INFO(fault, " at ", to_string(id));
      CHECK(venue.back.size() == venue.lost.size());
      CHECK(venue.back.size() >= kMarkets);
      table << "| " << fault << " | " << to_string(id) << " | " << venue.connections.size() << " | "
            << venue.back.size() << " | " << ms(venue.first_back) << " | " << ms(venue.last_back)
            << " | " << venue.sent << " | " << venue.requests << " |\n";
    }
    CHECK(control("/v1/violations") == "[]");
  }
  feeds.stop();
  simulator.stop();
  std::cout << table.str();
  std::ofstream(std::string{SPREADWATCH_BINARY_DIR} + "/mass_disconnect.md") << table.str();
}

}  // namespace
}  // namespace spreadwatch
