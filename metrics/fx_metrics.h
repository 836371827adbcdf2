#pragma once

#include <cstddef>
#include <memory>
#include <optional>
#include <span>
#include <string_view>

#include "core/error.h"
#include "core/time.h"
#include "metrics/registry.h"

namespace spreadwatch::metrics {

/// The `spreadwatch_fx_*` series: rates, their age and their sources, per currency pair.
/// Threads: any.
class FxMetrics {
 public:
  /// `pairs` are the values of the `pair` label; `reasons` the closed list of why a source is
  /// excluded. Positions in these lists are the indices of the calls below.
  FxMetrics(Registry& registry, std::span<const std::string_view> pairs,
            std::span<const std::string_view> reasons);
  ~FxMetrics();
  FxMetrics(const FxMetrics&) = delete;
  FxMetrics& operator=(const FxMetrics&) = delete;

  /// A usable rate whose oldest source is of `updated`, which its age is counted from. A side that
  /// does not exist (a bank rate has only a mid) is nullopt.
  void set_rate(std::size_t pair, std::optional<double> bid, std::optional<double> ask, double mid,
                Timestamp updated);
  /// The rate is unavailable: its gauges and its age go, the time of its last update stays.
  void clear_rate(std::size_t pair);
  /// The oldest source of the usable rate is of `updated` now, whether or not the rate is another.
  /// Ignored while there is none.
  void confirm(std::size_t pair, Timestamp updated);
  void set_sources_used(std::size_t pair, std::size_t count);
  /// A source was left out of the consensus for reason `reason`.
  void source_excluded(std::size_t pair, std::size_t reason);
  /// A bank-rate source could not be asked, or its answer not be read.
  void bank_error(ErrorCode reason);

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace spreadwatch::metrics
