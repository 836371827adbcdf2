#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "core/venue.h"

/// What a client did that the real venue would punish, and the counters that notice it.
/// Threads: the simulator's one thread.
namespace spreadwatch::sim {

/// (venue, rule) -> how often and when last. Rules are snake_case and written by the venue's
/// protocol, e.g. "messages_per_second", "origin_header", "missing_pong".
class Violations {
 public:
  struct Row {
    VenueId venue;
    std::string rule;
    std::uint64_t count = 0;
    std::int64_t last_ts_ms = 0;
  };

  void count(VenueId venue, std::string_view rule, std::int64_t now_ms);
  /// By venue, then rule.
  [[nodiscard]] std::vector<Row> rows() const;

 private:
  struct Entry {
    std::uint64_t count = 0;
    std::int64_t last_ts_ms = 0;
  };
  std::map<std::pair<VenueId, std::string>, Entry> entries_;
};

/// At most `limit` units in any `window_ms`. Memory is bounded by the limit.
class RateWindow {
 public:
  RateWindow(std::int64_t limit, std::int64_t window_ms) : limit_(limit), window_ms_(window_ms) {}

  /// Counts `units` now; false when that exceeds the limit (they are then not counted).
  bool admit(std::int64_t now_ms, std::int64_t units = 1);
  /// Units counted in the window that ends now.
  [[nodiscard]] std::int64_t used(std::int64_t now_ms);
  [[nodiscard]] std::int64_t limit() const { return limit_; }
  /// Unix ms when the oldest counted unit leaves the window; `now_ms` when there is none.
  [[nodiscard]] std::int64_t frees_at(std::int64_t now_ms);

 private:
  struct Entry {
    std::int64_t ts_ms;
    std::int64_t units;
  };
  void expire(std::int64_t now_ms);

  std::int64_t limit_;
  std::int64_t window_ms_;
  std::int64_t used_ = 0;
  std::deque<Entry> entries_;
};

/// One RateWindow per key (a client's address, or address and group). At most 1024 keys are kept;
/// the map starts anew when full.
class KeyedRate {
 public:
  KeyedRate(std::int64_t limit, std::int64_t window_ms) : limit_(limit), window_ms_(window_ms) {}

  RateWindow& operator[](const std::string& key);

 private:
  std::int64_t limit_;
  std::int64_t window_ms_;
  std::map<std::string, RateWindow> windows_;
};

}  // namespace spreadwatch::sim
