#pragma once

#include <array>
#include <cstddef>
#include <functional>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <tuple>
#include <vector>

#include "config/asset_registry.h"
#include "config/settings.h"
#include "core/event.h"
#include "core/market_data.h"
#include "fx/converter.h"
#include "fx/rate_table.h"
#include "spread/event_sink.h"
#include "spread/market_view.h"
#include "spread/pair_table.h"
#include "spread/premium_table.h"
#include "spread/wallet.h"
#include "spread/wallet_table.h"

namespace spreadwatch::spread {

/// From normalized books and rates to rates, premiums, pairs and opportunities.
///
/// Feed it market events in time order; before each it does what its timers owe (see
/// next_deadline()), each at its own moment. Only what an event touches is computed again.
/// Premiums, pair rows and rates leave at most once per conflation period, at its end, and only
/// when a value other than an age changed, pair rows and updates of opportunities as ReleaseRule
/// lets them; with a period of 0 every change leaves. An event's time
/// is that of its last change, so it never lies in the next period.
///
/// A leg's age is judged against the moment at which a row is computed, and again when the row
/// leaves: what became too old in between leaves without numbers, as `stale_leg`. Whoever lets a
/// row wait after that judges it once more with withdraw_if_stale().
///
/// Verdicts: a definite no (crossed, one-sided, quarantined, suspended, closed wallet, muted) is
/// `not_tradable`; else anything open (no sync, stale, rate, identity or wallet not known) is
/// `unknown`; else what the numbers say. Ratios, sizes and the optimum exist only for usable,
/// proven, unquarantined legs with a rate. Threads: one at a time; reads no clock, does no I/O.
/// `sink` is called from inside the calls.
class Engine {
 public:
  /// `settings`, `registry` and `sink` must outlive the engine; `wallets` are copied.
  Engine(const config::Settings& settings, const config::AssetRegistry& registry, EventSink& sink,
         const config::StandingWallets& wallets = {});
  Engine(const Engine&) = delete;
  Engine& operator=(const Engine&) = delete;

  /// Takes one event as of `now`; an earlier moment than one seen before counts as that one. A
  /// ticker only tells that its connection is alive, if it has one; feed errors are passed over.
  void on(const MarketEvent& event, Timestamp now);
  void on_book(const OrderBook& book, Timestamp now);
  /// What stands about moving an asset (canonical name) in and out of a venue while the venue
  /// itself has said nothing, for mode transfer. What it says comes as a WalletStatus.
  void on_wallet(VenueId venue, std::string_view asset, WalletInfo info, Timestamp now);
  /// Watches an asset that the configuration does not name, or one market; also again. It begins
  /// with the next book.
  void watch(std::string_view asset) { view_.watch(asset); }
  void watch(VenueId venue, const Instrument& instrument) { view_.watch(venue, instrument); }
  /// The inverse: markets that are watched no more take their rows, premiums and opportunities with
  /// them, the open ones closed as `not_tradable`; then EventSink::on_removed() is told. What the
  /// period held back of them is not said any more. Returns how many markets went. An FX market
  /// stays.
  std::size_t unwatch(std::string_view asset, Timestamp now);
  std::size_t unwatch(VenueId venue, const Instrument& instrument, Timestamp now);
  /// Takes up an opportunity that was open when the run before ended without closing it: `last` is
  /// its last event. It goes on once its pair is good again, or closes as `stale` if that has not
  /// happened max_quiet after `now`; without `goes_on` it closes with the next advance(), since
  /// nobody knows what became of it.
  void restore(const OpportunityEvent& last, Timestamp now, bool goes_on = true);

  /// Does everything that is due by `now`, each at its own moment.
  void advance(Timestamp now);
  /// When advance() has something to do next; nullopt = nothing waits.
  std::optional<Timestamp> next_deadline() const;
  /// The end: says what is still held back and closes open opportunities as `shutdown`.
  void finish(Timestamp now);
  /// The end of a run that another will take up through restore(): says what is still held back and
  /// leaves open what is open.
  void suspend(Timestamp now);

  const fx::RateTable& rates() const { return converter_.rates(); }
  std::size_t open_opportunities() const;
  /// How many pair rows have each verdict and each reason now.
  using Counts = PairTable::Counts;
  const Counts& counts() const { return pairs_.counts(); }
  /// What is kept for rows and timers, in use or free: bounded by the most that was ever watched at
  /// once, and by the holds that run.
  struct Places {
    std::size_t markets = 0;
    std::size_t rows = 0;
    std::size_t timers = 0;
  };
  Places places() const;
  /// The assets that have a market, in order.
  std::vector<std::string> assets() const;
  /// Each pair row of an asset that the filter lets through, as it is at `now`, whether or not it
  /// left as that; by buying venue, selling venue and mode.
  void for_each_row(std::string_view asset, const RowFilter& filter, Timestamp now,
                    const std::function<void(const SpreadEvent&)>& visit) const;
  /// All of them, by asset, as they were with the last event.
  void for_each_row(const std::function<void(const SpreadEvent&)>& visit) const;
  /// The latest event of each premium, in the order of asset.
  void for_each_premium(const std::function<void(const PremiumEvent&)>& visit) const;
  /// A pair as it is now, with a ladder of these sizes; nullopt when there is no such pair.
  std::optional<SpreadEvent> evaluate(std::string_view asset, VenueId buy, VenueId sell, Mode mode,
                                      std::span<const double> sizes_usdt, Timestamp now) const;

 private:
  struct Asset {
    std::string name;
    std::vector<std::size_t> markets;  // in venue order
  };
  using RowKey = std::tuple<std::string, VenueId, VenueId, Mode>;

  void wallet_changed(VenueId venue, std::string_view asset, Timestamp now);
  void join(std::size_t market);
  std::optional<PairTable::Restored> take_restored(const PairTable::Key& key);
  void market_changed(std::size_t market, Timestamp now);
  std::vector<MarketRemoved::Premium> compute_premiums(std::size_t asset, Timestamp now);
  void remove(std::size_t market, Timestamp now);
  void close_restored(const OpportunityEvent& last, CloseReason reason, Reasons reasons,
                      Timestamp now);
  void rates_changed(const fx::Converter::Changed& changed, Timestamp now);
  void note_changes(Timestamp now);
  void flush();
  void do_due(Timestamp now);
  void begin_event(std::optional<Timestamp> received, Timestamp now);
  void start(Timestamp now);

  const config::Settings& settings_;
  const config::AssetRegistry& registry_;
  EventSink& sink_;
  MarketView view_;
  fx::Converter converter_;
  PairTable pairs_;
  PremiumTable premiums_;
  WalletTable wallets_;
  std::vector<Asset> assets_;
  std::vector<std::size_t> free_assets_;  // places of assets that are gone
  std::map<std::string, std::size_t, std::less<>> asset_index_;
  std::vector<std::optional<std::size_t>> market_asset_;  // by market; none for an FX market
  std::map<RowKey, PairTable::Restored> restored_;  // opportunities whose row does not exist yet
  std::array<bool, kCurrencyPairCount> dirty_rates_{};
  std::array<std::optional<Rate>, kCurrencyPairCount> emitted_rates_;
  std::optional<Timestamp> flush_at_;
  Timestamp last_{Timestamp::min()};  // how far time has come
  bool started_ = false;
  std::vector<std::size_t> changed_;  // scratch
};

}  // namespace spreadwatch::spread
