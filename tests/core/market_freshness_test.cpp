#include "core/market_freshness.h"

#include <doctest/doctest.h>

namespace spreadwatch {
namespace {

constexpr Timestamp kNow = timestamp_from_ms(1'700'000'000'000);
constexpr milliseconds kLiveness{15'000};
constexpr milliseconds kMaxQuiet{30'000};
constexpr milliseconds kMaxDelay{5'000};

struct Fixture {
  MarketFreshness freshness{[] {
    MarketFreshness::Limits limits{.max_quiet = kMaxQuiet, .max_delay = kMaxDelay};
    limits.liveness.fill(kLiveness);
    return limits;
  }()};
  MarketBook market;

  Fixture() { market.venue = VenueId::kUpbit; }

  static OrderBook synced(std::int64_t bid = 1399, std::int64_t ask = 1401) {
    OrderBook book;
    book.venue = VenueId::kUpbit;
    book.state = FeedState::kSynced;
    book.connection = 3;
    book.receive_time = kNow;
    book.bids = {{Decimal{bid, 0}, Decimal{1, 0}}};
    book.asks = {{Decimal{ask, 0}, Decimal{1, 0}}};
    return book;
  }
  void hear(Timestamp time, bool alive = true) {
    freshness.update(
        ConnectionStatus{.venue = VenueId::kUpbit, .connection = 3, .alive = alive, .time = time},
        time);
  }
  Reasons judge(const OrderBook& book, Timestamp now = kNow) {
    freshness.update(book, now, market);
    return judge(now);
  }
  Reasons judge(Timestamp now) {
    freshness.judge(market, now);
    return market.unusable;
  }
};

TEST_CASE("a market without a book gives no number") {
  Fixture f;
  CHECK_FALSE(f.freshness.judge(f.market, kNow));
  CHECK(f.market.unusable == Reasons{Reason::kBookNotSynced});
}

TEST_CASE_FIXTURE(Fixture, "a synced, two-sided, uncrossed book of a connection that is alive") {
  CHECK(judge(synced()) == Reasons{Reason::kStaleLeg});  // nothing was heard of the connection
  hear(kNow);
  CHECK(freshness.judge(market, kNow));
  CHECK(market.usable());
  CHECK(market.mid() == QuoteAmount{1400});
  OrderBook one_sided = synced();
  one_sided.bids.clear();
  CHECK(judge(one_sided) == Reasons{Reason::kOneSided});
  CHECK(judge(synced(1401, 1401)) == Reasons{Reason::kCrossed});
  OrderBook faulted = synced();
  faulted.state = FeedState::kFaulted;
  CHECK(judge(faulted) == Reasons{Reason::kBookNotSynced});
  CHECK(market.bids.empty());
  faulted.state = FeedState::kDown;
  CHECK(judge(faulted).contains(Reason::kStaleLeg));
}

TEST_CASE_FIXTURE(Fixture, "it is fresh until its connection is silent for too long, or itself") {
  hear(kNow);
  judge(synced());
  CHECK(freshness.fresh_until(market) == kNow + kLiveness);
  CHECK(judge(kNow + kLiveness - microseconds{1}).empty());
  CHECK(judge(kNow + kLiveness) == Reasons{Reason::kStaleLeg});
  hear(kNow + kLiveness);
  CHECK(judge(kNow + kLiveness).empty());
  hear(kNow + 2 * kLiveness);
  CHECK(freshness.fresh_until(market) == kNow + kMaxQuiet);
  CHECK(judge(kNow + kMaxQuiet) == Reasons{Reason::kStaleLeg});
}

TEST_CASE_FIXTURE(Fixture, "a connection that goes away takes its books with it") {
  hear(kNow);
  CHECK(judge(synced()).empty());
  ConnectionStatus other{.venue = VenueId::kUpbit, .connection = 4, .alive = false, .time = kNow};
  freshness.update(other, kNow);
  CHECK(judge(kNow).empty());
  hear(kNow, false);
  CHECK(judge(kNow) == Reasons{Reason::kStaleLeg});
}

TEST_CASE_FIXTURE(Fixture, "only a connection's first word and its going away can change a book") {
  ConnectionStatus status{.venue = VenueId::kUpbit, .connection = 3, .time = kNow};
  CHECK(freshness.update(status, kNow));
  status.time = kNow + seconds{1};
  CHECK_FALSE(freshness.update(status, status.time));
  status.time += kLiveness;
  CHECK(freshness.update(status, status.time));
  status.alive = false;
  CHECK(freshness.update(status, status.time));
}

TEST_CASE_FIXTURE(Fixture, "what was late on its way and in queues together is stale at once") {
  OrderBook book = synced();
  book.excess_delay = milliseconds{3'000};
  hear(kNow + milliseconds{2'001});
  CHECK(judge(book, kNow + milliseconds{2'000}).empty());
  CHECK(market.time_left == microseconds{0});
  CHECK(judge(book, kNow + milliseconds{2'001}) == Reasons{Reason::kStaleLeg});
}

TEST_CASE_FIXTURE(Fixture, "a polled book lives from poll to poll, whatever its stream shows") {
  OrderBook polled = synced();
  polled.connection = kPolledConnection;
  CHECK(judge(polled).empty());
  OrderBook syncing = synced();
  syncing.state = FeedState::kSyncing;
  CHECK_FALSE(freshness.update(syncing, kNow, market));
  CHECK(judge(kNow + kLiveness - microseconds{1}).empty());
  CHECK(judge(kNow + kLiveness) == Reasons{Reason::kStaleLeg});
  CHECK(freshness.update(syncing, kNow + kLiveness, market));
  CHECK(judge(kNow + kLiveness) == Reasons{Reason::kBookNotSynced});
}

}  // namespace
}  // namespace spreadwatch
