#include "ingest/live/wallet_feed.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <boost/asio/io_context.hpp>
#include <chrono>
#include <condition_variable>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <thread>
#include <utility>
#include <variant>
#include <vector>

#include "ingest/live/live_feeds.h"
#include "metrics/registry.h"
#include "tests/live/test_server.h"

namespace spreadwatch::ingest {
namespace {

using namespace std::chrono_literals;

constexpr const char* kKorbitRoute = "/v2/currencies";
constexpr const char* kGateRoute = "/api/v4/spot/currencies";
constexpr const char* kCoinoneRoute = "/public/v2/currencies";
constexpr const char* kKorbitMarkets = "/v2/currencyPairs";

const std::string kKorbitWallets =
    R"({"success":true,"data":[{"name":"usdt","fullName":"Tether","networkList":[)"
    R"({"name":"TRX","depositStatus":"launched","withdrawalStatus":"stopped"}]}]})";
const std::string kGateWallets =
    R"([{"currency":"USDT","withdraw_disabled":false,"deposit_disabled":false,"chain":"ETH"}])";
const std::string kCoinoneWallets =
    R"({"result":"success","currencies":[{"symbol":"USDT","deposit_status":"normal","withdraw_status":"normal"}]})";

/// Venues' REST routes on one port, answered from a table; everything else, upgrades among it, is
/// refused.
class WalletDesk {
 public:
  struct Answer {
    std::string body;
    std::string status = "200 OK";
    std::string headers{};
  };

  std::string url() const { return server_.url("http"); }
  std::string ws_url() const { return server_.url("ws"); }
  void answer(const std::string& path, Answer answer) {
    const std::lock_guard lock(mutex_);
    answers_[path] = std::move(answer);
  }
  int asked(const std::string& path) const {
    const std::lock_guard lock(mutex_);
    const auto found = asked_.find(path);
    return found == asked_.end() ? 0 : found->second;
  }
  /// The longest time between two REST requests.
  SteadyTime::duration longest_pause() const {
    const std::lock_guard lock(mutex_);
    return longest_pause_;
  }

 private:
  void serve(test::Peer& peer) {
    Answer answer{"", "503 Service Unavailable"};
    {
      const std::lock_guard lock(mutex_);
      const std::string target = peer.target();
      const std::string path = target.substr(0, target.find('?'));
      if (peer.header("Upgrade").empty()) note(path);
      if (const auto found = answers_.find(path); found != answers_.end()) answer = found->second;
    }
    peer.respond(answer.body, answer.status, answer.headers);
  }

  void note(const std::string& path) {
    ++asked_[path];
    const SteadyTime now = std::chrono::steady_clock::now();
    if (last_) longest_pause_ = std::max(longest_pause_, now - *last_);
    last_ = now;
  }

  mutable std::mutex mutex_;
  std::map<std::string, Answer> answers_;  // guarded by mutex_, as are the others
  std::map<std::string, int> asked_;
  std::optional<SteadyTime> last_;
  SteadyTime::duration longest_pause_{};
  test::TestServer server_{[this](test::Peer& peer) { serve(peer); }};  // last: uses the rest
};

/// The wallets and errors that were told, and the captured answers.
class WalletEars final : public LiveSink {
 public:
  struct Raw {
    VenueId venue{};
    std::string channel;
    std::string symbol;
    std::string payload;
    std::optional<Timestamp> time;
  };

