#include "ingest/decoded.h"

namespace spreadwatch::ingest {

void BookMessage::reset() {
  stream.clear();
  symbol.clear();
  rule = BookRule::kReplace;
  snapshot = true;
  depth = 0;
  first_sequence.reset();
  sequence.reset();
  previous_sequence.reset();
  cross_sequence.reset();
  checksum.reset();
  exchange_time.reset();
  bids.clear();
  asks.clear();
}

void Decoded::clear() {
  tickers.clear();
  books.clear();
  controls.clear();
  markets.clear();
  errors.clear();
}

TickerMessage& Decoded::next_ticker() {
  TickerMessage& message = tickers.next();
  message.symbol.clear();
  message.ticker = Ticker{};
  return message;
}

void Decoded::add_error(ErrorCode code, std::string_view detail, std::string_view symbol,
                        std::string_view stream) {
  DecodeError& error = errors.emplace_back();
  error.error.code = code;
  // A venue's refusal need not have words.
  error.error.detail = detail.empty() ? "no reason given" : detail;
  error.symbol = symbol;
  error.stream = stream;
}

BookMessage& Decoded::next_book() {
  BookMessage& message = books.next();
  message.reset();
  return message;
}

}  // namespace spreadwatch::ingest
