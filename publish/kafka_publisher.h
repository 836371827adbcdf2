#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "config/settings.h"
#include "core/heartbeat.h"
#include "core/time.h"
#include "metrics/publish_metrics.h"
#include "publish/topics.h"

namespace spreadwatch::publish {

/// One record on its way to a topic.
struct KafkaRecord {
  TopicId topic{};
  int partition = kPartitionByKey;  ///< explicit for venue topics, else kPartitionByKey
  std::string key;
  std::string value;  ///< one JSON object
  std::string_view
      type;          ///< the record's `type`; `ce_type` is "spreadwatch." + type. Static storage
  Timestamp time{};  ///< when it happened: `ce_time`
  std::string
      id;  ///< `ce_id`; empty = derived from topic, key and value, so the same on every replay
};

/// Sends records to Kafka: idempotent, acknowledged by all replicas, in order per partition.
///
/// What waits for the broker is bounded in records and bytes. Market data may use three quarters of
/// the bound; past that the newest record is dropped and counted by topic. The rest is kept for
/// records of topics that must be delivered, whose publish() waits for room. An outage within the
/// bound loses nothing: records have no expiry. Threads: publish(), flush(), state() and
/// heartbeat() any; start() and stop() one.
class KafkaPublisher {
 public:
  enum class Status : std::uint8_t {
    kStopped,     ///< not started, or stopped
    kConnecting,  ///< started, no broker has answered yet; records wait
    kReady,       ///< topics are there, a broker answers
    kDown,        ///< the brokers cannot be reached; records wait
    kFailed,      ///< cannot go on without a person: wrong partition counts, refused access, fatal
                  ///< error
  };
  struct State {
    Status status = Status::kStopped;
    std::string detail;     ///< for a person; empty when kReady on a real cluster
    bool embedded = false;  ///< the in-process broker: nothing survives a restart
  };

  /// `settings` (kafka and the venues' order) are copied; `metrics` and `clock` must outlive the
  /// publisher.
  KafkaPublisher(const config::Settings& settings, metrics::PublishMetrics& metrics,
                 const Clock& clock);
  /// As stop() with 5 s.
  ~KafkaPublisher();
  KafkaPublisher(const KafkaPublisher&) = delete;
  KafkaPublisher& operator=(const KafkaPublisher&) = delete;

  /// Called with the `ce_id` of each acknowledged record of a topic that must be delivered, on the
  /// publisher's own thread: it must not wait and not call back. REQUIRES: not started.
  using Acknowledged = std::function<void(std::string_view id)>;
  void on_acknowledged(Acknowledged acknowledged);

  /// Connects and creates what topics are missing. Takes at most about 10 s: brokers that do not
  /// answer by then are tried again in the background (kConnecting). Throws std::runtime_error when
  /// a topic exists with too few partitions (naming topic and counts), a topic cannot be created,
  /// or a setting is refused.
  void start();

  /// Takes a record; returns at once for market data. False = dropped and counted (market data past
  /// its share of the queue, or after stop()). A record of a must-deliver topic waits for room.
  /// REQUIRES: for a venue topic `partition` is one of its partitions, else kPartitionByKey.
  bool publish(KafkaRecord record);

  /// Waits until everything accepted so far is acknowledged or refused; false when `deadline`
  /// passed first.
  bool flush(milliseconds deadline);

  /// flush(), then ends; what was not acknowledged by `deadline` is counted as failed.
  void stop(milliseconds deadline);

  State state() const;
  /// Of the thread that serves delivery reports.
  const Heartbeat& heartbeat() const;
  /// The bootstrap list; for `embedded` the in-process broker's address once started.
  std::string brokers() const;
  const Topics& topics() const;

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace spreadwatch::publish
