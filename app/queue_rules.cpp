#include "app/queue_rules.h"

#include <algorithm>
#include <optional>
#include <string_view>
#include <variant>

namespace spreadwatch::app {
namespace {

void append_part(std::string& key, std::string_view part) {
  key += part;
  key += '|';
}

std::string market_key(std::string_view kind, VenueId venue, const Instrument& instrument) {
  std::string key;
  append_part(key, kind);
  append_part(key, to_string(venue));
  append_part(key, instrument.base);
  append_part(key, instrument.quote);
  return key;
}

std::string key_of(const Ticker& t) { return market_key("ticker", t.venue, t.instrument); }
std::string key_of(const OrderBook& b) { return market_key("book", b.venue, b.instrument); }
std::string key_of(const MarketStatus& s) { return market_key("book", s.venue, s.instrument); }
std::string key_of(const MarketRemoved& e) { return market_key("book", e.venue, e.instrument); }
std::string key_of(const PremiumEvent& e) {
  std::string key;
  append_part(key, "premium");
  append_part(key, e.asset);
  append_part(key, to_string(e.region));
  append_part(key, e.over_name());
  append_part(key, to_string(e.basis));
  return key;
}
std::string key_of(const SpreadEvent& e) {
  std::string key;
  append_part(key, "spread");
  append_part(key, e.asset);
  append_part(key, to_string(e.buy));
  append_part(key, to_string(e.sell));
  append_part(key, to_string(e.mode));
  return key;
}
template <class Other>
std::string key_of(const Other& /*other*/) {
  return {};
}

// What a value holds beyond its own size; short names are part of that.
std::size_t held_by(const OrderBook& book) {
  return (book.bids.capacity() + book.asks.capacity()) * sizeof(Level);
}
std::size_t held_by(const FeedError& error) {
  return error.payload.capacity() + error.symbol.capacity() + error.error.detail.capacity();
}
std::size_t held_by(const SpreadEvent& event) { return event.sizes.capacity() * sizeof(SizeRow); }
std::size_t held_by(const FxEvent& event) {
  return event.rate.sources.capacity() * sizeof(RateSource);
}
template <class Other>
std::size_t held_by(const Other& /*other*/) {
  return 0;
}

template <class Variant>
std::string key_of_any(const Variant& event) {
  return std::visit([](const auto& e) { return key_of(e); }, event);
}
template <class Variant>
std::size_t bytes_of_any(const Variant& event) {
  return sizeof(Variant) + std::visit([](const auto& e) { return held_by(e); }, event);
}

template <class Better>
void take_better(std::optional<double>& mine, const std::optional<double>& other, Better better) {
  if (!other) return;
  mine = mine ? better(*mine, *other) : *other;
}

}  // namespace

bool MarketRules::keep(const MarketEvent& event) {
  if (const auto* const book = std::get_if<OrderBook>(&event)) return !book->synced();
  return !std::holds_alternative<Ticker>(event);
}
std::string MarketRules::key(const MarketEvent& event) { return key_of_any(event); }
std::size_t MarketRules::bytes(const MarketEvent& event) { return bytes_of_any(event); }

bool EventRules::keep(const Event& event) {
  if (const auto* const book = std::get_if<OrderBook>(&event)) return !book->synced();
  return !std::holds_alternative<Ticker>(event) && !std::holds_alternative<PremiumEvent>(event) &&
         !std::holds_alternative<SpreadEvent>(event);
}
std::string EventRules::key(const Event& event) { return key_of_any(event); }
std::size_t EventRules::bytes(const Event& event) { return bytes_of_any(event); }

void EventRules::merge(Event& newer, const Event& older) {
  auto* const premium = std::get_if<PremiumEvent>(&newer);
  const auto* const before = std::get_if<PremiumEvent>(&older);
  if (premium == nullptr || before == nullptr) return;
  if (before->first) premium->first = before->first;
  take_better(premium->high, before->high, [](double a, double b) { return std::max(a, b); });
  take_better(premium->low, before->low, [](double a, double b) { return std::min(a, b); });
}

}  // namespace spreadwatch::app
