#include "ingest/live/session.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <atomic>
#include <boost/asio/io_context.hpp>
#include <chrono>
#include <memory>
#include <set>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "metrics/registry.h"
#include "tests/live/fake_venue.h"
#include "tests/live/test_server.h"

namespace spreadwatch::ingest {
namespace {

using namespace std::chrono_literals;
using test::FakeBybit;
using test::Peer;
using test::TestServer;

const Instrument kBtc{"BTC", "USDT"};
const Instrument kEth{"ETH", "USDT"};
const std::string kBtcBook = "orderbook.50.BTCUSDT";
const std::string kEthBook = "orderbook.50.ETHUSDT";

class Recorder final : public LiveSink {
 public:
  void on_event(MarketEvent event) override { events.push_back(std::move(event)); }
  void on_raw(VenueId, const Frame& frame, bool was_sent) override {
    if (was_sent) sent.emplace_back(frame.payload);
  }

  template <class T, class F>
  long count(F&& matches) const {
    return std::count_if(events.begin(), events.end(), [&](const MarketEvent& e) {
      const T* const value = std::get_if<T>(&e);
      return value != nullptr && matches(*value);
    });
  }
  long synced(const Instrument& i) const {
    return count<OrderBook>([&](const OrderBook& b) { return b.instrument == i && b.synced(); });
  }
  long unsynced(const Instrument& i, std::optional<ErrorCode> reason) const {
    return count<OrderBook>(
        [&](const OrderBook& b) { return b.instrument == i && !b.synced() && b.reason == reason; });
  }
  long errors(ErrorCode code) const {
    return count<FeedError>([&](const FeedError& e) { return e.error.code == code; });
  }
  long status(bool alive) const {
    return count<ConnectionStatus>([&](const ConnectionStatus& s) { return s.alive == alive; });
  }
  void clear() { events.clear(); }

  std::vector<MarketEvent> events;
  std::vector<std::string> sent;
};

// A session with everything it needs, and the loop it lives on.
class Rig {
 public:
  explicit Rig(VenueId venue, SessionSettings s)
      : normalizer_(venue),
        budget_(normalizer_.adapter().profile()),
        rest_(io_),
        metrics_(registry_, std::vector<VenueId>{venue}) {
    s.venue = venue;
    s.backoff = {20ms, 200ms, 5ms};
    session = std::make_unique<Session>(
        VenueContext{io_, tls_, clock_, normalizer_, budget_, rest_, metrics_.venue(venue), sink},
        std::move(s));
  }

  template <class F>
  bool until(F&& condition, std::chrono::milliseconds limit = 8s) {
    const auto end = std::chrono::steady_clock::now() + limit;
    while (!condition()) {
      const auto now = std::chrono::steady_clock::now();
      if (now >= end) return false;
      session->tick(now);
      if (io_.stopped()) io_.restart();
      io_.run_one_for(10ms);
    }
    return true;
  }

  void subscribe(const std::vector<Instrument>& instruments, int depth = 50) {
    std::vector<Subscription> list;
    for (const Instrument& i : instruments) {
      list.push_back({Channel::kTicker, i, 0});
      list.push_back({Channel::kOrderBook, i, depth});
    }
    session->add(list);
  }
  std::vector<FeedStatus> status() const {
    std::vector<FeedStatus> out;
    session->append_status(clock_.now(), out);
    return out;
  }
  std::string metrics_text() const { return registry_.text(); }

 private:
  boost::asio::io_context io_;
  SystemClock clock_;
  metrics::Registry registry_;
  TlsClient tls_;
  Normalizer normalizer_;
  VenueBudget budget_;
  RestClient rest_;
  metrics::IngestMetrics metrics_;

