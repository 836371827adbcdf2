#include "history/opportunity_store.h"

#include <doctest/doctest.h>

#include <fstream>

#include "folder.h"
#include "history/opportunity_log.h"

namespace spreadwatch::history {
namespace {

using spread::OpportunityEvent;
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
  e.mode = config::Mode::kTransfer;
  e.opened = kNow;
  e.time = time;
  e.net_profit_usdt = 123.456789012345678;
  e.net_ratio = 0.1 + 0.2;
  e.peak_profit_usdt = 200.25;
  e.peak_quantity = 1.0 / 3;
  e.peak_time = kNow + milliseconds{7};
  e.buy_age = microseconds{1234};
  if (kind == Kind::kClose) {
    e.reason = spread::CloseReason::kNotTradable;
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
    const auto nowhere = [](const OpportunityEvent&) {};
    log.on(event("a", Kind::kOpen), nowhere);
    log.on(event("b", Kind::kOpen), nowhere);
    log.on(event("a", Kind::kClose), nowhere);
    log.delivered("a", Kind::kOpen);
    log.tick(kNow);
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

TEST_CASE("a store that cannot write says so and holds no event back") {
  class Full final : public OpportunityStore {
   public:
    bool keep(const OpportunityEvent&) override { return working; }
    void mark_sent(std::string_view, Kind) override {}
    bool flush() override { return working; }
    std::vector<OpportunityEvent> open() override { return {}; }
    std::optional<Timestamp> latest() override { return {}; }
    std::vector<OpportunityEvent> unsent() override { return {}; }
    std::size_t prune(Timestamp, std::size_t) override { return 0; }
    const std::string& error() const override { return text; }
    bool working = false;
    std::string text = "disk full";
  };
  auto store = std::make_unique<Full>();
  Full& full = *store;
  OpportunityLog log(std::move(store));
  int sent = 0;
  log.on(event("a", Kind::kOpen), [&sent](const OpportunityEvent&) { ++sent; });
  CHECK(sent == 1);
  CHECK(log.failing());
  CHECK(log.not_kept() == 1);
  full.working = true;
  log.tick(kNow);
  CHECK_FALSE(log.failing());
}

}  // namespace
}  // namespace spreadwatch::history
