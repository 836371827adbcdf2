#include <random>

#include "oracle.h"
#include "spread/wallet.h"
#include "world.h"

namespace spreadwatch::spread {
namespace {

using spreadwatch::test::ExactLeg;
using spreadwatch::test::Rational;
using test::World;

Network network(std::string name, WalletState deposit, WalletState withdraw,
                std::optional<double> fee, std::optional<int> minutes = {}) {
  return {std::move(name), deposit, withdraw, fee, {}, minutes};
}
constexpr WalletState kOpen = WalletState::kOpen;
constexpr WalletState kClosed = WalletState::kClosed;
constexpr WalletState kUnknown = WalletState::kUnknown;

TEST_CASE("the cheapest network that is open at both ends is taken") {
  const WalletInfo from{{network("ETH", kOpen, kOpen, 5), network("TRX", kOpen, kOpen, 1),
                         network("SOL", kOpen, kOpen, 0.1), network("BSC", kOpen, kClosed, 0.01)}};
  const WalletInfo to{{network("ETH", kOpen, kOpen, 5, 12), network("TRX", kOpen, kOpen, 1, 3),
                       network("SOL", kClosed, kOpen, 1), network("BSC", kOpen, kOpen, 1)}};
  const Route route = find_route(&from, &to);
  REQUIRE(route.out != nullptr);
  CHECK(route.out->name == "TRX");
  CHECK(route.expected_minutes == 3);
  CHECK(route.reasons.empty());
}

TEST_CASE("a wallet is closed when no common network goes, unknown when one might") {
  const WalletInfo open{{network("ETH", kOpen, kOpen, 5)}};
  const WalletInfo other{{network("BTC", kOpen, kOpen, 5)}};
  const WalletInfo closed{{network("ETH", kClosed, kClosed, 5)}};
  const WalletInfo unknown{{network("ETH", kUnknown, kUnknown, 5)}};
  const WalletInfo no_fee{{network("ETH", kOpen, kOpen, std::nullopt)}};
  const WalletInfo nothing;
  CHECK(find_route(&open, &open).reasons.empty());
  CHECK(find_route(&open, &other).reasons == Reasons{Reason::kWalletClosed});
  CHECK(find_route(&open, &closed).reasons == Reasons{Reason::kWalletClosed});
  CHECK(find_route(&closed, &unknown).reasons == Reasons{Reason::kWalletClosed});
  CHECK(find_route(&open, &unknown).reasons == Reasons{Reason::kWalletUnknown});
  CHECK(find_route(&no_fee, &open).reasons == Reasons{Reason::kWalletUnknown});
  CHECK(find_route(&nothing, &open).reasons == Reasons{Reason::kWalletUnknown});
  CHECK(find_route(nullptr, &open).reasons == Reasons{Reason::kWalletUnknown});
}

/// net(q) when only q − w is sold, tried at every kink.
std::pair<Rational, Rational> exact_transfer(const ExactLeg& buy, const ExactLeg& sell,
                                             const Rational& w) {
  std::vector<Rational> points{w};
  for (const Rational& q : spreadwatch::test::kinks(buy, buy)) points.push_back(q);
  for (const Rational& q : spreadwatch::test::kinks(sell, sell)) points.push_back(q + w);
  std::sort(points.begin(), points.end());
  std::pair<Rational, Rational> best{0, 0};
  for (const Rational& q : points) {
    if (q < w) continue;
    const auto out = spreadwatch::test::spent(buy, q);
    const auto in = spreadwatch::test::received(sell, q - w);
    if (out && in && *in - *out > best.second) best = {q, *in - *out};
  }
  return best;
}

TEST_CASE("a transfer's optimum and its ladder agree with a rational oracle") {
  std::mt19937_64 random(77);
  int profitable = 0;
  int rows = 0;
  for (int i = 0; i < 1500; ++i) {
    std::vector<Level> asks;
    std::vector<Level> bids;
    ExactLeg buy;
    ExactLeg sell;
    const auto fill = [&random](std::vector<Level>& levels, ExactLeg& leg, std::int64_t top,
                                int step) {
      const std::size_t depth = 1 + random() % 12;
      for (std::size_t k = 0; k < depth; ++k) {
        const auto size = static_cast<std::int64_t>(1 + random() % 2'000'000);
        levels.push_back({Decimal{top, 2}, Decimal{size, 6}});
        leg.book.push_back({Rational{top} / 100, Rational{size} / 1'000'000});
        top += step * static_cast<std::int64_t>(1 + random() % 3000);
      }
    };
    fill(asks, buy, 10'000'000, 1);
    fill(bids, sell, 10'000'000 + static_cast<std::int64_t>(random() % 200'000), -1);
    buy.fee = Rational{1} / 1000;
    sell.fee = Rational{1} / 2000;
    const auto lost = static_cast<std::int64_t>(random() % 20'000);
    const Rational w = Rational{lost} / 1'000'000;
    DepthCurve ask;
    DepthCurve bid;
    DepthCurve one;
    ask.assign(asks);
    bid.assign(bids);
    one.assign_unlimited(QuoteAmount{1});
    const PairInput pair{
        {&ask, &one, 0.001L, 0}, {&bid, &one, 0.0005L, 0}, Decimal{lost, 6}.to_long_double()};
    const auto [quantity, profit] = exact_transfer(buy, sell, w);
    const std::optional<Trade> ours = optimal(pair);
    CAPTURE(i);
    REQUIRE(ours.has_value() == (profit > 0));
    if (ours) {
      ++profitable;
      CHECK(ours->quantity == doctest::Approx(static_cast<double>(quantity)).epsilon(1e-9));
      CHECK(ours->net_profit_usdt == doctest::Approx(static_cast<double>(profit)).epsilon(1e-9));
      // At the break-even size nothing is left, or the depth has ended.
      const Real limit = break_even(pair);
      CHECK(limit >= static_cast<Real>(ours->quantity) * (1 - 1e-12L));
      const auto out = usdt_spent(pair.buy, limit);
      const auto in = usdt_received(pair.sell, limit - pair.withdrawal_fee);
      REQUIRE(out);
      REQUIRE(in);
      CHECK(*in - *out > -1e-9L * *out);
    }
    const auto q = spreadwatch::test::quantity_of(buy.book, Rational{5000} / (1 + buy.fee));
    const auto in = q && *q >= w ? spreadwatch::test::received(sell, *q - w) : std::nullopt;
    if (!in) continue;
    ++rows;
    const std::optional<Trade> row = trade_spending(pair, UsdtAmount{5000});
    REQUIRE(row.has_value());
    CHECK(std::abs(row->net_profit_usdt - static_cast<double>(*in - 5000)) <=
          1e-9 * std::abs(static_cast<double>(*in - 5000)) + 5e-12);
  }
  CHECK(profitable > 200);
  CHECK(rows > 200);
}

TEST_CASE(
    "mode transfer shows no net number without wallet data, and the same as inventory less the fee "
    "with it") {
  World w;
  w.put_profitable();
  const SpreadEvent* row = w.journal.spread(VenueId::kOkx, VenueId::kUpbit, Mode::kTransfer);
  REQUIRE(row != nullptr);
  CHECK(row->verdict == Verdict::kUnknown);
  CHECK(row->reasons == Reasons{Reason::kWalletUnknown});
  CHECK(row->gross_ratio.has_value());
  CHECK_FALSE(row->net_ratio.has_value());
  CHECK_FALSE(row->optimal.has_value());
  CHECK_FALSE(row->break_even_quantity.has_value());
  for (const SizeRow& size : row->sizes) CHECK_FALSE(size.trade.has_value());

  w.engine.on_wallet(VenueId::kOkx, "BTC", {{network("Bitcoin", kOpen, kOpen, 0.001)}}, w.now);
  w.engine.on_wallet(VenueId::kUpbit, "BTC", {{network("Bitcoin", kOpen, kOpen, 0.002, 30)}},
                     w.now);
  row = w.journal.spread(VenueId::kOkx, VenueId::kUpbit, Mode::kTransfer);
  CHECK(row->verdict == Verdict::kTradable);
  REQUIRE(row->optimal.has_value());
  CHECK(row->network == "Bitcoin");
  CHECK(row->withdrawal_fee == 0.001);
  CHECK(row->expected_minutes == 30);
  // One BTC is bought at 100,000 + 0.1 %, 0.999 are sold at 143,000,000 − 0.05 % for USDT at 1401 +
  // 0.05 %.
  const double net = 0.999 * 143'000'000 * (1 - 0.0005) / (1401 * 1.0005) - 100'000 * 1.001;
  CHECK(row->optimal->net_profit_usdt == doctest::Approx(net).epsilon(1e-9));
  CHECK(row->optimal->withdrawal_fee_usdt == doctest::Approx(100.1).epsilon(1e-9));

  w.engine.on_wallet(VenueId::kUpbit, "BTC", {{network("Bitcoin", kClosed, kOpen, 0.002)}}, w.now);
  row = w.journal.spread(VenueId::kOkx, VenueId::kUpbit, Mode::kTransfer);
  CHECK(row->verdict == Verdict::kNotTradable);
  CHECK(row->reasons.contains(Reason::kWalletClosed));
  // A fee larger than what can be bought at all.
  w.engine.on_wallet(VenueId::kUpbit, "BTC", {{network("Bitcoin", kOpen, kOpen, 0.002)}}, w.now);
  w.engine.on_wallet(VenueId::kOkx, "BTC", {{network("Bitcoin", kOpen, kOpen, 2)}}, w.now);
  row = w.journal.spread(VenueId::kOkx, VenueId::kUpbit, Mode::kTransfer);
  CHECK(row->verdict == Verdict::kNotTradable);
  CHECK(row->reasons.contains(Reason::kInsufficientDepth));
}

}  // namespace
}  // namespace spreadwatch::spread
