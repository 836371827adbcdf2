#pragma once

#include <optional>
#include <variant>

#include "core/time.h"

namespace spreadwatch::publish {

/// Calls `visit` with each moment of our own clock that the record of `value` tells; an exchange's
/// times are not among them.
template <class T, class Visit>
void for_each_moment(T& value, Visit visit) {
  if constexpr (requires { value.receive_time; }) {
    if (value.receive_time) visit(*value.receive_time);
  }
  if constexpr (requires { value.time; }) visit(value.time);
  if constexpr (requires { value.opened; }) visit(value.opened);
  if constexpr (requires { value.peak_time; }) visit(value.peak_time);
}

/// The value with its moments as the times of day to tell (Clock::shown()): what an encoder of
/// encode.h is to be given when it came from a live clock. nullopt when that is the value as it is,
/// as it nearly always is. For each type of record there; also for a std::variant of them.
template <class T>
std::optional<T> told(const T& value, const Clock& clock) {
  bool differs = false;
  const auto look = [&](const auto& one) {
    for_each_moment(one, [&](Timestamp t) { differs = differs || clock.shown(t) != t; });
  };
  const auto change = [&](auto& one) {
    for_each_moment(one, [&](Timestamp& t) { t = clock.shown(t); });
  };
  constexpr bool kVariant = requires { value.index(); };
  if constexpr (kVariant) {
    std::visit(look, value);
  } else {
    look(value);
  }
  if (!differs) return std::nullopt;
  std::optional<T> copy{value};
  if constexpr (kVariant) {
    std::visit(change, *copy);
  } else {
    change(*copy);
  }
  return copy;
}

}  // namespace spreadwatch::publish
