#include "spread/release_rule.h"

#include <doctest/doctest.h>

namespace spreadwatch::spread {
namespace {

using namespace std::chrono_literals;

constexpr Timestamp kStart = timestamp_from_ms(1'700'000'000'000);

const config::PublishSettings kDefault;
const ReleaseRule kRule(kDefault);

ReleaseRule::Row row(Verdict verdict, std::optional<double> net_ratio, Reasons reasons = {}) {
  return {.verdict = verdict, .reasons = reasons, .net_ratio = net_ratio};
}
ReleaseRule::Row rejected(std::optional<double> net_ratio) {
  return row(Verdict::kNotTradable, net_ratio, Reason::kUnprofitable);
}

TEST_CASE("a row is live while it is tradable, the best of its asset, or close to paying") {
  CHECK(kRule.is_live(row(Verdict::kTradable, -0.5), false));
  CHECK(kRule.is_live(rejected(-0.5), true));
  CHECK(kRule.is_live(rejected(-0.002), false));
  CHECK_FALSE(kRule.is_live(rejected(-0.0021), false));
  CHECK_FALSE(kRule.is_live(rejected(std::nullopt), false));
}

TEST_CASE("another verdict or other reasons leave with the next period, live or not") {
  const auto far = rejected(-0.1);
  CHECK(kRule.due(row(Verdict::kUnknown, std::nullopt, Reason::kStaleLeg), false, far, kStart) ==
        kStart);
  CHECK(kRule.due(row(Verdict::kNotTradable, -0.1, Reason::kWalletClosed), false, far, kStart) ==
        kStart);
}

TEST_CASE(
    "a live row that moved leaves with the next period, one that hardly did after update_ms") {
  const auto left = rejected(-0.001);
  CHECK(kRule.due(rejected(-0.0009), false, left, kStart) == kStart);
  CHECK(kRule.due(rejected(-0.0011), false, left, kStart) == kStart);
  CHECK(kRule.due(rejected(-0.00095), false, left, kStart) == kStart + 1s);
  CHECK(kRule.due(rejected(-0.1), true, rejected(-0.2), kStart) == kStart);
  CHECK(kRule.due(rejected(-0.1), true, rejected(std::nullopt), kStart) == kStart);
}

TEST_CASE("a row in the background leaves after background_ms, however far it moved") {
  CHECK(kRule.due(rejected(-0.1), false, rejected(-0.2), kStart) == kStart + 5s);
  CHECK(kRule.due(rejected(std::nullopt), false, rejected(-0.2), kStart) == kStart + 5s);
}

TEST_CASE("what is held back leaves at the end of a period") {
  const Timestamp between = kStart + 42ms;
  CHECK(kRule.due(rejected(-0.1), false, rejected(-0.2), between) == kStart + 5'100ms);
  CHECK(kRule.due(between) == kStart + 1'100ms);
  CHECK(kRule.due(kStart) == kStart + 1s);
}

TEST_CASE("with a period of 0 nothing is held back") {
  config::PublishSettings every;
  every.conflate = 0ms;
  const ReleaseRule rule(every);
  CHECK(rule.due(rejected(-0.1), false, rejected(-0.2), kStart) == kStart);
  CHECK(rule.due(kStart) == kStart);
}

}  // namespace
}  // namespace spreadwatch::spread
