#include "metrics/ingest_metrics.h"

#include <algorithm>
#include <deque>
#include <mutex>
#include <string>
#include <unordered_map>
#include <utility>

#include "metrics/series.h"

namespace spreadwatch::metrics {
namespace {

using prometheus::Counter;
using prometheus::Gauge;
using prometheus::Histogram;

/// A counter for every error code and one for the case without an error.
class ByReason {
 public:
  ByReason(prometheus::Family<Counter>& family, const std::string& venue, const char* none) {
    for (std::size_t i = 0; i < kErrorCodeNames.size(); ++i) {
      counters_[i] = &family.Add({{"venue", venue}, {"reason", std::string{kErrorCodeNames[i]}}});
    }
    if (none != nullptr) counters_.back() = &family.Add({{"venue", venue}, {"reason", none}});
  }
  void increment(std::optional<ErrorCode> reason) {
    counters_[reason ? static_cast<std::size_t>(*reason) : counters_.size() - 1]->Increment();
  }

 private:
  std::array<Counter*, kErrorCodeNames.size() + 1> counters_{};
};

/// The values of the label `channel`, by Channel; the last is for what is of neither.
constexpr std::array<std::string_view, 3> kChannelLabels = {
    to_string(Channel::kTicker), to_string(Channel::kOrderBook), "other"};

/// A series for every channel.
template <class Metric>
std::array<Metric*, kChannelLabels.size()> by_channel(prometheus::Family<Metric>& family,
                                                      const std::string& venue) {
  std::array<Metric*, kChannelLabels.size()> all{};
  for (std::size_t i = 0; i < all.size(); ++i) {
    all[i] = &family.Add({{"venue", venue}, {"channel", std::string{kChannelLabels[i]}}});
  }
  return all;
}

}  // namespace

struct VenueMetrics::Series {
  Series(Registry& registry, VenueId id)
      : of(registry),
        venue(to_string(id)),
        connections(gauge(registry, "spreadwatch_ingest_connections", "Open connections.")),
        disconnections(counters(registry, "spreadwatch_ingest_disconnections_total",
                                "Connections that ended, by reason; requested = closed by us."),
                       venue, "requested"),
        reconnect_attempts(counter(registry, "spreadwatch_ingest_reconnect_attempts_total",
                                   "Connects tried again after a failure or a loss.")),
        renewals(counter(registry, "spreadwatch_ingest_renewals_total",
                         "Connections succeeded by a fresh one before the venue closed them.")),
        pongs_missed(counter(registry, "spreadwatch_ingest_pongs_missed_total",
                             "Pings that were not answered in time.")),
        stalls(
            counter(registry, "spreadwatch_ingest_stalls_total",
                    "Streams that fell silent while their connection was alive and were asked for "
                    "again.")),
        subscriptions(by_channel(gauges(registry, "spreadwatch_ingest_subscriptions",
                                        "Channels of instruments subscribed now."),
                                 venue)),
        frames(by_channel(counters(registry, "spreadwatch_ingest_frames_total",
                                   "Payloads received, over websocket and REST."),
                          venue)),
        bytes(by_channel(
            counters(registry, "spreadwatch_ingest_bytes_total", "Payload bytes received."),
            venue)),
        tickers(counters(registry, "spreadwatch_ingest_tickers_total",
                         "Tickers received, by symbol; other = symbols beyond the bound.")),
        other_tickers(tickers.Add({{"venue", venue}, {"symbol", "other"}})),
        decode_errors(counters(registry, "spreadwatch_ingest_decode_errors_total",
                               "Payloads or parts of them that could not be used, by reason."),
                      venue, nullptr),
        gaps(counter(registry, "spreadwatch_ingest_gaps_total",
                     "Sequence gaps noticed in order book streams.")),
        checksum_mismatches(counter(registry, "spreadwatch_ingest_checksum_mismatches_total",
                                    "Order books that differed from the venue's checksum.")),
        resyncs(counter(registry, "spreadwatch_ingest_resyncs_total",
                        "Order books synced again after a fault.")),
        duplicates(counter(registry, "spreadwatch_ingest_duplicates_total",
                           "Messages dropped because they had been seen.")),
        dropped_levels(counter(registry, "spreadwatch_ingest_dropped_levels_total",
                               "Order book levels of price zero, which are left out.")),
        unknown_topics(counter(registry, "spreadwatch_ingest_unknown_topics_total",
                               "Topics of the venue that are not read here, each counted once.")),
        venue_warnings(counter(registry, "spreadwatch_ingest_venue_warnings_total",
                               "Warnings of the venue beside data that counts.")),
        books_synced(gauge(registry, "spreadwatch_ingest_books_synced", "Synced order books.")),
        book_age(registry,
                 gauges(registry, "spreadwatch_ingest_book_age_seconds",
                        "Age of the least recently updated synced order book; absent when none "
                        "is synced."),
                 {{"venue", venue}}),
        book_last_update(gauge(registry, "spreadwatch_ingest_book_last_update_timestamp_seconds",
                               "Time of the last order book update; 0 = never.")),
        tickers_synced(gauge(registry, "spreadwatch_ingest_tickers_synced",
                             "Tickers that may be believed: over a live connection, or confirmed "
                             "over REST.")),
        ticker_age(registry,
                   gauges(registry, "spreadwatch_ingest_ticker_age_seconds",
                          "Age of the least recently received synced ticker; absent when none is "
                          "synced."),
                   {{"venue", venue}}),
        ticker_last_update(gauge(registry,
                                 "spreadwatch_ingest_ticker_last_update_timestamp_seconds",
                                 "Time of the last ticker; 0 = never.")),
        exchange_delay(histogram(registry, "spreadwatch_ingest_exchange_delay_seconds",
                                 "Exchange time to receive time.", wire_buckets())),
        excess_delay(histogram(registry, "spreadwatch_ingest_excess_delay_seconds",
                               "Exchange time to receive time of order books, beyond the venue's "
                               "clock offset.",
                               wire_buckets())),
        clock_offset(gauges(registry, "spreadwatch_ingest_clock_offset_seconds",
                            "Our clock minus the venue's, as estimated from the shortest exchange "
                            "delay of the last five to ten minutes; absent while no order book is "
                            "synced."),
                     {{"venue", venue}}),
        decode_latency(histogram(registry, "spreadwatch_ingest_decode_latency_seconds",
                                 "Receive to decoded.", stage_buckets())),
        book_latency(histogram(registry, "spreadwatch_ingest_book_latency_seconds",
                               "Receive to order book applied.", stage_buckets())),
        rest_fallback(gauge(registry, "spreadwatch_ingest_rest_fallback_active",
                            "1 while data comes over REST because the websocket is down.")),
        rest_fallback_instruments(gauge(registry, "spreadwatch_ingest_rest_fallback_instruments",
                                        "Instruments whose data comes over REST now.")),
        late_rest_answers(
            counter(registry, "spreadwatch_ingest_rest_late_answers_total",
                    "REST answers dropped because the websocket had delivered meanwhile.")),
        audit_mismatch_ratio(
            gauges(registry, "spreadwatch_ingest_audit_mismatch_ratio",
                   "Share of unequal ones among the last 100 order book comparisons that were "
                   "decided; absent before the first."),
            {{"venue", venue}}),
        rest_requests(counters(registry, "spreadwatch_ingest_rest_requests_total",
                               "REST requests that ended, by reason; ok = answered."),
                      venue, "ok") {
    for (std::size_t i = 0; i < audits.size(); ++i) {
      audits[i] = &counters(registry, "spreadwatch_ingest_audit_comparisons_total",
                            "Order books compared with a REST snapshot, by outcome.")
                       .Add({{"venue", venue}, {"outcome", std::string{kAuditOutcomeNames[i]}}});
    }
  }

