#include "publish/undelivered.h"

#include <doctest/doctest.h>

#include <array>

namespace spreadwatch::publish {
namespace {

KafkaRecord sample(TopicId topic, std::string value) {
  KafkaRecord record;
  record.topic = topic;
  record.key = "BTC";
  record.value = std::move(value);
  record.type = "opportunity";
  record.time = timestamp_from_ms(1'700'000'000'123);
  record.id = "0123-open";
  return record;
}

TEST_CASE("undelivered records come back byte for byte, in order") {
  using namespace std::string_literals;
  const std::array records = {sample(TopicId::kOpportunity, "{\"a\":1}"),
                              sample(TopicId::kDeadLetter, "\0\xff\nend 1\n"s),
                              sample(TopicId::kAlert, "")};
  const auto back = decode_undelivered(encode_undelivered(records));
  REQUIRE(back.has_value());
  REQUIRE(back->size() == records.size());
  for (std::size_t i = 0; i < records.size(); ++i) {
    const KafkaRecord& b = (*back)[i];
    CHECK(b.topic == records[i].topic);
    CHECK(b.partition == records[i].partition);
    CHECK(b.key == records[i].key);
    CHECK(b.value == records[i].value);
    CHECK(b.type == records[i].type);
    CHECK(b.time == records[i].time);
    CHECK(b.id == records[i].id);
  }
  CHECK(decode_undelivered(encode_undelivered({}))->empty());
}

TEST_CASE("a file of undelivered records that is cut short or changed is refused") {
  const std::array records = {sample(TopicId::kOpportunity, "{}"),
                              sample(TopicId::kOpportunity, "{}")};
  const std::string text = encode_undelivered(records);
  for (std::size_t size = 0; size < text.size(); ++size) {
    CAPTURE(size);
    CHECK_FALSE(decode_undelivered(std::string_view{text}.substr(0, size)).has_value());
  }
  CHECK_FALSE(decode_undelivered(text + "x").has_value());
  std::string other = text;
  other.replace(other.find("opportunity"), 11, "opportunitx");
  CHECK_FALSE(decode_undelivered(other).has_value());
}

}  // namespace
}  // namespace spreadwatch::publish
