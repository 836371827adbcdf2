// Korbit: what the simulated venue says, read with a decoder of its own.

#include <doctest/doctest.h>

#include "tests/sim/protocol_fixture.h"

namespace spreadwatch::sim::venue_test {
namespace {

struct Korbit : Bench {
  Korbit() : Bench(VenueId::kKorbit) {}
};

Rebuilt read_book(const Json& data, const Instrument& i) {
  Rebuilt book;
  for (const Json& level : data["bids"]) {
    book.bids[units(level["price"], i.price_decimals)] = units(level["qty"], i.size_decimals);
  }
  for (const Json& level : data["asks"]) {
    book.asks[units(level["price"], i.price_decimals)] = units(level["qty"], i.size_decimals);
  }
  return book;
}

TEST_CASE_FIXTURE(Korbit,
                  "Korbit: whole books, the first marked as snapshot, equal to the market's") {
  const Listing& truth = listing("BTC", "KRW");
  FakeConnection& connection = connect();
  CHECK(connection.frames.empty());
  say(connection, R"([{"requestId":1,"method":"subscribe","type":"orderbook",
                       "symbols":["btc_krw"]}])");
  const std::vector<Json> answers = connection.take_json();
  REQUIRE(answers.size() == 2);
  CHECK(answers[0] == Json::parse(R"({"status":"success","requestId":1})"));
  CHECK(answers[1]["snapshot"] == true);
  CHECK(read_book(answers[1]["data"], truth.instrument).equals(truth.book, 30));
  int pushes = 0;
  run(10'000, [&] {
    for (const Json& frame : connection.take_json()) {
      ++pushes;
      CHECK(frame["symbol"] == "btc_krw");
      CHECK(frame["type"] == "orderbook");
      CHECK_FALSE(frame.contains("snapshot"));
      CHECK(frame["data"]["timestamp"] == truth.book.ts_ms);
      CHECK(frame["timestamp"].get<std::int64_t>() >= truth.book.ts_ms);
      CHECK(read_book(frame["data"], truth.instrument).equals(truth.book, 30));
      CHECK(units(frame["data"]["asks"][0]["price"], truth.instrument.price_decimals) ==
            truth.book.asks.front().price);
    }
  });
  CHECK(pushes > 15);
}

TEST_CASE_FIXTURE(Korbit, "Korbit: tickers roll over 24 hours and are strings") {
  const Listing& truth = listing("XRP", "KRW");
  FakeConnection& connection = connect();
  const std::vector<Json> answers =
      ask(connection, R"([{"method":"subscribe","type":"ticker","symbols":["xrp_krw"]}])");
  REQUIRE(answers.size() == 1);  // no requestId, no acknowledgement
  CHECK(answers[0]["snapshot"] == true);
  int pushes = 0;
  run(10'000, [&] {
    for (const Json& frame : connection.take_json()) {
      ++pushes;
      CHECK_FALSE(frame.contains("snapshot"));
      const Json& data = frame["data"];
      const int decimals = truth.instrument.price_decimals;
      CHECK(units(data["close"], decimals) == truth.ticker.last);
      CHECK(units(data["prevClose"], decimals) == truth.ticker.previous_close);
      CHECK(units(data["priceChange"], decimals) ==
            truth.ticker.last - truth.ticker.previous_close);
      CHECK(units(data["open"], decimals) == truth.ticker.open);
      CHECK(units(data["volume"], truth.instrument.size_decimals) == truth.ticker.volume_24h);
      CHECK(data["priceChangePercent"].is_string());
      CHECK(data["bestAskPrice"].is_string());
      CHECK(data["lastTradedAt"] == truth.ticker.ts_ms);
    }
  });
  CHECK(pushes > 3);
}

TEST_CASE_FIXTURE(Korbit, "Korbit: several requests in one array, unsubscribe") {
  FakeConnection& connection = connect();
  CHECK(ask(connection, R"([{"requestId":"a","method":"subscribe","type":"ticker",
                             "symbols":["btc_krw","usdt_krw"]},
                            {"requestId":2,"method":"subscribe","type":"orderbook",
                             "symbols":["btc_krw"]},
                            {"requestId":3,"method":"subscribe","type":"trade",
                             "symbols":["btc_krw"]}])")
            .size() == 6);
  ask(connection, R"([{"method":"unsubscribe","type":"ticker","symbols":["btc_krw","usdt_krw"]},
                      {"method":"unsubscribe","type":"orderbook","symbols":["btc_krw"]}])");
  run(3'000);
  CHECK(connection.frames.empty());
}

TEST_CASE_FIXTURE(Korbit, "Korbit: errors keep the socket open") {
  FakeConnection& connection = connect();
  const auto one = [&](const std::string& text) { return ask(connection, text).at(0); };
  CHECK(one(R"([{"requestId":2,"method":"subscribe","type":"ticker","symbols":["nope_krw"]}])") ==
        Json::parse(R"x({"status":"fail","code":"INVALID_SYMBOL",
                        "message":"The symbol does not exist (nope_krw)","requestId":2})x"));
  CHECK(one(R"([{"method":"subscribe","type":"ticker","symbols":["BTC_KRW"]}])")["code"] ==
        "INVALID_SYMBOL");
  const Json type =
      one(R"([{"requestId":4,"method":"subscribe","type":"x","symbols":["btc_krw"]}])");
  CHECK(type["message"] == "unknown_type");
  CHECK(type["requestId"] == 4);
  for (const char* level : {"\"7\"", "1000", "\"x\""}) {
    CHECK(one(std::string(R"([{"method":"subscribe","type":"orderbook","symbols":["btc_krw"],)") +
              R"("level":)" + level + "}]")["message"] == "invalid_level");
  }
  for (const char* text :
       {R"({"method":"subscribe","type":"ticker","symbols":["btc_krw"]})", "x", "7", R"(["x"])"}) {
    const Json answer = one(text);
    CHECK(answer == Json::parse(R"({"status":"fail","message":"invalid_format"})"));
  }
  CHECK(connection.open());
}

