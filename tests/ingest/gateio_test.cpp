#include "tests/ingest/helpers.h"

namespace spreadwatch::ingest::test {
namespace {

constexpr const char* kTicker =
    R"({"time":1786539989,"time_ms":1786539989549,"channel":"spot.tickers","event":"update","result":{)"
    R"("currency_pair":"BTC_USDT","last":"64043.9","lowest_ask":"64043.9","highest_bid":"64043.8",)"
    R"("change_percentage":"-0.4034","base_volume":"5291.366688","quote_volume":"337744396.9986996",)"
    R"("high_24h":"64473.5","low_24h":"63234.7"}})";
constexpr const char* kSnapshot =
    R"({"channel":"spot.obu","result":{"t":1747054612673,"full":true,"s":"ob.BTC_USDT.50","u":73777715168,)"
    R"("b":[["104027.1","509392"],["104027","477932"]],"a":[["104027.2","44617"],["104027.4","39322"]]},)"
    R"("time_ms":1747054612848})";
constexpr const char* kDelta =
    R"({"channel":"spot.obu","result":{"t":1747054612695,"s":"ob.BTC_USDT.50","U":73777715169,"u":73777715212,)"
    R"("b":[["104024.5","10343"],["104014.5","509392"]],"a":[["104027.2","0"],["104027.4","0"]]},"time_ms":1747054612925})";

std::string update(std::int64_t first, std::int64_t last, const std::string& bids,
                   const std::string& more = "") {
  return R"({"time":1606294781,"time_ms":1606294781236,"channel":"spot.order_book_update","event":"update",)"
         R"("result":{"t":1606294781123,"e":"depthUpdate","E":1606294781,"s":"BTC_USDT","U":)" +
         std::to_string(first) + R"(,"u":)" + std::to_string(last) + more + R"(,"b":[)" + bids +
         R"(],"a":[]}})";
}
std::string base(std::int64_t id) {
  return R"({"id":)" + std::to_string(id) +
         R"(,"current":1649769789574,"update":1649769789566,"asks":[["40486.86","0.1661"]],"bids":[["40486.85","0.0578"]]})";
}

struct Gate : AllFrames<VenueId::kGateio> {
  void feed_base(std::int64_t id) {
    const std::string payload = base(id);
    normalizer.feed(rest(payload, "orderbook", "BTC_USDT"), memory);
  }
};

TEST_CASE_FIXTURE(Gate,
                  "A11 Gate: the change in quote units and the open follow from the percentage") {
  feed(kTicker);
  REQUIRE(memory.tickers.size() == 1);
  const Ticker& t = memory.tickers[0];
  CHECK(t.instrument.name() == "BTC-USDT");
  CHECK(t.trade_price == 64043.9);
  CHECK(*t.opening_price == doctest::Approx(64303.29951).epsilon(1e-10));
  CHECK(t.opening_price == 64043.9 / (1 + -0.4034 / 100));
  CHECK(t.prev_closing_price == t.opening_price);
  CHECK(*t.signed_change_price == doctest::Approx(-259.39951).epsilon(1e-7));
  CHECK(*t.signed_change_rate == doctest::Approx(-0.004034).epsilon(1e-9));
  CHECK(t.acc_trade_volume_24h == 5291.366688);
  CHECK(t.exchange_time == timestamp_from_ms(1786539989549));
}

TEST_CASE_FIXTURE(Gate, "Gate: a fall of 100 % has no price to count from") {
  std::string payload = kTicker;
  payload.replace(payload.find("-0.4034"), 7, "-100");
  feed(payload);
  REQUIRE(memory.tickers.size() == 1);
  CHECK_FALSE(memory.tickers[0].opening_price.has_value());
  CHECK_FALSE(memory.tickers[0].signed_change_rate.has_value());
}

TEST_CASE_FIXTURE(Gate, "Gate obu: snapshot, change, change without levels, old, gap") {
  feed(kSnapshot);
  feed(kDelta);
  feed(
      R"({"channel":"spot.obu","result":{"t":1747054612700,"s":"ob.BTC_USDT.50","U":73777715213,"u":73777715220},"time_ms":1747054612926})");
  feed(kDelta);
  REQUIRE(memory.books.size() == 3);
  CHECK(memory.streams[0] == "ob.BTC_USDT.50");
  CHECK(text(memory.books[1].bids) ==
        "104027.1@509392 104027@477932 104024.5@10343 104014.5@509392");
  CHECK(memory.books[1].asks.empty());
  CHECK(memory.books[1].exchange_time == timestamp_from_ms(1747054612695));
  CHECK(memory.books[2].sequence == 73777715220);
  CHECK(memory.errors.empty());
  feed(
      R"({"channel":"spot.obu","result":{"t":1747054612701,"s":"ob.BTC_USDT.50","U":73777715222,"u":73777715223},"time_ms":1747054612926})");
  REQUIRE(memory.errors.size() == 1);
  CHECK(memory.errors[0].error.code == ErrorCode::kSequenceGap);
  CHECK(memory.needs.size() == 1);
  feed(kSnapshot);
  CHECK(memory.books.back().synced());
}

TEST_CASE_FIXTURE(Gate,
                  "Gate obu: an event key is accepted, the book is cut to the stream's levels") {
  std::string levels;
  for (int i = 0; i < 60; ++i) {
    levels += (i == 0 ? "" : ",") + std::string{"[\""} + std::to_string(1000 - i) + "\",\"1\"]";
  }
  feed(
      R"({"time_ms":1,"channel":"spot.obu","event":"update","result":{"full":true,"s":"ob.BTC_USDT.50","u":1,"b":[)" +
      levels + "]}}");
  REQUIRE(memory.books.size() == 1);
  CHECK(memory.books[0].bids.size() == 50);
}

TEST_CASE_FIXTURE(Gate, "Gate order_book_update: changes wait for the REST base") {
  feed(update(101, 103, R"(["40486","1"])"));
  feed(update(104, 110, R"(["40485","1"])"));
  CHECK(memory.errors.empty());
  CHECK(memory.books.empty());
  REQUIRE(memory.needs.size() == 2);  // each that waits says so
  CHECK(memory.needs[0].second == MaintainedBook::Need::kSnapshot);
  feed_base(99);  // older than what waits: one more try, the changes are kept
  REQUIRE(memory.needs.size() == 3);
  CHECK(memory.books.empty());
  feed_base(102);
  REQUIRE(memory.books.size() == 1);
  CHECK(memory.books[0].sequence == 110);
  CHECK(text(memory.books[0].bids) == "40486.85@0.0578 40486@1 40485@1");
  CHECK(memory.books[0].exchange_time == timestamp_from_ms(1606294781123));
  feed(update(111, 111, R"(["40485","0"])"));
  CHECK(memory.books.back().bids.size() == 2);
  feed(update(113, 114, R"(["40485","0"])"));
  REQUIRE(memory.errors.size() == 1);
  CHECK(memory.errors[0].error.code == ErrorCode::kSequenceGap);
  CHECK(memory.needs.back().second == MaintainedBook::Need::kSnapshot);
  feed_base(113);
  CHECK(memory.books.back().synced());
  CHECK(memory.books.back().sequence == 114);
  CHECK(memory.errors.size() == 1);
}

TEST_CASE_FIXTURE(
    Gate, "Gate order_book_update: a full push replaces, REST base of the full id range too") {
  feed(update(10, 20, R"(["5","1"])", R"(,"full":true,"l":"100")"));
  REQUIRE(memory.books.size() == 1);
  CHECK(memory.books[0].sequence == 20);
  feed(update(21, 22, R"(["4","1"])", R"(,"l":"100")"));
  CHECK(text(memory.books.back().bids) == "5@1 4@1");
}

TEST_CASE_FIXTURE(Gate, "Gate order_book: whole books, an older one is dropped") {
  const std::string book =
      R"({"time":1606295412,"time_ms":1606295412213,"channel":"spot.order_book","event":"update","result":{)"
      R"("t":1606295412123,"lastUpdateId":48791820,"s":"BTC_USDT","l":"20","bids":[["19079.55","0.0195"]],"asks":[["19080.24","0.1638"]]}})";
  feed(book);
  std::string older = book;
  older.replace(older.find("48791820"), 8, "48791819");
  feed(older);
  CHECK(memory.books.size() == 1);
  CHECK(memory.streams[0] == "spot.order_book:BTC_USDT:20");
  CHECK(memory.errors.empty());
}

TEST_CASE_FIXTURE(Gate, "Gate: what is no market data") {
  feed(R"({"time":1545404023,"channel":"spot.pong","event":"","error":null,"result":null})");
  feed(
      R"({"time":1747054611,"time_ms":1747054611614,"conn_id":"d7","channel":"spot.obu","event":"subscribe",)"
      R"("payload":["ob.BTC_USDT.50"],"result":{"status":"success"}})");
  feed(
      R"({"time":1784800711,"time_ms":1784800711140,"channel":"spot.system","event":"update","result":{"type":"upgrade","msg":"soon"}})");
  feed(
      R"({"time":1606293275,"channel":"spot.book_ticker","event":"update","result":{"t":1,"u":48733182,"s":"BTC_USDT","b":"","B":"","a":"1","A":"1"}})");
  CHECK(memory.errors.empty());
  REQUIRE(memory.controls.size() == 4);
  CHECK(memory.controls[0].kind == ControlMessage::Kind::kPong);
  CHECK(memory.controls[1].kind == ControlMessage::Kind::kAck);
  CHECK(memory.controls[1].stream == "ob.BTC_USDT.50");
  CHECK(memory.controls[1].depth == 50);
  CHECK(memory.controls[2].kind == ControlMessage::Kind::kReconnect);
  CHECK(memory.controls[3].kind == ControlMessage::Kind::kIgnored);
}

TEST_CASE_FIXTURE(Gate, "Gate: errors") {
  check_refused(
      VenueId::kGateio,
      {
          {R"({"time":1747391482,"time_ms":1747391482960,"id":1,"channel":"spot.obu","event":"subscribe","payload":["ob.BTC_USDT.400"],)"
           R"("error":{"code":2,"message":"Alert sub ob.BTC_USDT.400"},"result":{"status":"fail"}})",
           ErrorCode::kVenueError, "BTC_USDT"},
          {R"({"time":1,"channel":"spot.tickers","event":"subscribe","error":{"code":2,"message":"unknown currency pair: XXX_USDT"},"result":null})",
           ErrorCode::kUnknownSymbol, "XXX_USDT"},
          {R"({"label":"INVALID_CURRENCY_PAIR","message":"Invalid currency pair BTC_USDTT"})",
           ErrorCode::kUnknownSymbol, ""},
          {R"({"label":"TOO_MANY_REQUESTS","message":"slow down"})", ErrorCode::kRateLimited, ""},
          {R"({"method":"ticker.update","params":["BTC_USDT",{}],"id":null})",
           ErrorCode::kObsoleteProtocol, ""},
          {R"({"error":null,"result":{"status":"success"},"id":1})", ErrorCode::kObsoleteProtocol,
           ""},
          {R"({"time":1,"channel":"futures.tickers","event":"update","result":[]})",
           ErrorCode::kUnknownSymbol, ""},
          {R"({"channel":"spot.obu","result":{"t":1,"s":"ob.BTC_USDT.50","b":[]},"time_ms":1})",
           ErrorCode::kSchemaMismatch, "BTC_USDT"},
          {R"({"channel":"spot.obu","result":{"t":1,"s":"ob.BTC_USDT.50","full":true,"u":1,"b":[["-1","1"]]},"time_ms":1})",
           ErrorCode::kValueOutOfRange, "BTC_USDT"},
          {R"({"time":1,"channel":"spot.tickers","event":"update","result":{"currency_pair":"BTC_USDT","last":"-1"}})",
           ErrorCode::kValueOutOfRange, "BTC_USDT"},
      });
}

TEST_CASE_FIXTURE(Gate, "Gate: REST tickers, book without id, market list") {
  normalizer.feed(
      rest(
          R"([{"currency_pair":"BTC3L_USDT","last":"2.46140352","lowest_ask":"2.477","highest_bid":"2.4606821",)"
          R"("change_percentage":"-8.91","base_volume":"656614.0845820589","quote_volume":"1602221.66468375534639404191",)"
          R"("high_24h":"2.7431","low_24h":"1.9863"}])",
          "ticker"),
      memory);
  REQUIRE(memory.tickers.size() == 1);
  CHECK(memory.tickers[0].instrument.name() == "BTC3L-USDT");
  CHECK(*memory.tickers[0].signed_change_rate == doctest::Approx(-0.0891));
  CHECK_FALSE(memory.tickers[0].exchange_time.has_value());
  normalizer.feed(
      rest(
          R"({"current":1649769789574,"update":1649769789566,"asks":[["2","1"]],"bids":[["1","1"]]})",
          "orderbook", "ETH_USDT"),
      memory);
  REQUIRE(memory.books.size() == 1);
  CHECK(memory.streams[0] == "rest:ETH_USDT");
  CHECK(memory.books[0].exchange_time == timestamp_from_ms(1649769789566));
  const char* const market =
      R"({"id":"ETH_USDT","base":"ETH","quote":"USDT","fee":"0.2","min_base_amount":"0.001","min_quote_amount":"1.0",)"
      R"("amount_precision":3,"precision":6,"trade_status":"untradable","sell_start":1516378650,"type":"normal"})";
  normalizer.feed(rest(market, "markets"), memory);
  normalizer.feed(rest(std::string{"["} + market + "]", "markets"), memory);
  CHECK(memory.errors.empty());
  REQUIRE(memory.markets.size() == 2);
  CHECK(memory.markets[1].instrument.name() == "ETH-USDT");
  CHECK_FALSE(memory.markets[1].active);
  CHECK(memory.markets[1].min_notional == decimal("1"));
}

TEST_CASE("Gate: one instrument a request") {
  const auto adapter = make_adapter(VenueId::kGateio);
  const std::vector<Subscription> wanted = {{Channel::kTicker, {"BTC", "USDT"}, 0},
                                            {Channel::kOrderBook, {"BTC", "USDT"}, 400}};
  const auto messages = adapter->subscribe(wanted, timestamp_from_ms(1'611'541'000'999));
  REQUIRE(messages.size() == 2);
  CHECK(
      messages[0] ==
      R"({"time":1611541000,"channel":"spot.tickers","event":"subscribe","payload":["BTC_USDT"]})");
  CHECK(
      messages[1] ==
      R"({"time":1611541000,"channel":"spot.obu","event":"subscribe","payload":["ob.BTC_USDT.400"]})");
}

}  // namespace
}  // namespace spreadwatch::ingest::test
