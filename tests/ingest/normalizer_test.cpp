#include "ingest/book/normalizer.h"

#include "tests/ingest/helpers.h"

namespace spreadwatch::ingest::test {
namespace {

std::string bybit_book(const std::string& symbol, const char* type, int u, const std::string& bids,
                       const std::string& asks = "") {
  return R"({"topic":"orderbook.50.)" + symbol + R"(","ts":1731035685345,"type":")" + type +
         R"(","data":{"s":")" + symbol + R"(","b":[)" + bids + R"(],"a":[)" + asks + R"(],"u":)" +
         std::to_string(u) + R"(,"seq":1},"cts":1731035685342})";
}

TEST_CASE("A12: one frame with 100 records gives 100 records") {
  std::string payload = R"({"retCode":0,"retMsg":"OK","result":{"category":"spot","list":[)";
  for (int i = 0; i < 100; ++i) {
    payload += (i == 0 ? "" : ",") + std::string{R"({"symbol":"A)"} + std::to_string(i) +
               R"(USDT","lastPrice":")" + std::to_string(i + 1) + R"(","prevPrice24h":"1"})";
  }
  payload += R"(]},"retExtInfo":{},"time":1673859087947})";
  Normalizer normalizer{VenueId::kBybit};
  Memory memory;
  normalizer.feed(rest(payload, "ticker"), memory);
  CHECK(memory.errors.empty());
  REQUIRE(memory.tickers.size() == 100);
  for (int i = 0; i < 100; ++i) {
    const Ticker& t = memory.tickers[static_cast<std::size_t>(i)];
    CHECK(t.instrument.base == "A" + std::to_string(i));
    CHECK(t.trade_price == i + 1);
  }
  normalizer.feed(rest(payload, "ticker"), memory);  // and as many from reused memory
  CHECK(memory.tickers.size() == 200);
}

TEST_CASE("a book says how late it came, whatever the venue's clock says") {
  Normalizer normalizer{VenueId::kBybit};
  Memory memory;
  const Timestamp sent{milliseconds{1731035685342}};  // the `cts` of bybit_book()
  const auto feed = [&](const char* type, int u, milliseconds delay) {
    const std::string payload = bybit_book("BTCUSDT", type, u, R"(["10","1"])", R"(["11","1"])");
    Frame frame = ws(payload);
    frame.receive_time = sent + delay;
    normalizer.feed(frame, memory);
    return memory.books.back().excess_delay;
  };
  // Their clock is an hour ahead of ours.
  CHECK(feed("snapshot", 1, -std::chrono::hours{1} + milliseconds{40}) == microseconds{0});
  CHECK(feed("delta", 2, -std::chrono::hours{1} + milliseconds{70}) == milliseconds{30});
  CHECK(normalizer.clock_offset().estimate() == -std::chrono::hours{1} + milliseconds{40});
  // A frame of which nobody knows when it came cannot be late.
  const std::string payload = bybit_book("BTCUSDT", "delta", 3, R"(["10","2"])");
  Frame frame = ws(payload);
  frame.receive_time.reset();
  normalizer.feed(frame, memory);
  CHECK_FALSE(memory.books.back().excess_delay);
}

/// One stream over a connection and the one that succeeds it.
class Succession {
 public:
  explicit Succession(VenueId venue) : normalizer(venue) {}

  /// The connection that carries the book afterwards; nullopt when it is not synced.
  std::optional<std::uint32_t> feed(std::string_view payload, std::uint32_t connection) {
    Frame frame = ws(payload, connection);
    now += milliseconds{10};
    frame.receive_time = now;
    normalizer.feed(frame, memory);
    if (memory.books.empty() || !memory.books.back().synced()) return std::nullopt;
    return normalizer.find(memory.streams.back())->book().connection;
  }

  Normalizer normalizer;
  Memory memory;
  Timestamp now = timestamp_from_ms(1'790'000'000'000);
};

constexpr std::uint32_t kOld = 3;
constexpr std::uint32_t kNew = kOld + kPlaces;

