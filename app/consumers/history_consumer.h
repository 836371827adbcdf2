#pragma once

#include <optional>
#include <variant>

#include "core/event_consumer.h"
#include "history/opportunity_log.h"
#include "publish/time_of_day.h"

namespace spreadwatch::app {

/// Opportunities, with times of day, to the log that has them on disk before they leave.
/// Threads: as EventConsumer.
class HistoryConsumer final : public EventConsumer {
 public:
  /// Both must outlive it.
  HistoryConsumer(history::OpportunityLog& log, const Clock& clock) : log_(log), clock_(clock) {}

  void on(const Event& event, const EncodedRecord& /*record*/, Timestamp /*now*/) override {
    const auto* const opportunity = std::get_if<OpportunityEvent>(&event);
    if (opportunity == nullptr) return;
    const std::optional<OpportunityEvent> told = publish::told(*opportunity, clock_);
    log_.on(told ? *told : *opportunity);
  }
  bool lasting() const override { return true; }

 private:
  history::OpportunityLog& log_;
  const Clock& clock_;
};

}  // namespace spreadwatch::app
