#include "api/feed.h"

#include <type_traits>
#include <utility>
#include <variant>

#include "publish/encode.h"

namespace spreadwatch::api {
namespace {

Record record_of(const spread::Event& event, Record known) {
  if (known) return known;
  std::string text;
  publish::append_event(text, event);
  return std::make_shared<const std::string>(std::move(text));
}

template <class Value>
constexpr Topic topic_of() {
  if constexpr (std::is_same_v<Value, Ticker>) return Topic::kTicker;
  if constexpr (std::is_same_v<Value, OrderBook>) return Topic::kOrderBook;
  if constexpr (std::is_same_v<Value, fx::FxEvent>) return Topic::kFx;
  if constexpr (std::is_same_v<Value, spread::PremiumEvent>) return Topic::kPremium;
  if constexpr (std::is_same_v<Value, spread::SpreadEvent>) return Topic::kSpread;
  return Topic::kOpportunity;
}

}  // namespace

void feed(Store& store, Broadcaster& broadcaster, const spread::Event& event, Record record) {
  std::visit(
      [&](const auto& value) {
        using Value = std::decay_t<decltype(value)>;
        if constexpr (std::is_same_v<Value, FeedError>) {
          return;
        } else {
          constexpr Topic kTopic = topic_of<Value>();
          if constexpr (std::is_same_v<Value, Ticker> || std::is_same_v<Value, OrderBook>) {
            store.update(value);  // encoded when asked for: these are many
            if constexpr (std::is_same_v<Value, OrderBook>) {
              // A book that may not be shown has no record; the feeds' state tells of it.
              if (!value.synced()) return;
            }
            if (!broadcaster.wanted(kTopic)) return;
            record = record_of(event, std::move(record));
          } else {
            record = record_of(event, std::move(record));
            store.update(value, record);
          }
          broadcaster.publish(kTopic, *record);
        }
      },
      event);
}

}  // namespace spreadwatch::api
