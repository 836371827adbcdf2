#include "ingest/live/keep_alive.h"

#include <doctest/doctest.h>

namespace spreadwatch::ingest {
namespace {

using namespace std::chrono_literals;

constexpr KeepAlive::Rules kRules{.liveness = 15s, .ping_every = 20s, .pong_within = 10s};
constexpr SteadyTime kOpen{1h};

TEST_CASE("a connection that says nothing is probed twice and then dead") {
  KeepAlive line{{.liveness = 15s, .ping_every = 0s, .pong_within = 60s}};
  line.on_open(kOpen);
  int pings = 0;
  SteadyTime now = kOpen;
  for (; now < kOpen + 15s; now += 50ms) {
    const KeepAlive::Check check = line.check(now);
    REQUIRE_FALSE(check.dead);
    if (!check.ping) continue;
    ++pings;
    line.on_pinged(now);
  }
  CHECK(pings == 2);
  const KeepAlive::Check check = line.check(now);
  REQUIRE(check.dead);
  CHECK(*check.dead == "nothing received for 15000 ms");
  CHECK_FALSE(check.ping);
  // A fresh connection owes nothing.
  line.on_open(now);
  CHECK_FALSE(line.check(now).dead);
}

TEST_CASE("a venue that wants pings has one in time, however much comes") {
  KeepAlive line{kRules};
  line.on_open(kOpen);
  line.on_received(kOpen + 19'999ms);
  CHECK_FALSE(line.check(kOpen + 19'999ms).ping);
  line.on_received(kOpen + 20s);
  CHECK(line.check(kOpen + 20s).ping);
  CHECK(line.check(kOpen + 20s).ping);  // until it is told that one was sent
  line.on_pinged(kOpen + 20s);
  CHECK_FALSE(line.check(kOpen + 20s).ping);

  // One that wants none has none while data comes.
  KeepAlive other{{.liveness = 15s, .ping_every = 0s, .pong_within = 10s}};
  other.on_open(kOpen);
  other.on_received(kOpen + 1h);
  CHECK_FALSE(other.check(kOpen + 1h).ping);
}

TEST_CASE("a pong that is missing is a dead line only where nothing else came either") {
  for (const bool data : {true, false}) {
    CAPTURE(data);
    KeepAlive line{kRules};
    line.on_open(kOpen);
    line.on_received(kOpen + 5s);
    line.on_pinged(kOpen + 6s);
    if (data) line.on_received(kOpen + 7s);
    CHECK_FALSE(line.check(kOpen + 15s).pong_missed);
    const KeepAlive::Check check = line.check(kOpen + 16s);
    CHECK(check.pong_missed);
    CHECK(check.dead.has_value() == !data);
    CHECK_FALSE(line.check(kOpen + 16s).pong_missed);  // told once
  }
}

TEST_CASE("a pong in time is no miss, and the oldest ping that waits is the one that counts") {
  KeepAlive line{kRules};
  line.on_open(kOpen);
  line.on_pinged(kOpen + 1s);
  line.on_pinged(kOpen + 9s);
  line.on_received(kOpen + 10s);
  CHECK(line.check(kOpen + 11s).pong_missed);
  line.on_pinged(kOpen + 12s);
  line.on_pong();
  line.on_received(kOpen + 20s);
  CHECK_FALSE(line.check(kOpen + 22s).pong_missed);
}

}  // namespace
}  // namespace spreadwatch::ingest
