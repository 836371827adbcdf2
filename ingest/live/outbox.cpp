#include "ingest/live/outbox.h"

#include <utility>

namespace spreadwatch::ingest {

void Outbox::on_open(SteadyTime now) {
  budget_ = MessageBudget(limits_);
  texts_.clear();
  sent_at_ = now;
  hold_until_ = {};
}

void Outbox::add(std::vector<std::string> texts) {
  for (std::string& text : texts) {
    if (texts_.size() < kMaxTexts) texts_.push_back(std::move(text));
  }
}

const std::string* Outbox::next(SteadyTime now, Timestamp wall) {
  if (texts_.empty() || now < hold_until_ || budget_.take(wall).count() > 0) return nullptr;
  return &texts_.front();
}

void Outbox::sent(SteadyTime now) {
  texts_.pop_front();
  sent_at_ = now;
}

}  // namespace spreadwatch::ingest
