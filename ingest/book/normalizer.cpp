#include "ingest/book/normalizer.h"

#include <algorithm>
#include <utility>
#include <vector>

namespace spreadwatch::ingest {

Normalizer::Normalizer(VenueId venue) : venue_(venue), adapter_(make_adapter(venue)) {}
Normalizer::~Normalizer() = default;

void Normalizer::note_connection(const Frame& frame) {
  place_ = nullptr;
  leaving_ = overlap_ = false;
  if (frame.origin != Origin::kWs || !frame.receive_time) return;
  const auto [found, first] = places_.try_emplace(frame.connection % kPlaces);
  Place& place = found->second;
  place_ = &place;
  if (!first && frame.connection == place.connection) {
    overlap_ = frame.connection >= kPlaces && *frame.receive_time - place.since <= kOverlap;
    return;
  }
  leaving_ = !first && succeeds(place.connection, frame.connection) &&
             *frame.receive_time - place.since <= kOverlap;
  if (leaving_) return;
  overlap_ = !first;
  place.connection = frame.connection;
  place.since = *frame.receive_time;
  place.tickers.clear();
}

bool Normalizer::is_succeeded(const Ticker& ticker) {
  if (leaving_) {
    const bool succeeded = place_->tickers.contains(ticker.instrument);
    if (succeeded) ++duplicate_tickers_;
    return succeeded;
  }
  if (overlap_ && place_->tickers.size() < kMaxStreams) place_->tickers.insert(ticker.instrument);
  return false;
}

void Normalizer::feed(const Frame& frame, MarketSink& sink) {
  note_connection(frame);
  adapter_->decode(frame, decoded_);
  for (const MarketInfo& market : decoded_.markets) sink.on_market(market);
  for (const ControlMessage& control : decoded_.controls) {
    if (control.kind == ControlMessage::Kind::kAck && !control.stream.empty() &&
        control.depth > 0) {
      if (depths_.size() < kMaxStreams) depths_[control.stream] = control.depth;
      const auto book = books_.find(control.stream);
      if (book != books_.end()) book->second.set_depth(control.depth);
    }
    sink.on_control(control);
  }
  for (const TickerMessage& message : decoded_.tickers) {
    if (!is_succeeded(message.ticker)) sink.on_ticker(message.ticker);
  }
  for (const BookMessage& message : decoded_.books) feed_book(frame, message, sink);
  for (const DecodeError& error : decoded_.errors) feed_error(frame, error, sink);
  dropped_levels_ += decoded_.dropped_levels;
  for (const Remark& remark : decoded_.remarks) note_remark(remark);
}

void Normalizer::note_remark(const Remark& remark) {
  const bool warning = remark.kind == Remark::Kind::kWarning;
  if (warning) ++warnings_;
  const auto key = [warning](std::string_view text) {
    return (warning ? "w" : "t") + std::string{text};
  };
  std::string name = key(remark.text);
  if (remarks_.contains(name)) return;
  std::string_view text = remark.text;
  if (remarks_.size() >= kMaxRemarks) {
    text = "others";
    name = key(text);
  }
  if (!remarks_.insert(std::move(name)).second) return;
  if (!warning) ++unknown_topics_;
  fresh_remarks_.push_back({remark.kind, std::string{text}});
}

void Normalizer::feed_book(const Frame& frame, const BookMessage& message, MarketSink& sink) {
  auto found = books_.find(message.stream);
  if (found == books_.end()) {
    std::optional<Instrument> instrument = adapter_->instrument(message.symbol);
    if (!instrument) {
      report(frame, message.symbol, {ErrorCode::kUnknownSymbol, "not a spot instrument"}, sink);
      return;
    }
    if (books_.size() >= kMaxStreams) {
      report(frame, message.symbol,
             {ErrorCode::kVenueError, "more order book streams than allowed"}, sink);
      return;
    }
    found =
        books_
            .emplace(message.stream, MaintainedBook{venue_profile(venue_), std::move(*instrument)})
            .first;
    const auto depth = depths_.find(message.stream);
    if (depth != depths_.end()) found->second.set_depth(depth->second);
  }
  MaintainedBook& book = found->second;
  OrderBook& shown = book.mutable_book();
  const bool was_synced = shown.synced();
  const bool polled = frame.origin == Origin::kRest && frame.channel == kPolledChannel;
  const std::uint32_t connection = polled ? kPolledConnection : frame.connection;
  const bool from_other = place_ != nullptr && shown.connection != connection;
  // The successor carries it already.
  if (from_other && leaving_ && shown.connection == place_->connection) return book.pass_over();
  // The old connection carries it until this one can go on from there.
  const bool succeeds_now = from_other && was_synced && succeeds(connection, shown.connection);
  if (succeeds_now && !book.is_continued_by(message)) return book.pass_over();
  // A snapshot over REST seeds a stream that the websocket carries.
  if (frame.origin == Origin::kWs || message.rule == BookRule::kReplace) {
    if (message.rule == BookRule::kReplace && shown.connection != connection) {
      book.forget_sequence();
    }
    shown.connection = connection;
  }
  MaintainedBook::Outcome outcome = book.apply(message, frame.origin);
  shown.excess_delay.reset();
  if (outcome.show && shown.exchange_time && frame.receive_time) {
    shown.excess_delay = clock_offset_.excess(*shown.exchange_time, *frame.receive_time);
  }
  // Where nothing else has changed, the connection has, on which its liveness hangs.
  if (succeeds_now && shown.synced()) outcome.show = true;
  if (outcome.show || was_synced != shown.synced()) shown.receive_time = frame.receive_time;
  publish(found->first, book, was_synced, outcome, sink);
  if (outcome.error) report(frame, message.symbol, *outcome.error, sink);
  if (tap_ != nullptr && message.stream == tapped_) tap_->on_message(message, shown);
}

void Normalizer::feed_error(const Frame& frame, const DecodeError& error, MarketSink& sink) {
  // The message is lost to its stream: no output before the book is known to be whole again.
  if (!error.stream.empty()) {
    const auto found = books_.find(error.stream);
    const bool carried =
        found != books_.end() &&
        !(leaving_ && found->second.book().connection == place_->connection) &&
        !(place_ != nullptr && succeeds(frame.connection, found->second.book().connection));
    if (carried) {
      MaintainedBook& book = found->second;
      const bool was_synced = book.book().synced();
      const MaintainedBook::Outcome outcome = book.reject(error.error);
      if (was_synced) book.mutable_book().receive_time = frame.receive_time;
      publish(found->first, book, was_synced, outcome, sink);
    }
  }
  report(frame, error.symbol, error.error, sink, error.partial);
}

void Normalizer::publish(const std::string& stream, const MaintainedBook& book, bool was_synced,
                         const MaintainedBook::Outcome& outcome, MarketSink& sink) {
  if (outcome.show || (was_synced && !book.book().synced())) {
    sink.on_order_book(stream, book.book());
  }
  if (outcome.need != MaintainedBook::Need::kNothing) {
    sink.on_need(stream, book.book().instrument, outcome.need);
  }
}

void Normalizer::report(const Frame& frame, const std::string& symbol, const Error& error,
                        MarketSink& sink, bool partial) const {
  sink.on_error({venue_, symbol, error, frame.receive_time,
                 std::string{frame.payload.substr(0, kMaxErrorPayload)}, partial});
}

template <class Matches>
std::vector<std::string> Normalizer::streams_that(Matches&& matches) const {
  std::vector<std::string> streams;
  for (const auto& [stream, book] : books_) {
    if (matches(book.book())) streams.push_back(stream);
  }
  std::sort(streams.begin(), streams.end());
  return streams;
}

std::vector<std::string> Normalizer::streams_of(const Instrument& instrument, bool polled) const {
  return streams_that([&](const OrderBook& book) {
    return book.instrument == instrument && (book.connection == kPolledConnection) == polled;
  });
}

void Normalizer::invalidate(std::uint32_t connection, FeedState state,
                            std::optional<ErrorCode> reason, MarketSink& sink) {
  const auto carried = [&](const OrderBook& book) { return book.connection == connection; };
  for (const std::string& stream : streams_that(carried)) {
    invalidate_one(stream, state, reason, sink);
  }
}

void Normalizer::invalidate_all(FeedState state, std::optional<ErrorCode> reason,
                                MarketSink& sink) {
  for (const std::string& stream : streams_that([](const OrderBook&) { return true; })) {
    invalidate_one(stream, state, reason, sink);
  }
}

void Normalizer::invalidate_stream(const std::string& stream, FeedState state,
                                   std::optional<ErrorCode> reason, MarketSink& sink) {
  invalidate_one(stream, state, reason, sink, observer_);
}

void Normalizer::invalidate_one(const std::string& stream, FeedState state,
                                std::optional<ErrorCode> reason, MarketSink& sink,
                                BookObserver* observer) {
  const auto found = books_.find(stream);
  if (found == books_.end()) return;
  found->second.invalidate(state, reason);
  if (observer != nullptr) observer->on_invalidated(found->second.book());
  sink.on_order_book(stream, found->second.book());
}

void Normalizer::forget(const std::string& stream) {
  depths_.erase(stream);
  const auto found = books_.find(stream);
  if (found == books_.end()) return;
  if (observer_ != nullptr) observer_->on_forgotten(found->second.book());
  books_.erase(found);
}

const MaintainedBook* Normalizer::find(const std::string& stream) const {
  const auto found = books_.find(stream);
  return found == books_.end() ? nullptr : &found->second;
}

}  // namespace spreadwatch::ingest
