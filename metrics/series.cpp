#include "metrics/series.h"

#include <prometheus/registry.h>

#include <algorithm>
#include <utility>

namespace spreadwatch::metrics {

prometheus::Family<prometheus::Counter>& counters(Registry& registry, const std::string& name,
                                                  const std::string& help) {
  return prometheus::BuildCounter().Name(name).Help(help).Register(*registry.shared());
}

prometheus::Family<prometheus::Gauge>& gauges(Registry& registry, const std::string& name,
                                              const std::string& help) {
  return prometheus::BuildGauge().Name(name).Help(help).Register(*registry.shared());
}

prometheus::Family<prometheus::Histogram>& histograms(Registry& registry, const std::string& name,
                                                      const std::string& help) {
  return prometheus::BuildHistogram().Name(name).Help(help).Register(*registry.shared());
}

const prometheus::Histogram::BucketBoundaries& wire_buckets() {
  static const prometheus::Histogram::BucketBoundaries bounds{
      0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30};
  return bounds;
}

const prometheus::Histogram::BucketBoundaries& stage_buckets() {
  static const prometheus::Histogram::BucketBoundaries bounds{
      1e-6, 2.5e-6, 5e-6, 1e-5, 2.5e-5, 5e-5, 1e-4, 2.5e-4, 5e-4, 1e-3, 2.5e-3, 1e-2, 0.1, 1};
  return bounds;
}

OptionalGauge::OptionalGauge(prometheus::Family<prometheus::Gauge>& family, Labels labels)
    : family_(family), labels_(std::move(labels)) {}

void OptionalGauge::set(double value) {
  const std::lock_guard lock(mutex_);
  if (gauge_ == nullptr) gauge_ = &family_.Add(labels_);
  gauge_->Set(value);
}

void OptionalGauge::clear() {
  const std::lock_guard lock(mutex_);
  if (gauge_ == nullptr) return;
  family_.Remove(gauge_);
  gauge_ = nullptr;
}

AgeGauge::AgeGauge(Registry& registry, prometheus::Family<prometheus::Gauge>& family, Labels labels)
    : registry_(registry), gauge_(family, std::move(labels)) {
  registry_.add(*this);
}

AgeGauge::~AgeGauge() { registry_.remove(*this); }

void AgeGauge::since(Timestamp last) { assign(last); }

void AgeGauge::clear() { assign(std::nullopt); }

void AgeGauge::assign(std::optional<Timestamp> last) {
  const std::lock_guard lock(mutex_);
  last_ = last;
}

void AgeGauge::refresh(Timestamp now) {
  const std::lock_guard lock(mutex_);
  if (last_) {
    gauge_.set(to_seconds(std::max(microseconds{0}, now - *last_)));
  } else {
    gauge_.clear();
  }
}

}  // namespace spreadwatch::metrics
