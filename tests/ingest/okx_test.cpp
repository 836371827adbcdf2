#include "tests/ingest/helpers.h"

namespace spreadwatch::ingest::test {
namespace {

constexpr const char* kTicker =
    R"({"arg":{"channel":"tickers","instId":"BTC-USDT"},"data":[{"instType":"SPOT","instId":"BTC-USDT",)"
    R"("last":"64028.6","lastSz":"0.0011553","askPx":"64028.7","askSz":"2.31126955","bidPx":"64028.6",)"
    R"("bidSz":"0.00503393","open24h":"64324","high24h":"64496.9","low24h":"63237.6","sodUtc0":"63589.4",)"
    R"("sodUtc8":"63606.7","volCcy24h":"374703695.177360964","vol24h":"5874.19398956","ts":"1786538789464"}]})";
constexpr const char* kSnapshot =
    R"({"arg":{"channel":"books","instId":"SOL-USDT"},"action":"snapshot","data":[{"asks":[)"
    R"(["120.67","90.475897","0","6"],["120.68","83.806786","0","7"]],"bids":[["120.66","28.448458","0","3"],)"
    R"(["120.65","46.716665","0","3"]],"ts":"1790394877200","checksum":0,"seqId":32032594283,"prevSeqId":-1}]})";
constexpr const char* kDelta =
    R"({"arg":{"channel":"books","instId":"SOL-USDT"},"action":"update","data":[{"asks":[)"
    R"(["120.67","60.475897","0","5"]],"bids":[["120.66","0","0","0"]],"ts":"1790394877300","checksum":0,)"
    R"("seqId":32032594315,"prevSeqId":32032594283}]})";
constexpr const char* kHeartbeat =
    R"({"arg":{"channel":"books","instId":"SOL-USDT"},"action":"update","data":[{"asks":[],"bids":[],)"
    R"("ts":"1790394937300","checksum":0,"seqId":32032594315,"prevSeqId":32032594315}]})";

using Okx = AllFrames<VenueId::kOkx>;

TEST_CASE_FIXTURE(Okx, "OKX: ticker") {
  feed(kTicker);
  REQUIRE(memory.tickers.size() == 1);
  const Ticker& t = memory.tickers[0];
  CHECK(t.instrument.name() == "BTC-USDT");
  CHECK(t.trade_price == 64028.6);
  CHECK(t.opening_price == 64324);
  CHECK(t.prev_closing_price == 64324);
  CHECK(t.high_price == 64496.9);
  CHECK(t.low_price == 63237.6);
  CHECK(t.acc_trade_volume_24h == 5874.19398956);
  CHECK(t.signed_change_price == -295.4);
  CHECK(t.signed_change_rate == doctest::Approx(-0.00459238).epsilon(1e-6));
  CHECK(t.exchange_time == timestamp_from_ms(1786538789464));
  CHECK(t.origin == Origin::kWs);
}

TEST_CASE_FIXTURE(Okx, "OKX: an empty string in a ticker is absent, not zero") {
  std::string payload = kTicker;
  payload.replace(payload.find("64496.9"), 7, "");
  payload.replace(payload.find("\"64324\""), 7, "\"\"");
  feed(payload);
  REQUIRE(memory.tickers.size() == 1);
  CHECK_FALSE(memory.tickers[0].high_price.has_value());
  CHECK_FALSE(memory.tickers[0].opening_price.has_value());
  CHECK_FALSE(memory.tickers[0].signed_change_rate.has_value());
}

TEST_CASE_FIXTURE(Okx, "OKX: snapshot, change, heartbeat, gap") {
  feed(kSnapshot);
  feed(kDelta);
  feed(kHeartbeat);
  REQUIRE(memory.books.size() == 3);
  CHECK(memory.streams[0] == "books:SOL-USDT");
  CHECK(text(memory.books[0].bids) == "120.66@28.448458 120.65@46.716665");
  CHECK(text(memory.books[1].bids) == "120.65@46.716665");
  CHECK(text(memory.books[1].asks) == "120.67@60.475897 120.68@83.806786");
  CHECK(memory.books[1].sequence == 32032594315);
  CHECK(memory.books[2].sequence == 32032594315);
  CHECK(memory.books[2].exchange_time == timestamp_from_ms(1790394937300));
  CHECK(memory.errors.empty());

  memory.clear();
  feed(
      R"({"arg":{"channel":"books","instId":"SOL-USDT"},"action":"update","data":[{"asks":[],"bids":)"
      R"([["120.64","1","0","1"]],"ts":"1790394937400","checksum":0,"seqId":32032594400,"prevSeqId":32032594399}]})");
  REQUIRE(memory.books.size() == 1);
  CHECK(memory.books[0].state == FeedState::kFaulted);
  CHECK(memory.books[0].reason == ErrorCode::kSequenceGap);
  CHECK(memory.books[0].bids.empty());
  REQUIRE(memory.errors.size() == 1);
  CHECK(memory.errors[0].error.code == ErrorCode::kSequenceGap);
  CHECK(memory.errors[0].symbol == "SOL-USDT");
  REQUIRE(memory.needs.size() == 1);
  CHECK(memory.needs[0].second == MaintainedBook::Need::kResubscribe);
}

TEST_CASE_FIXTURE(Okx, "OKX: a maintenance reset lowers seqId and is valid") {
  feed(kSnapshot);
  feed(
      R"({"arg":{"channel":"books","instId":"SOL-USDT"},"action":"update","data":[{"asks":[],"bids":)"
      R"([["120.64","1","0","1"]],"ts":"1790394937400","checksum":0,"seqId":7,"prevSeqId":32032594283}]})");
  feed(
      R"({"arg":{"channel":"books","instId":"SOL-USDT"},"action":"update","data":[{"asks":[],"bids":)"
      R"([["120.63","1","0","1"]],"ts":"1790394937500","checksum":0,"seqId":12,"prevSeqId":7}]})");
  CHECK(memory.errors.empty());
  REQUIRE(memory.books.size() == 3);
  CHECK(memory.books[2].sequence == 12);
  CHECK(memory.books[2].bids.size() == 4);
}

TEST_CASE_FIXTURE(Okx, "OKX: keys in any order, white space, a snapshot without prevSeqId") {
  feed(
      R"( { "data" : [ { "seqId" : 5, "ts" : "1790394877200", "bids" : [ [ "1" , "2" , "0" , "1" ] ],
         "asks" : [] } ], "action" : "snapshot", "arg" : { "instId" : "SOL-USDT", "channel" : "books" } } )");
  CHECK(memory.errors.empty());
  REQUIRE(memory.books.size() == 1);
  CHECK(memory.books[0].sequence == 5);
}

