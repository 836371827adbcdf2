#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <random>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "core/market_data.h"
#include "core/time.h"
#include "ingest/book/normalizer.h"
#include "ingest/decode/venue_adapter.h"
#include "ingest/live/frame_meter.h"
#include "ingest/live/keep_alive.h"
#include "ingest/live/outbox.h"
#include "ingest/live/session_settings.h"
#include "ingest/live/snapshot_seeder.h"
#include "ingest/live/steady_time.h"
#include "ingest/live/subscription_table.h"
#include "ingest/live/succession.h"
#include "ingest/live/venue_context.h"
#include "ingest/live/venue_rest.h"
#include "ingest/net/backoff.h"
#include "ingest/net/transport.h"
#include "metrics/ingest_metrics.h"

namespace spreadwatch::ingest {

/// One connection of a venue, for as long as the program runs: connects within the budget,
/// subscribes its share, keeps the line open by the venue's rule, notices when it is dead,
/// reconnects, and gets order books that lost their thread back in step without touching the
/// others.
///
/// Whatever a connection loses is invalidated before anything else is done about it, so that
/// nothing built on it is shown for a moment longer. Threads: everything on the thread that runs
/// the io_context.
class Session final : private WebsocketEvents, private MarketSink {
 public:
  /// How often tick() wants to be called.
  static constexpr milliseconds kTick{50};

  Session(VenueContext context, SessionSettings settings);
  ~Session() override;
  Session(const Session&) = delete;
  Session& operator=(const Session&) = delete;

  /// Takes over what is subscribed on the connection that this one is to succeed, and what was
  /// learned about it. Both go on until `old` retires. REQUIRES: nothing was added before.
  void succeed(Session& old);
  /// What `old` delivers comes over this connection as well.
  bool covers(const Session& old) const;
  /// Says goodbye: what `successor` does not deliver is lost, the rest goes on there. Closes for
  /// good, as stop().
  void retire(Session& successor);
  /// Whether the successor is up, and mends what needs mending; until it is, that is done here.
  void successor_is_up(bool up) { successor_up_ = up; }
  /// The connection is up, and the venue will close it soon: a successor should be opened.
  bool wants_successor(SteadyTime now) const { return up() && succession_.due(now); }

  /// Adds to what is subscribed, now or with the next connection. What is known already is ignored.
  void add(std::span<const Subscription> subscriptions);
  /// Unsubscribes and forgets; an order book is reported as kDown for `reason` first.
  void remove(std::span<const Subscription> subscriptions, std::optional<ErrorCode> reason);
  /// The order book was found to differ from the venue's: it is faulted and subscribed anew or
  /// seeded again. False when this connection does not carry a synced one.
  bool fault_book(const Instrument& instrument, const std::string& detail);

  /// Does what is due: connects, sends, pings, gives up, subscribes anew.
  void tick(SteadyTime now);
  /// Closes for good. No LiveSink call is made from here on.
  void stop();
  /// stop() was called and the connection is gone.
  bool stopped() const { return stopping_ && link_ == nullptr; }

  std::size_t subscriptions() const { return table_.size(); }
  std::uint32_t connection() const { return settings_.connection; }
  bool up() const { return phase_ == Phase::kOpen; }

  /// Adds the messages that changed nothing since the last call to the metrics.
  void count_duplicates();
  /// Appends the state of every subscription.
  void append_status(Timestamp now, std::vector<FeedStatus>& out) const;

 private:
  enum class Phase : std::uint8_t { kWaiting, kConnecting, kOpen };

  using Subscriptions = SubscriptionTable::Subscriptions;

  // WebsocketEvents
  void on_open() override;
  void on_frame(std::string_view payload, bool binary) override;
  void on_pong() override;
  void on_ping() override;
  void on_closed(const CloseInfo& info) override;

  // MarketSink
  void on_ticker(const Ticker& ticker) override;
  void on_order_book(const std::string& stream, const OrderBook& book) override;
  void on_error(const FeedError& error) override;
  void on_control(const ControlMessage& control) override;
  void on_market(const MarketInfo& market) override;
  void on_need(const std::string& stream, const Instrument& instrument,
               MaintainedBook::Need need) override;

  void connect(SteadyTime now);
  void check_alive(SteadyTime now);
  void review_streams(SteadyTime now);
  void send_queued(SteadyTime now);
  void record_sent(std::string_view text, Timestamp wall);
  void subscribe(const Subscriptions& subscriptions, SteadyTime now);
  void resubscribe(const Subscriptions& subscriptions, SteadyTime now);
  void mark_alive(SteadyTime now);
  void report_status(bool alive);
  void emit(MarketEvent event);
  void count_data();
  void read_snapshot(const Frame& frame, SteadyTime now);

  VenueContext context_;
  const SessionSettings settings_;
  VenueRest rest_;
  const VenueProfile& profile_;
  Backoff backoff_;
  std::mt19937_64 random_;

  SubscriptionTable table_;
  SnapshotSeeder seeder_;
  KeepAlive keep_alive_;
  Succession succession_;
  Outbox outbox_;

  std::unique_ptr<WebsocketConnection> link_;
  Phase phase_ = Phase::kWaiting;
  std::uint64_t connects_ = 0;
  bool ever_open_ = false;
  std::uint64_t reconnects_ = 0;
  std::optional<ErrorCode> last_close_;
  SteadyTime next_attempt_{};
  bool stopping_ = false;
  bool leaving_ = false;  // a successor has been opened
  bool successor_up_ = false;

  // Of the connection that is open:
  SteadyTime status_reported_at_{};
  SteadyTime streams_reviewed_at_{};
  bool data_seen_ = false;

  FrameMeter meter_;
  bool reading_rest_ = false;  // a snapshot
};

}  // namespace spreadwatch::ingest
