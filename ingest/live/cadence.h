#pragma once

#include <algorithm>
#include <chrono>

#include "core/time.h"

namespace spreadwatch::ingest {

/// How often a stream speaks, so that a stalled one can be told from a quiet market: what a market
/// does every second is strange to be missing for twenty seconds, what it does every minute is not.
/// Time is monotonic and passed in. Threads: one at a time.
class Cadence {
 public:
  /// Messages before the usual pause is believed.
  static constexpr int kFewMessages = 8;
  /// So many usual pauses without a word are no longer chance.
  static constexpr int kUnusualPause = 20;

  /// A pause between two messages of the stream while it was alive.
  void add(milliseconds pause) {
    usual_ = messages_ == 0 ? pause : usual_ + (pause - usual_) / 8;
    messages_ = std::min(messages_ + 1, kFewMessages);
  }

  bool known() const { return messages_ >= kFewMessages; }
  /// Twenty usual pauses. REQUIRES: known().
  milliseconds unusual() const { return usual_ * kUnusualPause; }
  /// unusual() within the bounds; `most` while too little is known.
  milliseconds patience(milliseconds least, milliseconds most) const {
    return known() ? std::clamp(unusual(), std::min(least, most), most) : most;
  }

 private:
  milliseconds usual_{};  // a moving average
  int messages_ = 0;      // up to kFewMessages
};

}  // namespace spreadwatch::ingest
