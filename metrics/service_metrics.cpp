#include "metrics/service_metrics.h"

#include <string>
#include <vector>

#include "metrics/series.h"

namespace spreadwatch::metrics {

struct ServiceMetrics::Impl {
  struct Stage {
    std::unique_ptr<OptionalGauge> last_work;
    prometheus::Gauge& stalled;
  };

  explicit Impl(Registry& registry)
      : steps(counters(registry, "spreadwatch_app_clock_steps_total",
                       "Times the machine's wall clock was set, by direction.")),
        forward(steps.Add({{"direction", "forward"}})),
        back(steps.Add({{"direction", "back"}})),
        ahead(gauges(registry, "spreadwatch_app_clock_ahead_seconds",
                     "How far the times of day that are told are ahead of the wall clock, which "
                     "was set back.")
                  .Add({})) {}

  prometheus::Family<prometheus::Counter>& steps;
  prometheus::Counter& forward;
  prometheus::Counter& back;
  prometheus::Gauge& ahead;
  std::vector<Stage> stages;
};

ServiceMetrics::ServiceMetrics(Registry& registry, std::span<const std::string_view> stages)
    : impl_(std::make_unique<Impl>(registry)) {
  if (stages.empty()) return;
  auto& last_work = gauges(registry, "spreadwatch_app_stage_last_work_timestamp_seconds",
                           "When the stage last did its work; absent before the first time.");
  auto& stalled = gauges(registry, "spreadwatch_app_stage_stalled",
                         "1 while the stage has not come back from its work for too long, else 0.");
  for (const std::string_view stage : stages) {
    const Labels labels{{"stage", std::string{stage}}};
    impl_->stages.push_back(
        {std::make_unique<OptionalGauge>(last_work, labels), stalled.Add(labels)});
  }
}

ServiceMetrics::~ServiceMetrics() = default;

void ServiceMetrics::clock_step(bool forward) {
  (forward ? impl_->forward : impl_->back).Increment();
}

void ServiceMetrics::set_clock_ahead(microseconds ahead) { impl_->ahead.Set(to_seconds(ahead)); }

void ServiceMetrics::set_stage(std::size_t stage, std::optional<Timestamp> last_work, bool stands) {
  Impl::Stage& series = impl_->stages.at(stage);
  if (last_work) series.last_work->set(to_seconds(*last_work));
  series.stalled.Set(stands ? 1 : 0);
}

}  // namespace spreadwatch::metrics
