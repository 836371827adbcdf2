#include "metrics/spread_metrics.h"

#include <functional>
#include <map>
#include <mutex>
#include <utility>
#include <vector>

#include "metrics/series.h"

namespace spreadwatch::metrics {
namespace {

using prometheus::Counter;
using prometheus::Gauge;
using prometheus::Histogram;

struct PremiumKey {
  std::string_view region;
  std::string_view over;
  std::string_view basis;
};
/// The premiums every asset has; their last-update series exist from the start.
constexpr std::array<PremiumKey, 5> kPremiums = {{{"korea", "asia", "usdt"},
                                                  {"korea", "asia", "bank"},
                                                  {"korea", "europe", "usdt"},
                                                  {"korea", "europe", "bank"},
                                                  {"asia", "europe", "usdt"}}};
/// The premium of USDT itself over the bank rate is the only other one.
constexpr std::size_t kMaxPremiumsPerAsset = kPremiums.size() + 1;
constexpr std::array<std::string_view, 3> kVerdicts = {"tradable", "not_tradable", "unknown"};
constexpr std::array<std::string_view, 4> kCloseReasons = {"converged", "stale", "not_tradable",
                                                           "shutdown"};

struct PremiumSeries {
  PremiumSeries(prometheus::Family<Gauge>& ratios, prometheus::Family<Gauge>& updates,
                const Labels& labels)
      : region(labels.at("region")),
        over(labels.at("over")),
        basis(labels.at("basis")),
        ratio(ratios, labels),
        last_update(updates.Add(labels)) {}

  const std::string region;
  const std::string over;
  const std::string basis;
  OptionalGauge ratio;
  Gauge& last_update;
};

/// The families with an `asset` label.
struct AssetFamilies {
  explicit AssetFamilies(Registry& registry)
      : premium(gauges(registry, "spreadwatch_spread_premium_ratio",
                       "Premium of the region over the other, a fraction; absent while "
                       "unavailable.")),
        premium_update(gauges(registry, "spreadwatch_spread_premium_last_update_timestamp_seconds",
                              "Time of the last available premium; 0 = never.")),
        best_ratio(gauges(registry, "spreadwatch_spread_best_net_ratio",
                          "Best net ratio over the tradable pairs of the asset, a fraction; absent "
                          "while there is none.")),
        best_profit(gauges(registry, "spreadwatch_spread_best_net_profit_usdt",
                           "Best net profit over the tradable pairs of the asset, in USDT; absent "
                           "while there is none.")),
        best_update(gauges(registry, "spreadwatch_spread_best_last_update_timestamp_seconds",
                           "Time of the last best ratio and profit; 0 = never.")),
        open(gauges(registry, "spreadwatch_spread_open_opportunities", "Open opportunities.")),
        opened(counters(registry, "spreadwatch_spread_opportunities_opened_total",
                        "Opportunities opened.")) {}

  prometheus::Family<Gauge>& premium;
  prometheus::Family<Gauge>& premium_update;
  prometheus::Family<Gauge>& best_ratio;
  prometheus::Family<Gauge>& best_profit;
  prometheus::Family<Gauge>& best_update;
  prometheus::Family<Gauge>& open;
  prometheus::Family<Counter>& opened;
};

struct AssetSeries {
  AssetSeries(AssetFamilies& families, const std::string& name)
      : asset(name),
        best_ratio(families.best_ratio, {{"asset", name}}),
        best_profit(families.best_profit, {{"asset", name}}),
        best_update(families.best_update.Add({{"asset", name}})),
        open(families.open.Add({{"asset", name}})),
        opened(families.opened.Add({{"asset", name}})) {}

