// Bithumb: what the simulated venue says.

#include <doctest/doctest.h>

#include "tests/sim/protocol_fixture.h"

namespace spreadwatch::sim::venue_test {
namespace {

TEST_CASE("Bithumb: microseconds, fifteen units, no size beyond four decimals") {
  Bench bench(VenueId::kBithumb);
  FakeConnection& c = bench.connect();
  bench.say(c, R"([{"ticket":"t"},{"type":"orderbook","codes":["KRW-BTC.30"]},)"
               R"({"type":"ticker","codes":["KRW-BTC"]},{"format":"DEFAULT"}])");
  bench.run(20'000);
  bool dust = false;
  std::size_t books = 0;
  for (const Json& message : c.take_json()) {
    if (message["type"] == "ticker") {
      CHECK(message["timestamp"].get<std::int64_t>() < 10'000'000'000'000);
      CHECK(message["delisting_date"] == "");
      continue;
    }
    ++books;
    CHECK(message["timestamp"].get<std::int64_t>() > 1'000'000'000'000'000);
    const Json& units = message["orderbook_units"];
    REQUIRE(units.size() <= 15);
    dust |= units[0]["ask_size"] == 0 || units[0]["bid_size"] == 0;
  }
  CHECK(books > 50);
  CHECK(dust);
}

TEST_CASE("Bithumb: its own errors") {
  const std::vector<std::pair<std::string, std::string>> cases = {
      {"[", "WRONG_FORMAT"},
      {R"([{"ticket":"t"},{"codes":["KRW-BTC"]}])", "WRONG_FORMAT"},
      {R"([{"ticket":"t"},{"type":"orderbook","codes":["KRW-BTC"],"level":3}])", "WRONG_FORMAT"},
      {R"([{"type":"ticker","codes":["KRW-BTC"]}])", "NO_TICKET"},
      {R"([{"ticket":"t"},{"type":"ticker"}])", "NO_CODES"},
      {R"([{"ticket":"t"},{"type":"ticker","codes":[]}])", "INVALID_PARAM"},
      {R"([{"ticket":"t"},{"type":"nope","codes":["KRW-BTC"]}])", "INVALID_PARAM"},
  };
  for (const auto& [text, name] : cases) {
    Bench bench(VenueId::kBithumb);
    FakeConnection& c = bench.connect();
    bench.say(c, text);
    CHECK(c.close_code == 1000);
    CHECK(c.take_json().at(0)["error"]["name"] == name);
  }
}

TEST_CASE("Bithumb: REST ticker runs nine hours ahead, the book does not; errors come with 200") {
  Bench bench(VenueId::kBithumb);
  const Json ticker = bench.get_json("/v1/ticker?markets=KRW-BTC");
  CHECK(ticker[0]["timestamp"].get<std::int64_t>() >= kStartMs + 32'000'000);
  const Json book = bench.get_json("/v1/orderbook?markets=krw-btc");
  CHECK(book[0]["timestamp"].get<std::int64_t>() <= bench.now_ms);
  CHECK(bench.get("/v1/ticker?markets=KRW-NOPE").status == 200);
  CHECK(bench.get_json("/v1/ticker?markets=KRW-NOPE")["error"]["name"] == 404);
  std::string many = "KRW-BTC";
  for (int i = 0; i < 200; ++i) many += ",KRW-BTC";
  CHECK(bench.get("/v1/ticker?markets=" + many).status == 400);
  CHECK(bench.get_json("/v1/ticker?markets=" + many, 400)["error"]["name"] == "400");
  CHECK(bench.get("/v1/ticker?markets=" + std::string(4'300, 'x')).status == 414);
  CHECK(bench.get_json("/public/ticker/ALL_KRW")["data"]["BTC"].contains("closing_price"));
  CHECK(bench.get_json("/public/orderbook/ALL_KRW")["data"]["XRP"]["bids"].size() == 5);
  CHECK(bench.get_json("/public/ticker/NOPE_KRW")["status"] == "5500");
  CHECK(bench.get_json("/public/assetsstatus/multichain/ALL")["data"].size() == 5);
  CHECK(bench.get_json("/v2/fee/inout/BTC")[0]["networks"][0]["net_name"] == "BTC");
  CHECK(bench.get_json("/nope", 404)["name"] == "not_found");
}

}  // namespace
}  // namespace spreadwatch::sim::venue_test
