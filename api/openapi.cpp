#include <nlohmann/json.hpp>

#include <string>
#include <string_view>

#include "api/router.h"

namespace spreadwatch::api {
namespace {

using Json = nlohmann::ordered_json;

// The shapes of the answers. Records are those of the Kafka topics; publish/schema/ holds their full schemas,
// here is what a client of the HTTP API has to know to use them.
constexpr std::string_view kSchemas = R"json({
  "Problem": {"type": "object", "required": ["type", "status", "title", "detail", "code"], "properties": {
    "type": {"type": "string"}, "status": {"type": "integer"}, "title": {"type": "string"}, "detail": {"type": "string"},
    "code": {"enum": ["unknown_route", "unknown_venue", "unknown_symbol", "unknown_parameter", "invalid_parameter",
      "malformed_uri", "method_not_allowed", "payload_too_large", "uri_too_long", "too_many_streams", "internal_error"]}}},
  "Health": {"type": "object", "required": ["status"], "properties": {"status": {"const": "ok"}}},
  "Readiness": {"type": "object", "required": ["ready", "reasons", "notices"], "properties": {
    "ready": {"type": "boolean"},
    "reasons": {"type": "array", "items": {"type": "string"}, "description": "why the service cannot do its job; empty when ready"},
    "notices": {"type": "array", "items": {"type": "string"}, "description": "what to know although it works"}}},
  "OpenApi": {"type": "object", "required": ["openapi", "info", "paths"]},
  "Number": {"type": ["number", "null"]},
  "Integer": {"type": ["integer", "null"]},
  "Reasons": {"type": "array", "items": {"type": "string"}},
  "Region": {"enum": ["korea", "asia", "europe"]},
  "Contract": {"type": "object", "required": ["integrity", "protocol", "docs_url"], "description": "how the venue's order books prove themselves", "properties": {
    "integrity": {"type": "string"}, "protocol": {"type": "string"}, "docs_url": {"type": "string"},
    "keepalive": {"enum": ["server_pings", "protocol_ping", "text_ping"]},
    "silence_ms": {"type": "integer"}, "liveness_ms": {"type": "integer"}, "book_needs_rest": {"type": "boolean"},
    "depths": {"type": "array", "items": {"type": "integer"}}, "default_depth": {"type": "integer"}}},
  "Venues": {"type": "object", "required": ["ts_ms", "venues"], "properties": {"ts_ms": {"type": "integer"}, "venues": {"type": "array", "items": {
    "type": "object", "required": ["venue", "region", "quote", "taker_fee", "fx_taker_fee", "orderbook_depth", "liveness_ms"], "properties": {
      "venue": {"type": "string"}, "region": {"$ref": "#/components/schemas/Region"}, "quote": {"type": "string"},
      "taker_fee": {"type": "number"}, "fx_taker_fee": {"type": "number"}, "orderbook_depth": {"type": "integer"},
      "liveness_ms": {"type": "integer"}, "protocol": {"type": "string"}, "docs_url": {"type": "string"}}}}}},
  "Feeds": {"type": "object", "required": ["feeds", "contracts"], "properties": {
    "feeds": {"type": "array", "items": {"type": "object",
      "required": ["venue", "symbol", "channel", "state", "reason", "origin", "age_ms", "exchange_ts_ms", "gaps", "checksum_mismatches", "resyncs", "reconnects"],
      "properties": {"venue": {"type": "string"}, "symbol": {"type": "string"}, "channel": {"enum": ["ticker", "orderbook"]},
        "state": {"enum": ["synced", "syncing", "stale", "faulted", "down"]}, "reason": {"type": ["string", "null"]},
        "origin": {"enum": ["ws", "rest"]}, "age_ms": {"$ref": "#/components/schemas/Integer"},
        "exchange_ts_ms": {"$ref": "#/components/schemas/Integer"}, "gaps": {"type": "integer"},
        "checksum_mismatches": {"type": "integer"}, "resyncs": {"type": "integer"}, "reconnects": {"type": "integer"}}}},
    "contracts": {"type": "object", "additionalProperties": {"$ref": "#/components/schemas/Contract"}}}},
  "Ticker": {"type": "object", "required": ["type", "exchange", "base", "quote"], "properties": {"type": {"const": "ticker"}, "region": {"$ref": "#/components/schemas/Region"},
    "exchange": {"type": "string"}, "base": {"type": "string"}, "quote": {"type": "string"}, "origin": {"enum": ["ws", "rest"]},
    "exchange_ts_ms": {"$ref": "#/components/schemas/Integer"}, "recv_ts_us": {"$ref": "#/components/schemas/Integer"},
    "opening_price": {"$ref": "#/components/schemas/Number"}, "trade_price": {"$ref": "#/components/schemas/Number"},
    "high_price": {"$ref": "#/components/schemas/Number"}, "low_price": {"$ref": "#/components/schemas/Number"},
    "prev_closing_price": {"$ref": "#/components/schemas/Number"}, "acc_trade_volume_24h": {"$ref": "#/components/schemas/Number"},
    "signed_change_price": {"$ref": "#/components/schemas/Number"}, "signed_change_rate": {"$ref": "#/components/schemas/Number"}}},
  "Tickers": {"type": "object", "required": ["ts_ms", "tickers"], "properties": {"ts_ms": {"type": "integer"}, "tickers": {"type": "array", "items": {"$ref": "#/components/schemas/Ticker"}}}},
  "OrderBook": {"type": "object", "required": ["type", "exchange", "base", "quote", "state"], "description": "bids and asks, best first, only while state is synced; else reason says why there are none", "properties": {
    "type": {"const": "orderbook"}, "region": {"$ref": "#/components/schemas/Region"}, "exchange": {"type": "string"},
    "base": {"type": "string"}, "quote": {"type": "string"}, "state": {"enum": ["synced", "syncing", "stale", "faulted", "down"]},
    "reason": {"type": ["string", "null"]}, "origin": {"enum": ["ws", "rest"]}, "sequence": {"$ref": "#/components/schemas/Integer"},
    "exchange_ts_ms": {"$ref": "#/components/schemas/Integer"}, "recv_ts_us": {"$ref": "#/components/schemas/Integer"},
    "highest_bid": {"$ref": "#/components/schemas/Number"}, "lowest_ask": {"$ref": "#/components/schemas/Number"},
    "spread": {"$ref": "#/components/schemas/Number"}, "total_bid_volume": {"type": "number"}, "total_ask_volume": {"type": "number"},
    "bids": {"$ref": "#/components/schemas/Levels"}, "asks": {"$ref": "#/components/schemas/Levels"}}},
  "Levels": {"type": "array", "items": {"type": "array", "prefixItems": [{"type": "number", "description": "price"}, {"type": "number", "description": "size"}], "minItems": 2, "maxItems": 2}},
  "Rate": {"type": "object", "required": ["type", "pair", "ts_ms", "state", "reasons", "mid", "age_ms", "sources"], "properties": {
    "type": {"const": "fx"}, "pair": {"enum": ["USDT/KRW", "USDT/USD", "USD/KRW"]}, "ts_ms": {"type": "integer"},
    "state": {"enum": ["ok", "unavailable"]}, "reasons": {"$ref": "#/components/schemas/Reasons"},
    "bid": {"$ref": "#/components/schemas/Number"}, "ask": {"$ref": "#/components/schemas/Number"}, "mid": {"$ref": "#/components/schemas/Number"},
    "age_ms": {"$ref": "#/components/schemas/Integer"}, "sources": {"type": "array", "items": {"type": "object", "properties": {
      "venue": {"type": "string"}, "bid": {"$ref": "#/components/schemas/Number"}, "ask": {"$ref": "#/components/schemas/Number"},
      "age_ms": {"$ref": "#/components/schemas/Integer"}, "used": {"type": "boolean"}, "reason": {"type": ["string", "null"]}}}}}},
  "Rates": {"type": "object", "required": ["ts_ms", "fx"], "properties": {"ts_ms": {"type": "integer"}, "fx": {"type": "array", "items": {"$ref": "#/components/schemas/Rate"}}}},
  "Premium": {"type": "object", "required": ["type", "asset", "region", "over", "basis", "ts_ms", "state", "reasons", "premium"], "properties": {
    "type": {"const": "premium"}, "asset": {"type": "string"}, "region": {"$ref": "#/components/schemas/Region"},
    "over": {"enum": ["asia", "europe", "bank"]}, "basis": {"type": "string"}, "ts_ms": {"type": "integer"},
    "state": {"enum": ["ok", "unavailable"]}, "reasons": {"$ref": "#/components/schemas/Reasons"},
    "premium": {"$ref": "#/components/schemas/Number"}, "first": {"$ref": "#/components/schemas/Number"},
    "high": {"$ref": "#/components/schemas/Number"}, "low": {"$ref": "#/components/schemas/Number"},
    "currency": {"type": "string"}, "price": {"$ref": "#/components/schemas/Number"}, "over_price": {"$ref": "#/components/schemas/Number"},
    "venues": {"$ref": "#/components/schemas/Reasons"}, "over_venues": {"$ref": "#/components/schemas/Reasons"}, "fx_age_ms": {"$ref": "#/components/schemas/Integer"}}},
  "Premiums": {"type": "object", "required": ["ts_ms", "premiums"], "properties": {"ts_ms": {"type": "integer"}, "premiums": {"type": "array", "items": {"$ref": "#/components/schemas/Premium"}}}},
  "Spread": {"type": "object", "required": ["type", "asset", "buy", "sell", "mode", "ts_ms", "verdict", "reasons", "gross_ratio", "net_ratio", "optimal", "sizes"], "properties": {
    "type": {"const": "spread"}, "asset": {"type": "string"}, "buy": {"type": "string"}, "sell": {"type": "string"},
    "mode": {"enum": ["inventory", "transfer"]}, "ts_ms": {"type": "integer"}, "verdict": {"enum": ["tradable", "not_tradable", "unknown"]},
    "reasons": {"$ref": "#/components/schemas/Reasons"}, "gross_ratio": {"$ref": "#/components/schemas/Number"}, "net_ratio": {"$ref": "#/components/schemas/Number"},
    "buy_price_usdt": {"$ref": "#/components/schemas/Number"}, "sell_price_usdt": {"$ref": "#/components/schemas/Number"},
    "buy_age_ms": {"$ref": "#/components/schemas/Integer"}, "sell_age_ms": {"$ref": "#/components/schemas/Integer"},
    "fx_venue_fallback": {"type": "boolean"}, "optimal": {"oneOf": [{"type": "null"}, {"type": "object"}]},
    "break_even_quantity": {"$ref": "#/components/schemas/Number"}, "sizes": {"type": "array", "items": {"type": "object"}}}},
  "Spreads": {"type": "object", "required": ["ts_ms", "spreads"], "properties": {"ts_ms": {"type": "integer"}, "spreads": {"type": "array", "items": {"$ref": "#/components/schemas/Spread"}}}},
  "Opportunity": {"type": "object", "required": ["type", "event", "id", "asset", "buy", "sell", "mode", "opened_ts_ms", "ts_ms"], "properties": {
    "type": {"const": "opportunity"}, "event": {"enum": ["open", "update", "close"]}, "id": {"type": "string"}, "asset": {"type": "string"},
    "buy": {"type": "string"}, "sell": {"type": "string"}, "mode": {"enum": ["inventory", "transfer"]},
    "opened_ts_ms": {"type": "integer"}, "ts_ms": {"type": "integer"}, "duration_ms": {"type": "integer"},
    "net_profit_usdt": {"$ref": "#/components/schemas/Number"}, "net_ratio": {"$ref": "#/components/schemas/Number"},
    "quantity": {"$ref": "#/components/schemas/Number"}, "peak_profit_usdt": {"$ref": "#/components/schemas/Number"},
    "peak_ts_ms": {"$ref": "#/components/schemas/Integer"}, "reason": {"enum": ["converged", "stale", "not_tradable", "shutdown", null]}}},
  "Opportunities": {"type": "object", "required": ["ts_ms", "opportunities"], "properties": {"ts_ms": {"type": "integer"}, "opportunities": {"type": "array", "items": {"$ref": "#/components/schemas/Opportunity"}}}}
})json";

