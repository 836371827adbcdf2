#pragma once

#include <memory>
#include <set>
#include <string>
#include <unordered_map>
#include <vector>

#include "core/instrument.h"
#include "core/market_data.h"
#include "ingest/capture_reader.h"
#include "ingest/normalizer.h"
#include "ingest/shown_book.h"

namespace spreadwatch::app {

/// One venue's part of a capture: its payloads, and what the live layer did besides them. Gives
/// what live feeds gave their sink: the same tickers and order books in the same order. Of a
/// capture without events it gives all that the payloads say. Threads: one at a time.
class CapturedVenue final : private ingest::MarketSink {
 public:
  /// `sink` must outlive it.
  CapturedVenue(VenueId venue, ingest::MarketSink& sink)
      : venue_(venue), sink_(sink), normalizer_(std::make_unique<ingest::Normalizer>(venue)) {}

  /// REQUIRES: a line of this venue that holds a payload which came from it, or an event about its
  /// order books.
  void feed(const ingest::CaptureLine& line);
  /// As Normalizer::take_remarks().
  std::vector<ingest::Remark> take_remarks() { return normalizer_->take_remarks(); }

 private:
  void happened(const ingest::CaptureLine& line);
  void begin_anew();

  void on_ticker(const Ticker& ticker) override;
  void on_order_book(const std::string& stream, const OrderBook& book) override;
  void on_error(const FeedError& error) override { sink_.on_error(error); }
  void on_control(const ingest::ControlMessage& control) override { sink_.on_control(control); }
  void on_market(const ingest::MarketInfo& market) override { sink_.on_market(market); }

  const VenueId venue_;
  ingest::MarketSink& sink_;
  std::unique_ptr<ingest::Normalizer> normalizer_;
  std::unordered_map<Instrument, ingest::ShownBook> shown_;
  std::set<Instrument> removed_;         // what still comes over the socket is not passed on
  std::set<Instrument> tickers_polled_;  // until the socket brings one
  bool tickers_told_ = false;            // the capture says when tickers are polled
};

}  // namespace spreadwatch::app
