#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <queue>
#include <span>
#include <string>
#include <string_view>
#include <tuple>
#include <utility>
#include <vector>

#include "config/asset_registry.h"
#include "config/settings.h"
#include "core/market_data.h"
#include "fx/rate_table.h"
#include "spread/arithmetic.h"
#include "spread/event.h"
#include "spread/market_view.h"
#include "spread/opportunity.h"
#include "spread/premium.h"
#include "spread/wallet.h"

namespace spreadwatch::spread {

/// From normalized books and rates to rates, premiums, pairs and opportunities.
///
/// Feed it market events in time order; before each it does what its timers owe (see
/// next_deadline()), each at its own moment. Only what an event touches is computed again.
/// Premiums, pair rows and rates leave at most once per conflation period, at its end, and only
/// when a value other than an age changed; with a period of 0 every change leaves. An event's time
/// is that of its last change, so it never lies in the next period.
///
/// Verdicts: a definite no (crossed, one-sided, quarantined, suspended, closed wallet, muted) is
/// `not_tradable`; else anything open (no sync, stale, rate, identity or wallet not known) is
/// `unknown`; else what the numbers say. Ratios, sizes and the optimum exist only for usable,
/// proven, unquarantined legs with a rate. Threads: one at a time; reads no clock, does no I/O.
/// `sink` is called from inside the calls.
class Engine {
 public:
  /// `settings`, `registry` and `sink` must outlive the engine.
  Engine(const config::Settings& settings, const config::AssetRegistry& registry, EventSink& sink);
  Engine(const Engine&) = delete;
  Engine& operator=(const Engine&) = delete;

  /// Takes one event as of `now`; an earlier moment than one seen before counts as that one. A
  /// ticker only tells that its connection is alive; feed errors are passed over.
  void on(const MarketEvent& event, Timestamp now);
  void on_book(const OrderBook& book, Timestamp now);
  /// What a venue says about moving an asset (canonical name) in and out, for mode transfer.
  void on_wallet(VenueId venue, std::string_view asset, WalletInfo info, Timestamp now);
  /// Watches an asset that the configuration does not name.
  void watch(std::string_view asset) { view_.watch(asset); }
  /// Takes up an opportunity that was open when the run before ended without closing it: `last` is
  /// its last event. It goes on once its pair is good again, or closes if that has not happened
  /// max_quiet after `now`.
  void restore(const OpportunityEvent& last, Timestamp now);

  /// Does everything that is due by `now`, each at its own moment.
  void advance(Timestamp now);
  /// When advance() has something to do next; nullopt = nothing waits.
  std::optional<Timestamp> next_deadline() const;
  /// The end: says what is still held back and closes open opportunities as `shutdown`.
  void finish(Timestamp now);

  const fx::RateTable& rates() const { return rates_; }
  std::size_t open_opportunities() const;
  /// How many pair rows have each verdict and each reason now.
  struct Counts {
    std::array<std::size_t, kVerdictNames.size()> by_verdict{};
    std::array<std::size_t, kReasonNames.size()> by_reason{};
  };
  const Counts& counts() const { return counts_; }
  /// The latest event of each pair row, in the order of asset, then buying and selling venue, then
  /// mode.
  void for_each_row(const std::function<void(const SpreadEvent&)>& visit) const;
  /// The latest event of each premium, in the order of asset.
  void for_each_premium(const std::function<void(const PremiumEvent&)>& visit) const;
  /// A pair as it is now, with a ladder of these sizes; nullopt when there is no such pair.
  std::optional<SpreadEvent> evaluate(std::string_view asset, VenueId buy, VenueId sell,
                                      config::Mode mode, std::span<const double> sizes_usdt,
                                      Timestamp now) const;

