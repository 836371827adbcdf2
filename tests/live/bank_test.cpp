#include <doctest/doctest.h>
#include <spdlog/sinks/ostream_sink.h>
#include <spdlog/spdlog.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <memory>
#include <mutex>
#include <sstream>
#include <string>
#include <utility>
#include <vector>

#include "fx/bank_poller.h"
#include "fx/bank_rate.h"
#include "ingest/net/rest_client.h"
#include "tests/live/test_server.h"

namespace spreadwatch::fx {
namespace {

using namespace std::chrono_literals;

TEST_CASE("a bank's answer gives the number at the pointer") {
  CHECK(parse_bank_rate(R"({"rates":{"KRW":1385.2}})", "/rates/KRW", false).value() == 1385.2);
  CHECK(parse_bank_rate(R"([{"basePrice":1385}])", "/0/basePrice", false).value() == 1385);
  CHECK(parse_bank_rate(R"({"v":"1385.20"})", "/v", false).value() == 1385.2);
  CHECK(parse_bank_rate(R"({"v":"1,385.20"})", "/v", false).value() == 1385.2);
  CHECK(parse_bank_rate(R"({"v":"1,385"})", "/v", false).value() == 1385);
  CHECK(parse_bank_rate(R"({"v":"12,345,678.5"})", "/v", false).value() == 12'345'678.5);
  CHECK(parse_bank_rate("1385.5", "", false).value() == 1385.5);
  CHECK(parse_bank_rate(R"({"a/b":{"~x":2}})", "/a~1b/~0x", false).value() == 2);
  CHECK(parse_bank_rate(R"({"v":0.0008})", "/v", true).value() == doctest::Approx(1250));
}

TEST_CASE("what is no rate is refused with its reason") {
  struct Case {
    const char* body;
    const char* pointer;
    bool invert;
    ErrorCode code;
  };
  const std::vector<Case> cases{{"", "/v", false, ErrorCode::kMalformedJson},
                                {"<html>", "/v", false, ErrorCode::kMalformedJson},
                                {R"({"v":1385)", "/v", false, ErrorCode::kMalformedJson},
                                {R"({"w":1})", "/v", false, ErrorCode::kSchemaMismatch},
                                {R"({"v":null})", "/v", false, ErrorCode::kSchemaMismatch},
                                {R"({"v":true})", "/v", false, ErrorCode::kSchemaMismatch},
                                {R"({"v":{}})", "/v", false, ErrorCode::kSchemaMismatch},
                                {R"({"v":"12x"})", "/v", false, ErrorCode::kSchemaMismatch},
                                {R"({"v":""})", "/v", false, ErrorCode::kSchemaMismatch},
                                {R"({"v":"1.390,20"})", "/v", false, ErrorCode::kSchemaMismatch},
                                {R"({"v":"1390,20"})", "/v", false, ErrorCode::kSchemaMismatch},
                                {R"({"v":"1,39"})", "/v", false, ErrorCode::kSchemaMismatch},
                                {R"({"v":"1,3902"})", "/v", false, ErrorCode::kSchemaMismatch},
                                {R"({"v":"1,390,20"})", "/v", false, ErrorCode::kSchemaMismatch},
                                {R"({"v":"1390,200"})", "/v", false, ErrorCode::kSchemaMismatch},
                                {R"({"v":",390"})", "/v", false, ErrorCode::kSchemaMismatch},
                                {R"({"v":"1,"})", "/v", false, ErrorCode::kSchemaMismatch},
                                {R"({"v":"1,,390"})", "/v", false, ErrorCode::kSchemaMismatch},
                                {R"({"v":"0,139"})", "/v", false, ErrorCode::kSchemaMismatch},
                                {R"({"v":"-1,390"})", "/v", false, ErrorCode::kSchemaMismatch},
                                {R"({"v":"1,390e0"})", "/v", false, ErrorCode::kSchemaMismatch},
                                {R"({"v":"1,390.2.0"})", "/v", false, ErrorCode::kSchemaMismatch},
                                {R"({"v":1e400})", "/v", false, ErrorCode::kMalformedJson},
                                {R"({"v":1})", "v", false, ErrorCode::kSchemaMismatch},
                                {R"([1])", "/x", false, ErrorCode::kSchemaMismatch},
                                {R"([1])", "/7", false, ErrorCode::kSchemaMismatch},
                                {R"([1])", "/-", false, ErrorCode::kSchemaMismatch},
                                {R"({"v":0})", "/v", false, ErrorCode::kValueOutOfRange},
                                {R"({"v":0})", "/v", true, ErrorCode::kValueOutOfRange},
                                {R"({"v":-1385})", "/v", false, ErrorCode::kValueOutOfRange},
                                {R"({"v":"nan"})", "/v", false, ErrorCode::kValueOutOfRange},
                                {R"({"v":"inf"})", "/v", false, ErrorCode::kValueOutOfRange},
                                {R"({"v":"inf"})", "/v", true, ErrorCode::kValueOutOfRange},
                                {R"({"v":1e-320})", "/v", true, ErrorCode::kValueOutOfRange}};
  for (const Case& c : cases) {
    CAPTURE(c.body);
    CAPTURE(c.pointer);
    const Result<double> rate = parse_bank_rate(c.body, c.pointer, c.invert);
    REQUIRE_FALSE(rate.has_value());
    CHECK(rate.error().code == c.code);
  }
}

class Recorder final : public BankSink {
 public:
  void on_bank_quote(const BankQuote& quote) override {
    note([&] { quotes.push_back(quote); });
  }
  void on_bank_error(const std::string&, const Error& error) override {
    note([&] { errors.push_back(error); });
  }
  void on_bank_body(const std::string& source, std::string_view body, Timestamp) override {
    note([&] { bodies.push_back(source + " " + std::string{body}); });
  }