 public:
  Recorder sink;
  std::unique_ptr<Session> session;
};

SessionSettings settings_for(const FakeBybit& venue) {
  SessionSettings s;
  s.ws_url = venue.ws_url();
  s.rest_url = venue.rest_url();
  return s;
}

TEST_CASE("a session connects, subscribes its share and shows what comes") {
  FakeBybit venue;
  Rig rig(VenueId::kBybit, settings_for(venue));
  rig.subscribe({kBtc, kEth});
  REQUIRE(rig.until([&] { return rig.sink.synced(kBtc) > 2 && rig.sink.synced(kEth) > 2; }));
  CHECK(rig.sink.count<Ticker>([](const Ticker& t) { return t.instrument == kBtc; }) == 1);
  CHECK(rig.sink.status(true) >= 1);
  CHECK(rig.sink.status(false) == 0);
  CHECK(rig.sink.errors(ErrorCode::kSequenceGap) == 0);
  const auto status = rig.status();
  REQUIRE(status.size() == 4);
  for (const FeedStatus& s : status) {
    CAPTURE(s.symbol);
    CHECK(s.state == FeedState::kSynced);
    CHECK(s.updated.has_value());
    CHECK(s.reconnects == 0);
  }
}

TEST_CASE("a silent line is dead within the liveness bound: books fall first, then it reconnects") {
  FakeBybit venue;
  SessionSettings s = settings_for(venue);
  s.liveness = 300ms;
  Rig rig(VenueId::kBybit, s);
  rig.subscribe({kBtc});
  REQUIRE(rig.until([&] { return rig.sink.synced(kBtc) > 0; }));
  rig.sink.clear();
  venue.go_silent(true);
  REQUIRE(rig.until([&] { return rig.sink.status(false) > 0; }));
  CHECK(venue.pings() > 0);
  // The first thing said of the loss is that the book is gone.
  const auto lost = std::find_if(rig.sink.events.begin(), rig.sink.events.end(), [](const auto& e) {
    const auto* const book = std::get_if<OrderBook>(&e);
    const auto* const status = std::get_if<ConnectionStatus>(&e);
    return (book != nullptr && !book->synced()) || (status != nullptr && !status->alive);
  });
  REQUIRE(lost != rig.sink.events.end());
  REQUIRE(std::holds_alternative<OrderBook>(*lost));
  CHECK(std::get<OrderBook>(*lost).state == FeedState::kDown);
  CHECK(std::get<OrderBook>(*lost).reason == ErrorCode::kTimeout);
  CHECK(rig.sink.errors(ErrorCode::kTimeout) >= 1);
  CHECK(rig.status().front().state == FeedState::kDown);
  CHECK(rig.status().front().reason == ErrorCode::kTimeout);

  venue.go_silent(false);
  rig.sink.clear();
  REQUIRE(rig.until([&] { return rig.sink.synced(kBtc) > 0; }));
  CHECK(rig.status().front().reconnects >= 1);
}

TEST_CASE("a quiet market with pongs is not a dead line") {
  FakeBybit venue;
  venue.withhold(kBtcBook, true);
  venue.withhold("tickers.BTCUSDT", true);
  SessionSettings s = settings_for(venue);
  s.liveness = 300ms;
  Rig rig(VenueId::kBybit, s);
  rig.subscribe({kBtc});
  REQUIRE(rig.until([&] { return venue.pings() >= 6; }));
  CHECK(rig.sink.status(false) == 0);
  CHECK(venue.upgrades() == 1);
}

TEST_CASE("a gap costs the one stream its book, which is subscribed anew; the other goes on") {
  FakeBybit venue;
  Rig rig(VenueId::kBybit, settings_for(venue));
  rig.subscribe({kBtc, kEth});
  REQUIRE(rig.until([&] { return rig.sink.synced(kBtc) > 0 && rig.sink.synced(kEth) > 0; }));
  venue.skip_one(kBtcBook);
  REQUIRE(rig.until([&] { return rig.sink.errors(ErrorCode::kSequenceGap) == 1; }));
  rig.sink.clear();
  REQUIRE(rig.until([&] { return rig.sink.synced(kBtc) > 2 && rig.sink.synced(kEth) > 2; }));
  CHECK(venue.subscribed(kBtcBook) == 2);
  CHECK(venue.unsubscribed(kBtcBook) == 1);
  CHECK(venue.subscribed(kEthBook) == 1);
  CHECK(venue.subscribed("tickers.BTCUSDT") == 1);
  CHECK(rig.sink.unsynced(kEth, ErrorCode::kSequenceGap) == 0);
  CHECK(rig.sink.status(false) == 0);
  CHECK(venue.upgrades() == 1);
  CHECK(rig.metrics_text().find("gap") != std::string::npos);
}

TEST_CASE("gap upon gap is answered more and more slowly") {
  FakeBybit venue;
  Rig rig(VenueId::kBybit, settings_for(venue));
  rig.subscribe({kBtc});
  REQUIRE(rig.until([&] { return rig.sink.synced(kBtc) > 0; }));
  const auto start = std::chrono::steady_clock::now();
  // Every resync is spoilt again: an answer at once, after 1 s and after 2 s leaves room for few.
  rig.until(
      [&] {
        venue.skip_one(kBtcBook);
        return std::chrono::steady_clock::now() - start > 2500ms;
      },
      4s);
  CHECK(venue.subscribed(kBtcBook) >= 2);
  CHECK(venue.subscribed(kBtcBook) <= 4);
}

TEST_CASE("an order book that does not come is asked for again until it does") {
  FakeBybit venue;
  venue.withhold(kBtcBook, true);
  SessionSettings s = settings_for(venue);
  s.first_data = 200ms;
  Rig rig(VenueId::kBybit, s);
  rig.subscribe({kBtc, kEth});
  REQUIRE(rig.until([&] { return venue.subscribed(kBtcBook) >= 2; }));
  venue.withhold(kBtcBook, false);
  REQUIRE(rig.until([&] { return rig.sink.synced(kBtc) > 0; }));
  CHECK(venue.subscribed(kEthBook) == 1);
  CHECK(venue.upgrades() == 1);
}

TEST_CASE("ten closes are ten reconnects, and data resumes each time") {
  FakeBybit venue;
  Rig rig(VenueId::kBybit, settings_for(venue));
  rig.subscribe({kBtc});
  for (int i = 1; i <= 10; ++i) {
    CAPTURE(i);
    REQUIRE(rig.until([&] { return rig.sink.synced(kBtc) > 0; }));
    venue.close_all();
    REQUIRE(rig.until([&] { return rig.sink.unsynced(kBtc, ErrorCode::kClosedByPeer) > 0; }));
    rig.sink.clear();
  }
  REQUIRE(rig.until([&] { return rig.sink.synced(kBtc) > 0; }));
  CHECK(rig.status().front().reconnects == 10);
  CHECK(venue.upgrades() == 11);
}

TEST_CASE("a refused upgrade is not repeated before Retry-After is over") {
  FakeBybit venue;
  venue.refuse("429 Too Many Requests", "Retry-After: 1\r\n");
  Rig rig(VenueId::kBybit, settings_for(venue));
  rig.subscribe({kBtc});
  REQUIRE(rig.until([&] { return rig.sink.errors(ErrorCode::kRateLimited) == 1; }));
  const auto start = std::chrono::steady_clock::now();
  venue.refuse("", "");
  REQUIRE(rig.until([&] { return rig.sink.synced(kBtc) > 0; }));
  CHECK(std::chrono::steady_clock::now() - start >= 900ms);
  CHECK(venue.upgrades() == 2);
}

TEST_CASE("what is removed is reported down, unsubscribed and not shown again") {
  FakeBybit venue;
  Rig rig(VenueId::kBybit, settings_for(venue));
  rig.subscribe({kBtc, kEth});
  REQUIRE(rig.until([&] { return rig.sink.synced(kBtc) > 0 && rig.sink.synced(kEth) > 0; }));
  const std::vector<Subscription> gone{{Channel::kTicker, kBtc, 0},
                                       {Channel::kOrderBook, kBtc, 50}};
  rig.sink.clear();
  rig.session->remove(gone, ErrorCode::kUnknownSymbol);
  CHECK(rig.sink.unsynced(kBtc, ErrorCode::kUnknownSymbol) == 1);
  REQUIRE(rig.until([&] { return venue.unsubscribed(kBtcBook) == 1; }));
  REQUIRE(rig.until([&] { return rig.sink.synced(kEth) > 5; }));
  CHECK(rig.sink.synced(kBtc) == 0);
  CHECK(rig.status().size() == 2);
}

TEST_CASE("a quiet synced book is asked for again") {
  // Upbit: whole books in binary frames, and a list that is always the whole list.
  test::Log lists;
  TestServer server([&](Peer& peer) {
    if (!peer.accept()) return;
    while (const auto message = peer.read()) {
      lists.add(*message);
      peer.send_binary(
          R"({"type":"orderbook","code":"KRW-BTC","timestamp":1786538729776,"total_ask_size":1.0,"total_bid_size":1.0,"orderbook_units":[{"ask_price":1.16539E8,"bid_price":1.16538E8,"ask_size":0.5,"bid_size":0.25}],"stream_type":"SNAPSHOT","level":0})");
    }
  });
  SessionSettings s;
  s.ws_url = server.url("ws") + "/websocket/v1";
  s.quiet = 300ms;
  Rig rig(VenueId::kUpbit, s);
  const Instrument btc{"BTC", "KRW"};
  const Instrument eth{"ETH", "KRW"};
  rig.subscribe({btc, eth}, 30);
  REQUIRE(rig.until([&] { return rig.sink.synced(btc) >= 3; }));
  for (const std::string& list : lists.lines()) {
    CHECK(list.find("KRW-BTC") != std::string::npos);
    CHECK(list.find("KRW-ETH") != std::string::npos);
  }
  CHECK(rig.sink.status(false) == 0);
}

TEST_CASE("a stream that spoke all the time and falls silent is asked for again, and no other") {
  FakeBybit venue;
  SessionSettings s = settings_for(venue);
  s.least_patience = 300ms;  // `quiet` stays at half a minute
  Rig rig(VenueId::kBybit, s);
  rig.subscribe({kBtc, kEth});
  REQUIRE(rig.until([&] { return rig.sink.synced(kBtc) > 10 && rig.sink.synced(kEth) > 10; }));
  CHECK(venue.subscribed(kBtcBook) == 1);
  venue.withhold(kBtcBook, true);
  REQUIRE(rig.until([&] { return venue.subscribed(kBtcBook) == 2; }));
  CHECK(rig.metrics_text().find("spreadwatch_ingest_stalls_total{venue=\"bybit\"} 1\n") !=
        std::string::npos);
  venue.withhold(kBtcBook, false);
  const long before = rig.sink.synced(kBtc);
  CHECK(rig.until([&] { return rig.sink.synced(kBtc) > before + 5; }));
  CHECK(venue.subscribed(kEthBook) == 1);
  CHECK(venue.connections() == 1);
}

TEST_CASE("a connection that answers pings and nothing else is left") {
  FakeBybit venue;
  for (const char* topic : {"orderbook.50.BTCUSDT", "tickers.BTCUSDT"}) venue.withhold(topic, true);
  SessionSettings s = settings_for(venue);
  s.first_data = 100ms;
  Rig rig(VenueId::kBybit, s);
  rig.subscribe({kBtc});
  REQUIRE(rig.until([&] { return venue.upgrades() == 2; }));
  CHECK(rig.sink.errors(ErrorCode::kTimeout) == 1);
  for (const char* topic : {"orderbook.50.BTCUSDT", "tickers.BTCUSDT"})
    venue.withhold(topic, false);
  CHECK(rig.until([&] { return rig.sink.synced(kBtc) > 5; }));
}

// Binance: deltas over the websocket, of every market that is subscribed, the first book over REST.
// Each REST answer is one of `answers`, in order, the last one for ever: an HTTP status, "unknown",
// or the lastUpdateId of a book, "now" = the newest.
class FakeBinance {
 public:
  explicit FakeBinance(std::vector<std::string> answers)
      : answers_(std::move(answers)), server_([this](Peer& peer) { serve(peer); }) {}

