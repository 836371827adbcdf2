#pragma once

#include "core/event.h"

namespace spreadwatch::spread {

/// Receives what the engine finds out. References live only during the call.
class EventSink {
 public:
  virtual ~EventSink() = default;
  virtual void on_fx(const FxEvent& event) = 0;
  virtual void on_premium(const PremiumEvent& event) = 0;
  virtual void on_spread(const SpreadEvent& event) = 0;
  virtual void on_opportunity(const OpportunityEvent& event) = 0;
  /// A market is watched no more; see Engine::unwatch().
  virtual void on_removed(const MarketRemoved& /*event*/) {}
};

}  // namespace spreadwatch::spread
