#include "ingest/capture/capture_writer.h"

#include <fcntl.h>
#include <spdlog/spdlog.h>
#include <unistd.h>
#include <zstd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cerrno>
#include <chrono>
#include <condition_variable>
#include <cstdio>
#include <cstring>
#include <ctime>
#include <deque>
#include <mutex>
#include <optional>
#include <stdexcept>
#include <system_error>
#include <thread>
#include <utility>
#include <vector>

#include "core/bounded_queue.h"
#include "core/text.h"

namespace spreadwatch::ingest {
namespace {

using WriterTime = std::chrono::steady_clock::time_point;

constexpr std::string_view kFilePrefix = "spreadwatch-";
constexpr std::string_view kFileSuffix = ".jsonl.zst";
constexpr milliseconds kLogEvery{10'000};
constexpr int kCompressionLevel = 3;
// What waits for a disk that takes nothing, in blocks; more stays in the queue, then is dropped.
constexpr std::size_t kPendingBlocks = 8;

void append_quoted(std::string& out, std::string_view text) {
  out.push_back('"');
  for (std::size_t at = 0; at < text.size();) {
    const char c = text[at];
    const std::size_t length = utf8_length(text.substr(at));
    if (length > 1) {
      out.append(text, at, length);
    } else if (length == 0) {
      out += "\\u001a";
    } else if (c == '"' || c == '\\') {
      out.push_back('\\');
      out.push_back(c);
    } else if (c == '\n') {
      out += "\\n";
    } else if (static_cast<unsigned char>(c) < 0x20) {
      std::array<char, 8> escaped{};
      std::snprintf(escaped.data(), escaped.size(), "\\u%04x", static_cast<unsigned>(c));
      out += escaped.data();
    } else {
      out.push_back(c);
    }
    at += std::max<std::size_t>(length, 1);
  }
  out.push_back('"');
}

void append_seconds(std::string& out, Timestamp time) {
  const std::int64_t us = to_us(time);
  std::array<char, 48> text{};
  std::snprintf(text.data(), text.size(), "%lld.%06lld", static_cast<long long>(us / 1'000'000),
                static_cast<long long>(us % 1'000'000));
  out += text.data();
}

/// A line of the writer itself. Every reader passes over what the client sent.
void append_note(std::string& out, std::string_view event, std::uint64_t count, Timestamp time) {
  out += R"({"exchange":"spreadwatch","kind":"ws","channel":"request","dir":"tx","event":")";
  out += event;
  out += R"(","count":)" + std::to_string(count) + R"(,"recv_ts":)";
  append_seconds(out, time);
  out += ",\"raw\":\"\"}\n";
}

/// `spreadwatch-20261126T013028.123456Z.jsonl.zst`: names sort by time.
std::string file_name(Timestamp start) {
  const std::int64_t us = to_us(start);
  const std::time_t whole = us / 1'000'000;
  std::tm utc{};
  gmtime_r(&whole, &utc);
  std::array<char, 32> date{};
  std::strftime(date.data(), date.size(), "%Y%m%dT%H%M%S", &utc);
  std::array<char, 16> fraction{};
  std::snprintf(fraction.data(), fraction.size(), ".%06lldZ",
                static_cast<long long>(us % 1'000'000));
  return std::string{kFilePrefix} + date.data() + fraction.data() + std::string{kFileSuffix};
}

bool is_capture_name(std::string_view name) {
  return name.starts_with(kFilePrefix) && name.ends_with(kFileSuffix);
}

}  // namespace

void append_capture_line(std::string& out, const CaptureEntry& entry) {
  out += "{\"exchange\":";
  append_quoted(out, entry.exchange);
  out += R"(,"kind":")";
  out += to_string(entry.origin);
  out += '"';
  for (const auto& [key, value] :
       {std::pair{"channel", &entry.channel}, std::pair{"symbol", &entry.symbol},
        std::pair{"event", &entry.event}, std::pair{"state", &entry.state},
        std::pair{"reason", &entry.reason}}) {
    if (value->empty()) continue;
    out += std::string{",\""} + key + "\":";
    append_quoted(out, *value);
  }
  if (entry.sent) out += R"(,"dir":"tx")";
  if (entry.connection != 0) out += ",\"connection\":" + std::to_string(entry.connection);
  out += ",\"recv_ts\":";
  append_seconds(out, entry.receive_time);
  out += ",\"raw\":";
  append_quoted(out, entry.payload);
  out += "}\n";
}

