#include "ingest/live/rest_fallback.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <atomic>
#include <boost/asio/io_context.hpp>
#include <chrono>
#include <condition_variable>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <variant>
#include <vector>

#include "ingest/live/live_feeds.h"
#include "metrics/registry.h"
#include "tests/live/bybit_feeds.h"

namespace spreadwatch::ingest {
namespace {

using namespace std::chrono_literals;
using test::FakeBybit;

const Instrument kPolledBtc{"BTC", "USDT"};
const Instrument kPolledEth{"ETH", "USDT"};

/// The order books and errors that the feeds told of, in order.
class Heard final : public LiveSink {
 public:
  void on_event(MarketEvent event) override {
    const std::lock_guard lock(mutex_);
    if (const auto* const book = std::get_if<OrderBook>(&event)) books_.push_back(*book);
    if (const auto* const ticker = std::get_if<Ticker>(&event)) tickers_.push_back(*ticker);
    if (const auto* const error = std::get_if<FeedError>(&event)) errors_.push_back(*error);
    changed_.notify_all();
  }
  void on_raw(VenueId, const Frame& frame, bool) override {
    const std::lock_guard lock(mutex_);
    if (frame.channel == kPolledChannel) ++polled_frames_;
  }

  /// Waits until `matches` holds for a book from number `from` on.
  bool until_book(std::size_t from, const std::function<bool(const OrderBook&)>& matches,
                  std::chrono::milliseconds limit = 10s) {
    std::unique_lock lock(mutex_);
    return changed_.wait_for(lock, limit, [&] {
      return std::any_of(books_.begin() + static_cast<std::ptrdiff_t>(from), books_.end(), matches);
    });
  }
  bool until_ticker(Origin origin) {
    std::unique_lock lock(mutex_);
    return changed_.wait_for(lock, 10s, [&] {
      return std::any_of(tickers_.begin(), tickers_.end(),
                         [&](const Ticker& t) { return t.origin == origin; });
    });
  }
  bool until_error(ErrorCode code) {
    std::unique_lock lock(mutex_);
    return changed_.wait_for(lock, 10s, [&] {
      return std::any_of(errors_.begin(), errors_.end(),
                         [&](const FeedError& e) { return e.error.code == code; });
    });
  }
  std::vector<OrderBook> books() const {
    const std::lock_guard lock(mutex_);
    return books_;
  }
  std::size_t size() const { return books().size(); }
  int polled_frames() const {
    const std::lock_guard lock(mutex_);
    return polled_frames_;
  }

 private:
  mutable std::mutex mutex_;
  std::condition_variable changed_;
  std::vector<OrderBook> books_;  // guarded by mutex_, as are the others
  std::vector<Ticker> tickers_;
  std::vector<FeedError> errors_;
  int polled_frames_ = 0;
};

auto synced(const Instrument& instrument, Origin origin) {
  return [instrument, origin](const OrderBook& b) {
    return b.synced() && b.instrument == instrument && b.origin == origin;
  };
}

struct World : test::BybitFeeds<Heard> {
  World() {
    bybit().fallback_after = 150ms;
    bybit().fallback_poll = 100ms;
    bybit().audit_interval = 0ms;
  }

  void start() {
    BybitFeeds::start();
    REQUIRE(sink.until_book(0, synced(kPolledBtc, Origin::kWs)));
    REQUIRE(sink.until_book(0, synced(kPolledEth, Origin::kWs)));
  }
  /// Returns when both books are down: what comes from then on is of another connection.
  void lose_socket() {
    const std::size_t from = sink.size();
    venue.refuse("503 Service Unavailable", "");
    venue.close_all();
    for (const Instrument& instrument : {kPolledBtc, kPolledEth}) {
      REQUIRE(sink.until_book(from, [&](const OrderBook& b) {
        return b.instrument == instrument && b.state == FeedState::kDown;
      }));
    }
  }