  void on_event(MarketEvent event) override {
    note([&] {
      if (const auto* const wallet = std::get_if<WalletStatus>(&event)) wallets_.push_back(*wallet);
      if (const auto* const error = std::get_if<FeedError>(&event)) errors_.push_back(*error);
    });
  }
  void on_raw(VenueId venue, const Frame& frame, bool) override {
    note([&] {
      if (frame.origin != Origin::kRest) return;
      raw_.push_back({venue, std::string{frame.channel}, std::string{frame.symbol},
                      std::string{frame.payload}, frame.receive_time});
    });
  }
  template <class Predicate>
  bool wait(Predicate predicate) {
    std::unique_lock lock(mutex_);
    return changed_.wait_for(lock, 10s, predicate);
  }
  bool until_wallet(VenueId venue) {
    return wait([&] {
      return std::ranges::any_of(wallets_, [&](const auto& w) { return w.venue == venue; });
    });
  }
  bool until_error(VenueId venue, const std::string& route) {
    return wait([&] {
      return std::ranges::any_of(errors_, [&](const FeedError& e) {
        return e.venue == venue && e.error.detail.starts_with(route);
      });
    });
  }
  std::vector<WalletStatus> wallets() const {
    const std::lock_guard lock(mutex_);
    return wallets_;
  }
  std::vector<FeedError> errors() const {
    const std::lock_guard lock(mutex_);
    return errors_;
  }
  std::vector<Raw> raw() const {
    const std::lock_guard lock(mutex_);
    return raw_;
  }
  std::set<std::thread::id> threads() const {
    const std::lock_guard lock(mutex_);
    return threads_;
  }

 private:
  template <class F>
  void note(F&& f) {
    const std::lock_guard lock(mutex_);
    threads_.insert(std::this_thread::get_id());
    f();
    changed_.notify_all();
  }
  mutable std::mutex mutex_;
  std::condition_variable changed_;
  std::vector<WalletStatus> wallets_;  // guarded by mutex_, as are the others
  std::vector<FeedError> errors_;
  std::vector<Raw> raw_;
  std::set<std::thread::id> threads_;
};

double series(const metrics::Registry& registry, const std::string& name) {
  const std::string text = registry.text();
  const std::size_t at = text.find("\n" + name + " ");
  return at == std::string::npos ? -1 : std::stod(text.substr(at + name.size() + 2));
}
std::string requests(const std::string& reason, const std::string& venue) {
  return "spreadwatch_ingest_rest_requests_total{reason=\"" + reason + "\",venue=\"" + venue +
         "\"}";
}

/// Live feeds of venues whose sockets are refused: what is said comes over REST.
struct WalletWorld {
  WalletWorld() {
    for (const VenueId id : {VenueId::kKorbit, VenueId::kGateio, VenueId::kOkx}) add(id);
    desk.answer(kGateRoute, {kGateWallets});
  }
  void add(VenueId id) {
    config::VenueSettings venue;
    venue.id = id;
    venue.quote = region_of(id) == Region::kKorea ? "KRW" : "USDT";
    venue.rest_url = desk.url() + "/";
    venue.ws_url = desk.ws_url() + "/ws";
    venue.fallback_after = 600s;
    settings.venues.push_back(venue);
  }
  void start() {
    settings.assets = {"BTC"};
    feeds = std::make_unique<LiveFeeds>(settings, assets, wanted_instruments(settings, assets),
                                        clock, sink, metrics, LiveOptions{});
    feeds->start();
  }
  template <class F>
  static bool eventually(F&& condition) {
    const auto end = std::chrono::steady_clock::now() + 15s;
    while (!condition()) {
      if (std::chrono::steady_clock::now() >= end) return false;
      std::this_thread::sleep_for(5ms);  // nothing signals a request
    }
    return true;
  }

