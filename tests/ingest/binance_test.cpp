#include <map>

#include "tests/ingest/helpers.h"

namespace spreadwatch::ingest::test {
namespace {

using nlohmann::json;

constexpr const char* kTicker =
    R"({"e":"24hrTicker","E":1757888604019,"s":"BTCUSDT","p":"-21.48000000","P":"-0.019",)"
    R"("w":"115669.75585612","x":"115853.45000000","c":"115831.96000000","Q":"0.00832000",)"
    R"("b":"115831.96000000","B":"0.20337000","a":"115831.97000000","A":"12.85848000",)"
    R"("o":"115853.44000000","h":"116165.19000000","l":"115141.80000000","v":"6348.13563000",)"
    R"("q":"734287298.46364070","O":1757802204009,"C":1757888604009,"F":5231695487,"L":5232837353,"n":1141867})";
constexpr const char* kChange =
    R"({"e":"depthUpdate","E":1788376136014,"s":"BTCUSDT","U":99588317538,"u":99588317663,)"
    R"("b":[["77381.36000000","1.29993000"],["77381.35000000","0.00084000"]],)"
    R"("a":[["77381.37000000","3.16444000"],["77381.83000000","0.00000000"]]})";
constexpr const char* kPartial =
    R"({"lastUpdateId":160,"bids":[["0.0024","10"]],"asks":[["0.0026","100"]]})";

std::string wrapped(std::string_view stream, std::string_view data) {
  return R"({"stream":")" + std::string{stream} + R"(","data":)" + std::string{data} + "}";
}

std::string change(std::int64_t first, std::int64_t last, std::string_view bids,
                   std::string_view asks) {
  return R"({"e":"depthUpdate","E":1788376136014,"s":"BTCUSDT","U":)" + std::to_string(first) +
         R"(,"u":)" + std::to_string(last) + R"(,"b":[)" + std::string{bids} + R"(],"a":[)" +
         std::string{asks} + "]}";
}

std::string snapshot(std::int64_t id) {
  return R"({"lastUpdateId":)" + std::to_string(id) +
         R"(,"bids":[["10","1"],["9","2"]],"asks":[["11","1"]]})";
}

using Binance = OneFrame<VenueId::kBinance>;

TEST_CASE_FIXTURE(Binance, "Binance: ticker, raw and combined; the rate is a fraction") {
  for (const std::string& payload : {std::string{kTicker}, wrapped("btcusdt@ticker", kTicker)}) {
    feed(ws(payload));
    REQUIRE(memory.tickers.size() == 1);
    const Ticker& t = memory.tickers[0];
    CHECK(t.instrument.name() == "BTC-USDT");
    CHECK(t.exchange_time == timestamp_from_ms(1757888604019));
    CHECK(t.opening_price == 115853.44);
    CHECK(t.trade_price == 115831.96);
    CHECK(t.high_price == 116165.19);
    CHECK(t.low_price == 115141.8);
    CHECK(t.prev_closing_price == 115853.45);
    CHECK(t.acc_trade_volume_24h == 6348.13563);
    CHECK(t.signed_change_price == -21.48);
    CHECK(*t.signed_change_rate == doctest::Approx(-0.000185406).epsilon(1e-5));
  }
}

TEST_CASE_FIXTURE(Binance, "Binance: times in microseconds on a connection that asked for them") {
  std::string payload = kTicker;
  payload.replace(payload.find("1757888604019"), 13, "1757888604019123");
  feed(ws(payload));
  REQUIRE(memory.tickers.size() == 1);
  CHECK(memory.tickers[0].exchange_time == timestamp_from_us(1757888604019123));
}

TEST_CASE_FIXTURE(Binance, "Binance: changes as sent") {
  Decoded out;
  const std::string shuffled =
      R"({"E":1788376136014,"U":99588317538,"a":[["77381.37000000","3.16444000"],["77381.83000000",)"
      R"("0.00000000"]],"b":[["77381.36000000","1.29993000"],["77381.35000000","0.00084000"]],)"
      R"("e":"depthUpdate","s":"BTCUSDT","u":99588317663})";
  for (const std::string& payload :
       {std::string{kChange}, shuffled, wrapped("btcusdt@depth@100ms", kChange),
        wrapped("btcusdt@depth", shuffled),
        R"({"data":)" + shuffled + R"(,"stream":"btcusdt@depth@100ms"})"}) {
    CAPTURE(payload);
    normalizer.adapter().decode(ws(payload), out);
    CHECK(out.errors.empty());
    REQUIRE(out.books.size() == 1);
    const BookMessage& b = out.books[0];
    CHECK(b.rule == BookRule::kBufferedDiff);
    CHECK_FALSE(b.snapshot);
    CHECK(b.stream == "btcusdt@depth");
    CHECK(b.stream == normalizer.adapter().book_stream({"BTC", "USDT"}, 1000));
    CHECK(b.symbol == "BTCUSDT");
    CHECK(b.first_sequence == 99588317538);
    CHECK(b.sequence == 99588317663);
    CHECK(b.exchange_time == timestamp_from_ms(1788376136014));
    CHECK(text(b.bids) == "77381.36@1.29993 77381.35@0.00084");
    CHECK(text(b.asks) == "77381.37@3.16444 77381.83@0");
  }
}

TEST_CASE_FIXTURE(Binance, "Binance: a partial book is whole, and a stream of its own") {
  Decoded out;
  VenueAdapter& binance = normalizer.adapter();
  for (const std::string& payload :
       {wrapped("btcusdt@depth20@100ms", kPartial),
        R"({"data":)" + std::string{kPartial} + R"(,"stream":"btcusdt@depth20@100ms"})"}) {
    binance.decode(ws(payload), out);
    CHECK(out.errors.empty());
    REQUIRE(out.books.size() == 1);
    CHECK(out.books[0].rule == BookRule::kReplace);
    CHECK(out.books[0].snapshot);
    CHECK(out.books[0].stream == "btcusdt@depth20@100ms");
    CHECK(out.books[0].symbol == "BTCUSDT");
    CHECK(out.books[0].depth == 20);
    CHECK(out.books[0].sequence == 160);
    CHECK_FALSE(out.books[0].exchange_time.has_value());
    CHECK(text(out.books[0].asks) == "0.0026@100");
  }
  // A raw connection does not say whose it is; the reader may know.
  binance.decode(ws(kPartial), out);
  REQUIRE(out.errors.size() == 1);
  CHECK(out.errors[0].error.code == ErrorCode::kUnknownSymbol);
  Frame known = ws(kPartial);
  known.symbol = "BTCUSDT";
  binance.decode(known, out);
  REQUIRE(out.books.size() == 1);
  CHECK(out.books[0].rule == BookRule::kReplace);
  CHECK(out.books[0].stream != "btcusdt@depth");

  // An older partial book is dropped.
  const std::string one = wrapped("bnbusdt@depth5", kPartial);
  feed(ws(one));
  CHECK(memory.books.size() == 1);
  feed(ws(one));
  CHECK(memory.books.empty());
}

TEST_CASE_FIXTURE(Binance,
                  "Binance: synced by a REST snapshot; the first change used straddles it") {
  feed(ws(change(95, 99, R"(["8","5"])", "")));  // wholly older than the snapshot
  CHECK(memory.books.empty());
  REQUIRE(memory.needs.size() == 1);
  CHECK(memory.needs[0] ==
        std::pair{std::string{"btcusdt@depth"}, MaintainedBook::Need::kSnapshot});
  feed(ws(change(100, 103, R"(["10","3"])", R"(["12","4"])")));
  const std::string base = snapshot(101);
  feed(rest(base, "orderbook", "BTCUSDT"));
  REQUIRE(memory.errors.empty());
  REQUIRE(memory.books.size() == 1);
  CHECK(memory.books[0].synced());
  CHECK(memory.books[0].sequence == 103);
  CHECK(text(memory.books[0].bids) == "10@3 9@2");
  CHECK(text(memory.books[0].asks) == "11@1 12@4");
  feed(ws(change(104, 104, R"(["9","0.00000000"])", "")));
  REQUIRE(memory.books.size() == 1);
  CHECK(text(memory.books[0].bids) == "10@3");
  // A hole: nothing is shown, a snapshot is needed.
  feed(ws(change(106, 107, R"(["9","1"])", "")));
  CHECK(memory.records() == 0);
  REQUIRE(memory.errors.size() == 1);
  CHECK(memory.errors[0].error.code == ErrorCode::kSequenceGap);
  REQUIRE(memory.needs.size() == 1);
  CHECK(memory.needs[0].second == MaintainedBook::Need::kSnapshot);
}

TEST_CASE_FIXTURE(Binance,
                  "Binance: a broken change makes its own book untrustworthy and no other") {
  for (const char* symbol : {"BTCUSDT", "ETHUSDT"}) {
    const std::string base = snapshot(100);
    feed(rest(base, "orderbook", symbol));
    REQUIRE(memory.books.size() == 1);
    REQUIRE(memory.books[0].synced());
  }
  feed(ws(wrapped("btcusdt@depth@100ms", change(101, 102, R"(["x","1"])", ""))));
  REQUIRE(memory.books.size() == 1);
  CHECK(memory.streams[0] == "btcusdt@depth");
  CHECK_FALSE(memory.books[0].synced());
  CHECK(memory.errors.size() == 1);
  CHECK(normalizer.find("ethusdt@depth")->book().synced());
  // A ticker that is broken says nothing of the book.
  feed(ws(wrapped("ethusdt@ticker", R"({"e":"24hrTicker","s":"ETHUSDT","c":{}})")));
  CHECK(memory.errors.size() == 1);
  CHECK(normalizer.find("ethusdt@depth")->book().synced());
}

TEST_CASE_FIXTURE(Binance, "Binance: a REST book alone is a record") {
  const char* book =
      R"({"lastUpdateId":1027024,"bids":[["4.00000000","431.00000000"]],"asks":[["4.00000200","12.00000000"]]})";
  feed(rest(book, "orderbook", "BNBBTC"));
  REQUIRE(memory.books.size() == 1);
  CHECK(memory.books[0].synced());
  CHECK(memory.books[0].origin == Origin::kRest);
  CHECK(memory.books[0].sequence == 1027024);
  CHECK_FALSE(memory.books[0].exchange_time.has_value());
  CHECK(memory.books[0].instrument.name() == "BNB-BTC");
  CHECK(text(memory.books[0].bids) == "4@431");
  check_error(rest(book, "orderbook"), ErrorCode::kUnknownSymbol);
}

TEST_CASE_FIXTURE(Binance, "Binance: the futures market speaks alike and is refused") {
  feed(rest(snapshot(100), "orderbook", "BTCUSDT"));
  REQUIRE(memory.books.size() == 1);
  check_error(
      ws(wrapped(
          "btcusdt@depth@0ms",
          R"({"e":"depthUpdate","E":1723161256299,"T":1723161256298,"s":"BTCUSDT",)"
          R"("U":5123107832006,"u":5123107837557,"pu":5123107831937,"b":[["58710.20","0.014"]],)"
          R"("a":[]})")),
      ErrorCode::kUnknownSymbol);
  CHECK(normalizer.find("btcusdt@depth")->book().synced());
  check_error(rest(R"({"lastUpdateId":5123107852948,"E":1723161256501,"T":1723161256493,)"
                   R"("bids":[["61800.20","2.909"]],"asks":[]})",
                   "orderbook", "BTCUSDT"),
              ErrorCode::kUnknownSymbol);
  CHECK(normalizer.find("btcusdt@depth")->book().sequence == 100);
}

TEST_CASE_FIXTURE(Binance, "Binance: numbers are kept exactly (A20), records apart (A17)") {
  Decoded out;
  normalizer.adapter().decode(ws(change(1, 2, R"(["0.0000089123","9876543210.12345678"])", "")),
                              out);
  REQUIRE(out.books.size() == 1);
  CHECK(text(out.books[0].bids) == "0.0000089123@9876543210.12345678");
  CHECK(out.books[0].bids[0].size.scale() == 8);

  json rows = json::array();
  for (int i = 0; i < 100; ++i) {
    json row = json::parse(kTicker);
    row["s"] = "A" + std::to_string(i) + "USDT";
    rows.push_back(row);
  }
  for (const std::string& payload : {rows.dump(), wrapped("!ticker@arr", rows.dump())}) {
    feed(ws(payload));  // A12
    REQUIRE(memory.tickers.size() == 100);
    for (std::size_t i = 0; i < 100; ++i) {
      CHECK(memory.tickers[i].instrument.base == "A" + std::to_string(i));
    }
  }
}

TEST_CASE_FIXTURE(Binance, "Binance: REST tickers") {
  const std::string full =
      R"({"symbol":"BNBBTC","priceChange":"-94.99999800","priceChangePercent":"-95.960",)"
      R"("weightedAvgPrice":"0.29628482","prevClosePrice":"0.10002000","lastPrice":"4.00000200",)"
      R"("lastQty":"200.00000000","bidPrice":"4.00000000","bidQty":"100.00000000","askPrice":"4.00000200",)"
      R"("askQty":"100.00000000","openPrice":"99.00000000","highPrice":"100.00000000",)"
      R"("lowPrice":"0.10000000","volume":"8913.30000000","quoteVolume":"15.30000000",)"
      R"("openTime":1499783499040,"closeTime":1499869899040,"firstId":28385,"lastId":28460,"count":76})";
  const std::string mini =
      R"({"symbol":"ETHUSDT","openPrice":"1.1","highPrice":"2","lowPrice":"1","lastPrice":"1.4",)"
      R"("volume":"5","quoteVolume":"6","openTime":1,"closeTime":1499869899040})";
  const std::string bad = R"({"symbol":"BADUSDT","lastPrice":"-1"})";
  feed(rest(full, "ticker", "BNBBTC"));
  REQUIRE(memory.tickers.size() == 1);
  CHECK(memory.tickers[0].trade_price == 4.000002);
  CHECK(memory.tickers[0].prev_closing_price == 0.10002);
  CHECK(memory.tickers[0].signed_change_price == -94.999998);
  CHECK(memory.tickers[0].signed_change_rate == -94.999998 / (4.000002 + 94.999998));
  CHECK(memory.tickers[0].exchange_time == timestamp_from_ms(1499869899040));
  feed(rest("[" + full + "," + bad + "," + mini + "]", "ticker"));
  REQUIRE(memory.tickers.size() == 2);
  CHECK(memory.tickers[1].instrument.name() == "ETH-USDT");
  CHECK(memory.tickers[1].signed_change_price == 0.3);
  REQUIRE(memory.errors.size() == 1);
  CHECK(memory.errors[0].error.code == ErrorCode::kValueOutOfRange);
  CHECK(memory.errors[0].symbol == "BADUSDT");
}

TEST_CASE_FIXTURE(Binance, "Binance: market list") {
  feed(rest(R"({"timezone":"UTC","serverTime":1,"rateLimits":[{}],"exchangeFilters":[],"symbols":[)"
            R"({"symbol":"ETHBTC","status":"TRADING","baseAsset":"ETH","quoteAsset":"BTC",)"
            R"("isSpotTradingAllowed":true,"filters":[{"filterType":"LOT_SIZE","minQty":"1"},)"
            R"({"minNotional":"0.00010000","filterType":"NOTIONAL"}],"permissions":[]},)"
            R"({"symbol":"OLDUSDT","status":"BREAK","baseAsset":"OLD","quoteAsset":"USDT",)"
            R"("isSpotTradingAllowed":true,"filters":[]},{"symbol":"USDTUSD1X","status":"TRADING",)"
            R"("baseAsset":"USDT","quoteAsset":"USD1X","isSpotTradingAllowed":false}]})",
            "markets"));
  REQUIRE(memory.markets.size() == 3);
  CHECK(memory.markets[0].instrument == Instrument{"ETH", "BTC"});
  CHECK(memory.markets[0].active);
  CHECK(memory.markets[0].min_notional == decimal("0.0001"));
  CHECK_FALSE(memory.markets[1].active);
  CHECK_FALSE(memory.markets[2].active);
  CHECK(normalizer.adapter().instrument("USDTUSD1X") == Instrument{"USDT", "USD1X"});  // learned
}

TEST_CASE_FIXTURE(Binance, "Binance: what the venue says besides") {
  const auto kind_of = [this](const Frame& frame) {
    feed(frame);
    CAPTURE(frame.payload);
    CHECK(memory.errors.empty());
    CHECK(memory.records() == 0);
    REQUIRE(memory.controls.size() == 1);
    return memory.controls[0].kind;
  };
  using Kind = ControlMessage::Kind;
  CHECK(kind_of(ws(R"({"result":null,"id":1})")) == Kind::kAck);
  CHECK(kind_of(ws(R"({"id":"abc","result":null})")) == Kind::kAck);
  CHECK(kind_of(ws(R"({"result":["btcusdt@ticker"],"id":3})")) == Kind::kIgnored);
  const std::string bye = R"({"e":"serverShutdown","E":1770123456789})";
  CHECK(kind_of(ws(bye)) == Kind::kReconnect);
  CHECK(kind_of(ws(wrapped("!serverShutdown", bye))) == Kind::kReconnect);
  for (
      const char* payload :
      {R"({"u":400900217,"s":"BNBUSDT","b":"25.3","B":"31.2","a":"25.4","A":"40.6"})",
       R"({"stream":"bnbusdt@bookTicker","data":{"u":400900217,"s":"BNBUSDT","b":"25.3","B":"1","a":"2","A":"3"}})",
       R"({"e":"24hrMiniTicker","E":1,"s":"BNBBTC","c":"0.0025","o":"0.0010"})",
       R"({"stream":"x@trade","data":{"e":"trade","E":1,"s":"BNBBTC","t":12345,"p":"0.001","b":88,"a":50}})",
       R"([{"e":"24hrMiniTicker","E":1,"s":"BNBBTC","c":"0.0025"}])"}) {
    CHECK(kind_of(ws(payload)) == Kind::kIgnored);
  }
  CHECK(kind_of(rest("{}", "other")) == Kind::kIgnored);
  CHECK(kind_of(rest(R"({"serverTime":1499827319559})", "time")) == Kind::kIgnored);

  check_error(
      ws(R"({"code":2,"msg":"Invalid request: missing field `method` at line 1 column 73"})"),
      ErrorCode::kVenueError);
  CHECK(memory.errors[0].error.detail.starts_with("2: Invalid request"));
  // What told the kind stands in another part than what is read.
  check_error(
      ws(R"({"stream":"btcusdt@depth20","data":{"lastUpdateId":1,"bids":[],"asks":[]},"data":{"bids":[],"asks":[]}})"),
      ErrorCode::kSchemaMismatch);
  check_error(ws(R"({"error":{"code":2,"msg":"Invalid request: invalid stream"},"id":1})"),
              ErrorCode::kVenueError);
  CHECK(memory.errors[0].error.detail == "2: Invalid request: invalid stream");
  check_error(rest(R"({"code":-1121,"msg":"Invalid symbol."})", "ticker", "NOPEUSDT"),
              ErrorCode::kUnknownSymbol);
  CHECK(memory.errors[0].symbol == "NOPEUSDT");
  check_error(rest(R"({"code":-1003,"msg":"Too much request weight used"})", "ticker"),
              ErrorCode::kRateLimited);
  check_error(rest(R"({"code":-1003,"msg":"Way too much request weight used; IP banned until 1."})",
                   "ticker"),
              ErrorCode::kBanned);
}

TEST_CASE_FIXTURE(Binance, "Binance: wrong values and shapes") {
  check_error(ws(change(1, 2, R"(["-1","1"])", "")), ErrorCode::kValueOutOfRange);
  check_error(ws(change(1, 2, R"(["1","-1"])", "")), ErrorCode::kValueOutOfRange);
  check_error(ws(change(1, 2, R"(["1","nan"])", "")), ErrorCode::kValueOutOfRange);
  check_error(ws(change(5, 2, "", "")), ErrorCode::kValueOutOfRange);
  check_error(ws(change(-5, 2, "", "")), ErrorCode::kValueOutOfRange);
  check_error(ws(change(1, 2, R"(["1"])", "")), ErrorCode::kSchemaMismatch);
  check_error(ws(change(1, 2, "7", "")), ErrorCode::kSchemaMismatch);
  check_error(ws(R"({"e":"depthUpdate","s":"BTCUSDT","U":1,"u":2,"b":[]})"),
              ErrorCode::kSchemaMismatch);
  check_error(ws(R"({"e":"depthUpdate","s":"BTCUSDT","u":2,"b":[],"a":[]})"),
              ErrorCode::kSchemaMismatch);
  check_error(ws(R"({"e":"depthUpdate","U":1,"u":2,"b":[],"a":[]})"), ErrorCode::kSchemaMismatch);
  check_error(ws(R"({"e":"depthUpdate","s":"BTCUSDT","U":1.5,"u":2,"b":[],"a":[]})"),
              ErrorCode::kSchemaMismatch);
  check_error(ws(R"({"e":"24hrTicker","s":"BTCUSDT"})"), ErrorCode::kSchemaMismatch);
  check_error(ws(R"({"e":"24hrTicker","s":"BTCUSDT","c":"-0.01"})"), ErrorCode::kValueOutOfRange);
  check_error(ws(R"({"e":"24hrTicker","s":"BTCUSD_PERP","c":"1"})"), ErrorCode::kUnknownSymbol);
  check_error(ws(R"({"stream":"btcusdt@depth5","data":{"lastUpdateId":1,"bids":[]}})"),
              ErrorCode::kSchemaMismatch);
  check_error(ws("{}"), ErrorCode::kSchemaMismatch);
  check_error(ws(R"({"stream":"btcusdt@ticker"})"), ErrorCode::kSchemaMismatch);
}

TEST_CASE_FIXTURE(Binance, "Binance: what is sent") {
  VenueAdapter& binance = normalizer.adapter();
  const std::vector<Subscription> wanted = {{Channel::kTicker, {"BTC", "USDT"}, 0},
                                            {Channel::kOrderBook, {"BTC", "USDT"}, 1000}};
  const std::vector<std::string> sent =
      binance.subscribe(wanted, timestamp_from_ms(1'790'000'000'000));
  REQUIRE(sent.size() == 1);
  CHECK(json::parse(sent[0]) ==
        json::parse(R"({"method":"SUBSCRIBE","params":["btcusdt@ticker","btcusdt@depth@100ms"],)"
                    R"("id":1790000000000})"));
  CHECK(json::parse(binance.unsubscribe(wanted, {})[0])["method"] == "UNSUBSCRIBE");
  const std::vector<Subscription> many(1000, wanted[0]);
  const std::vector<std::string> parts = binance.subscribe(many, timestamp_from_ms(1));
  REQUIRE(parts.size() == 5);
  CHECK(json::parse(parts[0])["id"] != json::parse(parts[1])["id"]);
  CHECK(json::parse(parts[4])["params"].size() == 200);

  CHECK(binance.profile().book_needs_rest);
  const RestCall book = binance.book_call({"BTC", "USDT"}, 0);
  CHECK(book.path == "/api/v3/depth?symbol=BTCUSDT&limit=1000");
  CHECK(book.weight == 50);
  CHECK(binance.book_call({"BTC", "USDT"}, 2000).weight == 250);
  CHECK(binance.book_call({"币", "USDT"}, 0).path ==
        "/api/v3/depth?symbol=%E5%B8%81USDT&limit=1000");
  const auto seed = [&](int weight, int depth = 0) {
    const RestCall call = binance.seed_call({"BTC", "USDT"}, depth, weight);
    CHECK(call.weight <= std::max(weight, 5));
    return call.path.substr(call.path.find("limit="));
  };
  CHECK(seed(50) == "limit=1000");
  CHECK(seed(1000) == "limit=1000");
  CHECK(seed(49) == "limit=500");
  CHECK(seed(24) == "limit=100");
  CHECK(seed(0) == "limit=100");
  CHECK(seed(250, 5000) == "limit=5000");
  CHECK(seed(249, 5000) == "limit=1000");
  const std::vector<Instrument> two = {{"BTC", "USDT"}, {"ETH", "USDT"}};
  CHECK(binance.ticker_calls(two)[0].path ==
        "/api/v3/ticker/24hr?symbols=%5B%22BTCUSDT%22%2C%22ETHUSDT%22%5D");
  CHECK(binance.ticker_calls(std::span{two}.first(1))[0].path ==
        "/api/v3/ticker/24hr?symbol=BTCUSDT");
  const std::vector<Instrument> sixty(60, two[0]);
  CHECK(binance.ticker_calls(sixty).size() == 3);
}

/// The book as the venue describes keeping it, by another JSON library and ordered maps.
struct Model {
  std::map<long double, std::string> bids;
  std::map<long double, std::string> asks;
  std::vector<json> waiting;
  std::int64_t last = -1;
  std::size_t shown = 0;  ///< times the book is whole after a message that changed it

