#include "metrics/history_metrics.h"

#include "metrics/series.h"

namespace spreadwatch::metrics {

struct HistoryMetrics::Impl {
  explicit Impl(Registry& registry)
      : events(counters(registry, "spreadwatch_history_events_total",
                        "Opportunities opened and closed, by whether that is on disk.")),
        kept(events.Add({{"result", "kept"}})),
        not_kept(events.Add({{"result", "not_kept"}})),
        waiting(gauges(registry, "spreadwatch_history_waiting_events",
                       "Events of opportunities that wait for the disk.")
                    .Add({})),
        writable(gauges(registry, "spreadwatch_history_writable",
                        "1 while the store of opportunities takes writes, 0 while it does not.")
                     .Add({})) {
    writable.Set(1);
  }

  prometheus::Family<prometheus::Counter>& events;
  prometheus::Counter& kept;
  prometheus::Counter& not_kept;
  prometheus::Gauge& waiting;
  prometheus::Gauge& writable;
};

HistoryMetrics::HistoryMetrics(Registry& registry) : impl_(std::make_unique<Impl>(registry)) {}
HistoryMetrics::~HistoryMetrics() = default;

void HistoryMetrics::events(bool kept, std::uint64_t count) {
  (kept ? impl_->kept : impl_->not_kept).Increment(static_cast<double>(count));
}
void HistoryMetrics::set_waiting(std::size_t events) {
  impl_->waiting.Set(static_cast<double>(events));
}
void HistoryMetrics::set_writable(bool writable) { impl_->writable.Set(writable ? 1 : 0); }

}  // namespace spreadwatch::metrics
