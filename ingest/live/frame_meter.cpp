#include "ingest/live/frame_meter.h"

#include <optional>

namespace spreadwatch::ingest {

void FrameMeter::begin(SteadyTime now) {
  begun_at_ = now;
  has_ticker_ = has_book_ = false;
}

void FrameMeter::ticker(const Ticker& ticker) {
  has_ticker_ = true;
  metrics_.decode_latency(steady_now() - begun_at_);
  if (ticker.exchange_time && ticker.receive_time && ticker.origin == Origin::kWs) {
    metrics_.exchange_delay(*ticker.receive_time - *ticker.exchange_time);
  }
}

void FrameMeter::book(const OrderBook& book, SteadyTime now) {
  has_book_ = true;
  metrics_.book_latency(now - begun_at_);
  if (!book.receive_time) return;
  metrics_.book_updated(*book.receive_time);
  if (!book.exchange_time || book.origin != Origin::kWs) return;
  metrics_.exchange_delay(*book.receive_time - *book.exchange_time);
  if (book.excess_delay) metrics_.excess_delay(*book.excess_delay);
}

void FrameMeter::error(ErrorCode code) {
  switch (code) {
    case ErrorCode::kSequenceGap:
      metrics_.gap();
      break;
    case ErrorCode::kChecksumMismatch:
      metrics_.checksum_mismatch();
      break;
    default:
      metrics_.decode_error(code);
  }
}

void FrameMeter::end(std::size_t bytes) {
  std::optional<Channel> channel;
  if (has_ticker_) channel = Channel::kTicker;
  if (has_book_) channel = Channel::kOrderBook;
  metrics_.frame(channel, bytes);
}

}  // namespace spreadwatch::ingest
