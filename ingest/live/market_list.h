#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "core/market_data.h"
#include "core/time.h"
#include "ingest/book/normalizer.h"
#include "ingest/live/venue_context.h"
#include "ingest/live/venue_rest.h"
#include "ingest/net/backoff.h"

namespace spreadwatch::ingest {

/// What a venue lists: requested over REST every five minutes, sooner when it may be out of date,
/// and kept up with what the socket says of markets in between. What goes from the list is reported
/// as not active. Bounds: one request at a time, 8 MiB an answer, 100,000 markets. Threads: one at
/// a time, the one that runs the io_context of the RestClient.
class MarketList final : private MarketSink {
 public:
  struct Settings {
    VenueId venue{};
    std::string rest_url;    ///< without a slash at the end
    std::uint64_t seed = 1;  ///< of the jitter
  };

  /// `on_status` is called for every market of an answer, and for those that have gone. What
  /// `context` refers to must outlive the object; its `fallback` and `markets` are not used.
  MarketList(VenueContext context, Settings settings,
             std::function<void(const MarketStatus&)> on_status);

  /// Asks when it is due, for the first time at once.
  void tick(SteadyTime now);
  /// Nothing is reported and nothing requested from here on.
  void stop() { stopping_ = true; }

  /// Asks again sooner than it is due, at most every ten seconds, and not sooner after a failure
  /// than that allows.
  void refresh_soon();
  /// What the venue says of one market outside of an answer.
  void update(const MarketInfo& market);

  /// An answer has been had.
  bool known() const { return known_; }
  const std::set<Instrument>& active() const { return active_; }
  /// Rises whenever active() changes; 0 = not known.
  std::uint64_t version() const { return version_; }
  /// nullptr when it was never listed.
  const MarketStatus* find(const Instrument& instrument) const;

 private:
  // MarketSink, of an answer
  void on_ticker(const Ticker&) override {}
  void on_order_book(const std::string&, const OrderBook&) override {}
  void on_error(const FeedError& error) override;
  void on_market(const MarketInfo& market) override { listing_.push_back(market); }

  void request(SteadyTime now);
  void on_answer(const RestCall& call, const RestResult& result);
  void failed(const std::string& why, SteadyTime now);
  void apply(SteadyTime now);
  void emit(const FeedError& error);

  VenueContext context_;
  const Settings settings_;
  VenueRest rest_;
  const std::function<void(const MarketStatus&)> on_status_;
  Backoff backoff_;
  std::optional<SteadyTime> due_ = SteadyTime{};  // nullopt = an answer is awaited
  std::vector<MarketInfo> listing_;               // of the answer being read
  bool failed_ = false;                           // the last time
  bool known_ = false;
  bool stopping_ = false;
  SteadyTime listed_at_{};
  std::uint64_t version_ = 0;
  std::set<Instrument> active_;
  std::map<Instrument, MarketStatus> listed_;  // active or not
};

}  // namespace spreadwatch::ingest
