// Kraken: what the simulated venue says, read with a decoder and a CRC of its own.

#include <doctest/doctest.h>

#include <regex>

#include "tests/sim/protocol_fixture.h"

namespace spreadwatch::sim::venue_test {
namespace {

/// CRC-32 bit by bit, from its definition.
std::uint32_t crc_of(const std::string& text) {
  std::uint32_t crc = 0xFFFFFFFFU;
  for (const char c : text) {
    crc ^= static_cast<unsigned char>(c);
    for (int bit = 0; bit < 8; ++bit) crc = (crc >> 1) ^ ((crc & 1U) != 0 ? 0xEDB88320U : 0U);
  }
  return ~crc;
}

/// A fixed-decimals number without its point and leading zeros is its count of units.
std::uint32_t checksum_of(const Rebuilt& book) {
  std::string text;
  const auto add = [&](const auto& side) {
    int count = 0;
    for (const auto& [price, size] : side) {
      if (count++ == 10) break;
      text += std::to_string(price) + std::to_string(size);
    }
  };
  add(book.asks);
  add(book.bids);
  return crc_of(text);
}

struct Kraken : Bench {
  Kraken() : Bench(VenueId::kKraken) {}

  void subscribe_book(FakeConnection& connection, const std::string& symbol, int depth) {
    say(connection, R"({"method":"subscribe","params":{"channel":"book","symbol":[")" + symbol +
                        R"("],"depth":)" + std::to_string(depth) + R"(},"req_id":5})");
  }
};

void apply(Rebuilt& book, const Json& frame, const Instrument& instrument, std::size_t depth) {
  const Json& data = frame["data"][0];
  if (frame["type"] == "snapshot") book = {};
  for (const Json& level : data["bids"]) {
    Rebuilt::set(book.bids, units(level["price"], instrument.price_decimals),
                 units(level["qty"], instrument.size_decimals));
    book.truncate(depth);
  }
  for (const Json& level : data["asks"]) {
    Rebuilt::set(book.asks, units(level["price"], instrument.price_decimals),
                 units(level["qty"], instrument.size_decimals));
    book.truncate(depth);
  }
}

std::vector<Level> levels(std::initializer_list<std::pair<std::int64_t, std::int64_t>> list) {
  std::vector<Level> result;
  for (const auto& [price, size] : list) result.push_back({price, size});
  return result;
}

TEST_CASE_FIXTURE(Kraken, "Kraken: status on connect, then acknowledgement, snapshot, updates") {
  FakeConnection& connection = connect();
  const std::vector<Json> hello = connection.take_json();
  REQUIRE(hello.size() == 1);
  CHECK(hello[0]["channel"] == "status");
  CHECK(hello[0]["data"][0]["system"] == "online");
  CHECK(hello[0]["data"][0]["connection_id"].get<std::uint64_t>() > (1ULL << 53));

  subscribe_book(connection, "BTC/USD", 25);
  const std::vector<Json> answers = connection.take_json();
  REQUIRE(answers.size() == 2);
  CHECK(answers[0]["method"] == "subscribe");
  CHECK(answers[0]["success"] == true);
  CHECK(answers[0]["req_id"] == 5);
  CHECK(answers[0]["result"] ==
        Json::parse(R"({"channel":"book","depth":25,"snapshot":true,"symbol":"BTC/USD"})"));
  CHECK(answers[1]["type"] == "snapshot");
  CHECK_FALSE(answers[1]["data"][0].contains("timestamp"));
}

TEST_CASE_FIXTURE(Kraken, "Kraken: every depth rebuilds the market's book and its checksum") {
  for (const char* symbol : {"BTC/USD", "XRP/USD", "DOGE/USDT", "USDT/USD"}) {
    const std::string name = symbol;
    const std::size_t slash = name.find('/');
    const Listing& truth = listing(name.substr(0, slash), name.substr(slash + 1));
    for (const int depth : {10, 25, 100, 500, 1000}) {
      CAPTURE(symbol);
      CAPTURE(depth);
      const auto window = static_cast<std::size_t>(depth);
      FakeConnection& connection = connect();
      connection.take();
      subscribe_book(connection, symbol, depth);
      Rebuilt book;
      int updates = 0;
      int wrong = 0;
      run(6'000, [&] {
        for (const Json& frame : connection.take_json()) {
          if (!frame.contains("channel") || frame["channel"] != "book") continue;
          apply(book, frame, truth.instrument, window);
          if (frame["type"] == "update") {
            ++updates;
            CHECK(frame["data"][0].contains("timestamp"));
          }
          wrong += checksum_of(book) != frame["data"][0]["checksum"].get<std::uint32_t>();
        }
        wrong += !book.equals(truth.book, window);
      });
      CHECK(updates > 5);
      CHECK(wrong == 0);
      protocol->detach(connection);
    }
  }
}

