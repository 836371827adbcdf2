// Small inputs after what people who run such feeds have reported, each with what has to come out.

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "tests/ingest/helpers.h"

namespace spreadwatch::ingest::test {
namespace {

/// A file's frames, each fed to the normalizer of its venue; what came of each frame.
struct Case {
  explicit Case(const std::string& file) {
    for (const Recorded& line :
         recorded_frames(cases_directory() / "feeds" / file, "SPREADWATCH_CASES")) {
      const VenueId venue = venue_from_name(line.exchange).value();
      auto& normalizer = normalizers[venue];
      if (!normalizer) normalizer = std::make_unique<Normalizer>(venue);
      frames.emplace_back();
      normalizer->feed(line.frame(), frames.back());
      for (Ticker& t : frames.back().tickers) tickers.push_back(t);
      for (FeedError& e : frames.back().errors) errors.push_back(e);
      for (const Remark& remark : normalizer->take_remarks()) remarks.push_back(remark);
      if (frames.back().books.empty()) continue;
      books.push_back(frames.back().books.back());
    }
  }
  /// False when the file is not there, which has been said.
  explicit operator bool() const { return !frames.empty(); }

  std::map<VenueId, std::unique_ptr<Normalizer>> normalizers;
  std::vector<Memory> frames;
  std::vector<Ticker> tickers;
  std::vector<OrderBook> books;
  std::vector<FeedError> errors;
  std::vector<Remark> remarks;
};

void check_tickers(const Case& c, const std::vector<std::string>& names) {
  REQUIRE(c.tickers.size() == names.size());
  for (std::size_t i = 0; i < names.size(); ++i) CHECK(c.tickers[i].instrument.name() == names[i]);
}

TEST_CASE("cases: OKX lists one instrument without names, the others are learned") {
  for (const char* const file :
       {"01a-okx-instruments-one-empty-row.jsonl", "01b-okx-instruments-null-row.jsonl"}) {
    CAPTURE(file);
    const Case c(file);
    if (!c) continue;
    REQUIRE(c.frames.size() == 1);
    REQUIRE(c.frames[0].markets.size() == 2);
    CHECK(c.frames[0].markets[0].instrument.name() == "BTC-USDT");
    CHECK(c.frames[0].markets[1].instrument.name() == "ETH-USDT");
    REQUIRE(c.errors.size() == 1);
    CHECK(c.errors[0].partial);
    CHECK(c.errors[0].error.detail.starts_with("row 1"));
  }
}

TEST_CASE("cases: Kraken's error beside a result leaves the result") {
  const Case c("02a-kraken-error-beside-result.jsonl");
  if (!c) return;
  check_tickers(c, {"BTC-USD", "ETH-USD"});
  REQUIRE(c.errors.size() == 1);
  CHECK(c.errors[0].error.code == ErrorCode::kUnknownSymbol);
  CHECK(c.errors[0].error.detail == "EQuery:Unknown asset pair");
  CHECK(c.errors[0].symbol.empty());
  CHECK(c.remarks.empty());
}

TEST_CASE("cases: Kraken's warning beside a result is no error, and told once") {
  const Case ticker("02b-kraken-warning-beside-result.jsonl");
  if (!ticker) return;
  check_tickers(ticker, {"BTC-USD"});
  CHECK(ticker.errors.empty());
  REQUIRE(ticker.remarks.size() == 1);
  CHECK(ticker.remarks[0].kind == Remark::Kind::kWarning);
  CHECK(ticker.remarks[0].text == "WGeneral:Something to know");

  const Case book("02c-kraken-book-warning.jsonl");
  REQUIRE(book.books.size() == 1);
  CHECK(book.books[0].synced());
  CHECK(book.books[0].bids.at(0).price == decimal("30303.1"));
  CHECK(book.books[0].asks.at(0).price == decimal("30303.2"));
  CHECK(book.errors.empty());
  CHECK(book.remarks.size() == 1);
}

TEST_CASE("cases: Kraken's two tickers without anything beside them") {
  const Case c("02d-kraken-control.jsonl");
  if (!c) return;
  check_tickers(c, {"BTC-USD", "ETH-USD"});
  CHECK(c.errors.empty());
  CHECK(c.remarks.empty());
}

TEST_CASE("cases: a day's volume of 20 digits is as exact as a double") {
  const Case c("03c-kraken-rest-ticker-volume.jsonl");
  if (!c) return;
  check_tickers(c, {"SHIB-USD"});
  CHECK(c.errors.empty());
  CHECK(c.tickers[0].acc_trade_volume_24h == 245678901234.87654321);
  CHECK(c.tickers[0].trade_price == 0.000013);
}

TEST_CASE("cases: an escaped slash in a key is a slash") {
  const Case c("05b-kraken-escaped-slash-keys.jsonl");
  if (!c) return;
  CHECK(c.errors.empty());
  check_tickers(c, {"BTC-USD", "ETH-USD", "DOGE-USD"});
  REQUIRE(c.books.size() == 1);
  CHECK(c.books[0].instrument.name() == "AAVE-USD");
  CHECK(c.books[0].synced());
}

TEST_CASE("cases: coins without a first trade have tickers without a price on every venue") {
  const Case zero("07a-newborn-zero.jsonl");
  if (!zero) return;
  CHECK(zero.errors.empty());
  REQUIRE(zero.tickers.size() == kVenueCount);
  for (const Ticker& t : zero.tickers) {
    CHECK(t.instrument.base == "NEW");
    CHECK_FALSE(t.trade_price.has_value());
    CHECK_FALSE(t.opening_price.has_value());
    CHECK_FALSE(t.signed_change_price.has_value());
    CHECK_FALSE(t.signed_change_rate.has_value());
  }
  const Case none("07b-newborn-null.jsonl");
  CHECK(none.errors.empty());
  REQUIRE(none.tickers.size() == none.frames.size());
  std::size_t priced = 0;
  for (const Ticker& t : none.tickers) {
    if (t.trade_price) ++priced;
    CHECK_FALSE(t.signed_change_price.has_value());
  }
  CHECK(priced == 5);  // after the first trade, but without a yesterday
}

TEST_CASE("cases: a field that is not used may be null or of another type") {
  const Case c("07d-upbit-null-trade-date.jsonl");
  if (!c) return;
  CHECK(c.errors.empty());
  check_tickers(c, {"NEW-KRW", "NEW-KRW", "NEW-KRW"});
  for (const Ticker& t : c.tickers) CHECK(t.signed_change_price == 1);
}

TEST_CASE("cases: a level of price zero is left out and counted, and the next message is good") {
  const Case c("15-zero-price-levels.jsonl");
  if (!c) return;
  CHECK(c.errors.empty());
  REQUIRE(c.books.size() == 4);
  for (const OrderBook& book : c.books) CHECK(book.synced());
  CHECK(text(c.books[1].bids) == "10@2");
  CHECK(text(c.books[1].asks) == "11@1");
  CHECK(text(c.books[2].asks) == "11@1");
  CHECK(text(c.books[3].bids) == "10@1");
  CHECK(c.normalizers.at(VenueId::kOkx)->dropped_levels() == 1);
  CHECK(c.normalizers.at(VenueId::kKorbit)->dropped_levels() == 2);
  CHECK(c.normalizers.at(VenueId::kCoinone)->dropped_levels() == 2);
}

TEST_CASE("cases: topics that are not read are passed over and counted once") {
  const Case c("19-bybit-newer-topics.jsonl");
  if (!c) return;
  CHECK(c.errors.empty());
  for (const Memory& frame : c.frames) CHECK(frame.records() == 0);
  CHECK(c.remarks.size() == 5);
  CHECK(c.normalizers.at(VenueId::kBybit)->unknown_topics() == 4);
  CHECK(c.normalizers.at(VenueId::kOkx)->unknown_topics() == 1);
}

}  // namespace
}  // namespace spreadwatch::ingest::test
