#pragma once

#include <array>
#include <string_view>

#include "core/market_data.h"
#include "core/venue.h"

/// One ticker and one whole order book a venue, as its documentation or a recording gives them.
namespace spreadwatch::ingest::test {

struct Sample {
  VenueId venue;
  std::string_view ticker;
  std::string_view book;
  Origin book_origin;
  std::string_view book_symbol;  ///< what a REST book was asked for
};

inline constexpr auto kSamples = std::to_array<Sample>({
    {VenueId::kUpbit,
     R"({"type":"ticker","code":"KRW-ETH","opening_price":37249,"high_price":37645,)"
     R"("low_price":36732,"trade_price":36929,"prev_closing_price":37235,)"
     R"("acc_trade_price":5530.55648491,"change":"FALL","change_price":306,)"
     R"("signed_change_price":-306,"change_rate":0.0082180744,)"
     R"("signed_change_rate":-0.0082180744,"ask_bid":"ASK","trade_volume":0.00006314,)"
     R"("acc_trade_volume":0.149474,"trade_date":"20230830","trade_time":"082105",)"
     R"("trade_timestamp":1693383665811,"acc_ask_volume":0.0197006,)"
     R"("acc_bid_volume":0.1297734,"highest_52_week_price":42710,)"
     R"("highest_52_week_date":"2023-07-06","lowest_52_week_price":21332,)"
     R"("lowest_52_week_date":"2022-11-21","market_state":"ACTIVE",)"
     R"("is_trading_suspended":false,"delisting_date":null,"market_warning":"NONE",)"
     R"("timestamp":1693383690031,"acc_trade_price_24h":8320.40577449,)"
     R"("acc_trade_volume_24h":0.22569412,"stream_type":"SNAPSHOT"})",
     R"({"type":"orderbook","code":"KRW-BTC","timestamp":1790134742106,)"
     R"("total_ask_size":2.51469375,"total_bid_size":1.63815297,)"
     R"("orderbook_units":[{"ask_price":1.16539E8,"bid_price":1.16538E8,)"
     R"("ask_size":0.02054761,"bid_size":0.08120946},{"ask_price":1.16542E8,)"
     R"("bid_price":1.16537E8,"ask_size":0.00077720,"bid_size":0.01129382}],)"
     R"("stream_type":"SNAPSHOT","level":0})",
     Origin::kWs, ""},
    {VenueId::kBithumb,
     R"({"type":"ticker","code":"KRW-BTC","opening_price":94223000,"high_price":95465000,)"
     R"("low_price":93601000,"trade_price":95299000,"prev_closing_price":94201000,)"
     R"("change":"RISE","change_price":1098000,"signed_change_price":1098000,)"
     R"("change_rate":0.01165593,"signed_change_rate":0.01165593,"trade_volume":0.0094,)"
     R"("acc_trade_volume":151.44914647,"acc_trade_volume_24h":310.44065227,)"
     R"("acc_trade_price":14330306973.41015,"acc_trade_price_24h":29226371799.56915,)"
     R"("trade_date":"20260710","trade_time":"124548","trade_timestamp":1783655148303,)"
     R"("ask_bid":"BID","acc_ask_volume":52.30413928,"acc_bid_volume":99.14500719,)"
     R"("highest_52_week_price":179734000,"highest_52_week_date":"2025-10-09",)"
     R"("lowest_52_week_price":81110000,"lowest_52_week_date":"2026-02-06",)"
     R"("market_state":"ACTIVE","is_trading_suspended":false,"delisting_date":"",)"
     R"("market_warning":"NONE","timestamp":1783655148485,"stream_type":"REALTIME"})",
     R"({"type":"orderbook","code":"KRW-ETH","total_ask_size":369.9832,)"
     R"("total_bid_size":287.0216,"orderbook_units":[{"ask_price":3715000,)"
     R"("bid_price":3714000,"ask_size":8.4592,"bid_size":3.012},{"ask_price":3716000,)"
     R"("bid_price":3713000,"ask_size":3.3766,"bid_size":15.399},{"ask_price":3717000,)"
     R"("bid_price":3712000,"ask_size":4.1755,"bid_size":135.5129}],"level":1,)"
     R"("timestamp":1790133505546514,"stream_type":"SNAPSHOT"})",
     Origin::kWs, ""},
    {VenueId::kKorbit,
     R"({"symbol":"btc_krw","timestamp":1790134313071,"type":"ticker","snapshot":true,)"
     R"("data":{"open":"115370000","high":"116765000","low":"114412000","close":"116463000",)"
     R"("prevClose":"115304000","priceChange":"1159000","priceChangePercent":"1.01",)"
     R"("volume":"39.25266763","quoteVolume":"4549864965.49708","bestAskPrice":"116477000",)"
     R"("bestBidPrice":"116426000","lastTradedAt":1790134282264}})",
     R"({"symbol":"btc_krw","timestamp":1790134242857,"type":"orderbook","snapshot":true,)"
     R"("data":{"timestamp":1790134242563,"asks":[{"price":"116506000","qty":"0.27522"},)"
     R"({"price":"116538000","qty":"0.00665633"},{"price":"116542000","qty":"0.03897506"}],)"
     R"("bids":[{"price":"116455000","qty":"0.00499"},{"price":"116453000",)"
     R"("qty":"0.01919775"},{"price":"116451000","qty":"0.00059"}]}})",
     Origin::kWs, ""},
    {VenueId::kCoinone,
     R"({"response_type":"DATA","channel":"TICKER","data":{"quote_currency":"KRW",)"
     R"("target_currency":"BTC","timestamp":1790133796484,"quote_volume":"30947007404.5912",)"
     R"("target_volume":"267.27610034","high":"116470000","low":"115570000",)"
     R"("first":"115650000","last":"116380000","volume_power":"0",)"
     R"("ask_best_price":"116400000","ask_best_qty":"0.00562817",)"
     R"("bid_best_price":"116370000","bid_best_qty":"8.60554308","id":"1790133796484001",)"
     R"("yesterday_high":"117140000","yesterday_low":"114430000",)"
     R"("yesterday_first":"117130000","yesterday_last":"115640000",)"
     R"("yesterday_quote_volume":"57912858642.8004",)"
     R"("yesterday_target_volume":"504.17975762"}})",
     R"({"response_type":"DATA","channel":"ORDERBOOK","data":{"quote_currency":"KRW",)"
     R"("target_currency":"BTC","timestamp":1790134177753,"id":"1790134177753001",)"
     R"("asks":[{"price":"116650000","qty":"0.01198956"},{"price":"116640000",)"
     R"("qty":"0.000657"},{"price":"116470000","qty":"0.00171821"},{"price":"116460000",)"
     R"("qty":"0.0232"}],"bids":[{"price":"116450000","qty":"0.0118"},{"price":"116440000",)"
     R"("qty":"0.04695328"},{"price":"116250000","qty":"0.01325806"}]}})",
     Origin::kWs, ""},
    {VenueId::kOkx,
     R"({"arg":{"channel":"tickers","instId":"BTC-USDT"},"data":[{"instType":"SPOT",)"
     R"("instId":"BTC-USDT","last":"64028.6","lastSz":"0.0011553","askPx":"64028.7",)"
     R"("askSz":"2.31126955","bidPx":"64028.6","bidSz":"0.00503393","open24h":"64324",)"
     R"("high24h":"64496.9","low24h":"63237.6","sodUtc0":"63589.4","sodUtc8":"63606.7",)"
     R"("volCcy24h":"374703695.177360964","vol24h":"5874.19398956","ts":"1786538789464"}]})",
     R"({"arg":{"channel":"books","instId":"SOL-USDT"},"action":"snapshot",)"
     R"("data":[{"asks":[["120.67","90.475897","0","6"],["120.68","83.806786","0","7"]],)"
     R"("bids":[["120.66","28.448458","0","3"],["120.65","46.716665","0","3"]],)"
     R"("ts":"1790394877200","checksum":0,"seqId":32032594283,"prevSeqId":-1}]})",
     Origin::kWs, ""},
    {VenueId::kBybit,
     R"({"topic":"tickers.BTCUSDT","ts":1786538729776,"type":"snapshot","cs":112571857121,)"
     R"("data":{"symbol":"BTCUSDT","lastPrice":"64057.7","highPrice24h":"64500",)"
     R"("lowPrice24h":"63232.1","prevPrice24h":"64326.9","volume24h":"7217.990977",)"
     R"("turnover24h":"460629823.77866687","price24hPcnt":"-0.0042",)"
     R"("usdIndexPrice":"63989.741059"}})",
     R"({"topic":"orderbook.50.BTCUSDT","ts":1731035685326,"type":"snapshot",)"
     R"("data":{"s":"BTCUSDT","b":[["75848.74","0.067669"],["75848.63","0.004772"],)"
     R"(["75848.61","0.00659"]],"a":[["75848.75","0.747137"],["75848.89","0.060306"],)"
     R"(["75848.9","0.1"]],"u":2876700,"seq":47474967795},"cts":1731035685323})",
     Origin::kWs, ""},
    {VenueId::kGateio,
     R"({"time":1786539989,"time_ms":1786539989549,"channel":"spot.tickers",)"
     R"("event":"update","result":{"currency_pair":"BTC_USDT","last":"64043.9",)"
     R"("lowest_ask":"64043.9","highest_bid":"64043.8","change_percentage":"-0.4034",)"
     R"("base_volume":"5291.366688","quote_volume":"337744396.9986996","high_24h":"64473.5",)"
     R"("low_24h":"63234.7"}})",
     R"({"channel":"spot.obu","result":{"t":1747054612673,"full":true,"s":"ob.BTC_USDT.50",)"
     R"("u":73777715168,"b":[["104027.1","509392"],["104027","477932"]],"a":[["104027.2",)"
     R"("44617"],["104027.4","39322"]]},"time_ms":1747054612848})",
     Origin::kWs, ""},
    {VenueId::kBinance,
     R"({"e":"24hrTicker","E":1757888604019,"s":"BTCUSDT","p":"-21.48000000","P":"-0.019",)"
     R"("w":"115669.75585612","x":"115853.45000000","c":"115831.96000000","Q":"0.00832000",)"
     R"("b":"115831.96000000","B":"0.20337000","a":"115831.97000000","A":"12.85848000",)"
     R"("o":"115853.44000000","h":"116165.19000000","l":"115141.80000000",)"
     R"("v":"6348.13563000","q":"734287298.46364070","O":1757802204009,"C":1757888604009,)"
     R"("F":5231695487,"L":5232837353,"n":1141867})",
     R"({"lastUpdateId":1027024,"bids":[["4.00000000","431.00000000"]],)"
     R"("asks":[["4.00000200","12.00000000"]]})",
     Origin::kRest, "BNBBTC"},
    {VenueId::kKraken,
     R"({"channel":"ticker","type":"snapshot","data":[{"symbol":"USDT/USD","bid":0.99980,)"
     R"("bid_qty":44620.68691883,"ask":0.99981,"ask_qty":1087605.70466858,"last":0.99981,)"
     R"("volume":270638277.50461281,"vwap":0.99983,"low":0.99959,"high":1.00000,)"
     R"("change":0.00005,"change_pct":0.01,"trades":38144,)"
     R"("timestamp":"2026-09-24T03:54:18.054886Z"}]})",
     R"({"channel":"book","type":"snapshot","data":[{"symbol":"GST/USD",)"
     R"("bids":[{"price":0.016,"qty":255965.95133811},{"price":0.015,"qty":264465.46682136},)"
     R"({"price":0.014,"qty":198234.50375152},{"price":0.013,"qty":263077.71115063},)"
     R"({"price":0.012,"qty":135283.23181445},{"price":0.011,"qty":232726.34707055},)"
     R"({"price":0.010,"qty":211909.56878553},{"price":0.009,"qty":16666.66666666},)"
     R"({"price":0.008,"qty":13600.00000000},{"price":0.007,"qty":1000.00000000}],)"
     R"("asks":[{"price":0.017,"qty":94510.50669693},{"price":0.018,"qty":232489.98702916},)"
     R"({"price":0.019,"qty":244770.01655926},{"price":0.020,"qty":103394.23779803},)"
     R"({"price":0.021,"qty":120226.44704447},{"price":0.022,"qty":122811.44535027},)"
     R"({"price":0.023,"qty":185766.68965043},{"price":0.024,"qty":95339.83830809},)"
     R"({"price":0.025,"qty":32960.86333331},{"price":0.026,"qty":86326.77204454}],)"
     R"("checksum":1931231958}]})",
     Origin::kWs, ""},
});
static_assert(covers_every_venue(kSamples), "a venue of core/venue.h has no row in kSamples");

}  // namespace spreadwatch::ingest::test
