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
  /// The time that ages, holds and deadlines are counted in.
  virtual Timestamp now() const = 0;
  /// The time of day to tell the outside for a moment of now(): never falls from one moment to a
  /// later one. Not for moments of another clock, as an exchange's.
  virtual Timestamp shown(Timestamp moment) const { return moment; }
  /// What the machine's wall clock says, or would have said had it always been set as it is now, at
  /// a moment of now(): for what this program reads back itself after a restart. Back when the wall
  /// clock is set back.
  virtual Timestamp wall(Timestamp moment) const { return moment; }
};

/// The machine's wall clock, with every jump it makes: a live service takes ServiceClock.
class SystemClock final : public Clock {
 public:
  Timestamp now() const override {
    return std::chrono::floor<microseconds>(std::chrono::system_clock::now());
  }
};

}  // namespace spreadwatch
