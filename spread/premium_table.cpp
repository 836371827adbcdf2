#include "spread/premium_table.h"

#include <algorithm>

namespace spreadwatch::spread {
namespace {

/// The premiums of an asset, in the order of its slots.
struct PremiumKind {
  Region region;
  Region over;
  Basis basis;
};
constexpr std::array<PremiumKind, 5> kPremiumKinds = {
    {{Region::kKorea, Region::kAsia, Basis::kUsdt},
     {Region::kKorea, Region::kEurope, Basis::kUsdt},
     {Region::kAsia, Region::kEurope, Basis::kUsdt},
     {Region::kKorea, Region::kAsia, Basis::kBank},
     {Region::kKorea, Region::kEurope, Basis::kBank}}};

/// Slots of one region pair on both bases: `usdt`, `bank`.
constexpr std::array<std::array<std::size_t, 2>, 2> kTwoBases = {{{0, 3}, {1, 4}}};

/// Opposite signs: dear by one rate, cheap by the other.
std::optional<bool> disagree(const std::optional<double>& a, const std::optional<double>& b) {
  if (!a || !b) return std::nullopt;
  return (*a > 0 && *b < 0) || (*a < 0 && *b > 0);
}

void list_venues(const VenueSet& set, std::vector<VenueId>& out) {
  out.clear();
  for (const VenueIdentity& venue : kVenues) {
    if (set.test(index_of(venue.id))) out.push_back(venue.id);
  }
}

}  // namespace

std::vector<MarketRemoved::Premium> PremiumTable::compute(std::size_t asset, std::string_view name,
                                                          std::span<const Market* const> markets,
                                                          const fx::Converter& converter,
                                                          Timestamp now) {
  if (asset >= slots_.size()) slots_.resize(asset + 1);
  std::array<const Market*, kVenueCount> proven{};
  std::array<bool, 3> present{};
  std::size_t count = 0;
  for (const Market* const market : markets) {
    if (!market->proven) continue;
    present[static_cast<std::size_t>(region_of(market->venue))] = true;
    proven[count++] = market;
  }
  const auto prices = region_prices({proven.data(), count}, converter);
  std::array<std::optional<PremiumValue>, kPremiumKinds.size()> values;
  for (std::size_t i = 0; i < kPremiumKinds.size(); ++i) {
    const PremiumKind& kind = kPremiumKinds[i];
    if (!present[static_cast<std::size_t>(kind.region)] ||
        !present[static_cast<std::size_t>(kind.over)]) {
      continue;
    }
    if (kind.basis == Basis::kBank && !banks_) continue;
    values[i] = premium_of(prices, kind.region, kind.over, kind.basis, converter);
  }
  for (const auto& [usdt, bank] : kTwoBases) {
    if (!values[usdt] || !values[bank]) continue;
    values[usdt]->bases_disagree = values[bank]->bases_disagree =
        disagree(values[usdt]->premium, values[bank]->premium);
  }
  std::vector<MarketRemoved::Premium> gone;
  for (std::size_t i = 0; i < kPremiumKinds.size(); ++i) {
    const PremiumKind& kind = kPremiumKinds[i];
    std::optional<std::size_t>& slot = slots_[asset][i];
    if (values[i]) {
      set(slot, name, kind.region, kind.over, kind.basis, *values[i], now);
    } else if (slot) {
      if (premiums_[*slot].has_emitted) gone.push_back({kind.region, kind.over, kind.basis});
      remove(*slot);
      slot.reset();
    }
  }
  return gone;
}

void PremiumTable::remove(std::size_t index) {
  premiums_[index] = {};
  std::erase(dirty_, index);
  free_.push_back(index);
}

void PremiumTable::compute_usdt(const fx::Converter& converter, Timestamp now) {
  if (!banks_) return;
  set(usdt_, "USDT", Region::kKorea, std::nullopt, Basis::kUsdtPremium,
      premium_of({}, Region::kKorea, std::nullopt, Basis::kUsdtPremium, converter), now);
}

void PremiumTable::set(std::optional<std::size_t>& slot, std::string_view asset, Region region,
                       std::optional<Region> over, Basis basis, const PremiumValue& value,
                       Timestamp now) {
  const bool fresh = !slot;
  if (fresh) {
    if (free_.empty()) {
      slot = premiums_.size();
      premiums_.emplace_back();
    } else {
      slot = free_.back();
      free_.pop_back();
    }
    Premium& added = premiums_[*slot];
    added.asset = asset;
    added.region = region;
    added.over = over;
    added.basis = basis;
  }
  Premium& premium = premiums_[*slot];
  if (!fresh && value.same_value(premium.value)) {
    premium.value.fx_updated = value.fx_updated;
    premium.value.fx_rates = value.fx_rates;
    return;
  }
  premium.past.hold(value.premium, now);
  premium.value = value;
  premium.time = now;
  if (value.premium) {
    if (!premium.first) premium.first = value.premium;
    premium.high = std::max(premium.high.value_or(*value.premium), *value.premium);
    premium.low = std::min(premium.low.value_or(*value.premium), *value.premium);
  }
  if (!premium.dirty) {
    premium.dirty = true;
    dirty_.push_back(*slot);
  }
}

void PremiumTable::flush(EventSink& sink) {
  std::ranges::sort(dirty_);
  for (const std::size_t index : dirty_) emit(premiums_[index], sink);
  dirty_.clear();
}

void PremiumTable::emit(Premium& premium, EventSink& sink) {
  premium.dirty = false;
  // The extremes count as well: a value that went away and came back within the period is a change.
  const bool same = premium.has_emitted && premium.value.same_value(premium.emitted_value) &&
                    premium.high == premium.value.premium && premium.low == premium.value.premium;
  if (!same) {
    premium.has_emitted = true;
    premium.emitted_value = premium.value;
    const PremiumValue& value = premium.value;
    PremiumEvent& event = premium.emitted;
    event.asset = premium.asset;
    event.region = premium.region;
    event.over = premium.over;
    event.basis = premium.basis;
    event.time = premium.time;
    event.reasons = value.premium ? Reasons{} : value.reasons;
    event.premium = value.premium;
    event.first = premium.first;
    event.high = premium.high;
    event.low = premium.low;
    event.currency = premium.basis == Basis::kUsdt ? "USDT" : "KRW";
    event.price = value.price;
    event.over_price = value.over_price;
    list_venues(value.venues, event.venues);
    list_venues(value.over_venues, event.over_venues);
    event.fx_age = age_of(value.fx_updated, premium.time);
    event.fx_rates = value.fx_rates;
    event.bases_disagree = value.bases_disagree;
    for (std::size_t i = 0; i < event.percentiles.size(); ++i) {
      event.percentiles[i] = value.premium
                                 ? premium.past.percentile(static_cast<Window>(i), *value.premium)
                                 : std::nullopt;
    }
    sink.on_premium(event);
  }
  premium.first.reset();
  premium.high.reset();
  premium.low.reset();
}

void PremiumTable::for_each(std::size_t asset,
                            const std::function<void(const PremiumEvent&)>& visit) const {
  if (asset >= slots_.size()) return;
  for (const std::optional<std::size_t>& slot : slots_[asset]) {
    if (slot && premiums_[*slot].has_emitted) visit(premiums_[*slot].emitted);
  }
}

void PremiumTable::for_each_usdt(const std::function<void(const PremiumEvent&)>& visit) const {
  if (usdt_ && premiums_[*usdt_].has_emitted) visit(premiums_[*usdt_].emitted);
}

}  // namespace spreadwatch::spread
