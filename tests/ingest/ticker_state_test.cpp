#include "ingest/live/ticker_state.h"

#include <doctest/doctest.h>

namespace spreadwatch::ingest {
namespace {

using namespace std::chrono_literals;

constexpr TickerState::Limits kLimits{30s, 15s};
constexpr Timestamp kWall = timestamp_from_ms(1'700'000'000'000);

/// A ticker, its time, and the connection that carries it.
struct Market {
  TickerState::Time now{};
  TickerState ticker{kLimits};
  FeedStatus connection;  // what the connection alone says

  Market() {
    connection.channel = Channel::kTicker;
    connection.state = FeedState::kSyncing;
  }

  Timestamp wall() const {
    return kWall + std::chrono::duration_cast<microseconds>(now.time_since_epoch());
  }
  void pass(milliseconds time) { now += time; }
  void socket() {
    ticker.on_socket(now);
    connection.state = FeedState::kSynced;
    connection.reason.reset();
    connection.updated = wall();
  }
  /// One every `pause`.
  void socket(int count, milliseconds pause) {
    for (int i = 0; i < count; ++i) {
      socket();
      pass(pause);
    }
  }
  void lose(ErrorCode reason) {
    ticker.on_socket_lost();
    connection.state = FeedState::kDown;
    connection.reason = reason;
  }
  void rest() {
    Ticker answer;
    answer.origin = Origin::kRest;
    answer.receive_time = wall();
    ticker.on_polled(answer, now);
  }
  FeedStatus status() const {
    FeedStatus status = connection;
    ticker.judge(status, now);
    return status;
  }
  bool is(FeedState state, std::optional<ErrorCode> reason = std::nullopt) const {
    return status().state == state && status().reason == reason;
  }
};

TEST_CASE("a ticker of the socket is synced while its silence is not longer than its habit") {
  Market m;
  CHECK(m.is(FeedState::kSyncing));
  m.socket(20, 1s);
  CHECK(m.is(FeedState::kSynced));
  m.pass(19s);
  CHECK(m.is(FeedState::kSynced));
  CHECK(m.status().origin == Origin::kWs);
}

TEST_CASE("a stream that stopped while its connection lives is stale when REST is silent too") {
  Market m;
  m.socket(20, 1s);  // so twenty seconds are not its habit
  m.pass(20s + 14s - 1s);
  CHECK(m.is(FeedState::kSynced));
  m.pass(1s);
  CHECK(m.is(FeedState::kStale, ErrorCode::kTimeout));
  m.ticker.on_poll_failed(ErrorCode::kHttpStatus);
  CHECK(m.is(FeedState::kStale, ErrorCode::kHttpStatus));
  CHECK(m.status().updated == m.connection.updated);  // and as old as it is
  m.socket();
  CHECK(m.is(FeedState::kSynced));
}

TEST_CASE("a quiet market is synced for as long as REST confirms it, whatever is traded") {
  Market m;
  m.socket();
  m.pass(30s);
  for (int i = 0; i < 100; ++i) {
    m.rest();
    CHECK(m.is(FeedState::kSynced));
    CHECK(m.status().origin == Origin::kRest);
    CHECK(m.status().updated == m.wall());
    m.pass(14s);
  }
}

TEST_CASE("a quiet market that REST was asked for in vain is stale, with the reason") {
  Market m;
  m.socket();
  m.pass(40s);
  m.ticker.on_poll_failed(ErrorCode::kUnknownSymbol);
  CHECK(m.is(FeedState::kSynced));
  m.pass(5s);
  CHECK(m.is(FeedState::kStale, ErrorCode::kUnknownSymbol));
}

TEST_CASE("a polled ticker lives from answer to answer, then shows why there is none") {
  Market m;
  m.socket();
  m.lose(ErrorCode::kClosedByPeer);
  CHECK(m.is(FeedState::kDown, ErrorCode::kClosedByPeer));
  m.pass(3s);
  m.rest();
  CHECK(m.is(FeedState::kSynced));
  m.pass(14s);
  m.ticker.on_poll_failed(ErrorCode::kHttpStatus);
  CHECK(m.is(FeedState::kSynced));
  const auto confirmed = m.status().updated;
  m.pass(1s);
  CHECK(m.is(FeedState::kDown, ErrorCode::kClosedByPeer));
  CHECK(m.status().updated == confirmed);
  // The connection is back and brings none.
  m.connection.state = FeedState::kSyncing;
  m.connection.reason.reset();
  CHECK(m.is(FeedState::kStale, ErrorCode::kHttpStatus));
  m.rest();
  CHECK(m.is(FeedState::kSynced));
}

TEST_CASE("the socket's ticker takes the place of the polled one") {
  Market m;
  m.rest();
  m.pass(1s);
  m.socket();
  CHECK(m.status().origin == Origin::kWs);
  m.pass(40s);
  CHECK(m.is(FeedState::kSynced));
}

TEST_CASE("what never came is syncing, with what REST said of it") {
  Market m;
  m.pass(100s);
  CHECK(m.is(FeedState::kSyncing));
  m.ticker.on_poll_failed(ErrorCode::kHttpStatus);
  CHECK(m.is(FeedState::kSyncing, ErrorCode::kHttpStatus));
}

TEST_CASE("a market that the venue does not know stays faulted") {
  Market m;
  m.connection.state = FeedState::kFaulted;
  m.connection.reason = ErrorCode::kUnknownSymbol;
  m.pass(100s);
  CHECK(m.is(FeedState::kFaulted, ErrorCode::kUnknownSymbol));
}

TEST_CASE("the time without a connection is no habit of the stream") {
  Market m;
  m.socket(20, 100ms);
  m.lose(ErrorCode::kTimeout);
  m.pass(600s);
  m.socket();
  m.pass(2s + 15s);  // twenty pauses of 100 ms, and the time that an answer is waited for
  CHECK(m.is(FeedState::kStale, ErrorCode::kTimeout));
}

}  // namespace
}  // namespace spreadwatch::ingest
