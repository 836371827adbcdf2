#pragma once

#include <yaml-cpp/yaml.h>

#include <cstdint>
#include <functional>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "config/loader.h"

namespace spreadwatch::config {

/// Where a text value may come from besides the file.
enum class Environment : std::uint8_t {
  kSecret,  ///< `${NAME}` is the environment's, and what it gave is secret
  kPublic,  ///< `${NAME}` is the environment's; of a closed list, so no secret
  kNone,    ///< nothing: a name that records, metrics and routes show
};

/// Collects findings of one file.
struct Report {
  std::string file;
  std::vector<Finding>* errors;
  /// Where what must not be shown is noted; null: `${NAME}` means nothing in this file.
  std::vector<std::string>* secrets = nullptr;

  /// At the node's line; the file's first where the node is nowhere in it.
  void error(const YAML::Node& at, std::string message) const;

  /// The text of a scalar with every `${NAME}` replaced; nullopt, with a finding that names the
  /// variable and never a value, where that cannot be.
  std::optional<std::string> resolve(const YAML::Node& scalar, const std::string& path,
                                     Environment from = Environment::kSecret) const;
};

/// The text of a scalar as a finding may show it: as it stands in the file, without credentials.
std::string shown_text(const YAML::Node& scalar);

/// The one document in `text`; nullopt, with a finding that has its line, when it is not UTF-8, not
/// YAML, empty, or more than one.
std::optional<YAML::Node> parse_yaml(std::string_view text, const Report& report);

/// Reads the keys of one YAML mapping and complains about those nobody asked for.
///
/// Every read names the key's path in its error, with the allowed values. A key that is absent
/// leaves the target as it is. Threads: one at a time.
class Mapping {
 public:
  /// An undefined or null node is an empty mapping; anything but a mapping is an error.
  Mapping(const YAML::Node& node, std::string path, const Report& report);

  void number(const char* key, double& out, double min, double max);
  void integer(const char* key, std::int64_t& out, std::int64_t min, std::int64_t max);
  template <class Int>
  void integer(const char* key, Int& out, std::int64_t min, std::int64_t max) {
    auto value = static_cast<std::int64_t>(out);
    integer(key, value, min, max);
    out = static_cast<Int>(value);
  }
  /// A whole number of the unit that `Duration` counts, as the key's name says.
  template <class Duration>
  void duration(const char* key, Duration& out, std::int64_t min, std::int64_t max) {
    std::int64_t value = out.count();
    integer(key, value, min, max);
    out = Duration{value};
  }
  void boolean(const char* key, bool& out);
  /// `check` returns what is allowed when the text is not, else an empty string.
  void text(const char* key, std::string& out,
            const std::function<std::string(const std::string&)>& check = {},
            Environment from = Environment::kSecret);

  /// The node under a key (undefined when absent), marked as known.
  YAML::Node node(const char* key);
  bool has(const char* key) const;

  /// Reports the keys that no read asked for. Call last.
  void finish() const;

  std::string path_of(std::string_view key) const;
  const YAML::Node& self() const { return node_; }

 private:
  YAML::Node node_;
  std::string path_;
  const Report& report_;
  std::set<std::string> known_;
};

}  // namespace spreadwatch::config
