#pragma once

#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "core/reason.h"
#include "core/time.h"
#include "core/venue.h"
#include "metrics/registry.h"

namespace spreadwatch::metrics {

/// The `spreadwatch_spread_*` series: premiums, best pairs, opportunities, verdicts.
///
/// The assets given at the start have their series from then on, any other from when it is first
/// seen until remove_asset(). Labels are assets, regions, bases and reasons, never pairs of venues
/// or opportunity ids. At most kMaxAssets assets have series; further ones are left out and counted
/// in spreadwatch_spread_assets_unlabelled_total. Threads: any.
class SpreadMetrics {
 public:
  static constexpr std::size_t kMaxAssets = 300;

  SpreadMetrics(Registry& registry, std::span<const std::string> assets);
  ~SpreadMetrics();
  SpreadMetrics(const SpreadMetrics&) = delete;
  SpreadMetrics& operator=(const SpreadMetrics&) = delete;

  /// Premium of `asset` in `region` over `over` ("asia", "europe" or "bank"), a fraction. nullopt =
  /// it is unavailable: the gauge goes, the time of its last update stays.
  void set_premium(std::string_view asset, std::string_view region, std::string_view over,
                   std::string_view basis, std::optional<double> ratio, Timestamp now);
  /// The best net ratio (a fraction) and net profit (USDT) over the tradable pairs of the asset;
  /// nullopt, when there is none, removes both.
  struct Best {
    double net_ratio = 0;
    double net_profit_usdt = 0;
  };
  void set_best(std::string_view asset, std::optional<Best> best, Timestamp now);

  void set_open_opportunities(std::string_view asset, std::size_t count);
  void opportunity_opened(std::string_view asset);
  /// `reason` is one of converged, stale, not_tradable, shutdown.
  void opportunity_closed(std::string_view reason);
  /// Nothing is known of the asset any more: its series go, and their place among the kMaxAssets is
  /// free.
  void remove_asset(std::string_view asset);
  /// A pair was judged: `verdict` is one of tradable, not_tradable, unknown.
  void verdict(std::string_view verdict, Reasons reasons);
  /// Pairs whose last verdict was `verdict`.
  void set_pairs(std::string_view verdict, std::size_t count);
  /// Pairs whose last verdict had `reason` among its reasons.
  void set_pair_reasons(Reason reason, std::size_t count);
  /// Receive of the order book to the spread computed from it.
  void latency(std::chrono::nanoseconds latency);

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace spreadwatch::metrics
