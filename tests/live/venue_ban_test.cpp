#include <doctest/doctest.h>

#include <atomic>
#include <chrono>
#include <functional>
#include <memory>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include "ingest/live/book_audit.h"
#include "ingest/live/market_list.h"
#include "ingest/live/rest_fallback.h"
#include "ingest/live/snapshot_seeder.h"
#include "ingest/live/venue_rest.h"
#include "ingest/live/wallet_feed.h"
#include "tests/live/lone_venue.h"
#include "tests/live/test_server.h"

namespace spreadwatch::ingest {
namespace {

using namespace std::chrono_literals;
using spreadwatch::test::Peer;
using spreadwatch::test::TestServer;
using test::LoneVenue;

const Instrument kBtc{"BTC", "USDT"};
constexpr int kDepth = 50;

/// Whoever asks a venue over REST, and wants to as often as it may.
class Caller {
 public:
  virtual ~Caller() = default;
  virtual void tick(SteadyTime now) = 0;
};

class Snapshots final : public Caller {
 public:
  Snapshots(LoneVenue& venue, const std::string& url)
      : table_({.venue = venue.venue, .seeded_over_rest = true}),
        rest_(venue.context(), venue.venue, url),
        seeder_(venue.context(), {.venue = venue.venue}, rest_, table_, random_,
                [this](const Frame& frame, SteadyTime /*now*/) { rest_.read(frame, nobody_); }),
        stream_(venue.normalizer.adapter().book_stream(kBtc, kDepth)) {
    table_.add({Channel::kOrderBook, kBtc, kDepth}, stream_);
    seeder_.on_open();
  }
  void tick(SteadyTime now) override {
    seeder_.want(stream_, now);
    seeder_.fetch(now);
  }

 private:
  class Nobody final : public MarketSink {
    void on_ticker(const Ticker& /*ticker*/) override {}
    void on_order_book(const std::string& /*stream*/, const OrderBook& /*book*/) override {}
    void on_error(const FeedError& /*error*/) override {}
  };
  SubscriptionTable table_;
  VenueRest rest_;
  std::mt19937_64 random_{1};
  Nobody nobody_;
  SnapshotSeeder seeder_;
  const std::string stream_;
};

/// The socket delivers one channel and not the other.
class Fallback final : public Caller {
 public:
  Fallback(LoneVenue& venue, const std::string& url, Channel polled)
      : fallback_(venue.context(), {.venue = venue.venue, .rest_url = url, .depth = kDepth}),
        polled_(polled) {
    fallback_.watch(kBtc, venue.now);
  }
  void tick(SteadyTime now) override {
    if (polled_ == Channel::kOrderBook) {
      Ticker ticker;
      ticker.instrument = kBtc;
      fallback_.on_socket_ticker(ticker, now);
    } else {
      OrderBook book;
      book.instrument = kBtc;
      book.state = FeedState::kSynced;
      fallback_.on_socket_book(book, now);
    }
    fallback_.tick(now);
  }

 private:
  RestFallback fallback_;
  const Channel polled_;
};

class Audit final : public Caller {
 public:
  Audit(LoneVenue& venue, const std::string& url)
      : audit_(venue.context(), {.venue = venue.venue, .rest_url = url, .depth = kDepth},
               [](const Instrument&, const std::string&) { FAIL("nothing differs"); }) {
    audit_.watch(kBtc);
    const std::string snapshot =
        R"({"topic":"orderbook.50.BTCUSDT","ts":1731035685345,"type":"snapshot","data":)"
        R"({"s":"BTCUSDT","b":[["10","1"]],"a":[["11","1"]],"u":7,"seq":7},"cts":1731035685342})";
    venue.normalizer.feed({Origin::kWs, snapshot, {}, {}, venue.clock.now(), 1}, nobody_);
  }
  void tick(SteadyTime now) override { audit_.tick(now); }

 private:
  class Nobody final : public MarketSink {
    void on_ticker(const Ticker& /*ticker*/) override {}
    void on_order_book(const std::string& /*stream*/, const OrderBook& /*book*/) override {}
    void on_error(const FeedError& /*error*/) override {}
  };
  Nobody nobody_;
  BookAudit audit_;
};

class Markets final : public Caller {
 public:
  Markets(LoneVenue& venue, const std::string& url)
      : list_(venue.context(), {venue.venue, url, 1}, [](const MarketStatus&) {}) {}
  void tick(SteadyTime now) override { list_.tick(now); }