  std::string url(const std::string& scheme) const { return server_.url(scheme); }
  std::vector<std::string> asked() const { return asked_.lines(); }
  /// From now on REST answers everything with the newest book.
  void heal() { healed_ = true; }
  /// No change comes any more.
  void fall_quiet() { quiet_ = true; }

 private:
  void serve(Peer& peer) {
    if (peer.header("Upgrade").empty()) return serve_rest(peer);
    if (!peer.accept()) return;
    std::int64_t u = 1000;
    std::set<std::string> symbols;
    while (!peer.ended()) {
      if (const auto message = peer.read_for(20ms)) {
        static constexpr std::string_view kStream = "@depth@100ms\"";
        for (auto at = message->find(kStream); at != std::string::npos;
             at = message->find(kStream, at + 1)) {
          const auto begin = message->rfind('"', at) + 1;
          symbols.insert(message->substr(begin, at - begin));
        }
        peer.send(R"({"result":null,"id":1})");
      }
      if (symbols.empty() || quiet_) continue;
      const std::string first = std::to_string(u + 1);
      u += 2;
      for (const std::string& symbol : symbols) {
        std::string upper = symbol;
        for (char& c : upper) c = c >= 'a' && c <= 'z' ? static_cast<char>(c - 32) : c;
        peer.send(R"({"stream":")" + symbol +
                  R"(@depth@100ms","data":{"e":"depthUpdate","E":1786538729776,"s":")" + upper +
                  R"(","U":)" + first + R"(,"u":)" + std::to_string(u) +
                  R"(,"b":[["64000.00","1.)" + std::to_string(u % 9) +
                  R"("]],"a":[["64001.00","2.0"]]}})");
      }
      latest_ = u;
    }
  }

  void serve_rest(Peer& peer) {
    std::string answer = answers_[std::min(asked_.size(), answers_.size() - 1)];
    if (healed_) answer = "now";
    asked_.add(peer.target());
    if (answer == "429") {
      peer.respond("{}", "429 Too Many Requests", "Retry-After: 1\r\n");
      return;
    }
    if (answer == "503") {
      peer.respond("{}", "503 Service Unavailable");
      return;
    }
    if (answer == "unknown") {
      peer.respond(R"({"code":-1121,"msg":"Invalid symbol."})", "400 Bad Request");
      return;
    }
    const std::int64_t id = answer == "now" ? latest_.load() : std::stoll(answer);
    peer.respond(R"({"lastUpdateId":)" + std::to_string(id) +
                 R"(,"bids":[["63999.00","1.0"]],"asks":[["64002.00","1.0"]]})");
  }

  const std::vector<std::string> answers_;
  test::Log asked_;
  std::atomic<std::int64_t> latest_{0};
  std::atomic<bool> healed_{false};
  std::atomic<bool> quiet_{false};
  TestServer server_;  // last: its threads use the rest
};

