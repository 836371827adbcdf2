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
  /// Both must outlive it.
  KafkaConsumer(publish::KafkaPublisher& kafka, const publish::Topics& topics)
      : kafka_(kafka), topics_(topics) {}

  void on(const Event& event, const EncodedRecord& record, Timestamp /*now*/) override {
    if (record.empty() || std::holds_alternative<OpportunityEvent>(event)) return;
    kafka_.publish(publish::addressed(topics_, event, record));
  }
  bool lasting() const override { return true; }

 private:
  publish::KafkaPublisher& kafka_;
  const publish::Topics& topics_;
};

}  // namespace spreadwatch::app
