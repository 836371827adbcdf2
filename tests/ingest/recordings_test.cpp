// The recordings, decoded and maintained by ingest, against books derived a second time here:
// parsed by another JSON library into ordered maps, by the rules as the venues publish them.

#include <algorithm>
#include <array>
#include <map>
#include <set>

#include "tests/ingest/helpers.h"

namespace spreadwatch::ingest::test {
namespace {

using nlohmann::json;

/// A side by price; the texts are as the venue wrote them.
using Side = std::map<long double, std::pair<std::string, std::string>>;

struct Model {
  Side bids;
  Side asks;
  bool loaded = false;

  static void set(Side& side, const std::string& price, const std::string& size) {
    const long double key = std::stold(price);
    if (std::stold(size) == 0) {
      side.erase(key);
    } else {
      side[key] = {price, size};
    }
  }
  void change(const json& bid_levels, const json& ask_levels) {
    for (const json& level : bid_levels) set(bids, level[0], level[1]);
    for (const json& level : ask_levels) set(asks, level[0], level[1]);
  }
  void load(const json& bid_levels, const json& ask_levels) {
    bids.clear();
    asks.clear();
    change(bid_levels, ask_levels);
    loaded = true;
  }
  void truncate(std::size_t depth) {
    while (bids.size() > depth) bids.erase(bids.begin());
    while (asks.size() > depth) asks.erase(std::prev(asks.end()));
  }
};

std::string plain(const std::string& digits) { return decimal(digits).to_string(); }

void check_same(const OrderBook& book, const Model& model) {
  std::string bids;
  for (auto level = model.bids.rbegin(); level != model.bids.rend(); ++level) {
    if (!bids.empty()) bids.push_back(' ');
    bids += plain(level->second.first) + "@" + plain(level->second.second);
  }
  std::string asks;
  for (const auto& [key, level] : model.asks) {
    if (!asks.empty()) asks.push_back(' ');
    asks += plain(level.first) + "@" + plain(level.second);
  }
  CHECK(text(book.bids) == bids);
  CHECK(text(book.asks) == asks);
}

std::uint32_t bitwise_crc32(const std::string& data) {
  std::uint32_t crc = 0xFFFFFFFFU;
  for (const char c : data) {
    crc ^= static_cast<unsigned char>(c);
    for (int bit = 0; bit < 8; ++bit) crc = (crc >> 1U) ^ (0xEDB88320U & (0U - (crc & 1U)));
  }
  return ~crc;
}

std::string okx_text(const Model& model) {
  std::string out;
  auto bid = model.bids.rbegin();
  auto ask = model.asks.begin();
  for (int i = 0; i < 25; ++i) {
    if (bid != model.bids.rend()) {
      out += bid->second.first + ":" + bid->second.second + ":";
      ++bid;
    }
    if (ask != model.asks.end()) {
      out += ask->second.first + ":" + ask->second.second + ":";
      ++ask;
    }
  }
  if (!out.empty()) out.pop_back();
  return out;
}

std::string digits_only(std::string number) {
  std::erase(number, '.');
  const auto first = number.find_first_not_of('0');
  return first == std::string::npos ? "" : number.substr(first);
}

std::string kraken_text(const Model& model) {
  std::string out;
  int count = 0;
  for (auto ask = model.asks.begin(); ask != model.asks.end() && count < 10; ++ask, ++count) {
    out += digits_only(ask->second.first) + digits_only(ask->second.second);
  }
  count = 0;
  for (auto bid = model.bids.rbegin(); bid != model.bids.rend() && count < 10; ++bid, ++count) {
    out += digits_only(bid->second.first) + digits_only(bid->second.second);
  }
  return out;
}

/// The payload with prices and sizes as strings: the other library would turn their text into
/// doubles.
std::string quote_numbers(std::string payload) {
  for (const std::string key : {"\"price\":", "\"qty\":"}) {
    for (std::size_t at = 0; (at = payload.find(key, at)) != std::string::npos;) {
      at += key.size();
      payload.insert(at, 1, '"');
      payload.insert(payload.find_first_of(",}", at), 1, '"');
    }
  }
  return payload;
}

/// Every book frame of an OKX recording through decode and book, spot or not: the rule is the same.
void check_okx(const std::string& file, std::size_t expected_books) {
  const std::vector<Recorded> frames = recording(file);
  if (frames.empty()) return;
  const auto adapter = make_adapter(VenueId::kOkx);
  std::map<std::string, MaintainedBook> books;
  std::map<std::string, Model> models;
  Decoded decoded;
  std::size_t seen = 0;
  for (const Recorded& frame : frames) {
    adapter->decode(frame.frame(), decoded);
    for (const BookMessage& message : decoded.books) {
      ++seen;
      const json payload = json::parse(frame.raw);
      const json& row = payload["data"][0];
      Model& model = models[message.stream];
      if (payload["action"] == "snapshot") {
        model.load(row["bids"], row["asks"]);
      } else {
        model.change(row["bids"], row["asks"]);
      }
      CHECK(bitwise_crc32(okx_text(model)) ==
            static_cast<std::uint32_t>(row["checksum"].get<std::int32_t>()));
      auto [book, added] =
          books.try_emplace(message.stream, venue_profile(VenueId::kOkx), Instrument{"A", "B"});
      const MaintainedBook::Outcome outcome = book->second.apply(message, Origin::kWs);
      CHECK(outcome.show);
      CHECK_FALSE(outcome.error.has_value());
      check_same(book->second.book(), model);
      CHECK(book->second.book().exchange_time ==
            timestamp_from_ms(std::stoll(row["ts"].get<std::string>())));
    }
  }
  CHECK(seen == expected_books);
  for (const auto& [stream, book] : books) CHECK(book.checksum_mismatches() == 0);
}

TEST_CASE("OKX 2022 books: every CRC32 verifies") { check_okx("okx.books.20220513.jsonl", 290); }
TEST_CASE("OKX 2022 books-l2-tbt: every CRC32 verifies") {
  check_okx("okx.books-l2-tbt.20220227.jsonl", 2939);
}

TEST_CASE("OKX 2022: only the spot market gives records, the contracts are refused") {
  const std::vector<Recorded> frames = recording("okx.books.20220513.jsonl");
  if (frames.empty()) return;
  Normalizer normalizer{VenueId::kOkx};
  Memory memory;
  for (const Recorded& frame : frames) normalizer.feed(frame.frame(), memory);
  CHECK(memory.records() > 100);
  for (const Ticker& t : memory.tickers) CHECK(t.instrument.name() == "BTC-USDT");
  for (const OrderBook& b : memory.books) {
    CHECK(b.instrument.name() == "BTC-USDT");
    CHECK(b.synced());
  }
  CHECK_FALSE(memory.errors.empty());
  for (const FeedError& e : memory.errors) {
    CHECK(e.error.code == ErrorCode::kUnknownSymbol);
    CHECK(e.error.detail.ends_with("not a spot instrument"));
  }
}

TEST_CASE("Kraken v2 2026: all 54 checksums verify") {
  const std::vector<Recorded> frames = recording("kraken.v2-book.20260816.jsonl");
  if (frames.empty()) return;
  Normalizer normalizer{VenueId::kKraken};
  Memory memory;
  Model model;
  std::size_t books = 0;
  for (const Recorded& frame : frames) {
    memory.clear();
    normalizer.feed(frame.frame(), memory);
    CHECK(memory.errors.empty());
    const json payload = json::parse(quote_numbers(frame.raw));
    if (payload.value("channel", "") != "book" || !payload.contains("data")) {
      CHECK(memory.records() == 0);
      continue;
    }
    ++books;
    const json& row = payload["data"][0];
    if (payload["type"] == "snapshot") model = Model{};
    for (const json& level : row["bids"]) Model::set(model.bids, level["price"], level["qty"]);
    for (const json& level : row["asks"]) Model::set(model.asks, level["price"], level["qty"]);
    model.truncate(10);
    CHECK(bitwise_crc32(kraken_text(model)) == row["checksum"].get<std::uint32_t>());
    REQUIRE(memory.books.size() == 1);
    CHECK(memory.books[0].synced());
    check_same(memory.books[0], model);
  }
  CHECK(books == 54);
}

TEST_CASE("Kraken v1 2021: a retired generation gives errors, no records") {
  const std::vector<Recorded> frames = recording("kraken.v1-book.20210417.jsonl");
  if (frames.empty()) return;
  Normalizer normalizer{VenueId::kKraken};
  Memory memory;
  for (const Recorded& frame : frames) normalizer.feed(frame.frame(), memory);
  CHECK(memory.records() == 0);
  CHECK(memory.errors.size() == frames.size());
  for (const FeedError& e : memory.errors) CHECK(e.error.code == ErrorCode::kObsoleteProtocol);
}

TEST_CASE("Bybit v5 orderbook.500: the chain holds") {
  const std::vector<Recorded> frames = recording("bybit.v5-ob500-xrpusdt.20241201.jsonl");
  if (frames.empty()) return;
  Normalizer normalizer{VenueId::kBybit};
  Memory memory;
  Model model;
  for (const Recorded& frame : frames) {
    memory.clear();
    normalizer.feed(frame.frame(), memory);
    const json payload = json::parse(frame.raw);
    const json& data = payload["data"];
    if (payload["type"] == "snapshot") {
      model.load(data["b"], data["a"]);
    } else {
      model.change(data["b"], data["a"]);
    }
    REQUIRE(memory.errors.empty());
    REQUIRE(memory.books.size() == 1);
    CHECK(memory.books[0].synced());
    CHECK(memory.books[0].sequence == data["u"].get<std::int64_t>());
    CHECK(memory.books[0].bids.size() == 500);
    check_same(memory.books[0], model);
  }
  CHECK(frames.size() == 25);
}

TEST_CASE("Bybit v2 2021: a retired generation gives errors, no records") {
  const std::vector<Recorded> frames = recording("bybit.v2-linear.20210417.jsonl.gz");
  if (frames.empty()) return;
  Normalizer normalizer{VenueId::kBybit};
  Memory memory;
  for (const Recorded& frame : frames) normalizer.feed(frame.frame(), memory);
  CHECK(memory.records() == 0);
  CHECK(memory.errors.size() == frames.size());
  for (const FeedError& e : memory.errors) CHECK(e.error.code == ErrorCode::kObsoleteProtocol);
}

TEST_CASE("Bybit REST of the retired v3 is named as such") {
  const std::vector<Recorded> frames = recording("bybit.jsonl");
  if (frames.empty()) return;
  Normalizer normalizer{VenueId::kBybit};
  std::size_t obsolete = 0;
  for (const Recorded& frame : frames) {
    Memory memory;
    normalizer.feed(frame.frame(), memory);
    if (frame.raw.find("\"ret_code\"") == std::string::npos) continue;
    ++obsolete;
    REQUIRE(memory.errors.size() == 1);
    CHECK(memory.errors[0].error.code == ErrorCode::kObsoleteProtocol);
  }
  CHECK(obsolete == 6);
}

TEST_CASE("Gate 2021 order_book_update over REST: zero gaps") {
  const std::vector<Recorded> frames = recording("gateio.mixed.20210422.jsonl");
  if (frames.empty()) return;
  Normalizer normalizer{VenueId::kGateio};
  Memory memory;
  std::map<std::string, Model> models;
  std::map<std::string, std::int64_t> last;
  std::map<std::string, std::vector<json>> waiting;
  std::set<std::string> synced;
  std::size_t shown = 0;
  for (const Recorded& frame : frames) {
    memory.clear();
    normalizer.feed(frame.frame(), memory);
    CHECK(memory.errors.empty());
    const json payload = json::parse(frame.raw);
    std::string pair;
    if (frame.rest && frame.channel == "orderbook") {
      pair = frame.symbol;
      Model& model = models[pair];
      model.load(payload["bids"], payload["asks"]);
      last[pair] = payload["id"];
      for (const json& delta : waiting[pair]) {
        if (delta["u"].get<std::int64_t>() <= last[pair]) continue;
        REQUIRE(delta["U"].get<std::int64_t>() <= last[pair] + 1);
        model.change(delta["b"], delta["a"]);
        last[pair] = delta["u"];
      }
    } else if (payload.value("channel", "") == "spot.order_book_update" &&
               payload.value("event", "") == "update") {
      const json& delta = payload["result"];
      pair = delta["s"];
      if (!models[pair].loaded) {
        waiting[pair].push_back(delta);
        CHECK(memory.records() == 0);
        continue;
      }
      if (delta["u"].get<std::int64_t>() <= last[pair]) continue;
      REQUIRE(delta["U"].get<std::int64_t>() == last[pair] + 1);
      models[pair].change(delta["b"], delta["a"]);
      last[pair] = delta["u"];
    } else {
      continue;
    }
    REQUIRE(memory.books.size() == 1);
    CHECK(memory.books[0].synced());
    CHECK(memory.books[0].sequence == last[pair]);
    check_same(memory.books[0], models[pair]);
    synced.insert(pair);
    ++shown;
  }
  CHECK(shown > 50);
  for (const std::string& pair : synced) {
    const MaintainedBook* const book = normalizer.find("spot.order_book_update:" + pair);
    REQUIRE(book != nullptr);
    CHECK(book->gaps() == 0);
  }
}

TEST_CASE("market lists are learned whole") {
  struct Case {
    VenueId venue;
    const char* file;
    std::size_t at_least;
    const char* symbol;
    const char* name;
  };
  for (const Case& c :
       {Case{VenueId::kOkx, "okx.markets.20220513.jsonl", 100, "BTC-USDT", "BTC-USDT"},
        Case{VenueId::kGateio, "gateio.markets.20210422.jsonl", 500, "BTC_USDT", "BTC-USDT"},
        Case{VenueId::kKraken, "kraken.markets.20210417.jsonl", 100, "XXBTZUSD", "BTC-USD"}}) {
    CAPTURE(c.file);
    Normalizer normalizer{c.venue};
    Memory memory;
    for (const Recorded& frame : recording(c.file)) normalizer.feed(frame.frame(), memory);
    if (memory.markets.empty() && memory.errors.empty()) continue;
    CHECK(memory.errors.empty());
    CHECK(memory.markets.size() >= c.at_least);
    const std::optional<Instrument> instrument = normalizer.adapter().instrument(c.symbol);
    REQUIRE(instrument.has_value());
    CHECK(instrument->name() == c.name);
  }
}

TEST_CASE("isolated payloads of every generation: records or named errors, never a surprise") {
  struct Case {
    VenueId venue;
    const char* file;
  };
  for (const Case& c :
       {Case{VenueId::kOkx, "okx.jsonl"}, Case{VenueId::kBybit, "bybit.jsonl"},
        Case{VenueId::kGateio, "gateio.jsonl"}, Case{VenueId::kKraken, "kraken.jsonl"}}) {
    for (const Recorded& frame : recording(c.file)) {
      CAPTURE(c.file);
      CAPTURE(frame.raw.substr(0, 200));
      Normalizer normalizer{c.venue};
      Memory memory;
      normalizer.feed(frame.frame(), memory);
      for (const FeedError& e : memory.errors) {
        CHECK(e.error.code != ErrorCode::kMalformedJson);
        if (std::getenv("SPREADWATCH_SHOW") != nullptr) {
          MESSAGE(to_string(e.error.code) << ": " << e.error.detail);
        }
      }
      const bool something = !memory.tickers.empty() || !memory.books.empty() ||
                             !memory.errors.empty() || !memory.controls.empty() ||
                             !memory.markets.empty() || !memory.needs.empty();
      CHECK(something);
    }
  }
}

}  // namespace
}  // namespace spreadwatch::ingest::test
