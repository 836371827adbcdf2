#include "core/clock_offset.h"

#include <doctest/doctest.h>

namespace spreadwatch {
namespace {

constexpr Timestamp kStart{std::chrono::hours{500'000}};

TEST_CASE("a clock that is wrong by any constant makes nothing late, a delay does") {
  for (const std::int64_t skew_ms : {-3'600'000LL, -7'000LL, 0LL, 7'000LL, 3'600'000LL}) {
    CAPTURE(skew_ms);
    ClockOffset offset;
    Timestamp now = kStart;
    const auto excess = [&](milliseconds delay) {
      return offset.excess(now - milliseconds{skew_ms} - delay, now);
    };
    CHECK_FALSE(offset.estimate());
    CHECK(excess(milliseconds{50}) == microseconds{0});
    now += milliseconds{1000};
    CHECK(excess(milliseconds{30}) == microseconds{0});
    CHECK(excess(milliseconds{6030}) == milliseconds{6000});
    now += std::chrono::minutes{4};
    CHECK(excess(milliseconds{6030}) == milliseconds{6000});
    CHECK(offset.estimate() == milliseconds{skew_ms + 30});
  }
}

TEST_CASE("a clock that was set back is believed once the window has passed") {
  ClockOffset offset;
  Timestamp now = kStart;
  CHECK(offset.excess(now, now) == microseconds{0});
  microseconds last{};
  for (int minute = 0; minute < 11; ++minute) {
    now += std::chrono::minutes{1};
    last = offset.excess(now - milliseconds{8000}, now);
  }
  CHECK(last == microseconds{0});
  CHECK(offset.estimate() == milliseconds{8000});
}

}  // namespace
}  // namespace spreadwatch
