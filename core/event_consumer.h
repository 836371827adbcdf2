#pragma once

#include <string>

#include "core/event.h"
#include "core/time.h"

namespace spreadwatch {

/// An event as the outside gets it: encoded once, whoever takes it. Its moments are times of day.
struct EncodedRecord {
  std::string key;
  std::string value;  ///< one JSON object
  std::string type;   ///< the record's `type`; `ce_type` is "spreadwatch." + type
  Timestamp time{};   ///< when it happened: `ce_time`
  std::string
      id;  ///< `ce_id`; empty = derived from topic, key and value, so the same on every replay

  bool empty() const { return value.empty(); }
};

/// One of those that are told what the engine found out: whatever reads the second seam is one. It
/// knows of no other. Threads: all calls come from one thread.
class EventConsumer {
 public:
  virtual ~EventConsumer() = default;

  /// Takes an event that leaves at `now`; must not block. `record` is empty for an order book that
  /// must not be shown, of which only the fact is told, else the event encoded. The event's own
  /// moments are those of the clock that ages are counted in. Both live only during the call.
  virtual void on(const Event& event, const EncodedRecord& record, Timestamp now) = 0;
  /// Comes now and then, whether or not there are events; must not block.
  virtual void tick(Timestamp /*now*/) {}
  /// Whether it takes what must outlive a stop: opportunities and errors still go to it when there
  /// is no time left for the rest.
  virtual bool lasting() const { return false; }
};

}  // namespace spreadwatch
