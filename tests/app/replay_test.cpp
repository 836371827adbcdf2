// `replay` from outside: the same capture and configuration give the same bytes, and the numbers
// are those that the documentation's formulas give by hand.
#include <doctest/doctest.h>

#include <cmath>
#include <fstream>
#include <nlohmann/json.hpp>
#include <sstream>

#include "json_lines.h"
#include "process.h"

namespace spreadwatch::test {
namespace {

using Json = nlohmann::json;

std::string line(const std::string& exchange, const Json& raw, double recv_ts,
                 const std::string& kind = "ws", const std::string& channel = "orderbook",
                 const std::string& symbol = "") {
  return capture_line(exchange, raw.dump(), recv_ts, kind, channel, symbol);
}

constexpr double kStart = 1'790'000'000;

/// A whole book in Upbit's and Bithumb's shape; `us` = Bithumb's microseconds.
Json korean_book(const std::string& code, double t, double bid, double bid_size, double ask,
                 double ask_size, bool us = false) {
  return {
      {"type", "orderbook"},
      {"code", code},
      {"timestamp", static_cast<std::int64_t>(t * (us ? 1e6 : 1e3))},
      {"total_ask_size", ask_size},
      {"total_bid_size", bid_size},
      {"orderbook_units",
       {{{"ask_price", ask}, {"bid_price", bid}, {"ask_size", ask_size}, {"bid_size", bid_size}}}},
      {"stream_type", "REALTIME"},
      {"level", us ? 1 : 0}};
}

Json okx_book(double t, const std::string& bid, const std::string& bid_size, const std::string& ask,
              const std::string& ask_size, std::int64_t sequence) {
  return {{"arg", {{"channel", "books"}, {"instId", "BTC-USDT"}}},
          {"action", "snapshot"},
          {"data",
           {{{"asks", {{ask, ask_size, "0", "1"}}},
             {"bids", {{bid, bid_size, "0", "1"}}},
             {"ts", std::to_string(static_cast<std::int64_t>(t * 1e3))},
             {"checksum", 0},
             {"seqId", sequence},
             {"prevSeqId", -1}}}}};
}

const std::string kConfig = R"(assets: [BTC]
venues:
  upbit: { taker_fee: 0.0005 }
  bithumb: { taker_fee: 0.0004 }
  okx: { taker_fee: 0.001 }
fx:
  bank: [{ name: bank, url: "http://127.0.0.1:1/", pointer: /rates/KRW }]
spread: { modes: [inventory] }
publish: { conflate_ms: 0 }
)";

/// Two Korean venues and one in Asia: everything needed for a premium of Korea over Asia.
std::string capture() {
  return line("bank", {{"rates", {{"KRW", 1390.0}}}}, kStart, "rest", "fx", "USD/KRW") +
         line("upbit", korean_book("KRW-USDT", kStart, 1400, 1e6, 1401, 1e6), kStart + 0.01) +
         line("bithumb", korean_book("KRW-USDT", kStart, 1399, 1e6, 1401, 1e6, true),
              kStart + 0.02) +
         line("okx", okx_book(kStart, "99990", "2", "100000", "1.5", 10), kStart + 0.03) +
         line("upbit", korean_book("KRW-BTC", kStart, 142'000'000, 1, 142'010'000, 1),
              kStart + 0.04) +
         line("bithumb", korean_book("KRW-BTC", kStart, 141'900'000, 1, 141'950'000, 1, true),
              kStart + 0.05);
}

Json last(const std::vector<Json>& records, const Json& wanted) {
  Json found;
  for (const Json& r : records) {
    bool match = true;
    for (const auto& [key, value] : wanted.items())
      match = match && r.contains(key) && r[key] == value;
    if (match) found = r;
  }
  return found;
}

TEST_CASE("replayed numbers are those computed by hand") {
  const TemporaryFolder folder;
  const Finished finished = run({program(), "replay", "--config", folder.write("c.yaml", kConfig),
                                 folder.write("c.jsonl", capture())});
  REQUIRE_MESSAGE(finished.code == 0, finished.err);
  const std::vector<Json> records = lines_of(finished.out);

  const Json fx = last(records, {{"type", "fx"}, {"pair", "USDT/KRW"}, {"state", "ok"}});
  REQUIRE_FALSE(fx.is_null());
  const double mid = (1400.5 + 1400.0) / 2;  // median of the two mids
  CHECK(fx["mid"].get<double>() == doctest::Approx(mid).epsilon(1e-12));
  CHECK(fx["bid"].get<double>() == doctest::Approx(1399.5).epsilon(1e-12));
  CHECK(fx["ask"].get<double>() == doctest::Approx(1401).epsilon(1e-12));
  CHECK(fx["sources"].size() == 2);

  const Json premium =
      last(records, {{"type", "premium"}, {"asset", "BTC"}, {"over", "asia"}, {"basis", "usdt"}});
  REQUIRE_FALSE(premium.is_null());
  const double korea = (142'005'000 + 141'925'000) / 2.0 / mid;
  CHECK(premium["state"] == "ok");
  CHECK(premium["premium"].get<double>() == doctest::Approx(korea / 99'995 - 1).epsilon(1e-9));
  CHECK(premium["venues"] == Json{"upbit", "bithumb"});
  CHECK(premium["over_venues"] == Json{"okx"});

  // Buy at OKX, sell at Upbit. One level a side, so the optimal size is the smaller of the two.
  const Json spread = last(records, {{"type", "spread"}, {"buy", "okx"}, {"sell", "upbit"}});
  REQUIRE_FALSE(spread.is_null());
  CHECK(spread["verdict"] == "tradable");
  const double spent = 100'000 * 1.0 * 1.001;
  const double received = 142'000'000 * 1.0 * (1 - 0.0005) / (1401 * (1 + 0.0005));
  CHECK(spread["gross_ratio"].get<double>() ==
        doctest::Approx(142'000'000 / 1401.0 / 100'000 - 1).epsilon(1e-9));
  CHECK(spread["optimal"]["quantity"].get<double>() == doctest::Approx(1).epsilon(1e-12));
  CHECK(spread["optimal"]["spent_usdt"].get<double>() == doctest::Approx(spent).epsilon(1e-9));
  CHECK(spread["optimal"]["net_profit_usdt"].get<double>() ==
        doctest::Approx(received - spent).epsilon(1e-9));
  CHECK(spread["optimal"]["sell_vwap"].get<double>() ==
        doctest::Approx(142'000'000).epsilon(1e-12));
  const Json back = last(records, {{"type", "spread"}, {"buy", "upbit"}, {"sell", "okx"}});
  CHECK(back["verdict"] == "not_tradable");
  CHECK(back["optimal"].is_null());
  CHECK(back["break_even_quantity"] == 0);
  CHECK(back["reasons"] == Json{"unprofitable"});
}

TEST_CASE("polled books are replayed as they were shown, audited ones not at all") {
  const auto rest_book = [](double t, const std::string& bid, const std::string& ask) {
    return Json{{"code", "0"},
                {"msg", ""},
                {"data",
                 {{{"asks", {{ask, "1.5", "0", "1"}}},
                   {"bids", {{bid, "2", "0", "1"}}},
                   {"ts", std::to_string(static_cast<std::int64_t>(t * 1e3))},
                   {"seqId", 11}}}}};
  };
  const double end = kStart + 17;
  const std::string text =
      capture() +
      line("okx", rest_book(kStart + 1, "98990", "99000"), kStart + 1, "rest", "polled",
           "BTC-USDT") +
      line("okx", rest_book(kStart + 2, "100990", "101000"), kStart + 2, "rest", "audit",
           "BTC-USDT") +
      line("upbit", korean_book("KRW-BTC", end, 142'000'000, 1, 142'010'000, 1), end);
  const TemporaryFolder folder;
  const Finished finished = run({program(), "replay", "--config", folder.write("c.yaml", kConfig),
                                 folder.write("c.jsonl", text)});
  REQUIRE_MESSAGE(finished.code == 0, finished.err);
  const std::vector<Json> records = lines_of(finished.out);
  const Json book = last(records, {{"type", "orderbook"}, {"exchange", "okx"}});
  CHECK(book["origin"] == "rest");
  CHECK(book["lowest_ask"] == 99'000);
  const Json polled = last(
      records, {{"type", "spread"}, {"buy", "okx"}, {"sell", "upbit"}, {"verdict", "tradable"}});
  CHECK(polled["gross_ratio"].get<double>() ==
        doctest::Approx(142'000'000 / 1401.0 / 99'000 - 1).epsilon(1e-9));
  // 16 s after the last poll the book has outlived the venue's 15 s.
  const Json stale = last(records, {{"type", "spread"}, {"buy", "okx"}, {"sell", "upbit"}});
  CHECK(stale["verdict"] != "tradable");
  CHECK(stale["reasons"].dump().find("stale_leg") != std::string::npos);
}

/// What the page of worked examples says: a record and a field of it, by JSON pointer.
struct Worked {
  std::string record;
  std::string field;
  double value = 0;
};

std::vector<Worked> worked_examples() {
  std::ifstream page(std::string{SPREADWATCH_SOURCE_DIR} + "/spread/examples.md");
  std::vector<Worked> all;
  std::string record;
  for (std::string text; std::getline(page, text);) {
    if (text.starts_with("Record: `")) {
      record = text.substr(9, text.size() - 10);
    } else if (text.starts_with("| `")) {
      const std::size_t end = text.find('`', 3);
      const std::size_t value = text.rfind("| ", text.size() - 3) + 2;
      all.push_back({record, text.substr(3, end - 3), std::stod(text.substr(value))});
    }
  }
  return all;
}

TEST_CASE("replay prints every number of the worked examples") {
  const std::string fixture =
      std::string{SPREADWATCH_SOURCE_DIR} + "/tests/fixtures/worked_example/";
  const Finished finished =
      run({program(), "replay", "--config", fixture + "config.yaml", fixture + "capture.jsonl"});
  REQUIRE_MESSAGE(finished.code == 0, finished.err);
  const std::vector<Json> records = lines_of(finished.out);
  const std::vector<Worked> examples = worked_examples();
  REQUIRE(examples.size() > 30);
  for (const Worked& worked : examples) {
    CAPTURE(worked.record);
    CAPTURE(worked.field);
    std::istringstream words(worked.record);
    std::string type;
    std::string first;
    std::string second;
    std::string third;
    words >> type >> first >> second >> third;
    const Json record =
        type == "spread"
            ? last(records, {{"type", type}, {"buy", first}, {"sell", second}, {"mode", third}})
            : last(records, {{"type", type}, {"over", first}, {"basis", second}});
    REQUIRE_FALSE(record.is_null());
    const Json& value = record.at(Json::json_pointer("/" + worked.field));
    REQUIRE(value.is_number());
    CHECK(std::abs(value.get<double>() - worked.value) <= 1e-9 * std::abs(worked.value));
  }
}

TEST_CASE("a lab's table counts what the same thresholds give in a replay") {
  const std::string fixture =
      std::string{SPREADWATCH_SOURCE_DIR} + "/tests/fixtures/worked_example/";
  const TemporaryFolder folder;
  // The market of the examples stands for a second, then BTC costs at OKX what it does in Korea.
  std::ifstream in(fixture + "capture.jsonl");
  std::ostringstream text;
  text << in.rdbuf();
  const auto capture_file = folder.write(
      "c.jsonl",
      text.str() + line("okx", okx_book(kStart + 1, "101300", "1", "101400", "1", 11), kStart + 1) +
          line("okx", okx_book(kStart + 4, "101300", "1", "101401", "1", 12), kStart + 4));
  const auto csv = folder.path() / "lab.csv";
  const Finished finished = run({program(), "lab", "--config", fixture + "config.yaml", "--csv",
                                 csv.string(), "--open-ratio", "0.001,0.0125", "--close-ratio", "0",
                                 "--sizes", "1000,50000,500000", capture_file});
  REQUIRE_MESSAGE(finished.code == 0, finished.err);
  CHECK(finished.out.find("median_life_ms") != std::string::npos);
  std::ifstream table(csv);
  std::vector<std::vector<std::string>> rows;
  for (std::string row; std::getline(table, row);) {
    std::vector<std::string> cells;
    std::istringstream split(row);
    for (std::string cell; std::getline(split, cell, ',');) cells.push_back(cell);
    rows.push_back(cells);
  }
  REQUIRE(rows.size() == 1 + 2 * 3);
  CHECK(rows[0][0] == "open_ratio");
  // OKX to Upbit and to Bithumb, with funds on both sides, and Bithumb's transfer.
  CHECK(rows[1][3] == "3");
  // Nobody asks for more than the optimum's 1.1 %.
  CHECK(rows[4][3] == "0");
  CHECK(rows[2][2] == "50000");
  CHECK(rows[2][5] == "3");
  const double upbit = 623.2930429805508;
  const double bithumb_moved = 521.0486889557657;
  CHECK(std::stod(rows[2][7]) > upbit + bithumb_moved);
  CHECK(rows[3][5] == "0");  // 500,000 USDT are deeper than any book
  // From the end of the opening hold, 0.5 s after the books came, to two seconds after the change.
  CHECK(std::stoi(rows[1][6]) >= 2000);
  CHECK(std::stoi(rows[1][6]) < 3000);
  CHECK(rows[1][8] == "0.000");
}

/// What replay makes of bank answers beside good books: the records, with exit code 0.
std::vector<Json> with_banks(const std::vector<std::pair<std::string, Json>>& answers) {
  const TemporaryFolder folder;
  std::string config = kConfig;
  const std::string one =
      "bank: [{ name: bank, url: \"http://127.0.0.1:1/\", pointer: /rates/KRW }]";
  const std::size_t at = config.find(one);
  REQUIRE(at != std::string::npos);
  config.replace(at, one.size(),
                 "bank:\n    - { name: a, url: \"http://127.0.0.1:1/\", pointer: /rates/KRW }\n"
                 "    - { name: b, url: \"http://127.0.0.1:1/\", pointer: /rates/KRW }");
  std::string text = capture();
  for (std::size_t i = 0; i < answers.size(); ++i) {
    text += line(answers[i].first, {{"rates", {{"KRW", answers[i].second}}}},
                 kStart + 1 + static_cast<double>(i), "rest", "fx", "USD/KRW");
  }
  const Finished finished = run({program(), "replay", "--config", folder.write("c.yaml", config),
                                 folder.write("c.jsonl", text)});
  REQUIRE_MESSAGE(finished.code == 0, finished.err);
  return lines_of(finished.out);
}

TEST_CASE("banks that disagree give no rate, and the reason") {
  const std::vector<Json> records = with_banks({{"a", 1390}, {"b", 1530}});
  const Json rate = last(records, {{"type", "fx"}, {"pair", "USD/KRW"}});
  REQUIRE_FALSE(rate.is_null());
  CHECK(rate["state"] == "unavailable");
  CHECK(rate["reasons"] == Json{"fx_disagree"});
  CHECK(rate["mid"].is_null());
  const Json premium = last(records, {{"type", "premium"}, {"basis", "bank"}, {"asset", "BTC"}});
  REQUIRE_FALSE(premium.is_null());
  CHECK(premium["premium"].is_null());
}

TEST_CASE("a bank's answer that is no number or cannot be is an error and changes nothing") {
  const std::vector<Json> records = with_banks({{"a", 1390},
                                                {"b", "1.390,20"},
                                                {"b", 1e308},
                                                {"a", 1e308},
                                                {"a", "1e308"},
                                                {"b", 1.3902},
                                                {"a", 1600}});
  const Json rate = last(records, {{"type", "fx"}, {"pair", "USD/KRW"}});
  REQUIRE_FALSE(rate.is_null());
  CHECK(rate["state"] == "ok");
  CHECK(rate["mid"] == 1390);
  std::vector<std::string> errors;
  for (const Json& record : records) {
    if (record["type"] == "error") {
      errors.push_back(record["exchange"].get<std::string>() + " " +
                       record["code"].get<std::string>());
    }
  }
  CHECK(errors == std::vector<std::string>{"b schema_mismatch", "b value_out_of_range",
                                           "a value_out_of_range", "a value_out_of_range",
                                           "b value_out_of_range", "a value_out_of_range"});
}

TEST_CASE("the same capture and configuration give the same bytes") {
  const TemporaryFolder folder;
  const auto config = folder.write("c.yaml", kConfig);
  const auto file = folder.write("c.jsonl", capture());
  const Finished first = run({program(), "replay", "--config", config, file});
  const Finished second = run({program(), "replay", "--config", config, file});
  CHECK(first.code == 0);
  CHECK_FALSE(first.out.empty());
  CHECK(first.out == second.out);
}

TEST_CASE("a broken capture line is reported, loses nothing else, and ends with exit code 1") {
  const TemporaryFolder folder;
  const auto config = folder.write("c.yaml", kConfig);
  const Finished whole =
      run({program(), "replay", "--config", config, folder.write("a.jsonl", capture())});
  const Finished broken = run(
      {program(), "replay", "--config", config, folder.write("b.jsonl", "{oops\n" + capture())});
  CHECK(whole.code == 0);
  CHECK(broken.code == 1);
  std::vector<Json> records = lines_of(broken.out);
  REQUIRE_FALSE(records.empty());
  CHECK(records.front()["code"] == "capture_line");
  records.erase(records.begin());
  CHECK(records == lines_of(whole.out));
}

TEST_CASE("the Binance recording is synced from its own snapshot, never crossed, and equal twice") {
  const auto recordings = frames();
  const auto file =
      recordings ? *recordings / "binance.spot-btcusdt.20240808.jsonl.gz" : std::filesystem::path{};
  if (!recordings || !std::filesystem::exists(file)) {
    MESSAGE("SKIPPED: the recorded frames are not here");
    return;
  }
  const TemporaryFolder folder;
  const auto config = folder.write("c.yaml", "assets: [BTC]\nvenues: {binance: }\n");
  const Finished first =
      run({program(), "replay", "--config", config, file}, std::chrono::seconds{120});
  const Finished second =
      run({program(), "replay", "--config", config, file}, std::chrono::seconds{120});
  REQUIRE(first.code == 0);
  CHECK(first.out == second.out);
  std::size_t books = 0;
  for (const Json& record : lines_of(first.out)) {
    CHECK(record["type"] != "error");
    if (record["type"] != "orderbook") continue;
    ++books;
    CHECK(record["highest_bid"].get<double>() < record["lowest_ask"].get<double>());
  }
  CHECK(books > 3000);
}

}  // namespace
}  // namespace spreadwatch::test
