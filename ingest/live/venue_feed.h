#pragma once

#include <boost/asio/io_context.hpp>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "config/settings.h"
#include "ingest/book/normalizer.h"
#include "ingest/live/book_audit.h"
#include "ingest/live/live_options.h"
#include "ingest/live/market_list.h"
#include "ingest/live/rest_fallback.h"
#include "ingest/live/session.h"
#include "ingest/live/wallet_feed.h"
#include "ingest/net/budget_store.h"
#include "ingest/net/rate_budget.h"
#include "ingest/net/rest_client.h"
#include "ingest/net/transport.h"

namespace spreadwatch::ingest {

/// Everything of one venue: what it lists, the connections that share its instruments, and what
/// stands in for them. Threads: everything on the thread that runs the io_context, but settings(),
/// which is any thread's.
class VenueFeed final : private LiveSink, private BookObserver {
 public:
  /// `quiet`: as SessionSettings::quiet; `wallets`: as WalletFeed::Settings::interval. The
  /// references must outlive the object.
  VenueFeed(boost::asio::io_context& io, const TlsClient& tls,
            const config::VenueSettings& settings, milliseconds quiet, milliseconds wallets,
            const Clock& clock, LiveSink& sink, metrics::VenueMetrics& metrics,
            const LiveOptions& options, std::uint64_t seed);
  ~VenueFeed() override;

  const config::VenueSettings& settings() const { return settings_; }

  void start(SteadyTime now) { started_at_ = now; }
  void tick(SteadyTime now);
  void stop();

  /// Adds to what is wanted, but for what was removed by request.
  void want(const std::vector<Instrument>& instruments);
  void add(const Instrument& instrument);
  void remove(const Instrument& instrument);

  /// What the venue's addresses must not be allowed to forget over a restart.
  KeptBudget budget(Timestamp now) { return {hosts(), budget_.state(now)}; }
  void restore_budget(const KeptBudget& kept, Timestamp now);
  /// Changes with every new pause.
  std::pair<std::optional<Timestamp>, std::optional<Timestamp>> pauses(Timestamp now) const {
    return {budget_.connect_paused_until(now), budget_.rest_paused_until(now)};
  }

  const MarketList& markets() const { return markets_; }

  /// Appends the state of every channel and sets the gauges that follow from it. What the venue no
  /// longer lists stays, as kDown, until it is listed again or no longer wanted.
  void append_status(Timestamp now, std::vector<FeedStatus>& out);

 private:
  /// A connection that has a successor in its place.
  struct Handover {
    std::unique_ptr<Session> old;
    std::optional<SteadyTime> since;  // the successor is up
  };
  using Carried = std::map<Instrument, std::size_t>;

  // LiveSink: what the venue says is passed on, and shows when an instrument is no longer known.
  void on_event(MarketEvent event) override;
  void on_raw(VenueId venue, const Frame& frame, bool sent) override {
    notify(sink_, venue, frame, sent);
  }
  void on_note(const FeedNote& note) override { sink_.on_note(note); }

  // BookObserver
  void on_invalidated(const OrderBook& book) override;
  void on_forgotten(const OrderBook& book) override;

  /// The state of every channel that is subscribed.
  void append_subscribed(Timestamp now, std::vector<FeedStatus>& out) const;
  void set_gauges(std::span<const FeedStatus> subscribed);

  std::string hosts();
  void note(FeedNote::Kind kind, const Instrument& instrument);
  void note(const FeedNote& note);
  void emit(MarketEvent event);
  /// What has been counted while decoding goes into the metrics; remarks go into the log, each
  /// once.
  void count_decoded();

  /// Brings what is subscribed in line with what is wanted and listed.
  void apply();
  std::vector<Subscription> subscriptions_of(const Instrument& instrument) const;
  void subscribe(const Instrument& instrument);
  void unsubscribe(Carried::iterator carried, std::optional<ErrorCode> reason);
  void keep_status(const Instrument& instrument, ErrorCode reason);
  void report_unlisted(const Instrument& instrument);
  void fault_book(const Instrument& instrument, const std::string& why);

  /// Opens a successor for each connection that the venue will close, and lets the old one go when
  /// the new one delivers what it delivered, or has had its time. Until then the old one goes on,
  /// whatever becomes of the new one.
  void renew(SteadyTime now);
  void end_handover(std::map<std::size_t, Handover>::iterator handover);
  std::unique_ptr<Session> make_session(std::uint32_t connection);
  RestFallback::Settings fallback_settings() const;
  BookAudit::Settings audit_settings() const;

  const config::VenueSettings settings_;
  const LiveOptions options_;
  const std::uint64_t seed_;
  const milliseconds quiet_;
  LiveSink& sink_;
  Normalizer normalizer_;
  VenueBudget budget_;
  RestClient rest_;
  VenueContext context_;
  const std::string rest_url_;
  const int depth_;

  SteadyTime started_at_{};
  std::set<Instrument> wanted_;
  std::set<Instrument> removed_;  // by request: not wanted again because two venues list it
  bool wanted_changed_ = false;
  std::uint64_t applied_version_ = 0;                   // of the market list
  Carried carried_;                                     // in which place
  std::set<Instrument> unlisted_;                       // and reported as such
  std::map<Instrument, std::vector<FeedStatus>> gone_;  // carried until they were delisted
  std::vector<std::unique_ptr<Session>> sessions_;      // by place
  std::map<std::size_t, Handover> handovers_;           // by place
  std::uint64_t duplicate_tickers_ = 0;                 // counted so far, as the next three
  std::uint64_t dropped_levels_ = 0;
  std::uint64_t unknown_topics_ = 0;
  std::uint64_t warnings_ = 0;
  std::vector<std::unique_ptr<Session>> retired_;  // until their connections are closed
  MarketList markets_;
  RestFallback fallback_;
  BookAudit audit_;
  WalletFeed wallets_;
  bool stopping_ = false;
};

}  // namespace spreadwatch::ingest
