#pragma once

#include <variant>

#include "core/event_consumer.h"
#include "publish/kafka_publisher.h"
#include "publish/records.h"

namespace spreadwatch::app {

/// Events to Kafka; but opportunities, which go there once they are on disk (HistoryLoop).
/// Threads: as EventConsumer.
class KafkaConsumer final : public EventConsumer {
 public:
  /// `kafka` must outlive it.
  explicit KafkaConsumer(publish::KafkaPublisher& kafka) : kafka_(kafka) {}

  void on(const Event& event, const EncodedRecord& record, Timestamp /*now*/) override {
    if (record.empty() || std::holds_alternative<OpportunityEvent>(event)) return;
    kafka_.publish(publish::addressed(event, record));
  }
  bool lasting() const override { return true; }

 private:
  publish::KafkaPublisher& kafka_;
};

}  // namespace spreadwatch::app
