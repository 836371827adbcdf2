#include "config/loader.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <fstream>

namespace spreadwatch::config {
namespace {

constexpr std::string_view kSmallest = "assets: [BTC]\nvenues:\n  upbit:\n";

bool has_error(const Loaded& loaded, int line, std::string_view part) {
  return std::ranges::any_of(loaded.errors, [&](const Finding& f) {
    return f.line == line && f.message.find(part) != std::string::npos;
  });
}

TEST_CASE("the smallest configuration has every documented default") {
  const Loaded loaded = load_text(kSmallest, "c.yaml");
  REQUIRE(loaded.ok());
  const Settings& s = loaded.settings;
  CHECK(s.assets == std::vector<std::string>{"BTC"});
  REQUIRE(s.venues.size() == 1);
  CHECK(s.venues[0].quote == "KRW");
  CHECK(s.venues[0].taker_fee == 0.0005);
  CHECK(s.venues[0].fallback_after == milliseconds{2'500});
  CHECK(s.venues[0].fallback_poll == milliseconds{2'000});
  CHECK(s.venues[0].audit_interval == milliseconds{5'000});
  CHECK(s.fx.quorum == 2);
  CHECK(s.fx.max_deviation == 0.01);
  CHECK(s.fx.max_age == milliseconds{30'000});
  CHECK(s.spread.sizes_usdt == std::vector<double>{1000, 5000, 10'000, 50'000, 100'000});
  CHECK(s.spread.open_hold == milliseconds{500});
  CHECK(s.publish.conflate == milliseconds{100});
  CHECK(s.publish.update == milliseconds{1000});
  CHECK(s.publish.background == milliseconds{5000});
  CHECK(s.publish.live_above == -0.002);
  CHECK(s.publish.min_change == 0.0001);
  CHECK(s.kafka.brokers == "embedded");
  CHECK(s.simulate.base_port == 9600);
}

TEST_CASE("the pace of REST polls and comparisons is set for each venue, within limits") {
  const Loaded loaded = load_text(
      "assets: [BTC]\nvenues:\n"
      "  upbit: {fallback_after_ms: 100, fallback_poll_ms: 60000, audit_interval_ms: 0}\n",
      "c.yaml");
  REQUIRE(loaded.ok());
  CHECK(loaded.settings.venues[0].fallback_after == milliseconds{100});
  CHECK(loaded.settings.venues[0].fallback_poll == milliseconds{60'000});
  CHECK(loaded.settings.venues[0].audit_interval == milliseconds{0});
  const Loaded wrong = load_text(
      "assets: [BTC]\nvenues:\n  upbit:\n"
      "    fallback_after_ms: 99\n    fallback_poll_ms: 0\n    audit_interval_ms: -1\n",
      "c.yaml");
  CHECK(has_error(wrong, 4, "fallback_after_ms"));
  CHECK(has_error(wrong, 5, "fallback_poll_ms"));
  CHECK(has_error(wrong, 6, "audit_interval_ms"));
}

TEST_CASE("what is published how often is set, the rarer no more often than the more frequent") {
  const Loaded loaded = load_text(
      "assets: [BTC]\nvenues: {upbit: }\n"
      "publish: {conflate_ms: 200, update_ms: 400, background_ms: 800, live_above: 0,\n"
      "          min_change: 0.001, ticker_fields: [trade_price, exchange_ts_ms]}\n",
      "c.yaml");
  REQUIRE(loaded.ok());
  const PublishSettings& publish = loaded.settings.publish;
  CHECK(publish.conflate == milliseconds{200});
  CHECK(publish.update == milliseconds{400});
  CHECK(publish.background == milliseconds{800});
  CHECK(publish.live_above == 0);
  CHECK(publish.min_change == 0.001);
  CHECK(publish.ticker_fields.count() == 2);
  CHECK(publish.ticker_fields.test(static_cast<std::size_t>(TickerField::kTradePrice)));
  const Loaded wrong = load_text(
      "assets: [BTC]\nvenues: {upbit: }\npublish:\n  conflate_ms: 200\n  update_ms: 100\n"
      "  background_ms: 50\n  live_above: 2\n  min_change: -1\n"
      "  ticker_fields: [trade_price, trade_price]\n",
      "c.yaml");
  CHECK(has_error(wrong, 5, "publish.update_ms: must not be below publish.conflate_ms"));
  CHECK(has_error(wrong, 6, "publish.background_ms: must not be below publish.update_ms"));
  CHECK(has_error(wrong, 7, "publish.live_above: 2 is out of range"));
  CHECK(has_error(wrong, 8, "publish.min_change: -1 is out of range"));
  CHECK(has_error(wrong, 9, "publish.ticker_fields: must be a list without repeats, allowed: ex"));
  CHECK(load_text("assets: [BTC]\nvenues: {upbit: }\n", "c.yaml")
            .settings.publish.ticker_fields.all());
}

TEST_CASE("a fault script keeps its times, places and parameters") {
  const Loaded loaded = load_text(
      "assets: [BTC]\nvenues: {upbit: }\nsimulate:\n  faults:\n"
      "    - {at_ms: 5000, fault: gap, venue: okx, symbol: BTC-USDT, duration_ms: 0}\n"
      "    - {fault: late, venue: null, duration_ms: 2000, ms: 700}\n",
      "c.yaml");
  REQUIRE(loaded.ok());
  const std::vector<SimulateFault>& faults = loaded.settings.simulate.faults;
  REQUIRE(faults.size() == 2);
  CHECK(faults[0].at_ms == 5000);
  CHECK(faults[0].fault == "gap");
  CHECK(faults[0].venue == "okx");
  CHECK(faults[0].symbol == "BTC-USDT");
  CHECK(faults[0].line == 5);
  CHECK_FALSE(faults[1].venue.has_value());
  CHECK(faults[1].duration_ms == 2000);
  CHECK(faults[1].parameters == std::vector<std::pair<std::string, std::int64_t>>{{"ms", 700}});
}

TEST_CASE("every error of a fault script is named") {
  const Loaded loaded = load_text(
      "assets: [BTC]\nvenues: {upbit: }\nsimulate:\n  faults:\n"
      "    - {at_ms: -1, venue: okx}\n"
      "    - {fault: late, duration_ms: soon, ms: [1]}\n"
      "    - gap\n",
      "c.yaml");
  CHECK(loaded.errors.size() == 5);
  const Loaded list = load_text("assets: [BTC]\nvenues: {upbit: }\nsimulate: {faults: gap}\n", "c");
  CHECK(list.errors.size() == 1);
}

TEST_CASE("venues keep the order of the file") {
  const Loaded loaded =
      load_text("assets: all\nvenues: {kraken: , binance: , upbit: }\n", "c.yaml");
  REQUIRE(loaded.ok());
  CHECK(loaded.settings.all_assets);
  REQUIRE(loaded.settings.venues.size() == 3);
  CHECK(loaded.settings.venues[0].id == VenueId::kKraken);
  CHECK(loaded.settings.venues[1].id == VenueId::kBinance);
}

TEST_CASE("all errors are reported at once with their lines") {
  const Loaded loaded = load_text(R"(assets: [BTC, btc, ETH, BTC]
venues:
  upbit: { taker_fee: 2, quote: EUR, ws_url: "http://x", orderbook_depth: 0, colour: red }
  mtgox: {}
fx: { quorum: two, max_deviation: -1, bank: [{ name: a, url: ftp://b, pointer: rates }] }
spread:
  sizes_usdt: [5, 4]
  modes: [teleport]
  open_hold_ms: 1.5
publish: { conflate_ms: yes }
kafka: 7
speed: fast
)",
                                  "c.yaml");
  CHECK(has_error(loaded, 1, "\"btc\" is not an asset"));
  CHECK(has_error(loaded, 1, "BTC is named twice"));
  CHECK(has_error(loaded, 3, "venues.upbit.taker_fee: 2 is out of range, allowed 0 to 0.05"));
  CHECK(has_error(loaded, 3, "venues.upbit.quote: \"EUR\" is not allowed"));
  CHECK(has_error(loaded, 3, "venues.upbit.ws_url"));
  CHECK(has_error(loaded, 3, "venues.upbit.orderbook_depth: 0 is out of range"));
  CHECK(has_error(loaded, 3, "venues.upbit.colour: unknown key"));
  CHECK(has_error(loaded, 4, "venues.mtgox: unknown venue, allowed: upbit"));
  CHECK(has_error(loaded, 5, "fx.quorum: must be a whole number from 1 to 10"));
  CHECK(has_error(loaded, 5, "fx.max_deviation: -1 is out of range"));
  CHECK(has_error(loaded, 5, "fx.bank[0].url"));
  CHECK(has_error(loaded, 5, "fx.bank[0].pointer"));
  CHECK(has_error(loaded, 7, "spread.sizes_usdt"));
  CHECK(has_error(loaded, 8, "spread.modes"));
  CHECK(has_error(loaded, 9, "spread.open_hold_ms"));
  CHECK(has_error(loaded, 10, "publish.conflate_ms"));
  CHECK(has_error(loaded, 11, "kafka: must be a mapping"));
  CHECK(has_error(loaded, 12, "speed: unknown key"));
  CHECK(std::ranges::is_sorted(loaded.errors, {}, &Finding::line));
}

TEST_CASE("assets have names in any script, in UTF-8") {
  const Loaded loaded =
      load_text("assets: [BTC, 币安人生, \"$AI\", A.B]\nvenues: {binance: }\n", "c.yaml");
  CHECK(loaded.ok());
  CHECK(loaded.settings.assets == std::vector<std::string>{"BTC", "币安人生", "$AI", "A.B"});
  for (const char* const name : {"A B", "A-B", "a", "币 安", "A/B", "\"\\x85\""}) {
    CAPTURE(name);
    CHECK(
        has_error(load_text("assets: [" + std::string{name} + "]\nvenues: {binance: }\n", "c.yaml"),
                  1, "is not an asset"));
  }
  CHECK(has_error(load_text("assets: [BTC]\nvenues: {binance: }\n# \xe5\xb8\n", "c.yaml"), 3,
                  "must be UTF-8"));
  AssetRegistry registry;
  CHECK(load_registry_text("币安人生: {evidence: x, tickers: {okx: 币安}}\n", "r.yaml", registry)
            .empty());
  CHECK(registry.asset_of(VenueId::kOkx, "币安") == "币安人生");
  CHECK(registry.ticker_of(VenueId::kBinance, "币安人生") == "币安人生");
}

TEST_CASE("what is missing is an error too") {
  CHECK(has_error(load_text("{}", "c.yaml"), 1, "assets: missing"));
  CHECK(has_error(load_text("{}", "c.yaml"), 1, "venues: missing"));
  CHECK_FALSE(load_text("", "c.yaml").ok());
  CHECK_FALSE(load_text("[1, 2]", "c.yaml").ok());
  CHECK(has_error(load_text("assets: [BTC]\nvenues: {upbit: }\nfx: {bank: [{name: x}]}\n", "c"), 3,
                  "fx.bank[0].url: missing"));
  CHECK_FALSE(load("/nonexistent/spreadwatch.yaml").ok());
}

TEST_CASE("the record section has defaults, ranges and a total that holds a file") {
  const Loaded loaded = load_text(std::string{kSmallest}, "c.yaml");
  CHECK(loaded.settings.record.max_file_mb == 256);
  CHECK(loaded.settings.record.max_file == seconds{3600});
  CHECK(loaded.settings.record.max_total_mb == 10'240);
  CHECK(loaded.settings.record.queue_mb == 64);
  CHECK_FALSE(loaded.settings.record.metrics_port.has_value());
  const Loaded bad = load_text(std::string{kSmallest} +
                                   "record:\n  max_file_mb: 0\n  max_file_s: 0\n  queue_mb: x\n"
                                   "  metrics_port: 65536\n  max_total: 3\n",
                               "c.yaml");
  CHECK(has_error(bad, 5, "record.max_file_mb: 0 is out of range, allowed 1 to 65536"));
  CHECK(has_error(bad, 6, "record.max_file_s: 0 is out of range"));
  CHECK(has_error(bad, 7, "record.queue_mb"));
  CHECK(has_error(bad, 8, "record.metrics_port: 65536 is out of range"));
  CHECK(has_error(bad, 9, "record.max_total: unknown key"));
  CHECK(has_error(load_text(std::string{kSmallest} + "record: {max_total_mb: 100}\n", "c"), 4,
                  "record.max_total_mb: must not be below record.max_file_mb"));
}

TEST_CASE("text that is not YAML names its line") {
  const Loaded loaded = load_text("assets: [BTC\nvenues:\n", "c.yaml");
  REQUIRE_FALSE(loaded.ok());
  CHECK(loaded.errors[0].line > 0);
  CHECK(loaded.errors[0].text().starts_with("c.yaml:"));
}

TEST_CASE("an asset that is not registered is a warning, since its identity is unproven") {
  const Loaded loaded = load_text("assets: [BTC, QQQ]\nvenues: {upbit: }\n", "c.yaml");
  CHECK(loaded.ok());
  REQUIRE(loaded.warnings.size() == 1);
  CHECK(loaded.warnings[0].message.find("QQQ") != std::string::npos);
}

TEST_CASE("the built-in asset registry is valid and knows the exceptions") {
  AssetRegistry registry;
  CHECK(load_registry_text(builtin_registry_text(), "assets.yaml", registry).empty());
  for (const VenueIdentity& venue : kVenues) {
    CHECK(registry.asset_of(venue.id, "BTC") == "BTC");
    CHECK(registry.asset_of(venue.id, "USDT") == "USDT");
  }
  CHECK(registry.asset_of(VenueId::kOkx, "TON") == "TON");
  CHECK_FALSE(registry.asset_of(VenueId::kUpbit, "TON").has_value());
  CHECK_FALSE(registry.ticker_of(VenueId::kUpbit, "TON").has_value());
  CHECK_FALSE(registry.asset_of(VenueId::kUpbit, "NOPE").has_value());
  // One ticker, two coins: Kraken's LUNA is what the others call LUNC.
  CHECK(registry.asset_of(VenueId::kKraken, "LUNA") == "LUNC");
  CHECK(registry.asset_of(VenueId::kBinance, "LUNA") == "LUNA");
  CHECK(registry.ticker_of(VenueId::kKraken, "LUNA") == "LUNA2");
  for (const char* const ticker : {"FTC", "SOC", "ALT", "KLAY", "EOS", "FTM", "MATIC"}) {
    CAPTURE(ticker);
    for (const VenueIdentity& venue : kVenues) {
      CHECK_FALSE(registry.asset_of(venue.id, ticker).has_value());
    }
  }
}

TEST_CASE("a ticker mapped to two assets is a configuration error") {
  AssetRegistry registry;
  const auto errors = load_registry_text(
      "AAA: {evidence: x}\nBBB: {evidence: y, tickers: {okx: AAA}}\nCCC: {name: no evidence}\n",
      "r.yaml", registry);
  REQUIRE(errors.size() == 2);
  CHECK(errors[0].text().starts_with("r.yaml:2: "));
  CHECK(errors[1].text().starts_with("r.yaml:3: "));
  CHECK(errors[0].message.find("okx ticker AAA is mapped to two assets") != std::string::npos);
  CHECK(errors[1].message.find("CCC.evidence: missing") != std::string::npos);
}

/// The smallest configuration with one more line, which is line 4.
Loaded with(const std::string& line) {
  return load_text(std::string{kSmallest} + line + "\n", "c.yaml");
}

TEST_CASE("every address that a start would refuse is an error with its line") {
  const std::vector<std::pair<std::string, std::string>> bad = {
      {"http: {address: \"256.1.1.1\"}", "http.address: \"256.1.1.1\" is not allowed"},
      {"http: {address: \"127.0.0.1:8080\"}", "http.address: \"127.0.0.1:8080\" is not allowed"},
      {"http: {address: example.org}", "http.address"},
      {"http: {address: \"\"}", "http.address"},
      {"metrics: {address: \"::1%lo\"}", "metrics.address"},
      {"metrics: {port: 65536}", "metrics.port: 65536 is out of range, allowed 0 to 65535"},
      {"kafka: {brokers: \":::\"}", "kafka.brokers: \":::\" is not allowed"},
      {"kafka: {brokers: \"a:notaport\"}", "a whole number from 1 to 65535"},
      {"kafka: {brokers: \"a:99999\"}", "a whole number from 1 to 65535"},
      {"kafka: {brokers: \"kafka://a:9092\"}", "kafka.brokers"},
      {"kafka: {brokers: \"a:9092,\"}", "allowed: host:port, several with commas, or embedded"},
      {"kafka: {brokers: \"::1\"}", "an IPv6 address stands in brackets"},
      {"kafka: {brokers: \"embedded,a:9092\"}", "embedded stands alone"},
      {"kafka: {prefix: \"a b\"}", "kafka.prefix"},
      {"fx: {bank: [{name: a, url: \"http://a b\"}]}", "fx.bank[0].url: \"http://a b\""},
      {"fx: {bank: [{name: a, url: \"http://a:65536/\"}]}", "fx.bank[0].url"},
      {"fx: {bank: [{name: a, url: \"http:///x\"}]}", "fx.bank[0].url"},
      {"fx: {bank: [{name: a, url: \"http://a/#x\"}]}", "must not have a #fragment"},
      {"fx: {bank: [{name: \"\", url: \"http://a\"}]}", "fx.bank[0].name: \"\" is not allowed"},
      {"fx: {bank: [{name: upbit, url: \"http://a\"}]}", "a venue has this name"},
      {"fx: {bank: [{name: a, url: \"http://a\", pointer: /~9}]}",
       "fx.bank[0].pointer: \"/~9\" is not allowed, a JSON pointer starts with /"},
      {"fx: {bank: [{name: a, url: \"http://a\", pointer: /a~}]}", "fx.bank[0].pointer"},
      {"fx: {bank: [{name: a, url: \"http://a\"}, {name: a, url: \"http://b\"}]}",
       "fx.bank[1].name: a is named twice"},
      {"fx: {max_deviation: .nan}", "fx.max_deviation: must be a number"},
      {"fx: {max_deviation: 1e999}", "fx.max_deviation: must be a number"},
      {"fx: {max_age_ms: -5}", "fx.max_age_ms: -5 is out of range"},
      {"fx: {quorum: 99999999999999999999}", "fx.quorum: must be a whole number"},
      {"fx: {quorum: 1, quorum: 2}", "fx.quorum: named twice"},
      {"state_dir: \"a\\0b\"", "state_dir"},
      {"asset_registry: /nonexistent/r.yaml", "asset_registry: \"/nonexistent/r.yaml\" cannot be "},
      {"wallets: {table: /nonexistent/w.yaml}",
       "wallets.table: \"/nonexistent/w.yaml\" cannot be "},
      {"wallets: {table: /}", "cannot be read: it is a directory"},
  };
  for (const auto& [line, message] : bad) {
    CAPTURE(line);
    const Loaded loaded = with(line);
    CHECK(loaded.errors.size() == 1);
    CHECK(has_error(loaded, 4, message));
  }
  for (const char* const url :
       {"ws:///x", "ws://host:abc/", "ws://host:0", "ws://host:65536/", "ws://a b", "ws://::1/"}) {
    CAPTURE(url);
    CHECK(has_error(
        load_text("assets: [BTC]\nvenues:\n  upbit:\n    ws_url: \"" + std::string{url} + "\"\n",
                  "c"),
        4, "venues.upbit.ws_url"));
  }
  CHECK(has_error(load_text("assets: [BTC]\nvenues: {upbit: {rest_url: \"http://a/?b=c\"}}\n", "c"),
                  2, "must not have a ?query"));
}

TEST_CASE("IPv6 addresses are right everywhere") {
  const Loaded loaded = load_text(
      "assets: [BTC]\n"
      "venues: {upbit: {ws_url: \"ws://[::1]:9600/websocket/v1\", rest_url: "
      "\"http://[::1]:9600\"}}\n"
      "fx: {bank: [{name: a, url: \"http://[2001:db8::1]/latest\", pointer: /a~1b/~0c}]}\n"
      "kafka: {brokers: \"[::1]:9092, b.example:9093\"}\n"
      "http: {address: \"::1\"}\nmetrics: {address: \"[::1]\"}\n",
      "c.yaml");
  for (const Finding& finding : loaded.errors) MESSAGE(finding.text());
  REQUIRE(loaded.ok());
  CHECK(loaded.settings.http.address == "::1");
  CHECK(loaded.settings.metrics.address == "::1");
  CHECK(with("http: {address: localhost}").settings.http.address == "127.0.0.1");
}

TEST_CASE("two listeners with one port on one address are an error") {
  const auto meets = [](const std::string& lines, int line, std::string_view what) {
    CAPTURE(lines);
    const Loaded loaded = with(lines);
    CHECK(loaded.errors.size() == 1);
    CHECK(has_error(loaded, line, what));
  };
  meets("http: {port: 7000}\nmetrics: {port: 7000}", 5,
        "metrics.port (7000 on 127.0.0.1) meets http.port (7000 on 127.0.0.1)");
  meets("http: {port: 9464}", 4, "http.port (9464 on 127.0.0.1) meets metrics.port");
  meets("http: {port: 7000, address: 0.0.0.0}\nmetrics: {port: 7000}", 5, "metrics.port");
  meets("metrics: {port: 7000}\nrecord: {metrics_port: 7000}", 5, "record.metrics_port");
  meets("http: {port: 7003}\nsimulate: {base_port: 7000}", 5,
        "simulate.base_port (7000 to 7008 on 127.0.0.1) meets http.port (7003 on 127.0.0.1)");
  meets("simulate: {base_port: 7000, control_port: 7008}", 4, "simulate.control_port");
  CHECK(with("http: {port: 0}\nmetrics: {port: 0}\nsimulate: {base_port: 0}").ok());
  CHECK(with("http: {port: 7000, address: \"::1\"}\nmetrics: {port: 7000}").ok());
  CHECK(with("http: {port: 9600}").ok());  // no simulator in this file
}

TEST_CASE("a file is one document with something in it, in UTF-8") {
  CHECK(has_error(load_text("", "c"), 1, "there is nothing in the file"));
  CHECK(has_error(load_text("# only a comment\n", "c"), 1, "there is nothing in the file"));
  CHECK(has_error(with("---\nassets: [ETH]"), 5, "a second YAML document"));
  CHECK_FALSE(with("---").ok());
  CHECK(with("...").ok());
  CHECK(load_text("\xef\xbb\xbf---\n" + std::string{kSmallest}, "c").ok());
  CHECK(has_error(with("# \xff"), 4, "must be UTF-8"));
  CHECK(has_error(load("/nonexistent/spreadwatch.yaml"), 1, "cannot be read"));
  CHECK(load("/").errors.front().text() == "/:1: cannot be read: it is a directory");
  CHECK(has_error(load("/dev/zero"), 1, "longer than 4 MiB"));
}

TEST_CASE("an asset may have any name in UTF-8 that a venue lists") {
  const Loaded loaded = load_text("assets: [币安人生, BTC, \"$A.B\"]\nvenues: {binance: }\n", "c");
  CHECK(loaded.ok());
  CHECK(loaded.settings.assets == std::vector<std::string>{"币安人生", "BTC", "$A.B"});
  REQUIRE(loaded.warnings.size() == 2);
  CHECK(loaded.warnings[0].line == 1);
  for (const char* const bad :
       {"\"\"", "a", "A-B", "A/B", "A B", "\"A\\n\"", "\"A\\u202e\"", "A:B"}) {
    CAPTURE(bad);
    CHECK_FALSE(load_text("assets: [" + std::string{bad} + "]\nvenues: {binance: }\n", "c").ok());
  }
}

/// A variable of the environment for one test.
class Variable {
 public:
  Variable(const char* name, const char* value) : name_(name) { setenv(name, value, 1); }
  Variable(const Variable&) = delete;
  Variable& operator=(const Variable&) = delete;
  ~Variable() { unsetenv(name_); }

 private:
  const char* name_;
};

TEST_CASE("${NAME} is the environment's and secret") {
  const Variable key("SPREADWATCH_TEST_KEY", "k3y-of-the-bank");
  const Variable host("SPREADWATCH_TEST_HOST", "bank.example");
  const Loaded loaded = with(
      "fx: {bank: [{name: a, "
      "url: \"https://${SPREADWATCH_TEST_HOST}/v6/${SPREADWATCH_TEST_KEY}/latest\"}]}");
  REQUIRE(loaded.ok());
  CHECK(loaded.settings.fx.bank[0].url == "https://bank.example/v6/k3y-of-the-bank/latest");
  CHECK(loaded.settings.secrets == std::vector<std::string>{"bank.example", "k3y-of-the-bank"});

  const Loaded unset = with("state_dir: \"/x/${SPREADWATCH_TEST_NOT_SET}\"");
  CHECK(has_error(unset, 4,
                  "state_dir: the environment variable SPREADWATCH_TEST_NOT_SET is not set"));
  CHECK(has_error(with("state_dir: \"${SPREADWATCH_TEST_KEY\""), 4, "state_dir: ${ must be"));
  CHECK(has_error(with("state_dir: \"${A:-b}\""), 4, "state_dir: ${ must be"));
}

TEST_CASE("no finding shows a value of the environment, a password or a token") {
  const Variable key("SPREADWATCH_TEST_KEY", "hunter2 with a blank");
  const Loaded loaded = load_text(
      "assets: [BTC]\nvenues:\n  upbit:\n"
      "    ws_url: \"ws://joe:hunter2@host:abc/\"\n"
      "    rest_url: \"http://joe:hunter2 x@host/\"\n"
      "fx:\n  bank:\n"
      "    - {name: a, url: \"https://bank.example:99999/?base=USD&api_key=hunter2\"}\n"
      "    - {name: b, url: \"https://bank.example:0/v6/hunter2/latest\"}\n"
      "    - {name: c, url: \"https://bank.example/${SPREADWATCH_TEST_KEY}\"}\n"
      "    - {name: \"${SPREADWATCH_TEST_KEY}\", url: \"https://bank.example\"}\n"
      "kafka: {brokers: \"joe:hunter2@host:9092\", prefix: \"${SPREADWATCH_TEST_KEY}\"}\n"
      "http: {address: \"${SPREADWATCH_TEST_KEY}\"}\n"
      "asset_registry: \"/nonexistent/${SPREADWATCH_TEST_KEY}\"\n",
      "c.yaml");
  CHECK(loaded.errors.size() == 10);
  for (const Finding& finding : loaded.errors) {
    CAPTURE(finding.text());
    CHECK(finding.text().find("hunter2") == std::string::npos);
  }
  CHECK(has_error(loaded, 4, "\"ws://***@host:abc/\""));
  CHECK(has_error(loaded, 12, "kafka.prefix: \"${SPREADWATCH_TEST_KEY}\" is not allowed"));
}

TEST_CASE("passwords and tokens of addresses are noted as secrets, as written and decoded") {
  const Loaded loaded = with(
      "fx: {bank: [{name: a, url: \"https://joe:p%40ss@b.example/?base=USD&token=t0k&x=y\"}]}");
  REQUIRE(loaded.ok());
  CHECK(loaded.settings.secrets == std::vector<std::string>{"p%40ss", "p@ss", "t0k"});
}

TEST_CASE("a finding is one line whatever the file holds") {
  const Loaded loaded = with("log: {level: \"a\\nfake.yaml:1: x\\e[2J\"}");
  REQUIRE(loaded.errors.size() == 1);
  CHECK(loaded.errors[0].text() ==
        "c.yaml:4: log.level: \"a\\nfake.yaml:1: x\\x1b[2J\" is not allowed, allowed: debug, "
        "info, warn, error");
}

}  // namespace
}  // namespace spreadwatch::config
