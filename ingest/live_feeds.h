#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "config/asset_registry.h"
#include "config/settings.h"
#include "core/heartbeat.h"
#include "core/market_data.h"
#include "core/time.h"
#include "ingest/budget_store.h"
#include "ingest/decoded.h"
#include "ingest/venue_adapter.h"
#include "metrics/ingest_metrics.h"

namespace spreadwatch::ingest {

/// What is wanted of one venue, by its own tickers in canonical spelling.
struct VenueInstruments {
  VenueId venue{};
  std::vector<Instrument> instruments;
};

/// The markets that the settings ask for: every asset under the venue's registered ticker (under
/// its own name where the registry proves nothing) in the venue's quote currency, and the FX market
/// of each venue that has one (USDT-KRW in Korea, USDT-USD at Kraken). With `settings.all_assets`
/// only the FX markets: LiveFeeds adds the rest from the market lists.
std::vector<VenueInstruments> wanted_instruments(const config::Settings& settings,
                                                 const config::AssetRegistry& registry);

/// What the live layer did to an instrument's streams that no frame says: a capture has to hold it
/// besides the frames.
struct FeedNote {
  enum class Kind : std::uint8_t {
    kAdded,        ///< subscribed from now on
    kRemoved,      ///< no longer: what still comes over the socket is not passed on
    kInvalidated,  ///< the order book became `state`, for `reason`
    kForgotten,    ///< nothing is known of the order book any more
    kTickerPolled  ///< tickers over REST are passed on until the socket brings one
  };
  Kind kind{};
  VenueId venue{};
  Instrument instrument;
  bool polled = false;  ///< the order book polled over REST, not the socket's
  FeedState state = FeedState::kDown;
  std::optional<ErrorCode> reason;
  Timestamp time{};
};

/// Receives what live feeds say.
/// Threads: called on the feeds' thread only, one call at a time. A call must not wait, and an
/// exception that leaves it is logged and dropped.
class LiveSink {
 public:
  virtual ~LiveSink() = default;
  /// Ticker, OrderBook (whenever it was updated, and once when it stops being synced), StreamStatus
  /// (per connection at most every 250 ms, and at once when it comes up or goes down), FeedError,
  /// MarketStatus, WalletStatus.
  virtual void on_event(MarketEvent event) = 0;
  /// One payload as it came (or, with `sent`, as we sent it), before it is decoded. Lives only
  /// during the call.
  virtual void on_raw(VenueId venue, const Frame& frame, bool sent) {
    static_cast<void>(venue), static_cast<void>(frame), static_cast<void>(sent);
  }
  /// Comes between the payloads where it happened. A connection that is lost is told as a
  /// StreamStatus only, right behind what it makes of its order books.
  virtual void on_note(const FeedNote& note) { static_cast<void>(note); }
};

/// One channel of one instrument now.
struct FeedStatus {
  VenueId venue{};
  std::string symbol;  ///< canonical BASE-QUOTE
  Channel channel{};
  FeedState state = FeedState::kDown;
  std::optional<ErrorCode> reason;
  Origin origin = Origin::kWs;
  std::optional<Timestamp> updated;  ///< receive time of its last message; nullopt = none yet
  std::optional<Timestamp> exchange_ts;
  std::uint64_t gaps = 0;
  std::uint64_t checksum_mismatches = 0;
  std::uint64_t resyncs = 0;
  std::uint64_t reconnects = 0;  ///< of the connection that carries it
};

/// What is fixed for a program but not for a test.
struct LiveOptions {
  std::string ca_file;     ///< PEM file trusted besides the system's authorities; empty = none
  std::uint64_t seed = 0;  ///< of the jitter; 0 = from the machine
  milliseconds connect_timeout{10'000};
  /// How long an old connection and its successor go on side by side at most.
  milliseconds longest_handover{15'000};
  milliseconds max_age{0};  ///< a connection of about this age is renewed; 0 = as the venue asks
  milliseconds markets_wait{5000};  ///< how long the first subscription waits for the market list
  milliseconds first_rejection{60'000};  ///< see SessionSettings, as the next two
  milliseconds first_data{10'000};
  milliseconds least_patience{10'000};
  /// In `settings.state_dir`; a program that may run beside another one needs a file of its own.
  std::string budgets_file = "budgets.json";
};

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
