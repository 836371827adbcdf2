#pragma once

#include <simdjson.h>

#include <cstdint>
#include <exception>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#include "core/decimal.h"
#include "core/error.h"
#include "core/market_data.h"
#include "core/time.h"
#include "ingest/decode/decoded.h"

/// A thin layer over simdjson on-demand for the venue files.
///
/// On-demand reads forwards, once, and checks lazily. Three habits follow from that: iterate an
/// object's fields with a switch on the key instead of asking for fields by name (venues reorder
/// keys at will), read each value at most once, and call JsonReader::close() before trusting what
/// was read. Only .cpp files of ingest include this header.
namespace spreadwatch::ingest {

namespace od = simdjson::ondemand;

/// The payload, or the part of it being read, cannot be used.
///
/// Thrown only between an adapter's parse() and VenueAdapter::decode(). The reader stays usable: a
/// caller that catches it around one field of an object or one row of an array may go on with the
/// next.
class DecodeFailure final : public std::exception {
 public:
  DecodeFailure(ErrorCode code, std::string detail) : error_{code, std::move(detail)} {}
  const Error& error() const noexcept { return error_; }
  const char* what() const noexcept override { return error_.detail.c_str(); }

 private:
  Error error_;
};

[[noreturn]] void fail(ErrorCode code, std::string detail);

/// What an exception out of simdjson means in our closed list.
ErrorCode code_of(simdjson::error_code code) noexcept;

/// A parser with its padded copy of the payload, reused from frame to frame. Threads: one at a
/// time.
class JsonReader {
 public:
  /// Starts reading. The document lives until the next open().
  ///
  /// Throws DecodeFailure (kMalformedJson) when the payload cannot be a JSON object or array.
  od::document& open(std::string_view payload);

  /// The document from its start again, for payloads whose keys come in an unhelpful order.
  od::document& rewind();

  /// Throws DecodeFailure (kMalformedJson) unless the payload is one complete document and nothing
  /// more. REQUIRES: no value of the document is used afterwards.
  void close();

