#pragma once

#include "core/market_data.h"

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

}  // namespace spreadwatch::publish
