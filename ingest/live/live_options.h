#pragma once

#include <cstdint>
#include <string>

#include "core/time.h"

namespace spreadwatch::ingest {

/// What is fixed for a program but not for a test.
struct LiveOptions {
  std::string ca_file;     ///< PEM file trusted besides the system's authorities; empty = none
  std::uint64_t seed = 0;  ///< of the jitter; 0 = from the machine
  milliseconds connect_timeout{10'000};
  /// How long an old connection and its successor go on side by side at most.
  milliseconds longest_handover{15'000};
  milliseconds max_age{0};  ///< a connection of about this age is renewed; 0 = as the venue asks
  milliseconds markets_wait{5000};  ///< how long the first subscription waits for the market list
  milliseconds first_rejection{60'000};  ///< see SessionSettings, as the next two
  milliseconds first_data{10'000};
  milliseconds least_patience{10'000};
  /// In `settings.state_dir`; a program that may run beside another one needs a file of its own.
  std::string budgets_file = "budgets.json";
};

}  // namespace spreadwatch::ingest
