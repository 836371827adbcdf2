#include "spread/premium.h"

#include <algorithm>

namespace spreadwatch::spread {
namespace {

/// Takes rates into what a price or premium is made of: they, and the oldest of them.
template <class Made>
void note(Made& made, std::optional<Timestamp> updated, CurrencyPairSet rates) {
  if (!updated) return;
  if (!made.fx_updated || *updated < *made.fx_updated) made.fx_updated = updated;
  made.fx_rates |= rates;
}
template <class Made>
void note(Made& made, const fx::RateTable& rates, CurrencyPair pair) {
  note(made, rates.updated(pair), CurrencyPairSet{}.set(static_cast<std::size_t>(pair)));
}

/// A usable market's price.
struct Quote {
  const Market* market = nullptr;
  Real mid = 0;  // in the market's own currency
  std::optional<Real> usdt;
  std::optional<CurrencyPair> converted_at;
  bool quarantined = false;
};

struct Values {
  std::array<double, kVenueCount> values{};
  std::size_t count = 0;

  void add(Real value) { values[count++] = static_cast<double>(value); }
  std::optional<double> median() {
    if (count == 0) return std::nullopt;
    return fx::median({values.data(), count});
  }
};

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
                                         const fx::RateTable& rates) {
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
    if (market->instrument.quote == "USDT") {
      quote.usdt = quote.mid;
    } else {
      const CurrencyPair pair =
          market->instrument.quote == "KRW" ? CurrencyPair::kUsdtKrw : CurrencyPair::kUsdtUsd;
      const Rate& rate = rates.rate(pair);
      if (rate.ok()) {
        quote.usdt = quote.mid / static_cast<Real>(*rate.mid);
        quote.converted_at = pair;
      } else {
        region.reasons.add(rate.reasons);
      }
    }
    const Quote& first = storage.front();
    any_far = any_far || !first.usdt || !quote.usdt ||
              // Within the root of the limit of one price, any two are within the limit.
              is_quarantined(*first.usdt * 1.2L, *quote.usdt) ||
              is_quarantined(*first.usdt, *quote.usdt * 1.2L);
  }
  const std::span<Quote> quotes{storage.data(), count};
  if (any_far) quarantine(quotes);

  std::array<Values, 3> usdt;
  std::array<Values, 3> krw;
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
      if (quote.converted_at) note(region, rates, *quote.converted_at);
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
                        std::optional<Region> over, Basis basis, const fx::RateTable& rates) {
  PremiumValue value;
  const Rate& usdt_usd = rates.rate(CurrencyPair::kUsdtUsd);
  const Rate& bank = rates.rate(CurrencyPair::kUsdKrw);
  // KRW for one USDT, were it sold for dollars and those at a bank; nullopt, with the reasons,
  // without a rate.
  const auto by_bank = [&]() -> std::optional<Real> {
    value.reasons.add(usdt_usd.reasons);
    value.reasons.add(bank.reasons);
    if (!usdt_usd.ok() || !bank.ok()) return std::nullopt;
    note(value, rates, CurrencyPair::kUsdtUsd);
    note(value, rates, CurrencyPair::kUsdKrw);
    return static_cast<Real>(*usdt_usd.mid) * static_cast<Real>(*bank.mid);
  };

  std::optional<Real> over_price;
  if (basis == Basis::kUsdtPremium) {
    const Rate& usdt_krw = rates.rate(CurrencyPair::kUsdtKrw);
    value.price = usdt_krw.mid;
    value.reasons.add(usdt_krw.reasons);
    note(value, rates, CurrencyPair::kUsdtKrw);
    for (const RateSource& source : usdt_krw.sources) {
      const std::optional<VenueId> venue = venue_from_name(source.name);
      if (source.used && venue) value.venues.set(index_of(*venue));
    }
    over_price = by_bank();
  } else {
    const RegionPrice& here = prices[static_cast<std::size_t>(region)];
    const RegionPrice& there = prices[static_cast<std::size_t>(*over)];
    const bool in_krw = basis == Basis::kBank;
    value.price = in_krw ? here.krw : here.usdt;
    value.venues = in_krw ? here.krw_venues : here.venues;
    value.over_venues = there.venues;
    if (!in_krw) note(value, here.fx_updated, here.fx_rates);
    note(value, there.fx_updated, there.fx_rates);
    if (!value.price) value.reasons.add(here.reasons);
    if (!there.usdt) value.reasons.add(there.reasons);
    if (there.usdt) over_price = static_cast<Real>(*there.usdt);
    if (in_krw) {
      const std::optional<Real> krw = by_bank();
      over_price = over_price && krw ? std::optional{*over_price * *krw} : std::nullopt;
    }
  }
  if (over_price) value.over_price = static_cast<double>(*over_price);
  if (value.price && over_price) {
    const Real price = static_cast<Real>(*value.price);
    value.premium = static_cast<double>((price - *over_price) / *over_price);
  } else if (value.reasons.empty()) {
    value.reasons.add(Reason::kBookNotSynced);
  }
  return value;
}

}  // namespace spreadwatch::spread
