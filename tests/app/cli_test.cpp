// The program from outside: exit codes, what goes to stdout, and that bad input loses nothing else.
#include <doctest/doctest.h>

#include <nlohmann/json.hpp>

#include "json_lines.h"
#include "process.h"

namespace spreadwatch::test {
namespace {

using Json = nlohmann::json;

const std::string kUpbitBook =
    R"({"type":"orderbook","code":"KRW-BTC","timestamp":1790134742106,"total_ask_size":2.5,"total_bid_size":1.6,"orderbook_units":[{"ask_price":1.16539E8,"bid_price":1.16538E8,"ask_size":0.02054761,"bid_size":0.08120946},{"ask_price":1.16542E8,"bid_price":1.16537E8,"ask_size":0.00077720,"bid_size":0.01129382}],"stream_type":"SNAPSHOT","level":0})";

TEST_CASE("wrong usage exits with 2 and says how on stderr") {
  for (const std::vector<std::string>& arguments : {std::vector<std::string>{program()},
                                                    {program(), "fly"},
                                                    {program(), "decode"},
                                                    {program(), "run"},
                                                    {program(), "replay", "--config"},
                                                    {program(), "decode", "--depth", "x", "f"}}) {
    const Finished finished = run(arguments);
    CHECK(finished.code == 2);
    CHECK(finished.out.empty());
    CHECK_FALSE(finished.err.empty());
  }
}

TEST_CASE("version is one line on stdout") {
  const Finished finished = run({program(), "version"});
  CHECK(finished.code == 0);
  CHECK(finished.out.starts_with("spreadwatch "));
}

TEST_CASE("with fewer than 64 descriptors nothing starts, and the limit is named") {
  const TemporaryFolder folder;
  const auto config = folder.write(
      "few.yaml",
      "assets: [BTC]\nvenues: {upbit: {ws_url: \"ws://127.0.0.1:1\", rest_url: "
      "\"http://127.0.0.1:1\"}}\nhttp: {port: 0}\nmetrics: {port: 0}\nsimulate: {base_port: 0}\n");
  const std::vector<std::vector<std::string>> commands = {
      {"run", "--config", config},
      {"record", "--config", config, "--out", folder.path() / "captures"},
      {"simulate", "--config", config}};
  for (const std::vector<std::string>& command : commands) {
    CAPTURE(command.front());
    std::vector<std::string> argv = {"sh", "-c", R"(ulimit -n 63; exec "$0" "$@")", program()};
    argv.insert(argv.end(), command.begin(), command.end());
    const Finished refused = run(argv);
    CHECK(refused.code == 3);
    CHECK(refused.out.empty());
    CHECK(refused.err ==
          "spreadwatch: the limit of open files (ulimit -n, RLIMIT_NOFILE) is 63: at least 64 are "
          "needed\n");
  }
}

TEST_CASE("check-config names every error with file and line and exits with 1") {
  const TemporaryFolder folder;
  const auto good = folder.write("good.yaml", "assets: [BTC]\nvenues: {upbit: }\n");
  CHECK(run({program(), "check-config", good}).code == 0);
  const auto bad =
      folder.write("bad.yaml", "assets: [BTC]\nvenues: {mtgox: }\nfx: {quorum: 0}\nnope: 1\n");
  const Finished finished = run({program(), "check-config", bad});
  CHECK(finished.code == 1);
  CHECK(finished.err.find("bad.yaml:2: venues.mtgox: unknown venue") != std::string::npos);
  CHECK(finished.err.find("bad.yaml:3: fx.quorum: 0 is out of range, allowed 1 to 10") !=
        std::string::npos);
  CHECK(finished.err.find("bad.yaml:4: nope: unknown key") != std::string::npos);
  for (const std::string command : {"run", "simulate", "replay"}) {
    CAPTURE(command);
    std::vector<std::string> arguments{program(), command, "--config", bad};
    if (command == "replay") arguments.push_back("/dev/null");
    CHECK(run(arguments).code == 1);
  }
}

TEST_CASE("check-config and simulate name every fault of a script that cannot be") {
  const TemporaryFolder folder;
  const auto bad = folder.write("faults.yaml",
                                "assets: [BTC]\nvenues: {upbit: }\nsimulate:\n  faults:\n"
                                "    - {fault: explode, venue: okx}\n"
                                "    - {fault: bad_checksum, venue: upbit, ms: 5}\n");
  for (const std::string command : {"check-config", "simulate"}) {
    CAPTURE(command);
    std::vector<std::string> arguments{program(), command, bad};
    if (command == "simulate") arguments.insert(arguments.begin() + 2, "--config");
    const Finished finished = run(arguments);
    CHECK(finished.code == 1);
    CHECK(finished.err.find("faults.yaml:5: simulate.faults[0].fault: there is none") !=
          std::string::npos);
    CHECK(finished.err.find("faults.yaml:6: simulate.faults[1].fault: bad_checksum makes no") !=
          std::string::npos);
    CHECK(finished.err.find("faults.yaml:6: simulate.faults[1].ms: ") != std::string::npos);
  }
}

TEST_CASE("decode prints the maintained book and keeps going over every kind of bad line") {
  const TemporaryFolder folder;
  const std::string huge(10U << 20U, 'x');
  const auto capture = folder.write(
      "c.jsonl",
      capture_line("upbit", kUpbitBook) +                     // 1
          "{broken\n" +                                       // 2
          capture_line("upbit", kUpbitBook.substr(0, 200)) +  // 3
          capture_line("mtgox", "{}") +                       // 4
          capture_line("kraken",
                       R"([321,{"as":[["1.0","2.0","3.0"]]},"book-10","XBT/USD"])") +  // 5
          capture_line(
              "binance",
              R"({"e":"depthUpdate","E":"soon","s":"BTCUSDT","U":1,"u":2,"b":[],"a":[]})") +
          capture_line(
              "upbit",
              R"({"type":"orderbook","code":"KRW-BTC","timestamp":1,"orderbook_units":[{"ask_price":-5,"bid_price":1,"ask_size":1,"bid_size":1}]})") +
          capture_line("okx", huge) +          // 8
          capture_line("upbit", kUpbitBook));  // 9
  const Finished finished = run({program(), "decode", capture});
  CHECK(finished.code == 1);  // lines 2 and 4 are no capture lines
  const std::vector<Json> records = lines_of(finished.out);
  std::vector<std::string> seen;
  for (const Json& r : records) {
    seen.push_back(r["type"] == "error"
                       ? std::to_string(r["line"].get<int>()) + ":" + r["code"].get<std::string>()
                       : r["type"].get<std::string>());
  }
  const std::vector<std::string> expected{"orderbook",
                                          "2:capture_line",
                                          "3:malformed_json",
                                          "4:capture_line",
                                          "5:obsolete_protocol",
                                          "6:schema_mismatch",
                                          "7:value_out_of_range",
                                          "8:oversized_frame",
                                          "orderbook"};
  CHECK(seen == expected);
  const Json& book = records.front();
  CHECK(book["exchange"] == "upbit");
  CHECK(book["region"] == "korea");
  CHECK(book["base"] == "BTC");
  CHECK(book["quote"] == "KRW");
  CHECK(book["state"] == "synced");
  CHECK(book["origin"] == "ws");
  CHECK(book["exchange_ts_ms"] == 1'790'134'742'106);
  CHECK(book["recv_ts_us"] == 1'700'000'000'000'000);
  CHECK(book["highest_bid"] == 116'538'000);
  CHECK(book["lowest_ask"] == 116'539'000);
  CHECK(book["spread"] == 1000);
  CHECK(book["sequence"].is_null());
  CHECK(book["bids"] == Json::parse("[[116538000,0.08120946],[116537000,0.01129382]]"));
}

TEST_CASE("a bad payload in a good capture line is an error record and exit code 0") {
  const TemporaryFolder folder;
  const auto capture =
      folder.write("c.jsonl", capture_line("okx", "nonsense") + capture_line("upbit", kUpbitBook));
  const Finished finished = run({program(), "decode", capture});
  CHECK(finished.code == 0);
  CHECK(lines_of(finished.out).size() == 2);
}

TEST_CASE("decode takes a depth, and totals stay over everything") {
  const TemporaryFolder folder;
  const auto capture = folder.write("c.jsonl", capture_line("upbit", kUpbitBook));
  const Finished finished = run({program(), "decode", "--depth", "1", capture});
  const std::vector<Json> records = lines_of(finished.out);
  REQUIRE(records.size() == 1);
  CHECK(records[0]["bids"].size() == 1);
  CHECK(records[0]["total_bid_volume"].get<double>() == doctest::Approx(0.0925032800));
}

TEST_CASE("a missing capture file exits with 1") {
  CHECK(run({program(), "decode", "/nonexistent.jsonl"}).code == 1);
}

}  // namespace
}  // namespace spreadwatch::test
