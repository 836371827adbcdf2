#include "tests/ingest/helpers.h"
#include "tests/ingest/samples.h"

namespace spreadwatch::ingest::test {
namespace {

constexpr const char* kTicker =
    R"({"channel":"ticker","type":"snapshot","data":[{"symbol":"USDT/USD","bid":0.99980,"bid_qty":44620.68691883,)"
    R"("ask":0.99985,"ask_qty":1087605.70466858,"last":0.99981,"volume":270638277.50461281,"vwap":0.99983,)"
    R"("low":0.99959,"high":1.00000,"change":0.00005,"change_pct":0.01,"trades":38144,)"
    R"("timestamp":"2026-09-24T03:54:18.054886Z"}]})";

/// The documentation's MATIC/USD book of depth 10, in the digits of the socket.
constexpr const char* kMatic =
    R"({"channel":"book","type":"snapshot","data":[{"symbol":"MATIC/USD","bids":[{"price":0.5666,"qty":4831.75496356},)"
    R"({"price":0.5665,"qty":6658.22734739},{"price":0.5664,"qty":18724.91513344},{"price":0.5663,"qty":11563.92544914},)"
    R"({"price":0.5662,"qty":14006.65365711},{"price":0.5661,"qty":17454.85679807},{"price":0.5660,"qty":18097.15470000},)"
    R"({"price":0.5659,"qty":33644.89175666},{"price":0.5658,"qty":148.34640000},{"price":0.5657,"qty":606.70854372}],)"
    R"("asks":[{"price":0.5668,"qty":4410.79769741},{"price":0.5669,"qty":4655.40412487},{"price":0.5670,"qty":49844.89424998},)"
    R"({"price":0.5671,"qty":24306.41678000},{"price":0.5672,"qty":29783.25223475},{"price":0.5673,"qty":57234.71239278},)"
    R"({"price":0.5674,"qty":45065.04744000},{"price":0.5675,"qty":5912.76380354},{"price":0.5676,"qty":42514.92434778},)"
    R"({"price":0.5677,"qty":36304.08470220}],"checksum":2439117997}]})";
constexpr const char* kMaticUpdate =
    R"({"channel":"book","type":"update","data":[{"symbol":"MATIC/USD","bids":[{"price":0.5657,"qty":1098.39475580}],)"
    R"("asks":[],"checksum":2114181697,"timestamp":"2023-10-06T17:35:55.440295Z"}]})";

using Kraken = AllFrames<VenueId::kKraken>;

TEST_CASE_FIXTURE(Kraken, "A10 Kraken: trade_price is last, not ask; times in milliseconds") {
  feed(kTicker);
  REQUIRE(memory.tickers.size() == 1);
  const Ticker& t = memory.tickers[0];
  CHECK(t.instrument.name() == "USDT-USD");
  CHECK(t.trade_price == 0.99981);
  CHECK(t.opening_price == 0.99976);
  CHECK(t.prev_closing_price == 0.99976);
  CHECK(t.signed_change_price == 0.00005);
  CHECK(*t.signed_change_rate == doctest::Approx(0.0000500120).epsilon(1e-6));
  CHECK(t.acc_trade_volume_24h == 270638277.50461281);
  REQUIRE(t.exchange_time.has_value());
  CHECK(to_ms(*t.exchange_time) == 1790222058054);
}

TEST_CASE_FIXTURE(Kraken, "Kraken checksum vector 1: the official guide") {
  feed(
      R"({"channel":"book","type":"snapshot","data":[{"symbol":"BTC/USD","asks":[{"price":45285.2,"qty":0.00100000},)"
      R"({"price":45286.4,"qty":1.54571953},{"price":45286.6,"qty":1.54571109},{"price":45289.6,"qty":1.54560911},)"
      R"({"price":45290.2,"qty":0.15890660},{"price":45291.8,"qty":1.54553491},{"price":45294.7,"qty":0.04454749},)"
      R"({"price":45296.1,"qty":0.35380000},{"price":45297.5,"qty":0.09945542},{"price":45299.5,"qty":0.18772827}],)"
      R"("bids":[{"price":45283.5,"qty":0.10000000},{"price":45283.4,"qty":1.54582015},{"price":45282.1,"qty":0.10000000},)"
      R"({"price":45281.0,"qty":0.10000000},{"price":45280.3,"qty":1.54592586},{"price":45279.0,"qty":0.07990000},)"
      R"({"price":45277.6,"qty":0.03310103},{"price":45277.5,"qty":0.30000000},{"price":45277.3,"qty":1.54602737},)"
      R"({"price":45276.6,"qty":0.15445238}],"checksum":3310070434}]})");
  CHECK(memory.errors.empty());
  CHECK(memory.records() == 1);
}

TEST_CASE_FIXTURE(Kraken,
                  "A9, Kraken checksum vector 2: an update with an empty ask side keeps the asks") {
  feed(kMatic);
  feed(kMaticUpdate);
  CHECK(memory.errors.empty());
  REQUIRE(memory.books.size() == 2);
  CHECK_FALSE(memory.books[0].exchange_time.has_value());
  CHECK(memory.books[1].exchange_time.has_value());
  CHECK(text(memory.books[1].asks) == text(memory.books[0].asks));
  CHECK(memory.books[1].asks.size() == 10);
  CHECK(memory.books[1].bids.back().size == decimal("1098.39475580"));
  CHECK_FALSE(memory.books[1].sequence.has_value());
}

TEST_CASE_FIXTURE(Kraken,
                  "Kraken: digits that a pretty printer dropped are restored for the checksum") {
  std::string snapshot = kMatic;
  for (std::size_t at = 0; (at = snapshot.find("0000}", at)) != std::string::npos;)
    snapshot.erase(at, 4);
  feed(snapshot);
  feed(
      R"({"channel":"book","type":"update","data":[{"symbol":"MATIC/USD","bids":[{"price":0.5657,"qty":1098.3947558}],)"
      R"("asks":[],"checksum":2114181697}]})");
  CHECK(memory.errors.empty());
  CHECK(memory.records() == 2);
}

TEST_CASE_FIXTURE(Kraken, "Kraken checksum vector 3: a recorded snapshot") {
  feed(kSamples[index_of(VenueId::kKraken)].book);
  CHECK(memory.errors.empty());
  CHECK(memory.records() == 1);
}

TEST_CASE_FIXTURE(Kraken, "Kraken: a wrong checksum faults the book until the next snapshot") {
  feed(kMatic);
  std::string wrong = kMaticUpdate;
  wrong.replace(wrong.find("2114181697"), 10, "2114181698");
  feed(wrong);
  REQUIRE(memory.errors.size() == 1);
  CHECK(memory.errors[0].error.code == ErrorCode::kChecksumMismatch);
  CHECK(memory.books.back().state == FeedState::kFaulted);
  REQUIRE(memory.needs.size() == 1);
  CHECK(memory.needs[0].second == MaintainedBook::Need::kResubscribe);
  feed(kMaticUpdate);
  CHECK(memory.errors.size() == 1);
  feed(kMatic);
  CHECK(memory.books.back().synced());
  CHECK(normalizer.find("book:MATIC/USD")->checksum_mismatches() == 1);
  CHECK(normalizer.find("book:MATIC/USD")->resyncs() == 1);
}

TEST_CASE_FIXTURE(Kraken, "Kraken: a lost update, unreadable as JSON, faults at once") {
  feed(kMatic);
  std::string_view cut = kMaticUpdate;
  cut.remove_suffix(4);
  feed(cut);
  REQUIRE(memory.errors.size() == 1);
  CHECK(memory.errors[0].error.code == ErrorCode::kMalformedJson);
  feed(std::string{kMaticUpdate}.replace(60, 1, "x"));
  CHECK(memory.records() == 1);
}

TEST_CASE_FIXTURE(Kraken, "Kraken: acknowledged depth, heartbeat, pong, status") {
  feed(
      R"({"channel":"status","type":"update","data":[{"version":"2.0.10","system":"online","api_version":"v2","connection_id":15113583034416118705}]})");
  feed(
      R"({"method":"subscribe","result":{"channel":"book","depth":25,"snapshot":true,"symbol":"BTC/USD"},"success":true,"time_in":"x","time_out":"y"})");
  feed(R"({"channel":"heartbeat"})");
  feed(R"({"method":"pong","req_id":7,"time_in":"x","time_out":"y"})");
  CHECK(memory.errors.empty());
  REQUIRE(memory.controls.size() == 4);
  CHECK(memory.controls[0].kind == ControlMessage::Kind::kIgnored);
  CHECK(memory.controls[1].kind == ControlMessage::Kind::kAck);
  CHECK(memory.controls[1].stream == "book:BTC/USD");
  CHECK(memory.controls[1].depth == 25);
  CHECK(memory.controls[2].kind == ControlMessage::Kind::kHeartbeat);
  CHECK(memory.controls[3].kind == ControlMessage::Kind::kPong);
}

TEST_CASE_FIXTURE(Kraken, "Kraken: errors") {
  check_refused(
      VenueId::kKraken,
      {
          {R"({"error":"Currency pair not supported NOPE/USD","method":"subscribe","success":false,"symbol":"NOPE/USD","time_in":"x","time_out":"y"})",
           ErrorCode::kUnknownSymbol, "NOPE/USD"},
          {R"({"error":"Subscription depth not supported","method":"subscribe","success":false,"time_in":"x","time_out":"y"})",
           ErrorCode::kVenueError, ""},
          {R"({"error":"Exceeded msg rate","method":"subscribe","success":false})",
           ErrorCode::kRateLimited, ""},
          {R"({"error":["EQuery:Unknown asset pair"]})", ErrorCode::kUnknownSymbol, ""},
          {R"({"error":["EGeneral:Too many requests"]})", ErrorCode::kRateLimited, ""},
          {R"([320,{"b":[["39071.40000","7.26106570","1622714256.068601"]],"c":"2040672112"},"book-25","XBT/USD"])",
           ErrorCode::kObsoleteProtocol, ""},
          {R"({"event":"heartbeat"})", ErrorCode::kObsoleteProtocol, ""},
          {R"({"channel":"ticker","type":"update","data":[{"symbol":"BTC/USD","last":-1}]})",
           ErrorCode::kValueOutOfRange, "BTC/USD"},
          {R"({"channel":"ticker","type":"update","data":[{"symbol":"BTC/USD"}]})",
           ErrorCode::kSchemaMismatch, "BTC/USD"},
          {R"({"channel":"book","type":"update","data":[{"symbol":"BTC/USD","bids":[],"asks":[]}]})",
           ErrorCode::kSchemaMismatch, "BTC/USD"},
          {R"({"channel":"book","type":"update","data":[{"symbol":"BTC/USD","bids":[],"asks":[],"checksum":4294967296}]})",
           ErrorCode::kValueOutOfRange, "BTC/USD"},
          {R"({"channel":"book","type":"snapshot","data":[{"symbol":"BTC/USD","bids":[{"price":NaN,"qty":1}],"asks":[],"checksum":1}]})",
           ErrorCode::kSchemaMismatch, "BTC/USD"},
      });
}

TEST_CASE_FIXTURE(Kraken,
                  "Kraken: a REST pair that is half a book and half a market is one error") {
  normalizer.feed(
      rest(
          R"({"error":[],"result":{"XXBTZUSD":{"bids":[],"altname":"XBTUSD","wsname":"XBT/USD"}}})",
          "orderbook", "BTC/USD"),
      memory);
  REQUIRE(memory.errors.size() == 1);
  CHECK(memory.errors[0].error.code == ErrorCode::kSchemaMismatch);
  CHECK(memory.tickers.empty());
  CHECK(memory.books.empty());
  CHECK(memory.markets.empty());
}

TEST_CASE_FIXTURE(Kraken, "Kraken: REST answers under its own key") {
  const char* const ticker =
      R"({"error":[],"result":{"XXBTZUSD":{"a":["30300.10000","1","1.000"],"b":["30300.00000","1","1.000"],)"
      R"("c":["30303.20000","0.00067643"],"v":["4083.67001100","4412.73601799"],"p":["30706.77771","30689.13205"],)"
      R"("t":[34619,38907],"l":["29868.30000","29868.40000"],"h":["31631.00000","31631.10000"],"o":"30502.80000"}}})";
  normalizer.feed(rest(ticker, "ticker"), memory);
  normalizer.feed(rest(ticker, "ticker", "BTC/USD"), memory);
  REQUIRE(memory.tickers.size() == 2);
  for (const Ticker& t : memory.tickers) {
    CHECK(t.instrument.name() == "BTC-USD");
    CHECK(t.trade_price == 30303.2);
    CHECK(t.low_price == 29868.4);
    CHECK(t.high_price == 31631.1);
    CHECK(t.acc_trade_volume_24h == 4412.73601799);
    CHECK(t.opening_price == 30502.8);
    CHECK(t.signed_change_price == -199.6);
  }
  normalizer.feed(
      rest(
          R"({"error":[],"result":{"XXBTZUSD":{"asks":[["30384.10000","2.059",1688671659]],"bids":[["30297.00000","1.115",1688671636]]}}})",
          "orderbook", "BTC/USD"),
      memory);
  REQUIRE(memory.books.size() == 1);
  CHECK(memory.streams[0] == "rest:BTC/USD");
  CHECK(text(memory.books[0].bids) == "30297@1.115");
  normalizer.feed(
      rest(R"({"error":[],"result":{"status":"online","timestamp":"2023-07-06T18:52:00Z"}})",
           "other"),
      memory);
  CHECK(memory.errors.empty());
}

TEST_CASE_FIXTURE(Kraken, "Kraken: market lists of REST and of the instrument channel") {
  normalizer.feed(
      rest(
          R"({"error":[],"result":{"XDGUSD":{"altname":"XDGUSD","wsname":"XDG\/USD","base":"XXDG","quote":"ZUSD",)"
          R"("costmin":"0.5","status":"online"},"XXBTZEUR.d":{"altname":"XBTEUR.d","base":"XXBT","quote":"ZEUR"},)"
          R"("STRANGE9":{"altname":"STRANGE9","wsname":"AB/CD","status":"cancel_only"}}})",
          "markets"),
      memory);
  feed(
      R"({"channel":"instrument","type":"snapshot","data":{"assets":[{"id":"BTC"}],"pairs":[{"symbol":"BTC/USD","base":"BTC",)"
      R"("quote":"USD","status":"online","qty_increment":1e-08,"cost_min":0.5}]}})");
  CHECK(memory.errors.empty());
  REQUIRE(memory.markets.size() == 3);
  CHECK(memory.markets[0].symbol == "DOGE/USD");
  CHECK(memory.markets[0].instrument.name() == "DOGE-USD");
  CHECK(memory.markets[0].min_notional == decimal("0.5"));
  CHECK_FALSE(memory.markets[1].active);
  CHECK(memory.markets[2].instrument.name() == "BTC-USD");
  CHECK(normalizer.adapter().instrument("STRANGE9")->name() == "AB-CD");
  CHECK(normalizer.adapter().instrument("XBT/USD")->name() == "BTC-USD");
  CHECK(normalizer.adapter().instrument("XETHXXBT")->name() == "ETH-BTC");
  CHECK(normalizer.adapter().instrument("XBTUSDT")->name() == "BTC-USDT");
}

TEST_CASE("Kraken: one message a channel and depth") {
  const auto adapter = make_adapter(VenueId::kKraken);
  const std::vector<Subscription> wanted = {{Channel::kOrderBook, {"BTC", "USD"}, 25},
                                            {Channel::kTicker, {"BTC", "USD"}, 0},
                                            {Channel::kOrderBook, {"ETH", "USD"}, 25}};
  const auto messages = adapter->subscribe(wanted, timestamp_from_ms(5));
  REQUIRE(messages.size() == 2);
  CHECK(
      messages[0] ==
      R"({"method":"subscribe","params":{"channel":"ticker","symbol":["BTC/USD"],"snapshot":true},"req_id":5})");
  CHECK(
      messages[1] ==
      R"({"method":"subscribe","params":{"channel":"book","symbol":["BTC/USD","ETH/USD"],"depth":25,"snapshot":true},"req_id":6})");
  CHECK(adapter->book_call({"DOGE", "USD"}, 1000).path == "/0/public/Depth?pair=XDGUSD&count=500");
}

}  // namespace
}  // namespace spreadwatch::ingest::test
