#pragma once

#include "app/stages.h"
#include "metrics/registry.h"
#include "metrics/service_metrics.h"

namespace spreadwatch::app {

/// Tells each scrape when every stage last worked, and which stand.
class StageGauges final : private metrics::Refreshed {
 public:
  /// All must outlive it.
  StageGauges(metrics::Registry& registry, const Stages& stages, metrics::ServiceMetrics& metrics);
  ~StageGauges();
  StageGauges(const StageGauges&) = delete;
  StageGauges& operator=(const StageGauges&) = delete;

 private:
  void refresh(Timestamp now) override;

  metrics::Registry& registry_;
  const Stages& stages_;
  metrics::ServiceMetrics& metrics_;
};

}  // namespace spreadwatch::app
