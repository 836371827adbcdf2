#pragma once

#include <filesystem>
#include <string>
#include <vector>

namespace spreadwatch::app {

/// A row of what `lab` found as text, a cell a column; an empty one is shown as "-" (nothing in the
/// CSV).
struct LabRow {
  std::vector<std::string> cells;
};

/// The rows under their columns' names on stdout.
void print_table(const std::vector<LabRow>& rows);

/// The same as a file; false when it could not be written.
bool write_csv(const std::filesystem::path& file, const std::vector<LabRow>& rows);

}  // namespace spreadwatch::app
