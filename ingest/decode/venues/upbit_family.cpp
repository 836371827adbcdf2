#include "ingest/decode/venues/upbit_family.h"

#include <array>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "ingest/decode/json_reader.h"
#include "ingest/decode/venues/registry.h"

namespace spreadwatch::ingest {
namespace {

/// The fields that are read, whatever their spelling.
enum class Key : std::uint8_t {
  kType,
  kCode,
  kTimestamp,
  kUnits,
  kLevel,
  kOpening,
  kHigh,
  kLow,
  kTrade,
  kPrevClosing,
  kVolume,
  kChange,
  kTradeDate,
  kTradeTime,
  kError,
  kStatus,
  kName,
  kMessage,
  kMarketName,
  kOther,  ///< marks a payload of no use here
  kUnknown
};

/// DEFAULT and REST spelling, then SIMPLE.
constexpr std::array<std::pair<std::string_view, Key>, 42> kKeys = {{
    {"type", Key::kType},
    {"code", Key::kCode},
    {"market", Key::kCode},
    {"timestamp", Key::kTimestamp},
    {"orderbook_units", Key::kUnits},
    {"level", Key::kLevel},
    {"opening_price", Key::kOpening},
    {"high_price", Key::kHigh},
    {"low_price", Key::kLow},
    {"trade_price", Key::kTrade},
    {"prev_closing_price", Key::kPrevClosing},
    {"acc_trade_volume_24h", Key::kVolume},
    {"signed_change_price", Key::kChange},
    {"trade_date", Key::kTradeDate},
    {"trade_time", Key::kTradeTime},
    {"ty", Key::kType},
    {"cd", Key::kCode},
    {"tms", Key::kTimestamp},
    {"obu", Key::kUnits},
    {"lv", Key::kLevel},
    {"op", Key::kOpening},
    {"hp", Key::kHigh},
    {"lp", Key::kLow},
    {"tp", Key::kTrade},
    {"pcp", Key::kPrevClosing},
    {"atv24h", Key::kVolume},
    {"scp", Key::kChange},
    {"error", Key::kError},
    {"status", Key::kStatus},
    {"name", Key::kName},
    {"message", Key::kMessage},
    {"korean_name", Key::kMarketName},
    {"english_name", Key::kMarketName},
    {"candle_date_time_utc", Key::kOther},  // /candles
    {"sequential_id", Key::kOther},         // /trades/ticks
    {"supported_levels", Key::kOther},      // /orderbook/instruments
    {"warning_type", Key::kOther},          // /market/virtual_asset_warning
    {"currency", Key::kOther},              // /status/wallet, /fee/inout
    {"ticket", Key::kOther},                // our own request, or an answer to LIST_SUBSCRIPTIONS
    {"format", Key::kOther},
    {"codes", Key::kOther},
    {"result", Key::kOther},
}};

Key key_for(std::string_view name) {
  for (const auto& [spelling, key] : kKeys) {
    if (spelling == name) return key;
  }
  return Key::kUnknown;
}

/// Milliseconds, or the microseconds that Bithumb's books have: the number of digits tells.
std::optional<Timestamp> time_of(std::int64_t value) {
  constexpr std::int64_t kSixteenDigits = 1'000'000'000'000'000;
  return value >= kSixteenDigits ? timestamp_of_us(value) : timestamp_of_ms(value);
}

/// Sizes cut to few decimals can be zero at a live price. (What thin sides are padded with has a
/// price of zero.)
void add_unless_empty(std::vector<Level>& side, const Level& level) {
  if (level.price.is_positive() && level.size.is_zero()) return;
  add_level(side, level.price, level.size);
}

class UpbitLikeAdapter final : public VenueAdapter {
 public:
  explicit UpbitLikeAdapter(const UpbitDialect& dialect) : dialect_(dialect) {}

  const VenueProfile& profile() const noexcept override { return dialect_.profile(); }

  std::string venue_symbol(const Instrument& instrument) const override {
    return instrument.quote + "-" + instrument.base;
  }

  // A reply does not say which depth was asked for: one book per code on a connection.
  std::string book_stream(const Instrument& instrument, int /*depth*/) const override {
    return "orderbook:" + venue_symbol(instrument);
  }

  std::vector<std::string> subscribe(std::span<const Subscription> subscriptions,
                                     Timestamp now) const override;
  std::vector<std::string> unsubscribe(std::span<const Subscription>, Timestamp) const override {
    return {};  // the next subscribe message replaces this one
  }

  RestCall book_call(const Instrument& instrument, int depth) const override {
    RestCall call = call_of("/v1/orderbook?markets=", "orderbook", instrument);
    if (dialect_.book_call_counts) call.path += "&count=" + std::to_string(offered_depth(depth));
    return call;
  }

