#include "http/descriptor_budget.h"

#include <sys/resource.h>

#include <algorithm>

namespace spreadwatch::http {
namespace {

constexpr std::size_t kAlwaysReserved = 52;
constexpr std::size_t kMostApi = 512;
constexpr std::size_t kMostMetrics = 64;
constexpr std::size_t kMostStreams = 200;
constexpr rlim_t kOfUse = 65'536;

rlimit limits() {
  rlimit now{};
  if (::getrlimit(RLIMIT_NOFILE, &now) != 0) now = {.rlim_cur = 1024, .rlim_max = 1024};
  return now;
}

}  // namespace

DescriptorBudget descriptor_budget(std::size_t limit) {
  const std::size_t free = limit > kAlwaysReserved ? limit - kAlwaysReserved : 0;
  const std::size_t api = std::clamp<std::size_t>(free / 2, 8, kMostApi);
  return {.api = api,
          .streams = std::min(api / 2, kMostStreams),
          .metrics = std::clamp<std::size_t>(free / 8, 4, kMostMetrics)};
}

std::size_t descriptor_limit() {
  return static_cast<std::size_t>(std::min(limits().rlim_cur, kOfUse));
}

std::size_t raise_descriptor_limit() {
  rlimit wanted = limits();
  const rlim_t most = std::min(wanted.rlim_max, kOfUse);
  if (wanted.rlim_cur < most) {
    wanted.rlim_cur = most;
    // Refused, the service goes on with what it has: that is what descriptor_limit() says.
    static_cast<void>(::setrlimit(RLIMIT_NOFILE, &wanted));
  }
  return descriptor_limit();
}

}  // namespace spreadwatch::http
