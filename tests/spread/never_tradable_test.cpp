// What users of other programs of this kind were burnt by: a large spread that cannot be earned. In
// each case the prices alone would promise a profit.
#include "world.h"

namespace spreadwatch::spread {
namespace {

using test::World;

constexpr const char* kFourKorean =
    "publish: {conflate_ms: 0}\nspread: {open_hold_ms: 0}\nfx: {quorum: 2}\n";

/// OKX to Upbit, profitable and proven, with three FX books that agree.
struct Profitable : World {
  Profitable() : World(kFourKorean) {
    put_fx();
    put(okx());
    put(upbit(143'000'000, 143'010'000));
    REQUIRE(row().verdict == Verdict::kTradable);
    journal.opportunities.clear();
  }
  const SpreadEvent& row(Mode mode = Mode::kInventory) const {
    const SpreadEvent* const found = journal.spread(VenueId::kOkx, VenueId::kUpbit, mode);
    REQUIRE(found != nullptr);
    return *found;
  }
  void check(Verdict verdict, Reason reason, Mode mode = Mode::kInventory) const {
    CHECK(row(mode).verdict == verdict);
    CHECK(row(mode).reasons.contains(reason));
    for (const OpportunityEvent& e : journal.opportunities) {
      CHECK((e.kind == OpportunityEvent::Kind::kClose || e.mode != mode));
    }
  }
};

TEST_CASE("another coin under the same ticker, at a fortieth of the price, is never tradable") {
  Profitable w;
  w.put(w.okx(249'000, 250'000));
  w.check(Verdict::kNotTradable, Reason::kPriceRatioQuarantine);
  CHECK_FALSE(w.row().optimal.has_value());
  CHECK_FALSE(w.row().gross_ratio.has_value());
}

TEST_CASE("a new listing is not tradable before somebody has said which coin it is") {
  Profitable w;
  w.put(w.book(VenueId::kOkx, "NEWCOIN", "USDT", 99, 100, 100'000));
  w.put(w.book(VenueId::kUpbit, "NEWCOIN", "KRW", 150'000, 150'100, 100'000));
  int rows = 0;
  for (const SpreadEvent& e : w.journal.spreads) {
    if (e.asset != "NEWCOIN") continue;
    ++rows;
    CHECK(e.verdict != Verdict::kTradable);
    CHECK(e.reasons.contains(Reason::kIdentityUnproven));
  }
  CHECK(rows > 0);
  for (const OpportunityEvent& e : w.journal.opportunities) CHECK(e.asset != "NEWCOIN");
}

TEST_CASE("a transfer through a closed wallet is never tradable, through an unknown one neither") {
  Profitable w;
  w.check(Verdict::kUnknown, Reason::kWalletUnknown, Mode::kTransfer);
  const auto network = [](WalletState deposit) {
    return WalletInfo{{{"Bitcoin", deposit, WalletState::kOpen, 0.0001, {}, 30}}};
  };
  w.engine.on_wallet(VenueId::kOkx, "BTC", network(WalletState::kOpen), w.now);
  w.engine.on_wallet(VenueId::kUpbit, "BTC", network(WalletState::kClosed), w.now);
  w.check(Verdict::kNotTradable, Reason::kWalletClosed, Mode::kTransfer);
  w.engine.on_wallet(VenueId::kUpbit, "BTC", network(WalletState::kUnknown), w.now);
  w.check(Verdict::kUnknown, Reason::kWalletUnknown, Mode::kTransfer);
  w.engine.on_wallet(VenueId::kUpbit, "BTC", network(WalletState::kOpen), w.now);
  CHECK(w.row(Mode::kTransfer).verdict == Verdict::kTradable);
}

TEST_CASE("a leg that fell silent is never tradable") {
  Profitable w;
  for (int i = 0; i < 20; ++i) {  // only Korea goes on
    w.pass(milliseconds{1000});
    w.put_fx();
    w.put(w.upbit(143'000'000, 143'010'000));
  }
  w.check(Verdict::kUnknown, Reason::kStaleLeg);
}

TEST_CASE("a leg whose book is crossed is never tradable") {
  Profitable w;
  w.put(w.okx(10'001'000, 10'000'000));
  w.check(Verdict::kNotTradable, Reason::kCrossed);
}

TEST_CASE("a leg that converts through an FX book that is an outlier is never tradable") {
  Profitable w;
  // Two more sources, so that the consensus stands without Upbit's.
  config::Loaded loaded = config::load_text(
      "assets: [BTC]\nvenues: {upbit: , bithumb: , korbit: , coinone: , okx: }\n" +
          std::string{kFourKorean},
      "test");
  REQUIRE(loaded.ok());
  test::Journal journal;
  Engine engine(loaded.settings, loaded.registry, journal);
  const auto fx = [&](VenueId venue, std::int64_t price) {
    engine.on(w.book(venue, "USDT", "KRW", price, price + 100, 100'000'000), w.now);
  };
  for (const VenueId venue : {VenueId::kBithumb, VenueId::kKorbit, VenueId::kCoinone}) {
    fx(venue, 140'000);
  }
  engine.on(w.okx(), w.now);
  engine.on(w.upbit(140'000'000, 140'010'000), w.now);
  fx(VenueId::kUpbit, 130'000);  // 7 % too cheap: selling in Korea looks 7 % dearer
  const SpreadEvent* const row = journal.spread(VenueId::kOkx, VenueId::kUpbit);
  REQUIRE(row != nullptr);
  CHECK(row->verdict == Verdict::kUnknown);
  CHECK(row->reasons == Reasons{Reason::kFxDisagree});
  CHECK(*row->net_ratio > 0.05);  // shown, since that is what one would get there
  CHECK(engine.rates().rate(CurrencyPair::kUsdtKrw).ok());
  CHECK(engine.open_opportunities() == 0);
  fx(VenueId::kUpbit, 140'000);
  CHECK(journal.spread(VenueId::kOkx, VenueId::kUpbit)->reasons == Reasons{Reason::kUnprofitable});
}

TEST_CASE("without the quorum of FX sources nothing that needs the rate is tradable") {
  Profitable w;
  OrderBook gone = w.book(VenueId::kBithumb, "USDT", "KRW", 140'000, 140'100);
  gone.state = FeedState::kFaulted;
  gone.bids.clear();
  gone.asks.clear();
  w.put(gone);
  w.check(Verdict::kUnknown, Reason::kFxQuorum);
}

}  // namespace
}  // namespace spreadwatch::spread