  Counter& counter(Registry& registry, const char* name, const char* help) const {
    return counters(registry, name, help).Add({{"venue", venue}});
  }
  Gauge& gauge(Registry& registry, const char* name, const char* help) const {
    return gauges(registry, name, help).Add({{"venue", venue}});
  }
  Histogram& histogram(Registry& registry, const char* name, const char* help,
                       const Histogram::BucketBoundaries& buckets) const {
    return histograms(registry, name, help).Add({{"venue", venue}}, buckets);
  }

  const Registry& of;
  const std::string venue;
  Gauge& connections;
  ByReason disconnections;
  Counter& reconnect_attempts;
  Counter& renewals;
  Counter& pongs_missed;
  Counter& stalls;
  std::array<Gauge*, kChannelLabels.size()> subscriptions;
  std::array<Counter*, kChannelLabels.size()> frames;
  std::array<Counter*, kChannelLabels.size()> bytes;
  prometheus::Family<Counter>& tickers;
  Counter& other_tickers;
  std::mutex symbols_mutex;
  std::unordered_map<Instrument, Counter*> symbols;  // guarded by symbols_mutex
  ByReason decode_errors;
  Counter& gaps;
  Counter& checksum_mismatches;
  Counter& resyncs;
  Counter& duplicates;
  Counter& dropped_levels;
  Counter& unknown_topics;
  Counter& venue_warnings;
  Gauge& books_synced;
  AgeGauge book_age;
  Gauge& book_last_update;
  Gauge& tickers_synced;
  AgeGauge ticker_age;
  Gauge& ticker_last_update;
  Histogram& exchange_delay;
  Histogram& excess_delay;
  OptionalGauge clock_offset;
  Histogram& decode_latency;
  Histogram& book_latency;
  Gauge& rest_fallback;
  Gauge& rest_fallback_instruments;
  Counter& late_rest_answers;
  std::array<Counter*, kAuditOutcomeNames.size()> audits{};
  OptionalGauge audit_mismatch_ratio;
  std::mutex audit_mutex;
  std::deque<bool> audited;  // the last decided, true = unequal; guarded by audit_mutex
  ByReason rest_requests;
};

VenueMetrics::VenueMetrics(std::unique_ptr<Series> series) : series_(std::move(series)) {}

VenueMetrics::~VenueMetrics() = default;

void VenueMetrics::connected() { series_->connections.Increment(); }

void VenueMetrics::disconnected(std::optional<ErrorCode> reason) {
  series_->connections.Decrement();
  series_->disconnections.increment(reason);
}

void VenueMetrics::reconnect_attempt() { series_->reconnect_attempts.Increment(); }

void VenueMetrics::renewed() { series_->renewals.Increment(); }

void VenueMetrics::pong_missed() { series_->pongs_missed.Increment(); }

void VenueMetrics::stalled() { series_->stalls.Increment(); }

void VenueMetrics::set_subscriptions(Channel channel, std::size_t count) {
  series_->subscriptions[static_cast<std::size_t>(channel)]->Set(static_cast<double>(count));
}

void VenueMetrics::frame(std::optional<Channel> channel, std::size_t bytes) {
  const std::size_t at = channel ? static_cast<std::size_t>(*channel) : kChannelLabels.size() - 1;
  series_->frames[at]->Increment();
  series_->bytes[at]->Increment(static_cast<double>(bytes));
}

void VenueMetrics::ticker(const Instrument& instrument) {
  const std::lock_guard lock(series_->symbols_mutex);
  auto found = series_->symbols.find(instrument);
  if (found == series_->symbols.end()) {
    if (series_->symbols.size() >= kMaxSymbols) {
      series_->other_tickers.Increment();
      return;
    }
    Counter& counter =
        series_->tickers.Add({{"venue", series_->venue}, {"symbol", instrument.name()}});
    found = series_->symbols.emplace(instrument, &counter).first;
  }
  found->second->Increment();
}

void VenueMetrics::remove_symbol(const Instrument& instrument) {
  const std::lock_guard lock(series_->symbols_mutex);
  const auto found = series_->symbols.find(instrument);
  if (found == series_->symbols.end()) return;
  series_->tickers.Remove(found->second);
  series_->symbols.erase(found);
}

void VenueMetrics::decode_error(ErrorCode code) { series_->decode_errors.increment(code); }

void VenueMetrics::gap() { series_->gaps.Increment(); }

void VenueMetrics::checksum_mismatch() { series_->checksum_mismatches.Increment(); }

void VenueMetrics::resync() { series_->resyncs.Increment(); }

void VenueMetrics::duplicate() { series_->duplicates.Increment(); }

void VenueMetrics::dropped_levels(std::uint64_t count) {
  series_->dropped_levels.Increment(static_cast<double>(count));
}

void VenueMetrics::unknown_topics(std::uint64_t count) {
  series_->unknown_topics.Increment(static_cast<double>(count));
}

void VenueMetrics::venue_warnings(std::uint64_t count) {
  series_->venue_warnings.Increment(static_cast<double>(count));
}

void VenueMetrics::book_updated(Timestamp now) {
  series_->book_last_update.Set(to_seconds(series_->of.shown(now)));
}

void VenueMetrics::set_oldest_book(std::optional<Timestamp> updated) {
  series_->book_age.assign(updated);
}

void VenueMetrics::set_books_synced(std::size_t count) {
  series_->books_synced.Set(static_cast<double>(count));
}

void VenueMetrics::set_tickers(std::size_t synced, std::optional<Timestamp> oldest,
                               std::optional<Timestamp> newest) {
  series_->tickers_synced.Set(static_cast<double>(synced));
  series_->ticker_age.assign(oldest);
  if (newest) series_->ticker_last_update.Set(to_seconds(series_->of.shown(*newest)));
}

void VenueMetrics::exchange_delay(microseconds delay) {
  series_->exchange_delay.Observe(std::max(0.0, to_seconds(delay)));
}

void VenueMetrics::excess_delay(microseconds delay) {
  series_->excess_delay.Observe(to_seconds(delay));
}

void VenueMetrics::set_clock_offset(std::optional<microseconds> offset) {
  if (offset) {
    series_->clock_offset.set(to_seconds(*offset));
  } else {
    series_->clock_offset.clear();
  }
}

void VenueMetrics::decode_latency(std::chrono::nanoseconds latency) {
  series_->decode_latency.Observe(to_seconds(latency));
}

void VenueMetrics::book_latency(std::chrono::nanoseconds latency) {
  series_->book_latency.Observe(to_seconds(latency));
}

void VenueMetrics::set_rest_fallback(std::size_t instruments) {
  series_->rest_fallback.Set(instruments > 0 ? 1 : 0);
  series_->rest_fallback_instruments.Set(static_cast<double>(instruments));
}

void VenueMetrics::late_rest_answer() { series_->late_rest_answers.Increment(); }

void VenueMetrics::audit(AuditOutcome outcome) {
  series_->audits[static_cast<std::size_t>(outcome)]->Increment();
  if (outcome != AuditOutcome::kEqual && outcome != AuditOutcome::kUnequal) return;
  const std::lock_guard lock(series_->audit_mutex);
  std::deque<bool>& audited = series_->audited;
  audited.push_back(outcome == AuditOutcome::kUnequal);
  if (audited.size() > kAuditWindow) audited.pop_front();
  const auto unequal = std::count(audited.begin(), audited.end(), true);
  series_->audit_mismatch_ratio.set(static_cast<double>(unequal) /
                                    static_cast<double>(audited.size()));
}

void VenueMetrics::rest_request(std::optional<ErrorCode> reason) {
  series_->rest_requests.increment(reason);
}

struct IngestMetrics::State {
  explicit State(Registry& registry) {
    auto& family = counters(registry, "spreadwatch_ingest_state_errors_total",
                            "Reads and writes of the kept rate budgets that failed.");
    errors = {&family.Add({{"operation", "read"}}), &family.Add({{"operation", "write"}})};
  }
  std::array<Counter*, 2> errors{};
};

IngestMetrics::IngestMetrics(Registry& registry, std::span<const VenueId> venues)
    : registry_(registry), state_(std::make_unique<State>(registry)) {
  for (const VenueId id : venues) venue(id);
}

IngestMetrics::~IngestMetrics() = default;

void IngestMetrics::state_error(StateOperation operation) {
  state_->errors[static_cast<std::size_t>(operation)]->Increment();
}

VenueMetrics& IngestMetrics::venue(VenueId id) {
  const std::lock_guard lock(mutex_);
  std::unique_ptr<VenueMetrics>& metrics = venues_[index_of(id)];
  if (!metrics) {
    metrics = std::make_unique<VenueMetrics>(std::make_unique<VenueMetrics::Series>(registry_, id));
  }
  return *metrics;
}

}  // namespace spreadwatch::metrics
