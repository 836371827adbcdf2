#pragma once

#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include "config/asset_registry.h"
#include "config/settings.h"

namespace spreadwatch::config {

/// One thing that is wrong (or, as a warning, doubtful) in a configuration file.
struct Finding {
  std::string file;
  int line = 0;  ///< from 1; 0 when it concerns the file as a whole
  std::string message;

  /// `file:line: message`.
  std::string text() const;
};

/// What a configuration file says. Usable only when `errors` is empty.
struct Loaded {
  Settings settings;
  AssetRegistry registry;
  std::vector<Finding> errors;
  std::vector<Finding> warnings;

  bool ok() const { return errors.empty(); }
};

/// Reads and validates a YAML configuration file: unknown keys, wrong types and values out of range
/// are all collected, each with its line and the allowed range. A relative `asset_registry` path
/// counts from the file's folder. Never throws for bad content.
Loaded load(const std::filesystem::path& file);

/// As load(), from text; `file` is the name used in findings.
Loaded load_text(std::string_view text, const std::string& file);

/// Reads an asset registry. An asset or a venue's ticker that is mapped twice is an error.
std::vector<Finding> load_registry_text(std::string_view text, const std::string& file,
                                        AssetRegistry& out);

/// The asset registry that was built in (config/assets.yaml).
std::string_view builtin_registry_text();

}  // namespace spreadwatch::config
