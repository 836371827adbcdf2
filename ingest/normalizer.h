#pragma once

#include <memory>
#include <string>
#include <unordered_map>

#include "core/market_data.h"
#include "ingest/decoded.h"
#include "ingest/order_book.h"
#include "ingest/venue_adapter.h"

namespace spreadwatch::ingest {

/// Receives what a venue's frames mean. References live only during the call.
class MarketSink {
 public:
  virtual ~MarketSink() = default;
  virtual void on_ticker(const Ticker& ticker) = 0;
  /// `stream` names the order book stream; `book` is the maintained book, synced or not.
  virtual void on_order_book(const std::string& stream, const OrderBook& book) = 0;
  virtual void on_error(const FeedError& error) = 0;
  virtual void on_control(const ControlMessage& control) { static_cast<void>(control); }
  virtual void on_market(const MarketInfo& market) { static_cast<void>(market); }
  /// The stream cannot go on without help (see MaintainedBook::Need).
  virtual void on_need(const std::string& stream, const Instrument& instrument,
                       MaintainedBook::Need need) {
    static_cast<void>(stream), static_cast<void>(instrument), static_cast<void>(need);
  }
};

/// From payloads to normalized tickers and maintained order books, for one venue. `decode`, `replay` and
/// `run` share it. An order book is reported after every message that leaves it synced, and once when it
/// stops being so.
/// Threads: one at a time.
class Normalizer {
 public:
  explicit Normalizer(VenueId venue);
  ~Normalizer();

  void feed(const Frame& frame, MarketSink& sink);

  /// Every order book of the connection becomes `state`; reported through the sink.
  void invalidate(std::uint32_t connection, FeedState state, std::optional<ErrorCode> reason,
                  MarketSink& sink);
  /// One stream becomes `state`; reported through the sink.
  void invalidate_stream(const std::string& stream, FeedState state,
                         std::optional<ErrorCode> reason, MarketSink& sink);
  /// Forgets a stream that is no longer subscribed.
  void forget(const std::string& stream);

  VenueAdapter& adapter() { return *adapter_; }
  const MaintainedBook* find(const std::string& stream) const;

 private:
  const VenueId venue_;
  std::unique_ptr<VenueAdapter> adapter_;
  Decoded decoded_;
  std::unordered_map<std::string, MaintainedBook> books_;
};

}  // namespace spreadwatch::ingest
