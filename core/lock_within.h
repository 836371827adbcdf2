#pragma once

#include <chrono>
#include <mutex>
#include <thread>

#include "core/time.h"

namespace spreadwatch {

/// The mutex locked, or not when somebody has held it for all of `longest`: for who asks about
/// something that a thread which stands may have locked. A timed mutex would do the same, but the
/// thread sanitizer does not know of it.
inline std::unique_lock<std::mutex> lock_within(std::mutex& mutex, milliseconds longest) {
  std::unique_lock lock(mutex, std::try_to_lock);
  const auto end = std::chrono::steady_clock::now() + longest;
  while (!lock && std::chrono::steady_clock::now() < end) {
    std::this_thread::sleep_for(milliseconds{1});
    static_cast<void>(lock.try_lock());
  }
  return lock;
}

/// Longer than anybody holds a lock who works, shorter than who asks waits.
inline constexpr milliseconds kHeldTooLong{200};

}  // namespace spreadwatch