Json parameter_object(const Parameter& parameter) {
  Json value{{"type", "string"}};
  if (!parameter.values.empty()) value["enum"] = parameter.values;
  if (!parameter.pattern.empty()) value["pattern"] = parameter.pattern;
  const bool in_path = parameter.in == Parameter::In::kPath;
  Json object{{"name", parameter.name},
              {"in", in_path ? "path" : "query"},
              {"required", in_path},
              {"description", parameter.description}};
  if (parameter.list) {
    object["schema"] = {{"type", "array"}, {"items", std::move(value)}};
    object["style"] = "form";
    object["explode"] = false;
  } else {
    object["schema"] = std::move(value);
  }
  return object;
}

Json body_of(const Route& route, std::string_view description) {
  Json schema = route.schema.empty()
                    ? Json{{"type", "string"}}
                    : Json{{"$ref", "#/components/schemas/" + std::string{route.schema}}};
  return {{"description", description},
          {"content", {{std::string{route.content_type}, {{"schema", std::move(schema)}}}}}};
}

Json problem_response(std::string_view description) {
  return {{"description", description},
          {"content",
           {{"application/problem+json",
             {{"schema", {{"$ref", "#/components/schemas/Problem"}}}}}}}};
}

Json operation_of(const Route& route) {
  Json responses{{"200", body_of(route, route.summary)}};
  responses["400"] = problem_response("a parameter is unknown, repeated or malformed");
  if (route.id == Route::Id::kOrderBook) {
    responses["404"] = problem_response("the venue or the market is not watched");
  }
  responses["413"] = problem_response("the request has too long a body");
  responses["414"] = problem_response("the request target is too long");
  if (route.id == Route::Id::kReady) responses["503"] = body_of(route, "not ready: see reasons");
  if (route.id == Route::Id::kStream) {
    responses["503"] = problem_response("as many streams as allowed are open");
  }
  Json operation{{"operationId", route.operation}, {"summary", route.summary}};
  if (!route.parameters.empty()) {
    Json parameters = Json::array();
    for (const Parameter& p : route.parameters) parameters.push_back(parameter_object(p));
    operation["parameters"] = std::move(parameters);
  }
  operation["responses"] = std::move(responses);
  return operation;
}

}  // namespace

std::string openapi_document() {
  Json paths = Json::object();
  for (const Route& route : routes()) {
    paths[std::string{route.path}] = {{"get", operation_of(route)}};
  }
  const Json document{
      {"openapi", "3.1.0"},
      {"info",
       {{"title", "spreadwatch"},
        {"version", "1"},
        {"description",
         "Cross-region spot premiums and whether they can be earned. Times are Unix epoch with the unit in "
         "the name, rates are fractions, what is absent is null. Unknown query parameters are refused."}}},
      {"paths", std::move(paths)},
      {"components", {{"schemas", Json::parse(kSchemas)}}}};
  return document.dump(1);
}

}  // namespace spreadwatch::api
