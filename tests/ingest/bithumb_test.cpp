#include "tests/ingest/helpers.h"

namespace spreadwatch::ingest::test {
namespace {

using nlohmann::json;
using std::chrono::hours;

constexpr const char* kTicker =
    R"({"type":"ticker","code":"KRW-BTC","opening_price":94223000,"high_price":95465000,)"
    R"("low_price":93601000,"trade_price":95299000,"prev_closing_price":94201000,"change":"RISE",)"
    R"("change_price":1098000,"signed_change_price":1098000,"change_rate":0.01165593,)"
    R"("signed_change_rate":0.01165593,"trade_volume":0.0094,"acc_trade_volume":151.44914647,)"
    R"("acc_trade_volume_24h":310.44065227,"acc_trade_price":14330306973.41015,)"
    R"("acc_trade_price_24h":29226371799.56915,"trade_date":"20260710","trade_time":"124548",)"
    R"("trade_timestamp":1783655148303,"ask_bid":"BID","acc_ask_volume":52.30413928,)"
    R"("market_state":"ACTIVE","is_trading_suspended":false,"delisting_date":"","market_warning":"NONE",)"
    R"("timestamp":1783655148485,"stream_type":"REALTIME"})";
constexpr const char* kBook =
    R"({"type":"orderbook","code":"KRW-ETH","total_ask_size":369.9832,"total_bid_size":287.0216,)"
    R"("orderbook_units":[{"ask_price":3715000,"bid_price":3714000,"ask_size":8.4592,"bid_size":3.012},)"
    R"({"ask_price":3716000,"bid_price":3713000,"ask_size":3.3766,"bid_size":15.399}],"level":1,)"
    R"("timestamp":1790133505546514,"stream_type":"SNAPSHOT"})";

struct Bithumb : OneFrame<VenueId::kBithumb> {
  std::optional<Timestamp> rest_ticker_time(std::string_view fields,
                                            std::optional<Timestamp> receive_time) {
    const std::string payload =
        R"([{"market":"KRW-BTC","trade_price":164114000,)" + std::string{fields} + "}]";
    Frame frame = rest(payload, "ticker");
    frame.receive_time = receive_time;
    feed(frame);
    REQUIRE(memory.tickers.size() == 1);
    return memory.tickers[0].exchange_time;
  }
};

TEST_CASE_FIXTURE(Bithumb, "Bithumb: ticker, whose trade date is Korean but whose time is true") {
  feed(ws(kTicker));
  REQUIRE(memory.tickers.size() == 1);
  const Ticker& t = memory.tickers[0];
  CHECK(t.instrument.name() == "BTC-KRW");
  CHECK(t.exchange_time == timestamp_from_ms(1783655148485));
  CHECK(t.opening_price == 94223000);
  CHECK(t.trade_price == 95299000);
  CHECK(t.high_price == 95465000);
  CHECK(t.low_price == 93601000);
  CHECK(t.prev_closing_price == 94201000);
  CHECK(t.acc_trade_volume_24h == 310.44065227);
  CHECK(t.signed_change_price == 1098000);
  CHECK(t.signed_change_rate == 1098000.0 / 94201000);
}

TEST_CASE_FIXTURE(Bithumb, "Bithumb: book time in microseconds or milliseconds, number or string") {
  const std::string book = kBook;
  const auto with_time = [&](const char* time) {
    std::string payload = book;
    payload.replace(payload.find("1790133505546514"), 16, time);
    feed(ws(payload));
    REQUIRE(memory.books.size() == 1);
    return memory.books[0].exchange_time;
  };
  CHECK(with_time("1790133505546514") == timestamp_from_us(1790133505546514));
  CHECK(with_time("\"1790133505546514\"") == timestamp_from_us(1790133505546514));
  CHECK(with_time("1790133505546") == timestamp_from_ms(1790133505546));
  CHECK(with_time("\"1790133505546\"") == timestamp_from_ms(1790133505546));
  CHECK(to_ms(*with_time("1790133505546514")) == 1790133505546);
  CHECK(with_time("0") == std::nullopt);
  CHECK(memory.streams[0] == "orderbook:KRW-ETH");
  CHECK(text(memory.books[0].asks) == "3715000@8.4592 3716000@3.3766");
}

TEST_CASE_FIXTURE(Bithumb, "Bithumb: size zero at a live price is no level, even the best") {
  feed(ws(
      R"({"ty":"orderbook","cd":"KRW-BTC","tas":0.1823,"tbs":6.9593,"obu":[)"
      R"({"ap":116279000,"bp":116267000,"as":0.0000,"bs":0.0084},)"
      R"({"ap":116280000,"bp":116266000,"as":0.5,"bs":0},{"ap":0,"bp":116265000,"as":0,"bs":1}]})"));
  REQUIRE(memory.books.size() == 1);
  CHECK(text(memory.books[0].asks) == "116280000@0.5");
  CHECK(text(memory.books[0].bids) == "116267000@0.0084 116265000@1");
  CHECK_FALSE(memory.books[0].exchange_time.has_value());
}

TEST_CASE_FIXTURE(Bithumb, "Bithumb: level 1 is the ungrouped book") {
  std::string grouped = kBook;
  grouped.replace(grouped.find("\"level\":1"), 9, "\"level\":5000");
  feed(ws(grouped));
  REQUIRE(memory.streams.size() == 1);
  CHECK(memory.streams[0] == "orderbook:KRW-ETH#5000");
}

TEST_CASE_FIXTURE(Bithumb, "Bithumb: the nine hours of the REST ticker") {
  constexpr std::int64_t kTrue = 1755082093840;  // 10:48:13 UTC, the capture of 2025-08
  const Timestamp real = timestamp_from_ms(kTrue);
  const std::string traded = R"("trade_date":"20250813","trade_time":"104811",)";
  const std::string right = traded + R"("timestamp":1755082093840)";
  const std::string shifted = traded + R"("timestamp":1755114493840)";
  CHECK(rest_ticker_time(right, std::nullopt) == real);
  CHECK(rest_ticker_time(right, real) == real);
  CHECK(rest_ticker_time(shifted, std::nullopt) == real);
  CHECK(rest_ticker_time(shifted, real + seconds{2}) == real);
  // Exactly the last trade's time, as in 2026-09.
  CHECK(rest_ticker_time(traded + R"("timestamp":1755114491502)", std::nullopt) ==
        timestamp_from_ms(1755114491502 - 32'400'000));
  // Without a trade's date the receipt decides; without both it stays.
  CHECK(rest_ticker_time(R"("timestamp":1755114493840)", real) == real);
  CHECK(rest_ticker_time(R"("timestamp":1755114493840)", std::nullopt) == real + hours{9});
  // An old answer in a later replay is no reason to shift it.
  CHECK(rest_ticker_time(right, real + hours{20}) == real);
  CHECK(rest_ticker_time(R"("trade_date":"x","trade_time":"","timestamp":1755082093840)",
                         std::nullopt) == real);
  CHECK(rest_ticker_time(traded + R"("timestamp":null)", real) == std::nullopt);
}

TEST_CASE_FIXTURE(Bithumb, "Bithumb: REST book in true milliseconds, markets") {
  feed(rest(
      R"([{"market":"KRW-BTC","timestamp":1529910247984,"total_ask_size":8.83621228,)"
      R"("total_bid_size":2.43976741,"orderbook_units":[{"ask_price":6956000,"bid_price":6954000,)"
      R"("ask_size":0.24078656,"bid_size":0.00718341}]}])",
      "orderbook", "KRW-BTC"));
  REQUIRE(memory.books.size() == 1);
  CHECK(memory.streams[0] == "rest:KRW-BTC");
  CHECK(memory.books[0].exchange_time == timestamp_from_ms(1529910247984));
  CHECK(text(memory.books[0].asks) == "6956000@0.24078656");

  feed(rest(
      R"([{"market":"KRW-BTC","korean_name":"비트코인","english_name":"Bitcoin","market_warning":"NONE"},)"
      R"({"market":"BTC-ETH","korean_name":"이더리움","english_name":"Ethereum","market_warning":"CAUTION"}])",
      "markets"));
  REQUIRE(memory.markets.size() == 2);
  CHECK(memory.markets[1].instrument == Instrument{"ETH", "BTC"});
  CHECK(memory.markets[1].active);
}

TEST_CASE_FIXTURE(Bithumb, "Bithumb: errors, wrapped or not, with names of either kind") {
  const auto code_of = [this](const Frame& frame) {
    feed(frame);
    CHECK(memory.records() == 0);
    REQUIRE(memory.errors.size() == 1);
    return to_string(memory.errors[0].error.code);
  };
  CHECK(code_of(ws(R"({"error":{"name":"NO_TICKET","message":"티켓이 존재하지 않습니다."}})")) ==
        "venue_error");
  CHECK(code_of(rest(R"({"error":{"name":404,"message":"Code not found"}})", "ticker", "KRW-X")) ==
        "unknown_symbol");
  CHECK(
      code_of(rest(
          R"({"error":{"name":"400","message":"Parameter 'markets' must be less than or equal to )"
          R"(200 items."}})",
          "ticker")) == "venue_error");
  CHECK(memory.errors[0].error.detail.starts_with("400: Parameter"));
  CHECK(code_of(rest(R"({"name":"not_found","message":"No Route matched with those values"})",
                     "ticker")) == "venue_error");
}

