#include "tests/faults/simulated.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <sstream>
#include <utility>

#include "tests/app/process.h"

namespace spreadwatch::test {

using Json = nlohmann::json;

SimulatedVenues::SimulatedVenues(sim::SimulatorConfig simulator, const std::string& venue_options,
                                 const std::string& more)
    : simulator_(simulator) {
  simulator_.start();
  thread_ = std::jthread([this] { simulator_.run(); });
  ready_ = Json::parse(simulator_.ready_line());
  std::ostringstream text;
  text << "assets: " << Json(simulator.assets).dump() << "\nvenues:\n";
  for (const auto& [venue, urls] : ready_["venues"].items()) {
    text << "  " << venue << ": { " << venue_options << (venue_options.empty() ? "" : ", ")
         << "ws_url: " << urls["ws_url"] << ", rest_url: " << urls["rest_url"] << " }\n";
  }
  text << more;
  loaded_ = config::load_text(text.str(), "faults.yaml");
  for (const config::Finding& finding : loaded_.errors) MESSAGE(finding.text());
  REQUIRE(loaded_.ok());
}

SimulatedVenues::~SimulatedVenues() { simulator_.stop(); }

Json SimulatedVenues::control(const std::string& path, const std::string& method,
                              const std::string& body) const {
  const HttpAnswer answer = http_get(ready_["control_url"].get<std::string>() + path, method, body);
  INFO(method, " ", path, " ", body, " -> ", answer.status, " ", answer.body);
  REQUIRE(answer.status / 100 == 2);
  return answer.body.empty() ? Json() : Json::parse(answer.body);
}

std::string SimulatedVenues::violations() const {
  std::string out;
  for (const Json& row : control("/v1/violations")) {
    out += (out.empty() ? "" : ", ") + row["venue"].get<std::string>() + " " +
           row["rule"].get<std::string>() + " " + row["count"].dump();
  }
  return out;
}

double metric(const metrics::Registry& registry, std::string_view name,
              std::initializer_list<std::string> labels) {
  std::istringstream text(registry.text());
  double sum = 0;
  for (std::string line; std::getline(text, line);) {
    if (!line.starts_with(name)) continue;
    const char next = line.size() > name.size() ? line[name.size()] : ' ';
    if (next != '{' && next != ' ') continue;
    if (!std::ranges::all_of(labels,
                             [&](const auto& l) { return line.find(l) != std::string::npos; })) {
      continue;
    }
    sum += std::stod(line.substr(line.rfind(' ') + 1));
  }
  return sum;
}

}  // namespace spreadwatch::test
