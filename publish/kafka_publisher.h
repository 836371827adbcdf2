#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "config/settings.h"
#include "core/heartbeat.h"
#include "core/time.h"
#include "metrics/publish_metrics.h"
#include "publish/kafka_record.h"
#include "publish/topics.h"

namespace spreadwatch::publish {

/// Sends records to Kafka: idempotent, acknowledged by all replicas, in order per key.
///
/// Nothing here waits for a broker but flush() and stop(). What waits is bounded in records and
/// bytes, market data apart from what must be delivered (see the topic table): of market data the
/// oldest goes when there is no room, of the rest opportunity updates that a later one makes up
/// for, and each is counted. An outage within the bound loses nothing: records have no expiry.
///
/// Topics are looked after as long as the publisher runs: after a broker went away and at least
/// every ten seconds they must be there with their partitions before anything more goes to them.
/// What a broker refuses for good is counted as failed, of market data; a record that must be
/// delivered is tried again, ever more rarely, with what follows of its topic behind it, until it
/// is delivered. A producer that can go no further is replaced by another with what was not
/// acknowledged.
///
/// With `state_dir` what must be delivered and was not at the stop is the first that the next run
/// sends. Threads: publish(), flush() and state() any; start() and stop() one.
class KafkaPublisher {
 public:
  enum class Status : std::uint8_t {
    kStopped,     ///< not started, or stopped
    kConnecting,  ///< started, no broker has answered yet; records wait
    kReady,       ///< topics are there, and records are acknowledged
    kDown,        ///< the brokers cannot be reached or acknowledge nothing; records wait
    kFailed,      ///< something needs a person: partition counts, refused access, a broker's limits
  };
  struct State {
    Status status = Status::kStopped;
    std::vector<std::string> reasons;  ///< why not everything is delivered; empty when kReady
    std::vector<std::string> notices;  ///< what an operator should know all the same
    std::string detail;                ///< the reasons in one line
    bool embedded = false;             ///< the in-process broker: nothing survives a restart
  };
  /// For tests: how patient it is.
  struct Patience {
    milliseconds unacknowledged{5000};  ///< waiting for so long without acknowledgement is a reason
    milliseconds first_retry{500};      ///< of what was refused; doubled up to
    milliseconds last_retry{10'000};
    milliseconds look_every{10'000};  ///< at the topics, while nothing is wrong
  };

  /// `settings` (kafka, the venues' order and state_dir) are copied; `metrics` must outlive the
  /// publisher.
  KafkaPublisher(const config::Settings& settings, metrics::PublishMetrics& metrics,
                 const Patience& patience);
  KafkaPublisher(const config::Settings& settings, metrics::PublishMetrics& metrics)
      : KafkaPublisher(settings, metrics, Patience{}) {}
  /// As stop() with 5 s.
  ~KafkaPublisher();
  KafkaPublisher(const KafkaPublisher&) = delete;
  KafkaPublisher& operator=(const KafkaPublisher&) = delete;

  /// Called with the `ce_id` of each acknowledged record of a topic that must be delivered, on the
  /// publisher's own thread: it must not wait and not call back. REQUIRES: not started.
  using Acknowledged = std::function<void(std::string_view id)>;
  void on_acknowledged(Acknowledged acknowledged);

  /// Connects, creates what topics are missing, and takes up what the run before left. Takes at
  /// most about 10 s: brokers that do not answer by then are tried again in the background
  /// (kConnecting). Throws std::runtime_error when a topic exists with too few partitions (naming
  /// topic and counts), a topic cannot be created, a setting is refused, or what the run before
  /// left cannot be read.
  void start();
  /// Whether the record with this `ce_id` is among what the run before left.
  bool took_up(std::string_view id) const;

  /// Takes a record; never waits. False = not taken and counted: dropped for want of room or after
  /// stop(), failed when no broker could ever take it. REQUIRES: for a venue topic `partition` is
  /// one of its partitions, else kPartitionByKey.
  bool publish(KafkaRecord record);

  /// Waits until everything accepted so far is acknowledged or given up; false when `deadline`
  /// passed first.
  bool flush(milliseconds deadline);

  /// flush(), then ends, at most about a second later. What was not acknowledged by then is kept
  /// for the next run when it must be delivered and there is a `state_dir`, else counted as failed.
  void stop(milliseconds deadline);

  State state() const;
  /// Of the thread that serves delivery reports.
  const Heartbeat& heartbeat() const;
  /// The bootstrap list; for `embedded` the in-process broker's address once started.
  std::string brokers() const;
  const Topics& topics() const;

  /// For tests: has the producers believe that they met an error which ends them.
  void break_producers(const std::string& why);

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace spreadwatch::publish
