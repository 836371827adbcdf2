// OKX: what the simulated venue says.

#include <doctest/doctest.h>

#include "tests/sim/protocol_fixture.h"

namespace spreadwatch::sim::venue_test {
namespace {

TEST_CASE("OKX: one ack per argument, the snapshot after it, then a chain that is the book") {
  Bench bench(VenueId::kOkx);
  FakeConnection& c = bench.connect();
  bench.say(
      c, R"({"id":"1512","op":"subscribe","args":[{"channel":"books","instId":"BTC-USDT"},)"
         R"({"channel":"tickers","instId":"BTC-USDT"},{"channel":"books","instId":"NOPE-USDT"}]})");
  auto messages = c.take_json();
  REQUIRE(messages.size() == 5);
  CHECK(messages[0]["event"] == "subscribe");
  CHECK(messages[0]["id"] == "1512");
  CHECK(messages[0]["connId"].get<std::string>().size() == 8);
  CHECK(messages[1]["action"] == "snapshot");
  CHECK(messages[1]["data"][0]["prevSeqId"] == -1);
  CHECK(messages[1]["data"][0]["checksum"] == 0);
  CHECK(messages[4]["code"] == "60018");
  CHECK_FALSE(messages[4].contains("arg"));
  const std::string status = R"({"op":"subscribe","args":[{"channel":"status"}]})";
  CHECK(bench.ask(c, status)[0]["event"] == "subscribe");  // the one channel of no instrument
  auto bids = side_of(messages[1]["data"][0]["bids"]);
  auto asks = side_of(messages[1]["data"][0]["asks"]);
  auto last = messages[1]["data"][0]["seqId"].get<std::int64_t>();
  bench.run(10'000);
  int updates = 0;
  for (const Json& message : c.take_json()) {
    if (message["arg"]["channel"] != "books") continue;
    ++updates;
    const Json& data = message["data"][0];
    REQUIRE(data["prevSeqId"] == last);
    last = data["seqId"].get<std::int64_t>();
    apply_levels(bids, data["bids"]);
    apply_levels(asks, data["asks"]);
  }
  CHECK(updates > 20);
  const Listing* const listing = bench.market.find(VenueId::kOkx, "BTC", "USDT");
  CHECK(static_cast<std::uint64_t>(last) == bench.protocol->sequence(*listing));
  CHECK(bids.size() == listing->book.bids.size());
  CHECK(asks.size() == listing->book.asks.size());
  CHECK(asks.begin()->first ==
        doctest::Approx(static_cast<double>(listing->book.asks[0].price) / 10));
}

TEST_CASE("OKX: text ping, errors by code, and 30 seconds") {
  Bench bench(VenueId::kOkx);
  FakeConnection& c = bench.connect();
  bench.say(c, "ping");
  CHECK(c.take().at(0) == "pong");
  bench.say(c, "{");
  bench.say(c, R"({"op":"jump","args":[]})");
  bench.say(c, R"({"op":"subscribe","args":[]})");
  bench.say(c, R"({"op":"subscribe","args":[{"channel":"books50-l2-tbt","instId":"BTC-USDT"}]})");
  const auto messages = c.take_json();
  REQUIRE(messages.size() == 4);
  CHECK(messages[0]["code"] == "60012");
  CHECK(messages[1]["code"] == "60019");
  CHECK(messages[2]["code"] == "60013");
  CHECK(messages[3]["code"] == "64003");
  FakeConnection& subscribed = bench.connect();
  bench.say(subscribed, R"({"op":"subscribe","args":[{"channel":"tickers","instId":"BTC-USDT"}]})");
  for (int i = 0; i < 2; ++i) {
    bench.wait(20'000);
    bench.say(c, "ping");
  }
  CHECK_FALSE(c.open());  // pings alone do not replace a subscription
  CHECK_FALSE(subscribed.open());
  CHECK(bench.violations_of("no_subscription_30s") == 1);
  CHECK(bench.violations_of("silence_30s") == 1);
}

TEST_CASE("OKX: the business socket has candles and nothing else") {
  Bench bench(VenueId::kOkx);
  CHECK(bench.upgrade_status("/ws/v5/business") == 101);
  FakeConnection& business = bench.connect("/ws/v5/business");
  FakeConnection& market = bench.connect();
  const std::string candles =
      R"({"op":"subscribe","args":[{"channel":"candle1m","instId":"BTC-USDT"}]})";
  const std::string tickers =
      R"({"op":"subscribe","args":[{"channel":"tickers","instId":"BTC-USDT"}]})";
  CHECK(bench.ask(business, candles)[0]["event"] == "subscribe");
  CHECK(bench.ask(business, tickers)[0]["code"] == "60018");
  CHECK(bench.ask(market, candles)[0]["code"] == "60018");
  CHECK(bench.ask(market, tickers)[0]["event"] == "subscribe");
}

TEST_CASE("OKX: rates of connects, subscriptions and REST") {
  Bench bench(VenueId::kOkx);
  FakeConnection& c = bench.connect();
  for (int i = 0; i < 3; ++i) CHECK(bench.upgrade_status("/ws/v5/public") == 101);
  CHECK(bench.upgrade_status("/ws/v5/public") == 429);
  for (int i = 0; i < 481; ++i) {
    bench.say(c, R"({"op":"unsubscribe","args":[{"channel":"books","instId":"BTC-USDT"}]})");
  }
  CHECK(c.take_json().back()["code"] == "60014");
  CHECK(bench.violations_of("requests_per_hour") == 1);
  int refused = 0;
  for (int i = 0; i < 22; ++i)
    refused += bench.get("/api/v5/market/tickers?instType=SPOT").status == 429;
  CHECK(refused == 2);
}

TEST_CASE("OKX: REST answers and errors") {
  Bench bench(VenueId::kOkx);
  const Json rows = bench.get_json("/api/v5/public/instruments?instType=SPOT");
  CHECK(rows["code"] == "0");
  CHECK(rows["data"].size() == 3);
  CHECK(rows["data"][0]["instIdCode"].is_number());
  CHECK(bench.get_json("/api/v5/public/instruments?instType=SWAP")["data"].empty());
  CHECK(bench.get_json("/api/v5/public/instruments", 400)["code"] == "50014");
  const Json book = bench.get_json("/api/v5/market/books?instId=BTC-USDT");
  CHECK(book["data"][0]["asks"].size() == 1);
  CHECK(bench.get_json("/api/v5/market/ticker?instId=NOPE-USDT")["code"] == "51001");
  CHECK(bench.get_json("/api/v5/market/ticker?instId=BTC-USDT")["data"][0]["instType"] == "SPOT");
}

}  // namespace
}  // namespace spreadwatch::sim::venue_test
