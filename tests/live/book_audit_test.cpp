#include "ingest/book_audit.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <mutex>
#include <string>
#include <thread>
#include <variant>
#include <vector>

#include "ingest/live_feeds.h"
#include "metrics/registry.h"
#include "tests/live/fake_venue.h"

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

struct Audited {
  Audited() {
    config::VenueSettings bybit;
    bybit.id = VenueId::kBybit;
    bybit.quote = "USDT";
    bybit.orderbook_depth = 50;
    bybit.ws_url = venue.ws_url();
    bybit.rest_url = venue.rest_url();
    bybit.audit_interval = 100ms;
    settings.venues = {bybit};
    settings.assets = {"BTC", "ETH"};
  }

  void start() {
    feeds = std::make_unique<LiveFeeds>(settings, assets, wanted_instruments(settings, assets),
                                        clock, sink, metrics, LiveOptions{});
    feeds->start();
  }
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
  template <class F>
  static bool eventually(F&& condition) {
    const auto end = std::chrono::steady_clock::now() + 15s;
    while (!condition()) {
      if (std::chrono::steady_clock::now() >= end) return false;
      std::this_thread::sleep_for(5ms);  // nothing signals a metric
    }
    return true;
  }

  FakeBybit venue;
  config::Settings settings;
  config::AssetRegistry assets;
  SystemClock clock;
  AuditSink sink;
  metrics::Registry registry;
  metrics::IngestMetrics metrics{registry, std::vector<VenueId>{VenueId::kBybit}};
  std::unique_ptr<LiveFeeds> feeds;  // last: stops before what it uses goes
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

}  // namespace
}  // namespace spreadwatch::ingest
