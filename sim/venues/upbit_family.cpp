#include "sim/venues/upbit_family.h"

#include <algorithm>
#include <cmath>

namespace spreadwatch::sim {
namespace {

constexpr std::int64_t kStatusPeriodMs = 10'000;

}  // namespace

std::string market_code(const Instrument& instrument) {
  return instrument.quote + "-" + instrument.base;
}

const char* change_word(std::int64_t change) {
  return change > 0 ? "RISE" : change < 0 ? "FALL" : "EVEN";
}

void BookSides::pad() {
  const std::size_t units = std::max(bids.size(), asks.size());
  bids.resize(units);
  asks.resize(units);
}

BookSides book_sides(const Book& book, std::size_t depth, std::int64_t level) {
  BookSides sides{grouped(book.bids, level, Side::kBid), grouped(book.asks, level, Side::kAsk)};
  sides.bids.resize(std::min(depth, sides.bids.size()));
  sides.asks.resize(std::min(depth, sides.asks.size()));
  for (const Level& one : sides.bids) sides.total_bid += one.size;
  for (const Level& one : sides.asks) sides.total_ask += one.size;
  return sides;
}

std::string rate_text(std::int64_t change, std::int64_t base, int decimals) {
  if (base == 0) return "0";
  return trimmed(static_cast<double>(change) / static_cast<double>(base), decimals);
}

std::string units_text(BookSides sides, bool simple, const Spelling& price, const Spelling& size) {
  sides.pad();
  JsonArray units;
  for (std::size_t i = 0; i < sides.bids.size(); ++i) {
    const Level& ask = sides.asks[i];
    const Level& bid = sides.bids[i];
    units.add(JsonObject()
                  .raw(simple ? "ap" : "ask_price", price(ask.price))
                  .raw(simple ? "bp" : "bid_price", price(bid.price))
                  .raw(simple ? "as" : "ask_size", size(ask.size))
                  .raw(simple ? "bs" : "bid_size", size(bid.size))
                  .str());
  }
  return units.str();
}

std::optional<std::int64_t> level_units(const Instrument& instrument, double level) {
  if (!(std::abs(level) < 1e12)) return std::nullopt;
  return static_cast<std::int64_t>(std::llround(level * std::pow(10.0, instrument.price_decimals)));
}

std::string rest_ticker_row(const Listing& listing, const Spelling& price, int rate_decimals,
                            std::int64_t ahead_ms) {
  const Instrument& instrument = listing.instrument;
  const Ticker& t = listing.ticker;
  const auto size = [&](std::int64_t value) { return trimmed(value, instrument.size_decimals); };
  const std::int64_t change = t.last - t.previous_close;
  const std::int64_t kst = t.ts_ms + kKstOffsetMs;
  const std::int64_t told = t.ts_ms + ahead_ms;
  return JsonObject()
      .text("market", market_code(instrument))
      .text("trade_date", date_compact(t.ts_ms))
      .text("trade_time", time_compact(t.ts_ms))
      .text("trade_date_kst", date_compact(kst))
      .text("trade_time_kst", time_compact(kst))
      .number("trade_timestamp", told)
      .raw("opening_price", price(t.open))
      .raw("high_price", price(t.high))
      .raw("low_price", price(t.low))
      .raw("trade_price", price(t.last))
      .raw("prev_closing_price", price(t.previous_close))
      .text("change", change_word(change))
      .raw("change_price", price(std::abs(change)))
      .raw("change_rate", rate_text(std::abs(change), t.previous_close, rate_decimals))
      .raw("signed_change_price", price(change))
      .raw("signed_change_rate", rate_text(change, t.previous_close, rate_decimals))
      .raw("trade_volume", size(t.last_size))
      .raw("acc_trade_price", trimmed(t.turnover_day, 4))
      .raw("acc_trade_price_24h", trimmed(t.turnover_24h, 4))
      .raw("acc_trade_volume", size(t.volume_day))
      .raw("acc_trade_volume_24h", size(t.volume_24h))
      .raw("highest_52_week_price", price(t.year_high))
      .text("highest_52_week_date", date_dashed(told - 60LL * 86'400'000))
      .raw("lowest_52_week_price", price(t.year_low))
      .text("lowest_52_week_date", date_dashed(told - 200LL * 86'400'000))
      .number("timestamp", told)
      .str();
}

HttpAnswer market_list(const std::vector<const Listing*>& listings, const std::string& detailed,
                       const std::function<void(JsonObject&)>& details) {
  JsonArray rows;
  for (const Listing* listing : listings) {
    JsonObject row;
    row.text("market", market_code(listing->instrument))
        .text("korean_name", listing->instrument.base)
        .text("english_name", listing->instrument.base);
    if (to_lower(detailed) == "true") details(row);
    rows.add(row.str());
  }
  return http_answer(200, rows.str());
}

UpbitFamily::UpbitFamily(const VenueContext& context, Timing timing)
    : VenueProtocol(context), timing_(timing) {
  for (const Listing* listing : listings()) {
    by_code_.set(market_code(listing->instrument), listing);
  }
}

bool UpbitFamily::is_ws_path(std::string_view path) const {
  return path == ws_path() || path == ws_path() + "/";
}

bool UpbitFamily::ping(Connection& connection, std::string_view text, std::int64_t now_ms) const {
  if (text != "PING" && text != "ping") return false;
  FamilyState& state = family_state(connection);
  if (state.next_status_ms == 0) state.next_status_ms = now_ms + timing_.first_status_ms;
  return true;
}

void UpbitFamily::on_ping(Connection& connection, std::string_view, std::int64_t now_ms) {
  family_state(connection).last_activity_ms = now_ms;
}

void UpbitFamily::on_book(const BookEvent& event) {
  std::map<std::pair<int, BookSubscription>, Frame> built;
  for (Connection* connection : connections()) {
    FamilyState& state = family_state(*connection);
    const auto found = state.books.find(&event.listing);
    if (found == state.books.end()) continue;
    for (const BookSubscription& one : found->second) {
      if (!one.live) continue;
      Frame& frame = built[{state.style, one}];
      if (!frame.payload) {
        frame = data_frame(book_text(event.listing, state.style, one, "REALTIME"), FrameKind::kBook,
                           &event.listing);
      }
      state.last_activity_ms = wall(event.after.ts_ms);
      connection->send(frame);
    }
  }
}

void UpbitFamily::on_ticker(const Listing& listing) {
  std::map<int, Frame> built;
  for (Connection* connection : connections()) {
    FamilyState& state = family_state(*connection);
    if (!state.tickers.contains(&listing)) continue;
    Frame& frame = built[state.style];
    if (!frame.payload) {
      frame =
          data_frame(ticker_text(listing, state.style, "REALTIME"), FrameKind::kTicker, &listing);
    }
    state.last_activity_ms = wall(listing.ticker.ts_ms);
    connection->send(frame);
  }
}

void UpbitFamily::on_timer(std::int64_t now_ms) {
  for (Connection* connection : connections()) {
    FamilyState& state = family_state(*connection);
    if (state.next_status_ms != 0 && now_ms >= state.next_status_ms) {
      state.next_status_ms += kStatusPeriodMs;
      state.last_activity_ms = now_ms;
      connection->send(data_frame(R"({"status":"UP"})", FrameKind::kHeartbeat, nullptr));
    }
    if (now_ms - state.last_activity_ms >= timing_.idle_ms) {
      violation("idle_timeout", now_ms);
      connection->drop();
      state.last_activity_ms = now_ms;
    }
  }
}

void UpbitFamily::start_over(FamilyState& state, int style) {
  state.books.clear();
  state.tickers.clear();
  state.style = style;
}

Frame UpbitFamily::data_frame(std::string text, FrameKind kind, const Listing* listing) {
  return {std::make_shared<const std::string>(std::move(text)), true, kind, listing};
}

void UpbitFamily::fail(Connection& connection, std::string error) {
  connection.send(
      data_frame(R"({"error":)" + std::move(error) + "}", FrameKind::kControl, nullptr));
  connection.close(1000);
}

void UpbitFamily::add_book(Connection& connection, const Listing& listing,
                           const BookSubscription& subscription, bool snapshot) const {
  FamilyState& state = family_state(connection);
  if (subscription.live) state.books[&listing].push_back(subscription);
  if (!snapshot) return;
  connection.send(data_frame(book_text(listing, state.style, subscription, "SNAPSHOT"),
                             FrameKind::kBook, &listing));
}

void UpbitFamily::add_ticker(Connection& connection, const Listing& listing, bool live,
                             bool snapshot) const {
  FamilyState& state = family_state(connection);
  if (live) state.tickers.insert(&listing);
  if (!snapshot) return;
  connection.send(
      data_frame(ticker_text(listing, state.style, "SNAPSHOT"), FrameKind::kTicker, &listing));
}

}  // namespace spreadwatch::sim
