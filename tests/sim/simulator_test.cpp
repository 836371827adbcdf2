// The whole simulator over real sockets: every client's book is the book at /v1/books.
#include "sim/simulator.h"

#include <doctest/doctest.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>

#include <algorithm>
#include <functional>
#include <map>
#include <nlohmann/json.hpp>
#include <thread>

#include "tests/sim/client.h"

using namespace spreadwatch::sim;
using namespace spreadwatch::sim::test;
using nlohmann::json;

namespace {

class Running {
 public:
  explicit Running(SimulatorConfig config = {}) : simulator_(with_free_ports(std::move(config))) {
    simulator_.start();
    ready_ = json::parse(simulator_.ready_line());
    thread_ = std::jthread([this] { simulator_.run(); });
  }
  ~Running() { simulator_.stop(); }

  [[nodiscard]] const json& ready() const { return ready_; }
  [[nodiscard]] const std::string& certificate() const { return simulator_.certificate_pem(); }

  [[nodiscard]] static std::uint16_t port_of(const std::string& url) {
    return static_cast<std::uint16_t>(std::stoi(url.substr(url.rfind(':') + 1)));
  }
  [[nodiscard]] std::uint16_t venue_port(const std::string& venue) const {
    return port_of(ready_["venues"][venue]["rest_url"]);
  }
  [[nodiscard]] std::uint16_t control_port() const { return port_of(ready_["control_url"]); }

  /// Path of the venue's websocket address.
  [[nodiscard]] std::string ws_path(const std::string& venue) const {
    const std::string url = ready_["venues"][venue]["ws_url"];
    const std::size_t slash = url.find('/', url.find("://") + 3);
    return slash == std::string::npos ? "/" : url.substr(slash);
  }
  [[nodiscard]] json control(const std::string& path) const {
    return json::parse(http_request(control_port(), "GET", path).body);
  }

 private:
  static SimulatorConfig with_free_ports(SimulatorConfig config) {
    config.base_port = 0;
    config.control_port = 0;
    return config;
  }

  Simulator simulator_;
  json ready_;
  std::jthread thread_;
};

using Side = std::map<double, double>;
struct ClientBook {
  Side bids;
  Side asks;
};

double number(const json& value) {
  return value.is_string() ? std::stod(value.get<std::string>()) : value.get<double>();
}

void set_levels(Side& side, const json& levels) {
  for (const json& level : levels) {
    if (number(level[1]) == 0) {
      side.erase(number(level[0]));
    } else {
      side[number(level[0])] = number(level[1]);
    }
  }
}

/// The best `depth` levels of a side.
Side best(const Side& side, std::size_t depth, bool bids) {
  Side result;
  if (bids) {
    for (auto it = side.rbegin(); it != side.rend() && result.size() < depth; ++it)
      result.insert(*it);
  } else {
    for (auto it = side.begin(); it != side.end() && result.size() < depth; ++it)
      result.insert(*it);
  }
  return result;
}

/// Reads messages, keeps the book after each under its sequence, and demands that the true book of
/// some moment was one of them. `step` applies a message and returns its sequence, 0 for none.
void check_against_truth(const Running& sim, WebSocketClient& client, const std::string& place,
                         const std::string& key, std::size_t depth,
                         const std::function<std::int64_t(const json&, ClientBook&)>& step) {
  ClientBook book;
  std::map<std::int64_t, ClientBook> history;
  const auto take = [&](std::chrono::milliseconds timeout) {
    const auto message = client.read(timeout);
    if (!message) return false;
    const std::int64_t sequence = step(json::parse(message->text), book);
    if (sequence != 0) history[sequence] = book;
    return true;
  };
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(15);
  int compared = 0;
  while (compared < 5) {
    REQUIRE(std::chrono::steady_clock::now() < deadline);
    for (int i = 0; i < 4; ++i) take(std::chrono::milliseconds(500));
    const json truth = sim.control("/v1/books/" + place);
    const auto sequence = truth[key].get<std::int64_t>();
    // Its message is at most as far behind as the socket is.
    while (history.empty() || history.rbegin()->first < sequence) {
      if (!take(std::chrono::seconds(3))) break;
    }
    const auto found = history.find(sequence);
    if (found == history.end()) continue;  // from before the subscription
    Side bids;
    Side asks;
    set_levels(bids, truth["bids"]);
    set_levels(asks, truth["asks"]);
    CHECK(best(found->second.bids, depth, true) == best(bids, depth, true));
    CHECK(best(found->second.asks, depth, false) == best(asks, depth, false));
    ++compared;
  }
}

/// Upbit's and Bithumb's whole books.
std::int64_t unit_book(const json& message, ClientBook& book, std::int64_t divisor) {
  if (message.value("type", "") != "orderbook") return 0;
  book = {};
  for (const json& unit : message["orderbook_units"]) {
    if (number(unit["bid_size"]) > 0)
      book.bids[number(unit["bid_price"])] = number(unit["bid_size"]);
    if (number(unit["ask_size"]) > 0)
      book.asks[number(unit["ask_price"])] = number(unit["ask_size"]);
  }
  return message["timestamp"].get<std::int64_t>() / divisor;
}

}  // namespace

