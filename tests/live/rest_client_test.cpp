#include "ingest/net/rest_client.h"

#include <doctest/doctest.h>
#include <openssl/crypto.h>
#include <pplx/threadpool.h>

#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <chrono>
#include <future>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "tests/live/test_server.h"

namespace spreadwatch::ingest {
namespace {

using namespace std::chrono_literals;
using test::Peer;
using test::TestServer;
using SteadyClock = std::chrono::steady_clock;

const bool kPoolReady = [] {
  // cpprestsdk's threads end after OpenSSL's own exit handler has run, and what OpenSSL keeps for
  // each thread would then look like a leak.
  OPENSSL_init_crypto(OPENSSL_INIT_NO_ATEXIT, nullptr);
  crossplat::threadpool::initialize_with_threads(4);
  return true;
}();

struct Loop {
  template <class F>
  bool until(F&& condition, std::chrono::milliseconds limit = 5s) {
    const auto end = SteadyClock::now() + limit;
    while (!condition()) {
      if (SteadyClock::now() >= end) return false;
      if (io.stopped()) io.restart();
      io.run_one_for(20ms);
    }
    return true;
  }
  boost::asio::io_context io;
};

RestRequest request_to(std::string url, milliseconds timeout = 3s) {
  RestRequest request;
  request.url = std::move(url);
  request.timeout = timeout;
  return request;
}

ErrorCode code_of(const RestResult& result) {
  REQUIRE_FALSE(result.has_value());
  return result.error().error.code;
}

TEST_CASE("an answer comes back on the loop with its body and the weight used") {
  REQUIRE(kPoolReady);
  test::Log seen;
  TestServer server([&](Peer& peer) {
    seen.add(peer.target() + " " + peer.header("User-Agent") + " " + peer.header("X-Extra"));
    peer.respond("[1,2,3]", "200 OK", "X-MBX-USED-WEIGHT-1M: 42\r\n");
  });
  Loop loop;
  RestClient client(loop.io);
  std::optional<RestResult> got;
  RestRequest request = request_to(server.url("http") + "/v1/markets?a=b%2Cc");
  request.headers.emplace_back("X-Extra", "yes");
  client.get(std::move(request), [&](RestResult result) { got = std::move(result); });
  CHECK_FALSE(got.has_value());
  REQUIRE(loop.until([&] { return got.has_value(); }));
  REQUIRE(got->has_value());
  CHECK((*got)->status == 200);
  CHECK((*got)->body == "[1,2,3]");
  CHECK((*got)->used_weight == 42);
  REQUIRE(seen.size() == 1);
  CHECK(seen.lines()[0].find("/v1/markets?a=b%2Cc spreadwatch/") == 0);
  CHECK(seen.contains(" yes"));
}

TEST_CASE("statuses outside 2xx become error codes, with Retry-After") {
  struct Case {
    const char* status;
    ErrorCode code;
  };
  for (const Case& c : std::vector<Case>{{"429 Too Many", ErrorCode::kRateLimited},
                                         {"418 Teapot", ErrorCode::kBanned},
                                         {"403 Forbidden", ErrorCode::kBanned},
                                         {"404 Not Found", ErrorCode::kHttpStatus},
                                         {"500 Oops", ErrorCode::kHttpStatus}}) {
    CAPTURE(c.status);
    TestServer server([&](Peer& peer) { peer.respond("why", c.status, "Retry-After: 9\r\n"); });
    const RestResult result = rest_get(request_to(server.url("http")));
    CHECK(code_of(result) == c.code);
    CHECK(result.error().status == std::stoi(c.status));
    CHECK(result.error().retry_after == 9s);
    CHECK(result.error().error.detail.find("why") != std::string::npos);
  }
}

TEST_CASE("a Retry-After date is a pause from the answer's date on") {
  TestServer server([&](Peer& peer) {
    peer.respond("why", "429 Too Many",
                 "Date: Wed, 21 Oct 2015 07:28:00 GMT\r\n"
                 "Retry-After: Wed, 21 Oct 2015 07:28:30 GMT\r\n");
  });
  const RestResult result = rest_get(request_to(server.url("http")));
  CHECK(code_of(result) == ErrorCode::kRateLimited);
  CHECK(result.error().retry_after == 30s);
}

TEST_CASE("a refused connect is no answer") {
  const auto url = "http://127.0.0.1:" + std::to_string(test::closed_port());
  CHECK(code_of(rest_get(request_to(url))) == ErrorCode::kConnectFailed);
  CHECK(code_of(rest_get(request_to("nonsense"))) == ErrorCode::kConnectFailed);
}

TEST_CASE("a silent server runs into the deadline") {
  TestServer server([](Peer& peer) { peer.hold(); });
  const auto start = SteadyClock::now();
  CHECK(code_of(rest_get(request_to(server.url("http"), 300ms))) == ErrorCode::kTimeout);
  CHECK(SteadyClock::now() - start < 3s);
}

TEST_CASE("a body that drips does not outlive the deadline") {
  TestServer server([](Peer& peer) {
    bool open = peer.write_raw("HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n");
    while (open) {
      open = peer.write_raw("x");
      std::this_thread::sleep_for(20ms);  // the drip
    }
  });
  const auto start = SteadyClock::now();
  CHECK(code_of(rest_get(request_to(server.url("http"), 400ms))) == ErrorCode::kTimeout);
  CHECK(SteadyClock::now() - start < 3s);
}

TEST_CASE("a body longer than allowed is refused, announced or not") {
  for (const bool announced : {true, false}) {
    CAPTURE(announced);
    TestServer server([announced](Peer& peer) {
      const std::string body(200'000, 'x');
      if (announced) {
        peer.respond(body);
        return;
      }
      bool open = peer.write_raw("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n");
      while (open) open = peer.write_raw("10000\r\n" + std::string(0x10000, 'x') + "\r\n");
    });
    RestRequest request = request_to(server.url("http"));
    request.max_bytes = 100'000;
    CHECK(code_of(rest_get(request)) == ErrorCode::kOversizedFrame);
  }
}

TEST_CASE("TLS: only the right authority and host name will do") {
  const auto good = test::make_certificates("DNS:localhost");
  const auto other = test::make_certificates("DNS:other.test");
  const auto handler = [](Peer& peer) { peer.respond("ok"); };
  TestServer server(handler, good.get());
  TestServer wrong_host(handler, other.get());

  const RestResult accepted = rest_get(request_to(server.url("https", "localhost")), good->ca_file);
  REQUIRE(accepted.has_value());
  CHECK(accepted->body == "ok");
  CHECK(code_of(rest_get(request_to(server.url("https", "localhost")))) == ErrorCode::kTlsFailed);
  CHECK(code_of(rest_get(request_to(wrong_host.url("https", "localhost")), other->ca_file)) ==
        ErrorCode::kTlsFailed);
}

TEST_CASE("TLS: a common name beside subject alternative names is nobody's host name") {
  const auto handler = [](Peer& peer) { peer.respond("ok"); };
  const auto get = [&](const char* alt_name, const char* host) {
    const auto certificates = test::make_certificates(alt_name, host);
    TestServer server(handler, certificates.get());
    return rest_get(request_to(server.url("https", host)), certificates->ca_file);
  };
  CHECK(code_of(get("DNS:other.test", "localhost")) == ErrorCode::kTlsFailed);
  CHECK(code_of(get("IP:127.0.0.2", "localhost")) == ErrorCode::kTlsFailed);
  CHECK(code_of(get("email:a@other.test", "localhost")) == ErrorCode::kTlsFailed);
  CHECK(code_of(get("IP:127.0.0.2", "127.0.0.1")) == ErrorCode::kTlsFailed);
  CHECK(code_of(get("DNS:localhost", "127.0.0.1")) == ErrorCode::kTlsFailed);
  CHECK(get("DNS:localhost", "localhost").has_value());
  CHECK(get("IP:127.0.0.1", "127.0.0.1").has_value());
  CHECK(get("", "localhost").has_value());  // there is nothing else to go by
}

TEST_CASE("a request that the library does not come back from is answered all the same, once") {
  REQUIRE(kPoolReady);
  // As a name look-up that hangs: every thread of the library is taken.
  std::promise<void> done;
  const std::shared_future<void> over = done.get_future().share();
  for (int i = 0; i < 4; ++i) {
    boost::asio::post(crossplat::threadpool::shared_instance().service(), [over] { over.wait(); });
  }
  TestServer server([](Peer& peer) { peer.respond("late"); });
  Loop loop;
  RestClient client(loop.io, {.max_in_flight = 1, .max_waiting = 3});
  std::vector<ErrorCode> answers;
  for (int i = 0; i < 2; ++i) {
    client.get(request_to(server.url("http"), 50ms),
               [&](const RestResult& result) { answers.push_back(code_of(result)); });
  }
  const bool answered = loop.until([&] { return answers.size() == 2; });
  done.set_value();
  REQUIRE(answered);
  CHECK(answers == std::vector{ErrorCode::kTimeout, ErrorCode::kTimeout});
  CHECK(client.in_flight() == 0);
  // What the library has to say now is too late.
  std::optional<RestResult> next;
  client.get(request_to(server.url("http")), [&](RestResult result) { next = std::move(result); });
  REQUIRE(loop.until([&] { return next.has_value(); }));
  CHECK(next->has_value());
  CHECK(answers.size() == 2);
}

TEST_CASE("requests beyond the limits wait or are refused") {
  TestServer server([](Peer& peer) { peer.hold(); });
  Loop loop;
  RestClient client(loop.io, {.max_in_flight = 2, .max_waiting = 3});
  int refused = 0;
  int ended = 0;
  for (int i = 0; i < 7; ++i) {
    client.get(request_to(server.url("http"), 300ms), [&](RestResult result) {
      ++ended;
      if (code_of(result) == ErrorCode::kRateLimited) ++refused;
    });
  }
  CHECK(client.in_flight() == 2);
  CHECK(client.waiting() == 3);
  REQUIRE(loop.until([&] { return ended == 7; }, 10s));
  CHECK(refused == 2);
  CHECK(client.in_flight() == 0);
}

TEST_CASE("after stop no callback comes and the loop may go") {
  TestServer server([](Peer& peer) { peer.hold(); });
  bool called = false;
  {
    Loop loop;
    RestClient client(loop.io);
    for (int i = 0; i < 6; ++i) {
      client.get(request_to(server.url("http")), [&](RestResult) { called = true; });
    }
    client.stop();
    CHECK_FALSE(loop.until([&] { return called; }, 100ms));
  }
  CHECK_FALSE(called);
}

TEST_CASE("a waited-for request ends when it is told to stop") {
  TestServer server([](Peer& peer) { peer.hold(); });
  const auto start = SteadyClock::now();
  std::optional<RestResult> result;
  {
    std::jthread waiter([&](std::stop_token stop) {
      result = rest_get(request_to(server.url("http"), 30s), {}, stop);
    });
    while (server.connections() == 0 && SteadyClock::now() - start < 5s) std::this_thread::yield();
  }
  REQUIRE(result.has_value());
  CHECK(code_of(*result) == ErrorCode::kTimeout);
  CHECK(SteadyClock::now() - start < 5s);
}

TEST_CASE("an IPv6 address is asked, and named in brackets") {
  test::Log seen;
  TestServer server(
      [&](Peer& peer) {
        seen.add(peer.target() + " " + peer.header("Host"));
        peer.respond("ok");
      },
      nullptr, "::1");
  const RestResult result = rest_get(request_to(server.url("http", "[::1]") + "/a?b=c"));
  REQUIRE(result.has_value());
  CHECK(result->body == "ok");
  CHECK(seen.lines() == std::vector<std::string>{"/a?b=c [::1]:" + std::to_string(server.port())});
}

TEST_CASE("user information is sent to its own host only, and no error shows it") {
  test::Log seen;
  TestServer other([&](Peer& peer) {
    seen.add("other " + peer.header("Authorization"));
    peer.respond("no");
  });
  const std::string elsewhere = "Location: " + other.url("http", "localhost") + "/\r\n";
  TestServer server([&](Peer& peer) {
    seen.add(peer.header("Authorization"));
    peer.respond("", "302 Found", elsewhere);
  });
  const RestResult result = rest_get(request_to(server.url("http", "joe:pw-9@127.0.0.1") + "/"));
  CHECK(code_of(result) == ErrorCode::kHttpStatus);
  CHECK(result.error().error.detail.find("pw-9") == std::string::npos);
  CHECK(seen.lines() == std::vector<std::string>{"Basic am9lOnB3LTk="});
  const RestResult refused = rest_get(request_to(
      "http://joe:pw-9@127.0.0.1:" + std::to_string(test::closed_port()) + "/?token=t-9"));
  REQUIRE_FALSE(refused.has_value());
  CHECK(refused.error().error.detail.find("-9") == std::string::npos);
  const RestResult none = rest_get(request_to("http://joe:pw-9@127.0.0.1:x/"));
  CHECK(code_of(none) == ErrorCode::kConnectFailed);
  CHECK(none.error().error.detail.find("pw-9") == std::string::npos);
}

}  // namespace
}  // namespace spreadwatch::ingest
