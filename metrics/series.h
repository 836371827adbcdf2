#pragma once

// Private to this folder: prometheus-cpp stays out of the headers that other folders include.

#include <prometheus/counter.h>
#include <prometheus/family.h>
#include <prometheus/gauge.h>
#include <prometheus/histogram.h>

#include <chrono>
#include <map>
#include <mutex>
#include <string>

#include "core/time.h"
#include "metrics/registry.h"

namespace spreadwatch::metrics {

using Labels = std::map<std::string, std::string>;

/// Families by name; asking twice gives the same one. Throws std::invalid_argument for a bad name.
prometheus::Family<prometheus::Counter>& counters(Registry& registry, const std::string& name,
                                                  const std::string& help);
prometheus::Family<prometheus::Gauge>& gauges(Registry& registry, const std::string& name,
                                              const std::string& help);
prometheus::Family<prometheus::Histogram>& histograms(Registry& registry, const std::string& name,
                                                      const std::string& help);

/// Bucket bounds in seconds: for time on the wire (1 ms to 30 s) and inside the program (1 us to 1
/// s).
const prometheus::Histogram::BucketBoundaries& wire_buckets();
const prometheus::Histogram::BucketBoundaries& stage_buckets();

constexpr double to_seconds(std::chrono::nanoseconds d) {
  return static_cast<double>(d.count()) * 1e-9;
}
constexpr double to_seconds(Timestamp t) { return static_cast<double>(to_us(t)) * 1e-6; }

/// A gauge that exists only while its value is known: a number that stopped being true must vanish
/// from the scrape, where a frozen one would look alive. Threads: any.
class OptionalGauge {
 public:
  OptionalGauge(prometheus::Family<prometheus::Gauge>& family, Labels labels);

  void set(double value);
  void clear();
  /// As set(), but only while the gauge exists.
  void set_if_present(double value);

 private:
  prometheus::Family<prometheus::Gauge>& family_;
  const Labels labels_;
  std::mutex mutex_;
  prometheus::Gauge* gauge_ = nullptr;  // guarded by mutex_, as clear() destroys what it points to
};

}  // namespace spreadwatch::metrics
