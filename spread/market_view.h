#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <optional>
#include <queue>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include "config/asset_registry.h"
#include "config/settings.h"
#include "core/market_data.h"
#include "core/reason.h"
#include "spread/arithmetic.h"

namespace spreadwatch::spread {

/// One watched market of one venue: its book, compiled for walking, and whether it may be used.
struct Market {
  VenueId venue{};
  Instrument instrument;
  std::string asset;      ///< canonical; the venue's own ticker when its identity is unproven
  bool proven = true;
  bool fx = false;        ///< the venue's KRW-USDT or USDT-USD market
  bool active = true;     ///< the venue lists it as open for trading
  std::optional<double> min_notional;  ///< in the quote currency
  CompiledBook book;      ///< empty unless the book is synced
  Reasons unusable{Reason::kBookNotSynced};  ///< why no number may come from it now; empty = usable
  std::uint32_t connection = 0;
  std::optional<Timestamp> updated;   ///< last change of the book, receive time

  bool usable() const { return unusable.empty(); }
};

/// Estimates how far a venue's clock is behind ours from the shortest exchange-to-receive delay of the last
/// minutes: what is constant is clock, what varies is delay. Without enough samples the offset is zero, and it
/// is never believed to be more than a limit, so that a feed that is late from the start is still called late.
class ClockOffset {
 public:
  /// The delay of a message beyond the offset. Updates the estimate.
  microseconds excess(Timestamp exchange, Timestamp receive, microseconds limit);

 private:
  static constexpr microseconds kWindow = std::chrono::minutes{5};
  static constexpr microseconds kLearning = std::chrono::seconds{10};
  static constexpr int kSamples = 20;

  int samples_ = 0;
  Timestamp first_{};
  Timestamp window_start_{};
  std::optional<microseconds> shortest_;           // of the present window
  std::optional<microseconds> previous_shortest_;  // of the one before
};

/// Every watched market and its freshness. A book is fresh while its connection is alive, its own last update
/// is younger than `max_quiet`, and it did not come late.
/// Threads: one at a time; time is passed in.
class MarketView {
 public:
  MarketView(const config::Settings& settings, const config::AssetRegistry& registry);

  /// The market of a book, made when it is the first; nullopt when nobody watches it.
  std::optional<std::size_t> find(VenueId venue, const Instrument& instrument);

  /// Takes a book. The market index, or nullopt when it is not watched.
  std::optional<std::size_t> update(const OrderBook& book, Timestamp now);
  /// Appends the markets whose `unusable` changed.
  void update(const StreamStatus& status, Timestamp now, std::vector<std::size_t>& changed);
  std::optional<std::size_t> update(const MarketStatus& status);
  /// Judges what is due by `now`; appends the markets that became stale.
  void expire(Timestamp now, std::vector<std::size_t>& changed);
  std::optional<Timestamp> next_expiry() const;

  const Market& market(std::size_t index) const { return markets_[index]; }
  std::size_t size() const { return markets_.size(); }
  /// The venue's FX market; nullopt while none was seen.
  std::optional<std::size_t> fx_market(VenueId venue) const { return fx_[index_of(venue)]; }

 private:
  struct Freshness {
    bool late = false;       // the last update came too late
    bool scheduled = false;  // stands in due_
  };
  Timestamp alive_until(VenueId venue, std::uint32_t connection) const;
  Timestamp fresh_until(const Market& market) const;
  /// True when `unusable` changed.
  bool judge_freshness(std::size_t index, Timestamp now);
  void schedule(std::size_t index);

  const config::Settings& settings_;
  const config::AssetRegistry& registry_;
  std::array<const config::VenueSettings*, kVenueCount> venues_{};
  std::vector<Market> markets_;
  std::vector<Freshness> freshness_;
  std::array<std::unordered_map<Instrument, std::size_t>, kVenueCount> index_;
  std::array<std::optional<std::size_t>, kVenueCount> fx_;
  std::array<std::map<std::uint32_t, Timestamp>, kVenueCount> alive_;  // by connection
  std::array<ClockOffset, kVenueCount> offsets_;
  using Due = std::pair<Timestamp, std::size_t>;
  std::priority_queue<Due, std::vector<Due>, std::greater<>> due_;
};

}  // namespace spreadwatch::spread
