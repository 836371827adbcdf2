// The log: no line holds up who writes it, and none tells more than it should.
#include "app/log.h"

#include <doctest/doctest.h>
#include <fcntl.h>
#include <poll.h>
#include <pty.h>
#include <spdlog/spdlog.h>
#include <sys/socket.h>
#include <termios.h>

#include <array>
#include <chrono>
#include <csignal>
#include <fstream>
#include <nlohmann/json.hpp>
#include <sstream>

#include "core/secrets.h"
#include "process.h"

namespace spreadwatch::test {
namespace {

using app::Log;
using std::chrono::milliseconds;
using std::chrono::seconds;
using std::chrono::steady_clock;

/// Two ends of something that is written into.
class Ends {
 public:
  enum class Kind : std::uint8_t { kPipe, kSocket, kTerminal };

  explicit Ends(Kind kind) {
    std::array<int, 2> ends{-1, -1};
    switch (kind) {
      case Kind::kPipe:
        REQUIRE(pipe2(ends.data(), O_CLOEXEC) == 0);
        break;
      case Kind::kSocket:
        REQUIRE(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends.data()) == 0);
        break;
      case Kind::kTerminal:
        REQUIRE(openpty(ends.data(), &ends[1], nullptr, nullptr, nullptr) == 0);
        break;
    }
    read_ = ends[0];
    write_ = ends[1];
  }
  Ends(const Ends&) = delete;
  Ends& operator=(const Ends&) = delete;
  ~Ends() {
    if (read_ >= 0) close(read_);
    close(write_);
  }

  int write_end() const { return write_; }
  void close_reader() { close(std::exchange(read_, -1)); }