class CaptureWriter::Impl {
 public:
  Impl(Options options, const Clock& clock, metrics::CaptureMetrics& metrics)
      : options_(std::move(options)),
        clock_(clock),
        metrics_(metrics),
        queue_(options_.queue_entries),
        context_(ZSTD_createCCtx()) {}
  Impl(const Impl&) = delete;
  Impl& operator=(const Impl&) = delete;
  ~Impl() {
    stop();
    ZSTD_freeCCtx(context_);
  }

  void start() {
    std::error_code error;
    std::filesystem::create_directories(options_.folder, error);
    if (error) {
      throw std::runtime_error("cannot make " + options_.folder.string() + ": " + error.message());
    }
    find_files();
    const WriterTime now = std::chrono::steady_clock::now();
    if (!open_file(now) || !write_pending(now)) throw std::runtime_error(last_error_);
    thread_ = std::jthread([this] { run(); });
  }

  bool offer(CaptureEntry entry) {
    const std::size_t bytes = entry.payload.size();
    if (queued_bytes_.fetch_add(bytes) + bytes <= options_.queue_bytes &&
        queue_.try_push(std::move(entry))) {
      return true;
    }
    queued_bytes_.fetch_sub(bytes);
    drop(1);
    return false;
  }

  void stop() noexcept {
    {
      const std::lock_guard lock(stop_mutex_);
      stopping_ = true;
    }
    stop_asked_.notify_all();
    queue_.close();
    if (thread_.joinable()) thread_.join();
    close_file();
  }

  Counts counts() const {
    return {lines_.load(), dropped_.load(), write_errors_.load(), files_opened_.load(),
            files_removed_.load()};
  }

 private:
  struct File {
    std::filesystem::path path;
    std::uint64_t bytes = 0;
  };

  void run() noexcept {
    try {
      std::vector<CaptureEntry> batch;
      while (true) {
        const WriterTime now = std::chrono::steady_clock::now();
        const bool held = retry_at_ && full() && !stopping_;
        bool open = true;
        if (held) {
          // Nothing more can be kept here; the queue fills and then refuses.
          std::unique_lock lock(stop_mutex_);
          stop_asked_.wait_until(lock, *retry_at_, [this] { return stopping_.load(); });
        } else {
          open = queue_.pop_all(batch, wait(now));
          take(batch);
        }
        flush(std::chrono::steady_clock::now());
        report();
        if (!open) break;
      }
      finish();
    } catch (const std::exception& e) {
      spdlog::error("the capture writer ended: {}", e.what());
    }
  }

  bool full() const { return pending_.size() >= kPendingBlocks * options_.block_bytes; }

  microseconds wait(WriterTime now) const {
    WriterTime until = now + options_.flush_every;
    if (pending_lines_ > 0) until = pending_since_ + options_.flush_every;
    if (retry_at_) until = *retry_at_;
    return std::max(microseconds{0}, std::chrono::duration_cast<microseconds>(until - now));
  }

  void take(std::vector<CaptureEntry>& batch) {
    for (CaptureEntry& entry : batch) {
      queued_bytes_.fetch_sub(entry.payload.size());
      if (full()) {
        flush(std::chrono::steady_clock::now());
        if (full()) {
          drop(1);
          continue;
        }
      }
      note_drops();
      if (pending_lines_++ == 0) pending_since_ = std::chrono::steady_clock::now();
      append_capture_line(pending_, entry);
      if (pending_.size() >= options_.block_bytes) flush(std::chrono::steady_clock::now());
    }
    batch.clear();
    metrics_.set_queue_bytes(queued_bytes_.load());
  }

  // Where lines are missing the file says so, with how many since it last did.
  void note_drops() {
    const std::uint64_t dropped = dropped_.load();
    if (dropped == dropped_noted_) return;
    append_note(pending_, "dropped", dropped - dropped_noted_, clock_.now());
    dropped_noted_ = dropped;
  }