  WalletDesk desk;
  config::Settings settings;
  config::AssetRegistry assets;
  SystemClock clock;
  WalletEars sink;
  metrics::Registry registry;
  metrics::IngestMetrics metrics{
      registry, std::vector<VenueId>{VenueId::kKorbit, VenueId::kGateio, VenueId::kOkx}};
  std::unique_ptr<LiveFeeds> feeds;  // last: stops before what it uses goes
};

TEST_CASE("every venue with a public route is asked once, and one that fails holds none up") {
  WalletWorld w;
  w.start();
  CHECK(w.sink.until_wallet(VenueId::kGateio));
  CHECK(w.sink.until_error(VenueId::kKorbit, kKorbitRoute));
  w.feeds->stop();
  CHECK(w.sink.wallets().front().venue == VenueId::kGateio);
  CHECK(w.sink.wallets().front().ticker == "USDT");
  const auto errors = w.sink.errors();
  const auto wallet_error = std::ranges::find_if(errors, [](const FeedError& e) {
    return e.error.detail.starts_with(std::string{kKorbitRoute} + ": ");
  });
  REQUIRE(wallet_error != errors.end());
  CHECK(wallet_error->error.code == ErrorCode::kHttpStatus);
  CHECK(series(w.registry, requests("http_status", "korbit")) >= 1);
  CHECK(series(w.registry, requests("ok", "gateio")) >= 1);
  CHECK(w.desk.asked(kKorbitRoute) == 1);  // not again before half a minute
  CHECK(w.desk.asked(kGateRoute) == 1);
}

TEST_CASE("wallets and their answers come on the feeds' thread, the answer as a capture holds it") {
  WalletWorld w;
  w.desk.answer(kKorbitRoute, {kKorbitWallets});
  w.start();
  REQUIRE(w.sink.until_wallet(VenueId::kKorbit));
  REQUIRE(w.sink.until_wallet(VenueId::kGateio));
  w.feeds->stop();
  CHECK(w.sink.threads().size() == 1);
  const auto raw = w.sink.raw();
  const auto answer = std::ranges::find_if(
      raw, [](const auto& r) { return r.venue == VenueId::kKorbit && r.channel == "wallet"; });
  REQUIRE(answer != raw.end());
  CHECK(answer->symbol == kKorbitRoute);
  CHECK(answer->payload == kKorbitWallets);
  const auto wallets = w.sink.wallets();
  const auto wallet = std::ranges::find_if(
      wallets, [](const WalletStatus& s) { return s.venue == VenueId::kKorbit; });
  CHECK(wallet->time == answer->time);
  CHECK(wallet->info ==
        WalletInfo{{{"TRX", WalletState::kOpen, WalletState::kClosed, {}, {}, {}}}});
}

TEST_CASE("nobody is asked when no mode needs it or polling is off") {
  for (const bool off : {false, true}) {
    WalletWorld w;
    if (off) {
      w.settings.wallets.poll = seconds{0};
    } else {
      w.settings.spread.modes = {Mode::kInventory};
    }
    w.start();
    // The market list is asked for on the first tick, too, and again two seconds after a refusal:
    // wallets would have been by then.
    REQUIRE(WalletWorld::eventually([&] { return w.desk.asked(kKorbitMarkets) >= 2; }));
    w.feeds->stop();
    CHECK(w.desk.asked(kKorbitRoute) == 0);
    CHECK(w.desk.asked(kGateRoute) == 0);
  }
}

TEST_CASE("a wallet route's 429 pauses the polls of the order books, too") {
  WalletWorld w;
  w.settings.venues.resize(1);
  w.settings.venues[0].fallback_after = 10ms;
  w.settings.venues[0].fallback_poll = 20ms;
  w.settings.wallets.poll = 1s;
  w.desk.answer(kKorbitRoute, {kKorbitWallets});
  w.desk.answer(kKorbitMarkets,
                {R"({"success":true,"data":[{"symbol":"btc_krw","status":"launched",)"
                 R"("baseCurrency":"btc","quoteCurrency":"krw"}]})"});
  w.desk.answer("/v2/orderbook",
                {R"({"success":true,"data":{"timestamp":1708057740895,)"
                 R"("bids":[{"price":"99","qty":"1"}],"asks":[{"price":"101","qty":"1"}]}})"});
  w.start();
  REQUIRE(WalletWorld::eventually(
      [&] { return w.desk.asked(kKorbitRoute) > 0 && w.desk.asked("/v2/orderbook") > 2; }));
  w.desk.answer(kKorbitRoute, {"", "429 Too Many Requests", "Retry-After: 4\r\n"});
  // Order books are asked for every 20 ms, but for once.
  CHECK(WalletWorld::eventually([&] { return w.desk.longest_pause() > 3500ms; }));
  CHECK(series(w.registry, requests("rate_limited", "korbit")) >= 1);
}

/// A clock that the test sets.
class SetClock final : public Clock {
 public:
  Timestamp now() const override { return time; }
  Timestamp time = timestamp_from_ms(1'790'000'000'000);
};

/// The wallets of one venue without feeds around them, on a loop that the test turns.
struct AloneWallets {
  explicit AloneWallets(VenueId id = VenueId::kKorbit, milliseconds interval = 60s)
      : venue(id),
        metrics(registry, std::vector<VenueId>{id}),
        normalizer(id),
        budget(normalizer.adapter().profile()),
        feed(std::make_unique<WalletFeed>(
            VenueContext{io, tls, clock, normalizer, budget, rest, metrics.venue(id), sink},
            WalletFeed::Settings{id, desk.url(), interval, 5s})) {}

