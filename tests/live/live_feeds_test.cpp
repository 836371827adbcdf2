#include "ingest/live/live_feeds.h"

#include <doctest/doctest.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <condition_variable>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <variant>
#include <vector>

#include "ingest/net/budget_store.h"
#include "metrics/registry.h"
#include "tests/live/fake_venue.h"

namespace spreadwatch::ingest {
namespace {

using namespace std::chrono_literals;
using test::FakeBybit;

const Instrument kBtc{"BTC", "USDT"};
const Instrument kEth{"ETH", "USDT"};

class Recorder final : public LiveSink {
 public:
  void on_event(MarketEvent event) override {
    const std::lock_guard lock(mutex_);
    events_.push_back(std::move(event));
    changed_.notify_all();
  }
  void on_raw(VenueId, const Frame& frame, bool sent) override {
    const std::lock_guard lock(mutex_);
    ++(sent ? sent_ : received_);
    if (frame.origin == Origin::kRest) rest_channels_.emplace_back(frame.channel);
  }

  template <class F>
  bool until(F&& condition, std::chrono::milliseconds limit = 8s) {
    std::unique_lock lock(mutex_);
    return changed_.wait_for(lock, limit, [&] { return condition(events_); });
  }
  bool until_synced(const Instrument& instrument, std::chrono::milliseconds limit = 8s) {
    return until(
        [&](const auto& events) {
          return std::any_of(events.begin(), events.end(), [&](const MarketEvent& e) {
            const auto* const book = std::get_if<OrderBook>(&e);
            return book != nullptr && book->synced() && book->instrument == instrument;
          });
        },
        limit);
  }
  std::size_t size() const {
    const std::lock_guard lock(mutex_);
    return events_.size();
  }
  int sent() const {
    const std::lock_guard lock(mutex_);
    return sent_;
  }
  std::vector<std::string> rest_channels() const {
    const std::lock_guard lock(mutex_);
    return rest_channels_;
  }

 private:
  mutable std::mutex mutex_;
  std::condition_variable changed_;
  std::vector<MarketEvent> events_;         // guarded by mutex_
  std::vector<std::string> rest_channels_;  // guarded by mutex_
  int sent_ = 0;                            // guarded by mutex_
  int received_ = 0;                        // guarded by mutex_
};

struct Setup {
  Setup() {
    config::VenueSettings bybit;
    bybit.id = VenueId::kBybit;
    bybit.quote = "USDT";
    bybit.orderbook_depth = 50;
    bybit.ws_url = venue.ws_url();
    bybit.rest_url = venue.rest_url() + "/";
    settings.venues = {bybit};
    settings.assets = {"BTC", "ETH"};
  }

  std::unique_ptr<LiveFeeds> make(LiveOptions options = {}, const Clock* other = nullptr) {
    return std::make_unique<LiveFeeds>(settings, assets, wanted_instruments(settings, assets),
                                       other != nullptr ? *other : clock, sink, metrics, options);
  }