TEST_CASE(
    "a successor takes a book over with its snapshot, and the old connection counts no more") {
  Succession s{VenueId::kBybit};
  const auto snapshot = [](int u) {
    return bybit_book("BTCUSDT", "snapshot", u, R"(["10","1"])", R"(["11","1"])");
  };
  const auto delta = [](int u) { return bybit_book("BTCUSDT", "delta", u, R"(["10","2"])"); };
  CHECK(s.feed(snapshot(1), kOld) == kOld);
  // Its own numbering: nothing of it fits the old one's, and nothing is wrong with the book.
  CHECK(s.feed(delta(70), kNew) == kOld);
  CHECK(s.feed(delta(2), kOld) == kOld);
  CHECK(s.feed(snapshot(71), kNew) == kNew);
  const std::size_t shown = s.memory.books.size();
  CHECK(s.feed(delta(3), kOld) == kNew);
  CHECK(s.feed(delta(9), kOld) == kNew);  // a gap of the old one is nobody's
  CHECK(s.feed(R"({"topic":"orderbook.50.BTCUSDT","type":"delta","data":{"s":"BTCUSDT","u":")",
               kOld) == kNew);
  CHECK(s.memory.books.size() == shown);
  CHECK(s.feed(delta(72), kNew) == kNew);
  CHECK(s.normalizer.find("orderbook.50.BTCUSDT")->duplicates() == 3);
  for (const OrderBook& book : s.memory.books) CHECK(book.synced());
  // The end of the old one takes nothing along, the end of the new one does.
  s.normalizer.invalidate(kOld, FeedState::kDown, std::nullopt, s.memory);
  CHECK(s.memory.books.back().synced());
  s.normalizer.invalidate(kNew, FeedState::kDown, std::nullopt, s.memory);
  CHECK_FALSE(s.memory.books.back().synced());
}

std::string binance_change(int first, int last) {
  return R"({"stream":"btcusdt@depth@100ms","data":{"e":"depthUpdate","E":1788376136014,"s":"BTCUSDT","U":)" +
         std::to_string(first) + R"(,"u":)" + std::to_string(last) +
         R"(,"b":[["0.0024","7"]],"a":[]}})";
}

TEST_CASE("where changes are numbered alike on all connections, a successor goes on with them") {
  Succession s{VenueId::kBinance};
  s.feed(binance_change(158, 160), kOld);
  Frame snapshot =
      rest(R"({"lastUpdateId":160,"bids":[["0.0024","10"]],"asks":[["0.0026","100"]]})",
           "orderbook", "BTCUSDT");
  s.normalizer.feed(snapshot, s.memory);
  REQUIRE(s.memory.books.size() == 1);
  CHECK(s.feed(binance_change(161, 162), kOld) == kOld);
  // Ahead of the old one: taken over once there is no hole.
  CHECK(s.feed(binance_change(164, 165), kNew) == kOld);
  CHECK(s.feed(binance_change(163, 165), kOld) == kOld);
  const std::size_t shown = s.memory.books.size();
  CHECK(s.feed(binance_change(166, 167), kNew) == kNew);
  CHECK(s.memory.books.size() == shown + 1);
  CHECK(s.feed(binance_change(166, 167), kOld) == kNew);
  CHECK(s.feed(binance_change(168, 168), kNew) == kNew);
  CHECK(s.memory.books.back().sequence == 168);
  for (const OrderBook& book : s.memory.books) CHECK(book.synced());
  CHECK(s.memory.errors.empty());
}

TEST_CASE("a change that the old connection has brought already makes the successor the carrier") {
  Succession s{VenueId::kBinance};
  s.feed(binance_change(158, 160), kOld);
  s.normalizer.feed(
      rest(R"({"lastUpdateId":160,"bids":[["0.0024","10"]],"asks":[["0.0026","100"]]})",
           "orderbook", "BTCUSDT"),
      s.memory);
  const std::size_t shown = s.memory.books.size();
  CHECK(s.feed(binance_change(159, 160), kNew) == kNew);
  // It is told, since the book's liveness is now that of the successor.
  REQUIRE(s.memory.books.size() == shown + 1);
  CHECK(s.memory.books.back().connection == kNew);
  CHECK(s.memory.books.back().bids == s.memory.books[shown - 1].bids);
}

