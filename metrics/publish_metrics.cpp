#include "metrics/publish_metrics.h"

#include <string>
#include <vector>

#include "metrics/series.h"

namespace spreadwatch::metrics {
namespace {

using prometheus::Counter;
using prometheus::Gauge;
using prometheus::Histogram;

/// What waits somewhere: how much, and for how long.
struct Backlog {
  Backlog(Registry& registry, const std::string& prefix, const std::string& where)
      : records(gauges(registry, prefix + "_records", "Records waiting " + where + ".").Add({})),
        bytes(gauges(registry, prefix + "_bytes", "Bytes of the records waiting " + where + ".")
                  .Add({})),
        age(registry,
            gauges(registry, prefix + "_age_seconds",
                   "Age of the oldest record waiting " + where + "; absent when none waits."),
            {}),
        owner(registry) {}
  void set(std::size_t record_count, std::size_t byte_count, std::optional<microseconds> oldest) {
    records.Set(static_cast<double>(record_count));
    bytes.Set(static_cast<double>(byte_count));
    age.assign(oldest ? std::optional{owner.now() - *oldest} : std::nullopt);
  }

  Gauge& records;
  Gauge& bytes;
  AgeGauge age;
  const Registry& owner;
};

std::vector<Counter*> by_topic(prometheus::Family<Counter>& family,
                               std::span<const std::string_view> topics) {
  std::vector<Counter*> all;
  for (const std::string_view topic : topics) {
    all.push_back(&family.Add({{"topic", std::string{topic}}}));
  }
  return all;
}

}  // namespace

struct PublishMetrics::Impl {
  Impl(Registry& registry, std::span<const std::string_view> topics)
      : delivered(by_topic(counters(registry, "spreadwatch_publish_delivered_total",
                                    "Records the broker acknowledged."),
                           topics)),
        failed(by_topic(counters(registry, "spreadwatch_publish_failed_total",
                                 "Records that could not be delivered."),
                        topics)),
        refused(by_topic(counters(registry, "spreadwatch_publish_refused_total",
                                  "Records the broker refused and that are tried again."),
                         topics)),
        dropped(by_topic(counters(registry, "spreadwatch_publish_dropped_total",
                                  "Records dropped because the local queue was full."),
                         topics)),
        conflated(by_topic(counters(registry, "spreadwatch_publish_conflated_total",
                                    "Records merged into a later one of the same key."),
                           topics)),
        delivery(histograms(registry, "spreadwatch_publish_delivery_seconds",
                            "Hand-over of a record to the broker's acknowledgement.")
                     .Add({}, wire_buckets())),
        latency(histograms(registry, "spreadwatch_publish_latency_seconds",
                           "Receive of the data to the hand-over of the record made from it.")
                    .Add({}, stage_buckets())),
        queue(registry, "spreadwatch_publish_queue", "in memory for the broker"),
        outbox(registry, "spreadwatch_publish_outbox", "on disk for the broker"),
        connected(gauges(registry, "spreadwatch_publish_connected",
                         "1 while a Kafka broker can be reached.")
                      .Add({})),
        delivering(gauges(registry, "spreadwatch_publish_delivering",
                          "1 while everything published gets acknowledged, or nothing waits.")
                       .Add({})) {}

  std::vector<Counter*> delivered;
  std::vector<Counter*> failed;
  std::vector<Counter*> refused;
  std::vector<Counter*> dropped;
  std::vector<Counter*> conflated;
  Histogram& delivery;
  Histogram& latency;
  Backlog queue;
  Backlog outbox;
  Gauge& connected;
  Gauge& delivering;
};

PublishMetrics::PublishMetrics(Registry& registry, std::span<const std::string_view> topics)
    : impl_(std::make_unique<Impl>(registry, topics)) {}

PublishMetrics::~PublishMetrics() = default;

void PublishMetrics::delivered(std::size_t topic, std::chrono::microseconds latency) {
  impl_->delivered.at(topic)->Increment();
  impl_->delivery.Observe(to_seconds(latency));
}

void PublishMetrics::failed(std::size_t topic) { impl_->failed.at(topic)->Increment(); }

void PublishMetrics::refused(std::size_t topic) { impl_->refused.at(topic)->Increment(); }

void PublishMetrics::dropped(std::size_t topic) { impl_->dropped.at(topic)->Increment(); }

void PublishMetrics::conflated(std::size_t topic, std::size_t count) {
  impl_->conflated.at(topic)->Increment(static_cast<double>(count));
}

void PublishMetrics::latency(std::chrono::nanoseconds latency) {
  impl_->latency.Observe(to_seconds(latency));
}

void PublishMetrics::set_queue(std::size_t records, std::size_t bytes,
                               std::optional<microseconds> oldest_age) {
  impl_->queue.set(records, bytes, oldest_age);
}

void PublishMetrics::set_outbox(std::size_t records, std::size_t bytes,
                                std::optional<microseconds> oldest_age) {
  impl_->outbox.set(records, bytes, oldest_age);
}

void PublishMetrics::set_connected(bool connected) { impl_->connected.Set(connected ? 1 : 0); }

void PublishMetrics::set_delivering(bool delivering) { impl_->delivering.Set(delivering ? 1 : 0); }

}  // namespace spreadwatch::metrics
