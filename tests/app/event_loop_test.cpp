#include "app/event_loop.h"

#include <doctest/doctest.h>

#include <array>
#include <condition_variable>
#include <future>
#include <mutex>
#include <stdexcept>
#include <string>
#include <variant>
#include <vector>

#include "app/queue_rules.h"
#include "metrics/registry.h"

namespace spreadwatch::app {
namespace {

using namespace std::chrono_literals;
using Texts = std::vector<std::string>;

constexpr Timestamp kNow = timestamp_from_ms(1'700'000'000'000);

class StandingClock final : public Clock {
 public:
  Timestamp now() const override { return kNow; }
};

/// Writes down what it is told, as `<who>:<what>`; all of a test into one list.
class Listener final : public EventConsumer {
 public:
  Listener(std::string name, Texts& heard, bool lasting = false)
      : name_(std::move(name)), heard_(heard), lasting_(lasting) {}

  void on(const Event& event, const EncodedRecord& record, Timestamp now) override {
    CHECK(now == kNow);
    if (before) before();
    if (throws) throw std::runtime_error("no");
    heard_.push_back(name_ + ":" + (record.empty() ? "nothing" : record.type));
    records.push_back(&record);
    if (const auto* row = std::get_if<SpreadEvent>(&event)) rows.push_back(*row);
  }
  void tick(Timestamp /*now*/) override {
    const std::lock_guard lock(mutex_);
    ++ticks_;
    ticked_.notify_all();
  }
  bool lasting() const override { return lasting_; }

  bool wait_for_ticks(int count) {
    std::unique_lock lock(mutex_);
    return ticked_.wait_for(lock, 20s, [&] { return ticks_ >= count; });
  }

  bool throws = false;
  std::function<void()> before;
  std::vector<const EncodedRecord*> records;
  std::vector<SpreadEvent> rows;

 private:
  const std::string name_;
  Texts& heard_;
  const bool lasting_;
  std::mutex mutex_;
  std::condition_variable ticked_;
  int ticks_ = 0;  // guarded by mutex_
};

struct World {
  explicit World(EventLoop::Options options = {.shape = {.depth = 15}})
      : loop(std::move(options), clock, metrics, 0, drain) {}

  /// A series' value as a scrape gives it; empty when there is no such series.
  std::string value(const std::string& series) const {
    const std::string text = registry.text();
    const std::size_t at = text.find("\n" + series + " ");
    if (at == std::string::npos) return "";
    const std::size_t from = at + series.size() + 2;
    return text.substr(from, text.find('\n', from) - from);
  }

