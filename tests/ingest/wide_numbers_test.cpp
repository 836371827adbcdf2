// Numbers as wide as exchanges send them, on every venue, as strings and as bare JSON numbers.

#include <zlib.h>

#include <array>
#include <cmath>
#include <string>

#include "tests/ingest/helpers.h"
#include "tests/ingest/samples.h"

namespace spreadwatch::ingest::test {
namespace {

std::string replaced(std::string text, std::string_view what, const std::string& with) {
  for (std::size_t at = 0; (at = text.find(what, at)) != std::string::npos; at += with.size()) {
    text.replace(at, what.size(), with);
  }
  return text;
}

/// A number as it is sent and in plain notation with the same trailing zeros.
struct Number {
  const char* sent;
  const char* plain;

  std::string checksum_text() const {
    std::string digits = replaced(plain, ".", "");
    return digits.substr(std::min(digits.find_first_not_of('0'), digits.size()));
  }
  std::string shown() const { return decimal(plain).to_string(); }
};

struct Wide {
  Number price;
  Number size;
};

/// Above every price below.
constexpr Number kAsk = {"9000000000000000000000", "9000000000000000000000"};

std::string payload_of(const BookTemplate& t, const Wide& bid, const Number& ask_size, bool quoted,
                       const std::string& sequence = "41") {
  const std::string quote = quoted ? "\"" : "";
  const auto put = [&](std::string text, std::string_view what, const Number& number) {
    return replaced(std::move(text), what, quote + number.sent + quote);
  };
  const std::string digits = kAsk.checksum_text() + ask_size.checksum_text() +
                             bid.price.checksum_text() + bid.size.checksum_text();
  const auto crc =
      ::crc32(0, reinterpret_cast<const Bytef*>(digits.data()), static_cast<uInt>(digits.size()));
  std::string text = replaced(std::string{t.payload}, "$seq", sequence);
  text = replaced(std::move(text), "$crc", std::to_string(crc));
  text = put(std::move(text), "$ap", kAsk);
  text = put(std::move(text), "$as", ask_size);
  text = put(std::move(text), "$bp", bid.price);
  return put(std::move(text), "$bs", bid.size);
}

Frame frame_of(const BookTemplate& t, std::string_view payload) {
  return t.origin == Origin::kRest ? rest(payload, "orderbook", "BTTUSDT") : ws(payload);
}

void check_kept(const Wide& wide, bool quoted) {
  for (const BookTemplate& t : kBookTemplates) {
    const std::string payload = payload_of(t, wide, wide.size, quoted);
    CAPTURE(payload);
    Normalizer normalizer{t.venue};
    Memory memory;
    normalizer.feed(frame_of(t, payload), memory);
    for (const FeedError& error : memory.errors) CHECK(error.error.detail == "");
    REQUIRE(memory.books.size() == 1);
    REQUIRE(memory.books[0].synced());
    CHECK(text(memory.books[0].bids) == wide.price.shown() + "@" + wide.size.shown());
    CHECK(text(memory.books[0].asks) == kAsk.shown() + "@" + wide.size.shown());
  }
}

TEST_CASE("a wall of more digits than 64 bits hold is kept to the last one on every venue") {
  const Wide cases[] = {
      {{"0.000000000000000001", "0.000000000000000001"},
       {"1000000000000000.12345678", "1000000000000000.12345678"}},
      {{"0.0000006110", "0.0000006110"}, {"13034567890.12345678", "13034567890.12345678"}},
      {{"0.00001300", "0.00001300"}, {"112345678901.00000000", "112345678901.00000000"}},
      {{"100000000000000000000", "100000000000000000000"},
       {"123456789012345678901234567890", "123456789012345678901234567890"}},
      {{"1e-18", "0.000000000000000001"}, {"1.5E+20", "150000000000000000000"}},
      {{"1.2345678901234567E-8", "0.000000012345678901234567"},
       {"9223372036854775807.5", "9223372036854775807.5"}},
      {{"9223372036854775808", "9223372036854775808"},
       {"18446744073709551616", "18446744073709551616"}},
  };
  for (const Wide& wide : cases) {
    check_kept(wide, true);
    check_kept(wide, false);
  }
  // As text only: JSON has no numbers with leading zeros.
  check_kept({{"0007.50", "7.50"}, {"00000000000000000000000012.500", "12.500"}}, true);
}

TEST_CASE("a sequence number that has no next one is refused, not counted on from") {
  for (const BookTemplate& t : kBookTemplates) {
    if (t.payload.find("$seq") == std::string_view::npos) continue;
    const Wide one{{"1", "1"}, {"1", "1"}};
    for (const char* sequence :
         {"9223372036854775807", "-9223372036854775808", "9223372036854775808", "1e30"}) {
      const std::string payload = payload_of(t, one, one.size, true, sequence);
      CAPTURE(payload);
      Normalizer normalizer{t.venue};
      Memory memory;
      normalizer.feed(frame_of(t, payload), memory);
      CHECK(memory.records() == 0);
      REQUIRE(memory.errors.size() == 1);
      CHECK((memory.errors[0].error.code == ErrorCode::kValueOutOfRange ||
             memory.errors[0].error.code == ErrorCode::kSchemaMismatch));
    }
  }
}

TEST_CASE("a level that no number can hold is one error, and the next book is good") {
  for (const BookTemplate& t : kBookTemplates) {
    for (const char* size :
         {"1e308", "1e-400", "nan", "inf", "-1", "1234567890123456789012345678901234567890"}) {
      Normalizer normalizer{t.venue};
      Memory memory;
      const Wide wrong{{"1", "1"}, {size, "0"}};
      const std::string payload = payload_of(t, wrong, {"1", "1"}, true, "40");
      CAPTURE(payload);
      normalizer.feed(frame_of(t, payload), memory);
      CHECK(memory.records() == 0);
      REQUIRE(memory.errors.size() == 1);
      CHECK(memory.errors[0].error.code == ErrorCode::kValueOutOfRange);
      const Wide right{{"1", "1"}, {"2", "2"}};
      normalizer.feed(frame_of(t, payload_of(t, right, {"1", "1"}, true)), memory);
      CHECK(memory.records() == 1);
    }
  }
}

TEST_CASE("a ticker's number is of the size of a price or a volume, or its row is refused") {
  const auto ticker = [](const std::string& last, const std::string& rate) {
    return R"({"time":1764000000,"time_ms":1764000000000,"channel":"spot.tickers",)"
           R"("event":"update","result":{"currency_pair":"BTC_USDT","last":")" +
           last + R"(","change_percentage":")" + rate +
           R"(","base_volume":"5291.366688","high_24h":"64473.5","low_24h":"63234.7"}})";
  };
  for (const char* last : {"1e308", "1e300", "-1e308", "1e-320", "1e400", "inf", "nan"}) {
    OneFrame<VenueId::kGateio> gate;
    gate.check_error(ws(ticker(last, "-0.4")), ErrorCode::kValueOutOfRange);
  }
  for (const char* rate : {"-100", "-99.99999999999999", "1e30"}) {
    OneFrame<VenueId::kGateio> gate;
    const std::string payload = ticker("64043.9", rate);
    gate.feed(ws(payload));
    CHECK(gate.memory.errors.empty());
    REQUIRE(gate.memory.tickers.size() == 1);
    const Ticker& t = gate.memory.tickers[0];
    CHECK(t.trade_price == 64043.9);
    for (const auto& number : {t.opening_price, t.signed_change_price, t.signed_change_rate}) {
      CHECK((!number || std::isfinite(*number)));
    }
  }
}

