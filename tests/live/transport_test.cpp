#include "ingest/net/transport.h"

#include <doctest/doctest.h>

#include <boost/asio/io_context.hpp>
#include <chrono>
#include <functional>
#include <future>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "tests/live/test_server.h"

namespace spreadwatch::ingest {
namespace {

using namespace std::chrono_literals;
using test::Peer;
using test::TestServer;

class Recorder final : public WebsocketEvents {
 public:
  void on_open() override {
    ++opened;
    if (when_open) when_open();
  }
  void on_frame(std::string_view payload, bool is_binary) override {
    frames.emplace_back(payload);
    binary.push_back(is_binary);
    if (when_frame) when_frame();
  }
  void on_pong() override { ++pongs; }
  void on_ping() override { ++pings; }
  void on_closed(const CloseInfo& info) override {
    ++closed_count;
    closed = info;
  }

  int opened = 0;
  int pongs = 0;
  int pings = 0;
  int closed_count = 0;
  std::vector<std::string> frames;
  std::vector<bool> binary;
  std::optional<CloseInfo> closed;
  std::function<void()> when_open;
  std::function<void()> when_frame;
};

// One client and the loop it lives on. The loop runs on the test's thread until a condition holds.
struct Client {
  explicit Client(const std::string& url, TransportOptions options = {},
                  const std::string& ca_file = {})
      : tls(ca_file), link(std::make_unique<WebsocketConnection>(io, tls, url, options, events)) {}

  template <class F>
  bool until(F&& condition, std::chrono::milliseconds limit = 5s) {
    const auto end = std::chrono::steady_clock::now() + limit;
    while (!condition()) {
      if (std::chrono::steady_clock::now() >= end) return false;
      if (io.stopped()) io.restart();
      io.run_one_for(20ms);
    }
    return true;
  }
  bool until_closed() {
    return until([this] { return events.closed.has_value(); });
  }

