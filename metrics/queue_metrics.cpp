#include "metrics/queue_metrics.h"

#include <string>
#include <vector>

#include "metrics/series.h"

namespace spreadwatch::metrics {

struct QueueMetrics::Impl {
  struct Stage {
    prometheus::Gauge& depth;
    prometheus::Gauge& capacity;
    prometheus::Counter& dropped;
  };
  std::vector<Stage> stages;
};

QueueMetrics::QueueMetrics(Registry& registry, std::span<const std::string_view> stages)
    : impl_(std::make_unique<Impl>()) {
  auto& depth = gauges(registry, "spreadwatch_app_queue_depth", "Values waiting for the stage.");
  auto& capacity =
      gauges(registry, "spreadwatch_app_queue_capacity", "Values that may wait for the stage.");
  auto& dropped = counters(registry, "spreadwatch_app_queue_drops_total",
                           "Values refused because the stage's queue was full.");
  for (const std::string_view stage : stages) {
    const Labels labels{{"stage", std::string{stage}}};
    impl_->stages.push_back({depth.Add(labels), capacity.Add(labels), dropped.Add(labels)});
  }
}

QueueMetrics::~QueueMetrics() = default;

void QueueMetrics::set_depth(std::size_t stage, std::size_t values) {
  impl_->stages.at(stage).depth.Set(static_cast<double>(values));
}

void QueueMetrics::set_capacity(std::size_t stage, std::size_t values) {
  impl_->stages.at(stage).capacity.Set(static_cast<double>(values));
}

void QueueMetrics::dropped(std::size_t stage, std::uint64_t count) {
  impl_->stages.at(stage).dropped.Increment(static_cast<double>(count));
}

}  // namespace spreadwatch::metrics
