#include "app/log.h"

#include <fcntl.h>
#include <poll.h>
#include <spdlog/pattern_formatter.h>
#include <spdlog/sinks/sink.h>
#include <spdlog/spdlog.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <climits>
#include <condition_variable>
#include <deque>
#include <mutex>
#include <thread>
#include <utility>

#include "core/secrets.h"
#include "core/text.h"

namespace spreadwatch::app {
namespace {

using std::chrono::milliseconds;
using std::chrono::steady_clock;

// A line is written at once or not at all where a pipe is shared: POSIX promises that up to
// PIPE_BUF bytes. The rest of a line is its time and level.
constexpr std::size_t kLineBytes = 3800;
static_assert(kLineBytes + 200 < PIPE_BUF);

/// How long the writer waits at a time for a descriptor that takes nothing.
constexpr milliseconds kPatience{100};

/// What is logged may be megabytes of somebody else's answer: more than can be shown is not even
/// looked at.
std::string printable(std::string_view text) {
  return visible(without_secrets(text.substr(0, 4 * kLineBytes)), kLineBytes);
}

/// A descriptor that is written to without ever waiting.
///
/// The flags of a descriptor that was inherited belong to everyone who shares it. So a pipe or a
/// terminal is opened a second time, through /proc, for a description of our own that does not
/// block. Where that cannot be, a write is only tried when poll() finds room, and of no more bytes
/// than a pipe with room takes.
class Output {
 public:
  explicit Output(int descriptor) : descriptor_(descriptor) {
    struct stat status {};
    if (::fstat(descriptor, &status) != 0) return;
    socket_ = S_ISSOCK(status.st_mode);
    if (!S_ISFIFO(status.st_mode) && !S_ISCHR(status.st_mode)) return;
    const std::string path = "/proc/self/fd/" + std::to_string(descriptor);
    own_ = ::open(path.c_str(), O_WRONLY | O_NONBLOCK | O_CLOEXEC | O_NOCTTY);
  }
  Output(const Output&) = delete;
  Output& operator=(const Output&) = delete;
  ~Output() {
    if (own_ >= 0) ::close(own_);
  }

  enum class Outcome : std::uint8_t { kWritten, kNoRoom, kFailed };

  /// Writes a part of `bytes`, at most PIPE_BUF, and takes it off; waits up to `patience` for room.
  Outcome write(std::string_view& bytes, milliseconds patience) const {
    const int to = own_ >= 0 ? own_ : descriptor_;
    pollfd wanted{.fd = to, .events = POLLOUT, .revents = 0};
    const int ready = ::poll(&wanted, 1, static_cast<int>(patience.count()));
    if (ready == 0 || (ready < 0 && errno == EINTR)) return Outcome::kNoRoom;
    if (ready > 0 && (wanted.revents & POLLOUT) == 0) return Outcome::kFailed;  // nobody is there
    const std::size_t size = std::min<std::size_t>(bytes.size(), PIPE_BUF);
    const ssize_t written = socket_ ? ::send(to, bytes.data(), size, MSG_DONTWAIT | MSG_NOSIGNAL)
                                    : ::write(to, bytes.data(), size);
    if (written > 0) {
      bytes.remove_prefix(static_cast<std::size_t>(written));
      return Outcome::kWritten;
    }
    const bool later = written == 0 || errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR;
    return later ? Outcome::kNoRoom : Outcome::kFailed;
  }

 private:
  const int descriptor_;
  int own_ = -1;
  bool socket_ = false;
};

}  // namespace

/// The queue and the thread behind it. The thread holds on to it by itself: a write that hangs in
/// the kernel, as on a file system that is gone, can be left behind.
class Log::Writer {
 public:
  explicit Writer(const Options& options)
      : max_lines_(options.queue_lines),
        max_bytes_(options.queue_bytes),
        flush_within_(options.flush_within),
        output_(options.descriptor),
        formatter_(spdlog::pattern_time_type::local) {}

  static std::shared_ptr<Writer> start(const Options& options) {
    auto writer = std::make_shared<Writer>(options);
    writer->thread_ = std::thread([writer] { writer->run(); });
    return writer;
  }

  void log(const spdlog::details::log_msg& message) {
    const std::string text = printable({message.payload.data(), message.payload.size()});
    spdlog::details::log_msg shown = message;
    shown.payload = text;
    spdlog::memory_buf_t line;
    const std::lock_guard lock(mutex_);
    formatter_.format(shown, line);
    push(std::string{line.data(), line.size()});
  }

  void say(std::string_view text) {
    std::string line = "spreadwatch: " + printable(text) + "\n";
    const std::lock_guard lock(mutex_);
    push(std::move(line));
  }

