#pragma once

#include <array>
#include <cstdint>
#include <string_view>

namespace spreadwatch {

/// How both legs of a pair are traded: coins lie at both venues, or are sent from one to the other.
enum class Mode : std::uint8_t { kInventory, kTransfer };
inline constexpr std::array<std::string_view, 2> kModeNames = {"inventory", "transfer"};
constexpr std::string_view to_string(Mode m) { return kModeNames[static_cast<std::size_t>(m)]; }

}  // namespace spreadwatch
