#include "ingest/net/backoff.h"

#include <algorithm>

namespace spreadwatch::ingest {

Backoff::Backoff(Limits limits, std::uint64_t seed) : limits_(limits), random_(seed) {}

milliseconds Backoff::next() {
  // 2^20 times the first wait is beyond every sensible cap and far from overflow.
  const int doublings = std::min(failures_, 20);
  ++failures_;
  const auto ceiling = std::min(limits_.cap.count(), limits_.first.count() << doublings);
  std::uniform_int_distribution<milliseconds::rep> wait(limits_.floor.count(),
                                                        std::max(limits_.floor.count(), ceiling));
  return milliseconds{wait(random_)};
}

}  // namespace spreadwatch::ingest