TEST_CASE("simulator: the ready line names nine venues, two banks and the control address") {
  const Running sim;
  const json& ready = sim.ready();
  CHECK(ready["type"] == "ready");
  CHECK(ready["venues"].size() == 9);
  CHECK(ready["venues"]["bybit"]["ws_url"].get<std::string>().ends_with("/v5/public/spot"));
  CHECK(ready["venues"]["upbit"]["ws_url"].get<std::string>().ends_with("/websocket/v1"));
  CHECK(ready["venues"]["kraken"]["ws_url"].get<std::string>().ends_with("/v2"));
  REQUIRE(ready["bank"].size() == 2);
  const std::string bank = ready["bank"][0]["url"];
  const json rate =
      json::parse(http_request(sim.control_port(), "GET", bank.substr(bank.rfind("/bank"))).body);
  CHECK(rate.at(json::json_pointer(ready["bank"][0]["pointer"])).get<double>() ==
        doctest::Approx(1389).epsilon(0.02));
}

TEST_CASE("simulator: control routes and their errors") {
  const Running sim;
  CHECK(sim.control("/v1/books/binance/BTC-USDT")["sequence"].is_number());
  CHECK(sim.control("/v1/books/upbit/USDT-KRW")["sequence"].is_null());
  for (const char* path : {"/v1/books/upbit/NOPE-KRW", "/v1/books/nope/BTC-KRW", "/nope"}) {
    const HttpReply reply = http_request(sim.control_port(), "GET", path);
    CHECK(reply.status == 404);
    CHECK(reply.content_type == "application/problem+json");
  }
  CHECK(sim.control("/v1/faults").is_array());
  CHECK(http_request(sim.control_port(), "POST", "/v1/faults", R"({"fault":"nope"})").status ==
        400);
  http_request(sim.venue_port("upbit"), "GET", "/v1/ticker?markets=KRW-BTC");
  CHECK(sim.control("/v1/violations").empty());
}

TEST_CASE("simulator: a taken port is named") {
  const Running sim;
  SimulatorConfig config;
  config.base_port = 0;
  config.control_port = sim.control_port();
  Simulator second(config);
  CHECK_THROWS_WITH_AS(second.start(),
                       doctest::Contains(std::to_string(sim.control_port()).c_str()),
                       std::runtime_error);
}

TEST_CASE("simulator: bad configuration is refused") {
  SimulatorConfig config;
  config.venues = {"nope"};
  CHECK_THROWS_AS(Simulator{config}, std::invalid_argument);
  config.venues = {};
  config.assets = {"btc"};
  CHECK_THROWS_AS(Simulator{config}, std::invalid_argument);
}

TEST_CASE("simulator: a form's parameters count like a query's") {
  const Running sim({.assets = {"BTC"}, .venues = {"kraken"}});
  const std::uint16_t port = sim.venue_port("kraken");
  const json book =
      json::parse(http_post_form(port, "/0/public/Depth", "pair=XBT%2FUSD&count=2").body);
  CHECK(book["result"]["XXBTZUSD"]["asks"].size() == 2);
  const json unknown = json::parse(http_post_form(port, "/0/public/Ticker", "pair=NOPE").body);
  CHECK(unknown["error"][0] == "EQuery:Unknown asset pair");
}

