#pragma once

#include <array>
#include <atomic>
#include <compare>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <list>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include "config/settings.h"
#include "core/event.h"
#include "core/market_data.h"
#include "core/time.h"
#include "fx/rate_table.h"

namespace spreadwatch::api {

/// Which premium: of `asset`, in `region` over `over` (nullopt = the banks), on `basis`.
struct PremiumKey {
  std::string asset;
  Region region{};
  std::optional<Region> over;
  Basis basis{};
  friend auto operator<=>(const PremiumKey&, const PremiumKey&) = default;
};

/// Which pair: buy at one venue, sell at the other.
struct SpreadKey {
  std::string asset;
  VenueId buy{};
  VenueId sell{};
  Mode mode{};
  friend auto operator<=>(const SpreadKey&, const SpreadKey&) = default;
};

/// When something was last updated, never going away again. Threads: any.
class UpdateTime {
 public:
  void set(Timestamp time) { us_ = to_us(time); }
  std::optional<Timestamp> get() const {
    const std::int64_t us = us_;
    return us == kNever ? std::nullopt : std::optional{timestamp_from_us(us)};
  }

 private:
  static constexpr std::int64_t kNever = std::numeric_limits<std::int64_t>::min();
  std::atomic<std::int64_t> us_{kNever};
};

/// The latest of everything that the HTTP API answers from. Fed by the pipeline, read by requests.
///
/// An event leaves when a value changed and has the ages of that moment; what is answered has the
/// ages of the answer. So beside the events stand the times that their ages are counted from, which
/// move on with every update, whether or not it changed a value.
///
/// A writer holds the lock for one map operation; readers copy pointers under it and look at the
/// values, which never change, afterwards. So each value a reader gets is whole, and writers never
/// wait for a reader's work. Bounds: kMaxMarkets tickers and order books, kMaxPairs pairs,
/// kMaxPremiums premiums, kMaxOpportunities opportunities (the longest ended go first). What is new
/// beyond a bound is counted and left out; what is known stays up to date. Threads: any.
class Store {
 public:
  static constexpr std::size_t kMaxMarkets = 20'000;
  static constexpr std::size_t kMaxPairs = 200'000;
  static constexpr std::size_t kMaxPremiums = 20'000;
  static constexpr std::size_t kMaxOpportunities = 1000;

  void update(const Ticker& ticker);
  /// Also when the book is no longer synced: that is what is then answered.
  void update(const OrderBook& book);
  void update(const FxEvent& event);
  void update(const PremiumEvent& event);
  /// Of a pair it keeps whose ages an opportunity of it has; the rows are the engine's to tell.
  void update(const SpreadEvent& event);
  /// A repeated event replaces the earlier one.
  void update(const OpportunityEvent& event);
  /// The rates were judged again: what their ages are counted from may have moved on.
  void update_ages(const fx::RateTable& rates);
  /// The market is no longer watched: it goes, with the pairs and premiums that went with it.
  void update(const MarketRemoved& event);

  /// Ordered by venue and instrument.
  std::vector<std::shared_ptr<const Ticker>> tickers() const;
  /// Null when there is none.
  std::shared_ptr<const OrderBook> order_book(VenueId venue, const Instrument& instrument) const;
  /// Ordered by pair; with ages of `now`, as all that follow.
  std::vector<FxEvent> rates(Timestamp now) const;
  /// Ordered by key; an empty `asset` means all.
  std::vector<PremiumEvent> premiums(std::string_view asset, Timestamp now) const;

  /// The open ones, then those that ended; each the newest first. Of those that ended the ages are
  /// of their end.
  std::vector<OpportunityEvent> opportunities(Timestamp now) const;

  /// Values left out because a bound was reached.
  std::uint64_t refused() const;

 private:
  using Market = std::pair<VenueId, Instrument>;
  /// What a rate's ages are counted from: of the rate itself, and of each of its sources.
  struct RateTimes {
    std::optional<Timestamp> rate;
    std::vector<std::optional<Timestamp>> sources;
  };
  struct Opportunity {
    std::shared_ptr<const OpportunityEvent> event;
    bool open() const { return event->kind != OpportunityEvent::Kind::kClose; }
  };

  /// When the legs of a pair were last updated.
  struct Legs {
    std::shared_ptr<const UpdateTime> buy;
    std::shared_ptr<const UpdateTime> sell;
  };

  template <class Map, class Key, class Value>
  void put(Map& map, std::size_t bound, const Key& key, Value& value);
  /// REQUIRES: mutex_ is held.
  std::shared_ptr<UpdateTime> book_time(const Market& market);

  mutable std::mutex mutex_;
  std::map<Market, std::shared_ptr<const Ticker>> tickers_;             // guarded by mutex_
  std::map<Market, std::shared_ptr<const OrderBook>> order_books_;      // guarded by mutex_
  std::map<Market, std::shared_ptr<UpdateTime>> book_times_;            // guarded by mutex_
  std::array<std::optional<FxEvent>, kCurrencyPairCount> rates_;        // guarded by mutex_
  std::array<RateTimes, kCurrencyPairCount> rate_times_;                // guarded by mutex_
  std::map<PremiumKey, std::shared_ptr<const PremiumEvent>> premiums_;  // guarded by mutex_
  std::map<SpreadKey, Legs> legs_;                                      // guarded by mutex_
  std::list<Opportunity> opportunities_;  // guarded by mutex_; the newest first
  std::unordered_map<std::string, std::list<Opportunity>::iterator>
      opportunity_by_id_;      // guarded by mutex_
  std::uint64_t refused_ = 0;  // guarded by mutex_
};

}  // namespace spreadwatch::api
