#pragma once

#include <cstddef>

#include "core/error.h"
#include "core/market_data.h"
#include "ingest/live/steady_time.h"
#include "metrics/ingest_metrics.h"

namespace spreadwatch::ingest {

/// Measures what one payload of a connection holds and how long reading it takes, into the venue's
/// metrics. Threads: one at a time.
class FrameMeter {
 public:
  /// `metrics` must outlive the object.
  explicit FrameMeter(metrics::VenueMetrics& metrics) : metrics_(metrics) {}

  /// A payload received `now` is being read.
  void begin(SteadyTime now);
  /// It holds a ticker, whoever wants it.
  void ticker(const Ticker& ticker);
  /// It has made `book`, which is synced, what it is `now`.
  void book(const OrderBook& book, SteadyTime now);
  /// What could not be used of it.
  void error(ErrorCode code);
  /// It has been read: counted as of order books, tickers, or neither.
  void end(std::size_t bytes);

  /// When the payload was received that is being read, or was last.
  SteadyTime begun_at() const { return begun_at_; }

 private:
  metrics::VenueMetrics& metrics_;
  SteadyTime begun_at_{};
  bool has_ticker_ = false;
  bool has_book_ = false;
};

}  // namespace spreadwatch::ingest
