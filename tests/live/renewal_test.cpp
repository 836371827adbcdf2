// A connection that the venue will close is succeeded by a fresh one before that.
#include <doctest/doctest.h>

#include <algorithm>
#include <atomic>
#include <map>
#include <mutex>
#include <set>
#include <string>
#include <variant>
#include <vector>

#include "ingest/decode/decoded.h"
#include "ingest/live/live_feeds.h"
#include "metrics/registry.h"
#include "tests/live/bybit_feeds.h"
#include "tests/live/test_server.h"

namespace spreadwatch::ingest {
namespace {

using namespace std::chrono_literals;
using test::Peer;
using test::TestServer;

const Instrument kBtc{"BTC", "USDT"};
const Instrument kEth{"ETH", "USDT"};

/// What was said of each book, and what was taken back.
class RenewalSink final : public LiveSink {
 public:
  void on_event(MarketEvent event) override {
    const std::lock_guard lock(mutex_);
    if (const auto* const book = std::get_if<OrderBook>(&event)) {
      if (!book->synced()) {
        ++lost_[book->instrument];
        return;
      }
      carriers_[book->instrument].insert(book->connection);
      latest_[book->instrument] = book->connection;
      ++synced_[book->instrument];
    } else if (const auto* const status = std::get_if<ConnectionStatus>(&event)) {
      if (!status->alive) gone_.push_back(status->connection);
    } else if (std::holds_alternative<FeedError>(event)) {
      ++errors_;
    } else if (std::holds_alternative<Ticker>(event)) {
      ++tickers_;
    }
  }

  int lost(const Instrument& i) const { return at(lost_, i); }
  int synced(const Instrument& i) const { return at(synced_, i); }
  std::uint32_t latest(const Instrument& i) const { return at(latest_, i); }
  std::set<std::uint32_t> carriers(const Instrument& i) const { return at(carriers_, i); }
  std::vector<std::uint32_t> gone() const {
    const std::lock_guard lock(mutex_);
    return gone_;
  }
  int errors() const {
    const std::lock_guard lock(mutex_);
    return errors_;
  }
  int tickers() const {
    const std::lock_guard lock(mutex_);
    return tickers_;
  }

 private:
  template <class Map>
  typename Map::mapped_type at(const Map& map, const Instrument& i) const {
    const std::lock_guard lock(mutex_);
    const auto found = map.find(i);
    return found == map.end() ? typename Map::mapped_type{} : found->second;
  }

