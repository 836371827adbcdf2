#pragma once

#include <compare>
#include <functional>
#include <string>
#include <string_view>

namespace spreadwatch {

/// A spot market by its canonical names, upper case: what is traded and what it is priced in.
struct Instrument {
  std::string base;
  std::string quote;

  /// `BASE-QUOTE`, the canonical spelling in records, keys and routes.
  std::string name() const { return base + "-" + quote; }

  friend auto operator<=>(const Instrument&, const Instrument&) = default;
};

/// Reads `BASE-QUOTE`; both parts empty when there is no dash inside.
inline Instrument instrument_from_name(std::string_view name) {
  const auto dash = name.rfind('-');
  if (dash == std::string_view::npos || dash == 0 || dash + 1 == name.size()) return {};
  return {std::string{name.substr(0, dash)}, std::string{name.substr(dash + 1)}};
}

}  // namespace spreadwatch

template <>
struct std::hash<spreadwatch::Instrument> {
  std::size_t operator()(const spreadwatch::Instrument& i) const noexcept {
    const std::size_t h = std::hash<std::string>{}(i.base);
    return h ^ (std::hash<std::string>{}(i.quote) + 0x9e3779b97f4a7c15U + (h << 6U) + (h >> 2U));
  }
};
