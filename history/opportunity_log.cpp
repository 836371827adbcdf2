#include "history/opportunity_log.h"

#include <spdlog/spdlog.h>

#include <algorithm>
#include <unordered_set>

#include "core/lock_within.h"

namespace spreadwatch::history {
namespace {

using Written = OpportunityStore::Written;

/// How many events share a write: enough that one sync serves many, few enough that the first does
/// not wait for long.
constexpr std::size_t kBatch = 256;
/// How many writes a call makes: there is more to do than to write what waits.
constexpr std::size_t kBatches = 16;

/// Whether `every` has passed since `last`, or the clock was set back.
bool due(const std::optional<Timestamp>& last, Timestamp now, microseconds every) {
  return !last || now < *last || now - *last >= every;
}

}  // namespace

OpportunityLog::OpportunityLog(std::unique_ptr<OpportunityStore> store, Reopen reopen,
                               std::size_t hold_at_most)
    : keeps_(store != nullptr),
      reopen_(std::move(reopen)),
      hold_at_most_(hold_at_most),
      store_(std::move(store)) {}

std::vector<OpportunityEvent> OpportunityLog::open() const {
  return store_ ? store_->open() : std::vector<OpportunityEvent>{};
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
  for (const OpportunityEvent& event : store_->unsent()) send(event);
}

void OpportunityLog::on(OpportunityEvent event) {
  {
    const std::lock_guard lock(mutex_);
    if (waiting_.size() >= hold_at_most_) shed();
    if (waiting_.size() >= hold_at_most_) {
      ++lost_;
      return;
    }
    waiting_.push_back(std::move(event));
  }
  changed_.notify_one();
}

/// Needs mutex_. What is being written stays.
void OpportunityLog::shed() {
  std::unordered_set<std::string> later;
  std::deque<OpportunityEvent> left;
  while (waiting_.size() > in_hand_) {
    OpportunityEvent& event = waiting_.back();
    const bool again = !later.insert(event.id).second;
    if (again && event.kind == OpportunityEvent::Kind::kUpdate) {
      ++lost_;
    } else {
      left.push_front(std::move(event));
    }
    waiting_.pop_back();
  }
  std::ranges::move(left, std::back_inserter(waiting_));
}

void OpportunityLog::wait(milliseconds at_most) {
  std::unique_lock lock(mutex_);
  // While the store cannot be written, what waits is no news.
  changed_.wait_for(lock, at_most, [this] { return !waiting_.empty() && failure_.empty(); });
}

void OpportunityLog::write(Timestamp now, const Send& send) {
  if (!keeps_) return write_waiting(now, send);
  take_delivered();
  // After a failure the next try is a while away, whatever comes meanwhile.
  if (failed_at_ && !due(failed_at_, now, kRetryEvery)) return;
  failed_at_.reset();
  if (!store_ || due(flushed_, now, std::chrono::seconds{1})) {
    flushed_ = now;
    if (!look_after_files()) {
      failed_at_ = now;
      return;
    }
    note(store_->flush());
    if (due(pruned_, now, std::chrono::hours{1})) {
      if (store_->prune(now - kKeepFor, kKeepAtMost)) {
        pruned_ = now;
      } else {
        note(Written::kNo);
      }
    }
  }
  write_waiting(now, send);
}

void OpportunityLog::write_waiting(Timestamp now, const Send& send) {
  std::vector<OpportunityEvent> batch;
  std::vector<bool> fresh;
  for (std::size_t i = 0; i < kBatches; ++i) {
    {
      const std::lock_guard lock(mutex_);
      in_hand_ = std::min(waiting_.size(), kBatch);
      batch.assign(waiting_.begin(), waiting_.begin() + static_cast<std::ptrdiff_t>(in_hand_));
    }
    if (batch.empty()) return;
    if (store_) {
      const Written written = store_->keep_all(batch, &fresh);
      note(written);
      if (written == Written::kNo) {
        failed_at_ = now;
        const std::lock_guard lock(mutex_);
        in_hand_ = 0;
        return;
      }
    } else {
      fresh.assign(batch.size(), true);
    }
    for (std::size_t e = 0; e < batch.size(); ++e) {
      const bool lasting = batch[e].kind != OpportunityEvent::Kind::kUpdate;
      if (!fresh[e]) {
        // The first one of its kind is the one that counts, and has been sent.
        spdlog::error("opportunity {}: a second {} is not sent", batch[e].id,
                      to_string(batch[e].kind));
        continue;
      }
      if (store_ && lasting) ++kept_;
      send(batch[e]);
    }
    const std::lock_guard lock(mutex_);
    waiting_.erase(waiting_.begin(), waiting_.begin() + static_cast<std::ptrdiff_t>(in_hand_));
    in_hand_ = 0;
  }
}

/// False when the files have gone and cannot be had again.
bool OpportunityLog::look_after_files() {
  constexpr std::string_view kGone = "opportunities.db was deleted or replaced under the service";
  if (store_ && !store_->gone()) return true;
  if (store_) {
    set_failure(std::string{kGone});
    if (!reopen_) return false;
    try {
      orphans_ = store_->unfinished();
    } catch (const StoreError& e) {
      set_failure(std::string{kGone} + ", and " + e.what());
      return false;
    }
    // Closed before it is opened again: the database may be the same one, without its log.
    store_.reset();
  }
  try {
    OpenedStore opened = reopen_();
    if (opened.store->adopt(orphans_) != Written::kYes) {
      set_failure(std::string{kGone} + ", and " + opened.store->error());
      return false;
    }
    store_ = std::move(opened.store);
  } catch (const StoreError& e) {
    set_failure(std::string{kGone} + ", and " + e.what());
    return false;
  }
  orphans_.clear();
  note(Written::kYes);
  constexpr std::string_view kNotice =
      "opportunities.db was deleted or replaced under the service; it is written anew with what is "
      "open, earlier opportunities may be missing in it";
  spdlog::error("state_dir: {}", kNotice);
  const std::lock_guard lock(mutex_);
  if (notices_.empty()) notices_.emplace_back(kNotice);
  return true;
}

void OpportunityLog::delivered(std::string id, OpportunityEvent::Kind kind) {
  if (!keeps_ || kind == OpportunityEvent::Kind::kUpdate) return;
  const std::lock_guard lock(mutex_);
  delivered_.emplace_back(std::move(id), kind);
}

void OpportunityLog::take_delivered() {
  std::vector<Delivered> taken;
  {
    const std::lock_guard lock(mutex_);
    taken.swap(delivered_);
  }
  for (const auto& [id, kind] : taken) {
    if (store_) {
      store_->mark_sent(id, kind);
      continue;
    }
    for (OpportunityStore::Unfinished& orphan : orphans_) {
      if (orphan.event.id == id && orphan.event.kind == kind) orphan.sent = true;
    }
  }
}

/// Nothing written says nothing about the disk.
void OpportunityLog::note(Written written) {
  if (written == Written::kNo)
    set_failure("opportunities.db cannot be written: " + store_->error());
  if (written == Written::kYes) set_failure("");
}

void OpportunityLog::set_failure(std::string failure) {
  std::string before = failure;
  {
    const std::lock_guard lock(mutex_);
    before.swap(failure_);
  }
  if (before == failure) return;
  if (failure.empty()) {
    spdlog::info("opportunities are kept again");
  } else {
    spdlog::error("opportunities are not kept: {}", failure);
  }
}

void OpportunityLog::finish() {
  if (keeps_) take_delivered();
  if (store_) note(store_->flush());
  if (const std::size_t left = waiting()) {
    spdlog::error("{} opportunity event(s) were not written in time and have not been sent", left);
  }
}

OpportunityLog::State OpportunityLog::state() const {
  State state;
  const std::unique_lock lock = lock_within(mutex_, kHeldTooLong);
  if (!lock) return {.reasons = {"what waits for the disk is held up"}};
  if (!failure_.empty()) state.reasons.push_back(failure_);
  state.notices = notices_;
  if (lost_ > 0) {
    state.notices.push_back(std::to_string(lost_) +
                            " opportunity event(s) found no room to wait for the disk");
  }
  return state;
}

std::size_t OpportunityLog::waiting() const {
  const std::lock_guard lock(mutex_);
  return waiting_.size();
}

}  // namespace spreadwatch::history
