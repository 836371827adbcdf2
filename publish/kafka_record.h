#pragma once

#include "core/event_consumer.h"
#include "publish/topics.h"

namespace spreadwatch::publish {

/// One record on its way to a topic.
struct KafkaRecord : EncodedRecord {
  TopicId topic{};
  int partition = kPartitionByKey;  ///< explicit for venue topics, else kPartitionByKey
};

}  // namespace spreadwatch::publish
