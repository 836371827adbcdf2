#include "core/text.h"

#include <doctest/doctest.h>

#include <string>
#include <vector>

#include "core/secrets.h"

namespace spreadwatch {
namespace {

TEST_CASE("text from outside stays one line in which everything is seen") {
  CHECK(visible("plain, 币안 \xf0\x9f\x98\x80 é") == "plain, 币안 \xf0\x9f\x98\x80 é");
  CHECK(visible("a\nb\r\tc") == "a\\nb\\r\\tc");
  CHECK(visible(std::string_view{"\0\x1b[2J\x7f", 6}) == "\\x00\\x1b[2J\\x7f");
  CHECK(visible("\xc2\x85\xc2\x9b") == "\\u0085\\u009b");  // C1
  CHECK(visible("\xe2\x80\xa8\xe2\x80\xae\xe2\x81\xa6") == "\\u2028\\u202e\\u2066");
  CHECK(visible("\xff\xc3(\xc0\xaf\xed\xa0\x80\xf5") ==
        "\\xff\\xc3(\\xc0\\xaf\\xed\\xa0\\x80\\xf5");
  CHECK(visible("\xe2\x82") == "\\xe2\\x82");  // cut in the middle of a character
}

TEST_CASE("long text ends in how much there would be more, never inside a character") {
  CHECK(visible("abcdef", 4) == "abcd… (2 more bytes)");
  CHECK(visible("abc币", 4) == "abc… (3 more bytes)");
  CHECK(visible("abc\n", 4) == "abc… (1 more bytes)");
  CHECK(visible("abcd", 4) == "abcd");
  CHECK(visible(std::string(1'000'000, 'x')).size() < kVisibleBytes + 40);
}

TEST_CASE("UTF-8 is what RFC 3629 says") {
  CHECK(is_utf8(""));
  CHECK(is_utf8("币안\xf4\x8f\xbf\xbf"));
  for (const char* const bad : {"\x80", "\xc1\x81", "\xe0\x80\x80", "\xed\xbf\xbf",
                                "\xf4\x90\x80\x80", "\xf0\x80\x80\x80", "a\xe5\xb8"}) {
    CHECK_FALSE(is_utf8(bad));
  }
  CHECK(printable_name("币安人生", 12));
  CHECK_FALSE(printable_name("币安人生", 11));
  CHECK_FALSE(printable_name("", 10));
  CHECK_FALSE(printable_name("a\n", 10));
  CHECK_FALSE(printable_name("a\xe2\x80\x8b", 10));  // a zero-width space
}

TEST_CASE("names of settings that hold secrets are known") {
  for (const char* const name : {"sasl.password", "ssl.key.password", "token", "access_token",
                                 "API_KEY", "apikey", "client_secret", "X-Signature", "app_id"}) {
    CHECK(is_secret_name(name));
  }
  for (const char* const name : {"base", "symbol", "from", "security.protocol", "linger.ms"}) {
    CHECK_FALSE(is_secret_name(name));
  }
}

TEST_CASE("an address is shown without its credentials") {
  CHECK(without_credentials("https://joe:pw@bank.example/x") == "https://***@bank.example/x");
  CHECK(without_credentials("https://joe:p@w/x@bank.example") == "https://***@bank.example");
  CHECK(without_credentials("https://tok@bank.example") == "https://***@bank.example");
  CHECK(without_credentials("joe:pw@broker:9092") == "***@broker:9092");
  CHECK(without_credentials("https://b/?base=USD&token=abc&x=1#token=d") ==
        "https://b/?base=USD&token=***&x=1#token=***");
  CHECK(without_credentials("https://b:443/USD?a=b") == "https://b:443/USD?a=b");
  CHECK(without_credentials("name@example.org") == "name@example.org");
  CHECK(without_secrets("GET \"http://a:b@c/\" and x:y@z, key=1 ok") ==
        "GET \"http://***@c/\" and ***@z, key=*** ok");
}

TEST_CASE("a value that was kept is hidden wherever it stands") {
  const std::vector<std::string> values{"hunter-2-value", "hunter-2", "q7", ""};
  keep_secrets(values);
  CHECK(without_secrets("body: {\"error\":\"no key hunter-2\"}") ==
        "body: {\"error\":\"no key ***\"}");
  CHECK(without_secrets("/v6/hunter-2-value/latest hunter-2x") == "/v6/***/latest ***x");
  CHECK(without_secrets("q7 q70 aq7 (q7)") == "*** q70 aq7 (***)");
}

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
