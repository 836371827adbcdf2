#include "ingest/live/book_audit.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <atomic>
#include <boost/asio/io_context.hpp>
#include <chrono>
#include <mutex>
#include <string>
#include <thread>
#include <variant>
#include <vector>

#include "ingest/live/live_feeds.h"
#include "ingest/net/rate_budget.h"
#include "metrics/registry.h"
#include "tests/live/bybit_feeds.h"
#include "tests/live/test_server.h"

namespace spreadwatch::ingest {
namespace {

using namespace std::chrono_literals;
using test::FakeBybit;

/// Counts what an audit can lead to.
class AuditSink final : public LiveSink {
 public:
  void on_event(MarketEvent event) override {
    if (const auto* const book = std::get_if<OrderBook>(&event)) {
      if (book->synced()) {
        ++synced;
        if (faulted > 0) ++synced_again;
      } else if (book->state == FeedState::kFaulted &&
                 book->reason == ErrorCode::kChecksumMismatch) {
        ++faulted;
      }
      if (book->origin == Origin::kRest) ++from_rest;
    }
    if (const auto* const error = std::get_if<FeedError>(&event)) {
      if (error->error.code == ErrorCode::kChecksumMismatch) ++errors;
    }
  }

  std::atomic<int> synced{0};
  std::atomic<int> synced_again{0};
  std::atomic<int> faulted{0};
  std::atomic<int> from_rest{0};
  std::atomic<int> errors{0};
};

struct Audited : test::BybitFeeds<AuditSink> {
  Audited() { bybit().audit_interval = 100ms; }

  int outcome(const std::string& name) const {
    const std::string text = registry.text();
    const std::string label = "outcome=\"" + name + "\"";
    for (std::size_t at = 0;
         (at = text.find("spreadwatch_ingest_audit_comparisons_total{", at)) != std::string::npos;
         ++at) {
      const std::string line = text.substr(at, text.find('\n', at) - at);
      if (line.find(label) != std::string::npos) {
        return static_cast<int>(std::stod(line.substr(line.rfind(' '))));
      }
    }
    return -1;
  }
};

TEST_CASE("a book that moves is found equal to REST, and nobody is shown the REST book") {
  Audited a;
  a.start();
  REQUIRE(Audited::eventually([&] { return a.outcome("equal") >= 3; }));
  a.feeds->stop();
  CHECK(a.outcome("unequal") == 0);
  CHECK(a.sink.faulted == 0);
  CHECK(a.sink.from_rest == 0);
  CHECK(a.venue.rest_books("BTCUSDT") > 0);
  CHECK(a.venue.rest_books("ETHUSDT") > 0);
  CHECK(a.registry.text().find("spreadwatch_ingest_audit_mismatch_ratio{venue=\"bybit\"} 0\n") !=
        std::string::npos);
}

TEST_CASE("a book that differs at the same number is faulted, reported and synced again") {
  Audited a;
  a.venue.rest_book(FakeBybit::RestBook::kWrong);
  // The maintained book has it right here, and the truth would only be another number's.
  a.start();
  REQUIRE(Audited::eventually([&] { return a.outcome("unequal") >= 1; }));
  a.venue.rest_book(FakeBybit::RestBook::kTrue);
  REQUIRE(Audited::eventually([&] { return a.sink.synced_again > 0; }));
  REQUIRE(Audited::eventually([&] { return a.outcome("equal") >= 1; }));
  CHECK(a.sink.faulted >= 1);
  CHECK(a.sink.errors >= 1);
  CHECK(Audited::eventually([&] {
    return a.venue.unsubscribed("orderbook.50.BTCUSDT") +
               a.venue.unsubscribed("orderbook.50.ETHUSDT") >=
           1;
  }));
}

TEST_CASE("a snapshot of another series proves nothing and changes nothing") {
  Audited a;
  a.venue.rest_book(FakeBybit::RestBook::kUnrelated);
  a.start();
  REQUIRE(Audited::eventually([&] { return a.outcome("not_comparable") >= 2; }));
  a.feeds->stop();
  CHECK(a.outcome("equal") == 0);
  CHECK(a.outcome("unequal") == 0);
  CHECK(a.sink.faulted == 0);
  CHECK(a.registry.text().find("spreadwatch_ingest_audit_mismatch_ratio{") == std::string::npos);
}

TEST_CASE("without an answer there is nothing to compare with") {
  Audited a;
  a.venue.refuse_rest("500 Internal Server Error");
  a.start();
  REQUIRE(Audited::eventually([&] { return a.outcome("failed") >= 1; }));
  a.feeds->stop();
  CHECK(a.sink.faulted == 0);
}

TEST_CASE("audits can be switched off") {
  Audited a;
  a.settings.venues[0].audit_interval = 0ms;
  a.start();
  REQUIRE(Audited::eventually([&] { return a.sink.synced > 100; }));
  CHECK(a.venue.rest_books() == 0);
}

/// An audit alone, its stream fed by hand and REST answered with one text.
struct Bench {
  Bench(VenueId venue, const Instrument& instrument, std::string answer)
      : server([text = std::move(answer)](test::Peer& peer) { peer.respond(text); }),
        metrics(registry, std::vector<VenueId>{venue}),
        normalizer(venue),
        budget(normalizer.adapter().profile()),
        rest(io),
        audit({io, tls, clock, normalizer, budget, rest, metrics.venue(venue), sink},
              settings_for(venue, normalizer.adapter().offered_depth(0)),
              [this](const Instrument&, const std::string& why) { mismatches.push_back(why); }) {
    audit.watch(instrument);
  }
  BookAudit::Settings settings_for(VenueId venue, int depth) const {
    BookAudit::Settings s;
    s.venue = venue;
    s.rest_url = server.url("http");
    s.interval = 10ms;
    s.depth = depth;
    return s;
  }

