#include "ingest/normalizer.h"

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
