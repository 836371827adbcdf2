#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "core/event.h"
#include "core/rate.h"
#include "publish/encode.h"
#include "publish/kafka_publisher.h"
#include "publish/topics.h"

namespace spreadwatch::publish {

/// The Kafka record of an event: its topic, key, partition, value and id by the topic table.
///
/// An opportunity's id is the opportunity's with the kind of event (and, for an update, its time),
/// so that a consumer can drop what it has seen; the others' ids follow from their content.
/// `ce_time` is the receive time of market data (the exchange's when there is none) and the event's
/// own time otherwise.
KafkaRecord make_record(const Ticker& ticker, TickerFields fields = kAllTickerFields);
KafkaRecord make_record(const OrderBook& book, int depth);
KafkaRecord make_record(const FxEvent& event);
KafkaRecord make_record(const PremiumEvent& event);
KafkaRecord make_record(const SpreadEvent& event);
KafkaRecord make_record(const OpportunityEvent& event);
/// A dead letter. `attempt` counts from 1.
KafkaRecord make_record(const FeedError& error, int attempt);
/// Whichever it is; errors as a first attempt.
KafkaRecord make_record(const Event& event, const RecordShape& shape);

/// The same in two steps, for an event that goes to more than Kafka: the record that all share, and
/// where Kafka has it.
EncodedRecord encode_record(const Event& event, const RecordShape& shape);
KafkaRecord addressed(const Event& event, EncodedRecord record);

/// Which opportunity event a record's id stands for; nullopt for any other record.
struct OpportunityRecordId {
  std::string id;
  OpportunityEvent::Kind kind{};
};
std::optional<OpportunityRecordId> opportunity_of(std::string_view record_id);

}  // namespace spreadwatch::publish