TEST_CASE("whole books: the successor's counts from the first that is not older") {
  Succession s{VenueId::kUpbit};
  const auto whole = [](std::int64_t time_ms) {
    return R"({"type":"orderbook","code":"KRW-BTC","timestamp":)" + std::to_string(time_ms) +
           R"(,"total_ask_size":1.0,"total_bid_size":1.0,"orderbook_units":[{"ask_price":1.16539E8,"bid_price":1.16538E8,"ask_size":0.5,"bid_size":0.25}],"stream_type":"REALTIME","level":0})";
  };
  CHECK(s.feed(whole(1786538729776), kOld) == kOld);
  CHECK(s.feed(whole(1786538729700), kNew) == kOld);
  CHECK(s.feed(whole(1786538729800), kNew) == kNew);
  CHECK(s.feed(whole(1786538729900), kOld) == kNew);
  REQUIRE(s.memory.books.size() == 2);
}

TEST_CASE("a ticker comes from one connection at a time") {
  Succession s{VenueId::kBybit};
  const auto ticker = [](const char* price) {
    return R"({"topic":"tickers.BTCUSDT","ts":1786538729776,"type":"snapshot","data":{"symbol":"BTCUSDT","lastPrice":")" +
           std::string{price} + R"(","prevPrice24h":"1"}})";
  };
  s.feed(ticker("1"), kOld);
  s.feed(bybit_book("BTCUSDT", "snapshot", 1, R"(["10","1"])", R"(["11","1"])"), kNew);
  s.feed(ticker("2"), kOld);  // the successor has none yet
  s.feed(ticker("3"), kNew);
  s.feed(ticker("4"), kOld);
  s.feed(ticker("5"), kNew);
  std::vector<double> prices;
  for (const Ticker& t : s.memory.tickers) prices.push_back(t.trade_price.value_or(0));
  CHECK(prices == std::vector<double>{1, 2, 3, 5});
  CHECK(s.normalizer.duplicate_tickers() == 1);
}

TEST_CASE("an older number long after its successor is another run of the program") {
  Succession s{VenueId::kBybit};
  const auto snapshot = [](int u) {
    return bybit_book("BTCUSDT", "snapshot", u, R"(["10","1"])", R"(["11","1"])");
  };
  CHECK(s.feed(snapshot(1), kOld) == kOld);
  CHECK(s.feed(snapshot(2), kNew) == kNew);
  CHECK(s.feed(snapshot(3), kOld) == kNew);
  s.now += Normalizer::kOverlap;
  CHECK(s.feed(snapshot(4), kOld) == kOld);
}

TEST_CASE("A14: one malformed frame among good ones is one error, all others are delivered") {
  Normalizer normalizer{VenueId::kBybit};
  Memory memory;
  for (int i = 0; i < 21; ++i) {
    const std::string payload =
        i == 10
            ? std::string{"{\"topic\":\"tickers.BTCUSDT\",\"ts\":17865"}
            : R"({"topic":"tickers.BTCUSDT","ts":1786538729776,"type":"snapshot","data":{"symbol":"BTCUSDT","lastPrice":")" +
                  std::to_string(i + 1) + R"(","prevPrice24h":"1"}})";
    normalizer.feed(ws(payload), memory);
  }
  CHECK(memory.tickers.size() == 20);
  REQUIRE(memory.errors.size() == 1);
  CHECK(memory.errors[0].error.code == ErrorCode::kMalformedJson);
  CHECK(memory.errors[0].payload == "{\"topic\":\"tickers.BTCUSDT\",\"ts\":17865");
  CHECK(memory.errors[0].receive_time.has_value());
}

