// Gate: what the simulated venue says, read with a decoder of its own.

#include <doctest/doctest.h>

#include "tests/sim/protocol_fixture.h"

namespace spreadwatch::sim::venue_test {
namespace {

struct Gate : Bench {
  Gate() : Bench(VenueId::kGateio) {}

  [[nodiscard]] std::string message(const std::string& channel, const std::string& payload,
                                    const std::string& event = "subscribe") const {
    return R"({"time":)" + std::to_string(now_ms / 1000) + R"(,"id":12,"channel":")" + channel +
           R"(","event":")" + event + R"(","payload":)" + payload + "}";
  }
};

void apply(Rebuilt& book, const Json& result, const Instrument& i) {
  for (const Json& level : result["b"]) {
    Rebuilt::set(book.bids, units(level[0], i.price_decimals), units(level[1], i.size_decimals));
  }
  for (const Json& level : result["a"]) {
    Rebuilt::set(book.asks, units(level[0], i.price_decimals), units(level[1], i.size_decimals));
  }
}

TEST_CASE_FIXTURE(Gate, "Gate: obu streams rebuild the market's book without a gap") {
  for (const char* base : {"BTC", "DOGE"}) {
    for (const std::size_t depth : {std::size_t{50}, std::size_t{400}}) {
      CAPTURE(base);
      CAPTURE(depth);
      const Listing& truth = listing(base, "USDT");
      const std::string name = std::string("ob.") + base + "_USDT." + std::to_string(depth);
      FakeConnection& connection = connect();
      say(connection, message("spot.obu", "[\"" + name + "\"]"));
      Rebuilt book;
      std::uint64_t id = 0;
      int updates = 0;
      int wrong = 0;
      bool acknowledged = false;
      run(10'000, [&] {
        for (const Json& frame : connection.take_json()) {
          if (frame.contains("event")) {
            acknowledged = frame["result"]["status"] == "success" && frame["id"] == 12;
            continue;
          }
          CHECK_FALSE(frame.contains("time"));
          const Json& result = frame["result"];
          CHECK(result["s"] == name);
          if (result.value("full", false)) {
            book = {};
          } else {
            wrong += result["U"] != id + 1;
            ++updates;
          }
          apply(book, result, truth.instrument);
          book.truncate(depth);
          id = result["u"];
        }
        wrong += !book.equals(truth.book, depth);
        wrong += id != truth.book.last_id;
      });
      CHECK(acknowledged);
      CHECK(updates > 10);
      CHECK(wrong == 0);
      CHECK(protocol->sequence(truth) == truth.book.last_id);
      protocol->detach(connection);
    }
  }
}

TEST_CASE_FIXTURE(Gate, "Gate: order_book_update continues the REST book") {
  for (const char* period : {"100ms", "20ms"}) {
    const std::size_t depth = period == std::string("20ms") ? 20 : 100;
    CAPTURE(depth);
    const Listing& truth = listing("XRP", "USDT");
    FakeConnection& connection = connect();
    CHECK(ask(connection,
              message("spot.order_book_update", std::string(R"(["XRP_USDT",")") + period +
                                                    "\"]"))[0]["result"]["status"] == "success");
    run(700);
    const Json base = get_json("/api/v4/spot/order_book?currency_pair=XRP_USDT&interval=0&limit=" +
                               std::to_string(depth) + "&with_id=true");
    CHECK(base["update"] == truth.book.ts_ms);
    CHECK(base["current"] == now_ms);
    std::uint64_t id = base["id"];
    Rebuilt book;
    apply(book, {{"b", base["bids"]}, {"a", base["asks"]}}, truth.instrument);
    CHECK(book.equals(truth.book, depth));
    int updates = 0;
    int wrong = 0;
    run(10'000, [&] {
      for (const Json& frame : connection.take_json()) {
        CHECK(frame["event"] == "update");
        const Json& result = frame["result"];
        CHECK(result["s"] == "XRP_USDT");
        if (result["u"] <= id) continue;
        wrong += !(result["U"] <= id + 1);
        apply(book, result, truth.instrument);
        book.truncate(depth);
        id = result["u"];
        ++updates;
      }
      wrong += !book.equals(truth.book, depth);
    });
    CHECK(updates > 10);
    CHECK(wrong == 0);
    protocol->detach(connection);
  }
}