  std::uint64_t lost() const { return lost_; }

  void stop() noexcept {
    std::unique_lock lock(mutex_);
    if (std::exchange(closed_, true)) return;
    deadline_ = steady_clock::now() + flush_within_;
    wake_.notify_all();
    // The writer ends by itself at the deadline, unless the kernel keeps it.
    const bool ended = done_.wait_until(lock, deadline_ + 2 * kPatience, [this] { return ended_; });
    lock.unlock();
    if (ended) {
      thread_.join();
    } else {
      thread_.detach();
    }
  }

 private:
  /// Needs mutex_.
  void push(std::string line) {
    if (closed_ || lines_.size() >= max_lines_ || bytes_ + line.size() > max_bytes_) {
      ++lost_;
      return;
    }
    bytes_ += line.size();
    lines_.push_back(std::move(line));
    wake_.notify_one();
  }

  void run() {
    std::unique_lock lock(mutex_);
    while (true) {
      wake_.wait(lock, [this] { return closed_ || !lines_.empty(); });
      if (lines_.empty()) break;
      const std::size_t taken = take();
      lock.unlock();
      const bool good = write_out();
      lock.lock();
      if (!good) lost_ += taken;
      if (closed_ && steady_clock::now() >= deadline_) break;
    }
    lost_ += lines_.size();
    lines_.clear();
    ended_ = true;
    done_.notify_all();
  }

  /// Moves whole lines into `text_`, as many as are written at once; how many. Needs mutex_.
  std::size_t take() {
    text_.clear();
    std::size_t taken = 0;
    if (const std::uint64_t lost = lost_; lost != told_) {
      spdlog::memory_buf_t line;
      const std::string words =
          "log: " + std::to_string(lost - told_) +
          " lines before this one were lost, because what reads this log did not keep up";
      formatter_.format({"spreadwatch", spdlog::level::warn, words}, line);
      text_.append(line.data(), line.size());
      told_ = lost;
    }
    while (!lines_.empty() && (taken == 0 || text_.size() + lines_.front().size() <= PIPE_BUF)) {
      bytes_ -= lines_.front().size();
      text_ += lines_.front();
      lines_.pop_front();
      ++taken;
    }
    return taken;
  }

  /// False when `text_` could not be written, or no longer in time.
  bool write_out() {
    std::string_view rest{text_};
    while (!rest.empty()) {
      const Output::Outcome outcome = output_.write(rest, kPatience);
      if (outcome == Output::Outcome::kFailed) return false;
      if (outcome == Output::Outcome::kWritten) continue;
      const std::lock_guard lock(mutex_);
      if (closed_ && steady_clock::now() >= deadline_) return false;
    }
    return true;
  }

  const std::size_t max_lines_;
  const std::size_t max_bytes_;
  const milliseconds flush_within_;
  const Output output_;  // the thread's
  std::string text_;     // the thread's
  std::atomic<std::uint64_t> lost_{0};
  std::mutex mutex_;
  std::condition_variable wake_;
  std::condition_variable done_;
  // Guarded by mutex_.
  std::deque<std::string> lines_;
  std::size_t bytes_ = 0;
  std::uint64_t told_ = 0;  // of lost_
  spdlog::pattern_formatter formatter_;
  bool closed_ = false;
  bool ended_ = false;
  steady_clock::time_point deadline_{};
  std::thread thread_;
};

/// What spdlog knows of the writer. The library's logger may outlive the Log.
class Log::Sink final : public spdlog::sinks::sink {
 public:
  explicit Sink(std::shared_ptr<Writer> writer) : writer_(std::move(writer)) {}
  void log(const spdlog::details::log_msg& message) override { writer_->log(message); }
  void flush() override {}
  // The form of the lines is the writer's.
  void set_pattern(const std::string&) override {}
  void set_formatter(std::unique_ptr<spdlog::formatter>) override {}

 private:
  const std::shared_ptr<Writer> writer_;
};

Log::Log(const Options& options) {
  writer_ = Writer::start(options);
  auto logger = std::make_shared<spdlog::logger>("spreadwatch", std::make_shared<Sink>(writer_));
  logger->set_level(spdlog::level::from_str(options.level));
  // The library's own way of telling that a line could not be made writes to stderr and waits.
  logger->set_error_handler([writer = writer_](const std::string& why) {
    writer->say("a line of the log could not be made: " + why);
  });
  spdlog::set_default_logger(std::move(logger));
}

Log::~Log() { stop(); }

void Log::say(std::string_view text) { writer_->say(text); }
void Log::stop() noexcept { writer_->stop(); }
std::uint64_t Log::lost() const { return writer_->lost(); }

}  // namespace spreadwatch::app
