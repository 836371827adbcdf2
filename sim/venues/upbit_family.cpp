#include "sim/venues/upbit_family.h"

#include <algorithm>

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
