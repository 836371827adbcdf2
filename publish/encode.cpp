#include "publish/encode.h"

#include <algorithm>
#include <array>
#include <cassert>
#include <span>
#include <type_traits>
#include <variant>
#include <vector>

#include "core/text.h"
#include "publish/json_writer.h"

namespace spreadwatch::publish {
namespace {

using Int128 = Decimal::Mantissa;

/// A decimal of up to 38 digits: `mantissa / 10^scale`.
struct WideDecimal {
  Int128 mantissa = 0;
  int scale = 0;
};

/// The mantissa of `d` at a scale that is no smaller than its own; false when it needs more than 38
/// digits.
bool scaled(const Decimal& d, int scale, Int128& value) {
  value = d.mantissa();
  for (int s = d.scale(); s < scale; ++s) {
    if (__builtin_mul_overflow(value, Int128{10}, &value)) return false;
  }
  return true;
}

void append_wide(std::string& out, WideDecimal d) {
  while (d.scale > 0 && d.mantissa % 10 == 0) {
    d.mantissa /= 10;
    --d.scale;
  }
  const bool negative = d.mantissa < 0;
  std::array<char, 48> digits{};
  std::size_t count = 0;
  for (Int128 rest = negative ? -d.mantissa : d.mantissa; rest != 0; rest /= 10) {
    digits[count++] = static_cast<char>('0' + static_cast<int>(rest % 10));
  }
  const auto scale = static_cast<std::size_t>(d.scale);
  while (count <= scale) digits[count++] = '0';
  if (negative) out += '-';
  while (count > 0) {
    if (count == scale) out += '.';
    out += digits[--count];
  }
}

/// Σ size, exact unless the sum needs more than 38 digits.
void append_total(std::string& out, std::span<const Level> levels) {
  WideDecimal sum;
  for (const Level& level : levels) sum.scale = std::max(sum.scale, level.size.scale());
  long double rounded = 0;
  bool fits = true;
  for (const Level& level : levels) {
    rounded += level.size.to_long_double();
    Int128 size = 0;
    fits = fits && scaled(level.size, sum.scale, size) &&
           !__builtin_add_overflow(sum.mantissa, size, &sum.mantissa);
  }
  if (fits) {
    append_wide(out, sum);
  } else {
    append_number(out, static_cast<double>(rounded));
  }
}

/// lowest_ask − highest_bid, exact unless one of them needs more than 38 digits at the scale of the
/// other.
void append_difference(std::string& out, const Decimal& a, const Decimal& b) {
  const int scale = std::max(a.scale(), b.scale());
  Int128 left = 0;
  Int128 right = 0;
  Int128 difference = 0;
  if (scaled(a, scale, left) && scaled(b, scale, right) &&
      !__builtin_sub_overflow(left, right, &difference)) {
    append_wide(out, {difference, scale});
  } else {
    append_number(out, static_cast<double>(a.to_long_double() - b.to_long_double()));
  }
}

void append_levels(std::string& out, std::span<const Level> levels, int depth) {
  assert(depth >= 0);
  const std::size_t count = std::min(levels.size(), static_cast<std::size_t>(depth));
  append_json_array(out, levels.first(count), [](std::string& to, const Level& level) {
    JsonArray pair(to);
    level.price.append_to(pair.next());
    level.size.append_to(pair.next());
  });
}

/// The fields every record of a venue's market starts with.
void begin_market(JsonObject& json, VenueId venue, const Instrument& instrument,
                  const std::optional<Timestamp>& exchange_time,
                  const std::optional<Timestamp>& receive_time, Origin origin,
                  bool with_exchange_time = true) {
  json.add("region", to_string(region_of(venue)));
  json.add("exchange", to_string(venue));
  json.add("base", instrument.base);
  json.add("quote", instrument.quote);
  if (with_exchange_time) json.add_ms("exchange_ts_ms", exchange_time);
  json.add_us("recv_ts_us", receive_time);
  json.add("origin", to_string(origin));
}

std::optional<std::int64_t> ms(const std::optional<microseconds>& duration) {
  return duration ? std::optional{to_ms(*duration)} : std::nullopt;
}

void add_reasons(JsonObject& json, std::string_view name, Reasons reasons) {
  JsonArray array(json.key(name));
  reasons.for_each([&](Reason reason) { append_json_string(array.next(), to_string(reason)); });
}

/// `state` and `reasons` of a number that can be unavailable.
void add_state(JsonObject& json, bool ok, Reasons reasons) {
  json.add("state", ok ? "ok" : "unavailable");
  add_reasons(json, "reasons", reasons);
}

void add_venues(JsonObject& json, std::string_view name, std::span<const VenueId> venues) {
  append_json_array(json.key(name), venues, [](std::string& to, VenueId venue) {
    append_json_string(to, to_string(venue));
  });
}

void append_source(std::string& out, const RateSource& source) {
  JsonObject json(out);
  json.add("venue", source.name);
  json.add("bid", source.bid);
  json.add("ask", source.ask);
  json.add("mid", source.mid);
  json.add("age_ms", ms(source.age));
  json.add("used", source.used);
  json.add("reason", source.reason ? std::optional{to_string(*source.reason)} : std::nullopt);
}

/// The fields of a trade, all null when there is none.
void add_trade(JsonObject& json, const std::optional<Trade>& trade) {
  const auto add = [&](std::string_view name, auto get) {
    json.add(name, trade ? std::optional<double>{get(*trade)} : std::nullopt);
  };
  add("quantity", [](const Trade& t) { return t.quantity; });
  add("spent_usdt", [](const Trade& t) { return t.spent_usdt; });
  add("net_profit_usdt", [](const Trade& t) { return t.net_profit_usdt; });
  add("net_ratio", [](const Trade& t) { return t.net_ratio; });
  add("buy_vwap", [](const Trade& t) { return t.buy_vwap; });
  add("sell_vwap", [](const Trade& t) { return t.sell_vwap; });
  add("fees_usdt", [](const Trade& t) { return t.fees_usdt(); });
  add("buy_fee_usdt", [](const Trade& t) { return t.buy_fee_usdt; });
  add("sell_fee_usdt", [](const Trade& t) { return t.sell_fee_usdt; });
  add("fx_fee_usdt", [](const Trade& t) { return t.fx_fee_usdt; });
  add("slippage_usdt", [](const Trade& t) { return t.slippage_usdt; });
  add("withdrawal_fee_usdt", [](const Trade& t) { return t.withdrawal_fee_usdt; });
}

/// What names a pair and judges it.
void add_pair(JsonObject& json, const SpreadEvent& pair) {
  json.add("asset", pair.asset);
  json.add("buy", to_string(pair.buy));
  json.add("sell", to_string(pair.sell));
  json.add("mode", to_string(pair.mode));
  json.add("ts_ms", to_ms(pair.time));
  json.add("verdict", to_string(pair.verdict));
  add_reasons(json, "reasons", pair.reasons);
}

void add_legs(JsonObject& json, const SpreadEvent& pair) {
  json.add("buy_price_usdt", pair.buy_price_usdt);
  json.add("sell_price_usdt", pair.sell_price_usdt);
  json.add("buy_age_ms", ms(pair.buy_age));
  json.add("sell_age_ms", ms(pair.sell_age));
  json.add("fx_venue_fallback", pair.fx_venue_fallback);
}

void add_status(JsonObject& json, const SizeRow& row) {
  if (row.insufficient_depth) {
    json.add("status", "insufficient_depth");
  } else {
    json.add("status", row.trade ? std::optional{std::string_view{"ok"}} : std::nullopt);
  }
}

void append_size(std::string& out, const SizeRow& row) {
  JsonObject json(out);
  json.add("size_usdt", row.size_usdt);
  add_status(json, row);
  add_trade(json, row.trade);
}

template <class Values, class Append>
void add_array(JsonObject& json, std::string_view name, const Values& values, Append append) {
  append_json_array(json.key(name), values, append);
}

void add_ticker(JsonObject& json, const Ticker& ticker, TickerFields fields, bool numbers) {
  const auto wanted = [fields](TickerField field) {
    return fields.test(static_cast<std::size_t>(field));
  };
  begin_market(json, ticker.venue, ticker.instrument, ticker.exchange_time, ticker.receive_time,
               ticker.origin, wanted(TickerField::kExchangeTime));
  const auto add = [&](TickerField field, const std::optional<double>& value) {
    if (wanted(field)) json.add(to_string(field), numbers ? value : std::nullopt);
  };
  add(TickerField::kOpeningPrice, ticker.opening_price);
  add(TickerField::kTradePrice, ticker.trade_price);
  add(TickerField::kHighPrice, ticker.high_price);
  add(TickerField::kLowPrice, ticker.low_price);
  add(TickerField::kPrevClosingPrice, ticker.prev_closing_price);
  add(TickerField::kAccTradeVolume24h, ticker.acc_trade_volume_24h);
  add(TickerField::kSignedChangePrice, ticker.signed_change_price);
  add(TickerField::kSignedChangeRate, ticker.signed_change_rate);
}

constexpr std::string_view kBase64 =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

std::string base64(std::string_view bytes) {
  std::string text;
  text.reserve((bytes.size() + 2) / 3 * 4);
  for (std::size_t i = 0; i < bytes.size(); i += 3) {
    const std::size_t count = std::min<std::size_t>(3, bytes.size() - i);
    std::uint32_t group = 0;
    for (std::size_t k = 0; k < 3; ++k) {
      group = (group << 8U) | (k < count ? static_cast<std::uint8_t>(bytes[i + k]) : 0U);
    }
    for (std::size_t k = 0; k < 4; ++k) {
      text += k <= count ? kBase64[(group >> (18 - 6 * k)) & 63U] : '=';
    }
  }
  return text;
}

}  // namespace

void append_record(std::string& out, const Ticker& ticker, TickerFields fields) {
  JsonObject json(out, "ticker");
  add_ticker(json, ticker, fields, true);
}

void append_record(std::string& out, const Ticker& ticker, const Standing& standing) {
  JsonObject json(out, "ticker");
  add_ticker(json, ticker, kAllTickerFields, standing.state == FeedState::kSynced);
  json.add("state", to_string(standing.state));
  json.add("reason", standing.reason ? std::optional{to_string(*standing.reason)} : std::nullopt);
  json.add("age_ms", ms(standing.age));
}

void append_record(std::string& out, const OrderBook& book, int depth) {
  JsonObject json(out, "orderbook");
  begin_market(json, book.venue, book.instrument, book.exchange_time, book.receive_time,
               book.origin);
  json.add("state", to_string(book.state));
  json.add("sequence", book.sequence);
  const auto add_best = [&](std::string_view name, const std::vector<Level>& side) {
    std::string& value = json.key(name);
    if (side.empty()) {
      value += "null";
    } else {
      side.front().price.append_to(value);
    }
  };
  add_best("highest_bid", book.bids);
  add_best("lowest_ask", book.asks);
  std::string& spread = json.key("spread");
  if (book.bids.empty() || book.asks.empty()) {
    spread += "null";
  } else {
    append_difference(spread, book.asks.front().price, book.bids.front().price);
  }
  append_total(json.key("total_bid_volume"), book.bids);
  append_total(json.key("total_ask_volume"), book.asks);
  append_levels(json.key("bids"), book.bids, depth);
  append_levels(json.key("asks"), book.asks, depth);
}

void append_error(std::string& out, std::string_view exchange, const Error& error,
                  std::optional<std::uint64_t> line) {
  JsonObject json(out, "error");
  json.add_or_null("exchange", exchange);
  json.add("code", to_string(error.code));
  json.add("detail", error.detail);
  json.add("line", line);
}

void append_record(std::string& out, const FeedError& error, std::optional<std::uint64_t> line) {
  append_error(out, to_string(error.venue), error.error, line);
}

void append_dead_letter(std::string& out, const FeedError& error, int attempt) {
  JsonObject json(out, "dead_letter");
  json.add("exchange", to_string(error.venue));
  json.add_or_null("symbol", error.symbol);
  json.add("code", to_string(error.error.code));
  json.add("detail", error.error.detail);
  json.add("attempt", attempt);
  json.add_us("recv_ts_us", error.receive_time);
  const bool text = is_utf8(error.payload);
  json.add("payload_encoding", text ? "utf-8" : "base64");
  json.add("payload",
           text ? std::string_view{error.payload} : std::string_view{base64(error.payload)});
}

void append_record(std::string& out, const FxEvent& event) {
  const Rate& rate = event.rate;
  JsonObject json(out, "fx");
  json.add("pair", to_string(rate.pair));
  json.add("ts_ms", to_ms(event.time));
  add_state(json, rate.ok(), rate.reasons);
  json.add("bid", rate.bid);
  json.add("ask", rate.ask);
  json.add("mid", rate.mid);
  json.add("age_ms", ms(rate.age));
  add_array(json, "sources", rate.sources, append_source);
}

void append_record(std::string& out, const PremiumEvent& event) {
  JsonObject json(out, "premium");
  json.add("asset", event.asset);
  json.add("region", to_string(event.region));
  json.add("over", event.over_name());
  json.add("basis", to_string(event.basis));
  json.add("ts_ms", to_ms(event.time));
  add_state(json, event.ok(), event.reasons);
  json.add("premium", event.premium);
  json.add("first", event.first);
  json.add("high", event.high);
  json.add("low", event.low);
  json.add("currency", event.currency);
  json.add("price", event.price);
  json.add("over_price", event.over_price);
  add_venues(json, "venues", event.venues);
  add_venues(json, "over_venues", event.over_venues);
  json.add("fx_age_ms", ms(event.fx_age));
  json.add("percentile_1h", event.percentiles[0]);
  json.add("percentile_24h", event.percentiles[1]);
  json.add("percentile_7d", event.percentiles[2]);
  json.add("bases_disagree", event.bases_disagree);
}

void append_record(std::string& out, const SpreadEvent& event) {
  JsonObject json(out, "spread");
  add_pair(json, event);
  json.add("gross_ratio", event.gross_ratio);
  json.add("net_ratio", event.net_ratio);
  add_legs(json, event);
  std::string& optimal = json.key("optimal");
  if (event.optimal) {
    JsonObject trade(optimal);
    add_trade(trade, event.optimal);
  } else {
    optimal += "null";
  }
  json.add("break_even_quantity", event.break_even_quantity);
  add_array(json, "sizes", event.sizes, append_size);
  json.add_or_null("network", event.network);
  json.add("withdrawal_fee", event.withdrawal_fee);
  json.add("expected_minutes", event.expected_minutes);
}

void append_profit(std::string& out, const SpreadEvent& pair) {
  assert(pair.sizes.size() == 1);
  const SizeRow& row = pair.sizes.front();
  JsonObject json(out, "profit");
  add_pair(json, pair);
  json.add("size_usdt", row.size_usdt);
  add_status(json, row);
  add_trade(json, row.trade);
  json.add("received_usdt", row.trade
                                ? std::optional{row.trade->spent_usdt + row.trade->net_profit_usdt}
                                : std::nullopt);
  json.add("gross_ratio", pair.gross_ratio);
  add_legs(json, pair);
  json.add_or_null("network", pair.network);
  json.add("withdrawal_fee", pair.withdrawal_fee);
  json.add("expected_minutes", pair.expected_minutes);
}

void append_record(std::string& out, const OpportunityEvent& event, std::optional<Timestamp> now) {
  JsonObject json(out, "opportunity");
  json.add("event", to_string(event.kind));
  json.add("id", event.id);
  json.add("asset", event.asset);
  json.add("buy", to_string(event.buy));
  json.add("sell", to_string(event.sell));
  json.add("mode", to_string(event.mode));
  json.add("opened_ts_ms", to_ms(event.opened));
  json.add("ts_ms", to_ms(event.time));
  json.add("duration_ms", to_ms(now.value_or(event.time)) - to_ms(event.opened));
  json.add("net_profit_usdt", event.net_profit_usdt);
  json.add("net_ratio", event.net_ratio);
  json.add("quantity", event.quantity);
  json.add("peak_profit_usdt", event.peak_profit_usdt);
  json.add("peak_ts_ms", to_ms(event.peak_time));
  json.add("reason", event.reason ? std::optional{to_string(*event.reason)} : std::nullopt);
  add_reasons(json, "reasons", event.reasons);
  json.add("peak_quantity", event.peak_quantity);
  json.add("buy_age_ms", ms(event.buy_age));
  json.add("sell_age_ms", ms(event.sell_age));
}

}  // namespace spreadwatch::publish