  /// Turns the loop at `start + later` until nothing is under way.
  void turn(milliseconds later = 0ms) {
    feed->tick(start + later);
    const auto end = std::chrono::steady_clock::now() + 10s;
    while (rest.in_flight() > 0 && std::chrono::steady_clock::now() < end) {
      if (io.stopped()) io.restart();
      io.run_one_for(1ms);
    }
    REQUIRE(rest.in_flight() == 0);
  }
  double count(const std::string& reason) const {
    return series(registry, requests(reason, std::string{to_string(venue)}));
  }

  const VenueId venue;
  const SteadyTime start = std::chrono::steady_clock::now();
  WalletDesk desk;
  boost::asio::io_context io;
  SetClock clock;
  metrics::Registry registry;
  metrics::IngestMetrics metrics;
  TlsClient tls;
  Normalizer normalizer;
  VenueBudget budget;
  RestClient rest{io};
  WalletEars sink;
  std::unique_ptr<WalletFeed> feed;
};

TEST_CASE("a ban that any request has met keeps wallets from being asked for until it ends") {
  AloneWallets a;
  a.desk.answer(kKorbitRoute, {kKorbitWallets});
  int status = 0;
  SUBCASE("429") { status = 429; }
  SUBCASE("418") { status = 418; }
  a.budget.refused_rest(a.clock.time, status, 600s);
  a.turn();
  a.turn(300s);
  CHECK(a.desk.asked(kKorbitRoute) == 0);
  a.clock.time += 599s;
  a.turn(599s);
  CHECK(a.desk.asked(kKorbitRoute) == 0);
  a.clock.time += 1s;
  a.turn(600s);
  CHECK(a.desk.asked(kKorbitRoute) == 1);
  CHECK(a.sink.wallets().size() == 1);
}

TEST_CASE("a wallet route's 429 pauses every other request of the venue for as long as it says") {
  AloneWallets a;
  a.desk.answer(kKorbitRoute, {"", "429 Too Many Requests", "Retry-After: 77\r\n"});
  CHECK(a.budget.take_rest(a.clock.time).count() == 0);
  a.turn();
  CHECK(a.budget.rest_paused_until(a.clock.time) == a.clock.time + 77s);
  CHECK(a.budget.take_rest(a.clock.time) == 77s);
  CHECK(a.budget.take_connect(a.clock.time).count() == 0);
  CHECK(a.count("rate_limited") == 1);
  CHECK(a.sink.errors().front().error.code == ErrorCode::kRateLimited);
  SUBCASE("a ban pauses connects as well") {
    a.clock.time += 77s;
    a.desk.answer(kKorbitRoute, {"", "418 I'm a teapot", "Retry-After: 99\r\n"});
    a.turn(77s);
    CHECK(a.budget.take_connect(a.clock.time) == 99s);
  }
}

TEST_CASE("a venue that says in the body of a 200 that it is asked too often is left alone") {
  AloneWallets a(VenueId::kCoinone);
  a.desk.answer(kCoinoneRoute,
                {R"({"result":"error","error_code":"4","error_msg":"Blocked user access"})"});
  a.turn();
  CHECK(a.budget.rest_paused_until(a.clock.time).has_value());
  CHECK(a.sink.errors().size() == 1);
  SUBCASE("in its own words") {
    AloneWallets b(VenueId::kGateio);
    b.desk.answer(kGateRoute, {R"({"label":"TOO_MANY_REQUESTS","message":"slow down"})"});
    b.turn();
    CHECK(b.budget.rest_paused_until(b.clock.time).has_value());
  }
  SUBCASE("another error is no refusal") {
    AloneWallets b(VenueId::kCoinone);
    b.desk.answer(kCoinoneRoute, {R"({"result":"error","error_code":"11"})"});
    b.turn();
    CHECK_FALSE(b.budget.rest_paused_until(b.clock.time).has_value());
    CHECK(b.sink.errors().size() == 1);
  }
}

TEST_CASE("wallets leave a quarter of the REST budget to what cannot wait") {
  AloneWallets a(VenueId::kKorbit, 1ms);
  a.desk.answer(kKorbitRoute, {kKorbitWallets});
  // 50 in a second are allowed, 40 in a second and a half taken at most, 30 by what can wait.
  for (int i = 0; i < 29; ++i) CHECK(a.budget.take_rest(a.clock.time).count() == 0);
  a.turn();
  CHECK(a.desk.asked(kKorbitRoute) == 1);
  a.turn(10s);
  CHECK(a.desk.asked(kKorbitRoute) == 1);
  for (int i = 0; i < 10; ++i) CHECK(a.budget.take_rest(a.clock.time).count() == 0);
  a.clock.time += 1500ms;
  a.turn(11s);
  CHECK(a.desk.asked(kKorbitRoute) == 2);
}

TEST_CASE("a route that fails is asked again after 30 s, then ever later, up to an hour") {
  AloneWallets a;
  std::string reason;
  SUBCASE("a refused request") {
    a.desk.answer(kKorbitRoute, {"", "500 Internal Server Error"});
    reason = "http_status";
  }
  SUBCASE("an answer that is none") {
    a.desk.answer(kKorbitRoute, {"<html>"});
    reason = "ok";
  }
  a.turn();
  CHECK(a.desk.asked(kKorbitRoute) == 1);
  // A pause counts from the answer, which comes in the test's own time, soon after the start.
  milliseconds pause = 30s;
  for (int asked = 2; asked <= 10; ++asked) {
    CAPTURE(asked);
    a.turn(pause - 1ms);
    CHECK(a.desk.asked(kKorbitRoute) == asked - 1);
    a.turn(pause + 20s);
    CHECK(a.desk.asked(kKorbitRoute) == asked);
    pause = std::min<milliseconds>(pause * 2, 3600s);
  }
  CHECK(a.count(reason) == 10);
  CHECK(a.sink.errors().size() == 10);
  // One that works is asked for every interval again.
  a.desk.answer(kKorbitRoute, {kKorbitWallets});
  a.turn(2h);
  CHECK(a.sink.wallets().size() == 1);
  a.turn(59s);
  CHECK(a.desk.asked(kKorbitRoute) == 11);
  a.turn(80s);
  CHECK(a.desk.asked(kKorbitRoute) == 12);
}

TEST_CASE("an unusable wallet answer is captured, counted and told with what it was") {
  AloneWallets a;
  a.desk.answer(kKorbitRoute, {"<html>"});
  a.turn();
  REQUIRE(a.sink.raw().size() == 1);
  CHECK(a.sink.raw().front().payload == "<html>");
  REQUIRE(a.sink.errors().size() == 1);
  CHECK(a.sink.errors().front().error.code == ErrorCode::kMalformedJson);
  CHECK(a.sink.errors().front().payload == "<html>");
  CHECK(series(
            a.registry,
            "spreadwatch_ingest_decode_errors_total{reason=\"malformed_json\",venue=\"korbit\"}") ==
        1);
}

TEST_CASE("a wallet answer longer than allowed is refused, not read") {
  AloneWallets a;
  a.desk.answer(kKorbitRoute, {std::string(WalletFeed::kMaxBodyBytes + 1, ' ')});
  a.turn();
  CHECK(a.count("oversized_frame") == 1);
  CHECK(a.sink.raw().empty());
  REQUIRE(a.sink.errors().size() == 1);
  CHECK(a.sink.errors().front().error.code == ErrorCode::kOversizedFrame);
}

TEST_CASE("after stop no wallet is told and none asked for") {
  AloneWallets a;
  a.desk.answer(kKorbitRoute, {kKorbitWallets});
  a.feed->tick(a.start);
  a.feed->stop();
  a.turn();
  a.turn(120s);
  CHECK(a.desk.asked(kKorbitRoute) == 1);
  CHECK(a.sink.wallets().empty());
  CHECK(a.sink.raw().empty());
}

}  // namespace
}  // namespace spreadwatch::ingest