  /// What can be read until `part` was among it, or nothing comes for a while.
  std::string read_until(std::string_view part) {
    std::string text;
    std::array<char, 65536> buffer{};
    pollfd wanted{.fd = read_, .events = POLLIN, .revents = 0};
    while (text.find(part) == std::string::npos && poll(&wanted, 1, 10'000) == 1) {
      const ssize_t got = read(read_, buffer.data(), buffer.size());
      if (got <= 0) break;
      text.append(buffer.data(), static_cast<std::size_t>(got));
    }
    return text;
  }

 private:
  int read_ = -1;
  int write_ = -1;
};

TEST_CASE("a reader that reads nothing holds up neither a writer of lines nor the end") {
  for (const Ends::Kind kind : {Ends::Kind::kPipe, Ends::Kind::kSocket, Ends::Kind::kTerminal}) {
    CAPTURE(static_cast<int>(kind));
    Ends ends(kind);
    const int flags = fcntl(ends.write_end(), F_GETFL);
    Log log({.descriptor = ends.write_end(), .queue_lines = 100});
    const std::string line(1000, 'x');
    const auto begin = steady_clock::now();
    // Far more than the queue and any buffer of the kernel hold.
    for (int i = 0; i < 1000; ++i) spdlog::info("{} {}", i, line);
    CHECK(steady_clock::now() - begin < seconds{10});
    CHECK(log.lost() > 100);
    CHECK(fcntl(ends.write_end(), F_GETFL) == flags);
    const auto end = steady_clock::now();
    log.stop();
    CHECK(steady_clock::now() - end < seconds{3});
    CHECK(log.lost() < 1000);
    spdlog::info("after the end");  // is lost, without harm
  }
}

TEST_CASE("a terminal that was stopped holds up neither a writer of lines nor the end") {
  Ends ends(Ends::Kind::kTerminal);
  REQUIRE(tcflow(ends.write_end(), TCOOFF) == 0);
  Log log({.descriptor = ends.write_end(), .queue_lines = 10});
  for (int i = 0; i < 100; ++i) spdlog::info("line {}", i);
  const auto end = steady_clock::now();
  log.stop();
  CHECK(steady_clock::now() - end < seconds{3});
  CHECK(log.lost() > 0);
}

TEST_CASE("lines that were lost are told once the log goes again") {
  Ends ends(Ends::Kind::kPipe);
  Log log({.descriptor = ends.write_end(), .queue_lines = 20});
  const std::string line(1000, 'x');
  while (log.lost() == 0) spdlog::info("{}", line);
  const std::string first = ends.read_until("lines before this one were lost");
  CHECK(first.find("[warning] log: ") != std::string::npos);
  // Everything is whole lines, and what comes now is not lost.
  const std::uint64_t lost = log.lost();
  REQUIRE(eventually(seconds{10}, [&] {
    spdlog::info("afterwards");
    return log.lost() == lost;
  }));
  CHECK(ends.read_until("[info] afterwards\n").ends_with("\n"));
}

TEST_CASE("what waits at the end is written") {
  Ends ends(Ends::Kind::kPipe);
  {
    Log log({.descriptor = ends.write_end()});
    for (int i = 0; i < 100; ++i) spdlog::warn("line {}", i);
    log.say("the reason");
    log.stop();
    CHECK(log.lost() == 0);
  }
  const std::string text = ends.read_until("spreadwatch: the reason\n");
  for (int i = 0; i < 100; ++i) {
    CHECK(text.find("[spreadwatch] [warning] line " + std::to_string(i) + "\n") !=
          std::string::npos);
  }
}

TEST_CASE("a log whose reader is gone loses lines and nothing else") {
  const auto before = std::signal(SIGPIPE, SIG_IGN);
  Ends ends(Ends::Kind::kPipe);
  Log log({.descriptor = ends.write_end()});
  ends.close_reader();
  spdlog::info("into the void");
  CHECK(eventually(seconds{10}, [&] { return log.lost() == 1; }));
  log.stop();
  std::signal(SIGPIPE, before);
}

TEST_CASE(
    "a line is one line, without controls, without secrets, no longer than a pipe takes at once") {
  const TemporaryFolder folder;
  const std::filesystem::path file = folder.path() / "log";
  const int descriptor = open(file.c_str(), O_CREAT | O_WRONLY | O_CLOEXEC, 0600);
  REQUIRE(descriptor >= 0);
  const std::vector<std::string> secrets{"0pen-sesame-0"};
  keep_secrets(secrets);
  {
    Log log({.descriptor = descriptor, .level = "warn"});
    spdlog::info("below the level");
    spdlog::warn(
        "bank: HTTP 500: x\n[2026-01-01 00:00:00.000] [spreadwatch] [error] forged \x1b[2J\xff");
    spdlog::warn("wss://joe:pw@host/ 0pen-sesame-0 https://b/?token=t0 end");
    spdlog::warn("{}", std::string(1'000'000, 'y'));
  }
  close(descriptor);
  std::ostringstream text;
  text << std::ifstream(file).rdbuf();
  const std::string log = text.str();
  CHECK(std::ranges::count(log, '\n') == 3);
  CHECK(
      log.find(
          "HTTP 500: x\\n[2026-01-01 00:00:00.000] [spreadwatch] [error] forged \\x1b[2J\\xff\n") !=
      std::string::npos);
  CHECK(log.find("wss://***@host/ *** https://b/?token=*** end\n") != std::string::npos);
  CHECK(log.size() < 3 * 4096);
}

using Json = nlohmann::json;

/// The simulator, and the configuration of a service that watches one of its venues.
class OneVenue {
 public:
  OneVenue()
      : simulator_(
            {program(), "simulate", "--config",
             folder_.write("simulate.yaml",
                           "assets: [BTC]\nvenues: {upbit: }\nsimulate: {base_port: 0}\n")}) {
    REQUIRE(simulator_.wait_for(
        [](const Process& p) { return p.out().find('\n') != std::string::npos; }, seconds{30}));
    const Json venue = Json::parse(simulator_.out())["venues"]["upbit"];
    std::ostringstream config;
    config << "assets: [BTC]\nvenues:\n  upbit: { ws_url: " << venue["ws_url"]
           << ", rest_url: " << venue["rest_url"]
           << " }\nhttp: { port: 0 }\nmetrics: { port: 0 }\nlog: { level: debug }\n";
    config_ = folder_.write("run.yaml", config.str());
  }

