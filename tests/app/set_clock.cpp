// A machine whose wall clock can be set under a running program: preloaded, it adds what stands in
// the file that SPREADWATCH_TEST_WALL_CLOCK names (microseconds, eight bytes) to everything that
// tells the time of day. Clocks that only count what has passed are left alone.
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

#include <atomic>
#include <cstdint>
#include <cstdlib>

namespace {

constexpr std::int64_t kMillion = 1'000'000;

/// Null while the file is not there.
const std::atomic<std::int64_t>* mapped() {
  const char* const name = std::getenv("SPREADWATCH_TEST_WALL_CLOCK");
  if (name == nullptr) return nullptr;
  const int fd = ::open(name, O_RDONLY | O_CLOEXEC);
  if (fd < 0) return nullptr;
  void* const at = ::mmap(nullptr, sizeof(std::int64_t), PROT_READ, MAP_SHARED, fd, 0);
  ::close(fd);
  return at == MAP_FAILED ? nullptr : static_cast<const std::atomic<std::int64_t>*>(at);
}

std::int64_t shift_us() {
  static const std::atomic<std::int64_t>* const kShift = mapped();
  return kShift == nullptr ? 0 : kShift->load();
}

bool tells_time_of_day(clockid_t clock) {
  return clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_COARSE || clock == CLOCK_TAI;
}

}  // namespace

extern "C" int clock_gettime(clockid_t clock, timespec* time) noexcept {
  const auto result = static_cast<int>(::syscall(SYS_clock_gettime, clock, time));
  if (result == 0 && tells_time_of_day(clock)) {
    const std::int64_t us = time->tv_nsec / 1000 + shift_us();
    const std::int64_t part = ((us % kMillion) + kMillion) % kMillion;
    time->tv_sec += (us - part) / kMillion;
    time->tv_nsec = part * 1000 + time->tv_nsec % 1000;
  }
  return result;
}

extern "C" int gettimeofday(timeval* time, void* /*zone*/) noexcept {
  timespec now{};
  if (clock_gettime(CLOCK_REALTIME, &now) != 0) return -1;
  time->tv_sec = now.tv_sec;
  time->tv_usec = now.tv_nsec / 1000;
  return 0;
}

extern "C" time_t time(time_t* out) noexcept {
  timespec now{};
  clock_gettime(CLOCK_REALTIME, &now);
  if (out != nullptr) *out = now.tv_sec;
  return now.tv_sec;
}
