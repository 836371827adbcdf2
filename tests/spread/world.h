#pragma once

#include <doctest/doctest.h>

#include <string>
#include <vector>

#include "config/loader.h"
#include "spread/engine.h"
#include "spread/event_sink.h"

namespace spreadwatch::spread::test {

inline constexpr Timestamp kStart = timestamp_from_ms(1'700'000'000'000);

/// Every event of an engine in order, each also as a line that holds all of its values.
class Journal final : public EventSink {
 public:
  void on_fx(const FxEvent& e) override {
    fx.push_back(e);
    begin("fx", to_string(e.rate.pair), e.time);
    add(e.rate.mid);
    add(e.rate.reasons);
  }
  void on_premium(const PremiumEvent& e) override {
    premiums.push_back(e);
    begin("premium", e.asset, e.time);
    add(to_string(e.region));
    add(e.over_name());
    for (const auto& n : {e.premium, e.first, e.high, e.low, e.price, e.over_price}) add(n);
    add(e.reasons);
  }
  void on_spread(const SpreadEvent& e) override {
    spreads.push_back(e);
    begin("spread", e.asset, e.time);
    add(e.buy, e.sell, e.mode);
    for (const auto& n : {e.gross_ratio, e.net_ratio, e.break_even_quantity}) add(n);
    for (const SizeRow& row : e.sizes) {
      add(row.trade ? std::optional{row.trade->net_profit_usdt} : std::nullopt);
    }
    add(e.reasons);
  }
  void on_opportunity(const OpportunityEvent& e) override {
    opportunities.push_back(e);
    begin("opportunity", e.asset, e.time);
    add(e.buy, e.sell, e.mode);
    add(e.id);
    add(to_string(e.kind));
    add(e.net_profit_usdt);
  }

  void on_removed(const MarketRemoved& e) override {
    removed.push_back(e);
    begin("removed", e.asset, e.time);
    add(to_string(e.venue));
  }

  const SpreadEvent* spread(VenueId buy, VenueId sell, Mode mode = Mode::kInventory) const {
    const SpreadEvent* last = nullptr;
    for (const SpreadEvent& e : spreads) {
      if (e.buy == buy && e.sell == sell && e.mode == mode) last = &e;
    }
    return last;
  }

  std::vector<FxEvent> fx;
  std::vector<PremiumEvent> premiums;
  std::vector<SpreadEvent> spreads;
  std::vector<OpportunityEvent> opportunities;
  std::vector<MarketRemoved> removed;
  std::vector<std::string> lines;

 private:
  void begin(std::string_view type, std::string_view what, Timestamp time) {
    lines.emplace_back(type);
    add(what);
    add(std::to_string(to_us(time)));
  }
  void add(std::string_view text) {
    lines.back() += ' ';
    lines.back() += text;
  }
  void add(const std::optional<double>& n) {
    lines.back() += n ? ' ' : '-';
    if (n) append_number(lines.back(), *n);
  }
  void add(Reasons reasons) {
    reasons.for_each([this](Reason r) { add(to_string(r)); });
  }
  void add(VenueId buy, VenueId sell, Mode mode) {
    add(to_string(buy));
    add(to_string(sell));
    add(to_string(mode));
  }
};

/// An engine over a small market and the time it has.
struct World {
  config::Loaded loaded;
  Journal journal;
  Engine engine{loaded.settings, loaded.registry, journal};
  Timestamp now = kStart;

  explicit World(const std::string& more = "publish: {conflate_ms: 0}\n")
      : loaded(config::load_text(text(more), "test")) {
    REQUIRE(loaded.ok());
  }

  /// `more` may have an `fx` of its own.
  static std::string text(const std::string& more) {
    std::string all =
        "assets: [BTC, NEWCOIN]\n"
        "venues: {upbit: , bithumb: , okx: , binance: , kraken: }\n";
    if (more.find("fx:") == std::string::npos) {
      all += "fx: {bank: [{name: bank, url: \"http://x\"}]}\n";
    }
    return all.append(more);
  }

  /// One level a side, one BTC deep; prices in hundredths.
  OrderBook book(VenueId venue, const std::string& base, const std::string& quote, std::int64_t bid,
                 std::int64_t ask, std::int64_t size = 1) const {
    OrderBook b;
    b.venue = venue;
    b.instrument = {base, quote};
    b.state = FeedState::kSynced;
    b.exchange_time = now;
    b.receive_time = now;
    b.bids = {{Decimal{bid, 2}, Decimal{size, 0}}};
    b.asks = {{Decimal{ask, 2}, Decimal{size, 0}}};
    return b;
  }
  void put(const OrderBook& b) { engine.on(b, now); }
  OrderBook okx(std::int64_t bid = 9'999'000, std::int64_t ask = 10'000'000) const {
    return book(VenueId::kOkx, "BTC", "USDT", bid, ask);
  }
  OrderBook upbit(std::int64_t bid, std::int64_t ask) const {
    return book(VenueId::kUpbit, "BTC", "KRW", bid * 100, ask * 100);
  }
  void put_fx() {
    put(book(VenueId::kUpbit, "USDT", "KRW", 140'000, 140'100, 100'000'000));
    put(book(VenueId::kBithumb, "USDT", "KRW", 140'000, 140'100, 100'000'000));
  }
  /// OKX at 100,000 USDT, Upbit at what is profitable, at 1400 KRW a USDT.
  void put_profitable() {
    put_fx();
    put(okx());
    put(upbit(143'000'000, 143'010'000));
  }
  void pass(milliseconds time) {
    now += time;
    engine.advance(now);
  }
  /// An open opportunity from OKX to Upbit.
  OpportunityEvent open() {
    put_profitable();
    pass(milliseconds{500});
    REQUIRE(journal.opportunities.size() == 1);
    return journal.opportunities.front();
  }
};

}  // namespace spreadwatch::spread::test
