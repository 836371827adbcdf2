#pragma once

#include <type_traits>
#include <variant>

#include "api/store.h"
#include "core/event_consumer.h"

namespace spreadwatch::app {

/// Events to what the API answers from. Threads: as EventConsumer.
class StoreConsumer final : public EventConsumer {
 public:
  /// `store` must outlive it.
  explicit StoreConsumer(api::Store& store) : store_(store) {}

  void on(const Event& event, const EncodedRecord& /*record*/, Timestamp /*now*/) override {
    std::visit(
        [this]<class T>(const T& e) {
          if constexpr (!std::is_same_v<T, FeedError>) store_.update(e);
        },
        event);
  }

 private:
  api::Store& store_;
};

}  // namespace spreadwatch::app
