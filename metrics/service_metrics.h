#pragma once

#include <cstddef>
#include <memory>
#include <optional>
#include <span>
#include <string_view>

#include "core/time.h"
#include "metrics/registry.h"

namespace spreadwatch::metrics {

/// The `spreadwatch_app_clock_*` and `spreadwatch_app_stage_*` series: how the machine's clock and
/// the program's own stages are. Threads: any.
class ServiceMetrics {
 public:
  /// `stages` are the values of the `stage` label; positions in the list are the `stage` argument
  /// of set_stage().
  ServiceMetrics(Registry& registry, std::span<const std::string_view> stages);
  ~ServiceMetrics();
  ServiceMetrics(const ServiceMetrics&) = delete;
  ServiceMetrics& operator=(const ServiceMetrics&) = delete;

  /// The wall clock was set.
  void clock_step(bool forward);
  /// How far the times of day that are told are ahead of the wall clock.
  void set_clock_ahead(microseconds ahead);
  /// When the stage last did its work, nullopt = never; and whether it stands.
  void set_stage(std::size_t stage, std::optional<Timestamp> last_work, bool stands);

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace spreadwatch::metrics
