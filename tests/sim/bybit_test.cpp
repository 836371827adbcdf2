// Bybit: what the simulated venue says.

#include <doctest/doctest.h>

#include "tests/sim/protocol_fixture.h"

namespace spreadwatch::sim::venue_test {
namespace {

TEST_CASE("Bybit: every window follows its deltas, deletes included, and all share one u") {
  Bench bench(VenueId::kBybit);
  FakeConnection& c = bench.connect();
  bench.say(c, R"({"req_id":"b1","op":"subscribe","args":["orderbook.50.BTCUSDT",)"
               R"("orderbook.200.BTCUSDT","orderbook.1000.BTCUSDT","tickers.BTCUSDT"]})");
  auto messages = c.take_json();
  REQUIRE(messages.size() == 5);
  CHECK(messages[0]["success"] == true);
  CHECK(messages[0]["req_id"] == "b1");
  const Listing* const listing = bench.market.find(VenueId::kBybit, "BTC", "USDT");
  std::map<std::string, std::pair<Side, Side>> books;
  std::map<std::string, std::uint64_t> last;
  for (const Json& m : messages) {
    if (!m.contains("topic") || m["topic"] == "tickers.BTCUSDT") continue;
    CHECK(m["type"] == "snapshot");
    books[m["topic"]] = {side_of(m["data"]["b"]), side_of(m["data"]["a"])};
    last[m["topic"]] = m["data"]["u"].get<std::uint64_t>();
  }
  bench.run(20'000);
  for (const Json& m : c.take_json()) {
    if (m["topic"] == "tickers.BTCUSDT") continue;
    CHECK(m["type"] == "delta");
    REQUIRE(m["data"]["u"] == last[m["topic"]] + 1);
    ++last[m["topic"]];
    apply_levels(books[m["topic"]].first, m["data"]["b"]);
    apply_levels(books[m["topic"]].second, m["data"]["a"]);
  }
  for (const auto& [topic, u] : last) CHECK(u == bench.protocol->sequence(*listing));
  CHECK(books["orderbook.50.BTCUSDT"].first.size() == 50);
  CHECK(books["orderbook.200.BTCUSDT"].first.size() == listing->book.bids.size());
}

TEST_CASE("Bybit: orderbook.1 is snapshot only and repeats its u after three quiet seconds") {
  Bench bench(VenueId::kBybit);
  FakeConnection& c = bench.connect();
  bench.run(1'000);
  bench.say(c, R"({"op":"subscribe","args":["orderbook.1.BTCUSDT"]})");
  c.take_json();
  bench.run(10'000);
  std::uint64_t last = 0;
  const auto messages = c.take_json();
  CHECK(messages.size() > 3);
  for (const Json& m : messages) {
    CHECK(m["type"] == "snapshot");
    CHECK(m["data"]["b"].size() == 1);
    const auto u = m["data"]["u"].get<std::uint64_t>();
    CHECK(u >= last);
    last = u;
  }
}

TEST_CASE("Bybit: one bad topic fails the request, eleven are too many, ping is answered as ping") {
  Bench bench(VenueId::kBybit);
  FakeConnection& c = bench.connect();
  const auto say = [&](const std::string& args) {
    bench.say(c, R"({"op":"subscribe","args":[)" + args + "]}");
    return c.take_json();
  };
  auto reply = say(R"("orderbook.50.BTCUSDT","orderbook.50.NOTREALUSDT")");
  REQUIRE(reply.size() == 1);
  CHECK(reply[0]["success"] == false);
  CHECK(reply[0]["ret_msg"] == "Invalid symbol :[orderbook.50.NOTREALUSDT]");
  CHECK(reply[0]["req_id"] == "");
  CHECK(say(R"("liquidations.BTCUSDT")")[0]["ret_msg"] ==
        "error:handler not found,topic:liquidations.BTCUSDT");
  CHECK(say(R"("orderbook.50.BTCUSDT")").size() == 2);
  CHECK(say(R"("orderbook.50.BTCUSDT")")[0]["ret_msg"] ==
        "error:already subscribed,topic:orderbook.50.BTCUSDT");
  std::string many = R"("tickers.BTCUSDT")";
  for (int i = 0; i < 10; ++i) many += R"(,"tickers.BTCUSDT")";
  CHECK(say(many)[0]["ret_msg"] == "args size >10");
  CHECK(bench.violations_of("too_many_args") == 1);
  bench.say(c, R"({"req_id":"100001","op":"ping"})");
  reply = c.take_json();
  CHECK(reply[0]["op"] == "ping");
  CHECK(reply[0]["ret_msg"] == "pong");
  bench.wait(600'100);
  CHECK(c.close_code == 1000);
}

TEST_CASE("Bybit: a snapshot may overtake its ack") {
  Bench bench(VenueId::kBybit);
  bench.connect();
  FakeConnection& even = bench.connect();
  bench.say(even, R"({"op":"subscribe","args":["orderbook.50.BTCUSDT"]})");
  const auto messages = even.take_json();
  REQUIRE(messages.size() == 2);
  CHECK(messages[0]["topic"] == "orderbook.50.BTCUSDT");
  CHECK(messages[1]["op"] == "subscribe");
}

TEST_CASE("Bybit: planned work is told on an address and a route of its own") {
  Bench bench(VenueId::kBybit);
  CHECK(bench.upgrade_status("/v5/public/misc/status") == 101);
  FakeConnection& status = bench.connect("/v5/public/misc/status");
  FakeConnection& spot = bench.connect();
  const std::string subscribe = R"({"op":"subscribe","args":["system.status"]})";
  CHECK(bench.ask(spot, subscribe)[0]["success"] == false);
  CHECK(bench.ask(status, R"({"op":"subscribe","args":["tickers.BTCUSDT"]})")[0]["success"] ==
        false);
  CHECK(bench.ask(status, subscribe)[0]["success"] == true);
  CHECK(bench.get_json("/v5/system/status")["result"]["list"].empty());
  bench.order({.fault = "maintenance", .duration_ms = 5'000});
  bench.wait(500);
  const std::vector<Json> told = status.take_json();
  REQUIRE(told.size() == 1);
  CHECK(told[0]["topic"] == "system.status");
  CHECK(told[0]["data"][0]["state"] == "ongoing");
  CHECK(bench.get_json("/v5/system/status")["result"]["list"][0]["state"] == "ongoing");
}

TEST_CASE("Bybit: REST envelopes, errors and the ban for more than 600 in five seconds") {
  Bench bench(VenueId::kBybit);
  CHECK(bench.get_json("/v5/market/instruments-info?category=spot")["result"]["list"].size() == 3);
  CHECK(bench.get_json("/v5/market/instruments-info?category=linear")["result"]["list"].empty());
  CHECK(bench.get_json("/v5/market/tickers?category=spot&symbol=NOPE")["retCode"] == 10001);
  const Json book = bench.get_json("/v5/market/orderbook?category=spot&symbol=BTCUSDT&limit=50");
  CHECK(book["result"]["b"].size() == 50);
  CHECK(book["result"]["u"].is_number());
  for (int i = 0; i < 600; ++i) bench.get("/v5/market/time");
  CHECK(bench.get("/v5/market/time").status == 403);
  bench.wait(10'000);
  CHECK(bench.get("/v5/market/time").status == 403);
  CHECK(bench.violations_of("rest_requests_per_5s") == 1);
  CHECK(bench.violations_of("ignored_403") > 0);
}

}  // namespace
}  // namespace spreadwatch::sim::venue_test
