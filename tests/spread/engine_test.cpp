#include "spread/engine.h"

#include <doctest/doctest.h>

#include <map>
#include <string>

#include "config/loader.h"
#include "spread/event_sink.h"

namespace spreadwatch::spread {
namespace {

constexpr Timestamp kStart = timestamp_from_ms(1'700'000'000'000);

/// What an engine said, in order.
class Recorder final : public EventSink {
 public:
  void on_fx(const FxEvent& e) override { fx.push_back(e); }
  void on_premium(const PremiumEvent& e) override { premiums.push_back(e); }
  void on_spread(const SpreadEvent& e) override { spreads.push_back(e); }
  void on_opportunity(const OpportunityEvent& e) override { opportunities.push_back(e); }

  const SpreadEvent* spread(VenueId buy, VenueId sell) const {
    const SpreadEvent* last = nullptr;
    for (const SpreadEvent& e : spreads) {
      if (e.buy == buy && e.sell == sell && e.mode == Mode::kInventory) last = &e;
    }
    return last;
  }
  const PremiumEvent* premium(const std::string& asset, Basis basis,
                              std::optional<Region> over) const {
    const PremiumEvent* last = nullptr;
    for (const PremiumEvent& e : premiums) {
      if (e.asset == asset && e.basis == basis && e.over == over && e.region == Region::kKorea)
        last = &e;
    }
    return last;
  }

  std::vector<FxEvent> fx;
  std::vector<PremiumEvent> premiums;
  std::vector<SpreadEvent> spreads;
  std::vector<OpportunityEvent> opportunities;
};

config::Loaded configuration(const std::string& more = "") {
  config::Loaded loaded = config::load_text(
      "assets: [BTC, NEWCOIN]\n"
      "venues: {upbit: , bithumb: , okx: , binance: , kraken: }\n"
      "fx: {bank: [{name: bank, url: \"http://x\"}]}\n" +
          more,
      "test");
  REQUIRE(loaded.ok());
  return loaded;
}

/// An engine with its market at hand.
struct Bench {
  config::Loaded loaded;
  Recorder journal;
  Engine engine{loaded.settings, loaded.registry, journal};
  Timestamp now = kStart;

  explicit Bench(const std::string& more = "publish: {conflate_ms: 0}\n")
      : loaded(configuration(more)) {}

  void alive(VenueId venue) { engine.on(ConnectionStatus{.venue = venue, .time = now}, now); }

