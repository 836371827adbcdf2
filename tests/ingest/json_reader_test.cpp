#include "ingest/decode/json_reader.h"

#include "tests/ingest/helpers.h"

namespace spreadwatch::ingest::test {
namespace {

/// Reads the field "v" of a payload.
template <class Read>
auto value_of(const std::string& payload, Read&& read) {
  JsonReader reader;
  std::optional<decltype(read(std::declval<od::value&>()))> out;
  for_each_field(reader.open(payload), [&](std::string_view key, od::value value) {
    if (key == "v") out = read(value);
  });
  reader.close();
  return *out;
}

std::optional<ErrorCode> failure(const std::string& payload) {
  try {
    value_of(payload, [](od::value& v) { return read_decimal(v); });
  } catch (const DecodeFailure& f) {
    return f.error().code;
  } catch (const simdjson::simdjson_error& e) {
    return code_of(e.error());
  }
  return std::nullopt;
}

TEST_CASE("json: numbers keep their digits, quoted or not") {
  for (const char* payload : {R"({"v":1087605.70466850})", R"({"v":"1087605.70466850"})",
                              R"({ "v" : 1087605.70466850 , "w":1})"}) {
    const Decimal d = value_of(payload, [](od::value& v) { return read_decimal(v); });
    CHECK(d.mantissa() == 108760570466850);
    CHECK(d.scale() == 8);
  }
  CHECK(value_of(R"({"v":1.16539E8})", [](od::value& v) { return read_decimal(v); }) ==
        decimal("116539000"));
  CHECK(value_of(R"({"v":5e-05})", [](od::value& v) { return read_decimal(v); }) ==
        decimal("0.00005"));
  CHECK(value_of(R"({"v":"-12"})", [](od::value& v) { return read_int(v); }) == -12);
  CHECK(value_of(R"({"v":9.5})", [](od::value& v) { return read_double(v); }) == 9.5);
}

TEST_CASE("json: absent is null or an empty string, not zero") {
  for (const char* payload : {R"({"v":null})", R"({"v":""})"}) {
    CHECK_FALSE(
        value_of(payload, [](od::value& v) { return read_optional_decimal(v); }).has_value());
    CHECK_FALSE(
        value_of(payload, [](od::value& v) { return read_optional_double(v); }).has_value());
    CHECK_FALSE(value_of(payload, [](od::value& v) { return read_optional_int(v); }).has_value());
    CHECK_FALSE(value_of(payload, [](od::value& v) { return read_ms(v); }).has_value());
  }
}

TEST_CASE("json: failures have the right name") {
  CHECK(failure(R"({"v":"nan"})") == ErrorCode::kValueOutOfRange);
  CHECK(failure(R"({"v":"-Infinity"})") == ErrorCode::kValueOutOfRange);
  CHECK(failure(R"({"v":1e300})") == ErrorCode::kValueOutOfRange);
  CHECK(failure(R"({"v":1234567890.12345678901234567890123456})") == ErrorCode::kValueOutOfRange);
  CHECK(failure(R"({"v":"1.5x"})") == ErrorCode::kSchemaMismatch);
  CHECK(failure(R"({"v":"1,5"})") == ErrorCode::kSchemaMismatch);
  CHECK(failure(R"({"v":[]})") == ErrorCode::kSchemaMismatch);
  CHECK(failure(R"({"v":true})") == ErrorCode::kSchemaMismatch);
  CHECK(failure(R"({"v":null})") == ErrorCode::kSchemaMismatch);
  CHECK(failure(R"({"v":1)") == ErrorCode::kMalformedJson);
  CHECK(failure(R"({"v":1,"w":{"x":1})") == ErrorCode::kMalformedJson);
  CHECK(failure(R"({"v":1}{"v":2})") == ErrorCode::kMalformedJson);
  CHECK(failure(R"({"v":1},)") == ErrorCode::kMalformedJson);
  CHECK(failure("{\"v\":1,\"\xff\":2}") == ErrorCode::kMalformedJson);
  CHECK(failure("\"v\"") == ErrorCode::kMalformedJson);
  CHECK(failure(R"({"v":1})") == std::nullopt);
}

TEST_CASE("json: a document left early must still be complete") {
  JsonReader reader;
  const auto leave_early = [&](std::string_view payload) {
    for (auto field : reader.open(payload).get_object()) {
      key_of(field);
      break;
    }
    reader.close();
  };
  CHECK_NOTHROW(leave_early(R"({"a":1,"b":[1,2,{"c":3}]})"));
  CHECK_THROWS_AS(leave_early(R"({"a":1,"b":[1,2,{"c":3}})"), DecodeFailure);
  CHECK_THROWS_AS(leave_early(R"({"a":1,"b":{"c":3})"), DecodeFailure);
}

TEST_CASE("json: times") {
  const auto rfc = [](od::value& v) { return read_rfc3339(v); };
  CHECK(value_of(R"({"v":"2026-09-24T03:54:18.054886Z"})", rfc) ==
        timestamp_from_us(1790222058054886));
  CHECK(value_of(R"({"v":"2026-09-24T03:54:18Z"})", rfc) == timestamp_from_us(1790222058000000));
  CHECK(value_of(R"({"v":"2026-09-24T03:54:18.054886123Z"})", rfc) ==
        timestamp_from_us(1790222058054886));
  for (const char* wrong : {"2026-13-24T03:54:18Z", "2026-02-30T03:54:18Z", "2026-09-24T03:54:18",
                            "2026-09-24T25:54:18Z", "2026-09-24T03:54:18.Z", "yesterday",
                            "2026-09-24T03:54:18+09:00"}) {
    CAPTURE(wrong);
    CHECK_THROWS_AS(value_of(R"({"v":")" + std::string{wrong} + "\"}", rfc), DecodeFailure);
  }
  CHECK(value_of(R"({"v":"1786538789464"})", [](od::value& v) { return read_ms(v); }) ==
        timestamp_from_ms(1786538789464));
  CHECK_THROWS_AS(value_of(R"({"v":-5})", [](od::value& v) { return read_ms(v); }), DecodeFailure);
  CHECK_THROWS_AS(value_of(R"({"v":17865387894640000})", [](od::value& v) { return read_ms(v); }),
                  DecodeFailure);
}

TEST_CASE("json: strings with escapes") {
  CHECK(value_of(R"({"v":"AAVE\/AUD"})",
                 [](od::value& v) { return std::string{read_string(v)}; }) == "AAVE/AUD");
}

TEST_CASE("json: ticker differences are exact") {
  CHECK(difference(decimal("64057.7"), decimal("64326.9")) == -269.2);
  CHECK(difference(decimal("0.3"), decimal("0.1")) == 0.2);
  CHECK_FALSE(difference(decimal("1"), std::nullopt).has_value());
}

}  // namespace
}  // namespace spreadwatch::ingest::test
