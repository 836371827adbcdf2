#include "publish/topics.h"

namespace spreadwatch::publish {

static_assert(kTopics.back().id == TopicId::kDeadLetter);
static_assert([] {
  for (std::size_t i = 0; i < kTopicCount; ++i) {
    if (index_of(kTopics[i].id) != i) return false;
  }
  return true;
}());

Topics::Topics(const config::Settings& settings) {
  for (const TopicIdentity& topic : kTopics) {
    names_[index_of(topic.id)] = settings.kafka.prefix + std::string{topic.name};
  }
}

}  // namespace spreadwatch::publish
