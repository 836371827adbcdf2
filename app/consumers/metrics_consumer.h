#pragma once

#include "app/clock_watch.h"
#include "app/event_metrics.h"
#include "core/event_consumer.h"

namespace spreadwatch::app {

/// Events to the metrics that follow from them; with each tick, a look at the machine's clock.
/// Threads: as EventConsumer.
class MetricsConsumer final : public EventConsumer {
 public:
  /// Both must outlive it.
  MetricsConsumer(EventMetrics& metrics, ClockWatch& clock_watch)
      : metrics_(metrics), clock_watch_(clock_watch) {}

  void on(const Event& event, const EncodedRecord& /*record*/, Timestamp now) override {
    metrics_.on_event(event, now);
  }
  void tick(Timestamp /*now*/) override { clock_watch_.look(); }

 private:
  EventMetrics& metrics_;
  ClockWatch& clock_watch_;
};

}  // namespace spreadwatch::app
