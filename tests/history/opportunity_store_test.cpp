#include "history/opportunity_store.h"

#include <doctest/doctest.h>
#include <sqlite3.h>

#include <fstream>
#include <map>
#include <optional>

#include "folder.h"
#include "history/opportunity_log.h"

namespace spreadwatch::history {
namespace {

using Kind = OpportunityEvent::Kind;
using test::Folder;

constexpr Timestamp kNow = timestamp_from_ms(1'700'000'000'000);

OpportunityEvent event(const std::string& id, Kind kind, Timestamp time = kNow) {
  OpportunityEvent e;
  e.kind = kind;
  e.id = id;
  e.asset = "BTC";
  e.buy = VenueId::kOkx;
  e.sell = VenueId::kUpbit;
  e.mode = Mode::kTransfer;
  e.opened = kNow;
  e.time = time;
  e.net_profit_usdt = 123.456789012345678;
  e.net_ratio = 0.1 + 0.2;
  e.peak_profit_usdt = 200.25;
  e.peak_quantity = 1.0 / 3;
  e.peak_time = kNow + milliseconds{7};
  e.buy_age = microseconds{1234};
  if (kind == Kind::kClose) {
    e.reason = CloseReason::kNotTradable;
    e.reasons.add(Reason::kCrossed);
    e.reasons.add(Reason::kMuted);
    e.net_profit_usdt.reset();
  }
  return e;
}

void check_same(const OpportunityEvent& a, const OpportunityEvent& b) {
  CHECK(a.id == b.id);
  CHECK(a.kind == b.kind);
  CHECK(a.asset == b.asset);
  CHECK(a.buy == b.buy);
  CHECK(a.sell == b.sell);
  CHECK(a.mode == b.mode);
  CHECK(a.opened == b.opened);
  CHECK(a.time == b.time);
  CHECK(a.net_profit_usdt == b.net_profit_usdt);
  CHECK(a.net_ratio == b.net_ratio);
  CHECK(a.quantity == b.quantity);
  CHECK(a.peak_profit_usdt == b.peak_profit_usdt);
  CHECK(a.peak_quantity == b.peak_quantity);
  CHECK(a.peak_time == b.peak_time);
  CHECK(a.buy_age == b.buy_age);
  CHECK(a.sell_age == b.sell_age);
  CHECK(a.reason == b.reason);
  CHECK(a.reasons == b.reasons);
}

TEST_CASE("an event comes back from disk with every value as it was") {
  const Folder folder;
  for (const Kind kind : {Kind::kOpen, Kind::kClose}) {
    CHECK(open_store(folder.path).store->keep(event("a", kind)));
  }
  const auto events = open_store(folder.path).store->unsent();
  REQUIRE(events.size() == 2);
  check_same(events[0], event("a", Kind::kOpen));
  check_same(events[1], event("a", Kind::kClose));
}

TEST_CASE("what was opened and not closed is open, at its last update") {
  const Folder folder;
  {
    const auto store = open_store(folder.path).store;
    store->keep(event("a", Kind::kOpen));
    store->keep(event("b", Kind::kOpen));
    store->keep(event("a", Kind::kUpdate, kNow + seconds{1}));
    store->keep(event("a", Kind::kUpdate, kNow + seconds{2}));
    store->keep(event("b", Kind::kUpdate, kNow + seconds{2}));
    store->keep(event("b", Kind::kClose, kNow + seconds{3}));
  }
  const auto open = open_store(folder.path).store->open();
  REQUIRE(open.size() == 1);
  check_same(open[0], event("a", Kind::kUpdate, kNow + seconds{2}));
}

TEST_CASE("a second open or close of one opportunity is not another event") {
  const Folder folder;
  const auto store = open_store(folder.path).store;
  for (int i = 0; i < 3; ++i) {
    CHECK(store->keep(event("a", Kind::kOpen, kNow + seconds{i})));
    CHECK(store->keep(event("a", Kind::kClose, kNow + seconds{i})));
  }
  const auto events = store->unsent();
  REQUIRE(events.size() == 2);
  CHECK(events[0].time == kNow);
}

TEST_CASE("what was delivered is not sent again; the rest is, in order") {
  const Folder folder;
  {
    OpportunityLog log(open_store(folder.path).store);
    log.on(event("a", Kind::kOpen));
    log.on(event("b", Kind::kOpen));
    log.on(event("a", Kind::kClose));
    log.write(kNow, [](const OpportunityEvent&) {});
    log.delivered("a", Kind::kOpen);
    log.write(kNow + seconds{1}, [](const OpportunityEvent&) {});
  }
  OpportunityLog log(open_store(folder.path).store);
  std::vector<std::string> sent;
  log.resend([&sent](const OpportunityEvent& e) {
    sent.push_back(e.id + std::string{to_string(e.kind)});
  });
  CHECK(sent == std::vector<std::string>{"bopen", "aclose"});
}

TEST_CASE("what was left open long ago is not taken up") {
  const Folder folder;
  CHECK_FALSE(OpportunityLog(open_store(folder.path).store).recent(kNow));
  open_store(folder.path).store->keep(event("a", Kind::kOpen));
  {
    const auto store = open_store(folder.path).store;
    store->keep(event("a", Kind::kUpdate, kNow + std::chrono::minutes{5}));
  }
  const OpportunityLog log(open_store(folder.path).store);
  CHECK(log.recent(kNow + std::chrono::minutes{15}));
  CHECK_FALSE(log.recent(kNow + std::chrono::minutes{16}));
}

TEST_CASE("closed opportunities are forgotten by age and number, never open or unsent ones") {
  const Folder folder;
  const auto store = open_store(folder.path).store;
  store->keep(event("open", Kind::kOpen));
  for (int i = 0; i < 10; ++i) {
    const std::string id = std::to_string(i);
    store->keep(event(id, Kind::kOpen, kNow + seconds{i}));
    store->keep(event(id, Kind::kClose, kNow + seconds{i}));
    if (i == 3) continue;  // never sent
    store->mark_sent(id, Kind::kOpen);
    store->mark_sent(id, Kind::kClose);
  }
  CHECK(store->prune(kNow + seconds{2}, 100) == 4);  // 0 and 1
  CHECK(store->prune(kNow, 3) == 8);                 // 2, 4, 5, 6
  CHECK(store->prune(kNow, 3) == 0);
  CHECK(store->unsent().size() == 3);  // open's, and both of 3
  CHECK(store->open().size() == 1);
}

TEST_CASE("a damaged store is moved aside and a new one begins") {
  const Folder folder;
  open_store(folder.path).store->keep(event("a", Kind::kOpen));
  const auto file = folder.path / "opportunities.db";
  SUBCASE("not a database") { std::ofstream(file, std::ios::trunc) << "this is not a database"; }
  SUBCASE("a page overwritten") {
    std::fstream out(file, std::ios::in | std::ios::out | std::ios::binary);
    out.seekp(4096);
    out << std::string(4096, 'x');
  }
  SUBCASE("cut short") { std::filesystem::resize_file(file, 5000); }
  const OpenedStore opened = open_store(folder.path);
  CHECK(opened.moved_aside == folder.path / "opportunities.db.damaged-1");
  CHECK(std::filesystem::exists(opened.moved_aside));
  CHECK(opened.store->open().empty());
  CHECK(opened.store->keep(event("b", Kind::kOpen)));
}

TEST_CASE("a store that cannot be had is refused with the file's name") {
  const Folder folder;
  const auto refusal = [](const std::filesystem::path& dir) -> std::string {
    try {
      open_store(dir);
    } catch (const StoreError& e) {
      return e.what();
    }
    return "";
  };
  const auto held = open_store(folder.path).store;
  CHECK(refusal(folder.path).find("another process holds it") != std::string::npos);
  std::ofstream(folder.path / "file") << "x";
  CHECK(refusal(folder.path / "file").find("state_dir") != std::string::npos);
}

/// SQLite's own file layer over a disk whose room a test decides on.
namespace small_disk {

bool full = false;
std::map<const sqlite3_file*, const sqlite3_io_methods*> original;
sqlite3_vfs* base = nullptr;

int write(sqlite3_file* f, const void* data, int size, sqlite3_int64 offset) {
  return full ? SQLITE_FULL : original.at(f)->xWrite(f, data, size, offset);
}
int open(sqlite3_vfs* /*vfs*/, const char* name, sqlite3_file* f, int flags, int* out) {
  static std::map<const sqlite3_io_methods*, const sqlite3_io_methods*> wrapped;
  const int code = base->xOpen(base, name, f, flags, out);
  if (code != SQLITE_OK || f->pMethods == nullptr) return code;
  const sqlite3_io_methods*& mine = wrapped[f->pMethods];
  if (mine == nullptr) {
    auto* const copy = new sqlite3_io_methods(*f->pMethods);
    copy->xWrite = write;
    mine = copy;
  }
  original[f] = f->pMethods;
  f->pMethods = mine;
  return code;
}
const char* name() {
  static sqlite3_vfs vfs = [] {
    base = sqlite3_vfs_find(nullptr);
    sqlite3_vfs copy = *base;
    copy.zName = "small-disk";
    copy.xOpen = open;
    copy.pNext = nullptr;
    return copy;
  }();
  static const int registered = sqlite3_vfs_register(&vfs, 0);
  REQUIRE(registered == SQLITE_OK);
  return vfs.zName;
}

}  // namespace small_disk

/// What a log sends, by id and kind.
struct Sent {
  std::vector<std::string> all;
  OpportunityLog::Send take = [this](const OpportunityEvent& e) {
    all.push_back(e.id + ":" + std::string{to_string(e.kind)});
  };
};

TEST_CASE("on a full disk events wait, and are kept and sent when there is room, in order, once") {
  const Folder folder;
  Timestamp now = kNow;
  Sent sent;
  {
    OpportunityLog log(open_store(folder.path, small_disk::name()).store);
    log.on(event("a", Kind::kOpen));
    log.write(now, sent.take);
    CHECK(sent.all == std::vector<std::string>{"a:open"});
    CHECK(log.state().reasons.empty());

    small_disk::full = true;
    log.on(event("a", Kind::kUpdate, now));
    log.on(event("a", Kind::kClose, now + seconds{1}));
    log.on(event("b", Kind::kOpen, now + seconds{1}));
    // Nothing is sent, and nothing that does no work makes the reason go away.
    for (int i = 0; i < 20; ++i) {
      log.write(now += milliseconds{300}, sent.take);
      REQUIRE(log.state().reasons.size() == 1);
      CHECK(log.state().reasons[0].find("cannot be written") != std::string::npos);
    }
    CHECK(log.waiting() == 3);
    CHECK(sent.all.size() == 1);
    log.on(event("b", Kind::kClose, now + seconds{2}));

    small_disk::full = false;
    log.write(now += milliseconds{300}, sent.take);
    CHECK(log.state().reasons.empty());
    CHECK(log.waiting() == 0);
    CHECK(log.kept() == 4);
    CHECK(sent.all ==
          std::vector<std::string>{"a:open", "a:update", "a:close", "b:open", "b:close"});
    // The engine of another run would not know better: the first close is the only one.
    log.on(event("a", Kind::kClose, now + seconds{9}));
    log.write(now += seconds{1}, sent.take);
    CHECK(sent.all.size() == 5);
  }
  CHECK(open_store(folder.path).store->open().empty());
  const auto unsent = open_store(folder.path).store->unsent();
  REQUIRE(unsent.size() == 4);
  CHECK(unsent[1].time == kNow + seconds{1});
}

TEST_CASE("a run that ends on a full disk has sent nothing that the next one does not know") {
  const Folder folder;
  Sent sent;
  {
    OpportunityLog log(open_store(folder.path, small_disk::name()).store);
    log.on(event("a", Kind::kOpen));
    log.write(kNow, sent.take);
    small_disk::full = true;
    log.on(event("a", Kind::kClose, kNow + seconds{1}));
    log.on(event("b", Kind::kOpen, kNow + seconds{1}));
    log.write(kNow + seconds{1}, sent.take);
    log.finish();
  }
  small_disk::full = false;
  CHECK(sent.all == std::vector<std::string>{"a:open"});
  const auto open = open_store(folder.path).store->open();
  REQUIRE(open.size() == 1);
  CHECK(open[0].id == "a");
}

TEST_CASE("what waits for the disk is bounded: updates that a later event makes up for go first") {
  const Folder folder;
  OpportunityLog log(open_store(folder.path, small_disk::name()).store, {}, 4);
  small_disk::full = true;
  log.on(event("a", Kind::kOpen));
  log.on(event("a", Kind::kUpdate, kNow));
  log.on(event("a", Kind::kUpdate, kNow + seconds{1}));
  log.on(event("b", Kind::kOpen));
  log.on(event("a", Kind::kClose));
  CHECK(log.waiting() == 4);
  CHECK(log.lost() == 1);
  log.on(event("b", Kind::kClose));
  CHECK(log.waiting() == 4);
  CHECK(log.lost() == 2);
  log.on(event("c", Kind::kOpen));
  CHECK(log.waiting() == 4);
  CHECK(log.lost() == 3);
  CHECK(log.state().notices.size() == 1);
  small_disk::full = false;
  Sent sent;
  log.write(kNow + seconds{1}, sent.take);
  CHECK(sent.all == std::vector<std::string>{"a:open", "b:open", "a:close", "b:close"});
}

TEST_CASE("files deleted under the service are noticed and written anew with what is open") {
  const Folder folder;
  const auto dir = folder.path / "state";
  const auto reopen = [&] { return open_store(dir); };
  Sent sent;
  Timestamp now = kNow;
  OpportunityLog log(open_store(dir).store, reopen);
  log.on(event("a", Kind::kOpen));
  log.on(event("b", Kind::kOpen));
  log.on(event("b", Kind::kClose));
  log.write(now, sent.take);
  log.delivered("a", Kind::kOpen);
  log.on(event("a", Kind::kUpdate, now + seconds{1}));
  log.write(now += seconds{1}, sent.take);

  SUBCASE("the folder") { std::filesystem::remove_all(dir); }
  SUBCASE("the database, with another one in its place") {
    std::filesystem::rename(dir / "opportunities.db", dir / "away");
    std::ofstream(dir / "opportunities.db").close();
  }
  SUBCASE("its log") { std::filesystem::remove(dir / "opportunities.db-wal"); }
  log.on(event("c", Kind::kOpen));
  log.write(now += seconds{1}, sent.take);
  CHECK(log.state().reasons.empty());
  CHECK(log.state().notices.size() == 1);
  CHECK(sent.all.back() == "c:open");

  // As a kill would leave it: what is there now is all there is.
  const Folder copy;
  std::filesystem::copy(dir, copy.path, std::filesystem::copy_options::recursive);
  const auto store = open_store(copy.path).store;
  const auto open = store->open();
  REQUIRE(open.size() == 2);
  check_same(open[0], event("a", Kind::kUpdate, kNow + seconds{1}));
  CHECK(open[1].id == "c");
  std::vector<std::string> unsent;
  for (const OpportunityEvent& e : store->unsent()) unsent.push_back(e.id);
  CHECK(unsent == std::vector<std::string>{"b", "b", "c"});
}

TEST_CASE("files that have gone and cannot be had again are a reason, and events wait") {
  const Folder folder;
  const auto dir = folder.path / "state";
  bool possible = false;
  OpportunityLog log(open_store(dir).store, [&]() -> OpenedStore {
    if (!possible) throw StoreError("no room");
    return open_store(dir);
  });
  Sent sent;
  log.on(event("a", Kind::kOpen));
  log.write(kNow, sent.take);
  std::filesystem::remove_all(dir);
  log.on(event("b", Kind::kOpen));
  log.write(kNow + seconds{1}, sent.take);
  REQUIRE(log.state().reasons.size() == 1);
  CHECK(log.state().reasons[0].find("deleted or replaced") != std::string::npos);
  CHECK(sent.all.size() == 1);
  possible = true;
  log.write(kNow + seconds{2}, sent.take);
  CHECK(log.state().reasons.empty());
  CHECK(sent.all.size() == 2);
}

TEST_CASE("the files are for their owner alone") {
  using std::filesystem::perms;
  const Folder folder;
  const auto dir = folder.path / "deep" / "state";
  const auto mode = [](const std::filesystem::path& p) {
    return std::filesystem::status(p).permissions();
  };
  std::optional<OpenedStore> opened;
  SUBCASE("new ones") {}
  SUBCASE("those of an earlier version") {
    std::filesystem::create_directories(dir);
    std::filesystem::permissions(dir, perms{0700});
    open_store(dir).store->keep(event("a", Kind::kOpen));
    std::filesystem::permissions(dir / "opportunities.db", perms{0644});
  }
  opened = open_store(dir);
  opened->store->keep(event("b", Kind::kOpen));
  CHECK(mode(dir) == perms{0700});
  for (const auto& entry : std::filesystem::directory_iterator(dir)) {
    CAPTURE(entry.path());
    CHECK(mode(entry.path()) == perms{0600});
  }
}

}  // namespace
}  // namespace spreadwatch::history
