#include "fx/converter.h"

#include <vector>

namespace spreadwatch::fx {
namespace {

std::vector<VenueId> krw_sources(const config::Settings& settings) {
  std::vector<VenueId> venues;
  for (const config::VenueSettings& venue : settings.venues) {
    if (identity(venue.id).fx_quote == "KRW") venues.push_back(venue.id);
  }
  return venues;
}

std::optional<QuoteAmount> amount_of(const std::optional<double>& price) {
  return price ? std::optional{QuoteAmount{static_cast<Real>(*price)}} : std::nullopt;
}

}  // namespace

Converter::Converter(const config::Settings& settings)
    : settings_(settings), rates_(settings.fx, krw_sources(settings)) {
  krw_.pair = CurrencyPair::kUsdtKrw;
  usd_.pair = CurrencyPair::kUsdtUsd;
  assign(krw_, rates_.rate(*krw_.pair));
  assign(usd_, rates_.rate(*usd_.pair));
  usdt_.bid = usdt_.ask = usdt_.mid = QuoteAmount{1};
  for (DepthCurve* const curve : {&usdt_.bid_curve, &usdt_.ask_curve, &usdt_.mid_curve}) {
    curve->assign_unlimited(QuoteAmount{1});
  }
  unknown_.reasons = Reason::kFxUnavailable;
  for (const config::VenueSettings& venue : settings.venues) {
    venues_[index_of(venue.id)] = conversion_at(venue, {});
  }
}

BankConversion Converter::bank() const {
  const Rate& usdt_usd = rates_.rate(CurrencyPair::kUsdtUsd);
  const Rate& usd_krw = rates_.rate(CurrencyPair::kUsdKrw);
  BankConversion out;
  out.reasons = usdt_usd.reasons;
  out.reasons.add(usd_krw.reasons);
  if (usdt_usd.ok() && usd_krw.ok()) {
    out.krw = QuoteAmount{static_cast<Real>(*usdt_usd.mid) * static_cast<Real>(*usd_krw.mid)};
  }
  return out;
}

void Converter::assign(ConsensusRate& consensus, const Rate& rate) {
  consensus.reasons = rate.reasons;
  consensus.bid = amount_of(rate.bid);
  consensus.ask = amount_of(rate.ask);
  consensus.mid = amount_of(rate.mid);
  const auto fill = [](DepthCurve& curve, const std::optional<QuoteAmount>& price) {
    if (price) {
      curve.assign_unlimited(*price);
    } else {
      curve.clear();
    }
  };
  fill(consensus.bid_curve, consensus.bid);
  fill(consensus.ask_curve, consensus.ask);
  fill(consensus.mid_curve, consensus.mid);
}

/// True when the consensus is another than before.
bool Converter::update(ConsensusRate& consensus) {
  const Rate& rate = rates_.rate(*consensus.pair);
  const bool same = consensus.reasons == rate.reasons && consensus.bid == amount_of(rate.bid) &&
                    consensus.ask == amount_of(rate.ask) && consensus.mid == amount_of(rate.mid);
  if (!same) assign(consensus, rate);
  return !same;
}

VenueConversion Converter::conversion_at(const config::VenueSettings& venue, Timestamp now) const {
  VenueConversion out;
  const ConsensusRate& consensus_rate = consensus(venue.quote);
  if (&consensus_rate == &usdt_) {
    out.available = true;
    out.usdt_bids = &usdt_.bid_curve;
    out.usdt_asks = &usdt_.ask_curve;
    out.mid = *usdt_.mid;
    return out;
  }
  out.reasons = consensus_rate.reasons;
  out.fee = static_cast<Real>(venue.fx_taker_fee.value_or(venue.taker_fee));
  const MarketBook& own = books_[index_of(venue.id)];
  if (own.usable() && own.instrument.quote == venue.quote &&
      now - *own.updated <= settings_.fx.max_age) {
    out.available = true;
    out.usdt_bids = &own.bids;
    out.usdt_asks = &own.asks;
    out.mid = own.mid();
    out.updated = own.updated;
    // Its numbers stand, as they are what one would get there; whether they are true does not.
    if (rates_.is_outlier(venue.id)) out.reasons.add(Reason::kFxDisagree);
    return out;
  }
  if (consensus_rate.mid && consensus_rate.bid && consensus_rate.ask) {
    out.available = true;
    out.at_consensus = true;
    out.usdt_bids = &consensus_rate.bid_curve;
    out.usdt_asks = &consensus_rate.ask_curve;
    out.mid = *consensus_rate.mid;
    out.updated = rates_.updated(*consensus_rate.pair);
  }
  return out;
}

Converter::Changed Converter::set_book(const MarketBook& fx_market, Timestamp now) {
  books_[index_of(fx_market.venue)] = fx_market;
  FxQuote quote;
  quote.unusable = fx_market.unusable;
  quote.updated = fx_market.updated.value_or(now);
  if (fx_market.usable()) {
    quote.bid = static_cast<double>(fx_market.bids.top());
    quote.ask = static_cast<double>(fx_market.asks.top());
  }
  rates_.set_quote(fx_market.venue, quote);
  return refresh(fx_market.venue, now);
}

Converter::Changed Converter::set_bank(const BankQuote& quote, Timestamp now) {
  rates_.set_bank(quote);
  return refresh(std::nullopt, now);
}

/// Judges the rates again, since the FX book of `own` or a bank said something or time has passed.
Converter::Changed Converter::refresh(std::optional<VenueId> own, Timestamp now) {
  Changed changed;
  changed.rates = rates_.evaluate(now);
  expiry_ = rates_.next_expiry(now);
  changed.krw = update(krw_);
  changed.usd = update(usd_);
  for (const config::VenueSettings& venue : settings_.venues) {
    VenueConversion& current = venues_[index_of(venue.id)];
    const VenueConversion before = current;
    current = conversion_at(venue, now);
    const bool consensus_moved =
        current.at_consensus && (venue.quote == "KRW" ? changed.krw : changed.usd);
    changed.venues[index_of(venue.id)] =
        own == venue.id || consensus_moved || !before.same_terms(current);
  }
  return changed;
}

}  // namespace spreadwatch::fx
