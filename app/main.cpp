// The command line: one subcommand per function of commands.h.
#include <fcntl.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <cerrno>
#include <exception>
#include <iostream>

#include "app/commands.h"
#include "app/version.h"
#include "core/secrets.h"
#include "core/text.h"

namespace {

using namespace spreadwatch::app;

/// Of the standard descriptors none may be free: the next file or socket that is opened would get
/// it, and what is meant for stderr would end there.
void hold_standard_descriptors() {
  for (int descriptor = STDIN_FILENO; descriptor <= STDERR_FILENO; ++descriptor) {
    if (fcntl(descriptor, F_GETFD) >= 0 || errno != EBADF) continue;
    static_cast<void>(open("/dev/null", O_RDWR));  // the lowest free one, which is this
  }
}

int dispatch(int argc, char** argv) {
  CLI::App cli{"Watches cross-region crypto premiums and tells which could be earned."};
  cli.require_subcommand(1);

  std::filesystem::path config;
  DecodeOptions decode_options;
  ReplayOptions replay_options;
  LabOptions lab_options;
  SimulateOptions simulate_options;
  RecordOptions record_options;

  CLI::App* const run_command = cli.add_subcommand("run", "the service");
  run_command->add_option("--config", config, "configuration file")->required();

  CLI::App* const simulate_command = cli.add_subcommand(
      "simulate", "nine exchanges on loopback, speaking each one's own protocol");
  simulate_command->add_option("--config", simulate_options.config, "configuration file")
      ->required();
  simulate_command->add_option("--seed", simulate_options.seed, "fixes the market");

  CLI::App* const record_command =
      cli.add_subcommand("record", "live frames into rotating capture files");
  record_command->add_option("--config", record_options.config, "configuration file")->required();
  record_command->add_option("--out", record_options.folder, "folder of the capture files")
      ->required();

  CLI::App* const replay_command = cli.add_subcommand(
      "replay", "captures through the whole pipeline; events as JSON Lines on stdout");
  replay_command->add_option("--config", replay_options.config, "configuration file")->required();
  replay_command->add_option("captures", replay_options.captures, "capture files, - for stdin")
      ->required();

  CLI::App* const lab_command = cli.add_subcommand(
      "lab", "what other thresholds and sizes would have made of captures; a table on stdout");
  lab_command->add_option("--config", lab_options.config, "configuration file")->required();
  lab_command->add_option("--csv", lab_options.csv, "the table as CSV into this file");
  lab_command
      ->add_option("--open-ratio", lab_options.open_ratios,
                   "opening ratios, with commas (default 0.5, 1, 2 and 4 times the configured one)")
      ->delimiter(',')
      ->allow_extra_args(false)
      ->check(CLI::Range(0.0, 10.0));
  lab_command
      ->add_option("--close-ratio", lab_options.close_ratios,
                   "closing ratios (default the configured one and half the opening one)")
      ->delimiter(',')
      ->allow_extra_args(false)
      ->check(CLI::Range(-1.0, 10.0));
  lab_command->add_option("--sizes", lab_options.sizes, "sizes in USDT (default spread.sizes_usdt)")
      ->delimiter(',')
      ->allow_extra_args(false)
      ->check(CLI::Range(1.0, 1e9));
  lab_command->add_option("captures", lab_options.captures, "capture files, - for stdin")
      ->required();

  CLI::App* const decode_command =
      cli.add_subcommand("decode", "captures to normalized records, JSON Lines on stdout");
  decode_command
      ->add_option("--depth", decode_options.depth, "order book levels a side (default 15)")
      ->check(CLI::Range(0, 100'000));
  decode_command->add_option("captures", decode_options.captures, "capture files, - for stdin")
      ->required();

  CLI::App* const check_command = cli.add_subcommand(
      "check-config", "every error of a configuration file with its line and the allowed range");
  check_command->add_option("file", config, "configuration file")->required();

  CLI::App* const version_command = cli.add_subcommand("version", "the program's version");

  try {
    cli.parse(argc, argv);
  } catch (const CLI::CallForHelp& help) {
    return cli.exit(help);
  } catch (const CLI::ParseError& error) {
    cli.exit(error, std::cerr, std::cerr);
    return kExitUsage;
  }
  if (run_command->parsed()) return run(config);
  if (simulate_command->parsed()) return simulate(simulate_options);
  if (record_command->parsed()) return record(record_options);
  if (replay_command->parsed()) return replay(replay_options);
  if (lab_command->parsed()) return lab(lab_options);
  if (decode_command->parsed()) return decode(decode_options);
  if (check_command->parsed()) return check_config(config);
  if (version_command->parsed()) std::cout << "spreadwatch " << kVersion << '\n';
  return kExitOk;
}

}  // namespace

int main(int argc, char** argv) {
  hold_standard_descriptors();
  try {
    return dispatch(argc, argv);
  } catch (const std::exception& e) {
    std::cerr << "spreadwatch: " << spreadwatch::visible(spreadwatch::without_secrets(e.what()))
              << '\n';
    return kExitCouldNotStart;
  }
}
