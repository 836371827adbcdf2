#include "core/service_clock.h"

#include <doctest/doctest.h>

#include "core/clock_offset.h"

namespace spreadwatch {
namespace {

using std::chrono::hours;
using std::chrono::minutes;

constexpr Timestamp kStart{hours{500'000}};

/// A machine whose clocks stand until they are moved.
struct Machine {
  Timestamp wall = kStart;
  microseconds elapsed = hours{7};

  void pass(microseconds time) {
    wall += time;
    elapsed += time;
  }
  ServiceClock clock() {
    return ServiceClock({[this] { return wall; }, [this] { return elapsed; }});
  }
};

TEST_CASE("time inside is the wall clock's of the start and what has passed since") {
  Machine machine;
  ServiceClock clock = machine.clock();
  CHECK(clock.now() == kStart);
  for (const microseconds step : {microseconds{hours{-1}}, microseconds{seconds{60}}}) {
    const Timestamp before = clock.now();
    machine.wall += step;
    clock.look();
    CHECK(clock.now() == before);
    machine.pass(seconds{2});
    CHECK(clock.now() == before + seconds{2});
  }
}

TEST_CASE("a step is noticed once, with its size and direction") {
  Machine machine;
  ServiceClock clock = machine.clock();
  CHECK_FALSE(clock.look());
  machine.pass(seconds{10});
  machine.wall -= hours{1};
  const auto back = clock.look();
  REQUIRE(back);
  CHECK(back->by == -microseconds{hours{1}});
  CHECK(back->at == kStart + seconds{10});
  CHECK_FALSE(clock.look());
  machine.pass(seconds{10});
  CHECK_FALSE(clock.look());
  machine.wall += hours{1} + seconds{60};
  const auto forward = clock.look();
  REQUIRE(forward);
  CHECK(forward->by == hours{1} + seconds{60});
  CHECK_FALSE(clock.look());
}

TEST_CASE("small steps are noticed once they come to half a second") {
  Machine machine;
  ServiceClock clock = machine.clock();
  for (int i = 0; i < 4; ++i) {
    machine.pass(seconds{10});
    machine.wall += milliseconds{110};
    CHECK_FALSE(clock.look());
  }
  machine.wall += milliseconds{110};
  const auto step = clock.look();
  REQUIRE(step);
  CHECK(step->by == milliseconds{550});
}

TEST_CASE("a thread held up between two clocks sees no step") {
  Machine machine;
  int reads = 0;
  ServiceClock clock({[&] {
                        // Every first reading of a pair is followed by five seconds without CPU.
                        const Timestamp wall = machine.wall;
                        if (reads++ % 2 == 0) machine.pass(seconds{5});
                        return wall;
                      },
                      [&] { return machine.elapsed; }});
  for (int i = 0; i < 10; ++i) CHECK_FALSE(clock.look());
}

TEST_CASE("times of day follow a clock that was set forward at once") {
  Machine machine;
  ServiceClock clock = machine.clock();
  const Timestamp before = clock.now();
  CHECK(clock.shown(before) == before);
  machine.pass(seconds{1});
  machine.wall += seconds{60};
  clock.look();
  CHECK(clock.shown(clock.now()) == machine.wall);
  CHECK(clock.ahead() == microseconds{0});
  // What happened before is told as it was told then.
  CHECK(clock.shown(before) == before);
}

TEST_CASE("times of day never fall when the clock is set back, and meet it in the end") {
  Machine machine;
  ServiceClock clock = machine.clock();
  machine.pass(seconds{1});
  machine.wall -= seconds{60};
  clock.look();
  CHECK(clock.shown(clock.now()) == machine.wall + seconds{60});
  Timestamp last = clock.shown(clock.now());
  for (int i = 0; i < 6000; ++i) {
    machine.pass(milliseconds{100});
    const Timestamp shown = clock.shown(clock.now());
    CHECK(shown == last + milliseconds{90});
    last = shown;
  }
  CHECK(clock.ahead() == microseconds{0});
  machine.pass(seconds{5});
  CHECK(clock.shown(clock.now()) == machine.wall);
}

TEST_CASE("times of day rise over any steps, also of moments told late") {
  Machine machine;
  ServiceClock clock = machine.clock();
  std::vector<Timestamp> moments;
  for (int i = 0; i < 300; ++i) {
    moments.push_back(clock.now());
    machine.pass(milliseconds{700});
    moments.push_back(clock.now());
    machine.wall += seconds{(i * 7919) % 601 - 300};
    clock.look();
    // Nothing told before changes, but for what lies before the oldest steps that are remembered.
    for (std::size_t k = 1; k < moments.size(); ++k) {
      REQUIRE(clock.shown(moments[k]) >= clock.shown(moments[k - 1]));
    }
    CHECK(clock.ahead() >= microseconds{0});
    CHECK(clock.wall(clock.now()) - machine.wall < ServiceClock::kLeastStep);
  }
}

TEST_CASE("what is kept for the next run is in the wall clock's time of now") {
  Machine machine;
  ServiceClock clock = machine.clock();
  const Timestamp until = clock.now() + minutes{2};
  machine.wall -= hours{1};
  clock.look();
  const Timestamp kept = clock.wall(until);
  ServiceClock next = machine.clock();
  CHECK(kept - next.now() == minutes{2});
}

TEST_CASE("after a restart times of day go on from what was told before it") {
  Machine machine;
  ServiceClock clock = machine.clock();
  const Timestamp told = kStart + minutes{10};
  CHECK(clock.go_on_from(told) == minutes{10});
  CHECK(clock.shown(clock.now()) == told);
  CHECK(clock.ahead() == minutes{10});
  // A moment of the run before comes out as it was told.
  const Timestamp earlier = told - seconds{30};
  CHECK(clock.shown(earlier - minutes{10}) == earlier);
  machine.pass(seconds{10});
  CHECK(clock.shown(clock.now()) == told + seconds{9});
  machine.pass(minutes{100});
  CHECK(clock.shown(clock.now()) == machine.wall);
}

TEST_CASE("a time of another age is not gone on from") {
  Machine machine;
  ServiceClock clock = machine.clock();
  CHECK(clock.go_on_from(kStart - seconds{1}) == microseconds{0});
  CHECK(clock.go_on_from(kStart + hours{25}) == microseconds{0});
  CHECK(clock.shown(clock.now()) == kStart);
}

TEST_CASE("no venue's delay changes with our wall clock") {
  Machine machine;
  ServiceClock clock = machine.clock();
  ClockOffset offset;
  Timestamp exchange = kStart - seconds{3};
  const auto excess = [&] {
    machine.pass(milliseconds{500});
    exchange += milliseconds{500};
    return offset.excess(exchange, clock.now());
  };
  CHECK(excess() == microseconds{0});
  for (const microseconds step : {microseconds{seconds{60}}, microseconds{hours{-1}}}) {
    machine.wall += step;
    clock.look();
    for (int i = 0; i < 100; ++i) CHECK(excess() == microseconds{0});
  }
}

TEST_CASE("the machine's clocks go together") {
  const ServiceClock clock;
  const auto difference = std::chrono::abs(SystemClock{}.now() - clock.now());
  CHECK(difference < seconds{10});
  const Timestamp first = clock.now();
  CHECK(clock.now() >= first);
}

}  // namespace
}  // namespace spreadwatch
