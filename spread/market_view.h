#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include "config/asset_registry.h"
#include "config/settings.h"
#include "core/market_book.h"
#include "core/market_data.h"
#include "core/market_freshness.h"
#include "core/time.h"

namespace spreadwatch::spread {

/// One watched market of one venue: its book, and what stands beside it.
struct Market : MarketBook {
  std::string asset;  ///< canonical; the venue's own ticker when its identity is unproven
  bool proven = true;
  bool fx = false;                     ///< the venue's KRW-USDT or USDT-USD market
  bool active = true;                  ///< the venue lists it as open for trading
  std::optional<double> min_notional;  ///< in the quote currency
};

/// Every watched market, judged by MarketFreshness whenever it changes or time passes.
///
/// Watched are each venue's FX market and the markets in the venue's quote of the configured
/// assets, as changed by watch() and unwatch(). Threads: one at a time; time is passed in.
class MarketView {
 public:
  MarketView(const config::Settings& settings, const config::AssetRegistry& registry);

  /// Watches an asset that the configuration does not name, at every venue.
  void watch(std::string_view asset);
  /// Watches one market, whatever is said of its asset.
  void watch(VenueId venue, const Instrument& instrument);
  /// The inverse of watch(), also for what the configuration names: no market of it is made any
  /// more. Those that exist stay until remove(); returns them, by venue.
  std::vector<std::size_t> unwatch(std::string_view asset);
  /// The same for one market; nullopt when it does not exist. An FX market stays watched.
  std::optional<std::size_t> unwatch(VenueId venue, const Instrument& instrument);
  /// Forgets a market that is watched no more; its index goes to the next one that is made.
  /// REQUIRES: not an FX market.
  void remove(std::size_t index);

  /// The market of a book, made when it is the first; nullopt when nobody watches it.
  std::optional<std::size_t> find(VenueId venue, const Instrument& instrument);

  /// Takes a book. The market index, or nullopt when it is not watched. A first word on a
  /// connection can bring back other books of it: those are appended to `changed`.
  std::optional<std::size_t> update(const OrderBook& book, Timestamp now,
                                    std::vector<std::size_t>& changed);
  /// Appends the markets whose `unusable` changed.
  void update(const ConnectionStatus& status, Timestamp now, std::vector<std::size_t>& changed);
  std::optional<std::size_t> update(const MarketStatus& status);
  /// Judges what is due by `now`; appends the markets that became stale.
  void expire(Timestamp now, std::vector<std::size_t>& changed);
  std::optional<Timestamp> next_expiry() const;

  /// The reference stays valid as long as the view, and shows an empty market after remove().
  const Market& market(std::size_t index) const { return *markets_[index]; }
  /// Places for markets, in use or free.
  std::size_t size() const { return markets_.size(); }
  std::size_t timers() const { return due_.size(); }
  /// The first moment at which a usable market is stale when nothing more is heard of it.
  Timestamp fresh_until(std::size_t index) const {
    return freshness_.fresh_until(*markets_[index]);
  }

 private:
  struct Named {
    std::string asset;  // canonical; the venue's own ticker when its identity is unproven
    bool proven = false;
  };
  Named name_of(VenueId venue, const Instrument& instrument) const;
  bool asset_watched(std::string_view asset) const;
  bool wanted(VenueId venue, const Instrument& instrument, const std::string& asset) const;
  void set_exception(VenueId venue, const Instrument& instrument, bool watched);
  void schedule(std::size_t index);

  const config::Settings& settings_;
  const config::AssetRegistry& registry_;
  using Key = std::pair<VenueId, Instrument>;
  std::set<std::string, std::less<>> assets_;     // watched
  std::set<std::string, std::less<>> unwatched_;  // of all, when all are
  // Markets for which the opposite is asked of what is asked of their asset.
  std::map<std::string, std::map<Key, bool>, std::less<>> exceptions_;
  std::array<const config::VenueSettings*, kVenueCount> venues_{};
  std::vector<std::unique_ptr<Market>> markets_;  // addresses stay: market() gives references
  std::vector<std::size_t> free_;                 // places of markets that are gone
  std::vector<bool> scheduled_;                   // by market: stands in due_
  std::array<std::unordered_map<Instrument, std::size_t>, kVenueCount> index_;
  MarketFreshness freshness_;
  using Due = std::pair<Timestamp, std::size_t>;
  // A market has at most one entry, which may be too early: then it is put in again when it comes
  // up.
  std::vector<Due> due_;  // a heap, the earliest first
};

}  // namespace spreadwatch::spread
