#pragma once

#include <filesystem>
#include <optional>

#include "config/loader.h"

namespace spreadwatch::app {

/// Loads a configuration, printing every error and warning on stderr; nullopt when there is an
/// error.
std::optional<config::Loaded> load_config(const std::filesystem::path& file);

}  // namespace spreadwatch::app
