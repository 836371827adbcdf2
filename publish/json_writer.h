#pragma once

#include <array>
#include <charconv>
#include <concepts>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "core/decimal.h"
#include "core/time.h"

namespace spreadwatch::publish {

/// Appends `text` as a JSON string with its quotes; bytes that are not UTF-8 become U+FFFD.
void append_json_string(std::string& out, std::string_view text);

/// Writes one JSON object into a string: the brace opens with the object's life and closes at its
/// end. Fields appear in the order they are added. Field names are taken as they are (no escaping).
/// Threads: one.
class JsonObject {
 public:
  explicit JsonObject(std::string& out) : out_(out) { out_ += '{'; }
  /// Starts with `"type"`.
  JsonObject(std::string& out, std::string_view type) : JsonObject(out) { add("type", type); }
  ~JsonObject() { out_ += '}'; }
  JsonObject(const JsonObject&) = delete;
  JsonObject& operator=(const JsonObject&) = delete;

  /// Writes the name; the caller appends the value to what is returned.
  std::string& key(std::string_view name) {
    if (!first_) out_ += ',';
    first_ = false;
    out_ += '"';
    out_ += name;
    out_ += "\":";
    return out_;
  }

  void add(std::string_view name, std::string_view text) { append_json_string(key(name), text); }
  void add(std::string_view name, const char* text) { add(name, std::string_view{text}); }
  void add(std::string_view name, const std::string& text) { add(name, std::string_view{text}); }
  /// null when empty.
  void add_or_null(std::string_view name, std::string_view text) {
    if (text.empty()) {
      key(name) += "null";
    } else {
      add(name, text);
    }
  }
  void add(std::string_view name, bool value) { key(name) += value ? "true" : "false"; }
  /// null when the value is not finite: JSON has no number for it.
  void add(std::string_view name, double value) { append_number(key(name), value); }
  template <std::integral Int>
  void add(std::string_view name, Int value) {
    std::array<char, 24> digits{};
    const auto end = std::to_chars(digits.data(), digits.data() + digits.size(), value).ptr;
    key(name).append(digits.data(), end);
  }
  template <class T>
  void add(std::string_view name, const std::optional<T>& value) {
    if (value) {
      add(name, *value);
    } else {
      key(name) += "null";
    }
  }
  void add_ms(std::string_view name, const std::optional<Timestamp>& time) {
    add(name, time ? std::optional{to_ms(*time)} : std::nullopt);
  }
  void add_us(std::string_view name, const std::optional<Timestamp>& time) {
    add(name, time ? std::optional{to_us(*time)} : std::nullopt);
  }

 private:
  std::string& out_;
  bool first_ = true;
};

/// Writes one JSON array into a string: the bracket opens with the array's life and closes at its
/// end. Threads: one.
class JsonArray {
 public:
  explicit JsonArray(std::string& out) : out_(out) { out_ += '['; }
  ~JsonArray() { out_ += ']'; }
  JsonArray(const JsonArray&) = delete;
  JsonArray& operator=(const JsonArray&) = delete;

  /// Begins an element; the caller appends its value to what is returned.
  std::string& next() {
    if (!first_) out_ += ',';
    first_ = false;
    return out_;
  }

 private:
  std::string& out_;
  bool first_ = true;
};

/// Appends a JSON array of `values`; `append(out, value)` writes each.
template <class Values, class Append>
void append_json_array(std::string& out, const Values& values, const Append& append) {
  JsonArray array(out);
  for (const auto& value : values) append(array.next(), value);
}

}  // namespace spreadwatch::publish
