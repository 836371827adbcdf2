#pragma once

#include <filesystem>
#include <map>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "config/asset_registry.h"
#include "config/settings.h"
#include "core/wallet.h"

namespace spreadwatch::config {

/// One thing that is wrong (or, as a warning, doubtful) in a configuration file.
struct Finding {
  std::string file;
  int line = 0;  ///< from 1; 0 when it concerns the file as a whole
  std::string message;

  /// `file:line: message`.
  std::string text() const;
};

/// What is known of moving assets without asking the venues; see config/wallets.yaml.
struct StandingWallets {
  struct Entry {
    VenueId venue{};
    std::string asset;  ///< canonical
    WalletInfo info;    ///< networks by their canonical names
    std::string as_of;  ///< YYYY-MM-DD
  };
  std::vector<Entry> entries;
  /// A venue's own name of a network, upper case → the canonical one.
  std::map<std::pair<VenueId, std::string>, std::string> aliases;
};

/// What a configuration file says. Usable only when `errors` is empty.
struct Loaded {
  Settings settings;
  AssetRegistry registry;
  StandingWallets wallets;
  std::vector<Finding> errors;
  std::vector<Finding> warnings;

  bool ok() const { return errors.empty(); }
};

/// Reads and validates a YAML configuration file: unknown keys, wrong types and values out of range
/// are all collected, each with its line and the allowed range. A relative path of
/// `asset_registry` or `wallets.table` counts from the file's folder. Never throws for bad content.
Loaded load(const std::filesystem::path& file);

/// As load(), from text; `file` is the name used in findings.
Loaded load_text(std::string_view text, const std::string& file);

/// Reads an asset registry. An asset or a venue's ticker that is mapped twice is an error.
std::vector<Finding> load_registry_text(std::string_view text, const std::string& file,
                                        AssetRegistry& out);

/// The asset registry that was built in (config/assets.yaml).
std::string_view builtin_registry_text();

}  // namespace spreadwatch::config
