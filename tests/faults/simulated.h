#pragma once

#include <initializer_list>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <thread>

#include "config/loader.h"
#include "metrics/registry.h"
#include "sim/simulator.h"

namespace spreadwatch::test {

/// Simulated exchanges on free ports, and the configuration that watches them.
/// Threads: one at a time, but control() may be called by any.
class SimulatedVenues {
 public:
  /// `venue_options` goes into every venue's entry ("liveness_ms: 4000"), `more` behind the venues.
  /// REQUIRES: that makes a good configuration.
  SimulatedVenues(sim::SimulatorConfig simulator, const std::string& venue_options,
                  const std::string& more);
  ~SimulatedVenues();
  SimulatedVenues(const SimulatedVenues&) = delete;
  SimulatedVenues& operator=(const SimulatedVenues&) = delete;

  const config::Loaded& loaded() const { return loaded_; }
  /// Asks the simulator's control address; anything but success fails the test.
  nlohmann::json control(const std::string& path, const std::string& method = "GET",
                         const std::string& body = "") const;
  /// The rules that a client has broken, as the simulator counts them: "venue rule count, ...".
  std::string violations() const;

 private:
  sim::Simulator simulator_;
  std::jthread thread_;
  nlohmann::json ready_;
  config::Loaded loaded_;
};

/// The sum of the samples of a metric that have all these labels, written `name="value"`.
double metric(const metrics::Registry& registry, std::string_view name,
              std::initializer_list<std::string> labels);

}  // namespace spreadwatch::test
