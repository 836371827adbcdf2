#include "ingest/live/venue_rest.h"

#include <doctest/doctest.h>

#include <boost/asio/io_context.hpp>
#include <chrono>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "metrics/registry.h"
#include "tests/live/test_server.h"

namespace spreadwatch::ingest {
namespace {

using namespace std::chrono_literals;
using test::Peer;
using test::TestServer;

constexpr const char* kBan =
    R"({"code":-1003,"msg":"Way too much request weight used; IP banned until 1790000000000."})";

class Listener final : public LiveSink {
 public:
  void on_event(MarketEvent /*event*/) override {}
  void on_raw(VenueId /*venue*/, const Frame& frame, bool /*sent*/) override {
    recorded.emplace_back(frame.channel);
  }
  std::vector<std::string> recorded;
};

class Nothing final : public MarketSink {
 public:
  void on_ticker(const Ticker& /*ticker*/) override {}
  void on_order_book(const std::string& /*stream*/, const OrderBook& /*book*/) override {}
  void on_error(const FeedError& error) override { errors.push_back(error.error.code); }
  std::vector<ErrorCode> errors;
};

/// What a venue's REST stands on, on a loop that the test turns.
struct Alone {
  explicit Alone(const std::string& url)
      : metrics(registry, std::vector<VenueId>{venue}),
        asker(std::make_unique<VenueRest>(context(), venue, url)) {}
  ~Alone() { rest.stop(); }
  Alone(const Alone&) = delete;
  Alone& operator=(const Alone&) = delete;

  VenueContext context() {
    return {io, tls, clock, normalizer, budget, rest, metrics.venue(venue), sink};
  }
  VenueRest::Request request(bool order_book = false) const {
    return {.call = {"/api/v3/depth?symbol=BTCUSDT", "orderbook", "BTCUSDT", 5},
            .order_book = order_book};
  }
  bool until(const std::function<bool()>& condition) {
    const auto end = std::chrono::steady_clock::now() + 8s;
    while (!condition()) {
      if (std::chrono::steady_clock::now() >= end) return false;
      if (io.stopped()) io.restart();
      io.run_one_for(5ms);
    }
    return true;
  }