TEST_CASE_FIXTURE(Gate, "Gate: the 20 level stream does not delete what merely fell out of it") {
  const Listing& truth = listing("BTC", "USDT");
  FakeConnection& connection = connect();
  say(connection, message("spot.order_book_update", R"(["BTC_USDT","20ms"])"));
  connection.take();
  int deletes = 0;
  run(20'000, [&] {
    for (const Json& frame : connection.take_json()) {
      for (const Json& level : frame["result"]["b"]) {
        if (level[1] != "0") continue;
        ++deletes;
        for (const Level& kept : truth.book.bids) {
          CHECK(kept.price != units(level[0], truth.instrument.price_decimals));
        }
      }
    }
  });
  CHECK(deletes > 0);
}

TEST_CASE_FIXTURE(Gate, "Gate: order_book replaces the book at every push") {
  const Listing& truth = listing("BTC", "USDT");
  FakeConnection& fast = connect();
  FakeConnection& slow = connect();
  say(fast, message("spot.order_book", R"(["BTC_USDT","5","100ms"])"));
  say(slow, message("spot.order_book", R"(["BTC_USDT","20","1000ms"])"));
  int pushes = 0;
  int slow_pushes = 0;
  run(10'000, [&] {
    for (const Json& frame : fast.take_json()) {
      if (frame["event"] != "update") continue;
      const Json& result = frame["result"];
      ++pushes;
      CHECK(result["lastUpdateId"] == truth.book.last_id);
      CHECK(result["l"] == "5");
      CHECK(result["bids"].size() == 5);
      CHECK(units(result["asks"][0][0], truth.instrument.price_decimals) ==
            truth.book.asks.front().price);
    }
    for (const Json& frame : slow.take_json()) slow_pushes += frame["event"] == "update";
  });
  CHECK(pushes > 20);
  CHECK(slow_pushes >= 9);
  CHECK(slow_pushes <= 12);
}

TEST_CASE_FIXTURE(Gate, "Gate: tickers at most once a second, whole records of strings") {
  const Listing& truth = listing("BTC", "USDT");
  FakeConnection& connection = connect();
  const Json ack = ask(connection, message("spot.tickers", R"(["BTC_USDT","XRP_USDT"])"))[0];
  CHECK(ack["result"]["status"] == "success");
  CHECK(ack["payload"].size() == 2);
  std::map<std::string, std::int64_t> last;
  int pushes = 0;
  run(10'000, [&] {
    for (const Json& frame : connection.take_json()) {
      const Json& row = frame["result"];
      std::int64_t& previous = last[row["currency_pair"]];
      CHECK(frame["time_ms"].get<std::int64_t>() - previous >= 990);
      CHECK(frame["time"] == frame["time_ms"].get<std::int64_t>() / 1000);
      previous = frame["time_ms"];
      ++pushes;
      if (row["currency_pair"] != "BTC_USDT") continue;
      CHECK(units(row["last"], truth.instrument.price_decimals) == truth.ticker.last);
      CHECK(units(row["highest_bid"], truth.instrument.price_decimals) ==
            truth.book.bids.front().price);
      const double open = std::stod(row["last"].get<std::string>()) /
                          (1 + std::stod(row["change_percentage"].get<std::string>()) / 100);
      const double wanted =
          static_cast<double>(truth.ticker.open) / std::pow(10.0, truth.instrument.price_decimals);
      CHECK(std::abs(open - wanted) < wanted * 1e-6);
    }
  });
  CHECK(pushes >= 18);
}

TEST_CASE_FIXTURE(Gate, "Gate: best quotes with their sizes when they change") {
  const Listing& truth = listing("XRP", "USDT");
  FakeConnection& connection = connect();
  ask(connection, message("spot.book_ticker", R"(["XRP_USDT"])"));
  int pushes = 0;
  run(10'000, [&] {
    for (const Json& frame : connection.take_json()) {
      const Json& row = frame["result"];
      ++pushes;
      CHECK(row["s"] == "XRP_USDT");
      CHECK(row["u"] == truth.book.last_id);
      CHECK(units(row["B"], truth.instrument.size_decimals) == truth.book.bids.front().size);
    }
  });
  CHECK(pushes > 3);
}

