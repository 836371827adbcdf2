#include "spread/premium.h"

#include <algorithm>

namespace spreadwatch::spread {
namespace {

std::optional<microseconds> older(std::optional<microseconds> a, std::optional<microseconds> b) {
  if (!a || !b) return a ? a : b;
  return std::max(*a, *b);
}

/// A usable market's price in USDT; nullopt, with the rate's reasons added, when there is no rate.
std::optional<double> usdt_price(const Market& market, const fx::RateTable& rates, RegionPrice& region) {
  if (market.instrument.quote == "USDT") return market.book.mid();
  const fx::Rate& rate =
      rates.rate(market.instrument.quote == "KRW" ? fx::Pair::kUsdtKrw : fx::Pair::kUsdtUsd);
  if (!rate.ok()) {
    region.reasons.add(rate.reasons);
    return std::nullopt;
  }
  region.fx_age = older(region.fx_age, rate.age);
  return market.book.mid() / *rate.mid;
}

}  // namespace

std::array<RegionPrice, 3> region_prices(std::span<const Market* const> markets,
                                         const fx::RateTable& rates) {
  struct Quote {
    const Market* market;
    std::optional<double> usdt;
    bool quarantined = false;
  };
  std::array<RegionPrice, 3> regions;
  std::vector<Quote> quotes;
  std::vector<double> converted;
  for (const Market* market : markets) {
    RegionPrice& region = regions[static_cast<std::size_t>(region_of(market->venue))];
    if (!market->proven) {
      region.reasons.add(Reason::kIdentityUnproven);
    } else if (!market->usable()) {
      region.reasons.add(market->unusable);
    } else {
      quotes.push_back({market, usdt_price(*market, rates, region)});
      if (quotes.back().usdt) converted.push_back(*quotes.back().usdt);
    }
  }
  if (!converted.empty()) {
    const double middle = fx::median(std::move(converted));
    for (Quote& quote : quotes) {
      if (!quote.usdt) continue;
      const double ratio = *quote.usdt / middle;
      quote.quarantined = ratio > kMaxPriceRatio || ratio < 1 / kMaxPriceRatio;
    }
  }
  std::array<std::vector<double>, 3> usdt;
  std::array<std::vector<double>, 3> krw;
  for (const Quote& quote : quotes) {
    const auto r = static_cast<std::size_t>(region_of(quote.market->venue));
    if (quote.quarantined) {
      regions[r].reasons.add(Reason::kPriceRatioQuarantine);
      continue;
    }
    if (quote.usdt) {
      usdt[r].push_back(*quote.usdt);
      regions[r].venues.push_back(quote.market->venue);
    }
    if (quote.market->instrument.quote == "KRW") {
      krw[r].push_back(quote.market->book.mid());
      regions[r].krw_venues.push_back(quote.market->venue);
    }
  }
  for (std::size_t r = 0; r < regions.size(); ++r) {
    if (!usdt[r].empty()) regions[r].usdt = fx::median(std::move(usdt[r]));
    if (!krw[r].empty()) regions[r].krw = fx::median(std::move(krw[r]));
  }
  return regions;
}

PremiumEvent premium_of(const std::array<RegionPrice, 3>& prices, Region region,
                        std::optional<Region> over, Basis basis, const fx::RateTable& rates) {
  PremiumEvent event{.asset = {},
                     .region = region,
                     .over = over,
                     .basis = basis,
                     .reasons = {},
                     .currency = basis == Basis::kUsdt ? "USDT" : "KRW",
                     .venues = {},
                     .over_venues = {}};
  const fx::Rate& usdt_usd = rates.rate(fx::Pair::kUsdtUsd);
  const fx::Rate& bank = rates.rate(fx::Pair::kUsdKrw);
  const auto need_bank = [&] {
    event.fx_age = older(event.fx_age, older(usdt_usd.age, bank.age));
    event.reasons.add(usdt_usd.reasons);
    event.reasons.add(bank.reasons);
  };

  if (basis == Basis::kUsdtPremium) {
    const fx::Rate& usdt_krw = rates.rate(fx::Pair::kUsdtKrw);
    event.price = usdt_krw.mid;
    event.reasons.add(usdt_krw.reasons);
    event.fx_age = usdt_krw.age;
    for (const fx::RateSource& source : usdt_krw.sources) {
      if (source.used) event.venues.push_back(*venue_from_name(source.name));
    }
    need_bank();
    if (usdt_usd.ok() && bank.ok()) event.over_price = *usdt_usd.mid * *bank.mid;
  } else {
    const RegionPrice& here = prices[static_cast<std::size_t>(region)];
    const RegionPrice& there = prices[static_cast<std::size_t>(*over)];
    const bool in_krw = basis == Basis::kBank;
    event.price = in_krw ? here.krw : here.usdt;
    event.venues = in_krw ? here.krw_venues : here.venues;
    event.over_price = there.usdt;
    event.over_venues = there.venues;
    event.fx_age = older(in_krw ? std::nullopt : here.fx_age, there.fx_age);
    if (!event.price) event.reasons.add(here.reasons);
    if (!event.over_price) event.reasons.add(there.reasons);
    if (in_krw) {
      need_bank();
      if (event.over_price && usdt_usd.ok() && bank.ok()) {
        *event.over_price *= *usdt_usd.mid * *bank.mid;
      } else {
        event.over_price.reset();
      }
    }
  }
  if (event.price && event.over_price) {
    event.premium = *event.price / *event.over_price - 1;
  } else if (event.reasons.empty()) {
    event.reasons.add(Reason::kBookNotSynced);
  }
  return event;
}

}  // namespace spreadwatch::spread
