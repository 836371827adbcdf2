#include "fx/converter.h"

#include <doctest/doctest.h>

#include <array>
#include <optional>
#include <string>

namespace spreadwatch::fx {
namespace {

constexpr Timestamp kNow = timestamp_from_ms(1'700'000'000'000);

config::Settings settings() {
  config::Settings s;
  for (const VenueIdentity& venue : kVenues) {
    config::VenueSettings& added = s.venues.emplace_back();
    added.id = venue.id;
    added.quote = venue.default_quote;
    added.taker_fee = 0.001;
  }
  s.venues.front().fx_taker_fee = 0.0005;
  s.fx.bank = {{.name = "bank", .url = "http://x", .max_age = milliseconds{10'000}}};
  return s;
}

/// A usable FX book: two levels a side, one unit of `tick` around `mid`.
MarketBook book(VenueId venue, std::int64_t mid, Timestamp updated = kNow) {
  const auto levels = [mid](std::int64_t step) {
    return std::array{Level{Decimal{mid + step, 0}, Decimal{100, 0}},
                      Level{Decimal{mid + 2 * step, 0}, Decimal{1000, 0}}};
  };
  MarketBook out;
  out.venue = venue;
  out.instrument = {"USDT", std::string{identity(venue).fx_quote}};
  out.bids.assign(levels(-1));
  out.asks.assign(levels(1));
  out.updated = updated;
  out.not_synced = out.unusable = {};
  return out;
}

MarketBook stale(MarketBook market) {
  market.unusable = Reason::kStaleLeg;
  return market;
}

double number(std::optional<UsdtAmount> amount) {
  REQUIRE(amount);
  return static_cast<double>(*amount);
}

TEST_CASE("a venue converts over its own book, sides, fee and age") {
  const config::Settings s = settings();
  Converter converter(s);
  converter.set_book(book(VenueId::kUpbit, 1400, kNow - milliseconds{7}), kNow);
  const VenueConversion& upbit = converter.venue(VenueId::kUpbit);
  REQUIRE(upbit.available);
  CHECK_FALSE(upbit.at_consensus);
  // One source is not enough for a consensus: the number stands, with the reason.
  CHECK(upbit.reasons == Reasons{Reason::kFxQuorum});
  CHECK(static_cast<double>(upbit.fee) == 0.0005);
  CHECK(upbit.updated == kNow - milliseconds{7});
  CHECK(number(upbit.to_usdt_at_mid(QuoteAmount{2800})) == 2);
  // What was received buys USDT at the asks, level by level.
  CHECK(number(to_usdt(*upbit.usdt_asks, QuoteAmount{1401})) == 1);
  CHECK(number(to_usdt(*upbit.usdt_asks, QuoteAmount{1401 * 100 + 1402})) == 101);
  CHECK_FALSE(to_usdt(*upbit.usdt_asks, QuoteAmount{1401 * 100 + 1402 * 1001}));
  // What is to be paid comes out of USDT at the bids.
  CHECK(from_usdt(*upbit.usdt_bids, UsdtAmount{101}) == QuoteAmount{1399 * 100 + 1398});
  CHECK_FALSE(from_usdt(*upbit.usdt_bids, UsdtAmount{1101}));
  CHECK(number(to_usdt_at_top(*upbit.usdt_bids, QuoteAmount{1399})) == 1);
}

TEST_CASE("converting forth and back along a book gives the same amount") {
  const config::Settings s = settings();
  Converter converter(s);
  converter.set_book(book(VenueId::kUpbit, 1400), kNow);
  const DepthCurve& asks = *converter.venue(VenueId::kUpbit).usdt_asks;
  for (const Real usdt : {1.0L, 99.5L, 100.0L, 100.5L, 1100.0L}) {
    const std::optional<QuoteAmount> krw = from_usdt(asks, UsdtAmount{usdt});
    REQUIRE(krw);
    CHECK(number(to_usdt(asks, *krw)) == doctest::Approx(static_cast<double>(usdt)).epsilon(1e-15));
    const std::size_t level = usdt > 100 ? 1 : 0;
    CHECK(number(to_usdt_in_level(asks, level, *krw)) ==
          doctest::Approx(static_cast<double>(usdt)).epsilon(1e-15));
  }
}

TEST_CASE("without its own book a venue converts at the consensus, without one not at all") {
  const config::Settings s = settings();
  Converter converter(s);
  CHECK_FALSE(converter.venue(VenueId::kKorbit).available);
  CHECK(converter.venue(VenueId::kKorbit).reasons == Reasons{Reason::kFxQuorum});
  converter.set_book(book(VenueId::kUpbit, 1400, kNow - milliseconds{9}), kNow);
  const Converter::Changed changed = converter.set_book(book(VenueId::kBithumb, 1402), kNow);
  CHECK(changed.krw);
  CHECK_FALSE(changed.usd);
  CHECK(changed.venues[index_of(VenueId::kBithumb)]);
  CHECK(changed.venues[index_of(VenueId::kKorbit)]);
  CHECK_FALSE(changed.venues[index_of(VenueId::kOkx)]);
  CHECK_FALSE(changed.venues[index_of(VenueId::kKraken)]);

  const VenueConversion& korbit = converter.venue(VenueId::kKorbit);
  REQUIRE(korbit.available);
  CHECK(korbit.at_consensus);
  CHECK(korbit.reasons.empty());
  CHECK(static_cast<double>(korbit.fee) == 0.001);  // its own, not the sources'
  CHECK(korbit.updated == kNow - milliseconds{9});  // of the oldest source
  CHECK(korbit.mid == QuoteAmount{1401});
  CHECK(korbit.usdt_asks->top() == QuoteAmount{1402});
  CHECK(korbit.usdt_bids->top() == QuoteAmount{1400});
  CHECK(to_usdt(*korbit.usdt_asks, QuoteAmount{1402e12L}) == UsdtAmount{1e12L});

  converter.set_book(stale(book(VenueId::kUpbit, 1400)), kNow);
  CHECK_FALSE(converter.venue(VenueId::kKorbit).available);
  CHECK(converter.venue(VenueId::kKorbit).reasons.contains(Reason::kFxStale));
  CHECK(converter.venue(VenueId::kBithumb).available);
}

TEST_CASE("a book that is too far from the others converts, and says so") {
  const config::Settings s = settings();
  Converter converter(s);
  converter.set_book(book(VenueId::kUpbit, 1400), kNow);
  converter.set_book(book(VenueId::kBithumb, 1400), kNow);
  converter.set_book(book(VenueId::kKorbit, 1500), kNow);
  CHECK(converter.venue(VenueId::kUpbit).reasons.empty());
  CHECK(converter.venue(VenueId::kKorbit).available);
  CHECK_FALSE(converter.venue(VenueId::kKorbit).at_consensus);
  CHECK(converter.venue(VenueId::kKorbit).reasons == Reasons{Reason::kFxDisagree});
}

TEST_CASE("a book is taken as it was: what becomes of it later has to be told") {
  const config::Settings s = settings();
  Converter converter(s);
  MarketBook market = book(VenueId::kUpbit, 1400);
  converter.set_book(market, kNow);
  market.bids.clear();
  market.asks.clear();
  market.unusable = Reason::kBookNotSynced;
  converter.refresh(kNow);
  const VenueConversion& upbit = converter.venue(VenueId::kUpbit);
  REQUIRE(upbit.available);
  CHECK(upbit.usdt_asks->top() == QuoteAmount{1401});
  const Converter::Changed changed = converter.set_book(market, kNow);
  CHECK(changed.venues[index_of(VenueId::kUpbit)]);
  CHECK_FALSE(upbit.available);
}

TEST_CASE("time alone takes a book away, at the moment that was announced") {
  const config::Settings s = settings();
  Converter converter(s);
  converter.set_book(book(VenueId::kUpbit, 1400), kNow);
  const std::optional<Timestamp> expiry = converter.next_expiry();
  REQUIRE(expiry == kNow + s.fx.max_age + microseconds{1});
  CHECK_FALSE(converter.refresh(*expiry - microseconds{1}).any_venue());
  CHECK(converter.venue(VenueId::kUpbit).available);
  CHECK(converter.refresh(*expiry).venues[index_of(VenueId::kUpbit)]);
  CHECK_FALSE(converter.venue(VenueId::kUpbit).available);
}

TEST_CASE("each currency has one consensus, and USDT is itself") {
  const config::Settings s = settings();
  Converter converter(s);
  for (const VenueIdentity& venue : kVenues) {
    CAPTURE(venue.name);
    const bool usdt = venue.default_quote == "USDT";
    CHECK(converter.consensus(venue.default_quote).available() == usdt);
    CHECK(converter.venue(venue.id).available == usdt);
  }
  const ConsensusRate& usdt = converter.consensus("USDT");
  CHECK_FALSE(usdt.pair.has_value());
  CHECK(usdt.to_usdt_at_mid(QuoteAmount{3}) == UsdtAmount{3});
  CHECK(converter.venue(VenueId::kOkx).to_usdt_at_mid(QuoteAmount{3}) == UsdtAmount{3});
  CHECK(converter.venue(VenueId::kOkx).fee == 0);

  converter.set_book(book(VenueId::kKraken, 2), kNow);
  const ConsensusRate& usd = converter.consensus("USD");
  CHECK(usd.pair == CurrencyPair::kUsdtUsd);
  CHECK(usd.to_usdt_at_mid(QuoteAmount{3}) == UsdtAmount{1.5L});
  const ConsensusRate& unknown = converter.consensus("EUR");
  CHECK_FALSE(unknown.available());
  CHECK(unknown.reasons == Reasons{Reason::kFxUnavailable});
}

TEST_CASE("by bank, USDT becomes KRW over dollars when both rates are there") {
  const config::Settings s = settings();
  Converter converter(s);
  CHECK(converter.set_bank({"bank", 700, kNow}, kNow)
            .rates[static_cast<std::size_t>(CurrencyPair::kUsdKrw)]);
  CHECK_FALSE(converter.bank().available());
  CHECK(converter.bank().reasons == Reasons{Reason::kFxUnavailable});
  converter.set_book(book(VenueId::kKraken, 2), kNow);
  const BankConversion bank = converter.bank();
  REQUIRE(bank.available());
  CHECK(bank.reasons.empty());
  CHECK(bank.to_krw(UsdtAmount{2}) == QuoteAmount{2800});
  CHECK_FALSE(Converter(s).bank().available());
}

}  // namespace
}  // namespace spreadwatch::fx
