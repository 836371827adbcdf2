#pragma once

// Private to this folder: the broker's topics, as they must be before a record goes to them.

#include <array>
#include <chrono>
#include <cstdint>
#include <string>
#include <vector>

#include "publish/kafka_client.h"
#include "publish/topics.h"

namespace spreadwatch::publish {

/// Looks whether the topics are there with their partitions, and makes it so.
///
/// Missing topics are created. One with fewer partitions than needed is given more when that moves
/// nothing that is in it: it is empty, or it was complete before in this run and so was made anew
/// under it, with nothing of ours in it but what is in its right partition already. Otherwise it is
/// for a person to decide, and its records wait: a venue's records never go to another venue's
/// partition. At the start any existing topic with too few is an error. Threads: one at a time.
class TopicKeeper {
 public:
  struct Topic {
    bool ready = false;
    int partitions = 0;   ///< when ready: what keys are spread over
    std::string problem;  ///< why it will not become ready by itself; empty = it is, or may
  };

  explicit TopicKeeper(const Topics& topics) : topics_(&topics) {}

  /// One look, with what follows from it. False when no broker answered within `patience`; what
  /// follows may take 2 s more, less when `give_up` says so. `producer` has handles of the topics.
  bool look(rd_kafka_t* producer, std::chrono::milliseconds patience, const GiveUp& give_up);
  /// As look(), repeated until all topics are ready or 5 s have passed. Throws std::runtime_error
  /// when an existing topic has too few partitions (naming topic and counts) or one cannot be
  /// created.
  bool prepare_at_start(rd_kafka_t* producer, std::chrono::milliseconds patience);

  const Topic& operator[](TopicId id) const { return all_[index_of(id)]; }
  bool complete() const;
  /// Something is not ready but will be soon: it is new, or has no leader yet.
  bool unsettled() const;

 private:
  enum class Phase : std::uint8_t { kStart, kRunning };
  bool look(rd_kafka_t* producer, std::chrono::milliseconds patience, const GiveUp& give_up,
            Phase phase);
  bool may_widen(rd_kafka_t* producer, TopicId id, int partitions, const GiveUp& give_up) const;

  const Topics* topics_;
  std::array<Topic, kTopicCount> all_;
  std::array<bool, kTopicCount> was_complete_{};
};

}  // namespace spreadwatch::publish
