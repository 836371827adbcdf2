#include "ingest/live/market_list.h"

#include <doctest/doctest.h>

#include <boost/asio/io_context.hpp>
#include <chrono>
#include <string>
#include <vector>

#include "metrics/registry.h"
#include "tests/live/test_server.h"

namespace spreadwatch::ingest {
namespace {

using namespace std::chrono_literals;
using test::Peer;
using test::TestServer;

class Nobody final : public LiveSink {
 public:
  void on_event(MarketEvent /*event*/) override {}
};

/// The list of one venue, on a loop that the test turns.
struct AloneList {
  AloneList(VenueId venue, const std::string& url)
      : metrics(registry, std::vector<VenueId>{venue}),
        normalizer(venue),
        list({io, tls, clock, normalizer, budget, rest, metrics.venue(venue), sink},
             {venue, url, 1}, [](const MarketStatus&) {}) {}
  ~AloneList() { list.stop(); }
  AloneList(const AloneList&) = delete;
  AloneList& operator=(const AloneList&) = delete;

  template <class F>
  bool until(F&& condition) {
    const auto end = std::chrono::steady_clock::now() + 8s;
    while (!condition()) {
      if (std::chrono::steady_clock::now() >= end) return false;
      list.tick(std::chrono::steady_clock::now());
      if (io.stopped()) io.restart();
      io.run_one_for(5ms);
    }
    return true;
  }

  boost::asio::io_context io;
  SystemClock clock;
  metrics::Registry registry;
  metrics::IngestMetrics metrics;
  TlsClient tls;
  Normalizer normalizer;
  VenueBudget budget{normalizer.adapter().profile()};
  RestClient rest{io};
  Nobody sink;
  MarketList list;
};

TEST_CASE("a ban in the body of a market list's 200 pauses REST and connects, as its head says") {
  struct Case {
    VenueId venue;
    const char* body;
    bool banned;
  };
  for (
      const Case& c : std::vector<Case>{
          {VenueId::kBinance,
           R"({"code":-1003,"msg":"Way too much request weight used; IP banned until 1790000000000."})",
           true},
          {VenueId::kUpbit, R"({"error":{"name":418,"message":"banned"}})", true},
          {VenueId::kKraken, R"({"error":["EAPI:Rate limit exceeded"]})", false}}) {
    CAPTURE(to_string(c.venue));
    TestServer server([&](Peer& peer) { peer.respond(c.body, "200 OK", "Retry-After: 900\r\n"); });
    AloneList a(c.venue, server.url("http"));
    REQUIRE(a.until([&] { return a.budget.rest_paused_until(a.clock.now()).has_value(); }));
    const Timestamp now = a.clock.now();
    CHECK(*a.budget.rest_paused_until(now) - now > 890s);
    CHECK(*a.budget.rest_paused_until(now) - now <= 900s);
    CHECK(a.budget.connect_paused_until(now).has_value() == c.banned);
    CHECK_FALSE(a.list.known());
  }
}

}  // namespace
}  // namespace spreadwatch::ingest
