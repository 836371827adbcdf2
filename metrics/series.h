#pragma once

// Private to this folder: prometheus-cpp stays out of the headers that other folders include.

#include <prometheus/counter.h>
#include <prometheus/family.h>
#include <prometheus/gauge.h>
#include <prometheus/histogram.h>

#include <chrono>
#include <map>
#include <mutex>
#include <optional>
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
  return static_cast<double>(d.count()) / 1e9;
}
constexpr double to_seconds(Timestamp t) { return static_cast<double>(to_us(t)) * 1e-6; }

/// A gauge that exists only while its value is known: a number that stopped being true must vanish
/// from the scrape, where a frozen one would look alive. Threads: any.
class OptionalGauge {
 public:
  OptionalGauge(prometheus::Family<prometheus::Gauge>& family, Labels labels);

  void set(double value);
  void clear();

 private:
  prometheus::Family<prometheus::Gauge>& family_;
  const Labels labels_;
  std::mutex mutex_;
  prometheus::Gauge* gauge_ = nullptr;  // guarded by mutex_, as clear() destroys what it points to
};

/// How long ago something last happened, as a gauge in seconds that grows by itself: it is computed
/// at each scrape, since the thread that would have to move it may be the one that stands. Exists
/// only while there is something to count from. Threads: any.
class AgeGauge final : private Refreshed {
 public:
  /// `registry` must outlive it.
  AgeGauge(Registry& registry, prometheus::Family<prometheus::Gauge>& family, Labels labels);
  ~AgeGauge();
  AgeGauge(const AgeGauge&) = delete;
  AgeGauge& operator=(const AgeGauge&) = delete;

  void since(Timestamp last);
  void clear();
  /// since() or clear().
  void assign(std::optional<Timestamp> last);

 private:
  void refresh(Timestamp now) override;

  Registry& registry_;
  OptionalGauge gauge_;
  std::mutex mutex_;
  std::optional<Timestamp> last_;  // guarded by mutex_
};

}  // namespace spreadwatch::metrics
