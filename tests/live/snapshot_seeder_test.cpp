#include "ingest/live/snapshot_seeder.h"

#include <doctest/doctest.h>

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "tests/live/lone_venue.h"
#include "tests/live/test_server.h"

namespace spreadwatch::ingest {
namespace {

using namespace std::chrono_literals;
using spreadwatch::test::Log;
using spreadwatch::test::Peer;
using spreadwatch::test::TestServer;
using test::LoneVenue;

constexpr const char* kBook = R"({"lastUpdateId":12,"bids":[["10","1"]],"asks":[["11","1"]]})";

/// Answers requests for order books with a status, as soon as it is let.
class Desk {
 public:
  ~Desk() { hold(false); }
  std::string url() const { return server_.url("http"); }
  void answer(std::string status, std::string body = kBook) {
    const std::lock_guard lock(mutex_);
    status_ = std::move(status);
    body_ = std::move(body);
  }
  void hold(bool held) {
    const std::lock_guard lock(mutex_);
    held_ = held;
    released_.notify_all();
  }
  std::size_t asked() const { return asked_.size(); }
  bool was_asked_for(const std::string& symbol) const { return asked_.contains("=" + symbol); }

 private:
  void serve(Peer& peer) {
    std::unique_lock lock(mutex_);
    const std::string status = status_;
    const std::string body = body_;
    asked_.add(peer.target());
    released_.wait(lock, [this] { return !held_; });
    lock.unlock();
    peer.respond(body, status);
  }

  std::mutex mutex_;
  std::condition_variable released_;
  std::string status_ = "200 OK";  // guarded by mutex_, as the next two
  std::string body_ = kBook;
  bool held_ = false;
  Log asked_;
  TestServer server_{[this](Peer& peer) { serve(peer); }};  // last: uses the rest
};

/// The order book streams of a connection to Binance, seeded by `desk`.
struct Streams {
  explicit Streams(const std::vector<std::string>& bases) {
    for (const std::string& base : bases) {
      const Subscription book{Channel::kOrderBook, {base, "USDT"}, 50};
      table.add(book, name(base));
      subscribed.push_back(book);
    }
    make();
    seeder->on_open();
    table.subscribe(subscribed, venue.now);
  }
  void make() {
    seeder = std::make_unique<SnapshotSeeder>(
        venue.context(), SnapshotSeeder::Settings{.venue = venue.venue, .connection = 3}, rest,
        table, random, [this](const Frame& frame, SteadyTime /*now*/) {
          CHECK(frame.connection == 3);
          read.emplace_back(frame.symbol);
        });
  }
  std::string name(const std::string& base) {
    return venue.normalizer.adapter().book_stream({base, "USDT"}, 50);
  }
  void sync(const std::string& base) {
    OrderBook book;
    book.instrument = {base, "USDT"};
    book.state = FeedState::kSynced;
    table.on_book(name(base), book, steady_now());
    seeder->on_synced(name(base));
  }
  void want_all() {
    for (const Subscription& s : subscribed) seeder->want(name(s.instrument.base), venue.now);
  }
  bool idle() const { return venue.rest.in_flight() + venue.rest.waiting() == 0; }
  /// Runs what has come and waits to be dealt with.
  void drain() {
    if (venue.io.stopped()) venue.io.restart();
    venue.io.poll();
  }