 private:
  od::parser parser_;
  od::document document_;
  std::vector<char> buffer_;
};

/// Whether the reader stays usable after this error, as it does after a DecodeFailure: a value was
/// of another type than asked for, while the text itself is sound.
constexpr bool is_survivable(simdjson::error_code code) noexcept {
  switch (code) {
    case simdjson::INCORRECT_TYPE:
    case simdjson::NO_SUCH_FIELD:
    case simdjson::INDEX_OUT_OF_BOUNDS:
    case simdjson::NUMBER_OUT_OF_RANGE:
    case simdjson::NUMBER_ERROR:
      return true;
    default:
      return false;
  }
}

/// Runs `read()`. What it throws is an Error when the reader stays usable after it; else it goes on
/// to the caller.
template <class Read>
std::optional<Error> failure_of(Read&& read) {
  try {
    read();
    return std::nullopt;
  } catch (const DecodeFailure& failure) {
    return failure.error();
  } catch (const simdjson::simdjson_error& failure) {
    if (!is_survivable(failure.error())) throw;
    return Error{code_of(failure.error()), simdjson::error_message(failure.error())};
  }
}

/// The key of a field, its escapes resolved. The view lives until the next JsonReader::open() of
/// the thread.
std::string_view key_of(simdjson::simdjson_result<od::field>& field);

/// Calls `visit(std::string_view key, od::value value)` for each field of an object. A field that
/// cannot be read does not keep the others from being visited, so that what names the object is
/// known wherever it stands; then the first failure is thrown as DecodeFailure.
template <class Object, class Visit>
void for_each_field(Object&& object, Visit&& visit) {
  od::object fields = object.get_object();
  std::optional<Error> first;
  for (auto field : fields) {
    std::optional<Error> failure = failure_of([&] {
      const std::string_view key = key_of(field);
      visit(key, od::value{field.value()});
    });
    if (failure && !first) first = std::move(failure);
  }
  if (first) fail(first->code, std::move(first->detail));
}

/// Reads field `key` from the payload's start again: what is around it, which tells how to read it,
/// has come behind it.
template <class Read>
void read_again(JsonReader& json, std::string_view key, Read&& read) {
  for_each_field(json.rewind(), [&](std::string_view name, od::value value) {
    if (name == key) read(value);
  });
}

/// Whether an opened payload is an array.
inline bool is_array(std::string_view payload) {
  return payload[payload.find_first_not_of(" \t\r\n")] == '[';
}

/// Calls `visit(od::value item)` for each item of an array.
template <class Array, class Visit>
void for_each_item(Array&& array, Visit&& visit) {
  od::array items = array.get_array();
  for (od::value item : items) visit(item);
}

/// Calls `read(od::value row, std::size_t index)` for each item of a list whose rows stand on their
/// own, counted from 0; `read` is to keep to add_ticker() and its like. Returns their number.
template <class Array, class Read>
std::size_t for_each_row(Array&& list, Read&& read) {
  std::size_t index = 0;
  for_each_item(list, [&](od::value row) { read(row, index++); });
  return index;
}

/// Runs `read()`, which reads row `index` of a list. Where that fails the row becomes one error
/// that says which row it was, `undo()` takes back what it had put into `out`, and the rows beside
/// it count; false then. `name` is what the row is called, as far as known by then, and `stream`
/// the order book stream that has lost it.
template <class Read, class Undo>
bool add_row(Decoded& out, std::size_t index, const std::string& name, const std::string& stream,
             Read&& read, Undo&& undo) {
  const std::optional<Error> failure = failure_of(read);
  if (!failure) return true;
  out.add_row_error(index, *failure, name, stream);
  undo();
  return false;
}

/// Adds a ticker filled in by `read(TickerMessage&)` as add_row() does.
template <class Read>
bool add_ticker(Decoded& out, std::size_t index, Read&& read) {
  TickerMessage& message = out.next_ticker();
  static const std::string kNoStream;
  return add_row(
      out, index, message.symbol, kNoStream, [&] { read(message); }, [&] { out.tickers.pop(); });
}

/// Throws DecodeFailure unless the row has a symbol and its instrument's names are assets.
void check_market(const MarketInfo& market);

/// As add_ticker() for one row of a market list, which `read(MarketInfo&)` fills in; it may return
/// false for a row that is to be left out. The names have to be such as can be watched.
template <class Read>
void add_market(Decoded& out, std::size_t index, Read&& read) {
  MarketInfo market;
  static const std::string kNoStream;
  add_row(
      out, index, market.symbol, kNoStream,
      [&] {
        if constexpr (std::is_same_v<decltype(read(market)), bool>) {
          if (!read(market)) return;
        } else {
          read(market);
        }
        check_market(market);
        out.markets.push_back(std::move(market));
      },
      [] {});
}

/// As add_ticker() for one of several order books. One that carries on from the last message of its
/// stream leaves that stream untrustworthy when it cannot be read.
template <class Read>
bool add_book(Decoded& out, std::size_t index, Read&& read) {
  BookMessage& book = out.next_book();
  std::string lost;
  return add_row(
      out, index, book.symbol, lost,
      [&] {
        const std::optional<Error> failure = failure_of([&] { read(book); });
        if (!failure) return;
        if (book.rule != BookRule::kReplace) lost = book.stream;
        fail(failure->code, failure->detail);
      },
      [&] { out.books.pop(); });
}

/// The value's first character tells its type without consuming it.
enum class JsonType : std::uint8_t { kObject, kArray, kString, kNumber, kBool, kNull, kInvalid };
JsonType type_of(od::value& value) noexcept;
inline bool is_null(od::value& value) noexcept { return type_of(value) == JsonType::kNull; }

/// A string's content, its escapes resolved. The view lives until the next JsonReader::open() of
/// the thread. Throws kSchemaMismatch when it is no string, or no Unicode text.
std::string_view read_string(od::value& value);
/// As read_string(); nullopt when null or empty.
std::optional<std::string_view> read_optional_string(od::value& value);
/// As read_string() for a field that may be missing or of any other type; empty then.
std::string_view text_or_none(od::value& value);
bool read_bool(od::value& value);
/// True only when the value is `true`.
bool is_true(od::value& value) noexcept;

/// The digits of a number or of a string that holds one, exactly as written. Does not consume the
/// value. Throws kSchemaMismatch when it is neither; an empty string gives an empty text.
std::string_view number_text(od::value& value);
/// As number_text(), for a code or a name that may be a number or a string; empty when it is
/// anything else.
std::string_view code_text(od::value& value);

/// A number, or a string that holds one, as an exact decimal with its written scale.
/// Throws kSchemaMismatch when it is not a number, kValueOutOfRange when it does not fit ("nan"
/// included).
Decimal read_decimal(od::value& value);
/// As read_decimal(); nullopt when null or an empty string, which is how venues spell "none".
std::optional<Decimal> read_optional_decimal(od::value& value);
/// The nearest double of such digits. Throws kSchemaMismatch when they are not a number,
/// kValueOutOfRange unless it is 0 or its magnitude from 1e-36 to 1e35.
double number_of(std::string_view text);
/// As number_of() of number_text().
double read_double(od::value& value);
std::optional<double> read_optional_double(od::value& value);
/// A whole number, or a string that holds one, that has a next one in 64 bits. Exponents and
/// decimals are refused.
std::int64_t read_int(od::value& value);
std::optional<std::int64_t> read_optional_int(od::value& value);
/// Milliseconds since the epoch as a number or a string. Nullopt when null, empty or zero.
std::optional<Timestamp> read_ms(od::value& value);
/// The timestamp of a number of milliseconds. Throws kValueOutOfRange outside the years 1970 to
/// 2200.
std::optional<Timestamp> timestamp_of_ms(std::int64_t ms);
std::optional<Timestamp> timestamp_of_us(std::int64_t us);
/// RFC 3339 in UTC with up to nine decimals of a second, e.g. "2026-09-24T03:54:18.054886Z".
std::optional<Timestamp> read_rfc3339(od::value& value);

/// Appends a level. Throws kValueOutOfRange when the price or the size is negative. A price of zero
/// passes: VenueAdapter::decode() leaves such levels out, on every venue alike.
void add_level(std::vector<Level>& out, const Decimal& price, const Decimal& size);
/// Reads `[[price, size, …], …]` into `out` (cleared first); null is an empty side.
void read_level_arrays(od::value& value, std::vector<Level>& out);
/// Reads `[{"<price_key>":…, "<size_key>":…, …}, …]` into `out` (cleared first); null is an empty
/// side.
void read_level_objects(od::value& value, std::string_view price_key, std::string_view size_key,
                        std::vector<Level>& out);

/// Which sides of a book a payload has named so far.
struct BookSides {
  bool bids = false;
  bool asks = false;

  bool both() const { return bids && asks; }
  /// Reads the value into the book when its key is that of a side; false when it is not.
  bool read_arrays(std::string_view key, od::value& value, std::string_view bids_key,
                   std::string_view asks_key, BookMessage& book);
  /// As read_arrays(), of `[{"price":…, "qty":…}, …]` under "bids" and "asks".
  bool read_objects(std::string_view key, od::value& value, BookMessage& book);
};

/// The price that a ticker has to name, even where there is none yet.
struct LastPrice {
  std::optional<Decimal> price;
  bool named = false;

  void read(od::value& value) {
    price = read_optional_decimal(value);
    named = true;
  }
};

/// An error's code and words out of `{"<code_key>":…, "<message_key>":…}`; what is no object is the
/// words.
void read_error_object(od::value& error, std::string_view code_key, std::string_view message_key,
                       std::string_view& code, std::string_view& message);

/// a − b for a ticker: exact where the difference fits, else in double; nullopt when either is
/// absent.
std::optional<double> difference(const std::optional<Decimal>& a, const std::optional<Decimal>& b);
inline std::optional<double> to_double(const std::optional<Decimal>& value) {
  return value ? std::optional<double>{value->to_double()} : std::nullopt;
}

}  // namespace spreadwatch::ingest
