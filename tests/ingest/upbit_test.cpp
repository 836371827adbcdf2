#include "tests/ingest/helpers.h"

namespace spreadwatch::ingest::test {
namespace {

using nlohmann::json;

constexpr const char* kTicker =
    R"({"type":"ticker","code":"KRW-ETH","opening_price":37249,"high_price":37645,"low_price":36732,)"
    R"("trade_price":36929,"prev_closing_price":37235,"acc_trade_price":5530.55648491,"change":"FALL",)"
    R"("change_price":306,"signed_change_price":-306,"change_rate":0.0082180744,)"
    R"("signed_change_rate":-0.0082180744,"ask_bid":"ASK","trade_volume":0.00006314,)"
    R"("acc_trade_volume":0.149474,"trade_date":"20230830","trade_time":"082105",)"
    R"("trade_timestamp":1693383665811,"acc_ask_volume":0.0197006,"acc_bid_volume":0.1297734,)"
    R"("highest_52_week_price":42710,"highest_52_week_date":"2023-07-06","lowest_52_week_price":21332,)"
    R"("lowest_52_week_date":"2022-11-21","market_state":"ACTIVE","is_trading_suspended":false,)"
    R"("delisting_date":null,"market_warning":"NONE","timestamp":1693383690031,)"
    R"("acc_trade_price_24h":8320.40577449,"acc_trade_volume_24h":0.22569412,"stream_type":"SNAPSHOT"})";
constexpr const char* kSimpleTicker =
    R"({"ty":"ticker","cd":"KRW-ETH","op":37249,"hp":37645,"lp":36732,"tp":36929,"pcp":37235,"c":"FALL",)"
    R"("cp":306,"scp":-306,"cr":0.0082180744,"scr":-0.0082180744,"tv":6.314E-5,"atv":0.149474,)"
    R"("atv24h":0.22569412,"atp":5530.55648491,"tdt":"20230830","ttm":"082105","ttms":1693383665811,)"
    R"("ab":"ASK","ms":"ACTIVE","dd":null,"tms":1693383690031,"st":"REALTIME"})";
constexpr const char* kBook =
    R"({"type":"orderbook","code":"KRW-BTC","timestamp":1790134742106,"total_ask_size":2.51469375,)"
    R"("total_bid_size":1.63815297,"orderbook_units":[{"ask_price":1.16539E8,"bid_price":1.16538E8,)"
    R"("ask_size":0.02054761,"bid_size":0.08120946},{"ask_price":1.16542E8,"bid_price":1.16537E8,)"
    R"("ask_size":0.00077720,"bid_size":0.01129382}],"stream_type":"SNAPSHOT","level":0})";
constexpr const char* kSimpleBook =
    R"({"ty":"orderbook","cd":"KRW-BTC","tms":1790134773006,"tas":0.48514983,"tbs":2.2403413,"obu":[)"
    R"({"ap":116606000,"bp":116534000,"as":0.06288509,"bs":7.9276E-4}],"st":"SNAPSHOT","lv":0})";
constexpr const char* kRestTicker =
    R"([{"market":"KRW-ETH","trade_date":"20250704","trade_time":"051400","trade_date_kst":"20250704",)"
    R"("trade_time_kst":"141400","trade_timestamp":1751606040327,"opening_price":3518000,)"
    R"("high_price":3542000,"low_price":3495000,"trade_price":3510000,"prev_closing_price":3517000,)"
    R"("change":"FALL","change_price":7000,"change_rate":0.0019903327,"signed_change_price":-7000,)"
    R"("signed_change_rate":-0.0019903327,"trade_volume":0.00712453,"acc_trade_price":20633572185.68442,)"
    R"("acc_trade_price_24h":111690309851.79362,"acc_trade_volume":5871.4585559,)"
    R"("acc_trade_volume_24h":31689.60167858,"highest_52_week_price":5900000,"timestamp":1751606040373}])";

struct Upbit : OneFrame<VenueId::kUpbit> {
  void check_error(std::string_view payload, ErrorCode code) {
    OneFrame::check_error(ws(payload), code);
  }
};

std::string book_of(std::string_view units, std::string_view code = "KRW-BTC") {
  return R"({"type":"orderbook","code":")" + std::string{code} +
         R"(","timestamp":1790134742106,"orderbook_units":[)" + std::string{units} + "]}";
}

