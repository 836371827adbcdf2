// `simulate`: nine exchanges on loopback until SIGINT or SIGTERM.
#include <cstdio>
#include <iostream>
#include <stdexcept>
#include <thread>

#include "app/commands.h"
#include "app/descriptors.h"
#include "app/load_config.h"
#include "app/log.h"
#include "app/signals.h"
#include "sim/simulator.h"

namespace spreadwatch::app {

namespace {

sim::SimulatorConfig simulator_config(const config::Settings& settings) {
  sim::SimulatorConfig result{.assets = settings.assets,
                              .seed = settings.simulate.seed,
                              .base_port = settings.simulate.base_port,
                              .control_port = settings.simulate.control_port,
                              .tls = settings.simulate.tls,
                              .tls_certificate_file = {},
                              .tls_key_file = {},
                              .venues = {},
                              .faults = {}};
  for (const config::SimulateFault& fault : settings.simulate.faults) {
    result.faults.push_back({fault.at_ms,
                             {.fault = fault.fault,
                              .venue = fault.venue,
                              .symbol = fault.symbol,
                              .duration_ms = fault.duration_ms,
                              .parameters = fault.parameters}});
  }
  return result;
}

}  // namespace

bool check_fault_script(const std::filesystem::path& file, const config::Settings& settings) {
  const std::vector<config::SimulateFault>& faults = settings.simulate.faults;
  if (faults.empty()) return true;
  const std::vector<sim::ScriptError> errors = sim::check_script(simulator_config(settings));
  for (const sim::ScriptError& error : errors) {
    const config::Finding finding{
        file.string(), faults[error.place].line,
        "simulate.faults[" + std::to_string(error.place) + "]." + error.message};
    std::cerr << finding.text() << '\n';
  }
  return errors.empty();
}

int simulate(const SimulateOptions& options) {
  const TerminationSignals signals;
  const std::optional<config::Loaded> loaded = load_config(options.config);
  if (!loaded) return kExitBadInput;
  if (!check_fault_script(options.config, loaded->settings)) return kExitBadInput;
  if (!claim_descriptors()) return kExitCouldNotStart;
  sim::SimulatorConfig wanted = simulator_config(loaded->settings);
  if (options.seed) wanted.seed = *options.seed;

  Log log({.level = loaded->settings.log.level});
  try {
    sim::Simulator simulator(std::move(wanted));
    simulator.start();
    // The one line of output: whoever started this waits for it.
    std::cout << simulator.ready_line() << std::endl;
    std::jthread stopper([&] {
      signals.wait();
      simulator.stop();
    });
    simulator.run();
  } catch (const std::runtime_error& error) {
    log.say(error.what());
    return kExitCouldNotStart;
  }
  return kExitOk;
}

}  // namespace spreadwatch::app