  double metric(const std::string& series) const {
    const std::string text = registry.text();
    const std::size_t at = text.find("\n" + series + " ");
    return at == std::string::npos ? -1 : std::stod(text.substr(at + series.size() + 2));
  }
};

constexpr const char* kActive = "spreadwatch_ingest_rest_fallback_active{venue=\"bybit\"}";
constexpr const char* kLate = "spreadwatch_ingest_rest_late_answers_total{venue=\"bybit\"}";

TEST_CASE("ten times: the socket goes, data comes over REST, the socket returns and REST ends") {
  World w;
  w.start();
  for (int i = 0; i < 10; ++i) {
    CAPTURE(i);
    std::size_t from = w.sink.size();
    w.lose_socket();
    REQUIRE(w.sink.until_book(from, synced(kPolledBtc, Origin::kRest)));
    REQUIRE(w.sink.until_book(from, synced(kPolledEth, Origin::kRest)));
    CHECK(w.metric(kActive) == 1);
    from = w.sink.size();
    w.venue.refuse("", "");
    REQUIRE(w.sink.until_book(from, synced(kPolledBtc, Origin::kWs)));
    REQUIRE(w.sink.until_book(from, synced(kPolledEth, Origin::kWs)));
    REQUIRE(World::eventually([&] { return w.metric(kActive) == 0; }));
  }
  CHECK(w.sink.until_ticker(Origin::kRest));
  CHECK(w.metric("spreadwatch_ingest_reconnect_attempts_total{venue=\"bybit\"}") >= 10);
  w.feeds->stop();
  // Never both at once: REST only between the loss of the socket's book and its return.
  for (const Instrument& instrument : {kPolledBtc, kPolledEth}) {
    bool socket_synced = false;
    std::uint64_t switches = 0;
    for (const OrderBook& book : w.sink.books()) {
      if (book.instrument != instrument) continue;
      if (book.connection == kPolledConnection) {
        CHECK(book.origin == Origin::kRest);
        CHECK_FALSE(socket_synced);
        continue;
      }
      if (book.synced() != socket_synced) ++switches;
      socket_synced = book.synced();
    }
    CHECK(switches == 21);
  }
}

TEST_CASE("while the socket is down the feeds say where the data comes from") {
  World w;
  w.start();
  w.lose_socket();
  REQUIRE(World::eventually([&] {
    const auto all = w.feeds->feeds();
    return all.size() == 4 && std::all_of(all.begin(), all.end(), [](const FeedStatus& s) {
             return s.origin == Origin::kRest && s.state == FeedState::kSynced;
           });
  }));
  w.venue.refuse("", "");
  REQUIRE(World::eventually([&] {
    const auto all = w.feeds->feeds();
    return std::all_of(all.begin(), all.end(), [](const FeedStatus& s) {
      return s.origin == Origin::kWs && s.state == FeedState::kSynced;
    });
  }));
}

TEST_CASE("of two streams on one connection only the silent one is polled") {
  World w;
  w.start();
  // Its usual pause has to be known first.
  REQUIRE(World::eventually([&] { return w.sink.size() > 60; }));
  const std::size_t from = w.sink.size();
  w.venue.withhold("orderbook.50.ETHUSDT", true);
  REQUIRE(w.sink.until_book(from, synced(kPolledEth, Origin::kRest)));
  REQUIRE(World::eventually([&] { return w.venue.rest_books("ETHUSDT") >= 5; }));
  CHECK(w.venue.rest_books("BTCUSDT") == 0);
  CHECK(w.metric("spreadwatch_ingest_rest_fallback_instruments{venue=\"bybit\"}") == 1);
  const std::size_t back = w.sink.size();
  w.venue.withhold("orderbook.50.ETHUSDT", false);
  REQUIRE(w.sink.until_book(back, synced(kPolledEth, Origin::kWs)));
  CHECK(World::eventually([&] { return w.metric(kActive) == 0; }));
}

TEST_CASE("an answer that comes after the socket's book is dropped and counted") {
  World w;
  w.start();
  w.venue.hold_rest(true);
  w.lose_socket();
  REQUIRE(World::eventually([&] { return w.venue.rest_books() == 2; }));
  const std::size_t from = w.sink.size();
  w.venue.refuse("", "");
  REQUIRE(w.sink.until_book(from, synced(kPolledBtc, Origin::kWs)));
  REQUIRE(w.sink.until_book(from, synced(kPolledEth, Origin::kWs)));
  w.venue.hold_rest(false);
  REQUIRE(World::eventually([&] { return w.metric(kLate) >= 2; }));
  w.feeds->stop();
  for (const OrderBook& book : w.sink.books()) CHECK(book.origin == Origin::kWs);
  CHECK(w.sink.polled_frames() == 0);  // nor does a capture hold it
}

TEST_CASE("a 429 pauses the polls for as long as it says") {
  World w;
  w.start();
  w.venue.refuse_rest("429 Too Many Requests", "Retry-After: 2\r\n");
  w.lose_socket();
  REQUIRE(w.sink.until_error(ErrorCode::kRateLimited));
  const auto refused = std::chrono::steady_clock::now();
  // Those that were under way together when the first was refused, and no more.
  REQUIRE(World::eventually([&] {
    return w.metric(
               "spreadwatch_ingest_rest_requests_total{reason=\"rate_limited\",venue="
               "\"bybit\"}") == RestFallback::kMaxInFlight;
  }));
  CHECK(w.venue.rest_books("refused") == RestFallback::kMaxInFlight);
  w.venue.refuse_rest("");
  const std::size_t from = w.sink.size();
  REQUIRE(w.sink.until_book(from, synced(kPolledBtc, Origin::kRest)));
  CHECK(std::chrono::steady_clock::now() - refused > 1'800ms);
}

TEST_CASE("a polled book whose polls fail is taken back, with the reason") {
  World w;
  w.settings.venues[0].liveness = 600ms;
  w.start();
  std::size_t from = w.sink.size();
  w.lose_socket();
  REQUIRE(w.sink.until_book(from, synced(kPolledBtc, Origin::kRest)));
  from = w.sink.size();
  w.venue.refuse_rest("500 Internal Server Error");
  REQUIRE(w.sink.until_book(from, [](const OrderBook& b) {
    return b.instrument == kPolledBtc && b.connection == kPolledConnection &&
           b.state == FeedState::kDown && b.reason == ErrorCode::kHttpStatus && b.bids.empty();
  }));
  from = w.sink.size();
  w.venue.refuse_rest("");
  REQUIRE(w.sink.until_book(from, synced(kPolledBtc, Origin::kRest)));
}

/// The state of a ticker as the feeds show it.
FeedStatus ticker_status(const World& w, const std::string& symbol) {
  for (const FeedStatus& s : w.feeds->feeds()) {
    if (s.channel == Channel::kTicker && s.symbol == symbol) return s;
  }
  return {};
}

TEST_CASE("a polled ticker whose polls fail is no longer shown as synced, and says why") {
  World w;
  w.bybit().liveness = 600ms;
  w.start();
  w.lose_socket();
  const auto polled = [&] {
    const FeedStatus s = ticker_status(w, "BTC-USDT");
    return s.state == FeedState::kSynced && s.origin == Origin::kRest;
  };
  REQUIRE(World::eventually(polled));
  CHECK(w.metric("spreadwatch_ingest_ticker_age_seconds{venue=\"bybit\"}") >= 0);
  w.venue.refuse_rest("500 Internal Server Error");
  REQUIRE(World::eventually([&] {
    const FeedStatus s = ticker_status(w, "BTC-USDT");
    return s.state == FeedState::kDown && s.reason.has_value();
  }));
  REQUIRE(World::eventually(
      [&] { return w.metric("spreadwatch_ingest_tickers_synced{venue=\"bybit\"}") == 0; }));
  CHECK(w.metric("spreadwatch_ingest_ticker_age_seconds{venue=\"bybit\"}") == -1);  // absent
  CHECK(w.metric("spreadwatch_ingest_ticker_last_update_timestamp_seconds{venue=\"bybit\"}") > 0);
  w.venue.refuse_rest("");
  CHECK(World::eventually(polled));
}

TEST_CASE("a ticker whose stream is silent on a live connection is what REST says of it") {
  World w;
  w.bybit().liveness = 600ms;
  w.settings.spread.max_quiet = 1s;
  w.options.first_data = 60s;
  // One ticker on subscribing and none afterwards: quiet, or stalled.
  w.venue.refuse_rest("500 Internal Server Error");
  w.start();
  REQUIRE(World::eventually([&] {
    const FeedStatus s = ticker_status(w, "BTC-USDT");
    return s.state == FeedState::kStale && s.reason == ErrorCode::kHttpStatus;
  }));
  w.venue.refuse_rest("");
  REQUIRE(World::eventually([&] {
    const FeedStatus s = ticker_status(w, "BTC-USDT");
    return s.state == FeedState::kSynced && s.origin == Origin::kRest;
  }));
}

TEST_CASE("what is removed is taken back and polled no longer, over REST as over the socket") {
  World w;
  w.start();
  w.lose_socket();
  std::size_t from = w.sink.size();
  REQUIRE(w.sink.until_book(from, synced(kPolledBtc, Origin::kRest)));
  REQUIRE(w.sink.until_book(from, synced(kPolledEth, Origin::kRest)));
  from = w.sink.size();
  w.feeds->remove(VenueId::kBybit, kPolledEth);
  REQUIRE(w.sink.until_book(from, [](const OrderBook& b) {
    return b.instrument == kPolledEth && b.connection == kPolledConnection &&
           b.state == FeedState::kDown && !b.reason;
  }));
  CHECK(World::eventually([&] {
    return w.metric("spreadwatch_ingest_rest_fallback_instruments{venue=\"bybit\"}") == 1;
  }));
  // What was under way ends, then only the other one is asked for.
  const int others = w.venue.rest_books("BTCUSDT");
  REQUIRE(World::eventually([&] { return w.venue.rest_books("BTCUSDT") >= others + 3; }));
  const int asked = w.venue.rest_books("ETHUSDT");
  REQUIRE(World::eventually([&] { return w.venue.rest_books("BTCUSDT") >= others + 20; }));
  CHECK(w.venue.rest_books("ETHUSDT") == asked);
  w.feeds->stop();
  bool gone = false;
  for (const OrderBook& book : w.sink.books()) {
    if (book.instrument != kPolledEth || book.connection != kPolledConnection) continue;
    CHECK_FALSE((gone && book.synced()));
    gone = gone || !book.synced();
  }
}

TEST_CASE("a crossed REST book, or one older than the socket's last, is not shown") {
  World w;
  w.start();
  ErrorCode expected{};
  SUBCASE("crossed") {
    w.venue.rest_book(FakeBybit::RestBook::kCrossed);
    expected = ErrorCode::kCrossedBook;
  }
  SUBCASE("old") {
    w.venue.rest_book(FakeBybit::RestBook::kOld);
    expected = ErrorCode::kOutOfOrder;
  }
  const std::size_t from = w.sink.size();
  w.lose_socket();
  const std::string name{to_string(expected)};
  REQUIRE(World::eventually([&] {
    return w.metric("spreadwatch_ingest_decode_errors_total{reason=\"" + name +
                    "\",venue=\"bybit\"}") > 0;
  }));
  CHECK_FALSE(w.sink.until_book(from, synced(kPolledBtc, Origin::kRest), 300ms));
  w.venue.rest_book(FakeBybit::RestBook::kTrue);
  CHECK(w.sink.until_book(from, synced(kPolledBtc, Origin::kRest)));
}

/// No window of a budget ever moves on, however long the machine takes.
class StoppedClock final : public Clock {
 public:
  Timestamp now() const override { return now_; }

 private:
  const Timestamp now_ = SystemClock{}.now();
};

/// A fallback without feeds around it, on a loop that the test turns.
struct Alone {
  explicit Alone(milliseconds poll)
      : fallback({io, tls, clock, normalizer, budget, rest, metrics.venue(VenueId::kBybit), sink},
                 {.venue = VenueId::kBybit,
                  .rest_url = venue.rest_url(),
                  .after = 1ms,
                  .poll = poll,
                  .depth = 50}) {}

  void turn() {
    fallback.tick(std::chrono::steady_clock::now());
    if (io.stopped()) io.restart();
    io.run_one_for(1ms);
  }

  FakeBybit venue;
  boost::asio::io_context io;
  StoppedClock clock;
  metrics::Registry registry;
  metrics::IngestMetrics metrics{registry, std::vector<VenueId>{VenueId::kBybit}};
  TlsClient tls;
  Normalizer normalizer{VenueId::kBybit};
  VenueBudget budget{normalizer.adapter().profile()};
  RestClient rest{io};
  Heard sink;
  RestFallback fallback;
};

TEST_CASE("polls never take more than three quarters of the REST budget") {
  Alone a(1ms);
  for (int i = 0; i < 40; ++i) {
    a.fallback.watch({"A" + std::to_string(i), "USDT"}, std::chrono::steady_clock::now());
  }
  // 600 in a window are allowed, 480 of them taken at most, 360 by what can wait.
  constexpr int kShare = 360;
  const auto asked = [&] { return a.venue.rest_books() + a.venue.rest_tickers(); };
  const auto run = [&](std::chrono::milliseconds time, int enough) {
    const auto end = std::chrono::steady_clock::now() + time;
    while (std::chrono::steady_clock::now() < end && asked() < enough) {
      a.turn();
    }
  };
  run(40s, kShare);
  REQUIRE(asked() == kShare);
  // Books that are always due do not starve the tickers.
  CHECK(a.venue.rest_tickers() >= 3);
  CHECK(a.venue.rest_tickers() < kShare / 4);
  run(1s, kShare + 1);
  CHECK(asked() == kShare);
  CHECK(a.budget.take_rest(a.clock.now(), 1).count() == 0);
  a.fallback.stop();
}

TEST_CASE("while the polled book is shown, the socket's empty one is not passed on") {
  Alone a(RestFallback::Settings{}.poll);
  const auto now = [] { return std::chrono::steady_clock::now(); };
  OrderBook socket;
  socket.venue = VenueId::kBybit;
  socket.instrument = kPolledBtc;
  socket.state = FeedState::kFaulted;
  a.fallback.watch(kPolledBtc, now());
  CHECK(a.fallback.on_socket_book(socket, now()));  // nothing stands in its place yet
  const auto end = now() + 8s;
  while (a.sink.size() == 0 && now() < end) {
    a.turn();
  }
  REQUIRE(a.sink.size() > 0);
  CHECK(a.fallback.active(Channel::kOrderBook, kPolledBtc));
  CHECK_FALSE(a.fallback.on_socket_book(socket, now()));
  CHECK(a.fallback.active(Channel::kOrderBook, kPolledBtc));
  socket.state = FeedState::kSynced;
  CHECK(a.fallback.on_socket_book(socket, now()));
  CHECK_FALSE(a.fallback.active(Channel::kOrderBook, kPolledBtc));
  a.fallback.stop();
}

/// What a fallback told, on the test's thread.
class Told final : public LiveSink {
 public:
  void on_event(MarketEvent event) override {
    if (const auto* const ticker = std::get_if<Ticker>(&event)) ++tickers[ticker->instrument.base];
    if (const auto* const book = std::get_if<OrderBook>(&event)) {
      if (book->synced()) ++books[book->instrument.base];
    }
    if (const auto* const error = std::get_if<FeedError>(&event)) errors.push_back(*error);
  }
  long errors_of(ErrorCode code) const {
    return std::ranges::count_if(errors, [&](const FeedError& e) { return e.error.code == code; });
  }

  std::map<std::string, int> tickers;
  std::map<std::string, int> books;
  std::vector<FeedError> errors;
};

/// REST of a venue whose assets have three letters each. Like the real one it refuses a call whole
/// for one market that it does not know.
class RefusingVenue {
 public:
  RefusingVenue(VenueId venue, std::vector<std::string> assets, std::string unknown)
      : venue_(venue),
        assets_(std::move(assets)),
        unknown_(std::move(unknown)),
        server_([this](test::Peer& peer) { serve(peer); }) {}

  std::string url() const { return server_.url("http"); }
  /// How many requests of this kind named the asset (any when it is empty).
  long asked(const std::string& path, const std::string& asset = {}) const {
    return std::ranges::count_if(asked_.lines(), [&](const std::string& target) {
      return target.starts_with(path) && target.find(asset) != std::string::npos;
    });
  }

 private:
  void serve(test::Peer& peer) {
    const std::string target = peer.target();
    asked_.add(target);
    if (target.find(unknown_) != std::string::npos) return refuse(peer);
    const bool book = target.find("orderbook") != std::string::npos;
    if (target.find("depth") != std::string::npos || target.find("Depth") != std::string::npos) {
      return refuse(peer);  // of no interest here
    }
    std::string rows;
    int count = 0;
    for (const std::string& asset : assets_) {
      if (target.find(asset) == std::string::npos) continue;
      if (count++ > 0) rows += ",";
      rows += row(asset, book);
    }
    if (venue_ == VenueId::kKraken) {
      peer.respond(R"({"error":[],"result":{)" + rows + "}}");
    } else if (venue_ == VenueId::kBinance && count == 1 &&
               target.find("symbols=") == std::string::npos) {
      peer.respond(rows);
    } else {
      peer.respond("[" + rows + "]");
    }
  }

  void refuse(test::Peer& peer) const {
    if (venue_ == VenueId::kKraken) {
      peer.respond(R"({"error":["EQuery:Unknown asset pair"]})");
    } else if (venue_ == VenueId::kBinance) {
      peer.respond(R"({"code":-1121,"msg":"Invalid symbol."})", "400 Bad Request");
    } else if (venue_ == VenueId::kBithumb) {
      peer.respond(R"({"error":{"name":404,"message":"Code not found"}})");
    } else {
      peer.respond(R"({"error":{"name":404,"message":"Code not found"}})", "404 Not Found");
    }
  }

  std::string row(const std::string& asset, bool book) const {
    if (venue_ == VenueId::kKraken) {
      return "\"" + asset +
             R"(USD":{"a":["3.1","1","1"],"b":["3.0","1","1"],"c":["3.0","1"],"v":["4","4"],)"
             R"("p":["3","3"],"t":[3,3],"l":["2","2"],"h":["4","4"],"o":"3"})";
    }
    if (venue_ == VenueId::kBinance) {
      return R"({"symbol":")" + asset +
             R"(USDT","lastPrice":"3","openPrice":"3","highPrice":"4","lowPrice":"2","volume":"5",)"
             R"("priceChange":"0","closeTime":1786512440253})";
    }
    if (book) {
      return R"({"market":"KRW-)" + asset +
             R"(","timestamp":1786512440253,"total_ask_size":1.5,"total_bid_size":2.5,)"
             R"("orderbook_units":[{"ask_price":31,"bid_price":30,"ask_size":1.5,"bid_size":2.5}]})";
    }
    return R"({"market":"KRW-)" + asset +
           R"(","trade_date":"20260812","trade_time":"052720","trade_date_kst":"20260812",)"
           R"("trade_time_kst":"142720","opening_price":30,"high_price":31,"low_price":29,)"
           R"("trade_price":30,"prev_closing_price":30,"trade_timestamp":1786512440253,)"
           R"("timestamp":1786512440253})";
  }

  const VenueId venue_;
  const std::vector<std::string> assets_;
  const std::string unknown_;
  test::Log asked_;
  test::TestServer server_;  // last: its threads use the rest
};