TEST_CASE("A17: two symbols on one venue, each record carries its own") {
  Normalizer normalizer{VenueId::kBybit};
  Memory memory;
  normalizer.feed(ws(bybit_book("BTCUSDT", "snapshot", 1, R"(["100","1"])")), memory);
  normalizer.feed(ws(bybit_book("ETHUSDT", "snapshot", 1, R"(["5","1"])")), memory);
  normalizer.feed(ws(bybit_book("BTCUSDT", "delta", 2, R"(["99","1"])")), memory);
  REQUIRE(memory.books.size() == 3);
  CHECK(memory.books[0].instrument.name() == "BTC-USDT");
  CHECK(memory.books[1].instrument.name() == "ETH-USDT");
  CHECK(text(memory.books[1].bids) == "5@1");
  CHECK(memory.books[2].instrument.name() == "BTC-USDT");
  CHECK(text(memory.books[2].bids) == "100@1 99@1");
}

TEST_CASE("P3: one symbol's fault leaves every other symbol's book alone") {
  Normalizer normalizer{VenueId::kBybit};
  Memory memory;
  normalizer.feed(ws(bybit_book("BTCUSDT", "snapshot", 1, R"(["100","1"])")), memory);
  normalizer.feed(ws(bybit_book("ETHUSDT", "snapshot", 1, R"(["5","1"])")), memory);
  memory.clear();
  normalizer.feed(ws(bybit_book("BTCUSDT", "delta", 7, R"(["99","1"])")), memory);
  normalizer.feed(ws(bybit_book("ETHUSDT", "delta", 2, R"(["4","1"])")), memory);
  REQUIRE(memory.books.size() == 2);
  CHECK_FALSE(memory.books[0].synced());
  CHECK(memory.books[1].synced());
  CHECK(text(memory.books[1].bids) == "5@1 4@1");
}

TEST_CASE("A20: price 0.0000089123 and size 9876543210.12345678 are kept exactly") {
  Normalizer normalizer{VenueId::kBybit};
  Memory memory;
  normalizer.feed(
      ws(bybit_book("PEPEUSDT", "snapshot", 1, R"(["0.0000089123","9876543210.12345678"])")),
      memory);
  REQUIRE(memory.books.size() == 1);
  const Level& level = memory.books[0].bids.at(0);
  CHECK(level.price.mantissa() == 89123);
  CHECK(level.price.scale() == 10);
  CHECK(level.size.mantissa() == 987654321012345678);
  CHECK(text(memory.books[0].bids) == "0.0000089123@9876543210.12345678");

  Normalizer kraken{VenueId::kKraken};
  memory.clear();
  kraken.feed(
      ws(R"({"channel":"book","type":"snapshot","data":[{"symbol":"PEPE/USD","bids":[{"price":0.0000089123,)"
         R"("qty":9876543210.12345678}],"asks":[],"checksum":0}]})"),
      memory);
  // The checksum is not this book's, but the numbers were read: 89123 and 987654321012345678 enter
  // it.
  REQUIRE(memory.errors.size() == 1);
  CHECK(memory.errors[0].error.code == ErrorCode::kChecksumMismatch);
}

TEST_CASE("invalidate: the connection's books and no others, each reported once") {
  Normalizer normalizer{VenueId::kBybit};
  Memory memory;
  const std::string btc = bybit_book("BTCUSDT", "snapshot", 1, R"(["100","1"])");
  const std::string eth = bybit_book("ETHUSDT", "snapshot", 1, R"(["5","1"])");
  normalizer.feed(ws(btc, 1), memory);
  normalizer.feed(ws(eth, 2), memory);
  memory.clear();
  normalizer.invalidate(1, FeedState::kDown, ErrorCode::kClosedByPeer, memory);
  REQUIRE(memory.books.size() == 1);
  CHECK(memory.books[0].instrument.base == "BTC");
  CHECK(memory.books[0].state == FeedState::kDown);
  CHECK(memory.books[0].reason == ErrorCode::kClosedByPeer);
  CHECK(normalizer.find("orderbook.50.ETHUSDT")->book().synced());
  normalizer.forget("orderbook.50.ETHUSDT");
  CHECK(normalizer.find("orderbook.50.ETHUSDT") == nullptr);
}

