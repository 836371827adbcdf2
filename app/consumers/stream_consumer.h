#pragma once

#include "api/broadcaster.h"
#include "core/event_consumer.h"

namespace spreadwatch::app {

/// Events to the clients of the API's stream; errors and books that must not be shown are not among
/// them. Threads: as EventConsumer.
class StreamConsumer final : public EventConsumer {
 public:
  /// `broadcaster` must outlive it.
  explicit StreamConsumer(api::Broadcaster& broadcaster) : broadcaster_(broadcaster) {}

  void on(const Event& event, const EncodedRecord& record, Timestamp now) override;

 private:
  api::Broadcaster& broadcaster_;
};

}  // namespace spreadwatch::app