/// The fallback of one venue without feeds around it.
struct Polled {
  Polled(VenueId venue, const std::string& url)
      : metrics(registry, std::vector<VenueId>{venue}),
        normalizer(venue),
        fallback({io, tls, clock, normalizer, budget, rest, metrics.venue(venue), sink},
                 {.venue = venue, .rest_url = url, .after = 1ms, .poll = 20ms, .depth = 5}) {}
  ~Polled() { fallback.stop(); }
  Polled(const Polled&) = delete;
  Polled& operator=(const Polled&) = delete;

  template <class F>
  bool until(F&& condition, std::chrono::milliseconds limit = 12s) {
    const auto end = std::chrono::steady_clock::now() + limit;
    while (!condition()) {
      if (std::chrono::steady_clock::now() >= end) return false;
      fallback.tick(std::chrono::steady_clock::now());
      if (io.stopped()) io.restart();
      io.run_one_for(1ms);
    }
    return true;
  }

  boost::asio::io_context io;
  SystemClock clock;
  metrics::Registry registry;
  metrics::IngestMetrics metrics;
  TlsClient tls;
  Normalizer normalizer;
  VenueBudget budget{VenueProfile{}};  // without limits: Kraken's is a request a second
  RestClient rest{io};
  Told sink;
  RestFallback fallback;
};