SessionSettings settings_for(const FakeBinance& venue) {
  SessionSettings s;
  s.ws_url = venue.url("ws") + "/stream";
  s.rest_url = venue.url("http");
  return s;
}

TEST_CASE("a book of deltas is seeded over REST, again while the answer is too old") {
  FakeBinance venue({"5", "6", "now"});
  Rig rig(VenueId::kBinance, settings_for(venue));
  rig.subscribe({kBtc}, 1000);
  REQUIRE(rig.until([&] { return rig.sink.synced(kBtc) > 3; }));
  const auto asked = venue.asked();
  REQUIRE(asked.size() == 3);
  CHECK(asked[0].find("symbol=BTCUSDT") != std::string::npos);
  CHECK(rig.sink.status(false) == 0);
}

TEST_CASE("a refused snapshot waits for Retry-After and the deltas are kept meanwhile") {
  FakeBinance venue({"429", "now"});
  Rig rig(VenueId::kBinance, settings_for(venue));
  rig.subscribe({kBtc}, 1000);
  REQUIRE(rig.until([&] { return rig.sink.errors(ErrorCode::kRateLimited) == 1; }));
  const auto start = std::chrono::steady_clock::now();
  REQUIRE(rig.until([&] { return rig.sink.synced(kBtc) > 0; }));
  CHECK(std::chrono::steady_clock::now() - start >= 900ms);
  CHECK(venue.asked().size() == 2);
  CHECK(rig.sink.status(false) == 0);
}

