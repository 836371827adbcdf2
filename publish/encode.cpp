#include "publish/encode.h"

#include <algorithm>
#include <array>
#include <cassert>
#include <charconv>
#include <cmath>
#include <concepts>
#include <span>

#include "publish/json_writer.h"

namespace spreadwatch::publish {
namespace {

__extension__ using Int128 = __int128;

/// An exact decimal of any size: `mantissa / 10^scale`.
struct WideDecimal {
  Int128 mantissa = 0;
  int scale = 0;
};

Int128 scaled(const Decimal& d, int scale) {
  Int128 value = d.mantissa();
  for (int s = d.scale(); s < scale; ++s) value *= 10;
  return value;
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

/// Σ size, exact unless the sum needs more than 38 digits, which no venue's book does.
void append_total(std::string& out, std::span<const Level> levels) {
  WideDecimal sum;
  for (const Level& level : levels) sum.scale = std::max(sum.scale, level.size.scale());
  long double rounded = 0;
  bool fits = true;
  for (const Level& level : levels) {
    rounded += level.size.to_long_double();
    fits =
        fits && !__builtin_add_overflow(sum.mantissa, scaled(level.size, sum.scale), &sum.mantissa);
  }
  if (fits) {
    append_wide(out, sum);
  } else {
    append_number(out, static_cast<double>(rounded));
  }
}

/// lowest_ask − highest_bid; 38 digits hold every difference of two Decimals.
void append_difference(std::string& out, const Decimal& a, const Decimal& b) {
  const int scale = std::max(a.scale(), b.scale());
  append_wide(out, {scaled(a, scale) - scaled(b, scale), scale});
}

void append_levels(std::string& out, std::span<const Level> levels, int depth) {
  assert(depth >= 0);
  const std::size_t count = std::min(levels.size(), static_cast<std::size_t>(depth));
  out += '[';
  for (std::size_t i = 0; i < count; ++i) {
    if (i > 0) out += ',';
    out += '[';
    levels[i].price.append_to(out);
    out += ',';
    levels[i].size.append_to(out);
    out += ']';
  }
  out += ']';
}

/// The fields every record of a venue's market starts with.
void begin_market(JsonObject& json, VenueId venue, const Instrument& instrument,
                  const std::optional<Timestamp>& exchange_time,
                  const std::optional<Timestamp>& receive_time, Origin origin) {
  json.add("region", to_string(region_of(venue)));
  json.add("exchange", to_string(venue));
  json.add("base", instrument.base);
  json.add("quote", instrument.quote);
  json.add_ms("exchange_ts_ms", exchange_time);
  json.add_us("recv_ts_us", receive_time);
  json.add("origin", to_string(origin));
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

void append_record(std::string& out, const Ticker& ticker) {
  JsonObject json(out, "ticker");
  begin_market(json, ticker.venue, ticker.instrument, ticker.exchange_time, ticker.receive_time,
               ticker.origin);
  json.add("opening_price", ticker.opening_price);
  json.add("trade_price", ticker.trade_price);
  json.add("high_price", ticker.high_price);
  json.add("low_price", ticker.low_price);
  json.add("prev_closing_price", ticker.prev_closing_price);
  json.add("acc_trade_volume_24h", ticker.acc_trade_volume_24h);
  json.add("signed_change_price", ticker.signed_change_price);
  json.add("signed_change_rate", ticker.signed_change_rate);
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

}  // namespace spreadwatch::publish
