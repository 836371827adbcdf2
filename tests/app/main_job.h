#pragma once

#include <doctest/doctest.h>

#include <chrono>
#include <filesystem>
#include <map>
#include <nlohmann/json.hpp>
#include <optional>
#include <sstream>
#include <string>
#include <utility>
#include <vector>

#include "core/venue.h"
#include "process.h"

namespace spreadwatch::test {

using Json = nlohmann::json;
using std::chrono::milliseconds;
using std::chrono::seconds;

inline const std::vector<std::string> kVenueNames = [] {
  std::vector<std::string> names;
  for (const VenueIdentity& venue : kVenues) names.emplace_back(venue.name);
  return names;
}();

/// What a log line says behind `marker`, up to the next blank.
inline std::string logged(const Process& process, const std::string& marker) {
  const std::string log = process.err();
  const std::size_t at = log.find(marker);
  if (at == std::string::npos) return "";
  const std::size_t start = at + marker.size();
  return log.substr(start, log.find_first_of(" \n", start) - start);
}

/// The simulator and a service that watches it, both on free ports.
class MainJob {
 public:
  /// `venue_extra` and `more` go into each venue's and the service's configuration, `environment`
  /// is added to the service's. `descriptors`: as many may the service have; 0 = as many as the
  /// test.
  explicit MainJob(const std::string& venue_extra = "", const std::string& more = "",
                   std::map<std::string, std::string> environment = {}, int descriptors = 0)
      : environment_(std::move(environment)),
        descriptors_(descriptors),
        simulator_(
            {program(), "simulate", "--seed", "7", "--config",
             folder_.write(
                 "simulate.yaml",
                 "assets: [BTC, ETH, XRP]\nvenues: {upbit: }\nsimulate: {base_port: 0}\n")}) {
    REQUIRE(simulator_.wait_for(
        [](const Process& p) { return p.out().find('\n') != std::string::npos; }, seconds{20}));
    ready_ = Json::parse(simulator_.out());
    std::ostringstream config;
    config << "assets: [BTC, ETH, XRP]\nvenues:\n";
    for (const std::string& venue : kVenueNames) {
      config << "  " << venue << ": { ws_url: \""
             << ready_["venues"][venue]["ws_url"].get<std::string>() << "\", rest_url: \""
             << ready_["venues"][venue]["rest_url"].get<std::string>() << "\"" << venue_extra
             << " }\n";
    }
    config << "fx:\n  bank:\n";
    for (const Json& bank : ready_["bank"]) {
      config << "    - { name: \"" << bank["name"].get<std::string>() << "\", url: \""
             << bank["url"].get<std::string>() << "\", pointer: \""
             << bank["pointer"].get<std::string>() << "\", poll_s: 1 }\n";
    }
    config << "http: { port: 0 }\nmetrics: { port: 0 }\nstate_dir: "
           << (folder_.path() / "state").string() << "\n"
           << more;
    config_ = folder_.write("run.yaml", config.str());
    start_service();
  }

  void start_service() {
    std::vector<std::string> argv = {program(), "run", "--config", config_.string()};
    if (descriptors_ > 0) {
      const std::string limited =
          "ulimit -n " + std::to_string(descriptors_) + R"(; exec "$0" "$@")";
      argv.insert(argv.begin(), {"sh", "-c", limited});
    }
    service_.emplace(argv, environment_);
    REQUIRE(service_->wait_for([](const Process& p) { return !logged(p, "api: ").empty(); },
                               seconds{15}));
    api_ = logged(*service_, "api: ");
    metrics_ = logged(*service_, "metrics: ");
    brokers_ = logged(*service_, "brokers: ");
  }

  Json get(const std::string& path) const {
    const HttpAnswer answer = http_get(api_ + path);
    return answer.status == 200 ? Json::parse(answer.body) : Json();
  }
  /// `/readyz` has no reason.
  bool is_ready() const { return http_get(api_ + "/readyz").status == 200; }
  /// Every order book feed of every venue is synced.
  bool synced() const {
    const Json feeds = get("/api/v1/feeds");
    if (!feeds.contains("feeds")) return false;
    std::map<std::string, int> books;
    for (const Json& feed : feeds["feeds"]) {
      if (feed["channel"] != "orderbook") continue;
      if (feed["state"] != "synced") return false;
      ++books[feed["venue"].get<std::string>()];
    }
    return books.size() == kVenueNames.size();
  }

  const std::string& api() const { return api_; }
  Process& simulator() { return simulator_; }
  Process& service() { return *service_; }
  const Json& ready() const { return ready_; }
  const std::string& metrics() const { return metrics_; }
  const std::string& brokers() const { return brokers_; }

 private:
  TemporaryFolder folder_;
  std::map<std::string, std::string> environment_;
  const int descriptors_;
  std::filesystem::path config_;
  Process simulator_;
  Json ready_;
  std::optional<Process> service_;
  std::string api_;
  std::string metrics_;
  std::string brokers_;
};

}  // namespace spreadwatch::test
