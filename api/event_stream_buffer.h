#pragma once

#include <cpprest/astreambuf.h>

#include <cstddef>
#include <cstdint>
#include <deque>
#include <memory>
#include <mutex>

#include "api/broadcaster.h"

namespace spreadwatch::api {

/// One client's share of the event stream: a bounded queue of shared chunks on one side, an
/// asynchronous read-only stream buffer for cpprestsdk's reply body on the other.
///
/// The library's own producer_consumer_buffer grows without bound and copies every event for every
/// client. Threads: offer() and finish() by the broadcaster, the rest by the library; locked
/// inside.
class EventStreamBuffer final
    : public StreamSink,
      public concurrency::streams::details::streambuf_state_manager<std::uint8_t> {
 public:
  explicit EventStreamBuffer(std::size_t max_bytes);

  bool offer(const StreamChunk& chunk) override;
  void finish(bool cut) override;

  // The reading side: only what a reply body needs. The rest refuses.
  bool can_seek() const override { return false; }
  bool has_size() const override { return false; }
  utility::size64_t size() const override { return 0; }
  size_t buffer_size(std::ios_base::openmode) const override { return 0; }
  void set_buffer_size(size_t, std::ios_base::openmode) override {}
  size_t in_avail() const override;
  pos_type getpos(std::ios_base::openmode) const override { return eof(); }
  pos_type seekpos(pos_type, std::ios_base::openmode) override { return eof(); }
  pos_type seekoff(off_type, std::ios_base::seekdir, std::ios_base::openmode) override {
    return eof();
  }
  bool acquire(std::uint8_t*& ptr, size_t& count) override;
  void release(std::uint8_t*, size_t) override {}

 protected:
  pplx::task<size_t> _getn(std::uint8_t* ptr, size_t count) override;
  size_t _scopy(std::uint8_t*, size_t) override { return 0; }
  pplx::task<int_type> _bumpc() override;
  int_type _sbumpc() override { return traits::requires_async(); }
  pplx::task<int_type> _getc() override;
  int_type _sgetc() override { return traits::requires_async(); }
  pplx::task<int_type> _nextc() override;
  pplx::task<int_type> _ungetc() override;
  pplx::task<int_type> _putc(std::uint8_t) override;
  pplx::task<size_t> _putn(const std::uint8_t*, size_t) override;
  pplx::task<bool> _sync() override;
  std::uint8_t* _alloc(size_t) override { return nullptr; }
  void _commit(size_t) override {}
  pplx::task<void> _close_read() override;

 private:
  static pos_type eof() { return static_cast<pos_type>(traits::eof()); }
  std::size_t take(std::uint8_t* ptr, std::size_t count);  // REQUIRES: mutex_ held

  const std::size_t max_bytes_;
  mutable std::mutex mutex_;
  std::deque<StreamChunk> chunks_;                    // guarded by mutex_
  std::size_t offset_ = 0;                            // guarded by mutex_; read of the front chunk
  std::size_t bytes_ = 0;                             // guarded by mutex_; unread
  bool finished_ = false;                             // guarded by mutex_
  std::uint8_t* waiting_ = nullptr;                   // guarded by mutex_; a read without data yet
  std::size_t waiting_size_ = 0;                      // guarded by mutex_
  pplx::task_completion_event<size_t> waiting_done_;  // guarded by mutex_
};

}  // namespace spreadwatch::api
