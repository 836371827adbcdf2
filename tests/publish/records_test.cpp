#include "publish/records.h"

#include <doctest/doctest.h>

#include <string>

#include "publish/encode.h"
#include "publish/time_of_day.h"
#include "tests/publish/samples.h"

namespace spreadwatch::publish {
namespace {

TEST_CASE(
    "market data goes to its region's topic and its venue's partition, each under its own key") {
  const KafkaRecord ticker = make_record(sample_ticker());
  CHECK(ticker.topic == TopicId::kTickerKorea);
  CHECK(ticker.partition == 0);
  CHECK(ticker.key == "upbit:BTC-KRW");
  CHECK(ticker.type == "ticker");
  CHECK(ticker.time == timestamp_from_us(1'700'000'000'200'456));

  OrderBook book = sample_book();
  KafkaRecord record = make_record(book, 1);
  CHECK(record.topic == TopicId::kOrderBookEurope);
  CHECK(record.partition == 0);
  CHECK(record.key == "binance:PEPE-USDT");
  std::string value;
  append_record(value, book, 1);
  CHECK(record.value == value);

  book.instrument = {"BTC", "USDT"};
  book.receive_time.reset();
  record = make_record(book, 15);
  CHECK(record.key == "binance:BTC-USDT");
  CHECK(record.time == timestamp_from_ms(1'700'000'000'123));
}

TEST_CASE("a market named in any script has that name in its key and in its record") {
  OrderBook book = sample_book();
  book.instrument = {"币安人生", "USDT"};
  const KafkaRecord record = make_record(book, 1);
  CHECK(record.key == "binance:币安人生-USDT");
  CHECK(record.value.find(R"("base":"币安人生","quote":"USDT")") != std::string::npos);
}

TEST_CASE("the record of an event is that of what it holds") {
  const auto same = [](const KafkaRecord& a, const KafkaRecord& b) {
    return a.topic == b.topic && a.key == b.key && a.value == b.value && a.partition == b.partition;
  };
  CHECK(same(make_record(Event{sample_ticker()}, {.depth = 1}), make_record(sample_ticker())));
  CHECK(same(make_record(Event{sample_book()}, {.depth = 1}), make_record(sample_book(), 1)));
  CHECK(same(make_record(Event{sample_premium()}, {.depth = 1}), make_record(sample_premium())));
  CHECK(same(make_record(Event{sample_error()}, {.depth = 1}), make_record(sample_error(), 1)));
}

TEST_CASE("a ticker's record has the fields that are published, and whose it is") {
  TickerFields fields;
  fields.set(static_cast<std::size_t>(TickerField::kTradePrice));
  const Event event{sample_ticker()};
  const std::string value = make_record(event, {.ticker_fields = fields}).value;
  CHECK(value ==
        R"({"type":"ticker","region":"korea","exchange":"upbit","base":"BTC","quote":"KRW",)"
        R"("recv_ts_us":1700000000200456,"origin":"ws","trade_price":)" +
            value.substr(value.find("trade_price") + 13));
  CHECK(value.find(',', value.find("trade_price")) == std::string::npos);
  const std::string all = make_record(event, {}).value;
  for (const std::string_view name : kTickerFieldNames) CHECK(all.find(name) != std::string::npos);
}

TEST_CASE("computed events are keyed by pair or asset and partitioned by key") {
  const KafkaRecord fx = make_record(sample_fx());
  CHECK(fx.topic == TopicId::kFx);
  CHECK(fx.key == "USDT/KRW");
  const KafkaRecord premium = make_record(sample_premium());
  CHECK(premium.topic == TopicId::kPremium);
  CHECK(premium.key == "BTC");
  const KafkaRecord spread = make_record(sample_unknown_spread());
  CHECK(spread.topic == TopicId::kSpread);
  CHECK(spread.key == "ETH");
  for (const KafkaRecord* record : {&fx, &premium, &spread}) {
    CHECK(record->partition == kPartitionByKey);
    CHECK(record->time == timestamp_from_ms(1'700'000'000'250));
    CHECK(record->id == "");
  }
}

TEST_CASE("an opportunity's events have ids of their own that a replay repeats") {
  using Kind = OpportunityEvent::Kind;
  OpportunityEvent event = sample_opportunity();
  CHECK(make_record(event).id == "6f1e-open");
  CHECK(make_record(event).key == "BTC");
  event.kind = Kind::kUpdate;
  CHECK(make_record(event).id == "6f1e-update-1700000001250000");
  event.kind = Kind::kClose;
  CHECK(make_record(event).id == "6f1e-close");
}

TEST_CASE("a record's id leads back to the opportunity's event") {
  for (std::size_t i = 0; i < kOpportunityKindNames.size(); ++i) {
    OpportunityEvent event = sample_opportunity();
    event.kind = static_cast<OpportunityEvent::Kind>(i);
    const auto back = opportunity_of(make_record(event).id);
    REQUIRE(back.has_value());
    CHECK(back->id == event.id);
    CHECK(back->kind == event.kind);
  }
  CHECK_FALSE(opportunity_of("6f1e").has_value());
  CHECK_FALSE(opportunity_of("6f1e-else").has_value());
}

/// One whose times of day run a minute ahead.
class AheadClock final : public Clock {
 public:
  Timestamp now() const override { return timestamp_from_ms(1'700'000'000'000); }
  Timestamp shown(Timestamp moment) const override { return moment + std::chrono::minutes{1}; }
};

TEST_CASE("of a live clock the moments are told as times of day, an exchange's as they are") {
  const AheadClock clock;
  const auto ticker = told(sample_ticker(), clock);
  REQUIRE(ticker);
  CHECK(ticker->receive_time == timestamp_from_us(1'700'000'060'200'456));
  CHECK(ticker->exchange_time == sample_ticker().exchange_time);
  const auto book = told(Event{sample_book()}, clock);
  REQUIRE(book);
  CHECK(std::get<OrderBook>(*book).receive_time == timestamp_from_us(1'700'000'060'200'456));
  CHECK(std::get<OrderBook>(*book).exchange_time == sample_book().exchange_time);
  CHECK(std::get<OrderBook>(*book).bids == sample_book().bids);
  CHECK(told(sample_fx(), clock)->time == sample_fx().time + std::chrono::minutes{1});
  CHECK(told(sample_error(), clock)->receive_time == timestamp_from_us(1'700'000'060'200'456));
  const OpportunityEvent event = sample_opportunity();
  const auto opportunity = told(event, clock);
  REQUIRE(opportunity);
  CHECK(opportunity->opened == event.opened + std::chrono::minutes{1});
  CHECK(opportunity->time == event.time + std::chrono::minutes{1});
  CHECK(opportunity->peak_time == event.peak_time + std::chrono::minutes{1});
  CHECK(opportunity->id == event.id);
}

TEST_CASE("while no clock was set, what is told is the value itself") {
  const SystemClock clock;
  CHECK_FALSE(told(sample_ticker(), clock));
  CHECK_FALSE(told(Event{sample_opportunity()}, clock));
}

TEST_CASE("a dead letter is keyed by its venue") {
  const KafkaRecord record = make_record(sample_error(), 1);
  CHECK(record.topic == TopicId::kDeadLetter);
  CHECK(record.key == "okx");
  CHECK(record.type == "dead_letter");
}

}  // namespace
}  // namespace spreadwatch::publish
