// What a test of faults sees of the live layer: its events, what the engine makes of them, its
// payloads and its metrics.
#pragma once

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

#include "config/settings.h"
#include "core/market_data.h"
#include "ingest/live/live_feeds.h"
#include "metrics/registry.h"
#include "spread/engine.h"
#include "spread/event_sink.h"

namespace spreadwatch::test {

using SteadyClock = std::chrono::steady_clock;

/// Where the faults strike; every other market of the venue must not notice.
inline constexpr std::string_view kStruck = "BTC";
/// Which is this one, besides FX. Not ETH: every "method" names that.
inline constexpr std::string_view kOther = "XRP";

/// "BTC-KRW".
std::string name_of(const Instrument& instrument);

/// Whether a text names an asset, in whatever case and spelling.
bool names(std::string_view text, std::string_view asset);

/// What became of one market since the last mark().
struct MarketLog {
  bool synced = false;
  Origin origin = Origin::kWs;
  SteadyClock::time_point shown_at{};  // the last time
  std::optional<std::int64_t> sequence;
  std::vector<Level> bids;
  std::vector<Level> asks;
  // since the mark:
  std::optional<SteadyClock::time_point> lost_at;
  std::string lost_as;  // state and reason
  std::optional<SteadyClock::time_point> back_at;
  std::optional<SteadyClock::time_point> one_sided_at;
  int crossed = 0;
  int shown_over_rest = 0;
  SteadyClock::duration longest_pause{};  // between two books shown
  bool told_inactive = false;
};

/// One payload as the live layer had it.
struct RawFrame {
  VenueId venue{};
  bool sent = false;
  SteadyClock::time_point at;
  Origin origin = Origin::kWs;
  std::string payload;
  std::string channel;
  std::string symbol;
  std::optional<Timestamp> receive_time;
  std::uint32_t connection = 0;

  ingest::Frame frame() const {
    return {origin, payload, channel, symbol, receive_time, connection};
  }
};

using FirstSeen = std::map<std::string, SteadyClock::time_point>;

/// When counters of a venue first changed after the mark, by their names without prefix and venue.
/// Threads: samples on one of its own.
class MetricWatch {
 public:
  explicit MetricWatch(const metrics::Registry& registry)
      : registry_(registry), thread_([this](const std::stop_token& stop) { run(stop); }) {}

  void mark() {
    const std::lock_guard lock(mutex_);
    first_.clear();
  }
  FirstSeen changed(VenueId venue) const {
    const std::lock_guard lock(mutex_);
    const auto at = first_.find(std::string{to_string(venue)});
    return at == first_.end() ? FirstSeen{} : at->second;
  }

 private:
  void run(const std::stop_token& stop);
  void sample(const std::string& text);

  const metrics::Registry& registry_;
  mutable std::mutex mutex_;
  std::map<std::string, double> last_;
  std::map<std::string, FirstSeen> first_;  // by venue
  std::jthread thread_;                     // last: joined before the rest goes
};

/// Everything the live layer says, and what the engine makes of it. The engine runs on the feeds'
/// thread.
class Watch final : public ingest::LiveSink, private spread::EventSink {
 public:
  /// With `keep`, everything received and sent is kept for raw().
  Watch(const config::Settings& settings, const config::AssetRegistry& registry, bool keep)
      : settings_(settings), keep_(keep), engine_(settings, registry, *this) {}

  void on_event(MarketEvent event) override;
  void on_raw(VenueId venue, const ingest::Frame& frame, bool sent) override;
  std::ptrdiff_t heard_of_other(VenueId venue, SteadyClock::time_point since) const {
    const std::lock_guard lock(mutex_);
    return std::ranges::count_if(raw_, [&](const RawFrame& one) {
      return one.venue == venue && !one.sent && one.at > since && names(one.payload, kOther);
    });
  }
  std::vector<RawFrame> raw() const {
    const std::lock_guard lock(mutex_);
    return raw_;
  }

  void mark();

  MarketLog log(VenueId venue, const std::string& symbol) const {
    const std::lock_guard lock(mutex_);
    const auto at = logs_.find({venue, symbol});
    return at == logs_.end() ? MarketLog{} : at->second;
  }
  std::map<std::pair<VenueId, std::string>, MarketLog> logs() const {
    const std::lock_guard lock(mutex_);
    return logs_;
  }
  FirstSeen errors(VenueId venue) const {
    const std::lock_guard lock(mutex_);
    const auto at = errors_.find(venue);
    return at == errors_.end() ? FirstSeen{} : at->second;
  }
  /// Reasons that pair rows of the struck asset at this venue have had.
  FirstSeen reasons(VenueId venue) const {
    const std::lock_guard lock(mutex_);
    const auto at = reasons_.find(venue);
    return at == reasons_.end() ? FirstSeen{} : at->second;
  }
  /// Whether a pair of the struck asset with this venue is not called stale now.
  bool has_fresh_pair(VenueId venue) const {
    const std::lock_guard lock(mutex_);
    return std::ranges::any_of(stale_pairs_, [&](const auto& pair) {
      return (pair.first.first == venue || pair.first.second == venue) && !pair.second;
    });
  }
  int numbers_without_book() const {
    const std::lock_guard lock(mutex_);
    return numbers_without_book_;
  }

 private:
  void take(const OrderBook& book);

  void on_fx(const FxEvent&) override {}
  void on_premium(const PremiumEvent&) override {}
  void on_spread(const SpreadEvent& event) override;
  void on_opportunity(const OpportunityEvent&) override {}

  const config::Settings& settings_;
  const bool keep_;
  SystemClock clock_;
  mutable std::mutex mutex_;
  spread::Engine engine_;
  std::map<std::pair<VenueId, std::string>, MarketLog> logs_;
  std::map<VenueId, FirstSeen> errors_;
  std::map<VenueId, FirstSeen> reasons_;
  SteadyClock::time_point marked_at_{};
  std::map<std::pair<VenueId, VenueId>, bool> stale_pairs_;
  std::vector<RawFrame> raw_;
  int numbers_without_book_ = 0;
};

}  // namespace spreadwatch::test
