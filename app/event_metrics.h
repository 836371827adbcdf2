#pragma once

#include <cstddef>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>

#include "core/event.h"
#include "core/time.h"
#include "fx/rate_table.h"
#include "metrics/fx_metrics.h"
#include "metrics/publish_metrics.h"
#include "metrics/spread_metrics.h"
#include "spread/engine.h"

namespace spreadwatch::app {

/// Keeps the metrics true that follow from what the engine says.
/// Threads: on_event(), on_restored() and forget() one at a time; on_rates() and on_counts()
/// likewise, at the same time as those.
class EventMetrics {
 public:
  /// All must outlive it.
  EventMetrics(metrics::FxMetrics& fx, metrics::SpreadMetrics& spread,
               metrics::PublishMetrics& publish)
      : fx_(fx), spread_(spread), publish_(publish) {}

  /// An event leaves at `now`.
  void on_event(const Event& event, Timestamp now);
  /// An opportunity that the run before left open, by its last event.
  void on_restored(const OpportunityEvent& last);
  /// The asset is no longer watched: its series go. REQUIRES: no event of it comes afterwards, or
  /// it is watched again.
  void forget(std::string_view asset);

  /// The rates were judged again: they may have become younger without another value.
  void on_rates(const fx::RateTable& rates);
  void on_counts(const spread::Engine::Counts& counts);

 private:
  using Best = metrics::SpreadMetrics::Best;
  struct Row {
    std::string asset;
    VenueId buy{};
    VenueId sell{};
    std::optional<Best> best;  // while it is tradable
  };

  void on(const Ticker& ticker, Timestamp now);
  void on(const OrderBook& book, Timestamp now);
  void on(const FeedError&, Timestamp) {}
  void on(const FxEvent& event, Timestamp now);
  void on(const PremiumEvent& event, Timestamp now);
  void on(const SpreadEvent& event, Timestamp now);
  void on(const OpportunityEvent& event, Timestamp now);
  void on(const MarketRemoved& event, Timestamp now);
  void delivered_late_by(std::optional<Timestamp> received, Timestamp now);
  void update_best(const SpreadEvent& event, Timestamp now);
  void set_best(const std::string& asset, Timestamp now);

  metrics::FxMetrics& fx_;
  metrics::SpreadMetrics& spread_;
  metrics::PublishMetrics& publish_;
  std::map<std::string, Row> rows_;  // by pair; the rows of one asset stand together
  std::map<std::string, std::size_t, std::less<>> open_;  // opportunities, by asset
};

}  // namespace spreadwatch::app
