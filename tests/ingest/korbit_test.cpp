#include "tests/ingest/helpers.h"

namespace spreadwatch::ingest::test {
namespace {

using nlohmann::json;

constexpr const char* kTicker =
    R"({"symbol":"btc_krw","timestamp":1790134313071,"type":"ticker","snapshot":true,"data":{)"
    R"("open":"115370000","high":"116765000","low":"114412000","close":"116463000","prevClose":"115304000",)"
    R"("priceChange":"1159000","priceChangePercent":"1.01","volume":"39.25266763",)"
    R"("quoteVolume":"4549864965.49708","bestAskPrice":"116477000","bestBidPrice":"116426000",)"
    R"("lastTradedAt":1790134282264}})";
constexpr const char* kBook =
    R"({"symbol":"btc_krw","timestamp":1790134242857,"type":"orderbook","snapshot":true,"data":{)"
    R"("timestamp":1790134242563,"asks":[{"price":"116506000","qty":"0.27522"},{"price":"116538000",)"
    R"("qty":"0.00665633"}],"bids":[{"price":"116455000","qty":"0.00499"},{"price":"116453000",)"
    R"("qty":"0.01919775"}]}})";

using Korbit = OneFrame<VenueId::kKorbit>;

TEST_CASE_FIXTURE(Korbit, "Korbit: ticker; the rate is a fraction, not the venue's percentage") {
  feed(ws(kTicker));
  REQUIRE(memory.tickers.size() == 1);
  const Ticker& t = memory.tickers[0];
  CHECK(t.instrument.name() == "BTC-KRW");
  CHECK(t.exchange_time == timestamp_from_ms(1790134313071));
  CHECK(t.opening_price == 115370000);
  CHECK(t.high_price == 116765000);
  CHECK(t.low_price == 114412000);
  CHECK(t.trade_price == 116463000);
  CHECK(t.prev_closing_price == 115304000);
  CHECK(t.acc_trade_volume_24h == 39.25266763);
  CHECK(t.signed_change_price == 1159000);
  CHECK(t.signed_change_rate == 1159000.0 / 115304000);
}

TEST_CASE_FIXTURE(Korbit, "Korbit: the book's own time, not the envelope's") {
  feed(ws(kBook));
  REQUIRE(memory.books.size() == 1);
  CHECK(memory.streams[0] == "orderbook:btc_krw");
  CHECK(memory.streams[0] == normalizer.adapter().book_stream({"BTC", "KRW"}, 30));
  CHECK(memory.books[0].exchange_time == timestamp_from_ms(1790134242563));
  CHECK(text(memory.books[0].asks) == "116506000@0.27522 116538000@0.00665633");
  CHECK(text(memory.books[0].bids) == "116455000@0.00499 116453000@0.01919775");

  // Without it, the envelope's.
  std::string payload = kBook;
  payload.replace(payload.find(R"("timestamp":1790134242563,)"), 26, "");
  feed(ws(payload));
  REQUIRE(memory.books.size() == 1);
  CHECK(memory.books[0].exchange_time == timestamp_from_ms(1790134242857));
}

TEST_CASE_FIXTURE(Korbit, "Korbit: data before what it belongs to") {
  feed(ws(
      R"({"data":{"bids":[{"qty":"2","price":"9"}],"asks":[{"qty":"1","price":"10"}],)"
      R"("timestamp":1790134242563},"snapshot":true,"type":"orderbook","timestamp":1790134242857,)"
      R"("symbol":"xrp_krw"})"));
  REQUIRE(memory.books.size() == 1);
  CHECK(memory.streams[0] == "orderbook:xrp_krw");
  CHECK(memory.books[0].instrument.name() == "XRP-KRW");
  CHECK(text(memory.books[0].asks) == "10@1");
}

TEST_CASE_FIXTURE(Korbit, "Korbit: the empty book of a stopped pair is a book") {
  feed(ws(
      R"({"symbol":"klay_krw","timestamp":1790134242857,"type":"orderbook","snapshot":true,"data":{)"
      R"("timestamp":1789456789897,"asks":[],"bids":[]}})"));
  CHECK(memory.errors.empty());
  REQUIRE(memory.books.size() == 1);
  CHECK(memory.books[0].synced());
  CHECK(memory.books[0].bids.empty());
  CHECK(memory.books[0].asks.empty());
  CHECK(memory.books[0].exchange_time == timestamp_from_ms(1789456789897));
}

TEST_CASE_FIXTURE(Korbit, "Korbit: numbers are kept exactly (A20), symbols apart (A17)") {
  for (const char* symbol : {"shib_krw", "pepe_krw"}) {
    feed(ws(R"({"symbol":")" + std::string{symbol} +
            R"(","timestamp":1,"type":"orderbook","data":{"timestamp":1,"asks":[],)"
            R"("bids":[{"price":"0.0000089123","qty":"9876543210.12345678"}]}})"));
    REQUIRE(memory.books.size() == 1);
    CHECK(text(memory.books[0].bids) == "0.0000089123@9876543210.12345678");
    CHECK(memory.streams[0] == std::string{"orderbook:"} + symbol);
  }
}

TEST_CASE_FIXTURE(Korbit, "Korbit: replies") {
  feed(ws(R"({"status":"success","requestId":1})"));
  REQUIRE(memory.controls.size() == 1);
  CHECK(memory.controls[0].kind == ControlMessage::Kind::kAck);

  check_error(ws(R"x({"status":"fail","code":"INVALID_SYMBOL",)x"
                 R"x("message":"The symbol does not exist (nope_krw)","requestId":2})x"),
              ErrorCode::kUnknownSymbol);
  CHECK(memory.errors[0].symbol == "nope_krw");
  CHECK(memory.errors[0].error.detail == "INVALID_SYMBOL: The symbol does not exist (nope_krw)");
  check_error(
      ws(R"({"status":"fail","code":"INVALID_REQUEST","message":"unknown_type","requestId":4})"),
      ErrorCode::kVenueError);
  check_error(ws(R"({"status":"fail","message":"invalid_format"})"), ErrorCode::kVenueError);
  check_error(rest(R"({"success":false,"error":{"code":400,"message":"INVALID_CURRENCY_PAIR"}})",
                   "orderbook", "NOPE_krw"),
              ErrorCode::kUnknownSymbol);
  CHECK(memory.errors[0].symbol == "NOPE_krw");
  check_error(rest(R"({"success":false,"error":{"code":404,"message":"NOT_FOUND"}})", "ticker"),
              ErrorCode::kVenueError);
  check_error(rest(R"({"success":true,"data":[]})", "ticker", "nope_krw"),
              ErrorCode::kUnknownSymbol);
}

TEST_CASE_FIXTURE(Korbit, "Korbit: REST answers") {
  feed(rest(R"({"success":true,"data":[{"symbol":"btc_krw","open":"77060000","high":"79650000",)"
            R"("low":"76550000","close":"77136000","prevClose":"77060000","priceChange":"76000",)"
            R"("priceChangePercent":"0.1","volume":"48.73739983","quoteVolume":"3785149733.32633",)"
            R"("bestBidPrice":"77136000","bestAskPrice":"77193000","lastTradedAt":1725525721041},)"
            R"({"symbol":"bad_krw","close":[]},{"symbol":"usdt_krw","close":"1343"}]})",
            "ticker"));
  REQUIRE(memory.tickers.size() == 2);
  CHECK(memory.tickers[0].exchange_time == timestamp_from_ms(1725525721041));
  CHECK(memory.tickers[0].signed_change_price == 76000);
  CHECK(memory.tickers[1].instrument.name() == "USDT-KRW");
  CHECK_FALSE(memory.tickers[1].exchange_time.has_value());
  REQUIRE(memory.errors.size() == 1);
  CHECK(memory.errors[0].symbol == "bad_krw");

  const char* book =
      R"({"success":true,"data":{"timestamp":1708057740895,"bids":[{"price":"73303000","qty":"0.00898326"},)"
      R"({"price":"73302000","qty":"0.00790837"}],"asks":[{"price":"73304000","qty":"0.00985212"}]}})";
  feed(rest(book, "orderbook", "btc_krw"));
  REQUIRE(memory.books.size() == 1);
  CHECK(memory.streams[0] == "rest:btc_krw");
  CHECK(memory.books[0].exchange_time == timestamp_from_ms(1708057740895));
  CHECK(text(memory.books[0].bids) == "73303000@0.00898326 73302000@0.00790837");
  check_error(rest(book, "orderbook"), ErrorCode::kUnknownSymbol);

  feed(rest(
      R"({"success":true,"data":[{"symbol":"btc_krw","status":"launched","baseCurrency":"btc",)"
      R"("quoteCurrency":"krw","minOrderValue":"5000","maxOrderValue":"1000000000"},)"
      R"({"symbol":"klay_krw","status":"stopped","baseCurrency":"klay","quoteCurrency":"krw"}]})",
      "markets"));
  CHECK(memory.tickers.empty());
  REQUIRE(memory.markets.size() == 2);
  CHECK(memory.markets[0].symbol == "btc_krw");
  CHECK(memory.markets[0].instrument == Instrument{"BTC", "KRW"});
  CHECK(memory.markets[0].active);
  CHECK(memory.markets[0].min_notional == decimal("5000"));
  CHECK_FALSE(memory.markets[1].active);
}

TEST_CASE_FIXTURE(Korbit, "Korbit: wrong values and shapes, and v1") {
  const auto book = [](const char* price, const char* qty) {
    return R"({"symbol":"btc_krw","timestamp":1,"type":"orderbook","data":{"timestamp":1,"asks":[],"bids":[{)"
           R"("price":)" +
           std::string{price} + R"(,"qty":)" + qty + "}]}}";
  };
  check_error(ws(book(R"("-1")", R"("1")")), ErrorCode::kValueOutOfRange);
  check_error(ws(book(R"("1")", R"("-1")")), ErrorCode::kValueOutOfRange);
  check_error(ws(book(R"("x")", R"("1")")), ErrorCode::kSchemaMismatch);
  check_error(ws(book("null", R"("1")")), ErrorCode::kSchemaMismatch);
  check_error(ws(R"({"symbol":"btc_krw","type":"orderbook","data":{"asks":[]}})"),
              ErrorCode::kSchemaMismatch);
  check_error(ws(R"({"symbol":"btc_krw","type":"orderbook","data":{}})"),
              ErrorCode::kSchemaMismatch);
  check_error(ws(R"({"type":"orderbook","data":{"asks":[],"bids":[]}})"),
              ErrorCode::kSchemaMismatch);
  check_error(ws(R"({"symbol":"btc_krw","type":"ticker","data":{"open":"1"}})"),
              ErrorCode::kSchemaMismatch);
  check_error(ws(R"({"symbol":"btc_krw","type":"ticker","data":{"close":"-1"}})"),
              ErrorCode::kValueOutOfRange);
  // A book that loses what names it after it was read.
  check_error(
      ws(R"({"symbol":"btc_krw","type":"orderbook","data":{"asks":[],"bids":[]},"error":{"code":1}})"),
      ErrorCode::kSchemaMismatch);
  check_error(
      ws(R"({"symbol":"btc_krw","type":"orderbook","data":{"asks":[],"bids":[]},"type":""})"),
      ErrorCode::kSchemaMismatch);
  check_error(
      ws(R"({"event":"korbit:push-ticker","timestamp":1,"data":{"currency_pair":"btc_krw"}})"),
      ErrorCode::kObsoleteProtocol);
  check_error(rest(R"({"timestamp":1386135077000,"last":"663699"})", "ticker", "btc_krw"),
              ErrorCode::kObsoleteProtocol);
  check_error(rest(R"({"timestamp":1386135077000,"bids":[["1","2","1"]],"asks":[]})", "orderbook",
                   "btc_krw"),
              ErrorCode::kObsoleteProtocol);
}

TEST_CASE_FIXTURE(Korbit, "Korbit: what is sent is an array, in lower case") {
  VenueAdapter& korbit = normalizer.adapter();
  const std::vector<Subscription> wanted = {{Channel::kTicker, {"BTC", "KRW"}, 0},
                                            {Channel::kOrderBook, {"BTC", "KRW"}, 30},
                                            {Channel::kTicker, {"USDT", "KRW"}, 0}};
  const std::vector<std::string> sent = korbit.subscribe(wanted, {});
  REQUIRE(sent.size() == 1);
  CHECK(
      json::parse(sent[0]) ==
      json::parse(
          R"([{"requestId":1,"method":"subscribe","type":"ticker","symbols":["btc_krw","usdt_krw"]},)"
          R"({"requestId":2,"method":"subscribe","type":"orderbook","symbols":["btc_krw"]}])"));
  CHECK(json::parse(korbit.unsubscribe(wanted, {})[0])[0]["method"] == "unsubscribe");
  CHECK(korbit.subscribe({}, {}).empty());
  CHECK(korbit.book_call({"BTC", "KRW"}, 0).path == "/v2/orderbook?symbol=btc_krw");
  CHECK(korbit.book_call({"BTC", "KRW"}, 0).symbol == "btc_krw");
  const std::vector<Instrument> two = {{"BTC", "KRW"}, {"USDT", "KRW"}};
  CHECK(korbit.ticker_calls(two)[0].path == "/v2/tickers?symbol=btc_krw,usdt_krw");
  CHECK(korbit.markets_call().path == "/v2/currencyPairs");
}

TEST_CASE_FIXTURE(Korbit, "Korbit recordings: every frame decodes to what it says") {
  std::size_t books = 0;
  for (const Recorded& recorded : recording("korbit.jsonl")) {
    CAPTURE(recorded.raw.substr(0, 200));
    feed(recorded.frame());
    const json payload = json::parse(recorded.raw);
    if (recorded.channel == "error") {
      CHECK(memory.errors.size() == 1);
      continue;
    }
    CHECK(memory.errors.empty());
    if (recorded.channel == "orderbook") {
      REQUIRE(memory.books.size() == 1);
      const json& data = payload["data"];
      const auto side = [](const json& rows) {
        std::string out;
        for (const json& row : rows) {
          if (!out.empty()) out += ' ';
          out += decimal(row["price"].get<std::string>()).to_string() + "@" +
                 decimal(row["qty"].get<std::string>()).to_string();
        }
        return out;
      };
      CHECK(text(memory.books[0].asks) == side(data["asks"]));
      CHECK(text(memory.books[0].bids) == side(data["bids"]));
      CHECK(memory.books[0].exchange_time ==
            timestamp_from_ms(data["timestamp"].get<std::int64_t>()));
      ++books;
    } else if (recorded.channel == "ticker" && !payload["data"].empty()) {
      REQUIRE(memory.tickers.size() == 1);
      CHECK(memory.tickers[0].trade_price ==
            std::stod(payload["data"]["close"].get<std::string>()));
    } else if (recorded.channel == "markets") {
      REQUIRE(memory.markets.size() == 1);
      CHECK(memory.markets[0].instrument == Instrument{"BTC", "KRW"});
    } else {
      CHECK(memory.records() == 0);
      CHECK(memory.controls.size() == 1);
    }
  }
  if (books > 0) CHECK(books == 3);
}

}  // namespace
}  // namespace spreadwatch::ingest::test
