#include "ingest/decode/json_reader.h"

#include <algorithm>
#include <charconv>
#include <chrono>
#include <cmath>
#include <cstring>
#include <deque>
#include <limits>

#include "core/text.h"

namespace spreadwatch::ingest {
namespace {

constexpr std::string_view kWhitespace = " \t\r\n";
constexpr std::int64_t kLatestMs = 7'258'118'400'000;  // the year 2200
constexpr std::int64_t kLargestInt = std::numeric_limits<std::int64_t>::max() - 1;
// The range of Decimal: products and quotients of such numbers stay far from the end of a double.
constexpr double kLargestNumber = 1e35;
constexpr double kSmallestNumber = 1e-36;

std::string quoted(std::string_view text) { return "\"" + std::string{text.substr(0, 40)} + "\""; }

constexpr bool is_space(char c) { return c == ' ' || c == '\t' || c == '\r' || c == '\n'; }

/// The token without the white space that separates it from the next one.
inline std::string_view token_of(od::value& value) {
  std::string_view token = value.raw_json_token();
  while (!token.empty() && is_space(token.back())) token.remove_suffix(1);
  return token;
}

/// Strings that had escapes, until the thread opens the next payload. A deque moves none of them
/// when it grows. They are not kept in the parser's own buffer, which JsonReader::rewind() empties.
/// Bounded by the payload: an escape is longer than what it stands for.
std::deque<std::string>& unescaped() {
  thread_local std::deque<std::string> strings;
  return strings;
}

/// The number of four hexadecimal digits at `at`, or −1.
int hex4(std::string_view text, std::size_t at) {
  int value = 0;
  if (at + 4 > text.size()) return -1;
  const char* const begin = text.data() + at;
  return std::from_chars(begin, begin + 4, value, 16).ptr == begin + 4 && *begin != '-' ? value
                                                                                        : -1;
}

void append_utf8(std::string& out, std::uint32_t code) {
  const auto put = [&out](std::uint32_t byte) { out.push_back(static_cast<char>(byte)); };
  if (code < 0x80) {
    put(code);
  } else if (code < 0x800) {
    put(0xc0U | code >> 6U), put(0x80U | (code & 0x3fU));
  } else if (code < 0x10000) {
    put(0xe0U | code >> 12U), put(0x80U | (code >> 6U & 0x3fU)), put(0x80U | (code & 0x3fU));
  } else {
    put(0xf0U | code >> 18U), put(0x80U | (code >> 12U & 0x3fU));
    put(0x80U | (code >> 6U & 0x3fU)), put(0x80U | (code & 0x3fU));
  }
}

/// What stands between the quotes of a JSON string, without escapes.
std::string_view unescape(std::string_view raw) {
  std::string& out = unescaped().emplace_back();
  out.reserve(raw.size());
  for (std::size_t i = 0; i < raw.size(); ++i) {
    if (raw[i] != '\\') {
      out.push_back(raw[i]);
      continue;
    }
    constexpr std::string_view kLetters = "\"\\/bfnrt";
    constexpr std::string_view kMeanings = "\"\\/\b\f\n\r\t";
    const char letter = ++i < raw.size() ? raw[i] : '\0';
    if (const auto at = kLetters.find(letter); letter != '\0' && at != std::string_view::npos) {
      out.push_back(kMeanings[at]);
      continue;
    }
    int code = letter == 'u' ? hex4(raw, i + 1) : -1;
    i += 4;
    if (code >= 0xd800 && code < 0xdc00) {
      const int low = raw.substr(std::min(i + 1, raw.size()), 2) == "\\u" ? hex4(raw, i + 3) : -1;
      code =
          low >= 0xdc00 && low < 0xe000 ? 0x10000 + ((code - 0xd800) << 10) + (low - 0xdc00) : -1;
      i += 6;
    } else if (code >= 0xdc00 && code < 0xe000) {
      code = -1;
    }
    if (code < 0) fail(ErrorCode::kSchemaMismatch, "no Unicode text: " + quoted(raw));
    append_utf8(out, static_cast<std::uint32_t>(code));
  }
  return out;
}

/// The same for what most often has none.
inline std::string_view plain(std::string_view raw) {
  return raw.find('\\') == std::string_view::npos ? raw : unescape(raw);
}

bool is_not_a_number(std::string_view text) {
  if (!text.empty() && (text.front() == '-' || text.front() == '+')) text.remove_prefix(1);
  std::string lower{text.substr(0, 9)};
  std::transform(lower.begin(), lower.end(), lower.begin(),
                 [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; });
  return lower == "nan" || lower == "inf" || lower == "infinity";
}

[[noreturn]] void refuse_decimal(std::string_view text);

inline Decimal decimal_of(std::string_view text) {
  Decimal value;
  if (!Decimal::try_parse(text, value)) refuse_decimal(text);
  return value;
}

void refuse_decimal(std::string_view text) {
  if (is_not_a_number(text)) fail(ErrorCode::kValueOutOfRange, "not finite: " + quoted(text));
  const Error error = Decimal::parse(text).error();
  fail(error.code, error.detail);
}

double double_of(std::string_view text) {
  double value = 0;
  const auto [end, status] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (status == std::errc::result_out_of_range) {
    fail(ErrorCode::kValueOutOfRange, "not representable: " + quoted(text));
  }
  if (is_not_a_number(text)) fail(ErrorCode::kValueOutOfRange, "not finite: " + quoted(text));
  if (status != std::errc{} || end != text.data() + text.size() || !std::isfinite(value)) {
    fail(ErrorCode::kSchemaMismatch, "not a number: " + quoted(text));
  }
  // What an exact price or size cannot be, a statistic of them is not either.
  if (value != 0 && !(std::abs(value) >= kSmallestNumber && std::abs(value) < kLargestNumber)) {
    fail(ErrorCode::kValueOutOfRange, "beyond any price or volume: " + quoted(text));
  }
  return value;
}

std::int64_t int_of(std::string_view text) {
  std::int64_t value = 0;
  const auto [end, status] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (status == std::errc::result_out_of_range) {
    fail(ErrorCode::kValueOutOfRange, "not a 64-bit number: " + quoted(text));
  }
  if (status != std::errc{} || end != text.data() + text.size()) {
    fail(ErrorCode::kSchemaMismatch, "not a whole number: " + quoted(text));
  }
  // The next number must be one of 64 bits too.
  if (value > kLargestInt || value < -kLargestInt) {
    fail(ErrorCode::kValueOutOfRange, "beyond any number or time: " + quoted(text));
  }
  return value;
}

/// `count` digits at `at`, or −1.
int digits_at(std::string_view text, std::size_t at, std::size_t count) {
  if (at + count > text.size()) return -1;
  int value = 0;
  for (const char c : text.substr(at, count)) {
    if (c < '0' || c > '9') return -1;
    value = value * 10 + (c - '0');
  }
  return value;
}

}  // namespace

void fail(ErrorCode code, std::string detail) { throw DecodeFailure{code, std::move(detail)}; }

ErrorCode code_of(simdjson::error_code code) noexcept {
  switch (code) {
    case simdjson::INCORRECT_TYPE:
    case simdjson::NO_SUCH_FIELD:
    case simdjson::INDEX_OUT_OF_BOUNDS:
      return ErrorCode::kSchemaMismatch;
    case simdjson::NUMBER_OUT_OF_RANGE:
      return ErrorCode::kValueOutOfRange;
    case simdjson::CAPACITY:
    case simdjson::MEMALLOC:
      return ErrorCode::kOversizedFrame;
    default:
      return ErrorCode::kMalformedJson;
  }
}

od::document& JsonReader::open(std::string_view payload) {
  unescaped().clear();
  const auto first = payload.find_first_not_of(kWhitespace);
  if (first == std::string_view::npos || (payload[first] != '{' && payload[first] != '[')) {
    fail(ErrorCode::kMalformedJson, "neither a JSON object nor an array");
  }
  const char last = payload[payload.find_last_not_of(kWhitespace)];
  if (last != (payload[first] == '{' ? '}' : ']')) {
    fail(ErrorCode::kMalformedJson, "the payload ends early");
  }
  // Growing by doubling: a busy connection settles on one buffer and one parser capacity.
  const std::size_t needed = payload.size() + simdjson::SIMDJSON_PADDING;
  if (buffer_.size() < needed) buffer_.resize(std::max(needed, buffer_.size() * 2));
  std::memcpy(buffer_.data(), payload.data(), payload.size());
  std::memset(buffer_.data() + payload.size(), ' ', simdjson::SIMDJSON_PADDING);
  document_ = parser_.iterate(buffer_.data(), payload.size(), buffer_.size());
  return document_;
}

od::document& JsonReader::rewind() {
  document_.rewind();
  return document_;
}

void JsonReader::close() {
  const auto at_end = [this] {
    return document_.current_location().error() == simdjson::OUT_OF_BOUNDS;
  };
  if (at_end()) return;
  // Left early, or something follows: only skipping over the whole document tells which.
  document_.rewind();
  std::string_view whole;
  if (document_.raw_json().get(whole) != simdjson::SUCCESS || !at_end()) {
    fail(ErrorCode::kMalformedJson, "not one complete document");
  }
}

std::string_view key_of(simdjson::simdjson_result<od::field>& field) {
  const od::raw_json_string key = field.key();
  const char* const begin = key.raw();
  const char* end = begin;
  bool escaped = false;
  for (; *end != '"'; ++end) {  // stage 1 has seen the closing quote
    if (*end != '\\') continue;
    escaped = true;
    ++end;
  }
  const std::string_view raw{begin, static_cast<std::size_t>(end - begin)};
  return escaped ? unescape(raw) : raw;
}

void check_market(const MarketInfo& market) {
  if (market.symbol.empty()) fail(ErrorCode::kSchemaMismatch, "a market without its symbol");
  const Instrument& instrument = market.instrument;
  if (instrument.base.empty() || instrument.quote.empty()) {
    fail(ErrorCode::kSchemaMismatch, "a market without base or quote currency");
  }
  if (!is_canonical_asset(instrument.base) || !is_canonical_asset(instrument.quote)) {
    fail(ErrorCode::kUnknownSymbol, "not a spot instrument");
  }
}

JsonType type_of(od::value& value) noexcept {
  const std::string_view token = value.raw_json_token();
  if (token.empty()) return JsonType::kInvalid;
  switch (token.front()) {
    case '{':
      return JsonType::kObject;
    case '[':
      return JsonType::kArray;
    case '"':
      return JsonType::kString;
    case 't':
    case 'f':
      return JsonType::kBool;
    case 'n':
      return JsonType::kNull;
    case '-':
    case '0':
    case '1':
    case '2':
    case '3':
    case '4':
    case '5':
    case '6':
    case '7':
    case '8':
    case '9':
      return JsonType::kNumber;
    default:
      return JsonType::kInvalid;
  }
}

std::string_view read_string(od::value& value) {
  const std::string_view token = token_of(value);
  if (token.size() < 2 || token.front() != '"' || token.back() != '"') {
    fail(ErrorCode::kSchemaMismatch, "expected a string, got " + quoted(token));
  }
  return plain(token.substr(1, token.size() - 2));
}

std::optional<std::string_view> read_optional_string(od::value& value) {
  if (is_null(value)) return std::nullopt;
  const std::string_view text = read_string(value);
  return text.empty() ? std::nullopt : std::optional{text};
}

std::string_view text_or_none(od::value& value) {
  if (type_of(value) != JsonType::kString) return {};
  std::string_view text;
  failure_of([&] { text = read_string(value); });
  return text;
}

bool is_true(od::value& value) noexcept { return token_of(value) == "true"; }

bool read_bool(od::value& value) {
  const std::string_view token = token_of(value);
  if (token == "true") return true;
  if (token == "false") return false;
  fail(ErrorCode::kSchemaMismatch, "expected true or false, got " + quoted(token));
}

std::string_view number_text(od::value& value) {
  const std::string_view token = token_of(value);
  if (!token.empty()) {
    const char first = token.front();
    if (first == '"' && token.size() >= 2 && token.back() == '"') {
      return plain(token.substr(1, token.size() - 2));
    }
    if (first == '-' || (first >= '0' && first <= '9')) return token;
  }
  fail(ErrorCode::kSchemaMismatch, "expected a number, got " + quoted(token));
}

std::string_view code_text(od::value& value) {
  return type_of(value) == JsonType::kNumber ? token_of(value) : text_or_none(value);
}

Decimal read_decimal(od::value& value) { return decimal_of(number_text(value)); }

std::optional<Decimal> read_optional_decimal(od::value& value) {
  if (is_null(value)) return std::nullopt;
  const std::string_view text = number_text(value);
  if (text.empty()) return std::nullopt;
  return decimal_of(text);
}

double number_of(std::string_view text) { return double_of(text); }

double read_double(od::value& value) { return double_of(number_text(value)); }

std::optional<double> read_optional_double(od::value& value) {
  if (is_null(value)) return std::nullopt;
  const std::string_view text = number_text(value);
  if (text.empty()) return std::nullopt;
  return double_of(text);
}

std::int64_t read_int(od::value& value) { return int_of(number_text(value)); }

std::optional<std::int64_t> read_optional_int(od::value& value) {
  if (is_null(value)) return std::nullopt;
  const std::string_view text = number_text(value);
  if (text.empty()) return std::nullopt;
  return int_of(text);
}

std::optional<Timestamp> timestamp_of_ms(std::int64_t ms) {
  if (ms == 0) return std::nullopt;
  if (ms < 0 || ms > kLatestMs) {
    fail(ErrorCode::kValueOutOfRange, "not a time in milliseconds: " + std::to_string(ms));
  }
  return timestamp_from_ms(ms);
}

std::optional<Timestamp> timestamp_of_us(std::int64_t us) {
  if (us == 0) return std::nullopt;
  if (us < 0 || us / 1000 > kLatestMs) {
    fail(ErrorCode::kValueOutOfRange, "not a time in microseconds: " + std::to_string(us));
  }
  return timestamp_from_us(us);
}

std::optional<Timestamp> read_ms(od::value& value) {
  const std::optional<std::int64_t> ms = read_optional_int(value);
  return ms ? timestamp_of_ms(*ms) : std::nullopt;
}

std::optional<Timestamp> read_rfc3339(od::value& value) {
  const std::optional<std::string_view> text = read_optional_string(value);
  if (!text) return std::nullopt;
  const std::string_view t = *text;
  const int year = digits_at(t, 0, 4);
  const int month = digits_at(t, 5, 2);
  const int day = digits_at(t, 8, 2);
  const int hour = digits_at(t, 11, 2);
  const int minute = digits_at(t, 14, 2);
  const int second = digits_at(t, 17, 2);
  bool good = t.size() >= 20 && t[4] == '-' && t[7] == '-' && (t[10] == 'T' || t[10] == ' ') &&
              t[13] == ':' && t[16] == ':' && year >= 1970 && year <= 2200 && hour >= 0 &&
              hour <= 23 && minute >= 0 && minute <= 59 && second >= 0 && second <= 60;
  const std::chrono::year_month_day date{std::chrono::year{year},
                                         std::chrono::month{static_cast<unsigned>(month)},
                                         std::chrono::day{static_cast<unsigned>(day)}};
  good = good && month > 0 && day > 0 && date.ok();
  std::int64_t us = 0;
  std::size_t at = 19;
  if (good && t[at] == '.') {
    std::int64_t unit = 100'000;
    const std::size_t first = ++at;
    for (; at < t.size() && t[at] >= '0' && t[at] <= '9'; ++at, unit /= 10) {
      us += (t[at] - '0') * unit;  // decimals beyond the microsecond count as zero
    }
    good = at > first && at - first <= 9;
  }
  const std::string_view zone = good ? t.substr(at) : std::string_view{};
  if (!good || (zone != "Z" && zone != "+00:00")) {
    fail(ErrorCode::kSchemaMismatch, "not a time in UTC: " + quoted(t));
  }
  return Timestamp{std::chrono::sys_days{date}} + std::chrono::hours{hour} +
         std::chrono::minutes{minute} + seconds{second} + microseconds{us};
}

void add_level(std::vector<Level>& out, const Decimal& price, const Decimal& size) {
  if (price.is_negative() || size.is_negative()) {
    fail(ErrorCode::kValueOutOfRange,
         "level of price " + price.to_string() + " and size " + size.to_string());
  }
  out.push_back({price, size});
}

void read_level_arrays(od::value& value, std::vector<Level>& out) {
  out.clear();
  if (is_null(value)) return;
  od::array rows = value.get_array();
  for (od::value row : rows) {
    Level level;
    int column = 0;
    od::array columns = row.get_array();
    for (od::value cell : columns) {
      if (column == 0) level.price = decimal_of(number_text(cell));
      if (column == 1) level.size = decimal_of(number_text(cell));
      ++column;
    }
    if (column < 2) fail(ErrorCode::kSchemaMismatch, "a level without price and size");
    add_level(out, level.price, level.size);
  }
}

void read_level_objects(od::value& value, std::string_view price_key, std::string_view size_key,
                        std::vector<Level>& out) {
  out.clear();
  if (is_null(value)) return;
  od::array rows = value.get_array();
  for (od::value row : rows) {
    Level level;
    bool has_price = false;
    bool has_size = false;
    od::object fields = row.get_object();
    for (auto field : fields) {
      const std::string_view key = key_of(field);
      if (key == price_key) {
        od::value cell = field.value();
        level.price = decimal_of(number_text(cell));
        has_price = true;
      } else if (key == size_key) {
        od::value cell = field.value();
        level.size = decimal_of(number_text(cell));
        has_size = true;
      }
    }
    if (!has_price || !has_size) {
      fail(ErrorCode::kSchemaMismatch, "a level without price and size");
    }
    add_level(out, level.price, level.size);
  }
}

bool BookSides::read_arrays(std::string_view key, od::value& value, std::string_view bids_key,
                            std::string_view asks_key, BookMessage& book) {
  if (key == bids_key) {
    read_level_arrays(value, book.bids);
    bids = true;
  } else if (key == asks_key) {
    read_level_arrays(value, book.asks);
    asks = true;
  } else {
    return false;
  }
  return true;
}

bool BookSides::read_objects(std::string_view key, od::value& value, BookMessage& book) {
  if (key == "bids") {
    read_level_objects(value, "price", "qty", book.bids);
    bids = true;
  } else if (key == "asks") {
    read_level_objects(value, "price", "qty", book.asks);
    asks = true;
  } else {
    return false;
  }
  return true;
}

void read_error_object(od::value& error, std::string_view code_key, std::string_view message_key,
                       std::string_view& code, std::string_view& message) {
  if (type_of(error) != JsonType::kObject) {
    message = code_text(error);
    return;
  }
  for_each_field(error, [&](std::string_view name, od::value part) {
    if (name == code_key) code = code_text(part);
    if (name == message_key) message = text_or_none(part);
  });
}

std::optional<double> difference(const std::optional<Decimal>& a, const std::optional<Decimal>& b) {
  if (!a || !b) return std::nullopt;
  const Result<Decimal> exact = subtract(*a, *b);
  return exact ? exact->to_double() : a->to_double() - b->to_double();
}

}  // namespace spreadwatch::ingest