TEST_CASE_FIXTURE(Kraken, "Kraken: numbers keep their zeros, deletes come before inserts") {
  FakeConnection& connection = connect();
  subscribe_book(connection, "BTC/USD", 10);
  connection.take();
  const std::regex level(R"re(\{"price":\d+\.\d,"qty":\d+\.\d{8}\})re");
  const std::regex any(R"re(\{"price":)re");
  int deletes = 0;
  run(20'000, [&] {
    for (const std::string& text : connection.take()) {
      const Json frame = Json::parse(text);
      if (frame["channel"] != "book") continue;
      const auto count = [&](const std::regex& pattern) {
        return std::distance(std::sregex_iterator(text.begin(), text.end(), pattern), {});
      };
      CHECK(count(level) == count(any));
      for (const char* side : {"bids", "asks"}) {
        bool inserted = false;
        for (const Json& row : frame["data"][0][side]) {
          const bool gone = row["qty"] == 0.0;
          CHECK_FALSE((gone && inserted));
          inserted = inserted || !gone;
          deletes += gone;
        }
      }
    }
  });
  CHECK(deletes > 0);
}

TEST_CASE_FIXTURE(Kraken,
                  "Kraken: a level that falls out of the depth is not deleted, and comes "
                  "back with a message") {
  Listing& target = view.shown(listing("BTC", "USD"));
  FakeConnection& connection = connect();
  target.book.bids = levels({{1'000, 100}});
  target.book.asks.clear();
  for (std::int64_t i = 0; i < 12; ++i) target.book.asks.push_back({1'005 + i, 100 + i});
  subscribe_book(connection, "BTC/USD", 10);
  connection.take();

  Book before = target.book;
  target.book.asks.insert(target.book.asks.begin(), {1'003, 5});
  inner->on_book({target, before, target.book, true});
  Json frame = connection.take_json().at(0);
  CHECK(frame["data"][0]["bids"].empty());
  REQUIRE(frame["data"][0]["asks"].size() == 1);
  CHECK(frame["data"][0]["asks"][0]["price"] == 100.3);

  before = target.book;
  target.book.asks.erase(target.book.asks.begin());
  inner->on_book({target, before, target.book, true});
  frame = connection.take_json().at(0);
  REQUIRE(frame["data"][0]["asks"].size() == 2);
  CHECK(frame["data"][0]["asks"][0]["qty"] == 0.0);
  CHECK(frame["data"][0]["asks"][1]["price"] == 101.4);
  CHECK(units(frame["data"][0]["asks"][1]["qty"], 8) == 109);
}

TEST_CASE_FIXTURE(Kraken, "Kraken checksum vector 1: the official guide") {
  Listing& target = view.shown(listing("BTC", "USD"));
  REQUIRE(target.instrument.price_decimals == 1);
  REQUIRE(target.instrument.size_decimals == 8);
  target.book.asks = levels({{452852, 100000},
                             {452864, 154571953},
                             {452866, 154571109},
                             {452896, 154560911},
                             {452902, 15890660},
                             {452918, 154553491},
                             {452947, 4454749},
                             {452961, 35380000},
                             {452975, 9945542},
                             {452995, 18772827}});
  target.book.bids = levels({{452835, 10000000},
                             {452834, 154582015},
                             {452821, 10000000},
                             {452810, 10000000},
                             {452803, 154592586},
                             {452790, 7990000},
                             {452776, 3310103},
                             {452775, 30000000},
                             {452773, 154602737},
                             {452766, 15445238}});
  FakeConnection& connection = connect();
  connection.take();
  subscribe_book(connection, "BTC/USD", 10);
  CHECK(connection.take_json().at(1)["data"][0]["checksum"] == 3310070434U);
}

TEST_CASE_FIXTURE(Kraken, "Kraken checksum vector 2: snapshot and update of the documentation") {
  Listing& target = view.shown(listing("XRP", "USD"));
  target.instrument.price_decimals = 4;
  target.instrument.size_decimals = 8;
  target.book.bids = levels({{5666, 483175496356},
                             {5665, 665822734739},
                             {5664, 1872491513344},
                             {5663, 1156392544914},
                             {5662, 1400665365711},
                             {5661, 1745485679807},
                             {5660, 1809715470000},
                             {5659, 3364489175666},
                             {5658, 14834640000},
                             {5657, 60670854372}});
  target.book.asks = levels({{5668, 441079769741},
                             {5669, 465540412487},
                             {5670, 4984489424998},
                             {5671, 2430641678000},
                             {5672, 2978325223475},
                             {5673, 5723471239278},
                             {5674, 4506504744000},
                             {5675, 591276380354},
                             {5676, 4251492434778},
                             {5677, 3630408470220}});
  FakeConnection& connection = connect();
  connection.take();
  subscribe_book(connection, "XRP/USD", 10);
  CHECK(connection.take_json().at(1)["data"][0]["checksum"] == 2439117997U);

  const Book before = target.book;
  target.book.bids.back().size = 109839475580;
  inner->on_book({target, before, target.book, false});
  const std::string text = connection.take().at(0);
  CHECK(text.find(R"("bids":[{"price":0.5657,"qty":1098.39475580}],"asks":[])") !=
        std::string::npos);
  CHECK(Json::parse(text)["data"][0]["checksum"] == 2114181697U);
}

TEST_CASE_FIXTURE(Kraken, "Kraken: one acknowledgement or error per symbol") {
  FakeConnection& connection = connect();
  const std::vector<Json> answers = ask(
      connection,
      R"({"method":"subscribe","params":{"channel":"ticker","symbol":["NOPE/USD","XBT/USD","BTC/USD"]},"req_id":9})");
  REQUIRE(answers.size() == 4);
  CHECK(answers[0]["error"] == "Currency pair not supported NOPE/USD");
  CHECK(answers[0]["symbol"] == "NOPE/USD");
  CHECK(answers[0]["success"] == false);
  CHECK(answers[0]["req_id"] == 9);
  CHECK(answers[1]["error"] == "Currency pair not supported XBT/USD");
  CHECK(answers[2]["result"]["event_trigger"] == "trades");
  CHECK(answers[3]["channel"] == "ticker");
  CHECK(connection.open());
}

TEST_CASE_FIXTURE(Kraken,
                  "Kraken: bad depth, second subscription, unsubscribe with another depth") {
  FakeConnection& connection = connect();
  Json answer = ask(connection, R"({"method":"subscribe","params":{"channel":"book",
      "symbol":["BTC/USD"],"depth":11}})")[0];
  CHECK(answer["error"] == "Subscription depth not supported");
  CHECK_FALSE(answer.contains("symbol"));
  CHECK_FALSE(answer.contains("req_id"));

  subscribe_book(connection, "BTC/USD", 25);
  connection.take();
  subscribe_book(connection, "BTC/USD", 100);
  CHECK(connection.take_json().at(0)["success"] == false);

  const std::string unsubscribe =
      R"({"method":"unsubscribe","params":{"channel":"book","symbol":["BTC/USD"],"depth":)";
  CHECK(ask(connection, unsubscribe + "10}}")[0]["success"] == false);
  run(3'000);
  CHECK(connection.frames.size() > 2);
  CHECK(ask(connection, unsubscribe + "25}}")[0]["success"] == true);
  run(3'000);
  CHECK(connection.frames.empty());
}

TEST_CASE_FIXTURE(Kraken, "Kraken: tickers are whole records, by trade or by best price") {
  FakeConnection& trades = connect();
  FakeConnection& bbo = connect();
  const std::string head =
      R"({"method":"subscribe","params":{"channel":"ticker","symbol":["BTC/USD"])";
  ask(trades, head + "}}");
  ask(bbo, head + R"(,"event_trigger":"bbo"}})");
  const Listing& truth = listing("BTC", "USD");
  int by_trade = 0;
  int by_price = 0;
  std::pair<std::int64_t, std::int64_t> best;
  run(20'000, [&] {
    for (const Json& frame : trades.take_json()) {
      if (frame["channel"] != "ticker") continue;
      ++by_trade;
      const Json& row = frame["data"][0];
      CHECK(frame["type"] == "update");
      CHECK(units(row["last"], 1) == truth.ticker.last);
      CHECK(units(row["change"], 1) == truth.ticker.last - truth.ticker.open);
      CHECK(units(row["bid"], 1) == truth.book.bids.front().price);
      for (const char* key :
           {"symbol", "bid", "bid_qty", "ask", "ask_qty", "last", "volume", "vwap", "low", "high",
            "change", "change_pct", "trades", "timestamp"}) {
        CHECK(row.contains(key));
      }
    }
    for (const Json& frame : bbo.take_json()) {
      if (frame["channel"] != "ticker") continue;
      ++by_price;
      const Json& row = frame["data"][0];
      const std::pair now{units(row["bid"], 1), units(row["ask"], 1)};
      CHECK(now != best);
      best = now;
    }
  });
  CHECK(by_trade > 3);
  CHECK(by_price > 3);
}

TEST_CASE_FIXTURE(Kraken, "Kraken: heartbeats once a second when quiet, ping and pong") {
  FakeConnection& connection = connect();
  ask(connection, R"({"method":"subscribe","params":{"channel":"instrument"}})");
  wait(5'000);
  std::size_t beats = 0;
  for (const std::string& text : connection.take()) beats += text == R"({"channel":"heartbeat"})";
  CHECK(beats == 5);

  const Json pong = ask(connection, R"({"method":"ping","req_id":7})")[0];
  CHECK(pong["method"] == "pong");
  CHECK(pong["req_id"] == 7);
  CHECK(pong.contains("time_in"));
  CHECK(pong.contains("time_out"));
}

TEST_CASE_FIXTURE(Kraken, "Kraken: an idle connection is closed, one that pings is not") {
  FakeConnection& idle = connect();
  FakeConnection& pinging = connect();
  wait(59'000);
  CHECK(idle.open());
  say(pinging, R"({"method":"ping"})");
  wait(2'000);
  CHECK_FALSE(idle.open());
  CHECK(pinging.open());
  CHECK(violations_of("idle_timeout") == 1);
}

TEST_CASE_FIXTURE(Kraken, "Kraken: malformed requests keep the socket open") {
  FakeConnection& connection = connect();
  for (const char* text : {"{", "[]", "7", R"({"method":7})", R"({"method":"subscribe"})",
                           R"({"method":"subscribe","params":{"channel":"book"}})",
                           R"({"method":"subscribe","params":{"channel":"book","symbol":[1]}})",
                           R"({"method":"subscribe","params":{"channel":7,"symbol":["BTC/USD"]}})",
                           R"({"method":"x","req_id":{}})", R"({"event":"subscribe"})"}) {
    CAPTURE(text);
    const std::vector<Json> answers = ask(connection, text);
    REQUIRE(answers.size() == 1);
    CHECK(answers[0]["success"] == false);
  }
  CHECK(connection.open());
}

TEST_CASE_FIXTURE(Kraken,
                  "Kraken: the instrument channel lists precisions, in exponents if small") {
  FakeConnection& connection = connect();
  const std::vector<Json> answers =
      ask(connection,
          R"({"method":"subscribe","params":{"channel":"instrument","snapshot":true},"req_id":1})");
  REQUIRE(answers.size() == 2);
  CHECK(answers[0]["result"]["warnings"].is_array());
  const Json& data = answers[1]["data"];
  REQUIRE(data.is_object());
  CHECK(data["assets"].size() == 5);
  REQUIRE(data["pairs"].size() == 7);
  CHECK(data["pairs"][0]["symbol"] == "BTC/USD");
  CHECK(data["pairs"][0]["status"] == "online");
  CHECK(data["pairs"][0]["price_precision"] == 1);
  CHECK(data["pairs"][0]["qty_precision"] == 8);
  CHECK(data["pairs"][0]["qty_increment"] == 1e-8);
}

TEST_CASE_FIXTURE(Kraken, "Kraken: too many connection attempts are refused for ten minutes") {
  const auto attempt = [&] { return protocol->on_upgrade(request("/v2")).refusal.has_value(); };
  for (int i = 0; i < 150; ++i) CHECK_FALSE(attempt());
  CHECK(attempt());
  CHECK(violations_of("connects_per_10m") == 1);
  now_ms += 300'000;
  CHECK(attempt());
  now_ms += 301'000;
  CHECK_FALSE(attempt());
  CHECK(protocol->on_upgrade(request("/v1")).refusal.has_value());
}

TEST_CASE_FIXTURE(Kraken, "Kraken REST: legacy keys, readable names where they were asked for") {
  const Json all = get_json("/0/public/AssetPairs")["result"];
  CHECK(all.contains("XXBTZUSD"));
  CHECK(all.contains("XBTUSDT"));
  CHECK(all.contains("XDGUSD"));
  CHECK(all.contains("XXRPZUSD"));
  CHECK(all.contains("USDTZUSD"));
  const Json& row = all["XXBTZUSD"];
  CHECK(row["altname"] == "XBTUSD");
  CHECK(row["wsname"] == "XBT/USD");
  CHECK(row["base"] == "XXBT");
  CHECK(row["quote"] == "ZUSD");
  CHECK(row["pair_decimals"] == 1);
  CHECK(row["lot_decimals"] == 8);
  CHECK(row["tick_size"] == "0.1");
  CHECK(row["fees"][0][1] == 0.4);
  CHECK(row["fees_maker"][0][1] == 0.25);
  CHECK(row["status"] == "online");

  CHECK(get_json("/0/public/AssetPairs?pair=XBTUSD")["result"].contains("XXBTZUSD"));
  CHECK(get_json("/0/public/AssetPairs?pair=BTC/USD")["result"].contains("BTC/USD"));
  CHECK(get_json("/0/public/AssetPairs?assetVersion=1")["result"].contains("DOGE/USD"));
  CHECK(get_json("/0/public/Ticker?pair=XBTUSD,XRPUSD")["result"].size() == 2);
  CHECK(get_json("/0/public/Assets")["result"]["XXBT"]["altname"] == "XBT");
  CHECK(get_json("/0/public/Assets")["result"]["ZUSD"]["status"] == "enabled");
  CHECK(get_json("/0/public/AssetPairs?pair=NOPE")["error"][0] == "EQuery:Unknown asset pair");
  CHECK(get_json("/0/public/Nope")["error"][0] == "EGeneral:Unknown method");
  CHECK(get_json("/0/public/SystemStatus")["result"]["status"] == "online");
  CHECK(get_json("/0/public/Time")["result"]["unixtime"] == now_ms / 1000);
}

TEST_CASE_FIXTURE(Kraken, "Kraken REST: the book and ticker of the same market") {
  run(3'000);
  const Listing& truth = listing("BTC", "USD");
  const Json book = get_json("/0/public/Depth?pair=XBTUSD&count=500")["result"]["XXBTZUSD"];
  Rebuilt rebuilt;
  for (const Json& level : book["bids"]) rebuilt.bids[units(level[0], 1)] = units(level[1], 8);
  for (const Json& level : book["asks"]) rebuilt.asks[units(level[0], 1)] = units(level[1], 8);
  CHECK(rebuilt.equals(truth.book, 500));
  CHECK(book["asks"][0][2] == truth.book.ts_ms / 1000);
  CHECK(get_json("/0/public/Depth?pair=XBTUSD&count=2")["result"]["XXBTZUSD"]["asks"].size() == 2);
  for (const char* bad :
       {"?pair=XBTUSD&count=0", "?pair=XBTUSD&count=501", "?pair=XBTUSD&count=x", "?count=5"}) {
    CHECK(get_json(std::string("/0/public/Depth") + bad)["error"].size() == 1);
  }
  const Json ticker = get_json("/0/public/Ticker?pair=XBTUSD")["result"]["XXBTZUSD"];
  CHECK(units(ticker["c"][0], 1) == truth.ticker.last);
  CHECK(units(ticker["a"][0], 1) == truth.book.asks.front().price);
  CHECK(units(ticker["v"][1], 8) == truth.ticker.volume_24h);
  CHECK(ticker["t"][1].is_number_integer());
  CHECK(ticker["o"].is_string());
}

TEST_CASE_FIXTURE(Kraken, "Kraken REST: too many requests are an error with status 200") {
  bool refused = false;
  for (int i = 0; i < 31; ++i) {
    const Json answer = get_json("/0/public/Time");
    refused = !answer["error"].empty() && answer["error"][0] == "EGeneral:Too many requests";
  }
  CHECK(refused);
  CHECK(violations_of("rest_requests") == 1);
  now_ms += 30'000;
  CHECK(get_json("/0/public/Time")["error"].empty());
}

TEST_CASE_FIXTURE(Kraken, "Kraken: two connections of different age see the same frames") {
  FakeConnection& first = connect();
  subscribe_book(first, "XRP/USD", 10);
  run(2'000);
  FakeConnection& second = connect();
  subscribe_book(second, "XRP/USD", 10);
  first.take();
  second.take();
  run(3'000);
  const auto books = [](FakeConnection& connection) {
    std::vector<std::string> texts;
    for (const Frame& frame : connection.frames) {
      if (frame.kind == FrameKind::kBook) texts.push_back(*frame.payload);
    }
    return texts;
  };
  CHECK(books(first).size() > 3);
  CHECK(books(first) == books(second));
}

}  // namespace
}  // namespace spreadwatch::sim::venue_test