  boost::asio::io_context io;
  TlsClient tls;
  Recorder events;
  std::unique_ptr<WebsocketConnection> link;
};

// Serves one websocket until the client goes.
void serve(Peer& peer) {
  if (!peer.accept()) return;
  while (peer.read()) {
  }
}

TEST_CASE("text and binary messages arrive as they were sent") {
  TestServer server([](Peer& peer) {
    if (!peer.accept()) return;
    peer.send("{\"a\":1}");
    peer.send_binary(std::string(200'000, 'x'));
    while (const auto text = peer.read()) peer.send("echo " + *text);
  });
  Client client(server.url("ws") + "/some/path?x=1");
  client.events.when_open = [&] { CHECK(client.link->send("hello")); };
  REQUIRE(client.until([&] { return client.events.frames.size() == 3; }));
  CHECK(client.events.frames[0] == "{\"a\":1}");
  CHECK_FALSE(client.events.binary[0]);
  CHECK(client.events.frames[1] == std::string(200'000, 'x'));
  CHECK(client.events.binary[1]);
  CHECK(client.events.frames[2] == "echo hello");
  client.link->close();
  REQUIRE(client.until_closed());
  CHECK_FALSE(client.events.closed->code.has_value());
  CHECK(client.events.closed_count == 1);
}

TEST_CASE("the upgrade names us, carries the path and no Origin, and offers no compression") {
  test::Log seen;
  TestServer server([&](Peer& peer) {
    seen.add(peer.target());
    seen.add("agent=" + peer.header("User-Agent"));
    seen.add("origin=" + peer.header("Origin"));
    seen.add("extensions=" + peer.header("Sec-WebSocket-Extensions"));
    seen.add("host=" + peer.header("Host"));
    serve(peer);
  });
  Client client(server.url("ws") + "/ws/v4/");
  REQUIRE(client.until([&] { return client.events.opened == 1; }));
  const auto lines = seen.lines();
  REQUIRE(lines.size() == 5);
  CHECK(lines[0] == "/ws/v4/");
  CHECK(lines[1].find("agent=spreadwatch/") == 0);
  CHECK(lines[2] == "origin=");
  CHECK(lines[3] == "extensions=");
  CHECK(lines[4] == "host=127.0.0.1:" + std::to_string(server.port()));
}

TEST_CASE("a refused connect says so") {
  Client client("ws://127.0.0.1:" + std::to_string(test::closed_port()));
  REQUIRE(client.until_closed());
  CHECK(client.events.closed->code == ErrorCode::kConnectFailed);
  CHECK_FALSE(client.events.closed->was_open);
}

TEST_CASE("an address that is none fails like a connect") {
  Client client("not an address");
  CHECK_FALSE(client.events.closed.has_value());
  REQUIRE(client.until_closed());
  CHECK(client.events.closed->code == ErrorCode::kConnectFailed);
}

TEST_CASE("a name that does not exist fails like a connect") {
  Client client("ws://no-such-host.invalid/");
  REQUIRE(client.until([&] { return client.events.closed.has_value(); }, 15s));
  CHECK(client.events.closed->code == ErrorCode::kConnectFailed);
}

TEST_CASE("a refused upgrade tells the status and when to come back") {
  struct Case {
    const char* status;
    const char* headers;
    ErrorCode code;
    std::optional<milliseconds> retry_after;
  };
  const std::vector<Case> cases{
      {"403 Forbidden", "", ErrorCode::kBanned, std::nullopt},
      {"429 Too Many Requests", "Retry-After: 17\r\n", ErrorCode::kRateLimited, 17s},
      {"418 I'm a teapot", "Retry-After: 120\r\n", ErrorCode::kBanned, 120s},
      {"503 Service Unavailable", "", ErrorCode::kHttpStatus, std::nullopt}};
  for (const Case& c : cases) {
    CAPTURE(c.status);
    TestServer server([&](Peer& peer) { peer.respond("go away", c.status, c.headers); });
    Client client(server.url("ws"));
    REQUIRE(client.until_closed());
    CHECK(client.events.closed->code == c.code);
    CHECK(client.events.closed->http_status == std::stoi(c.status));
    CHECK(client.events.closed->retry_after == c.retry_after);
    CHECK(client.events.opened == 0);
  }
}

TEST_CASE("a server that is silent during the upgrade runs into the deadline") {
  TestServer server([](Peer& peer) { peer.hold(); });
  TransportOptions options;
  options.handshake_timeout = 150ms;
  Client client(server.url("ws"), options);
  REQUIRE(client.until_closed());
  CHECK(client.events.closed->code == ErrorCode::kTimeout);
}

TEST_CASE("a trusted certificate is accepted") {
  const auto certificates = test::make_certificates("DNS:localhost");
  TestServer server(
      [](Peer& peer) {
        if (peer.accept() && peer.send("secret")) peer.read();
      },
      certificates.get());
  Client client(server.url("wss", "localhost"), {}, certificates->ca_file);
  REQUIRE(client.until([&] { return client.events.frames.size() == 1; }));
  CHECK(client.events.frames[0] == "secret");
  client.link->close();
  REQUIRE(client.until_closed());
  CHECK_FALSE(client.events.closed->code.has_value());
}

TEST_CASE("an unknown authority is refused") {
  const auto certificates = test::make_certificates("DNS:localhost");
  TestServer server(serve, certificates.get());
  Client client(server.url("wss", "localhost"));
  REQUIRE(client.until_closed());
  CHECK(client.events.closed->code == ErrorCode::kTlsFailed);
  CHECK(client.events.opened == 0);
}

TEST_CASE("a certificate for another host is refused") {
  const auto certificates = test::make_certificates("DNS:other.test");
  TestServer server(serve, certificates.get());
  Client client(server.url("wss", "localhost"), {}, certificates->ca_file);
  REQUIRE(client.until_closed());
  CHECK(client.events.closed->code == ErrorCode::kTlsFailed);
}

TEST_CASE("a common name beside subject alternative names is nobody's host name") {
  // By its common name the certificate would be good for localhost.
  for (const char* other : {"DNS:other.test", "IP:127.0.0.2", "email:a@other.test"}) {
    CAPTURE(other);
    const auto certificates = test::make_certificates(other, "localhost");
    TestServer server(serve, certificates.get());
    Client client(server.url("wss", "localhost"), {}, certificates->ca_file);
    REQUIRE(client.until_closed());
    CHECK(client.events.closed->code == ErrorCode::kTlsFailed);
  }
}

TEST_CASE("a message leaves as one frame, however long it is") {
  test::Log frames;
  TestServer server([&](Peer& peer) {
    if (!peer.accept()) return;
    while (const auto frame = peer.read_frame()) {
      frames.add(std::to_string(frame->opcode) + (frame->last ? " last " : " more ") +
                 std::to_string(frame->payload.size()));
    }
  });
  Client client(server.url("ws"));
  REQUIRE(client.until([&] { return client.events.opened == 1; }));
  const std::vector<std::size_t> sizes{1, 125, 126, 4'096, 4'097, 65'535, 65'536, 1'000'000};
  for (const std::size_t size : sizes) CHECK(client.link->send(std::string(size, 'x')));
  REQUIRE(client.until([&] { return frames.size() >= sizes.size(); }));
  std::vector<std::string> expected;
  for (const std::size_t size : sizes) expected.push_back("1 last " + std::to_string(size));
  CHECK(frames.lines() == expected);
}

TEST_CASE("a peer that sends but reads nothing is left") {
  std::promise<void> done;
  const std::shared_future<void> over = done.get_future().share();
  TestServer server([over](Peer& peer) {
    if (peer.accept()) over.wait();
  });
  Client client(server.url("ws"),
                TransportOptions{.write_timeout = 200ms, .max_queued_bytes = 128U << 20U});
  REQUIRE(client.until([&] { return client.events.opened == 1; }));
  REQUIRE(client.link->send(std::string(64U << 20U, 'x')));  // more than the system's buffers hold
  const bool closed = client.until_closed();
  done.set_value();
  REQUIRE(closed);
  CHECK(client.events.closed->code == ErrorCode::kTimeout);
  CHECK(client.events.closed->was_open);
}

TEST_CASE("a server without TLS on a wss address is refused") {
  TestServer server([](Peer&) {});
  Client client(server.url("wss"), TransportOptions{.handshake_timeout = 300ms});
  REQUIRE(client.until_closed());
  const ErrorCode code = client.events.closed->code.value();
  CHECK((code == ErrorCode::kTlsFailed || code == ErrorCode::kTimeout));
}

TEST_CASE("close code and reason are told") {
  TestServer server([](Peer& peer) {
    if (peer.accept()) peer.close(4290, "too many connections");
  });
  Client client(server.url("ws"));
  REQUIRE(client.until_closed());
  CHECK(client.events.closed->code == ErrorCode::kClosedByPeer);
  CHECK(client.events.closed->close_code == 4290);
  CHECK(client.events.closed->close_reason == "too many connections");
  CHECK(client.events.closed->was_open);
  CHECK(client.events.closed_count == 1);
}

TEST_CASE("a reset connection is noticed") {
  TestServer server([](Peer& peer) {
    if (peer.accept()) peer.reset();
  });
  Client client(server.url("ws"));
  REQUIRE(client.until_closed());
  CHECK(client.events.closed->code == ErrorCode::kClosedByPeer);
}

TEST_CASE("a server ping is answered with the same payload") {
  test::Log pongs;
  TestServer server([&](Peer& peer) {
    if (!peer.accept() || !peer.ping("1700000000123")) return;
    peer.read();
    for (const std::string& pong : peer.pongs()) pongs.add(pong);
    peer.send("done");
    peer.read();
  });
  Client client(server.url("ws"));
  REQUIRE(client.until([&] { return client.events.pings == 1; }));
  REQUIRE(client.link->send("now look"));
  REQUIRE(client.until([&] { return client.events.frames.size() == 1; }));
  CHECK(pongs.lines() == std::vector<std::string>{"1700000000123"});
}

TEST_CASE("our ping is answered by a pong") {
  TestServer server(serve);
  Client client(server.url("ws"));
  client.events.when_open = [&] {
    CHECK(client.link->ping());
    CHECK_FALSE(client.link->ping());
  };
  REQUIRE(client.until([&] { return client.events.pongs == 1; }));
}

TEST_CASE("an oversized message ends the connection at once") {
  TestServer server([](Peer& peer) {
    if (!peer.accept()) return;
    peer.send(std::string(50'000, 'x'));
    peer.hold();  // never reacts to the close frame
  });
  Client client(server.url("ws"), TransportOptions{.max_message = 10'000});
  REQUIRE(client.until_closed());
  CHECK(client.events.closed->code == ErrorCode::kOversizedFrame);
  CHECK(client.events.frames.empty());
}

TEST_CASE("a peer that ignores our close frame is left after the bound") {
  TestServer server([](Peer& peer) {
    if (peer.accept()) peer.hold();
  });
  Client client(server.url("ws"), TransportOptions{.close_timeout = 100ms});
  REQUIRE(client.until([&] { return client.events.opened == 1; }));
  client.link->close();
  const auto start = std::chrono::steady_clock::now();
  REQUIRE(client.until_closed());
  CHECK(std::chrono::steady_clock::now() - start < 2s);
  CHECK_FALSE(client.events.closed->code.has_value());
  CHECK(client.events.closed_count == 1);
}

TEST_CASE("closing while connecting ends at once") {
  TestServer server([](Peer& peer) { peer.hold(); });
  Client client(server.url("ws"));
  client.link->close();
  CHECK(client.events.closed_count == 1);
  CHECK_FALSE(client.events.closed->code.has_value());
  CHECK(client.until([&] { return client.io.stopped() || client.io.poll() == 0; }));
  CHECK(client.events.closed_count == 1);
}

TEST_CASE("destroying a connection from inside its event is safe and silent") {
  TestServer server([](Peer& peer) {
    if (!peer.accept()) return;
    for (int i = 0; i < 100 && peer.send("frame"); ++i) {
    }
    peer.read();
  });
  Client client(server.url("ws"));
  client.events.when_frame = [&] { client.link.reset(); };
  REQUIRE(client.until([&] { return client.events.frames.size() == 1; }));
  CHECK_FALSE(client.until([&] { return client.events.frames.size() > 1; }, 200ms));
  CHECK(client.events.closed_count == 0);
}

TEST_CASE("a handler that throws does not stop the connection") {
  TestServer server([](Peer& peer) {
    if (!peer.accept()) return;
    peer.send("first");
    peer.send("second");
    peer.read();
  });
  Client client(server.url("ws"));
  client.events.when_frame = [&] {
    if (client.events.frames.size() == 1) throw std::runtime_error("on purpose");
  };
  REQUIRE(client.until([&] { return client.events.frames.size() == 2; }));
}

TEST_CASE("the queue of outgoing messages is bounded") {
  TestServer server([](Peer& peer) {
    if (peer.accept()) peer.hold();
  });
  Client client(server.url("ws"), TransportOptions{.max_queued = 4, .max_queued_bytes = 1'000});
  CHECK_FALSE(client.link->send("too early"));
  REQUIRE(client.until([&] { return client.events.opened == 1; }));
  CHECK(client.link->send(std::string(900, 'x')));
  CHECK_FALSE(client.link->send(std::string(200, 'x')));
  for (int i = 0; i < 3; ++i) CHECK(client.link->send("y"));
  CHECK_FALSE(client.link->send("y"));
}

TEST_CASE("an IPv6 address is connected to, and named in brackets") {
  test::Log seen;
  TestServer server(
      [&](Peer& peer) {
        seen.add(peer.header("Host") + " " + peer.header("Authorization"));
        serve(peer);
      },
      nullptr, "::1");
  Client client(server.url("ws", "joe:pw-9@[::1]") + "/x");
  REQUIRE(client.until([&] { return client.events.opened == 1; }));
  CHECK(seen.lines() ==
        std::vector<std::string>{"[::1]:" + std::to_string(server.port()) + " Basic am9lOnB3LTk="});
}

TEST_CASE("no error of a connection shows the user information of its address") {
  for (const std::string& url :
       {"ws://joe:pw-9@127.0.0.1:" + std::to_string(test::closed_port()),
        std::string{"ws://joe:pw-9@127.0.0.1:x/"}, std::string{"wss://joe:pw-9@256.1.1.1/"}}) {
    Client client(url);
    REQUIRE(client.until_closed());
    CHECK(client.events.closed->code == ErrorCode::kConnectFailed);
    CHECK_FALSE(client.events.closed->detail.empty());
    CHECK(client.events.closed->detail.find("pw-9") == std::string::npos);
  }
}

}  // namespace
}  // namespace spreadwatch::ingest
