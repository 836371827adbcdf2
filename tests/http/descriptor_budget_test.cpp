#include "http/descriptor_budget.h"

#include <doctest/doctest.h>
#include <sys/resource.h>

#include <algorithm>

namespace spreadwatch::http {
namespace {

TEST_CASE("the servers' share leaves a reserve at every limit, and grows with it to a maximum") {
  DescriptorBudget before = descriptor_budget(kLeastDescriptors);
  CHECK(before.api == 8);
  CHECK(before.streams == 4);
  CHECK(before.metrics == 4);
  for (std::size_t limit = kLeastDescriptors; limit < 5000; ++limit) {
    CAPTURE(limit);
    const DescriptorBudget budget = descriptor_budget(limit);
    REQUIRE(budget.api + budget.metrics + 52 <= limit);
    REQUIRE(budget.streams < budget.api);
    REQUIRE(budget.api >= before.api);
    REQUIRE(budget.metrics >= before.metrics);
    before = budget;
  }
  CHECK(descriptor_budget(1024).api == 486);
  CHECK(descriptor_budget(1024).api + descriptor_budget(1024).metrics + 400 < 1024);
  CHECK(before.api == 512);
  CHECK(before.streams == 200);
  CHECK(before.metrics == 64);
}

TEST_CASE("the soft limit is raised to the hard one") {
  rlimit found{};
  REQUIRE(::getrlimit(RLIMIT_NOFILE, &found) == 0);
  const rlim_t most = std::min<rlim_t>(found.rlim_max, 65'536);
  rlimit low = found;
  low.rlim_cur = most / 2;
  REQUIRE(::setrlimit(RLIMIT_NOFILE, &low) == 0);
  CHECK(descriptor_limit() == most / 2);
  CHECK(raise_descriptor_limit() == most);
  CHECK(descriptor_limit() == most);
  REQUIRE(::setrlimit(RLIMIT_NOFILE, &found) == 0);
}

}  // namespace
}  // namespace spreadwatch::http
