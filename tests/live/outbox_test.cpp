#include "ingest/live/outbox.h"

#include <doctest/doctest.h>

#include <string>
#include <vector>

namespace spreadwatch::ingest {
namespace {

using namespace std::chrono_literals;

constexpr SteadyTime kOpen{1h};
constexpr Timestamp kWall = timestamp_from_ms(1'790'000'000'000);

TEST_CASE("texts go in order, each as soon as the venue's limit lets it") {
  const std::vector<RateLimit> limits{{10, 1s}};
  Outbox outbox{limits};
  outbox.on_open(kOpen);
  CHECK(outbox.sent_at() == kOpen);
  CHECK(outbox.next(kOpen, kWall) == nullptr);
  std::vector<std::string> texts;
  for (int i = 0; i < 20; ++i) texts.push_back(std::to_string(i));
  outbox.add(texts);
  CHECK_FALSE(outbox.sent_at());
  std::vector<std::string> sent;
  int in_first_second = 0;
  milliseconds t{0};
  for (; sent.size() < texts.size(); t += 50ms) {
    REQUIRE(t < 10s);
    while (const std::string* const text = outbox.next(kOpen + t, kWall + t)) {
      sent.push_back(*text);
      outbox.sent(kOpen + t);
    }
    if (t < 1s) in_first_second = static_cast<int>(sent.size());
  }
  CHECK(sent == texts);
  CHECK(in_first_second > 0);
  CHECK(in_first_second <= 10);
  CHECK(outbox.sent_at() == kOpen + t - 50ms);
}

TEST_CASE("what could not be sent stays the next") {
  Outbox outbox{{}};
  outbox.on_open(kOpen);
  outbox.add({"a", "b"});
  for (int i = 0; i < 3; ++i) CHECK(*outbox.next(kOpen, kWall) == "a");
  outbox.sent(kOpen);
  CHECK(*outbox.next(kOpen, kWall) == "b");
}

TEST_CASE(
    "after the venue's complaint nothing goes for a while, and a fresh connection owes nothing") {
  const std::vector<RateLimit> limits{{1, 10s}};
  Outbox outbox{limits};
  outbox.on_open(kOpen);
  outbox.add({"a", "b"});
  outbox.hold(kOpen);
  CHECK(outbox.next(kOpen + Outbox::kHold - 1ms, kWall) == nullptr);
  CHECK(outbox.next(kOpen + Outbox::kHold, kWall) != nullptr);
  outbox.sent(kOpen + Outbox::kHold);
  CHECK(outbox.next(kOpen + Outbox::kHold, kWall) == nullptr);  // the budget
  CHECK_FALSE(outbox.take_ping(kWall));
  CHECK_FALSE(outbox.leaves(kWall, 1, 0));
  outbox.hold(kOpen + Outbox::kHold);
  outbox.on_closed();
  CHECK(outbox.sent_at());
  outbox.on_open(kOpen + Outbox::kHold);
  CHECK(outbox.leaves(kWall, 1, 0));
  outbox.add({"c"});
  CHECK(*outbox.next(kOpen + Outbox::kHold, kWall) == "c");
}

TEST_CASE("no more waits than ten thousand texts") {
  Outbox outbox{{}};
  outbox.on_open(kOpen);
  outbox.add(std::vector<std::string>(Outbox::kMaxTexts, "early"));
  outbox.add({"late"});
  std::size_t count = 0;
  while (const std::string* const text = outbox.next(kOpen, kWall)) {
    REQUIRE(*text == "early");
    outbox.sent(kOpen);
    ++count;
  }
  CHECK(count == Outbox::kMaxTexts);
}

}  // namespace
}  // namespace spreadwatch::ingest