  RestCall polled_call(std::span<const Instrument> instruments, int depth) const override {
    RestCall call = book_call(instruments.front(), depth);
    if (instruments.size() == 1) return call;
    call.path = "/v1/orderbook?markets=";
    for (const Instrument& instrument : instruments) {
      if (call.path.back() != '=') call.path.push_back(',');
      append_url_escaped(call.path, venue_symbol(instrument));
    }
    if (dialect_.book_call_counts) call.path += "&count=" + std::to_string(offered_depth(depth));
    call.symbol.clear();
    return call;
  }

  std::vector<RestCall> ticker_calls(std::span<const Instrument> instruments) const override {
    return in_groups(instruments, "/v1/ticker?markets=");
  }

  RestCall markets_call() const override {
    return {std::string{dialect_.markets_path}, "markets", "", 1};
  }

 protected:
  std::optional<Instrument> split(std::string_view venue_symbol) const override {
    return split_quote_first(venue_symbol, '-');
  }

  void parse(const Frame& frame, Decoded& out) override;

 private:
  /// One object with every field of interest: a ticker, a book, a market, an error.
  struct Row {
    std::string_view type;
    std::string_view code;
    std::string_view status;
    std::string_view name;
    std::string_view message;
    std::optional<double> opening;
    std::optional<double> high;
    std::optional<double> low;
    std::optional<double> trade;
    std::optional<double> prev_closing;
    std::optional<double> volume;
    std::optional<double> change;
    std::string_view group;  ///< the price step that the levels are grouped by
    std::string_view trade_date;
    std::string_view trade_time;
    std::int64_t timestamp = 0;
    bool has_trade = false;
    bool has_error = false;
    bool has_units = false;
    bool is_market = false;
    bool is_other = false;
  };

  template <class Object>
  void read_row(Object&& object, const Frame& frame, Decoded& out);
  void read_field(std::string_view name, od::value& value);
  void read_error(od::value& error);
  void read_units(od::value& units);
  void refuse_retired(std::string_view name, od::value& value) const;

  void put(const Frame& frame, Decoded& out);
  void put_book(const Frame& frame, Decoded& out);
  void put_ticker(const Frame& frame, Decoded& out);
  void put_market(Decoded& out) const;
  void put_error(const Frame& frame, Decoded& out) const;