  VenueId venue = VenueId::kBinance;
  boost::asio::io_context io;
  SystemClock clock;
  metrics::Registry registry;
  metrics::IngestMetrics metrics;
  TlsClient tls;
  Normalizer normalizer{venue};
  VenueBudget budget{normalizer.adapter().profile()};
  RestClient rest{io};
  Listener sink;
  std::unique_ptr<VenueRest> asker;
};

SteadyTime now() { return std::chrono::steady_clock::now(); }

TEST_CASE(
    "a ban that only the body of a 200 tells is heeded, whether the answer is read or decoded") {
  for (const bool decoded : {false, true}) {
    CAPTURE(decoded);
    TestServer server([](Peer& peer) { peer.respond(kBan, "200 OK", "Retry-After: 900\r\n"); });
    Alone a(server.url("http"));
    Nothing told;
    Decoded out;
    bool answered = false;
    REQUIRE_FALSE(a.asker->get(a.request(), now(), [&](const RestCall& call, const RestResult& r) {
      REQUIRE(r);
      const Frame frame = a.asker->record(call, *r, Channel::kOrderBook);
      if (decoded) {
        a.asker->decode(frame, out);
      } else {
        a.asker->read(frame, told);
      }
      answered = true;
    }));
    REQUIRE(a.until([&] { return answered; }));
    const auto paused = a.budget.rest_paused_until(a.clock.now());
    REQUIRE(paused);
    CHECK(*paused - a.clock.now() > 890s);
    CHECK(a.budget.connect_paused_until(a.clock.now()));
    CHECK(a.sink.recorded == std::vector<std::string>{"orderbook"});
    CHECK((decoded ? out.errors.size() : told.errors.size()) == 1);
  }
}

TEST_CASE("where the budget has no room nothing is sent, and the wait is a second at most") {
  TestServer server([](Peer& peer) { peer.respond("{}"); });
  Alone a(server.url("http"));
  VenueRest::Request all = a.request();
  all.call.weight = a.budget.rest_left(a.clock.now());
  bool answered = false;
  REQUIRE_FALSE(
      a.asker->get(all, now(), [&](const RestCall&, const RestResult&) { answered = true; }));
  const auto wait = a.asker->get(
      a.request(), now(), [](const RestCall&, const RestResult&) { FAIL("it was never sent"); });
  REQUIRE(wait);
  CHECK(wait->reason == VenueRest::NotSent::Reason::kBudget);
  CHECK(wait->wait > 0s);
  CHECK(wait->wait <= 1s);
  REQUIRE(a.until([&] { return answered; }));
  CHECK(server.connections() == 1);
}

TEST_CASE("a request leaves its reserve to those that cannot wait") {
  TestServer server([](Peer& peer) { peer.respond("{}"); });
  Alone a(server.url("http"));
  VenueRest::Request half = a.request();
  half.call.weight = a.budget.rest_left(a.clock.now()) * 3 / 4;
  int answers = 0;
  const auto count = [&](const RestCall&, const RestResult&) { ++answers; };
  REQUIRE_FALSE(a.asker->get(half, now(), count));
  VenueRest::Request patient = a.request();
  patient.reserve = 0.5;
  CHECK(a.asker->get(patient, now(), count));
  CHECK_FALSE(a.asker->get(a.request(), now(), count));
  REQUIRE(a.until([&] { return answers == 2; }));
}

TEST_CASE("an answer is accounted for though whoever asked is gone") {
  TestServer server(
      [](Peer& peer) { peer.respond("{}", "429 Too Many Requests", "Retry-After: 30\r\n"); });
  Alone a(server.url("http"));
  REQUIRE_FALSE(a.asker->get(a.request(), now(), [](const RestCall&, const RestResult&) {}));
  a.asker.reset();
  REQUIRE(a.until([&] { return a.budget.rest_paused_until(a.clock.now()).has_value(); }));
}

TEST_CASE("order books that are not answered tell of an outage, other requests do not") {
  TestServer server([](Peer& peer) { peer.respond("", "503 Service Unavailable"); });
  Alone a(server.url("http"));
  int answers = 0;
  const auto ask = [&](bool order_book, const std::string& symbol) {
    VenueRest::Request request = a.request(order_book);
    request.call.symbol = symbol;
    REQUIRE_FALSE(
        a.asker->get(request, now(), [&](const RestCall&, const RestResult&) { ++answers; }));
  };
  for (const char* symbol : {"A", "B", "C", "D"}) ask(false, symbol);
  REQUIRE(a.until([&] { return answers == 4; }));
  CHECK_FALSE(a.budget.outage().out());
  for (const char* symbol : {"A", "B", "C", "D"}) ask(true, symbol);
  REQUIRE(a.until([&] { return answers == 8; }));
  CHECK(a.budget.outage().out());

  // From then on one is let through now and then, whoever asks; what is not an order book goes on.
  const int left = a.budget.rest_left(a.clock.now());
  const SteadyTime at = now();
  const auto not_sent = a.asker->get(
      a.request(true), at, [](const RestCall&, const RestResult&) { FAIL("it was never sent"); });
  REQUIRE(not_sent);
  CHECK(not_sent->reason == VenueRest::NotSent::Reason::kOutage);
  CHECK(not_sent->wait > 0s);
  CHECK(not_sent->wait <= 1s);
  CHECK(a.budget.rest_left(a.clock.now()) == left);
  ask(false, "E");
  const auto count = [&](const RestCall&, const RestResult&) { ++answers; };
  CHECK_FALSE(a.asker->get(a.request(true), at + 10s, count));
  CHECK(a.asker->get(a.request(true), at + 10s, count));
  REQUIRE(a.until([&] { return answers == 10; }));
}

TEST_CASE("a ban in an answer that comes too late to be read is heeded, and nothing is recorded") {
  TestServer server([](Peer& peer) { peer.respond(kBan, "200 OK", "Retry-After: 900\r\n"); });
  Alone a(server.url("http"));
  bool answered = false;
  REQUIRE_FALSE(a.asker->get(a.request(), now(), [&](const RestCall& call, const RestResult& r) {
    REQUIRE(r);
    a.asker->discard(call, *r);
    answered = true;
  }));
  REQUIRE(a.until([&] { return answered; }));
  CHECK(a.budget.rest_paused_until(a.clock.now()).has_value());
  CHECK(a.sink.recorded.empty());
}

}  // namespace
}  // namespace spreadwatch::ingest
