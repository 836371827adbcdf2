#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "core/market_data.h"
#include "core/mode.h"
#include "core/rate.h"
#include "core/reason.h"
#include "core/time.h"
#include "core/venue.h"
#include "core/verdict.h"

namespace spreadwatch {

/// How a premium is measured; see the documentation for the formulas.
enum class Basis : std::uint8_t {
  kUsdt,         ///< both regions in USDT
  kBank,         ///< Korea in KRW over the other region's price at the bank rate
  kUsdtPremium,  ///< USDT itself: Korea's price over the bank rate
};
inline constexpr std::array<std::string_view, 3> kBasisNames = {"usdt", "bank", "usdt_premium"};
constexpr std::string_view to_string(Basis b) { return kBasisNames[static_cast<std::size_t>(b)]; }

/// The premium of an asset in one region over another. Fractions; prices in `currency`.
struct PremiumEvent {
  std::string asset;
  Region region{};
  std::optional<Region> over;  ///< nullopt = the banks
  Basis basis{};
  Timestamp time{};
  Reasons reasons;                ///< why it is unavailable; empty = ok
  std::optional<double> premium;  ///< the last value of the period
  std::optional<double> first;    ///< of the conflation period
  std::optional<double> high;
  std::optional<double> low;
  std::string_view currency;  ///< static storage
  std::optional<double> price;
  std::optional<double> over_price;
  std::vector<VenueId> venues;  ///< whose median `price` is
  std::vector<VenueId> over_venues;
  std::optional<microseconds> fx_age;
  CurrencyPairSet fx_rates;  ///< the rates that `fx_age` is the oldest of; not part of the record
  /// Where the premium lies among its own values of the last hour, day and week: the share of them
  /// that were lower. nullopt until half of the window is known; in the order of Window.
  std::array<std::optional<double>, 3> percentiles;
  /// The premium on the other basis has the opposite sign; nullopt while one of them is not known.
  std::optional<bool> bases_disagree;

  bool ok() const { return premium.has_value(); }
  std::string_view over_name() const { return over ? to_string(*over) : "bank"; }
};

/// The result of trading one quantity of a pair. Quantity in the asset, VWAPs in each venue's own
/// currency, everything else in USDT.
struct Trade {
  double quantity = 0;
  double spent_usdt = 0;
  double net_profit_usdt = 0;
  double net_ratio = 0;  ///< net_profit ÷ spent
  double buy_vwap = 0;
  double sell_vwap = 0;
  double buy_fee_usdt = 0;
  double sell_fee_usdt = 0;
  double fx_fee_usdt = 0;          ///< the conversions' taker fees
  double slippage_usdt = 0;        ///< against trading everything at the top of the books
  double withdrawal_fee_usdt = 0;  ///< mode transfer: what the coins the network keeps have cost
  double fees_usdt() const {
    return buy_fee_usdt + sell_fee_usdt + fx_fee_usdt + withdrawal_fee_usdt;
  }

  friend bool operator==(const Trade&, const Trade&) = default;
};

/// One rung of the size ladder. No trade = the books are not deep enough, or the pair has no
/// numbers.
struct SizeRow {
  double size_usdt = 0;
  bool insufficient_depth = false;
  std::optional<Trade> trade;

