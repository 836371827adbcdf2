#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "api/server.h"
#include "api/store.h"
#include "core/time.h"
#include "publish/encode.h"

namespace spreadwatch::api::test {

inline Record record(std::string text) {
  return std::make_shared<const std::string>(std::move(text));
}

inline std::vector<config::VenueSettings> sample_venues() {
  std::vector<config::VenueSettings> venues;
  for (const VenueId id : {VenueId::kUpbit, VenueId::kBithumb, VenueId::kOkx, VenueId::kBinance}) {
    venues.push_back({.id = id,
                      .quote = std::string{identity(id).default_quote},
                      .taker_fee = 0.0005,
                      .fx_taker_fee = {},
                      .ws_url = {},
                      .rest_url = {}});
  }
  return venues;
}

inline std::string premium(const std::string& asset, const std::string& region,
                           const std::string& over, const std::string& basis, double value,
                           std::int64_t ts_ms) {
  return R"({"type":"premium","asset":")" + asset + R"(","region":")" + region + R"(","over":")" +
         over + R"(","basis":")" + basis + R"(","ts_ms":)" + std::to_string(ts_ms) +
         R"(,"state":"ok","reasons":[],"premium":)" + std::to_string(value) +
         R"(,"first":0.01,"high":0.02,"low":0.01,"currency":"USDT","price":98765.5,)"
         R"("over_price":96500,)"
         R"("venues":["upbit","bithumb"],"over_venues":["binance"],"fx_age_ms":120})";
}

