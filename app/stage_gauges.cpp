#include "app/stage_gauges.h"

#include <chrono>

namespace spreadwatch::app {

StageGauges::StageGauges(metrics::Registry& registry, const Stages& stages,
                         metrics::ServiceMetrics& metrics)
    : registry_(registry), stages_(stages), metrics_(metrics) {
  registry_.add(*this);
}

StageGauges::~StageGauges() { registry_.remove(*this); }

void StageGauges::refresh(Timestamp now) {
  const Heartbeat::Time steady = Heartbeat::Steady::now();
  for (std::size_t i = 0; i < kStageNames.size(); ++i) {
    const auto stage = static_cast<Stage>(i);
    std::optional<Timestamp> last;
    if (const auto beat = stages_.last(stage)) {
      last = registry_.shown(now - std::chrono::floor<microseconds>(steady - *beat));
    }
    metrics_.set_stage(i, last, stages_.stands(stage, steady));
  }
}

}  // namespace spreadwatch::app
