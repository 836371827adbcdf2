#include "core/address.h"

#include <doctest/doctest.h>

namespace spreadwatch {
namespace {

TEST_CASE("an URL is taken apart") {
  const auto wss = Url::parse("wss://api.gateio.ws/ws/v4/");
  REQUIRE(wss);
  CHECK(wss->secure);
  CHECK(wss->scheme == "wss");
  CHECK(wss->host == "api.gateio.ws");
  CHECK(wss->port == "443");
  CHECK(wss->target == "/ws/v4/");
  CHECK(wss->authority() == "api.gateio.ws");
  CHECK(wss->authorization().empty());

  const auto bare = Url::parse("ws://127.0.0.1:9600");
  REQUIRE(bare);
  CHECK_FALSE(bare->secure);
  CHECK(bare->port == "9600");
  CHECK(bare->target == "/");
  CHECK(bare->authority() == "127.0.0.1:9600");

  const auto v6 = Url::parse("http://[::1]:8080/x?y=z#f");
  REQUIRE(v6);
  CHECK(v6->host == "::1");
  CHECK(v6->target == "/x?y=z");
  CHECK(v6->authority() == "[::1]:8080");

  const auto query = Url::parse("HTTPS://Bank_1.example:443?a=%C3%A9");
  REQUIRE(query);
  CHECK(query->secure);
  CHECK(query->target == "/?a=%C3%A9");
  CHECK(query->authority() == "Bank_1.example");
}

TEST_CASE("what is no URL is refused with a sentence that does not repeat it") {
  for (const char* const bad : {"",
                                "api.gateio.ws",
                                "ftp://x",
                                "ws://",
                                "ws:///x",
                                "ws://host:abc/",
                                "ws://x:0",
                                "ws://x:65536",
                                "ws://x:99999",
                                "ws://x:1x",
                                "ws://x:-1",
                                "ws://x:+1",
                                "ws://x:1:2",
                                "ws://[::1",
                                "ws://[::1]x",
                                "ws://[::1%lo]/",
                                "ws://[1.2.3.4]",
                                "ws://::1/",
                                "ws://:80/",
                                "http://a b",
                                "http://a/ b",
                                "http://a/\n",
                                "http://a/%zz",
                                "http://a/%4",
                                "http://a/\xff",
                                "http://a/{}",
                                "http://a/\"",
                                "http://a?b|c",
                                "http://256.1.1.1",
                                "http://1.2.3",
                                "http://1.2.3.4.5",
                                "http://127.1",
                                "http://a..b",
                                "http://.a",
                                "http://-a",
                                "http://a-",
                                "http://a!b",
                                "http://a,b",
                                "http://s3cret:\x01@x/",
                                "http://s3cret@a@x/",
                                "http://s3cret@",
                                "http://\xea\xb0\x80.example"}) {
    CAPTURE(std::string{bad});
    const auto url = Url::parse(bad);
    REQUIRE_FALSE(url.has_value());
    CHECK(url.error().code == ErrorCode::kConnectFailed);
    CHECK(url.error().detail.find("s3cret") == std::string::npos);
  }
  CHECK_FALSE(Url::parse("http://a/" + std::string(5000, 'x')).has_value());
  CHECK_FALSE(Url::parse("http://" + std::string(64, 'x') + ".example").has_value());
  CHECK_FALSE(Url::parse(std::string_view{"http://[::1\0]/", 14}).has_value());
}

TEST_CASE("user information goes into the Authorization header and nowhere else") {
  const auto url = Url::parse("https://Aladdin:open%20sesame@bank.example/rate");
  REQUIRE(url);
  CHECK(url->authorization() == "Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==");
  CHECK(url->authority() == "bank.example");
  CHECK(url->target == "/rate");
  CHECK(Url::parse("https://t@x/")->authorization() == "Basic dDo=");
  CHECK(Url::parse("https://a:b@x/")->authorization() == "Basic YTpi");
}

TEST_CASE("a list of brokers holds names, addresses and IPv6 addresses in brackets") {
  const auto list = parse_host_ports("a:9092, b.example ,[::1]:9093,10.0.0.1:65535");
  REQUIRE(list.has_value());
  CHECK(*list == std::vector<HostPort>{{"a", std::uint16_t{9092}},
                                       {"b.example", std::nullopt},
                                       {"::1", std::uint16_t{9093}},
                                       {"10.0.0.1", std::uint16_t{65'535}}});
  for (const char* const bad :
       {"", ",", "a,", ",a", ":::", "::1", "a:notaport", "a:", "a:0", "a:99999", "kafka://a:9092",
        "a b:1", "256.1.1.1:9092", "u:s3cret@a:9092", "[::1]:", "[a]:1", "a:1;b:2"}) {
    CAPTURE(std::string{bad});
    const auto refused = parse_host_ports(bad);
    REQUIRE_FALSE(refused.has_value());
    CHECK(refused.error().find("s3cret") == std::string::npos);
  }
  CHECK(parse_host_ports("::1").error() == "an IPv6 address stands in brackets, as [::1]");
}

TEST_CASE("an address to listen on has no port and no name but localhost") {
  CHECK(parse_listen_address("127.0.0.1") == "127.0.0.1");
  CHECK(parse_listen_address("localhost") == "127.0.0.1");
  CHECK(parse_listen_address("::1") == "::1");
  CHECK(parse_listen_address("[::1]") == "::1");
  CHECK(parse_listen_address("::") == "::");
  CHECK(parse_listen_address("0.0.0.0") == "0.0.0.0");
  for (const char* const bad : {"", "256.1.1.1", "127.0.0.1:8080", "[::1]:8080", "[127.0.0.1]",
                                "example.org", "1", "::1%lo", "[]", "[", " 127.0.0.1"}) {
    CAPTURE(std::string{bad});
    CHECK_FALSE(parse_listen_address(bad).has_value());
  }
}

TEST_CASE("two listeners overlap on one address or where one takes them all") {
  CHECK(listen_addresses_overlap("127.0.0.1", "127.0.0.1"));
  CHECK(listen_addresses_overlap("0.0.0.0", "127.0.0.1"));
  CHECK(listen_addresses_overlap("::1", "0:0:0:0:0:0:0:1"));
  CHECK(listen_addresses_overlap("::", "::1"));
  CHECK(listen_addresses_overlap("127.0.0.1", "::"));
  CHECK_FALSE(listen_addresses_overlap("127.0.0.1", "127.0.0.2"));
  CHECK_FALSE(listen_addresses_overlap("127.0.0.1", "::1"));
  CHECK_FALSE(listen_addresses_overlap("0.0.0.0", "::1"));
}

TEST_CASE("a host and a port are joined with brackets where they are needed") {
  CHECK(join_host_port("::1", 9464) == "[::1]:9464");
  CHECK(join_host_port("127.0.0.1", 1) == "127.0.0.1:1");
}

}  // namespace
}  // namespace spreadwatch