/// What a frame of the shared cases came to; nullopt, with a message, when the file is not there.
std::optional<Memory> shared_case(VenueId venue, const std::string& file) {
  const std::vector<Recorded> frames = recording("../cases/feeds/" + file);
  if (frames.empty()) return std::nullopt;
  Normalizer normalizer{venue};
  Memory memory;
  for (const Recorded& frame : frames) normalizer.feed(frame.frame(), memory);
  for (const FeedError& error : memory.errors) CHECK(error.error.detail == "");
  return memory;
}

TEST_CASE("shared case 03a: an Upbit book of 19 and 20 digits is synced with every digit") {
  const auto memory = shared_case(VenueId::kUpbit, "03a-upbit-book-19-digits.jsonl");
  if (!memory) return;
  REQUIRE(memory->books.size() == 1);
  CHECK(memory->books[0].synced());
  CHECK(text(memory->books[0].bids) == "0.000901@9876543210.12345678 0.0009@21234567890.98765432");
  CHECK(text(memory->books[0].asks) == "0.000902@15234567890.12345678 0.000903@2234567890.1");
}

TEST_CASE("shared case 03c: a day's volume of 20 digits is the nearest double") {
  const auto memory = shared_case(VenueId::kKraken, "03c-kraken-rest-ticker-volume.jsonl");
  if (!memory) return;
  REQUIRE(memory->tickers.size() == 1);
  const Ticker& t = memory->tickers[0];
  CHECK(t.instrument == Instrument{"SHIB", "USD"});
  CHECK(t.trade_price == 0.000013);
  CHECK(t.acc_trade_volume_24h == 245678901234.87654321);
  CHECK(t.low_price == 0.0000128);
  CHECK(t.high_price == 0.0000132);
}

TEST_CASE("shared case 03g: Kraken's CRC32 holds over 19 digits with their trailing zeros") {
  const auto memory = shared_case(VenueId::kKraken, "03g-kraken-19-digits.jsonl");
  if (!memory) return;
  REQUIRE(memory->books.size() == 1);
  CHECK(memory->books[0].synced());
  REQUIRE(memory->books[0].bids.size() == 10);
  std::string price;
  memory->books[0].bids[0].price.append_as_written(price);
  CHECK(price == "0.0000006110");
  CHECK(memory->books[0].bids[0].size.to_string() == "13034567890.12345678");
  CHECK(memory->books[0].asks[9].size.to_string() == "12934567890.12345678");
}

}  // namespace
}  // namespace spreadwatch::ingest::test