  OrderBook book(VenueId venue, const std::string& base, const std::string& quote, std::int64_t bid,
                 std::int64_t ask, int decimals = 0, std::int64_t size = 100) {
    OrderBook b;
    b.venue = venue;
    b.instrument = {base, quote};
    b.state = FeedState::kSynced;
    b.exchange_time = now;
    b.receive_time = now;
    b.bids = {{Decimal{bid, decimals}, Decimal{size, 2}}};
    b.asks = {{Decimal{ask, decimals}, Decimal{size, 2}}};
    return b;
  }
  void put(const OrderBook& b) {
    alive(b.venue);
    engine.on(b, now);
  }
  void korea(std::int64_t bid, std::int64_t ask) {
    put(book(VenueId::kUpbit, "USDT", "KRW", 1400, 1401, 0, 1'000'000'000));
    put(book(VenueId::kBithumb, "USDT", "KRW", 1400, 1401, 0, 1'000'000'000));
    put(book(VenueId::kUpbit, "BTC", "KRW", bid, ask));
  }
  void pass(milliseconds time) {
    now += time;
    engine.advance(now);
  }
};

TEST_CASE(
    "a premium over the threshold opens after the hold and closes as converged after its own") {
  Bench b("spread: {modes: [inventory]}\npublish: {conflate_ms: 0}\n");
  b.put(b.book(VenueId::kOkx, "BTC", "USDT", 9'999'000, 10'000'000, 2));
  b.korea(143'000'000, 143'010'000);
  CHECK(b.journal.opportunities.empty());
  b.pass(milliseconds{499});
  CHECK(b.journal.opportunities.empty());
  b.pass(milliseconds{1});
  REQUIRE(b.journal.opportunities.size() == 1);
  const OpportunityEvent open = b.journal.opportunities[0];
  CHECK(open.kind == OpportunityEvent::Kind::kOpen);
  CHECK(open.opened == kStart + milliseconds{500});
  CHECK(open.buy == VenueId::kOkx);
  CHECK(open.sell == VenueId::kUpbit);
  CHECK(*open.net_profit_usdt > 1000);

  b.korea(140'000'000, 140'010'000);
  b.pass(milliseconds{1999});
  for (const auto& e : b.journal.opportunities) CHECK(e.kind != OpportunityEvent::Kind::kClose);
  b.pass(milliseconds{1});
  const OpportunityEvent& close = b.journal.opportunities.back();
  CHECK(close.kind == OpportunityEvent::Kind::kClose);
  CHECK(close.reason == CloseReason::kConverged);
  CHECK(close.id == open.id);
  CHECK(close.peak_profit_usdt == *open.net_profit_usdt);
}

TEST_CASE("a silent feed closes as stale, never as converged, and shows no number") {
  Bench b("spread: {modes: [inventory]}\npublish: {conflate_ms: 0}\n");
  b.put(b.book(VenueId::kOkx, "BTC", "USDT", 9'999'000, 10'000'000, 2));
  b.korea(143'000'000, 143'010'000);
  b.pass(milliseconds{1000});
  REQUIRE(b.engine.open_opportunities() == 1);
  // Korea goes on, OKX says nothing more: its liveness is 15 s.
  for (int i = 0; i < 14; ++i) {
    b.pass(milliseconds{1000});
    b.korea(143'000'000, 143'010'000);
  }
  CHECK(b.engine.open_opportunities() == 0);
  CHECK(b.journal.opportunities.back().reason == CloseReason::kStale);
  const SpreadEvent* row = b.journal.spread(VenueId::kOkx, VenueId::kUpbit);
  REQUIRE(row != nullptr);
  CHECK(row->reasons.contains(Reason::kStaleLeg));
  CHECK_FALSE(row->gross_ratio.has_value());
  CHECK_FALSE(row->optimal.has_value());
  CHECK(row->verdict != Verdict::kTradable);
}

TEST_CASE("a heartbeat keeps a quiet book fresh until its own update is too old") {
  Bench b("spread: {modes: [inventory]}\npublish: {conflate_ms: 0}\n");
  b.put(b.book(VenueId::kOkx, "BTC", "USDT", 9'999'000, 10'000'000, 2));
  b.korea(143'000'000, 143'010'000);
  for (int i = 0; i < 29; ++i) {
    b.pass(milliseconds{1000});
    b.alive(VenueId::kOkx);
    b.korea(143'000'000, 143'010'000);
  }
  CHECK(b.engine.open_opportunities() == 1);
  b.pass(milliseconds{1000});
  CHECK(b.engine.open_opportunities() == 0);
  CHECK(b.journal.opportunities.back().reason == CloseReason::kStale);
}

TEST_CASE("a ticker polled over REST is no sign of life of a connection") {
  Bench b("spread: {modes: [inventory]}\npublish: {conflate_ms: 0}\n");
  b.put(b.book(VenueId::kOkx, "BTC", "USDT", 9'999'000, 10'000'000, 2));
  b.korea(143'000'000, 143'010'000);
  Ticker ticker;
  ticker.venue = VenueId::kOkx;
  ticker.instrument = {"BTC", "USDT"};
  ticker.origin = Origin::kRest;
  const auto reasons = [&] { return b.journal.spread(VenueId::kOkx, VenueId::kUpbit)->reasons; };
  const auto pass = [&](int seconds) {
    for (int i = 0; i < seconds; ++i) {
      b.pass(milliseconds{1000});
      ticker.receive_time = b.now;
      b.engine.on(ticker, b.now);
      b.korea(143'000'000, 143'010'000);
    }
  };
  pass(14);
  CHECK_FALSE(reasons().contains(Reason::kStaleLeg));
  pass(1);
  CHECK(reasons().contains(Reason::kStaleLeg));
  ticker.origin = Origin::kWs;
  pass(1);
  CHECK_FALSE(reasons().contains(Reason::kStaleLeg));
}

TEST_CASE("a book that is not synced or one-sided is behind no number") {
  for (const bool one_sided : {false, true}) {
    CAPTURE(one_sided);
    Bench b("spread: {modes: [inventory]}\npublish: {conflate_ms: 0}\n");
    b.put(b.book(VenueId::kOkx, "BTC", "USDT", 9'999'000, 10'000'000, 2));
    b.korea(143'000'000, 143'010'000);
    b.pass(milliseconds{1000});
    REQUIRE(b.engine.open_opportunities() == 1);
    OrderBook bad = b.book(VenueId::kOkx, "BTC", "USDT", 9'999'000, 10'000'000, 2);
    if (one_sided) {
      bad.bids.clear();
    } else {
      bad.state = FeedState::kFaulted;
      bad.reason = ErrorCode::kSequenceGap;
      bad.bids.clear();
      bad.asks.clear();
    }
    b.put(bad);
    CHECK(b.engine.open_opportunities() == 0);
    CHECK(b.journal.opportunities.back().reason == CloseReason::kNotTradable);
    const SpreadEvent* row = b.journal.spread(VenueId::kOkx, VenueId::kUpbit);
    CHECK(row->reasons.contains(one_sided ? Reason::kOneSided : Reason::kBookNotSynced));
    CHECK_FALSE(row->gross_ratio.has_value());
    CHECK(row->verdict != Verdict::kTradable);
    const PremiumEvent* premium = b.journal.premium("BTC", Basis::kUsdt, Region::kAsia);
    REQUIRE(premium != nullptr);
    CHECK_FALSE(premium->premium.has_value());
  }
}

TEST_CASE("without a consensus the pair keeps its numbers but its verdict is unknown") {
  Bench b("spread: {modes: [inventory]}\npublish: {conflate_ms: 0}\n");
  b.put(b.book(VenueId::kOkx, "BTC", "USDT", 9'999'000, 10'000'000, 2));
  b.put(b.book(VenueId::kUpbit, "USDT", "KRW", 1400, 1401, 0, 1'000'000'000));
  b.put(b.book(VenueId::kUpbit, "BTC", "KRW", 143'000'000, 143'010'000));
  const SpreadEvent* row = b.journal.spread(VenueId::kOkx, VenueId::kUpbit);
  REQUIRE(row != nullptr);
  CHECK(row->reasons.contains(Reason::kFxQuorum));
  CHECK(row->verdict == Verdict::kUnknown);
  CHECK(row->gross_ratio.has_value());
  b.pass(milliseconds{5000});
  CHECK(b.journal.opportunities.empty());
  const PremiumEvent* premium = b.journal.premium("BTC", Basis::kUsdt, Region::kAsia);
  REQUIRE(premium != nullptr);
  CHECK_FALSE(premium->premium.has_value());
  CHECK(premium->reasons.contains(Reason::kFxQuorum));
}

TEST_CASE("a venue without an FX book of its own converts at the consensus and says so") {
  Bench b("spread: {modes: [inventory]}\npublish: {conflate_ms: 0}\n");
  b.loaded.settings.fx.quorum = 1;
  Engine engine(b.loaded.settings, b.loaded.registry, b.journal);
  const auto put = [&](const OrderBook& book) {
    engine.on(ConnectionStatus{.venue = book.venue, .time = b.now}, b.now);
    engine.on(book, b.now);
  };
  put(b.book(VenueId::kOkx, "BTC", "USDT", 9'999'000, 10'000'000, 2));
  put(b.book(VenueId::kUpbit, "USDT", "KRW", 1400, 1401, 0, 1'000'000'000));
  put(b.book(VenueId::kBithumb, "BTC", "KRW", 143'000'000, 143'010'000));
  const SpreadEvent* row = b.journal.spread(VenueId::kOkx, VenueId::kBithumb);
  REQUIRE(row != nullptr);
  CHECK(row->fx_venue_fallback);
  CHECK(row->verdict == Verdict::kTradable);
  CHECK(*row->gross_ratio == doctest::Approx(143'000'000.0 / 1401 / 100'000 - 1).epsilon(1e-12));
}

TEST_CASE(
    "a price ratio of 40 is quarantined, an unregistered ticker is unproven: never an "
    "opportunity") {
  Bench b("spread: {modes: [inventory]}\npublish: {conflate_ms: 0}\n");
  b.put(b.book(VenueId::kOkx, "BTC", "USDT", 249'990, 250'000, 2));
  b.korea(143'000'000, 143'010'000);
  b.put(b.book(VenueId::kOkx, "NEWCOIN", "USDT", 99, 100, 2));
  b.put(b.book(VenueId::kUpbit, "NEWCOIN", "KRW", 1500, 1501));
  b.pass(milliseconds{5000});
  CHECK(b.journal.opportunities.empty());
  std::map<std::string, Reasons> reasons;
  for (const SpreadEvent& e : b.journal.spreads) {
    if (e.sell == VenueId::kUpbit) reasons[e.asset] = e.reasons;
    CHECK(e.verdict != Verdict::kTradable);
  }
  CHECK(reasons["BTC"].contains(Reason::kPriceRatioQuarantine));
  CHECK(reasons["NEWCOIN"].contains(Reason::kIdentityUnproven));
  for (const PremiumEvent& e : b.journal.premiums) CHECK(e.asset != "NEWCOIN");
}

TEST_CASE("two KRW venues are compared in KRW and divided by the consensus mid") {
  Bench b("spread: {modes: [inventory]}\npublish: {conflate_ms: 0}\n");
  b.korea(143'000'000, 143'010'000);
  b.put(b.book(VenueId::kBithumb, "BTC", "KRW", 144'000'000, 144'010'000));
  const SpreadEvent* row = b.journal.spread(VenueId::kUpbit, VenueId::kBithumb);
  REQUIRE(row != nullptr);
  REQUIRE(row->optimal.has_value() == (144'000'000 * (1 - 0.0025) > 143'010'000 * 1.0005));
  CHECK(*row->gross_ratio == doctest::Approx(144'000'000.0 / 143'010'000 - 1).epsilon(1e-12));
  REQUIRE(row->optimal);
  const double net = (144'000'000 * (1 - 0.0025) - 143'010'000 * 1.0005) / 1400.5;
  CHECK(row->optimal->net_profit_usdt == doctest::Approx(net).epsilon(1e-9));
}

TEST_CASE("premiums follow their formulas on every basis") {
  Bench b;
  b.put(b.book(VenueId::kOkx, "BTC", "USDT", 9'999'000, 10'000'000, 2));
  b.put(b.book(VenueId::kBinance, "BTC", "USDT", 9'998'000, 9'999'000, 2));
  b.put(b.book(VenueId::kKraken, "USDT", "USD", 9997, 9999, 4, 1'000'000'000));
  b.put(b.book(VenueId::kKraken, "BTC", "USD", 9'990'000, 9'991'000, 2));
  b.korea(143'000'000, 143'010'000);
  b.engine.on(BankQuote{.source = "bank", .rate = 1390, .time = b.now}, b.now);
  const double usdt_krw = 1400.5;
  const double usdt_usd = 0.9998;
  const double korea_krw = 143'005'000;
  const double europe = (99'985.0 + 99'905.0 / usdt_usd) / 2;
  const PremiumEvent* usdt = b.journal.premium("BTC", Basis::kUsdt, Region::kEurope);
  REQUIRE(usdt != nullptr);
  CHECK(*usdt->premium == doctest::Approx(korea_krw / usdt_krw / europe - 1).epsilon(1e-9));
  const auto rates = [](std::initializer_list<CurrencyPair> pairs) {
    CurrencyPairSet set;
    for (const CurrencyPair pair : pairs) set.set(static_cast<std::size_t>(pair));
    return set;
  };
  CHECK(usdt->fx_rates == rates({CurrencyPair::kUsdtKrw, CurrencyPair::kUsdtUsd}));
  const PremiumEvent* bank = b.journal.premium("BTC", Basis::kBank, Region::kEurope);
  REQUIRE(bank != nullptr);
  CHECK(*bank->premium ==
        doctest::Approx(korea_krw / (europe * usdt_usd * 1390) - 1).epsilon(1e-9));
  CHECK(bank->currency == "KRW");
  CHECK(bank->fx_rates == rates({CurrencyPair::kUsdtUsd, CurrencyPair::kUsdKrw}));
  const PremiumEvent* tether = b.journal.premium("USDT", Basis::kUsdtPremium, std::nullopt);
  REQUIRE(tether != nullptr);
  CHECK(*tether->premium == doctest::Approx(usdt_krw / (usdt_usd * 1390) - 1).epsilon(1e-9));
  CHECK(tether->fx_rates.all());
}

TEST_CASE("an update in a quiet market leaves at the end of its period, extremes included") {
  Bench b("spread: {modes: [inventory]}\n");  // 100 ms
  b.put(b.book(VenueId::kOkx, "BTC", "USDT", 9'999'000, 10'000'000, 2));
  b.korea(143'000'000, 143'010'000);
  b.pass(milliseconds{100});
  b.journal.premiums.clear();
  b.korea(145'000'000, 145'010'000);
  b.korea(144'000'000, 144'010'000);
  b.pass(milliseconds{99});
  CHECK(b.journal.premiums.empty());
  b.pass(milliseconds{1});
  const PremiumEvent* premium = b.journal.premium("BTC", Basis::kUsdt, Region::kAsia);
  REQUIRE(premium != nullptr);
  CHECK(*premium->high > *premium->premium);
  CHECK(*premium->low == *premium->premium);
  CHECK(*premium->first == *premium->high);
}

TEST_CASE("what did not change is not said again") {
  Bench b;
  b.put(b.book(VenueId::kOkx, "BTC", "USDT", 9'999'000, 10'000'000, 2));
  b.korea(143'000'000, 143'010'000);
  const std::size_t spreads = b.journal.spreads.size();
  const std::size_t rates = b.journal.fx.size();
  b.pass(milliseconds{1000});
  b.korea(143'000'000, 143'010'000);
  CHECK(b.journal.spreads.size() == spreads);
  CHECK(b.journal.fx.size() == rates);
}

TEST_CASE("the end closes what is open as shutdown, once") {
  Bench b("spread: {modes: [inventory]}\npublish: {conflate_ms: 0}\n");
  b.put(b.book(VenueId::kOkx, "BTC", "USDT", 9'999'000, 10'000'000, 2));
  b.korea(143'000'000, 143'010'000);
  b.pass(milliseconds{1000});
  b.engine.finish(b.now);
  int opened = 0;
  int closed = 0;
  for (const OpportunityEvent& e : b.journal.opportunities) {
    opened += e.kind == OpportunityEvent::Kind::kOpen ? 1 : 0;
    closed += e.kind == OpportunityEvent::Kind::kClose ? 1 : 0;
  }
  CHECK(opened == 1);
  CHECK(closed == 1);
  CHECK(b.journal.opportunities.back().reason == CloseReason::kShutdown);
}

}  // namespace
}  // namespace spreadwatch::spread
