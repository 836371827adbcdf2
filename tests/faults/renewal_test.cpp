// Connections that are renewed at every exchange of the simulator, and what a capture of it says.
#include <doctest/doctest.h>

#include <algorithm>
#include <map>
#include <memory>
#include <mutex>
#include <set>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "ingest/book/normalizer.h"
#include "ingest/live/live_feeds.h"
#include "metrics/registry.h"
#include "publish/encode.h"
#include "tests/app/process.h"
#include "tests/faults/simulated.h"

namespace spreadwatch {
namespace {

using std::chrono::milliseconds;

std::string text_of(const OrderBook& book) {
  std::string out;
  publish::append_record(out, book, 50);
  return out;
}

/// A payload, or the end of a connection.
struct Received {
  VenueId venue{};
  Origin origin{};
  std::string payload;
  std::string channel;
  std::string symbol;
  std::optional<Timestamp> time;
  std::uint32_t connection = 0;
  bool down = false;
};

/// Keeps what came in and what was made of it.
class RenewalWatch final : public ingest::LiveSink {
 public:
  using Market = std::pair<VenueId, std::string>;

  void on_event(MarketEvent event) override {
    const std::lock_guard lock(mutex_);
    if (const auto* const status = std::get_if<ConnectionStatus>(&event);
        status && !status->alive) {
      Received end;
      end.venue = status->venue;
      end.connection = status->connection;
      end.down = true;
      received_.push_back(std::move(end));
    }
    const auto* const book = std::get_if<OrderBook>(&event);
    if (book == nullptr) return;
    const Market market{book->venue, book->instrument.name()};
    if (!book->synced()) {
      if (carriers_.contains(market)) ++lost_;
      return;
    }
    if (book->origin == Origin::kWs || book->venue == VenueId::kBinance) {
      carriers_[market].insert(book->connection);
    } else {
      ++polled_;
    }
    auto& [last_time, last_epoch] = order_[market];
    if (book->exchange_time && last_time && *book->exchange_time < *last_time) ++backwards_;
    if (book->epoch < last_epoch) ++backwards_;
    last_time = book->exchange_time;
    last_epoch = book->epoch;
    shown_[book->venue].push_back(text_of(*book));
  }
  void on_raw(VenueId venue, const ingest::Frame& frame, bool sent) override {
    if (sent) return;
    const std::lock_guard lock(mutex_);
    received_.push_back({venue, frame.origin, std::string{frame.payload},
                         std::string{frame.channel}, std::string{frame.symbol}, frame.receive_time,
                         frame.connection, false});
  }

  /// Renewals that every one of so many books has been through.
  std::size_t renewals(std::size_t books) const {
    const std::lock_guard lock(mutex_);
    if (carriers_.size() < books) return 0;
    std::size_t least = SIZE_MAX;
    for (const auto& [market, carriers] : carriers_) least = std::min(least, carriers.size() - 1);
    return least;
  }

  // Read when the feeds have stopped:
  int lost() const { return lost_; }
  int polled() const { return polled_; }
  int backwards() const { return backwards_; }
  const std::vector<Received>& received() const { return received_; }
  const std::map<VenueId, std::vector<std::string>>& shown() const { return shown_; }

 private:
  mutable std::mutex mutex_;
  std::vector<Received> received_;
  std::map<Market, std::set<std::uint32_t>> carriers_;
  std::map<Market, std::pair<std::optional<Timestamp>, std::uint64_t>> order_;
  std::map<VenueId, std::vector<std::string>> shown_;
  int lost_ = 0;
  int polled_ = 0;
  int backwards_ = 0;
};

/// The books that a replay of what came in shows.
class Again final : public ingest::MarketSink {
 public:
  void on_ticker(const Ticker&) override {}
  void on_order_book(const std::string&, const OrderBook& book) override {
    if (book.synced()) shown.push_back(text_of(book));
  }
  void on_error(const FeedError&) override {}

  std::vector<std::string> shown;
};

TEST_CASE("at every exchange a renewed connection takes its books along, and a replay agrees") {
  sim::SimulatorConfig config;
  config.assets = {"BTC", "ETH"};
  config.seed = 5;
  config.base_port = 0;
  const test::SimulatedVenues simulated(config, "audit_interval_ms: 0", "");
  const config::Loaded& loaded = simulated.loaded();
  std::vector<VenueId> venues;
  for (const config::VenueSettings& venue : loaded.settings.venues) venues.push_back(venue.id);
  metrics::Registry registry;
  metrics::IngestMetrics metrics(registry, venues);
  const SystemClock clock;
  RenewalWatch watch;
  ingest::LiveOptions options;
  options.max_age = milliseconds{2500};
  ingest::LiveFeeds feeds(loaded.settings, loaded.registry,
                          ingest::wanted_instruments(loaded.settings, loaded.registry), clock,
                          watch, metrics, options);
  feeds.start();
  // Two assets a venue, and five FX markets.
  const std::size_t books = venues.size() * 2 + 5;
  CHECK(test::eventually(milliseconds{60'000}, [&] { return watch.renewals(books) >= 3; }));
  feeds.stop();
  CHECK(simulated.violations() == "");
  CHECK(watch.lost() == 0);
  CHECK(watch.polled() == 0);
  CHECK(watch.backwards() == 0);
  for (const VenueId venue : venues) {
    INFO("at ", to_string(venue));
    ingest::Normalizer normalizer(venue);
    Again again;
    for (const Received& r : watch.received()) {
      if (r.venue != venue) continue;
      if (r.down) {
        normalizer.invalidate(r.connection, FeedState::kDown, ErrorCode::kClosedByPeer, again);
        continue;
      }
      normalizer.feed({.origin = r.origin,
                       .payload = r.payload,
                       .channel = r.channel,
                       .symbol = r.symbol,
                       .receive_time = r.time,
                       .connection = r.connection},
                      again);
    }
    const std::vector<std::string>& live = watch.shown().at(venue);
    CHECK(again.shown.size() == live.size());
    const auto differs = std::ranges::mismatch(again.shown, live);
    CHECK_MESSAGE(differs.in1 == again.shown.end(), *differs.in1, " instead of ", *differs.in2);
  }
}

}  // namespace
}  // namespace spreadwatch
