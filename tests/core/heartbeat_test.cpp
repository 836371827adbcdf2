#include "core/heartbeat.h"

#include <doctest/doctest.h>

namespace spreadwatch {
namespace {

using std::chrono::seconds;

constexpr Heartbeat::Time kStart{std::chrono::hours{1}};

TEST_CASE("a stage that gives no sign for three seconds stands, and no longer after the next") {
  Heartbeat heartbeat;
  heartbeat.beat(kStart);
  CHECK_FALSE(heartbeat.stands(kStart + seconds{3}));
  CHECK(heartbeat.stands(kStart + milliseconds{3001}));
  CHECK(heartbeat.last() == kStart);
  heartbeat.beat(kStart + seconds{4});
  CHECK_FALSE(heartbeat.stands(kStart + seconds{5}));
  CHECK(heartbeat.last() == kStart + seconds{4});
}

TEST_CASE("a stage that said it waits longer stands only after that") {
  Heartbeat heartbeat;
  heartbeat.beat(kStart, seconds{60});
  CHECK_FALSE(heartbeat.stands(kStart + seconds{60}));
  CHECK(heartbeat.stands(kStart + seconds{61}));
}

TEST_CASE("a stage that has not begun or has ended owes no sign") {
  Heartbeat heartbeat;
  CHECK_FALSE(heartbeat.stands(kStart + std::chrono::hours{1}));
  CHECK_FALSE(heartbeat.last());
  heartbeat.beat(kStart);
  heartbeat.rest();
  CHECK_FALSE(heartbeat.stands(kStart + std::chrono::hours{1}));
  CHECK(heartbeat.last() == kStart);
}

}  // namespace
}  // namespace spreadwatch