TEST_CASE("one market that a venue does not know freezes no other's polled ticker") {
  struct Case {
    VenueId venue;
    const char* quote;
    const char* path;
    std::vector<std::string> assets;
    long refused;  // calls: the whole, its half, …, the one
  };
  const std::vector<std::string> eight{"AAA", "KKK", "CCC", "DDD", "EEE", "FFF", "GGG", "NOP"};
  const std::vector<std::string> four{"AAA", "KKK", "CCC", "NOP"};
  for (const Case& c : std::vector<Case>{{VenueId::kBinance, "USDT", "/api/v3/ticker", eight, 4},
                                         {VenueId::kKraken, "USD", "/0/public/Ticker", eight, 4},
                                         {VenueId::kUpbit, "KRW", "/v1/ticker", four, 3},
                                         {VenueId::kBithumb, "KRW", "/v1/ticker", eight, 4}}) {
    CAPTURE(to_string(c.venue));
    RefusingVenue venue(c.venue, c.assets, "NOP");
    Polled polled(c.venue, venue.url());
    const auto start = std::chrono::steady_clock::now();
    for (const std::string& asset : c.assets) polled.fallback.watch({asset, c.quote}, start);
    const auto all_came = [&](int times) {
      return std::ranges::all_of(c.assets, [&](const std::string& asset) {
        return asset == "NOP" || polled.sink.tickers[asset] >= times;
      });
    };
    REQUIRE(polled.until([&] { return all_came(1) && venue.asked(c.path, "NOP") == c.refused; }));
    const long before = venue.asked(c.path);
    const int first = polled.sink.tickers["AAA"];
    REQUIRE(polled.until([&] { return all_came(first + 3); }));
    // From then on one call for all the others, and none for the one.
    CHECK(venue.asked(c.path) - before <= 6);
    CHECK(venue.asked(c.path, "NOP") == c.refused);
    CHECK(polled.sink.tickers["NOP"] == 0);
    const auto& errors = polled.sink.errors;
    const auto about_one = [&](const FeedError& e) {
      return e.error.code == ErrorCode::kUnknownSymbol &&
             e.symbol == polled.normalizer.adapter().venue_symbol({"NOP", c.quote});
    };
    CHECK(std::ranges::any_of(errors, about_one));
    CHECK(std::ranges::none_of(errors, [](const FeedError& e) { return e.symbol.empty(); }));
  }
}

