// A running service whose machine is tampered with: the wall clock is set, a stage is held up.
#include <doctest/doctest.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <cstdint>
#include <cstring>
#include <fstream>
#include <map>
#include <set>
#include <stdexcept>
#include <thread>

#include "main_job.h"

namespace spreadwatch::test {
namespace {

using std::chrono::hours;
using std::chrono::microseconds;

/// A limit for what takes a moment, on a machine that has much else to do.
constexpr seconds kLong{30};
const std::string kFewerRecords = "publish: { conflate_ms: 500 }\n";

/// What set_clock.cpp adds to the wall clock of a program it is preloaded into.
class WallClock {
 public:
  WallClock() {
    const std::filesystem::path file = folder_.write("shift", std::string(8, '\0'));
    const int fd = open(file.c_str(), O_RDWR | O_CLOEXEC);
    void* const at = mmap(nullptr, 8, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    close(fd);
    if (at == MAP_FAILED) throw std::runtime_error("no shared memory");
    shift_ = static_cast<std::atomic<std::int64_t>*>(at);
  }
  WallClock(const WallClock&) = delete;
  WallClock& operator=(const WallClock&) = delete;
  ~WallClock() { munmap(shift_, 8); }

  void set(microseconds by) { *shift_ += by.count(); }
  std::map<std::string, std::string> environment() const {
    return {{"LD_PRELOAD", SPREADWATCH_SET_CLOCK},
            {"SPREADWATCH_TEST_WALL_CLOCK", (folder_.path() / "shift").string()}};
  }

 private:
  TemporaryFolder folder_;
  std::atomic<std::int64_t>* shift_ = nullptr;
};

Json ready_of(const MainJob& job) {
  const HttpAnswer answer = http_get(job.api() + "/readyz");
  return answer.status == 200 || answer.status == 503 ? Json::parse(answer.body) : Json::object();
}

/// One that begins so is among the texts.
bool any_begins(const Json& texts, const std::string& beginning) {
  return std::any_of(texts.begin(), texts.end(), [&](const Json& text) {
    return text.get<std::string>().starts_with(beginning);
  });
}

/// `ts_ms` of every record of a list, by what it is about.
std::map<std::string, std::int64_t> times(const MainJob& job, const std::string& list,
                                          const std::vector<std::string>& key) {
  std::map<std::string, std::int64_t> times;
  const Json answer = job.get("/api/v1/" + list);
  if (!answer.contains(list)) return times;
  for (const Json& record : answer[list]) {
    std::string name;
    for (const std::string& field : key) name += record[field].get<std::string>() + " ";
    times[name] = record["ts_ms"];
  }
  return times;
}

double metric(const MainJob& job, const std::string& series) {
  const std::string text = "\n" + http_get(job.metrics()).body;
  const std::size_t at = text.find("\n" + series + " ");
  return at == std::string::npos ? -1 : std::stod(text.substr(at + series.size() + 2));
}

std::size_t count(const std::string& text, const std::string& what) {
  std::size_t n = 0;
  for (std::size_t at = 0; (at = text.find(what, at)) != std::string::npos; ++at) ++n;
  return n;
}

/// Closes told so far, by id, that say a feed fell silent.
std::set<std::string> closed_as_stale(const MainJob& job) {
  std::set<std::string> ids;
  const Json answer = job.get("/api/v1/opportunities");
  if (!answer.contains("opportunities")) return ids;
  for (const Json& o : answer["opportunities"]) {
    if (o["reason"] == "stale") ids.insert(o["id"].get<std::string>());
  }
  return ids;
}

/// What moves while the service works: rates, premiums and pairs that have numbers.
struct Moving {
  explicit Moving(const MainJob& job)
      : fx(times(job, "fx", {"pair"})),
        premiums(times(job, "premiums", {"asset", "region", "over", "basis"})),
        pairs(times(job, "spreads", {"asset", "buy", "sell", "mode"})) {}

