#pragma once

#include <array>
#include <optional>
#include <string_view>

#include "config/settings.h"
#include "core/depth_curve.h"
#include "core/market_book.h"
#include "core/market_data.h"
#include "core/money.h"
#include "core/rate.h"
#include "core/reason.h"
#include "core/time.h"
#include "core/venue.h"
#include "fx/conversion.h"
#include "fx/rate_table.h"

namespace spreadwatch::fx {

/// What a quote currency is worth by the rate of all its sources: KRW by the consensus, USD by its
/// one book, USDT by itself. Its curves are one unlimited step each, empty while there is no rate.
struct ConsensusRate {
  std::optional<CurrencyPair> pair;  ///< nullopt: nothing is converted, or the currency is unknown
  Reasons reasons;
  std::optional<QuoteAmount> bid;  ///< of one USDT, as the next two
  std::optional<QuoteAmount> ask;
  std::optional<QuoteAmount> mid;
  DepthCurve bid_curve;
  DepthCurve ask_curve;
  DepthCurve mid_curve;

  bool available() const { return mid.has_value(); }
  /// REQUIRES: available().
  UsdtAmount to_usdt_at_mid(QuoteAmount amount) const {
    return UsdtAmount{pair ? amount / *mid : amount.value()};
  }
};

/// KRW for USDT that is sold for dollars, and those at a bank.
struct BankConversion {
  Reasons reasons;
  std::optional<QuoteAmount> krw;  ///< for one USDT; nullopt without a rate

  bool available() const { return krw.has_value(); }
  /// REQUIRES: available().
  QuoteAmount to_krw(UsdtAmount amount) const { return QuoteAmount{amount.value() * krw->value()}; }
};

/// The fx stage: the only place where a currency becomes another.
///
/// Goes in: the book of each venue's FX market as it was judged, and banks' answers. Comes out, as
/// values: the rates with sides, sources, age and state; what each currency is worth by consensus;
/// and how each venue's quote currency becomes USDT: by the venue's own FX book, else at the
/// consensus, with that venue's fee. Threads: one at a time; time is passed in.
class Converter {
 public:
  /// What an input, or time, moved.
  struct Changed {
    std::array<bool, kCurrencyPairCount> rates{};  ///< more than an age differs
    bool krw = false;                              ///< the consensus
    bool usd = false;
    std::array<bool, kVenueCount> venues{};  ///< converts differently now
    bool any_venue() const {
      for (const bool venue : venues) {
        if (venue) return true;
      }
      return false;
    }
  };

  /// `settings` must outlive it.
  explicit Converter(const config::Settings& settings);
  Converter(const Converter&) = delete;
  Converter& operator=(const Converter&) = delete;

  /// The book of a venue's FX market, or what is thought of it, changed. Copied; allocates only
  /// while the depth grows.
  Changed set_book(const MarketBook& fx_market, Timestamp now);
  /// A bank answered.
  Changed set_bank(const BankQuote& quote, Timestamp now);
  /// Time has passed.
  Changed refresh(Timestamp now) { return refresh(std::nullopt, now); }
  /// When a source becomes too old, as of the last input.
  std::optional<Timestamp> next_expiry() const { return expiry_; }

  const RateTable& rates() const { return rates_; }
  const VenueConversion& venue(VenueId venue) const { return venues_[index_of(venue)]; }
  /// Of a currency that no venue can quote in: unavailable, with the reason.
  const ConsensusRate& consensus(std::string_view quote) const {
    if (quote == "USDT") return usdt_;
    if (quote == "KRW") return krw_;
    return quote == "USD" ? usd_ : unknown_;
  }
  BankConversion bank() const;

 private:
  static void assign(ConsensusRate& consensus, const Rate& rate);
  bool update(ConsensusRate& consensus);
  Changed refresh(std::optional<VenueId> own, Timestamp now);
  VenueConversion conversion_at(const config::VenueSettings& venue, Timestamp now) const;

  const config::Settings& settings_;
  RateTable rates_;
  std::array<MarketBook, kVenueCount> books_;  // of the FX markets
  ConsensusRate krw_;
  ConsensusRate usd_;
  ConsensusRate usdt_;
  ConsensusRate unknown_;
  std::array<VenueConversion, kVenueCount> venues_;
  std::optional<Timestamp> expiry_;
};

}  // namespace spreadwatch::fx
