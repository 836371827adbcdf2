#pragma once

#include <cstddef>
#include <memory>
#include <span>
#include <string_view>

#include "metrics/registry.h"

namespace spreadwatch::metrics {

/// The `spreadwatch_alerts_*` series: what was fired, and what became of it at each sink.
/// Threads: any.
class AlertMetrics {
 public:
  /// `rules` and `sinks` are the configured ones, the values of the labels of that name; positions
  /// in these lists are the arguments of the calls below.
  AlertMetrics(Registry& registry, std::span<const std::string_view> rules,
               std::span<const std::string_view> sinks);
  ~AlertMetrics();
  AlertMetrics(const AlertMetrics&) = delete;
  AlertMetrics& operator=(const AlertMetrics&) = delete;

  void fired(std::size_t rule);
  void resolved(std::size_t rule);
  /// An alert that was held back: muted, cooling down or beyond the global budget.
  void suppressed(std::size_t rule);
  /// Alerts of the rule that are firing now.
  void set_active(std::size_t rule, std::size_t count);
  /// A sink took an alert, or it was given up after its last attempt.
  void delivered(std::size_t sink);
  void failed(std::size_t sink);
  /// Alerts that wait for the sink.
  void set_pending(std::size_t sink, std::size_t count);

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace spreadwatch::metrics
