#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <vector>

#include "core/market_data.h"
#include "ingest/cadence.h"
#include "ingest/live_feeds.h"
#include "ingest/normalizer.h"
#include "ingest/rest_client.h"
#include "ingest/session.h"
#include "ingest/shown_book.h"
#include "ingest/ticker_state.h"

namespace spreadwatch::ingest {

/// What to tell of a call about one market that failed: kUnknownSymbol where the body of a refusal
/// says, in the venue's words, that there is no such market; else the failure's own error.
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
/// Bounds: kMaxInFlight requests at a time; of the REST budget a quarter stays free for requests
/// that cannot wait; a failing poll is repeated with a growing pause. Threads: one at a time, the
/// one that runs the io_context of the RestClient.
class RestFallback final : private MarketSink {
 public:
  static constexpr int kMaxInFlight = 2;

  struct Settings {
    VenueId venue{};
    std::string rest_url;           ///< without a slash at the end
    milliseconds after{2'500};      ///< see the class
    milliseconds poll{2'000};       ///< from one poll of an instrument to the next
    milliseconds liveness{15'000};  ///< how long a polled book is believed
    milliseconds quiet{30'000};     ///< see the class
    milliseconds timeout{5'000};    ///< of a request
    int depth = 0;                  ///< levels a side
  };

  /// What `context` refers to must outlive the object; its `fallback` is not used.
  RestFallback(SessionContext context, Settings settings);

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
  /// Nothing is passed on and nothing asked for from here on.
  void stop() { stopping_ = true; }

  /// True while the channel is polled.
  bool active(Channel channel, const Instrument& instrument) const;
  /// Replaces the state of the channels whose REST data is shown, and of tickers that nothing
  /// confirms.
  void overlay(std::span<FeedStatus> statuses) const;

 private:
  struct Track {
    bool live = false;   // the socket delivers
    SteadyTime since{};  // the last message, or since when it does not
    Cadence cadence;
    ShownBook which;  // of an order book

    bool active = false;
    std::uint64_t episode = 0;
    bool in_flight = false;
    bool alone = false;  // a call for several failed: one of them may be unknown
    bool touched = false;
    SteadyTime next_at{};
    int failures = 0;
    std::optional<ErrorCode> failure;
    // What was shown in this episode:
    SteadyTime shown_at{};
    std::optional<ErrorCode> reason;
    std::optional<Timestamp> received;
    std::optional<Timestamp> exchange_time;
  };
  struct Watched {
    explicit Watched(TickerState::Limits limits) : ticker_state(limits) {}
    Track book;
    Track ticker;
    TickerState ticker_state;
  };
  struct Asked {
    Instrument instrument;
    std::uint64_t episode = 0;
  };

  // MarketSink
  void on_ticker(const Ticker& ticker) override;
  void on_order_book(const std::string& stream, const OrderBook& book) override;
  void on_error(const FeedError& error) override;

  static void heard(Track& track, SteadyTime now);
  Track* find(Channel channel, const Instrument& instrument);
  bool due(const Track& track, SteadyTime now) const;
  void begin(Track& track, SteadyTime now);
  void end_book(const Instrument& instrument, Track& track);
  void take_back(const Instrument& instrument, std::optional<ErrorCode> reason);
  void set_gauge();
  std::string stream_of(const Instrument& instrument) const;

  void poll_books(SteadyTime now);
  void poll_tickers(SteadyTime now);
  bool tickers_wait_longer(SteadyTime now) const;
  bool request(const RestCall& call, SteadyTime now, RestClient::Callback callback);
  void on_books(const std::vector<Asked>& asked, const RestCall& call, const RestResult& result);
  void on_tickers(const RestCall& call, const RestResult& result);
  void settle(const RestCall& call, const RestResult& result, Timestamp wall);
  void read(const RestCall& call, const RestAnswer& answer, Timestamp wall);
  void failed(Track& track, ErrorCode code, SteadyTime now) const;
  /// A poll of this market's ticker, of every polled one's when `symbol` is empty, was in vain.
  void ticker_failed(const std::string& symbol, ErrorCode code);
  void emit(MarketEvent event);

  SessionContext context_;
  const Settings settings_;
  std::map<Instrument, Watched> watched_;
  int in_flight_ = 0;
  SteadyTime hold_until_{};   // the budget has nothing to give before
  SteadyTime tickers_at_{};   // the next round
  SteadyTime tickers_due_{};  // since when the round under way was due
  int ticker_failures_ = 0;
  int tickers_in_flight_ = 0;
  std::set<Instrument> ticker_round_;
  std::deque<RestCall> ticker_calls_;  // of this round, not yet asked
  // Of the answer being read:
  std::optional<ErrorCode> answer_error_;
  std::optional<std::string> ticker_call_;  // its symbol; nullopt = not of tickers
  bool stopping_ = false;
};

}  // namespace spreadwatch::ingest
