#pragma once

#include <array>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <set>
#include <string_view>
#include <utility>
#include <vector>

#include "config/settings.h"
#include "core/error.h"
#include "core/market_data.h"
#include "core/time.h"
#include "fx/bank_rate.h"
#include "ingest/book/normalizer.h"
#include "ingest/capture/capture_reader.h"
#include "ingest/capture/captured_venue.h"

namespace spreadwatch::app {

/// When each venue's last frame came. A capture does not hold pongs, so silence between two frames
/// proves nothing: a connection counts as alive from its first frame until `liveness` after its
/// last.
using LastFrames = std::array<std::optional<Timestamp>, kVenueCount>;

/// Reads the captures once for it; nullopt, with a message on stderr, when one cannot be opened.
std::optional<LastFrames> find_last_frames(const std::vector<std::filesystem::path>& captures);

/// Receives what a capture holds, in its own time. References live only during the call.
class CaptureSink {
 public:
  virtual ~CaptureSink() = default;
  /// Time has come to `now`; what follows happened then.
  virtual void on_time(Timestamp now) = 0;
  virtual void on_book(const OrderBook& book, Timestamp now) = 0;
  /// Everything else that the engine takes.
  virtual void on_market(const MarketEvent& event, Timestamp now) = 0;
  virtual void on_ticker(const Ticker& ticker) = 0;
  /// A payload that could not be used, from a venue or a bank source.
  virtual void on_payload_error(std::string_view exchange, const Error& error,
                                std::uint64_t line) = 0;
  /// A line that is no part of a capture.
  virtual void on_line_error(std::string_view exchange, const Error& error, std::uint64_t line) = 0;
};

/// Turns capture lines into the events that live feeds would have given. Venues that the
/// configuration leaves out are passed over. Threads: one at a time.
class CaptureEvents final : private ingest::MarketSink {
 public:
  /// `settings` and `sink` must outlive it.
  CaptureEvents(const config::Settings& settings, const LastFrames& last_frames, CaptureSink& sink)
      : settings_(settings),
        last_frames_(last_frames),
        sink_(sink),
        bank_gates_(settings.fx.bank.size(), fx::BankGate{settings.fx.max_deviation}) {}

  void feed(const ingest::CaptureLine& line);
  /// The latest receive time so far.
  Timestamp now() const { return now_; }

 private:
  void feed_bank(const ingest::CaptureLine& line);
  void feed_wallet(const ingest::CaptureLine& line, VenueId venue);
  void on_ticker(const Ticker& ticker) override { sink_.on_ticker(ticker); }
  void on_order_book(const std::string& stream, const OrderBook& book) override;
  void on_market(const ingest::MarketInfo& market) override;
  void on_error(const FeedError& error) override;

  const config::Settings& settings_;
  const LastFrames last_frames_;
  CaptureSink& sink_;
  std::vector<fx::BankGate> bank_gates_;  // by place in settings_.fx.bank
  std::array<std::unique_ptr<ingest::CapturedVenue>, kVenueCount> venues_;
  std::set<std::pair<VenueId, std::uint32_t>> alive_;  // connections seen
  VenueId venue_{};                                    // of the line being read
  Timestamp now_{};
  std::uint64_t line_ = 0;
};

}  // namespace spreadwatch::app
