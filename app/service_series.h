#pragma once

#include <array>
#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "app/event_metrics.h"
#include "app/stages.h"
#include "config/settings.h"
#include "core/rate.h"
#include "core/reason.h"
#include "core/time.h"
#include "metrics/fx_metrics.h"
#include "metrics/history_metrics.h"
#include "metrics/http_metrics.h"
#include "metrics/ingest_metrics.h"
#include "metrics/log_metrics.h"
#include "metrics/publish_metrics.h"
#include "metrics/queue_metrics.h"
#include "metrics/registry.h"
#include "metrics/service_metrics.h"
#include "metrics/spread_metrics.h"
#include "publish/topics.h"

namespace spreadwatch::app {

// The positions in the lists that the metrics are made from.
inline constexpr std::size_t kSpreadStage = 0;
inline constexpr std::size_t kPublishStage = 1;
inline constexpr std::array<std::string_view, 2> kQueueStages = {"spread", "publish"};
inline constexpr std::size_t kApiServer = 0;
inline constexpr std::size_t kMetricsServer = 1;
inline constexpr std::array<std::string_view, 2> kServers = {"api", "metrics"};

/// Every series of a running service. What the configuration names has its series from the start;
/// what comes later gets them when it is first seen. Threads: as each.
struct ServiceSeries {
  /// `clock` must outlive it.
  ServiceSeries(const config::Settings& settings, const Clock& clock)
      : registry(clock),
        ingest(registry, venues_of(settings)),
        fx(registry, kCurrencyPairNames, kReasonNames),
        spread(registry, assets_of(settings)),
        publish(registry, publish::kTopicNames),
        history(registry),
        queues(registry, kQueueStages),
        service(registry, kStageNames),
        http(registry, kServers),
        log(registry),
        events(fx, spread, publish) {}

  metrics::Registry registry;
  metrics::IngestMetrics ingest;
  metrics::FxMetrics fx;
  metrics::SpreadMetrics spread;
  metrics::PublishMetrics publish;
  metrics::HistoryMetrics history;
  metrics::QueueMetrics queues;
  metrics::ServiceMetrics service;
  metrics::HttpMetrics http;
  metrics::LogMetrics log;
  EventMetrics events;

 private:
  static std::vector<VenueId> venues_of(const config::Settings& settings) {
    std::vector<VenueId> ids;
    for (const config::VenueSettings& venue : settings.venues) ids.push_back(venue.id);
    return ids;
  }
  static std::vector<std::string> assets_of(const config::Settings& settings) {
    std::vector<std::string> assets = settings.assets;
    assets.emplace_back("USDT");
    return assets;
  }
};

}  // namespace spreadwatch::app
