#include "publish/topic_keeper.h"

#include <spdlog/spdlog.h>

#include <algorithm>
#include <stdexcept>
#include <thread>

namespace spreadwatch::publish {
namespace {

using std::chrono::milliseconds;
using std::chrono::steady_clock;

constexpr milliseconds kPrepareWithin{5000};
constexpr milliseconds kAdminWithin{1000};
constexpr milliseconds kOffsetsWithin{500};
/// A topic shows in the metadata a moment after it was created.
constexpr milliseconds kAskAgain{50};

std::string too_few(int partitions, int needed) {
  return "has " + std::to_string(partitions) + " partitions and needs " + std::to_string(needed);
}

}  // namespace

bool TopicKeeper::complete() const { return std::ranges::all_of(all_, &Topic::ready); }

bool TopicKeeper::unsettled() const {
  return std::ranges::any_of(
      all_, [](const Topic& topic) { return !topic.ready && topic.problem.empty(); });
}

bool TopicKeeper::may_widen(rd_kafka_t* producer, TopicId id, int partitions,
                            const GiveUp& give_up) const {
  if (was_complete_[index_of(id)]) return true;
  return is_empty(producer, topics_->name(id), partitions, kOffsetsWithin, give_up).value_or(false);
}

bool TopicKeeper::look(rd_kafka_t* producer, milliseconds patience, const GiveUp& give_up) {
  return look(producer, patience, give_up, Phase::kRunning);
}

bool TopicKeeper::look(rd_kafka_t* producer, milliseconds patience, const GiveUp& give_up,
                       Phase phase) {
  const std::optional<TopicLooks> looks = look_at_topics(producer, *topics_, patience);
  if (!looks) return false;
  std::vector<TopicId> missing;
  std::vector<TopicId> narrow;
  for (const TopicIdentity& wanted : kTopics) {
    const TopicLook& found = (*looks)[index_of(wanted.id)];
    Topic& topic = all_[index_of(wanted.id)];
    topic.ready = false;
    switch (found.is) {
      case TopicLook::Is::kThere:
        if (found.partitions >= wanted.partitions) {
          topic = {true, found.partitions, {}};
          was_complete_[index_of(wanted.id)] = true;
          break;
        }
        if (phase == Phase::kStart) {
          throw std::runtime_error("kafka: topic " + topics_->name(wanted.id) + " " +
                                   too_few(found.partitions, wanted.partitions) +
                                   ": add partitions, or choose another kafka.prefix");
        }
        if (may_widen(producer, wanted.id, found.partitions, give_up)) {
          narrow.push_back(wanted.id);
        } else {
          topic.problem = too_few(found.partitions, wanted.partitions) +
                          " and is not empty: add partitions, its records wait";
        }
        break;
      case TopicLook::Is::kMissing:
        topic.problem.clear();
        missing.push_back(wanted.id);
        break;
      case TopicLook::Is::kNotReady:
        break;
      case TopicLook::Is::kRefused:
        topic.problem = found.why;
        break;
    }
  }
  if (!missing.empty()) {
    if (phase == Phase::kRunning) {
      for (const TopicId id : missing) {
        spdlog::warn("kafka: topic {} is not there (any more); it is created", topics_->name(id));
      }
    }
    for (const auto& [id, why] :
         create_topics(producer, *topics_, missing, kAdminWithin, give_up)) {
      all_[index_of(id)].problem = "cannot be created: " + why;
      if (phase == Phase::kStart) {
        throw std::runtime_error("kafka: topic " + topics_->name(id) +
                                 " cannot be created: " + why);
      }
    }
  }
  if (!narrow.empty()) {
    for (const TopicId id : narrow) {
      const int found = (*looks)[index_of(id)].partitions;
      spdlog::error("kafka: topic {} was made anew by another: it {}; partitions are added",
                    topics_->name(id), too_few(found, identity(id).partitions));
      all_[index_of(id)].problem = too_few(found, identity(id).partitions);
    }
    for (const auto& [id, why] :
         add_partitions(producer, *topics_, narrow, kAdminWithin, give_up)) {
      all_[index_of(id)].problem += ", which cannot be changed: " + why;
    }
  }
  return true;
}

bool TopicKeeper::prepare_at_start(rd_kafka_t* producer, milliseconds patience) {
  const auto never = [] { return false; };
  if (!look(producer, patience, never, Phase::kStart)) return false;
  const auto settled = [](const Topic& topic) { return topic.ready || !topic.problem.empty(); };
  const auto deadline = steady_clock::now() + kPrepareWithin;
  while (!std::ranges::all_of(all_, settled) && steady_clock::now() < deadline) {
    std::this_thread::sleep_for(kAskAgain);
    look(producer, patience, never, Phase::kStart);
  }
  return true;
}

}  // namespace spreadwatch::publish
