#include "history/opportunity_log.h"

#include <spdlog/spdlog.h>

namespace spreadwatch::history {

std::vector<spread::OpportunityEvent> OpportunityLog::open() const {
  return store_ ? store_->open() : std::vector<spread::OpportunityEvent>{};
}

std::optional<Timestamp> OpportunityLog::latest() const {
  return store_ ? store_->latest() : std::nullopt;
}

bool OpportunityLog::recent(Timestamp now) const {
  const std::optional<Timestamp> last = latest();
  return last && now - *last <= kLongestAbsence;
}

void OpportunityLog::resend(const Send& send) {
  if (!store_) return;
  for (const spread::OpportunityEvent& event : store_->unsent()) send(event);
}

void OpportunityLog::on(const spread::OpportunityEvent& event, const Send& send) {
  if (store_) {
    take_delivered();
    const bool kept = store_->keep(event);
    note(kept);
    if (!kept) ++not_kept_;
  }
  send(event);
}

void OpportunityLog::delivered(std::string id, spread::OpportunityEvent::Kind kind) {
  if (!store_ || kind == spread::OpportunityEvent::Kind::kUpdate) return;
  const std::lock_guard lock(mutex_);
  delivered_.emplace_back(std::move(id), kind);
}

void OpportunityLog::take_delivered() {
  std::vector<Delivered> taken;
  {
    const std::lock_guard lock(mutex_);
    taken.swap(delivered_);
  }
  for (const auto& [id, kind] : taken) store_->mark_sent(id, kind);
}

void OpportunityLog::note(bool written) {
  if (failing_.exchange(!written) == !written) return;
  if (written) {
    spdlog::info("opportunities are kept again");
  } else {
    spdlog::error("opportunities are not kept: {}", store_->error());
  }
}

void OpportunityLog::finish() {
  if (!store_) return;
  take_delivered();
  note(store_->flush());
}

void OpportunityLog::tick(Timestamp now) {
  if (!store_) return;
  if (flushed_ && now - *flushed_ < std::chrono::seconds{1}) return;
  flushed_ = now;
  finish();
  if (pruned_ && now - *pruned_ < std::chrono::hours{1}) return;
  pruned_ = now;
  store_->prune(now - kKeepFor, kKeepAtMost);
}

}  // namespace spreadwatch::history