TEST_CASE("snapshots that never fit are asked for ever more slowly") {
  FakeBinance venue({"5"});
  Rig rig(VenueId::kBinance, settings_for(venue));
  rig.subscribe({kBtc}, 1000);
  const auto start = std::chrono::steady_clock::now();
  rig.until([&] { return std::chrono::steady_clock::now() - start > 2500ms; });
  // At once, then after 0.2, 0.4, 0.8 and 1.6 s.
  CHECK(venue.asked().size() >= 3);
  CHECK(venue.asked().size() <= 5);
  CHECK(rig.sink.synced(kBtc) == 0);
}

TEST_CASE("however long REST fails, the book is back when it does no longer") {
  // Past every number of failures after which one might give up.
  std::vector<std::string> answers;
  SUBCASE("refused") { answers.assign(30, "503"); }
  SUBCASE("too old") { answers.assign(30, "5"); }
  answers.emplace_back("now");
  FakeBinance venue(answers);
  SessionSettings s = settings_for(venue);
  s.first_snapshot_retry = 2ms;
  s.longest_snapshot_retry = 20ms;
  Rig rig(VenueId::kBinance, s);
  rig.subscribe({kBtc}, 1000);
  REQUIRE(rig.until([&] { return rig.sink.synced(kBtc) > 3; }));
  CHECK(venue.asked().size() == 31);
  CHECK(rig.sink.status(false) == 0);
}

