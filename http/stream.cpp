#include "http/stream.h"

#include <utility>

namespace spreadwatch::http {

void Stream::wake() {
  if (!wake_ || woken_) return;
  woken_ = true;
  wake_();
}

void Stream::clear() {
  chunks_.clear();
  bytes_ = under_way_ = 0;
}

bool Stream::offer(const Chunk& chunk) {
  const std::lock_guard lock(mutex_);
  if (finished_ || ended_ || bytes_ + chunk->size() > max_bytes_) return false;
  if (chunk->empty()) return true;
  chunks_.push_back(chunk);
  bytes_ += chunk->size();
  wake();
  return true;
}

void Stream::finish(bool cut) {
  const std::lock_guard lock(mutex_);
  finished_ = true;
  if (cut) {
    cut_ = true;
    clear();
  }
  wake();
}

void Stream::on_over(std::function<void()> over) {
  {
    const std::lock_guard lock(mutex_);
    if (!ended_) {
      over_ = std::move(over);
      return;
    }
  }
  over();
}

void Stream::attach(std::function<void()> wake_up) {
  const std::lock_guard lock(mutex_);
  if (ended_) return;
  wake_ = std::move(wake_up);
}

Stream::State Stream::take(std::vector<Chunk>& out, std::size_t at_most) {
  out.clear();
  const std::lock_guard lock(mutex_);
  woken_ = false;
  if (cut_) return State::kCut;
  bytes_ -= under_way_;
  under_way_ = 0;
  while (!chunks_.empty() && out.size() < at_most) {
    under_way_ += chunks_.front()->size();
    out.push_back(std::move(chunks_.front()));
    chunks_.pop_front();
  }
  return out.empty() && finished_ ? State::kFinished : State::kOpen;
}

bool Stream::cut() const {
  const std::lock_guard lock(mutex_);
  return cut_;
}

void Stream::over() {
  std::function<void()> tell;
  {
    const std::lock_guard lock(mutex_);
    if (ended_) return;
    ended_ = true;
    clear();
    wake_ = nullptr;
    tell = std::exchange(over_, nullptr);
  }
  if (tell) tell();
}

}  // namespace spreadwatch::http
