#include "ingest/decode/wallet_routes.h"

#include <array>
#include <charconv>
#include <optional>
#include <string>
#include <utility>

#include "core/text.h"
#include "ingest/decode/venues/registry.h"
#include "ingest/decode/wallet_reader.h"

namespace spreadwatch::ingest {
namespace {

/// The routes nest five levels deep.
constexpr std::size_t kMaxWalletDepth = 32;

std::optional<std::string_view> text_of(const std::optional<dom::element>& value) {
  std::string_view text;
  if (!value || value->get_string().get(text) != simdjson::SUCCESS) return std::nullopt;
  return text;
}

}  // namespace

std::optional<dom::element> member(const dom::element& row, std::string_view key) {
  dom::element found;
  if (row[key].get(found) != simdjson::SUCCESS) return std::nullopt;
  return found;
}

std::optional<dom::array> list_of(const dom::element& row, std::string_view key) {
  const auto found = member(row, key);
  dom::array items;
  if (!found || found->get_array().get(items) != simdjson::SUCCESS) return std::nullopt;
  return items;
}

std::optional<std::string> wallet_name(const dom::element& row, std::string_view key) {
  const auto text = text_of(member(row, key));
  if (!text || text->empty() || text->size() > 40) return std::nullopt;
  return to_upper(*text);
}

std::optional<double> wallet_amount(const dom::element& row, std::string_view key) {
  const auto found = member(row, key);
  if (!found) return std::nullopt;
  double value = 0;
  if (const auto text = text_of(found)) {
    const char* const end = text->data() + text->size();
    const auto read = std::from_chars(text->data(), end, value);
    if (read.ec != std::errc{} || read.ptr != end) return std::nullopt;
  } else if (found->get_double().get(value) != simdjson::SUCCESS) {
    return std::nullopt;
  }
  constexpr double kMostCoins = 1e15;
  if (!(value >= 0 && value <= kMostCoins)) return std::nullopt;
  return value;
}

bool equals(const dom::element& value, std::string_view expected) {
  return text_of(value) == expected;
}
bool equals(const dom::element& value, bool expected) {
  bool flag = false;
  return value.get_bool().get(flag) == simdjson::SUCCESS && flag == expected;
}
bool equals(const dom::element& value, int expected) {
  double number = 0;
  return value.get_double().get(number) == simdjson::SUCCESS && number == expected;
}

std::span<const WalletRoute> wallet_routes(VenueId venue) {
  return registered(venue).wallets.routes;
}

Result<std::vector<WalletStatus>> parse_wallets(VenueId venue, std::string_view body,
                                                Timestamp received, std::vector<Error>* refused) {
  const WalletSource& source = registered(venue).wallets;
  WalletRows rows(venue, received);
  try {
    dom::parser parser;
    dom::element json;
    auto error = parser.allocate(body.size(), kMaxWalletDepth);
    if (!error) error = parser.parse(body.data(), body.size()).get(json);
    if (error) {
      return Unexpected{Error{ErrorCode::kMalformedJson, simdjson::error_message(error)}};
    }
    if (json.is_object() && (source.accepted == nullptr || !source.accepted(json))) {
      return Unexpected{Error{ErrorCode::kVenueError, simdjson::minify(json).substr(0, 200)}};
    }
    if (source.read == nullptr) {
      return Unexpected{Error{ErrorCode::kSchemaMismatch, "the venue has no wallet route"}};
    }
    source.read(json, rows);
  } catch (const simdjson::simdjson_error& e) {
    return Unexpected{Error{ErrorCode::kSchemaMismatch, e.what()}};
  }
  std::vector<WalletStatus> all = rows.take();
  if (refused != nullptr) *refused = rows.take_refused();
  if (all.empty()) return Unexpected{Error{ErrorCode::kSchemaMismatch, "no wallet in the answer"}};
  return all;
}

}  // namespace spreadwatch::ingest
