#pragma once

#include <string>
#include <string_view>

#include "fx/bank_poller.h"
#include "ingest/capture_writer.h"
#include "ingest/live_feeds.h"
#include "ingest/wallet_poller.h"

namespace spreadwatch::app {

/// Hands everything that a replay needs to a capture writer: each venue's frames, what was sent,
/// REST answers, bank-rate and wallet answers, and when a connection went away.
/// Threads: called on the feeds' and the pollers' threads; never waits.
class Recorder final : public ingest::LiveSink, public fx::BankSink, public ingest::WalletSink {
 public:
  /// `writer` must outlive the recorder.
  explicit Recorder(ingest::CaptureWriter& writer) : writer_(writer) {}

  void on_raw(VenueId venue, const ingest::Frame& frame, bool sent) override;
  void on_event(MarketEvent event) override;
  void on_bank_body(const std::string& source, std::string_view body, Timestamp received) override;
  void on_bank_quote(const BankQuote&) override {}
  void on_wallet_body(VenueId venue, std::string_view route, std::string_view body,
                      Timestamp received) override;
  void on_wallet(const WalletStatus&) override {}
  /// The poller has logged it; there is no answer that could be recorded.
  void on_wallet_error(VenueId, std::string_view, const Error&) override {}

 private:
  ingest::CaptureWriter& writer_;
};

}  // namespace spreadwatch::app