  Desk desk;
  LoneVenue venue{VenueId::kBinance};
  VenueRest rest{venue.context(), venue.venue, desk.url()};
  SubscriptionTable table{{.venue = VenueId::kBinance, .seeded_over_rest = true}};
  std::mt19937_64 random{1};
  std::vector<Subscription> subscribed;
  std::vector<std::string> read;
  std::unique_ptr<SnapshotSeeder> seeder;
};

TEST_CASE("a wanted snapshot is fetched once, recorded and handed on") {
  Streams s({"BTC"});
  s.seeder->fetch(s.venue.now);
  CHECK(s.idle());
  s.want_all();
  s.want_all();
  CHECK(s.seeder->awaited(s.name("BTC")));
  s.seeder->fetch_wanted(s.venue.now);
  s.seeder->fetch_wanted(s.venue.now);
  s.want_all();  // with every delta that waits
  s.seeder->fetch(s.venue.now);
  CHECK(s.seeder->awaited(s.name("BTC")));
  REQUIRE(s.venue.until([&] { return !s.read.empty(); }));
  CHECK(s.desk.asked() == 1);
  CHECK(s.read == std::vector<std::string>{"BTCUSDT"});
  CHECK(s.venue.sink.recorded.size() == 1);
  CHECK(s.venue.sink.errors().empty());
}

TEST_CASE("what does not fit is fetched again, ever later, until the book is synced") {
  Streams s({"BTC"});
  s.want_all();
  for (std::size_t i = 1; i <= 2 * SnapshotSeeder::kUnfit; ++i) {
    const SteadyTime before = steady_now();  // the pause counts from the answer
    s.seeder->fetch(s.venue.now);
    REQUIRE(s.venue.until([&] { return s.read.size() == i; }));
    s.seeder->fetch(before + 99ms);  // half of the first pause is the least
    CHECK(s.idle());
    CHECK(s.table.find_book(s.name("BTC"))->resubscribe_at.has_value() ==
          (i >= SnapshotSeeder::kUnfit));
    s.venue.pass(20s);
  }
  s.sync("BTC");
  CHECK_FALSE(s.seeder->awaited(s.name("BTC")));
  s.seeder->fetch(s.venue.now + 1h);
  CHECK(s.idle());
}

TEST_CASE("a failure is reported and the request repeated after a pause, for as long as it takes") {
  Streams s({"BTC"});
  s.desk.answer("503 Service Unavailable", "");
  s.want_all();
  for (std::size_t i = 1; i <= 3; ++i) {
    s.seeder->fetch(s.venue.now);
    REQUIRE(s.venue.until([&] { return s.venue.sink.errors().size() == i; }));
    CHECK(s.seeder->awaited(s.name("BTC")));
    s.venue.pass(20s);
  }
  CHECK(s.venue.sink.errors().back() == ErrorCode::kHttpStatus);
  CHECK(s.read.empty());
  s.desk.answer("200 OK");
  s.seeder->fetch(s.venue.now);
  REQUIRE(s.venue.until([&] { return !s.read.empty(); }));
}

TEST_CASE("a market that the venue does not know is set aside and not fetched again") {
  Streams s({"BTC"});
  s.desk.answer("400 Bad Request", R"({"code":-1121,"msg":"Invalid symbol."})");
  s.want_all();
  s.seeder->fetch(s.venue.now);
  REQUIRE(s.venue.until([&] { return !s.venue.sink.errors().empty(); }));
  CHECK(s.venue.sink.errors().front() == ErrorCode::kUnknownSymbol);
  CHECK(s.table.find_book(s.name("BTC"))->rejected_until.has_value());
  CHECK_FALSE(s.seeder->awaited(s.name("BTC")));
  s.seeder->fetch(s.venue.now + 1h);
  CHECK(s.idle());
}

TEST_CASE("no more than four are under way, and whoever has waited longest goes first") {
  Streams s({"A", "B", "C", "D", "E", "F"});
  s.desk.hold(true);
  for (const char* base : {"F", "E", "D", "C", "B", "A"}) {
    s.seeder->want(s.name(base), s.venue.now);
    s.venue.pass(10ms);
  }
  s.seeder->fetch(s.venue.now);
  REQUIRE(s.venue.until([&] { return s.desk.asked() == SnapshotSeeder::kMaxInFlight; }));
  s.seeder->fetch(s.venue.now);
  CHECK(s.venue.rest.in_flight() + s.venue.rest.waiting() == SnapshotSeeder::kMaxInFlight);
  for (const char* base : {"FUSDT", "EUSDT", "DUSDT", "CUSDT"}) CHECK(s.desk.was_asked_for(base));
  CHECK_FALSE(s.desk.was_asked_for("AUSDT"));
  // The seeder looks at its own clock when an answer comes: what waits has been due for long then.
  REQUIRE(s.venue.until([&] { return std::chrono::steady_clock::now() > s.venue.now; }));
  s.desk.hold(false);
  // An answer makes room for the next, without anybody's asking.
  REQUIRE(s.venue.until([&] { return s.read.size() == 6; }));
}

TEST_CASE("an answer for a connection that is gone is ignored, and its place is free again") {
  Streams s({"BTC"});
  s.desk.hold(true);
  s.want_all();
  s.seeder->fetch(s.venue.now);
  REQUIRE(s.venue.until([&] { return s.desk.asked() == 1; }));
  s.seeder->on_closed();
  CHECK_FALSE(s.seeder->awaited(s.name("BTC")));
  SUBCASE("closed") {
    s.want_all();
    s.seeder->fetch(s.venue.now);
    s.desk.hold(false);
    REQUIRE(s.venue.until([&] { return s.idle(); }));
    s.drain();
    CHECK(s.desk.asked() == 1);
    CHECK(s.read.empty());
  }
  SUBCASE("open again") {
    s.seeder->on_open();
    s.want_all();
    s.seeder->fetch(s.venue.now);
    s.desk.hold(false);
    REQUIRE(s.venue.until([&] { return s.desk.asked() == 2 && s.idle(); }));
    REQUIRE(s.venue.until([&] { return !s.read.empty(); }));
    s.drain();
    CHECK(s.read.size() == 1);
    CHECK(s.venue.sink.recorded.size() == 1);
  }
  SUBCASE("stopped") {
    s.seeder->on_open();
    s.seeder->stop();
    s.desk.hold(false);
    REQUIRE(s.venue.until([&] { return s.idle(); }));
    s.drain();
    CHECK(s.read.empty());
    CHECK(s.venue.sink.events.empty());
  }
  SUBCASE("the object is gone") {
    s.seeder.reset();
    s.desk.hold(false);
    REQUIRE(s.venue.until([&] { return s.idle(); }));
    s.drain();
    CHECK(s.read.empty());
  }
}

TEST_CASE("a ban in an answer for a connection that is gone is heeded all the same") {
  Streams s({"BTC"});
  s.desk.answer("200 OK",
                R"({"code":-1003,"msg":"Way too much request weight used; IP banned until 1."})");
  s.desk.hold(true);
  s.want_all();
  s.seeder->fetch(s.venue.now);
  REQUIRE(s.venue.until([&] { return s.desk.asked() == 1; }));
  s.seeder->on_closed();
  s.desk.hold(false);
  REQUIRE(s.venue.until(
      [&] { return s.venue.budget.rest_paused_until(s.venue.clock.now()).has_value(); }));
  CHECK(s.read.empty());
  CHECK(s.venue.sink.recorded.empty());
}

TEST_CASE("what is forgotten is not fetched, and an answer for it is not read") {
  Streams s({"BTC", "ETH"});
  s.desk.hold(true);
  s.seeder->want(s.name("BTC"), s.venue.now);
  s.seeder->fetch(s.venue.now);
  s.seeder->want(s.name("ETH"), s.venue.now);
  for (const Subscription& book : s.subscribed) {
    s.seeder->forget(s.name(book.instrument.base));
    s.table.remove(book);
  }
  s.desk.hold(false);
  REQUIRE(s.venue.until([&] { return s.desk.asked() == 1 && s.idle(); }));
  s.drain();
  CHECK(s.read.empty());
  CHECK_FALSE(s.seeder->awaited(s.name("ETH")));
  s.seeder->fetch(s.venue.now + 1h);
  CHECK(s.idle());
}

TEST_CASE("a successor fetches what its predecessor waited for, of the streams that it has") {
  Streams old({"BTC", "ETH", "XRP"});
  Streams fresh({"BTC", "ETH"});
  old.seeder->want(old.name("BTC"), old.venue.now);
  old.seeder->want(old.name("XRP"), old.venue.now);
  fresh.seeder->succeed(*old.seeder, fresh.venue.now);
  CHECK(fresh.seeder->awaited(fresh.name("BTC")));
  CHECK_FALSE(fresh.seeder->awaited(fresh.name("ETH")));
  CHECK_FALSE(fresh.seeder->awaited(fresh.name("XRP")));
}

TEST_CASE("in an outage one is let through now and then, and each keeps its place") {
  Streams s({"A", "B", "C", "D", "E"});
  s.desk.answer("503 Service Unavailable", "");
  s.want_all();
  s.seeder->fetch(s.venue.now);
  REQUIRE(s.venue.until([&] { return s.venue.budget.outage().out() && s.idle(); }));
  s.drain();
  s.venue.now = steady_now() + 1min;
  const std::size_t before = s.desk.asked();
  s.seeder->fetch(s.venue.now);
  CHECK(s.venue.rest.in_flight() + s.venue.rest.waiting() == 1);
  s.seeder->fetch(s.venue.now);
  CHECK(s.venue.rest.in_flight() + s.venue.rest.waiting() == 1);
  s.desk.answer("200 OK");
  REQUIRE(s.venue.until([&] { return s.desk.asked() > before; }));
  // It is over with the first answer.
  for (int i = 0; i < 20 && s.read.size() < 5; ++i) {
    s.venue.pass(20s);
    s.seeder->fetch(s.venue.now);
    REQUIRE(s.venue.until([&] { return s.idle(); }));
    s.drain();
  }
  CHECK_FALSE(s.venue.budget.outage().out());
  CHECK(s.read.size() >= 5);
}

TEST_CASE("the budget's pause is waited for") {
  Streams s({"BTC"});
  s.venue.budget.refused_rest(s.venue.clock.now(), 429, 30s);
  s.want_all();
  for (int i = 0; i < 29; ++i) {
    s.seeder->fetch(s.venue.now);
    CHECK(s.idle());
    s.venue.pass(1s);
  }
  s.venue.pass(2s);
  s.seeder->fetch(s.venue.now);
  REQUIRE(s.venue.until([&] { return s.read.size() == 1; }));
}

}  // namespace
}  // namespace spreadwatch::ingest
