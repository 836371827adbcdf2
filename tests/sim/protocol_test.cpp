// Protocols at the seam: text in, text out, no sockets. Books are followed by a decoder of this
// file's own.
#include <doctest/doctest.h>
#include <zlib.h>

#include <functional>
#include <map>
#include <memory>
#include <nlohmann/json.hpp>

#include "sim/faulty_venue.h"
#include "sim/market.h"
#include "sim/venues.h"

namespace spreadwatch::sim {
namespace {

using Json = nlohmann::json;

constexpr std::int64_t kStart = 1'790'000'000'000;

class FakeConnection final : public Connection {
 public:
  void send(Frame frame) override { frames.push_back(*frame.payload); }
  void ping(std::string_view payload) override { pings.emplace_back(payload); }
  void close(std::uint16_t code, std::string_view) override { closed = code; }
  void drop() override { dropped = true; }
  void reset() override { dropped = true; }
  void freeze() override {}
  [[nodiscard]] const HttpRequest& upgrade() const override { return request; }
  [[nodiscard]] std::uint64_t id() const override { return 1; }

  std::vector<Json> take() {
    std::vector<Json> result;
    for (const std::string& text : frames) {
      Json parsed = Json::parse(text, nullptr, false);
      if (!parsed.is_discarded()) result.push_back(std::move(parsed));
    }
    frames.clear();
    return result;
  }

  HttpRequest request;
  std::vector<std::string> frames;
  std::vector<std::string> pings;
  int closed = 0;
  bool dropped = false;
};

/// One venue of a market with one client.
class Stage final : public MarketObserver {
 public:
  explicit Stage(VenueId venue)
      : venue_(venue),
        market({.assets = {"BTC", "XRP"}, .seed = 3, .venues = {}}, kStart),
        view(venue, market),
        faults({venue}, market),
        inner(make_venue({venue, view, violations})),
        protocol(
            std::make_unique<FaultyVenue>(VenueContext{venue, view, violations}, *inner, faults)) {
    client.request.remote = "127.0.0.1";
    client.request.now_ms = kStart;
    protocol->attach(client);
    protocol->on_open(client, kStart);
  }
  void say(const std::string& text) { protocol->on_text(client, text, now); }
  void pass(std::int64_t ms) {
    for (const std::int64_t end = now + ms; now < end;) {
      now += 100;
      market.advance_to(now, *this);
      protocol->on_timer(now);
    }
  }
  Json get(const std::string& path, std::vector<std::pair<std::string, std::string>> query = {}) {
    HttpRequest request;
    request.method = "GET";
    request.path = path;
    request.query = std::move(query);
    request.remote = "127.0.0.1";
    request.now_ms = now;
    return Json::parse(protocol->on_http(request).body, nullptr, false);
  }
  const Listing& listing(const std::string& base, const std::string& quote) const {
    return *market.find(venue_, base, quote);
  }

  void on_book(const BookEvent& event) override {
    if (event.listing.instrument.venue == venue_) protocol->on_book(event);
  }
  void on_ticker(const Listing& listing) override {
    if (listing.instrument.venue == venue_) protocol->on_ticker(listing);
  }
  void on_instant(VenueId venue, std::int64_t ts_ms) override {
    if (venue == venue_) protocol->on_instant(ts_ms);
  }

 private:
  VenueId venue_;