TEST_CASE_FIXTURE(Upbit, "Upbit: ticker in both spellings") {
  for (const char* payload : {kTicker, kSimpleTicker}) {
    feed(ws(payload));
    REQUIRE(memory.errors.empty());
    REQUIRE(memory.tickers.size() == 1);
    const Ticker& t = memory.tickers[0];
    CHECK(t.instrument.name() == "ETH-KRW");
    CHECK(t.origin == Origin::kWs);
    CHECK(t.exchange_time == timestamp_from_ms(1693383690031));
    CHECK(t.opening_price == 37249);
    CHECK(t.trade_price == 36929);
    CHECK(t.high_price == 37645);
    CHECK(t.low_price == 36732);
    CHECK(t.prev_closing_price == 37235);
    CHECK(t.acc_trade_volume_24h == 0.22569412);
    CHECK(t.signed_change_price == -306);
    CHECK(t.signed_change_rate == -306.0 / 37235);
  }
}

TEST_CASE_FIXTURE(Upbit, "Upbit: order book, exponents and trailing zeros exact") {
  feed(ws(kBook));
  REQUIRE(memory.books.size() == 1);
  CHECK(memory.streams[0] == "orderbook:KRW-BTC");
  CHECK(memory.streams[0] == normalizer.adapter().book_stream({"BTC", "KRW"}, 30));
  const OrderBook& b = memory.books[0];
  CHECK(b.synced());
  CHECK_FALSE(b.sequence.has_value());
  CHECK(b.exchange_time == timestamp_from_ms(1790134742106));
  CHECK(text(b.asks) == "116539000@0.02054761 116542000@0.0007772");
  CHECK(text(b.bids) == "116538000@0.08120946 116537000@0.01129382");

  feed(ws(kSimpleBook));
  REQUIRE(memory.books.size() == 1);
  CHECK(text(memory.books[0].asks) == "116606000@0.06288509");
  CHECK(text(memory.books[0].bids) == "116534000@0.00079276");
  CHECK(memory.books[0].exchange_time == timestamp_from_ms(1790134773006));
}

TEST_CASE_FIXTURE(Upbit, "Upbit: keys in any order, unknown ones ignored") {
  feed(ws(
      R"({"level":0,"future":{"a":[1,{"b":null}]},"orderbook_units":[{"bid_size":2,"x":[],"ask_size":1,)"
      R"("bid_price":9,"ask_price":10}],"timestamp":1790134742106,"code":"KRW-XRP","type":"orderbook"})"));
  REQUIRE(memory.errors.empty());
  REQUIRE(memory.books.size() == 1);
  CHECK(memory.books[0].instrument.name() == "XRP-KRW");
  CHECK(text(memory.books[0].asks) == "10@1");
  CHECK(text(memory.books[0].bids) == "9@2");
}

TEST_CASE_FIXTURE(Upbit,
                  "Upbit: JSON_LIST and SIMPLE_LIST; 100 records in one frame are 100 records") {
  for (const char* one : {kTicker, kSimpleTicker}) {
    json list = json::array();
    for (int i = 0; i < 100; ++i) {
      json row = json::parse(one);
      row[row.contains("code") ? "code" : "cd"] = "KRW-A" + std::to_string(i);
      list.push_back(row);
    }
    feed(ws(list.dump()));
    CHECK(memory.errors.empty());
    REQUIRE(memory.tickers.size() == 100);
    for (int i = 0; i < 100; ++i) {
      CHECK(memory.tickers[static_cast<std::size_t>(i)].instrument.base == "A" + std::to_string(i));
    }
  }
  feed(ws("[" + std::string{kBook} + "," + kSimpleTicker + "]"));
  CHECK(memory.books.size() == 1);
  CHECK(memory.tickers.size() == 1);
}

TEST_CASE_FIXTURE(Upbit, "Upbit: a bad row does not spoil the rows beside it") {
  json list = json::array({json::parse(kTicker), json::parse(kTicker), json::parse(kTicker)});
  list[1]["trade_price"] = "much";
  list[1]["code"] = "KRW-BAD";
  feed(ws(list.dump()));
  CHECK(memory.tickers.size() == 2);
  REQUIRE(memory.errors.size() == 1);
  CHECK(memory.errors[0].error.code == ErrorCode::kSchemaMismatch);
  CHECK(memory.errors[0].symbol == "KRW-BAD");
}

