#pragma once

#include <cstddef>

namespace spreadwatch::http {

/// With fewer the service does not start: nine venues, the broker and its own files take about 50.
inline constexpr std::size_t kLeastDescriptors = 64;

/// How the process's descriptors are shared out. What the servers may not have is the reserve of
/// the venues, Kafka, SQLite and everything else: at least 52, and at 1,024 nearly half.
struct DescriptorBudget {
  std::size_t api = 0;      ///< connections to the API
  std::size_t streams = 0;  ///< of these, event streams
  std::size_t metrics = 0;  ///< connections to /metrics
};
/// REQUIRES: limit >= kLeastDescriptors. Pure.
DescriptorBudget descriptor_budget(std::size_t limit);

/// How many descriptors this process may have open (the soft RLIMIT_NOFILE). Threads: any.
std::size_t descriptor_limit();

/// Raises the soft limit towards the hard one, as far as is of use and as the system allows, and
/// says what it is now. Threads: before others open descriptors.
std::size_t raise_descriptor_limit();

}  // namespace spreadwatch::http
