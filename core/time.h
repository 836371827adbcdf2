#pragma once

#include <chrono>
#include <cstdint>

namespace spreadwatch {

using std::chrono::microseconds;
using std::chrono::milliseconds;
using std::chrono::seconds;

/// A point in time: microseconds since the Unix epoch, UTC. Always passed in, never read inside a
/// stage.
using Timestamp = std::chrono::sys_time<microseconds>;

constexpr Timestamp timestamp_from_us(std::int64_t us) { return Timestamp{microseconds{us}}; }
constexpr Timestamp timestamp_from_ms(std::int64_t ms) { return Timestamp{milliseconds{ms}}; }
constexpr std::int64_t to_us(Timestamp t) { return t.time_since_epoch().count(); }
/// Milliseconds since the epoch, rounded towards the past.
constexpr std::int64_t to_ms(Timestamp t) {
  return std::chrono::floor<milliseconds>(t.time_since_epoch()).count();
}
constexpr std::int64_t to_ms(microseconds d) { return std::chrono::floor<milliseconds>(d).count(); }

/// Where time comes from at the edge of the program. Threads: any.
class Clock {
 public:
  virtual ~Clock() = default;
  virtual Timestamp now() const = 0;
};

/// The machine's wall clock.
class SystemClock final : public Clock {
 public:
  Timestamp now() const override {
    return std::chrono::floor<microseconds>(std::chrono::system_clock::now());
  }
};

}  // namespace spreadwatch
