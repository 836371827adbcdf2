#include "ingest/live/ticker_state.h"

namespace spreadwatch::ingest {

void TickerState::on_socket(Time now) {
  // A pause in which the connection was lost says nothing of the stream's habit.
  if (connected_ && alive_at_) {
    cadence_.add(std::chrono::duration_cast<milliseconds>(now - *alive_at_));
  }
  connected_ = true;
  alive_at_ = now;
  polled_at_.reset();
  failure_.reset();
}

void TickerState::on_polled(const Ticker& ticker, Time now) {
  polled_at_ = now;
  received_ = ticker.receive_time;
  exchange_time_ = ticker.exchange_time;
  failure_.reset();
}

void TickerState::judge(FeedStatus& status, Time now) const {
  if (polled_at_) {
    status.origin = Origin::kRest;
    status.updated = received_;
    status.exchange_ts = exchange_time_;
    if (now - *polled_at_ < limits_.liveness) {
      status.state = FeedState::kSynced;
      status.reason.reset();
      return;
    }
  }
  switch (status.state) {
    case FeedState::kSynced:
    case FeedState::kSyncing: {
      if (!polled_at_ && !alive_at_) {  // it never came
        status.reason = failure_;
        return;
      }
      const Time unconfirmed_since =
          polled_at_ ? *polled_at_ : *alive_at_ + cadence_.patience(milliseconds{0}, limits_.quiet);
      if (now - unconfirmed_since < limits_.liveness) return;
      status.state = FeedState::kStale;
      status.reason = failure_.value_or(ErrorCode::kTimeout);
      return;
    }
    case FeedState::kDown:
      if (!status.reason) status.reason = failure_;
      return;
    default:
      return;
  }
}

}  // namespace spreadwatch::ingest
