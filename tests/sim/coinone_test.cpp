// Coinone: what the simulated venue says, read with a decoder of its own.

#include <doctest/doctest.h>

#include "tests/sim/protocol_fixture.h"

namespace spreadwatch::sim::venue_test {
namespace {

struct Coinone : Bench {
  Coinone() : Bench(VenueId::kCoinone) {}

  static std::string message(const std::string& channel, const std::string& target,
                             const std::string& rest = "", const std::string& quote = "KRW",
                             const std::string& type = "SUBSCRIBE") {
    return R"({"request_type":")" + type + R"(","channel":")" + channel +
           R"(","topic":{"quote_currency":")" + quote + R"(","target_currency":")" + target +
           "\"}" + rest + "}";
  }
};

Rebuilt read_book(const Json& data, const Instrument& i, bool short_format = false) {
  const char* const price = short_format ? "p" : "price";
  const char* const size = short_format ? "q" : "qty";
  Rebuilt book;
  for (const Json& level : data[short_format ? "b" : "bids"]) {
    book.bids[units(level[price], i.price_decimals)] = units(level[size], i.size_decimals);
  }
  for (const Json& level : data[short_format ? "a" : "asks"]) {
    book.asks[units(level[price], i.price_decimals)] = units(level[size], i.size_decimals);
  }
  return book;
}

TEST_CASE_FIXTURE(Coinone, "Coinone: CONNECTED, SUBSCRIBED, then books with the worst ask first") {
  const Listing& truth = listing("BTC", "KRW");
  FakeConnection& connection = connect();
  const Json hello = connection.take_json().at(0);
  CHECK(hello["response_type"] == "CONNECTED");
  CHECK(hello["data"]["session_id"].is_string());

  run(5'000);
  const std::vector<Json> answers = ask(connection, message("ORDERBOOK", "BTC"));
  REQUIRE(answers.size() == 2);
  CHECK(answers[0] == Json::parse(R"({"response_type":"SUBSCRIBED","channel":"ORDERBOOK",
                         "data":{"quote_currency":"KRW","target_currency":"BTC"}})"));
  const Json& first = answers[1]["data"];
  CHECK(first["timestamp"] == truth.book.ts_ms - 10'000);
  CHECK(first["id"] == std::to_string(truth.book.ts_ms) + "001");
  CHECK(read_book(first, truth.instrument).equals(truth.book, 16));

  std::string last = first["id"];
  int pushes = 0;
  run(10'000, [&] {
    for (const Json& frame : connection.take_json()) {
      ++pushes;
      CHECK(frame["response_type"] == "DATA");
      const Json& data = frame["data"];
      CHECK(data["timestamp"] == truth.book.ts_ms);
      CHECK(data["id"].get<std::string>() > last);
      last = data["id"];
      CHECK(last.substr(0, 13) == std::to_string(truth.book.ts_ms));
      CHECK(read_book(data, truth.instrument).equals(truth.book, 16));
      CHECK(units(data["asks"].back()["price"], 0) == truth.book.asks.front().price);
      CHECK(units(data["bids"].front()["price"], 0) == truth.book.bids.front().price);
    }
  });
  CHECK(pushes > 15);
}

TEST_CASE_FIXTURE(Coinone, "Coinone: the short format abbreviates every key") {
  const Listing& truth = listing("XRP", "KRW");
  FakeConnection& connection = connect();
  std::vector<Json> answers = ask(connection, message("ORDERBOOK", "XRP", R"(,"format":"SHORT")"));
  REQUIRE(answers.size() == 2);
  CHECK(answers[1]["r"] == "DATA");
  CHECK(answers[1]["c"] == "ORDERBOOK");
  CHECK(answers[1]["d"]["qc"] == "KRW");
  CHECK(answers[1]["d"]["tc"] == "XRP");
  CHECK(read_book(answers[1]["d"], truth.instrument, true).equals(truth.book, 16));
  answers = ask(connection, message("TICKER", "XRP", R"(,"format":"SHORT")"));
  for (const char* key : {"t", "fi", "hi", "lo", "la", "qv", "tv", "vp", "abp", "abq", "bbp", "bbq",
                          "i", "yfi", "yhi", "ylo", "yla", "yqv", "ytv"}) {
    CHECK(answers.at(1)["d"].contains(key));
  }
}

TEST_CASE_FIXTURE(Coinone, "Coinone: tickers show the day, the day before and 24 h volumes") {
  const Listing& truth = listing("BTC", "KRW");
  FakeConnection& connection = connect();
  ask(connection, message("TICKER", "BTC", R"(,"format":"DEFAULT")"));
  int pushes = 0;
  run(10'000, [&] {
    for (const Json& frame : connection.take_json()) {
      ++pushes;
      const Json& data = frame["data"];
      CHECK(data["timestamp"] == truth.ticker.ts_ms);
      CHECK(units(data["last"], 0) == truth.ticker.last);
      CHECK(units(data["first"], 0) == truth.ticker.open);
      CHECK(units(data["yesterday_last"], 0) == truth.ticker.previous_close);
      CHECK(units(data["target_volume"], 8) == truth.ticker.volume_24h);
      CHECK(units(data["ask_best_price"], 0) == truth.book.asks.front().price);
      CHECK(data["id"] == std::to_string(truth.ticker.ts_ms) + "001");
    }
  });
  CHECK(pushes > 3);
}

TEST_CASE_FIXTURE(Coinone, "Coinone: an unknown pair is acknowledged, then an anonymous error") {
  FakeConnection& connection = connect();
  for (const std::string& text :
       {message("TICKER", "NOPE"), message("ORDERBOOK", "BTC", "", "USDT")}) {
    const std::vector<Json> answers = ask(connection, text);
    REQUIRE(answers.size() == 2);
    CHECK(answers[0]["response_type"] == "SUBSCRIBED");
    CHECK(answers[1] == Json::parse(R"({"response_type":"ERROR","error_code":160012,
                                        "message":"Invalid Topic"})"));
  }
  // Lower case is accepted; only the acknowledgement repeats it.
  const std::vector<Json> answers = ask(connection, message("ORDERBOOK", "btc", "", "krw"));
  REQUIRE(answers.size() == 2);
  CHECK(answers[0]["data"]["target_currency"] == "btc");
  CHECK(answers[1]["data"]["target_currency"] == "BTC");
}

TEST_CASE_FIXTURE(Coinone, "Coinone: bad requests name the key and keep the socket open") {
  FakeConnection& connection = connect();
  const auto one = [&](const std::string& text) { return ask(connection, text).at(0); };
  Json answer = one(message("TICKER", "BTC", "", "KRW", "subscribe"));
  CHECK(answer["error_code"] == 160011);
  CHECK(answer["message"] == "Invalid Type");
  CHECK(answer["field"] == "request_type");
  CHECK(one(message("ticker", "BTC"))["field"] == "channel");
  CHECK(one(message("TICKER", "BTC", R"(,"format":"default")"))["field"] == "format");
  for (const char* text : {"x", "[]", R"({"request_type":"SUBSCRIBE","channel":"TICKER"})",
                           R"({"request_type":"SUBSCRIBE","channel":"TICKER","topic":7})",
                           R"({"request_type":"SUBSCRIBE","channel":"TICKER","topic":{}})"}) {
    CHECK(one(text)["error_code"] == 160010);
  }
  CHECK(one(R"({"request_type":7})")["error_code"] == 160011);
  CHECK(connection.open());
}

TEST_CASE_FIXTURE(Coinone, "Coinone: a second SUBSCRIBE repeats the book, UNSUBSCRIBE ends it") {
  FakeConnection& connection = connect();
  const Json first = ask(connection, message("ORDERBOOK", "BTC"))[1];
  CHECK(ask(connection, message("ORDERBOOK", "BTC"))[1]["data"]["id"] == first["data"]["id"]);
  const Json answer = ask(connection, message("ORDERBOOK", "BTC", "", "KRW", "UNSUBSCRIBE"))[0];
  CHECK(answer["response_type"] == "UNSUBSCRIBED");
  run(3'000);
  CHECK(connection.frames.empty());
}

TEST_CASE_FIXTURE(Coinone, "Coinone: PING, and an end for who never sends anything") {
  FakeConnection& silent = connect();
  FakeConnection& speaking = connect();
  CHECK(ask(speaking, R"({"request_type":"PING"})")[0] ==
        Json::parse(R"({"response_type":"PONG"})"));
  wait(60'000);
  CHECK(silent.open());
  wait(2'000);
  CHECK(silent.dropped);
  CHECK(speaking.open());
  CHECK(violations_of("no_ping") == 1);
}

TEST_CASE_FIXTURE(Coinone, "Coinone: the 21st connection of an address is closed") {
  for (int i = 0; i < 20; ++i) CHECK(connect().open());
  FakeConnection& surplus = connect();
  CHECK(surplus.close_code == 4290);
  CHECK(surplus.frames.empty());
  CHECK(violations_of("connections_per_address") == 1);
}

TEST_CASE_FIXTURE(Coinone, "Coinone REST: shapes and errors") {
  const Json markets = get_json("/public/v2/markets/KRW");
  CHECK(markets["result"] == "success");
  CHECK(markets["error_code"] == "0");
  CHECK(markets["server_time"] == now_ms);
  REQUIRE(markets["markets"].size() == 4);
  CHECK(markets["markets"][0]["target_currency"] == "BTC");
  CHECK(markets["markets"][0]["price_unit"].is_string());
  CHECK(markets["markets"][0]["trade_status"] == 1);
  CHECK(get_json("/public/v2/markets/USDT")["markets"].empty());

  run(1'000);
  const Listing& truth = listing("BTC", "KRW");
  const Json book = get_json("/public/v2/orderbook/KRW/BTC?size=16");
  CHECK(read_book(book, truth.instrument).equals(truth.book, 16));
  CHECK(units(book["asks"][0]["price"], 0) == truth.book.asks.front().price);
  CHECK(book["id"] == std::to_string(truth.book.ts_ms) + "001");
  CHECK(get_json("/public/v2/orderbook/krw/btc")["asks"].size() <= 15);
  CHECK(get_json("/public/v2/orderbook/KRW/BTC?size=7")["error_code"] == "107");
  CHECK(get_json("/public/v2/orderbook/KRW/NOPE") ==
        Json::parse(R"({"result":"error","error_code":"108",
                        "error_msg":"Unknown CryptoCurrency"})"));

  for (const char* route : {"ticker_new", "ticker_utc_new"}) {
    const std::string path = std::string("/public/v2/") + route + "/KRW";
    CHECK(get_json(path)["tickers"].size() == 4);
    CHECK_FALSE(get_json(path)["tickers"][0].contains("yesterday_last"));
    const Json row = get_json(path + "/BTC?additional_data=True")["tickers"][0];
    CHECK(row["quote_currency"] == "krw");
    CHECK(row["target_currency"] == "btc");
    CHECK(units(row["last"], 0) == truth.ticker.last);
    CHECK(units(row["yesterday_last"], 0) == truth.ticker.previous_close);
    CHECK(units(row["best_asks"][0]["price"], 0) == truth.book.asks.front().price);
    CHECK(get_json(path + "/NOPE")["error_code"] == "108");
  }
  CHECK(get_json("/public/v2/ticker_new/USD")["tickers"].empty());
  CHECK(get_json("/public/v2/currencies")["currencies"].size() == 4);
  CHECK(get_json("/public/v2/currencies/USDT")["currencies"][0]["deposit_status"] == "normal");
  CHECK(get_json("/public/v2/currencies/NOPE")["error_code"] == "108");
  CHECK(get_json("/public/v2/range_units/KRW/BTC")["result"] == "success");

  const HttpAnswer page = get("/public/v2/nope");
  CHECK(page.status == 200);
  CHECK(page.content_type.starts_with("text/html"));
}

TEST_CASE_FIXTURE(Coinone, "Coinone REST: 1200 requests a minute") {
  for (int i = 0; i < 1'200; ++i) CHECK(get_json("/public/v2/markets/USDT")["result"] == "success");
  CHECK(get_json("/public/v2/markets/USDT")["error_code"] == "4");
  CHECK(violations_of("rest_requests_per_minute") == 1);
}

}  // namespace
}  // namespace spreadwatch::sim::venue_test
