#pragma once

#include <functional>
#include <memory>
#include <string>
#include <thread>

#include "app/drain_deadline.h"
#include "config/settings.h"
#include "core/event.h"
#include "core/heartbeat.h"
#include "core/service_clock.h"
#include "history/opportunity_log.h"
#include "metrics/history_metrics.h"
#include "publish/kafka_publisher.h"

namespace spreadwatch::app {

/// The log of opportunities with its thread: what it is told goes to disk, then to Kafka. That
/// thread waits for the disk, and nobody waits for it.
/// Threads: restore(), start(), stop() and finish() one; log() as OpportunityLog.
class HistoryLoop {
 public:
  /// Opens the store in the state directory, if there is one. Throws history::StoreError. All must
  /// outlive the loop; `kafka` is told to say what was acknowledged, so it must not have started.
  HistoryLoop(const config::Settings& settings, ServiceClock& clock, publish::KafkaPublisher& kafka,
              metrics::HistoryMetrics& metrics, const DrainDeadline& drain);
  ~HistoryLoop();  ///< stop()
  HistoryLoop(const HistoryLoop&) = delete;
  HistoryLoop& operator=(const HistoryLoop&) = delete;

  /// Takes what the run before left open, by its last event as of now(); `goes_on` as
  /// Engine::restore().
  using Take = std::function<void(const OpportunityEvent& last, Timestamp now, bool goes_on)>;
  /// What the run before left open goes on, and what it may not have delivered is sent first. Times
  /// of day go on from what was told then. REQUIRES: kafka has started, this has not.
  void restore(const Take& take);

  void start();
  /// Writes what waits, as far as there is time, and ends. Idempotent.
  void stop();
  /// After Kafka's end: keeps what it delivered.
  void finish() { log_.finish(); }

  history::OpportunityLog& log() { return log_; }
  const history::OpportunityLog& log() const { return log_; }
  /// Where a damaged store went; empty = it was good.
  const std::string& moved_aside() const { return moved_aside_; }
  /// Of the thread while it waits for the disk.
  const Heartbeat& heartbeat() const { return alive_; }

 private:
  void run(const std::stop_token& stop);
  void write();

  ServiceClock& clock_;
  publish::KafkaPublisher& kafka_;
  metrics::HistoryMetrics& metrics_;
  const DrainDeadline& drain_;
  std::string moved_aside_;
  history::OpportunityLog log_;  // its own thread's, but for on() and delivered()
  Heartbeat alive_;
  std::jthread thread_;
};

}  // namespace spreadwatch::app