  template <class F>
  bool until(F&& condition) {
    std::unique_lock lock(mutex);
    return changed.wait_for(lock, 5s, condition);
  }

  std::mutex mutex;
  std::vector<BankQuote> quotes;    // guarded by mutex
  std::vector<Error> errors;        // guarded by mutex
  std::vector<std::string> bodies;  // guarded by mutex

 private:
  template <class F>
  void note(F&& f) {
    const std::lock_guard lock(mutex);
    f();
    changed.notify_all();
  }
  std::condition_variable changed;
};

config::BankSettings source(std::string name, std::string url) {
  config::BankSettings out;
  out.name = std::move(name);
  out.url = std::move(url);
  out.pointer = "/rate";
  out.poll = 3600s;
  return out;
}

TEST_CASE("a source is asked at once, over HTTP, and its body is shown before it is read") {
  test::TestServer server([](test::Peer& peer) { peer.respond(R"({"rate":1391.5})"); });
  Recorder recorder;
  const SystemClock clock;
  BankPoller poller({source("bank", server.url("http") + "/krw")}, clock, recorder,
                    ingest::http_get);
  poller.start();
  REQUIRE(recorder.until([&] { return recorder.quotes.size() == 1; }));
  CHECK(recorder.quotes[0].source == "bank");
  CHECK(recorder.quotes[0].rate == 1391.5);
  REQUIRE(recorder.bodies.size() == 1);
  CHECK(recorder.bodies[0] == R"(bank {"rate":1391.5})");
  poller.stop();
}

TEST_CASE("a failing source is asked again soon and does not disturb the other") {
  std::atomic<int> asked{0};
  const HttpGet get = [&](const std::string& url, milliseconds, std::size_t,
                          std::stop_token) -> Result<std::string> {
    if (url == "good") return std::string{R"({"rate":1400})"};
    if (++asked == 1) return Unexpected{Error{ErrorCode::kTimeout, "no answer"}};
    if (asked == 2) throw std::runtime_error("thrown");
    return std::string{R"({"rate":1300})"};
  };
  Recorder recorder;
  const SystemClock clock;
  BankPoller poller({source("bad", "bad"), source("good", "good")}, clock, recorder, get);
  poller.start();
  REQUIRE(recorder.until([&] { return recorder.quotes.size() == 2; }));
  CHECK(recorder.errors.size() == 2);
  CHECK(recorder.errors[0].code == ErrorCode::kTimeout);
  poller.stop();
}

TEST_CASE("a source that is being waited for does not stand; one that never comes back does") {
  std::atomic<bool> asked{false};
  const HttpGet get = [&](const std::string&, milliseconds, std::size_t,
                          std::stop_token stop) -> Result<std::string> {
    asked = true;
    asked.notify_all();
    std::mutex mutex;
    std::condition_variable_any stopped;
    std::unique_lock lock(mutex);
    stopped.wait(lock, stop, [] { return false; });
    return Unexpected{Error{ErrorCode::kTimeout, "no answer"}};
  };
  Recorder recorder;
  const SystemClock clock;
  BankPoller poller({source("stuck", "stuck")}, clock, recorder, get);
  REQUIRE(poller.heartbeats().size() == 1);
  const Heartbeat& heartbeat = poller.heartbeats().front();
  CHECK_FALSE(heartbeat.stands(Heartbeat::Steady::now()));
  poller.start();
  asked.wait(false);
  const auto now = Heartbeat::Steady::now();
  CHECK_FALSE(heartbeat.stands(now));
  CHECK(heartbeat.stands(now + BankPoller::kTimeout + Heartbeat::kPass + 1ms));
  poller.stop();
  CHECK_FALSE(heartbeat.stands(now + 1h));
}

/// What is logged meanwhile, a line a message.
class LoggedLines {
 public:
  LoggedLines() : before_(spdlog::default_logger()) {
    auto logger = std::make_shared<spdlog::logger>(
        "captured", std::make_shared<spdlog::sinks::ostream_sink_mt>(out_));
    logger->set_pattern("%l %v");
    spdlog::set_default_logger(std::move(logger));
  }
  ~LoggedLines() { spdlog::set_default_logger(before_); }
  LoggedLines(const LoggedLines&) = delete;
  LoggedLines& operator=(const LoggedLines&) = delete;