TEST_CASE_FIXTURE(Upbit, "Upbit: padding and empty levels are dropped side by side") {
  feed(ws(book_of(
      R"({"bid_price":0.00000688,"bid_size":1,"ask_price":0.00000689,"ask_size":8.70827286},)"
      R"({"bid_price":0,"bid_size":0,"ask_price":0.00000690,"ask_size":2},)"
      R"({"bid_price":0.00000687,"bid_size":3,"ask_price":0.0,"ask_size":0.0})",
      "BTC-BERA")));
  REQUIRE(memory.books.size() == 1);
  CHECK(memory.books[0].instrument.name() == "BERA-BTC");
  CHECK(text(memory.books[0].asks) == "0.00000689@8.70827286 0.0000069@2");
  CHECK(text(memory.books[0].bids) == "0.00000688@1 0.00000687@3");

  // One side alone, and no side at all, are books.
  feed(ws(book_of(R"({"bid_price":0,"bid_size":0,"ask_price":5,"ask_size":1})")));
  REQUIRE(memory.books.size() == 1);
  CHECK(memory.books[0].bids.empty());
  CHECK(memory.books[0].asks.size() == 1);
  feed(ws(book_of("")));
  REQUIRE(memory.books.size() == 1);
  CHECK(memory.books[0].synced());
}

TEST_CASE_FIXTURE(Upbit, "Upbit: numbers are kept exactly (A20)") {
  feed(ws(book_of(R"({"ask_price":0.0000089124,"bid_price":0.0000089123,"ask_size":1,)"
                  R"("bid_size":9876543210.12345678})")));
  REQUIRE(memory.books.size() == 1);
  CHECK(text(memory.books[0].bids) == "0.0000089123@9876543210.12345678");
}

TEST_CASE_FIXTURE(Upbit, "Upbit: each record carries its own symbol (A17)") {
  for (const char* code : {"KRW-BTC", "KRW-ETH", "USDT-BTC", "BTC-ETH"}) {
    feed(ws(book_of(R"({"ask_price":2,"bid_price":1,"ask_size":1,"bid_size":1})", code)));
    REQUIRE(memory.books.size() == 1);
    CHECK(memory.streams[0] == std::string{"orderbook:"} + code);
    const Instrument& i = memory.books[0].instrument;
    CHECK(i.quote + "-" + i.base == code);
  }
}

TEST_CASE_FIXTURE(Upbit, "Upbit: a grouped book is another stream") {
  std::string grouped = kBook;
  grouped.replace(grouped.find("\"level\":0"), 9, "\"level\":100000");
  feed(ws(grouped));
  REQUIRE(memory.streams.size() == 1);
  CHECK(memory.streams[0] == "orderbook:KRW-BTC#100000");
}