  void flush(WriterTime now) {
    if (retry_at_ && now < *retry_at_) return;
    if (pending_lines_ == 0) return;
    if (!retry_at_ && pending_.size() < options_.block_bytes &&
        now - pending_since_ < options_.flush_every) {
      return;
    }
    write_out(now);
  }

  bool write_out(WriterTime now) {
    if (descriptor_ >= 0 && now - opened_at_ >= options_.max_file_age) close_file();
    const bool good = (descriptor_ >= 0 || open_file(now)) && write_pending(now);
    retry_at_.reset();
    if (!good) retry_at_ = now + options_.retry_every;
    return good;
  }

  void finish() {
    note_drops();
    if (pending_.empty() || write_out(std::chrono::steady_clock::now())) return;
    spdlog::error("capture: {} lines could not be written at the end", pending_lines_);
    drop(pending_lines_);
  }

  void drop(std::uint64_t lines) {
    dropped_.fetch_add(lines);
    metrics_.dropped(lines);
  }

  bool failed(std::string what) {
    last_error_ = std::move(what);
    ++write_errors_;
    metrics_.write_error();
    const WriterTime now = std::chrono::steady_clock::now();
    if (!error_logged_at_ || now - *error_logged_at_ >= kLogEvery) {
      error_logged_at_ = now;
      spdlog::error("capture: {}", last_error_);
    }
    return false;
  }

  void report() {
    const std::uint64_t dropped = dropped_.load();
    const WriterTime now = std::chrono::steady_clock::now();
    if (dropped == dropped_logged_ || (drops_logged_at_ && now - *drops_logged_at_ < kLogEvery)) {
      return;
    }
    spdlog::warn("capture: {} lines dropped, {} since the start", dropped - dropped_logged_,
                 dropped);
    dropped_logged_ = dropped;
    drops_logged_at_ = now;
  }

  void find_files() {
    std::error_code error;
    for (const auto& entry : std::filesystem::directory_iterator(options_.folder, error)) {
      if (!is_capture_name(entry.path().filename().string())) continue;
      std::error_code gone;
      const std::uint64_t bytes = entry.file_size(gone);
      if (!gone) files_.push_back({entry.path(), bytes});
    }
    std::ranges::sort(files_, {}, &File::path);
    for (const File& file : files_) total_bytes_ += file.bytes;
  }