  FakeBybit venue;
  config::Settings settings;
  config::AssetRegistry assets;
  SystemClock clock;
  Recorder sink;
  metrics::Registry registry;
  metrics::IngestMetrics metrics{registry, std::vector<VenueId>{VenueId::kBybit}};
};

// Looks at feeds() until the condition holds; its snapshot is refreshed every 250 ms.
template <class F>
bool eventually(const LiveFeeds& feeds, F&& condition) {
  const auto end = std::chrono::steady_clock::now() + 8s;
  while (!condition(feeds.feeds())) {
    if (std::chrono::steady_clock::now() >= end) return false;
    std::this_thread::sleep_for(10ms);  // nothing signals a new snapshot
  }
  return true;
}

TEST_CASE("feeds come up, say what they are, and stop cleanly") {
  Setup setup;
  const auto feeds = setup.make();
  CHECK(feeds->feeds().empty());
  feeds->start();
  REQUIRE(setup.sink.until_synced(kBtc));
  REQUIRE(setup.sink.until_synced(kEth));
  REQUIRE(eventually(*feeds, [](const std::vector<FeedStatus>& all) {
    return all.size() == 4 && std::all_of(all.begin(), all.end(), [](const FeedStatus& s) {
             return s.state == FeedState::kSynced;
           });
  }));
  const auto all = feeds->feeds();
  CHECK(all[0].symbol == "BTC-USDT");
  CHECK(all[0].channel == Channel::kTicker);
  CHECK(all[1].channel == Channel::kOrderBook);
  CHECK(all[2].symbol == "ETH-USDT");
  CHECK(setup.sink.rest_channels() == std::vector<std::string>{"markets"});
  CHECK(setup.sink.sent() > 0);

  const auto start = std::chrono::steady_clock::now();
  feeds->stop();
  CHECK(std::chrono::steady_clock::now() - start < 2s);
  const std::size_t after = setup.sink.size();
  feeds->stop();
  CHECK(setup.sink.size() == after);
}

TEST_CASE("what the venue does not list is reported once and not subscribed") {
  Setup setup;
  setup.venue.list({"BTCUSDT"});
  const auto feeds = setup.make();
  feeds->start();
  REQUIRE(setup.sink.until_synced(kBtc));
  REQUIRE(setup.sink.until([](const auto& events) {
    return std::any_of(events.begin(), events.end(), [](const MarketEvent& e) {
      const auto* const error = std::get_if<FeedError>(&e);
      return error != nullptr && error->error.code == ErrorCode::kUnknownSymbol &&
             error->symbol == "ETHUSDT";
    });
  }));
  CHECK(setup.venue.subscribed("orderbook.50.ETHUSDT") == 0);
  CHECK(setup.venue.subscribed("tickers.ETHUSDT") == 0);
}

TEST_CASE(
    "without a market list everything wanted is subscribed after the wait, and the list is tried "
    "again") {
  Setup setup;
  setup.venue.list({});
  LiveOptions options;
  options.markets_wait = 200ms;
  const auto feeds = setup.make(options);
  feeds->start();
  REQUIRE(setup.sink.until_synced(kEth));
  setup.venue.list({"BTCUSDT"});
  // The list says otherwise later: the stream is dropped and reported down.
  REQUIRE(setup.sink.until([](const auto& events) {
    return std::any_of(events.begin(), events.end(), [](const MarketEvent& e) {
      const auto* const book = std::get_if<OrderBook>(&e);
      return book != nullptr && book->instrument == kEth && book->state == FeedState::kDown &&
             book->reason == ErrorCode::kUnknownSymbol;
    });
  }));
  // What was shown does not just vanish: both channels say why they are down.
  REQUIRE(eventually(*feeds, [](const auto& all) {
    return all.size() == 4 && std::all_of(all.begin(), all.end(), [](const FeedStatus& s) {
             if (s.symbol != "ETH-USDT") return s.state == FeedState::kSynced && !s.reason;
             return s.state == FeedState::kDown && s.reason == ErrorCode::kUnknownSymbol &&
                    s.updated.has_value();
           });
  }));
  CHECK(setup.registry.text().find("spreadwatch_ingest_tickers_synced{venue=\"bybit\"} 1\n") !=
        std::string::npos);
  // Removed by request there is nothing to say of it.
  feeds->remove(VenueId::kBybit, kEth);
  CHECK(eventually(*feeds, [](const auto& all) { return all.size() == 2; }));
}

TEST_CASE("stopping is quick whatever the venue does") {
  Setup setup;
  SUBCASE("the venue is silent") { setup.venue.go_silent(true); }
  SUBCASE("nothing listens") {
    setup.settings.venues[0].ws_url = "ws://127.0.0.1:" + std::to_string(test::closed_port());
  }
  SUBCASE("the venue refuses") { setup.venue.refuse("503 Service Unavailable", ""); }
  LiveOptions options;
  options.markets_wait = 0ms;
  const auto feeds = setup.make(options);
  feeds->start();
  setup.sink.until([](const auto& events) { return !events.empty(); }, 300ms);
  const auto start = std::chrono::steady_clock::now();
  feeds->stop();
  CHECK(std::chrono::steady_clock::now() - start < 2s);
}

TEST_CASE("feeds that were never started can be stopped and destroyed") {
  Setup setup;
  const auto feeds = setup.make();
  feeds->stop();
}

TEST_CASE(
    "an instrument added while running has data without a reconnect, and is gone when removed") {
  Setup setup;
  setup.venue.list({"BTCUSDT", "ETHUSDT", "XRPUSDT"});
  const auto feeds = setup.make();
  feeds->start();
  REQUIRE(setup.sink.until_synced(kBtc));
  const Instrument xrp{"XRP", "USDT"};
  CHECK_FALSE(feeds->add(VenueId::kOkx, xrp));
  CHECK(feeds->add(VenueId::kBybit, xrp));
  REQUIRE(setup.sink.until_synced(xrp));
  REQUIRE(eventually(*feeds, [](const auto& all) { return all.size() == 6; }));
  const auto has_series = [&] {
    return setup.registry.text().find("symbol=\"XRP-USDT\"") != std::string::npos;
  };
  REQUIRE(eventually(*feeds, [&](const auto&) { return has_series(); }));
  CHECK(feeds->remove(VenueId::kBybit, xrp));
  REQUIRE(setup.sink.until([&](const auto& events) {
    return std::any_of(events.begin(), events.end(), [&](const MarketEvent& e) {
      const auto* const book = std::get_if<OrderBook>(&e);
      return book != nullptr && book->instrument == xrp && book->state == FeedState::kDown &&
             !book->reason && book->bids.empty();
    });
  }));
  REQUIRE(eventually(*feeds, [](const auto& all) { return all.size() == 4; }));
  CHECK_FALSE(has_series());
  CHECK(setup.venue.unsubscribed("orderbook.50.XRPUSDT") == 1);
  CHECK(setup.venue.subscribed("orderbook.50.BTCUSDT") == 1);
  CHECK(setup.venue.upgrades() == 1);
}

TEST_CASE("what was removed comes back when it is added again") {
  Setup setup;
  const auto feeds = setup.make();
  feeds->start();
  REQUIRE(setup.sink.until_synced(kEth));
  feeds->remove(VenueId::kBybit, kEth);
  REQUIRE(eventually(*feeds, [](const auto& all) { return all.size() == 2; }));
  feeds->add(VenueId::kBybit, kEth);
  REQUIRE(eventually(*feeds, [](const auto& all) { return all.size() == 4; }));
  CHECK(setup.venue.subscribed("orderbook.50.ETHUSDT") == 2);
  CHECK(setup.venue.upgrades() == 1);
}

// A folder of its own, gone at the end.
class StateFolder {
 public:
  StateFolder()
      : path(std::filesystem::temp_directory_path() /
             ("spreadwatch-state-" + std::to_string(::getpid()))) {
    std::filesystem::remove_all(path);
  }
  ~StateFolder() { std::filesystem::remove_all(path); }
  StateFolder(const StateFolder&) = delete;
  StateFolder& operator=(const StateFolder&) = delete;