  /// Those that begin so. REQUIRES: nobody logs any more.
  int count(const std::string& beginning) const {
    std::istringstream lines(out_.str());
    int found = 0;
    for (std::string line; std::getline(lines, line);) found += line.starts_with(beginning) ? 1 : 0;
    return found;
  }

 private:
  std::ostringstream out_;
  std::shared_ptr<spdlog::logger> before_;
};

TEST_CASE("a refused rate is told each time, logged once, and believed when three in a row agree") {
  const LoggedLines log;
  std::atomic<std::size_t> asked{0};
  const HttpGet get = [&](const std::string&, milliseconds, std::size_t,
                          std::stop_token) -> Result<std::string> {
    const std::vector<std::string> answers{"1390", "1e308", "1600", "1601", "1602"};
    return R"({"rate":)" + answers[std::min(asked++, answers.size() - 1)] + "}";
  };
  Recorder recorder;
  const SystemClock clock;
  config::BankSettings bank = source("bank", "bank");
  bank.poll = 0s;  // a refused answer waits no longer than a good one
  BankPoller poller({bank}, clock, recorder, get);
  poller.start();
  // What was believed is logged before the next one comes.
  REQUIRE(recorder.until([&] { return recorder.quotes.size() >= 3; }));
  poller.stop();
  CHECK(recorder.quotes[0].rate == 1390);
  CHECK(recorder.quotes[1].rate == 1602);
  REQUIRE(recorder.errors.size() == 3);
  for (const Error& error : recorder.errors) CHECK(error.code == ErrorCode::kValueOutOfRange);
  CHECK(log.count("warning bank rate bank: ") == 1);
  CHECK(log.count("info bank rate bank: good again") == 1);
}

TEST_CASE("stopping does not wait for a silent source") {
  test::TestServer server([](test::Peer& peer) { peer.hold(); });
  Recorder recorder;
  const SystemClock clock;
  BankPoller poller({source("slow", server.url("http"))}, clock, recorder, ingest::http_get);
  poller.start();
  const auto start = std::chrono::steady_clock::now();
  poller.stop();
  CHECK(std::chrono::steady_clock::now() - start < 2s);
  CHECK(recorder.quotes.empty());
  CHECK(recorder.errors.empty());
}

}  // namespace
}  // namespace spreadwatch::fx
