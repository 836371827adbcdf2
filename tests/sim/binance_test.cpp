// Binance: what the simulated venue says.

#include <doctest/doctest.h>

#include <algorithm>

#include "tests/sim/protocol_fixture.h"

namespace spreadwatch::sim::venue_test {
namespace {

TEST_CASE("Binance: diffs chain, and both rhythms meet the same book") {
  Bench bench(VenueId::kBinance);
  FakeConnection& c = bench.connect("/ws");
  bench.say(c, R"({"method":"SUBSCRIBE","params":["btcusdt@depth@100ms","btcusdt@depth",)"
               R"("btcusdt@depth20@100ms"],"id":"abc"})");
  CHECK(c.take().at(0) == R"({"result":null,"id":"abc"})");
  const Json snapshot = bench.get_json("/api/v3/depth?symbol=BTCUSDT&limit=5000");
  const auto base = snapshot["lastUpdateId"].get<std::int64_t>();
  struct Chain {
    Side bids, asks;
    std::int64_t last;
  };
  Chain fast{side_of(snapshot["bids"]), side_of(snapshot["asks"]), base};
  std::map<std::int64_t, Side> bids_at;
  std::int64_t slow_last = 0;
  int slow = 0;
  bench.run(12'000);
  Chain second{fast};
  for (const Json& m : c.take_json()) {
    if (m.contains("lastUpdateId")) {
      CHECK(m["lastUpdateId"] == fast.last);
      CHECK(side_of(m["bids"]).size() == 20);
      continue;
    }
    CHECK(m["e"] == "depthUpdate");
    const auto first = m["U"].get<std::int64_t>();
    const auto final = m["u"].get<std::int64_t>();
    const bool is_fast = first == fast.last + 1 && final > fast.last;
    if (is_fast) {
      apply_levels(fast.bids, m["b"]);
      apply_levels(fast.asks, m["a"]);
      fast.last = final;
      bids_at[final] = fast.bids;
      continue;
    }
    ++slow;
    if (slow_last != 0) CHECK(first == slow_last + 1);
    slow_last = final;
    for (const char* side : {"b", "a"}) {
      auto& levels = *side == 'b' ? second.bids : second.asks;
      for (const auto& [price, size] : side_of(m[side])) {
        if (size == 0) {
          levels.erase(price);
        } else {
          levels[price] = size;
        }
      }
    }
    CHECK(second.bids == bids_at[final]);
  }
  CHECK(slow >= 9);
  const Listing* const listing = bench.market.find(VenueId::kBinance, "BTC", "USDT");
  CHECK(static_cast<std::uint64_t>(fast.last) == bench.protocol->sequence(*listing));
  CHECK(fast.bids.size() == listing->book.bids.size());
}

TEST_CASE("Binance: who connects later sees the same partition") {
  Bench bench(VenueId::kBinance);
  FakeConnection& early = bench.connect("/ws/btcusdt@depth@100ms");
  bench.run(1'700);
  early.take_json();
  FakeConnection& late = bench.connect("/ws/btcusdt@depth@100ms");
  bench.run(3'000);
  CHECK(early.take() == late.take());
}

TEST_CASE("Binance: addresses, ids, methods and their errors") {
  Bench bench(VenueId::kBinance);
  FakeConnection& c = bench.connect("/stream?streams=btcusdt@bookTicker/xrpusdt@ticker");
  bench.run(3'000);
  auto messages = c.take_json();
  REQUIRE_FALSE(messages.empty());
  CHECK(messages[0].contains("stream"));
  const auto say = [&](const std::string& text) {
    bench.wait(1'000);
    c.take_json();
    bench.say(c, text);
    return c.take().at(0);
  };
  CHECK(say(R"({"method":"LIST_SUBSCRIPTIONS","id":3})") ==
        R"({"result":["btcusdt@bookTicker","xrpusdt@ticker"],"id":3})");
  CHECK(say(R"({"method":"SUBSCRIBE","params":["nopeusdt@depth"],"id":null})") ==
        R"({"result":null,"id":null})");
  CHECK(say(R"({"method":"SUBSCRIBE","params":["xrpusdt@miniTicker"]})") ==
        R"({"result":null,"id":null})");
  CHECK(say(R"({"method":"SUBSCRIBE","params":["!miniTicker@arr@1000ms"],"id":"a"})") ==
        R"({"result":null,"id":"a"})");
  bench.run(2'000);
  messages = c.take_json();
  CHECK(std::ranges::any_of(messages, [](const Json& message) {
    return message["stream"] == "!miniTicker@arr@1000ms" && message["data"].is_array();
  }));
  CHECK(say(R"({"method":"GET_PROPERTY","params":["combined"],"id":-5})") ==
        R"({"result":true,"id":-5})");
  CHECK(Json::parse(say(R"({"id":1})"))["code"] == 2);
  CHECK(say(R"({"method":"LIST_SUBSCRIPTIONS","id":9223372036854775807})")
            .ends_with(R"("id":9223372036854775807})"));
  CHECK(Json::parse(say(R"({"method":"LIST_SUBSCRIPTIONS","id":9223372036854775808})"))["code"] ==
        2);
  CHECK(Json::parse(say("{"))["code"] == 3);
  CHECK(Json::parse(say(R"({"method":"NOPE","id":1})"))["code"] == 2);
  CHECK(Json::parse(say(R"({"method":"SET_PROPERTY","params":["combined",3],"id":1})"))["code"] ==
        1);
  CHECK(Json::parse(say(R"({"method":"SET_PROPERTY","params":["x",true],"id":1})"))["code"] == 0);
  CHECK(Json::parse(
            say(R"({"method":"SUBSCRIBE","params":["btcusdt"],"id":1})"))["error"]["code"] == 2);
  CHECK_FALSE(c.open());
  CHECK(bench.upgrade_status("/nope") == 404);
  CHECK(bench.upgrade_status("/ws/0") == 101);  // some clients put a number there
}

TEST_CASE("Binance: pings every 20 s, a missing pong ends it, a sixth message a second too") {
  Bench bench(VenueId::kBinance);
  FakeConnection& silent = bench.connect("/ws");
  FakeConnection& good = bench.connect("/ws");
  FakeConnection& chatty = bench.connect("/ws");
  for (int i = 0; i < 6; ++i) bench.say(chatty, R"({"method":"LIST_SUBSCRIPTIONS","id":1})");
  CHECK_FALSE(chatty.open());
  CHECK(bench.violations_of("messages_per_second") == 1);
  for (int i = 0; i < 50; ++i) {
    bench.wait(2'000);
    if (!good.pings.empty()) {
      bench.protocol->on_pong(good, good.pings.back(), bench.now_ms);
      good.pings.clear();
    }
  }
  CHECK(silent.pings.size() == 3);
  CHECK_FALSE(silent.open());
  CHECK(good.open());
  CHECK(bench.violations_of("missing_pong") == 1);
}

TEST_CASE("Binance: weight is counted, 429 names a wait, ignoring it is a ban") {
  Bench bench(VenueId::kBinance);
  const auto header = [](const HttpAnswer& answer, const std::string& name) -> std::string {
    for (const auto& [key, value] : answer.headers) {
      if (key == name) return value;
    }
    return {};
  };
  CHECK(header(bench.get("/api/v3/exchangeInfo"), "X-MBX-USED-WEIGHT-1M") == "20");
  CHECK(header(bench.get("/api/v3/depth?symbol=BTCUSDT&limit=5000"), "X-MBX-USED-WEIGHT-1M") ==
        "270");
  for (int i = 0; i < 22; ++i) bench.get("/api/v3/depth?symbol=BTCUSDT&limit=5000");
  CHECK(header(bench.get("/api/v3/ticker/24hr"), "X-MBX-USED-WEIGHT-1M") == "5850");
  const HttpAnswer limited = bench.get("/api/v3/depth?symbol=BTCUSDT&limit=5000");
  CHECK(limited.status == 429);
  CHECK(header(limited, "Retry-After") == "61");
  for (int i = 0; i < 9; ++i) bench.get("/api/v3/depth?symbol=BTCUSDT&limit=5000");
  CHECK(bench.get("/api/v3/depth?symbol=BTCUSDT&limit=5000").status == 418);
  CHECK(bench.get("/api/v3/ping").status == 418);
  CHECK(bench.violations_of("ignored_429") == 1);
  bench.wait(121'000);
  CHECK(bench.get("/api/v3/ping").body == "{}");
}

TEST_CASE("Binance: REST answers and errors") {
  Bench bench(VenueId::kBinance);
  const Json info = bench.get_json("/api/v3/exchangeInfo?permissions=SPOT");
  CHECK(info["symbols"].size() == 3);
  CHECK(info["symbols"][0]["filters"][0]["tickSize"] == "0.01000000");
  CHECK(bench.get_json("/api/v3/depth?symbol=NOPE", 400)["code"] == -1121);
  CHECK(bench.get("/api/v3/depth?symbol=NOPE").status == 400);
  CHECK(bench.get_json("/api/v3/depth", 400)["code"] == -1102);
  CHECK(bench.get_json(R"(/api/v3/ticker/24hr?symbols=["BTCUSDT","XRPUSDT"])").size() == 2);
  CHECK(bench.get_json("/api/v3/ticker/24hr?symbols=BTCUSDT", 400)["code"] == -1100);
  CHECK_FALSE(bench.get_json("/api/v3/ticker/24hr?symbol=BTCUSDT&type=MINI").contains("bidPrice"));
  CHECK(bench.get_json("/api/v3/ticker/bookTicker?symbol=BTCUSDT").contains("bidQty"));
  CHECK(bench.get_json("/api/v1/depth?symbol=BTCUSDT&limit=5")["bids"].size() == 5);
  CHECK(bench.get_json("/api/v3/avgPrice?symbol=BTCUSDT")["mins"] == 5);
  CHECK(bench.get_json("/api/v3/avgPrice", 400)["code"] == -1102);
  CHECK(bench.get_json("/api/v3/exchangeInfo?symbol=BTCUSDT&symbolStatus=HALT", 400)["code"] ==
        -1220);
}

}  // namespace
}  // namespace spreadwatch::sim::venue_test
