// kill −9 at every write of the store, at every step of an event's way out, and then a restart:
// each opportunity has one `open` and one `close`, in this order, under the same id.
#include <doctest/doctest.h>
#include <fcntl.h>
#include <sqlite3.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <cstring>
#include <fstream>
#include <map>
#include <set>

#include "config/loader.h"
#include "folder.h"
#include "history/opportunity_log.h"
#include "spread/engine.h"
#include "spread/event_sink.h"

namespace spreadwatch::history {
namespace {

using Kind = OpportunityEvent::Kind;
using test::Folder;

/// Counts down at every point where the process may die, and then it does.
int points_left = -1;
int points_passed = 0;
void fault_point() {
  ++points_passed;
  if (points_left > 0 && --points_left == 0) kill(getpid(), SIGKILL);
}

/// SQLite's own file layer with a fault point before and after every write, sync, truncation and
/// deletion. SQLite gives one method table to all files of a kind, so one wrapped copy of each
/// does.
namespace crashing_vfs {

std::map<const sqlite3_io_methods*, const sqlite3_io_methods*> wrapped;
std::map<const sqlite3_file*, const sqlite3_io_methods*> original;

int write(sqlite3_file* f, const void* data, int size, sqlite3_int64 offset) {
  fault_point();
  const int half = size / 2;  // a write can be torn as well
  int code = original.at(f)->xWrite(f, data, half, offset);
  fault_point();
  if (code == SQLITE_OK) {
    code = original.at(f)->xWrite(f, static_cast<const char*>(data) + half, size - half,
                                  offset + half);
  }
  return code;
}
/// A killed process loses nothing that it has written: the disk itself need not be waited for.
int sync(sqlite3_file* /*file*/, int /*flags*/) {
  fault_point();
  return SQLITE_OK;
}
int truncate(sqlite3_file* f, sqlite3_int64 size) {
  fault_point();
  return original.at(f)->xTruncate(f, size);
}

sqlite3_vfs* base = nullptr;

int open(sqlite3_vfs* /*vfs*/, const char* name, sqlite3_file* f, int flags, int* out) {
  fault_point();
  const int code = base->xOpen(base, name, f, flags, out);
  if (code != SQLITE_OK || f->pMethods == nullptr) return code;
  const sqlite3_io_methods*& mine = wrapped[f->pMethods];
  if (mine == nullptr) {
    auto* const copy = new sqlite3_io_methods(*f->pMethods);
    copy->xWrite = write;
    copy->xSync = sync;
    copy->xTruncate = truncate;
    mine = copy;
  }
  original[f] = f->pMethods;
  f->pMethods = mine;
  return code;
}
int remove(sqlite3_vfs* /*vfs*/, const char* name, int sync_dir) {
  fault_point();
  return base->xDelete(base, name, sync_dir);
}

const char* name() {
  static sqlite3_vfs vfs = [] {
    base = sqlite3_vfs_find(nullptr);
    sqlite3_vfs copy = *base;
    copy.zName = "crashing";
    copy.xOpen = open;
    copy.xDelete = remove;
    copy.pNext = nullptr;
    return copy;
  }();
  static const int registered = sqlite3_vfs_register(&vfs, 0);
  REQUIRE(registered == SQLITE_OK);
  return vfs.zName;
}

}  // namespace crashing_vfs

/// The broker: a file to which lines are appended, whole or not at all.
class Outside {
 public:
  explicit Outside(const std::filesystem::path& file)
      : fd_(::open(file.c_str(), O_WRONLY | O_CREAT | O_APPEND, 0600)) {}
  Outside(const Outside&) = delete;
  Outside& operator=(const Outside&) = delete;
  ~Outside() { ::close(fd_); }

  void take(const OpportunityEvent& e) {
    const std::string line = e.id + " " + std::string{to_string(e.kind)} + " " + e.asset + "\n";
    if (::write(fd_, line.data(), line.size()) != static_cast<ssize_t>(line.size())) _exit(9);
  }

 private:
  int fd_;
};

/// One life of the service: what it finds, then a market in which opportunities open and close.
class Life final : private spread::EventSink {
 public:
  Life(const std::filesystem::path& dir, Timestamp start)
      : loaded_(config::load_text(
            "assets: [BTC, ETH]\nvenues: {okx: , binance: }\npublish: {conflate_ms: 0}\n"
            "spread: {modes: [inventory], open_hold_ms: 100, close_hold_ms: 100}\n",
            "test")),
        log_(open_store(dir, crashing_vfs::name()).store),
        outside_(dir / "outside"),
        engine_(loaded_.settings, loaded_.registry, *this),
        now_(start) {}

