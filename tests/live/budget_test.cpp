#include <doctest/doctest.h>
#include <stdlib.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <filesystem>
#include <fstream>
#include <functional>
#include <span>
#include <string>
#include <thread>
#include <vector>

#include "ingest/net/backoff.h"
#include "ingest/net/budget_store.h"
#include "ingest/net/rate_budget.h"
#include "ingest/net/rest_outage.h"
#include "ingest/net/transport.h"

namespace spreadwatch::ingest {
namespace {

using namespace std::chrono_literals;

const Timestamp kStart = timestamp_from_ms(1'700'000'000'000);

VenueProfile profile_with(RateLimit connects, RateLimit rest) {
  VenueProfile profile;
  profile.connects = connects;
  profile.rest = rest;
  return profile;
}

TEST_CASE("in an outage of REST one order book is asked for at a time, until one is answered") {
  using Time = RestOutage::Time;
  RestOutage outage(7);
  Time now{std::chrono::hours{1}};
  const Time start = now;
  CHECK(outage.may_ask(now));
  // One market that fails again and again is no outage, nor are two.
  for (int i = 0; i < 20; ++i) outage.failed(i % 2 == 0 ? "a" : "b", now);
  CHECK_FALSE(outage.out());
  outage.failed("c", now);
  REQUIRE(outage.out());
  CHECK_FALSE(outage.may_ask(now));
  int asked = 0;
  milliseconds longest{0};
  Time last = now;
  for (; now < start + std::chrono::minutes{1}; now += milliseconds{50}) {
    if (!outage.may_ask(now)) continue;
    ++asked;
    longest = std::max(longest, std::chrono::duration_cast<milliseconds>(now - last));
    last = now;
    outage.asked(now);
    CHECK_FALSE(outage.may_ask(now));
    outage.failed(std::to_string(asked), now);
  }
  CHECK(asked >= 8);
  CHECK(asked <= 40);
  CHECK(longest <= RestOutage::kBetween.cap + milliseconds{50});
  outage.answered();
  CHECK(outage.may_ask(now));
  outage.asked(now);
  CHECK(outage.may_ask(now));
}

TEST_CASE("a refusal in the body of a 200 lasts as long as its head says, and longer each time") {
  VenueBudget budget(profile_with({}, {600, seconds{1}}));
  Timestamp now = kStart;
  budget.accepted_rest(milliseconds{77'000});
  budget.refused_in_body(now, false);
  CHECK(budget.rest_paused_until(now) == now + milliseconds{77'000});
  CHECK_FALSE(budget.connect_paused_until(now).has_value());
  std::vector<std::int64_t> pauses;
  for (int i = 0; i < 3; ++i) {
    now += std::chrono::hours{1};
    budget.accepted_rest();
    budget.refused_in_body(now, false);
    pauses.push_back(to_ms(*budget.rest_paused_until(now) - now));
  }
  CHECK(pauses == std::vector<std::int64_t>{20'000, 40'000, 80'000});
  now += std::chrono::hours{1};
  budget.accepted_rest();
  budget.accepted_rest();
  budget.refused_in_body(now, true);
  CHECK(budget.rest_paused_until(now) == now + milliseconds{300'000});
  CHECK(budget.connect_paused_until(now) == now + milliseconds{300'000});
}

TEST_CASE("waits stay between the floor and a ceiling that doubles up to the cap") {
  Backoff backoff({100ms, 5s, 10ms}, 7);
  milliseconds ceiling = 100ms;
  bool jittered = false;
  milliseconds last{0};
  for (int i = 0; i < 200; ++i) {
    const milliseconds wait = backoff.next();
    CHECK(wait >= 10ms);
    CHECK(wait <= ceiling);
    jittered = jittered || wait != last;
    last = wait;
    ceiling = std::min<milliseconds>(ceiling * 2, 5s);
  }
  CHECK(jittered);
}

TEST_CASE("success makes the waits small again") {
  Backoff backoff({100ms, 60s, 1ms}, 7);
  for (int i = 0; i < 30; ++i) backoff.next();
  CHECK(backoff.failures() == 30);
  backoff.reset();
  for (int i = 0; i < 1; ++i) CHECK(backoff.next() <= 100ms);
}

TEST_CASE("the same seed gives the same waits") {
  Backoff a({100ms, 60s, 1ms}, 42);
  Backoff b({100ms, 60s, 1ms}, 42);
  for (int i = 0; i < 20; ++i) CHECK(a.next() == b.next());
}

TEST_CASE("what can wait leaves its share of the REST budget to what cannot") {
  VenueBudget budget(profile_with({}, {10, 1'000ms}));  // 8 are ours
  for (int i = 0; i < 6; ++i) CHECK(budget.take_rest(kStart, 1, 0.25).count() == 0);
  CHECK(budget.take_rest(kStart, 1, 0.25).count() > 0);
  CHECK(budget.take_rest(kStart, 2).count() == 0);
  CHECK(budget.take_rest(kStart, 1).count() > 0);
  // A window of one request has no share to leave.
  VenueBudget small(profile_with({}, {1, 1'000ms}));
  CHECK(small.take_rest(kStart, 1, 0.5).count() == 0);
  CHECK(small.take_rest(kStart, 1, 0.5).count() > 0);
  // A pause holds for everybody.
  VenueBudget refused(profile_with({}, {10, 1'000ms}));
  refused.refused_rest(kStart, 429, 3s);
  CHECK(refused.take_rest(kStart, 1, 0.25) == 3s);
}

TEST_CASE("a window never holds more than its share, whatever the timing") {
  RateWindow window({10, 1'000ms});
  CHECK(window.limit().count == 8);
  std::vector<Timestamp> taken;
  Timestamp now = kStart;
  for (int i = 0; i < 200; ++i) {
    const microseconds wait = window.wait(now);
    now += wait;
    REQUIRE(window.wait(now).count() == 0);
    window.take(now);
    taken.push_back(now);
    now += milliseconds{(i * 37) % 90};
  }
  for (std::size_t i = 8; i < taken.size(); ++i) CHECK(taken[i] - taken[i - 8] >= 1'500ms);
}

TEST_CASE("a limit of one keeps its distance") {
  RateWindow window({1, 1'000ms});
  window.take(kStart);
  CHECK(window.wait(kStart) == 1'500ms);
  CHECK(RateWindow({1, 60'000ms}).limit().per == 75'000ms);
}

TEST_CASE("a weight waits until enough has left the window") {
  RateWindow window({100, 60'000ms});
  window.take(kStart, 50);
  window.take(kStart + 10s, 30);
  CHECK(window.wait(kStart + 11s, 20) == 49'500ms);
  CHECK(window.wait(kStart + 11s, 60) == 59'500ms);
  // More than the whole budget fits an empty window only.
  CHECK(window.wait(kStart + 11s, 500) == 59'500ms);
  CHECK(window.wait(kStart + 71s, 500).count() == 0);
}

TEST_CASE("what is left of a window grows as it moves on, and is never below nothing") {
  RateWindow window({100, seconds{10}});  // 80 of them
  CHECK(window.left(kStart) == 80);
  window.take(kStart, 30);
  window.take(kStart + seconds{5}, 60);
  CHECK(window.left(kStart + seconds{5}) == 0);
  CHECK(window.left(kStart + milliseconds{10'500}) == 20);
  CHECK(window.left(kStart + milliseconds{15'500}) == 80);
}

TEST_CASE("a clock that is set back does not lock the window") {
  RateWindow window({5, 1'000ms});
  for (int i = 0; i < 4; ++i) window.take(kStart);
  CHECK(window.wait(kStart - 3600s) == 1'500ms);
  CHECK(window.wait(kStart - 3600s + 1'500ms).count() == 0);
}

TEST_CASE("messages keep to every window of the connection") {
  const std::vector<RateLimit> limits{{5, 1'000ms}, {100, 60'000ms}};
  MessageBudget budget(limits);
  std::vector<Timestamp> sent;
  Timestamp now = kStart;
  while (sent.size() < 200) {
    const microseconds wait = budget.take(now);
    if (wait.count() == 0) {
      sent.push_back(now);
    } else {
      now += wait;
    }
  }
  for (std::size_t i = 5; i < sent.size(); ++i) CHECK(sent[i] - sent[i - 5] >= 1'000ms);
  for (std::size_t i = 100; i < sent.size(); ++i) CHECK(sent[i] - sent[i - 100] >= 60'000ms);
}

TEST_CASE("pings do not use up an hourly budget of subscriptions") {
  const std::vector<RateLimit> limits{{10, std::chrono::hours{1}}};
  MessageBudget budget(limits);
  for (int i = 0; i < 100; ++i) CHECK(budget.take(kStart, true).count() == 0);
  for (int i = 0; i < 8; ++i) CHECK(budget.take(kStart).count() == 0);
  CHECK(budget.take(kStart).count() > 0);
  CHECK(budget.take(kStart, true).count() == 0);
}

TEST_CASE("pings count in windows of up to a minute") {
  for (const milliseconds per : {milliseconds{1'000}, milliseconds{60'000}}) {
    CAPTURE(per.count());
    const RateLimit limit{10, per};
    MessageBudget budget(std::span{&limit, 1});
    for (int i = 0; i < 8; ++i) CHECK(budget.take(kStart, true).count() == 0);
    CHECK(budget.take(kStart, true).count() > 0);
    CHECK(budget.take(kStart).count() > 0);
  }
}

TEST_CASE("Retry-After pauses exactly what was refused") {
  VenueBudget budget(profile_with({300, 300'000ms}, {6'000, 60'000ms}));
  budget.refused_rest(kStart, 429, 7s);
  CHECK(budget.take_rest(kStart + 2s) == 5s);
  CHECK(budget.take_rest(kStart + 7s).count() == 0);
  CHECK(budget.take_connect(kStart).count() == 0);
  budget.refused_connect(kStart, 429, 30s);
  CHECK(budget.take_connect(kStart + 1s) == 29s);
}

TEST_CASE("a ban pauses connects and REST, and is not shortened by a later answer") {
  VenueBudget budget(profile_with({300, 300'000ms}, {6'000, 60'000ms}));
  budget.refused_rest(kStart, 418, 120s);
  budget.refused_rest(kStart, 429, 1s);
  CHECK(budget.take_rest(kStart) == 120s);
  CHECK(budget.take_connect(kStart) == 120s);
  CHECK(budget.rest_paused_until(kStart) == kStart + 120s);
  CHECK_FALSE(budget.rest_paused_until(kStart + 120s).has_value());
}

TEST_CASE("refusals without Retry-After pause longer each time until something works") {
  VenueBudget budget(profile_with({}, {}));
  budget.refused_rest(kStart, 429, std::nullopt);
  const microseconds first = budget.take_rest(kStart);
  CHECK(first >= 10s);
  Timestamp now = kStart + first;
  budget.refused_rest(now, 429, std::nullopt);
  CHECK(budget.take_rest(now) == 2 * first);
  now += 2 * first;
  CHECK(budget.take_rest(now).count() == 0);
  budget.accepted_rest();
  budget.refused_rest(now, 429, std::nullopt);
  CHECK(budget.take_rest(now) == first);
}

TEST_CASE("after HTTP 403 there are ten quiet minutes on REST") {
  VenueBudget budget(profile_with({500, 300'000ms}, {600, 5'000ms}));
  budget.refused_rest(kStart, 403, std::nullopt);
  CHECK(budget.take_rest(kStart) == 600s);
}

TEST_CASE("any status pauses with Retry-After, and without it only a refusal does") {
  VenueBudget budget(profile_with({500, 300'000ms}, {600, 5'000ms}));
  budget.refused_connect(kStart, 503, std::nullopt);
  budget.refused_rest(kStart, 500, std::nullopt);
  CHECK(budget.take_connect(kStart).count() == 0);
  CHECK(budget.take_rest(kStart).count() == 0);
  budget.refused_connect(kStart, 503, 5s);
  CHECK(budget.take_connect(kStart) == 5s);
  // A broken server does not lock itself out for days.
  budget.refused_rest(kStart, 503, std::chrono::hours{48});
  CHECK(budget.take_rest(kStart) <= std::chrono::minutes{16});
}

TEST_CASE("every limit holds where one thing is half a second longer under way than another") {
  const RateLimit limit{3, 1s};
  VenueBudget budget(profile_with(limit, limit));
  MessageBudget messages(std::span{&limit, 1});
  const std::array<std::function<microseconds(Timestamp)>, 3> takes{
      [&](Timestamp now) { return budget.take_connect(now); },
      [&](Timestamp now) { return budget.take_rest(now); },
      [&](Timestamp now) { return messages.take(now); }};
  for (const auto& take : takes) {
    CHECK(take(kStart).count() == 0);
    CHECK(take(kStart).count() == 0);
    CHECK(take(kStart) == 1500ms);
    CHECK(take(kStart + 1500ms).count() == 0);
  }
}

TEST_CASE("the venue's own count of used weight stops us") {
  VenueBudget budget(profile_with({300, 300'000ms}, {6'000, 60'000ms}));
  budget.used_weight(kStart, 1'000);
  CHECK(budget.take_rest(kStart).count() == 0);
  budget.used_weight(kStart, 5'000);
  CHECK(budget.take_rest(kStart) == 30'250ms);
}

TEST_CASE("the long windows are not forgotten over a restart, the short ones need not be kept") {
  const VenueProfile profile = profile_with({10, 600'000ms}, {100, 60'000ms});
  VenueBudget before(profile);
  for (int i = 0; i < 8; ++i) REQUIRE(before.take_connect(kStart + i * 100ms).count() == 0);
  REQUIRE(before.take_rest(kStart, 70).count() == 0);
  KeptBudgets kept;
  kept[VenueId::kKraken] = {"host", before.state(kStart + 2s)};
  const Result<KeptBudgets> read = decode_budgets(encode_budgets(kept));
  REQUIRE(read);
  CHECK(read->at(VenueId::kKraken).hosts == "host");

  VenueBudget after(profile);
  after.restore(read->at(VenueId::kKraken).state, kStart + 3s);
  CHECK(after.take_connect(kStart + 3s) >= 597s);
  CHECK(after.take_rest(kStart + 3s, 11) == 57'500ms);
  CHECK(after.take_rest(kStart + 3s, 10).count() == 0);

  VenueBudget brief(profile_with({3, 1'000ms}, {10, 1'000ms}));
  REQUIRE(brief.take_connect(kStart).count() == 0);
  CHECK(brief.state(kStart).connects.empty());
}

TEST_CASE("a state file cannot lock us out for longer than any ban lasts, nor overfill a window") {
  VenueBudget budget(profile_with({10, 600'000ms}, {}));
  budget.restore({kStart + std::chrono::hours{9000},
                  std::nullopt,
                  {{kStart + 5s, 1}, {kStart - 1s, 1'000'000}, {kStart - 2s, -5}},
                  {}},
                 kStart);
  CHECK(budget.take_connect(kStart) == std::chrono::hours{72});
  CHECK(budget.take_connect(kStart + std::chrono::hours{72}).count() == 0);
}

TEST_CASE("what is not a state file is an error, whatever it is") {
  for (const char* const bad :
       {"", "{", "[]", "null", R"({"version":2,"venues":{}})", R"({"version":1})",
        R"({"version":1,"venues":{"okx":{}}})", R"({"version":1,"venues":{"okx":[1]}})",
        R"({"version":1,"venues":{"okx":{"hosts":"h","connect_paused_until_us":"soon",
            "rest_paused_until_us":null,"connects":[],"rest":[]}}})",
        R"({"version":1e250,"venues":{}})",
        R"({"version":1,"venues":{"okx":{"hosts":"h","connect_paused_until_us":9223372036854775807,
            "rest_paused_until_us":null,"connects":[],"rest":[]}}})",
        R"({"version":1,"venues":{"okx":{"hosts":"h","connect_paused_until_us":null,
            "rest_paused_until_us":null,"connects":[],"rest":[[1,1e99]]}}})"}) {
    CAPTURE(bad);
    CHECK_FALSE(decode_budgets(bad).has_value());
  }
  CHECK(decode_budgets(R"({"version":1,"venues":{"mtgox":{}}})").has_value());
}

TEST_CASE("the state file is for its owner alone, and is written anew when it goes away") {
  std::string name = (std::filesystem::temp_directory_path() / "budgets-XXXXXX").string();
  REQUIRE(mkdtemp(name.data()) != nullptr);
  const std::filesystem::path dir = std::filesystem::path{name} / "state";
  const std::filesystem::path file = dir / "budgets.json";
  const auto eventually = [](const auto& holds) {
    for (int i = 0; i < 1000 && !holds(); ++i) std::this_thread::sleep_for(10ms);
    return holds();
  };
  BudgetStore store(file, [](BudgetStore::Operation, const std::string&) {});
  store.save({{VenueId::kOkx, {"okx.example", {}}}});
  REQUIRE(eventually([&] { return std::filesystem::exists(file); }));
  using std::filesystem::perms;
  CHECK(std::filesystem::status(file).permissions() == perms{0600});
  CHECK(std::filesystem::status(dir).permissions() == perms{0700});
  std::filesystem::remove_all(dir);
  CHECK(eventually([&] { return std::filesystem::exists(file); }));
  CHECK(store.state().error.empty());

  // Where nothing can be written it says so, until that is done.
  std::filesystem::remove_all(dir);
  std::ofstream(dir).close();
  store.save({{VenueId::kOkx, {"other.example", {}}}});
  CHECK(eventually([&] { return !store.state().error.empty(); }));
  std::filesystem::remove(dir);
  CHECK(eventually([&] { return store.state().error.empty(); }));
  CHECK(std::filesystem::exists(file));
  store.finish();
  std::filesystem::remove_all(name);
}

TEST_CASE("whoever is refused again and again waits out the venue's block") {
  VenueProfile profile = profile_with({10, 1'000ms}, {});
  profile.block = 600'000ms;
  VenueBudget budget(profile);
  Timestamp now = kStart;
  std::vector<microseconds> pauses;
  for (int i = 0; i < 3; ++i) {
    budget.refused_connect(now, 429, std::nullopt);
    pauses.push_back(*budget.connect_paused_until(now) - now);
    now += pauses.back();
  }
  CHECK(pauses[0] == 10s);
  CHECK(pauses[1] == 20s);
  CHECK(pauses[2] == 600s);
}

TEST_CASE("a ban known from before a restart holds") {
  VenueBudget budget(profile_with({300, 300'000ms}, {6'000, 60'000ms}));
  budget.restore({kStart + 90s, kStart + 90s, {}, {}}, kStart);
  CHECK(budget.take_connect(kStart) == 90s);
  CHECK(budget.take_rest(kStart + 89s) == 1s);
}

TEST_CASE("Retry-After comes as seconds or as a date") {
  const Timestamp now = timestamp_from_ms(1'445'412'480'000);  // Wed, 21 Oct 2015 07:28:00 GMT
  CHECK(parse_retry_after("120", now) == 120s);
  CHECK(parse_retry_after("0", now) == 0s);
  CHECK(parse_retry_after("Wed, 21 Oct 2015 07:29:00 GMT", now) == 60s);
  CHECK(parse_retry_after("Wed, 21 Oct 2015 07:00:00 GMT", now) == 0s);
  for (const char* const bad : {"", "soon", "-5", "12x", "Wed, 99 Foo"}) {
    CHECK_FALSE(parse_retry_after(bad, now).has_value());
  }
}

TEST_CASE("a Retry-After date counts from the answer's own date, whatever our clock says") {
  const Timestamp sent = time_of_answer("Wed, 21 Oct 2015 07:28:00 GMT");
  CHECK(sent == timestamp_from_ms(1'445'412'480'000));
  CHECK(parse_retry_after("Wed, 21 Oct 2015 07:28:30 GMT", sent) == 30s);
  for (const char* const none : {"", "yesterday"}) {
    CHECK(std::chrono::abs(time_of_answer(none) - SystemClock{}.now()) < 10s);
  }
}

}  // namespace
}  // namespace spreadwatch::ingest
