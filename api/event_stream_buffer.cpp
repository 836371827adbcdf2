#include "api/event_stream_buffer.h"

#include <algorithm>
#include <cstring>

namespace spreadwatch::api {

EventStreamBuffer::EventStreamBuffer(std::size_t max_bytes)
    : streambuf_state_manager<std::uint8_t>(std::ios_base::in), max_bytes_(max_bytes) {}

bool EventStreamBuffer::offer(const StreamChunk& chunk) {
  pplx::task_completion_event<size_t> done;
  std::size_t read = 0;
  {
    const std::lock_guard lock(mutex_);
    if (finished_ || bytes_ + chunk->size() > max_bytes_) return false;
    chunks_.push_back(chunk);
    bytes_ += chunk->size();
    if (waiting_ == nullptr) return true;
    read = take(waiting_, waiting_size_);
    waiting_ = nullptr;
    done = waiting_done_;
  }
  done.set(read);
  return true;
}

void EventStreamBuffer::finish(bool cut) {
  pplx::task_completion_event<size_t> done;
  {
    const std::lock_guard lock(mutex_);
    finished_ = true;
    if (cut) {
      chunks_.clear();
      bytes_ = offset_ = 0;
    }
    if (waiting_ == nullptr) return;
    waiting_ = nullptr;
    done = waiting_done_;
  }
  done.set(0);
}

size_t EventStreamBuffer::in_avail() const {
  const std::lock_guard lock(mutex_);
  return bytes_;
}

bool EventStreamBuffer::acquire(std::uint8_t*& ptr, size_t& count) {
  ptr = nullptr;
  count = 0;
  return false;
}

std::size_t EventStreamBuffer::take(std::uint8_t* ptr, std::size_t count) {
  std::size_t done = 0;
  while (done < count && !chunks_.empty()) {
    const std::string& front = *chunks_.front();
    const std::size_t n = std::min(count - done, front.size() - offset_);
    std::memcpy(ptr + done, front.data() + offset_, n);
    done += n;
    offset_ += n;
    if (offset_ < front.size()) break;
    chunks_.pop_front();
    offset_ = 0;
  }
  bytes_ -= done;
  return done;
}

pplx::task<size_t> EventStreamBuffer::_getn(std::uint8_t* ptr, size_t count) {
  const std::lock_guard lock(mutex_);
  if (bytes_ > 0 || finished_ || count == 0) return pplx::task_from_result(take(ptr, count));
  waiting_ = ptr;
  waiting_size_ = count;
  waiting_done_ = {};
  return pplx::create_task(waiting_done_);
}

pplx::task<void> EventStreamBuffer::_close_read() {
  finish(true);
  return streambuf_state_manager<std::uint8_t>::_close_read();
}

// A reply body is read with getn() only; character-wise reading and writing have nothing to give.
pplx::task<EventStreamBuffer::int_type> EventStreamBuffer::_bumpc() {
  return pplx::task_from_result(static_cast<int_type>(traits::eof()));
}
pplx::task<EventStreamBuffer::int_type> EventStreamBuffer::_getc() { return _bumpc(); }
pplx::task<EventStreamBuffer::int_type> EventStreamBuffer::_nextc() { return _bumpc(); }
pplx::task<EventStreamBuffer::int_type> EventStreamBuffer::_ungetc() { return _bumpc(); }
pplx::task<EventStreamBuffer::int_type> EventStreamBuffer::_putc(std::uint8_t) { return _bumpc(); }
pplx::task<size_t> EventStreamBuffer::_putn(const std::uint8_t*, size_t) {
  return pplx::task_from_result(static_cast<size_t>(0));
}
pplx::task<bool> EventStreamBuffer::_sync() { return pplx::task_from_result(true); }

}  // namespace spreadwatch::api