 private:
  MarketList list_;
};

class Wallets final : public Caller {
 public:
  Wallets(LoneVenue& venue, const std::string& url)
      : wallets_(venue.context(), {.venue = venue.venue, .rest_url = url, .interval = 1s}) {}
  void tick(SteadyTime now) override { wallets_.tick(now); }

 private:
  WalletFeed wallets_;
};

struct Row {
  std::string name;
  VenueId venue;
  const char* refusal;  // in the venue's own words, with 200
  std::function<std::unique_ptr<Caller>(LoneVenue&, const std::string& url)> make;
};

constexpr const char* kBinance =
    R"({"code":-1003,"msg":"Way too much request weight used; IP banned until 1790000000000."})";
constexpr const char* kBybit =
    R"({"retCode":10006,"retMsg":"Too many visits!","result":{},"retExtInfo":{},"time":1})";
constexpr const char* kCoinone =
    R"({"result":"error","error_code":"4","error_msg":"Blocked user access"})";

template <class T>
std::unique_ptr<Caller> made(LoneVenue& venue, const std::string& url) {
  return std::make_unique<T>(venue, url);
}
template <Channel kPolled>
std::unique_ptr<Caller> polling(LoneVenue& venue, const std::string& url) {
  return std::make_unique<Fallback>(venue, url, kPolled);
}

TEST_CASE("whoever asks a venue over REST stops until a ban is over, told by status or in a 200") {
  constexpr seconds kBan{900};
  const std::vector<Row> rows{
      {"snapshots of order books", VenueId::kBinance, kBinance, made<Snapshots>},
      {"order books in place of the socket", VenueId::kBybit, kBybit, polling<Channel::kOrderBook>},
      {"tickers in place of the socket", VenueId::kBybit, kBybit, polling<Channel::kTicker>},
      {"the audit of order books", VenueId::kBybit, kBybit, made<Audit>},
      {"the market list", VenueId::kBinance, kBinance, made<Markets>},
      {"wallets", VenueId::kCoinone, kCoinone, made<Wallets>},
  };
  for (const Row& row : rows) {
    for (const std::string status : {"429 Too Many Requests", "418 I'm a teapot", "200 OK"}) {
      CAPTURE(row.name);
      CAPTURE(status);
      const std::string body = status == "200 OK" ? row.refusal : "";
      std::atomic<int> asked{0};
      TestServer server([&](Peer& peer) {
        ++asked;
        peer.respond(body, status, "Retry-After: " + std::to_string(kBan.count()) + "\r\n");
      });
      LoneVenue venue(row.venue);
      const std::unique_ptr<Caller> caller = row.make(venue, server.url("http"));
      const auto banned = [&] { return venue.budget.rest_paused_until(venue.clock.now()); };
      const auto step = [&](milliseconds span) {
        venue.pass(span);
        caller->tick(venue.now);
        if (venue.io.stopped()) venue.io.restart();
        venue.io.poll();
      };

      // It asks once and is refused.
      for (int i = 0; i < 200 && venue.rest.in_flight() + venue.rest.waiting() == 0 && asked == 0;
           ++i) {
        step(100ms);
      }
      REQUIRE(venue.until([&] { return banned().has_value(); }));
      CHECK(asked == 1);
      const Timestamp end = *banned();
      CHECK(end - venue.clock.now() > kBan - 1s);
      CHECK(end - venue.clock.now() <= kBan);

      // Not once more for as long as it lasts; what is asked for takes from the budget at once.
      while (venue.clock.now() + 500ms < end) {
        const int left = venue.budget.rest_left(venue.clock.now());
        caller->tick(venue.now);
        REQUIRE(venue.budget.rest_left(venue.clock.now()) == left);
        step(500ms);
      }
      CHECK(venue.rest.in_flight() + venue.rest.waiting() == 0);
      CHECK(asked == 1);

      // And after it again, at the latest when its own pause after a failure is over.
      for (int i = 0; i < 4'000 && asked == 1; ++i) {
        step(500ms);
        venue.turn(0ms);
        if (venue.rest.in_flight() + venue.rest.waiting() > 0) {
          REQUIRE(venue.until([&] { return asked == 2; }));
        }
      }
      CHECK(asked == 2);
      venue.rest.stop();
    }
  }
}

}  // namespace
}  // namespace spreadwatch::ingest
