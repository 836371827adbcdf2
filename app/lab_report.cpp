#include "app/lab_report.h"

#include <algorithm>
#include <cstddef>
#include <fstream>
#include <iomanip>
#include <iostream>

namespace spreadwatch::app {
namespace {

const std::vector<std::string> kLabColumns = {
    "open_ratio", "close_ratio",    "size_usdt",   "opportunities", "opportunities_per_day",
    "taken",      "median_life_ms", "profit_usdt", "stale_share"};

}  // namespace

void print_table(const std::vector<LabRow>& rows) {
  std::vector<std::size_t> widths;
  for (std::size_t c = 0; c < kLabColumns.size(); ++c) {
    std::size_t width = kLabColumns[c].size();
    for (const LabRow& row : rows) width = std::max(width, row.cells[c].size());
    widths.push_back(width);
  }
  const auto print = [&widths](const std::vector<std::string>& cells) {
    for (std::size_t c = 0; c < cells.size(); ++c) {
      std::cout << (c == 0 ? "" : "  ") << std::setw(static_cast<int>(widths[c]))
                << (cells[c].empty() ? "-" : cells[c]);
    }
    std::cout << '\n';
  };
  print(kLabColumns);
  for (const LabRow& row : rows) print(row.cells);
}

bool write_csv(const std::filesystem::path& file, const std::vector<LabRow>& rows) {
  std::ofstream out(file);
  const auto line = [&out](const std::vector<std::string>& cells) {
    for (std::size_t c = 0; c < cells.size(); ++c) out << (c == 0 ? "" : ",") << cells[c];
    out << '\n';
  };
  line(kLabColumns);
  for (const LabRow& row : rows) line(row.cells);
  out.close();
  return !out.fail();
}

}  // namespace spreadwatch::app
