#include "sim/format.h"

#include <doctest/doctest.h>

#include "sim/limits.h"

using namespace spreadwatch;
using namespace spreadwatch::sim;

TEST_CASE("format: fixed keeps, trimmed drops trailing zeros") {
  CHECK(fixed(std::int64_t{1234}, 2) == "12.34");
  CHECK(fixed(std::int64_t{1200}, 2, 8) == "12.00000000");
  CHECK(fixed(std::int64_t{5}, 0, 8) == "5.00000000");
  CHECK(fixed(std::int64_t{0}, 8) == "0.00000000");
  CHECK(fixed(std::int64_t{-7}, 3) == "-0.007");
  CHECK(trimmed(std::int64_t{1200}, 2) == "12");
  CHECK(trimmed(std::int64_t{1230}, 2) == "12.3");
  CHECK(trimmed(std::int64_t{100}, 0) == "100");
  CHECK(trimmed(std::int64_t{0}, 8) == "0");
}

TEST_CASE("format: Java's double spelling, as Upbit sends it") {
  CHECK(java_double(116'539'000, 0) == "1.16539E8");
  CHECK(java_double(79'276, 8) == "7.9276E-4");
  CHECK(java_double(100'000'000, 0) == "1.0E8");
  CHECK(java_double(1'400, 0) == "1400.0");
  CHECK(java_double(123, 1) == "12.3");
  CHECK(java_double(1, 3) == "0.001");
  CHECK(java_double(9'999'999, 0) == "9999999.0");
  CHECK(java_double(0, 8) == "0.0");
}

TEST_CASE("format: doubles round half away from zero") {
  CHECK(fixed(2.5, 0) == "3");
  CHECK(trimmed(-0.00001, 4) == "0");
  CHECK(trimmed(0.0125, 4) == "0.0125");
  CHECK(trimmed(1'083'110'332'546.75, 2) == "1083110332546.75");
}

TEST_CASE("format: times") {
  CHECK(rfc3339_micros(1'790'222'068'829'165) == "2026-09-24T03:54:28.829165Z");
  CHECK(date_compact(1'790'222'068'829) == "20260924");
  CHECK(time_compact(1'790'222'068'829) == "035428");
}

TEST_CASE("limits: a window admits its limit and frees it after its length") {
  RateWindow window(2, 1'000);
  CHECK(window.admit(0));
  CHECK(window.admit(500));
  CHECK_FALSE(window.admit(999));
  CHECK(window.frees_at(999) == 1'000);
  CHECK(window.admit(1'000));
  CHECK_FALSE(window.admit(1'400));
}

TEST_CASE("limits: violations count per venue and rule") {
  Violations violations;
  violations.count(VenueId::kOkx, "b", 1);
  violations.count(VenueId::kOkx, "a", 2);
  violations.count(VenueId::kOkx, "b", 3);
  const auto rows = violations.rows();
  REQUIRE(rows.size() == 2);
  CHECK(rows[0].rule == "a");
  CHECK(rows[1].count == 2);
  CHECK(rows[1].last_ts_ms == 3);
}
