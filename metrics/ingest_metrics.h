#pragma once

#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <string_view>

#include "core/error.h"
#include "core/instrument.h"
#include "core/market_data.h"
#include "core/time.h"
#include "core/venue.h"
#include "metrics/registry.h"

namespace spreadwatch::metrics {

/// How the comparison of a maintained order book with a REST snapshot ended; the `outcome` label.
enum class AuditOutcome : std::uint8_t {
  kEqual,
  kUnequal,        ///< differs at the same sequence, or twice at the same time: resynced
  kSuspect,        ///< differs once at the same time, which is looked at again at once
  kNotComparable,  ///< no moment in common
  kFailed          ///< no snapshot to compare with
};
inline constexpr std::array<std::string_view, 5> kAuditOutcomeNames = {
    "equal", "unequal", "suspect", "not_comparable", "failed"};

/// The `spreadwatch_ingest_*` series of one venue. All of them exist from the start, at zero, so
/// that a board shows zeros and not gaps; only per-symbol series and ages appear later. Threads:
/// any. An update costs an atomic addition; a histogram or a removable gauge a short lock as well.
class VenueMetrics {
 public:
  /// Symbols with a series of their own in tickers_total; later ones are counted as symbol "other".
  static constexpr std::size_t kMaxSymbols = 200;

  /// REQUIRES: made by IngestMetrics.
  struct Series;
  explicit VenueMetrics(std::unique_ptr<Series> series);
  ~VenueMetrics();

  /// A connection is up (websocket upgrade done).
  void connected();
  /// A connection that was up ended; `reason` says why, nullopt = we closed it
  /// (`reason="requested"`).
  void disconnected(std::optional<ErrorCode> reason);
  /// A connect is tried again after a failure or a loss.
  void reconnect_attempt();
  /// A connection was succeeded by a fresh one before the venue would have closed it.
  void renewed();
  void pong_missed();
  /// A stream said nothing for unusually long while its connection was alive, and was asked for
  /// again.
  void stalled();
  /// Subscriptions held on all connections of the venue now.
  void set_subscriptions(Channel channel, std::size_t count);

  /// A payload came in, over the websocket or REST.
  /// nullopt = neither: acknowledgements, pongs, market lists; the label `other`.
  void frame(std::optional<Channel> channel, std::size_t bytes);
  void ticker(const Instrument& instrument);
  /// The instrument is no longer watched: its series goes, and its place among the kMaxSymbols is
  /// free.
  void remove_symbol(const Instrument& instrument);
  void decode_error(ErrorCode code);
  void gap();
  void checksum_mismatch();
  void resync();
  /// A message that changed nothing because it had been seen.
  void duplicate();
  /// Levels of price zero were left out of order books.
  void dropped_levels(std::uint64_t count);
  /// Topics that are not read here came for the first time.
  void unknown_topics(std::uint64_t count);
  /// The venue warned of something beside data that counts.
  void venue_warnings(std::uint64_t count);

  /// An order book was updated at `now`; sets book_last_update_timestamp_seconds.
  void book_updated(Timestamp now);
  /// When the least recently updated synced order book was updated, which the gauge's age is
  /// counted from; nullopt = none is synced, which removes the gauge.
  void set_oldest_book(std::optional<Timestamp> updated);
  /// Synced order books now.
  void set_books_synced(std::size_t count);
  /// The same of tickers: how many may be believed, and when the oldest and the newest of them
  /// came; nullopt as above. The time of the newest stays when there is none any more.
  void set_tickers(std::size_t synced, std::optional<Timestamp> oldest,
                   std::optional<Timestamp> newest);

  /// Exchange time to receive time; a negative delay (clock offset) counts as 0.
  void exchange_delay(microseconds delay);
  /// What of it goes beyond the venue's clock offset.
  void excess_delay(microseconds delay);
  /// Our clock minus the venue's, as estimated: the shortest exchange delay of the last minutes.
  /// nullopt = no longer known, which removes the gauge.
  void set_clock_offset(std::optional<microseconds> offset);
  /// Receive to decoded, and receive to order book applied.
  void decode_latency(std::chrono::nanoseconds latency);
  void book_latency(std::chrono::nanoseconds latency);

  /// Instruments whose data comes over REST now; the `_active` gauge is 1 while there are any.
  void set_rest_fallback(std::size_t instruments);
  /// A REST answer was dropped because the socket had delivered meanwhile.
  void late_rest_answer();
  /// A comparison ended; also moves the ratio of mismatches among the last kAuditWindow that were
  /// decided.
  void audit(AuditOutcome outcome);
  static constexpr std::size_t kAuditWindow = 100;
  /// A REST request ended; nullopt = ok (`reason="ok"`).
  void rest_request(std::optional<ErrorCode> reason);

 private:
  std::unique_ptr<Series> series_;
};

/// What was done with the file that keeps the budgets over a restart; the `operation` label.
enum class StateOperation : std::uint8_t { kRead, kWrite };

/// The ingest series of every watched venue: of those given at the start from then on, of any other
/// from when it is first asked for.
/// Threads: any, and as VenueMetrics.
class IngestMetrics {
 public:
  IngestMetrics(Registry& registry, std::span<const VenueId> venues);
  ~IngestMetrics();
  IngestMetrics(const IngestMetrics&) = delete;
  IngestMetrics& operator=(const IngestMetrics&) = delete;

  /// Lives as long as this.
  VenueMetrics& venue(VenueId id);

  /// The kept budgets could not be read or written.
  void state_error(StateOperation operation);

 private:
  struct State;
  Registry& registry_;
  std::mutex mutex_;
  std::array<std::unique_ptr<VenueMetrics>, kVenueCount> venues_;  // guarded by mutex_
  std::unique_ptr<State> state_;
};

}  // namespace spreadwatch::metrics
