#pragma once

#include <string>

#include "core/time.h"
#include "publish/topics.h"

namespace spreadwatch::publish {

/// One record on its way to a topic.
struct KafkaRecord {
  TopicId topic{};
  int partition = kPartitionByKey;  ///< explicit for venue topics, else kPartitionByKey
  std::string key;
  std::string value;  ///< one JSON object
  std::string type;   ///< the record's `type`; `ce_type` is "spreadwatch." + type
  Timestamp time{};   ///< when it happened: `ce_time`
  std::string
      id;  ///< `ce_id`; empty = derived from topic, key and value, so the same on every replay
};

}  // namespace spreadwatch::publish