TEST_CASE_FIXTURE(Upbit, "Upbit: wrong values and wrong shapes are errors, not records") {
  const auto unit = [](const char* ask, const char* bid, const char* ask_size,
                       const char* bid_size) {
    return book_of(std::string{R"({"ask_price":)"} + ask + R"(,"bid_price":)" + bid +
                   R"(,"ask_size":)" + ask_size + R"(,"bid_size":)" + bid_size + "}");
  };
  check_error(unit("-2", "1", "1", "1"), ErrorCode::kValueOutOfRange);
  check_error(unit("2", "1", "-1", "1"), ErrorCode::kValueOutOfRange);
  check_error(unit("2", "1", "1", "-0.5"), ErrorCode::kValueOutOfRange);
  check_error(unit("2", "0", "1", "-1"), ErrorCode::kValueOutOfRange);
  check_error(unit("1e400", "1", "1", "1"), ErrorCode::kValueOutOfRange);
  check_error(unit("null", "1", "1", "1"), ErrorCode::kSchemaMismatch);
  check_error(unit("true", "1", "1", "1"), ErrorCode::kSchemaMismatch);
  check_error(unit("[]", "1", "1", "1"), ErrorCode::kSchemaMismatch);
  check_error(book_of(R"({"ask_price":2,"bid_price":1,"ask_size":1})"), ErrorCode::kSchemaMismatch);
  check_error(book_of("5"), ErrorCode::kSchemaMismatch);
  check_error(R"({"type":"orderbook","code":"KRW-BTC","timestamp":1790134742106})",
              ErrorCode::kSchemaMismatch);
  check_error(R"({"type":"orderbook","code":"KRW-BTC","orderbook_units":{}})",
              ErrorCode::kSchemaMismatch);
  check_error(R"({"type":"orderbook","orderbook_units":[]})", ErrorCode::kSchemaMismatch);
  check_error(R"({"type":"ticker","code":"KRW-BTC"})", ErrorCode::kSchemaMismatch);
  check_error(R"({"type":"ticker","code":"KRW-BTC","trade_price":-5})",
              ErrorCode::kValueOutOfRange);
  check_error(R"({"type":"ticker","code":"KRW-BTC","trade_price":1,"timestamp":-1})",
              ErrorCode::kValueOutOfRange);
  check_error(R"({"type":"ticker","trade_price":1})", ErrorCode::kSchemaMismatch);
  check_error(R"({"type":"ticker","code":"KRWBTC","trade_price":1})", ErrorCode::kUnknownSymbol);
  check_error(R"({"code":"KRW-BTC","trade_price":1})", ErrorCode::kSchemaMismatch);
  check_error(std::string{kBook} + "}", ErrorCode::kMalformedJson);
  check_error("<html><body>502</body></html>", ErrorCode::kMalformedJson);
}

TEST_CASE_FIXTURE(Upbit, "Upbit: what the venue says besides") {
  feed(ws(R"({"status":"UP"})"));
  REQUIRE(memory.controls.size() == 1);
  CHECK(memory.controls[0].kind == ControlMessage::Kind::kHeartbeat);

  check_error(R"({"error":{"message":"nope 은 지원하지 않는 타입입니다.","name":"INVALID_PARAM"}})",
              ErrorCode::kVenueError);
  CHECK(memory.errors[0].error.detail == "INVALID_PARAM: nope 은 지원하지 않는 타입입니다.");
  feed(rest(R"({"error":{"name":404,"message":"Code not found"}})", "ticker", "KRW-NOPE"));
  REQUIRE(memory.errors.size() == 1);
  CHECK(memory.errors[0].error.code == ErrorCode::kUnknownSymbol);
  CHECK(memory.errors[0].error.detail == "404: Code not found");
  CHECK(memory.errors[0].symbol == "KRW-NOPE");
  feed(rest(R"({"error":{"name":"not_found","message":"no Route matched with those values"}})",
            "ticker"));
  REQUIRE(memory.errors.size() == 1);
  CHECK(memory.errors[0].error.code == ErrorCode::kVenueError);
  feed(rest(R"({"error":{"name":"too_many_requests","message":"slow down"}})", "ticker"));
  REQUIRE(memory.errors.size() == 1);
  CHECK(memory.errors[0].error.code == ErrorCode::kRateLimited);

  // Known, but of no use here: no record, no error.
  for (
      const char* payload :
      {R"({"type":"trade","code":"KRW-BTC","trade_price":1,"sequential_id":5})",
       R"({"type":"candle.1s","code":"KRW-BTC","candle_date_time_utc":"2026-01-01T00:00:00"})",
       R"({"method":"LIST_SUBSCRIPTIONS","result":[{"type":"ticker","codes":["KRW-BTC"]}],"ticket":"t"})",
       R"([{"ticket":"t"},{"type":"ticker","codes":["KRW-BTC"]},{"format":"DEFAULT"}])", "[]"}) {
    CAPTURE(payload);
    feed(ws(payload));
    CHECK(memory.errors.empty());
    CHECK(memory.records() == 0);
    CHECK_FALSE(memory.controls.empty());
  }
}

