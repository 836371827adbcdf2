#include "fx/rate_table.h"

#include <doctest/doctest.h>

#include <cmath>
#include <limits>
#include <optional>
#include <string>
#include <vector>

#include "fx/bank_rate.h"

namespace spreadwatch::fx {
namespace {

constexpr Timestamp kNow = timestamp_from_ms(1'700'000'000'000);
const std::vector<VenueId> kKorea = {VenueId::kUpbit, VenueId::kBithumb, VenueId::kKorbit,
                                     VenueId::kCoinone};

FxQuote quote(double mid, milliseconds age = milliseconds{0}, Reasons unusable = {}) {
  return {.bid = mid - 0.5, .ask = mid + 0.5, .updated = kNow - age, .unusable = unusable};
}

config::FxSettings settings() {
  config::FxSettings s;
  s.bank = {{.name = "a", .url = "http://x", .max_age = milliseconds{10'000}},
            {.name = "b", .url = "http://x", .max_age = milliseconds{20'000}}};
  return s;
}

Rate consensus(const std::vector<double>& mids) {
  RateTable table(settings(), kKorea);
  for (std::size_t i = 0; i < mids.size(); ++i) table.set_quote(kKorea[i], quote(mids[i]));
  table.evaluate(kNow);
  return table.rate(CurrencyPair::kUsdtKrw);
}

int used(const Rate& rate) {
  int count = 0;
  for (const RateSource& source : rate.sources) count += source.used ? 1 : 0;
  return count;
}

TEST_CASE("the consensus is the median of every source that agrees") {
  const Rate rate = consensus({1400, 1402, 1401, 1407});
  REQUIRE(rate.ok());
  CHECK(rate.mid == 1401.5);
  CHECK(rate.bid == 1401);
  CHECK(rate.ask == 1402);
  CHECK(used(rate) == 4);
}

TEST_CASE("an outlier is left out and named") {
  const Rate rate = consensus({1400, 1402, 1401, 1500});
  REQUIRE(rate.ok());
  CHECK(rate.mid == 1401);
  CHECK_FALSE(rate.sources[3].used);
  CHECK(rate.sources[3].reason == Reason::kFxDisagree);
}

TEST_CASE("outliers go one at a time, since each moves the median") {
  const Rate rate = consensus({1400, 1405, 1412, 1600});
  REQUIRE(rate.ok());
  CHECK(used(rate) == 3);
  CHECK(rate.mid == 1405);
}

TEST_CASE("two that disagree are both out") {
  const Rate rate = consensus({1400, 1420});
  CHECK_FALSE(rate.ok());
  CHECK(rate.reasons.contains(Reason::kFxDisagree));
  CHECK(used(rate) == 0);
}

TEST_CASE("half against half is no consensus") {
  const Rate rate = consensus({1400, 1401, 1500, 1501});
  CHECK_FALSE(rate.ok());
  CHECK(rate.reasons.contains(Reason::kFxDisagree));
}

TEST_CASE("fewer sources than the quorum make the rate unavailable, never a constant") {
  CHECK(consensus({}).reasons.contains(Reason::kFxQuorum));
  const Rate one = consensus({1400});
  CHECK_FALSE(one.ok());
  CHECK_FALSE(one.mid.has_value());
  CHECK(one.reasons.contains(Reason::kFxQuorum));
}

TEST_CASE("an old or unusable book is no source") {
  RateTable table(settings(), kKorea);
  table.set_quote(VenueId::kUpbit, quote(1400, milliseconds{30'000}));
  table.set_quote(VenueId::kBithumb, quote(1400, milliseconds{30'001}));
  table.set_quote(VenueId::kKorbit, quote(1400, milliseconds{0}, Reason::kOneSided));
  table.set_quote(VenueId::kCoinone, quote(1402));
  table.evaluate(kNow);
  const Rate& rate = table.rate(CurrencyPair::kUsdtKrw);
  REQUIRE(rate.ok());
  CHECK(rate.mid == 1401);
  CHECK(rate.age == microseconds{30'000'000});
  CHECK(rate.sources[1].reason == Reason::kFxStale);
  CHECK(rate.sources[2].reason == Reason::kOneSided);
  CHECK(table.next_expiry(kNow).has_value());
  table.evaluate(kNow + milliseconds{1});
  CHECK_FALSE(table.rate(CurrencyPair::kUsdtKrw).ok());
}

TEST_CASE("the bank rate is the median of the fresh sources, then none") {
  RateTable table(settings(), kKorea);
  table.evaluate(kNow);
  CHECK(table.rate(CurrencyPair::kUsdKrw).reasons.contains(Reason::kFxUnavailable));
  table.set_bank({.source = "a", .rate = 1390, .time = kNow});
  table.set_bank({.source = "b", .rate = 1400, .time = kNow});
  table.set_bank({.source = "unknown", .rate = 1, .time = kNow});
  table.evaluate(kNow);
  CHECK(table.rate(CurrencyPair::kUsdKrw).mid == 1395);
  table.evaluate(kNow + milliseconds{10'001});
  CHECK(table.rate(CurrencyPair::kUsdKrw).mid == 1400);
  table.evaluate(kNow + milliseconds{20'001});
  CHECK_FALSE(table.rate(CurrencyPair::kUsdKrw).ok());
  CHECK(table.rate(CurrencyPair::kUsdKrw).reasons.contains(Reason::kFxStale));
}

/// USD/KRW of banks named "0", "1", …, besides books that make USDT/KRW `krw` and USDT/USD `usd`.
Rate bank_rate(const std::vector<double>& rates, std::optional<double> krw = std::nullopt,
               std::optional<double> usd = std::nullopt) {
  config::FxSettings s;
  for (std::size_t i = 0; i < rates.size(); ++i) {
    s.bank.push_back(
        {.name = std::to_string(i), .url = "http://x", .max_age = milliseconds{10'000}});
  }
  RateTable table(s, kKorea);
  for (std::size_t i = 0; i < rates.size(); ++i) {
    table.set_bank({.source = std::to_string(i), .rate = rates[i], .time = kNow});
  }
  if (krw) {
    table.set_quote(VenueId::kUpbit, quote(*krw));
    table.set_quote(VenueId::kBithumb, quote(*krw));
  }
  if (usd) {
    table.set_quote(VenueId::kKraken, {.bid = *usd, .ask = *usd, .updated = kNow, .unusable = {}});
  }
  table.evaluate(kNow);
  return table.rate(CurrencyPair::kUsdKrw);
}

TEST_CASE("two banks that disagree are both out, one alone counts") {
  const Rate two = bank_rate({1390, 1530});
  CHECK_FALSE(two.ok());
  CHECK(two.reasons == Reasons{Reason::kFxDisagree});
  CHECK(used(two) == 0);
  CHECK_FALSE(two.age.has_value());
  for (const RateSource& source : two.sources) {
    CHECK(source.reason == Reason::kFxDisagree);
    CHECK(source.mid.has_value());
  }
  CHECK(bank_rate({1390, 1403}).mid == 1396.5);
  const Rate one = bank_rate({1390});
  CHECK(one.mid == 1390);
  CHECK(used(one) == 1);
}

TEST_CASE("of several banks the outlier goes and more than half must remain") {
  const Rate three = bank_rate({1390, 1530, 1391});
  CHECK(three.mid == 1390.5);
  CHECK(used(three) == 2);
  CHECK(three.sources[1].reason == Reason::kFxDisagree);
  const Rate halves = bank_rate({1390, 1391, 1530, 1531});
  CHECK_FALSE(halves.ok());
  CHECK(halves.reasons == Reasons{Reason::kFxDisagree});
}

TEST_CASE("a bank rate more than 20 % off USDT/KRW over USDT/USD is no rate while those are") {
  CHECK(bank_rate({1390}, 1400, 1.0).mid == 1390);
  CHECK(bank_rate({1390}, 1158.4, 1.0).mid == 1390);
  for (const double krw : {1158.2, 1740.0, 139.0, 13'900.0}) {
    CAPTURE(krw);
    const Rate off = bank_rate({1390, 1391}, krw, 1.0);
    CHECK_FALSE(off.ok());
    CHECK(off.reasons == Reasons{Reason::kFxDisagree});
    CHECK(off.sources[0].reason == Reason::kFxDisagree);
    CHECK(used(off) == 0);
  }
  CHECK_FALSE(bank_rate({1390}, 1400, 0.7).ok());
  // Without either there is nothing to be compared with.
  CHECK(bank_rate({1390}, 5000).mid == 1390);
  CHECK(bank_rate({1390}, std::nullopt, 0.1).mid == 1390);
}

TEST_CASE("a bank rate that cannot be is not taken") {
  for (const double rate : {99.9, 100'000.1, 1.3902, 1e308, -1390.0, 0.0, std::nan(""),
                            std::numeric_limits<double>::infinity()}) {
    CAPTURE(rate);
    CHECK_FALSE(bank_rate({rate}).ok());
    CHECK(BankGate{0.01}.admit(rate).error().code == ErrorCode::kValueOutOfRange);
  }
  CHECK(bank_rate({100}).ok());
  CHECK(bank_rate({100'000}).ok());
}

TEST_CASE("a source's step of more than 10 % is believed when three in a row agree") {
  const auto admits = [](BankGate& gate, double rate) {
    const Result<double> admitted = gate.admit(rate);
    CHECK((admitted ? *admitted == rate : admitted.error().code == ErrorCode::kValueOutOfRange));
    return admitted.has_value();
  };
  BankGate gate(0.01);
  CHECK(admits(gate, 1390));
  CHECK(admits(gate, 1529));
  CHECK(admits(gate, 1390));
  CHECK_FALSE(admits(gate, 1530));
  CHECK_FALSE(admits(gate, 1531));
  CHECK(admits(gate, 1532));
  CHECK(admits(gate, 1500));  // from the new one on

  // One that is as before begins anew, and so does one that cannot be.
  CHECK_FALSE(admits(gate, 2000));
  CHECK_FALSE(admits(gate, 2000));
  CHECK(admits(gate, 1501));
  CHECK_FALSE(admits(gate, 2000));
  CHECK_FALSE(admits(gate, 2000));
  CHECK_FALSE(admits(gate, 1e308));
  CHECK_FALSE(admits(gate, 2000));
  CHECK_FALSE(admits(gate, 2000));
  // The last three count, whatever came before.
  CHECK_FALSE(admits(gate, 900));
  CHECK_FALSE(admits(gate, 2000));
  CHECK_FALSE(admits(gate, 2010));
  CHECK(admits(gate, 2020));
}

TEST_CASE("USDT/USD is Kraken's book or nothing") {
  RateTable table(settings(), kKorea);
  table.evaluate(kNow);
  CHECK_FALSE(table.rate(CurrencyPair::kUsdtUsd).ok());
  table.set_quote(VenueId::kKraken,
                  {.bid = 0.9997, .ask = 0.9999, .updated = kNow, .unusable = {}});
  table.evaluate(kNow);
  CHECK(table.rate(CurrencyPair::kUsdtUsd).mid == doctest::Approx(0.9998).epsilon(1e-15));
  table.set_quote(VenueId::kKraken,
                  {.bid = 0.9997, .ask = 0.9999, .updated = kNow, .unusable = Reason::kStaleLeg});
  table.evaluate(kNow);
  CHECK(table.rate(CurrencyPair::kUsdtUsd).reasons.contains(Reason::kFxStale));
}

TEST_CASE("a rate that only got older is not a change") {
  RateTable table(settings(), kKorea);
  table.set_quote(VenueId::kUpbit, quote(1400));
  table.set_quote(VenueId::kBithumb, quote(1401));
  CHECK(table.evaluate(kNow)[0]);
  CHECK_FALSE(table.evaluate(kNow + milliseconds{500})[0]);
}

TEST_CASE(
    "a bank's answer is read at the pointer, inverted when asked, and refused when it is no rate") {
  CHECK(*parse_bank_rate(R"({"rates":{"KRW":1391.5}})", "/rates/KRW", false) == 1391.5);
  CHECK(*parse_bank_rate(R"({"rates":{"KRW":"1391.5"}})", "/rates/KRW", false) == 1391.5);
  CHECK(*parse_bank_rate(R"([0.00072])", "/0", true) ==
        doctest::Approx(1 / 0.00072).epsilon(1e-15));
  CHECK(parse_bank_rate("<html>", "/x", false).error().code == ErrorCode::kMalformedJson);
  CHECK(parse_bank_rate("{}", "/x", false).error().code == ErrorCode::kSchemaMismatch);
  for (const char* body : {R"({"x":0})", R"({"x":-1})"}) {
    CHECK(parse_bank_rate(body, "/x", false).error().code == ErrorCode::kValueOutOfRange);
  }
}

}  // namespace
}  // namespace spreadwatch::fx