  void run() {
    for (const OpportunityEvent& last : log_.open()) engine_.restore(last, now_);
    log_.resend([this](const OpportunityEvent& e) { send(e); });
    for (int round = 0; round < 2; ++round) {
      for (const char* const asset : {"BTC", "ETH"}) put(asset, 103);
      pass(milliseconds{150});  // both open
      put("BTC", 104);          // an update
      write();
      put("BTC", 99);
      pass(milliseconds{150});  // BTC closes as converged
      now_ += seconds{1};
      write();
    }
  }
  /// The end of the last life: everything closes.
  void end() {
    engine_.finish(now_);
    now_ += seconds{1};
    write();
  }

 private:
  void write() {
    log_.write(now_, [this](const OpportunityEvent& e) { send(e); });
  }
  void put(const std::string& asset, std::int64_t bid) {
    for (const auto& [venue, b] :
         {std::pair{VenueId::kOkx, std::int64_t{99}}, std::pair{VenueId::kBinance, bid}}) {
      OrderBook book;
      book.venue = venue;
      book.instrument = {asset, "USDT"};
      book.state = FeedState::kSynced;
      book.receive_time = now_;
      book.bids = {{Decimal{b * 100, 0}, Decimal{10, 0}}};
      book.asks = {{Decimal{b * 100 + 100, 0}, Decimal{10, 0}}};
      engine_.on(book, now_);
    }
  }
  void pass(milliseconds time) {
    now_ += time;
    engine_.advance(now_);
  }
  void send(const OpportunityEvent& event) {
    fault_point();
    outside_.take(event);
    fault_point();
    log_.delivered(event.id, event.kind);
  }
  void on_fx(const FxEvent&) override {}
  void on_premium(const PremiumEvent&) override {}
  void on_spread(const SpreadEvent&) override {}
  void on_opportunity(const OpportunityEvent& event) override {
    fault_point();
    log_.on(event);
    write();
  }

  config::Loaded loaded_;
  OpportunityLog log_;
  Outside outside_;
  spread::Engine engine_;
  Timestamp now_;
};

constexpr Timestamp kBirth = timestamp_from_ms(1'700'000'000'000);

/// Runs a life in a process of its own that dies at its `point`-th fault point (0 = never). True
/// when it was killed.
bool live(const std::filesystem::path& dir, int number, int point, bool last) {
  const pid_t child = fork();
  REQUIRE(child >= 0);
  if (child == 0) {
    points_left = point == 0 ? -1 : point;
    {
      Life life(dir, kBirth + std::chrono::minutes{number});
      life.run();
      if (last) life.end();
    }
    _exit(0);
  }
  int status = 0;
  REQUIRE(waitpid(child, &status, 0) == child);
  if (WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL) return true;
  REQUIRE(WIFEXITED(status));
  REQUIRE(WEXITSTATUS(status) == 0);
  return false;
}

/// What the outside has, once what came twice is dropped by its id.
void check_outside(const std::filesystem::path& file, std::size_t at_least) {
  std::ifstream in(file);
  std::string id;
  std::string kind;
  std::string asset;
  std::set<std::string> opened;
  std::set<std::string> closed;
  std::map<std::string, std::string> running;  // asset → id
  while (in >> id >> kind >> asset) {
    CAPTURE(id);
    CAPTURE(kind);
    if (kind == "open") {
      if (!opened.insert(id).second) continue;
      CHECK_FALSE(running.contains(asset));  // never two at a time
      running[asset] = id;
    } else if (kind == "close") {
      CHECK(opened.contains(id));
      if (!closed.insert(id).second) continue;
      CHECK(running[asset] == id);
      running.erase(asset);
    } else {
      CHECK(opened.contains(id));
    }
  }
  CHECK(opened == closed);
  CHECK(opened.size() >= at_least);
}

TEST_CASE("killed at any point and started again, each opportunity has one open and one close") {
  int point = 1;
  for (bool killed = true; killed; ++point) {
    CAPTURE(point);
    const Folder folder;
    killed = live(folder.path, 0, point, false);
    CHECK_FALSE(live(folder.path, 1, 0, true));
    check_outside(folder.path / "outside", 3);
  }
  CHECK(point > 50);  // the points were reached
}

TEST_CASE("killed again while it recovers, the next start still recovers") {
  for (int first = 5; first < 100; first += 19) {
    int point = 1;
    for (bool killed = true; killed && point < 60; point += 3) {
      CAPTURE(first);
      CAPTURE(point);
      const Folder folder;
      live(folder.path, 0, first, false);
      killed = live(folder.path, 1, point, false);
      CHECK_FALSE(live(folder.path, 2, 0, true));
      check_outside(folder.path / "outside", 3);
    }
  }
}

}  // namespace
}  // namespace spreadwatch::history
