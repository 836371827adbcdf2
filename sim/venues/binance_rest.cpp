#include "sim/venues/binance_rest.h"

#include <algorithm>
#include <cstdlib>
#include <initializer_list>
#include <nlohmann/json.hpp>
#include <optional>

#include "sim/format.h"
#include "sim/venues/binance_text.h"

namespace spreadwatch::sim::binance {
namespace {

std::string rest_ticker(const Listing& listing, bool mini) {
  const Instrument& instrument = listing.instrument;
  const Ticker& t = listing.ticker;
  const Statistics s = statistics(listing);
  const std::int64_t close = statistics_time(listing);
  const auto price = [&](std::int64_t v) { return price_text(v, instrument); };
  const auto size = [&](std::int64_t v) { return size_text(v, instrument); };
  JsonObject row;
  row.text("symbol", symbol_of(instrument));
  if (mini) {
    row.text("openPrice", price(t.open))
        .text("highPrice", price(t.high))
        .text("lowPrice", price(t.low))
        .text("lastPrice", price(t.last));
  } else {
    row.text("priceChange", s.change)
        .text("priceChangePercent", s.percent)
        .text("weightedAvgPrice", s.average)
        .text("prevClosePrice", price(t.previous_close))
        .text("lastPrice", price(t.last))
        .text("lastQty", size(t.last_size))
        .text("bidPrice", price(best_of(listing.book.bids).price))
        .text("bidQty", size(best_of(listing.book.bids).size))
        .text("askPrice", price(best_of(listing.book.asks).price))
        .text("askQty", size(best_of(listing.book.asks).size))
        .text("openPrice", price(t.open))
        .text("highPrice", price(t.high))
        .text("lowPrice", price(t.low));
  }
  return row.text("volume", size(t.volume_24h))
      .text("quoteVolume", fixed(t.turnover_24h, 6) + "00")
      .number("openTime", close - 86'400'000)
      .number("closeTime", close)
      .number("firstId", static_cast<std::int64_t>(t.first_trade_id))
      .number("lastId", static_cast<std::int64_t>(t.last_trade_id))
      .number("count", static_cast<std::int64_t>(t.last_trade_id - t.first_trade_id + 1))
      .str();
}

std::string symbol_row(const Listing& listing, bool permissions) {
  const Instrument& instrument = listing.instrument;
  const std::string tick = price_text(instrument.tick, instrument);
  const std::string lot = size_text(1, instrument);
  JsonArray filters;
  filters
      .add(JsonObject()
               .text("filterType", "PRICE_FILTER")
               .text("minPrice", tick)
               .text("maxPrice", "1000000.00000000")
               .text("tickSize", tick)
               .str())
      .add(JsonObject()
               .text("filterType", "LOT_SIZE")
               .text("minQty", lot)
               .text("maxQty", "9000000.00000000")
               .text("stepSize", lot)
               .str())
      .add(R"({"filterType":"ICEBERG_PARTS","limit":10})")
      .add(
          R"({"filterType":"MARKET_LOT_SIZE","minQty":"0.00000000","maxQty":"100000.00000000","stepSize":"0.00000000"})")
      .add(
          R"({"filterType":"PERCENT_PRICE_BY_SIDE","bidMultiplierUp":"5","bidMultiplierDown":"0.2","askMultiplierUp":"5","askMultiplierDown":"0.2","avgPriceMins":5})")
      .add(
          R"({"filterType":"NOTIONAL","minNotional":"5.00000000","applyMinToMarket":true,"maxNotional":"9000000.00000000","applyMaxToMarket":false,"avgPriceMins":5})")
      .add(R"({"filterType":"MAX_NUM_ORDERS","maxNumOrders":200})");
  JsonObject row;
  row.text("symbol", symbol_of(instrument))
      .text("status", "TRADING")
      .text("baseAsset", instrument.base)
      .number("baseAssetPrecision", 8)
      .text("quoteAsset", instrument.quote)
      .number("quotePrecision", 8)
      .number("quoteAssetPrecision", 8)
      .number("baseCommissionPrecision", 8)
      .number("quoteCommissionPrecision", 8)
      .raw(
          "orderTypes",
          R"(["LIMIT","LIMIT_MAKER","MARKET","STOP_LOSS","STOP_LOSS_LIMIT","TAKE_PROFIT","TAKE_PROFIT_LIMIT"])")
      .boolean("icebergAllowed", true)
      .boolean("ocoAllowed", true)
      .boolean("otoAllowed", true)
      .boolean("quoteOrderQtyMarketAllowed", true)
      .boolean("allowTrailingStop", true)
      .boolean("cancelReplaceAllowed", true)
      .boolean("amendAllowed", true)
      .boolean("isSpotTradingAllowed", true)
      .boolean("isMarginTradingAllowed", true)
      .raw("filters", filters.str())
      .raw("permissions", "[]")
      .raw("permissionSets", permissions ? R"([["SPOT","MARGIN"]])" : "[]")
      .text("defaultSelfTradePreventionMode", "EXPIRE_MAKER")
      .raw("allowedSelfTradePreventionModes",
           R"(["EXPIRE_TAKER","EXPIRE_MAKER","EXPIRE_BOTH","DECREMENT"])");
  return row.str();
}

HttpAnswer invalid_symbol() { return error_answer(400, -1121, "Invalid symbol."); }

int depth_limit(const HttpRequest& request) {
  const std::optional<std::string> text = request.parameter("limit");
  return text ? std::min(5000, std::atoi(text->c_str())) : 100;
}

/// `symbols=["A","B"]`, or nothing when there is none; empty for what is no list of texts.
std::optional<std::vector<std::string>> symbol_list(const HttpRequest& request) {
  const std::optional<std::string> text = request.parameter("symbols");
  if (!text) return std::nullopt;
  const nlohmann::json json = nlohmann::json::parse(*text, nullptr, false);
  std::vector<std::string> symbols;
  if (json.is_array()) {
    for (const nlohmann::json& one : json) {
      if (one.is_string()) symbols.push_back(one.get<std::string>());
    }
  }
  return symbols;
}

HttpAnswer illegal_symbols() {
  return error_answer(400, -1100, "Illegal characters found in parameter 'symbols'.");
}

HttpAnswer missing_symbol() {
  return error_answer(400, -1102,
                      "Mandatory parameter 'symbol' was not sent, was empty/null, or malformed.");
}

}  // namespace

HttpAnswer error_answer(int status, int code, std::string_view message) {
  return http_answer(status, JsonObject().number("code", code).text("msg", message).str());
}

BinanceRest::BinanceRest(MarketView& market) : market_(market) {
  for (const Listing* listing : market_.listings()) {
    by_symbol_.set(symbol_of(listing->instrument), listing);
  }
}

std::int64_t BinanceRest::weight_of(const HttpRequest& request) {
  const std::string& path = request.path;
  if (path == "/api/v3/exchangeInfo") return 20;
  if (path == "/api/v3/depth") {
    const int limit = depth_limit(request);
    return limit <= 100 ? 5 : limit <= 500 ? 25 : limit <= 1000 ? 50 : 250;
  }
  if (path == "/api/v3/ticker/24hr") {
    if (request.parameter("symbol")) return 2;
    const auto symbols = symbol_list(request);
    if (!symbols) return 80;
    return symbols->size() <= 20 ? 2 : symbols->size() <= 100 ? 40 : 80;
  }
  if (path == "/api/v3/ticker/bookTicker" || path == "/api/v3/ticker/price") {
    return request.parameter("symbol") ? 2 : 4;
  }
  if (path == "/api/v3/avgPrice") return 2;
  return 1;
}

template <class Row>
HttpAnswer BinanceRest::rows(const HttpRequest& request, Row row) {
  const std::string status = request.parameter("symbolStatus").value_or("TRADING");
  if (const auto symbol = request.parameter("symbol")) {
    const Listing* const found = by_symbol_.find(*symbol);
    if (found == nullptr) return invalid_symbol();
    if (status != "TRADING") {
      return error_answer(400, -1220,
                          "The symbol's status does not match the requested symbolStatus.");
    }
    return http_answer(200, row(*found));
  }
  JsonArray list;
  if (const auto symbols = symbol_list(request)) {
    if (symbols->empty()) return illegal_symbols();
    for (const std::string& name : *symbols) {
      const Listing* const found = by_symbol_.find(name);
      if (found == nullptr) return invalid_symbol();
      list.add(row(*found));
    }
  } else if (status == "TRADING") {
    for (const Listing* listing : market_.listings()) list.add(row(*listing));
  }
  return http_answer(200, list.str());
}

HttpAnswer BinanceRest::route(const HttpRequest& request) {
  const std::string& path = request.path;
  if (path == "/api/v3/ping") return http_answer(200, "{}");
  if (path == "/api/v3/time") {
    return http_answer(200, JsonObject().number("serverTime", request.now_ms).str());
  }
  if (path == "/api/v3/exchangeInfo") return exchange_info(request);
  if (path == "/api/v3/depth") return depth(request);
  if (path == "/api/v3/ticker/24hr") {
    const bool mini = request.parameter("type").value_or("FULL") == "MINI";
    return rows(request, [mini](const Listing& l) { return rest_ticker(l, mini); });
  }
  if (path == "/api/v3/ticker/bookTicker") {
    return rows(request, [](const Listing& l) {
      const Level bid = best_of(l.book.bids);
      const Level ask = best_of(l.book.asks);
      return JsonObject()
          .text("symbol", symbol_of(l.instrument))
          .text("bidPrice", price_text(bid.price, l.instrument))
          .text("bidQty", size_text(bid.size, l.instrument))
          .text("askPrice", price_text(ask.price, l.instrument))
          .text("askQty", size_text(ask.size, l.instrument))
          .str();
    });
  }
  if (path == "/api/v3/ticker/price") {
    return rows(request, [](const Listing& l) {
      return JsonObject()
          .text("symbol", symbol_of(l.instrument))
          .text("price", price_text(l.ticker.last, l.instrument))
          .str();
    });
  }
  if (path == "/api/v3/avgPrice") return average_price(request);
  if (path == "/sapi/v1/system/status")
    return http_answer(200, market_.maintenance() ? R"({"status":1,"msg":"system_maintenance"})"
                                                  : R"({"status":0,"msg":"normal"})");
  if (path.starts_with("/sapi/")) return error_answer(401, -2014, "API-key format invalid.");
  // No derivatives here; clients that load every market type ask all the same.
  if (path == "/fapi/v1/exchangeInfo" || path == "/dapi/v1/exchangeInfo" ||
      path == "/eapi/v1/exchangeInfo") {
    return http_answer(
        200, R"({"timezone":"UTC","serverTime":)" + std::to_string(request.now_ms) +
                 R"(,"rateLimits":[],"exchangeFilters":[],"assets":[],)"
                 R"("optionContracts":[],"optionAssets":[],"optionSymbols":[],"symbols":[]})");
  }
  if (path == "/bapi/capital/v1/public/capital/getNetworkCoinAll") return networks();
  return http_answer(404, R"({"code":-1000,"msg":"Not found."})");
}

HttpAnswer BinanceRest::exchange_info(const HttpRequest& request) {
  const std::string status = request.parameter("symbolStatus").value_or("TRADING");
  const bool permissions = request.parameter("showPermissionSets").value_or("true") != "false";
  std::vector<const Listing*> chosen;
  if (const auto symbol = request.parameter("symbol")) {
    const Listing* const found = by_symbol_.find(*symbol);
    if (found == nullptr) return invalid_symbol();
    chosen.push_back(found);
    if (status != "TRADING") {
      return error_answer(400, -1220,
                          "The symbol's status does not match the requested symbolStatus.");
    }
  } else if (const auto symbols = symbol_list(request)) {
    if (symbols->empty()) return illegal_symbols();
    for (const std::string& name : *symbols) {
      const Listing* const found = by_symbol_.find(name);
      if (found == nullptr) return invalid_symbol();
      chosen.push_back(found);
    }
  } else if (status == "TRADING") {
    chosen.assign(market_.listings().begin(), market_.listings().end());
  }
  JsonArray rows;
  for (const Listing* listing : chosen) rows.add(symbol_row(*listing, permissions));
  return http_answer(
      200,
      JsonObject()
          .text("timezone", "UTC")
          .number("serverTime", request.now_ms)
          .raw(
              "rateLimits",
              R"([{"rateLimitType":"REQUEST_WEIGHT","interval":"MINUTE","intervalNum":1,"limit":6000},)"
              R"({"rateLimitType":"ORDERS","interval":"SECOND","intervalNum":10,"limit":100},)"
              R"({"rateLimitType":"ORDERS","interval":"DAY","intervalNum":1,"limit":200000},)"
              R"({"rateLimitType":"RAW_REQUESTS","interval":"MINUTE","intervalNum":5,"limit":61000}])")
          .raw("exchangeFilters", "[]")
          .raw("symbols", rows.str())
          .str());
}

HttpAnswer BinanceRest::depth(const HttpRequest& request) {
  const std::optional<std::string> symbol = request.parameter("symbol");
  if (!symbol || symbol->empty()) return missing_symbol();
  const Listing* const found = by_symbol_.find(*symbol);
  if (found == nullptr) return invalid_symbol();
  const int limit = depth_limit(request);
  if (limit < 1) {
    return error_answer(
        400, -1100,
        "Illegal characters found in parameter 'limit'; legal range is '^[0-9]{1,20}$'.");
  }
  return http_answer(200, snapshot_text(*found, static_cast<std::size_t>(limit)));
}

HttpAnswer BinanceRest::average_price(const HttpRequest& request) {
  const std::optional<std::string> symbol = request.parameter("symbol");
  if (!symbol || symbol->empty()) return missing_symbol();
  const Listing* const found = by_symbol_.find(*symbol);
  if (found == nullptr) return invalid_symbol();
  return http_answer(200, JsonObject()
                              .number("mins", 5)
                              .text("price", price_text(found->ticker.last, found->instrument))
                              .number("closeTime", found->ticker.ts_ms)
                              .str());
}

HttpAnswer BinanceRest::networks() {
  JsonArray coins;
  const auto coin = [&](const std::string& name, std::initializer_list<const char*> chains,
                        const std::string& fee) {
    const WalletState wallet = market_.wallet(name);
    JsonArray list;
    for (const char* chain : chains) {
      list.add(JsonObject()
                   .text("network", *chain == '\0' ? name : std::string(chain))
                   .text("coin", name)
                   .boolean("depositEnable", wallet.deposit)
                   .boolean("withdrawEnable", wallet.withdraw)
                   .text("withdrawFee", fee)
                   .text("withdrawMin", fee)
                   .str());
    }
    coins.add(JsonObject().text("coin", name).raw("networkList", list.str()).str());
  };
  for (const Listing* listing : market_.listings()) {
    const double dollars = to_double(listing->ticker.open, listing->instrument.price_decimals);
    coin(listing->instrument.base, {""}, trimmed(1.5 / dollars, 8));
  }
  coin("USDT", {"ETH", "TRX"}, "1");
  return http_answer(200, R"({"code":"000000","message":null,"data":)" + coins.str() + "}");
}

}  // namespace spreadwatch::sim::binance
