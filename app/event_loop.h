#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

#include "app/drain_deadline.h"
#include "app/queue_rules.h"
#include "app/stage_queue.h"
#include "core/event.h"
#include "core/event_consumer.h"
#include "core/heartbeat.h"
#include "core/time.h"
#include "metrics/queue_metrics.h"
#include "publish/encode.h"

namespace spreadwatch::app {

/// The second seam in one process: takes events, encodes each once, and tells its consumers of it,
/// in the order they were added.
///
/// A consumer that throws has not taken that event; it is counted, the first time logged, and the
/// others get theirs. At a stop whose time is up only opportunities and errors still go, and only
/// to consumers that are lasting(); the rest is counted as dropped. Threads: add() before start();
/// start() and stop() one; push() and the counts any.
class EventLoop {
 public:
  /// Last look at an event before it is encoded: makes of what has become untrue while it waited
  /// what is true at `now`.
  using Judge = std::function<void(Event& event, Timestamp now)>;
  struct Options {
    publish::RecordShape shape{};
    Judge judge{};  ///< none: events leave as they came
    EventQueue::Bounds bounds = queue_bounds<EventQueue>();
    milliseconds tick{200};  ///< longest time between two ticks
  };

  /// `clock`, `metrics` and `drain` must outlive the loop; `stage` is the queue's in `metrics`.
  EventLoop(Options options, const Clock& clock, metrics::QueueMetrics& metrics, std::size_t stage,
            const DrainDeadline& drain);
  ~EventLoop();  ///< stop()
  EventLoop(const EventLoop&) = delete;
  EventLoop& operator=(const EventLoop&) = delete;

  /// `consumer` must outlive the loop; `name` is for logs and the metric's `consumer` label.
  void add(std::string name, EventConsumer& consumer);
  void start();
  /// Takes no more, deals with what waits, and ends. Idempotent.
  void stop();

  /// Never waits.
  void push(Event event) { queue_.push(std::move(event)); }

  /// Events that no later one makes up for and that found no room.
  std::uint64_t refused() const { return queue_.refused(); }
  const Heartbeat& heartbeat() const { return alive_; }

 private:
  struct Member {
    std::string name;
    EventConsumer* consumer = nullptr;
    std::size_t series = 0;
    bool lasting = false;
    bool failed = false;
  };

  void run();
  void deliver(Event& event);
  void deliver_late(const Event& event);
  EncodedRecord encode(const Event& event) const;
  template <class What>
  void notify(Member& member, What what);

  const Options options_;
  const Clock& clock_;
  metrics::QueueMetrics& metrics_;
  const DrainDeadline& drain_;
  StageQueue<EventQueue, Event> queue_;
  std::vector<Member> members_;  // its own thread's, once started
  Heartbeat alive_;
  std::jthread thread_;
};

}  // namespace spreadwatch::app
