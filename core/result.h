#pragma once

#include <cassert>
#include <utility>
#include <variant>

#include "core/error.h"

namespace spreadwatch {

/// Wraps an error on its way into a Result: `return Unexpected{Error{...}};`.
template <class E>
struct Unexpected {
  E error;
};
template <class E>
Unexpected(E) -> Unexpected<E>;

/// A value or an error, with the member names of std::expected so that it can become an alias of
/// it.
///
/// REQUIRES: `value()`, `*` and `->` only when has_value(); `error()` only when not. Both assert.
template <class T, class E = Error>
class Result {
 public:
  Result(T value)
      : state_(std::in_place_index<0>, std::move(value)) {}  // NOLINT(google-explicit-constructor)
  Result(Unexpected<E> e)
      : state_(std::in_place_index<1>, std::move(e.error)) {
  }  // NOLINT(google-explicit-constructor)

  bool has_value() const noexcept { return state_.index() == 0; }
  explicit operator bool() const noexcept { return has_value(); }

  T& value() & {
    assert(has_value());
    return *std::get_if<0>(&state_);
  }
  const T& value() const& {
    assert(has_value());
    return *std::get_if<0>(&state_);
  }
  T&& value() && { return std::move(value()); }
  T& operator*() & { return value(); }
  const T& operator*() const& { return value(); }
  T&& operator*() && { return std::move(value()); }
  T* operator->() { return &value(); }
  const T* operator->() const { return &value(); }

  const E& error() const {
    assert(!has_value());
    return *std::get_if<1>(&state_);
  }

 private:
  std::variant<T, E> state_;
};

}  // namespace spreadwatch
