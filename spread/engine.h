#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include "config/asset_registry.h"
#include "config/settings.h"
#include "core/market_data.h"
#include "fx/rate_table.h"
#include "spread/event.h"
#include "spread/market_view.h"
#include "spread/opportunity.h"

namespace spreadwatch::spread {

/// From normalized books and rates to rates, premiums, pairs and opportunities.
///
/// Feed it market events in time order; before each it does what its timers owe (see next_deadline()). Only what
/// an event touches is computed again. Premiums, pair rows and rates leave at most once per conflation period and
/// only when a value other than an age changed; with a period of 0 every change leaves.
/// Threads: one at a time; reads no clock, does no I/O. `sink` is called from inside the calls.
class Engine {
 public:
  /// `settings`, `registry` and `sink` must outlive the engine.
  Engine(const config::Settings& settings, const config::AssetRegistry& registry, EventSink& sink);

  /// Takes one event as of `now` (not earlier than any time before). Tickers and feed errors are passed over.
  void on(const MarketEvent& event, Timestamp now);
  void on_book(const OrderBook& book, Timestamp now);

  /// Does everything that is due by `now`, each at its own moment.
  void advance(Timestamp now);
  /// When advance() has something to do next; nullopt = nothing waits.
  std::optional<Timestamp> next_deadline() const;
  /// The end: says what is still held back and closes open opportunities as `shutdown`.
  void finish(Timestamp now);

  const fx::RateTable& rates() const { return rates_; }
  std::size_t open_opportunities() const;

 private:
  struct Pair {
    std::size_t buy = 0;   // market index
    std::size_t sell = 0;
    SpreadEvent row;       // as last computed
    SpreadEvent emitted;   // as last said
    bool said = false;
    bool dirty = false;
    Opportunity opportunity;
    std::optional<Timestamp> hold;  // stands in holds_
  };
  struct Premium {
    PremiumEvent now;
    PremiumEvent emitted;
    bool said = false;
    bool dirty = false;
    bool period_open = false;
  };
  struct Asset {
    std::string name;
    std::vector<std::size_t> markets;
    std::vector<std::size_t> pairs;
    std::map<std::pair<std::uint8_t, std::uint8_t>, std::size_t> premiums;  // (region pair, basis) → index
  };

  void join(std::size_t market);
  void market_changed(std::size_t market, Timestamp now);
  void rates_changed(Timestamp now, bool at_once);
  void compute_asset_premiums(Asset& asset, Timestamp now);
  void compute_usdt_premium(Timestamp now);
  void set_premium(std::size_t index, PremiumEvent event, Timestamp now);
  std::size_t premium_index(Asset& asset, std::size_t region_pair, Basis basis);
  void compute_pair(std::size_t index, Timestamp now);
  bool convert(const Market& market, bool pay, std::array<Step, 1>& fallback, Conversion& out,
               SpreadEvent& row) const;
  std::optional<double> mid_usdt(const Market& market) const;
  double fx_fee(VenueId venue) const;
  void mark_dirty(Timestamp now);
  void flush(Timestamp now);
  void emit_pair(Pair& pair);
  void emit_premium(Premium& premium);
  void set_hold(std::size_t pair);
  void do_due(Timestamp now);

  const config::Settings& settings_;
  EventSink& sink_;
  MarketView view_;
  fx::RateTable rates_;
  std::array<const config::VenueSettings*, kVenueCount> venues_{};
  std::vector<Asset> assets_;
  std::unordered_map<std::string, std::size_t> asset_index_;
  std::vector<std::optional<std::size_t>> market_asset_;  // by market
  std::vector<Pair> pairs_;
  std::vector<Premium> premiums_;
  std::optional<std::size_t> usdt_premium_;
  std::set<std::pair<Timestamp, std::size_t>> holds_;  // opportunity deadlines
  std::vector<std::size_t> dirty_pairs_;
  std::vector<std::size_t> dirty_premiums_;
  std::array<bool, fx::kPairCount> dirty_rates_{};
  bool fx_dirty_ = false;                 // pairs and premiums wait for new rates
  std::optional<Timestamp> flush_at_;
  std::optional<Timestamp> rates_expiry_;
  Timestamp last_{Timestamp::min()};      // how far time has come
  Opportunity::Emit emit_opportunity_;
  std::vector<std::size_t> changed_;      // scratch
  PairResult result_;                     // scratch
};

}  // namespace spreadwatch::spread