  std::map<std::string, std::int64_t> fx;
  std::map<std::string, std::int64_t> premiums;
  std::map<std::string, std::int64_t> pairs;
};

/// How many of `later` are newer than in `before`; nothing may be older.
std::size_t moved(const std::map<std::string, std::int64_t>& before,
                  const std::map<std::string, std::int64_t>& later) {
  std::size_t newer = 0;
  for (const auto& [name, time] : before) {
    CAPTURE(name);
    const auto found = later.find(name);
    REQUIRE(found != later.end());
    CHECK(found->second >= time);
    newer += found->second > time ? 1 : 0;
  }
  return newer;
}

std::int64_t least(const std::map<std::string, std::int64_t>& times) {
  return std::ranges::min_element(times, {}, [](const auto& t) { return t.second; })->second;
}

bool all_premiums_ok(const MainJob& job) {
  const Json answer = job.get("/api/v1/premiums");
  if (!answer.contains("premiums") || answer["premiums"].size() < 3 * 5 + 1) return false;
  return std::all_of(answer["premiums"].begin(), answer["premiums"].end(),
                     [](const Json& p) { return p["state"] == "ok"; });
}

TEST_CASE(
    "a wall clock that is set ahead a minute or back an hour stops, blanks and closes nothing") {
  WallClock wall;
  MainJob job("", kFewerRecords, wall.environment());
  REQUIRE(eventually(kLong, [&] {
    return job.synced() && all_premiums_ok(job) && ready_of(job).value("ready", false);
  }));
  CHECK_FALSE(any_begins(ready_of(job)["notices"], "clock:"));
  const std::set<std::string> stale = closed_as_stale(job);

  struct Step {
    microseconds by;
    std::string notice;
    std::string series;
  };
  for (const Step& step :
       {Step{seconds{60}, "clock: the wall clock was set forward by 60.0 s",
             R"(spreadwatch_app_clock_steps_total{direction="forward"})"},
        Step{-hours{1}, "clock: the wall clock was set back by 3600.0 s; times of day are told 35",
             R"(spreadwatch_app_clock_steps_total{direction="back"})"}}) {
    CAPTURE(step.notice);
    const Moving before(job);
    CHECK(metric(job, step.series) == 0);
    wall.set(step.by);
    CHECK(eventually(kLong, [&] { return any_begins(ready_of(job)["notices"], step.notice); }));
    CHECK(metric(job, step.series) == 1);
    // Rates, premiums and pairs go on, and at no moment is one of them not known.
    const Moving noticed(job);
    Moving now = noticed;
    CHECK(eventually(kLong, [&] {
      CHECK(all_premiums_ok(job));
      CHECK(ready_of(job).value("ready", false));
      now = Moving(job);
      // Forward at once, also what is told.
      if (step.by > microseconds{0} && least(now.premiums) < least(before.premiums) + 60'000) {
        return false;
      }
      return moved(noticed.fx, now.fx) >= 2 &&
             moved(noticed.premiums, now.premiums) == noticed.premiums.size() &&
             moved(noticed.pairs, now.pairs) * 2 > noticed.pairs.size();
    }));
    CHECK(moved(before.premiums, now.premiums) == before.premiums.size());
    CHECK(job.synced());
  }
  CHECK(closed_as_stale(job) == stale);
  CHECK(metric(job, "spreadwatch_app_clock_ahead_seconds") > 3500);
  CHECK(count(job.service().err(), "the wall clock was set") == 2);

  // A run that begins with the clock set back goes on with the times that were told, not below.
  const auto told = times(job, "opportunities", {"id"});
  REQUIRE(!told.empty());
  job.service().signal(SIGTERM);
  CHECK(job.service().wait(kLong) == 0);
  job.start_service();
  CHECK(any_begins(ready_of(job)["notices"], "clock: times of day are told 3"));
  REQUIRE(eventually(kLong, [&] { return all_premiums_ok(job); }));
  const auto again = times(job, "opportunities", {"id"});
  std::size_t gone_on = 0;
  for (const auto& [id, time] : told) {
    CAPTURE(id);
    const auto found = again.find(id);
    if (found == again.end()) continue;  // it had closed
    ++gone_on;
    CHECK(found->second >= time);
  }
  CHECK(gone_on > 0);
  job.service().signal(SIGTERM);
  CHECK(job.service().wait(kLong) == 0);
}

/// Holds one thread of a process up, as a lock or a disk that does not answer would.
class HeldThread {
 public:
  /// The thread of the given name. ok() is false where the machine does not allow it.
  HeldThread(const Process& process, const std::string& name) {
    const std::filesystem::path tasks = "/proc/" + std::to_string(process.pid()) + "/task";
    for (const auto& task : std::filesystem::directory_iterator(tasks)) {
      std::string comm;
      std::getline(std::ifstream(task.path() / "comm"), comm);
      if (comm == name) thread_ = std::stoi(task.path().filename().string());
    }
    if (thread_ == 0) throw std::runtime_error("no thread is named " + name);
    if (ptrace(PTRACE_SEIZE, thread_, 0, 0) != 0) return;
    ok_ = ptrace(PTRACE_INTERRUPT, thread_, 0, 0) == 0 &&
          waitpid(thread_, nullptr, __WALL) == thread_;
  }
  HeldThread(const HeldThread&) = delete;
  HeldThread& operator=(const HeldThread&) = delete;
  ~HeldThread() {
    if (ok_) ptrace(PTRACE_DETACH, thread_, 0, 0);
  }
  bool ok() const { return ok_; }

 private:
  pid_t thread_ = 0;
  bool ok_ = false;
};

TEST_CASE("a stage that stands is a reason within five seconds, and no longer when it goes on") {
  MainJob job("", kFewerRecords);
  REQUIRE(eventually(kLong, [&] { return ready_of(job).value("ready", false); }));
  for (const std::string stage : {"engine", "publish"}) {
    CAPTURE(stage);
    const std::string stalled = "spreadwatch_app_stage_stalled{stage=\"" + stage + "\"}";
    const std::string last =
        "spreadwatch_app_stage_last_work_timestamp_seconds{stage=\"" + stage + "\"}";
    CHECK(metric(job, stalled) == 0);
    {
      const HeldThread held(job.service(), stage);
      if (!held.ok()) {
        MESSAGE("SKIPPED: this machine does not let a thread be held up");
        return;
      }
      const double standing = metric(job, last);
      CHECK(standing > 1.7e9);
      CHECK(eventually(seconds{5},
                       [&] { return any_begins(ready_of(job)["reasons"], "stalled:" + stage); }));
      CHECK_FALSE(ready_of(job).value("ready", true));
      CHECK(metric(job, stalled) == 1);
      CHECK(metric(job, last) == doctest::Approx(standing).epsilon(1e-9));
    }
    CHECK(eventually(kLong, [&] {
      return !any_begins(ready_of(job)["reasons"], "stalled:") && metric(job, stalled) == 0;
    }));
  }
  // Left alone, none of them stands.
  CHECK(eventually(kLong, [&] { return ready_of(job).value("ready", false); }));
}

}  // namespace
}  // namespace spreadwatch::test
