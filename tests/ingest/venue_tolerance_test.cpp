// What every venue's adapter has to bear without losing anything else, whoever wrote it: rows that
// cannot be used, coins without a trade, topics of no use, names in other scripts. A tenth venue
// gets a line in each table and is checked alike.

#include <algorithm>
#include <array>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "core/text.h"
#include "tests/ingest/helpers.h"
#include "tests/ingest/samples.h"

namespace spreadwatch::ingest::test {
namespace {

using nlohmann::json;

std::string list_of(std::string_view around, const std::vector<std::string>& rows) {
  std::string out;
  const auto at = around.find('@');
  out.append(around.substr(0, at));
  for (std::size_t i = 0; i < rows.size(); ++i) {
    if (i > 0) out.push_back(',');
    out.append(rows[i]);
  }
  return out.append(around.substr(at + 1));
}

template <class Check>
void each_list(Check&& check) {
  for (const ListSample& sample : kLists) {
    const std::string venue{to_string(sample.venue)};
    CAPTURE(venue);
    check(sample);
  }
}

/// Values that are no row. A venue that keys its rows keys these as well.
constexpr std::array<std::string_view, 7> kNoRows = {"null", "7",    R"("x")", "[]",
                                                     "{}",   "true", "[null]"};

std::set<std::string> bases(const Memory& memory) {
  std::set<std::string> out;
  for (const Ticker& t : memory.tickers) out.insert(t.instrument.base);
  for (const MarketInfo& m : memory.markets) out.insert(m.instrument.base);
  return out;
}

void check_row_refused(const ListSample& sample, const std::string& payload,
                       std::string_view channel, std::string_view named) {
  CAPTURE(payload);
  Normalizer normalizer{sample.venue};
  Memory memory;
  normalizer.feed(rest(payload, channel), memory);
  CHECK(bases(memory) == std::set<std::string>{"BTC", "ETH"});
  CHECK((channel == "ticker" ? memory.tickers.size() : memory.markets.size()) == 2);
  REQUIRE(memory.errors.size() == 1);
  const FeedError& error = memory.errors[0];
  CHECK(error.partial);
  CHECK(error.error.detail.starts_with("row 1"));
  if (named.empty()) return;
  CHECK(error.symbol == named);
  CHECK(error.error.detail.find(named) != std::string::npos);
}

TEST_CASE("every venue: a row that is none costs a list of tickers or markets nothing but itself") {
  each_list([](const ListSample& sample) {
    for (const std::string_view value : kNoRows) {
      const std::string row = std::string{sample.key} + std::string{value};
      check_row_refused(sample,
                        list_of(sample.tickers,
                                {std::string{sample.ticker_a}, row, std::string{sample.ticker_b}}),
                        "ticker", sample.key.empty() ? "" : sample.spoilt_symbol);
      check_row_refused(sample,
                        list_of(sample.markets,
                                {std::string{sample.market_a}, row, std::string{sample.market_b}}),
                        "markets", sample.key.empty() ? "" : sample.spoilt_symbol);
    }
  });
}

TEST_CASE("every venue: a row with a field of the wrong type is one error that names it") {
  each_list([](const ListSample& sample) {
    const std::string symbol{sample.spoilt_symbol.empty() ? "KRW-BAD" : sample.spoilt_symbol};
    check_row_refused(
        sample,
        list_of(sample.tickers, {std::string{sample.ticker_a}, std::string{sample.spoilt_ticker},
                                 std::string{sample.ticker_b}}),
        "ticker", symbol);
    check_row_refused(
        sample,
        list_of(sample.markets, {std::string{sample.market_a}, std::string{sample.spoilt_market},
                                 std::string{sample.market_b}}),
        "markets", sample.spoilt_symbol);
  });
}

TEST_CASE("every venue: a list of bad rows is a bounded number of errors, which say how many") {
  each_list([](const ListSample& sample) {
    std::vector<std::string> rows = {std::string{sample.market_a}, std::string{sample.market_b}};
    for (int i = 0; i < 1000; ++i) rows.push_back(std::string{sample.key} + "null");
    Normalizer normalizer{sample.venue};
    Memory memory;
    normalizer.feed(rest(list_of(sample.markets, rows), "markets"), memory);
    CHECK(memory.markets.size() == 2);
    REQUIRE(memory.errors.size() == Decoded::kMaxRowErrors + 1);
    CHECK(memory.errors.back().error.detail ==
          std::to_string(1000 - Decoded::kMaxRowErrors) + " further rows refused");
  });
}

TEST_CASE("every venue: a market listed twice is learned once more, not refused") {
  each_list([](const ListSample& sample) {
    Normalizer normalizer{sample.venue};
    Memory memory;
    const std::vector<std::string> rows(2, std::string{sample.market_a});
    normalizer.feed(rest(list_of(sample.markets, rows), "markets"), memory);
    CHECK(memory.errors.empty());
    CHECK(bases(memory) == std::set<std::string>{"BTC"});
  });
}

TEST_CASE("of several books in one answer the good ones count") {
  for (const VenueId id : {VenueId::kUpbit, VenueId::kBithumb}) {
    for (const std::string_view bad :
         {R"(null)", R"({"market":"KRW-BAD","orderbook_units":[null]})",
          R"({"orderbook_units":[{"ask_price":"x"}],"market":"KRW-BAD"})"}) {
      CAPTURE(bad);
      Normalizer normalizer{id};
      Memory memory;
      const std::string unit = R"("orderbook_units":[{"ask_price":11,"bid_price":10,)"
                               R"("ask_size":1,"bid_size":2}])";
      normalizer.feed(rest(R"([{"market":"KRW-BTC","timestamp":1751606867762,)" + unit + "}," +
                               std::string{bad} +
                               R"(,{"market":"KRW-ETH","timestamp":1751606867762,)" + unit + "}]",
                           kPolledChannel),
                      memory);
      CHECK(memory.books.size() == 2);
      REQUIRE(memory.errors.size() == 1);
      CHECK(memory.errors[0].partial);
      CHECK(memory.errors[0].symbol == (bad == "null" ? "" : "KRW-BAD"));
    }
  }
}

// --- what venues say beside their data

struct BesideSample {
  VenueId venue;
  std::string_view payload;
  ErrorCode code;
};

constexpr std::array<BesideSample, 7> kBeside = {{
    {VenueId::kBithumb,
     R"([{"error":{"name":404,"message":"Code not found"}},{"market":"KRW-BTC","trade_price":1},)"
     R"({"market":"KRW-ETH","trade_price":2}])",
     ErrorCode::kUnknownSymbol},
    {VenueId::kUpbit,
     R"([{"market":"KRW-BTC","trade_price":1},{"error":{"name":404,"message":"Code not found"}},)"
     R"({"market":"KRW-ETH","trade_price":2}])",
     ErrorCode::kUnknownSymbol},
    {VenueId::kKorbit,
     R"({"success":false,"error":{"code":400,"message":"INVALID_CURRENCY_PAIR"},)"
     R"("data":[{"symbol":"btc_krw","close":"1"},{"symbol":"eth_krw","close":"2"}]})",
     ErrorCode::kUnknownSymbol},
    {VenueId::kCoinone,
     R"({"result":"error","error_code":"108","error_msg":"Unknown CryptoCurrency","tickers":[)"
     R"({"quote_currency":"krw","target_currency":"btc","last":"1"},)"
     R"({"quote_currency":"krw","target_currency":"eth","last":"2"}]})",
     ErrorCode::kUnknownSymbol},
    {VenueId::kOkx,
     R"({"code":"51001","msg":"Instrument ID doesn't exist.","data":[)"
     R"({"instId":"BTC-USDT","last":"1"},{"instId":"ETH-USDT","last":"2"}]})",
     ErrorCode::kUnknownSymbol},
    {VenueId::kBybit,
     R"({"retCode":10001,"retMsg":"Not supported symbols","result":{"category":"spot","list":[)"
     R"({"symbol":"BTCUSDT","lastPrice":"1"},{"symbol":"ETHUSDT","lastPrice":"2"}]}})",
     ErrorCode::kUnknownSymbol},
    {VenueId::kKraken,
     R"({"error":["EQuery:Unknown asset pair"],"result":{"XXBTZUSD":{"c":["1","1"]},)"
     R"("XETHZUSD":{"c":["2","1"]}}})",
     ErrorCode::kUnknownSymbol},
}};

TEST_CASE("an error beside data is an error of its own, and the data counts") {
  for (const BesideSample& sample : kBeside) {
    CAPTURE(sample.payload);
    Normalizer normalizer{sample.venue};
    Memory memory;
    normalizer.feed(rest(sample.payload, "ticker"), memory);
    CHECK(bases(memory) == std::set<std::string>{"BTC", "ETH"});
    REQUIRE(memory.errors.size() == 1);
    CHECK(memory.errors[0].error.code == sample.code);
    CHECK(memory.errors[0].partial);
    CHECK(memory.errors[0].symbol.empty());
  }
}

// --- coins before their first trade

/// The payload with the last price replaced, wherever it stands.
json with_last(const json& payload, const json& last) {
  static const std::set<std::string> kNames = {"trade_price", "close", "last", "lastPrice", "c"};
  json out = payload;
  if (out.is_array()) {
    for (json& item : out) item = with_last(item, last);
  } else if (out.is_object()) {
    for (auto& [key, value] : out.items()) {
      if (kNames.contains(key)) {
        value = value.is_array() ? json::array({last, last}) : last;
      } else {
        value = with_last(value, last);
      }
    }
  }
  return out;
}

void check_newborn(VenueId id, std::string_view payload, Origin origin) {
  const json plain = json::parse(payload);
  for (const json& last : {json(nullptr), json(""), json("0"), json("0.00000000"), json(0)}) {
    const std::string changed = with_last(plain, last).dump();
    CAPTURE(changed);
    Normalizer normalizer{id};
    Memory memory;
    normalizer.feed(origin == Origin::kWs ? ws(changed) : rest(changed, "ticker"), memory);
    CHECK(memory.errors.empty());
    REQUIRE(memory.tickers.size() == 1);
    CHECK_FALSE(memory.tickers[0].trade_price.has_value());
    CHECK_FALSE(memory.tickers[0].signed_change_price.has_value());
    CHECK_FALSE(memory.tickers[0].signed_change_rate.has_value());
  }
}

TEST_CASE("every venue: a coin before its first trade has a ticker without a price, and no error") {
  for (const Sample& sample : kSamples) {
    const std::string venue{to_string(sample.venue)};
    CAPTURE(venue);
    check_newborn(sample.venue, sample.ticker, Origin::kWs);
  }
  each_list([](const ListSample& sample) {
    check_newborn(sample.venue, list_of(sample.tickers, {std::string{sample.ticker_a}}),
                  Origin::kRest);
  });
}

// --- levels of price zero

TEST_CASE(
    "every venue: a level of price zero is left out and counted, the rest of the book holds") {
  for (std::size_t i = 0; i < kZeros.size(); ++i) {
    const Sample& sample = kSamples[i];
    REQUIRE(sample.venue == kZeros[i].venue);
    const std::string venue{to_string(sample.venue)};
    CAPTURE(venue);
    const auto fed = [&](std::string_view payload, Normalizer& normalizer) {
      Memory memory;
      normalizer.feed(sample.book_origin == Origin::kWs
                          ? ws(payload)
                          : rest(payload, "orderbook", sample.book_symbol),
                      memory);
      REQUIRE(memory.errors.empty());
      REQUIRE(memory.books.size() == 1);
      REQUIRE(memory.books[0].synced());
      return text(memory.books[0].bids) + " / " + text(memory.books[0].asks);
    };
    Normalizer plain{sample.venue};
    Normalizer padded{sample.venue};
    std::string payload{sample.book};
    const auto at = payload.find(kZeros[i].at);
    REQUIRE(at != std::string::npos);
    payload.insert(at + kZeros[i].at.size(), kZeros[i].zero);
    CHECK(fed(payload, padded) == fed(sample.book, plain));
    CHECK(padded.dropped_levels() == 2);
    CHECK(plain.dropped_levels() == 0);
  }
}

// --- topics that are not read

std::string topic_frame(const TopicSample& sample, const std::string& suffix) {
  std::string out{sample.payload};
  return out.replace(out.rfind('@'), 1, suffix);
}

TEST_CASE("every venue: a topic that is not read is passed over, counted and told once") {
  for (const TopicSample& sample : kTopicSamples) {
    const std::string venue{to_string(sample.venue)};
    CAPTURE(venue);
    Normalizer normalizer{sample.venue};
    Memory memory;
    for (int i = 0; i < 5; ++i) normalizer.feed(ws(topic_frame(sample, "")), memory);
    normalizer.feed(ws(topic_frame(sample, "er")), memory);
    CHECK(memory.errors.empty());
    CHECK(memory.records() == 0);
    CHECK(memory.controls.size() == 6);
    CHECK(normalizer.unknown_topics() == 2);
    CHECK(normalizer.take_remarks().size() == 2);
    CHECK(normalizer.take_remarks().empty());
  }
}

TEST_CASE("every venue: endless new topics are no endless memory") {
  for (const TopicSample& sample : kTopicSamples) {
    Normalizer normalizer{sample.venue};
    Memory memory;
    for (std::size_t i = 0; i < Normalizer::kMaxRemarks + 100; ++i) {
      normalizer.feed(ws(topic_frame(sample, std::to_string(i))), memory);
    }
    CHECK(memory.errors.empty());
    CHECK(normalizer.unknown_topics() == Normalizer::kMaxRemarks + 1);
    CHECK(normalizer.take_remarks().size() == Normalizer::kMaxRemarks + 1);
  }
}

// --- spellings of the same JSON

/// Every character of ASCII inside a string as \u00xx.
std::string escaped(std::string_view payload) {
  constexpr std::string_view kHex = "0123456789abcdef";
  std::string out;
  bool inside = false;
  for (const char c : payload) {
    if (c == '"') {
      inside = !inside;
      out.push_back(c);
    } else if (inside && static_cast<unsigned char>(c) < 0x80) {
      REQUIRE(c != '\\');
      out.append("\\u00");
      out.push_back(kHex[static_cast<unsigned char>(c) >> 4U]);
      out.push_back(kHex[static_cast<unsigned char>(c) & 15U]);
    } else {
      out.push_back(c);
    }
  }
  return out;
}

/// Every object with further fields before those it has.
std::string with_unknown_fields(std::string_view payload) {
  std::string out;
  for (std::size_t i = 0; i < payload.size(); ++i) {
    out.push_back(payload[i]);
    if (payload[i] != '{') continue;
    // Where rows have keys, a further key would be a further row.
    const bool keyed = payload.substr(0, i).ends_with(R"("result":)") && payload.size() > i + 2 &&
                       payload.substr(i + 1, 2) == "\"X";
    if (keyed) continue;
    out.append(
        R"("zz1":null,"zz2":7,"zz3":"x","zz4":{},"zz5":[],"zz6":[{"zz7":null}],"zz8":{"a":1})");
    if (payload[i + 1] != '}') out.push_back(',');
  }
  return out;
}

/// What came of a frame, as text.
std::string outcome(VenueId id, const Frame& frame) {
  Normalizer normalizer{id};
  Memory memory;
  normalizer.feed(frame, memory);
  std::string out;
  for (const Ticker& t : memory.tickers) {
    out += t.instrument.name() + " " + std::to_string(t.trade_price.value_or(0)) + " " +
           std::to_string(t.signed_change_price.value_or(0)) + " " +
           std::to_string(t.exchange_time ? to_ms(*t.exchange_time) : 0) + "\n";
  }
  for (const OrderBook& b : memory.books) {
    out += b.instrument.name() + (b.synced() ? " synced " : " ") + text(b.bids) + " / " +
           text(b.asks) + "\n";
  }
  for (const MarketInfo& m : memory.markets) {
    out += m.symbol + " " + m.instrument.name() + (m.active ? " active\n" : "\n");
  }
  for (const FeedError& e : memory.errors) out += "error " + e.error.detail + "\n";
  return out;
}

template <class Respell>
void check_spelling(Respell&& respell) {
  for (const Sample& sample : kSamples) {
    const std::string venue{to_string(sample.venue)};
    CAPTURE(venue);
    const std::string ticker = respell(sample.ticker);
    CHECK(outcome(sample.venue, ws(ticker)) == outcome(sample.venue, ws(sample.ticker)));
    const std::string book = respell(sample.book);
    const auto book_frame = [&](std::string_view payload) {
      return sample.book_origin == Origin::kWs ? ws(payload)
                                               : rest(payload, "orderbook", sample.book_symbol);
    };
    CHECK(outcome(sample.venue, book_frame(book)) ==
          outcome(sample.venue, book_frame(sample.book)));
  }
  each_list([&](const ListSample& sample) {
    const std::string tickers =
        list_of(sample.tickers, {std::string{sample.ticker_a}, std::string{sample.ticker_b}});
    CHECK(outcome(sample.venue, rest(respell(tickers), "ticker")) ==
          outcome(sample.venue, rest(tickers, "ticker")));
    const std::string markets =
        list_of(sample.markets, {std::string{sample.market_a}, std::string{sample.market_b}});
    CHECK(outcome(sample.venue, rest(respell(markets), "markets")) ==
          outcome(sample.venue, rest(markets, "markets")));
  });
}

TEST_CASE("every venue: escapes in keys and values are read as what they stand for") {
  check_spelling([](std::string_view payload) { return escaped(payload); });
}

TEST_CASE("every venue: unknown fields of any type, in any place, change nothing") {
  check_spelling([](std::string_view payload) { return with_unknown_fields(payload); });
}

// --- names in any script

constexpr std::array<std::string_view, 4> kNames = {"币安人生", "ΣΟΛ", "A.B", "$AI"};

TEST_CASE("every venue: a name in any script survives the way there and back") {
  for (const Sample& sample : kSamples) {
    const auto adapter = make_adapter(sample.venue);
    for (const std::string_view name : kNames) {
      const Instrument instrument{std::string{name},
                                  std::string{identity(sample.venue).default_quote}};
      const std::string symbol = adapter->venue_symbol(instrument);
      CAPTURE(symbol);
      CHECK(adapter->instrument(symbol) == instrument);
      const std::vector<Instrument> one = {instrument};
      const std::vector<Subscription> both = {
          {Channel::kTicker, instrument, 0},
          {Channel::kOrderBook, instrument, adapter->offered_depth(0)}};
      std::string sent;
      for (const std::string& message : adapter->subscribe(both, timestamp_from_ms(1))) {
        CHECK(json::accept(message));
        sent += message;
      }
      const bool named = to_upper(sent).find(name) != std::string::npos;
      CHECK(named);
      std::vector<RestCall> calls = adapter->ticker_calls(one);
      calls.push_back(adapter->book_call(instrument, 0));
      calls.push_back(adapter->polled_call(one, 100));
      for (const RestCall& call : calls) {
        CAPTURE(call.path);
        const bool plain = std::all_of(call.path.begin(), call.path.end(), [](char c) {
          return is_unreserved(c) || std::string_view{"/?&=%,"}.find(c) != std::string_view::npos;
        });
        CHECK(plain);
      }
    }
    for (const std::string_view bad : {"币安\xff", "\xc3\x28", "A B", "A\tB", "A-B", "A_B", "A/B",
                                       "A\"B", "A\\B", "A\xc2\xa0"}) {
      CHECK_FALSE(is_asset(bad));
    }
  }
}

TEST_CASE("every venue: a market list in any script is learned, also escaped") {
  each_list([](const ListSample& sample) {
    std::string row{sample.market_a};
    const bool kraken = sample.venue == VenueId::kKraken;
    const std::string old = kraken ? "XBT" : "BTC";
    for (const std::string& code : {old, to_lower(old)}) {
      for (std::size_t at = 0; (at = row.find(code, at)) != std::string::npos;) {
        row.replace(at, code.size(), "币安人生");
      }
    }
    for (const bool escape : {false, true}) {
      const std::string list = list_of(sample.markets, {row, std::string{sample.market_b}});
      const std::string payload = escape ? escaped(list) : list;
      CAPTURE(payload);
      Normalizer normalizer{sample.venue};
      Memory memory;
      normalizer.feed(rest(payload, "markets"), memory);
      CHECK(memory.errors.empty());
      CHECK(bases(memory) == std::set<std::string>{"币安人生", "ETH"});
    }
  });
}

TEST_CASE("every venue: a market with a name that cannot be watched is one error") {
  each_list([](const ListSample& sample) {
    // Whatever it would do to a subscribe message, a path or a key.
    std::string row{sample.market_b};
    for (const std::string_view code : {"ETH", "eth"}) {
      for (std::size_t at = 0; (at = row.find(code, at)) != std::string::npos;) {
        row.replace(at, code.size(), R"(E\"H)");
        at += 4;
      }
    }
    Normalizer normalizer{sample.venue};
    Memory memory;
    normalizer.feed(rest(list_of(sample.markets, {std::string{sample.market_a}, row}), "markets"),
                    memory);
    CHECK(bases(memory) == std::set<std::string>{"BTC"});
    REQUIRE(memory.errors.size() == 1);
    CHECK(memory.errors[0].error.code == ErrorCode::kUnknownSymbol);
  });
}

}  // namespace
}  // namespace spreadwatch::ingest::test
