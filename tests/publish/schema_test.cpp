#include <doctest/doctest.h>

#include <algorithm>
#include <filesystem>
#include <map>
#include <nlohmann/json.hpp>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "core/error.h"
#include "core/reason.h"
#include "core/venue.h"
#include "publish/encode.h"
#include "publish/schemas.h"
#include "publish/topics.h"
#include "tests/publish/json_schema.h"
#include "tests/publish/samples.h"

namespace spreadwatch::publish {
namespace {

using Json = nlohmann::json;

void check_valid(const std::string& type, const std::string& text) {
  CAPTURE(text);
  const Json value = Json::parse(text);
  CHECK(value.at("type") == type);
  for (const std::string& error : schema_errors(load_closed_schema(type), value)) FAIL_CHECK(error);
}

template <class... Args>
std::string encoded(const Args&... args) {
  std::string out;
  append_record(out, args...);
  return out;
}

TEST_CASE("every type's schema is part of the program, open, and has the id its records name") {
  std::set<std::string> types;
  for (const EmbeddedFile& file : schema_files()) {
    const std::string type{file.name.substr(0, file.name.find('.'))};
    CAPTURE(type);
    types.insert(type);
    const Json schema = Json::parse(file.content);
    CHECK(schema == load_schema(type));
    CHECK(schema.at("$id") == schema_id(type));
    CHECK(file.content.find("additionalProperties") == std::string_view::npos);
  }
  for (const TopicIdentity& topic : kTopics) {
    CAPTURE(topic.name);
    CHECK((types.contains(std::string{topic.type}) || topic.id == TopicId::kAlert));
  }
  std::size_t files = 0;
  for (const auto& entry : std::filesystem::directory_iterator(std::string{SPREADWATCH_SOURCE_DIR} +
                                                               "/publish/schema")) {
    files += entry.path().extension() == ".json" ? 1 : 0;
  }
  CHECK(files == types.size());
}

TEST_CASE("tickers fit their schema, full and empty") {
  check_valid("ticker", encoded(sample_ticker()));
  Ticker empty;
  empty.venue = VenueId::kGateio;
  empty.instrument = {"XRP", "USDT"};
  check_valid("ticker", encoded(empty));
}

TEST_CASE("order books fit their schema, full, cut and one-sided") {
  OrderBook book = sample_book();
  check_valid("orderbook", encoded(book));
  check_valid("orderbook", encoded(book, 1));
  book.asks.clear();
  book.sequence.reset();
  check_valid("orderbook", encoded(book));
}

TEST_CASE("errors and dead letters of every code fit their schema") {
  for (std::size_t i = 0; i < kErrorCodeNames.size(); ++i) {
    FeedError error = sample_error();
    error.error.code = static_cast<ErrorCode>(i);
    check_valid("error", encoded(error, std::optional<std::uint64_t>{i + 1}));
    std::string out;
    append_dead_letter(out, error, 1);
    check_valid("dead_letter", out);
  }
}

TEST_CASE("rates fit their schema, usable and not") {
  check_valid("fx", encoded(sample_fx()));
  FxEvent none;
  none.rate.pair = CurrencyPair::kUsdKrw;
  none.rate.reasons.add(Reason::kFxQuorum);
  check_valid("fx", encoded(none));
}

TEST_CASE("premiums fit their schema, available and not") {
  check_valid("premium", encoded(sample_premium()));
  PremiumEvent none = sample_premium();
  none.over.reset();
  none.basis = Basis::kUsdtPremium;
  none.premium = none.first = none.high = none.low = none.price = none.over_price = std::nullopt;
  none.fx_age.reset();
  none.venues.clear();
  none.percentiles = {};
  none.bases_disagree.reset();
  none.reasons.add(Reason::kFxUnavailable);
  check_valid("premium", encoded(none));
}

TEST_CASE("pairs fit their schema, with numbers, without profit and unusable") {
  check_valid("spread", encoded(sample_spread()));
  SpreadEvent unprofitable = sample_spread();
  unprofitable.optimal.reset();
  unprofitable.break_even_quantity = 0;
  unprofitable.reasons.add(Reason::kUnprofitable);
  unprofitable.verdict = Verdict::kNotTradable;
  check_valid("spread", encoded(unprofitable));
  check_valid("spread", encoded(sample_unknown_spread()));
  check_valid("spread", encoded(sample_transfer()));
}

TEST_CASE("opportunities fit their schema, whatever the event and the reason") {
  using Kind = OpportunityEvent::Kind;
  for (const Kind kind : {Kind::kOpen, Kind::kUpdate, Kind::kClose}) {
    OpportunityEvent event = sample_opportunity();
    event.kind = kind;
    check_valid("opportunity", encoded(event));
    event.net_profit_usdt = event.net_ratio = event.quantity = std::nullopt;
    event.buy_age = event.sell_age = std::nullopt;
    for (std::size_t i = 0; i < kCloseReasonNames.size(); ++i) {
      event.reason = static_cast<CloseReason>(i);
      check_valid("opportunity", encoded(event));
    }
  }
}

TEST_CASE("the closed lists in the schemas are the program's") {
  const auto names = [](const auto& list) {
    Json all = Json::array();
    for (const auto& name : list) all.push_back(std::string{name});
    return all;
  };
  for (const char* type : {"ticker", "orderbook"}) {
    const Json properties = load_schema(type).at("properties");
    CHECK(properties.at("region").at("enum") == names(kRegionNames));
  }
  for (const char* type : {"error", "dead_letter"}) {
    CHECK(load_schema(type).at("properties").at("code").at("enum") == names(kErrorCodeNames));
  }
}

/// Checks that whatever list of names in `schema` names a venue names them all, in order; counts
/// the lists.
int check_venue_lists(const Json& schema, const std::string& path) {
  int lists = 0;
  if (schema.is_object() && schema.contains("enum")) {
    std::vector<std::string> names;
    for (const Json& value : schema.at("enum")) {
      if (value.is_string()) names.push_back(value);
    }
    if (std::ranges::any_of(names,
                            [](const auto& name) { return venue_from_name(name).has_value(); })) {
      ++lists;
      std::vector<std::string> venues;
      for (const VenueIdentity& venue : kVenues) venues.emplace_back(venue.name);
      CHECK_MESSAGE(names == venues, path, " does not list the venues of core/venue.h");
    }
  }
  if (schema.is_structured()) {
    for (const auto& [key, value] : schema.items()) {
      lists += check_venue_lists(value, path + "/" + key);
    }
  }
  return lists;
}

TEST_CASE("every list of venues in a schema names every venue") {
  std::map<std::string, int> lists;
  for (const auto& entry : std::filesystem::directory_iterator(std::string{SPREADWATCH_SOURCE_DIR} +
                                                               "/publish/schema")) {
    const std::string type = entry.path().stem();
    const int found = check_venue_lists(load_schema(type), "publish/schema/" + type + ".json");
    if (found > 0) lists[type] = found;
  }
  CHECK(lists ==
        std::map<std::string, int>{
            {"opportunity", 2}, {"orderbook", 1}, {"premium", 2}, {"spread", 2}, {"ticker", 1}});
}

TEST_CASE("the closed lists of rates and pairs in the schemas are the program's") {
  const auto names = [](const auto& list) {
    Json all = Json::array();
    for (const auto& name : list) all.push_back(std::string{name});
    return all;
  };
  for (const char* type : {"fx", "premium", "spread", "opportunity"}) {
    CAPTURE(type);
    const Json properties = load_schema(type).at("properties");
    CHECK(properties.at("reasons").at("items").at("enum") == names(kReasonNames));
  }
  CHECK(load_schema("fx").at("properties").at("pair").at("enum") == names(kCurrencyPairNames));
  CHECK(load_schema("premium").at("properties").at("basis").at("enum") == names(kBasisNames));
  CHECK(load_schema("spread").at("properties").at("verdict").at("enum") == names(kVerdictNames));
  CHECK(load_schema("spread").at("properties").at("mode").at("enum") == names(kModeNames));
  Json reasons = names(kCloseReasonNames);
  reasons.push_back(nullptr);
  CHECK(load_schema("opportunity").at("properties").at("reason").at("enum") == reasons);
}

TEST_CASE("every property of a schema says what it is") {
  for (const char* type :
       {"ticker", "orderbook", "error", "dead_letter", "fx", "premium", "spread", "opportunity"}) {
    CAPTURE(type);
    const Json schema = load_schema(type);
    CHECK(schema.at("$schema") == "https://json-schema.org/draft/2020-12/schema");
    for (const auto& [name, rule] : schema.at("properties").items()) {
      CAPTURE(name);
      CHECK((rule.contains("description") || name == "type"));
    }
  }
}

TEST_CASE("the validator finds what a schema forbids") {
  const Json schema = load_closed_schema("orderbook");
  const auto errors = [&](const char* field, const Json& value) {
    Json record = Json::parse(encoded(sample_book()));
    record[field] = value;
    return schema_errors(schema, record).size();
  };
  CHECK(errors("sequence", 7) == 0);
  CHECK(errors("sequence", "7") == 1);
  CHECK(errors("state", "stale") == 1);
  CHECK(errors("exchange", "mtgox") == 1);
  CHECK(errors("highest_bid", 0) == 1);
  CHECK(errors("bids", {{1, 2, 3}}) == 2);
  CHECK(errors("bids", {{1, 0}}) == 1);
  CHECK(errors("bids", {{1}}) == 1);
  CHECK(errors("new_field", 1) == 1);
  Json lacking = Json::parse(encoded(sample_book()));
  lacking.erase("spread");
  CHECK(schema_errors(schema, lacking).size() == 1);
  CHECK(schema_errors(Json{{"format", "date"}}, "x").size() == 1);
}

}  // namespace
}  // namespace spreadwatch::publish
