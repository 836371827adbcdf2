#include "ingest/rest_fallback.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <boost/asio/io_context.hpp>
#include <chrono>
#include <condition_variable>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <variant>
#include <vector>

#include "ingest/live_feeds.h"
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

}  // namespace
}  // namespace spreadwatch::ingest
