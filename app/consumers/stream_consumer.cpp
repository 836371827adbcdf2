#include "app/consumers/stream_consumer.h"

#include <optional>
#include <variant>

namespace spreadwatch::app {
namespace {

std::optional<api::Topic> stream_topic(const Event& event) {
  struct Visitor {
    std::optional<api::Topic> operator()(const Ticker&) { return api::Topic::kTicker; }
    std::optional<api::Topic> operator()(const OrderBook&) { return api::Topic::kOrderBook; }
    std::optional<api::Topic> operator()(const FeedError&) { return std::nullopt; }
    std::optional<api::Topic> operator()(const MarketRemoved&) { return std::nullopt; }
    std::optional<api::Topic> operator()(const FxEvent&) { return api::Topic::kFx; }
    std::optional<api::Topic> operator()(const PremiumEvent&) { return api::Topic::kPremium; }
    std::optional<api::Topic> operator()(const SpreadEvent&) { return api::Topic::kSpread; }
    std::optional<api::Topic> operator()(const OpportunityEvent&) {
      return api::Topic::kOpportunity;
    }
  };
  return std::visit(Visitor{}, event);
}

}  // namespace

void StreamConsumer::on(const Event& event, const EncodedRecord& record, Timestamp /*now*/) {
  if (record.empty()) return;
  if (const std::optional<api::Topic> topic = stream_topic(event)) {
    broadcaster_.publish(*topic, record.value);
  }
}

}  // namespace spreadwatch::app
