// Binance spot, public streams and REST API v3.
//
// Docs: https://developers.binance.com/docs/binance-spot-api-docs (read 2026-09).
// Limits: 300 connects in 5 minutes for an address; 1,024 streams on a connection and 5 incoming
// messages a second, pongs counted; a connection lives 24 hours; REST weight 6,000 a minute (418
// after ignoring 429).
// Traps: stream names are lower case, symbols in payloads upper case. An unknown symbol is
// acknowledged and then silent. A partial book (`@depth20`) names neither its symbol nor its time:
// only a combined connection says whose it is. The change stream (`@depth`, used) needs a REST
// snapshot; a shallow snapshot is outrun within minutes, since what lies beyond it stays unknown
// until it changes, so none below 1,000 levels is asked for. `P` is a percentage. Futures speak the
// same language: a change with `pu`, a snapshot with `T`; both are refused as no spot instrument.

#include <algorithm>
#include <array>
#include <charconv>
#include <utility>

#include "ingest/decode/json_reader.h"
#include "ingest/decode/venue_adapter.h"
#include "ingest/decode/venues/registry.h"

namespace spreadwatch::ingest {
namespace {

using std::chrono::hours;
using std::chrono::minutes;

const VenueProfile& binance_profile() {
  static const VenueProfile profile = [] {
    VenueProfile p;
    p.id = VenueId::kBinance;
    // The market-data-only hosts; /stream wraps every payload with the name of its stream.
    p.ws_url = "wss://data-stream.binance.vision/stream";
    p.rest_url = "https://data-api.binance.vision";
    p.docs_url = "https://developers.binance.com/docs/binance-spot-api-docs";
    p.protocol = "spot streams, REST v3 (2026-09)";
    p.integrity =
        "each change starts at the last update id + 1 (U = u + 1), counted from a REST snapshot";
    p.ping = VenueProfile::Ping::kProtocol;
    p.ping_every =
        milliseconds{10'000};  // the server's own ping every 20 s is too rare a sign of life
    p.pong_within = milliseconds{10'000};
    p.silence = milliseconds{60'000};  // three of the server's pings missed
    p.connects = {300, minutes{5}};
    p.messages = {{3, seconds{1}}};  // of 5: one is left for a ping of ours, one for a pong
    p.rest = {6000, minutes{1}};
    p.max_subscriptions = 1024;
    p.max_age = hours{24};
    p.book_needs_rest = true;
    p.depths = {1000, 5000};
    p.default_depth = 1000;
    p.match = VenueProfile::Match::kSequence;  // lastUpdateId counts like U and u
    p.one_series = true;
    p.proof = {.number = "u", .first = "U"};
    p.tickers_per_call = 20;  // these weigh 2, up to 100 weigh 40
    return p;
  }();
  return profile;
}

int weight_of_depth(int levels) {
  return levels <= 100 ? 5 : levels <= 500 ? 25 : levels <= 1000 ? 50 : 250;
}

/// Milliseconds, or the microseconds of a connection that asked for them: the number of digits
/// tells.
std::optional<Timestamp> read_time(od::value& value) {
  constexpr std::int64_t kSixteenDigits = 1'000'000'000'000'000;
  const std::int64_t time = read_optional_int(value).value_or(0);
  return time >= kSixteenDigits ? timestamp_of_us(time) : timestamp_of_ms(time);
}

char lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; }
char upper(char c) { return c >= 'a' && c <= 'z' ? static_cast<char>(c - 32) : c; }

/// The change stream of a symbol. The updates of both speeds carry the same ids, so it is one
/// stream.
void assign_diff_stream(std::string& out, std::string_view symbol) {
  out.clear();
  for (const char c : symbol) out.push_back(lower(c));
  out.append("@depth");
}

/// The part of a stream name before the `@`, in upper case.
void assign_symbol_of_stream(std::string& out, std::string_view stream) {
  out.clear();
  for (const char c : stream.substr(0, stream.find('@'))) out.push_back(upper(c));
}

/// Levels of a partial book stream (`btcusdt@depth20@100ms`); 0 for the change stream and all
/// others.
int partial_depth(std::string_view stream) {
  constexpr std::string_view kDepth = "@depth";
  const auto at = stream.find(kDepth);
  if (at == std::string_view::npos) return 0;
  const std::string_view rest = stream.substr(at + kDepth.size());
  int levels = 0;
  std::from_chars(rest.data(), rest.data() + rest.size(), levels);
  return levels;
}

/// Whether a stream of a combined connection is one of those that are read here.
bool is_read(std::string_view stream) {
  return stream.ends_with("@ticker") || stream.find("@depth") != std::string_view::npos;
}

/// What a payload turns out to be.
enum class Kind : std::uint8_t {
  kUnknown,
  kEvent,   ///< `e` names it
  kBook,    ///< a partial book or a REST snapshot
  kReply,   ///< to a request of ours, or a REST error
  kTicker,  ///< of REST
  kMarkets,
  kList,   ///< rows, of which each has its own kind
  kOther,  ///< of no use here
};

struct Look {
  Kind kind = Kind::kUnknown;
  bool empty = false;
  std::string_view event;
  std::string_view stream;  ///< the name around the payload on a combined connection
  bool combined = false;
};

/// Reads up to the first key that tells, nearly always the first of all, and leaves the rest
/// unread.
Look look_at(od::value& payload) {
  Look look;
  if (type_of(payload) == JsonType::kArray) {
    look.kind = Kind::kList;
    return look;
  }
  if (type_of(payload) != JsonType::kObject) return look;
  look.empty = true;
  bool is_best_price = false;
  od::object fields = payload.get_object();
  for (auto field : fields) {
    const std::string_view key = key_of(field);
    look.empty = false;
    if (key == "stream") {
      od::value value = field.value();
      look.stream = text_or_none(value);
      look.combined = true;
    } else if (key == "data") {
      od::value value = field.value();
      const Look inside = look_at(value);
      look.kind = inside.kind;
      look.event = inside.event;
      look.combined = true;
      if (look.stream.empty()) continue;
    } else if (look.combined) {
      continue;
    } else if (key == "e") {
      od::value value = field.value();
      look.event = text_or_none(value);
      if (!look.event.empty()) look.kind = Kind::kEvent;
    } else if (key == "lastUpdateId") {
      look.kind = Kind::kBook;
    } else if (key == "result" || key == "error" || key == "code" || key == "msg") {
      look.kind = Kind::kReply;
    } else if (key == "lastPrice") {
      look.kind = Kind::kTicker;
    } else if (key == "symbols") {
      look.kind = Kind::kMarkets;
    } else if (key == "method" || key == "price" || key == "mins") {
      look.kind = Kind::kOther;  // a request, /ticker/price, /avgPrice
    } else if (key == "B" || key == "bidPrice" || key == "serverTime") {
      // @bookTicker has no `e`; a full ticker has best prices too, a market list the server's time.
      is_best_price = true;
    }
    if (look.kind != Kind::kUnknown) return look;
  }
  if (look.kind == Kind::kUnknown && is_best_price) look.kind = Kind::kOther;
  return look;
}

/// Events of other streams.
constexpr std::array<std::string_view, 10> kOtherEvents = {
    "trade",    "aggTrade", "kline",    "24hrMiniTicker", "bookTicker",
    "avgPrice", "1hTicker", "4hTicker", "1dTicker",       "referencePrice"};

class BinanceAdapter final : public VenueAdapter {
 public:
  const VenueProfile& profile() const noexcept override { return binance_profile(); }

  std::string venue_symbol(const Instrument& instrument) const override {
    return instrument.base + instrument.quote;
  }

  std::string book_stream(const Instrument& instrument, int /*depth*/) const override {
    std::string stream;
    assign_diff_stream(stream, venue_symbol(instrument));
    return stream;
  }

  std::vector<std::string> subscribe(std::span<const Subscription> subscriptions,
                                     Timestamp now) const override {
    return requests("SUBSCRIBE", subscriptions, now);
  }
  std::vector<std::string> unsubscribe(std::span<const Subscription> subscriptions,
                                       Timestamp now) const override {
    return requests("UNSUBSCRIBE", subscriptions, now);
  }

  RestCall book_call(const Instrument& instrument, int depth) const override {
    return levels_call(instrument, offered_depth(depth));
  }

  RestCall seed_call(const Instrument& instrument, int depth, int weight) const override {
    int levels = offered_depth(depth);
    for (const int shallower : {1000, 500, 100}) {
      if (weight_of_depth(levels) <= weight) break;
      levels = std::min(levels, shallower);
    }
    return levels_call(instrument, levels);
  }

  // Up to 100 levels cost a tenth of what seeds a book.
  RestCall polled_call(std::span<const Instrument> instruments, int /*depth*/) const override {
    return levels_call(instruments.front(), 100);
  }

  std::vector<RestCall> ticker_calls(std::span<const Instrument> instruments) const override;

  // Without the suspended ones and the permissions the list stays far below the limit of a payload.
  RestCall markets_call() const override {
    return {"/api/v3/exchangeInfo?permissions=SPOT&symbolStatus=TRADING&showPermissionSets=false",
            "markets", "", 20};
  }

 protected:
  std::optional<Instrument> split(std::string_view venue_symbol) const override {
    return split_at_quote(venue_symbol);
  }

  RestCall levels_call(const Instrument& instrument, int levels) const {
    RestCall call = call_of("/api/v3/depth?symbol=", "orderbook", instrument);
    call.weight = weight_of_depth(levels);
    call.path += "&limit=" + std::to_string(levels);
    return call;
  }

  void parse(const Frame& frame, Decoded& out) override;

 private:
  static std::vector<std::string> requests(std::string_view method,
                                           std::span<const Subscription> subscriptions,
                                           Timestamp now);

  void read(od::value& payload, const Look& look, const Frame& frame, Decoded& out);
  void read_one_ticker(od::value& payload, Decoded& out);
  void read_changes(od::value& payload, Decoded& out);
  void read_book(od::value& payload, std::string_view stream, const Frame& frame, Decoded& out);

  JsonReader json_;
  std::string named_stream_;
  std::string named_symbol_;
};

// {"method":"SUBSCRIBE","params":["btcusdt@ticker","btcusdt@depth@100ms"],"id":1700000000000}
std::vector<std::string> BinanceAdapter::requests(std::string_view method,
                                                  std::span<const Subscription> subscriptions,
                                                  Timestamp now) {
  constexpr std::size_t kParamsPerRequest = 200;  // not published; far fewer messages than streams
  std::vector<std::string> out;
  for (const auto group : chunks(subscriptions, kParamsPerRequest)) {
    std::string text = R"({"method":")";
    text.append(method).append(R"(","params":[)");
    for (const Subscription& s : group) {
      if (&s != &group.front()) text.push_back(',');
      text.append("\"").append(to_lower(s.instrument.base + s.instrument.quote));
      text.append(s.channel == Channel::kTicker ? "@ticker\"" : "@depth@100ms\"");
    }
    text.append(R"(],"id":)")
        .append(std::to_string(to_ms(now) + static_cast<std::int64_t>(out.size())))
        .append("}");
    out.push_back(std::move(text));
  }
  return out;
}

std::vector<RestCall> BinanceAdapter::ticker_calls(std::span<const Instrument> instruments) const {
  std::vector<RestCall> calls;
  for (const auto group : chunks(instruments, profile().tickers_per_call)) {
    RestCall call{"/api/v3/ticker/24hr?", "ticker", "", 2};
    if (group.size() == 1) {
      call.symbol = venue_symbol(group.front());
      call.path += "symbol=";
      append_url_escaped(call.path, call.symbol);
    } else {
      call.path += "symbols=%5B";
      for (const Instrument& instrument : group) {
        if (&instrument != &group.front()) call.path += "%2C";
        call.path += "%22";
        append_url_escaped(call.path, venue_symbol(instrument));
        call.path += "%22";
      }
      call.path += "%5D";
    }
    calls.push_back(std::move(call));
  }
  return calls;
}

// Raw: the payload itself. Combined: {"stream":"btcusdt@depth@100ms","data":{…}}; replies stay
// unwrapped.
void BinanceAdapter::parse(const Frame& frame, Decoded& out) {
  od::value payload = json_.open(frame.payload).get_value();
  const Look look = look_at(payload);
  if (look.combined) {
    // Known already should the rest turn out to be broken.
    assign_symbol_of_stream(named_symbol_, look.stream);
    if (look.event == "depthUpdate") {
      assign_diff_stream(named_stream_, named_symbol_);
      about(named_symbol_, named_stream_);
    } else {
      about(named_symbol_);
    }
  }
  od::value whole = json_.rewind().get_value();
  if (look.combined) {
    bool has_data = false;
    for_each_field(whole, [&](std::string_view key, od::value value) {
      if (key != "data") return;
      has_data = true;
      read(value, look, frame, out);
    });
    if (!has_data) fail(ErrorCode::kSchemaMismatch, "a combined stream's message without data");
  } else {
    read(whole, look, frame, out);
  }
  json_.close();
}

/// The ticker of the socket and of REST; false when it is of another kind.
//  {"e":"24hrTicker","E":1757888604019,"s":"BTCUSDT","p":"-21.48000000","P":"-0.019","x":"115853.45000000",
//   "c":"115831.96000000","o":"115853.44000000","h":"116165.19000000","l":"115141.80000000","v":"6348.13563000",…}
//  {"symbol":"BNBBTC","priceChange":"-94.99999800","prevClosePrice":"0.10002000","lastPrice":"4.00000200",
//   "openPrice":"99.00000000","highPrice":"100.00000000","lowPrice":"0.10000000","volume":"8913.30000000",
//   "closeTime":1499869899040,…}
bool read_ticker(od::value& row, TickerMessage& message) {
  std::string_view event;
  LastPrice last;
  std::optional<Decimal> open;
  bool is_other = false;
  Ticker& t = message.ticker;
  for_each_field(row, [&](std::string_view key, od::value value) {
    if (key == "e") {
      event = text_or_none(value);
    } else if (key == "s" || key == "symbol") {
      message.symbol = read_string(value);
    } else if (key == "E" || key == "closeTime") {
      t.exchange_time = read_time(value);
    } else if (key == "c" || key == "lastPrice") {
      last.read(value);
    } else if (key == "o" || key == "openPrice") {
      open = read_optional_decimal(value);
    } else if (key == "h" || key == "highPrice") {
      t.high_price = read_optional_double(value);
    } else if (key == "l" || key == "lowPrice") {
      t.low_price = read_optional_double(value);
    } else if (key == "x" || key == "prevClosePrice") {
      t.prev_closing_price = read_optional_double(value);
    } else if (key == "p" || key == "priceChange") {
      t.signed_change_price = read_optional_double(value);
    } else if (key == "v" || key == "volume") {
      t.acc_trade_volume_24h = read_optional_double(value);
    } else if (key == "bidPrice" || key == "price") {
      is_other = true;  // unless it has a last price as well
    }
  });
  if (!event.empty() && event != "24hrTicker") return false;
  if (!last.named && is_other) return false;
  if (message.symbol.empty() || !last.named) {
    fail(ErrorCode::kSchemaMismatch, "a ticker without symbol or last price");
  }
  t.trade_price = to_double(last.price);
  t.opening_price = to_double(open);
  // The short form of REST (type=MINI) leaves the change out.
  if (!t.signed_change_price && open && open->is_positive()) {
    t.signed_change_price = difference(last.price, open);
  }
  return true;
}

void read_ticker_row(od::value& row, std::size_t index, const Frame& frame, Decoded& out) {
  bool is_ticker = false;
  const bool good = add_ticker(out, index, [&](TickerMessage& message) {
    if (type_of(row) == JsonType::kArray && frame.channel != "ticker") return;  // klines
    is_ticker = read_ticker(row, message);
  });
  if (good && !is_ticker) out.tickers.pop();
}

// {"timezone":"UTC",…,"symbols":[{"symbol":"ETHBTC","status":"TRADING","baseAsset":"ETH","quoteAsset":"BTC",
//  "isSpotTradingAllowed":true,"filters":[{"filterType":"NOTIONAL","minNotional":"0.00010000",…},…],…},…]}
void read_market(od::value& row, MarketInfo& market) {
  for_each_field(row, [&](std::string_view key, od::value value) {
    if (key == "symbol") {
      market.symbol = read_string(value);
    } else if (key == "baseAsset") {
      market.instrument.base = to_upper(read_string(value));
    } else if (key == "quoteAsset") {
      market.instrument.quote = to_upper(read_string(value));
    } else if (key == "status") {
      market.active = market.active && text_or_none(value) == "TRADING";
    } else if (key == "isSpotTradingAllowed") {
      market.active = market.active && is_true(value);
    } else if (key == "filters" && type_of(value) == JsonType::kArray) {
      for_each_item(value, [&](od::value filter) {
        if (type_of(filter) != JsonType::kObject) return;
        std::string_view type;
        std::optional<Decimal> least;
        for_each_field(filter, [&](std::string_view name, od::value part) {
          if (name == "filterType") type = text_or_none(part);
          if (name == "minNotional") least = read_optional_decimal(part);
        });
        if (type == "NOTIONAL" || type == "MIN_NOTIONAL") market.min_notional = least;
      });
    }
  });
}

// {"result":null,"id":1}
// {"code":2,"msg":"Invalid request: …"} and {"error":{"code":2,"msg":"Invalid request: …"},"id":1}
// on the socket
// {"code":-1121,"msg":"Invalid symbol."} over REST
void read_reply(od::value& payload, const Frame& frame, Decoded& out) {
  std::string_view code;
  std::string_view message;
  bool has_error = false;
  bool has_answer = false;
  for_each_field(payload, [&](std::string_view key, od::value value) {
    if (key == "code") {
      code = code_text(value);
      has_error = has_error || !is_null(value);
    } else if (key == "msg") {
      message = text_or_none(value);
      has_error = has_error || !is_null(value);
    } else if (key == "error" && !is_null(value)) {
      has_error = true;
      read_error_object(value, "code", "msg", code, message);
    } else if (key == "result") {
      has_answer = !is_null(value);  // to LIST_SUBSCRIPTIONS
    }
  });
  if (!has_error) {
    ControlMessage control;
    if (!has_answer) control.kind = ControlMessage::Kind::kAck;
    out.controls.push_back(std::move(control));
    return;
  }
  ErrorCode error = ErrorCode::kVenueError;
  if (code == "-1121") error = ErrorCode::kUnknownSymbol;
  if (code == "-1003" || code == "-1015") {
    const bool banned = message.find("banned") != std::string_view::npos;
    error = banned ? ErrorCode::kBanned : ErrorCode::kRateLimited;
  }
  out.add_error(error, joined_detail(code, message), frame.symbol);
}

void BinanceAdapter::read(od::value& payload, const Look& look, const Frame& frame, Decoded& out) {
  switch (look.kind) {
    case Kind::kEvent:
      if (look.event == "depthUpdate") {
        read_changes(payload, out);
      } else if (look.event == "24hrTicker") {
        read_one_ticker(payload, out);
      } else if (look.event == "serverShutdown") {
        out.controls.push_back({ControlMessage::Kind::kReconnect, {}, 0});
      } else if (std::find(kOtherEvents.begin(), kOtherEvents.end(), look.event) !=
                 kOtherEvents.end()) {
        out.controls.push_back({});
      } else {
        out.pass_over(look.event);
      }
      break;
    case Kind::kBook:
      read_book(payload, look.stream, frame, out);
      break;
    case Kind::kReply:
      read_reply(payload, frame, out);
      break;
    case Kind::kTicker:
      read_one_ticker(payload, out);
      break;
    case Kind::kMarkets:
      for_each_field(payload, [&](std::string_view key, od::value value) {
        if (key != "symbols") return;
        for_each_row(value, [&](od::value row, std::size_t index) {
          add_market(out, index, [&](MarketInfo& market) { read_market(row, market); });
        });
      });
      break;
    case Kind::kList:
      for_each_row(payload, [&](od::value row, std::size_t index) {
        read_ticker_row(row, index, frame, out);
      });
      if (out.tickers.empty() && out.errors.empty()) out.controls.push_back({});
      break;
    case Kind::kOther:
      out.controls.push_back({});
      break;
    case Kind::kUnknown:
      if (look.empty && frame.origin == Origin::kRest) {
        out.controls.push_back({});  // the answer to /ping
        break;
      }
      if (look.combined && !look.stream.empty() && !is_read(look.stream)) {
        out.pass_over(look.stream);
        break;
      }
      fail(ErrorCode::kSchemaMismatch, "neither event, order book, ticker, market nor reply");
  }
}

void BinanceAdapter::read_one_ticker(od::value& payload, Decoded& out) {
  TickerMessage& message = out.next_ticker();
  const auto failure = failure_of([&] { read_ticker(payload, message); });
  if (!message.symbol.empty()) about(message.symbol);
  if (failure) fail(failure->code, failure->detail);
}

// {"e":"depthUpdate","E":1788376136014,"s":"BTCUSDT","U":99588317538,"u":99588317663,
//  "b":[["77381.36000000","1.29993000"],…],"a":[["77381.83000000","0.00000000"],…]}; size zero =
//  gone.
void BinanceAdapter::read_changes(od::value& payload, Decoded& out) {
  BookMessage& book = out.next_book();
  book.rule = BookRule::kBufferedDiff;
  book.snapshot = false;
  BookSides sides;
  for_each_field(payload, [&](std::string_view key, od::value value) {
    if (sides.read_arrays(key, value, "b", "a", book)) return;
    if (key == "E") {
      book.exchange_time = read_time(value);
    } else if (key == "s") {
      book.symbol = read_string(value);
      assign_diff_stream(book.stream, book.symbol);
      about(book.symbol, book.stream);
    } else if (key == "U") {
      book.first_sequence = read_int(value);
    } else if (key == "u") {
      book.sequence = read_int(value);
    } else if (key == "pu") {
      about(book.symbol);  // the spot book of this name has lost nothing
      fail(ErrorCode::kUnknownSymbol, "not a spot instrument: a change of the futures market");
    }
  });
  if (book.symbol.empty() || !book.first_sequence || !book.sequence || !sides.both()) {
    fail(ErrorCode::kSchemaMismatch, "a change without s, U, u, b or a");
  }
  if (*book.first_sequence < 0 || *book.sequence < *book.first_sequence) {
    fail(ErrorCode::kValueOutOfRange, "update ids from " + std::to_string(*book.first_sequence) +
                                          " to " + std::to_string(*book.sequence));
  }
}

// {"lastUpdateId":160,"bids":[["0.0024","10"]],"asks":[["0.0026","100"]]}: over REST the base of
// the changes, on the socket a partial book. Neither names its symbol nor its time.
void BinanceAdapter::read_book(od::value& payload, std::string_view stream, const Frame& frame,
                               Decoded& out) {
  BookMessage& book = out.next_book();
  if (!stream.empty()) {
    assign_symbol_of_stream(book.symbol, stream);
    book.stream = stream;
    book.depth = partial_depth(stream);
  } else if (frame.symbol.empty()) {
    fail(ErrorCode::kUnknownSymbol, "the book does not name its instrument");
  } else {
    book.symbol = frame.symbol;
    assign_diff_stream(book.stream, book.symbol);
    if (frame.origin == Origin::kRest) {
      book.rule = BookRule::kBufferedDiff;
    } else {
      book.stream.append(":partial");  // of a raw connection: how deep is not said
    }
  }
  about(book.symbol);
  BookSides sides;
  for_each_field(payload, [&](std::string_view key, od::value value) {
    if (sides.read_arrays(key, value, "bids", "asks", book)) return;
    if (key == "lastUpdateId") {
      book.sequence = read_int(value);
    } else if (key == "T") {
      fail(ErrorCode::kUnknownSymbol, "not a spot instrument: a book of the futures market");
    }
  });
  if (!sides.both() || !book.sequence) {
    fail(ErrorCode::kSchemaMismatch, "a book without lastUpdateId, bids or asks");
  }
  if (*book.sequence < 0) fail(ErrorCode::kValueOutOfRange, "a negative lastUpdateId");
}

}  // namespace

std::unique_ptr<VenueAdapter> make_binance() { return std::make_unique<BinanceAdapter>(); }

}  // namespace spreadwatch::ingest
