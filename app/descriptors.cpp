#include "app/descriptors.h"

#include <iostream>

#include "http/descriptor_budget.h"

namespace spreadwatch::app {

bool claim_descriptors() {
  const std::size_t limit = http::raise_descriptor_limit();
  if (limit >= http::kLeastDescriptors) return true;
  std::cerr << "spreadwatch: the limit of open files (ulimit -n, RLIMIT_NOFILE) is " << limit
            << ": at least " << http::kLeastDescriptors << " are needed\n";
  return false;
}

}  // namespace spreadwatch::app
