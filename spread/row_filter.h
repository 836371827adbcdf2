#pragma once

#include <optional>

#include "core/event.h"

namespace spreadwatch::spread {

/// Which rows of an asset's pairs are asked for; nullopt lets everything through. Threads: a value.
struct RowFilter {
  std::optional<VenueId> buy{};
  std::optional<VenueId> sell{};
  std::optional<Mode> mode{};
  std::optional<Verdict> verdict{};
};

}  // namespace spreadwatch::spread
