#pragma once

#include <array>
#include <string_view>

#include "core/market_data.h"
#include "core/venue.h"

/// What each venue sends, as its documentation or a recording gives it: a row a venue in every
/// table, and the tests that hold for every venue go over them.
namespace spreadwatch::ingest::test {

/// One ticker and one whole order book.
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

/// What each venue answers to a poll of its BTC market, as its documentation or a recording gives
/// it.
struct PollSample {
  VenueId venue;
  std::string_view book_path;
  std::string_view book;
  std::string_view ticker_path;
  std::string_view ticker;
};

inline constexpr auto kPolls = std::to_array<PollSample>({
    {VenueId::kUpbit, "/v1/orderbook?markets=KRW-BTC&count=30",
     R"([{"market":"KRW-BTC","timestamp":1751606867762,"total_ask_size":10.37591054,)"
     R"("total_bid_size":9.49577219,"orderbook_units":[{"ask_price":148520000,)"
     R"("bid_price":148490000,"ask_size":0.0134662,"bid_size":0.04296774}],"level":0}])",
     "/v1/ticker?markets=KRW-BTC",
     R"([{"market":"KRW-BTC","trade_date":"20250704","trade_time":"051400",)"
     R"("trade_timestamp":1751606040327,"opening_price":3518000,"high_price":3542000,)"
     R"("low_price":3495000,"trade_price":3510000,"prev_closing_price":3517000,)"
     R"("signed_change_price":-7000,"acc_trade_volume_24h":31689.60167858,)"
     R"("timestamp":1751606040373}])"},
    {VenueId::kBithumb, "/v1/orderbook?markets=KRW-BTC",
     R"([{"market":"KRW-BTC","timestamp":1790133505546,"total_ask_size":3.1,)"
     R"("total_bid_size":2.2,"orderbook_units":[{"ask_price":148520000,"bid_price":148490000,)"
     R"("ask_size":0.0134,"bid_size":0.0429}]}])",
     "/v1/ticker?markets=KRW-BTC",
     R"([{"market":"KRW-BTC","trade_date":"20250813","trade_time":"104811",)"
     R"("trade_timestamp":1755114491502,"opening_price":164700000,"high_price":166800000,)"
     R"("low_price":164500000,"trade_price":166000000,"prev_closing_price":164700000,)"
     R"("signed_change_price":1300000,"acc_trade_volume_24h":1046.3,)"
     R"("timestamp":1755082093840}])"},
    {VenueId::kKorbit, "/v2/orderbook?symbol=btc_krw",
     R"({"success":true,"data":{"timestamp":1708057740895,"bids":[{"price":"69711000",)"
     R"("qty":"0.02839"}],"asks":[{"price":"69784000","qty":"0.00312"}]}})",
     "/v2/tickers?symbol=btc_krw",
     R"({"success":true,"data":[{"symbol":"btc_krw","open":"115370000","high":"116765000",)"
     R"("low":"114412000","close":"116463000","prevClose":"115304000","priceChange":"1159000",)"
     R"("priceChangePercent":"1.01","volume":"39.25266763","quoteVolume":"4549864965.49",)"
     R"("bestBidPrice":"116426000","bestAskPrice":"116477000","lastTradedAt":1790134282264}]})"},
    {VenueId::kCoinone, "/public/v2/orderbook/KRW/BTC?size=16",
     R"({"result":"success","error_code":"0","timestamp":1790134177753,)"
     R"("id":"1790134177753001","quote_currency":"KRW","target_currency":"BTC",)"
     R"("order_book_unit":"0.0","bids":[{"price":"116450000","qty":"0.0118"}],)"
     R"("asks":[{"price":"116460000","qty":"0.0232"}]})",
     "/public/v2/ticker_utc_new/KRW/BTC?additional_data=true",
     R"({"result":"success","error_code":"0","server_time":1790133796484,"tickers":[)"
     R"({"quote_currency":"krw","target_currency":"btc","timestamp":1790133796484,)"
     R"("high":"116470000","low":"115570000","first":"115650000","last":"116380000",)"
     R"("quote_volume":"30947007404.5912","target_volume":"267.27610034",)"
     R"("best_asks":[{"price":"116400000","qty":"0.00562817"}],)"
     R"("best_bids":[{"price":"116370000","qty":"8.60554308"}],"id":"1790133796484001",)"
     R"("yesterday_last":"115640000"}]})"},
    {VenueId::kOkx, "/api/v5/market/books?instId=BTC-USDT&sz=400",
     R"({"code":"0","msg":"","data":[{"asks":[["41006.8","0.60038921","0","1"]],)"
     R"("bids":[["41006.3","0.30178218","0","2"]],"ts":"1629966436396","seqId":3235851742}]})",
     "/api/v5/market/ticker?instId=BTC-USDT",
     R"({"code":"0","msg":"","data":[{"instType":"SPOT","instId":"BTC-USDT","last":"64028.6",)"
     R"("open24h":"64324","high24h":"64496.9","low24h":"63237.6","vol24h":"5874.19398956",)"
     R"("ts":"1786538789464"}]})"},
    {VenueId::kBybit, "/v5/market/orderbook?category=spot&symbol=BTCUSDT&limit=200",
     R"({"retCode":0,"retMsg":"OK","result":{"s":"BTCUSDT","a":[["65557.7","16.606555"]],)"
     R"("b":[["65485.47","47.081829"]],"ts":1716863719031,"u":230704,"seq":1432604333,)"
     R"("cts":1716863718905},"retExtInfo":{},"time":1716863719382})",
     "/v5/market/tickers?category=spot&symbol=BTCUSDT",
     R"({"retCode":0,"retMsg":"OK","result":{"category":"spot","list":[{"symbol":"BTCUSDT",)"
     R"("bid1Price":"20517.96","ask1Price":"20527.77","lastPrice":"20533.13",)"
     R"("prevPrice24h":"20393.48","price24hPcnt":"0.0068","highPrice24h":"21128.12",)"
     R"("lowPrice24h":"20318.89","volume24h":"11801.27771"}]},"time":1673859087947})"},
    {VenueId::kGateio,
     "/api/v4/spot/order_book?currency_pair=BTC_USDT&interval=0&limit=50&with_id=true",
     R"({"id":6358826658,"current":1649769789574,"update":1649769789566,)"
     R"("asks":[["64044","0.3"]],"bids":[["64043","0.2"]]})",
     "/api/v4/spot/tickers?currency_pair=BTC_USDT",
     R"([{"currency_pair":"BTC_USDT","last":"64043.9","lowest_ask":"64043.9",)"
     R"("highest_bid":"64043.8","change_percentage":"-0.4034","base_volume":"5291.36",)"
     R"("quote_volume":"337744396.99","high_24h":"64473.5","low_24h":"63234.7"}])"},
    {VenueId::kBinance, "/api/v3/depth?symbol=BTCUSDT&limit=100",
     R"({"lastUpdateId":1027024,"bids":[["4.00000000","431.00000000"]],)"
     R"("asks":[["4.00000200","12.00000000"]]})",
     "/api/v3/ticker/24hr?symbol=BTCUSDT",
     R"({"symbol":"BTCUSDT","priceChange":"-94.99999800","priceChangePercent":"-95.960",)"
     R"("prevClosePrice":"0.10002000","lastPrice":"4.00000200","openPrice":"99.00000000",)"
     R"("highPrice":"100.00000000","lowPrice":"0.10000000","volume":"8913.30000000",)"
     R"("closeTime":1499869899040})"},
    {VenueId::kKraken, "/0/public/Depth?pair=XBTUSDT&count=100",
     R"({"error":[],"result":{"XBTUSDT":{"asks":[["30384.1","2.059",1688671659]],)"
     R"("bids":[["30297.0","1.115",1688671636]]}}})",
     "/0/public/Ticker?pair=XBTUSDT",
     R"({"error":[],"result":{"XBTUSDT":{"a":["30300.1","1","1.000"],"b":["30300.0","1","1.0"],)"
     R"("c":["30303.2","0.00067643"],"v":["4083.67","4412.73"],"p":["30706.77","30689.13"],)"
     R"("t":[34619,38907],"l":["29868.3","29868.3"],"h":["31631.0","31631.0"],)"
     R"("o":"30502.8"}}})"},
});
static_assert(covers_every_venue(kPolls), "a venue of core/venue.h has no row in kPolls");

/// A venue's lists over REST: what stands around the rows, two good ones (BTC and ETH), and one
/// that says its name before or after a field of the wrong type.
struct ListSample {
  VenueId venue;
  std::string_view tickers;  ///< with @ for the rows
  std::string_view ticker_a;
  std::string_view ticker_b;
  std::string_view spoilt_ticker;
  std::string_view markets;
  std::string_view market_a;
  std::string_view market_b;
  std::string_view spoilt_market;
  std::string_view spoilt_symbol;
  std::string_view key;  ///< what a row needs before its value
};

inline constexpr auto kLists = std::to_array<ListSample>({
    {VenueId::kUpbit, "[@]", R"({"market":"KRW-BTC","trade_price":1})",
     R"({"market":"KRW-ETH","trade_price":2})", R"({"trade_price":[],"market":"KRW-BAD"})", "[@]",
     R"({"market":"KRW-BTC","korean_name":"비트코인","english_name":"Bitcoin"})",
     R"({"market":"KRW-ETH","korean_name":"이더리움","english_name":"Ethereum"})",
     R"({"market":"BAD","korean_name":"x"})", "", ""},
    {VenueId::kBithumb, "[@]", R"({"market":"KRW-BTC","trade_price":1})",
     R"({"market":"KRW-ETH","trade_price":2})", R"({"trade_price":[],"market":"KRW-BAD"})", "[@]",
     R"({"market":"KRW-BTC","korean_name":"비트코인","english_name":"Bitcoin"})",
     R"({"market":"KRW-ETH","korean_name":"이더리움","english_name":"Ethereum"})",
     R"({"market":"BAD","korean_name":"x"})", "", ""},
    {VenueId::kKorbit, R"({"success":true,"data":[@]})", R"({"symbol":"btc_krw","close":"1"})",
     R"({"symbol":"eth_krw","close":"2"})", R"({"close":{},"symbol":"bad_krw"})",
     R"({"success":true,"data":[@]})",
     R"({"symbol":"btc_krw","status":"launched","baseCurrency":"btc","quoteCurrency":"krw"})",
     R"({"symbol":"eth_krw","status":"launched","baseCurrency":"eth","quoteCurrency":"krw"})",
     R"({"baseCurrency":{},"quoteCurrency":"krw","status":"launched","symbol":"bad_krw"})",
     "bad_krw", ""},
    {VenueId::kCoinone, R"({"result":"success","error_code":"0","error_msg":null,"tickers":[@]})",
     R"({"quote_currency":"krw","target_currency":"btc","last":"1"})",
     R"({"quote_currency":"krw","target_currency":"eth","last":"2"})",
     R"({"last":[],"quote_currency":"krw","target_currency":"bad"})",
     R"({"result":"success","error_code":"0","markets":[@]})",
     R"({"quote_currency":"KRW","target_currency":"BTC","trade_status":1,"maintenance_status":0})",
     R"({"quote_currency":"KRW","target_currency":"ETH","trade_status":1,"maintenance_status":0})",
     R"({"trade_status":{},"quote_currency":"KRW","target_currency":"BAD"})", "KRW-BAD", ""},
    {VenueId::kOkx, R"({"code":"0","msg":"","data":[@]})",
     R"({"instType":"SPOT","instId":"BTC-USDT","last":"1"})",
     R"({"instType":"SPOT","instId":"ETH-USDT","last":"2"})", R"({"last":[],"instId":"BAD-USDT"})",
     R"({"code":"0","msg":"","data":[@]})",
     R"({"instType":"SPOT","instId":"BTC-USDT","baseCcy":"BTC","quoteCcy":"USDT","state":"live"})",
     R"({"instType":"SPOT","instId":"ETH-USDT","baseCcy":"ETH","quoteCcy":"USDT","state":"live"})",
     R"({"instType":"SPOT","baseCcy":7,"quoteCcy":"USDT","state":"live","instId":"BAD-USDT"})",
     "BAD-USDT", ""},
    {VenueId::kBybit, R"({"retCode":0,"retMsg":"OK","result":{"category":"spot","list":[@]}})",
     R"({"symbol":"BTCUSDT","lastPrice":"1"})", R"({"symbol":"ETHUSDT","lastPrice":"2"})",
     R"({"lastPrice":{},"symbol":"BADUSDT"})",
     R"({"retCode":0,"retMsg":"OK","result":{"category":"spot","list":[@]}})",
     R"({"symbol":"BTCUSDT","baseCoin":"BTC","quoteCoin":"USDT","status":"Trading"})",
     R"({"symbol":"ETHUSDT","baseCoin":"ETH","quoteCoin":"USDT","status":"Trading"})",
     R"({"baseCoin":[],"quoteCoin":"USDT","symbol":"BADUSDT","status":"Trading"})", "BADUSDT", ""},
    {VenueId::kGateio, "[@]", R"({"currency_pair":"BTC_USDT","last":"1"})",
     R"({"currency_pair":"ETH_USDT","last":"2"})", R"({"last":{},"currency_pair":"BAD_USDT"})",
     "[@]", R"({"id":"BTC_USDT","base":"BTC","quote":"USDT","trade_status":"tradable"})",
     R"({"id":"ETH_USDT","base":"ETH","quote":"USDT","trade_status":"tradable"})",
     R"({"base":null,"quote":"USDT","id":"BAD_USDT","trade_status":"tradable"})", "BAD_USDT", ""},
    {VenueId::kBinance, "[@]", R"({"symbol":"BTCUSDT","lastPrice":"1"})",
     R"({"symbol":"ETHUSDT","lastPrice":"2"})", R"({"lastPrice":{},"symbol":"BADUSDT"})",
     R"({"timezone":"UTC","symbols":[@]})",
     R"({"symbol":"BTCUSDT","status":"TRADING","baseAsset":"BTC","quoteAsset":"USDT"})",
     R"({"symbol":"ETHUSDT","status":"TRADING","baseAsset":"ETH","quoteAsset":"USDT"})",
     R"({"status":"TRADING","baseAsset":[],"quoteAsset":"USDT","symbol":"BADUSDT"})", "BADUSDT",
     ""},
    {VenueId::kKraken, R"({"error":[],"result":{@}})", R"("XXBTZUSD":{"c":["1","1"]})",
     R"("XETHZUSD":{"c":["2","1"]})", R"("BADUSD":{"c":7})", R"({"error":[],"result":{@}})",
     R"("XXBTZUSD":{"altname":"XBTUSD","wsname":"XBT/USD","status":"online"})",
     R"("XETHZUSD":{"altname":"ETHUSD","wsname":"ETH/USD","status":"online"})",
     R"("BADUSD":{"altname":"BADUSD","wsname":"BAD/USD","costmin":{},"status":"online"})", "BADUSD",
     R"("BADUSD":)"},
});
static_assert(covers_every_venue(kLists), "a venue of core/venue.h has no row in kLists");

/// Levels of price zero.
struct ZeroSample {
  VenueId venue;
  std::string_view at;    ///< in the sample's book
  std::string_view zero;  ///< goes in there
};

inline constexpr auto kZeros = std::to_array<ZeroSample>({
    {VenueId::kUpbit, R"("orderbook_units":[)",
     R"({"ask_price":0,"bid_price":0.0,"ask_size":0,"bid_size":3},)"},
    {VenueId::kBithumb, R"("orderbook_units":[)",
     R"({"ask_price":0,"bid_price":0.0,"ask_size":0,"bid_size":3},)"},
    {VenueId::kKorbit, R"("asks":[)", R"({"price":"0","qty":"0"},{"price":"0.00","qty":"5"},)"},
    {VenueId::kCoinone, R"("asks":[)", R"({"price":"0","qty":"0"},{"price":"0.00","qty":"5"},)"},
    {VenueId::kOkx, R"("asks":[)", R"(["0","0","0","0"],["0.0","5","0","1"],)"},
    {VenueId::kBybit, R"("a":[)", R"(["0","0"],["0.0","5"],)"},
    {VenueId::kGateio, R"("a":[)", R"(["0","0"],["0.0","5"],)"},
    {VenueId::kBinance, R"("asks":[)", R"(["0.00000000","0"],["0","5"],)"},
    {VenueId::kKraken, R"("asks":[)", R"({"price":0,"qty":0},{"price":0.0,"qty":5},)"},
});
static_assert(covers_every_venue(kZeros), "a venue of core/venue.h has no row in kZeros");

/// A topic that is not read.
struct TopicSample {
  VenueId venue;
  std::string_view payload;  ///< with @ for what tells two topics apart
};

inline constexpr auto kTopicSamples = std::to_array<TopicSample>({
    {VenueId::kUpbit, R"({"type":"new@","code":"KRW-BTC","price":1})"},
    {VenueId::kBithumb, R"({"type":"new@","code":"KRW-BTC","price":1})"},
    {VenueId::kKorbit, R"({"symbol":"btc_krw","timestamp":1,"type":"new@","data":{"price":"1"}})"},
    {VenueId::kCoinone, R"({"response_type":"DATA","channel":"NEW@","data":{"price":"1"}})"},
    {VenueId::kOkx, R"({"arg":{"channel":"books-new@","instId":"BTC-USDT"},"data":[{"asks":[]}]})"},
    {VenueId::kBybit,
     R"({"topic":"orderbook.new@.BTCUSDT","ts":1,"type":"delta","data":{"b":[]}})"},
    {VenueId::kGateio, R"({"time":1,"channel":"spot.new@","event":"update","result":{"s":"x"}})"},
    {VenueId::kBinance, R"({"stream":"btcusdt@x","data":{"e":"new@","E":1,"s":"BTCUSDT"}})"},
    {VenueId::kKraken, R"({"channel":"new@","type":"update","data":[{"symbol":"BTC/USD"}]})"},
});
static_assert(covers_every_venue(kTopicSamples),
              "a venue of core/venue.h has no row in kTopicSamples");

/// A venue's whole book of one level a side: `$bp`, `$bs`, `$ap`, `$as` stand for price and size,
/// `$seq` for its number where it has one, `$crc` for Kraken's checksum.
struct BookTemplate {
  VenueId venue;
  Origin origin;
  std::string_view payload;
};

inline constexpr auto kBookTemplates = std::to_array<BookTemplate>({
    {VenueId::kUpbit, Origin::kWs,
     R"({"type":"orderbook","code":"KRW-BTT","timestamp":1764000000000,"total_ask_size":1,)"
     R"("total_bid_size":1,"orderbook_units":[{"ask_price":$ap,"bid_price":$bp,"ask_size":$as,)"
     R"("bid_size":$bs}],"stream_type":"SNAPSHOT","level":0})"},
    {VenueId::kBithumb, Origin::kWs,
     R"({"type":"orderbook","code":"KRW-BTT","total_ask_size":1,"total_bid_size":1,)"
     R"("orderbook_units":[{"ask_price":$ap,"bid_price":$bp,"ask_size":$as,"bid_size":$bs}],)"
     R"("level":1,"timestamp":1764000000000000,"stream_type":"SNAPSHOT"})"},
    {VenueId::kKorbit, Origin::kWs,
     R"({"symbol":"btt_krw","timestamp":1764000000000,"type":"orderbook","snapshot":true,)"
     R"("data":{"timestamp":1764000000000,"asks":[{"price":$ap,"qty":$as}],)"
     R"("bids":[{"price":$bp,"qty":$bs}]}})"},
    {VenueId::kCoinone, Origin::kWs,
     R"({"response_type":"DATA","channel":"ORDERBOOK","data":{"quote_currency":"KRW",)"
     R"("target_currency":"BTT","timestamp":1764000000000,"id":"1764000000000001",)"
     R"("asks":[{"price":$ap,"qty":$as}],"bids":[{"price":$bp,"qty":$bs}]}})"},
    {VenueId::kOkx, Origin::kWs,
     R"({"arg":{"channel":"books","instId":"BTT-USDT"},"action":"snapshot",)"
     R"("data":[{"asks":[[$ap,$as,"0","1"]],"bids":[[$bp,$bs,"0","1"]],"ts":"1764000000000",)"
     R"("checksum":0,"seqId":$seq,"prevSeqId":-1}]})"},
    {VenueId::kBybit, Origin::kWs,
     R"({"topic":"orderbook.50.BTTUSDT","ts":1764000000000,"type":"snapshot",)"
     R"("data":{"s":"BTTUSDT","b":[[$bp,$bs]],"a":[[$ap,$as]],"u":$seq,"seq":7},)"
     R"("cts":1764000000000})"},
    {VenueId::kGateio, Origin::kWs,
     R"({"channel":"spot.obu","result":{"t":1764000000000,"full":true,"s":"ob.BTT_USDT.50",)"
     R"("u":$seq,"b":[[$bp,$bs]],"a":[[$ap,$as]]},"time_ms":1764000000000})"},
    {VenueId::kBinance, Origin::kRest,
     R"({"lastUpdateId":$seq,"bids":[[$bp,$bs]],"asks":[[$ap,$as]]})"},
    {VenueId::kKraken, Origin::kWs,
     R"({"channel":"book","type":"snapshot","data":[{"symbol":"BTT/USD",)"
     R"("bids":[{"price":$bp,"qty":$bs}],"asks":[{"price":$ap,"qty":$as}],"checksum":$crc}]})"},
});
static_assert(covers_every_venue(kBookTemplates),
              "a venue of core/venue.h has no row in kBookTemplates");

}  // namespace spreadwatch::ingest::test