TEST_CASE("one market that a venue does not know costs the other polled books one poll") {
  const std::vector<std::string> assets{"AAA", "KKK", "CCC", "NOP"};
  for (const VenueId id : {VenueId::kUpbit, VenueId::kBithumb}) {
    CAPTURE(to_string(id));
    RefusingVenue venue(id, assets, "NOP");
    Polled polled(id, venue.url());
    const auto start = std::chrono::steady_clock::now();
    for (const std::string& asset : assets) polled.fallback.watch({asset, "KRW"}, start);
    const auto all_came = [&](int times) {
      return std::ranges::all_of(assets, [&](const std::string& asset) {
        return asset == "NOP" || polled.sink.books[asset] >= times;
      });
    };
    REQUIRE(polled.until([&] { return all_came(1) && venue.asked("/v1/orderbook", "NOP") == 3; }));
    const long before = venue.asked("/v1/orderbook");
    const int first = polled.sink.books["AAA"];
    REQUIRE(polled.until([&] { return all_came(first + 3); }));
    // Three markets, three or four times: together, or on a slow machine each by itself; but never
    // again with the one that was refused.
    CHECK(venue.asked("/v1/orderbook") - before <= 12);
    CHECK(venue.asked("/v1/orderbook", "NOP") == 3);
  }
}