  void add_premium(AssetFamilies& families, const PremiumKey& key) {
    premiums.push_back(std::make_unique<PremiumSeries>(families.premium, families.premium_update,
                                                       Labels{{"asset", asset},
                                                              {"region", std::string{key.region}},
                                                              {"over", std::string{key.over}},
                                                              {"basis", std::string{key.basis}}}));
  }
  /// nullptr when the asset has too many already.
  PremiumSeries* premium(AssetFamilies& families, const PremiumKey& key) {
    for (const auto& p : premiums) {
      if (p->region == key.region && p->over == key.over && p->basis == key.basis) return p.get();
    }
    if (premiums.size() >= kMaxPremiumsPerAsset) return nullptr;
    add_premium(families, key);
    return premiums.back().get();
  }

  void remove(AssetFamilies& families) {
    for (const auto& p : premiums) {
      p->ratio.clear();
      families.premium_update.Remove(&p->last_update);
    }
    best_ratio.clear();
    best_profit.clear();
    families.best_update.Remove(&best_update);
    families.open.Remove(&open);
    families.opened.Remove(&opened);
  }

  const std::string asset;
  std::vector<std::unique_ptr<PremiumSeries>> premiums;
  OptionalGauge best_ratio;
  OptionalGauge best_profit;
  Gauge& best_update;
  Gauge& open;
  Counter& opened;
};

/// The position of `name` in a closed list, or the list's length.
template <std::size_t N>
std::size_t position(const std::array<std::string_view, N>& names, std::string_view name) {
  std::size_t i = 0;
  while (i < N && names[i] != name) ++i;
  return i;
}

/// A series for every name of a closed list.
template <class Metric, std::size_t N>
std::array<Metric*, N> by_name(prometheus::Family<Metric>& family, const std::string& label,
                               const std::array<std::string_view, N>& names) {
  std::array<Metric*, N> all{};
  for (std::size_t i = 0; i < N; ++i) all[i] = &family.Add({{label, std::string{names[i]}}});
  return all;
}

}  // namespace

struct SpreadMetrics::Impl {
  explicit Impl(Registry& all)
      : registry(all),
        families(registry),
        unlabelled(counters(registry, "spreadwatch_spread_assets_unlabelled_total",
                            "Updates of assets beyond the bound on series.")
                       .Add({})),
        closed(by_name(counters(registry, "spreadwatch_spread_opportunities_closed_total",
                                "Opportunities closed, by reason."),
                       "reason", kCloseReasons)),
        verdicts(by_name(
            counters(registry, "spreadwatch_spread_verdicts_total", "Verdicts on pairs of venues."),
            "verdict", kVerdicts)),
        reasons(by_name(counters(registry, "spreadwatch_spread_verdict_reasons_total",
                                 "Reasons given with verdicts; a verdict can have several."),
                        "reason", kReasonNames)),
        pairs(by_name(
            gauges(registry, "spreadwatch_spread_pairs", "Pairs of venues by their last verdict."),
            "verdict", kVerdicts)),
        pair_reasons(by_name(gauges(registry, "spreadwatch_spread_pair_reasons",
                                    "Pairs of venues by the reasons of their last verdict; a pair "
                                    "can have several."),
                             "reason", kReasonNames)),
        latency(histograms(registry, "spreadwatch_spread_latency_seconds",
                           "Receive of the order book to the spread computed from it.")
                    .Add({}, stage_buckets())) {}

  /// nullptr, counted, when the bound on assets is reached. Needs mutex.
  AssetSeries* find(std::string_view asset) {
    const auto found = assets.find(asset);
    if (found != assets.end()) return found->second.get();
    if (assets.size() >= kMaxAssets) {
      unlabelled.Increment();
      return nullptr;
    }
    auto series = std::make_unique<AssetSeries>(families, std::string{asset});
    return assets.emplace(std::string{asset}, std::move(series)).first->second.get();
  }

