#include "metrics/fx_metrics.h"

#include <array>
#include <mutex>
#include <string>
#include <vector>

#include "metrics/series.h"

namespace spreadwatch::metrics {
namespace {

using prometheus::Counter;
using prometheus::Gauge;

/// The series of one currency pair.
struct PairSeries {
  PairSeries(Registry& all, const std::string& pair, std::span<const std::string_view> reasons)
      : registry(all),
        bid(rate_family(registry), {{"pair", pair}, {"side", "bid"}}),
        ask(rate_family(registry), {{"pair", pair}, {"side", "ask"}}),
        mid(rate_family(registry), {{"pair", pair}, {"side", "mid"}}),
        age(registry,
            gauges(registry, "spreadwatch_fx_age_seconds",
                   "Age of the rate, that of its oldest source; absent while there is none."),
            {{"pair", pair}}),
        last_update(gauges(registry, "spreadwatch_fx_last_update_timestamp_seconds",
                           "Time of the last usable rate, that of its oldest source; 0 = never.")
                        .Add({{"pair", pair}})),
        sources_used(gauges(registry, "spreadwatch_fx_sources_used", "Sources behind the rate.")
                         .Add({{"pair", pair}})) {
    auto& family = counters(registry, "spreadwatch_fx_sources_excluded_total",
                            "Sources left out of a rate, by reason.");
    for (const std::string_view reason : reasons) {
      excluded.push_back(&family.Add({{"pair", pair}, {"reason", std::string{reason}}}));
    }
  }
  static prometheus::Family<Gauge>& rate_family(Registry& registry) {
    return gauges(registry, "spreadwatch_fx_rate",
                  "Rate: the second currency of the pair for one unit of the first; absent while "
                  "unavailable.");
  }

  Registry& registry;
  OptionalGauge bid;
  OptionalGauge ask;
  OptionalGauge mid;
  AgeGauge age;
  Gauge& last_update;
  Gauge& sources_used;
  std::vector<Counter*> excluded;
  std::mutex mutex;
  bool usable = false;  // guarded by mutex
};

void set_or_clear(OptionalGauge& gauge, std::optional<double> value) {
  if (value) {
    gauge.set(*value);
  } else {
    gauge.clear();
  }
}

}  // namespace

struct FxMetrics::Impl {
  std::vector<std::unique_ptr<PairSeries>> pairs;
  std::array<Counter*, kErrorCodeNames.size()> bank_errors{};
};

FxMetrics::FxMetrics(Registry& registry, std::span<const std::string_view> pairs,
                     std::span<const std::string_view> reasons)
    : impl_(std::make_unique<Impl>()) {
  for (const std::string_view pair : pairs) {
    impl_->pairs.push_back(std::make_unique<PairSeries>(registry, std::string{pair}, reasons));
  }
  auto& family = counters(registry, "spreadwatch_fx_bank_errors_total",
                          "Bank rates that could not be fetched or read, by reason.");
  for (std::size_t i = 0; i < kErrorCodeNames.size(); ++i) {
    impl_->bank_errors[i] = &family.Add({{"reason", std::string{kErrorCodeNames[i]}}});
  }
}

FxMetrics::~FxMetrics() = default;

void FxMetrics::set_rate(std::size_t pair, std::optional<double> bid, std::optional<double> ask,
                         double mid, Timestamp updated) {
  PairSeries& series = *impl_->pairs.at(pair);
  const std::lock_guard lock(series.mutex);
  set_or_clear(series.bid, bid);
  set_or_clear(series.ask, ask);
  series.mid.set(mid);
  series.age.since(updated);
  series.last_update.Set(to_seconds(series.registry.shown(updated)));
  series.usable = true;
}

void FxMetrics::clear_rate(std::size_t pair) {
  PairSeries& series = *impl_->pairs.at(pair);
  const std::lock_guard lock(series.mutex);
  series.bid.clear();
  series.ask.clear();
  series.mid.clear();
  series.age.clear();
  series.usable = false;
}

void FxMetrics::confirm(std::size_t pair, Timestamp updated) {
  PairSeries& series = *impl_->pairs.at(pair);
  const std::lock_guard lock(series.mutex);
  if (!series.usable) return;
  series.age.since(updated);
  series.last_update.Set(to_seconds(series.registry.shown(updated)));
}

void FxMetrics::set_sources_used(std::size_t pair, std::size_t count) {
  impl_->pairs.at(pair)->sources_used.Set(static_cast<double>(count));
}

void FxMetrics::bank_error(ErrorCode reason) {
  impl_->bank_errors[static_cast<std::size_t>(reason)]->Increment();
}

void FxMetrics::source_excluded(std::size_t pair, std::size_t reason) {
  impl_->pairs.at(pair)->excluded.at(reason)->Increment();
}

}  // namespace spreadwatch::metrics
