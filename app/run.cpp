// `run`: the service until SIGINT or SIGTERM.
// clang-format off
#include <utility>  // before asio, which uses std::exchange without including it
// clang-format on
#include <pplx/threadpool.h>
#include <spdlog/spdlog.h>

#include <stdexcept>

#include "app/commands.h"
#include "app/descriptors.h"
#include "app/load_config.h"
#include "app/log.h"
#include "app/pipeline.h"
#include "app/signals.h"

namespace spreadwatch::app {

int run(const std::filesystem::path& config) {
  // Before any thread exists, so that every thread inherits the mask and only wait() takes the
  // signals.
  const TerminationSignals signals;
  const std::optional<config::Loaded> loaded = load_config(config);
  if (!loaded) return kExitBadInput;
  if (!claim_descriptors()) return kExitCouldNotStart;

  // Stdout is for output that was asked for; a service's log is not.
  Log log({.level = loaded->settings.log.level});
  crossplat::threadpool::initialize_with_threads(4);

  try {
    Pipeline pipeline(*loaded);
    pipeline.start();
    spdlog::info("metrics: {}", pipeline.metrics_url());
    spdlog::info("brokers: {}{}", pipeline.brokers(),
                 loaded->settings.kafka.brokers == "embedded"
                     ? " (embedded, for trying things out: nothing survives a restart)"
                     : "");
    spdlog::info("api: {}", pipeline.api_url());
    const int signal = signals.wait([&] { pipeline.set_log_lines_lost(log.lost()); });
    spdlog::info("signal {}, ending", signal);
    pipeline.stop();
    spdlog::info("ended");
  } catch (const std::runtime_error& error) {
    log.say(error.what());
    return kExitCouldNotStart;
  }
  return kExitOk;
}

}  // namespace spreadwatch::app
