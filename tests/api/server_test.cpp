#include "api/server.h"

#include <doctest/doctest.h>

#include <atomic>
#include <chrono>
#include <future>
#include <memory>
#include <nlohmann/json.hpp>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "api/router.h"
#include "tests/api/raw_client.h"
#include "tests/api/sample.h"

namespace spreadwatch::api {
namespace {

using namespace std::chrono_literals;
using nlohmann::json;
using test::get;
using test::RawClient;
using test::Reply;
using test::request;

/// A server on a free port with the sample market.
struct Fixture {
  explicit Fixture(ServerLimits limits = {}, Providers providers = test::sample_providers())
      : server({.address = "127.0.0.1", .port = 0}, test::sample_venues(), store, clock,
               std::move(providers), limits) {
    test::fill(store, clock.now());
    server.start();
  }
  json body(const std::string& target) {
    const Reply reply = get(server.port(), target);
    CHECK(reply.status == 200);
    CHECK(reply.headers.at("content-type") == "application/json");
    CHECK(reply.headers.at("cache-control") == "no-store");
    return json::parse(reply.body);
  }
  /// Expects a problem and gives its code.
  std::string refused(int status, const Reply& reply) {
    CHECK(reply.status == status);
    CHECK(reply.headers.at("content-type") == "application/problem+json");
    const json body = json::parse(reply.body);
    CHECK(body.at("status") == status);
    CHECK_FALSE(body.at("title").get<std::string>().empty());
    CHECK_FALSE(body.at("detail").get<std::string>().empty());
    return body.at("code");
  }
  std::string refused(int status, const std::string& target) {
    return refused(status, get(server.port(), target));
  }

