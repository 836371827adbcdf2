#include "app/history_loop.h"

#include <spdlog/spdlog.h>

#include <chrono>
#include <optional>
#include <string_view>
#include <utility>

#include "app/stage_thread.h"
#include "history/opportunity_store.h"
#include "publish/records.h"
#include "publish/time_of_day.h"

namespace spreadwatch::app {
namespace {

constexpr milliseconds kHistoryTick{200};

/// Throws history::StoreError.
std::unique_ptr<history::OpportunityStore> open_opportunities(const config::Settings& settings,
                                                              std::string& moved_aside) {
  if (settings.state_dir.empty()) return nullptr;
  history::OpenedStore opened = history::open_store(settings.state_dir);
  moved_aside = opened.moved_aside.string();
  if (!moved_aside.empty()) {
    spdlog::error(
        "the store of opportunities was damaged; it is now {}, and opportunities that were open "
        "have no close",
        moved_aside);
  }
  return std::move(opened.store);
}

}  // namespace

HistoryLoop::HistoryLoop(const config::Settings& settings, ServiceClock& clock,
                         publish::KafkaPublisher& kafka, metrics::HistoryMetrics& metrics,
                         const DrainDeadline& drain)
    : clock_(clock),
      kafka_(kafka),
      metrics_(metrics),
      drain_(drain),
      log_(open_opportunities(settings, moved_aside_),
           [&settings] { return history::open_store(settings.state_dir); }) {
  kafka_.on_acknowledged([this](std::string_view id) {
    if (const auto event = publish::opportunity_of(id)) log_.delivered(event->id, event->kind);
  });
}

HistoryLoop::~HistoryLoop() { stop(); }

void HistoryLoop::restore(const Take& take) {
  const Timestamp now = clock_.now();
  const bool goes_on = log_.recent(now);
  const std::optional<Timestamp> latest = log_.latest();
  const microseconds lead = latest ? clock_.go_on_from(*latest) : microseconds{0};
  if (lead > microseconds{0}) {
    spdlog::warn(
        "the wall clock is {:.1f} s behind what the run before told: times of day go on from there",
        std::chrono::duration<double>(lead).count());
  }
  for (OpportunityEvent& last : log_.open()) {
    publish::for_each_moment(last, [lead](Timestamp& told) { told -= lead; });
    take(last, now, goes_on);
  }
  log_.resend([this](const OpportunityEvent& event) {
    publish::KafkaRecord record = publish::make_record(event);
    // What the publisher itself kept for this run is on its way already, with what lies between.
    if (!kafka_.took_up(record.id)) kafka_.publish(std::move(record));
  });
}

void HistoryLoop::start() {
  thread_ = std::jthread([this](const std::stop_token& stop) { run(stop); });
}

void HistoryLoop::stop() {
  thread_ = {};  // asks it to stop and waits
}

void HistoryLoop::run(const std::stop_token& stop) {
  name_thread("history");
  while (!stop.stop_requested()) {
    log_.wait(kHistoryTick);
    write();
  }
  // What does not get to disk in time is not sent either: the next run does not contradict it.
  do {
    write();
  } while (log_.waiting() > 0 && log_.state().reasons.empty() && !drain_.passed());
}

void HistoryLoop::write() {
  const std::uint64_t kept = log_.kept();
  const std::uint64_t lost = log_.lost();
  alive_.beat(Heartbeat::Steady::now());
  log_.write(clock_.shown(clock_.now()), [this](const OpportunityEvent& event) {
    kafka_.publish(publish::make_record(event));
  });
  alive_.rest();
  metrics_.events(true, log_.kept() - kept);
  metrics_.events(false, log_.lost() - lost);
  metrics_.set_waiting(log_.waiting());
  metrics_.set_writable(log_.state().reasons.empty());
}

}  // namespace spreadwatch::app
