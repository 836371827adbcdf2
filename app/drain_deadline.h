#pragma once

#include <atomic>
#include <chrono>

namespace spreadwatch::app {

/// Until when a service that ends deals with all that waits; afterwards only with what must outlive
/// it. Never, until it is set. Threads: any.
class DrainDeadline {
 public:
  using Time = std::chrono::steady_clock::time_point;

  void set(Time time) { time_ = time; }
  bool passed() const { return std::chrono::steady_clock::now() >= time_.load(); }

 private:
  std::atomic<Time> time_{Time::max()};
};

}  // namespace spreadwatch::app
