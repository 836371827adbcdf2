#pragma once

#include <memory>
#include <vector>

#include "config/asset_registry.h"
#include "config/settings.h"
#include "core/feed_status.h"
#include "core/heartbeat.h"
#include "core/market_data.h"
#include "core/time.h"
#include "ingest/decode/live_sink.h"
#include "ingest/live/live_options.h"
#include "ingest/live/wanted_instruments.h"
#include "ingest/net/budget_store.h"
#include "metrics/ingest_metrics.h"

namespace spreadwatch::ingest {

/// The live side of ingest: connects to every watched venue, keeps its streams alive and its order
/// books synced, and says everything through a LiveSink.
///
/// Threads of this class and what runs on them:
///  - `feeds`: one std::jthread that runs the io_context. All connections, sessions, budgets,
///  adapters,
///    normalizers and order books live there, without locks, and every LiveSink call is made there.
///  - Asio's resolver thread of that io_context (name look-ups only).
///  - cpprestsdk's process-wide pool: HTTP requests. Answers are posted to `feeds`.
///  - `budgets`: writes the budgets' file, when `settings.state_dir` names a folder.
/// Of the public members, add(), remove(), feeds() and heartbeat() may be called by any thread; the
/// others by the one that owns the object.
class LiveFeeds {
 public:
  /// `wanted` lists watched venues only. `registry`, `clock`, `sink` and `metrics` must outlive the
  /// object. Nothing happens before start().
  LiveFeeds(const config::Settings& settings, const config::AssetRegistry& registry,
            const std::vector<VenueInstruments>& wanted, const Clock& clock, LiveSink& sink,
            metrics::IngestMetrics& metrics, LiveOptions options = {});
  ~LiveFeeds();  ///< stops
  LiveFeeds(const LiveFeeds&) = delete;
  LiveFeeds& operator=(const LiveFeeds&) = delete;

  /// REQUIRES: not started before.
  void start();
  /// Sends close frames, cancels requests, joins; at most 2 s. No LiveSink call is made after it
  /// returns. Idempotent, never throws.
  void stop() noexcept;

  /// Watches one more instrument, or no longer watches one; the venue's other streams and
  /// connections go on. Done on the feeds' thread soon after the call. What is removed is reported
  /// as kDown without a reason; what the venue does not list is reported as kUnknownSymbol and
  /// subscribed once it is listed. Known already, or not known: nothing happens. False, and nothing
  /// happens, when the venue is not watched.
  bool add(VenueId venue, const Instrument& instrument);
  bool remove(VenueId venue, const Instrument& instrument);

  /// Every subscribed channel, ordered by venue, symbol, channel; at most about 250 ms old.
  std::vector<FeedStatus> feeds() const;
  /// Of the feeds' thread.
  const Heartbeat& heartbeat() const;
  /// What became of the file of rate budgets and bans.
  BudgetStore::State budgets_state() const;

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace spreadwatch::ingest