TEST_CASE_FIXTURE(Bithumb, "Bithumb: the retired public API is refused by name") {
  for (
      const char* payload :
      {R"({"status":"0000","resmsg":"Connected Successfully"})",
       R"({"status":"5100","resmsg":"Invalid Filter Syntax"})",
       R"({"status":"5500","message":"상장 코인 아님"})",
       R"({"type":"ticker","content":{"symbol":"BTC_KRW","closePrice":"1"}})",
       R"({"type":"orderbookdepth","content":{"list":[],"datetime":"1"}})",
       R"({"status":"0000","data":{"BTC":{"opening_price":"1","closing_price":"2"},"date":"1622591000780"}})",
       R"({"BTC":{"order_currency":"BTC","bids":[],"asks":[]},"timestamp":"1547301204217"})"}) {
    CAPTURE(payload);
    for (const Frame& frame : {ws(payload), rest(payload, "ticker")}) {
      feed(frame);
      CHECK(memory.records() == 0);
      REQUIRE(memory.errors.size() == 1);
      CHECK(memory.errors[0].error.code == ErrorCode::kObsoleteProtocol);
    }
  }
}

TEST_CASE_FIXTURE(Bithumb, "Bithumb: what is sent") {
  VenueAdapter& bithumb = normalizer.adapter();
  const std::vector<Subscription> wanted = {{Channel::kOrderBook, {"BTC", "KRW"}, 15},
                                            {Channel::kOrderBook, {"ETH", "KRW"}, 5},
                                            {Channel::kTicker, {"BTC", "KRW"}, 0}};
  const std::vector<std::string> sent = bithumb.subscribe(wanted, timestamp_from_ms(1));
  REQUIRE(sent.size() == 1);
  const json message = json::parse(sent[0]);
  CHECK(message[1] == json::parse(R"({"type":"ticker","codes":["KRW-BTC"]})"));
  CHECK(message[2] == json::parse(R"({"type":"orderbook","codes":["KRW-BTC","KRW-ETH.5"]})"));
  CHECK(bithumb.offered_depth(30) == 15);
  CHECK(bithumb.book_call({"BTC", "KRW"}, 0).path == "/v1/orderbook?markets=KRW-BTC");
  CHECK(bithumb.markets_call().path == "/v1/market/all?isDetails=true");
  const std::vector<Instrument> many(480, Instrument{"BTC", "KRW"});
  REQUIRE(bithumb.ticker_calls(many).size() == 3);
  const std::string path = bithumb.ticker_calls(many)[0].path;
  CHECK(std::count(path.begin(), path.end(), ',') == 199);
  CHECK(path.size() < 4200);
}

