#include "fx/rate_table.h"

#include <algorithm>
#include <cassert>
#include <cmath>
#include <utility>

#include "fx/bank_rate.h"

namespace spreadwatch::fx {
namespace {

/// How far the bank rate may be off USDT/KRW ÷ USDT/USD.
constexpr double kMaxOffMarket = 0.2;

constexpr bool tells_dollars(const VenueIdentity& venue) { return venue.fx_quote == "USD"; }
static_assert(std::ranges::count_if(kVenues, tells_dollars) == 1,
              "USDT/USD is one venue's book: of two there would have to be a consensus");
constexpr VenueId kUsdSource = std::ranges::find_if(kVenues, tells_dollars)->id;

/// A source has one reason; of a book's several the first of the closed list.
Reason first_reason(Reasons reasons) {
  std::optional<Reason> first;
  reasons.for_each([&first](Reason r) {
    if (!first) first = r;
  });
  return *first;
}

/// What a rate is made of, on the stack.
struct Values {
  std::array<double, kVenueCount> values{};
  std::size_t count = 0;

  void add(double value) { values[count++] = value; }
  double median() { return fx::median({values.data(), count}); }
};

/// Fills in what a venue's book says now: numbers, age, and why it cannot be judged.
void read_source(const std::optional<FxQuote>& quote, Timestamp now, milliseconds max_age,
                 RateSource& source) {
  source.bid.reset();
  source.ask.reset();
  source.mid.reset();
  source.age.reset();
  source.used = false;
  source.reason.reset();
  if (!quote) {
    source.reason = Reason::kBookNotSynced;
    return;
  }
  source.age = now - quote->updated;
  if (!quote->unusable.empty()) {
    source.reason = first_reason(quote->unusable);
    return;
  }
  source.bid = quote->bid;
  source.ask = quote->ask;
  source.mid = (quote->bid + quote->ask) / 2;
  if (*source.age > max_age) source.reason = Reason::kFxStale;
}

bool is_old(const std::optional<FxQuote>& quote, const RateSource& source) {
  return source.reason == Reason::kFxStale ||
         (quote && quote->unusable.contains(Reason::kStaleLeg));
}

void clear_value(Rate& rate) {
  rate.reasons = {};
  rate.bid.reset();
  rate.ask.reset();
  rate.mid.reset();
  rate.age.reset();
}

}  // namespace

double median(std::span<double> values) {
  assert(!values.empty());
  std::ranges::sort(values);
  const std::size_t middle = values.size() / 2;
  if (values.size() % 2 == 1) return values[middle];
  return (values[middle - 1] + values[middle]) / 2;
}

RateTable::RateTable(const config::FxSettings& settings, std::vector<VenueId> krw_venues)
    : settings_(settings), krw_venues_(std::move(krw_venues)), bank_quotes_(settings.bank.size()) {
  for (std::size_t i = 0; i < kCurrencyPairCount; ++i)
    rates_[i].pair = static_cast<CurrencyPair>(i);
  const auto add = [this](CurrencyPair pair, std::string_view name, Reason reason) {
    RateSource& source = rates_[static_cast<std::size_t>(pair)].sources.emplace_back();
    source.name = name;
    source.reason = reason;
  };
  for (const VenueId venue : krw_venues_) {
    add(CurrencyPair::kUsdtKrw, to_string(venue), Reason::kBookNotSynced);
  }
  add(CurrencyPair::kUsdtUsd, to_string(kUsdSource), Reason::kBookNotSynced);
  for (const config::BankSettings& source : settings_.bank) {
    add(CurrencyPair::kUsdKrw, source.name, Reason::kFxUnavailable);
  }
  scratch_ = rates_;
  evaluate({});
}

void RateTable::set_quote(VenueId venue, const FxQuote& quote) { quotes_[index_of(venue)] = quote; }

void RateTable::set_bank(const BankQuote& quote) {
  if (!is_possible_bank_rate(quote.rate)) return;
  for (std::size_t i = 0; i < settings_.bank.size(); ++i) {
    if (settings_.bank[i].name == quote.source) bank_quotes_[i] = quote;
  }
}

std::array<bool, kCurrencyPairCount> RateTable::evaluate(Timestamp now) {
  evaluated_ = now;
  consensus(now, scratch_[0]);
  usdt_usd(now, scratch_[1]);
  bank(now, scratch_[0], scratch_[1], scratch_[2]);
  std::array<bool, kCurrencyPairCount> changed{};
  for (std::size_t i = 0; i < kCurrencyPairCount; ++i) {
    changed[i] = !scratch_[i].same_value(rates_[i]);
    std::swap(scratch_[i], rates_[i]);
  }
  return changed;
}

std::optional<Timestamp> RateTable::updated(CurrencyPair pair) const {
  const std::optional<microseconds> age = rate(pair).age;
  if (!age) return std::nullopt;
  return evaluated_ - *age;
}

/// Leaves those of `kept_` out, with the reason, that are too far from the others: one at a time,
/// the farthest first, since each one that goes moves the median.
void RateTable::exclude_outliers(std::vector<RateSource>& sources) {
  const auto exclude = [&](std::size_t place) {
    sources[kept_[place]].reason = Reason::kFxDisagree;
    kept_.erase(kept_.begin() + static_cast<std::ptrdiff_t>(place));
  };
  while (kept_.size() >= 3) {
    const double middle = median_of_kept(sources);
    std::size_t farthest = 0;
    double distance = -1;
    for (std::size_t i = 0; i < kept_.size(); ++i) {
      const double off = std::abs(*sources[kept_[i]].mid - middle);
      if (off > distance) {
        distance = off;
        farthest = i;
      }
    }
    if (distance <= settings_.max_deviation * middle) return;
    exclude(farthest);
  }
  if (kept_.size() == 2) {
    const double a = *sources[kept_[0]].mid;
    const double b = *sources[kept_[1]].mid;
    if (std::abs(a - b) > settings_.max_deviation * (a + b) / 2) {
      exclude(1);
      exclude(0);
    }
  }
}

double RateTable::median_of_kept(const std::vector<RateSource>& sources) {
  values_.clear();
  for (const std::size_t i : kept_) values_.push_back(*sources[i].mid);
  return median(values_);
}

void RateTable::consensus(Timestamp now, Rate& rate) {
  clear_value(rate);
  kept_.clear();
  bool any_old = false;
  for (std::size_t i = 0; i < krw_venues_.size(); ++i) {
    const std::optional<FxQuote>& quote = quotes_[index_of(krw_venues_[i])];
    RateSource& source = rate.sources[i];
    read_source(quote, now, settings_.max_age, source);
    any_old = any_old || is_old(quote, source);
    if (!source.reason) kept_.push_back(i);
  }
  const std::size_t judged_count = kept_.size();
  exclude_outliers(rate.sources);
  for (std::size_t i = 0; i < krw_venues_.size(); ++i) {
    const std::size_t v = index_of(krw_venues_[i]);
    const bool outlier = rate.sources[i].reason == Reason::kFxDisagree;
    if (outlier && !was_outlier_[v]) ++outliers_[v];
    was_outlier_[v] = outlier;
  }

  if (judged_count > 0 && kept_.size() * 2 <= judged_count) {
    rate.reasons.add(Reason::kFxDisagree);
  } else if (kept_.empty() || kept_.size() < static_cast<std::size_t>(settings_.quorum)) {
    rate.reasons.add(Reason::kFxQuorum);
    if (any_old) rate.reasons.add(Reason::kFxStale);
  }
  if (!rate.reasons.empty()) return;

  Values bids;
  Values asks;
  for (const std::size_t i : kept_) {
    RateSource& source = rate.sources[i];
    source.used = true;
    bids.add(*source.bid);
    asks.add(*source.ask);
    rate.age = std::max(rate.age.value_or(microseconds::min()), *source.age);
  }
  rate.bid = bids.median();
  rate.ask = asks.median();
  rate.mid = median_of_kept(rate.sources);
}

void RateTable::usdt_usd(Timestamp now, Rate& rate) const {
  clear_value(rate);
  const std::optional<FxQuote>& quote = quotes_[index_of(kUsdSource)];
  RateSource& source = rate.sources.front();
  read_source(quote, now, settings_.max_age, source);
  if (source.reason) {
    rate.reasons.add(is_old(quote, source) ? Reason::kFxStale : Reason::kFxUnavailable);
    return;
  }
  source.used = true;
  rate.bid = source.bid;
  rate.ask = source.ask;
  rate.mid = source.mid;
  rate.age = source.age;
}

void RateTable::bank(Timestamp now, const Rate& usdt_krw, const Rate& usdt_usd, Rate& rate) {
  clear_value(rate);
  kept_.clear();
  bool any_old = false;
  for (std::size_t i = 0; i < settings_.bank.size(); ++i) {
    RateSource& source = rate.sources[i];
    source.used = false;
    source.reason.reset();
    if (!bank_quotes_[i]) {
      source.reason = Reason::kFxUnavailable;
      continue;
    }
    source.mid = bank_quotes_[i]->rate;
    source.age = now - bank_quotes_[i]->time;
    if (*source.age > settings_.bank[i].max_age) {
      source.reason = Reason::kFxStale;
      any_old = true;
    } else {
      kept_.push_back(i);
    }
  }
  if (kept_.empty()) {
    rate.reasons.add(any_old ? Reason::kFxStale : Reason::kFxUnavailable);
    return;
  }
  const std::size_t judged_count = kept_.size();
  exclude_outliers(rate.sources);
  if (kept_.size() * 2 <= judged_count) {
    rate.reasons.add(Reason::kFxDisagree);
    return;
  }
  const double middle = median_of_kept(rate.sources);
  if (usdt_krw.ok() && usdt_usd.ok()) {
    // However many banks say so: a premium of USDT itself beyond that has never been seen, while
    // wrong units, wrong fields and dead sources have.
    const double by_market = *usdt_krw.mid / *usdt_usd.mid;
    if (!(std::abs(middle - by_market) <= kMaxOffMarket * by_market)) {
      for (const std::size_t i : kept_) rate.sources[i].reason = Reason::kFxDisagree;
      rate.reasons.add(Reason::kFxDisagree);
      return;
    }
  }
  for (const std::size_t i : kept_) {
    rate.sources[i].used = true;
    rate.age = std::max(rate.age.value_or(microseconds::min()), *rate.sources[i].age);
  }
  rate.mid = middle;
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
  for (std::size_t i = 0; i < bank_quotes_.size(); ++i) {
    if (bank_quotes_[i]) consider(bank_quotes_[i]->time, settings_.bank[i].max_age);
  }
  return next;
}

}  // namespace spreadwatch::fx
