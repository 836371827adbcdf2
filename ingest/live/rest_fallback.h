#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <vector>

#include "core/feed_status.h"
#include "core/market_data.h"
#include "ingest/book/normalizer.h"
#include "ingest/book/shown_book.h"
#include "ingest/live/cadence.h"
#include "ingest/live/steady_time.h"
#include "ingest/live/ticker_state.h"
#include "ingest/live/venue_context.h"
#include "ingest/live/venue_rest.h"
#include "ingest/net/rest_client.h"

namespace spreadwatch::ingest {

/// What to report of a call about one market that failed: kUnknownSymbol where the body of a
/// refusal says, in the venue's words, that there is no such market; else the failure's own error.
Error error_of(const RestFailure& failure, const RestCall& call, VenueAdapter& adapter);

/// Polls over REST what the socket does not deliver, until it does again.
///
/// A channel of an instrument is on fallback when the socket has had nothing to show for `after`,
/// or when it has been silent for twenty times its usual pause (at least `after`, at most `quiet`;
/// a quiet market is not a silent stream). The polled order book is a book of its own, carried by
/// kPolledConnection: nothing of the socket's survives in it and nothing of it in the socket's. The
/// first synced book (ticker) of the socket ends the fallback; an answer that comes later is
/// dropped and counted. A polled book that is not confirmed for `liveness` is taken back as kDown.
///
/// A call for several that the venue refuses, as many do for one instrument that they do not know,
/// is split in halves until the one is found; it is then requested alone and seldom, and the others
/// as before. Of an answer only what was requested is judged: a bad row of a market that nobody
/// watches is counted and no more.
///
/// Bounds: kMaxInFlight requests at a time; of the REST budget a quarter stays free for requests
/// that cannot wait; a failing poll is repeated with a growing pause, at most kLongestPause; calls
/// are split as long as one of kMaxRefusals in a row is not refused. Threads: one at a time, the
/// one that runs the io_context of the RestClient.
class RestFallback final : private MarketSink {
 public:
  static constexpr int kMaxInFlight = 2;
  static constexpr milliseconds kLongestPause{20'000};
  static constexpr int kMaxRefusals = 16;
  static constexpr milliseconds kLongestRefusal{900'000};

  struct Settings {
    VenueId venue{};
    std::string rest_url;           ///< without a slash at the end
    milliseconds after{2'500};      ///< see the class
    milliseconds poll{2'000};       ///< from one poll of an instrument to the next
    milliseconds liveness{15'000};  ///< how long a polled book is believed
    milliseconds quiet{30'000};     ///< see the class
    milliseconds timeout{5'000};    ///< of a request
    /// What the venue does not know is requested again after so long; doubles.
    milliseconds first_refusal{60'000};
    int depth = 0;  ///< levels a side
  };

  /// What `context` refers to must outlive the object; its `fallback` is not used.
  RestFallback(VenueContext context, Settings settings);

  /// Looks after both channels of an instrument from now on.
  void watch(const Instrument& instrument, SteadyTime now);
  /// Ends what there is; a polled order book is reported as kDown for `reason` first.
  void forget(const Instrument& instrument, std::optional<ErrorCode> reason);

  /// The socket's order book changed. False when it is not synced while the polled one is shown in
  /// its place: then it is not to be passed on.
  bool on_socket_book(const OrderBook& book, SteadyTime now);
  void on_socket_ticker(const Ticker& ticker, SteadyTime now);
  /// The connection that carried the channel is gone.
  void on_socket_lost(Channel channel, const Instrument& instrument, SteadyTime now);

  /// Does what is due: begins, polls, takes back.
  void tick(SteadyTime now);
  /// Nothing is passed on and nothing requested from here on.
  void stop() { stopping_ = true; }

  /// True while the channel is polled.
  bool active(Channel channel, const Instrument& instrument) const;
  /// Replaces the state of the channels whose REST data is shown, and of tickers that nothing
  /// confirms.
  void overlay(std::span<FeedStatus> statuses) const;

 private:
  struct Track {
    SteadyTime since{};  // the last message, or since when the socket does not deliver
    Cadence cadence;
    std::uint64_t episode = 0;
    // Order books: in a call for how many; fewer than the venue takes after one was refused.
    std::size_t at_most = 0;  // 0 = as many as the venue takes
    SteadyTime next_at{};
    // What was shown in this episode:
    SteadyTime shown_at{};
    std::optional<Timestamp> received;
    std::optional<Timestamp> exchange_time;
    ShownBook shown;  // of an order book

    int refusals = 0;  // in a row: the venue does not know it
    int failures = 0;
    bool live = false;  // the socket delivers
    bool active = false;
    bool in_flight = false;
    bool answered = false;           // by the answer being read
    std::optional<ErrorCode> error;  // what was wrong with it there
    std::optional<ErrorCode> failure;
    std::optional<ErrorCode> reason;  // of what was shown
  };
  struct Watched {
    explicit Watched(TickerState::Limits limits) : ticker_state(limits) {}
    Track book;
    Track ticker;
    TickerState ticker_state;
  };
  struct Request {
    Instrument instrument;
    std::uint64_t episode = 0;
  };
  using Wanted = std::vector<std::pair<Instrument, Track*>>;

  // MarketSink
  void on_ticker(const Ticker& ticker) override;
  void on_order_book(const std::string& stream, const OrderBook& book) override;
  void on_error(const FeedError& error) override;

  static void mark_received(Track& track, SteadyTime now);
  Track* find(Channel channel, const Instrument& instrument);
  bool due(const Track& track, SteadyTime now) const;
  void begin(Track& track, SteadyTime now);
  void end_book(const Instrument& instrument, Track& track);
  void retract(const Instrument& instrument, std::optional<ErrorCode> reason);
  void set_gauge();
  std::string stream_of(const Instrument& instrument) const;

  void poll_books(SteadyTime now);
  void poll_tickers(SteadyTime now);
  /// Whose tickers to request now, in calls of as many as the venue takes.
  void begin_round(SteadyTime now);
  bool tickers_wait_longer(SteadyTime now) const;
  bool request(const RestCall& call, bool order_book, SteadyTime now, VenueRest::Callback callback);
  void on_books(const std::vector<Request>& requested, const RestCall& call,
                const RestResult& result);
  void split_books(std::size_t requested, const Wanted& wanted, SteadyTime now);
  void on_tickers(const std::vector<Instrument>& requested, const RestCall& call,
                  const RestResult& result);
  /// Whether a refused call for so many is worth splitting; counts the refusal.
  static bool may_split(std::size_t requested, int& refusals);
  bool may_split_tickers(const std::vector<Instrument>& requested);
  void split_tickers(const std::vector<Instrument>& requested);
  void read(const RestCall& call, const RestAnswer& answer, const Wanted& wanted);
  /// Errors of the answer just read that name no instrument.
  void report_unnamed();
  void report_failure(const RestCall& call, const RestFailure& failure);
  void report_missing(const std::string& symbol, const Error& error);
  void failed(Track& track, ErrorCode code, SteadyTime now) const;
  /// The venue does not know it.
  void back_off_unknown(Track& track, SteadyTime now) const;
  /// What was wrong with the polls of these tickers.
  void report_ticker_states(const Wanted& wanted);
  void emit(MarketEvent event);

  VenueContext context_;
  const Settings settings_;
  VenueRest rest_;
  std::map<Instrument, Watched> watched_;
  int in_flight_ = 0;
  SteadyTime hold_until_{};   // the budget has nothing to give before
  SteadyTime tickers_at_{};   // the next round
  SteadyTime tickers_due_{};  // since when the round under way was due
  int tickers_in_flight_ = 0;
  std::set<Instrument> ticker_round_;
  std::deque<std::vector<Instrument>> ticker_groups_;  // of this round, not yet requested
  int book_refusals_ = 0;                              // calls in a row
  int ticker_refusals_ = 0;
  // Of the answer being read:
  std::map<Instrument, Track*> judged_;
  std::optional<ErrorCode> answer_error_;  // that names no instrument
  std::vector<FeedError> unnamed_;         // reported when something requested is missing
  std::optional<FeedError> foreign_;       // the first of what was not requested
  bool stopping_ = false;
};

}  // namespace spreadwatch::ingest