TEST_CASE_FIXTURE(Okx, "OKX: the published CRC32 vector, signed on the wire") {
  const std::string head =
      R"({"arg":{"channel":"books","instId":"A-B"},"action":"snapshot","data":[{"bids":[["3366.1","7","0","3"],)"
      R"(["3366","6","3","4"]],"asks":[["3366.8","9","10","3"],["3368","8","3","4"]],"ts":"1","checksum":)";
  feed(head + "-1881014294}]}");
  CHECK(memory.errors.empty());
  CHECK(memory.records() == 1);
  memory.clear();
  feed(head + "-1881014295}]}");
  REQUIRE(memory.errors.size() == 1);
  CHECK(memory.errors[0].error.code == ErrorCode::kChecksumMismatch);
  CHECK(memory.records() == 0);
  CHECK(normalizer.find("books:A-B")->checksum_mismatches() == 1);
}

TEST_CASE_FIXTURE(Okx, "OKX: books5 and bbo-tbt replace") {
  feed(R"({"arg":{"channel":"bbo-tbt","instId":"BTC-USDT"},"data":[{"asks":[["101","1","0","1"]],)"
       R"("bids":[["100","1","0","1"]],"ts":"1659792392540","seqId":10}]})");
  feed(R"({"arg":{"channel":"bbo-tbt","instId":"BTC-USDT"},"data":[{"asks":[["102","1","0","1"]],)"
       R"("bids":[],"ts":"1659792392550","seqId":14}]})");
  CHECK(memory.errors.empty());
  REQUIRE(memory.books.size() == 2);
  CHECK(text(memory.books[1].asks) == "102@1");
  CHECK(memory.books[1].bids.empty());
}