  SystemClock clock;
  Store store;
  Server server;
};

/// Whose times of day run a minute ahead.
class AheadClock final : public Clock {
 public:
  Timestamp now() const override { return timestamp_from_ms(1'700'000'000'000); }
  Timestamp shown(Timestamp moment) const override { return moment + 1min; }
};

std::string stream_request(const std::string& topics = "") {
  return "GET /api/v1/stream" + topics + " HTTP/1.1\r\nHost: localhost\r\n\r\n";
}

bool eventually(const auto& condition) {
  const auto deadline = std::chrono::steady_clock::now() + 15s;
  while (!condition()) {
    if (std::chrono::steady_clock::now() > deadline) return false;
    std::this_thread::sleep_for(5ms);
  }
  return true;
}

}  // namespace

TEST_CASE("the board and its files come with the headers a browser needs") {
  Fixture f;
  const Reply page = get(f.server.port(), "/");
  CHECK(page.status == 200);
  CHECK(page.headers.at("content-type") == "text/html; charset=utf-8");
  CHECK(page.body.find("<title>spreadwatch</title>") != std::string::npos);
  CHECK(page.headers.at("content-security-policy").find("default-src 'none'") != std::string::npos);
  CHECK(page.headers.at("x-content-type-options") == "nosniff");
  CHECK(page.headers.at("x-frame-options") == "DENY");
  CHECK_FALSE(page.headers.contains("access-control-allow-origin"));
  CHECK(get(f.server.port(), "/app.js").headers.at("content-type") ==
        "text/javascript; charset=utf-8");
  CHECK(get(f.server.port(), "/style.css").headers.at("content-type") == "text/css; charset=utf-8");
}

TEST_CASE("health and readiness") {
  Fixture f;
  CHECK(f.body("/healthz") == json{{"status", "ok"}});
  const Reply reply = get(f.server.port(), "/readyz");
  CHECK(reply.status == 503);
  CHECK(
      json::parse(reply.body) ==
      json::parse(R"({"ready":false,"reasons":["venue_down:okx"],"notices":["broker_embedded"]})"));
  Fixture ready({}, {.profile = ingest::venue_profile});
  CHECK(ready.body("/readyz") == json::parse(R"({"ready":true,"reasons":[],"notices":[]})"));
}

TEST_CASE("no reason or notice of readiness shows credentials or controls") {
  Providers providers{.profile = ingest::venue_profile};
  providers.readiness = [] {
    return Readiness{.reasons = {"kafka: joe:pw-9@broker:9092/bootstrap: down\n\x1b[2J"},
                     .notices = {"at https://bank.example/?token=t-9"}};
  };
  Fixture f({}, providers);
  CHECK(json::parse(get(f.server.port(), "/readyz").body) ==
        json{{"ready", false},
             {"reasons", {"kafka: ***@broker:9092/bootstrap: down\\n\\x1b[2J"}},
             {"notices", {"at https://bank.example/?token=***"}}});
}

TEST_CASE("venues and feeds with their integrity contracts") {
  Fixture f;
  const json venues = f.body("/api/v1/venues").at("venues");
  REQUIRE(venues.size() == 4);
  CHECK(venues[0].at("venue") == "upbit");
  CHECK(venues[0].at("region") == "korea");
  CHECK(venues[0].at("quote") == "KRW");
  CHECK(venues[0].at("taker_fee") == 0.0005);

  const json feeds = f.body("/api/v1/feeds");
  REQUIRE(feeds.at("feeds").size() == 5);
  json stale = feeds.at("feeds")[2];
  CHECK(stale.at("age_ms") >= 45'000);  // as of the answer
  stale["age_ms"] = 45'000;
  CHECK(stale ==
        json::parse(R"({"venue":"okx","symbol":"BTC-USDT","channel":"orderbook","state":"stale",
      "reason":"timeout","origin":"ws","age_ms":45000,"exchange_ts_ms":null,"gaps":1,
      "checksum_mismatches":0,"resyncs":2,"reconnects":0})"));
  CHECK(feeds.at("feeds")[0].at("reason").is_null());
  CHECK(feeds.at("contracts").size() == 4);
  const json& okx = feeds.at("contracts").at("okx");
  CHECK_FALSE(okx.at("integrity").get<std::string>().empty());
  CHECK(okx.at("limits").at("messages") == json::parse(R"([{"count":480,"per_ms":3600000}])"));
  CHECK(okx.at("max_age_ms").is_null());
}

TEST_CASE("our own times are told as times of day, an exchange's as they are") {
  const AheadClock clock;
  Store store;
  Ticker ticker;
  ticker.venue = VenueId::kUpbit;
  ticker.instrument = {"BTC", "KRW"};
  ticker.exchange_time = clock.now() - 2s;
  ticker.receive_time = clock.now() - 1s;
  store.update(ticker);
  OrderBook book;
  book.venue = VenueId::kUpbit;
  book.instrument = {"BTC", "KRW"};
  book.receive_time = clock.now() - 1s;
  book.exchange_time = clock.now() - 2s;
  book.state = FeedState::kSynced;
  SUBCASE("of a book that is shown") {}
  SUBCASE("of one that is not") { book.state = FeedState::kFaulted; }
  store.update(book);
  const Router router(test::sample_venues(), store, clock, {.profile = ingest::venue_profile});
  const json tickers = json::parse(router.answer({"GET", "/api/v1/tickers", ""}).body);
  CHECK(tickers.at("ts_ms") == 1'700'000'060'000);
  CHECK(tickers.at("tickers")[0].at("recv_ts_us") == 1'700'000'059'000'000);
  CHECK(tickers.at("tickers")[0].at("exchange_ts_ms") == 1'699'999'998'000);
  const json shown =
      json::parse(router.answer({"GET", "/api/v1/orderbooks/upbit/BTC-KRW", ""}).body);
  CHECK(shown.at("recv_ts_us") == 1'700'000'059'000'000);
  CHECK(shown.at("exchange_ts_ms") == 1'699'999'998'000);
}

TEST_CASE("tickers are filtered by venue and symbol") {
  Fixture f;
  CHECK(f.body("/api/v1/tickers").at("tickers").size() == 2);
  CHECK(f.body("/api/v1/tickers?venue=okx").at("tickers").size() == 1);
  CHECK(f.body("/api/v1/tickers?symbol=btc-krw").at("tickers")[0].at("exchange") == "upbit");
  CHECK(f.body("/api/v1/tickers?venue=okx&symbol=BTC-KRW").at("tickers").empty());
  CHECK(f.refused(400, "/api/v1/tickers?venue=mtgox") == "invalid_parameter");
  CHECK(f.refused(400, "/api/v1/tickers?symbol=BTC") == "invalid_parameter");
  const Reply unknown = get(f.server.port(), "/api/v1/tickers?coin=BTC");
  CHECK(f.refused(400, unknown) == "unknown_parameter");
  CHECK(json::parse(unknown.body).at("detail").get<std::string>().find("'coin'") !=
        std::string::npos);
}

/// Answers as of the moment where the clock is put.
struct At {
  class SetClock final : public Clock {
   public:
    Timestamp now() const override { return time; }
    Timestamp time = timestamp_from_ms(1'700'000'000'000);
  };
  json ask(const std::string& path) const {
    const Response response = router.answer({"GET", path, ""});
    CHECK(response.status == 200);
    return json::parse(response.body);
  }

  SetClock clock;
  Store store;
  std::vector<FeedStatus> feeds;
  Router router{
      test::sample_venues(), store, clock,
      Providers{
          .readiness = {}, .feeds = [this] { return feeds; }, .profile = ingest::venue_profile}};
};

TEST_CASE("tickers say what may be believed of them, as order books do") {
  At at;
  const auto add = [&](VenueId venue, const char* quote, bool told, FeedState state,
                       std::optional<ErrorCode> reason) {
    Ticker ticker;
    ticker.venue = venue;
    ticker.instrument = {"BTC", quote};
    ticker.trade_price = 100;
    ticker.receive_time = at.clock.time;
    if (told) at.store.update(ticker);
    FeedStatus feed;
    feed.venue = venue;
    feed.symbol = ticker.instrument.name();
    feed.channel = Channel::kTicker;
    feed.state = state;
    feed.reason = reason;
    if (told) feed.updated = at.clock.time;
    at.feeds.push_back(feed);
  };
  add(VenueId::kUpbit, "KRW", true, FeedState::kSynced, std::nullopt);
  add(VenueId::kBithumb, "KRW", true, FeedState::kStale, ErrorCode::kTimeout);
  add(VenueId::kOkx, "USDT", true, FeedState::kDown, ErrorCode::kUnknownSymbol);
  add(VenueId::kBinance, "USDT", false, FeedState::kSyncing, std::nullopt);
  Ticker unwatched;
  unwatched.venue = VenueId::kKraken;
  unwatched.instrument = {"BTC", "USD"};
  unwatched.trade_price = 100;
  at.store.update(unwatched);

  at.clock.time += 78s;
  const json tickers = at.ask("/api/v1/tickers").at("tickers");
  REQUIRE(tickers.size() == 5);
  const auto check = [&](std::size_t i, const char* exchange, const char* state, const json& reason,
                         const json& age, const json& price) {
    CAPTURE(exchange);
    CHECK(tickers[i].at("exchange") == exchange);
    CHECK(tickers[i].at("state") == state);
    CHECK(tickers[i].at("reason") == reason);
    CHECK(tickers[i].at("age_ms") == age);
    CHECK(tickers[i].at("trade_price") == price);
  };
  check(0, "upbit", "synced", nullptr, 78'000, 100);
  check(1, "bithumb", "stale", "timeout", 78'000, nullptr);
  check(2, "okx", "down", "unknown_symbol", 78'000, nullptr);
  check(3, "binance", "syncing", nullptr, nullptr, nullptr);
  check(4, "kraken", "down", nullptr, nullptr, nullptr);
}

TEST_CASE("every age in an answer is of the moment of the answer") {
  At at;
  test::fill(at.store, at.clock.time);
  FeedStatus feed;
  feed.venue = VenueId::kUpbit;
  feed.symbol = "BTC-KRW";
  feed.updated = at.clock.time;
  at.feeds.push_back(feed);
  at.clock.time += 42s;

  CHECK(at.ask("/api/v1/feeds").at("feeds")[0].at("age_ms") == 42'000);
  const json rate = at.ask("/api/v1/fx").at("fx")[0];
  CHECK(rate.at("age_ms") == 42'085);
  CHECK(rate.at("ts_ms") == 1'700'000'000'000);  // when it last changed
  CHECK(rate.at("sources")[1].at("age_ms") == 42'140);
  CHECK(rate.at("sources")[3].at("age_ms").is_null());
  CHECK(at.ask("/api/v1/premiums").at("premiums")[0].at("fx_age_ms") == 42'120);
  const json opportunities = at.ask("/api/v1/opportunities").at("opportunities");
  CHECK(opportunities[0].at("event") == "update");
  CHECK(opportunities[0].at("duration_ms") == 84'000);
  CHECK(opportunities[0].at("buy_age_ms") == 42'040);
  CHECK(opportunities[0].at("sell_age_ms") == 42'000);  // its order book came after the event
  CHECK(opportunities[1].at("event") == "close");
  CHECK(opportunities[1].at("duration_ms") == 9'100);
  CHECK(opportunities[1].at("buy_age_ms") == 31'000);
}

TEST_CASE("an order book is shown only while it may be believed") {
  Fixture f;
  const json shown = f.body("/api/v1/orderbooks/upbit/BTC-KRW");
  CHECK(shown.at("state") == "synced");
  CHECK(shown.at("bids").size() == 15);
  CHECK(shown.at("bids")[0] == json::parse("[135800000,1.25]"));
  CHECK(f.body("/api/v1/orderbooks/upbit/btc-krw?depth=2").at("asks").size() == 2);

  const auto hidden = [&](const std::string& market, const std::string& state, const json& reason) {
    const json book = f.body("/api/v1/orderbooks/" + market);
    CHECK(book.at("type") == "orderbook");
    CHECK(book.at("state") == state);
    CHECK(book.at("reason") == reason);
    CHECK_FALSE(book.contains("bids"));
    CHECK_FALSE(book.contains("highest_bid"));
  };
  hidden("bithumb/BTC-KRW", "faulted", "crossed_book");
  hidden("okx/BTC-USDT", "stale", "timeout");
  hidden("binance/BTC-USDT", "faulted", "sequence_gap");
  hidden("binance/ETH-USDT", "syncing", nullptr);  // only its feed is known

  CHECK(f.refused(404, "/api/v1/orderbooks/mtgox/BTC-USD") == "unknown_venue");
  CHECK(f.refused(404, "/api/v1/orderbooks/kraken/BTC-USD") == "unknown_venue");
  CHECK(f.refused(404, "/api/v1/orderbooks/upbit/DOGE-KRW") == "unknown_symbol");
  CHECK(f.refused(404, "/api/v1/orderbooks/upbit/DOGE") == "unknown_symbol");
  CHECK(f.refused(404, "/api/v1/orderbooks/upbit/%22%3Cb%3E") == "unknown_symbol");
  CHECK(f.refused(404, "/api/v1/orderbooks/upbit") == "unknown_route");
  CHECK(f.refused(400, "/api/v1/orderbooks/upbit/BTC-KRW?depth=0") == "invalid_parameter");
  CHECK(f.refused(400, "/api/v1/orderbooks/upbit/BTC-KRW?depth=99999") == "invalid_parameter");
}

TEST_CASE("a market named in any script is found by its percent-encoded name") {
  Fixture f;
  const std::string name = "\u5e01\u5b89";  // the first two of Binance's 币安人生
  const std::string escaped = "%E5%B8%81%E5%AE%89";
  OrderBook book;
  book.venue = VenueId::kBinance;
  book.instrument = {name, "USDT"};
  book.state = FeedState::kSynced;
  book.bids = {{*Decimal::parse("1"), *Decimal::parse("2")}};
  book.asks = {{*Decimal::parse("3"), *Decimal::parse("4")}};
  f.store.update(book);
  Ticker ticker;
  ticker.venue = VenueId::kBinance;
  ticker.instrument = book.instrument;
  ticker.trade_price = 2;
  f.store.update(ticker);
  f.store.update(
      test::premium(name, Region::kKorea, Region::kAsia, Basis::kUsdt, 0.01, timestamp_from_ms(1)));

  CHECK(f.body("/api/v1/orderbooks/binance/" + escaped + "-USDT").at("base") == name);
  CHECK(f.body("/api/v1/orderbooks/binance/" + escaped + "%2Dusdt").at("quote") == "USDT");
  CHECK(f.body("/api/v1/tickers?symbol=" + escaped + "-USDT").at("tickers").size() == 1);
  CHECK(f.body("/api/v1/premiums?asset=" + escaped).at("premiums")[0].at("asset") == name);
  CHECK(f.refused(404, "/api/v1/profit?asset=" + escaped + "&buy=okx&sell=upbit&size_usdt=1000") ==
        "unknown_pair");
  CHECK(f.refused(404, "/api/v1/orderbooks/binance/%E4%BA%BA-USDT") == "unknown_symbol");
  // No UTF-8, and what no name can have.
  CHECK(f.refused(400, "/api/v1/orderbooks/binance/%E5%B8-USDT") == "malformed_uri");
  CHECK(f.refused(400, "/api/v1/tickers?symbol=%FF-USDT") == "malformed_uri");
  CHECK(f.refused(400, "/api/v1/tickers?symbol=A%00B-USDT") == "invalid_parameter");
  CHECK(f.refused(400, "/api/v1/premiums?asset=A%20B") == "invalid_parameter");
}

TEST_CASE("rates, premiums, spreads and opportunities are the records themselves") {
  Fixture f;
  const json fx = f.body("/api/v1/fx");
  CHECK(fx.at("ts_ms").get<std::int64_t>() > 0);
  CHECK(fx.at("fx").size() == 3);
  CHECK(f.refused(400, "/api/v1/fx?pair=x") == "unknown_parameter");

  CHECK(f.body("/api/v1/premiums").at("premiums").size() == 16);
  const json xrp = f.body("/api/v1/premiums?asset=xrp").at("premiums");
  REQUIRE(xrp.size() == 5);
  for (const json& p : xrp) CHECK(p.at("asset") == "XRP");
  CHECK(f.body("/api/v1/premiums?asset=NONE").at("premiums").empty());
  CHECK(f.refused(400, "/api/v1/premiums?asset=") == "invalid_parameter");
  CHECK(f.refused(400, "/api/v1/premiums?asset=B%20C") == "invalid_parameter");

  CHECK(f.body("/api/v1/spreads").at("spreads").size() == 3);
  CHECK(f.body("/api/v1/spreads?asset=BTC&buy=binance&sell=upbit&mode=inventory&verdict=tradable")
            .at("spreads")
            .size() == 1);
  CHECK(f.body("/api/v1/spreads?mode=transfer").at("spreads").empty());
  CHECK(f.body("/api/v1/spreads?verdict=unknown").at("spreads")[0].at("asset") == "XRP");
  CHECK(f.refused(400, "/api/v1/spreads?mode=both") == "invalid_parameter");
  CHECK(f.refused(400, "/api/v1/spreads?verdict=maybe") == "invalid_parameter");
  CHECK(f.refused(400, "/api/v1/spreads?mode=inventory&mode=transfer") == "invalid_parameter");
  Providers standing = test::sample_providers();
  standing.spreads = [](const SpreadQuery&) -> std::optional<std::vector<SpreadEvent>> {
    return std::nullopt;
  };
  Fixture busy({}, standing);
  CHECK(busy.refused(503, "/api/v1/spreads?asset=BTC") == "engine_busy");

  const json opportunities = f.body("/api/v1/opportunities").at("opportunities");
  REQUIRE(opportunities.size() == 2);
  CHECK(opportunities[0].at("event") == "update");
  CHECK(opportunities[1].at("reason") == "stale");
}

TEST_CASE("a what-if is answered with its costs, or refused with the reason") {
  Fixture f;
  const std::string pair = "/api/v1/profit?asset=btc&buy=okx&sell=upbit";
  const json answer = f.body(pair + "&size_usdt=2500.5&mode=transfer");
  CHECK(answer.at("type") == "profit");
  CHECK(answer.at("asset") == "BTC");
  CHECK(answer.at("mode") == "transfer");
  CHECK(answer.at("size_usdt") == 2500.5);
  CHECK(answer.at("status") == "ok");
  CHECK(answer.at("received_usdt") == 2513);
  CHECK(f.body(pair + "&size_usdt=1").at("mode") == "inventory");

  CHECK(f.refused(400, pair) == "invalid_parameter");
  for (const std::string size : {"0", "0.0", "-1", "1e3", "nan", "", "12345678901", "1."}) {
    CAPTURE(size);
    CHECK(f.refused(400, pair + "&size_usdt=" + size) == "invalid_parameter");
  }
  CHECK(f.refused(400, "/api/v1/profit?asset=BTC&buy=nowhere&sell=upbit&size_usdt=1") ==
        "invalid_parameter");
  CHECK(f.refused(400, pair + "&size_usdt=1&mode=both") == "invalid_parameter");
  CHECK(f.refused(404, "/api/v1/profit?asset=ETH&buy=okx&sell=upbit&size_usdt=1") ==
        "unknown_pair");
  CHECK(f.refused(503, "/api/v1/profit?asset=SLOW&buy=okx&sell=upbit&size_usdt=1") ==
        "engine_busy");
}

TEST_CASE("what cannot be served is refused with a named problem") {
  Fixture f;
  const std::uint16_t port = f.server.port();
  for (const std::string target : {"/nothing", "/api/v1/mutes", "/api/v1/kline", "/api/v1/alerts",
                                   "/api/v1/instruments", "/healthz/", "/api/v1/../v1/fx"}) {
    CAPTURE(target);
    CHECK(f.refused(404, target) == "unknown_route");
  }
  for (const std::string method : {"POST", "PUT", "DELETE", "OPTIONS", "TRACE", "PATCH"}) {
    CAPTURE(method);
    const Reply reply = request(port, method, "/api/v1/fx", "Content-Length: 2\r\n", "{}");
    CHECK(f.refused(405, reply) == "method_not_allowed");
    CHECK(reply.headers.at("allow") == "GET, HEAD");
  }
  CHECK(f.refused(414, "/api/v1/fx?" + std::string(5000, 'a')) == "uri_too_long");
  CHECK(f.refused(400, "/api/v1/tickers?venue=%zz") == "malformed_uri");
  CHECK(f.refused(400, "/api/v1/tickers?venue=%4") == "malformed_uri");
  const std::string large(100'000, 'x');
  CHECK(f.refused(413, request(port, "POST", "/api/v1/fx",
                               "Content-Length: " + std::to_string(large.size()) + "\r\n",
                               large)) == "payload_too_large");
  CHECK(get(port, "/healthz").status == 200);
}

TEST_CASE("HEAD is answered on every route as GET is, without the body and without a stream") {
  Fixture f;
  std::set<std::string> asked;
  for (const Route& route : routes()) {
    std::string target{route.path};
    if (route.operation == "getOrderBook") target = "/api/v1/orderbooks/upbit/BTC-KRW";
    if (route.operation == "getProfit") target += "?asset=BTC&buy=okx&sell=upbit&size_usdt=1000";
    CAPTURE(target);
    asked.insert(target);
    const Reply head = request(f.server.port(), "HEAD", target);
    CHECK(head.status == (route.operation == "readiness" ? 503 : 200));
    CHECK(head.body.empty());
    CHECK(head.headers.at("content-type") == route.content_type);
    if (route.operation == "stream") {
      CHECK(f.server.broadcaster().clients() == 0);
      continue;
    }
    const Reply got = get(f.server.port(), target);
    CHECK(head.status == got.status);
    // What stands in a body changes with time; its length and all else does not.
    auto headers = head.headers;
    headers["date"] = got.headers.at("date");
    CHECK(headers == got.headers);
  }
  CHECK(asked.contains("/"));
  CHECK(asked.contains("/openapi.json"));
  CHECK(request(f.server.port(), "HEAD", "/nothing").status == 404);
  CHECK(request(f.server.port(), "HEAD", "/nothing").body.empty());
}

TEST_CASE("a row that writes is found by its method, guarded by the token and given the body") {
  const At at;
  const auto said = [](const char* what) {
    return
        [what](const Context&, const Request& request, const Arguments& arguments, const Route&) {
          return Response{.body = std::string{what} + arguments.name("asset") + request.body};
        };
  };
  const std::vector<Route> table{
      {.path = "/things", .operation = "listThings", .handler = said("list")},
      {.method = Route::Method::kPost,
       .path = "/things",
       .operation = "addThing",
       .needs_token = true,
       .body_schema = "Venues",
       .handler = said("add")},
      {.method = Route::Method::kDelete,
       .path = "/things/{asset}",
       .operation = "removeThing",
       .parameters = {{.name = "asset", .in = Parameter::In::kPath}},
       .needs_token = true,
       .handler = said("remove")}};
  const Router router(test::sample_venues(), at.store, at.clock, {}, table);
  CHECK(router.answer({.method = "GET", .path = "/things"}).body == "list");
  Request add{.method = "POST", .path = "/things", .body = " it"};
  CHECK(router.answer(add).status == 401);
  Request remove{.method = "DELETE", .path = "/things/btc"};
  CHECK(router.answer(remove).status == 401);
  add.authorized = remove.authorized = true;
  CHECK(router.answer(add).body == "add it");
  CHECK(router.answer(remove).body == "removeBTC");
  const Response refused = router.answer({.method = "PUT", .path = "/things"});
  CHECK(refused.status == 405);
  CHECK(refused.allow == "GET, HEAD, POST");
  CHECK(router.answer({.method = "GET", .path = "/things/btc"}).allow == "DELETE");

  const json paths = json::parse(openapi_document(table)).at("paths");
  CHECK(paths.at("/things").at("get").at("operationId") == "listThings");
  CHECK_FALSE(paths.at("/things").at("get").at("responses").contains("401"));
  const json& post = paths.at("/things").at("post");
  CHECK(post.at("responses").contains("401"));
  CHECK(post.at("requestBody").at("content").at("application/json").at("schema").at("$ref") ==
        "#/components/schemas/Venues");
  CHECK(paths.at("/things/{asset}").at("delete").at("operationId") == "removeThing");
}

TEST_CASE("pipelined requests are answered") {
  Fixture f;
  RawClient client(f.server.port());
  client.send(
      "GET /healthz HTTP/1.1\r\nHost: a\r\n\r\nGET /nothing HTTP/1.1\r\nHost: a\r\n\r\n"
      "HEAD / HTTP/1.1\r\nHost: a\r\n\r\n"
      "GET /openapi.json HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
  client.receive_all();
  std::size_t at = 0;
  for (const std::string part : {"200 OK", "{\"status\":\"ok\"}", "404 Not Found", "unknown_route",
                                 "200 OK", "text/html", "200 OK", "\"openapi\": \"3.1.0\""}) {
    CAPTURE(part);
    at = client.received().find(part, at);
    REQUIRE(at != std::string::npos);
  }
}

TEST_CASE("what never becomes a request is refused with a named problem as well") {
  Fixture f({.idle = 1s});
  const auto raw = [&](const std::string& text) {
    RawClient client(f.server.port());
    client.send(text);
    client.receive_all();
    return test::parse_reply(client.received());
  };
  CHECK(f.refused(400, raw("GET\r\n\r\n")) == "malformed_request");
  CHECK(f.refused(408, raw("GET / HTTP/1.1\r\nHost:")) == "request_timeout");
  CHECK(f.refused(414, raw("GET /" + std::string(20'000, 'a'))) == "uri_too_long");
  const Reply reply = raw("GET / HTTP/1.1\r\nHost: " + std::string(20'000, 'a'));
  CHECK(f.refused(431, reply) == "head_too_large");
  CHECK(reply.headers.at("x-content-type-options") == "nosniff");
}

TEST_CASE("what-ifs that wait for a busy engine leave the other routes answerable") {
  std::promise<void> go;
  const std::shared_future<void> gone = go.get_future().share();
  std::atomic<int> waiting{0};
  Providers providers = test::sample_providers();
  providers.profit = [&](const ProfitQuery&) {
    ++waiting;
    gone.wait();
    return ProfitAnswer{.status = ProfitAnswer::Status::kOk, .record = "{}"};
  };
  Fixture f({}, std::move(providers));
  std::vector<std::unique_ptr<RawClient>> clients;
  for (int i = 0; i < 20; ++i) {
    clients.push_back(std::make_unique<RawClient>(f.server.port()));
    clients.back()->send(
        "GET /api/v1/profit?asset=BTC&buy=okx&sell=upbit&size_usdt=1 HTTP/1.1\r\nHost: a\r\n"
        "Connection: close\r\n\r\n");
  }
  REQUIRE(eventually([&] { return waiting == 2; }));
  CHECK(f.body("/healthz").at("status") == "ok");
  go.set_value();
  int answered = 0;
  for (const auto& client : clients) {
    client->receive_all();
    const Reply reply = test::parse_reply(client->received());
    if (reply.status == 200) ++answered;
    if (reply.status != 200) CHECK(f.refused(503, reply) == "engine_busy");
  }
  CHECK(answered >= 2);
}

TEST_CASE("the OpenAPI document lists exactly the routes that answer") {
  Fixture f;
  const json document = f.body("/openapi.json");
  CHECK(document.at("openapi").get<std::string>().starts_with("3.1"));
  std::set<std::string> paths;
  std::set<std::string> operations;
  for (const auto& [path, methods] : document.at("paths").items()) {
    paths.insert(path);
    CHECK(methods.size() == 1);
    CHECK(operations.insert(methods.at("get").at("operationId").get<std::string>()).second);
    std::string target = path;
    if (const auto at = target.find("{venue}"); at != std::string::npos) {
      target = "/api/v1/orderbooks/upbit/BTC-KRW";
    }
    if (path == "/api/v1/profit") target += "?asset=BTC&buy=okx&sell=upbit&size_usdt=1000";
    if (path == "/api/v1/stream") continue;  // does not end by itself; has its own tests
    const Reply reply = get(f.server.port(), target);
    CAPTURE(path);
    CHECK(reply.status == (path == "/readyz" ? 503 : 200));
    const json& described = methods.at("get").at("responses").at(std::to_string(reply.status));
    REQUIRE(described.at("content").contains(reply.headers.at("content-type")));
    // What the schema requires is there, so that the document cannot drift from the answers
    // unnoticed.
    const json& schema = described.at("content").at(reply.headers.at("content-type")).at("schema");
    if (!schema.contains("$ref")) continue;
    const std::string name = schema.at("$ref").get<std::string>().substr(21);
    const json& component = document.at("components").at("schemas").at(name);
    const json body = json::parse(reply.body);
    for (const auto& field : component.at("required"))
      CHECK(body.contains(field.get<std::string>()));
  }
  CHECK(paths ==
        std::set<std::string>{"/", "/app.js", "/stream.js", "/style.css", "/healthz", "/readyz",
                              "/openapi.json", "/asyncapi.yaml", "/api/v1/venues", "/api/v1/feeds",
                              "/api/v1/tickers", "/api/v1/orderbooks/{venue}/{symbol}",
                              "/api/v1/fx", "/api/v1/premiums", "/api/v1/spreads",
                              "/api/v1/opportunities", "/api/v1/profit", "/api/v1/stream"});
}

TEST_CASE("a stream delivers the events of the topics asked for") {
  Fixture f;
  RawClient client(f.server.port());
  client.send(stream_request("?topics=fx,premium"));
  REQUIRE(client.receive_until(": connected"));
  const Reply head = test::parse_reply(client.received());
  CHECK(head.status == 200);
  CHECK(head.headers.at("content-type") == "text/event-stream");
  CHECK(head.headers.at("cache-control") == "no-store");
  f.server.broadcaster().publish(Topic::kSpread, R"({"not":"asked for"})");
  f.server.broadcaster().publish(Topic::kFx, R"({"pair":"USDT/KRW"})");
  REQUIRE(client.receive_until("event: fx\ndata: {\"pair\":\"USDT/KRW\"}\n\n"));
  CHECK(client.received().find("asked for") == std::string::npos);

  CHECK(f.refused(400, "/api/v1/stream?topics=fx,alerts") == "invalid_parameter");
  CHECK(f.refused(400, "/api/v1/stream?topics=") == "invalid_parameter");
  CHECK(f.refused(400, "/api/v1/stream?topic=fx") == "unknown_parameter");
}

TEST_CASE("a stream client that leaves is noticed and its place given back") {
  Fixture f({.stream_clients = 1, .heartbeat = 20ms});
  {
    RawClient client(f.server.port());
    client.send(stream_request());
    REQUIRE(client.receive_until(": heartbeat"));
    CHECK(f.refused(503, "/api/v1/stream") == "too_many_streams");
  }
  CHECK(eventually([&] { return f.server.broadcaster().clients() == 0; }));
  RawClient next(f.server.port());
  next.send(stream_request());
  CHECK(next.receive_until(": connected"));
}

TEST_CASE("a stream client that does not read is cut, one that reads gets everything") {
  Fixture f({.stream_queue_bytes = 256U << 10U});
  RawClient slow(f.server.port(), 4096);
  slow.send(stream_request("?topics=ticker"));
  REQUIRE(slow.receive_until(": connected"));
  RawClient good(f.server.port());
  good.send(stream_request("?topics=fx"));
  REQUIRE(good.receive_until(": connected"));
  REQUIRE(f.server.broadcaster().clients() == 2);
  const std::string large(60'000, 'x');
  int sent = 0;
  CHECK(eventually([&] {
    f.server.broadcaster().publish(Topic::kTicker, large);
    f.server.broadcaster().publish(Topic::kFx, std::to_string(++sent));
    return f.server.broadcaster().cut() == 1;
  }));
  CHECK(f.server.broadcaster().clients() == 1);
  CHECK(good.receive_until("data: " + std::to_string(sent) + "\n\n"));
  for (int i = 1; i <= sent; ++i) {
    CHECK(good.received().find("data: " + std::to_string(i) + "\n\n") != std::string::npos);
  }
}

TEST_CASE("stopping with open streams and stuck connections takes less than a second") {
  auto f = std::make_unique<Fixture>();
  std::vector<std::unique_ptr<RawClient>> clients;
  for (int i = 0; i < 20; ++i) {
    clients.push_back(std::make_unique<RawClient>(f->server.port()));
    clients.back()->send(stream_request());
    REQUIRE(clients.back()->receive_until(": connected"));
  }
  clients.push_back(std::make_unique<RawClient>(f->server.port()));
  clients.back()->send("GET /healthz HTTP/1.1\r\nHost:");  // a header that never ends
  clients.push_back(std::make_unique<RawClient>(f->server.port()));
  clients.back()->send("POST /healthz HTTP/1.1\r\nHost: a\r\nContent-Length: 100\r\n\r\nhalf");
  const std::uint16_t port = f->server.port();
  const auto begin = std::chrono::steady_clock::now();
  f->server.stop();
  CHECK(std::chrono::steady_clock::now() - begin < 1s);
  f->server.stop();
  CHECK_THROWS(RawClient(port));
  clients.front()->receive_all();  // ends, because the stream ended
}

TEST_CASE("a taken port is named") {
  Fixture f;
  Store store;
  Server second({.address = "127.0.0.1", .port = f.server.port()}, {}, store, f.clock, {});
  try {
    second.start();
    FAIL("started on a taken port");
  } catch (const std::runtime_error& error) {
    CHECK(std::string{error.what()}.find("127.0.0.1:" + std::to_string(f.server.port())) !=
          std::string::npos);
  }
  Server nowhere({.address = "nowhere", .port = 0}, {}, store, f.clock, {});
  CHECK_THROWS_AS(nowhere.start(), std::runtime_error);
}

TEST_CASE("beyond the connection limit the one that was idle longest goes") {
  Fixture f({.connections = 3});
  std::vector<std::unique_ptr<RawClient>> clients;
  for (int i = 0; i < 5; ++i) {
    clients.push_back(std::make_unique<RawClient>(f.server.port()));
    clients.back()->send("GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n");
    REQUIRE(clients.back()->receive_until("ok"));
  }
  clients[0]->receive_all();
  clients[1]->receive_all();
  clients[4]->send("GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n");
  CHECK(clients[4]->receive());
}

TEST_CASE("a connection that is never answered is closed") {
  Fixture f({.idle = 1s});
  RawClient stuck(f.server.port());
  stuck.send("GET /healthz HTTP/1.1\r\nHost:");
  stuck.receive_all();
  CHECK(stuck.received().find("200") == std::string::npos);
}

}  // namespace spreadwatch::api