  const std::filesystem::path path;
};

TEST_CASE("a ban is kept over a restart: nothing is asked of the venue before it ends") {
  const StateFolder folder;
  Setup setup;
  setup.settings.state_dir = folder.path.string();
  setup.venue.refuse("418 I'm a teapot", "Retry-After: 3\r\n");
  auto feeds = setup.make();
  feeds->start();
  REQUIRE(setup.sink.until([](const auto& events) {
    return std::any_of(events.begin(), events.end(), [](const MarketEvent& e) {
      const auto* const error = std::get_if<FeedError>(&e);
      return error != nullptr && error->error.code == ErrorCode::kBanned;
    });
  }));
  const auto banned = std::chrono::steady_clock::now();
  setup.venue.refuse("", "");
  // As a kill would leave it: the file is there before anything is stopped.
  REQUIRE(eventually(*feeds, [&](const auto&) {
    std::ifstream in(folder.path / "budgets.json");
    const std::string text{std::istreambuf_iterator<char>{in}, {}};
    return text.find("connect_paused_until_us\": 1") != std::string::npos;
  }));
  feeds.reset();

  const int before = setup.venue.connections();
  feeds = setup.make();
  feeds->start();
  CHECK_FALSE(setup.sink.until_synced(kBtc, 1s));
  CHECK(setup.venue.connections() == before);
  REQUIRE(setup.sink.until_synced(kBtc));
  CHECK(std::chrono::steady_clock::now() - banned >= 2900ms);
}

/// Whose wall clock was set back an hour since the start.
class SetBackClock final : public Clock {
 public:
  Timestamp now() const override { return SystemClock{}.now(); }
  Timestamp wall(Timestamp moment) const override { return moment - 1h; }
};

TEST_CASE("a ban is kept in the wall clock's time, with which the next run begins") {
  const StateFolder folder;
  const SetBackClock clock;
  Setup setup;
  setup.settings.state_dir = folder.path.string();
  setup.venue.refuse("418 I'm a teapot", "Retry-After: 60\r\n");
  const auto feeds = setup.make({}, &clock);
  feeds->start();
  std::optional<Timestamp> until;
  REQUIRE(eventually(*feeds, [&](const auto&) {
    std::ifstream in(folder.path / "budgets.json");
    const std::string text{std::istreambuf_iterator<char>{in}, {}};
    const Result<KeptBudgets> kept = decode_budgets(text);
    if (kept && kept->contains(VenueId::kBybit)) {
      until = kept->at(VenueId::kBybit).state.connect_pause;
    }
    return until.has_value();
  }));
  CHECK(*until < SystemClock{}.now() - 1h + 61s);
  CHECK(*until > SystemClock{}.now() - 1h);
  CHECK_FALSE(feeds->heartbeat().stands(std::chrono::steady_clock::now()));
}

TEST_CASE("a password in a venue's addresses is not written to disk") {
  const StateFolder folder;
  Setup setup;
  setup.settings.state_dir = folder.path.string();
  for (std::string* const url :
       {&setup.settings.venues[0].ws_url, &setup.settings.venues[0].rest_url}) {
    url->insert(url->find("://") + 3, "joe:pw-9@");
  }
  auto feeds = setup.make();
  feeds->start();
  REQUIRE(setup.sink.until_synced(kBtc));
  feeds.reset();
  std::ifstream in(folder.path / "budgets.json");
  const std::string text{std::istreambuf_iterator<char>{in}, {}};
  CHECK(text.find("ws://***@127.0.0.1") != std::string::npos);
  CHECK(text.find("pw-9") == std::string::npos);
}

TEST_CASE("kept budgets that cannot be read or written are counted, and the feeds come up") {
  const StateFolder folder;
  std::filesystem::create_directories(folder.path);
  Setup setup;
  std::string counted;
  SUBCASE("garbage") {
    std::ofstream(folder.path / "budgets.json") << "{\"version\":1,\"venues\":[";
    setup.settings.state_dir = folder.path.string();
    counted = "spreadwatch_ingest_state_errors_total{operation=\"read\"} 1";
  }
  SUBCASE("a folder that is a file") {
    std::ofstream(folder.path / "file") << "x";
    setup.settings.state_dir = (folder.path / "file" / "deeper").string();
    counted = "spreadwatch_ingest_state_errors_total{operation=\"write\"} 1";
  }
  const auto feeds = setup.make();
  feeds->start();
  CHECK(setup.sink.until_synced(kBtc));
  CHECK(eventually(*feeds, [&](const auto&) {
    return setup.registry.text().find(counted) != std::string::npos;
  }));
  // Whoever asks how it stands is told, and what was in a damaged file is not lost.
  const BudgetStore::State state = feeds->budgets_state();
  if (counted.find("\"read\"") != std::string::npos) {
    CHECK(state.error.empty());
    CHECK(state.moved_aside == (folder.path / "budgets.json.damaged-1").string());
    CHECK(std::filesystem::exists(state.moved_aside));
  } else {
    CHECK(state.error.find("cannot make") != std::string::npos);
  }
}

TEST_CASE("all assets are those that two venues list, under each one's ticker") {
  Setup setup;
  config::AssetRegistry::Asset btc{"BTC", {}};
  btc.tickers[index_of(VenueId::kBybit)] = "BTC";
  btc.tickers[index_of(VenueId::kOkx)] = "BTC";
  setup.assets.add(btc);
  setup.settings.all_assets = true;
  setup.settings.assets.clear();
  LiveOptions options;
  options.markets_wait = 300ms;
  const auto feeds = setup.make(options);
  feeds->start();
  // One venue alone has nothing in common with another.
  CHECK_FALSE(setup.sink.until_synced(kBtc, 1s));
  CHECK(feeds->feeds().empty());
}

TEST_CASE("the wanted instruments use each venue's ticker and always hold the FX markets") {
  config::Settings settings;
  for (const VenueId id : {VenueId::kUpbit, VenueId::kOkx, VenueId::kKraken}) {
    config::VenueSettings venue;
    venue.id = id;
    venue.quote = std::string{identity(id).default_quote};
    settings.venues.push_back(venue);
  }
  config::AssetRegistry registry;
  config::AssetRegistry::Asset tokamak{"TOKAMAK", {}};
  tokamak.tickers[index_of(VenueId::kUpbit)] = "TON";
  registry.add(tokamak);
  settings.assets = {"BTC", "TOKAMAK", "TON", "USDT"};

  const auto wanted = wanted_instruments(settings, registry);
  REQUIRE(wanted.size() == 3);
  // Upbit's TON is Tokamak: it is not watched as TON there.
  CHECK(wanted[0].instruments ==
        std::vector<Instrument>{{"BTC", "KRW"}, {"TON", "KRW"}, {"USDT", "KRW"}});
  CHECK(wanted[1].instruments ==
        std::vector<Instrument>{{"BTC", "USDT"}, {"TOKAMAK", "USDT"}, {"TON", "USDT"}});
  CHECK(
      wanted[2].instruments ==
      std::vector<Instrument>{{"BTC", "USD"}, {"TOKAMAK", "USD"}, {"TON", "USD"}, {"USDT", "USD"}});
}

}  // namespace
}  // namespace spreadwatch::ingest