TEST_CASE_FIXTURE(Korbit, "Korbit: grouped books add up the levels") {
  const Listing& truth = listing("BTC", "KRW");
  const Json policy = get_json("/v2/tickSizePolicy?symbol=btc_krw")["data"];
  const std::string level = policy["orderbookLevels"][1];
  FakeConnection& connection = connect();
  const Json frame = ask(connection, R"([{"method":"subscribe","type":"orderbook",
                                          "symbols":["btc_krw"],"level":")" +
                                         level + "\"}]")[0];
  std::int64_t grouped = 0;
  for (const Json& row : frame["data"]["bids"]) {
    CHECK(units(row["price"], 0) % std::stoll(level) == 0);
    CHECK(row["quoteVolume"].is_string());
    grouped += units(row["qty"], 8);
  }
  std::int64_t total = 0;
  for (const Level& one : truth.book.bids) total += one.size;
  CHECK(grouped == total);
  CHECK(get_json("/v2/orderbook?symbol=btc_krw&level=" + level)["data"]["asks"][0].contains("amt"));
}

TEST_CASE_FIXTURE(Korbit,
                  "Korbit: a protocol ping every 30 s, and no mercy for who never answers") {
  FakeConnection& answering = connect();
  FakeConnection& dead = connect();
  wait(30'000);
  REQUIRE(answering.pings.size() == 1);
  CHECK(answering.pings[0] == "ping");
  wait(90'000, [&] {
    for (const std::string& payload : std::exchange(answering.pings, {})) {
      protocol->on_pong(answering, payload, now_ms);
    }
  });
  CHECK(answering.open());
  CHECK(dead.dropped);
  CHECK(violations_of("missing_pong") == 1);
}

TEST_CASE_FIXTURE(Korbit, "Korbit REST: shapes and errors") {
  const Json pairs = get_json("/v2/currencyPairs");
  CHECK(pairs["success"] == true);
  REQUIRE(pairs["data"].size() == 4);
  CHECK(pairs["data"][0]["symbol"] == "btc_krw");
  CHECK(pairs["data"][0]["status"] == "launched");
  CHECK(pairs["data"][3]["symbol"] == "usdt_krw");

  CHECK(get_json("/v2/tickers")["data"].size() == 4);
  CHECK(get_json("/v2/tickers?symbol=btc_krw,usdt_krw")["data"].size() == 2);
  CHECK(get_json("/v2/tickers?symbol=nope_krw")["data"].empty());

  const Listing& truth = listing("DOGE", "KRW");
  run(1'000);
  const Json book = get_json("/v2/orderbook?symbol=doge_krw")["data"];
  CHECK(book["timestamp"] == truth.book.ts_ms);
  CHECK(read_book(book, truth.instrument).equals(truth.book, 30));

  CHECK(get_json("/v2/time")["data"]["time"] == now_ms);
  const Json currencies = get_json("/v2/currencies")["data"];
  CHECK_FALSE(currencies[0].contains("networkList"));
  CHECK(currencies[1]["networkList"][0]["depositStatus"] == "launched");
  CHECK(currencies[1]["networkList"][0]["withdrawalTxFee"].is_string());

  CHECK(get_json("/v2/orderbook?symbol=BTC_KRW", 400)["error"]["message"] ==
        "INVALID_CURRENCY_PAIR");
  CHECK(get_json("/v2/orderbook", 400)["error"]["message"] == "BAD_REQUEST");
  CHECK(get_json("/v2/orderbook?symbol=btc_krw&level=7", 400)["error"]["message"] == "BAD_REQUEST");
  CHECK(get_json("/v2/nope", 404)["error"]["code"] == 404);
}

TEST_CASE_FIXTURE(Korbit, "Korbit REST: fifty requests a second") {
  HttpAnswer answer = get("/v2/time");
  const auto header = [&](const std::string& name) {
    for (const auto& [key, value] : answer.headers) {
      if (key == name) return value;
    }
    return std::string();
  };
  CHECK(header("Ratelimit") == "limit=50, remaining=49, reset=1");
  CHECK(header("Ratelimit-Policy") == "50;w=1");
  for (int i = 0; i < 50; ++i) answer = get("/v2/time");
  CHECK(answer.status == 429);
  CHECK(header("Retry-After") == "1");
  CHECK(violations_of("rest_requests_per_second") == 1);
}

TEST_CASE_FIXTURE(Korbit, "Korbit: one address") {
  CHECK(protocol->ws_path() == "/v2/public");
  CHECK_FALSE(protocol->on_upgrade(request("/v2/public")).refusal.has_value());
  CHECK(protocol->on_upgrade(request("/v1/user/push")).refusal->status == 404);
}

}  // namespace
}  // namespace spreadwatch::sim::venue_test
