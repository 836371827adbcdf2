#include "app/commands.h"
#include "app/load_config.h"

namespace spreadwatch::app {

int check_config(const std::filesystem::path& file) {
  const std::optional<config::Loaded> loaded = load_config(file);
  return loaded && check_fault_script(file, loaded->settings) ? kExitOk : kExitBadInput;
}

}  // namespace spreadwatch::app
