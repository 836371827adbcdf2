#include "http/server.h"

#include <doctest/doctest.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <future>
#include <optional>
#include <stdexcept>
#include <thread>

#include "tests/api/raw_client.h"

namespace spreadwatch::http {
namespace {

using namespace std::chrono_literals;
using api::test::parse_reply;
using api::test::RawClient;
using api::test::Reply;

class Counts final : public Observer {
 public:
  void connections(std::size_t all, std::size_t streams) override {
    all_ = all;
    streams_ = streams;
    if (all > most_) most_ = all;
  }
  void answered(int) override { ++answered_; }
  void rejected(Rejection reason) override { ++rejected_.at(static_cast<std::size_t>(reason)); }

  std::size_t all() const { return all_; }
  std::size_t streams() const { return streams_; }
  std::size_t most() const { return most_; }
  int answers() const { return answered_; }
  int of(Rejection reason) const { return rejected_.at(static_cast<std::size_t>(reason)); }

 private:
  std::atomic<std::size_t> all_{0};
  std::atomic<std::size_t> streams_{0};
  std::atomic<std::size_t> most_{0};
  std::atomic<int> answered_{0};
  std::array<std::atomic<int>, kRejectionNames.size()> rejected_{};
};

bool eventually(const auto& condition) {
  const auto deadline = std::chrono::steady_clock::now() + 15s;
  while (!condition()) {
    if (std::chrono::steady_clock::now() > deadline) return false;
    std::this_thread::sleep_for(2ms);
  }
  return true;
}

/// Says what it was asked, as text.
Response echo(const Request& request) {
  if (request.path == "/fails") throw std::runtime_error("on purpose");
  return {.headers = {{"Content-Type", "text/plain"}},
          .body = request.method + " " + request.path + " ? " + request.query + " = " +
                  request.body + "\n"};
}

Response refused(Rejection reason) {
  return {.status = status_of(reason), .body = std::string{to_string(reason)}};
}

struct Fixture {
  explicit Fixture(Limits limits = {}, Server::Handler handler = echo,
                   const std::string& address = "127.0.0.1")
      : server(address, 0, std::move(handler), refused, limits, &counts) {
    server.start();
  }
  Reply ask(const std::string& text) const {
    RawClient client(server.port());
    client.send(text);
    client.receive_all();
    return parse_reply(client.received());
  }
  Counts counts;
  Server server;
};

const std::string kGet = "GET /a?b=c HTTP/1.1\r\nHost: x\r\n\r\n";
const std::string kLastGet = "GET /a?b=c HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";

}  // namespace

TEST_CASE("pipelined requests are answered, all and in order") {
  Fixture f;
  RawClient client(f.server.port());
  std::string all;
  for (int i = 0; i < 50; ++i) {
    const std::string body(static_cast<std::size_t>(i), 'b');
    all += "POST /" + std::to_string(i) +
           " HTTP/1.1\r\nHost: x\r\nContent-Length: " + std::to_string(i) + "\r\n\r\n" + body;
  }
  client.send(all + kLastGet);
  client.receive_all();
  std::size_t at = 0;
  for (int i = 0; i < 50; ++i) {
    const std::string body(static_cast<std::size_t>(i), 'b');
    at = client.received().find("\r\n\r\nPOST /" + std::to_string(i) + " ?  = " + body + "\n", at);
    REQUIRE(at != std::string::npos);
  }
  CHECK(client.received().find("GET /a ? b=c", at) != std::string::npos);
  CHECK(f.counts.answers() == 51);
}

TEST_CASE("HEAD is answered as GET is, without the body") {
  Fixture f;
  const Reply got = f.ask(kLastGet);
  const Reply head = f.ask("HEAD" + kLastGet.substr(3));
  CHECK(got.status == 200);
  CHECK(got.body == "GET /a ? b=c = \n");
  CHECK(head.status == 200);
  CHECK(head.body.empty());
  auto headers = head.headers;
  headers["date"] = got.headers.at("date");  // the second may have turned
  CHECK(headers == got.headers);
  RawClient client(f.server.port());  // and the connection goes on behind it
  client.send("HEAD" + kGet.substr(3) + kLastGet);
  client.receive_all();
  CHECK(client.received().find("GET /a ? b=c") != std::string::npos);
}

TEST_CASE("a request head without an end is refused at 16 KiB") {
  Fixture f;
  const auto endless = [&](const std::string& start, const std::string& more) {
    RawClient client(f.server.port());
    client.send(start);
    std::size_t sent = start.size();
    try {
      for (; sent < (64U << 20U); sent += more.size()) client.send(more);
    } catch (const std::runtime_error&) {
      // Refused and closed, which is what is wanted.
    }
    client.receive_all();
    CHECK(sent < (8U << 20U));  // what the kernel takes before it says no
    return client.received().empty() ? 0 : parse_reply(client.received()).status;
  };
  const std::string line = "X-More: " + std::string(1000, 'x') + "\r\n";
  endless("GET / HTTP/1.1\r\nHost: x\r\n", line);
  endless("GET / HTTP/1.1\r\nHost: x\r\nX-Long: ", std::string(1000, 'x'));
  endless("GET /", std::string(1000, 'x'));
  CHECK(eventually([&] {
    return f.counts.of(Rejection::kHeadTooLarge) == 2 &&
           f.counts.of(Rejection::kTargetTooLong) == 1;
  }));
  // One that stops in time gets to read why.
  std::string head = "GET / HTTP/1.1\r\nHost: x\r\n";
  while (head.size() < 20'000) head += line;
  CHECK(f.ask(head).status == 431);
  CHECK(f.ask("GET /" + std::string(5000, 'a') + " HTTP/1.1\r\nHost: x\r\n\r\n").status == 414);
  CHECK(f.ask("GET /" + std::string(20'000, 'a')).status == 414);
  head.resize(16'000);
  CHECK(f.ask(head.substr(0, head.rfind("X-More")) + "Connection: close\r\n\r\n").status == 200);
}

TEST_CASE("a request body is bounded, announced or not") {
  Fixture f({.body_bytes = 1000});
  const auto post = [&](const std::string& headers, const std::string& body) {
    return f.ask("POST / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n" + headers + "\r\n" + body);
  };
  const std::string large(100'000, 'x');
  CHECK(post("Content-Length: 1000\r\n", std::string(1000, 'x')).status == 200);
  CHECK(post("Content-Length: 100000\r\n", large).status == 413);
  CHECK(post("Content-Length: 99999999999\r\n", "").status == 413);
  CHECK(post("Transfer-Encoding: chunked\r\n", "186A0\r\n" + large + "\r\n0\r\n\r\n").status ==
        413);
  CHECK(post("Transfer-Encoding: chunked\r\n", "2\r\nhi\r\n0\r\n\r\n").body == "POST / ?  = hi\n");
  CHECK(f.counts.of(Rejection::kBodyTooLarge) == 3);
}

TEST_CASE("a client that waits to be told so sends its body") {
  Fixture f;
  RawClient client(f.server.port());
  client.send(
      "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\nExpect: 100-continue\r\n"
      "Connection: close\r\n\r\n");
  REQUIRE(client.receive_until("HTTP/1.1 100 Continue\r\n\r\n"));
  client.send("hi");
  client.receive_all();
  CHECK(client.received().find("POST / ?  = hi") != std::string::npos);
}

TEST_CASE("what is no HTTP/1 request is answered 400 and its connection closed") {
  Fixture f;
  const std::array<std::string, 9> malformed = {
      "\x16\x03\x01\x02\r\n\r\n",  // TLS
      "GET\r\n\r\n",
      "GET / HTTP/9.9\r\nHost: x\r\n\r\n",
      "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
      "GET / HTTP/1.1\r\n\r\n",  // no host
      "GET / HTTP/1.1\r\nHost: x\r\nHost: y\r\n\r\n",
      "GET / HTTP/1.1\r\nHost: x\r\nBad Name: y\r\n\r\n",
      "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\nhi",
      "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nZZ\r\n\r\n",
  };
  for (const std::string& text : malformed) {
    CAPTURE(text);
    const Reply reply = f.ask(text);
    CHECK(reply.status == 400);
    CHECK(reply.headers.at("connection") == "close");
  }
  CHECK(f.counts.of(Rejection::kMalformed) == static_cast<int>(malformed.size()));
  CHECK(f.ask(kLastGet).status == 200);
}

TEST_CASE("old clients and absolute targets are served") {
  Fixture f;
  const Reply old = f.ask("GET /a HTTP/1.0\r\n\r\n");
  CHECK(old.status == 200);
  CHECK(old.headers.at("connection") == "close");
  CHECK(f.ask("GET http://somewhere:80/a?b#c HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
            .body == "GET /a ? b = \n");
  CHECK(f.ask("GET http://somewhere HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").body ==
        "GET / ?  = \n");
}

TEST_CASE("a client that ends its side behind the request gets its answer") {
  Fixture f;
  RawClient client(f.server.port());
  client.send(kGet);
  client.end();
  client.receive_all();
  CHECK(parse_reply(client.received()).status == 200);
}

TEST_CASE("a handler that throws is answered 500 and nothing else happens") {
  Fixture f;
  RawClient client(f.server.port());
  client.send("GET /fails HTTP/1.1\r\nHost: x\r\n\r\n" + kLastGet);
  client.receive_all();
  CHECK(parse_reply(client.received()).status == 500);
  CHECK(client.received().find("purpose") == std::string::npos);
  CHECK(client.received().find("HTTP/1.1 200 OK") != std::string::npos);
  CHECK(f.counts.of(Rejection::kFailed) == 1);
}

TEST_CASE("any number of half-open connections leaves the server answerable and within its limit") {
  Fixture f({.connections = 20});
  std::vector<std::unique_ptr<RawClient>> clients;
  for (int i = 0; i < 100; ++i) {
    clients.push_back(std::make_unique<RawClient>(f.server.port()));
    if (i % 2 == 0) clients.back()->send("GET / HTTP/1.1\r\nHost:");
  }
  const auto begin = std::chrono::steady_clock::now();
  CHECK(f.ask(kLastGet).status == 200);
  CHECK(std::chrono::steady_clock::now() - begin < 2s);
  CHECK(f.counts.most() <= 20);
  CHECK(f.counts.of(Rejection::kMadeRoom) == 81);
}

TEST_CASE(
    "beyond the limit the connection that was idle longest goes, used ones and streams stay") {
  auto stream = std::make_shared<Stream>(1000);
  Fixture f({.connections = 3}, [stream](const Request& request) {
    return request.path == "/stream" ? Response{.stream = stream} : echo(request);
  });
  RawClient streaming(f.server.port());
  streaming.send("GET /stream HTTP/1.1\r\nHost: x\r\n\r\n");
  REQUIRE(streaming.receive_until("\r\n\r\n"));
  RawClient first(f.server.port());
  RawClient second(f.server.port());
  for (RawClient* client : {&first, &second, &first}) {
    client->send(kGet);
    REQUIRE(client->receive_until("b=c"));
    client->forget();
  }
  RawClient third(f.server.port());
  third.send(kGet);
  REQUIRE(third.receive_until("b=c"));
  second.receive_all();  // closed
  first.send(kGet);
  CHECK(first.receive_until("b=c"));
  stream->offer(std::make_shared<const std::string>("still there"));
  CHECK(streaming.receive_until("still there"));
  CHECK(f.counts.of(Rejection::kMadeRoom) == 1);
}

TEST_CASE("while every connection is being answered a new one is turned away") {
  std::promise<void> go;
  std::shared_future<void> gone = go.get_future().share();
  std::atomic<int> waiting{0};
  Fixture f({.connections = 2}, [&, gone](const Request& request) {
    ++waiting;
    gone.wait();
    return echo(request);
  });
  RawClient a(f.server.port());
  a.send(kGet);
  RawClient b(f.server.port());
  b.send(kGet);
  REQUIRE(eventually([&] { return waiting == 2; }));
  RawClient c(f.server.port());
  c.receive_all();
  CHECK(c.received().empty());
  CHECK(f.counts.of(Rejection::kNoRoom) == 1);
  go.set_value();
  CHECK(a.receive_until("b=c"));
  CHECK(b.receive_until("b=c"));
}

namespace {

/// Lets this process open no descriptor of `limit` or above while it lives.
class DescriptorLimit {
 public:
  explicit DescriptorLimit(rlim_t limit) {
    REQUIRE(::getrlimit(RLIMIT_NOFILE, &found_) == 0);
    const rlimit now{.rlim_cur = limit, .rlim_max = found_.rlim_max};
    REQUIRE(::setrlimit(RLIMIT_NOFILE, &now) == 0);
  }
  ~DescriptorLimit() { ::setrlimit(RLIMIT_NOFILE, &found_); }
  DescriptorLimit(const DescriptorLimit&) = delete;
  DescriptorLimit& operator=(const DescriptorLimit&) = delete;

 private:
  rlimit found_{};
};

}  // namespace

TEST_CASE("when the process has no descriptor left, idle connections give theirs back") {
  Fixture f({.connections = 100});
  std::vector<std::unique_ptr<RawClient>> idle;
  for (int i = 0; i < 16; ++i) idle.push_back(std::make_unique<RawClient>(f.server.port()));
  REQUIRE(eventually([&] { return f.counts.all() == 16; }));
  // The client has its own descriptor before there are no more.
  RawClient client(f.server.port(), RawClient::Later{});
  const int next = ::dup(STDIN_FILENO);
  REQUIRE(next >= 0);
  ::close(next);
  const DescriptorLimit none(static_cast<rlim_t>(next));
  client.connect();
  client.send(kLastGet);
  client.receive_all();
  CHECK(parse_reply(client.received()).status == 200);
  CHECK(f.counts.of(Rejection::kNoDescriptors) == 1);
  CHECK(f.counts.of(Rejection::kMadeRoom) == 3);
}

TEST_CASE("while there is no descriptor to be had the server does not spin") {
  Fixture f({.connections = 100});
  RawClient client(f.server.port(), RawClient::Later{});
  const auto begin = std::chrono::steady_clock::now();
  {
    const DescriptorLimit none(1);
    client.connect();
    CHECK(eventually([&] { return f.counts.of(Rejection::kNoDescriptors) >= 4; }));
  }
  const auto passed = std::chrono::steady_clock::now() - begin;
  CHECK(f.counts.of(Rejection::kNoDescriptors) <= passed / 100ms + 1);
  client.send(kLastGet);
  client.receive_all();
  CHECK(parse_reply(client.received()).status == 200);
}

TEST_CASE(
    "a connection that gets nothing for as long as is allowed is closed, with a word if it asked") {
  Fixture f({.idle = 100ms});
  RawClient silent(f.server.port());
  RawClient half(f.server.port());
  half.send("GET / HTTP/1.1\r\nHost:");
  RawClient no_body(f.server.port());
  no_body.send("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\nhalf");
  RawClient done(f.server.port());
  done.send(kGet);
  silent.receive_all();
  CHECK(silent.received().empty());
  half.receive_all();
  CHECK(parse_reply(half.received()).status == 408);
  no_body.receive_all();
  CHECK(parse_reply(no_body.received()).status == 408);
  done.receive_all();
  CHECK(parse_reply(done.received()).status == 200);
  CHECK(done.received().find("408") == std::string::npos);
  CHECK(f.counts.of(Rejection::kTimeout) == 2);
  CHECK(eventually([&] { return f.counts.all() == 0; }));
}

TEST_CASE("a client that does not take its answer is closed, one that takes it slowly is not") {
  Fixture f({.idle = 1000ms},
            [](const Request&) { return Response{.body = std::string(8'000'000, 'x')}; });
  RawClient never(f.server.port(), 4096);
  never.send(kGet);
  RawClient slow(f.server.port(), 4096);
  slow.send(kLastGet);
  slow.receive_all();
  CHECK(parse_reply(slow.received()).body.size() == 8'000'000);
  CHECK(eventually([&] { return f.counts.of(Rejection::kUnread) == 1; }));
}

TEST_CASE("answers that nobody takes are bounded together, and others are served meanwhile") {
  constexpr std::size_t kLarge = 8'000'000;
  Fixture f({.answer_bytes = 3 * kLarge + 1000}, [](const Request& request) {
    return request.path == "/large" ? Response{.body = std::string(kLarge, 'x')} : echo(request);
  });
  std::vector<std::unique_ptr<RawClient>> clients;
  for (int i = 0; i < 5; ++i) {
    clients.push_back(std::make_unique<RawClient>(f.server.port(), 4096));
    clients.back()->send("GET /large HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
    REQUIRE(clients.back()->receive_until("\r\n\r\n"));  // under way
  }
  CHECK(f.counts.of(Rejection::kUnread) == 2);
  CHECK(f.ask(kLastGet).status == 200);
  CHECK(f.counts.of(Rejection::kUnread) == 2);
  clients[2]->receive_all();
  CHECK(parse_reply(clients[2]->received()).body.size() == kLarge);
}

TEST_CASE("a stream is sent in chunks to its end, and its end is told") {
  auto stream = std::make_shared<Stream>(1000);
  std::promise<void> over;
  stream->on_over([&] { over.set_value(); });
  Fixture f({}, [stream](const Request&) { return Response{.stream = stream}; });
  RawClient client(f.server.port());
  client.send(kGet);
  REQUIRE(client.receive_until("\r\n\r\n"));
  CHECK(parse_reply(client.received()).headers.at("transfer-encoding") == "chunked");
  CHECK_FALSE(parse_reply(client.received()).headers.contains("content-length"));
  stream->offer(std::make_shared<const std::string>("hello"));
  REQUIRE(client.receive_until("5\r\nhello\r\n"));
  CHECK(f.counts.streams() == 1);
  stream->finish(false);
  client.receive_all();
  CHECK(client.received().ends_with("0\r\n\r\n"));
  CHECK(over.get_future().wait_for(10s) == std::future_status::ready);
  CHECK(eventually([&] { return f.counts.streams() == 0; }));
}

TEST_CASE("a stream of a silent speaker is not idle, and an old client gets it without chunks") {
  auto stream = std::make_shared<Stream>(1000);
  Fixture f({.idle = 20ms}, [stream](const Request&) { return Response{.stream = stream}; });
  RawClient client(f.server.port());
  client.send("GET / HTTP/1.0\r\n\r\n");
  REQUIRE(client.receive_until("\r\n\r\n"));
  RawClient closed(f.server.port());
  closed.receive_all();  // a whole idle time has passed by now
  stream->offer(std::make_shared<const std::string>("hello"));
  stream->finish(false);
  client.receive_all();
  CHECK(client.received().ends_with("\r\n\r\nhello"));
}

TEST_CASE("a cut stream ends at once and is counted") {
  auto stream = std::make_shared<Stream>(1U << 30U);
  Fixture f({}, [stream](const Request&) { return Response{.stream = stream}; });
  RawClient client(f.server.port(), 4096);
  client.send(kGet);
  REQUIRE(client.receive_until("\r\n\r\n"));
  stream->offer(std::make_shared<const std::string>(std::string(50'000'000, 'x')));
  stream->finish(true);
  CHECK(eventually([&] { return f.counts.of(Rejection::kSlowStream) == 1; }));
  CHECK(eventually([&] { return f.counts.all() == 0; }));
}

TEST_CASE("a stop lets an answer that is under way be sent, and waits for nobody else") {
  std::promise<std::uint16_t> port;
  std::promise<void> asked;
  Fixture f({}, [&, number = port.get_future().share()](const Request& request) {
    asked.set_value();
    // Answers only when nothing is accepted any more, which is the beginning of the stop.
    eventually([&] {
      try {
        const RawClient probe(number.get());
        return false;
      } catch (const std::runtime_error&) {
        return true;
      }
    });
    return echo(request);
  });
  port.set_value(f.server.port());
  RawClient idle(f.server.port());
  RawClient half(f.server.port());
  half.send("GET / HTTP/1.1\r\n");
  RawClient client(f.server.port());
  client.send(kGet);
  asked.get_future().wait();
  const auto begin = std::chrono::steady_clock::now();
  f.server.stop();
  CHECK(std::chrono::steady_clock::now() - begin < 1s);
  client.receive_all();
  CHECK(parse_reply(client.received()).status == 200);
  CHECK(parse_reply(client.received()).headers.at("connection") == "close");
  idle.receive_all();
  half.receive_all();
}

TEST_CASE("an IPv6 address is listened on, and stands in brackets where a port follows") {
  CHECK(origin("::1", 8080) == "http://[::1]:8080");
  CHECK(origin("127.0.0.1", 8080) == "http://127.0.0.1:8080");
  try {
    Fixture f({}, echo, "::1");
    CHECK(f.server.url() == "http://[::1]:" + std::to_string(f.server.port()));
    RawClient client(f.server.port(), RawClient::Later{}, AF_INET6);
    client.connect();
    client.send(kLastGet);
    client.receive_all();
    CHECK(parse_reply(client.received()).status == 200);
    Server second("::1", f.server.port(), echo, refused, {}, nullptr);
    try {
      second.start();
      FAIL("started on a taken port");
    } catch (const std::runtime_error& error) {
      CHECK(std::string{error.what()}.starts_with(
          "cannot listen on [::1]:" + std::to_string(f.server.port()) + ": "));
    }
  } catch (const std::runtime_error& error) {
    // A machine without IPv6 can show nothing else.
    REQUIRE(std::string{error.what()}.starts_with("cannot listen on [::1]:0: "));
    MESSAGE("SKIPPED: " << error.what());
  }
}

}  // namespace spreadwatch::http
