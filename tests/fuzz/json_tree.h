#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

/// JSON as text with a structure, for tests that bend it.
namespace spreadwatch::fuzz {

/// A value whose scalars keep their spelling: numbers no type can hold, repeated keys and the order
/// of keys survive the way there and back.
struct JsonItem;
struct JsonTree {
  enum class Kind { kScalar, kArray, kObject };
  Kind kind = Kind::kScalar;
  std::string text;  ///< a scalar as written, a string with its quotes
  std::vector<JsonItem> items;

  bool is_string() const { return kind == Kind::kScalar && !text.empty() && text[0] == '"'; }
};

struct JsonItem {
  std::string key;  ///< with its quotes; not used in arrays
  JsonTree value;
};

/// Lenient about what scalars look like; nullopt when brackets, commas or quotes do not match or it
/// nests deeper than 400.
std::optional<JsonTree> parse_tree(std::string_view text);

void write_tree(const JsonTree& tree, std::string& out);

/// The member of that key (without quotes), or nullptr.
JsonTree* member(JsonTree& tree, std::string_view key);

}  // namespace spreadwatch::fuzz
