#pragma once

#include <mutex>
#include <optional>
#include <string>

#include "core/service_clock.h"
#include "metrics/service_metrics.h"

namespace spreadwatch::app {

/// Looks whether somebody has set the machine's clock; counts it, logs it once, and says so for as
/// long as it matters.
/// Threads: any.
class ClockWatch {
 public:
  /// How often it looks at most.
  static constexpr microseconds kEvery = std::chrono::seconds{1};
  /// A step is told for so long at least.
  static constexpr microseconds kTellFor = std::chrono::seconds{60};
  /// And while what is shown differs from the wall clock by more than this.
  static constexpr microseconds kMatters = std::chrono::seconds{1};

  /// Both must outlive the watch.
  ClockWatch(ServiceClock& clock, metrics::ServiceMetrics& metrics)
      : clock_(clock), metrics_(metrics) {}

  /// To be called now and then.
  void look();
  /// For `/readyz`: what a reader of times should know; nullopt when there is nothing.
  std::optional<std::string> notice();

 private:
  ServiceClock& clock_;
  metrics::ServiceMetrics& metrics_;
  std::mutex mutex_;
  std::optional<Timestamp> looked_;         // guarded by mutex_, as below
  std::optional<ServiceClock::Step> last_;  // the latest step
};

}  // namespace spreadwatch::app
