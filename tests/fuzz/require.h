#pragma once

#include <cstdio>
#include <cstdlib>

namespace spreadwatch::fuzz {

/// What every consumer relies on. Aborts, which a fuzzer reports and a test program dies of.
inline void require(bool condition, const char* what) {
  if (condition) return;
  std::fprintf(stderr, "broken: %s\n", what);
  std::abort();
}

}  // namespace spreadwatch::fuzz
