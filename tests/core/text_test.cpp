#include "core/text.h"

#include <doctest/doctest.h>

#include <string>

namespace spreadwatch {
namespace {

TEST_CASE("only ASCII letters change their case") {
  CHECK(to_upper("btc币安ß1é") == "BTC币安ß1é");
  CHECK(to_lower("BTC币安ÉΣ") == "btc币安ÉΣ");
  CHECK(to_upper("\xff\x61") == "\xff\x41");
}

TEST_CASE("an asset has a name of up to 20 characters in any script") {
  for (const char* const name : {"BTC", "1INCH", "币安人生", "Σ", "A.B", "$AI", "AAPLx", "🐶"}) {
    CAPTURE(name);
    CHECK(is_asset(name));
  }
  std::string twenty;
  for (int i = 0; i < 20; ++i) twenty += "币";
  CHECK(is_asset(twenty));
  CHECK_FALSE(is_asset(twenty + "安"));
  for (const char* const name :
       {"", " ", "A B", "A-B", "A_B", "A/B", "A:B", "A,B", "A\"B", "A\\B", "A%B", "A\nB", "A\x7f",
        "A\xc2\x85", "A\xc2\xa0", "A\xe2\x80\x8b", "A\xe2\x80\xa8", "A\xe3\x80\x80",
        "A\xe2\x80\xae"
        "B"}) {
    CAPTURE(name);
    CHECK_FALSE(is_asset(name));
  }
}

TEST_CASE("what is not well-formed UTF-8 is no name") {
  for (const char* const name : {"\xff", "A\x80", "\xc0\xaf", "\xed\xa0\x80", "\xf4\x90\x80\x80",
                                 "\xe5\xb8", "\xe5\xb8\x41"}) {
    CHECK_FALSE(is_utf8(name));
    CHECK_FALSE(is_asset(name));
  }
  CHECK(is_utf8("币安人生"));
}

TEST_CASE("a canonical name has no lower case letters of ASCII") {
  CHECK(is_canonical_asset("币安人生"));
  CHECK(is_canonical_asset("1INCH"));
  CHECK_FALSE(is_canonical_asset("AAPLx"));
}

TEST_CASE("a URL carries a name by its bytes") {
  std::string out = "?s=";
  append_url_escaped(out, "币BTC-$1_~.");
  CHECK(out == "?s=%E5%B8%81BTC-%241_~.");
}

}  // namespace
}  // namespace spreadwatch
