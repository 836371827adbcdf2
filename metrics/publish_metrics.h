#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string_view>

#include "core/time.h"
#include "metrics/registry.h"

namespace spreadwatch::metrics {

/// The `spreadwatch_publish_*` series: what became of each record on its way to Kafka, and the
/// durable outbox. Threads: any.
class PublishMetrics {
 public:
  /// `topics` are the values of the `topic` label, without the configured prefix; positions in the
  /// list are the `topic` argument of the calls below.
  PublishMetrics(Registry& registry, std::span<const std::string_view> topics);
  ~PublishMetrics();
  PublishMetrics(const PublishMetrics&) = delete;
  PublishMetrics& operator=(const PublishMetrics&) = delete;

  /// The broker acknowledged the record `latency` after it was handed over.
  void delivered(std::size_t topic, std::chrono::microseconds latency);
  /// The broker refused the record for good.
  void failed(std::size_t topic);
  /// The broker refused the record, which is kept to be tried again.
  void refused(std::size_t topic);
  /// The record was given up because the local queue was full.
  void dropped(std::size_t topic);
  /// The record was merged into a later one of the same key.
  void conflated(std::size_t topic, std::size_t count = 1);
  /// Receive of the data to the hand-over of the record made from it.
  void latency(std::chrono::nanoseconds latency);

  /// Records and bytes that wait for the broker, and the age of the oldest (nullopt = none waits).
  void set_queue(std::size_t records, std::size_t bytes, std::optional<microseconds> oldest_age);
  /// The same for the durable outbox on disk.
  void set_outbox(std::size_t records, std::size_t bytes, std::optional<microseconds> oldest_age);
  /// Whether a broker can be reached.
  void set_connected(bool connected);
  /// Whether all that is published gets acknowledged.
  void set_delivering(bool delivering);

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace spreadwatch::metrics
