#pragma once

#include <memory>
#include <set>
#include <string>
#include <unordered_map>
#include <vector>

#include "core/instrument.h"
#include "core/market_data.h"
#include "ingest/book/normalizer.h"
#include "ingest/book/shown_book.h"
#include "ingest/capture/capture_reader.h"

namespace spreadwatch::ingest {

/// One venue's part of a capture: its payloads, and what the live layer did besides them. Gives
/// what live feeds gave their sink: the same tickers and order books in the same order. Of a
/// capture without events it gives all that the payloads say. Threads: one at a time.
class CapturedVenue final : private MarketSink {
 public:
  /// `sink` must outlive it.
  CapturedVenue(VenueId venue, MarketSink& sink)
      : venue_(venue), sink_(sink), normalizer_(std::make_unique<Normalizer>(venue)) {}

  /// REQUIRES: a line of this venue that holds a payload which came from it, or an event about its
  /// order books.
  void feed(const CaptureLine& line);
  /// As Normalizer::take_remarks().
  std::vector<Remark> take_remarks() { return normalizer_->take_remarks(); }

 private:
  void happened(const CaptureLine& line);
  void begin_anew();

  void on_ticker(const Ticker& ticker) override;
  void on_order_book(const std::string& stream, const OrderBook& book) override;
  void on_error(const FeedError& error) override { sink_.on_error(error); }
  void on_control(const ControlMessage& control) override { sink_.on_control(control); }
  void on_market(const MarketInfo& market) override { sink_.on_market(market); }

  const VenueId venue_;
  MarketSink& sink_;
  std::unique_ptr<Normalizer> normalizer_;
  std::unordered_map<Instrument, ShownBook> shown_;
  std::set<Instrument> removed_;         // what still comes over the socket is not passed on
  std::set<Instrument> tickers_polled_;  // until the socket brings one
  bool tickers_told_ = false;            // the capture says when tickers are polled
};

}  // namespace spreadwatch::ingest
