#include "app/engine_loop.h"

#include <doctest/doctest.h>

#include <array>
#include <atomic>
#include <string>
#include <variant>
#include <vector>

#include "app/what_if.h"
#include "engine_world.h"

namespace spreadwatch::app {
namespace {

using namespace std::chrono_literals;
using test::book;
using test::Hold;
using test::kNow;
using test::World;

TEST_CASE("while the engine is behind, the newest book of a market takes the older one's place") {
  MarketQueue::Bounds bounds = queue_bounds<MarketQueue>();
  bounds.behind = 0;
  World w(bounds);
  w.loop.start();
  Hold hold(w.loop);
  for (int i = 1; i <= 1000; ++i) w.loop.push(book("BTC", i));
  w.loop.push(book("BTC", 0, FeedState::kFaulted));
  for (int i = 1001; i <= 2000; ++i) w.loop.push(book("BTC", i));
  hold.release();
  w.loop.stop();
  CHECK(w.books() == std::vector<std::int64_t>{1000, 0, 2000});
  CHECK(w.value(R"(spreadwatch_app_queue_conflated_total{stage="spread"})") == "1998");
  CHECK(w.value(R"(spreadwatch_app_queue_drops_total{stage="spread"})") == "0");
  CHECK(w.loop.refused() == 0);
}

TEST_CASE("a moment's burst is not behind: every value goes through") {
  World w;
  w.loop.start();
  Hold hold(w.loop);
  for (int i = 1; i <= 100; ++i) w.loop.push(book("BTC", i));
  hold.release();
  w.loop.stop();
  CHECK(w.books().size() == 100);
  CHECK(w.value(R"(spreadwatch_app_queue_conflated_total{stage="spread"})") == "0");
}

TEST_CASE("state changes that find no room are counted, and nobody waits") {
  World w({.replaceable = {4, 1 << 20}, .kept = {2, 1 << 20}, .behind = 0});
  w.loop.start();
  Hold hold(w.loop);
  for (int i = 0; i < 5; ++i) w.loop.push(BankQuote{"a", 1380, kNow});
  for (int i = 0; i < 6; ++i) w.loop.push(book("A" + std::to_string(i), i));
  CHECK(w.loop.refused() == 3);
  CHECK(w.value(R"(spreadwatch_app_queue_drops_total{stage="spread"})") == "5");
  hold.release();
}

TEST_CASE("a command runs on the engine's thread and its answer comes back") {
  World w;
  w.loop.start();
  const auto answer = w.loop.ask(
      [](spread::Engine& engine, Timestamp now) {
        CHECK(now == kNow);
        return engine.open_opportunities();
      },
      20s);
  CHECK(answer == 0);
}

TEST_CASE("a question that is not answered in time has no answer, and harms nobody later") {
  World w;
  w.loop.start();
  Hold hold(w.loop);
  const auto answer = w.loop.ask([](spread::Engine&, Timestamp) { return 1; }, 1ms);
  CHECK_FALSE(answer.has_value());
  hold.release();
  CHECK(w.loop.ask([](spread::Engine&, Timestamp) { return 2; }, 20s) == 2);
}

TEST_CASE("the mailbox is bounded; what it took runs before the end, then it takes no more") {
  World w;
  w.loop.start();
  Hold hold(w.loop);
  std::atomic<std::size_t> ran{0};
  for (std::size_t i = 0; i < EngineLoop::kCommands; ++i) {
    CHECK(w.loop.post([&](spread::Engine&, Timestamp) { ++ran; }));
  }
  CHECK_FALSE(w.loop.post([&](spread::Engine&, Timestamp) { ++ran; }));
  hold.release();
  w.loop.stop();
  CHECK(ran == EngineLoop::kCommands);
  CHECK_FALSE(w.loop.post([&](spread::Engine&, Timestamp) { ++ran; }));
}

TEST_CASE(
    "what-if of a pair that nobody watches says so, of an engine that stands that it is busy") {
  World w;
  w.loop.start();
  const api::ProfitQuery query{"BTC", VenueId::kOkx, VenueId::kUpbit, Mode::kInventory, 1000};
  CHECK(ask_profit(w.loop, w.clock, query).status == api::ProfitAnswer::Status::kUnknownPair);
  Hold hold(w.loop);
  CHECK(ask_profit(w.loop, w.clock, query).status == api::ProfitAnswer::Status::kBusy);
  hold.release();
}

}  // namespace
}  // namespace spreadwatch::app
