#pragma once

#include <array>
#include <cstddef>
#include <functional>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "config/settings.h"
#include "core/event.h"
#include "core/time.h"
#include "fx/converter.h"
#include "spread/arithmetic.h"
#include "spread/event_sink.h"
#include "spread/market_view.h"
#include "spread/opportunity.h"
#include "spread/release_rule.h"
#include "spread/row_filter.h"
#include "spread/wallet.h"

namespace spreadwatch::spread {

/// Every ordered pair of markets of one asset: its numbers, its verdict in each mode, and the
/// opportunity that lives on them.
///
/// A market's change computes its own pairs and no other. Opportunities are told of through `emit`,
/// begin and end at once; their updates and rows leave at the end of a conflation period by
/// flush(), when ReleaseRule lets them. What does not leave is not filled in: the ladder is walked
/// for a row that leaves or is asked for. Threads: one at a time; time is passed in.
class PairTable {
 public:
  /// How many rows have each verdict and each reason now.
  struct Counts {
    std::array<std::size_t, kVerdictNames.size()> by_verdict{};
    std::array<std::size_t, kReasonNames.size()> by_reason{};
  };
  struct Key {
    std::string_view asset;
    VenueId buy{};
    VenueId sell{};
    Mode mode{};
  };
  /// The opportunity that a run before left open for a new row, and until when it waits.
  struct Restored {
    OpportunityEvent last;
    Timestamp wait_until{};
  };
  using TakeRestored = std::function<std::optional<Restored>(const Key&)>;

  /// All must outlive it.
  PairTable(const config::Settings& settings, const MarketView& view,
            const fx::Converter& converter, Opportunity::Emit emit);
  PairTable(const PairTable&) = delete;
  PairTable& operator=(const PairTable&) = delete;

  /// Makes the pairs of a new market with every other one of its asset. `take` is asked for each
  /// row.
  void join(std::size_t market, std::span<const std::size_t> others, const TakeRestored& take);
  /// Takes the market's pairs away, before the view removes it: their open opportunities end as
  /// `not_tradable`, and nothing of them is said any more.
  void leave(std::size_t market, Timestamp now);
  /// When the event was received that causes what is computed from now on; nullopt = time alone.
  void set_cause(std::optional<Timestamp> received) { cause_ = received; }
  void market_changed(std::size_t market, Timestamp now);
  void rates_changed(const fx::Converter::Changed& changed, Timestamp now);
  /// `market` is the one that the wallet feeds; nullopt when there is none yet.
  void set_wallet(VenueId venue, std::string_view asset, WalletInfo info,
                  std::optional<std::size_t> market, Timestamp now);

  /// Something waits for the end of the period.
  bool dirty() const { return !dirty_.empty(); }
  /// When the next row or update that is held back leaves: the end of a period; may be early, never
  /// late.
  std::optional<Timestamp> next_release() const;
  /// Lets go what may leave at `now`: a row that became too old since it was computed leaves as
  /// that.
  void flush(EventSink& sink, Timestamp now);
  /// Says of every open opportunity what changed, whenever it was last told of.
  void flush_opportunities(Timestamp now);
  /// Does the holds that end by `now`.
  void expire(Timestamp now);
  std::optional<Timestamp> next_expiry() const;
  /// Ends what is open as `shutdown`.
  void shut_down(Timestamp now);

  std::size_t open_opportunities() const;
  /// Places for rows, in use or free; holds and releases that wait.
  std::size_t row_places() const { return rows_.size(); }
  std::size_t timers() const { return holds_.size() + releases_.size(); }
  const Counts& counts() const { return counts_; }
  /// Each row of the pairs between these markets that the filter lets through, as it is now,
  /// whether or not it left as that; by buying venue, selling venue and mode.
  void for_each(std::span<const std::size_t> markets, const RowFilter& filter, Timestamp now,
                const std::function<void(const SpreadEvent&)>& visit) const;
  /// A pair as it is now with these sizes; nullopt when there is no such pair.
  std::optional<SpreadEvent> evaluate(std::size_t buy_market, VenueId sell, Mode mode,
                                      std::span<const double> sizes_usdt, Timestamp now) const;

