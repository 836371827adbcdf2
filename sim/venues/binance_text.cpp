#include "sim/venues/binance_text.h"

#include <algorithm>

#include "sim/format.h"

namespace spreadwatch::sim::binance {
namespace {

constexpr int kShown = 8;  // every price and size has eight decimals

std::string level_text(const Level& level, const Instrument& instrument) {
  return "[\"" + price_text(level.price, instrument) + "\",\"" + size_text(level.size, instrument) +
         "\"]";
}

std::string side_text(const std::vector<Level>& side, const Instrument& instrument,
                      std::size_t depth) {
  JsonArray rows;
  for (std::size_t i = 0; i < std::min(depth, side.size()); ++i) {
    rows.add(level_text(side[i], instrument));
  }
  return rows.str();
}

std::string side_text(const std::vector<LevelChange>& side, const Instrument& instrument) {
  JsonArray rows;
  for (const LevelChange& change : side) rows.add(level_text(change.level, instrument));
  return rows.str();
}

}  // namespace

std::string symbol_of(const Instrument& instrument) { return instrument.base + instrument.quote; }

std::string price_text(std::int64_t v, const Instrument& instrument) {
  return fixed(v, instrument.price_decimals, kShown);
}
std::string size_text(std::int64_t v, const Instrument& instrument) {
  return fixed(v, instrument.size_decimals, kShown);
}

std::int64_t statistics_time(const Listing& listing) {
  return std::max(listing.ticker.ts_ms, listing.book.touch_ts_ms);
}

Statistics statistics(const Listing& listing) {
  const Instrument& instrument = listing.instrument;
  const Ticker& t = listing.ticker;
  const std::int64_t change = t.last - t.open;
  const double volume = to_double(t.volume_24h, instrument.size_decimals);
  return {
      price_text(change, instrument),
      fixed(t.open == 0 ? 0.0 : 100.0 * static_cast<double>(change) / static_cast<double>(t.open),
            3),
      fixed(volume > 0 ? t.turnover_24h / volume : 0.0, kShown)};
}

std::int64_t stamp(std::int64_t ms, bool micros) { return micros ? ms * 1000 : ms; }

std::string ticker_text(const Listing& listing, std::int64_t event_ms, bool micros) {
  const Instrument& instrument = listing.instrument;
  const Ticker& t = listing.ticker;
  const Statistics s = statistics(listing);
  const std::int64_t close = statistics_time(listing);
  const auto price = [&](std::int64_t v) { return price_text(v, instrument); };
  const auto size = [&](std::int64_t v) { return size_text(v, instrument); };
  return JsonObject()
      .text("e", "24hrTicker")
      .number("E", stamp(event_ms, micros))
      .text("s", symbol_of(instrument))
      .text("p", s.change)
      .text("P", s.percent)
      .text("w", s.average)
      .text("x", price(t.previous_close))
      .text("c", price(t.last))
      .text("Q", size(t.last_size))
      .text("b", price(best_of(listing.book.bids).price))
      .text("B", size(best_of(listing.book.bids).size))
      .text("a", price(best_of(listing.book.asks).price))
      .text("A", size(best_of(listing.book.asks).size))
      .text("o", price(t.open))
      .text("h", price(t.high))
      .text("l", price(t.low))
      .text("v", size(t.volume_24h))
      .text("q", fixed(t.turnover_24h, 6) + "00")
      .number("O", stamp(close - 86'400'000, micros))
      .number("C", stamp(close, micros))
      .number("F", static_cast<std::int64_t>(t.first_trade_id))
      .number("L", static_cast<std::int64_t>(t.last_trade_id))
      .number("n", static_cast<std::int64_t>(t.last_trade_id - t.first_trade_id + 1))
      .str();
}

std::string mini_ticker_text(const Listing& listing, std::int64_t event_ms, bool micros) {
  const Instrument& instrument = listing.instrument;
  const Ticker& t = listing.ticker;
  return JsonObject()
      .text("e", "24hrMiniTicker")
      .number("E", stamp(event_ms, micros))
      .text("s", symbol_of(instrument))
      .text("c", price_text(t.last, instrument))
      .text("o", price_text(t.open, instrument))
      .text("h", price_text(t.high, instrument))
      .text("l", price_text(t.low, instrument))
      .text("v", size_text(t.volume_24h, instrument))
      .text("q", fixed(t.turnover_24h, 6) + "00")
      .str();
}

std::string book_ticker_text(const Listing& listing) {
  const Instrument& instrument = listing.instrument;
  const Level bid = best_of(listing.book.bids);
  const Level ask = best_of(listing.book.asks);
  return JsonObject()
      .number("u", static_cast<std::int64_t>(listing.book.last_id))
      .text("s", symbol_of(instrument))
      .text("b", price_text(bid.price, instrument))
      .text("B", size_text(bid.size, instrument))
      .text("a", price_text(ask.price, instrument))
      .text("A", size_text(ask.size, instrument))
      .str();
}

std::string snapshot_text(const Listing& listing, std::size_t depth) {
  return JsonObject()
      .number("lastUpdateId", static_cast<std::int64_t>(listing.book.last_id))
      .raw("bids", side_text(listing.book.bids, listing.instrument, depth))
      .raw("asks", side_text(listing.book.asks, listing.instrument, depth))
      .str();
}

std::string diff_text(const Listing& listing, const Book& from, std::int64_t event_ms,
                      bool micros) {
  const WindowChange change = window_change(from, listing.book, 0);
  return JsonObject()
      .text("e", "depthUpdate")
      .number("E", stamp(event_ms, micros))
      .text("s", symbol_of(listing.instrument))
      .number("U", static_cast<std::int64_t>(from.last_id + 1))
      .number("u", static_cast<std::int64_t>(listing.book.last_id))
      .raw("b", side_text(change.bids, listing.instrument))
      .raw("a", side_text(change.asks, listing.instrument))
      .str();
}

}  // namespace spreadwatch::sim::binance
