#include "metrics/alert_metrics.h"

#include <string>
#include <vector>

#include "metrics/series.h"

namespace spreadwatch::metrics {

struct AlertMetrics::Impl {
  struct Rule {
    prometheus::Counter& fired;
    prometheus::Counter& resolved;
    prometheus::Counter& suppressed;
    prometheus::Gauge& active;
  };
  struct Sink {
    prometheus::Counter& delivered;
    prometheus::Counter& failed;
    prometheus::Gauge& pending;
  };
  std::vector<Rule> rules;
  std::vector<Sink> sinks;
};

AlertMetrics::AlertMetrics(Registry& registry, std::span<const std::string_view> rules,
                           std::span<const std::string_view> sinks)
    : impl_(std::make_unique<Impl>()) {
  auto& fired = counters(registry, "spreadwatch_alerts_fired_total", "Alerts fired.");
  auto& resolved = counters(registry, "spreadwatch_alerts_resolved_total", "Alerts resolved.");
  auto& suppressed = counters(registry, "spreadwatch_alerts_suppressed_total",
                              "Alerts held back: muted, cooling down or beyond the budget.");
  auto& active = gauges(registry, "spreadwatch_alerts_active", "Alerts firing now.");
  for (const std::string_view rule : rules) {
    const Labels labels{{"rule", std::string{rule}}};
    impl_->rules.push_back(
        {fired.Add(labels), resolved.Add(labels), suppressed.Add(labels), active.Add(labels)});
  }
  auto& delivered =
      counters(registry, "spreadwatch_alerts_delivered_total", "Alerts that a sink took.");
  auto& failed = counters(registry, "spreadwatch_alerts_failed_total",
                          "Alerts given up after the last attempt at a sink.");
  auto& pending = gauges(registry, "spreadwatch_alerts_pending", "Alerts waiting for a sink.");
  for (const std::string_view sink : sinks) {
    const Labels labels{{"sink", std::string{sink}}};
    impl_->sinks.push_back({delivered.Add(labels), failed.Add(labels), pending.Add(labels)});
  }
}

AlertMetrics::~AlertMetrics() = default;

void AlertMetrics::fired(std::size_t rule) { impl_->rules.at(rule).fired.Increment(); }

void AlertMetrics::resolved(std::size_t rule) { impl_->rules.at(rule).resolved.Increment(); }

void AlertMetrics::suppressed(std::size_t rule) { impl_->rules.at(rule).suppressed.Increment(); }

void AlertMetrics::set_active(std::size_t rule, std::size_t count) {
  impl_->rules.at(rule).active.Set(static_cast<double>(count));
}

void AlertMetrics::delivered(std::size_t sink) { impl_->sinks.at(sink).delivered.Increment(); }

void AlertMetrics::failed(std::size_t sink) { impl_->sinks.at(sink).failed.Increment(); }

void AlertMetrics::set_pending(std::size_t sink, std::size_t count) {
  impl_->sinks.at(sink).pending.Set(static_cast<double>(count));
}

}  // namespace spreadwatch::metrics
