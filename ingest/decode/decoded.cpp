#include "ingest/decode/decoded.h"

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

std::string joined_detail(std::string_view code, std::string_view message) {
  std::string detail{code};
  if (!detail.empty() && !message.empty()) detail.append(": ");
  return detail.append(message);
}

void Decoded::clear() {
  tickers.clear();
  books.clear();
  controls.clear();
  markets.clear();
  errors.clear();
  remarks.clear();
  dropped_levels = 0;
  refused_rows = 0;
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

void Decoded::add_partial_error(ErrorCode code, std::string_view detail, std::string_view symbol,
                                std::string_view stream) {
  add_error(code, detail, symbol, stream);
  errors.back().partial = true;
}

void Decoded::add_refusal(ErrorCode code, std::string_view detail, std::string_view symbol) {
  if (tickers.empty() && books.empty() && markets.empty()) {
    add_error(code, detail, symbol);
  } else {
    add_partial_error(code, detail);
  }
}

void Decoded::add_row_error(std::size_t index, const Error& error, std::string_view symbol,
                            std::string_view stream) {
  // An order book that has lost a message has to hear of it, however many others have.
  if (++refused_rows > kMaxRowErrors && stream.empty()) return;
  std::string detail = "row " + std::to_string(index);
  if (!symbol.empty()) detail.append(" (").append(symbol.substr(0, Remark::kMaxText)).append(")");
  detail.append(": ").append(error.detail);
  add_partial_error(error.code, detail, symbol, stream);
}

void Decoded::add_row_error(const Error& error, std::string_view symbol) {
  if (++refused_rows > kMaxRowErrors) return;
  std::string detail{symbol.substr(0, Remark::kMaxText)};
  detail.append(": ").append(error.detail);
  add_partial_error(error.code, detail, symbol);
}

void Decoded::warn(std::string_view text) {
  remarks.push_back({Remark::Kind::kWarning, std::string{text.substr(0, Remark::kMaxText)}});
}

void Decoded::pass_over(std::string_view topic) {
  controls.push_back({});
  remarks.push_back({Remark::Kind::kTopic, std::string{topic.substr(0, Remark::kMaxText)}});
}

BookMessage& Decoded::next_book() {
  BookMessage& message = books.next();
  message.reset();
  return message;
}

}  // namespace spreadwatch::ingest
