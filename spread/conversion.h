#pragma once

#include <array>
#include <optional>
#include <string_view>

#include "config/settings.h"
#include "core/reason.h"
#include "core/time.h"
#include "core/venue.h"
#include "fx/rate_table.h"
#include "spread/arithmetic.h"
#include "spread/market_view.h"

namespace spreadwatch::spread {

/// How quote currencies become USDT and come out of it: by the venue's own FX book, else at the
/// consensus. Owns the rates. Threads: one at a time; time is passed in.
class Conversion {
 public:
  /// What a quote currency is worth by the consensus (KRW) or by Kraken's book (USD).
  struct Currency {
    CurrencyPair pair{};
    Reasons reasons;
    std::optional<double> bid;
    std::optional<double> ask;
    std::optional<double> mid;
    DepthCurve bid_curve;  ///< one unlimited step each; empty while there is no rate
    DepthCurve ask_curve;
    DepthCurve mid_curve;
  };
  /// A venue's way. The curves live as long as the conversion and the view.
  struct VenueFx {
    bool ok = false;
    bool fallback = false;
    Reasons reasons;
    const DepthCurve* pay = nullptr;      ///< USDT is sold here to get the quote currency
    const DepthCurve* receive = nullptr;  ///< USDT is bought here
    Real fee = 0;
    Real mid = 0;  ///< price of one USDT

    bool same_way(const VenueFx& o) const {
      return ok == o.ok && fallback == o.fallback && reasons == o.reasons && pay == o.pay;
    }
  };
  /// What a refresh() moved.
  struct Changed {
    std::array<bool, kCurrencyPairCount> rates{};  ///< more than an age differs
    bool krw = false;                              ///< the consensus
    bool usd = false;
    std::array<bool, kVenueCount> venues{};  ///< converts differently now
    bool any_rate() const { return rates[0] || rates[1] || rates[2]; }
    bool any_venue() const {
      for (const bool venue : venues) {
        if (venue) return true;
      }
      return false;
    }
  };

  /// Both must outlive it.
  Conversion(const config::Settings& settings, const MarketView& view);
  Conversion(const Conversion&) = delete;
  Conversion& operator=(const Conversion&) = delete;

  /// A venue's FX market changed; takes effect with the next refresh().
  void set_quote(const Market& fx_market, Timestamp now);
  void set_bank(const BankQuote& quote) { rates_.set_bank(quote); }
  /// Judges the rates again, since the FX book of `own` or a bank said something or time has
  /// passed.
  Changed refresh(std::optional<VenueId> own, Timestamp now);
  /// When a source becomes too old, as of the last refresh().
  std::optional<Timestamp> next_expiry() const { return expiry_; }

  const fx::RateTable& rates() const { return rates_; }
  const VenueFx& way(VenueId venue) const { return ways_[index_of(venue)]; }
  /// nullptr for USDT, and for a currency without a rate.
  const Currency* currency(std::string_view quote) const;
  /// USDT for USDT.
  const DepthCurve& one() const { return one_; }

 private:
  static void assign(Currency& currency, const Rate& rate);
  bool move(Currency& currency);
  VenueFx way_of(const config::VenueSettings& venue, Timestamp now) const;

  const config::Settings& settings_;
  const MarketView& view_;
  fx::RateTable rates_;
  Currency krw_;
  Currency usd_;
  DepthCurve one_;
  std::array<VenueFx, kVenueCount> ways_;
  std::optional<Timestamp> expiry_;
};

}  // namespace spreadwatch::spread
