#pragma once

#include <array>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "core/venue.h"
#include "metrics/alert_metrics.h"
#include "metrics/capture_metrics.h"
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

namespace spreadwatch::metrics {

inline constexpr std::array<VenueId, kVenueCount> kAllVenues = [] {
  std::array<VenueId, kVenueCount> all{};
  for (const VenueIdentity& venue : kVenues) all[index_of(venue.id)] = venue.id;
  return all;
}();
inline constexpr std::array<std::string_view, 3> kPairs = {"USDT/KRW", "USDT/USD", "USD/KRW"};
inline constexpr std::array<std::string_view, 2> kExclusions = {"stale", "outlier"};
inline constexpr std::array<std::string_view, 2> kTopics = {"ticker.korea", "opportunity"};
inline constexpr std::array<std::string_view, 2> kStages = {"spread", "publish"};
inline constexpr std::array<std::string_view, 2> kServers = {"api", "metrics"};
inline constexpr std::array<std::string_view, 1> kRules = {"premium_high"};
inline constexpr std::array<std::string_view, 1> kSinks = {"webhook"};

/// Stands where a test puts it.
class SetClock final : public Clock {
 public:
  Timestamp now() const override { return time; }
  Timestamp time = timestamp_from_ms(1'700'000'000'250);
};

/// Every component's series in one registry, as the program has them.
struct FullRegistry {
  explicit FullRegistry(std::vector<std::string> names = {"BTC", "ETH"})
      : assets(std::move(names)) {}

  SetClock clock;
  Registry registry{clock};
  std::vector<std::string> assets;
  IngestMetrics ingest{registry, kAllVenues};
  CaptureMetrics capture{registry};
  ServiceMetrics service{registry, kStages};
  FxMetrics fx{registry, kPairs, kExclusions};
  SpreadMetrics spread{registry, assets};
  PublishMetrics publish{registry, kTopics};
  QueueMetrics queues{registry, kStages};
  HistoryMetrics history{registry};
  HttpMetrics http{registry, kServers};
  LogMetrics log{registry};
  AlertMetrics alerts{registry, kRules, kSinks};
};

}  // namespace spreadwatch::metrics
