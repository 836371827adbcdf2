#include "app/event_loop.h"

#include <spdlog/spdlog.h>

#include <exception>
#include <optional>
#include <utility>
#include <variant>

#include "app/stage_thread.h"
#include "publish/records.h"
#include "publish/time_of_day.h"

namespace spreadwatch::app {

EventLoop::EventLoop(Options options, const Clock& clock, metrics::QueueMetrics& metrics,
                     std::size_t stage, const DrainDeadline& drain)
    : options_(std::move(options)),
      clock_(clock),
      metrics_(metrics),
      drain_(drain),
      queue_(options_.bounds, metrics, stage) {}

EventLoop::~EventLoop() { stop(); }

void EventLoop::add(std::string name, EventConsumer& consumer) {
  const std::size_t series = metrics_.add_consumer(name);
  members_.push_back({std::move(name), &consumer, series, consumer.lasting(), false});
}

void EventLoop::start() {
  thread_ = std::jthread([this] { run(); });
}

void EventLoop::stop() {
  queue_.close();
  if (thread_.joinable()) thread_.join();
}

template <class What>
void EventLoop::notify(Member& member, What what) {
  try {
    what(*member.consumer);
  } catch (const std::exception& error) {
    metrics_.consumer_failed(member.series);
    if (!std::exchange(member.failed, true)) {
      spdlog::error("{} could not take an event, and may not have taken later ones: {}",
                    member.name, error.what());
    }
  }
}

void EventLoop::run() {
  name_thread("publish");
  std::vector<Event> batch;
  while (queue_.pop(batch, options_.tick)) {
    const Timestamp now = clock_.now();
    for (Member& member : members_) {
      notify(member, [now](EventConsumer& consumer) { consumer.tick(now); });
    }
    for (Event& event : batch) {
      alive_.beat(Heartbeat::Steady::now());
      if (drain_.passed()) {
        deliver_late(event);
      } else {
        deliver(event);
      }
      queue_.done(1);
    }
    alive_.beat(Heartbeat::Steady::now());
    queue_.report();
  }
  alive_.rest();
}

EncodedRecord EventLoop::encode(const Event& event) const {
  if (const auto* book = std::get_if<OrderBook>(&event); book != nullptr && !book->synced()) {
    return {};
  }
  const std::optional<Event> told = publish::told(event, clock_);
  return publish::encode_record(told ? *told : event, options_.shape);
}

void EventLoop::deliver(Event& event) {
  const Timestamp now = clock_.now();
  if (options_.judge) options_.judge(event, now);
  const EncodedRecord record = encode(event);
  for (Member& member : members_) {
    notify(member, [&](EventConsumer& consumer) { consumer.on(event, record, now); });
  }
}

/// What must be delivered still goes; nobody asks for the rest any more.
void EventLoop::deliver_late(const Event& event) {
  if (!std::holds_alternative<OpportunityEvent>(event) &&
      !std::holds_alternative<FeedError>(event)) {
    queue_.dropped(1);
    return;
  }
  const Timestamp now = clock_.now();
  const EncodedRecord record = encode(event);
  for (Member& member : members_) {
    if (!member.lasting) continue;
    notify(member, [&](EventConsumer& consumer) { consumer.on(event, record, now); });
  }
}

}  // namespace spreadwatch::app