 public:
  Violations violations;
  Market market;
  MarketView view;
  Faults faults;
  std::unique_ptr<VenueProtocol> inner;
  std::unique_ptr<FaultyVenue> protocol;
  FakeConnection client;
  std::int64_t now = kStart;
};

std::int64_t units(const std::string& text, int decimals) {
  const std::size_t point = text.find('.');
  std::string digits = text.substr(0, point);
  std::string fraction = point == std::string::npos ? "" : text.substr(point + 1);
  fraction.resize(static_cast<std::size_t>(decimals), '0');
  return std::stoll(digits + fraction);
}

std::vector<Level> levels_of(const std::map<std::int64_t, std::int64_t>& side, bool bids) {
  std::vector<Level> result;
  for (const auto& [price, size] : side) result.push_back({price, size});
  if (bids) std::reverse(result.begin(), result.end());
  return result;
}

std::vector<Level> first(const std::vector<Level>& side, std::size_t count) {
  return {side.begin(), side.begin() + static_cast<std::ptrdiff_t>(std::min(count, side.size()))};
}

TEST_CASE("Gate's obu changes follow each other without a hole and lead to the published book") {
  Stage stage(VenueId::kGateio);
  stage.say(
      R"({"time":1790000000,"channel":"spot.obu","event":"subscribe","payload":["ob.BTC_USDT.50"]})");
  const Listing& listing = stage.listing("BTC", "USDT");
  std::map<std::int64_t, std::int64_t> bids;
  std::map<std::int64_t, std::int64_t> asks;
  std::uint64_t last = 0;
  int changes = 0;
  bool acked = false;
  for (int i = 0; i < 50; ++i) {
    for (const Json& frame : stage.client.take()) {
      if (frame.value("event", "") == "subscribe") {
        acked = frame["result"]["status"] == "success";
        continue;
      }
      const Json& result = frame["result"];
      CHECK(result["s"] == "ob.BTC_USDT.50");
      if (result.value("full", false)) {
        bids.clear();
        asks.clear();
      } else {
        CHECK(result["U"] == last + 1);
        ++changes;
      }
      last = result["u"];
      for (auto* side : {&bids, &asks}) {
        for (const Json& level : result[side == &bids ? "b" : "a"]) {
          const std::int64_t price = units(level[0], listing.instrument.price_decimals);
          const std::int64_t size = units(level[1], listing.instrument.size_decimals);
          if (size == 0)
            side->erase(price);
          else
            (*side)[price] = size;
        }
      }
      if (last == listing.book.last_id) {
        CHECK(levels_of(bids, true) == first(listing.book.bids, 50));
        CHECK(levels_of(asks, false) == first(listing.book.asks, 50));
      }
    }
    stage.pass(100);
  }
  CHECK(acked);
  CHECK(changes > 10);
  const Json book =
      stage.get("/api/v4/spot/order_book",
                {{"currency_pair", "BTC_USDT"}, {"with_id", "true"}, {"limit", "100"}});
  CHECK(book["id"] == listing.book.last_id);
}

TEST_CASE("Gate refuses what Gate refuses") {
  Stage stage(VenueId::kGateio);
  stage.say(
      R"({"time":1790000000,"id":5,"channel":"spot.tickers","event":"subscribe","payload":["NOPE_USDT"]})");
  stage.say(
      R"({"time":1780000000,"channel":"spot.tickers","event":"subscribe","payload":["BTC_USDT"]})");
  stage.say(
      R"({"time":1790000000,"channel":"spot.obu","event":"subscribe","payload":["ob.BTC_USDT.50"]})");
  stage.say(
      R"({"time":1790000000,"channel":"spot.obu","event":"subscribe","payload":["ob.BTC_USDT.50"]})");
  stage.say(R"({"time":1790000000,"channel":"spot.ping"})");
  const std::vector<Json> frames = stage.client.take();
  REQUIRE(frames.size() == 6);
  CHECK(frames[0]["error"]["code"] == 2);
  CHECK(frames[0]["id"] == 5);
  CHECK(frames[0]["result"]["status"] == "fail");
  CHECK(frames[1]["error"]["code"] == 2);
  CHECK(frames[4]["error"]["message"] == "Alert sub ob.BTC_USDT.50");
  CHECK(frames[5]["channel"] == "spot.pong");
  CHECK(stage.violations.rows().size() == 1);
}

/// The numbers of a Kraken level as they stand in the frame.
std::string token_after(const std::string& text, std::size_t& at, const std::string& key) {
  at = text.find(key, at) + key.size();
  const std::size_t end = text.find_first_of(",}", at);
  return text.substr(at, end - at);
}

TEST_CASE("Kraken's books prove themselves by CRC32 over the digits that were sent") {
  Stage stage(VenueId::kKraken);
  CHECK(stage.client.take().front()["channel"] == "status");
  stage.say(
      R"({"method":"subscribe","params":{"channel":"book","symbol":["BTC/USD","NOPE/USD"],"depth":10},"req_id":4})");
  using Side = std::map<std::int64_t, std::string>;  // price units → digits of price and size
  Side bids;
  Side asks;
  const int decimals = stage.listing("BTC", "USD").instrument.price_decimals;
  int checked = 0;
  std::vector<std::string> order;
  for (int i = 0; i < 60; ++i) {
    const std::vector<std::string> frames = std::move(stage.client.frames);
    stage.client.frames.clear();
    for (const std::string& text : frames) {
      const Json frame = Json::parse(text);
      if (frame.contains("method")) {
        CHECK(frame["req_id"] == 4);
        order.push_back(frame["success"] == true ? "ack" : frame["error"].get<std::string>());
        continue;
      }
      if (frame["channel"] != "book") continue;
      order.push_back(frame["type"]);
      if (frame["type"] == "snapshot") {
        bids.clear();
        asks.clear();
      }
      for (Side* side : {&bids, &asks}) {
        const std::string name = side == &bids ? "\"bids\":[" : "\"asks\":[";
        const std::size_t start = text.find(name);
        const std::size_t end = text.find(']', start);
        std::size_t at = start;
        const std::size_t count = frame["data"][0][side == &bids ? "bids" : "asks"].size();
        for (std::size_t n = 0; n < count; ++n) {
          const std::string price = token_after(text, at, "\"price\":");
          const std::string size = token_after(text, at, "\"qty\":");
          REQUIRE(at < end + 1);
          const auto digits = [](std::string number) {
            std::erase(number, '.');
            number.erase(0, number.find_first_not_of('0'));
            return number;
          };
          if (digits(size).empty())
            side->erase(units(price, decimals));
          else
            (*side)[units(price, decimals)] = digits(price) + digits(size);
        }
        while (side->size() > 10)
          side->erase(side == &bids ? side->begin() : std::prev(side->end()));
      }
      std::string joined;
      for (const auto& [price, digits] : asks) joined += digits;
      for (auto it = bids.rbegin(); it != bids.rend(); ++it) joined += it->second;
      CHECK(frame["data"][0]["checksum"] == crc32(0, reinterpret_cast<const Bytef*>(joined.data()),
                                                  static_cast<uInt>(joined.size())));
      ++checked;
    }
    stage.pass(100);
  }
  CHECK(checked > 15);
  REQUIRE(order.size() > 3);
  CHECK(order[0] == "ack");
  CHECK(order[1] == "snapshot");
  CHECK(order[2] == "Currency pair not supported NOPE/USD");
}

TEST_CASE("Kraken answers REST under its own keys") {
  Stage stage(VenueId::kKraken);
  CHECK(stage.get("/0/public/AssetPairs")["result"].contains("XXBTZUSD"));
  CHECK(stage.get("/0/public/Ticker", {{"pair", "XBTUSD"}})["result"].contains("XXBTZUSD"));
  CHECK(stage.get("/0/public/AssetPairs", {{"pair", "BTC/USD"}})["result"].contains("BTC/USD"));
  CHECK(stage.get("/0/public/Depth", {{"pair", "NOPE"}})["error"][0] ==
        "EQuery:Unknown asset pair");
}

TEST_CASE("Korbit acknowledges only what has a requestId and keeps the socket open on errors") {
  Stage stage(VenueId::kKorbit);
  stage.say(
      R"([{"requestId":1,"method":"subscribe","type":"orderbook","symbols":["btc_krw"]},{"method":"subscribe","type":"ticker","symbols":["btc_krw"]}])");
  std::vector<Json> frames = stage.client.take();
  REQUIRE(frames.size() == 3);
  CHECK(frames[0] == Json::parse(R"({"status":"success","requestId":1})"));
  CHECK(frames[1]["snapshot"] == true);
  CHECK(frames[1]["data"]["bids"].size() > 15);
  CHECK(frames[2]["type"] == "ticker");
  stage.say(R"([{"requestId":2,"method":"subscribe","type":"orderbook","symbols":["BTC_KRW"]}])");
  stage.say(R"({"method":"subscribe","type":"orderbook","symbols":["btc_krw"]})");
  frames = stage.client.take();
  REQUIRE(frames.size() == 2);
  CHECK(frames[0]["code"] == "INVALID_SYMBOL");
  CHECK(frames[1] == Json::parse(R"({"status":"fail","message":"invalid_format"})"));
  stage.pass(2000);
  bool moved = false;
  for (const Json& frame : stage.client.take())
    moved = moved || (frame["type"] == "orderbook" && !frame.contains("snapshot"));
  CHECK(moved);
  CHECK(stage.client.closed == 0);
  stage.pass(40'000);
  CHECK(stage.client.pings.size() == 1);
  CHECK(stage.get("/v2/orderbook", {{"symbol", "nope_krw"}})["error"]["message"] ==
        "INVALID_CURRENCY_PAIR");
}

TEST_CASE("Coinone acknowledges first, then sends asks worst first or an anonymous error") {
  Stage stage(VenueId::kCoinone);
  stage.say(
      R"({"request_type":"SUBSCRIBE","channel":"ORDERBOOK","topic":{"quote_currency":"KRW","target_currency":"BTC"}})");
  stage.say(
      R"({"request_type":"SUBSCRIBE","channel":"TICKER","topic":{"quote_currency":"KRW","target_currency":"NOPE"}})");
  stage.say(R"({"request_type":"PING"})");
  stage.say(R"({"request_type":"subscribe"})");
  const std::vector<Json> frames = stage.client.take();
  REQUIRE(frames.size() == 7);
  CHECK(frames[0]["response_type"] == "CONNECTED");
  CHECK(frames[1]["response_type"] == "SUBSCRIBED");
  const Json& asks = frames[2]["data"]["asks"];
  REQUIRE(asks.size() > 10);
  CHECK(std::stod(asks.front()["price"].get<std::string>()) >
        std::stod(asks.back()["price"].get<std::string>()));
  CHECK(frames[3]["response_type"] == "SUBSCRIBED");
  CHECK(frames[4] ==
        Json::parse(R"({"response_type":"ERROR","error_code":160012,"message":"Invalid Topic"})"));
  CHECK(frames[5]["response_type"] == "PONG");
  CHECK(frames[6]["field"] == "request_type");
  const Json rest = stage.get("/public/v2/orderbook/KRW/BTC", {{"size", "16"}});
  CHECK(std::stod(rest["asks"][0]["price"].get<std::string>()) <
        std::stod(rest["asks"].back()["price"].get<std::string>()));
}

TEST_CASE("OKX's sequence chains, acknowledges each argument and names what is unknown by code") {
  Stage stage(VenueId::kOkx);
  stage.say(
      R"({"id":"1","op":"subscribe","args":[{"channel":"books","instId":"BTC-USDT"},{"channel":"books","instId":"NOPE-USDT"}]})");
  std::int64_t last = -1;
  int updates = 0;
  std::string codes;
  for (int i = 0; i < 40; ++i) {
    for (const Json& frame : stage.client.take()) {
      if (frame.contains("code")) codes += frame["code"].get<std::string>();
      if (!frame.contains("action")) continue;
      const Json& data = frame["data"][0];
      CHECK(data["checksum"] == 0);
      CHECK(data["prevSeqId"] == (frame["action"] == "snapshot" ? -1 : last));
      last = data["seqId"];
      updates += frame["action"] == "update" ? 1 : 0;
    }
    stage.pass(100);
  }
  CHECK(updates > 5);
  CHECK(codes == "60018");
  stage.say("ping");
  CHECK(stage.client.frames.back() == "pong");
}

}  // namespace
}  // namespace spreadwatch::sim