TEST_CASE("a venue that refuses everything is not asked for everything one by one") {
  // In no body is a word of markets.
  test::Log tickers;
  test::TestServer server([&](test::Peer& peer) {
    if (!peer.target().starts_with("/api/v3/ticker")) {
      peer.respond("{}", "503 Service Unavailable");
      return;
    }
    tickers.add(peer.target());
    peer.respond("{}", "404 Not Found");
  });
  Polled polled(VenueId::kBinance, server.url("http"));
  const auto start = std::chrono::steady_clock::now();
  for (char a = 'A'; a < 'G'; ++a) {
    for (char b = 'A'; b < 'K'; ++b) polled.fallback.watch({std::string{a, b}, "USDT"}, start);
  }
  REQUIRE(polled.until([&] { return tickers.size() >= 20; }));
  polled.until([&] { return std::chrono::steady_clock::now() - start > 600ms; });
  // Sixty in calls of twenty. Whoever splits all of them needs 117 calls a round; here a few are
  // split, and the next round comes after 20, 40, 80, … ms.
  // A slow machine has a round or two more.
  CHECK(tickers.size() <= 400);
  CHECK(polled.sink.errors_of(ErrorCode::kUnknownSymbol) == 0);
}

TEST_CASE("a bad row of a market that nobody watches is counted, and no more") {
  std::atomic<int> polls{0};
  test::TestServer server([&](test::Peer& peer) {
    if (!peer.target().starts_with("/v5/market/tickers")) {
      peer.respond("{}", "500 Internal Server Error");
      return;
    }
    ++polls;
    const auto row = [](const char* symbol, const char* last) {
      return std::string{R"({"symbol":")"} + symbol + R"(","lastPrice":")" + last +
             R"(","highPrice24h":"4","lowPrice24h":"2","prevPrice24h":"3","volume24h":"5"})";
    };
    peer.respond(R"({"retCode":0,"retMsg":"OK","result":{"category":"spot","list":[)" +
                 row("AAAUSDT", "3") + "," + row("XXXUSDT", "-3") + "," + row("KKKUSDT", "3") +
                 "," + row("YYYUSDT", "-3") + R"(]},"time":1786512440253})");
  });
  Polled polled(VenueId::kBybit, server.url("http"));
  const auto start = std::chrono::steady_clock::now();
  for (const char* asset : {"AAA", "KKK", "GON"}) polled.fallback.watch({asset, "USDT"}, start);
  REQUIRE(polled.until([&] { return polled.sink.tickers["AAA"] >= 20; }));
  CHECK(std::chrono::steady_clock::now() - start < 5s);
  CHECK(polled.sink.tickers["KKK"] >= 20);
  const auto of_symbol = [&](const char* symbol) {
    return std::ranges::count_if(polled.sink.errors,
                                 [&](const FeedError& e) { return e.symbol == symbol; });
  };
  CHECK(of_symbol("XXXUSDT") == 0);
  CHECK(of_symbol("YYYUSDT") == 0);
  CHECK(of_symbol("") == 0);
  CHECK(polled.registry.text().find("decode_errors_total{reason=\"value_out_of_range\"") !=
        std::string::npos);
  // What is watched and not in the list is told, once for a good while.
  CHECK(polled.sink.errors_of(ErrorCode::kUnknownSymbol) == 1);
  CHECK(of_symbol("GONUSDT") >= 1);
}

}  // namespace
}  // namespace spreadwatch::ingest