  StandingClock clock;
  metrics::Registry registry{clock};
  metrics::QueueMetrics metrics{registry, std::array<std::string_view, 1>{"publish"}};
  DrainDeadline drain;
  Texts heard;
  EventLoop loop;
};

Ticker ticker(std::string base = "BTC") {
  Ticker t;
  t.venue = VenueId::kOkx;
  t.instrument = {std::move(base), "USDT"};
  t.receive_time = kNow;
  return t;
}
OpportunityEvent opportunity() {
  OpportunityEvent e;
  e.id = "0123";
  e.asset = "BTC";
  e.time = kNow;
  e.opened = kNow;
  e.peak_time = kNow;
  return e;
}
FeedError feed_error() {
  FeedError e;
  e.venue = VenueId::kOkx;
  e.error = {ErrorCode::kMalformedJson, "no"};
  e.receive_time = kNow;
  return e;
}
SpreadEvent row(double ratio) {
  SpreadEvent e;
  e.asset = "BTC";
  e.buy = VenueId::kOkx;
  e.sell = VenueId::kUpbit;
  e.time = kNow;
  e.net_ratio = ratio;
  e.verdict = Verdict::kTradable;
  return e;
}

TEST_CASE("each event is encoded once and told to every consumer in the order they were added") {
  World w;
  Listener first("first", w.heard);
  Listener second("second", w.heard);
  w.loop.add("first", first);
  w.loop.add("second", second);
  w.loop.start();
  w.loop.push(ticker());
  w.loop.push(opportunity());
  w.loop.push(feed_error());
  w.loop.stop();
  CHECK(w.heard == Texts{"first:ticker", "second:ticker", "first:opportunity", "second:opportunity",
                         "first:dead_letter", "second:dead_letter"});
  REQUIRE(first.records.size() == 3);
  CHECK(first.records == second.records);
}

TEST_CASE("of an order book that must not be shown consumers are told, without a record") {
  World w;
  Listener only("only", w.heard);
  w.loop.add("only", only);
  OrderBook book;
  book.venue = VenueId::kOkx;
  book.instrument = {"BTC", "USDT"};
  book.state = FeedState::kFaulted;
  w.loop.push(book);
  book.state = FeedState::kSynced;
  w.loop.push(book);
  w.loop.start();
  w.loop.stop();
  CHECK(w.heard == Texts{"only:nothing", "only:orderbook"});
}

TEST_CASE("a consumer that throws is counted, and costs the others nothing") {
  World w;
  Listener bad("bad", w.heard);
  bad.throws = true;
  Listener good("good", w.heard);
  w.loop.add("bad", bad);
  w.loop.add("good", good);
  CHECK(w.value(R"(spreadwatch_app_consumer_failures_total{consumer="bad"})") == "0");
  w.loop.push(ticker("BTC"));
  w.loop.push(ticker("ETH"));
  w.loop.start();
  w.loop.stop();
  CHECK(w.heard == Texts{"good:ticker", "good:ticker"});
  CHECK(w.value(R"(spreadwatch_app_consumer_failures_total{consumer="bad"})") == "2");
  CHECK(w.value(R"(spreadwatch_app_consumer_failures_total{consumer="good"})") == "0");
}

TEST_CASE("consumers are ticked while nothing happens") {
  World w({.shape = {.depth = 15}, .tick = 1ms});
  Listener only("only", w.heard);
  w.loop.add("only", only);
  w.loop.start();
  CHECK(only.wait_for_ticks(3));
  w.loop.stop();
  CHECK(w.heard.empty());
}

TEST_CASE("a stop whose time is up gives lasting consumers what must last, and counts the rest") {
  World w;
  Listener store("store", w.heard);
  Listener kafka("kafka", w.heard, true);
  w.loop.add("store", store);
  w.loop.add("kafka", kafka);
  w.loop.push(ticker());
  w.loop.push(opportunity());
  w.loop.push(row(0.01));
  w.loop.push(feed_error());
  w.drain.set(std::chrono::steady_clock::now());
  w.loop.start();
  w.loop.stop();
  CHECK(w.heard == Texts{"kafka:opportunity", "kafka:dead_letter"});
  CHECK(w.value(R"(spreadwatch_app_queue_drops_total{stage="publish"})") == "2");
  CHECK(w.loop.refused() == 0);
}

TEST_CASE("rows are judged when they leave, before anybody is told") {
  World w({.shape = {.depth = 15}, .judge = [](Event& event, Timestamp now) {
             CHECK(now == kNow);
             if (auto* e = std::get_if<SpreadEvent>(&event)) e->verdict = Verdict::kUnknown;
           }});
  Listener only("only", w.heard);
  w.loop.add("only", only);
  w.loop.push(row(0.01));
  w.loop.start();
  w.loop.stop();
  REQUIRE(only.rows.size() == 1);
  CHECK(only.rows[0].verdict == Verdict::kUnknown);
}

TEST_CASE("behind a slow consumer rows are conflated by key, and nothing that must last is") {
  EventQueue::Bounds bounds = queue_bounds<EventQueue>();
  bounds.behind = 0;
  World w({.shape = {.depth = 15}, .bounds = bounds});
  Listener slow("slow", w.heard);
  std::promise<void> entered;
  std::promise<void> go;
  slow.before = [&, first = true]() mutable {
    if (!std::exchange(first, false)) return;
    entered.set_value();
    go.get_future().wait();
  };
  w.loop.add("slow", slow);
  w.loop.start();
  w.loop.push(ticker());
  entered.get_future().wait();
  for (int i = 1; i <= 100; ++i) {
    w.loop.push(row(i * 0.001));
    w.loop.push(opportunity());
    w.loop.push(ticker("ETH"));
  }
  go.set_value();
  w.loop.stop();
  REQUIRE(slow.rows.size() == 1);
  CHECK(slow.rows[0].net_ratio == 0.1);
  CHECK(w.heard.size() == 1 + 100 + 1 + 1);
  CHECK(w.value(R"(spreadwatch_app_queue_conflated_total{stage="publish"})") == "198");
  CHECK(w.value(R"(spreadwatch_app_queue_drops_total{stage="publish"})") == "0");
}

PremiumEvent premium(std::optional<double> first, std::optional<double> high,
                     std::optional<double> low, std::optional<double> last) {
  PremiumEvent e;
  e.asset = "BTC";
  e.first = first;
  e.high = high;
  e.low = low;
  e.premium = last;
  return e;
}

TEST_CASE("a premium that takes another's place loses no extreme") {
  Event newer = premium(0.03, 0.04, 0.02, 0.035);
  CHECK(EventRules::key(newer) == EventRules::key(premium({}, {}, {}, {})));
  EventRules::merge(newer, premium(0.01, 0.05, 0.01, 0.02));
  const auto& merged = std::get<PremiumEvent>(newer);
  CHECK(merged.first == 0.01);
  CHECK(merged.high == 0.05);
  CHECK(merged.low == 0.01);
  CHECK(merged.premium == 0.035);
  EventRules::merge(newer, premium({}, {}, {}, {}));
  CHECK(std::get<PremiumEvent>(newer).first == 0.01);
  CHECK(std::get<PremiumEvent>(newer).low == 0.01);
}

TEST_CASE("a book's levels count as its bytes") {
  OrderBook book;
  const std::size_t empty = EventRules::bytes(book);
  CHECK(empty >= sizeof(Event));
  book.bids.resize(100);
  CHECK(EventRules::bytes(book) == empty + 100 * sizeof(Level));
  CHECK(MarketRules::bytes(book) == sizeof(MarketEvent) + 100 * sizeof(Level));
}

}  // namespace
}  // namespace spreadwatch::app