TEST_CASE_FIXTURE(Upbit, "Upbit: REST answers") {
  feed(rest(kRestTicker, "ticker", "KRW-ETH"));
  REQUIRE(memory.tickers.size() == 1);
  CHECK(memory.tickers[0].origin == Origin::kRest);
  CHECK(memory.tickers[0].trade_price == 3510000);
  CHECK(memory.tickers[0].acc_trade_volume_24h == 31689.60167858);
  CHECK(memory.tickers[0].signed_change_price == -7000);
  CHECK(memory.tickers[0].exchange_time == timestamp_from_ms(1751606040373));

  feed(rest(
      R"([{"market":"KRW-USDT","trade_date":"20260812","trade_time":"052720",)"
      R"("opening_price":1409.00000000,"high_price":1411.00000000,"low_price":1407.00000000,)"
      R"("trade_price":1408.00000000,"prev_closing_price":1409.00000000,"timestamp":1786512440253}])",
      "ticker"));
  REQUIRE(memory.tickers.size() == 1);
  CHECK(memory.tickers[0].instrument.name() == "USDT-KRW");
  CHECK(memory.tickers[0].trade_price == 1408);
  CHECK_FALSE(memory.tickers[0].acc_trade_volume_24h.has_value());
  CHECK_FALSE(memory.tickers[0].signed_change_rate.has_value());

  feed(rest(R"([{"market":"KRW-BTC","timestamp":1751606867762,"total_ask_size":10.37591054,)"
            R"("total_bid_size":9.49577219,"orderbook_units":[{"ask_price":148520000,)"
            R"("bid_price":148490000,"ask_size":0.0134662,"bid_size":0.04296774}],"level":0}])",
            "orderbook", "KRW-BTC"));
  REQUIRE(memory.books.size() == 1);
  CHECK(memory.books[0].origin == Origin::kRest);
  CHECK(memory.streams[0] == "rest:KRW-BTC");
  CHECK(text(memory.books[0].bids) == "148490000@0.04296774");
  CHECK(memory.books[0].exchange_time == timestamp_from_ms(1751606867762));

  feed(rest(R"([{"market":"KRW-BTC","korean_name":"비트코인","english_name":"Bitcoin",)"
            R"("market_event":{"warning":false,"caution":{"PRICE_FLUCTUATIONS":true}}},)"
            R"({"market":"USDT-XRP","korean_name":"리플","english_name":"XRP"}])",
            "markets"));
  REQUIRE(memory.markets.size() == 2);
  CHECK(memory.markets[0].symbol == "KRW-BTC");
  CHECK(memory.markets[0].instrument == Instrument{"BTC", "KRW"});
  CHECK(memory.markets[1].instrument == Instrument{"XRP", "USDT"});
  CHECK(memory.markets[1].active);
}

TEST_CASE_FIXTURE(Upbit, "Upbit: what is sent") {
  VenueAdapter& upbit = normalizer.adapter();
  const std::vector<Subscription> wanted = {{Channel::kTicker, {"BTC", "KRW"}, 0},
                                            {Channel::kOrderBook, {"BTC", "KRW"}, 30},
                                            {Channel::kTicker, {"USDT", "KRW"}, 0},
                                            {Channel::kOrderBook, {"USDT", "KRW"}, 15}};
  const std::vector<std::string> sent =
      upbit.subscribe(wanted, timestamp_from_ms(1'790'000'000'000));
  REQUIRE(sent.size() == 1);
  const json message = json::parse(sent[0]);
  REQUIRE(message.size() == 4);
  CHECK_FALSE(message[0]["ticket"].get<std::string>().empty());
  CHECK(message[1] == json::parse(R"({"type":"ticker","codes":["KRW-BTC","KRW-USDT"]})"));
  CHECK(message[2] == json::parse(R"({"type":"orderbook","codes":["KRW-BTC","KRW-USDT.15"]})"));
  CHECK(message[3] == json::parse(R"({"format":"DEFAULT"})"));
  CHECK(upbit.subscribe({}, {}).empty());
  CHECK(upbit.unsubscribe(wanted, {}).empty());
  CHECK(upbit.profile().subscribe_replaces);

  CHECK(upbit.book_call({"BTC", "KRW"}, 10).path == "/v1/orderbook?markets=KRW-BTC&count=15");
  CHECK(upbit.markets_call().path == "/v1/market/all?is_details=true");
  const std::vector<Instrument> many(250, Instrument{"BTC", "KRW"});
  CHECK(upbit.ticker_calls(many).size() == 3);
  const std::vector<Instrument> two = {{"BTC", "KRW"}, {"XRP", "BTC"}};
  CHECK(upbit.ticker_calls(two)[0].path == "/v1/ticker?markets=KRW-BTC,BTC-XRP");
}

