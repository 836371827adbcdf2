#include "app/load_config.h"

#include <iostream>

#include "core/secrets.h"

namespace spreadwatch::app {

std::optional<config::Loaded> load_config(const std::filesystem::path& file) {
  config::Loaded loaded = config::load(file);
  for (const config::Finding& finding : loaded.errors) std::cerr << finding.text() << '\n';
  for (const config::Finding& finding : loaded.warnings) {
    std::cerr << finding.text() << " (warning)\n";
  }
  // From here on nothing that is said shows one.
  keep_secrets(loaded.settings.secrets);
  if (!loaded.ok()) return std::nullopt;
  return loaded;
}

}  // namespace spreadwatch::app
