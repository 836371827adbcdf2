#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <random>
#include <span>
#include <string>
#include <unordered_map>
#include <vector>

#include "core/market_data.h"
#include "core/time.h"
#include "ingest/book/normalizer.h"
#include "ingest/decode/venue_adapter.h"
#include "ingest/live/cadence.h"
#include "ingest/live/live_feeds.h"
#include "ingest/live/venue_context.h"
#include "ingest/live/venue_rest.h"
#include "ingest/net/backoff.h"
#include "ingest/net/rate_budget.h"
#include "ingest/net/rest_client.h"
#include "ingest/net/transport.h"
#include "metrics/ingest_metrics.h"

namespace spreadwatch::ingest {

struct SessionSettings {
  VenueId venue{};
  std::uint32_t connection = 0;  ///< its Frame::connection, kept across reconnects
  std::string ws_url;
  std::string rest_url;             ///< without a slash at the end
  milliseconds liveness{15'000};    ///< a connection that says nothing for so long is dead
  milliseconds first_data{10'000};  ///< what was asked for and is not there is asked for again
  /// A synced order book that says nothing for so long is asked for again; sooner where it usually
  /// speaks all the time, see Cadence.
  milliseconds quiet{30'000};
  milliseconds least_patience{10'000};  ///< with a stream that speaks all the time
  /// What the venue does not know is asked for again after so long; doubles.
  milliseconds first_rejection{60'000};
  milliseconds rest_timeout{5'000};
  /// How long a snapshot over REST that failed is waited for again at first and at most.
  milliseconds first_snapshot_retry{200};
  milliseconds longest_snapshot_retry{10'000};
  milliseconds max_age{0};  ///< as VenueProfile::max_age, in its place; 0 = the profile's
  Backoff::Limits backoff;
  TransportOptions transport;
  std::uint64_t seed = 1;  ///< of the jitter
};

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
  bool wants_successor(SteadyTime now) const { return up() && renew_at_ && now >= *renew_at_; }

  /// Adds to what is subscribed, now or with the next connection. What is known already is ignored.
  void add(std::span<const Subscription> subscriptions);
  /// Unsubscribes and forgets; an order book is reported as kDown for `reason` first.
  void remove(std::span<const Subscription> subscriptions, std::optional<ErrorCode> reason);
  /// The order book was found to differ from the venue's: it is faulted and asked for again. False
  /// when this connection does not carry a synced one.
  bool fault_book(const Instrument& instrument, const std::string& detail);

  /// Does what is due: connects, sends, pings, gives up, asks again.
  void tick(SteadyTime now);
  /// Closes for good. No LiveSink call is made from here on.
  void stop();
  /// stop() was called and the connection is gone.
  bool stopped() const { return stopping_ && link_ == nullptr; }

  std::size_t subscriptions() const { return streams_.size(); }
  std::uint32_t connection() const { return settings_.connection; }
  bool up() const { return phase_ == Phase::kOpen; }

  /// Adds the messages that changed nothing since the last call to the metrics.
  void count_duplicates();
  /// Appends the state of every subscription.
  void append_status(Timestamp now, std::vector<FeedStatus>& out) const;

 private:
  enum class Phase : std::uint8_t { kWaiting, kConnecting, kOpen };

  struct Stream {
    Subscription subscription;
    std::string name;  // of an order book stream; empty for a ticker
    bool asked = false;
    bool data = false;    // since it was last asked for
    bool synced = false;  // an order book that may be shown
    bool was_synced = false;
    SteadyTime asked_at{};
    SteadyTime data_at{};
    SteadyTime synced_at{};
    std::optional<Timestamp> received;
    std::optional<Timestamp> exchange_time;
    Origin origin = Origin::kWs;
    int failures = 0;   // times asked again without lasting success
    int refreshes = 0;  // times asked again because it was quiet
    Cadence cadence;
    std::optional<SteadyTime> resubscribe_at;
    std::optional<SteadyTime> rejected_until;  // the venue does not know it
    int rejections = 0;
    std::optional<SteadyTime> snapshot_at;  // when to fetch a REST snapshot
    bool snapshot_in_flight = false;        // the RestClient answers every request
    int snapshot_failures = 0;              // since the book was last synced
    std::uint64_t duplicates = 0;           // counted so far
  };
  using Streams = std::vector<Stream*>;

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
  void keep_alive(SteadyTime now);
  void watch_streams(SteadyTime now);
  void fetch_snapshots(SteadyTime now);
  void on_snapshot(const std::string& stream, std::uint64_t generation, const RestCall& call,
                   const RestResult& result);
  void read_snapshot(Stream& stream, const RestCall& call, const RestAnswer& answer,
                     SteadyTime now);
  void snapshot_failed(Stream& stream, const RestCall& call, const RestFailure& failure,
                       SteadyTime now);
  /// Has a snapshot fetched, unless one is on its way or has a time already.
  void want_snapshot(Stream& stream, SteadyTime now);
  /// How long to wait before a snapshot that failed so many times is asked for again.
  milliseconds snapshot_pause(int failures);
  /// The venue does not know the stream's symbol: asked for again, but seldom.
  void set_aside(Stream& stream, SteadyTime now) const;
  void queue(std::vector<std::string> texts);
  void send_queued(SteadyTime now);
  void subscribe(const Streams& streams, SteadyTime now);
  void resubscribe(const Streams& streams, SteadyTime now);
  void mark_subscribed(Stream& stream, SteadyTime now);
  void mark_alive(SteadyTime now);
  void reject(const std::string& symbol, SteadyTime now);
  void report_status(bool alive);
  void emit(MarketEvent event);
  void count_data();
  Stream* book_stream(const std::string& name);
  void count_message(Stream& stream, SteadyTime now);
  /// The stream has what it was asked for: a synced order book, a ticker.
  static bool delivers(const Stream& stream);
  /// An order book that nothing has come of since it was last asked for, where something has to:
  /// every request is answered with the whole book but for those that are seeded over REST.
  bool unanswered(const Stream& stream) const;
  /// Order books do not come back on this connection while others go on: a fresh one may have them.
  void seek_rescue(SteadyTime now);
  /// How long it may say nothing before it is asked again.
  milliseconds patience(const Stream& stream) const;
  /// Every stream of the connection was asked for again and again in vain.
  bool nothing_answers() const;

  VenueContext context_;
  const SessionSettings settings_;
  VenueRest rest_;
  const VenueProfile& profile_;
  const milliseconds liveness_;
  Backoff backoff_;
  std::mt19937_64 random_;

  std::map<Subscription, Stream> streams_;
  std::unordered_map<std::string, Stream*> books_;
  std::unordered_map<Instrument, Stream*> tickers_;

  std::unique_ptr<WebsocketConnection> link_;
  Phase phase_ = Phase::kWaiting;
  std::uint64_t generation_ = 0;  // of the connection; an answer for an older one is dropped
  std::uint64_t connects_ = 0;
  std::uint64_t reconnects_ = 0;
  std::optional<ErrorCode> last_close_;
  SteadyTime next_attempt_{};
  bool stopping_ = false;
  bool leaving_ = false;  // a successor has been opened
  bool successor_up_ = false;
  int snapshots_in_flight_ = 0;
  int rescues_ = 0;  // successors opened for what this place does not deliver
  SteadyTime next_rescue_{};

  // Of the connection that is open:
  MessageBudget messages_;
  std::deque<std::string> outbox_;
  SteadyTime outbox_empty_at_{};
  SteadyTime hold_until_{};  // the venue said we send too much
  SteadyTime alive_at_{};
  SteadyTime ping_sent_at_{};
  std::optional<SteadyTime> pong_due_;
  std::optional<SteadyTime> renew_at_;
  SteadyTime status_told_at_{};
  SteadyTime streams_watched_at_{};
  bool data_seen_ = false;

  // Of the payload being read:
  SteadyTime frame_at_{};
  bool frame_has_ticker_ = false;
  bool frame_has_book_ = false;
  bool snapshot_wanted_ = false;
  bool reading_rest_ = false;

  std::shared_ptr<Session*>
      self_;  // REST answers reach the session through it, as long as there is one
};

}  // namespace spreadwatch::ingest
