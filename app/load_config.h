#pragma once

#include <filesystem>
#include <optional>

#include "config/loader.h"

namespace spreadwatch::app {

/// Loads a configuration, printing every error and warning on stderr, and keeps its secrets as such
/// (core/secrets.h); nullopt when there is an error.
std::optional<config::Loaded> load_config(const std::filesystem::path& file);

/// Prints every scripted fault that the simulator cannot carry out on stderr; false if there is
/// one.
bool check_fault_script(const std::filesystem::path& file, const config::Settings& settings);

}  // namespace spreadwatch::app
