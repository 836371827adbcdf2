#include <doctest/doctest.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <nlohmann/json.hpp>
#include <regex>
#include <set>
#include <string>
#include <string_view>
#include <vector>

namespace fs = std::filesystem;

namespace {

std::string read(const fs::path& path) {
  std::ifstream in(path);
  return {std::istreambuf_iterator<char>(in), {}};
}

std::vector<fs::path> files_of(const char* folder, std::string_view extension) {
  std::vector<fs::path> found;
  for (const auto& entry :
       fs::recursive_directory_iterator(fs::path(SPREADWATCH_SOURCE_DIR) / folder)) {
    if (entry.path().extension() == extension) found.push_back(entry.path());
  }
  std::sort(found.begin(), found.end());
  return found;
}

void collect(const nlohmann::json& node, const char* key, std::vector<std::string>& out) {
  if (node.is_object()) {
    for (const auto& [name, value] : node.items()) {
      if (name == key && value.is_string()) out.push_back(value);
      collect(value, key, out);
    }
  } else if (node.is_array()) {
    for (const auto& value : node) collect(value, key, out);
  }
}

/// The names that the sources of metrics/ register: each string literal that is one, and those that
/// are put together from a prefix and a suffix ("spreadwatch_publish_queue" + "_records").
std::set<std::string> registered_names() {
  static const std::regex kName("\"(spreadwatch_[a-z0-9_]+)\"");
  static const std::regex kSuffix("\"(_[a-z0-9_]+)\"");
  std::set<std::string> names;
  for (const fs::path& file : files_of("metrics", ".cpp")) {
    const std::string text = read(file);
    std::vector<std::string> full;
    for (std::sregex_iterator at(text.begin(), text.end(), kName), end; at != end; ++at) {
      full.push_back((*at)[1]);
    }
    names.insert(full.begin(), full.end());
    for (std::sregex_iterator at(text.begin(), text.end(), kSuffix), end; at != end; ++at) {
      for (const std::string& prefix : full) names.insert(prefix + (*at)[1].str());
    }
  }
  return names;
}

}  // namespace

TEST_CASE("every metric a dashboard asks for is registered") {
  const std::set<std::string> names = registered_names();
  REQUIRE(names.size() > 10);
  const auto dashboards = files_of("grafana", ".json");
  REQUIRE_FALSE(dashboards.empty());
  static const std::regex kMetric("spreadwatch_[a-z0-9_]+");
  for (const fs::path& file : dashboards) {
    std::vector<std::string> queries;
    const auto dashboard = nlohmann::json::parse(read(file));
    collect(dashboard, "expr", queries);
    REQUIRE(queries.size() > 5);
    collect(dashboard, "definition", queries);
    for (const std::string& query : queries) {
      for (std::sregex_iterator at(query.begin(), query.end(), kMetric), end; at != end; ++at) {
        std::string name = at->str();
        if (name.ends_with("_bucket"))
          name.resize(name.size() - std::string_view("_bucket").size());
        CAPTURE(file.filename().string());
        CHECK_MESSAGE(names.contains(name), name);
      }
    }
  }
}

TEST_CASE("the panels of a dashboard have unique ids and do not overlap") {
  for (const fs::path& file : files_of("grafana", ".json")) {
    const auto dashboard = nlohmann::json::parse(read(file));
    std::set<int> ids;
    std::set<std::pair<int, int>> cells;
    for (const auto& panel : dashboard.at("panels")) {
      CHECK(ids.insert(panel.at("id").get<int>()).second);
      const auto& at = panel.at("gridPos");
      CHECK(at.at("x").get<int>() + at.at("w").get<int>() <= 24);
      for (int x = at.at("x"); x < at.at("x").get<int>() + at.at("w").get<int>(); ++x) {
        for (int y = at.at("y"); y < at.at("y").get<int>() + at.at("h").get<int>(); ++y) {
          CHECK(cells.insert({x, y}).second);
        }
      }
    }
  }
}
