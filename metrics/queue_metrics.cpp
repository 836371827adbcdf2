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
    prometheus::Counter& conflated;
    prometheus::Gauge& bytes;
  };
  explicit Impl(Registry& registry)
      : failures(counters(registry, "spreadwatch_app_consumer_failures_total",
                          "Events that the consumer could not take.")) {}

  prometheus::Family<prometheus::Counter>& failures;
  std::vector<Stage> stages;
  std::vector<prometheus::Counter*> consumers;
};

QueueMetrics::QueueMetrics(Registry& registry, std::span<const std::string_view> stages)
    : impl_(std::make_unique<Impl>(registry)) {
  auto& depth = gauges(registry, "spreadwatch_app_queue_depth", "Values waiting for the stage.");
  auto& capacity =
      gauges(registry, "spreadwatch_app_queue_capacity", "Values that may wait for the stage.");
  auto& dropped = counters(registry, "spreadwatch_app_queue_drops_total",
                           "Values refused because the stage's queue was full.");
  auto& conflated = counters(registry, "spreadwatch_app_queue_conflated_total",
                             "Values that took the place of an older one of the same market or "
                             "row because the stage was behind.");
  auto& bytes = gauges(registry, "spreadwatch_app_queue_bytes",
                       "About how much memory the values waiting for the stage take.");
  for (const std::string_view stage : stages) {
    const Labels labels{{"stage", std::string{stage}}};
    impl_->stages.push_back({depth.Add(labels), capacity.Add(labels), dropped.Add(labels),
                             conflated.Add(labels), bytes.Add(labels)});
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

void QueueMetrics::conflated(std::size_t stage) { impl_->stages.at(stage).conflated.Increment(); }

void QueueMetrics::set_bytes(std::size_t stage, std::size_t bytes) {
  impl_->stages.at(stage).bytes.Set(static_cast<double>(bytes));
}

std::size_t QueueMetrics::add_consumer(std::string_view name) {
  impl_->consumers.push_back(&impl_->failures.Add({{"consumer", std::string{name}}}));
  return impl_->consumers.size() - 1;
}

void QueueMetrics::consumer_failed(std::size_t consumer) {
  impl_->consumers.at(consumer)->Increment();
}

}  // namespace spreadwatch::metrics
