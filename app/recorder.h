#pragma once

#include <string>
#include <string_view>

#include "fx/bank_poller.h"
#include "ingest/capture_writer.h"
#include "ingest/live_feeds.h"

namespace spreadwatch::app {

/// Hands everything that a replay needs to a capture writer: each venue's frames, what was sent,
/// REST answers, wallets among them, bank-rate answers, and what happened besides payloads.
/// Threads: called on the feeds' and the bank poller's threads; never waits.
class Recorder final : public ingest::LiveSink, public fx::BankSink {
 public:
  /// `writer` must outlive the recorder.
  explicit Recorder(ingest::CaptureWriter& writer) : writer_(writer) {}

  /// What is recorded of the venue from now on has no past.
  void begin(VenueId venue, Timestamp now);

  void on_raw(VenueId venue, const ingest::Frame& frame, bool sent) override;
  void on_event(MarketEvent event) override;
  void on_note(const ingest::FeedNote& note) override;
  void on_bank_body(const std::string& source, std::string_view body, Timestamp received) override;
  void on_bank_quote(const BankQuote&) override {}

 private:
  static ingest::CaptureEntry happened(VenueId venue, std::string_view event, Timestamp time);

  ingest::CaptureWriter& writer_;
};

}  // namespace spreadwatch::app
