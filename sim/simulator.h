#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "sim/faults.h"

namespace spreadwatch::sim {

/// A fault that starts by itself, so long after start().
struct ScriptedFault {
  std::int64_t at_ms = 0;
  FaultOrder order;
};

/// What `spreadwatch simulate` is started with.
struct SimulatorConfig {
  std::vector<std::string> assets;   ///< upper case; BTC ETH XRP SOL DOGE if empty
  std::uint64_t seed = 1;            ///< fixes the price path
  std::uint16_t base_port = 9600;    ///< first venue's port; 0 = any free port for each
  std::uint16_t control_port = 0;    ///< 0 = any free one
  bool tls = false;                  ///< wss and https on the venues' ports; control stays plain
  std::string tls_certificate_file;  ///< PEM chain; a self-signed certificate is made when empty
  std::string tls_key_file;          ///< PEM
  /// Names as in records; all nine if empty. A venue keeps its port whatever else is left out.
  std::vector<std::string> venues;
  std::vector<ScriptedFault> faults;  ///< at most 1000, in any order
};

struct ScriptError {
  std::size_t place;    ///< in SimulatorConfig::faults
  std::string message;  ///< "<key>: <what is wrong>"
};

/// Everything that is wrong with the scripted faults, for the venues and assets of the
/// configuration. Throws like Simulator's constructor for what is wrong with those.
std::vector<ScriptError> check_script(const SimulatorConfig& config);

/// Nine exchanges on loopback, their control routes and two bank-rate sources.
///
/// Everything runs on the thread inside run(). Only stop() may be called from other threads (also
/// before or without run(), and from a thread that a signal handler wakes).
class Simulator {
 public:
  /// Throws std::invalid_argument for an unknown venue, an asset name that is not [A-Z0-9]+, or
  /// scripted faults that cannot be carried out; then with a line for each error.
  explicit Simulator(SimulatorConfig config);
  ~Simulator();
  Simulator(const Simulator&) = delete;
  Simulator& operator=(const Simulator&) = delete;

  /// Binds every port. Throws std::runtime_error when one is taken or the certificate cannot be
  /// read.
  void start();

  /// The one line `simulate` prints: type, venues with ws_url and rest_url, bank, control_url.
  /// Requires start(). No newline.
  [[nodiscard]] std::string ready_line() const;

  /// PEM of the certificate in use, for a client's trust store; empty without TLS. Requires
  /// start().
  [[nodiscard]] const std::string& certificate_pem() const;

  /// Blocks until stop(). Requires start().
  void run();
  void stop();

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace spreadwatch::sim
