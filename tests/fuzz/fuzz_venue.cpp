// One venue's adapter and book rules against sessions (P13, P10). See session.h for what an input
// is, tests/fuzz/CMakeLists.txt for how each venue gets a target of its own.

#include "tests/fuzz/fuzz_venue.h"

#include <cstddef>
#include <cstdint>
#include <string_view>

#include "tests/fuzz/require.h"

/// The venue's name; a source of each target has it.
extern const char* const spreadwatch_fuzz_venue;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static const auto venue = spreadwatch::venue_from_name(spreadwatch_fuzz_venue);
  spreadwatch::fuzz::require(venue.has_value(), "the target is a venue's");
  const std::string_view session{reinterpret_cast<const char*>(data), size};
  // Thoroughly costs three times as much, so not every time; which times is the input's business.
  std::uint32_t sum = 0;
  for (const char c : session) sum = sum * 31 + static_cast<unsigned char>(c);
  spreadwatch::fuzz::check_session(*venue, session, (sum >> 8U) % 4 == 0);
  return 0;
}