  static void set(std::map<long double, std::string>& side, const json& levels) {
    for (const json& level : levels) {
      const std::string price = level[0];
      const std::string size = level[1];
      if (std::stold(size) == 0) {
        side.erase(std::stold(price));
      } else {
        side[std::stold(price)] = decimal(price).to_string() + "@" + decimal(size).to_string();
      }
    }
  }
  void apply(const json& event) {
    if (event["u"].get<std::int64_t>() <= last) return;
    REQUIRE(event["U"].get<std::int64_t>() <= last + 1);
    set(bids, event["b"]);
    set(asks, event["a"]);
    last = event["u"];
  }
  void change(const json& event) {
    if (last < 0) {
      waiting.push_back(event);
    } else {
      const std::int64_t before = last;
      apply(event);
      shown += last != before ? 1 : 0;
    }
  }
  void load(const json& book) {
    set(bids, book["bids"]);
    set(asks, book["asks"]);
    last = book["lastUpdateId"];
    for (const json& event : waiting) apply(event);
    ++shown;
  }
  std::string text_of(bool bid) const {
    std::string out;
    const auto add = [&](const std::string& level) { out += (out.empty() ? "" : " ") + level; };
    if (bid) {
      for (auto level = bids.rbegin(); level != bids.rend(); ++level) add(level->second);
    } else {
      for (const auto& level : asks) add(level.second);
    }
    return out;
  }
};

void check_recording(const char* file) {
  const std::vector<Recorded> frames = recording(file);
  if (frames.empty()) return;
  Normalizer normalizer{VenueId::kBinance};
  Memory memory;
  std::map<std::string, Model> models;
  std::size_t synced_books = 0;
  for (const Recorded& recorded : frames) {
    memory.clear();
    normalizer.feed(recorded.frame(), memory);
    CHECK(memory.errors.empty());
    for (const OrderBook& book : memory.books) {
      CHECK(book.synced());
      REQUIRE_FALSE(book.bids.empty());
      REQUIRE_FALSE(book.asks.empty());
      CHECK(book.bids[0].price < book.asks[0].price);
      ++synced_books;
    }
    if (recorded.channel != "orderbook") {
      CHECK(memory.records() == 0);
      continue;
    }
    const json payload = json::parse(recorded.raw);
    if (recorded.rest) {
      models[recorded.symbol].load(payload);
    } else {
      models[payload["data"]["s"]].change(payload["data"]);
    }
    if (memory.books.empty()) continue;
    const OrderBook& book = memory.books.back();
    const Model& model = models[book.instrument.base + book.instrument.quote];
    CHECK(book.sequence == model.last);
    if (synced_books % 200 == 1) CHECK(text(book.bids) == model.text_of(true));
  }
  std::size_t expected_books = 0;
  for (const auto& [symbol, model] : models) {
    CAPTURE(symbol);
    expected_books += model.shown;
    std::string stream = symbol + "@depth";
    for (char& c : stream) c = static_cast<char>(std::tolower(c));
    const MaintainedBook* const book = normalizer.find(stream);
    REQUIRE(book != nullptr);
    CHECK(book->gaps() == 0);
    CHECK(book->resyncs() == 0);
    REQUIRE(book->book().synced());
    CHECK(book->book().sequence == model.last);
    CHECK(text(book->book().bids) == model.text_of(true));
    CHECK(text(book->book().asks) == model.text_of(false));
  }
  CHECK(synced_books == expected_books);
}

TEST_CASE("Binance recording of 2024, BTC: synced by its own snapshot, no gap, never crossed") {
  check_recording("binance.spot-btcusdt.20240808.jsonl.gz");
}
TEST_CASE("Binance recording of 2024, ETH: synced by its own snapshot, no gap, never crossed") {
  check_recording("binance.spot-ethusdt.20240808.jsonl.gz");
}
TEST_CASE("Binance recording of 2021, four symbols") {
  check_recording("binance.mixed.20211012.jsonl");
}
TEST_CASE("Binance.US recording of 2021, the same protocol") {
  check_recording("binance.us-mixed.20211012.jsonl");
}
TEST_CASE("Binance TR recording of 2023, the same protocol") {
  check_recording("binance.tr-mixed.20230410.jsonl");
}

TEST_CASE_FIXTURE(Binance, "Binance futures recording: nothing of it becomes a record") {
  std::size_t refused = 0;
  std::size_t frames = 0;
  for (const Recorded& recorded : recording("binance.usdm-btcusdt.20240808.jsonl.gz")) {
    if (++frames > 20'000) break;
    feed(recorded.frame());
    CHECK(memory.records() == 0);
    if (recorded.channel == "orderbook") {
      REQUIRE(memory.errors.size() == 1);
      CHECK(memory.errors[0].error.code == ErrorCode::kUnknownSymbol);
      ++refused;
    } else {
      CHECK(memory.errors.empty());
    }
  }
  if (frames > 0) CHECK(refused > 1000);
}

TEST_CASE_FIXTURE(Binance, "Binance market list of 2021 is learned whole") {
  for (const Recorded& recorded : recording("binance.markets.20211012.jsonl.gz")) {
    feed(recorded.frame());
    CHECK(memory.errors.empty());
    const json symbols = json::parse(recorded.raw)["symbols"];
    REQUIRE(memory.markets.size() == symbols.size());
    for (std::size_t i = 0; i < symbols.size(); ++i) {
      const json& row = symbols[i];
      CHECK(memory.markets[i].symbol == row["symbol"]);
      CHECK(memory.markets[i].instrument.base == row["baseAsset"]);
      CHECK(memory.markets[i].instrument.quote == row["quoteAsset"]);
      CHECK(memory.markets[i].active ==
            (row["status"] == "TRADING" && row["isSpotTradingAllowed"].get<bool>()));
    }
  }
}

TEST_CASE_FIXTURE(Binance, "Binance isolated payloads: every one decodes to what it says") {
  std::size_t tickers = 0;
  for (const Recorded& recorded : recording("binance.jsonl")) {
    CAPTURE(recorded.raw.substr(0, 300));
    Decoded out;
    normalizer.adapter().decode(recorded.frame(), out);
    const json payload = json::parse(recorded.raw);
    const json& data = payload.contains("data") ? payload["data"] : payload;
    if (data.contains("lastUpdateId") && recorded.symbol.empty()) {
      REQUIRE(out.errors.size() == 1);  // nobody can say whose book it is
      CHECK(out.errors[0].error.code == ErrorCode::kUnknownSymbol);
      continue;
    }
    CHECK(out.errors.empty());
    const bool full_ticker = data.value("e", "") == "24hrTicker" || data.contains("lastPrice");
    if (full_ticker) {
      REQUIRE(out.tickers.size() == 1);
      const Ticker& t = out.tickers[0].ticker;
      const bool ws_names = data.contains("c");
      const auto number = [&](const char* short_name, const char* long_name) {
        return std::stod(data[ws_names ? short_name : long_name].get<std::string>());
      };
      CHECK(out.tickers[0].symbol == data[ws_names ? "s" : "symbol"]);
      CHECK(t.trade_price == number("c", "lastPrice"));
      CHECK(t.opening_price == number("o", "openPrice"));
      CHECK(t.high_price == number("h", "highPrice"));
      CHECK(t.low_price == number("l", "lowPrice"));
      CHECK(t.acc_trade_volume_24h == number("v", "volume"));
      CHECK(t.signed_change_price == number("p", "priceChange"));
      CHECK(t.exchange_time ==
            timestamp_from_ms(data[ws_names ? "E" : "closeTime"].get<std::int64_t>()));
      ++tickers;
    } else if (recorded.channel == "orderbook") {
      REQUIRE(out.books.size() == 1);
      const auto side = [](const json& rows) {
        std::string joined;
        for (const json& row : rows) {
          if (!joined.empty()) joined += ' ';
          joined += decimal(row[0].get<std::string>()).to_string() + "@" +
                    decimal(row[1].get<std::string>()).to_string();
        }
        return joined;
      };
      const bool changes = data.contains("u");
      CHECK(text(out.books[0].bids) == side(data[changes ? "b" : "bids"]));
      CHECK(text(out.books[0].asks) == side(data[changes ? "a" : "asks"]));
      CHECK(out.books[0].sequence == data[changes ? "u" : "lastUpdateId"].get<std::int64_t>());
      CHECK(out.books[0].symbol == recorded.symbol);
    } else if (recorded.channel == "markets") {
      CHECK(out.markets.size() == 1);
    } else {
      CHECK(out.tickers.empty());
      CHECK(out.books.empty());
      CHECK(out.controls.size() == 1);
    }
  }
  if (tickers > 0) CHECK(tickers == 9);
}

}  // namespace
}  // namespace spreadwatch::ingest::test
