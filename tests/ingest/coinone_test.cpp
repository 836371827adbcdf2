#include "tests/ingest/helpers.h"

namespace spreadwatch::ingest::test {
namespace {

using nlohmann::json;

constexpr const char* kTicker =
    R"({"response_type":"DATA","channel":"TICKER","data":{"quote_currency":"KRW","target_currency":"BTC",)"
    R"("timestamp":1790133796484,"quote_volume":"30947007404.5912","target_volume":"267.27610034",)"
    R"("high":"116470000","low":"115570000","first":"115650000","last":"116380000","volume_power":"0",)"
    R"("ask_best_price":"116400000","ask_best_qty":"0.00562817","bid_best_price":"116370000",)"
    R"("bid_best_qty":"8.60554308","id":"1790133796484001","yesterday_high":"117140000",)"
    R"("yesterday_low":"114430000","yesterday_first":"117130000","yesterday_last":"115640000",)"
    R"("yesterday_quote_volume":"57912858642.8004","yesterday_target_volume":"504.17975762"}})";
constexpr const char* kShortTicker =
    R"({"r":"DATA","c":"TICKER","d":{"qc":"KRW","tc":"BTC","t":1790133796484,"qv":"30947007404.5912",)"
    R"("tv":"267.27610034","hi":"116470000","lo":"115570000","fi":"115650000","la":"116380000","vp":"0",)"
    R"("abp":null,"abq":null,"bbp":"116370000","bbq":"8.6","i":"1790133796484001","yhi":"117140000",)"
    R"("ylo":"114430000","yfi":"117130000","yla":"115640000","yqv":"57912858642.8004","ytv":"504.1"}})";
constexpr const char* kBook =
    R"({"response_type":"DATA","channel":"ORDERBOOK","data":{"quote_currency":"KRW","target_currency":"BTC",)"
    R"("timestamp":1790134177753,"id":"1790134177753001","asks":[{"price":"116650000","qty":"0.01198956"},)"
    R"({"price":"116640000","qty":"0.000657"},{"price":"116460000","qty":"0.0232"}],"bids":[)"
    R"({"price":"116450000","qty":"0.0118"},{"price":"116440000","qty":"0.04695328"}]}})";

using Coinone = OneFrame<VenueId::kCoinone>;

std::string book_of(std::string_view id, std::string_view time, std::string_view sides) {
  return R"({"response_type":"DATA","channel":"ORDERBOOK","data":{"quote_currency":"KRW",)"
         R"("target_currency":"BTC","timestamp":)" +
         std::string{time} + R"(,"id":")" + std::string{id} + "\"," + std::string{sides} + "}}";
}

TEST_CASE_FIXTURE(Coinone, "Coinone: ticker in both formats, its change counted exactly") {
  for (const char* payload : {kTicker, kShortTicker}) {
    feed(ws(payload));
    REQUIRE(memory.errors.empty());
    REQUIRE(memory.tickers.size() == 1);
    const Ticker& t = memory.tickers[0];
    CHECK(t.instrument.name() == "BTC-KRW");
    CHECK(t.exchange_time == timestamp_from_ms(1790133796484));
    CHECK(t.opening_price == 115650000);
    CHECK(t.trade_price == 116380000);
    CHECK(t.high_price == 116470000);
    CHECK(t.low_price == 115570000);
    CHECK(t.prev_closing_price == 115640000);
    CHECK(t.acc_trade_volume_24h == 267.27610034);
    CHECK(t.signed_change_price == 740000);
    CHECK(t.signed_change_rate == 740000.0 / 115640000);
  }
  std::string payload = kTicker;
  payload.replace(payload.find("\"116380000\""), 11, "\"0.3\"");
  payload.replace(payload.find("\"115640000\""), 11, "\"0.1\"");
  feed(ws(payload));
  REQUIRE(memory.tickers.size() == 1);
  CHECK(memory.tickers[0].signed_change_price == 0.2);  // 0.3 − 0.1 in doubles is not
}

TEST_CASE_FIXTURE(Coinone, "Coinone: without a yesterday there is no change") {
  const std::string payload = kTicker;
  for (const char* yesterday : {"\"0\"", "\"0.0\"", "null", "\"\""}) {
    std::string changed = payload;
    changed.replace(changed.find("\"115640000\""), 11, yesterday);
    feed(ws(changed));
    REQUIRE(memory.tickers.size() == 1);
    CHECK_FALSE(memory.tickers[0].prev_closing_price.has_value());
    CHECK_FALSE(memory.tickers[0].signed_change_price.has_value());
    CHECK_FALSE(memory.tickers[0].signed_change_rate.has_value());
    CHECK(memory.tickers[0].trade_price == 116380000);
  }
}

TEST_CASE_FIXTURE(Coinone, "Coinone: asks come worst first and leave best first") {
  feed(ws(kBook));
  REQUIRE(memory.books.size() == 1);
  CHECK(memory.streams[0] == "orderbook:KRW-BTC");
  CHECK(memory.streams[0] == normalizer.adapter().book_stream({"BTC", "KRW"}, 16));
  const OrderBook& b = memory.books[0];
  CHECK(b.sequence == 1790134177753001);
  CHECK(b.exchange_time == timestamp_from_ms(1790134177753));
  CHECK(text(b.asks) == "116460000@0.0232 116640000@0.000657 116650000@0.01198956");
  CHECK(text(b.bids) == "116450000@0.0118 116440000@0.04695328");

  feed(ws(
      R"({"d":{"b":[{"p":"116450000","q":"0.0118"}],"a":[{"p":"116650000","q":"0.01198956"}],)"
      R"("i":"1790134177754001","t":1790134177754,"tc":"BTC","qc":"KRW"},"c":"ORDERBOOK","r":"DATA"})"));
  REQUIRE(memory.books.size() == 1);
  CHECK(memory.books[0].sequence == 1790134177754001);
  CHECK(text(memory.books[0].asks) == "116650000@0.01198956");
}

TEST_CASE_FIXTURE(Coinone, "Coinone: a repeated or older id is dropped") {
  const char* sides = R"("asks":[{"price":"11","qty":"1"}],"bids":[{"price":"10","qty":"1"}])";
  feed(ws(book_of("1790134177753002", "1790134177753", sides)));
  CHECK(memory.books.size() == 1);
  feed(ws(book_of("1790134177753002", "1790134167554", sides)));
  CHECK(memory.books.empty());
  feed(ws(book_of("1790134177753001", "1790134177753", sides)));
  CHECK(memory.books.empty());
  CHECK(memory.errors.empty());
  feed(ws(book_of("1790134177999001", "1790134177999", sides)));
  CHECK(memory.books.size() == 1);
  // A new connection begins anew.
  const std::string again = book_of("1790134177753001", "1790134177753", sides);
  feed(ws(again, 2));
  CHECK(memory.books.size() == 1);
}

TEST_CASE_FIXTURE(Coinone,
                  "Coinone: the late timestamp of a stream's first book gives way to its id") {
  const char* sides = R"("asks":[],"bids":[{"price":"10","qty":"1"}])";
  feed(ws(book_of("1790134177435001", "1790134167554", sides)));
  REQUIRE(memory.books.size() == 1);
  CHECK(memory.books[0].exchange_time == timestamp_from_ms(1790134177435));
  // An id of another make says nothing of time.
  feed(ws(book_of("8790134177435001007", "1790134187554", sides)));
  REQUIRE(memory.books.size() == 1);
  CHECK(memory.books[0].exchange_time == timestamp_from_ms(1790134187554));
}

TEST_CASE_FIXTURE(Coinone,
                  "Coinone: one side alone, missing or empty, is a book; none at all is not") {
  feed(ws(book_of("1790134177753001", "1790134177753", R"("bids":[{"price":"10","qty":"1"}])")));
  REQUIRE(memory.books.size() == 1);
  CHECK(memory.books[0].asks.empty());
  CHECK(text(memory.books[0].bids) == "10@1");
  feed(ws(book_of("1790134177753002", "1790134177753", R"("asks":[],"bids":[])")));
  REQUIRE(memory.books.size() == 1);
  CHECK(memory.books[0].bids.empty());
  check_error(ws(book_of("1790134177753003", "1790134177753", R"("x":1)")),
              ErrorCode::kSchemaMismatch);
}

TEST_CASE_FIXTURE(Coinone, "Coinone: numbers are kept exactly (A20)") {
  feed(ws(book_of("1", "1790134177753",
                  R"("asks":[],"bids":[{"price":"0.0000089123","qty":"9876543210.12345678"}])")));
  REQUIRE(memory.books.size() == 1);
  CHECK(text(memory.books[0].bids) == "0.0000089123@9876543210.12345678");
}

TEST_CASE_FIXTURE(Coinone, "Coinone: replies") {
  const auto kind_of = [this](const char* payload) {
    feed(ws(payload));
    CHECK(memory.errors.empty());
    REQUIRE(memory.controls.size() == 1);
    return memory.controls[0].kind;
  };
  using Kind = ControlMessage::Kind;
  CHECK(kind_of(R"({"response_type":"PONG"})") == Kind::kPong);
  CHECK(kind_of(R"({"r":"PONG"})") == Kind::kPong);
  CHECK(kind_of(R"({"response_type":"CONNECTED","data":{"session_id":"6f3e1d0f"}})") ==
        Kind::kIgnored);
  CHECK(kind_of(
            R"({"response_type":"SUBSCRIBED","channel":"ORDERBOOK","data":{"quote_currency":"krw",)"
            R"("target_currency":"btc"}})") == Kind::kAck);
  CHECK(memory.controls[0].stream == "orderbook:KRW-BTC");
  CHECK(kind_of(R"({"data":{"quote_currency":"KRW","target_currency":"BTC"},"channel":"TICKER",)"
                R"("response_type":"SUBSCRIBED"})") == Kind::kAck);
  CHECK(memory.controls[0].stream.empty());
  CHECK(kind_of(
            R"({"response_type":"UNSUBSCRIBED","channel":"TICKER","data":{"quote_currency":"KRW",)"
            R"("target_currency":"BTC"}})") == Kind::kIgnored);
  CHECK(kind_of(R"({"response_type":"DATA","channel":"TRADE","data":{"id":"x","price":null}})") ==
        Kind::kIgnored);

  check_error(ws(R"({"response_type":"ERROR","error_code":160012,"message":"Invalid Topic"})"),
              ErrorCode::kUnknownSymbol);
  CHECK(memory.errors[0].error.detail == "160012: Invalid Topic");
  check_error(
      ws(R"({"response_type":"ERROR","error_code":160011,"message":"Invalid Type","field":"format"})"),
      ErrorCode::kVenueError);
  check_error(rest(R"({"result":"error","error_code":"108","error_msg":"Unknown CryptoCurrency"})",
                   "orderbook", "KRW-NOPE"),
              ErrorCode::kUnknownSymbol);
  CHECK(memory.errors[0].symbol == "KRW-NOPE");
  check_error(
      rest(R"({"result":"error","error_code":"4","error_msg":"Blocked user access"})", "ticker"),
      ErrorCode::kRateLimited);
  check_error(
      rest(R"({"result":"error","error_code":"107","error_msg":"Parameter value is wrong"})",
           "orderbook"),
      ErrorCode::kVenueError);
  check_error(rest("<!DOCTYPE html><html></html>", "ticker"), ErrorCode::kMalformedJson);
}

TEST_CASE_FIXTURE(Coinone, "Coinone: REST answers, in lower case") {
  feed(rest(
      R"({"result":"success","error_code":"0","server_time":1701073358487,"tickers":[{)"
      R"("quote_currency":"krw","target_currency":"btc","timestamp":1701073357818,"high":"50543000.0",)"
      R"("low":"49945000.0","first":"50487000.0","last":"50062000.0","quote_volume":"11349804285.3859",)"
      R"("target_volume":"226.07268994","best_asks":[{"price":"50081000.0","qty":"0.18471358"}],)"
      R"("best_bids":[],"id":"1701073357818001"},{"quote_currency":"krw","target_currency":"bad",)"
      R"("last":[]},{"quote_currency":"krw","target_currency":"usdt","last":"1485",)"
      R"("yesterday_last":"1480"}]})",
      "ticker"));
  REQUIRE(memory.tickers.size() == 2);
  CHECK(memory.tickers[0].instrument.name() == "BTC-KRW");
  CHECK(memory.tickers[0].trade_price == 50062000);
  CHECK(memory.tickers[0].exchange_time == timestamp_from_ms(1701073357818));
  CHECK_FALSE(memory.tickers[0].signed_change_price.has_value());
  CHECK(memory.tickers[1].instrument.name() == "USDT-KRW");
  CHECK(memory.tickers[1].signed_change_price == 5);
  CHECK(memory.errors.size() == 1);

  feed(rest(
      R"({"result":"success","error_code":"0","timestamp":1701071108673,"id":"1701071108673001",)"
      R"("quote_currency":"KRW","target_currency":"BTC","order_book_unit":"0.0","bids":[{)"
      R"("price":"50048000","qty":"0.01080229"}],"asks":[{"price":"50058000","qty":"0.00272592"}]})",
      "orderbook", "KRW-BTC"));
  REQUIRE(memory.books.size() == 1);
  CHECK(memory.streams[0] == "rest:KRW-BTC");
  CHECK(memory.books[0].sequence == 1701071108673001);
  CHECK(text(memory.books[0].asks) == "50058000@0.00272592");

  feed(rest(
      R"({"result":"success","error_code":"0","server_time":1,"markets":[{"quote_currency":"KRW",)"
      R"("target_currency":"BTC","price_unit":"1000.0","min_order_amount":"5000.0","trade_status":1,)"
      R"("maintenance_status":0,"order_types":["limit"]},{"quote_currency":"KRW",)"
      R"("target_currency":"LUNC","trade_status":2,"maintenance_status":0},{"quote_currency":"KRW",)"
      R"("target_currency":"XRP","trade_status":1,"maintenance_status":1}]})",
      "markets"));
  REQUIRE(memory.markets.size() == 3);
  CHECK(memory.markets[0].symbol == "KRW-BTC");
  CHECK(memory.markets[0].instrument == Instrument{"BTC", "KRW"});
  CHECK(memory.markets[0].active);
  CHECK(memory.markets[0].min_notional == decimal("5000"));
  CHECK_FALSE(memory.markets[1].active);
  CHECK_FALSE(memory.markets[2].active);

  check_error(rest(R"({"result":"success","error_code":"0","server_time":1,"tickers":[]})",
                   "ticker", "KRW-NOPE"),
              ErrorCode::kUnknownSymbol);
}

TEST_CASE_FIXTURE(Coinone, "Coinone: wrong values and shapes, and V1") {
  const auto bid = [](const char* level) {
    return book_of("1790134177753001", "1790134177753",
                   R"("asks":[],"bids":[)" + std::string{level} + "]");
  };
  check_error(ws(bid(R"({"price":"-1","qty":"1"})")), ErrorCode::kValueOutOfRange);
  check_error(ws(bid(R"({"price":"1","qty":"-1"})")), ErrorCode::kValueOutOfRange);
  check_error(ws(bid(R"({"price":"1"})")), ErrorCode::kSchemaMismatch);
  check_error(ws(bid(R"(["1","2"])")), ErrorCode::kSchemaMismatch);
  check_error(ws(R"({"response_type":"DATA","channel":"TICKER","data":{"last":"1"}})"),
              ErrorCode::kSchemaMismatch);
  check_error(ws(R"({"response_type":"DATA","channel":"TICKER"})"), ErrorCode::kSchemaMismatch);
  check_error(rest(R"({"result":"success","errorCode":"0","currency":"btc","last":"1"})", "ticker"),
              ErrorCode::kObsoleteProtocol);
  check_error(rest(R"({"timestamp":"1523857135","bid":[],"ask":[]})", "orderbook", "KRW-BTC"),
              ErrorCode::kObsoleteProtocol);
}

TEST_CASE_FIXTURE(Coinone, "Coinone: what is sent, one pair a message") {
  VenueAdapter& coinone = normalizer.adapter();
  const std::vector<Subscription> wanted = {{Channel::kTicker, {"BTC", "KRW"}, 0},
                                            {Channel::kOrderBook, {"USDT", "KRW"}, 16}};
  const std::vector<std::string> sent = coinone.subscribe(wanted, {});
  REQUIRE(sent.size() == 2);
  CHECK(json::parse(sent[0]) ==
        json::parse(
            R"({"request_type":"SUBSCRIBE","channel":"TICKER","topic":{"quote_currency":"KRW",)"
            R"("target_currency":"BTC"},"format":"DEFAULT"})"));
  CHECK(json::parse(sent[1])["channel"] == "ORDERBOOK");
  CHECK(json::parse(coinone.unsubscribe(wanted, {})[1])["request_type"] == "UNSUBSCRIBE");
  CHECK(coinone.ping({}) == R"({"request_type":"PING"})");
  CHECK(coinone.book_call({"BTC", "KRW"}, 5).path == "/public/v2/orderbook/KRW/BTC?size=16");
  const std::vector<Instrument> two = {{"BTC", "KRW"}, {"USDT", "KRW"}};
  REQUIRE(coinone.ticker_calls(two).size() == 1);
  CHECK(coinone.ticker_calls(two)[0].path == "/public/v2/ticker_utc_new/KRW?additional_data=true");
  CHECK(coinone.ticker_calls(std::span{two}.first(1))[0].path ==
        "/public/v2/ticker_utc_new/KRW/BTC?additional_data=true");
  CHECK(coinone.markets_call().path == "/public/v2/markets/KRW");
}

TEST_CASE_FIXTURE(Coinone, "Coinone recordings: the present generation decodes, V1 is refused") {
  std::size_t books = 0;
  std::size_t retired = 0;
  for (const Recorded& recorded : recording("coinone.jsonl")) {
    CAPTURE(recorded.raw.substr(0, 200));
    feed(recorded.frame());
    const json payload = json::parse(recorded.raw);
    if (payload.contains("bid") || payload.contains("errorCode")) {
      CHECK(memory.records() == 0);
      REQUIRE(memory.errors.size() == 1);
      CHECK(memory.errors[0].error.code == ErrorCode::kObsoleteProtocol);
      ++retired;
      continue;
    }
    if (recorded.channel == "error") {
      CHECK(memory.errors.size() == 1);
      continue;
    }
    CHECK(memory.errors.empty());
    if (recorded.channel == "orderbook") {
      REQUIRE(memory.books.size() == 1);
      const json& data = payload["data"];
      std::vector<std::pair<long double, std::string>> asks;
      std::vector<std::pair<long double, std::string>> bids;
      const auto read = [](const json& rows, auto& out) {
        for (const json& row : rows) {
          const std::string price = row["price"];
          const std::string size = row["qty"];
          out.emplace_back(std::stold(price),
                           decimal(price).to_string() + "@" + decimal(size).to_string());
        }
        std::sort(out.begin(), out.end());
      };
      read(data["asks"], asks);
      read(data["bids"], bids);
      std::reverse(bids.begin(), bids.end());
      const auto joined = [](const auto& side) {
        std::string out;
        for (const auto& level : side) out += (out.empty() ? "" : " ") + level.second;
        return out;
      };
      CHECK(text(memory.books[0].asks) == joined(asks));
      CHECK(text(memory.books[0].bids) == joined(bids));
      const std::string id = data["id"];
      CHECK(memory.books[0].sequence == std::stoll(id));
      CHECK(memory.books[0].exchange_time == timestamp_from_ms(std::stoll(id) / 1000));
      ++books;
    } else if (recorded.channel == "ticker") {
      REQUIRE(memory.tickers.size() == 1);
      const json& data = payload["data"];
      const auto number = [&](const char* key) { return std::stod(data[key].get<std::string>()); };
      CHECK(memory.tickers[0].trade_price == number("last"));
      CHECK(memory.tickers[0].signed_change_price == number("last") - number("yesterday_last"));
    } else {
      CHECK(memory.records() == 0);
      CHECK(memory.controls.size() == 1);
    }
  }
  if (books > 0) {
    CHECK(books == 2);
    CHECK(retired == 2);
  }
}

}  // namespace
}  // namespace spreadwatch::ingest::test
