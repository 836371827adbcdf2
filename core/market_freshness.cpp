#include "core/market_freshness.h"

#include <algorithm>

namespace spreadwatch {

Timestamp MarketFreshness::alive_until(VenueId venue, std::uint32_t connection) const {
  const auto& alive = alive_[index_of(venue)];
  const auto found = alive.find(connection);
  if (found == alive.end()) return Timestamp::min();
  return found->second + limits_.liveness[index_of(venue)];
}

Timestamp MarketFreshness::fresh_until(const MarketBook& market) const {
  if (!market.updated) return Timestamp::min();
  // A polled book has no connection: it lives from poll to poll.
  if (market.connection == kPolledConnection) {
    return *market.updated + std::min(limits_.liveness[index_of(market.venue)], limits_.max_quiet);
  }
  return std::min(alive_until(market.venue, market.connection),
                  *market.updated + limits_.max_quiet);
}

bool MarketFreshness::judge(MarketBook& market, Timestamp now) const {
  Reasons reasons = market.not_synced;
  if (reasons.empty()) {
    if (market.bids.empty() || market.asks.empty()) {
      reasons.add(Reason::kOneSided);
    } else if (market.bids.top() >= market.asks.top()) {
      reasons.add(Reason::kCrossed);
    }
    if (market.time_left < microseconds{0} || now >= fresh_until(market)) {
      reasons.add(Reason::kStaleLeg);
    }
  }
  const bool changed = !(reasons == market.unusable);
  market.unusable = reasons;
  return changed;
}

bool MarketFreshness::update(const OrderBook& book, Timestamp now, MarketBook& market) const {
  const bool polled = book.connection == kPolledConnection;
  // That the socket has nothing to show says nothing against what is polled meanwhile.
  if (!book.synced() && !polled && market.connection == kPolledConnection &&
      now < fresh_until(market)) {
    return false;
  }
  market.connection = book.connection;
  if (!book.synced()) {
    market.bids.clear();
    market.asks.clear();
    market.not_synced = Reason::kBookNotSynced;
    // A feed that went away fell silent; a feed that is wrong is not synced.
    if (book.state == FeedState::kDown || book.state == FeedState::kStale) {
      market.not_synced.add(Reason::kStaleLeg);
    }
    if (book.reason == ErrorCode::kCrossedBook) market.not_synced.add(Reason::kCrossed);
    return true;
  }
  const Timestamp received = book.receive_time.value_or(now);
  market.bids.assign(book.bids);
  market.asks.assign(book.asks);
  market.not_synced = {};
  market.updated = received;
  // What waited to be taken shows the market as it was before the wait.
  const microseconds waited = std::max(now - received, microseconds{0});
  const microseconds sent_late = std::max(book.excess_delay.value_or(microseconds{0}), {});
  market.time_left = limits_.max_delay - waited;
  if (polled) {
    // The time of a polled book is that of its last change, not of its sending.
    market.time_left = std::min(market.time_left, limits_.max_quiet - waited - sent_late);
  } else {
    market.time_left -= sent_late;
  }
  return true;
}

bool MarketFreshness::update(const ConnectionStatus& status, Timestamp now) {
  auto& alive = alive_[index_of(status.venue)];
  const Timestamp before = alive_until(status.venue, status.connection);
  if (status.alive) {
    Timestamp& last = alive.try_emplace(status.connection, Timestamp::min()).first->second;
    last = std::max(last, status.time);
  } else {
    alive.erase(status.connection);
  }
  // As long as the connection was alive and stays so, no book of it changes its state.
  return !status.alive || now >= before;
}

}  // namespace spreadwatch
