#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

namespace spreadwatch::app {

/// Exit codes of every command.
enum ExitCode : int {
  kExitOk = 0,
  kExitBadInput = 1,       ///< bad input or configuration
  kExitUsage = 2,          ///< wrong usage
  kExitCouldNotStart = 3,  ///< a port is taken, a file cannot be written
};

struct DecodeOptions {
  std::vector<std::filesystem::path> captures;
  int depth = 15;  ///< levels a side
};

struct ReplayOptions {
  std::filesystem::path config;
  std::vector<std::filesystem::path> captures;
};

struct LabOptions {
  std::filesystem::path config;
  std::vector<std::filesystem::path> captures;
  std::filesystem::path csv;        ///< empty = none
  std::vector<double> open_ratios;  ///< empty = half, once, twice and four times the configured one
  std::vector<double> close_ratios;  ///< empty = the configured one and half the opening one
  std::vector<double> sizes;         ///< USDT; empty = the configured ladder
};

struct SimulateOptions {
  std::filesystem::path config;
  std::optional<std::uint64_t> seed;
};

struct RecordOptions {
  std::filesystem::path config;
  std::filesystem::path folder;  ///< made when it does not exist
};

/// One function per command; each returns the exit code. Results go to stdout, everything else to
/// stderr.
int decode(const DecodeOptions& options);
int replay(const ReplayOptions& options);
int lab(const LabOptions& options);
int check_config(const std::filesystem::path& file);
int record(const RecordOptions& options);
int simulate(const SimulateOptions& options);
int run(const std::filesystem::path& config);

}  // namespace spreadwatch::app
