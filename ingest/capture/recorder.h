#pragma once

#include <string>
#include <string_view>

#include "ingest/capture/capture_writer.h"
#include "ingest/decode/live_sink.h"

namespace spreadwatch::ingest {

/// Hands everything that a replay needs to a capture writer: each venue's frames, what was sent,
/// REST answers, wallets among them, bank-rate answers, and what happened besides payloads.
/// Threads: called on the feeds' and the bank poller's threads; never waits.
class Recorder final : public LiveSink {
 public:
  /// `writer` must outlive the recorder.
  explicit Recorder(CaptureWriter& writer) : writer_(writer) {}

  /// What is recorded of the venue from now on has no past.
  void begin(VenueId venue, Timestamp now);

  void on_raw(VenueId venue, const Frame& frame, bool sent) override;
  void on_event(MarketEvent event) override;
  void on_note(const FeedNote& note) override;
  /// The body of a bank source's answer as it came.
  void on_bank_body(const std::string& source, std::string_view body, Timestamp received);

 private:
  static CaptureEntry happened(VenueId venue, std::string_view event, Timestamp time);

  CaptureWriter& writer_;
};

}  // namespace spreadwatch::ingest
