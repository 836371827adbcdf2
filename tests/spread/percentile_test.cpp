#include "spread/percentile.h"

#include <algorithm>
#include <deque>
#include <random>

#include "world.h"

namespace spreadwatch::spread {
namespace {

using std::chrono::hours;
using std::chrono::minutes;
using test::kStart;
using test::World;

constexpr Timestamp kMidnight = std::chrono::floor<std::chrono::days>(kStart);

TEST_CASE("a percentile is the share of a window's samples below, equal ones counted half") {
  ValueHistory history;
  Timestamp now = kMidnight;
  for (int i = 0; i < 60; ++i, now += minutes{1}) history.hold(i, now);
  history.hold(0, now);
  CHECK(history.percentile(Window::kHour, -1) == 0.0);
  CHECK(history.percentile(Window::kHour, 100) == 1.0);
  CHECK(history.percentile(Window::kHour, 30) == doctest::Approx(30.5 / 60));
}

TEST_CASE("until half of a window is known there is no percentile") {
  ValueHistory history;
  history.hold(1, kMidnight);
  history.hold(1, kMidnight + minutes{29});
  CHECK_FALSE(history.percentile(Window::kHour, 1).has_value());
  history.hold(1, kMidnight + minutes{30});
  CHECK(history.percentile(Window::kHour, 1) == 0.5);
  CHECK_FALSE(history.percentile(Window::kDay, 1).has_value());
  history.hold(1, kMidnight + hours{12});
  CHECK(history.percentile(Window::kDay, 1) == 0.5);
  CHECK_FALSE(history.percentile(Window::kWeek, 1).has_value());
  history.hold(1, kMidnight + hours{84});
  CHECK(history.percentile(Window::kWeek, 1) == 0.5);
}

TEST_CASE("a value weighs by how long it stood, not by how often it changed") {
  ValueHistory history;
  history.hold(1, kMidnight);
  const Timestamp busy = kMidnight + minutes{59};
  for (int i = 0; i < 1000; ++i) history.hold(2 + i, busy + milliseconds{i});
  history.hold(0, kMidnight + minutes{60});
  CHECK(history.percentile(Window::kHour, 1.5) == doctest::Approx(59.0 / 60));
}

TEST_CASE("what was not known is no sample, and a long absence forgets everything") {
  ValueHistory history;
  history.hold(1, kMidnight);
  history.hold(std::nullopt, kMidnight + minutes{40});
  history.hold(5, kMidnight + minutes{60});
  CHECK(history.percentile(Window::kHour, 2) == 1.0);  // of the 40 that are known
  history.hold(5, kMidnight + minutes{75});            // 25 of 1 left, 15 of 5
  CHECK(history.percentile(Window::kHour, 2) == doctest::Approx(25.0 / 40));
  history.hold(std::nullopt, kMidnight + minutes{76});
  history.hold(7, kMidnight + std::chrono::days{400});
  CHECK_FALSE(history.percentile(Window::kWeek, 7).has_value());
}

TEST_CASE("percentiles are those of the samples themselves over a random walk of nine days") {
  std::mt19937_64 random(5);
  ValueHistory history;
  Timestamp now = kMidnight;
  std::optional<double> held;
  std::deque<std::optional<float>> by_minute;
  std::deque<std::optional<float>> by_ten;
  const auto rank = [](const std::deque<std::optional<float>>& samples, std::size_t window,
                       float value) -> std::optional<double> {
    double below = 0;
    std::size_t known = 0;
    for (std::size_t i = samples.size() - std::min(window, samples.size()); i < samples.size();
         ++i) {
      if (!samples[i]) continue;
      ++known;
      below += *samples[i] < value ? 1 : *samples[i] == value ? 0.5 : 0;
    }
    if (known * 2 < window) return std::nullopt;
    return below / static_cast<double>(known);
  };
  for (int i = 0; i < 6000; ++i) {
    const Timestamp then = now;
    now += seconds{static_cast<std::int64_t>(random() % 260)};
    for (auto [ring, period] : {std::pair{&by_minute, 60}, std::pair{&by_ten, 600}}) {
      const auto slot = [period](Timestamp t) { return to_us(t) / 1'000'000 / period; };
      for (auto s = slot(then); s < slot(now); ++s) {
        ring->push_back(held ? std::optional{static_cast<float>(*held)} : std::nullopt);
      }
    }
    held.reset();
    if (random() % 10 != 0) held = static_cast<double>(random() % 400) / 1e4;
    history.hold(held, now);
    if (!held) continue;
    const auto value = static_cast<float>(*held);
    CHECK(history.percentile(Window::kHour, *held) == rank(by_minute, 60, value));
    CHECK(history.percentile(Window::kDay, *held) == rank(by_minute, 1440, value));
    CHECK(history.percentile(Window::kWeek, *held) == rank(by_ten, 1008, value));
  }
  CHECK(now - kMidnight > std::chrono::days{8});
}

TEST_CASE("a premium says where it lies among its own values once half an hour is known") {
  World w(
      "publish: {conflate_ms: 0}\nspread: {max_quiet_ms: 3600000}\nfx: {max_age_ms: 3600000}\n"
      "");
  const auto last = [&w]() -> const PremiumEvent& {
    const auto found = std::find_if(w.journal.premiums.rbegin(), w.journal.premiums.rend(),
                                    [](const PremiumEvent& e) { return e.asset == "BTC"; });
    REQUIRE(found != w.journal.premiums.rend());
    return *found;
  };
  const auto alive = [&w] {
    for (const VenueId venue : {VenueId::kUpbit, VenueId::kBithumb, VenueId::kOkx}) {
      w.engine.on(ConnectionStatus{.venue = venue, .time = w.now}, w.now);
    }
  };
  alive();
  w.put_fx();
  w.put(w.okx());
  for (int i = 0; i < 30; ++i) {
    w.put(w.upbit(143'000'000 + i * 1000, 143'010'000 + i * 1000));
    CHECK_FALSE(last().percentiles[0].has_value());
    for (int k = 0; k < 6; ++k) {
      alive();
      w.pass(seconds{10});
    }
  }
  alive();
  w.put(w.upbit(144'000'000, 144'010'000));
  REQUIRE(last().premium.has_value());
  CHECK(last().percentiles[0].has_value());
  CHECK(*last().percentiles[0] > 0.9);
  CHECK_FALSE(last().percentiles[1].has_value());
}

TEST_CASE("premiums whose two bases have opposite signs say so on both") {
  World w;
  w.engine.on(BankQuote{.source = "bank", .rate = 1450, .time = w.now}, w.now);
  w.put(w.book(VenueId::kKraken, "USDT", "USD", 99, 101, 1'000'000));
  w.put_fx();  // USDT at 1400.5 KRW: 3.4 % below the bank
  w.put(w.okx());
  const auto disagreement = [&w](Basis basis) -> std::optional<bool> {
    std::optional<bool> found;
    for (const PremiumEvent& e : w.journal.premiums) {
      if (e.asset == "BTC" && e.basis == basis) found = e.bases_disagree;
    }
    return found;
  };
  w.put(w.upbit(142'000'000, 142'010'000));  // +1.4 % in USDT, −2.1 % by the bank
  CHECK(disagreement(Basis::kUsdt) == true);
  CHECK(disagreement(Basis::kBank) == true);
  w.put(w.upbit(147'000'000, 147'010'000));
  CHECK(disagreement(Basis::kUsdt) == false);
  CHECK(disagreement(Basis::kBank) == false);
}

}  // namespace
}  // namespace spreadwatch::spread