TEST_CASE_FIXTURE(Okx,
                  "OKX: a channel that only REST answers are filed under is none of the socket's") {
  feed(R"({"arg":{"channel":"orderbook","instId":"BTC-USDT"},"data":[{"asks":[],"bids":[]}]})");
  CHECK(memory.books.empty());
  CHECK(memory.errors.empty());
  CHECK(normalizer.unknown_topics() == 1);
}

TEST_CASE_FIXTURE(Okx, "OKX: what is no market data") {
  feed("pong");
  feed(
      R"({"id":"1512","event":"subscribe","arg":{"channel":"books","instId":"BTC-USDT"},"connId":"a4d3ae55"})");
  feed(
      R"({"event":"notice","code":"64008","msg":"The connection will soon be closed for a service upgrade.",)"
      R"("connId":"a4d3ae55"})");
  feed(
      R"({"arg":{"channel":"trades","instId":"BTC-USDT"},"data":[{"instId":"BTC-USDT","px":"1"}]})");
  CHECK(memory.errors.empty());
  REQUIRE(memory.controls.size() == 4);
  CHECK(memory.controls[0].kind == ControlMessage::Kind::kPong);
  CHECK(memory.controls[1].kind == ControlMessage::Kind::kAck);
  CHECK(memory.controls[1].stream == "books:BTC-USDT");
  CHECK(memory.controls[1].depth == 400);
  CHECK(memory.controls[2].kind == ControlMessage::Kind::kReconnect);
  CHECK(memory.controls[3].kind == ControlMessage::Kind::kIgnored);
}

TEST_CASE_FIXTURE(Okx, "OKX: errors by code") {
  check_refused(
      VenueId::kOkx,
      {
          {R"({"event":"error","msg":"Wrong URL or channel:tickers,instId:NMR-USDT doesn't exist.","code":"60018","connId":"0"})",
           ErrorCode::kUnknownSymbol, "NMR-USDT"},
          {R"({"id":"1512","event":"error","code":"60012","msg":"Invalid request: {\"op\": \"subscribe\"}","connId":"a4d3ae55"})",
           ErrorCode::kVenueError, ""},
          {R"({"event":"error","code":"60014","msg":"Requests too frequent"})",
           ErrorCode::kRateLimited, ""},
          {R"({"code":"51001","data":[],"msg":"Instrument ID doesn't exist."})",
           ErrorCode::kUnknownSymbol, ""},
          {R"({"code":"50011","data":[],"msg":"Too Many Requests"})", ErrorCode::kRateLimited, ""},
          {R"({"table":"spot/depth5","data":[{"asks":[],"bids":[]}]})",
           ErrorCode::kObsoleteProtocol, ""},
          {R"({"event":"subscribe","channel":"spot/ticker:ETH-USDT"})",
           ErrorCode::kObsoleteProtocol, ""},
          {R"({"arg":{"channel":"tickers","instId":"BTC-USDT-SWAP"},"data":[{"instType":"SWAP","instId":"BTC-USDT-SWAP","last":"1"}]})",
           ErrorCode::kUnknownSymbol, "BTC-USDT-SWAP"},
          {R"({"arg":{"channel":"books5","instId":"BTC-USD-220624-50000-C"},"data":[{"asks":[],"bids":[],"ts":"1"}]})",
           ErrorCode::kUnknownSymbol, "BTC-USD-220624-50000-C"},
          {R"({"arg":{"channel":"tickers","instId":"BTC-USDT"},"data":[{"instId":"BTC-USDT","last":"-1"}]})",
           ErrorCode::kValueOutOfRange, "BTC-USDT"},
          {R"({"arg":{"channel":"tickers","instId":"BTC-USDT"},"data":[{"instId":"BTC-USDT","last":"nan"}]})",
           ErrorCode::kValueOutOfRange, "BTC-USDT"},
          {R"({"arg":{"channel":"tickers","instId":"BTC-USDT"},"data":[{"instId":"BTC-USDT","last":{}}]})",
           ErrorCode::kSchemaMismatch, "BTC-USDT"},
          {R"({"arg":{"channel":"books5","instId":"BTC-USDT"},"data":[{"asks":[["1","-1"]],"bids":[]}]})",
           ErrorCode::kValueOutOfRange, "BTC-USDT"},
          {R"({"arg":{"channel":"books5","instId":"BTC-USDT"},"data":[{"asks":[["1.23456789012345678901234567890123456789","1"]],"bids":[]}]})",
           ErrorCode::kValueOutOfRange, "BTC-USDT"},
          {R"({"arg":{"channel":"books5","instId":"BTC-USDT"},"data":[{"asks":[["1e400","1"]],"bids":[]}]})",
           ErrorCode::kValueOutOfRange, "BTC-USDT"},
          {R"({"arg":{"channel":"books5","instId":"BTC-USDT"},"data":[{"bids":[]}]})",
           ErrorCode::kSchemaMismatch, "BTC-USDT"},
      });
}