/// What was told of it, in a word each.
class Told final : public BookObserver {
 public:
  void on_invalidated(const OrderBook& book) override { note("invalid", book); }
  void on_forgotten(const OrderBook& book) override { note("forgotten", book); }
  std::string text;

 private:
  void note(const char* what, const OrderBook& book) {
    text += what + std::string{" "} + book.instrument.base + " " +
            std::string{to_string(book.state)} + ", ";
  }
};

TEST_CASE(
    "what is done to a book besides feeding frames is told, but for what a connection loses") {
  Normalizer normalizer{VenueId::kBybit};
  Memory memory;
  Told told;
  normalizer.set_observer(&told);
  normalizer.feed(ws(bybit_book("BTCUSDT", "snapshot", 1, R"(["100","1"])")), memory);
  normalizer.feed(ws(bybit_book("ETHUSDT", "snapshot", 1, R"(["5","1"])")), memory);
  normalizer.feed(ws(bybit_book("ETHUSDT", "delta", 7, R"(["4","1"])")), memory);  // a gap
  normalizer.invalidate(0, FeedState::kDown, std::nullopt, memory);
  CHECK(told.text.empty());
  const Instrument btc{"BTC", "USDT"};
  CHECK(normalizer.streams_of(btc, true).empty());
  const std::vector<std::string> streams = normalizer.streams_of(btc, false);
  REQUIRE(streams == std::vector<std::string>{"orderbook.50.BTCUSDT"});
  normalizer.invalidate_stream(streams[0], FeedState::kFaulted, std::nullopt, memory);
  normalizer.forget(streams[0]);
  normalizer.forget(streams[0]);
  normalizer.invalidate_stream(streams[0], FeedState::kFaulted, std::nullopt, memory);
  CHECK(told.text == "invalid BTC faulted, forgotten BTC faulted, ");
  CHECK(normalizer.streams_of(btc, false).empty());
}

TEST_CASE("a REST snapshot leaves the stream on its websocket connection") {
  Normalizer normalizer{VenueId::kGateio};
  Memory memory;
  normalizer.feed(
      ws(R"({"time":1,"channel":"spot.order_book_update","event":"update","result":{"t":1,"s":"BTC_USDT","U":2,"u":3,"b":[],"a":[]}})",
         7),
      memory);
  Frame snapshot = rest(R"({"id":2,"current":1,"update":1,"asks":[],"bids":[["1","1"]]})",
                        "orderbook", "BTC_USDT");
  snapshot.connection = 99;
  normalizer.feed(snapshot, memory);
  REQUIRE(memory.books.size() == 1);
  CHECK(memory.books[0].connection == 7);
  CHECK(memory.books[0].synced());
}

TEST_CASE("an acknowledged depth holds for the snapshot that follows") {
  Normalizer normalizer{VenueId::kKraken};
  Memory memory;
  normalizer.feed(
      ws(R"({"method":"subscribe","result":{"channel":"book","depth":25,"snapshot":true,"symbol":"A/USD"},"success":true})"),
      memory);
  std::string asks;
  for (int i = 0; i < 10; ++i) {
    asks += (i == 0 ? "" : ",") + std::string{R"({"price":)"} + std::to_string(100 + i) +
            R"(,"qty":1})";
  }
  // 100…109 with a size of 1 each.
  normalizer.feed(
      ws(R"({"channel":"book","type":"snapshot","data":[{"symbol":"A/USD","bids":[],"asks":[)" +
         asks + R"(],"checksum":541414054}]})"),
      memory);
  normalizer.feed(
      ws(R"({"channel":"book","type":"update","data":[{"symbol":"A/USD","bids":[],"asks":[{"price":99,"qty":1}],)"
         R"("checksum":1000851212}]})"),
      memory);
  CHECK(memory.errors.empty());
  REQUIRE(memory.books.size() == 2);
  CHECK(memory.books[1].asks.size() ==
        11);  // the ten levels of the snapshot alone would have meant a depth of 10
}

}  // namespace
}  // namespace spreadwatch::ingest::test