TEST_CASE_FIXTURE(Gate, "Gate: errors carry a code, the request and its id") {
  FakeConnection& connection = connect();
  Json answer = ask(connection, message("spot.tickers", R"(["BTC_USDT","NOPE_USDT"])"))[0];
  CHECK(answer["error"]["code"] == 2);
  CHECK(answer["error"]["message"] == "unknown currency pair: NOPE_USDT");
  CHECK(answer["result"]["status"] == "fail");
  CHECK(answer["id"] == 12);
  run(2'500);
  CHECK(connection.frames.empty());  // the whole payload failed

  // An unknown pair or level of obu is acknowledged and stays silent.
  for (const char* payload : {R"(["ob.NOPE_USDT.50"])", R"(["ob.BTC_USDT.51"])"}) {
    const std::vector<Json> answers = ask(connection, message("spot.obu", payload));
    REQUIRE(answers.size() == 1);
    CHECK(answers[0]["result"]["status"] == "success");
  }

  CHECK(ask(connection, message("spot.obu", R"(["ob.BTC_USDT.400"])")).size() == 2);
  answer = ask(connection, message("spot.obu", R"(["ob.BTC_USDT.400"])"))[0];
  CHECK(answer["error"]["code"] == 2);
  CHECK(answer["error"]["message"] == "Alert sub ob.BTC_USDT.400");
  ask(connection, message("spot.obu", R"(["ob.BTC_USDT.400"])", "unsubscribe"));
  run(2'000);
  CHECK(connection.frames.empty());

  for (const char* bad : {R"(["BTC_USDT","1000ms"])", R"(["NOPE_USDT","100ms"])"}) {
    CHECK(ask(connection, message("spot.order_book_update", bad))[0]["error"]["code"] == 2);
  }
  for (const char* text :
       {"{", "[]", "1", R"({"channel":7})", R"({"channel":"spot.tickers"})",
        R"({"time":1e300,"channel":"spot.tickers","event":"subscribe","payload":["BTC_USDT"]})",
        R"({"time":1790000003,"channel":"spot.tickers","event":5,"payload":["BTC_USDT"]})",
        R"({"time":1790000003,"channel":"spot.tickers","event":"subscribe","payload":[5]})"}) {
    CAPTURE(text);
    CHECK(ask(connection, text).at(0)["error"]["code"].is_number_integer());
  }
  CHECK(ask(connection, message("spot.nope", R"(["BTC_USDT"])"))[0]["error"]["code"] == 2);
  CHECK(ask(connection, message("spot.trades", R"(["BTC_USDT"])"))[0]["result"]["status"] ==
        "success");
  CHECK(connection.open());
}

TEST_CASE_FIXTURE(Gate, "Gate: a request's time may be off by a minute, its id be missing") {
  FakeConnection& connection = connect();
  const auto at = [&](std::int64_t seconds) {
    return ask(connection,
               R"({"time":)" + std::to_string(now_ms / 1000 + seconds) +
                   R"(,"channel":"spot.tickers","event":"subscribe","payload":["BTC_USDT"]})")[0];
  };
  CHECK(at(-59)["result"]["status"] == "success");
  CHECK_FALSE(at(59).contains("id"));
  CHECK(at(-62)["result"]["status"] == "fail");
  CHECK(at(62)["result"]["status"] == "fail");
  CHECK(violations_of("time_skew") == 2);
  const std::string rest =
      R"("channel":"spot.tickers","event":"subscribe","payload":["BTC_USDT"]})";
  CHECK(ask(connection, "{" + rest)[0]["result"]["status"] == "success");
  const std::string milliseconds = std::to_string(now_ms - 1'000);
  CHECK(ask(connection, R"({"time":)" + milliseconds + "," + rest)[0]["result"]["status"] ==
        "success");
  const std::string late = std::to_string(now_ms - 62'000);
  CHECK(ask(connection, R"({"time":)" + late + "," + rest)[0]["result"]["status"] == "fail");
  CHECK(violations_of("time_skew") == 3);
}

TEST_CASE_FIXTURE(Gate, "Gate: spot.ping, with or without id") {
  FakeConnection& connection = connect();
  for (const char* ping : {R"({"time":1545404023,"channel":"spot.ping"})",
                           R"({"id":1,"time":1545404023,"channel":"spot.ping"})"}) {
    const Json pong = ask(connection, ping)[0];
    CHECK(pong["channel"] == "spot.pong");
    CHECK(pong["event"] == "");
    CHECK(pong["error"].is_null());
    CHECK(pong["result"].is_null());
  }
}

TEST_CASE_FIXTURE(Gate, "Gate: idle and dead connections are dropped") {
  FakeConnection& idle = connect();
  FakeConnection& pinging = connect();
  FakeConnection& answering = connect();
  FakeConnection& dead = connect();
  for (FakeConnection* connection : {&answering, &dead}) {
    say(*connection, message("spot.tickers", R"(["BTC_USDT"])"));
  }
  wait(70'000, [&] {
    if (now_ms % 10'000 == 0) say(pinging, R"({"time":1,"channel":"spot.ping"})");
    for (const std::string& payload : std::exchange(answering.pings, {})) {
      protocol->on_pong(answering, payload, now_ms);
    }
  });
  CHECK(idle.dropped);
  CHECK(pinging.open());
  CHECK(answering.open());
  CHECK(dead.dropped);
  CHECK(violations_of("idle_without_subscription") == 1);
  CHECK(violations_of("missing_pong") == 1);
}

TEST_CASE_FIXTURE(Gate, "Gate: the address needs its trailing slash") {
  CHECK(protocol->ws_path() == "/ws/v4/");
  CHECK_FALSE(protocol->on_upgrade(request("/ws/v4/")).refusal.has_value());
  CHECK(protocol->on_upgrade(request("/ws/v4")).refusal->status == 404);
}

TEST_CASE_FIXTURE(Gate, "Gate REST: shapes") {
  const Json pairs = get_json("/api/v4/spot/currency_pairs");
  REQUIRE(pairs.is_array());
  REQUIRE(pairs.size() == 3);
  CHECK(pairs[0]["id"] == "BTC_USDT");
  CHECK(pairs[0]["precision"].is_number_integer());
  CHECK(pairs[0]["amount_precision"].is_number_integer());
  CHECK(pairs[0]["trade_status"] == "tradable");
  CHECK(pairs[0]["fee"] == "0.2");
  CHECK(get_json("/api/v4/spot/currency_pairs/BTC_USDT") == pairs[0]);

  CHECK(get_json("/api/v4/spot/tickers").size() == 3);
  CHECK_FALSE(get_json("/api/v4/spot/tickers")[0].contains("lowest_size"));
  const Json ticker = get_json("/api/v4/spot/tickers?currency_pair=XRP_USDT")[0];
  CHECK(ticker["currency_pair"] == "XRP_USDT");
  for (const char* key :
       {"last", "lowest_ask", "lowest_size", "highest_bid", "highest_size", "change_percentage",
        "change_utc0", "change_utc8", "base_volume", "quote_volume", "high_24h", "low_24h"}) {
    CHECK(ticker[key].is_string());
  }
  const Json book = get_json("/api/v4/spot/order_book?currency_pair=BTC_USDT");
  CHECK(book["asks"].size() == 10);
  CHECK_FALSE(book.contains("id"));
  CHECK(get_json("/api/v4/spot/time")["server_time"] == now_ms);
  CHECK(get_json("/api/v4/spot/currencies").size() == 4);
  CHECK(get_json("/api/v4/spot/currencies/BTC")["chains"][0]["deposit_disabled"] == false);
  CHECK(get_json("/api/v4/wallet/currency_chains?currency=USDT")[0]["is_disabled"] == 0);
  for (const char* others : {"/api/v4/margin/currency_pairs", "/api/v4/futures/usdt/contracts",
                             "/api/v4/delivery/usdt/contracts", "/api/v4/options/underlyings"}) {
    CHECK(get_json(others).empty());
  }
  CHECK(get_json("/api/v4/spot/order_book?currency_pair=BTC_USDTT", 400) ==
        Json::parse(R"({"label":"INVALID_CURRENCY_PAIR",
                        "message":"Invalid currency pair BTC_USDTT"})"));
  CHECK(get_json("/api/v4/spot/currencies/NOPE", 400)["label"] == "INVALID_CURRENCY");
  for (const char* yes : {"true", "True", "1"}) {
    CHECK(get_json(std::string("/api/v4/spot/order_book?currency_pair=BTC_USDT&with_id=") + yes)
              .contains("id"));
  }
  CHECK_FALSE(
      get_json("/api/v4/spot/order_book?currency_pair=BTC_USDT&with_id=False").contains("id"));
  CHECK(get_json("/api/v4/spot/order_book?currency_pair=BTC_USDT&limit=x", 400)["label"] ==
        "INVALID_PARAM_VALUE");
}

TEST_CASE_FIXTURE(Gate, "Gate REST: too many requests to one endpoint") {
  for (int i = 0; i < 200; ++i) CHECK(get("/api/v4/spot/time").status == 200);
  CHECK(get("/api/v4/spot/time").status == 429);
  CHECK(get("/api/v4/spot/tickers").status == 200);
  CHECK(violations_of("rest_requests_per_10s") == 1);
}

}  // namespace
}  // namespace spreadwatch::sim::venue_test
