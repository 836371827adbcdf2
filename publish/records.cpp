#include "publish/records.h"

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

KafkaRecord keyed(TopicId topic, std::string key, std::string_view type, Timestamp time) {
  KafkaRecord record;
  record.topic = topic;
  record.key = std::move(key);
  record.type = type;
  record.time = time;
  return record;
}

}  // namespace

KafkaRecord make_record(const Topics& topics, const Ticker& ticker) {
  KafkaRecord record =
      keyed(ticker_topic(region_of(ticker.venue)), market_key(ticker.venue, ticker.instrument),
            "ticker", time_of(ticker));
  record.partition = topics.venue_partition(ticker.venue);
  append_record(record.value, ticker);
  return record;
}

KafkaRecord make_record(const Topics& topics, const OrderBook& book, int depth) {
  KafkaRecord record = keyed(orderbook_topic(region_of(book.venue)),
                             market_key(book.venue, book.instrument), "orderbook", time_of(book));
  record.partition = topics.venue_partition(book.venue);
  append_record(record.value, book, depth);
  return record;
}

KafkaRecord make_record(const FxEvent& event) {
  KafkaRecord record =
      keyed(TopicId::kFx, std::string{to_string(event.rate.pair)}, "fx", event.time);
  append_record(record.value, event);
  return record;
}

KafkaRecord make_record(const PremiumEvent& event) {
  KafkaRecord record = keyed(TopicId::kPremium, event.asset, "premium", event.time);
  append_record(record.value, event);
  return record;
}

KafkaRecord make_record(const SpreadEvent& event) {
  KafkaRecord record = keyed(TopicId::kSpread, event.asset, "spread", event.time);
  append_record(record.value, event);
  return record;
}

KafkaRecord make_record(const OpportunityEvent& event) {
  KafkaRecord record = keyed(TopicId::kOpportunity, event.asset, "opportunity", event.time);
  record.id = event.id + "-" + std::string{to_string(event.kind)};
  if (event.kind == OpportunityEvent::Kind::kUpdate) {
    record.id += "-" + std::to_string(to_us(event.time));
  }
  append_record(record.value, event);
  return record;
}

KafkaRecord make_record(const FeedError& error, int attempt) {
  KafkaRecord record = keyed(TopicId::kDeadLetter, std::string{to_string(error.venue)},
                             "dead_letter", error.receive_time.value_or(Timestamp{}));
  append_dead_letter(record.value, error, attempt);
  return record;
}

KafkaRecord make_record(const Topics& topics, const Event& event, int depth) {
  return std::visit(
      [&]<class T>(const T& value) {
        if constexpr (std::is_same_v<T, OrderBook>) {
          return make_record(topics, value, depth);
        } else if constexpr (std::is_same_v<T, Ticker>) {
          return make_record(topics, value);
        } else if constexpr (std::is_same_v<T, FeedError>) {
          return make_record(value, 1);
        } else {
          return make_record(value);
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
