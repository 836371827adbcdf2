#include "spread/conversion.h"

#include <vector>

namespace spreadwatch::spread {
namespace {

std::vector<VenueId> korean_venues(const config::Settings& settings) {
  std::vector<VenueId> venues;
  for (const config::VenueSettings& venue : settings.venues) {
    if (region_of(venue.id) == Region::kKorea) venues.push_back(venue.id);
  }
  return venues;
}

}  // namespace

Conversion::Conversion(const config::Settings& settings, const MarketView& view)
    : settings_(settings), view_(view), rates_(settings.fx, korean_venues(settings)) {
  krw_.pair = CurrencyPair::kUsdtKrw;
  usd_.pair = CurrencyPair::kUsdtUsd;
  one_.assign_unlimited(1);
  assign(krw_, rates_.rate(krw_.pair));
  assign(usd_, rates_.rate(usd_.pair));
  for (const config::VenueSettings& venue : settings.venues) {
    ways_[index_of(venue.id)] = way_of(venue, {});
  }
}

void Conversion::set_quote(const Market& fx_market, Timestamp now) {
  fx::FxQuote quote;
  quote.unusable = fx_market.unusable;
  quote.updated = fx_market.updated.value_or(now);
  if (fx_market.usable()) {
    quote.bid = static_cast<double>(fx_market.bids.top());
    quote.ask = static_cast<double>(fx_market.asks.top());
  }
  rates_.set_quote(fx_market.venue, quote);
}

const Conversion::Currency* Conversion::currency(std::string_view quote) const {
  if (quote == "KRW") return &krw_;
  if (quote == "USD") return &usd_;
  return nullptr;
}

void Conversion::assign(Currency& currency, const Rate& rate) {
  currency.reasons = rate.reasons;
  currency.bid = rate.bid;
  currency.ask = rate.ask;
  currency.mid = rate.mid;
  const auto fill = [](DepthCurve& curve, const std::optional<double>& price) {
    if (price) {
      curve.assign_unlimited(static_cast<Real>(*price));
    } else {
      curve.clear();
    }
  };
  fill(currency.bid_curve, rate.bid);
  fill(currency.ask_curve, rate.ask);
  fill(currency.mid_curve, rate.mid);
}

/// True when the consensus is another than before.
bool Conversion::move(Currency& currency) {
  const Rate& rate = rates_.rate(currency.pair);
  const bool same = currency.reasons == rate.reasons && currency.bid == rate.bid &&
                    currency.ask == rate.ask && currency.mid == rate.mid;
  if (!same) assign(currency, rate);
  return !same;
}

Conversion::VenueFx Conversion::way_of(const config::VenueSettings& venue, Timestamp now) const {
  VenueFx out;
  if (venue.quote == "USDT") {
    out.ok = true;
    out.pay = out.receive = &one_;
    out.mid = 1;
    return out;
  }
  const Currency* const known = currency(venue.quote);
  if (known == nullptr) {
    out.reasons = Reason::kFxUnavailable;
    return out;
  }
  out.reasons = known->reasons;
  out.fee = static_cast<Real>(venue.fx_taker_fee.value_or(venue.taker_fee));
  if (const std::optional<std::size_t> own = view_.fx_market(venue.id)) {
    const Market& market = view_.market(*own);
    if (market.usable() && market.instrument.quote == venue.quote &&
        now - *market.updated <= settings_.fx.max_age) {
      out.ok = true;
      out.pay = &market.bids;
      out.receive = &market.asks;
      out.mid = market.mid();
      // Its numbers stand, as they are what one would get there; whether they are true does not.
      if (rates_.is_outlier(venue.id)) out.reasons.add(Reason::kFxDisagree);
      return out;
    }
  }
  if (known->mid && known->bid && known->ask) {
    out.ok = true;
    out.fallback = true;
    out.pay = &known->bid_curve;
    out.receive = &known->ask_curve;
    out.mid = static_cast<Real>(*known->mid);
  }
  return out;
}

Conversion::Changed Conversion::refresh(std::optional<VenueId> own, Timestamp now) {
  Changed changed;
  changed.rates = rates_.evaluate(now);
  expiry_ = rates_.next_expiry(now);
  changed.krw = move(krw_);
  changed.usd = move(usd_);
  for (const config::VenueSettings& venue : settings_.venues) {
    const std::size_t v = index_of(venue.id);
    const VenueFx before = ways_[v];
    ways_[v] = way_of(venue, now);
    const bool moved_under =
        ways_[v].fallback && (venue.quote == "KRW" ? changed.krw : changed.usd);
    changed.venues[v] = own == venue.id || moved_under || !before.same_way(ways_[v]);
  }
  return changed;
}

}  // namespace spreadwatch::spread