TEST_CASE_FIXTURE(Bithumb,
                  "Bithumb recordings: the present generation decodes, the old one is refused") {
  std::size_t books = 0;
  std::size_t retired = 0;
  for (const char* file : {"bithumb.jsonl", "bithumb.compare-old-new.20241128.jsonl"}) {
    for (const Recorded& recorded : recording(file)) {
      CAPTURE(recorded.raw.substr(0, 200));
      feed(recorded.frame());
      const json payload = json::parse(recorded.raw);
      const bool simple = payload.contains("obu");
      if (payload.contains("orderbook_units") || simple) {
        REQUIRE(memory.errors.empty());
        REQUIRE(memory.books.size() == 1);
        const OrderBook& book = memory.books[0];
        std::string bids;
        std::string asks;
        const auto add = [](std::string& out, double price, double size) {
          if (size == 0) return;
          if (!out.empty()) out += ' ';
          append_number(out, price);
          out += '@';
          append_number(out, size);
        };
        for (const json& unit : payload[simple ? "obu" : "orderbook_units"]) {
          add(bids, unit[simple ? "bp" : "bid_price"], unit[simple ? "bs" : "bid_size"]);
          add(asks, unit[simple ? "ap" : "ask_price"], unit[simple ? "as" : "ask_size"]);
        }
        CHECK(text(book.bids) == bids);
        CHECK(text(book.asks) == asks);
        const std::int64_t time = payload[simple ? "tms" : "timestamp"];
        CHECK(book.exchange_time ==
              (time > 100'000'000'000'000 ? timestamp_from_us(time) : timestamp_from_ms(time)));
        ++books;
      } else if (payload.value("type", "") == "ticker") {
        REQUIRE(memory.tickers.size() == 1);
        CHECK(memory.tickers[0].trade_price == payload["trade_price"].get<double>());
        CHECK(memory.tickers[0].exchange_time ==
              timestamp_from_ms(payload["timestamp"].get<std::int64_t>()));
      } else if (payload.value("type", "") == "trade" || payload.value("status", "") == "UP") {
        CHECK(memory.errors.empty());
        CHECK(memory.controls.size() == 1);
      } else {
        CHECK(memory.records() == 0);
        REQUIRE(memory.errors.size() == 1);
        const bool present = payload.contains("error") || payload.contains("name");
        CHECK((memory.errors[0].error.code == ErrorCode::kObsoleteProtocol) == !present);
        retired += present ? 0 : 1;
      }
    }
  }
  if (books > 0) {
    CHECK(books == 6);
    CHECK(retired == 13);
  }
}

}  // namespace
}  // namespace spreadwatch::ingest::test