  friend bool operator==(const SizeRow&, const SizeRow&) = default;
};

/// One ordered pair of venues: buy at one, sell at the other.
struct SpreadEvent {
  std::string asset;
  VenueId buy{};
  VenueId sell{};
  Mode mode{};
  Timestamp time{};
  Verdict verdict = Verdict::kUnknown;
  Reasons reasons;
  std::optional<double> gross_ratio;      ///< top of book, no fees
  std::optional<double> net_ratio;        ///< top of book, every fee
  std::optional<double> buy_price_usdt;   ///< best ask, converted
  std::optional<double> sell_price_usdt;  ///< best bid, converted
  std::optional<microseconds> buy_age;
  std::optional<microseconds> sell_age;
  bool fx_venue_fallback = false;
  std::optional<Trade> optimal;               ///< nullopt = no profitable size, or no numbers
  std::optional<double> break_even_quantity;  ///< nullopt = no numbers
  std::vector<SizeRow> sizes;
  std::string network;  ///< mode transfer: the cheapest open one; empty = none known
  std::optional<double> withdrawal_fee;  ///< mode transfer: of that network, in the asset
  std::optional<int> expected_minutes;   ///< mode transfer: until the coins can be sold
  // Not part of the record:
  Instrument buy_market;  ///< the legs' markets, as their venues name them
  Instrument sell_market;
  /// When the event that caused it was received, for latency; nullopt = time alone caused it.
  std::optional<Timestamp> received;
  /// The first moment at which its legs are too old, as far as was known when it left: later word
  /// of a connection can only put it off. nullopt = it rests on no usable pair of legs.
  std::optional<Timestamp> fresh_until;

  /// Equal but for times and ages.
  bool same_value(const SpreadEvent& other) const;
};

/// Whether what a row says of its legs may still be believed at `now`. Threads: pure.
inline bool is_fresh(const SpreadEvent& row, Timestamp now) {
  return !row.fresh_until || now < *row.fresh_until;
}

/// Judges a row once more at the moment it leaves: when its legs became too old meanwhile, the
/// numbers are taken away, `stale_leg` is added and the verdict follows from it; its time stays.
/// Returns whether that was so. To be called by whoever let the row wait. Threads: pure.
bool withdraw_if_stale(SpreadEvent& row, Timestamp now);

/// A market is watched no more. What was told of it stands no longer: each row of `asset` with
/// `venue` at either end, and the premiums listed. Its opportunities were closed before.
struct MarketRemoved {
  /// A premium that is gone; the key of PremiumEvent.
  struct Premium {
    Region region{};
    std::optional<Region> over;
    Basis basis{};

    friend bool operator==(const Premium&, const Premium&) = default;
  };
  Timestamp time{};
  VenueId venue{};
  Instrument instrument;  ///< as the venue names it
  std::string asset;
  std::vector<Premium> premiums;
  bool last_of_asset = false;  ///< no market of the asset is left
};

enum class CloseReason : std::uint8_t { kConverged, kStale, kNotTradable, kShutdown };
inline constexpr std::array<std::string_view, 4> kCloseReasonNames = {"converged", "stale",
                                                                      "not_tradable", "shutdown"};
constexpr std::string_view to_string(CloseReason r) {
  return kCloseReasonNames[static_cast<std::size_t>(r)];
}

/// Something that could be earned began, changed, or ended.
struct OpportunityEvent {
  enum class Kind : std::uint8_t { kOpen, kUpdate, kClose };
  Kind kind{};
  std::string id;  ///< hash of the key and the opening time: a replay gives the same
  std::string asset;
  VenueId buy{};
  VenueId sell{};
  Mode mode{};
  Timestamp opened{};
  Timestamp time{};
  std::optional<double> net_profit_usdt;
  std::optional<double> net_ratio;
  std::optional<double> quantity;
  double peak_profit_usdt = 0;
  double peak_quantity = 0;
  Timestamp peak_time{};
  std::optional<microseconds> buy_age;
  std::optional<microseconds> sell_age;
  std::optional<CloseReason> reason;  ///< of a close
  Reasons reasons;                    ///< the pair's reasons at the close
};
inline constexpr std::array<std::string_view, 3> kOpportunityKindNames = {"open", "update",
                                                                          "close"};
constexpr std::string_view to_string(OpportunityEvent::Kind k) {
  return kOpportunityKindNames[static_cast<std::size_t>(k)];
}

/// The second seam: what flows to publish, alerts, history and the API.
using Event = std::variant<Ticker, OrderBook, FeedError, FxEvent, PremiumEvent, SpreadEvent,
                           OpportunityEvent, MarketRemoved>;

}  // namespace spreadwatch