TEST_CASE("simulator: TLS with a certificate of its own") {
  SimulatorConfig config;
  config.tls = true;
  config.venues = {"okx"};
  const Running sim(config);
  CHECK(sim.ready()["venues"]["okx"]["ws_url"].get<std::string>().starts_with("wss://"));
  const HttpReply reply =
      http_request(sim.venue_port("okx"), "GET", "/api/v5/public/time", {}, sim.certificate());
  CHECK(json::parse(reply.body)["code"] == "0");
  CHECK_THROWS(http_request(sim.venue_port("okx"), "GET", "/api/v5/public/time", {},
                            Running(config).certificate()));
  // Some verifiers take no authority's certificate from a server.
  const std::string& pem = sim.certificate();
  const std::unique_ptr<BIO, decltype(&BIO_free)> bio(
      BIO_new_mem_buf(pem.data(), static_cast<int>(pem.size())), BIO_free);
  const std::unique_ptr<X509, decltype(&X509_free)> certificate(
      PEM_read_bio_X509(bio.get(), nullptr, nullptr, nullptr), X509_free);
  REQUIRE(certificate);
  CHECK(X509_check_ca(certificate.get()) == 0);
}

TEST_CASE("simulator: upbit's book is the true one") {
  const Running sim({.assets = {"BTC"}, .venues = {"upbit"}});
  WebSocketClient client(sim.venue_port("upbit"), sim.ws_path("upbit"));
  client.send(R"([{"ticket":"t"},{"type":"orderbook","codes":["KRW-BTC"]}])");
  check_against_truth(sim, client, "upbit/BTC-KRW", "ts_ms", 30,
                      [](const json& m, ClientBook& b) { return unit_book(m, b, 1); });
}

TEST_CASE("simulator: bithumb's book is the true one, dust dropped") {
  const Running sim({.assets = {"BTC"}, .venues = {"bithumb"}});
  WebSocketClient client(sim.venue_port("bithumb"), sim.ws_path("bithumb"));
  client.send(R"([{"ticket":"t"},{"type":"orderbook","codes":["KRW-BTC"]}])");
  check_against_truth(sim, client, "bithumb/BTC-KRW", "ts_ms", 15,
                      [](const json& m, ClientBook& b) { return unit_book(m, b, 1000); });
}

TEST_CASE("simulator: okx's book is the true one") {
  const Running sim({.assets = {"BTC"}, .venues = {"okx"}});
  WebSocketClient client(sim.venue_port("okx"), sim.ws_path("okx"));
  client.send(R"({"op":"subscribe","args":[{"channel":"books","instId":"BTC-USDT"}]})");
  check_against_truth(sim, client, "okx/BTC-USDT", "sequence", 400,
                      [](const json& m, ClientBook& b) -> std::int64_t {
                        if (!m.contains("action")) return 0;
                        const json& data = m["data"][0];
                        if (m["action"] == "snapshot") b = {};
                        set_levels(b.bids, data["bids"]);
                        set_levels(b.asks, data["asks"]);
                        return data["seqId"].get<std::int64_t>();
                      });
}

TEST_CASE("simulator: bybit's book is the true one") {
  const Running sim({.assets = {"BTC"}, .venues = {"bybit"}});
  WebSocketClient client(sim.venue_port("bybit"), sim.ws_path("bybit"));
  client.send(R"({"op":"subscribe","args":["orderbook.50.BTCUSDT"]})");
  check_against_truth(sim, client, "bybit/BTC-USDT", "sequence", 50,
                      [](const json& m, ClientBook& b) -> std::int64_t {
                        if (!m.contains("topic")) return 0;
                        if (m["type"] == "snapshot") b = {};
                        set_levels(b.bids, m["data"]["b"]);
                        set_levels(b.asks, m["data"]["a"]);
                        return m["data"]["u"].get<std::int64_t>();
                      });
}

TEST_CASE("simulator: binance's diffs on a REST snapshot are the true book") {
  const Running sim({.assets = {"BTC"}, .venues = {"binance"}});
  const std::uint16_t port = sim.venue_port("binance");
  WebSocketClient client(port, "/ws/btcusdt@depth@100ms");
  // Buffered first, snapshot second, as the documentation has it.
  REQUIRE(client.read());
  const json snapshot =
      json::parse(http_request(port, "GET", "/api/v3/depth?symbol=BTCUSDT&limit=1000").body);
  auto last = snapshot["lastUpdateId"].get<std::int64_t>();
  ClientBook start;
  set_levels(start.bids, snapshot["bids"]);
  set_levels(start.asks, snapshot["asks"]);
  bool loaded = false;
  check_against_truth(sim, client, "binance/BTC-USDT", "sequence", 1000,
                      [&](const json& m, ClientBook& b) -> std::int64_t {
                        if (m["u"].get<std::int64_t>() <= last) return 0;
                        REQUIRE(m["U"] == last + 1);
                        if (!loaded) b = start;
                        loaded = true;
                        last = m["u"].get<std::int64_t>();
                        set_levels(b.bids, m["b"]);
                        set_levels(b.asks, m["a"]);
                        return last;
                      });
}

