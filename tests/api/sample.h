#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "api/server.h"
#include "api/store.h"
#include "core/time.h"
#include "ingest/decode/venue_adapter.h"
#include "publish/encode.h"

namespace spreadwatch::api::test {

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

inline PremiumEvent premium(const std::string& asset, Region region, std::optional<Region> over,
                            Basis basis, double value, Timestamp time) {
  PremiumEvent event;
  event.asset = asset;
  event.region = region;
  event.over = over;
  event.basis = basis;
  event.time = time;
  event.premium = value;
  event.first = 0.01;
  event.high = 0.02;
  event.low = 0.01;
  event.currency = "USDT";
  event.price = 98765.5;
  event.over_price = 96500;
  event.venues = {VenueId::kUpbit, VenueId::kBithumb};
  event.over_venues = {VenueId::kBinance};
  event.fx_age = milliseconds{120};
  event.fx_rates.set(static_cast<std::size_t>(CurrencyPair::kUsdtKrw));
  return event;
}

inline RateSource rate_source(const std::string& name, std::optional<double> bid,
                              std::optional<double> ask, std::optional<microseconds> age,
                              std::optional<Reason> reason = std::nullopt) {
  RateSource source;
  source.name = name;
  source.bid = bid;
  source.ask = ask;
  source.age = age;
  source.used = !reason;
  source.reason = reason;
  return source;
}

inline FxEvent rate(CurrencyPair pair, double bid, double ask, microseconds age,
                    std::vector<RateSource> sources, Timestamp time) {
  FxEvent event;
  event.time = time;
  event.rate.pair = pair;
  event.rate.bid = bid;
  event.rate.ask = ask;
  event.rate.mid = (bid + ask) / 2;
  event.rate.age = age;
  event.rate.sources = std::move(sources);
  return event;
}

inline SpreadEvent pair(const std::string& asset, VenueId buy, VenueId sell, Verdict verdict,
                        Reasons reasons, Timestamp time) {
  SpreadEvent event;
  event.asset = asset;
  event.buy = buy;
  event.sell = sell;
  event.buy_market = {asset, std::string{identity(buy).default_quote}};
  event.sell_market = {asset, std::string{identity(sell).default_quote}};
  event.time = time;
  event.verdict = verdict;
  event.reasons = reasons;
  event.buy_age = milliseconds{40};
  event.sell_age = milliseconds{55};
  return event;
}

/// Pair rows as they might be: one that is tradable, one that is not, one of which nothing is
/// known.
inline std::vector<SpreadEvent> rows(Timestamp now) {
  SpreadEvent tradable =
      pair("BTC", VenueId::kBinance, VenueId::kUpbit, Verdict::kTradable, {}, now);
  tradable.gross_ratio = 0.0121;
  tradable.net_ratio = 0.0102;
  tradable.buy_price_usdt = 96'500;
  tradable.sell_price_usdt = 97'667.6;
  Trade& optimal = tradable.optimal.emplace();
  optimal.quantity = 0.8123;
  optimal.spent_usdt = 78'444.2;
  optimal.net_profit_usdt = 412.77;
  optimal.net_ratio = 0.00526;
  optimal.buy_vwap = 96'570.1;
  optimal.sell_vwap = 135'700'000;
  optimal.buy_fee_usdt = 118.2;
  tradable.break_even_quantity = 2.1;
  Reasons costs = Reason::kUnprofitable;
  costs.add(Reason::kInsufficientDepth);
  SpreadEvent unprofitable =
      pair("ETH", VenueId::kOkx, VenueId::kBithumb, Verdict::kNotTradable, costs, now);
  unprofitable.gross_ratio = 0.0007;
  unprofitable.net_ratio = -0.0011;
  unprofitable.buy_price_usdt = 3400;
  unprofitable.sell_price_usdt = 3402.4;
  unprofitable.fx_venue_fallback = true;
  unprofitable.break_even_quantity = 0;
  return {
      tradable, unprofitable,
      pair("XRP", VenueId::kBinance, VenueId::kUpbit, Verdict::kUnknown, Reason::kStaleLeg, now)};
}

/// A market as it might be: one tradable pair, one that is not, a rate with an excluded source, a
/// premium that is unavailable, an order book that may not be shown.
inline void fill(Store& store, Timestamp now) {
  for (const std::string asset : {"BTC", "ETH", "XRP"}) {
    const double shift = asset == "BTC" ? 0.0 : asset == "ETH" ? 0.004 : -0.021;
    for (const Region over : {Region::kEurope, Region::kAsia}) {
      for (const Basis basis : {Basis::kUsdt, Basis::kBank}) {
        store.update(premium(asset, Region::kKorea, over, basis,
                             0.0123 + shift + (basis == Basis::kBank ? 0.006 : 0), now));
      }
    }
    store.update(
        premium(asset, Region::kAsia, Region::kEurope, Basis::kUsdt, -0.0004 + shift / 50, now));
  }
  PremiumEvent missing;
  missing.asset = "XRP";
  missing.region = Region::kKorea;
  missing.over = Region::kAsia;
  missing.basis = Basis::kBank;
  missing.time = now;
  missing.currency = "KRW";
  missing.reasons.add(Reason::kFxQuorum);
  missing.reasons.add(Reason::kStaleLeg);
  store.update(missing);
  store.update(premium("USDT", Region::kKorea, std::nullopt, Basis::kUsdtPremium, 0.0061, now));
  store.update(rate(CurrencyPair::kUsdtKrw, 1391.5, 1392.5, milliseconds{85},
                    {rate_source("upbit", 1391, 1392, milliseconds{85}),
                     rate_source("bithumb", 1392, 1393, milliseconds{140}),
                     rate_source("korbit", 1460, 1462, milliseconds{300}, Reason::kFxDisagree),
                     rate_source("coinone", {}, {}, {}, Reason::kBookNotSynced)},
                    now));
  store.update(rate(CurrencyPair::kUsdtUsd, 0.9998, 0.9999, milliseconds{40},
                    {rate_source("kraken", 0.9998, 0.9999, milliseconds{40})}, now));
  FxEvent bank;
  bank.time = now;
  bank.rate.pair = CurrencyPair::kUsdKrw;
  bank.rate.reasons = Reason::kFxStale;
  bank.rate.sources = {
      rate_source("<b>bank</b>", 1383.1, 1383.1, milliseconds{990'000}, Reason::kFxStale)};
  store.update(bank);

  for (const SpreadEvent& row : rows(now)) store.update(row);

  OpportunityEvent open;
  open.kind = OpportunityEvent::Kind::kUpdate;
  open.id = "a1b2";
  open.asset = "BTC";
  open.buy = VenueId::kBinance;
  open.sell = VenueId::kUpbit;
  open.opened = open.peak_time = now - seconds{42};
  open.time = now;
  open.net_profit_usdt = 412.77;
  open.net_ratio = 0.00526;
  open.quantity = 0.8123;
  open.peak_profit_usdt = 502.31;
  open.buy_age = milliseconds{40};
  open.sell_age = milliseconds{55};
  store.update(open);
  OpportunityEvent closed;
  closed.kind = OpportunityEvent::Kind::kClose;
  closed.id = "c3d4";
  closed.asset = "XRP";
  closed.buy = VenueId::kOkx;
  closed.sell = VenueId::kBithumb;
  closed.opened = closed.peak_time = now - seconds{42};
  closed.time = now - milliseconds{32'900};
  closed.peak_profit_usdt = 18.4;
  closed.buy_age = milliseconds{31'000};
  closed.reason = CloseReason::kStale;
  store.update(closed);
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

/// `more` rows are told beside rows().
inline Providers sample_providers(const std::vector<SpreadEvent>& more = {}) {
  const auto feed = [](VenueId venue, const char* symbol, FeedState state,
                       std::optional<ErrorCode> reason, milliseconds age) {
    FeedStatus f;
    f.venue = venue;
    f.symbol = symbol;
    f.channel = Channel::kOrderBook;
    f.state = state;
    f.reason = reason;
    f.updated = SystemClock{}.now() - age;
    f.gaps = 1;
    f.resyncs = 2;
    return f;
  };
  return {
      .readiness =
          [] { return Readiness{.reasons = {"venue_down:okx"}, .notices = {"broker_embedded"}}; },
      .feeds =
          [feed] {
            return std::vector<FeedStatus>{feed(VenueId::kUpbit, "BTC-KRW", FeedState::kSynced,
                                                std::nullopt, milliseconds{55}),
                                           feed(VenueId::kBithumb, "BTC-KRW", FeedState::kSynced,
                                                std::nullopt, milliseconds{80}),
                                           feed(VenueId::kOkx, "BTC-USDT", FeedState::kStale,
                                                ErrorCode::kTimeout, milliseconds{45'000}),
                                           feed(VenueId::kBinance, "BTC-USDT", FeedState::kFaulted,
                                                ErrorCode::kSequenceGap, milliseconds{300}),
                                           feed(VenueId::kBinance, "ETH-USDT", FeedState::kSyncing,
                                                std::nullopt, milliseconds{10})};
          },
      .profile = ingest::venue_profile,
      .profit =
          [](const ProfitQuery& query) {
            using Status = ProfitAnswer::Status;
            if (query.asset == "SLOW") return ProfitAnswer{.status = Status::kBusy};
            if (query.asset != "BTC") return ProfitAnswer{.status = Status::kUnknownPair};
            SpreadEvent pair;
            pair.asset = query.asset;
            pair.buy = query.buy;
            pair.sell = query.sell;
            pair.mode = query.mode;
            Trade trade;
            trade.spent_usdt = query.size_usdt;
            trade.net_profit_usdt = 12.5;
            pair.sizes = {{query.size_usdt, false, trade}};
            ProfitAnswer answer{.status = Status::kOk};
            publish::append_profit(answer.record, pair);
            return answer;
          },
      .spreads =
          [more](const SpreadQuery& query) {
            std::vector<SpreadEvent> all = rows(SystemClock{}.now());
            all.insert(all.end(), more.begin(), more.end());
            std::erase_if(all, [&query](const SpreadEvent& row) {
              return (!query.asset.empty() && row.asset != query.asset) ||
                     (query.buy && row.buy != *query.buy) ||
                     (query.sell && row.sell != *query.sell) ||
                     (query.mode && row.mode != *query.mode) ||
                     (query.verdict && row.verdict != *query.verdict);
            });
            return std::optional{std::move(all)};
          }};
}

}  // namespace spreadwatch::api::test
