#include "ingest/live/succession.h"

#include <doctest/doctest.h>

#include <random>
#include <set>
#include <vector>

namespace spreadwatch::ingest {
namespace {

using namespace std::chrono_literals;

constexpr SteadyTime kOpen{1h};

/// When a successor is due after `from`, looked at every `step`.
std::optional<milliseconds> due_after(const Succession& s, SteadyTime from, milliseconds step,
                                      milliseconds limit) {
  for (milliseconds t{0}; t <= limit; t += step) {
    if (s.due(from + t)) return t;
  }
  return std::nullopt;
}

TEST_CASE("a successor is due shortly before the connection is as old as it may become") {
  std::mt19937_64 random{1};
  std::set<milliseconds> ages;
  for (int i = 0; i < 50; ++i) {
    Succession s{random};
    CHECK_FALSE(s.due(kOpen + 1000h));
    s.on_open(kOpen, 24h);
    const auto age = due_after(s, kOpen + 21h, 1min, 3h);
    REQUIRE(age);
    CHECK(*age + 21h >= milliseconds{24h} * 9 / 10);
    CHECK(*age + 21h <= milliseconds{24h} * 96 / 100 + 1min);
    ages.insert(*age);
    s.on_open(kOpen, 0ms);
    CHECK_FALSE(s.due(kOpen + 1000h));
  }
  CHECK(ages.size() > 10);  // not all at one moment
}

TEST_CASE("after an announcement it is due within a second") {
  std::mt19937_64 random{1};
  std::set<milliseconds> waits;
  for (int i = 0; i < 50; ++i) {
    Succession s{random};
    s.on_open(kOpen, 24h);
    s.on_announced(kOpen + 1min);
    const auto wait = due_after(s, kOpen + 1min, 50ms, Succession::kSpread);
    REQUIRE(wait);
    waits.insert(*wait);
  }
  CHECK(waits.size() > 5);
}

TEST_CASE("stranded streams have one at once, then with a pause that doubles up to an hour") {
  std::mt19937_64 random{1};
  SteadyTime now = kOpen + 100h;
  std::vector<Succession> chain;
  chain.reserve(12);
  chain.emplace_back(random);
  chain.back().on_open(now, 0ms);
  std::vector<milliseconds> pauses;
  for (int i = 0; i < 10; ++i) {
    const SteadyTime from = now;
    while (!chain.back().rescue(now)) {
      now += 1s;
      REQUIRE(now - from < 2h);
    }
    pauses.push_back(std::chrono::duration_cast<milliseconds>(now - from));
    CHECK(chain.back().due(now));
    CHECK_FALSE(chain.back().rescue(now));  // it is due already
    // The successor knows how many have been opened in its place.
    chain.emplace_back(random);
    chain.back().succeed(chain[chain.size() - 2]);
    chain.back().on_open(now, 0ms);
    CHECK_FALSE(chain.back().due(now));
  }
  CHECK(pauses[0] == 0s);
  CHECK(pauses[1] == Succession::kFirstRescue);
  CHECK(pauses[2] == 2 * Succession::kFirstRescue);
  CHECK(pauses[9] == Succession::kLongestRescue);
  // Long after the last one they begin anew.
  now += 3 * Succession::kLongestRescue;
  CHECK(chain.back().rescue(now));
  Succession next{random};
  next.succeed(chain.back());
  CHECK_FALSE(next.rescue(now + Succession::kFirstRescue - 1ms));
  CHECK(next.rescue(now + Succession::kFirstRescue));
}

}  // namespace
}  // namespace spreadwatch::ingest
