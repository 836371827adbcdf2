#include "publish/encode.h"

#include <doctest/doctest.h>

#include <cmath>
#include <limits>
#include <nlohmann/json.hpp>
#include <string>

#include "publish/json_writer.h"
#include "tests/publish/samples.h"

namespace spreadwatch::publish {
namespace {

using Json = nlohmann::json;

template <class... Args>
std::string record(const Args&... args) {
  std::string out;
  append_record(out, args...);
  return out;
}
std::string escaped(std::string_view text) {
  std::string out;
  append_json_string(out, text);
  return out;
}

TEST_CASE("a ticker has its fields in the documented order") {
  CHECK(record(sample_ticker()) ==
        R"({"type":"ticker","region":"korea","exchange":"upbit","base":"BTC","quote":"KRW",)"
        R"("exchange_ts_ms":1700000000123,"recv_ts_us":1700000000200456,"origin":"ws",)"
        R"("opening_price":88000000,"trade_price":88500000.5,"high_price":89000000,)"
        R"("low_price":87000000,"prev_closing_price":88000000,"acc_trade_volume_24h":1234.56789,)"
        R"("signed_change_price":500000.5,"signed_change_rate":0.005681823863636364})");
}

TEST_CASE("what a ticker lacks is null, never zero") {
  Ticker empty;
  empty.venue = VenueId::kKraken;
  empty.instrument = {"BTC", "USD"};
  const Json json = Json::parse(record(empty));
  int nulls = 0;
  for (const auto& [name, value] : json.items()) nulls += value.is_null() ? 1 : 0;
  CHECK(nulls == 10);
  CHECK(json.at("signed_change_rate").is_null());
}

TEST_CASE("a ticker that is asked for says what may be believed of it, and else has no numbers") {
  const Json synced =
      Json::parse(record(sample_ticker(), Standing{FeedState::kSynced, {}, milliseconds{1500}}));
  CHECK(synced.at("trade_price") == 88500000.5);
  CHECK(synced.at("state") == "synced");
  CHECK(synced.at("reason").is_null());
  CHECK(synced.at("age_ms") == 1500);
  const Json stale = Json::parse(record(
      sample_ticker(), Standing{FeedState::kStale, ErrorCode::kHttpStatus, milliseconds{78'000}}));
  CHECK(stale.at("state") == "stale");
  CHECK(stale.at("reason") == "http_status");
  CHECK(stale.at("age_ms") == 78'000);
  CHECK(stale.at("recv_ts_us") == 1700000000200456);
  for (const char* name :
       {"opening_price", "trade_price", "high_price", "low_price", "prev_closing_price",
        "acc_trade_volume_24h", "signed_change_price", "signed_change_rate"}) {
    CHECK(stale.at(name).is_null());
  }
}

TEST_CASE("a number that is not finite is null, and the record stays JSON") {
  Ticker ticker = sample_ticker();
  ticker.trade_price = std::numeric_limits<double>::infinity();
  ticker.low_price = -std::numeric_limits<double>::infinity();
  ticker.signed_change_rate = std::numeric_limits<double>::quiet_NaN();
  const Json json = Json::parse(record(ticker));
  for (const char* const name : {"trade_price", "low_price", "signed_change_rate"}) {
    CHECK(json.at(name).is_null());
  }
  CHECK(json.at("high_price") == 89000000);
}

TEST_CASE("totals of the widest numbers are exact while 38 digits hold them, else a double") {
  OrderBook book = sample_book();
  book.bids = {{*Decimal::parse("1e-36"), *Decimal::parse("99999999999999999999999999999999999")},
               {*Decimal::parse("1e-35"), *Decimal::parse("1e-36")}};
  book.asks = {{*Decimal::parse("1e34"), *Decimal::parse("1000000000000000.12345678")},
               {*Decimal::parse("2e34"), *Decimal::parse("2000000000000000.1")}};
  const std::string text = record(book);
  const Json json = Json::parse(text);
  CHECK(json.at("total_bid_volume") == 1e35);
  CHECK(json.at("spread") == 1e34);
  CHECK(text.find(R"("total_ask_volume":3000000000000000.22345678)") != std::string::npos);
  CHECK(text.find("[0.000000000000000000000000000000000001,99999999999999999999999999999999999]") !=
        std::string::npos);
}

TEST_CASE("prices and sizes of an order book keep every digit") {
  const std::string text = record(sample_book());
  CHECK(
      text ==
      R"({"type":"orderbook","region":"europe","exchange":"binance","base":"PEPE","quote":"USDT",)"
      R"("exchange_ts_ms":1700000000123,"recv_ts_us":1700000000200456,"origin":"rest",)"
      R"("state":"synced","sequence":42,"highest_bid":0.0000089123,"lowest_ask":0.00000893,)"
      R"("spread":0.0000000177,"total_bid_volume":9876543211.62345678,"total_ask_volume":0.3,)"
      R"("bids":[[0.0000089123,9876543210.12345678],[0.0000089,1.5]],)"
      R"("asks":[[0.00000893,0.1],[0.000009,0.2]]})");
}

TEST_CASE("depth cuts the levels and not the totals") {
  const std::string whole = record(sample_book());
  const Json json = Json::parse(record(sample_book(), 1));
  CHECK(json.at("bids").size() == 1);
  CHECK(json.at("asks").size() == 1);
  CHECK(record(sample_book(), 1).find(R"("total_bid_volume":9876543211.62345678)") !=
        std::string::npos);
  CHECK(Json::parse(record(sample_book(), 0)).at("bids").empty());
  CHECK(record(sample_book(), 1000) == whole);
}

TEST_CASE("a side without levels has no best price, no spread and nothing in total") {
  OrderBook book = sample_book();
  book.asks.clear();
  const Json json = Json::parse(record(book));
  CHECK(json.at("lowest_ask").is_null());
  CHECK(json.at("spread").is_null());
  CHECK(json.at("total_ask_volume") == 0);
  CHECK(json.at("asks") == Json::array());
  CHECK(!json.at("highest_bid").is_null());
}

TEST_CASE("the spread is exact where doubles are not, and negative when crossed") {
  OrderBook book = sample_book();
  book.bids = {{decimal("0.1"), decimal("1")}};
  book.asks = {{decimal("0.3"), decimal("1")}};
  CHECK(record(book).find(R"("spread":0.2,)") != std::string::npos);
  book.asks = {{decimal("0.05"), decimal("1")}};
  CHECK(record(book).find(R"("spread":-0.05,)") != std::string::npos);
  book.asks = {{decimal("0.1000"), decimal("1")}};
  CHECK(record(book).find(R"("spread":0,)") != std::string::npos);
  // 18 digits before and 18 after the point: too far apart for one 64-bit mantissa.
  book.bids = {{decimal("0.000000000000000001"), decimal("1")}};
  book.asks = {{decimal("999999999999999999"), decimal("1")}};
  CHECK(record(book).find(R"("spread":999999999999999998.999999999999999999,)") !=
        std::string::npos);
}

TEST_CASE("a total beyond 64 bits stays exact") {
  OrderBook book = sample_book();
  book.bids.assign(100, {decimal("1"), decimal("999999999999999999")});
  book.bids.push_back({decimal("1"), decimal("0.000000000000000001")});
  CHECK(record(book).find(R"("total_bid_volume":99999999999999999900.000000000000000001,)") !=
        std::string::npos);
}

TEST_CASE("a total beyond 128 bits is the nearest double") {
  OrderBook book = sample_book();
  book.bids.assign(400, {decimal("1"), decimal("999999999999999999")});
  book.bids.push_back({decimal("1"), decimal("0.000000000000000001")});
  const Json json = Json::parse(record(book));
  CHECK(json.at("total_bid_volume").get<double>() == doctest::Approx(4e20));
}

TEST_CASE("an error names its code and the capture line") {
  CHECK(record(sample_error(), std::optional<std::uint64_t>{123}) ==
        R"({"type":"error","exchange":"okx","code":"sequence_gap",)"
        R"("detail":"prevSeqId 5 does not follow 3","line":123})");
  std::string out;
  append_error(out, "", {ErrorCode::kCaptureLine, "not JSON"}, std::nullopt);
  CHECK(
      out ==
      R"({"type":"error","exchange":null,"code":"capture_line","detail":"not JSON","line":null})");
}

TEST_CASE("a dead letter carries the payload as text, or as base64 when it is not text") {
  FeedError error = sample_error();
  std::string out;
  append_dead_letter(out, error, 2);
  Json json = Json::parse(out);
  CHECK(json.at("payload") == error.payload);
  CHECK(json.at("payload_encoding") == "utf-8");
  CHECK(json.at("attempt") == 2);

  error.payload = std::string{"\xff\x00\xfe\x01", 4};
  error.symbol.clear();
  out.clear();
  append_dead_letter(out, error, 1);
  json = Json::parse(out);
  CHECK(json.at("payload") == "/wD+AQ==");
  CHECK(json.at("payload_encoding") == "base64");
  CHECK(json.at("symbol").is_null());
}

TEST_CASE("a rate has its fields in the documented order, with every source") {
  CHECK(record(sample_fx()) ==
        R"({"type":"fx","pair":"USDT/KRW","ts_ms":1700000000250,"state":"ok","reasons":[],)"
        R"("bid":1390.5,"ask":1391,"mid":1390.75,"age_ms":120,"sources":[)"
        R"({"venue":"upbit","bid":1390.5,"ask":1391,"mid":1390.75,"age_ms":120,"used":true,)"
        R"("reason":null},)"
        R"({"venue":"korbit","bid":null,"ask":null,"mid":null,"age_ms":null,"used":false,)"
        R"("reason":"fx_stale"}]})");
}

TEST_CASE("an unavailable rate has reasons and no number") {
  FxEvent event;
  event.rate.pair = CurrencyPair::kUsdKrw;
  event.rate.reasons.add(Reason::kFxUnavailable);
  const Json json = Json::parse(record(event));
  CHECK(json.at("state") == "unavailable");
  CHECK(json.at("reasons") == Json{"fx_unavailable"});
  for (const char* name : {"bid", "ask", "mid", "age_ms"}) CHECK(json.at(name).is_null());
}

TEST_CASE("a premium has its fields in the documented order") {
  CHECK(
      record(sample_premium()) ==
      R"({"type":"premium","asset":"BTC","region":"korea","over":"europe","basis":"usdt",)"
      R"("ts_ms":1700000000250,"state":"ok","reasons":[],"premium":0.0126,"first":0.012,)"
      R"("high":0.013,"low":0.0119,"currency":"USDT","price":64900.5,"over_price":64092.9,)"
      R"("venues":["upbit","bithumb"],"over_venues":["binance"],"fx_age_ms":120,)"
      R"("percentile_1h":0.75,"percentile_24h":0.5,"percentile_7d":null,"bases_disagree":false})");
}

TEST_CASE("a premium over the banks says so") {
  PremiumEvent event = sample_premium();
  event.over.reset();
  event.basis = Basis::kUsdtPremium;
  event.premium.reset();
  event.reasons.add(Reason::kFxStale);
  const Json json = Json::parse(record(event));
  CHECK(json.at("over") == "bank");
  CHECK(json.at("basis") == "usdt_premium");
  CHECK(json.at("state") == "unavailable");
  CHECK(json.at("reasons") == Json{"fx_stale"});
  CHECK(json.at("premium").is_null());
}

TEST_CASE("a pair has its fields in the documented order, fees itemized") {
  const std::string trade =
      R"("quantity":0.25,"spent_usdt":16000,"net_profit_usdt":80,"net_ratio":0.005,)"
      R"("buy_vwap":63950,"sell_vwap":90200000,"fees_usdt":28.5,"buy_fee_usdt":16,)"
      R"("sell_fee_usdt":8,"fx_fee_usdt":4.5,"slippage_usdt":2.25,"withdrawal_fee_usdt":0)";
  const std::string nothing =
      R"("quantity":null,"spent_usdt":null,"net_profit_usdt":null,"net_ratio":null,)"
      R"("buy_vwap":null,"sell_vwap":null,"fees_usdt":null,"buy_fee_usdt":null,)"
      R"("sell_fee_usdt":null,"fx_fee_usdt":null,"slippage_usdt":null,"withdrawal_fee_usdt":null)";
  CHECK(record(sample_spread()) ==
        R"({"type":"spread","asset":"BTC","buy":"binance","sell":"upbit","mode":"inventory",)"
        R"("ts_ms":1700000000250,"verdict":"tradable","reasons":[],"gross_ratio":0.0126,)"
        R"("net_ratio":0.0106,"buy_price_usdt":64000,"sell_price_usdt":64806.4,"buy_age_ms":12,)"
        R"("sell_age_ms":40,"fx_venue_fallback":false,"optimal":{)" +
            trade + R"(},"break_even_quantity":1.75,"sizes":[{"size_usdt":1000,"status":"ok",)" +
            trade + R"(},{"size_usdt":100000,"status":"insufficient_depth",)" + nothing +
            R"(}],"network":null,"withdrawal_fee":null,"expected_minutes":null})");
}

TEST_CASE(
    "a transfer names its network, what that keeps, in coins and USDT, and how long it takes") {
  const Json json = Json::parse(record(sample_transfer()));
  CHECK(json.at("network") == "Bitcoin");
  CHECK(json.at("withdrawal_fee") == 0.0001);
  CHECK(json.at("expected_minutes") == 20);
  CHECK(json.at("optimal").at("withdrawal_fee_usdt") == 6.4);
  CHECK(json.at("optimal").at("fees_usdt").get<double>() == doctest::Approx(34.9));
  CHECK(json.at("sizes").at(0).at("withdrawal_fee_usdt") == 6.4);
}

TEST_CASE("an opportunity that is asked for while it is open has lasted until then") {
  OpportunityEvent open;
  open.opened = timestamp_from_ms(1'700'000'000'000);
  open.time = open.opened + milliseconds{500};
  CHECK(Json::parse(record(open)).at("duration_ms") == 500);
  const Json asked = Json::parse(record(open, open.opened + milliseconds{42'000}));
  CHECK(asked.at("duration_ms") == 42'000);
  CHECK(asked.at("ts_ms") == 1'700'000'000'500);
}

TEST_CASE("a pair with an unusable leg has reasons and no numbers") {
  const Json json = Json::parse(record(sample_unknown_spread()));
  CHECK(json.at("verdict") == "unknown");
  CHECK(json.at("mode") == "transfer");
  CHECK(json.at("reasons") == Json{"stale_leg", "fx_quorum"});
  for (const char* name : {"gross_ratio", "net_ratio", "buy_price_usdt", "sell_price_usdt",
                           "buy_age_ms", "optimal", "break_even_quantity"}) {
    CAPTURE(name);
    CHECK(json.at(name).is_null());
  }
  CHECK(json.at("sizes").at(0).at("size_usdt") == 1000);
  CHECK(json.at("sizes").at(0).at("status").is_null());
  CHECK(json.at("sizes").at(0).at("net_profit_usdt").is_null());
}

TEST_CASE("an opportunity has its fields in the documented order") {
  CHECK(record(sample_opportunity()) ==
        R"({"type":"opportunity","event":"open","id":"6f1e","asset":"BTC","buy":"binance",)"
        R"("sell":"upbit","mode":"inventory","opened_ts_ms":1700000000250,)"
        R"("ts_ms":1700000001250,"duration_ms":1000,"net_profit_usdt":80,"net_ratio":0.005,)"
        R"("quantity":0.25,"peak_profit_usdt":91.5,"peak_ts_ms":1700000000900,"reason":null,)"
        R"("reasons":[],"peak_quantity":0.3,"buy_age_ms":12,"sell_age_ms":40})");
  OpportunityEvent close = sample_opportunity();
  close.kind = OpportunityEvent::Kind::kClose;
  close.reason = CloseReason::kStale;
  close.reasons.add(Reason::kStaleLeg);
  close.net_profit_usdt.reset();
  const Json json = Json::parse(record(close));
  CHECK(json.at("event") == "close");
  CHECK(json.at("reason") == "stale");
  CHECK(json.at("reasons") == Json{"stale_leg"});
  CHECK(json.at("net_profit_usdt").is_null());
}

TEST_CASE("records are appended, and the same value gives the same bytes") {
  std::string out = "before ";
  append_record(out, sample_ticker());
  CHECK(out == "before " + record(sample_ticker()));
  CHECK(record(sample_book()) == record(sample_book()));
}

TEST_CASE("strings are escaped and what is not UTF-8 is replaced") {
  CHECK(escaped("plain / text") == R"("plain / text")");
  CHECK(escaped("a\"b\\c\n\r\t") == R"("a\"b\\c\n\r\t")");
  CHECK(escaped(std::string_view{"\0\x1f\x7f", 3}) == "\"\\u0000\\u001f\x7f\"");
  CHECK(escaped("김치 €") == "\"김치 €\"");
  CHECK(escaped("a\xff"
                "b") ==
        "\"a\xef\xbf\xbd"
        "b\"");
  CHECK(escaped("\xe2\x82") == "\"\xef\xbf\xbd\xef\xbf\xbd\"");      // cut off
  CHECK(escaped("\xc0\xaf") == "\"\xef\xbf\xbd\xef\xbf\xbd\"");      // overlong
  CHECK(escaped("\xed\xa0\x80").find('\xed') == std::string::npos);  // a surrogate
  CHECK(escaped("\xf0\x9f\x9a\x80") == "\"\xf0\x9f\x9a\x80\"");
}

TEST_CASE("every byte sequence becomes JSON that parses") {
  std::string bytes;
  for (int a = 0; a < 256; ++a) {
    for (int b = 0; b < 256; b += 5) {
      bytes += static_cast<char>(a);
      bytes += static_cast<char>(b);
    }
  }
  CHECK(Json::accept(escaped(bytes)));
}

}  // namespace
}  // namespace spreadwatch::publish
