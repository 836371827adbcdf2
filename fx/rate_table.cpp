#include "fx/rate_table.h"

#include <algorithm>
#include <cassert>
#include <cmath>

namespace spreadwatch::fx {
namespace {

/// Why a source whose book is not usable is left out: too old is the rate's own reason.
Reason first_reason(Reasons reasons) {
  std::optional<Reason> first;
  reasons.for_each([&first](Reason r) {
    if (!first) first = r;
  });
  return *first;
}

}  // namespace

double median(std::vector<double> values) {
  assert(!values.empty());
  const auto middle = values.begin() + static_cast<std::ptrdiff_t>(values.size() / 2);
  std::ranges::nth_element(values, middle);
  if (values.size() % 2 == 1) return *middle;
  const double below = *std::max_element(values.begin(), middle);
  return (below + *middle) / 2;
}

bool Rate::same_value(const Rate& other) const {
  return pair == other.pair && reasons == other.reasons && bid == other.bid && ask == other.ask &&
         mid == other.mid &&
         std::ranges::equal(sources, other.sources, [](const RateSource& a, const RateSource& b) {
           return a.same_value(b);
         });
}

RateTable::RateTable(const config::FxSettings& settings, std::vector<VenueId> krw_venues)
    : settings_(settings), krw_venues_(std::move(krw_venues)) {
  for (std::size_t i = 0; i < kPairCount; ++i) rates_[i].pair = static_cast<Pair>(i);
}

void RateTable::set_quote(VenueId venue, const FxQuote& quote) { quotes_[index_of(venue)] = quote; }

void RateTable::set_bank(const BankQuote& quote) {
  const bool configured = std::ranges::any_of(
      settings_.bank, [&quote](const config::BankSettings& b) { return b.name == quote.source; });
  if (configured) bank_quotes_[quote.source] = quote;
}

std::array<bool, kPairCount> RateTable::evaluate(Timestamp now) {
  std::array<Rate, kPairCount> fresh = {consensus(now), usdt_usd(now), bank(now)};
  std::array<bool, kPairCount> changed{};
  for (std::size_t i = 0; i < kPairCount; ++i) {
    changed[i] = !fresh[i].same_value(rates_[i]);
    rates_[i] = std::move(fresh[i]);
  }
  return changed;
}

Rate RateTable::consensus(Timestamp now) {
  Rate rate{.pair = Pair::kUsdtKrw, .reasons = {}, .sources = {}};
  std::vector<std::size_t> judged;  // positions in rate.sources
  std::vector<VenueId> venues;
  for (const VenueId venue : krw_venues_) {
    const std::optional<FxQuote>& quote = quotes_[index_of(venue)];
    RateSource source{.name = std::string{to_string(venue)}, .reason = {}};
    if (!quote) {
      source.reason = Reason::kBookNotSynced;
    } else if (!quote->unusable.empty()) {
      source.reason = first_reason(quote->unusable);
    } else {
      source.bid = quote->bid;
      source.ask = quote->ask;
      source.mid = (quote->bid + quote->ask) / 2;
      source.age = now - quote->updated;
      if (*source.age > settings_.max_age) source.reason = Reason::kFxStale;
    }
    venues.push_back(venue);
    rate.sources.push_back(std::move(source));
    if (!rate.sources.back().reason) judged.push_back(rate.sources.size() - 1);
  }

  // Outliers go one at a time, the farthest first, since each one that goes moves the median.
  std::vector<std::size_t> kept = judged;
  const auto mid_of = [&rate](std::size_t i) { return *rate.sources[i].mid; };
  std::array<bool, kVenueCount> outlier{};
  const auto exclude = [&](std::size_t source) {
    rate.sources[source].reason = Reason::kFxDisagree;
    outlier[index_of(venues[source])] = true;
  };
  while (kept.size() >= 3) {
    std::vector<double> mids;
    for (const std::size_t i : kept) mids.push_back(mid_of(i));
    const double middle = median(mids);
    const auto farthest = std::ranges::max_element(
        kept, {}, [&](std::size_t i) { return std::abs(mid_of(i) - middle); });
    if (std::abs(mid_of(*farthest) - middle) <= settings_.max_deviation * middle) break;
    exclude(*farthest);
    kept.erase(farthest);
  }
  if (kept.size() == 2) {
    const double a = mid_of(kept[0]);
    const double b = mid_of(kept[1]);
    if (std::abs(a - b) > settings_.max_deviation * (a + b) / 2) {
      for (const std::size_t i : kept) exclude(i);
      kept.clear();
    }
  }
  for (const VenueId venue : krw_venues_) {
    const std::size_t v = index_of(venue);
    if (outlier[v] && !was_outlier_[v]) ++outliers_[v];
  }
  was_outlier_ = outlier;

  if (!judged.empty() && kept.size() * 2 <= judged.size()) {
    rate.reasons.add(Reason::kFxDisagree);
  } else if (kept.size() < static_cast<std::size_t>(settings_.quorum)) {
    rate.reasons.add(Reason::kFxQuorum);
  }
  if (!rate.reasons.empty()) return rate;

  std::vector<double> bids;
  std::vector<double> asks;
  std::vector<double> mids;
  for (const std::size_t i : kept) {
    RateSource& source = rate.sources[i];
    source.used = true;
    bids.push_back(*source.bid);
    asks.push_back(*source.ask);
    mids.push_back(*source.mid);
    rate.age = std::max(rate.age.value_or(microseconds{0}), *source.age);
  }
  rate.bid = median(std::move(bids));
  rate.ask = median(std::move(asks));
  rate.mid = median(std::move(mids));
  return rate;
}

Rate RateTable::usdt_usd(Timestamp now) const {
  Rate rate{.pair = Pair::kUsdtUsd, .reasons = {}, .sources = {}};
  const std::optional<FxQuote>& quote = quotes_[index_of(VenueId::kKraken)];
  RateSource source{.name = std::string{to_string(VenueId::kKraken)}, .reason = {}};
  if (!quote) {
    source.reason = Reason::kBookNotSynced;
    rate.reasons.add(Reason::kFxUnavailable);
  } else if (!quote->unusable.empty()) {
    source.reason = first_reason(quote->unusable);
    rate.reasons.add(quote->unusable.contains(Reason::kStaleLeg) ? Reason::kFxStale
                                                                 : Reason::kFxUnavailable);
  } else {
    source.bid = quote->bid;
    source.ask = quote->ask;
    source.mid = (quote->bid + quote->ask) / 2;
    source.age = now - quote->updated;
    if (*source.age > settings_.max_age) {
      source.reason = Reason::kFxStale;
      rate.reasons.add(Reason::kFxStale);
    } else {
      source.used = true;
      rate.bid = source.bid;
      rate.ask = source.ask;
      rate.mid = source.mid;
      rate.age = source.age;
    }
  }
  rate.sources.push_back(std::move(source));
  return rate;
}

Rate RateTable::bank(Timestamp now) const {
  Rate rate{.pair = Pair::kUsdKrw, .reasons = {}, .sources = {}};
  std::vector<double> fresh;
  bool any_old = false;
  for (const config::BankSettings& settings : settings_.bank) {
    RateSource source{.name = settings.name, .reason = {}};
    const auto quote = bank_quotes_.find(settings.name);
    if (quote == bank_quotes_.end()) {
      source.reason = Reason::kFxUnavailable;
    } else {
      source.mid = quote->second.rate;
      source.age = now - quote->second.time;
      if (*source.age > settings.max_age) {
        source.reason = Reason::kFxStale;
        any_old = true;
      } else {
        source.used = true;
        fresh.push_back(quote->second.rate);
        rate.age = std::max(rate.age.value_or(microseconds{0}), *source.age);
      }
    }
    rate.sources.push_back(std::move(source));
  }
  if (fresh.empty()) {
    rate.reasons.add(any_old ? Reason::kFxStale : Reason::kFxUnavailable);
  } else {
    rate.mid = median(std::move(fresh));
  }
  return rate;
}

std::optional<Timestamp> RateTable::next_expiry(Timestamp now) const {
  // A source is too old once its age exceeds the limit: the first moment is one microsecond later.
  std::optional<Timestamp> next;
  const auto consider = [&](Timestamp updated, milliseconds max_age) {
    const Timestamp expiry = updated + max_age + microseconds{1};
    if (expiry > now && (!next || expiry < *next)) next = expiry;
  };
  for (const std::optional<FxQuote>& quote : quotes_) {
    if (quote && quote->unusable.empty()) consider(quote->updated, settings_.max_age);
  }
  for (const config::BankSettings& settings : settings_.bank) {
    const auto quote = bank_quotes_.find(settings.name);
    if (quote != bank_quotes_.end()) consider(quote->second.time, settings.max_age);
  }
  return next;
}

}  // namespace spreadwatch::fx