/// Checks a book against the payload, read a second time by another library.
void check_book(const OrderBook& book, const json& payload) {
  const bool simple = payload.contains("obu");
  std::vector<std::pair<double, double>> bids;
  std::vector<std::pair<double, double>> asks;
  for (const json& unit : payload[simple ? "obu" : "orderbook_units"]) {
    const std::pair<double, double> bid = {unit[simple ? "bp" : "bid_price"],
                                           unit[simple ? "bs" : "bid_size"]};
    const std::pair<double, double> ask = {unit[simple ? "ap" : "ask_price"],
                                           unit[simple ? "as" : "ask_size"]};
    if (bid.second != 0) bids.push_back(bid);
    if (ask.second != 0) asks.push_back(ask);
  }
  const auto pairs = [](const std::vector<Level>& levels) {
    std::vector<std::pair<double, double>> out;
    for (const Level& level : levels)
      out.emplace_back(level.price.to_double(), level.size.to_double());
    return out;
  };
  CHECK(pairs(book.bids) == bids);
  CHECK(pairs(book.asks) == asks);
  const std::int64_t time = payload[simple ? "tms" : "timestamp"];
  CHECK(book.exchange_time == timestamp_from_ms(time));
  const std::string code = payload.contains("market") ? payload["market"]
                           : simple                   ? payload["cd"]
                                                      : payload["code"];
  CHECK(book.instrument.quote + "-" + book.instrument.base == code);
}

double number(const json& value) {
  return value.is_string() ? std::stod(value.get<std::string>()) : value.get<double>();
}

void check_ticker(const Ticker& t, const json& row) {
  CHECK(t.trade_price == number(row["trade_price"]));
  CHECK(t.opening_price == number(row["opening_price"]));
  CHECK(t.high_price == number(row["high_price"]));
  CHECK(t.low_price == number(row["low_price"]));
  CHECK(t.prev_closing_price == number(row["prev_closing_price"]));
  CHECK(t.acc_trade_volume_24h == number(row["acc_trade_volume_24h"]));
  CHECK(t.signed_change_price == number(row["signed_change_price"]));
  CHECK(*t.signed_change_rate == doctest::Approx(number(row["signed_change_rate"])).epsilon(1e-4));
  CHECK(t.exchange_time == timestamp_from_ms(row["timestamp"].get<std::int64_t>()));
}

TEST_CASE_FIXTURE(Upbit, "Upbit recordings: every frame decodes to what it says") {
  std::size_t books = 0;
  std::size_t tickers = 0;
  for (const char* file : {"upbit.jsonl", "upbit.mixed.20210417.jsonl"}) {
    for (const Recorded& recorded : recording(file)) {
      CAPTURE(recorded.raw.substr(0, 200));
      feed(recorded.frame());
      const json payload = json::parse(recorded.raw);
      if (recorded.channel == "error") {
        CHECK(memory.errors.size() == 1);
        CHECK(memory.records() == 0);
        continue;
      }
      CHECK(memory.errors.empty());
      const json& row = payload.is_array() ? payload[0] : payload;
      if (recorded.channel == "orderbook") {
        REQUIRE(memory.books.size() == 1);
        check_book(memory.books[0], row);
        ++books;
      } else if (recorded.channel == "ticker" && !row.contains("candle_date_time_utc")) {
        const json rows = payload.is_array() ? payload : json::array({payload});
        REQUIRE(memory.tickers.size() == rows.size());
        for (std::size_t i = 0; i < rows.size(); ++i) check_ticker(memory.tickers[i], rows[i]);
        tickers += rows.size();
      } else if (recorded.channel == "markets") {
        CHECK(memory.markets.size() == payload.size());
      } else {
        CHECK(memory.records() == 0);
        CHECK(memory.controls.size() == 1);
      }
    }
  }
  if (books + tickers > 0) {
    CHECK(books == 96);
    CHECK(tickers == 4);
  }
}

}  // namespace
}  // namespace spreadwatch::ingest::test
