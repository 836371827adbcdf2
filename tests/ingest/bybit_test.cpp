#include "tests/ingest/helpers.h"

namespace spreadwatch::ingest::test {
namespace {

constexpr const char* kTicker =
    R"({"topic":"tickers.BTCUSDT","ts":1786538729776,"type":"snapshot","cs":112571857121,"data":{"symbol":"BTCUSDT",)"
    R"("lastPrice":"64057.7","highPrice24h":"64500","lowPrice24h":"63232.1","prevPrice24h":"64326.9",)"
    R"("volume24h":"7217.990977","turnover24h":"460629823.77866687","price24hPcnt":"-0.0042","usdIndexPrice":"63989.7"}})";
constexpr const char* kSnapshot =
    R"({"topic":"orderbook.50.BTCUSDT","ts":1731035685326,"type":"snapshot","data":{"s":"BTCUSDT","b":)"
    R"([["75848.74","0.067669"],["75848.63","0.004772"],["75848.61","0.00659"]],"a":[["75848.75","0.747137"],)"
    R"(["75848.89","0.060306"],["75848.9","0.1"]],"u":2876700,"seq":47474967795},"cts":1731035685323})";

std::string delta(std::int64_t u, const std::string& bids, const std::string& asks = "") {
  return R"({"topic":"orderbook.50.BTCUSDT","ts":1731035685345,"type":"delta","data":{"s":"BTCUSDT","b":[)" +
         bids + R"(],"a":[)" + asks + R"(],"u":)" + std::to_string(u) +
         R"(,"seq":47474967796},"cts":1731035685342})";
}

using Bybit = AllFrames<VenueId::kBybit>;

TEST_CASE_FIXTURE(Bybit, "A11 Bybit: ticker change in quote units, exactly; rate a fraction") {
  feed(kTicker);
  REQUIRE(memory.tickers.size() == 1);
  const Ticker& t = memory.tickers[0];
  CHECK(t.instrument.name() == "BTC-USDT");
  CHECK(t.trade_price == 64057.7);
  CHECK(t.opening_price == 64326.9);
  CHECK(t.prev_closing_price == 64326.9);
  CHECK(t.acc_trade_volume_24h == 7217.990977);
  CHECK(t.signed_change_price == -269.2);
  CHECK(t.signed_change_rate == doctest::Approx(-0.004184875).epsilon(1e-7));
  CHECK(t.exchange_time == timestamp_from_ms(1786538729776));
}

TEST_CASE_FIXTURE(Bybit, "A8 Bybit: a delta that deletes the best bid leaves the next level best") {
  feed(kSnapshot);
  feed(delta(2876701, R"(["75848.74","0"])"));
  REQUIRE(memory.books.size() == 2);
  CHECK(memory.books[0].exchange_time == timestamp_from_ms(1731035685323));
  CHECK(memory.books[1].bids.front().price.to_string() == "75848.63");
  CHECK(memory.books[1].bids.size() == 2);
  CHECK(memory.books[1].asks.size() == 3);
  CHECK(memory.books[1].sequence == 2876701);
  CHECK(memory.errors.empty());
}

TEST_CASE_FIXTURE(Bybit, "Bybit: old changes are ignored, a hole faults, a snapshot heals") {
  feed(kSnapshot);
  feed(delta(2876700, R"(["1","1"])"));
  feed(delta(2876699, R"(["1","1"])"));
  CHECK(memory.books.size() == 1);
  CHECK(memory.errors.empty());
  CHECK(normalizer.find("orderbook.50.BTCUSDT")->duplicates() == 2);

  feed(delta(2876702, R"(["1","1"])"));
  REQUIRE(memory.errors.size() == 1);
  CHECK(memory.errors[0].error.code == ErrorCode::kSequenceGap);
  CHECK(memory.books.back().state == FeedState::kFaulted);
  CHECK(memory.needs.size() == 1);
  const std::size_t books = memory.books.size();
  feed(delta(2876703, R"(["1","1"])"));
  feed(delta(2876704, R"(["1","1"])"));
  CHECK(memory.books.size() == books);  // once an episode
  CHECK(memory.errors.size() == 1);
  CHECK(memory.needs.size() == 1);

  feed(kSnapshot);
  CHECK(memory.books.back().synced());
  CHECK(memory.books.back().bids.size() == 3);
  CHECK(normalizer.find("orderbook.50.BTCUSDT")->gaps() == 1);
  CHECK(normalizer.find("orderbook.50.BTCUSDT")->resyncs() == 1);
}

TEST_CASE_FIXTURE(Bybit, "Bybit: a change before the snapshot") {
  feed(delta(5, R"(["1","1"])"));
  REQUIRE(memory.errors.size() == 1);
  CHECK(memory.errors[0].error.code == ErrorCode::kSnapshotMissing);
  REQUIRE(memory.needs.size() == 1);
  CHECK(memory.needs[0].second == MaintainedBook::Need::kResubscribe);
  CHECK(memory.records() == 0);
}

TEST_CASE_FIXTURE(Bybit, "Bybit: orderbook.1 sent again with the same u, u of 1 replaces") {
  const std::string bbo =
      R"({"topic":"orderbook.1.BTCUSDT","ts":1786613159749,"type":"snapshot","data":{"s":"BTCUSDT","b":)"
      R"([["63705.3","2.045546"]],"a":[["63705.4","2.334566"]],"u":72212457,"seq":112603120278},"cts":1786613159748})";
  feed(bbo);
  feed(bbo);
  CHECK(memory.books.size() == 2);
  std::string restarted = bbo;
  restarted.replace(restarted.find("72212457"), 8, "1");
  restarted.replace(restarted.find("63705.3"), 7, "63705.2");
  feed(restarted);
  CHECK(memory.errors.empty());
  CHECK(text(memory.books.back().bids) == "63705.2@2.045546");
}

TEST_CASE_FIXTURE(Bybit, "Bybit: the time of a frame without cts is ts, wherever it stands") {
  feed(
      R"({"data":{"u":7,"a":[],"b":[["1","2"]],"s":"BTCUSDT"},"type":"snapshot","ts":1789875214036,)"
      R"("topic":"orderbook.50.BTCUSDT"})");
  CHECK(memory.errors.empty());
  REQUIRE(memory.books.size() == 1);
  CHECK(memory.books[0].exchange_time == timestamp_from_ms(1789875214036));
  CHECK(memory.books[0].asks.empty());
}

TEST_CASE_FIXTURE(Bybit, "Bybit: what is no market data") {
  feed(R"({"success":true,"ret_msg":"subscribe","conn_id":"d9","req_id":"1","op":"subscribe"})");
  feed(R"({"success":true,"ret_msg":"pong","conn_id":"0970e817","op":"ping"})");
  feed(R"({"op":"pong","args":["1753340040127"],"conn_id":"d157"})");
  feed(R"({"topic":"publicTrade.BTCUSDT","type":"snapshot","ts":1,"data":[{"p":"1"}]})");
  CHECK(memory.errors.empty());
  REQUIRE(memory.controls.size() == 4);
  CHECK(memory.controls[0].kind == ControlMessage::Kind::kAck);
  CHECK(memory.controls[1].kind == ControlMessage::Kind::kPong);
  CHECK(memory.controls[2].kind == ControlMessage::Kind::kPong);
  CHECK(memory.controls[3].kind == ControlMessage::Kind::kIgnored);
}

TEST_CASE_FIXTURE(Bybit, "Bybit: errors") {
  check_refused(
      VenueId::kBybit,
      {
          {R"({"success":false,"ret_msg":"Invalid symbol :[orderbook.50.NOTREALUSDT]","conn_id":"d","req_id":"","op":"subscribe"})",
           ErrorCode::kUnknownSymbol, "NOTREALUSDT"},
          {R"({"success":false,"ret_msg":"error:handler not found,topic:liquidations:BTCUSDT","conn_id":"d","op":"subscribe"})",
           ErrorCode::kVenueError, ""},
          {R"({"topic":"orderBookL2_25.BTCUSD","type":"snapshot","data":[]})",
           ErrorCode::kObsoleteProtocol, ""},
          {R"({"topic":"depth","params":{"symbol":"BTCUSDT"},"data":{}})",
           ErrorCode::kObsoleteProtocol, ""},
          {R"({"ret_code":0,"ret_msg":"OK","result":[]})", ErrorCode::kObsoleteProtocol, ""},
          {R"({"topic":"tickers.BTCUSD","type":"delta","ts":1,"data":{"symbol":"BTCUSD","markPrice":"61875.06"}})",
           ErrorCode::kUnknownSymbol, "BTCUSD"},
          {R"({"topic":"orderbook.50.BTC-26DEC26","type":"snapshot","ts":1,"data":{"s":"BTC-26DEC26","b":[],"a":[],"u":1}})",
           ErrorCode::kUnknownSymbol, "BTC-26DEC26"},
          {R"({"topic":"orderbook.50.BTCUSDT","type":"snapshot","ts":1,"data":{"s":"BTCUSDT","b":[],"a":[]}})",
           ErrorCode::kSchemaMismatch, "BTCUSDT"},
          {R"({"topic":"orderbook.50.BTCUSDT","type":"snapshot","ts":1,"data":{"s":"BTCUSDT","b":[["2","1"]],"a":[["2","1"]],"u":1}})",
           ErrorCode::kCrossedBook, "BTCUSDT"},
          {R"({"retCode":10001,"retMsg":"Not supported symbols","result":{},"retExtInfo":{},"time":1716863719382})",
           ErrorCode::kUnknownSymbol, ""},
          {R"({"retCode":10006,"retMsg":"Too many visits!","result":{},"retExtInfo":{},"time":1})",
           ErrorCode::kRateLimited, ""},
          {R"({"retCode":0,"retMsg":"OK","result":{"category":"inverse","list":[{"symbol":"BTCUSD","lastPrice":"1"}]},"time":1})",
           ErrorCode::kUnknownSymbol, ""},
      });
}

TEST_CASE_FIXTURE(Bybit, "Bybit: REST ticker, book and market list") {
  normalizer.feed(
      rest(
          R"({"retCode":0,"retMsg":"OK","result":{"category":"spot","list":[{"symbol":"BTCUSDT","bid1Price":"20517.96",)"
          R"("lastPrice":"20533.13","prevPrice24h":"20393.48","price24hPcnt":"0.0068","highPrice24h":"21128.12",)"
          R"("lowPrice24h":"20318.89","volume24h":"11801.27771","usdIndexPrice":""},{"symbol":"ETHUSDT","lastPrice":"-1"}]},)"
          R"("retExtInfo":{},"time":1673859087947})",
          "ticker"),
      memory);
  REQUIRE(memory.tickers.size() == 1);
  CHECK(memory.tickers[0].signed_change_price == 139.65);
  CHECK(memory.tickers[0].exchange_time == timestamp_from_ms(1673859087947));
  REQUIRE(memory.errors.size() == 1);  // the row beside it is refused alone
  CHECK(memory.errors[0].symbol == "ETHUSDT");
  memory.clear();
  normalizer.feed(
      rest(
          R"({"retCode":0,"retMsg":"OK","result":{"s":"BTCUSDT","a":[["65557.7","16.606555"]],"b":[["65485.47","47.081829"]],)"
          R"("ts":1716863719031,"u":230704,"seq":1432604333,"cts":1716863718905},"retExtInfo":{},"time":1716863719382})",
          "orderbook", "BTCUSDT"),
      memory);
  REQUIRE(memory.books.size() == 1);
  CHECK(memory.streams[0] == "rest:BTCUSDT");
  CHECK(memory.books[0].sequence == 230704);
  CHECK(memory.books[0].exchange_time == timestamp_from_ms(1716863718905));
  normalizer.feed(
      rest(
          R"({"retCode":0,"retMsg":"OK","result":{"category":"spot","list":[{"symbol":"AUSD1","baseCoin":"A","quoteCoin":"USD1",)"
          R"("status":"Trading","lotSizeFilter":{"basePrecision":"0.000001","minOrderAmt":"5"},"priceFilter":{"tickSize":"0.1"}}]},"time":1})",
          "markets"),
      memory);
  CHECK(memory.errors.empty());
  REQUIRE(memory.markets.size() == 1);
  CHECK(memory.markets[0].min_notional == decimal("5"));
  CHECK(normalizer.adapter().instrument("AUSD1")->name() == "A-USD1");
}

TEST_CASE("Bybit: at most ten topics a request") {
  const auto adapter = make_adapter(VenueId::kBybit);
  std::vector<Subscription> wanted;
  for (int i = 0; i < 23; ++i) {
    wanted.push_back({Channel::kOrderBook, {"A" + std::to_string(i), "USDT"}, 50});
  }
  const auto messages = adapter->subscribe(wanted, timestamp_from_ms(5));
  REQUIRE(messages.size() == 3);
  CHECK(nlohmann::json::parse(messages[0])["args"].size() == 10);
  CHECK(nlohmann::json::parse(messages[2])["args"].size() == 3);
  CHECK(nlohmann::json::parse(messages[2])["args"][2] == "orderbook.50.A22USDT");
}

}  // namespace
}  // namespace spreadwatch::ingest::test