TEST_CASE("simulator: refusals and closes reach the client") {
  const Running sim({.assets = {"BTC"}, .venues = {"upbit", "binance"}});
  CHECK_THROWS_WITH(WebSocketClient(sim.venue_port("binance"), "/nope"), "upgrade refused: 404");
  const Headers origin = {{"Origin", "http://example.org"}};
  WebSocketClient client(sim.venue_port("upbit"), sim.ws_path("upbit"), origin);
  CHECK_THROWS_WITH(WebSocketClient(sim.venue_port("upbit"), sim.ws_path("upbit"), origin),
                    "upgrade refused: 429");
  client.send("nonsense");
  const auto error = client.read();
  REQUIRE(error);
  CHECK(error->binary);
  CHECK(json::parse(error->text)["error"]["name"] == "WRONG_FORMAT");
  CHECK_FALSE(client.read());
  CHECK(client.closed());
  CHECK(client.close_code() == 1000);
  const json violations = sim.control("/v1/violations");
  REQUIRE(violations.size() == 1);
  CHECK(violations[0]["venue"] == "upbit");
  CHECK(violations[0]["rule"] == "origin_header");
  CHECK(violations[0]["count"] == 1);
}

/// A client of OKX's book of BTC that has had its snapshot.
std::unique_ptr<WebSocketClient> okx_client(const Running& sim) {
  auto client = std::make_unique<WebSocketClient>(sim.venue_port("okx"), sim.ws_path("okx"));
  client->send(R"({"op":"subscribe","args":[{"channel":"books","instId":"BTC-USDT"}]})");
  REQUIRE(client->read());  // the acknowledgement
  REQUIRE(client->read());
  return client;
}

json start_fault(const Running& sim, const std::string& body, int status = 200) {
  const HttpReply reply = http_request(sim.control_port(), "POST", "/v1/faults", body);
  CHECK(reply.status == status);
  return json::parse(reply.body);
}

TEST_CASE("simulator: faults are listed, started, counted and ended by request") {
  const Running sim({.assets = {"BTC"}, .venues = {"okx", "upbit"}});
  CHECK(sim.control("/v1/faults").size() == 26);
  const auto client = okx_client(sim);
  const json started =
      start_fault(sim, R"({"fault":"gap","venue":"okx","symbol":"BTC-USDT","duration_ms":0})");
  REQUIRE(started["started"].size() == 1);
  CHECK(started["started"][0]["active"] == true);
  std::int64_t last = 0;
  int gaps = 0;
  for (int i = 0; i < 8; ++i) {
    const json message = json::parse(client->read().value().text);
    const json& data = message["data"][0];
    gaps += last != 0 && data["prevSeqId"] != last;
    last = data["seqId"].get<std::int64_t>();
  }
  CHECK(gaps <= 1);
  for (const json& row : sim.control("/v1/faults")) {
    if (row["fault"] != "gap") continue;
    CHECK(row["started"][0]["touched"] == 1);
    CHECK(row["started"][0]["active"] == false);
  }
  // All venues: each that has the fault.
  CHECK(start_fault(sim, R"({"fault":"http_5xx","duration_ms":60000,"status":502})")["started"]
            .size() == 2);
  CHECK(http_request(sim.venue_port("upbit"), "GET", "/v1/market/all").status == 502);
  CHECK(http_request(sim.control_port(), "DELETE", "/v1/faults").status == 200);
  CHECK(http_request(sim.venue_port("upbit"), "GET", "/v1/market/all").status == 200);
}

TEST_CASE("simulator: an impossible fault is a problem that names every error") {
  const Running sim({.assets = {"BTC"}, .venues = {"okx"}});
  const HttpReply reply =
      http_request(sim.control_port(), "POST", "/v1/faults",
                   R"({"fault":"nope","venue":"mars","symbol":4,"duration_ms":-5})");
  CHECK(reply.status == 400);
  CHECK(reply.content_type == "application/problem+json");
  CHECK(json::parse(reply.body)["errors"].size() == 4);
  start_fault(sim, "{", 400);
  start_fault(sim, R"({"fault":"bad_checksum","venue":"okx"})", 400);
  start_fault(sim, R"({"fault":"late","ms":99999999})", 400);
  CHECK(http_request(sim.control_port(), "PUT", "/v1/faults").status == 405);
}