  bool open_file(WriterTime now) {
    Timestamp start = clock_.now();
    constexpr int kNames = 100;  // two files of one microsecond
    for (int i = 0; i < kNames; ++i, start += microseconds{1}) {
      const std::filesystem::path path = options_.folder / file_name(start);
      descriptor_ = ::open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_APPEND | O_CLOEXEC, 0644);
      if (descriptor_ < 0 && errno == EEXIST) continue;
      if (descriptor_ < 0) {
        return failed(path.string() + ": " + std::generic_category().message(errno));
      }
      files_.push_back({path, 0});
      opened_at_ = now;
      ++files_opened_;
      metrics_.file_opened();
      // Also makes a file that holds no frame yet a complete one.
      opening_.clear();
      append_note(opening_, "opened", 0, start);
      return true;
    }
    return failed(options_.folder.string() + ": no free name");
  }

  void close_file() noexcept {
    if (descriptor_ < 0) return;
    // The system keeps what was written; this asks for the disk to have it as well.
    const bool kept = ::fsync(descriptor_) == 0;
    const int why = errno;
    ::close(descriptor_);
    descriptor_ = -1;
    const File& file = files_.back();
    if (!kept) failed(file.path.string() + ": " + std::generic_category().message(why));
    if (file.bytes == 0) {
      std::error_code ignored;  // it holds nothing, and somebody else may have removed it
      std::filesystem::remove(file.path, ignored);
      files_.pop_back();
    }
  }

  // Appends what is pending as one frame.
  bool write_pending(WriterTime now) {
    compress();
    if (files_.back().bytes > 0 && files_.back().bytes + frame_.size() > options_.max_file_bytes) {
      close_file();
      if (!open_file(now)) return false;
      compress();
    }
    make_room(frame_.size());
    File& file = files_.back();
    std::size_t done = 0;
    while (done < frame_.size()) {
      const ssize_t got = ::write(descriptor_, frame_.data() + done, frame_.size() - done);
      if (got < 0 && errno == EINTR) continue;
      if (got <= 0) {
        const std::string why = std::generic_category().message(got < 0 ? errno : ENOSPC);
        // Half a frame must not stay: back to the last whole one, or on with another file.
        if (done > 0 && ::ftruncate(descriptor_, static_cast<off_t>(file.bytes)) != 0) {
          close_file();
        }
        return failed(file.path.string() + ": " + why);
      }
      done += static_cast<std::size_t>(got);
    }
    file.bytes += frame_.size();
    total_bytes_ += frame_.size();
    lines_ += pending_lines_;
    metrics_.written(pending_lines_, frame_.size());
    opening_.clear();
    pending_.clear();
    pending_lines_ = 0;
    return true;
  }

  void compress() {
    const std::string text = opening_ + pending_;
    frame_.resize(ZSTD_compressBound(text.size()));
    const std::size_t size = ZSTD_compressCCtx(context_, frame_.data(), frame_.size(), text.data(),
                                               text.size(), kCompressionLevel);
    if (ZSTD_isError(size) != 0U) throw std::runtime_error(ZSTD_getErrorName(size));
    frame_.resize(size);
  }

  // The oldest files go until so much more fits; never the one being written.
  void make_room(std::size_t bytes) {
    while (files_.size() > 1 && total_bytes_ + bytes > options_.max_total_bytes) {
      const File oldest = files_.front();
      files_.pop_front();
      total_bytes_ -= std::min(total_bytes_, oldest.bytes);
      std::error_code error;
      if (!std::filesystem::remove(oldest.path, error) && error) {
        failed(oldest.path.string() + ": " + error.message());
        continue;
      }
      ++files_removed_;
      metrics_.file_removed();
      spdlog::info("capture: removed {}", oldest.path.string());
    }
  }

  const Options options_;
  const Clock& clock_;
  metrics::CaptureMetrics& metrics_;
  BoundedQueue<CaptureEntry> queue_;
  std::atomic<std::size_t> queued_bytes_{0};
  std::mutex stop_mutex_;
  std::condition_variable stop_asked_;
  std::atomic<bool> stopping_{false};  // set under stop_mutex_, for those who wait
  std::atomic<std::uint64_t> lines_{0};
  std::atomic<std::uint64_t> dropped_{0};
  std::atomic<std::uint64_t> write_errors_{0};
  std::atomic<std::uint64_t> files_opened_{0};
  std::atomic<std::uint64_t> files_removed_{0};

  // Of the writer's thread, and of the owner's before and after it:
  ZSTD_CCtx* const context_;
  std::deque<File> files_;  // of the folder, oldest first; the last is being written
  std::uint64_t total_bytes_ = 0;
  int descriptor_ = -1;
  WriterTime opened_at_{};
  std::string opening_;  // the file's own first line, until it is written
  std::string pending_;  // lines that no file has yet
  std::uint64_t pending_lines_ = 0;
  WriterTime pending_since_{};
  std::string frame_;
  std::optional<WriterTime> retry_at_;
  std::string last_error_;
  std::optional<WriterTime> error_logged_at_;
  std::optional<WriterTime> drops_logged_at_;
  std::uint64_t dropped_logged_ = 0;
  std::uint64_t dropped_noted_ = 0;

  std::jthread thread_;  // last: joined before anything it uses goes
};

CaptureWriter::CaptureWriter(Options options, const Clock& clock, metrics::CaptureMetrics& metrics)
    : impl_(std::make_unique<Impl>(std::move(options), clock, metrics)) {}
CaptureWriter::~CaptureWriter() = default;

void CaptureWriter::start() { impl_->start(); }
bool CaptureWriter::offer(CaptureEntry entry) { return impl_->offer(std::move(entry)); }
void CaptureWriter::stop() noexcept { impl_->stop(); }
CaptureWriter::Counts CaptureWriter::counts() const { return impl_->counts(); }

}  // namespace spreadwatch::ingest
