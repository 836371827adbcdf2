#pragma once

#include <algorithm>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

namespace spreadwatch::test {

/// The JSON texts of a program's output, one a line.
inline std::vector<nlohmann::json> lines_of(const std::string& text) {
  std::vector<nlohmann::json> records;
  std::size_t start = 0;
  while (start < text.size()) {
    const std::size_t end = std::min(text.find('\n', start), text.size());
    if (end > start) records.push_back(nlohmann::json::parse(text.substr(start, end - start)));
    start = end + 1;
  }
  return records;
}

/// A line of a capture with the payload `raw`.
inline std::string capture_line(const std::string& exchange, const std::string& raw,
                                double recv_ts = 1'700'000'000, const std::string& kind = "ws",
                                const std::string& channel = "orderbook",
                                const std::string& symbol = "") {
  return nlohmann::json{{"exchange", exchange}, {"kind", kind},       {"channel", channel},
                        {"symbol", symbol},     {"recv_ts", recv_ts}, {"raw", raw}}
             .dump() +
         "\n";
}

}  // namespace spreadwatch::test
