#include "ingest/capture/captured_venue.h"

#include <optional>
#include <string>

namespace spreadwatch::ingest {

namespace event = capture_event;

void CapturedVenue::feed(const CaptureLine& line) {
  if (line.about_books()) return happened(line);
  normalizer_->feed({.origin = line.origin,
                     .payload = line.payload,
                     .channel = line.channel,
                     .symbol = line.symbol,
                     .receive_time = line.receive_time,
                     .connection = line.connection},
                    *this);
}

void CapturedVenue::happened(const CaptureLine& line) {
  if (line.event == event::kStart) return begin_anew();
  if (line.connection_lost()) {
    return normalizer_->invalidate(line.connection, FeedState::kDown, line.reason, *this);
  }
  const Instrument instrument = instrument_from_name(line.symbol);
  if (line.event == event::kAdded) {
    removed_.erase(instrument);
    tickers_told_ = true;
  } else if (line.event == event::kRemoved) {
    removed_.insert(instrument);
    shown_.erase(instrument);
    tickers_polled_.erase(instrument);
  } else if (line.event == event::kTickerPolled) {
    tickers_polled_.insert(instrument);
  } else {
    const bool polled = line.origin == Origin::kRest;
    for (const std::string& stream : normalizer_->streams_of(instrument, polled)) {
      if (line.event == event::kForgotten) {
        normalizer_->forget(stream);
      } else {
        normalizer_->invalidate_stream(stream, line.state.value_or(FeedState::kDown), line.reason,
                                       *this);
      }
    }
  }
}

void CapturedVenue::begin_anew() {
  normalizer_->invalidate_all(FeedState::kDown, std::nullopt, *this);
  normalizer_ = std::make_unique<Normalizer>(venue_);
  shown_.clear();
  removed_.clear();
  tickers_polled_.clear();
  tickers_told_ = true;
}

void CapturedVenue::on_ticker(const Ticker& ticker) {
  if (ticker.origin == Origin::kWs) {
    if (removed_.contains(ticker.instrument)) return;
    tickers_polled_.erase(ticker.instrument);
  } else if (tickers_told_ && !tickers_polled_.contains(ticker.instrument)) {
    return;  // an answer for more markets than were asked for
  }
  sink_.on_ticker(ticker);
}

void CapturedVenue::on_order_book(const std::string& stream, const OrderBook& book) {
  if (book.connection == kPolledConnection) {
    if (!shown_[book.instrument].on_polled(book)) return;
  } else {
    if (removed_.contains(book.instrument)) return;
    if (!shown_[book.instrument].on_socket(book)) return;
  }
  sink_.on_order_book(stream, book);
}

}  // namespace spreadwatch::ingest
