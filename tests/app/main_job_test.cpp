// The main job as a user runs it: the simulator and the service as two processes, a consumer as a
// third.
#include "main_job.h"

#include <doctest/doctest.h>
#include <signal.h>

#include <algorithm>
#include <map>
#include <memory>
#include <nlohmann/json.hpp>
#include <set>
#include <sstream>

#include "tests/api/raw_client.h"

namespace spreadwatch::test {
namespace {

TEST_CASE("nine simulated exchanges become premiums and spreads in Kafka, HTTP and Prometheus") {
  MainJob job;

  // Nine venues synced within 15 s of the start, and everything that is watched is derived.
  CHECK(eventually(seconds{15}, [&] { return job.synced(); }));
  CHECK(eventually(seconds{15}, [&] { return job.is_ready(); }));
  CHECK(eventually(seconds{15}, [&] {
    std::set<std::string> ok;
    const Json premiums = job.get("/api/v1/premiums");
    if (!premiums.contains("premiums")) return false;
    for (const Json& p : premiums["premiums"]) {
      if (p["state"] == "ok") {
        ok.insert(p["asset"].get<std::string>() + p["region"].get<std::string>() +
                  p["over"].get<std::string>() + p["basis"].get<std::string>());
      }
    }
    // per asset korea/asia, korea/europe, asia/europe in usdt, korea over both in bank; one
    // usdt_premium
    return ok.size() == 3 * 5 + 1;
  }));

  // Wallets are known where they are public, so a transfer between two such venues is judged.
  CHECK(eventually(seconds{15}, [&] {
    const Json rows = job.get("/api/v1/spreads?asset=BTC&buy=korbit&sell=bithumb&mode=transfer");
    if (!rows.contains("spreads") || rows["spreads"].empty()) return false;
    const Json& reasons = rows["spreads"][0]["reasons"];
    return std::find(reasons.begin(), reasons.end(), "wallet_unknown") == reasons.end();
  }));

  // A what-if comes from the same books as the ladder.
  CHECK(eventually(seconds{10}, [&] {
    const Json profit = job.get("/api/v1/profit?asset=BTC&buy=okx&sell=upbit&size_usdt=1000");
    return profit.is_object() && profit["status"] == "ok" && profit["spent_usdt"] == 1000;
  }));
  CHECK(job.get("/api/v1/profit?asset=BTC&buy=okx&sell=okx&size_usdt=1000").is_null());

  // What is shown is what the exchange has: the same sequence means the same book.
  const std::string control = job.ready()["control_url"].get<std::string>();
  for (const std::string venue : {"okx", "bybit", "binance", "gateio"}) {
    CAPTURE(venue);
    CHECK(eventually(seconds{10}, [&] {
      const HttpAnswer truth = http_get(control + "/v1/books/" + venue + "/BTC-USDT");
      const Json ours = job.get("/api/v1/orderbooks/" + venue + "/BTC-USDT");
      if (truth.status != 200 || ours.is_null() || ours["state"] != "synced") return false;
      const Json book = Json::parse(truth.body);
      if (book["sequence"] != ours["sequence"]) return false;
      const std::size_t levels = std::min(book["bids"].size(), ours["bids"].size());
      for (std::size_t i = 0; i < levels; ++i) {
        if (book["bids"][i] != ours["bids"][i] || book["asks"][i] != ours["asks"][i]) return false;
      }
      return levels > 0;
    }));
  }

  // A consumer in another process reads every topic with the stated partitions and keys.
  const Finished listed = run({"kcat", "-L", "-J", "-b", job.brokers()});
  if (listed.code != 0 && listed.err.find("cannot start") != std::string::npos) {
    MESSAGE("SKIPPED: kcat is not installed");
    return;
  }
  REQUIRE(listed.code == 0);
  std::map<std::string, std::size_t> partitions;
  const Json metadata = Json::parse(listed.out);
  for (const Json& topic : metadata["topics"]) {
    partitions[topic["topic"]] = topic["partitions"].size();
  }
  const std::map<std::string, std::size_t> stated = {{"ticker.korea", 4},
                                                     {"ticker.asia", 3},
                                                     {"ticker.europe", 2},
                                                     {"orderbook.korea", 4},
                                                     {"orderbook.asia", 3},
                                                     {"orderbook.europe", 2},
                                                     {"fx", 1},
                                                     {"premium", 6},
                                                     {"spread", 6},
                                                     {"opportunity", 6},
                                                     {"alert", 1},
                                                     {"dead-letter", 1}};
  for (const auto& [topic, count] : stated) {
    CAPTURE(topic);
    CHECK(partitions["spreadwatch." + topic] == count);
  }
  for (const std::string topic :
       {"ticker.korea", "ticker.asia", "ticker.europe", "orderbook.korea", "orderbook.asia",
        "orderbook.europe", "fx", "premium", "spread"}) {
    CAPTURE(topic);
    const Finished consumed =
        run({"kcat", "-C", "-b", job.brokers(), "-t", "spreadwatch." + topic, "-o", "beginning",
             "-c", "200", "-e", "-q", "-f", R"({"partition":%p,"key":"%k","value":%s}\n)"});
    REQUIRE(consumed.code == 0);
    std::istringstream lines(consumed.out);
    std::string line;
    std::size_t count = 0;
    while (std::getline(lines, line)) {
      const Json record = Json::parse(line);
      const Json& value = record["value"];
      ++count;
      if (topic.starts_with("ticker") || topic.starts_with("orderbook")) {
        const std::string venue = value["exchange"];
        CHECK(record["key"] == venue + ":" + value["base"].get<std::string>() + "-" +
                                   value["quote"].get<std::string>());
        const VenueId id = *venue_from_name(venue);
        int place = 0;  // in its region
        for (const VenueIdentity& v : kVenues) place += v.region == region_of(id) && v.id < id;
        CHECK(record["partition"] == place);
      } else if (topic == "fx") {
        CHECK(record["key"] == value["pair"]);
      } else {
        CHECK(record["key"] == value["asset"]);
      }
    }
    CHECK(count > 0);
  }

  // The metrics are well-formed.
  const HttpAnswer scraped = http_get(job.metrics());
  CHECK(scraped.status == 200);
  CHECK(scraped.body.find("spreadwatch_ingest_connections") != std::string::npos);
  const TemporaryFolder folder;
  const auto file = folder.write("metrics.txt", scraped.body);
  const Finished checked =
      run({"sh", "-c",
           "command -v promtool >/dev/null || exit 99; promtool check metrics <" + file.string()});
  if (checked.code == 99) {
    MESSAGE("SKIPPED: promtool is not installed");
  } else {
    const std::string complaint = checked.out + checked.err;
    CHECK_MESSAGE(checked.code == 0, complaint);
  }

  // We did nothing that a real exchange would punish.
  const HttpAnswer violations = http_get(control + "/v1/violations");
  CHECK(violations.status == 200);
  CHECK_MESSAGE(Json::parse(violations.body).empty(), violations.body);

  // SIGTERM ends it cleanly within 5 s.
  job.service().signal(SIGTERM);
  CHECK(job.service().wait(seconds{5}) == 0);
  job.simulator().signal(SIGTERM);
  CHECK(job.simulator().wait(seconds{5}) == 0);
}

TEST_CASE("an opportunity that was open when the service was killed goes on after the restart") {
  // Without fees and thresholds some pair is always worth trading.
  MainJob job(", taker_fee: 0",
              "spread: { modes: [inventory], open_profit_usdt: 0, open_ratio: 0, open_hold_ms: 0, "
              "close_profit_usdt: 0, close_hold_ms: 60000 }\n");
  const auto open_ids = [&job] {
    std::set<std::string> ids;
    const Json answer = job.get("/api/v1/opportunities");
    if (!answer.contains("opportunities")) return ids;
    for (const Json& o : answer["opportunities"]) {
      if (o["event"] != "close") ids.insert(o["id"].get<std::string>());
    }
    return ids;
  };
  CHECK(eventually(seconds{20}, [&] { return job.synced() && !open_ids().empty(); }));
  const std::set<std::string> before = open_ids();
  job.service().signal(SIGKILL);
  CHECK(job.service().wait(seconds{5}) == 128 + SIGKILL);

  job.start_service();
  // At once, before any exchange has said anything.
  const std::set<std::string> restored = open_ids();
  for (const std::string& id : before) CHECK(restored.contains(id));
  // And they live on the new run's books.
  CHECK(eventually(seconds{20}, [&] { return job.synced(); }));
  std::size_t alive = 0;
  for (const std::string& id : open_ids()) alive += before.contains(id) ? 1 : 0;
  CHECK(alive > 0);
  job.service().signal(SIGTERM);
  CHECK(job.service().wait(seconds{15}) == 0);
}

TEST_CASE("a state directory that cannot be written exits with 3 and names it") {
  const TemporaryFolder folder;
  const auto blocked = folder.write("file", "x");
  const Finished finished = run({program(), "run", "--config",
                                 folder.write("run.yaml",
                                              "assets: [BTC]\nvenues: {upbit: }\nhttp: {port: 0}\n"
                                              "metrics: {port: 0}\nstate_dir: " +
                                                  blocked.string() + "\n")});
  CHECK(finished.code == 3);
  CHECK(finished.err.find(blocked.string()) != std::string::npos);
}

/// The port of `http://127.0.0.1:port/…`.
std::uint16_t port_of(const std::string& url) {
  return static_cast<std::uint16_t>(std::stoi(url.substr(url.find(':', 5) + 1)));
}

TEST_CASE("more idle connections than descriptors leave API, metrics and reconnects working") {
  MainJob job("", "", {}, 256);
  CHECK(eventually(seconds{15}, [&] { return job.synced(); }));
  std::vector<std::unique_ptr<api::test::RawClient>> idle;
  for (int i = 0; i < 300; ++i) {
    idle.push_back(std::make_unique<api::test::RawClient>(port_of(job.api())));
    idle.push_back(std::make_unique<api::test::RawClient>(port_of(job.metrics())));
  }
  CHECK(job.get("/healthz").value("status", "") == "ok");
  const std::string scraped = http_get(job.metrics()).body;
  const auto value = [&scraped](const std::string& series) {
    const std::size_t at = scraped.find(series + " ");
    return at == std::string::npos ? -1 : std::stoi(scraped.substr(at + series.size() + 1));
  };
  const std::string rejected = "spreadwatch_http_rejected_total{reason=";
  CHECK(value(rejected + "\"made_room\",server=\"api\"}") > 150);
  CHECK(value(rejected + "\"made_room\",server=\"metrics\"}") > 250);
  CHECK(value(rejected + "\"no_descriptors\",server=\"api\"}") == 0);

  const std::string control = job.ready()["control_url"].get<std::string>();
  CHECK(http_get(control + "/v1/faults", "POST", R"({"fault":"close"})").status / 100 == 2);
  CHECK(eventually(seconds{30}, [&] {
    const Json feeds = job.get("/api/v1/feeds");
    if (!feeds.contains("feeds")) return false;
    std::set<std::string> back;
    for (const Json& feed : feeds["feeds"]) {
      if (feed["channel"] != "orderbook") continue;
      if (feed["state"] != "synced" || feed["reconnects"] == 0) return false;
      back.insert(feed["venue"].get<std::string>());
    }
    return back.size() == kVenueNames.size();
  }));
}

TEST_CASE("a port that is taken exits with 3") {
  MainJob job;
  const std::string port = job.metrics().substr(
      job.metrics().rfind(':') + 1, job.metrics().rfind('/') - job.metrics().rfind(':') - 1);
  const TemporaryFolder folder;
  const auto config =
      folder.write("taken.yaml",
                   "assets: [BTC]\nvenues: {upbit: {ws_url: \"ws://127.0.0.1:1\", rest_url: "
                   "\"http://127.0.0.1:1\"}}\nhttp: {port: 0}\nmetrics: {port: " +
                       port + "}\n");
  const Finished finished = run({program(), "run", "--config", config}, seconds{20});
  CHECK(finished.code == 3);
  CHECK(finished.err.find(port) != std::string::npos);
}

}  // namespace
}  // namespace spreadwatch::test
