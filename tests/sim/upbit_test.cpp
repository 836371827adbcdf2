// Upbit: what the simulated venue says.

#include <doctest/doctest.h>

#include "tests/sim/protocol_fixture.h"

namespace spreadwatch::sim::venue_test {
namespace {

TEST_CASE("Upbit: binary frames, snapshot first, the second subscribe replaces the first") {
  Bench bench(VenueId::kUpbit);
  FakeConnection& c = bench.connect();
  bench.say(c, R"([{"ticket":"t"},{"type":"ticker","codes":["KRW-BTC","KRW-NOPE","krw-xrp"]},)"
               R"({"type":"orderbook","codes":["KRW-BTC","KRW-XRP.5"]}])");
  REQUIRE(c.frames.size() == 3);  // unknown and lower-case codes are silent
  CHECK(c.frames[0].binary);
  auto messages = c.take_json();
  CHECK(messages[0]["stream_type"] == "SNAPSHOT");
  CHECK(messages[0]["type"] == "ticker");
  CHECK(messages[2]["code"] == "KRW-XRP");
  CHECK(messages[2]["orderbook_units"].size() == 5);
  bench.run(3'000);
  std::map<std::string, int> kinds;
  for (const Json& message : c.take_json()) {
    CHECK(message["stream_type"] == "REALTIME");
    ++kinds[message["type"].get<std::string>() + message["code"].get<std::string>()];
  }
  CHECK(kinds["orderbookKRW-BTC"] > 5);
  CHECK(kinds["tickerKRW-BTC"] >= 1);
  CHECK(kinds.count("tickerKRW-XRP") == 0);

  bench.say(c, R"([{"ticket":"t"},{"type":"orderbook","codes":["KRW-DOGE"]}])");
  c.take_json();
  bench.run(2'000);
  for (const Json& message : c.take_json()) CHECK(message["code"] == "KRW-DOGE");
}

TEST_CASE("Upbit: DEFAULT and SIMPLE spell numbers differently; list formats wrap") {
  Bench bench(VenueId::kUpbit);
  FakeConnection& c = bench.connect();
  bench.say(c, R"([{"ticket":"t"},{"type":"orderbook","codes":["KRW-BTC"]},{"format":"DEFAULT"}])");
  std::string text = c.take().at(0);
  CHECK(text.find("E8") != std::string::npos);
  const std::size_t size = text.find("\"ask_size\":") + 11;
  const std::string number = text.substr(size, text.find(',', size) - size);
  CHECK(number.size() - number.find('.') == 9);  // eight decimals, zeros kept
  bench.say(c, R"([{"ticket":"t"},{"type":"orderbook","codes":["KRW-BTC"]},{"format":"SIMPLE"}])");
  text = c.take().at(0);
  CHECK(text.starts_with(R"({"ty":"orderbook","cd":"KRW-BTC","tms":)"));
  CHECK(text.find("E8") == std::string::npos);
  bench.say(c,
            R"([{"ticket":"t"},{"type":"ticker","codes":["KRW-BTC"]},{"format":"SIMPLE_LIST"}])");
  text = c.take().at(0);
  CHECK(text.starts_with(R"([{"ty":"ticker")"));
  CHECK(text.ends_with("}]"));
}

TEST_CASE("Upbit: only_snapshot and only_realtime in both spellings") {
  Bench bench(VenueId::kUpbit);
  FakeConnection& c = bench.connect();
  for (const char* key : {"is_only_snapshot", "isOnlySnapshot"}) {
    bench.say(c, std::string(R"([{"ticket":"t"},{"type":"orderbook","codes":["KRW-BTC"],")") + key +
                     R"(":true}])");
    CHECK(c.take_json().size() == 1);
    bench.run(2'000);
    CHECK(c.take_json().empty());
  }
  bench.say(c, R"([{"ticket":"t"},{"type":"ticker","codes":["KRW-BTC"],"isOnlyRealtime":true}])");
  CHECK(c.take_json().empty());
  bench.run(6'000);
  CHECK_FALSE(c.take_json().empty());
}

TEST_CASE("Upbit: errors close with 1000") {
  const std::vector<std::pair<std::string, std::string>> cases = {
      {"nonsense", "WRONG_FORMAT"},
      {R"({"ticket":"t"})", "WRONG_FORMAT"},
      {R"([{"type":"ticker","codes":["KRW-BTC"]}])", "NO_TICKET"},
      {R"([{"ticket":"t"}])", "NO_TYPE"},
      {R"([{"ticket":"t"},{"codes":["KRW-BTC"]}])", "NO_TYPE"},
      {R"([{"ticket":"t"},{"type":"ticker"}])", "NO_CODES"},
      {R"([{"ticket":"t"},{"type":"nope","codes":["KRW-BTC"]}])", "INVALID_PARAM"},
  };
  for (const auto& [text, name] : cases) {
    Bench bench(VenueId::kUpbit);
    FakeConnection& c = bench.connect();
    bench.say(c, text);
    CHECK(c.close_code == 1000);
    const auto messages = c.take_json();
    REQUIRE(messages.size() == 1);
    CHECK(messages[0]["error"]["name"] == name);
  }
}

TEST_CASE("Upbit: idle for 60 s is dropped; a ping or PING keeps it") {
  Bench bench(VenueId::kUpbit);
  FakeConnection& idle = bench.connect();
  FakeConnection& pinged = bench.connect();
  FakeConnection& said = bench.connect();
  bench.say(said, "PING");
  bench.wait(30'000);
  bench.protocol->on_ping(pinged, "", bench.now_ms);
  bench.wait(31'000);
  CHECK(idle.dropped);
  CHECK(pinged.open());
  CHECK(said.open());
  CHECK(said.take_json().size() == 6);  // after 6.5 s and then every ten
  CHECK(bench.violations_of("idle_timeout") == 1);
}

TEST_CASE("Upbit: a second Origin header in ten seconds and too many requests are punished") {
  Bench bench(VenueId::kUpbit);
  HttpRequest request = bench.request("/v1/ticker?markets=KRW-BTC");
  request.headers.emplace_back("origin", "http://example.org");
  CHECK(bench.protocol->on_http(request).status == 200);
  CHECK(bench.violations_of("origin_header") == 0);  // some libraries add it unasked
  CHECK(bench.protocol->on_http(request).status == 429);
  CHECK(bench.violations_of("origin_header") == 1);
  request.now_ms += 10'000;
  CHECK(bench.protocol->on_http(request).status == 200);
  CHECK(bench.violations_of("origin_header") == 1);
  int refused = 0;
  for (int i = 0; i < 12; ++i) refused += bench.get("/v1/orderbook?markets=KRW-BTC").status == 429;
  CHECK(refused == 2);
  CHECK(bench.violations_of("rest_requests_per_second") == 2);
  for (int i = 0; i < 5; ++i) CHECK(bench.upgrade_status("/websocket/v1") == 101);
  CHECK(bench.upgrade_status("/websocket/v1") == 429);
  CHECK(bench.upgrade_status("/nope") == 404);
  CHECK(bench.violations_of("connects_per_second") == 1);
}

TEST_CASE("Upbit: REST answers and errors") {
  Bench bench(VenueId::kUpbit);
  CHECK(bench.get_json("/v1/market/all?is_details=true").size() == 4);
  const Json book = bench.get_json("/v1/orderbook?markets=krw-btc&markets=KRW-XRP&count=5");
  REQUIRE(book.size() == 2);
  CHECK(book[0]["orderbook_units"].size() == 5);
  CHECK(bench.get("/v1/ticker?markets=KRW-BTC,KRW-NOPE").status == 404);
  CHECK(bench.get_json("/v1/ticker?markets=KRW-NOPE", 404)["error"]["name"] == 404);
  CHECK(bench.get("/v1/ticker").status == 400);
  CHECK(bench.get("/v1/orderbook?markets=KRW-BTC&count=x").status == 400);
  CHECK(bench.get_json("/nope", 404)["error"]["name"] == "not_found");
  CHECK(bench.get_json("/v1/ticker/all?quote_currencies=KRW").size() == 4);
  CHECK(bench.get_json("/v1/orderbook/instruments?markets=KRW-BTC")[0]["tick_size"] == "1000");
}

}  // namespace
}  // namespace spreadwatch::sim::venue_test