TEST_CASE_FIXTURE(Okx,
                  "OKX: a change that cannot be read faults its book until the next snapshot") {
  feed(kSnapshot);
  memory.clear();
  const std::string delta = kDelta;
  feed(std::string_view{delta}.substr(0, delta.size() - 3));
  REQUIRE(memory.errors.size() == 1);
  CHECK(memory.errors[0].error.code == ErrorCode::kMalformedJson);
  REQUIRE(memory.books.size() <= 1);
  memory.clear();
  std::string absurd = kDelta;
  absurd.replace(absurd.find("60.475897"), 9, "-1.000000");
  feed(kSnapshot);
  feed(absurd);
  REQUIRE(memory.books.size() == 2);
  CHECK(memory.books[1].state == FeedState::kFaulted);
  REQUIRE(memory.needs.size() == 1);
  CHECK(memory.errors.size() == 1);
  feed(kDelta);
  CHECK(memory.errors.size() == 1);
  CHECK(memory.books.size() == 2);
  feed(kSnapshot);
  feed(kDelta);
  CHECK(memory.books.back().synced());
}

TEST_CASE_FIXTURE(Okx, "OKX: REST ticker, book and market list") {
  std::string ticker = kTicker;
  ticker = R"({"code":"0","msg":"",)" + ticker.substr(ticker.find("\"data\""));
  normalizer.feed(rest(ticker, "ticker", "BTC-USDT"), memory);
  normalizer.feed(rest(ticker, ""), memory);
  normalizer.feed(
      rest(R"({"code":"0","msg":"","data":[{"asks":[["41006.8","0.60038921","0","1"]],"bids":)"
           R"([["41006.3","0.30178218","0","2"]],"ts":"1629966436396","seqId":3235851742}]})",
           "orderbook", "BTC-USDT"),
      memory);
  normalizer.feed(
      rest(
          R"({"code":"0","data":[{"instType":"SPOT","instId":"BTC-USDT","baseCcy":"BTC","quoteCcy":"USDT",)"
          R"("state":"live"},{"instType":"SPOT","instId":"X-USDT","baseCcy":"X","quoteCcy":"USDT",)"
          R"("state":"suspend"}],"msg":""})",
          "markets"),
      memory);
  CHECK(memory.errors.empty());
  REQUIRE(memory.tickers.size() == 2);
  CHECK(memory.tickers[0].origin == Origin::kRest);
  CHECK(memory.tickers[1].signed_change_price == -295.4);
  REQUIRE(memory.books.size() == 1);
  CHECK(memory.streams[0] == "rest:BTC-USDT");
  CHECK(memory.books[0].origin == Origin::kRest);
  CHECK(memory.books[0].sequence == 3235851742);
  REQUIRE(memory.markets.size() == 2);
  CHECK(memory.markets[0].active);
  CHECK_FALSE(memory.markets[1].active);
}

TEST_CASE("OKX: requests") {
  const auto adapter = make_adapter(VenueId::kOkx);
  const std::vector<Subscription> wanted = {{Channel::kTicker, {"BTC", "USDT"}, 0},
                                            {Channel::kOrderBook, {"BTC", "USDT"}, 400}};
  const auto messages = adapter->subscribe(wanted, timestamp_from_ms(5));
  REQUIRE(messages.size() == 1);
  CHECK(messages[0] ==
        R"({"id":"5","op":"subscribe","args":[{"channel":"tickers","instId":"BTC-USDT"},)"
        R"({"channel":"books","instId":"BTC-USDT"}]})");
  CHECK(adapter->ping({}) == "ping");
  CHECK(adapter->book_call({"BTC", "USDT"}, 0).path ==
        "/api/v5/market/books?instId=BTC-USDT&sz=400");
}

}  // namespace
}  // namespace spreadwatch::ingest::test
