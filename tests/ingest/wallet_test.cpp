#include <doctest/doctest.h>

#include <map>
#include <string>
#include <utility>
#include <vector>

#include "ingest/decode/decoded.h"
#include "ingest/decode/wallet_routes.h"

namespace spreadwatch::ingest {
namespace {

constexpr Timestamp kReceived = timestamp_from_ms(1'790'000'000'000);

// Shapes as the venues' documentation has them.
constexpr std::string_view kBithumbStates =
    R"({"status":"0000","data":[{"currency":"ETH","net_type":"ARB_ETH","deposit_status":1,"withdrawal_status":1},)"
    R"({"currency":"ETH","net_type":"ETH","deposit_status":0,"withdrawal_status":1}]})";
constexpr std::string_view kBithumbFees =
    R"([{"name":"Ethereum","currency":"ETH","networks":[{"net_name":"Ethereum","net_type":"ETH",)"
    R"("deposit_fee_quantity":"0","deposit_minimum_quantity":"0.01","withdraw_fee_quantity":"0.005",)"
    R"("withdraw_rate":null,"withdraw_fee_min":null,"withdraw_fee_max":null,"withdraw_minimum_quantity":"0.02"}]}])";
constexpr std::string_view kKorbit =
    R"({"success":true,"data":[{"name":"krw","fullName":"KRW"},{"name":"usdt","fullName":"Tether","networkList":[)"
    R"({"name":"TRX","depositStatus":"launched","withdrawalStatus":"stopped","confirmationCount":20,)"
    R"("withdrawalTxFee":"1","withdrawalMinAmount":"2.5","withdrawalPrecision":6,"hasSecondaryAddr":false}]}]})";
constexpr std::string_view kCoinone =
    R"({"result":"success","error_code":"0","currencies":[{"name":"Tether USDT","symbol":"USDT","deposit_status":"normal",)"
    R"("withdraw_status":"suspended","deposit_confirm_count":20,"max_precision":6,"deposit_fee":"0.0",)"
    R"("withdrawal_min_amount":"1.0","withdrawal_fee":"2.0"}]})";
constexpr std::string_view kGate =
    R"([{"currency":"USDT","name":"Tether","delisted":false,"withdraw_disabled":false,"withdraw_delayed":false,)"
    R"("deposit_disabled":false,"trade_disabled":false,"chain":"ETH","chains":[)"
    R"({"name":"ETH","addr":"0x","withdraw_disabled":false,"withdraw_delayed":false,"deposit_disabled":true},)"
    R"({"name":"TRX","addr":"T","withdraw_disabled":false,"withdraw_delayed":true,"deposit_disabled":false}]}])";

WalletInfo only(VenueId venue, std::string_view body, const std::string& ticker) {
  const auto wallets = parse_wallets(venue, body, kReceived);
  REQUIRE(wallets.has_value());
  REQUIRE(wallets->size() == 1);
  CHECK(wallets->front().venue == venue);
  CHECK(wallets->front().ticker == ticker);
  CHECK(wallets->front().time == kReceived);
  return wallets->front().info;
}

constexpr WalletState kOpen = WalletState::kOpen;
constexpr WalletState kClosed = WalletState::kClosed;
constexpr WalletState kUnknown = WalletState::kUnknown;

TEST_CASE("each venue's answer gives its networks with states, fees and minima") {
  CHECK(only(VenueId::kBithumb, kBithumbStates, "ETH") ==
        WalletInfo{{{"ARB_ETH", kOpen, kOpen, {}, {}, {}}, {"ETH", kClosed, kOpen, {}, {}, {}}}});
  CHECK(only(VenueId::kBithumb, kBithumbFees, "ETH") ==
        WalletInfo{{{"ETH", kUnknown, kUnknown, 0.005, 0.02, {}}}});
  CHECK(only(VenueId::kKorbit, kKorbit, "USDT") ==
        WalletInfo{{{"TRX", kOpen, kClosed, 1, 2.5, {}}}});
  CHECK(only(VenueId::kCoinone, kCoinone, "USDT") == WalletInfo{{{"", kOpen, kClosed, 2, 1, {}}}});
  CHECK(only(VenueId::kGateio, kGate, "USDT") ==
        WalletInfo{{{"ETH", kClosed, kOpen, {}, {}, {}}, {"TRX", kOpen, kUnknown, {}, {}, {}}}});
}

TEST_CASE("a bad row costs a list of wallets nothing but itself, and is told") {
  const std::pair<VenueId, std::string_view> lists[] = {
      {VenueId::kBithumb, kBithumbStates}, {VenueId::kBithumb, kBithumbFees},
      {VenueId::kKorbit, kKorbit},         {VenueId::kCoinone, kCoinone},
      {VenueId::kGateio, kGate},
  };
  for (const auto& [venue, body] : lists) {
    const auto good = parse_wallets(venue, body, kReceived);
    REQUIRE(good.has_value());
    for (const std::string_view row : {"null", "7", "\"x\"", "[]", "{}", "{\"currency\":null}"}) {
      std::string spoilt{body};
      const std::size_t list = spoilt.starts_with('[') ? 0 : spoilt.find(":[") + 1;
      spoilt.insert(list + 1, std::string{row} + ",");
      CAPTURE(spoilt);
      std::vector<Error> refused;
      const auto wallets = parse_wallets(venue, spoilt, kReceived, &refused);
      REQUIRE(wallets.has_value());
      REQUIRE(wallets->size() == good->size());
      CHECK(wallets->front().info == good->front().info);
      REQUIRE(refused.size() == 1);
      CHECK(refused[0].detail.starts_with("row 0: "));
    }
    std::string many{body};
    const std::size_t list = many.starts_with('[') ? 0 : many.find(":[") + 1;
    for (int i = 0; i < 500; ++i) many.insert(list + 1, "null,");
    std::vector<Error> refused;
    CHECK(parse_wallets(venue, many, kReceived, &refused).has_value());
    CHECK(refused.size() == Decoded::kMaxRowErrors + 1);
  }
}

TEST_CASE("an answer that is none is an error of its kind") {
  const auto code = [](VenueId venue, std::string_view body) {
    const auto wallets = parse_wallets(venue, body, kReceived);
    REQUIRE_FALSE(wallets.has_value());
    return wallets.error().code;
  };
  for (const VenueId venue :
       {VenueId::kBithumb, VenueId::kKorbit, VenueId::kCoinone, VenueId::kGateio}) {
    CHECK(code(venue, "<html>") == ErrorCode::kMalformedJson);
    CHECK(code(venue, "") == ErrorCode::kMalformedJson);
    CHECK(code(venue, "[]") == ErrorCode::kSchemaMismatch);
    CHECK(code(venue, "7") == ErrorCode::kSchemaMismatch);
  }
  CHECK(code(VenueId::kBithumb, R"({"status":"5600","message":"no"})") == ErrorCode::kVenueError);
  CHECK(code(VenueId::kKorbit, R"({"success":false})") == ErrorCode::kVenueError);
  CHECK(code(VenueId::kCoinone, R"({"result":"error","error_code":"4"})") ==
        ErrorCode::kVenueError);
  CHECK(code(VenueId::kKorbit, R"({"success":true,"data":7})") == ErrorCode::kSchemaMismatch);
  CHECK(code(VenueId::kUpbit, "[]") == ErrorCode::kSchemaMismatch);
}

TEST_CASE("an answer of nothing but brackets does not use up the stack") {
  constexpr std::size_t kDepth = 1'000'000;
  const std::string nested = std::string(kDepth, '[') + std::string(kDepth, ']');
  for (const VenueId venue :
       {VenueId::kBithumb, VenueId::kKorbit, VenueId::kCoinone, VenueId::kGateio}) {
    for (const std::string& body : {nested, R"({"status":)" + nested + "}"}) {
      const auto wallets = parse_wallets(venue, body, kReceived);
      REQUIRE_FALSE(wallets.has_value());
      CHECK(wallets.error().code == ErrorCode::kMalformedJson);
    }
  }
}

TEST_CASE("no cut and no changed byte of an answer crashes the reader") {
  const std::map<VenueId, std::vector<std::string_view>> bodies{
      {VenueId::kBithumb, {kBithumbStates, kBithumbFees}},
      {VenueId::kKorbit, {kKorbit}},
      {VenueId::kCoinone, {kCoinone}},
      {VenueId::kGateio, {kGate}}};
  for (const auto& [venue, samples] : bodies) {
    for (const std::string_view sample : samples) {
      for (std::size_t i = 0; i < sample.size(); ++i) {
        CHECK_FALSE(parse_wallets(venue, sample.substr(0, i), kReceived).has_value());
        for (const char byte : {'\0', '"', '[', '{', '9', 'n', '\xff'}) {
          std::string changed{sample};
          changed[i] = byte;
          const auto wallets = parse_wallets(venue, changed, kReceived);
          if (!wallets) continue;
          for (const WalletStatus& status : *wallets) CHECK_FALSE(status.info.networks.empty());
        }
      }
    }
  }
}

}  // namespace
}  // namespace spreadwatch::ingest