TEST_CASE("simulator: a closed connection has its code, a reset one none") {
  const Running sim({.assets = {"BTC"}, .venues = {"okx"}});
  for (const auto& [fault, code] :
       {std::pair{R"({"fault":"close","venue":"okx"})", 1001},
        std::pair{R"({"fault":"close","venue":"okx","code":4004})", 4004},
        std::pair{R"({"fault":"reset","venue":"okx"})", 1006}}) {
    const auto client = okx_client(sim);
    start_fault(sim, fault);
    while (client->read()) {
    }
    CHECK(client->closed());
    CHECK(client->close_code() == code);
  }
}

TEST_CASE("simulator: a frozen socket stays open and says nothing while new ones work") {
  const Running sim({.assets = {"BTC"}, .venues = {"okx"}});
  const auto frozen = okx_client(sim);
  start_fault(sim, R"({"fault":"freeze_socket","venue":"okx","duration_ms":60000})");
  while (frozen->read(std::chrono::milliseconds(300))) {
  }
  frozen->send("ping");
  const auto fresh = okx_client(sim);
  for (int i = 0; i < 5; ++i) CHECK(fresh->read());
  CHECK_FALSE(frozen->read(std::chrono::milliseconds(500)));
  CHECK_FALSE(frozen->closed());
  http_request(sim.control_port(), "DELETE", "/v1/faults");
  CHECK_FALSE(frozen->read());
  CHECK(frozen->closed());
  CHECK(fresh->read());
  CHECK(sim.control("/v1/violations").empty());
}

TEST_CASE("simulator: a dripping message arrives whole, an oversized one burdens no queue") {
  const Running sim({.assets = {"BTC"}, .venues = {"okx", "upbit"}});
  const auto client = okx_client(sim);
  start_fault(sim, R"({"fault":"drip","venue":"okx","duration_ms":1500,"ms":200})");
  for (int i = 0; i < 8; ++i) {
    const auto message = client->read();
    REQUIRE(message);
    CHECK(json::accept(message->text));
  }
  start_fault(sim, R"({"fault":"oversized","venue":"okx","bytes":20000000})");
  bool big = false;
  for (int i = 0; i < 12 && !big; ++i) big = client->read().value().text.size() == 20'000'000;
  CHECK(big);
  CHECK(client->read());
  CHECK(sim.control("/v1/violations").empty());
  // Also through compression.
  WebSocketClient upbit(sim.venue_port("upbit"), sim.ws_path("upbit"));
  upbit.send(R"([{"ticket":"t"},{"type":"orderbook","codes":["KRW-BTC"]}])");
  REQUIRE(upbit.read());
  start_fault(sim, R"({"fault":"drip","venue":"upbit","duration_ms":1000})");
  for (int i = 0; i < 4; ++i) CHECK(json::accept(upbit.read().value().text));
}

TEST_CASE("simulator: scripted faults start by themselves, and bad ones are all named") {
  SimulatorConfig config{.assets = {"BTC"}, .venues = {"okx"}};
  config.faults = {{600, {.fault = "close", .venue = "okx", .parameters = {{"code", 4001}}}},
                   {0, {.fault = "http_429", .duration_ms = 60'000}}};
  const Running sim(config);
  const auto client = okx_client(sim);
  CHECK(http_request(sim.venue_port("okx"), "GET", "/api/v5/public/time").status == 429);
  while (client->read()) {
  }
  CHECK(client->close_code() == 4001);
  config.faults[0].order.venue = "upbit";
  config.faults[1].order.parameters = {{"ms", 1}};
  CHECK(check_script(config).size() == 2);
  try {
    const Simulator refused(config);
    FAIL("accepted");
  } catch (const std::invalid_argument& error) {
    const std::string text = error.what();
    CHECK(text.find("faults[0].venue") != std::string::npos);
    CHECK(text.find("faults[1].ms") != std::string::npos);
  }
}

TEST_CASE("simulator: stops at once with clients connected") {
  auto sim = std::make_unique<Running>();
  WebSocketClient client(sim->venue_port("okx"), sim->ws_path("okx"));
  client.send(R"({"op":"subscribe","args":[{"channel":"books","instId":"BTC-USDT"}]})");
  REQUIRE(client.read());
  sim.reset();
  while (client.read(std::chrono::milliseconds(2'000))) {
  }
  CHECK(client.closed());
}
