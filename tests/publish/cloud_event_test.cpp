#include "publish/cloud_event.h"

#include <doctest/doctest.h>

#include <set>
#include <string>

namespace spreadwatch::publish {
namespace {

TEST_CASE("an event's id is the same for the same content and differs for any other") {
  const std::string id = event_id("opportunity", "BTC", R"({"a":1})");
  CHECK(id.size() == 32);
  CHECK(id.find_first_not_of("0123456789abcdef") == std::string::npos);
  CHECK(id == event_id("opportunity", "BTC", R"({"a":1})"));
  // Fixed for good: consumers may keep ids for longer than a version lives.
  CHECK(event_id("", "", "") == "00000000000000000000000000000000");
  std::set<std::string> ids;
  std::string value;
  for (int i = 0; i < 70; ++i) {
    ids.insert(event_id("fx", "k", value));
    ids.insert(event_id("fx", value + "k", "v"));
    ids.insert(event_id(value + "fx", "", "v"));
    value += static_cast<char>('a' + i % 26);
  }
  CHECK(ids.size() == 210);
  CHECK(event_id("a", "bc", "d") != event_id("ab", "c", "d"));
}

TEST_CASE("times are RFC 3339 in UTC with microseconds") {
  CHECK(rfc3339(timestamp_from_us(0)) == "1970-01-01T00:00:00.000000Z");
  CHECK(rfc3339(timestamp_from_us(1'709'251'199'000'001)) == "2024-02-29T23:59:59.000001Z");
  CHECK(rfc3339(timestamp_from_us(-1)) == "1969-12-31T23:59:59.999999Z");
}

}  // namespace
}  // namespace spreadwatch::publish
