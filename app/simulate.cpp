// `simulate`: nine exchanges on loopback until SIGINT or SIGTERM.
#include <cstdio>
#include <iostream>
#include <stdexcept>
#include <thread>

#include "app/commands.h"
#include "app/load_config.h"
#include "app/signals.h"
#include "sim/simulator.h"

namespace spreadwatch::app {

int simulate(const SimulateOptions& options) {
  const std::optional<config::Loaded> loaded = load_config(options.config);
  if (!loaded) return kExitBadInput;
  const config::SimulateSettings& settings = loaded->settings.simulate;

  const TerminationSignals signals;
  try {
    sim::Simulator simulator({.assets = loaded->settings.assets,
                              .seed = options.seed.value_or(settings.seed),
                              .base_port = settings.base_port,
                              .control_port = settings.control_port,
                              .tls = settings.tls,
                              .tls_certificate_file = {},
                              .tls_key_file = {},
                              .venues = {}});
    simulator.start();
    // The one line of output: whoever started this waits for it.
    std::cout << simulator.ready_line() << std::endl;
    std::jthread stopper([&] {
      signals.wait();
      simulator.stop();
    });
    simulator.run();
  } catch (const std::runtime_error& error) {
    std::cerr << "spreadwatch: " << error.what() << '\n';
    return kExitCouldNotStart;
  }
  return kExitOk;
}

}  // namespace spreadwatch::app