  mutable std::mutex mutex_;
  // Guarded by mutex_:
  std::map<Instrument, int> lost_;
  std::map<Instrument, int> synced_;
  std::map<Instrument, std::uint32_t> latest_;
  std::map<Instrument, std::set<std::uint32_t>> carriers_;
  std::vector<std::uint32_t> gone_;
  int errors_ = 0;
  int tickers_ = 0;
};

using Feeds = test::BybitFeeds<RenewalSink>;

TEST_CASE("while no successor can be had, an old connection goes on mending its books") {
  const std::string book = "orderbook.50.BTCUSDT";
  Feeds f;
  f.options.max_age = 1000ms;
  f.start();
  REQUIRE(Feeds::eventually([&] { return f.sink.synced(kBtc) > 0; }));
  f.venue.refuse("503 Service Unavailable", "");
  const int accepted = f.venue.upgrades();
  REQUIRE(Feeds::eventually([&] { return f.venue.upgrades() > accepted; }));
  const int subscribed = f.venue.subscribed(book);
  f.venue.skip_one(book);
  // Nobody else could ask for it.
  REQUIRE(Feeds::eventually([&] { return f.venue.subscribed(book) > subscribed; }));
  const int before = f.sink.synced(kBtc);
  CHECK(Feeds::eventually([&] { return f.sink.synced(kBtc) > before + 3; }));
  f.feeds->stop();
}

TEST_CASE("an old connection is succeeded by a fresh one, and no book notices") {
  Feeds f;
  f.options.max_age = 400ms;
  f.start();
  REQUIRE(Feeds::eventually([&] { return f.sink.carriers(kBtc).size() >= 4; }));
  REQUIRE(Feeds::eventually([&] { return f.sink.carriers(kEth).size() >= 4; }));
  for (const Instrument& i : {kBtc, kEth}) {
    CHECK(f.sink.lost(i) == 0);
    for (const std::uint32_t connection : f.sink.carriers(i)) CHECK(connection % kPlaces == 0);
  }
  CHECK(f.sink.errors() == 0);
  // The old ones were left, in order, each once.
  REQUIRE(Feeds::eventually([&] { return f.sink.gone().size() >= 3; }));
  const std::vector<std::uint32_t> gone = f.sink.gone();
  for (std::size_t i = 0; i < gone.size(); ++i) CHECK(gone[i] == i * kPlaces);
  const std::string text = f.registry.text();
  CHECK(text.find("spreadwatch_ingest_renewals_total{venue=\"bybit\"} 0\n") == std::string::npos);
  for (const char* quiet : {"gaps", "resyncs"}) {
    CHECK(text.find("spreadwatch_ingest_" + std::string{quiet} + "_total{venue=\"bybit\"} 0\n") !=
          std::string::npos);
  }
  f.feeds->stop();
  CHECK(f.sink.lost(kBtc) == 0);
}

TEST_CASE("while the successor cannot connect, the old connection goes on") {
  Feeds f;
  f.options.max_age = 400ms;
  f.start();
  REQUIRE(Feeds::eventually([&] { return f.sink.synced(kBtc) > 0; }));
  f.venue.refuse("503 Service Unavailable", "");
  const int upgrades = f.venue.upgrades();
  REQUIRE(Feeds::eventually([&] { return f.venue.upgrades() >= upgrades + 2; }));
  const int before = f.sink.synced(kBtc);
  REQUIRE(Feeds::eventually([&] { return f.sink.synced(kBtc) > before + 5; }));
  CHECK(f.sink.lost(kBtc) == 0);
  const std::uint32_t carrier = f.sink.latest(kBtc);
  f.venue.refuse("", "");
  REQUIRE(Feeds::eventually([&] { return f.sink.latest(kBtc) > carrier; }));
  CHECK(f.sink.lost(kBtc) == 0);
}

TEST_CASE("what the successor does not deliver is lost when its time is up, the rest goes on") {
  Feeds f;
  f.options.max_age = 1000ms;
  f.options.longest_handover = 500ms;
  f.start();
  REQUIRE(Feeds::eventually([&] { return f.sink.synced(kBtc) > 0 && f.sink.synced(kEth) > 0; }));
  f.venue.withhold("orderbook.50.BTCUSDT", true);
  REQUIRE(Feeds::eventually([&] { return f.sink.lost(kBtc) == 1; }));
  CHECK(f.sink.lost(kEth) == 0);
  f.venue.withhold("orderbook.50.BTCUSDT", false);
  const int before = f.sink.synced(kBtc);
  CHECK(Feeds::eventually([&] { return f.sink.synced(kBtc) > before + 5; }));
}

TEST_CASE(
    "a book that its connection no longer serves comes over a fresh one, and no other notices") {
  Feeds f;
  f.options.first_data = 300ms;
  f.options.least_patience = 300ms;
  f.start();
  REQUIRE(Feeds::eventually([&] { return f.sink.synced(kBtc) > 20 && f.sink.synced(kEth) > 20; }));
  f.venue.strand("orderbook.50.BTCUSDT");
  REQUIRE(Feeds::eventually([&] { return f.sink.latest(kBtc) == kPlaces; }));
  const int before = f.sink.synced(kBtc);
  CHECK(Feeds::eventually([&] { return f.sink.synced(kBtc) > before + 5; }));
  REQUIRE(Feeds::eventually([&] { return f.sink.latest(kEth) == kPlaces; }));
  CHECK(f.sink.lost(kEth) == 0);
  CHECK(f.sink.errors() == 0);
  // Not for ever: what no connection serves opens no third one soon.
  f.venue.withhold("orderbook.50.BTCUSDT", true);
  const int asked = f.venue.subscribed("orderbook.50.BTCUSDT");
  REQUIRE(
      Feeds::eventually([&] { return f.venue.subscribed("orderbook.50.BTCUSDT") > asked + 3; }));
  CHECK(f.venue.upgrades() == 2);
}

TEST_CASE("what is removed during a handover is not shown again") {
  Feeds f;
  f.options.max_age = 400ms;
  f.start();
  REQUIRE(Feeds::eventually([&] { return f.sink.synced(kBtc) > 0; }));
  // The old connection goes on, and a successor waits.
  f.venue.refuse("503 Service Unavailable", "");
  const int upgrades = f.venue.upgrades();
  REQUIRE(Feeds::eventually([&] { return f.venue.upgrades() > upgrades; }));
  REQUIRE(f.feeds->remove(VenueId::kBybit, kBtc));
  REQUIRE(Feeds::eventually([&] { return f.sink.lost(kBtc) == 1; }));
  const int shown = f.sink.synced(kBtc);
  f.venue.refuse("", "");
  const std::uint32_t carrier = f.sink.latest(kEth);
  REQUIRE(Feeds::eventually([&] { return f.sink.latest(kEth) > carrier; }));
  CHECK(f.sink.synced(kBtc) == shown);
  CHECK(f.sink.lost(kBtc) == 1);
  CHECK(f.sink.lost(kEth) == 0);
}

TEST_CASE("a venue that announces its close is met on a fresh connection first, without an error") {
  std::atomic<int> connections{0};
  TestServer server([&](Peer& peer) {
    if (peer.header("Upgrade").empty()) {
      peer.respond("{}", "503 Service Unavailable");
      return;
    }
    if (!peer.accept()) return;
    if (connections++ == 0) {
      peer.send(
          R"({"event":"notice","code":"64008","msg":"The connection will soon be closed for a service upgrade. Please reconnect.","connId":"a4d3ae55"})");
    }
    while (peer.read()) {
    }
  });
  config::VenueSettings okx;
  okx.id = VenueId::kOkx;
  okx.quote = "USDT";
  okx.ws_url = server.url("ws") + "/ws/v5/public";
  okx.rest_url = server.url("http");
  config::Settings settings;
  settings.venues = {okx};
  settings.assets = {"BTC"};
  const config::AssetRegistry assets;
  const SystemClock clock;
  RenewalSink sink;
  metrics::Registry registry;
  metrics::IngestMetrics metrics{registry, std::vector<VenueId>{VenueId::kOkx}};
  LiveOptions options;
  options.markets_wait = 0ms;
  LiveFeeds feeds(settings, assets, {{VenueId::kOkx, {kBtc}}}, clock, sink, metrics, options);
  feeds.start();
  const std::string text = "spreadwatch_ingest_renewals_total{venue=\"okx\"} 1\n";
  REQUIRE(Feeds::eventually([&] { return registry.text().find(text) != std::string::npos; }));
  REQUIRE(Feeds::eventually([&] {
    const auto all = feeds.feeds();
    return !all.empty() && all.front().reconnects == 1;
  }));
  CHECK(sink.gone() == std::vector<std::uint32_t>{0});
  CHECK(registry.text().find(R"(disconnections_total{reason="closed_by_peer",venue="okx"} 0)") !=
        std::string::npos);
}

}  // namespace
}  // namespace spreadwatch::ingest