 private:
  /// What a quote currency is worth by the consensus (KRW) or by Kraken's book (USD).
  struct Currency {
    fx::Pair pair{};
    Reasons reasons;
    std::optional<double> bid;
    std::optional<double> ask;
    std::optional<double> mid;
    Ladder bid_ladder;  // one unlimited step each; empty while there is no rate
    Ladder ask_ladder;
    Ladder mid_ladder;
  };
  /// How a venue's quote currency becomes USDT and comes out of it.
  struct VenueFx {
    bool ok = false;
    bool fallback = false;
    Reasons reasons;
    const Ladder* pay = nullptr;
    const Ladder* receive = nullptr;
    Real fee = 0;
    Real mid = 0;  // price of one USDT
    bool same_way(const VenueFx& o) const {
      return ok == o.ok && fallback == o.fallback && reasons == o.reasons && pay == o.pay;
    }
  };
  /// Top of a usable market's book in USDT; see Top.
  struct Converted {
    bool ok = false;
    Top top;
    Real mid = 0;
  };
  struct Row {
    std::size_t pair = 0;
    config::Mode mode{};
    Timestamp time{};
    Verdict verdict = Verdict::kUnknown;
    Reasons reasons;
    bool counted = false;
    bool numbers = false;  // ratios and leg prices in USDT
    bool net = false;      // results after costs
    bool said = false;
    bool dirty = false;
    double net_ratio = 0;
    std::optional<Trade> optimal;
    Route route;  // mode transfer
    Opportunity opportunity;
    std::optional<Timestamp> hold;  // the latest entry in holds_
    SpreadEvent emitted;
  };
  struct Pair {
    std::size_t buy = 0;  // market
    std::size_t sell = 0;
    std::size_t asset = 0;
    std::size_t rows = 0;  // first of one row a mode
    bool fallback = false;
    double gross_ratio = 0;
    double net_ratio = 0;
    std::optional<double> buy_price;
    std::optional<double> sell_price;
  };
  struct Premium {
    std::size_t asset = 0;  // or kUsdt
    Region region{};
    std::optional<Region> over;
    Basis basis{};
    Timestamp time{};
    PremiumValue value;
    std::optional<double> first;
    std::optional<double> high;
    std::optional<double> low;
    bool said = false;
    bool dirty = false;
    PremiumValue said_value;
    PremiumEvent emitted;
  };
  struct Asset {
    std::string name;
    std::vector<std::size_t> markets;  // in venue order
    std::array<std::optional<std::size_t>, 5> premiums;
  };
  static constexpr std::size_t kUsdt = static_cast<std::size_t>(-1);

  void join(std::size_t market);
  void market_changed(std::size_t market, Timestamp now);
  void refresh_rates(std::optional<VenueId> own, Timestamp now);
  void refresh_currency(Currency& currency);
  VenueFx venue_fx(const config::VenueSettings& venue, Timestamp now) const;
  const Currency* currency_of(std::string_view quote) const;
  void convert(std::size_t market);
  void compute_pair(std::size_t index, Timestamp now);
  void compute_row(Row& row, const Pair& pair, Reasons reasons, bool numbers, Timestamp now);
  PairInput input_of(const Pair& pair, const Row& row) const;
  PairState state_of(const Row& row, Timestamp now) const;
  void compute_premiums(Asset& asset, std::size_t index, Timestamp now);
  void compute_usdt_premium(Timestamp now);
  void set_premium(std::optional<std::size_t>& slot, std::size_t asset, Region region,
                   std::optional<Region> over, Basis basis, const PremiumValue& value,
                   Timestamp now);
  void schedule_hold(std::size_t row);
  void mark_dirty(Timestamp now);
  void flush();
  void emit_row(Row& row);
  void emit_premium(Premium& premium);
  void fill(const Row& row, std::span<const double> sizes, Timestamp now, SpreadEvent& out) const;
  const WalletInfo* wallet(VenueId venue, const std::string& asset) const;
  void do_due(Timestamp now);
  void start(Timestamp now);

  const config::Settings& settings_;
  EventSink& sink_;
  MarketView view_;
  fx::RateTable rates_;
  std::array<const config::VenueSettings*, kVenueCount> venues_{};
  std::array<VenueFx, kVenueCount> venue_fx_;
  Currency krw_;
  Currency usd_;
  Ladder one_;  // USDT for USDT
  std::vector<Asset> assets_;
  std::map<std::string, std::size_t, std::less<>> asset_index_;
  std::vector<std::optional<std::size_t>> market_asset_;  // by market
  std::vector<std::vector<std::size_t>> market_pairs_;    // by market
  std::vector<Converted> converted_;                      // by market
  std::vector<Pair> pairs_;
  std::vector<Row> rows_;
  std::vector<Premium> premiums_;
  std::optional<std::size_t> usdt_premium_;
  std::map<std::pair<VenueId, std::string>, WalletInfo> wallets_;
  using RowKey = std::tuple<std::string, VenueId, VenueId, config::Mode>;
  struct Restored {
    OpportunityEvent last;
    Timestamp wait_until{};
  };
  std::map<RowKey, Restored> restored_;  // opportunities whose row does not exist yet
  // Ends of holds, by row. An entry that is not the row's latest is passed over.
  using Hold = std::pair<Timestamp, std::size_t>;
  std::priority_queue<Hold, std::vector<Hold>, std::greater<>> holds_;
  std::vector<std::size_t> dirty_rows_;
  std::vector<std::size_t> dirty_premiums_;
  std::array<bool, fx::kPairCount> dirty_rates_{};
  std::array<std::optional<fx::Rate>, fx::kPairCount> said_rates_;
  std::optional<Timestamp> flush_at_;
  std::optional<Timestamp> rates_expiry_;
  Timestamp last_{Timestamp::min()};  // how far time has come
  bool started_ = false;
  Counts counts_;
  Opportunity::Emit emit_opportunity_;
  std::vector<std::size_t> changed_;  // scratch
  SpreadEvent scratch_;
};

}  // namespace spreadwatch::spread
