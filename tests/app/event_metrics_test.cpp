#include "app/event_metrics.h"

#include <doctest/doctest.h>

#include <chrono>
#include <string>
#include <vector>

#include "core/reason.h"
#include "metrics/registry.h"

namespace spreadwatch::app {
namespace {

using namespace std::chrono_literals;

class SetClock final : public Clock {
 public:
  Timestamp now() const override { return time; }
  Timestamp time = timestamp_from_ms(1'700'000'000'000);
};

struct World {
  SetClock clock;
  metrics::Registry registry{clock};
  std::vector<std::string> assets{"BTC"};
  metrics::FxMetrics fx{registry, kCurrencyPairNames, kReasonNames};
  metrics::SpreadMetrics spread{registry, assets};
  metrics::PublishMetrics publish{registry, {}};
  EventMetrics events{fx, spread, publish};

  /// A series' value as a scrape gives it; empty when there is no such series.
  std::string value(const std::string& series) const {
    const std::string text = registry.text();
    const std::size_t at = text.find("\n" + series + " ");
    if (at == std::string::npos) return "";
    const std::size_t from = at + series.size() + 2;
    return text.substr(from, text.find('\n', from) - from);
  }
  void pair(VenueId buy, Verdict verdict, double ratio, double profit) {
    SpreadEvent event;
    event.asset = "BTC";
    event.buy = buy;
    event.sell = VenueId::kUpbit;
    event.time = clock.time;
    event.verdict = verdict;
    event.net_ratio = ratio;
    event.optimal.emplace().net_profit_usdt = profit;
    events.on_event(event, clock.time);
  }
};

const std::string kRatio = R"(spreadwatch_spread_best_net_ratio{asset="BTC"})";
const std::string kProfit = R"(spreadwatch_spread_best_net_profit_usdt{asset="BTC"})";
const std::string kBestTime =
    R"(spreadwatch_spread_best_last_update_timestamp_seconds{asset="BTC"})";

TEST_CASE("the best of an asset is the best of its tradable pairs, however good others look") {
  World w;
  w.pair(VenueId::kOkx, Verdict::kUnknown, 0.19, 50'000);  // one venue's numbers are off
  w.pair(VenueId::kBybit, Verdict::kNotTradable, 0.05, 900);
  CHECK(w.value(kRatio) == "");
  CHECK(w.value(kProfit) == "");
  CHECK(w.value(kBestTime) == "0");
  w.pair(VenueId::kBinance, Verdict::kTradable, 0.002, 12.5);
  w.pair(VenueId::kGateio, Verdict::kTradable, 0.003, 8);
  CHECK(w.value(kRatio) == "0.003");
  CHECK(w.value(kProfit) == "12.5");
}

TEST_CASE("the best goes with the last tradable pair, and its time stays") {
  World w;
  w.pair(VenueId::kBinance, Verdict::kTradable, 0.002, 12.5);
  w.clock.time += 5s;
  w.pair(VenueId::kBinance, Verdict::kUnknown, 0.002, 12.5);
  CHECK(w.value(kRatio) == "");
  CHECK(w.value(kProfit) == "");
  CHECK(w.value(kBestTime) == "1700000000");
}

TEST_CASE("an asset that is no longer watched leaves no series and comes back anew") {
  World w;
  w.pair(VenueId::kBinance, Verdict::kTradable, 0.002, 12.5);
  w.events.forget("BTC");
  CHECK(w.registry.text().find("asset=\"BTC\"") == std::string::npos);
  w.pair(VenueId::kGateio, Verdict::kTradable, 0.001, 3);
  CHECK(w.value(kRatio) == "0.001");
  CHECK(w.value(kProfit) == "3");
}

TEST_CASE("a market that is removed takes its pairs out of what is best") {
  World w;
  w.pair(VenueId::kBinance, Verdict::kTradable, 0.002, 12.5);
  w.pair(VenueId::kGateio, Verdict::kTradable, 0.001, 3);
  MarketRemoved removed;
  removed.venue = VenueId::kBinance;
  removed.asset = "BTC";
  w.events.on_event(removed, {});
  CHECK(w.value(kRatio) == "0.001");
  removed.venue = VenueId::kGateio;
  removed.last_of_asset = true;
  w.events.on_event(removed, {});
  CHECK(w.registry.text().find("asset=\"BTC\"") == std::string::npos);
}

const std::string kAge = R"(spreadwatch_fx_age_seconds{pair="USD/KRW"})";
const std::string kRate = R"(spreadwatch_fx_rate{pair="USD/KRW",side="mid"})";
const std::string kTime = R"(spreadwatch_fx_last_update_timestamp_seconds{pair="USD/KRW"})";

TEST_CASE("a bank that says the same again makes its rate young, one that is dead lets it age") {
  World w;
  config::FxSettings settings;
  settings.bank = {{.name = "a"}};
  settings.bank[0].max_age = 900s;
  fx::RateTable rates(settings, {});
  const auto judge = [&] {
    if (rates.evaluate(w.clock.time)[static_cast<std::size_t>(CurrencyPair::kUsdKrw)]) {
      w.events.on_event(FxEvent{w.clock.time, rates.rate(CurrencyPair::kUsdKrw)}, w.clock.time);
    }
    w.events.on_rates(rates);
  };
  const auto poll = [&] {
    rates.set_bank({"a", 1380, w.clock.time});
    judge();
  };
  judge();
  CHECK(w.value(kAge) == "");
  poll();
  CHECK(w.value(kRate) == "1380");
  w.clock.time += 60s;
  CHECK(w.value(kAge) == "60");
  poll();
  CHECK(w.value(kAge) == "0");
  CHECK(w.value(kTime) == "1700000060");
  w.clock.time += 900s;
  judge();
  CHECK(w.value(kAge) == "900");
  // Too old: removed, not frozen.
  w.clock.time += 1s;
  judge();
  CHECK(w.value(kAge) == "");
  CHECK(w.value(kRate) == "");
  CHECK(w.value(kTime) == "1700000060");
}

}  // namespace
}  // namespace spreadwatch::app