  Process& simulator() { return simulator_; }
  std::string config() const { return config_.string(); }
  std::string folder() const { return folder_.path().string(); }

 private:
  TemporaryFolder folder_;
  Process simulator_;
  std::filesystem::path config_;
};

/// Writes into a pipe until it takes no more, without changing how others write into it.
void fill(int pipe) {
  const std::string path = "/proc/self/fd/" + std::to_string(pipe);
  const int own = open(path.c_str(), O_WRONLY | O_NONBLOCK | O_CLOEXEC);
  REQUIRE(own >= 0);
  const std::string block(4096, '.');
  while (write(own, block.data(), block.size()) > 0) {
  }
  close(own);
}

TEST_CASE("a service whose log nobody reads goes on watching and ends in time") {
  OneVenue venue;
  Ends log(Ends::Kind::kPipe);
  Process service({program(), "run", "--config", venue.config()}, {}, log.write_end());
  const std::string start = log.read_until("api: http");
  REQUIRE(start.find("api: http") != std::string::npos);
  const std::string rest = start + log.read_until("\n");
  const auto url = [&rest](const std::string& what) {
    const std::size_t at = rest.find("] " + what + ": ") + what.size() + 4;
    return rest.substr(at, rest.find('\n', at) - at);
  };
  const std::string feeds = url("api") + "/api/v1/feeds";
  fill(log.write_end());
  // Every line from here on finds a full pipe, whichever thread it is from.
  const auto synced = [&feeds] {
    const HttpAnswer answer = http_get(feeds);
    if (answer.status != 200) return false;
    for (const Json& feed : Json::parse(answer.body)["feeds"]) {
      if (feed["channel"] == "orderbook" &&
          (feed["state"] != "synced" || feed["age_ms"].get<double>() > 2000)) {
        return false;
      }
    }
    return true;
  };
  for (int i = 0; i < 20; ++i) service.signal(SIGHUP);
  CHECK(eventually(seconds{30}, synced));
  CHECK(http_get(url("metrics")).body.find("\nspreadwatch_app_log_lines_lost_total ") !=
        std::string::npos);
  service.signal(SIGTERM);
  CHECK(service.wait(seconds{10}) == 0);
}

TEST_CASE("SIGHUP ends neither run nor record nor simulate, and each says so") {
  OneVenue venue;
  Process service({program(), "run", "--config", venue.config()});
  Process recorder(
      {program(), "record", "--config", venue.config(), "--out", venue.folder() + "/captures"});
  const auto logs = [](const std::string& text) {
    return [text](const Process& p) { return p.err().find(text) != std::string::npos; };
  };
  REQUIRE(service.wait_for(logs("api: "), seconds{30}));
  REQUIRE(recorder.wait_for(logs("recording into"), seconds{30}));
  for (Process* const process : {&service, &recorder, &venue.simulator()}) {
    process->signal(SIGHUP);
    CHECK(process->wait_for(logs("SIGHUP: going on"), seconds{10}));
    CHECK(process->running());
  }
  for (Process* const process : {&service, &recorder, &venue.simulator()}) {
    process->signal(SIGTERM);
    CHECK(process->wait(seconds{10}) == 0);
  }
}

TEST_CASE("a service whose stderr is closed writes no line into another file") {
  OneVenue venue;
  // The shell closes descriptors 0 to 2: what is opened next would get their numbers.
  Process service(
      {"sh", "-c", "exec \"$0\" run --config \"$1\" 0<&- 1>&- 2>&-", program(), venue.config()});
  CHECK(eventually(seconds{30}, [&] {
    std::error_code gone;
    const std::filesystem::path links = "/proc/" + std::to_string(service.pid()) + "/fd";
    return std::filesystem::read_symlink(links / "2", gone) == "/dev/null" && !gone;
  }));
  service.signal(SIGTERM);
  CHECK(service.wait(seconds{15}).has_value());
}

}  // namespace
}  // namespace spreadwatch::test