/// A market as it might be: one tradable pair, one that is not, a rate with an excluded source, a
/// premium that is unavailable, an order book that may not be shown.
inline void fill(Store& store, Timestamp now) {
  const std::int64_t ts = to_ms(now);
  const std::string time = std::to_string(ts);
  for (const std::string asset : {"BTC", "ETH", "XRP"}) {
    const double shift = asset == "BTC" ? 0.0 : asset == "ETH" ? 0.004 : -0.021;
    for (const std::string over : {"europe", "asia"}) {
      for (const std::string basis : {"usdt", "bank"}) {
        store.update_premium({asset, "korea", over, basis},
                             record(premium(asset, "korea", over, basis,
                                            0.0123 + shift + (basis == "bank" ? 0.006 : 0), ts)));
      }
    }
    store.update_premium(
        {asset, "asia", "europe", "usdt"},
        record(premium(asset, "asia", "europe", "usdt", -0.0004 + shift / 50, ts)));
  }
  store.update_premium(
      {"XRP", "korea", "asia", "bank"},
      record(
          R"({"type":"premium","asset":"XRP","region":"korea","over":"asia","basis":"bank",)"
          R"("ts_ms":)" +
          time +
          R"(,"state":"unavailable","reasons":["fx_quorum","stale_leg"],"premium":null,)"
          R"("first":null,)"
          R"("high":null,"low":null,"currency":"KRW","price":null,"over_price":null,"venues":[],)"
          R"("over_venues":[],"fx_age_ms":null})"));
  store.update_premium({"USDT", "korea", "bank", "usdt_premium"},
                       record(premium("USDT", "korea", "bank", "usdt_premium", 0.0061, ts)));
  store.update_rate(
      "USDT/KRW",
      record(R"({"type":"fx","pair":"USDT/KRW","ts_ms":)" + time +
             R"(,"state":"ok","reasons":[],"bid":1391.5,"ask":1392.5,"mid":1392,"age_ms":85,)"
             R"("sources":[)"
             R"({"venue":"upbit","bid":1391,"ask":1392,"age_ms":85,"used":true,"reason":null},)"
             R"({"venue":"bithumb","bid":1392,"ask":1393,"age_ms":140,"used":true,"reason":null},)"
             R"({"venue":"korbit","bid":1460,"ask":1462,"age_ms":300,"used":false,)"
             R"("reason":"fx_disagree"},)"
             R"({"venue":"coinone","bid":null,"ask":null,"age_ms":null,"used":false,)"
             R"("reason":"book_not_synced"}]})"));
  store.update_rate(
      "USDT/USD",
      record(R"({"type":"fx","pair":"USDT/USD","ts_ms":)" + time +
             R"(,"state":"ok","reasons":[],"bid":0.9998,"ask":0.9999,"mid":0.99985,"age_ms":40,)"
             R"("sources":[{"venue":"kraken","bid":0.9998,"ask":0.9999,"age_ms":40,"used":true,)"
             R"("reason":null}]})"));
  store.update_rate(
      "USD/KRW",
      record(R"({"type":"fx","pair":"USD/KRW","ts_ms":)" + time +
             R"(,"state":"unavailable","reasons":["fx_stale"],"bid":null,"ask":null,"mid":null,)"
             R"("age_ms":null,)"
             R"("sources":[{"venue":"<b>bank</b>","bid":1383.1,"ask":1383.1,"age_ms":990000,)"
             R"("used":false,"reason":"fx_stale"}]})"));
  store.update_spread(
      {"BTC", VenueId::kBinance, VenueId::kUpbit, config::Mode::kInventory}, "tradable",
      record(R"({"type":"spread","asset":"BTC","buy":"binance","sell":"upbit","mode":"inventory",)"
             R"("ts_ms":)" +
             time +
             R"(,"verdict":"tradable","reasons":[],"gross_ratio":0.0121,"net_ratio":0.0102,)"
             R"("buy_price_usdt":96500,)"
             R"("sell_price_usdt":97667.6,"buy_age_ms":40,"sell_age_ms":55,)"
             R"("fx_venue_fallback":false,"optimal":)"
             R"({"quantity":0.8123,"spent_usdt":78444.2,"net_profit_usdt":412.77,)"
             R"("net_ratio":0.00526,"buy_vwap":96570.1,)"
             R"("sell_vwap":135700000,"fees_usdt":118.2},"break_even_quantity":2.1,"sizes":[]})"));
  store.update_spread(
      {"ETH", VenueId::kOkx, VenueId::kBithumb, config::Mode::kInventory}, "not_tradable",
      record(
          R"({"type":"spread","asset":"ETH","buy":"okx","sell":"bithumb","mode":"inventory",)"
          R"("ts_ms":)" +
          time +
          R"(,"verdict":"not_tradable","reasons":["unprofitable","insufficient_depth"],)"
          R"("gross_ratio":0.0007,)"
          R"("net_ratio":-0.0011,"buy_price_usdt":3400,"sell_price_usdt":3402.4,"buy_age_ms":20,)"
          R"("sell_age_ms":31,)"
          R"("fx_venue_fallback":true,"optimal":null,"break_even_quantity":0,"sizes":[]})"));
  store.update_spread(
      {"XRP", VenueId::kBinance, VenueId::kUpbit, config::Mode::kInventory}, "unknown",
      record(R"({"type":"spread","asset":"XRP","buy":"binance","sell":"upbit","mode":"inventory",)"
             R"("ts_ms":)" +
             time +
             R"(,"verdict":"unknown","reasons":["stale_leg"],"gross_ratio":null,"net_ratio":null,)"
             R"("buy_price_usdt":null,"sell_price_usdt":null,"buy_age_ms":40,"sell_age_ms":45000,)"
             R"("fx_venue_fallback":false,"optimal":null,"break_even_quantity":null,"sizes":[]})"));
  const std::string opened = std::to_string(ts - 42'000);
  store.update_opportunity(
      "a1b2", true,
      record(
          R"({"type":"opportunity","event":"update","id":"a1b2","asset":"BTC","buy":"binance",)"
          R"("sell":"upbit",)"
          R"("mode":"inventory","opened_ts_ms":)" +
          opened + R"(,"ts_ms":)" + time +
          R"(,"duration_ms":42000,"net_profit_usdt":412.77,"net_ratio":0.00526,"quantity":0.8123,)"
          R"("peak_profit_usdt":502.31,"peak_ts_ms":)" +
          opened + R"(,"reason":null})"));
  store.update_opportunity(
      "c3d4", false,
      record(R"({"type":"opportunity","event":"close","id":"c3d4","asset":"XRP","buy":"okx",)"
             R"("sell":"bithumb",)"
             R"("mode":"inventory","opened_ts_ms":)" +
             opened + R"(,"ts_ms":)" + time +
             R"(,"duration_ms":9100,"net_profit_usdt":null,"net_ratio":null,"quantity":null,)"
             R"("peak_profit_usdt":18.4,"peak_ts_ms":)" +
             opened + R"(,"reason":"stale"})"));
  const auto book = [&](VenueId venue, const char* quote, std::int64_t bid, std::int64_t ask) {
    OrderBook b;
    b.venue = venue;
    b.instrument = {"BTC", quote};
    b.state = FeedState::kSynced;
    b.sequence = 7;
    b.exchange_time = b.receive_time = now;
    for (int i = 0; i < 20; ++i) {
      b.bids.push_back({Decimal{bid - i, 0}, Decimal{125, 2}});
      b.asks.push_back({Decimal{ask + i, 0}, Decimal{5, 1}});
    }
    store.update(b);
  };
  book(VenueId::kUpbit, "KRW", 135'800'000, 135'801'000);
  book(VenueId::kBithumb, "KRW", 135'800'000, 135'700'000);  // crossed
  book(VenueId::kOkx, "USDT", 96'499, 96'500);               // its feed is stale, see feeds()
  OrderBook faulted;
  faulted.venue = VenueId::kBinance;
  faulted.instrument = {"BTC", "USDT"};
  faulted.state = FeedState::kFaulted;
  faulted.reason = ErrorCode::kSequenceGap;
  store.update(faulted);
  for (const VenueId venue : {VenueId::kUpbit, VenueId::kOkx}) {
    Ticker ticker;
    ticker.venue = venue;
    ticker.instrument = {"BTC", std::string{identity(venue).default_quote}};
    ticker.receive_time = now;
    ticker.trade_price = 96'500.5;
    store.update(ticker);
  }
}

inline Providers sample_providers() {
  const auto feed = [](VenueId venue, const char* symbol, FeedState state,
                       std::optional<ErrorCode> reason, std::int64_t age) {
    ingest::FeedStatus f;
    f.venue = venue;
    f.symbol = symbol;
    f.channel = ingest::Channel::kOrderBook;
    f.state = state;
    f.reason = reason;
    f.age_ms = age;
    f.gaps = 1;
    f.resyncs = 2;
    return f;
  };
  return {
      .readiness =
          [] { return Readiness{.reasons = {"venue_down:okx"}, .notices = {"broker_embedded"}}; },
      .feeds =
          [feed] {
            return std::vector<ingest::FeedStatus>{
                feed(VenueId::kUpbit, "BTC-KRW", FeedState::kSynced, std::nullopt, 55),
                feed(VenueId::kBithumb, "BTC-KRW", FeedState::kSynced, std::nullopt, 80),
                feed(VenueId::kOkx, "BTC-USDT", FeedState::kStale, ErrorCode::kTimeout, 45'000),
                feed(VenueId::kBinance, "BTC-USDT", FeedState::kFaulted, ErrorCode::kSequenceGap,
                     300),
                feed(VenueId::kBinance, "ETH-USDT", FeedState::kSyncing, std::nullopt, 10)};
          },
      .profit =
          [](const ProfitQuery& query) {
            using Status = ProfitAnswer::Status;
            if (query.asset == "SLOW") return ProfitAnswer{.status = Status::kBusy};
            if (query.asset != "BTC") return ProfitAnswer{.status = Status::kUnknownPair};
            spread::SpreadEvent pair;
            pair.asset = query.asset;
            pair.buy = query.buy;
            pair.sell = query.sell;
            pair.mode = query.mode;
            spread::Trade trade;
            trade.spent_usdt = query.size_usdt;
            trade.net_profit_usdt = 12.5;
            pair.sizes = {{query.size_usdt, false, trade}};
            ProfitAnswer answer{.status = Status::kOk};
            publish::append_profit(answer.record, pair);
            return answer;
          }};
}

}  // namespace spreadwatch::api::test