  struct Ignored final : MarketSink {
    void on_ticker(const Ticker&) override {}
    void on_order_book(const std::string&, const OrderBook&) override {}
    void on_error(const FeedError&) override {}
  };
  void feed(std::string_view payload, Origin origin = Origin::kWs, std::string_view symbol = {}) {
    Ignored ignored;
    Frame frame{origin, payload, {}, symbol, clock.now(), 0};
    if (origin == Origin::kRest) frame.channel = "orderbook";
    normalizer.feed(frame, ignored);
  }
  template <class F>
  bool until(F&& condition, std::chrono::milliseconds limit = 10s) {
    const auto end = std::chrono::steady_clock::now() + limit;
    while (!condition()) {
      const auto now = std::chrono::steady_clock::now();
      if (now >= end) return false;
      audit.tick(now);
      if (io.stopped()) io.restart();
      io.run_one_for(5ms);
    }
    return true;
  }
  bool said(const std::string& outcome, int times, const std::string& venue) const {
    return registry.text().find("spreadwatch_ingest_audit_comparisons_total{outcome=\"" + outcome +
                                "\",venue=\"" + venue + "\"} " + std::to_string(times) + "\n") !=
           std::string::npos;
  }

  test::TestServer server;
  boost::asio::io_context io;
  SystemClock clock;
  TlsClient tls;
  AuditSink sink;
  metrics::Registry registry;
  metrics::IngestMetrics metrics;
  Normalizer normalizer;
  VenueBudget budget;
  RestClient rest;
  std::vector<std::string> mismatches;
  BookAudit audit;
};

std::string upbit_book(const std::string& name, std::int64_t time, const std::string& size) {
  return R"({"type":"orderbook",")" + name + R"(":"KRW-BTC","timestamp":)" + std::to_string(time) +
         R"(,"orderbook_units":[{"ask_price":30,"bid_price":20,"ask_size":)" + size +
         R"(,"bid_size":2}],"level":0})";
}
std::string upbit_answer(std::int64_t time, const std::string& size) {
  std::string row = upbit_book("market", time, size);
  row.erase(row.find(R"("type":"orderbook",)"), std::string{R"("type":"orderbook",)"}.size());
  return "[" + row + "]";
}

TEST_CASE("where only the time tells, a difference has to be seen twice") {
  Bench bench(VenueId::kUpbit, {"BTC", "KRW"}, upbit_answer(1'751'606'867'762, "1.5"));
  bench.feed(upbit_book("code", 1'751'606'867'762, "1.4"));
  REQUIRE(bench.until([&] { return bench.said("suspect", 1, "upbit"); }));
  CHECK(bench.mismatches.empty());
  REQUIRE(bench.until([&] { return bench.said("unequal", 1, "upbit"); }));
  REQUIRE(bench.mismatches.size() == 1);
  CHECK(bench.mismatches[0].find("ask 1 is 30 x 1.4, the venue says 30 x 1.5") !=
        std::string::npos);
}

TEST_CASE("two books of one time: one that agrees is enough") {
  Bench bench(VenueId::kUpbit, {"BTC", "KRW"}, upbit_answer(1'751'606'867'762, "1.5"));
  bench.feed(upbit_book("code", 1'751'606'867'762, "1.4"));
  bool fed = false;
  REQUIRE(bench.until([&] {
    if (!fed && bench.server.connections() > 0) {
      bench.feed(upbit_book("code", 1'751'606'867'762, "1.5"));
      fed = true;
    }
    return bench.said("equal", 1, "upbit");
  }));
  CHECK(bench.said("suspect", 0, "upbit"));
}

TEST_CASE("a snapshot from within a change is brought forward by it") {
  const auto delta = [](int first, int last, const std::string& bid) {
    return R"({"e":"depthUpdate","E":1788376136014,"s":"BNBBTC","U":)" + std::to_string(first) +
           R"(,"u":)" + std::to_string(last) + R"(,"b":[["4.0",")" + bid +
           R"("],["3.9","0"]],"a":[]})";
  };
  // 104 lies within 103…105; the size of 4.0 and the end of 3.9 come after it.
  for (const bool equal : {true, false}) {
    CAPTURE(equal);
    Bench bench(VenueId::kBinance, {"BNB", "BTC"},
                R"({"lastUpdateId":104,"bids":[["4.0","6"],["3.9","1"],["3.8",")" +
                    std::string{equal ? "2" : "3"} + R"("]],"asks":[["4.1","1"]]})");
    bench.feed(delta(101, 101, "5"));
    bench.feed(R"({"lastUpdateId":101,"bids":[["4.0","5"],["3.9","1"],["3.8","2"]],)"
               R"("asks":[["4.1","1"]]})",
               Origin::kRest, "BNBBTC");
    bool fed = false;
    REQUIRE(bench.until([&] {
      if (!fed && bench.server.connections() > 0) {
        bench.feed(delta(102, 102, "5"));
        bench.feed(delta(103, 105, "7"));
        fed = true;
      }
      return bench.said(equal ? "equal" : "unequal", 1, "binance");
    }));
    CHECK(bench.mismatches.size() == (equal ? 0U : 1U));
  }
}

}  // namespace
}  // namespace spreadwatch::ingest
