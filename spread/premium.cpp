#include "spread/premium.h"

#include <algorithm>

namespace spreadwatch::spread {
namespace {

/// Takes rates into what a price or premium is made of: they, and the oldest of them.
template <class Made>
void add_rate(Made& made, std::optional<Timestamp> updated, CurrencyPairSet rates) {
  if (!updated) return;
  if (!made.fx_updated || *updated < *made.fx_updated) made.fx_updated = updated;
  made.fx_rates |= rates;
}
template <class Made>
void add_rate(Made& made, const fx::Converter& converter, CurrencyPair pair) {
  add_rate(made, converter.rates().updated(pair),
           CurrencyPairSet{}.set(static_cast<std::size_t>(pair)));
}

/// A usable market's price.
struct Quote {
  const Market* market = nullptr;
  QuoteAmount mid;
  std::optional<UsdtAmount> usdt;
  std::optional<CurrencyPair> converted_at;
  bool quarantined = false;
};

/// Prices in one currency, rounded to what a record holds.
template <class Currency>
struct Prices {
  std::array<double, kVenueCount> values{};
  std::size_t count = 0;

  void add(Money<Currency> price) { values[count++] = static_cast<double>(price); }
  std::optional<Money<Currency>> median() {
    if (count == 0) return std::nullopt;
    return Money<Currency>{static_cast<Real>(fx::median({values.data(), count}))};
  }
};

/// The premium of one price over another, both as they are told. No price and no reason yet: no
/// market was there to give one.
template <class Currency>
void compare(std::optional<Money<Currency>> price, std::optional<Money<Currency>> over,
             PremiumValue& value) {
  if (price) value.price = static_cast<double>(*price);
  if (over) value.over_price = static_cast<double>(*over);
  if (price && over) {
    value.premium = static_cast<double>((*price - *over) / *over);
  } else if (value.reasons.empty()) {
    value.reasons.add(Reason::kBookNotSynced);
  }
}

void quarantine(std::span<Quote> quotes) {
  const auto differ = [](const Quote& a, const Quote& b) -> std::optional<bool> {
    if (a.market->instrument.quote == b.market->instrument.quote)
      return is_quarantined(a.mid, b.mid);
    if (a.usdt && b.usdt) return is_quarantined(*a.usdt, *b.usdt);
    return std::nullopt;
  };
  for (Quote& quote : quotes) {
    int compared = 0;
    int far = 0;
    for (const Quote& other : quotes) {
      if (&other == &quote) continue;
      const std::optional<bool> result = differ(quote, other);
      if (!result) continue;
      ++compared;
      if (*result) ++far;
    }
    quote.quarantined = far * 2 > compared;
  }
}

}  // namespace

std::array<RegionPrice, 3> region_prices(std::span<const Market* const> markets,
                                         const fx::Converter& converter) {
  std::array<RegionPrice, 3> regions;
  std::array<Quote, kVenueCount> storage;
  std::size_t count = 0;
  bool any_far = false;
  for (const Market* market : markets) {
    RegionPrice& region = regions[static_cast<std::size_t>(region_of(market->venue))];
    if (!market->proven) {
      region.reasons.add(Reason::kIdentityUnproven);
      continue;
    }
    if (!market->usable()) {
      region.reasons.add(market->unusable);
      continue;
    }
    Quote& quote = storage[count++];
    quote.market = market;
    quote.mid = market->mid();
    const fx::ConsensusRate& rate = converter.consensus(market->instrument.quote);
    if (rate.available()) {
      quote.usdt = rate.to_usdt_at_mid(quote.mid);
      quote.converted_at = rate.pair;
    } else {
      region.reasons.add(rate.reasons);
    }
    const Quote& first = storage.front();
    any_far = any_far || !first.usdt || !quote.usdt ||
              // Within the root of the limit of one price, any two are within the limit.
              is_quarantined(*first.usdt * 1.2L, *quote.usdt) ||
              is_quarantined(*first.usdt, *quote.usdt * 1.2L);
  }
  const std::span<Quote> quotes{storage.data(), count};
  if (any_far) quarantine(quotes);

  std::array<Prices<Usdt>, 3> usdt;
  std::array<Prices<QuoteCurrency>, 3> krw;
  for (const Quote& quote : quotes) {
    const auto r = static_cast<std::size_t>(region_of(quote.market->venue));
    RegionPrice& region = regions[r];
    const std::size_t venue = index_of(quote.market->venue);
    if (quote.quarantined) {
      region.reasons.add(Reason::kPriceRatioQuarantine);
      continue;
    }
    if (quote.usdt) {
      usdt[r].add(*quote.usdt);
      region.venues.set(venue);
      if (quote.converted_at) add_rate(region, converter, *quote.converted_at);
    }
    if (quote.market->instrument.quote == "KRW") {
      krw[r].add(quote.mid);
      region.krw_venues.set(venue);
    }
  }
  for (std::size_t r = 0; r < regions.size(); ++r) {
    regions[r].usdt = usdt[r].median();
    regions[r].krw = krw[r].median();
  }
  return regions;
}

PremiumValue premium_of(const std::array<RegionPrice, 3>& prices, Region region,
                        std::optional<Region> over, Basis basis, const fx::Converter& converter) {
  PremiumValue value;
  const auto by_bank = [&]() -> fx::BankConversion {
    fx::BankConversion bank = converter.bank();
    value.reasons.add(bank.reasons);
    if (bank.available()) {
      add_rate(value, converter, CurrencyPair::kUsdtUsd);
      add_rate(value, converter, CurrencyPair::kUsdKrw);
    }
    return bank;
  };

  if (basis == Basis::kUsdtPremium) {
    const fx::ConsensusRate& usdt_krw = converter.consensus("KRW");
    value.reasons.add(usdt_krw.reasons);
    add_rate(value, converter, CurrencyPair::kUsdtKrw);
    for (const RateSource& source : converter.rates().rate(CurrencyPair::kUsdtKrw).sources) {
      const std::optional<VenueId> venue = venue_from_name(source.name);
      if (source.used && venue) value.venues.set(index_of(*venue));
    }
    compare(usdt_krw.mid, by_bank().krw, value);
    return value;
  }
  const RegionPrice& here = prices[static_cast<std::size_t>(region)];
  const RegionPrice& there = prices[static_cast<std::size_t>(*over)];
  const bool in_krw = basis == Basis::kBank;
  value.venues = in_krw ? here.krw_venues : here.venues;
  value.over_venues = there.venues;
  if (!in_krw) add_rate(value, here.fx_updated, here.fx_rates);
  add_rate(value, there.fx_updated, there.fx_rates);
  if (in_krw ? !here.krw : !here.usdt) value.reasons.add(here.reasons);
  if (!there.usdt) value.reasons.add(there.reasons);
  if (in_krw) {
    const fx::BankConversion bank = by_bank();
    std::optional<QuoteAmount> over_price;
    if (there.usdt && bank.available()) over_price = bank.to_krw(*there.usdt);
    compare(here.krw, over_price, value);
  } else {
    compare(here.usdt, there.usdt, value);
  }
  return value;
}

}  // namespace spreadwatch::spread
