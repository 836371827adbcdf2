#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <variant>

#include "core/event_consumer.h"
#include "core/rate.h"

namespace spreadwatch::app {

/// Which rates are usable, for readiness. Threads: ok() any; the rest as EventConsumer.
class RatesConsumer final : public EventConsumer {
 public:
  void on(const Event& event, const EncodedRecord& /*record*/, Timestamp /*now*/) override {
    const auto* const fx = std::get_if<FxEvent>(&event);
    if (fx != nullptr) ok_[static_cast<std::size_t>(fx->rate.pair)] = fx->rate.ok();
  }
  /// `pair` by CurrencyPair.
  bool ok(std::size_t pair) const { return ok_[pair]; }

 private:
  std::array<std::atomic<bool>, kCurrencyPairCount> ok_{};
};

}  // namespace spreadwatch::app