TEST_CASE("a market that says nothing more has its book back once REST answers") {
  FakeBinance venue({"503"});
  SessionSettings s = settings_for(venue);
  s.first_snapshot_retry = 10ms;
  s.longest_snapshot_retry = 50ms;
  s.first_data = 100ms;  // whatever else is tried meanwhile
  Rig rig(VenueId::kBinance, s);
  rig.subscribe({kBtc}, 1000);
  REQUIRE(rig.until([&] { return venue.asked().size() >= 12; }));
  venue.fall_quiet();
  // What is under way is over when the next two have been answered.
  const std::size_t asked = venue.asked().size();
  REQUIRE(rig.until([&] { return venue.asked().size() >= asked + 2; }));
  CHECK(rig.sink.synced(kBtc) == 0);
  venue.heal();
  REQUIRE(rig.until([&] { return rig.sink.synced(kBtc) > 0; }));
  // And where it is found to be wrong, no change is waited for.
  CHECK(rig.session->fault_book(kBtc, "on purpose"));
  const long before = rig.sink.synced(kBtc);
  CHECK(rig.until([&] { return rig.sink.synced(kBtc) > before; }));
}

TEST_CASE("while REST is out, sixty markets do not ask sixty times; once it is not, all are back") {
  FakeBinance venue({"503"});
  Rig rig(VenueId::kBinance, settings_for(venue));
  std::vector<Instrument> markets;
  for (char a = 'A'; a < 'G'; ++a) {
    for (char b = 'A'; b < 'K'; ++b) markets.push_back({std::string{a, b}, "USDT"});
  }
  rig.subscribe(markets, 1000);
  const auto start = std::chrono::steady_clock::now();
  rig.until([&] { return std::chrono::steady_clock::now() - start > 2500ms; });
  // Those under way when it shows, then one at 0.2 s or later, and more and more seldom.
  CHECK(venue.asked().size() >= 3);
  CHECK(venue.asked().size() <= 16);
  venue.heal();
  CHECK(rig.until(
      [&] {
        return std::ranges::all_of(markets,
                                   [&](const Instrument& i) { return rig.sink.synced(i) > 0; });
      },
      25s));
}

TEST_CASE("a market that the venue does not know over REST is asked for seldom, others at once") {
  FakeBinance venue({"unknown", "now"});
  SessionSettings s = settings_for(venue);
  s.first_rejection = 1500ms;
  Rig rig(VenueId::kBinance, s);
  rig.subscribe({kBtc}, 1000);
  REQUIRE(rig.until([&] { return rig.sink.errors(ErrorCode::kUnknownSymbol) == 1; }));
  const auto start = std::chrono::steady_clock::now();
  rig.subscribe({kEth}, 1000);
  REQUIRE(rig.until([&] { return rig.sink.synced(kEth) > 0; }));
  REQUIRE(rig.until([&] { return rig.sink.synced(kBtc) > 0; }));
  CHECK(std::chrono::steady_clock::now() - start >= 1400ms);
  CHECK(venue.asked().size() == 3);
}

TEST_CASE("no event comes after stop, connected or connecting") {
  FakeBybit venue;
  Rig rig(VenueId::kBybit, settings_for(venue));
  rig.subscribe({kBtc});
  SUBCASE("while receiving") {
    REQUIRE(rig.until([&] { return rig.sink.synced(kBtc) > 0; }));
  }
  SUBCASE("while connecting") { rig.session->tick(std::chrono::steady_clock::now()); }
  SUBCASE("before anything") {}
  rig.session->stop();
  rig.sink.clear();
  REQUIRE(rig.until([&] { return rig.session->stopped(); }, 2s));
  CHECK(rig.sink.events.empty());
}

}  // namespace
}  // namespace spreadwatch::ingest