 private:
  /// Top of a usable market's book in USDT, as its venue converts; see Top.
  struct Converted {
    bool available = false;
    Top top;
    UsdtAmount mid;
  };
  struct Row {
    std::size_t pair = 0;
    Mode mode{};
    Timestamp time{};
    std::optional<Timestamp> received;  // of the event that caused it
    Verdict verdict = Verdict::kUnknown;
    Reasons reasons;
    bool counted = false;
    bool numbers = false;              // ratios and leg prices in USDT
    bool net = false;                  // results after costs
    bool dirty = false;                // stands in dirty_
    bool changed = false;              // since it left
    std::optional<Timestamp> left_at;  // nullopt = never; then `emitted` is what left
    std::optional<Timestamp> release;  // the latest entry in releases_
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
    std::size_t rows = 0;  // first of one row a mode
    bool used = true;      // else a free place
    bool fallback = false;
    double gross_ratio = 0;
    double net_ratio = 0;
    std::optional<double> buy_price;
    std::optional<double> sell_price;
  };

  Real fee_of(const Market& market) const;
  void add(std::size_t buy, std::size_t sell, const TakeRestored& take);
  void convert(std::size_t market);
  void compute_pair(std::size_t index, Timestamp now);
  void compute_row(Row& row, const Pair& pair, Reasons reasons, bool numbers, Timestamp now);
  void count(Row& row, Verdict verdict, Reasons reasons);
  void uncount(const Row& row);
  PairInput input_of(const Pair& pair, const Row& row) const;
  PairState state_of(const Row& row, Timestamp now) const;
  void schedule_hold(std::size_t row);
  void mark_dirty(std::size_t row);
  void schedule_release(std::size_t row, Timestamp due);
  void take_due_releases(Timestamp now);
  void find_best(std::size_t group);
  void refresh_best();
  bool is_best(std::size_t row) const;
  std::optional<Timestamp> release(std::size_t row, EventSink& sink, Timestamp now);
  void emit_row(Row& row, EventSink& sink, Timestamp now);
  std::optional<Timestamp> fresh_until(const Pair& pair, Timestamp leaves) const;
  void fill(const Row& row, std::span<const double> sizes, Timestamp now, SpreadEvent& out) const;
  void as_of(const Row& row, std::span<const double> sizes, Timestamp now, SpreadEvent& out) const;
  const WalletInfo* wallet(VenueId venue, const std::string& asset) const;

  const config::Settings& settings_;
  const MarketView& view_;
  const fx::Converter& converter_;
  const ReleaseRule rule_;
  const Opportunity::Emit emit_;
  std::array<Real, kVenueCount> fees_{};                // of the taker
  std::vector<std::vector<std::size_t>> market_pairs_;  // by market
  std::vector<Converted> converted_;                    // by market
  std::vector<Pair> pairs_;
  std::vector<std::size_t> free_pairs_;  // places of pairs that are gone, each with its rows
  std::vector<Row> rows_;
  std::map<std::pair<VenueId, std::string>, WalletInfo> wallets_;
  // Moments by row, each a heap with the earliest first. An entry that is not the row's latest is
  // passed over.
  using Timer = std::pair<Timestamp, std::size_t>;
  std::vector<Timer> holds_;     // ends of holds
  std::vector<Timer> releases_;  // when what is held back may leave
  std::vector<std::size_t> dirty_;
  // Markets of one asset, and which row of theirs is the best in each mode.
  struct Group {
    std::vector<std::size_t> markets;
    std::vector<std::optional<std::size_t>> best;  // by place of the mode in the settings
    bool touched = false;                          // stands in touched_
  };
  std::vector<Group> groups_;
  std::vector<std::size_t> free_groups_;
  std::vector<std::size_t> group_of_;  // by market
  std::vector<std::size_t> touched_;   // scratch
  Counts counts_;
  std::optional<Timestamp> cause_;
  SpreadEvent scratch_;
};

}  // namespace spreadwatch::spread