  Registry& registry;
  AssetFamilies families;
  std::mutex mutex;
  std::map<std::string, std::unique_ptr<AssetSeries>, std::less<>> assets;  // guarded by mutex
  Counter& unlabelled;
  std::array<Counter*, kCloseReasons.size()> closed;
  std::array<Counter*, kVerdicts.size()> verdicts;
  std::array<Counter*, kReasonNames.size()> reasons;
  std::array<Gauge*, kVerdicts.size()> pairs;
  std::array<Gauge*, kReasonNames.size()> pair_reasons;
  Histogram& latency;
};

SpreadMetrics::SpreadMetrics(Registry& registry, std::span<const std::string> assets)
    : impl_(std::make_unique<Impl>(registry)) {
  for (const std::string& asset : assets) {
    AssetSeries* const series = impl_->find(asset);
    if (series == nullptr) continue;
    for (const PremiumKey& key : kPremiums) series->add_premium(impl_->families, key);
  }
}

SpreadMetrics::~SpreadMetrics() = default;

void SpreadMetrics::set_premium(std::string_view asset, std::string_view region,
                                std::string_view over, std::string_view basis,
                                std::optional<double> ratio, Timestamp now) {
  const std::lock_guard lock(impl_->mutex);
  AssetSeries* const series = impl_->find(asset);
  if (series == nullptr) return;
  PremiumSeries* const premium = series->premium(impl_->families, {region, over, basis});
  if (premium == nullptr) return;
  if (!ratio) {
    premium->ratio.clear();
    return;
  }
  premium->ratio.set(*ratio);
  premium->last_update.Set(to_seconds(impl_->registry.shown(now)));
}

void SpreadMetrics::set_best(std::string_view asset, std::optional<Best> best, Timestamp now) {
  const std::lock_guard lock(impl_->mutex);
  AssetSeries* const series = impl_->find(asset);
  if (series == nullptr) return;
  if (!best) {
    series->best_ratio.clear();
    series->best_profit.clear();
    return;
  }
  series->best_ratio.set(best->net_ratio);
  series->best_profit.set(best->net_profit_usdt);
  series->best_update.Set(to_seconds(impl_->registry.shown(now)));
}

void SpreadMetrics::set_open_opportunities(std::string_view asset, std::size_t count) {
  const std::lock_guard lock(impl_->mutex);
  AssetSeries* const series = impl_->find(asset);
  if (series != nullptr) series->open.Set(static_cast<double>(count));
}

void SpreadMetrics::opportunity_opened(std::string_view asset) {
  const std::lock_guard lock(impl_->mutex);
  AssetSeries* const series = impl_->find(asset);
  if (series != nullptr) series->opened.Increment();
}

void SpreadMetrics::remove_asset(std::string_view asset) {
  const std::lock_guard lock(impl_->mutex);
  const auto found = impl_->assets.find(asset);
  if (found == impl_->assets.end()) return;
  found->second->remove(impl_->families);
  impl_->assets.erase(found);
}

void SpreadMetrics::opportunity_closed(std::string_view reason) {
  const std::size_t i = position(kCloseReasons, reason);
  if (i < kCloseReasons.size()) impl_->closed[i]->Increment();
}

void SpreadMetrics::verdict(std::string_view verdict, Reasons reasons) {
  const std::size_t i = position(kVerdicts, verdict);
  if (i < kVerdicts.size()) impl_->verdicts[i]->Increment();
  reasons.for_each([this](Reason r) { impl_->reasons[static_cast<std::size_t>(r)]->Increment(); });
}

void SpreadMetrics::set_pairs(std::string_view verdict, std::size_t count) {
  const std::size_t i = position(kVerdicts, verdict);
  if (i < kVerdicts.size()) impl_->pairs[i]->Set(static_cast<double>(count));
}

void SpreadMetrics::set_pair_reasons(Reason reason, std::size_t count) {
  impl_->pair_reasons[static_cast<std::size_t>(reason)]->Set(static_cast<double>(count));
}

void SpreadMetrics::latency(std::chrono::nanoseconds latency) {
  impl_->latency.Observe(to_seconds(latency));
}

}  // namespace spreadwatch::metrics