  const UpbitDialect& dialect_;
  JsonReader json_;
  Row row_;
  std::vector<Level> bids_;
  std::vector<Level> asks_;
};

// [{"ticket":"…"},{"type":"ticker","codes":["KRW-BTC","KRW-USDT"]},
//  {"type":"orderbook","codes":["KRW-BTC","KRW-USDT.15"]},{"format":"DEFAULT"}]
std::vector<std::string> UpbitLikeAdapter::subscribe(std::span<const Subscription> subscriptions,
                                                     Timestamp now) const {
  if (subscriptions.empty()) return {};
  const VenueProfile& venue = profile();
  std::string text = R"([{"ticket":"spreadwatch-)" + std::to_string(to_us(now)) + R"("})";
  for (const Channel channel : {Channel::kTicker, Channel::kOrderBook}) {
    bool any = false;
    for (const Subscription& s : subscriptions) {
      if (s.channel != channel) continue;
      if (any) {
        text.push_back(',');
      } else {
        text.append(R"(,{"type":")").append(to_string(channel)).append(R"(","codes":[)");
      }
      any = true;
      text.append("\"").append(venue_symbol(s.instrument));
      if (channel == Channel::kOrderBook) {
        const int depth = offered_depth(s.depth);
        if (depth != venue.depths.back()) text.append(".").append(std::to_string(depth));
      }
      text.push_back('"');
    }
    if (any) text.append("]}");
  }
  text.append(R"(,{"format":"DEFAULT"}])");
  return {std::move(text)};
}

void UpbitLikeAdapter::parse(const Frame& frame, Decoded& out) {
  od::document& document = json_.open(frame.payload);
  if (!is_array(frame.payload)) {
    read_row(document, frame, out);
  } else {
    // REST answers, and frames of the formats JSON_LIST and SIMPLE_LIST. A bad row does not spoil
    // the others.
    const std::size_t rows = for_each_row(document, [&](od::value row, std::size_t index) {
      row_ = {};
      const auto failure = failure_of([&] { read_row(row, frame, out); });
      if (failure) out.add_row_error(index, *failure, row_.code, {});
    });
    if (rows == 0) out.controls.push_back({});
  }
  json_.close();
}

template <class Object>
void UpbitLikeAdapter::read_row(Object&& object, const Frame& frame, Decoded& out) {
  row_ = {};
  for_each_field(object, [&](std::string_view name, od::value value) { read_field(name, value); });
  put(frame, out);
}

void UpbitLikeAdapter::read_field(std::string_view name, od::value& value) {
  switch (key_for(name)) {
    case Key::kType:
      row_.type = text_or_none(value);
      break;
    case Key::kCode:
      row_.code = read_string(value);
      about(row_.code);
      break;
    case Key::kTimestamp:
      row_.timestamp = read_optional_int(value).value_or(0);
      break;
    case Key::kUnits:
      read_units(value);
      break;
    case Key::kLevel:
      if (read_optional_double(value).value_or(0) > dialect_.ungrouped_level) {
        row_.group = number_text(value);
      }
      break;
    case Key::kOpening:
      row_.opening = read_optional_double(value);
      break;
    case Key::kHigh:
      row_.high = read_optional_double(value);
      break;
    case Key::kLow:
      row_.low = read_optional_double(value);
      break;
    case Key::kTrade:
      row_.trade = read_optional_double(value);
      row_.has_trade = true;
      break;
    case Key::kPrevClosing:
      row_.prev_closing = read_optional_double(value);
      break;
    case Key::kVolume:
      row_.volume = read_optional_double(value);
      break;
    case Key::kChange:
      row_.change = read_optional_double(value);
      break;
    case Key::kTradeDate:
      row_.trade_date = text_or_none(value);
      break;
    case Key::kTradeTime:
      row_.trade_time = text_or_none(value);
      break;
    case Key::kError:
      if (!is_null(value)) read_error(value);
      break;
    case Key::kStatus:
      row_.status = code_text(value);
      refuse_retired(name, value);
      break;
    case Key::kName:
      row_.name = code_text(value);
      break;
    case Key::kMessage:
      row_.message = text_or_none(value);
      break;
    case Key::kMarketName:
      row_.is_market = true;
      break;
    case Key::kOther:
      row_.is_other = true;
      break;
    case Key::kUnknown:
      refuse_retired(name, value);
      break;
  }
}

/// Payloads of a retired generation show in one of their keys, at the top or one object further in.
void UpbitLikeAdapter::refuse_retired(std::string_view name, od::value& value) const {
  if (dialect_.is_retired == nullptr) return;
  const JsonType type = type_of(value);
  const std::string_view text = text_or_none(value);
  bool retired = dialect_.is_retired(name, text);
  if (!retired && type == JsonType::kObject) {
    for_each_field(value, [&](std::string_view inner, od::value) {
      retired = retired || dialect_.is_retired(inner, "");
    });
  }
  if (retired) fail(ErrorCode::kObsoleteProtocol, "a payload of the retired public API");
}

// {"error":{"name":"NO_TICKET","message":"…"}} on the socket, {"error":{"name":404,"message":"…"}}
// over REST: the name is a string or a number.
void UpbitLikeAdapter::read_error(od::value& error) {
  row_.has_error = true;
  read_error_object(error, "name", "message", row_.name, row_.message);
}

// "orderbook_units":[{"ask_price":1.16539E8,"bid_price":1.16538E8,"ask_size":0.02054761,"bid_size":0.08120946},…]
// "obu":[{"ap":116606000,"bp":116534000,"as":0.06288509,"bs":7.9276E-4},…]
void UpbitLikeAdapter::read_units(od::value& units) {
  bids_.clear();
  asks_.clear();
  row_.has_units = true;
  if (type_of(units) != JsonType::kArray) {
    fail(ErrorCode::kSchemaMismatch, "orderbook_units is not a list");
  }
  for_each_item(units, [&](od::value unit) {
    if (type_of(unit) != JsonType::kObject) {
      fail(ErrorCode::kSchemaMismatch, "an order book unit is not an object");
    }
    Level bid;
    Level ask;
    unsigned seen = 0;
    for_each_field(unit, [&](std::string_view name, od::value value) {
      if (name == "ask_price" || name == "ap") {
        ask.price = read_decimal(value);
        seen |= 1U;
      } else if (name == "bid_price" || name == "bp") {
        bid.price = read_decimal(value);
        seen |= 2U;
      } else if (name == "ask_size" || name == "as") {
        ask.size = read_decimal(value);
        seen |= 4U;
      } else if (name == "bid_size" || name == "bs") {
        bid.size = read_decimal(value);
        seen |= 8U;
      }
    });
    if (seen != 15U) {
      fail(ErrorCode::kSchemaMismatch, "an order book unit without its four numbers");
    }
    add_unless_empty(bids_, bid);
    add_unless_empty(asks_, ask);
  });
}

void UpbitLikeAdapter::put(const Frame& frame, Decoded& out) {
  if (row_.has_error) {
    // What stands beside an error counts.
    if (!row_.code.empty() && row_.has_units) {
      put_book(frame, out);
    } else if (!row_.code.empty() && row_.has_trade) {
      put_ticker(frame, out);
    }
    put_error(frame, out);
  } else if (!row_.type.empty()) {
    if (row_.is_other && row_.code.empty()) {
      out.controls.push_back({});  // a part of a request: it has `codes`
    } else if (row_.type == "orderbook") {
      put_book(frame, out);
    } else if (row_.type == "ticker") {
      put_ticker(frame, out);
    } else if (row_.type == "trade" || row_.type.starts_with("candle")) {
      out.controls.push_back({});
    } else {
      out.pass_over(row_.type);
    }
  } else if (row_.status == "UP") {
    out.controls.push_back({ControlMessage::Kind::kHeartbeat, {}, 0});
  } else if (row_.is_other) {
    out.controls.push_back({});
  } else if (!row_.name.empty() && !row_.message.empty()) {
    put_error(frame, out);  // an unrouted REST path has no `error` around it
  } else if (frame.origin == Origin::kWs) {
    fail(ErrorCode::kSchemaMismatch, "a message without type");
  } else if (row_.has_units || frame.channel == "orderbook") {
    put_book(frame, out);
  } else if (row_.has_trade || frame.channel == "ticker") {
    put_ticker(frame, out);
  } else if (row_.is_market || frame.channel == "markets") {
    put_market(out);
  } else {
    fail(ErrorCode::kSchemaMismatch, "neither ticker nor order book nor market");
  }
}

void UpbitLikeAdapter::put_book(const Frame& frame, Decoded& out) {
  if (row_.code.empty()) fail(ErrorCode::kSchemaMismatch, "an order book without code");
  if (!row_.has_units) fail(ErrorCode::kSchemaMismatch, "an order book without orderbook_units");
  const std::optional<Timestamp> time = time_of(row_.timestamp);
  BookMessage& book = out.next_book();
  book.symbol = row_.code;
  if (frame.origin == Origin::kWs) {
    book.stream.assign("orderbook:").append(row_.code);
  } else {
    book.stream = rest_stream(row_.code);
  }
  // A book whose prices are grouped is another one, not this one with other levels.
  if (!row_.group.empty()) book.stream.append("#").append(row_.group);
  book.exchange_time = time;
  std::swap(book.bids, bids_);
  std::swap(book.asks, asks_);
}

// {"type":"ticker","code":"KRW-BTC","opening_price":94223000,"high_price":95465000,"low_price":93601000,
//  "trade_price":95299000,"prev_closing_price":94201000,"signed_change_price":1098000,
//  "acc_trade_volume_24h":310.44065227,"timestamp":1783655148485,"stream_type":"REALTIME",…}
void UpbitLikeAdapter::put_ticker(const Frame& frame, Decoded& out) {
  if (row_.code.empty()) fail(ErrorCode::kSchemaMismatch, "a ticker without code");
  if (!row_.has_trade) fail(ErrorCode::kSchemaMismatch, "a ticker without trade_price");
  std::optional<Timestamp> time = time_of(row_.timestamp);
  if (time && frame.origin == Origin::kRest && dialect_.rest_ticker_time != nullptr) {
    time = dialect_.rest_ticker_time({*time, row_.trade_date, row_.trade_time}, frame.receive_time);
  }
  TickerMessage& message = out.next_ticker();
  message.symbol = row_.code;
  Ticker& t = message.ticker;
  t.exchange_time = time;
  t.opening_price = row_.opening;
  t.trade_price = row_.trade;
  t.high_price = row_.high;
  t.low_price = row_.low;
  t.prev_closing_price = row_.prev_closing;
  t.acc_trade_volume_24h = row_.volume;
  t.signed_change_price = row_.change;
}

// {"market":"KRW-BTC","korean_name":"비트코인","english_name":"Bitcoin",…}. What is delisted is not
// listed.
void UpbitLikeAdapter::put_market(Decoded& out) const {
  if (row_.code.empty()) fail(ErrorCode::kSchemaMismatch, "a market without its code");
  std::optional<Instrument> instrument = split(row_.code);
  if (!instrument) fail(ErrorCode::kUnknownSymbol, "not a spot instrument");
  MarketInfo market{std::string{row_.code}, std::move(*instrument), true, std::nullopt};
  check_market(market);
  out.markets.push_back(std::move(market));
}

void UpbitLikeAdapter::put_error(const Frame& frame, Decoded& out) const {
  ErrorCode code = ErrorCode::kVenueError;
  if (row_.message.starts_with("Code not found")) code = ErrorCode::kUnknownSymbol;
  if (row_.name == "429" || row_.name == "too_many_requests") code = ErrorCode::kRateLimited;
  if (row_.name == "418") code = ErrorCode::kBanned;
  out.add_refusal(code, joined_detail(row_.name, row_.message), frame.symbol);
}

}  // namespace

std::unique_ptr<VenueAdapter> make_upbit_like(const UpbitDialect& dialect) {
  return std::make_unique<UpbitLikeAdapter>(dialect);
}

}  // namespace spreadwatch::ingest
