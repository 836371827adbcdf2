#pragma once

#include <compare>
#include <cstddef>
#include <cstdint>
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
#include "core/market_data.h"

namespace spreadwatch::api {

/// A record as publish/encode.h writes it: one JSON object. Encoded once by the pipeline and shared
/// by the store, the stream and Kafka, so that a reader sees the same bytes everywhere and a
/// request encodes nothing.
using Record = std::shared_ptr<const std::string>;

/// Which premium: of `asset`, in `region` over `over` ("asia", "europe", "bank"), on `basis`.
struct PremiumKey {
  std::string asset;
  std::string region;
  std::string over;
  std::string basis;
  friend auto operator<=>(const PremiumKey&, const PremiumKey&) = default;
};

/// Which pair: buy at one venue, sell at the other.
struct SpreadKey {
  std::string asset;
  VenueId buy{};
  VenueId sell{};
  config::Mode mode{};
  friend auto operator<=>(const SpreadKey&, const SpreadKey&) = default;
};

/// The latest of everything that the HTTP API answers from. Fed by the pipeline, read by requests.
///
/// A writer holds the lock for one map operation; readers copy pointers under it and look at the
/// values, which never change, afterwards. So each value a reader gets is whole, and writers never
/// wait for a reader's work. Bounds: kMaxMarkets tickers and order books, kMaxPairs spreads,
/// kMaxPremiums premiums, kMaxRates rates, kMaxOpportunities opportunities (the longest ended go
/// first). What is new beyond a bound is counted and left out; what is known stays up to date.
/// Threads: any.
class Store {
 public:
  static constexpr std::size_t kMaxMarkets = 20'000;
  static constexpr std::size_t kMaxPairs = 200'000;
  static constexpr std::size_t kMaxPremiums = 20'000;
  static constexpr std::size_t kMaxRates = 100;
  static constexpr std::size_t kMaxOpportunities = 1000;

  void update(const Ticker& ticker);
  /// Also when the book is no longer synced: that is what is then answered.
  void update(const OrderBook& book);
  /// `pair` as in the record: "USDT/KRW".
  void update_rate(std::string_view pair, Record record);
  void update_premium(const PremiumKey& key, Record record);
  /// `verdict` as in the record: "tradable", "not_tradable" or "unknown". Static storage.
  void update_spread(const SpreadKey& key, std::string_view verdict, Record record);
  /// `open` is false with the event that ends the opportunity. A repeated event replaces the
  /// earlier one.
  void update_opportunity(std::string_view id, bool open, Record record);
  /// Nothing is known of this market any more (it is no longer watched).
  void forget(VenueId venue, const Instrument& instrument);

  /// Ordered by venue and instrument.
  std::vector<std::shared_ptr<const Ticker>> tickers() const;
  /// Null when there is none.
  std::shared_ptr<const OrderBook> order_book(VenueId venue, const Instrument& instrument) const;
  /// Ordered by pair.
  std::vector<Record> rates() const;
  /// Ordered by key; an empty `asset` means all.
  std::vector<Record> premiums(std::string_view asset = {}) const;

  /// What to leave out of spreads(); empty and nullopt let everything through.
  struct SpreadFilter {
    std::string asset{};
    std::optional<VenueId> buy{};
    std::optional<VenueId> sell{};
    std::optional<config::Mode> mode{};
    std::string verdict{};
  };
  /// Ordered by key.
  std::vector<Record> spreads(const SpreadFilter& filter) const;
  /// The open ones, then those that ended; each the newest first.
  std::vector<Record> opportunities() const;

  /// Values left out because a bound was reached.
  std::uint64_t refused() const;

 private:
  using Market = std::pair<VenueId, Instrument>;
  struct Spread {
    std::string_view verdict;
    Record record;
  };
  struct Opportunity {
    std::string id;
    bool open = true;
    Record record;
  };

  template <class Map, class Key, class Value>
  void put(Map& map, std::size_t bound, const Key& key, Value& value);

  mutable std::mutex mutex_;
  std::map<Market, std::shared_ptr<const Ticker>> tickers_;         // guarded by mutex_
  std::map<Market, std::shared_ptr<const OrderBook>> order_books_;  // guarded by mutex_
  std::map<std::string, Record, std::less<>> rates_;                // guarded by mutex_
  std::map<PremiumKey, Record> premiums_;                           // guarded by mutex_
  std::map<SpreadKey, Spread> spreads_;                             // guarded by mutex_
  std::list<Opportunity> opportunities_;  // guarded by mutex_; the newest first
  std::unordered_map<std::string, std::list<Opportunity>::iterator>
      opportunity_by_id_;      // guarded by mutex_
  std::uint64_t refused_ = 0;  // guarded by mutex_
};

}  // namespace spreadwatch::api
