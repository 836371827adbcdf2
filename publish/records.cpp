#include "publish/records.h"

#include <cassert>
#include <string>
#include <type_traits>
#include <utility>
#include <variant>

#include "publish/encode.h"

namespace spreadwatch::publish {
namespace {

template <class Data>
Timestamp time_of(const Data& data) {
  if (data.receive_time) return *data.receive_time;
  return data.exchange_time.value_or(Timestamp{});
}

std::string market_key(VenueId venue, const Instrument& instrument) {
  return std::string{to_string(venue)} + ":" + instrument.name();
}

EncodedRecord keyed(std::string key, std::string_view type, Timestamp time) {
  EncodedRecord record;
  record.key = std::move(key);
  record.type = type;
  record.time = time;
  return record;
}

EncodedRecord encode(const Ticker& ticker, const RecordShape& shape) {
  EncodedRecord record =
      keyed(market_key(ticker.venue, ticker.instrument), "ticker", time_of(ticker));
  append_record(record.value, ticker, shape.ticker_fields);
  return record;
}

EncodedRecord encode(const OrderBook& book, const RecordShape& shape) {
  EncodedRecord record = keyed(market_key(book.venue, book.instrument), "orderbook", time_of(book));
  append_record(record.value, book, shape.depth);
  return record;
}

EncodedRecord encode(const FxEvent& event, const RecordShape& /*shape*/) {
  EncodedRecord record = keyed(std::string{to_string(event.rate.pair)}, "fx", event.time);
  append_record(record.value, event);
  return record;
}

EncodedRecord encode(const PremiumEvent& event, const RecordShape& /*shape*/) {
  EncodedRecord record = keyed(event.asset, "premium", event.time);
  append_record(record.value, event);
  return record;
}

EncodedRecord encode(const SpreadEvent& event, const RecordShape& /*shape*/) {
  EncodedRecord record = keyed(event.asset, "spread", event.time);
  append_record(record.value, event);
  return record;
}

EncodedRecord encode(const OpportunityEvent& event, const RecordShape& /*shape*/) {
  EncodedRecord record = keyed(event.asset, "opportunity", event.time);
  record.id = event.id + "-" + std::string{to_string(event.kind)};
  if (event.kind == OpportunityEvent::Kind::kUpdate) {
    record.id += "-" + std::to_string(to_us(event.time));
  }
  append_record(record.value, event);
  return record;
}

EncodedRecord encode_dead_letter(const FeedError& error, int attempt) {
  EncodedRecord record = keyed(std::string{to_string(error.venue)}, "dead_letter",
                               error.receive_time.value_or(Timestamp{}));
  append_dead_letter(record.value, error, attempt);
  return record;
}

EncodedRecord encode(const FeedError& error, const RecordShape& /*shape*/) {
  return encode_dead_letter(error, 1);
}

/// Whoever reads records sees that a market is gone by its not being told of any more.
EncodedRecord encode(const MarketRemoved& /*event*/, const RecordShape& /*shape*/) { return {}; }

TopicId topic_of(const Ticker& ticker) { return ticker_topic(region_of(ticker.venue)); }
TopicId topic_of(const OrderBook& book) { return orderbook_topic(region_of(book.venue)); }
TopicId topic_of(const FxEvent& /*event*/) { return TopicId::kFx; }
TopicId topic_of(const PremiumEvent& /*event*/) { return TopicId::kPremium; }
TopicId topic_of(const SpreadEvent& /*event*/) { return TopicId::kSpread; }
TopicId topic_of(const OpportunityEvent& /*event*/) { return TopicId::kOpportunity; }
TopicId topic_of(const FeedError& /*error*/) { return TopicId::kDeadLetter; }

KafkaRecord in_topic(TopicId topic, EncodedRecord record, int partition = kPartitionByKey) {
  return KafkaRecord{std::move(record), topic, partition};
}

}  // namespace

KafkaRecord make_record(const Ticker& ticker, TickerFields fields) {
  return in_topic(topic_of(ticker), encode(ticker, {.ticker_fields = fields}),
                  venue_partition(ticker.venue));
}

KafkaRecord make_record(const OrderBook& book, int depth) {
  return in_topic(topic_of(book), encode(book, {.depth = depth}), venue_partition(book.venue));
}

KafkaRecord make_record(const FxEvent& event) {
  return in_topic(topic_of(event), encode(event, {}));
}

KafkaRecord make_record(const PremiumEvent& event) {
  return in_topic(topic_of(event), encode(event, {}));
}

KafkaRecord make_record(const SpreadEvent& event) {
  return in_topic(topic_of(event), encode(event, {}));
}

KafkaRecord make_record(const OpportunityEvent& event) {
  return in_topic(topic_of(event), encode(event, {}));
}

KafkaRecord make_record(const FeedError& error, int attempt) {
  return in_topic(topic_of(error), encode_dead_letter(error, attempt));
}

KafkaRecord make_record(const Event& event, const RecordShape& shape) {
  return addressed(event, encode_record(event, shape));
}

EncodedRecord encode_record(const Event& event, const RecordShape& shape) {
  return std::visit([&shape](const auto& value) { return encode(value, shape); }, event);
}

KafkaRecord addressed(const Event& event, EncodedRecord record) {
  return std::visit(
      [&]<class T>(const T& value) -> KafkaRecord {
        if constexpr (std::is_same_v<T, MarketRemoved>) {
          assert(false && "it has no record");
          return {};
        } else if constexpr (std::is_same_v<T, OrderBook> || std::is_same_v<T, Ticker>) {
          return in_topic(topic_of(value), std::move(record), venue_partition(value.venue));
        } else {
          return in_topic(topic_of(value), std::move(record));
        }
      },
      event);
}

std::optional<OpportunityRecordId> opportunity_of(std::string_view record_id) {
  const std::size_t dash = record_id.find('-');
  if (dash == std::string_view::npos) return std::nullopt;
  const std::string_view rest = record_id.substr(dash + 1);
  const std::string_view kind = rest.substr(0, rest.find('-'));
  for (std::size_t i = 0; i < kOpportunityKindNames.size(); ++i) {
    if (kind != kOpportunityKindNames[i]) continue;
    return OpportunityRecordId{std::string{record_id.substr(0, dash)},
                               static_cast<OpportunityEvent::Kind>(i)};
  }
  return std::nullopt;
}

}  // namespace spreadwatch::publish
