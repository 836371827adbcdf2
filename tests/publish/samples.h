#pragma once

#include "core/event.h"
#include "core/market_data.h"
#include "core/rate.h"

namespace spreadwatch::publish {

inline Decimal decimal(std::string_view text) {
  Decimal d;
  if (!Decimal::try_parse(text, d)) d = Decimal{-1, 0};
  return d;
}

inline Ticker sample_ticker() {
  Ticker t;
  t.venue = VenueId::kUpbit;
  t.instrument = {"BTC", "KRW"};
  t.exchange_time = timestamp_from_ms(1'700'000'000'123);
  t.receive_time = timestamp_from_us(1'700'000'000'200'456);
  t.opening_price = 88'000'000;
  t.trade_price = 88'500'000.5;
  t.high_price = 89'000'000;
  t.low_price = 87'000'000;
  t.prev_closing_price = 88'000'000;
  t.acc_trade_volume_24h = 1234.56789;
  t.signed_change_price = 500'000.5;
  t.signed_change_rate = 0.005681823863636364;
  return t;
}

inline OrderBook sample_book() {
  OrderBook b;
  b.venue = VenueId::kBinance;
  b.instrument = {"PEPE", "USDT"};
  b.state = FeedState::kSynced;
  b.origin = Origin::kRest;
  b.sequence = 42;
  b.exchange_time = timestamp_from_ms(1'700'000'000'123);
  b.receive_time = timestamp_from_us(1'700'000'000'200'456);
  b.bids = {{decimal("0.0000089123"), decimal("9876543210.12345678")},
            {decimal("0.0000089"), decimal("1.5")}};
  b.asks = {{decimal("0.00000893"), decimal("0.1")}, {decimal("0.000009"), decimal("0.2")}};
  return b;
}

inline FeedError sample_error() {
  FeedError e;
  e.venue = VenueId::kOkx;
  e.symbol = "BTC-USDT";
  e.error = {ErrorCode::kSequenceGap, "prevSeqId 5 does not follow 3"};
  e.receive_time = timestamp_from_us(1'700'000'000'200'456);
  e.payload = R"({"arg":{"channel":"books"}})";
  return e;
}

inline FxEvent sample_fx() {
  FxEvent e;
  e.time = timestamp_from_ms(1'700'000'000'250);
  e.rate.pair = CurrencyPair::kUsdtKrw;
  e.rate.bid = 1390.5;
  e.rate.ask = 1391;
  e.rate.mid = 1390.75;
  e.rate.age = milliseconds{120};
  RateSource used;
  used.name = "upbit";
  used.bid = 1390.5;
  used.ask = 1391;
  used.mid = 1390.75;
  used.age = milliseconds{120};
  used.used = true;
  RateSource out;
  out.name = "korbit";
  out.reason = Reason::kFxStale;
  e.rate.sources = {used, out};
  return e;
}

inline PremiumEvent sample_premium() {
  PremiumEvent e;
  e.asset = "BTC";
  e.region = Region::kKorea;
  e.over = Region::kEurope;
  e.time = timestamp_from_ms(1'700'000'000'250);
  e.premium = 0.0126;
  e.first = 0.012;
  e.high = 0.013;
  e.low = 0.0119;
  e.currency = "USDT";
  e.price = 64'900.5;
  e.over_price = 64'092.9;
  e.venues = {VenueId::kUpbit, VenueId::kBithumb};
  e.over_venues = {VenueId::kBinance};
  e.fx_age = milliseconds{120};
  e.percentiles = {0.75, 0.5, std::nullopt};
  e.bases_disagree = false;
  return e;
}

inline SpreadEvent sample_spread() {
  Trade trade;
  trade.quantity = 0.25;
  trade.spent_usdt = 16'000;
  trade.net_profit_usdt = 80;
  trade.net_ratio = 0.005;
  trade.buy_vwap = 63'950;
  trade.sell_vwap = 90'200'000;
  trade.buy_fee_usdt = 16;
  trade.sell_fee_usdt = 8;
  trade.fx_fee_usdt = 4.5;
  trade.slippage_usdt = 2.25;
  SpreadEvent e;
  e.asset = "BTC";
  e.buy = VenueId::kBinance;
  e.sell = VenueId::kUpbit;
  e.time = timestamp_from_ms(1'700'000'000'250);
  e.verdict = Verdict::kTradable;
  e.gross_ratio = 0.0126;
  e.net_ratio = 0.0106;
  e.buy_price_usdt = 64'000;
  e.sell_price_usdt = 64'806.4;
  e.buy_age = milliseconds{12};
  e.sell_age = milliseconds{40};
  e.optimal = trade;
  e.break_even_quantity = 1.75;
  e.sizes = {{1000, false, trade}, {100'000, true, std::nullopt}};
  return e;
}

/// The same with the coins moved: 0.0001 of them stay with the network.
inline SpreadEvent sample_transfer() {
  SpreadEvent e = sample_spread();
  e.mode = Mode::kTransfer;
  e.optimal->withdrawal_fee_usdt = 6.4;
  e.sizes.front().trade = e.optimal;
  e.network = "Bitcoin";
  e.withdrawal_fee = 0.0001;
  e.expected_minutes = 20;
  return e;
}

/// A pair with an unusable leg: reasons instead of numbers.
inline SpreadEvent sample_unknown_spread() {
  SpreadEvent e;
  e.asset = "ETH";
  e.buy = VenueId::kOkx;
  e.sell = VenueId::kCoinone;
  e.mode = Mode::kTransfer;
  e.time = timestamp_from_ms(1'700'000'000'250);
  e.reasons.add(Reason::kStaleLeg);
  e.reasons.add(Reason::kFxQuorum);
  e.sizes = {{1000, false, std::nullopt}};
  return e;
}

inline OpportunityEvent sample_opportunity() {
  OpportunityEvent e;
  e.kind = OpportunityEvent::Kind::kOpen;
  e.id = "6f1e";
  e.asset = "BTC";
  e.buy = VenueId::kBinance;
  e.sell = VenueId::kUpbit;
  e.opened = timestamp_from_ms(1'700'000'000'250);
  e.time = timestamp_from_ms(1'700'000'001'250);
  e.net_profit_usdt = 80;
  e.net_ratio = 0.005;
  e.quantity = 0.25;
  e.peak_profit_usdt = 91.5;
  e.peak_quantity = 0.3;
  e.peak_time = timestamp_from_ms(1'700'000'000'900);
  e.buy_age = milliseconds{12};
  e.sell_age = milliseconds{40};
  return e;
}

}  // namespace spreadwatch::publish
