// Bybit spot, public data of API v5.
//
// Docs: https://bybit-exchange.github.io/docs/v5/intro (read 2026-07).
// Limits: 500 connects in 5 minutes; at most 10 topics in one subscribe message and 21,000
// characters of topics on a connection; REST 600 calls in 5 s, beyond which the address is refused
// for 10 minutes. Traps: one unknown symbol fails every topic of its message. Linear contracts
// share the spelling of spot symbols. A snapshot may come at any time, before the ack too, and
// replaces the book. The ticker carries neither the change nor its own time. Older generations (v2
// "orderBookL2_25", v3 "params") are refused.

#include <algorithm>
#include <array>
#include <charconv>

#include "ingest/decode/json_reader.h"
#include "ingest/decode/venue_adapter.h"
#include "ingest/decode/venues/registry.h"

namespace spreadwatch::ingest {
namespace {

using std::chrono::minutes;

const VenueProfile& bybit_profile() {
  static const VenueProfile profile = [] {
    VenueProfile p;
    p.id = VenueId::kBybit;
    p.ws_url = "wss://stream.bybit.com/v5/public/spot";
    p.rest_url = "https://api.bybit.com";
    p.docs_url = "https://bybit-exchange.github.io/docs/v5/intro";
    p.protocol = "v5 (2026-07)";
    p.integrity =
        "the update id u rises by one with each change; a snapshot replaces the book at any time";
    p.ping = VenueProfile::Ping::kText;
    p.ping_every = milliseconds{20'000};
    p.pong_within = milliseconds{10'000};
    p.silence = milliseconds{45'000};  // two pings unanswered
    p.connects = {500, minutes{5}};
    p.rest = {600, seconds{5}};
    p.block = minutes{10};
    p.max_subscriptions = 500;  // topics of up to 42 characters within the 21,000 of a connection
    p.depths = {1, 50, 200, 1000};
    p.default_depth = 200;
    p.match = VenueProfile::Match::kSequence;  // seq; the u of another depth is another one
    p.proof = {.number = "u", .restarts_at_one = true};
    return p;
  }();
  return profile;
}

constexpr std::size_t kTopicsPerRequest = 10;
constexpr std::size_t kTopicCharacters = 21'000;

/// Topics that the spot socket offers and that are of no use here.
constexpr std::array<std::string_view, 6> kUnusedTopics = {
    "publicTrade.", "kline.", "tickers_lt.", "kline_lt.", "lt.", "system.status"};

std::string topic_of(const Subscription& s) {
  const std::string symbol = s.instrument.base + s.instrument.quote;
  if (s.channel == Channel::kTicker) return "tickers." + symbol;
  return "orderbook." + std::to_string(s.depth > 0 ? s.depth : bybit_profile().default_depth) +
         "." + symbol;
}

/// What is known of a payload besides its data.
struct Envelope {
  std::string_view topic;
  std::string_view type;
  std::string_view op;
  std::string_view message;
  std::optional<bool> success;
  std::optional<std::int64_t> code;
  std::optional<Timestamp> pushed;   ///< ts, or the time of a REST answer
  std::optional<Timestamp> matched;  ///< cts: the matching engine's time
  bool has_data = false;
  bool has_args = false;
};

class BybitAdapter final : public VenueAdapter {
 public:
  const VenueProfile& profile() const noexcept override { return bybit_profile(); }

  std::string venue_symbol(const Instrument& instrument) const override {
    return instrument.base + instrument.quote;
  }

  std::string book_stream(const Instrument& instrument, int depth) const override {
    return topic_of({Channel::kOrderBook, instrument, offered_depth(depth)});
  }

  std::vector<std::string> subscribe(std::span<const Subscription> subscriptions,
                                     Timestamp now) const override {
    return requests("subscribe", subscriptions, now);
  }
  std::vector<std::string> unsubscribe(std::span<const Subscription> subscriptions,
                                       Timestamp now) const override {
    return requests("unsubscribe", subscriptions, now);
  }

  std::string ping(Timestamp now) const override {
    return R"({"req_id":")" + std::to_string(to_ms(now)) + R"(","op":"ping"})";
  }

  RestCall book_call(const Instrument& instrument, int depth) const override {
    RestCall call = call_of("/v5/market/orderbook?category=spot&symbol=", "orderbook", instrument);
    call.path += "&limit=" + std::to_string(offered_depth(depth));
    return call;
  }

  std::vector<RestCall> ticker_calls(std::span<const Instrument> instruments) const override {
    return one_or_all(instruments, "/v5/market/tickers?category=spot&symbol=",
                      "/v5/market/tickers?category=spot");
  }

  RestCall markets_call() const override {
    return {"/v5/market/instruments-info?category=spot", "markets", "", 1};
  }

 protected:
  std::optional<Instrument> split(std::string_view venue_symbol) const override {
    // BTCUSD and BTCPERP are contracts: the spot list has no market in USD.
    std::optional<Instrument> instrument = split_at_quote(venue_symbol);
    if (instrument && instrument->quote == "USD") instrument.reset();
    return instrument;
  }

  void parse(const Frame& frame, Decoded& out) override;

 private:
  static std::vector<std::string> requests(std::string_view op,
                                           std::span<const Subscription> subscriptions,
                                           Timestamp now);

  void read_data(od::value& data, const Envelope& envelope, Decoded& out);
  void read_reply(const Envelope& envelope, Decoded& out) const;
  static void read_refusal(const Envelope& envelope, const Frame& frame, Decoded& out);
  void read_rest(od::value& result, bool refused, const Frame& frame, Decoded& out);

  JsonReader json_;
};

std::vector<std::string> BybitAdapter::requests(std::string_view op,
                                                std::span<const Subscription> subscriptions,
                                                Timestamp now) {
  std::vector<std::string> out;
  std::size_t characters = 0;
  for (const auto group : chunks(subscriptions, kTopicsPerRequest)) {
    std::string text = R"({"req_id":")" + std::to_string(to_ms(now)) + "-" +
                       std::to_string(out.size()) + R"(","op":")";
    text.append(op).append(R"(","args":[)");
    bool first = true;
    for (const Subscription& s : group) {
      const std::string topic = topic_of(s);
      characters += topic.size();
      if (characters > kTopicCharacters) break;  // more than one connection may carry
      if (!first) text.push_back(',');
      first = false;
      text.append("\"").append(topic).append("\"");
    }
    if (first) break;
    text.append("]}");
    out.push_back(std::move(text));
  }
  return out;
}

bool is_obsolete_topic(std::string_view topic) {
  return topic.starts_with("orderBook") || topic.starts_with("instrument_info") ||
         topic.starts_with("trade.") || topic == "trade" || topic == "depth" ||
         topic == "realtimes" || topic.starts_with("klineV2") || topic.starts_with("candle.") ||
         topic.starts_with("bookticker") || topic == "bookTicker" || topic == "mergedDepth" ||
         topic == "diffDepth" || topic == "kline";
}

/// Levels of an order book topic (`orderbook.50.BTCUSDT`); 0 for `orderbook.full.…`,
/// `orderbook.rpi.…` and every other topic: those are other books.
int book_depth(std::string_view topic) {
  constexpr std::string_view kPrefix = "orderbook.";
  if (!topic.starts_with(kPrefix)) return 0;
  const std::string_view rest = topic.substr(kPrefix.size());
  const auto dot = rest.find('.');
  int depth = 0;
  const auto read = std::from_chars(rest.data(), rest.data() + std::min(dot, rest.size()), depth);
  const bool whole = dot != std::string_view::npos && read.ptr == rest.data() + dot;
  return whole && read.ec == std::errc{} && depth > 0 ? depth : 0;
}

bool is_read(std::string_view topic) {
  return topic.starts_with("tickers.") || book_depth(topic) > 0;
}

bool is_unused_topic(std::string_view topic) {
  for (const std::string_view prefix : kUnusedTopics) {
    if (topic.starts_with(prefix)) return true;
  }
  return false;
}

void BybitAdapter::parse(const Frame& frame, Decoded& out) {
  Envelope envelope;
  bool data_read = false;
  bool is_rest = false;
  for_each_field(json_.open(frame.payload), [&](std::string_view key, od::value value) {
    if (key == "topic") {
      envelope.topic = text_or_none(value);
      if (is_obsolete_topic(envelope.topic)) {
        fail(ErrorCode::kObsoleteProtocol, "topic " + std::string{envelope.topic.substr(0, 40)});
      }
    } else if (key == "ts") {
      envelope.pushed = read_ms(value);
    } else if (key == "type") {
      envelope.type = text_or_none(value);
    } else if (key == "data") {
      envelope.has_data = true;
      // Usually topic and type stand before the data; else a second pass reads it.
      if (is_read(envelope.topic) && !envelope.type.empty()) {
        read_data(value, envelope, out);
        data_read = true;
      }
    } else if (key == "cts") {
      envelope.matched = read_ms(value);
    } else if (key == "success") {
      if (type_of(value) == JsonType::kBool) envelope.success = read_bool(value);
    } else if (key == "ret_msg") {
      envelope.message = text_or_none(value);
    } else if (key == "op") {
      envelope.op = text_or_none(value);
    } else if (key == "args") {
      envelope.has_args = true;
    } else if (key == "retCode") {
      envelope.code = read_int(value);
      is_rest = true;
    } else if (key == "retMsg") {
      envelope.message = text_or_none(value);
    } else if (key == "time") {
      envelope.pushed = read_ms(value);
    } else if (key == "request" || key == "ret_code" || key == "params" || key == "time_now" ||
               key == "timestamp_e6" || key == "symbolName") {
      fail(ErrorCode::kObsoleteProtocol, "a message of API v2 or v3");
    }
  });

  if (is_rest) {
    const bool refused = *envelope.code != 0;
    bool any = false;
    read_again(json_, "result", [&](od::value value) {
      any = true;
      // A refusal comes with an empty result; where it has rows, they count.
      if (refused && type_of(value) != JsonType::kObject) return;
      const auto failure = failure_of([&] { read_rest(value, refused, frame, out); });
      if (!failure) return;
      if (!refused) fail(failure->code, failure->detail);
      out.add_partial_error(failure->code, failure->detail);
    });
    if (!any && !refused) fail(ErrorCode::kSchemaMismatch, "an answer without result");
    for (TickerMessage& message : out.tickers) {
      message.ticker.exchange_time = envelope.pushed;  // the rows have no time of their own
    }
    for (BookMessage& book : out.books) {
      if (!book.exchange_time) book.exchange_time = envelope.pushed;
    }
    if (refused) read_refusal(envelope, frame, out);
  } else if (!envelope.topic.empty() && !is_read(envelope.topic)) {
    if (is_unused_topic(envelope.topic)) {
      out.controls.push_back({});
    } else {
      out.pass_over(envelope.topic);
    }
  } else if (!envelope.topic.empty()) {
    if (!envelope.has_data) fail(ErrorCode::kSchemaMismatch, "a topic without data");
    if (!data_read) {
      read_again(json_, "data", [&](od::value data) { read_data(data, envelope, out); });
    }
    // Times stand on both sides of the data.
    const std::optional<Timestamp> time = envelope.matched ? envelope.matched : envelope.pushed;
    for (TickerMessage& message : out.tickers) message.ticker.exchange_time = envelope.pushed;
    for (BookMessage& book : out.books) book.exchange_time = time;
  } else if (!envelope.op.empty() || envelope.success) {
    read_reply(envelope, out);
  } else {
    fail(ErrorCode::kSchemaMismatch, "neither topic, reply nor REST answer");
  }
  json_.close();
}

// {"retCode":10001,"retMsg":"Not supported symbols","result":{},"retExtInfo":{},"time":…}
void BybitAdapter::read_refusal(const Envelope& envelope, const Frame& frame, Decoded& out) {
  const bool limited = *envelope.code == 10006 || *envelope.code == 10018;
  const bool unknown =
      *envelope.code == 10001 && (envelope.message.find("ymbol") != std::string_view::npos);
  const ErrorCode code = limited   ? ErrorCode::kRateLimited
                         : unknown ? ErrorCode::kUnknownSymbol
                                   : ErrorCode::kVenueError;
  const std::string detail = std::to_string(*envelope.code) + ": " + std::string{envelope.message};
  out.add_refusal(code, detail, frame.symbol);
}

// {"success":true,"ret_msg":"subscribe","conn_id":"…","req_id":"1","op":"subscribe"}
// {"success":true,"ret_msg":"pong","conn_id":"…","op":"ping"}
// {"success":false,"ret_msg":"Invalid symbol :[orderbook.50.NOTREALUSDT]",…,"op":"subscribe"}
void BybitAdapter::read_reply(const Envelope& envelope, Decoded& out) const {
  if (envelope.op == "pong" || envelope.message == "pong") {
    out.controls.push_back({ControlMessage::Kind::kPong, {}, 0});
    return;
  }
  if (!envelope.success) {
    if (!envelope.has_args && envelope.op != "ping") {
      fail(ErrorCode::kSchemaMismatch, "a reply without success");
    }
    out.controls.push_back({});  // a client's request in a recording
    return;
  }
  if (*envelope.success) {
    const bool ack = envelope.op == "subscribe";
    out.controls.push_back(
        {ack ? ControlMessage::Kind::kAck : ControlMessage::Kind::kIgnored, {}, 0});
    return;
  }
  std::string symbol;
  ErrorCode code = ErrorCode::kVenueError;
  if (envelope.message.starts_with("Invalid symbol")) {
    code = ErrorCode::kUnknownSymbol;
    const auto end = envelope.message.find_first_of("],");
    const std::string_view topic = envelope.message.substr(0, end);
    const auto dot = topic.rfind('.');
    if (dot != std::string_view::npos) symbol = topic.substr(dot + 1);
  }
  out.add_error(code, envelope.message, symbol);
}

// {"symbol":"BTCUSDT","lastPrice":"64057.7","highPrice24h":"64500","lowPrice24h":"63232.1",
//  "prevPrice24h":"64326.9","volume24h":"7217.990977","price24hPcnt":"-0.0042",…}
// Also a REST row. Contracts have further fields, by which they are told from spot.
struct TickerFields {
  LastPrice last;
  std::optional<Decimal> previous;

  void read(std::string_view key, od::value& value, TickerMessage& message) {
    Ticker& t = message.ticker;
    if (key == "symbol") {
      message.symbol = read_string(value);
    } else if (key == "lastPrice") {
      last.read(value);
    } else if (key == "prevPrice24h") {
      previous = read_optional_decimal(value);
    } else if (key == "highPrice24h") {
      t.high_price = read_optional_double(value);
    } else if (key == "lowPrice24h") {
      t.low_price = read_optional_double(value);
    } else if (key == "volume24h") {
      t.acc_trade_volume_24h = read_optional_double(value);
    } else if (key == "fundingRate" || key == "markPrice" || key == "openInterest" ||
               key == "openInterestValue" || key == "bid1Iv") {
      if (code_text(value).empty()) return;  // there, but without a value
      fail(ErrorCode::kUnknownSymbol, "not a spot instrument");
    } else if (key == "s" || key == "qv") {
      fail(ErrorCode::kObsoleteProtocol, "a ticker of API v3");
    }
  }

  void fill_in(Ticker& t) {
    if (previous && previous->is_zero()) previous.reset();
    t.trade_price = to_double(last.price);
    t.opening_price = to_double(previous);
    t.prev_closing_price = t.opening_price;
    t.signed_change_price = difference(last.price, previous);
  }
};

/// The fields that a book has on the socket and over REST.
void read_book_field(std::string_view key, od::value& value, BookMessage& book, BookSides& sides) {
  if (sides.read_arrays(key, value, "b", "a", book)) return;
  if (key == "s") {
    book.symbol = read_string(value);
  } else if (key == "u") {
    book.sequence = read_int(value);
  } else if (key == "seq") {
    book.cross_sequence = read_optional_int(value);
  }
}

// {"topic":"orderbook.50.BTCUSDT","ts":…,"type":"delta","data":{"s":"BTCUSDT","b":[["80395.8","1.2"]],
//  "a":[["80396.7","0"]],"u":275651486,"seq":114263051578},"cts":…}
void BybitAdapter::read_data(od::value& data, const Envelope& envelope, Decoded& out) {
  const std::string_view topic = envelope.topic;
  if (topic.starts_with("tickers.")) {
    const std::string_view symbol = topic.substr(8);
    about(symbol);
    TickerMessage& message = out.next_ticker();
    TickerFields fields;
    for_each_field(
        data, [&](std::string_view key, od::value value) { fields.read(key, value, message); });
    if (!fields.last.named) fail(ErrorCode::kSchemaMismatch, "a ticker without lastPrice");
    fields.fill_in(message.ticker);
    if (message.symbol.empty()) message.symbol = symbol;
    return;
  }
  const auto dot = topic.find('.', 10);
  BookMessage& book = out.next_book();
  book.depth = book_depth(topic);
  book.stream = topic;
  book.rule = BookRule::kNumbered;
  about(topic.substr(dot + 1), topic);
  if (envelope.type != "snapshot" && envelope.type != "delta") {
    fail(ErrorCode::kSchemaMismatch, "a book that is neither snapshot nor delta");
  }
  book.snapshot = envelope.type == "snapshot";
  BookSides sides;
  for_each_field(data, [&](std::string_view key, od::value value) {
    if (key == "t" || key == "v") fail(ErrorCode::kObsoleteProtocol, "a book of API v3");
    read_book_field(key, value, book, sides);
  });
  if (book.symbol.empty()) book.symbol = topic.substr(dot + 1);
  if (!sides.both() || !book.sequence) {
    fail(ErrorCode::kSchemaMismatch, "a book without b, a or u");
  }
}

/// A row of a REST list: a ticker has a price, a market has coins and nested filters.
void read_rest_row(od::value& row, std::size_t index, Decoded& out) {
  MarketInfo market;
  bool is_market = false;
  add_ticker(out, index, [&](TickerMessage& message) {
    TickerFields fields;
    for_each_field(row, [&](std::string_view key, od::value value) {
      if (key == "baseCoin") {
        market.instrument.base = to_upper(read_string(value));
      } else if (key == "quoteCoin") {
        market.instrument.quote = to_upper(read_string(value));
      } else if (key == "status") {
        market.active = text_or_none(value) == "Trading";
      } else if (key == "lotSizeFilter") {
        if (type_of(value) != JsonType::kObject) return;
        for_each_field(value, [&](std::string_view filter, od::value amount) {
          if (filter == "minOrderAmt") market.min_notional = read_optional_decimal(amount);
        });
      } else {
        fields.read(key, value, message);
      }
    });
    if (message.symbol.empty()) fail(ErrorCode::kSchemaMismatch, "a row without symbol");
    if (fields.last.named) {
      fields.fill_in(message.ticker);
      return;
    }
    market.symbol = message.symbol;
    check_market(market);
    is_market = true;
  });
  if (is_market) {
    out.tickers.pop();
    out.markets.push_back(std::move(market));
  }
}

void BybitAdapter::read_rest(od::value& result, bool refused, const Frame& frame, Decoded& out) {
  std::string_view category;
  bool has_list = false;
  BookSides sides;
  BookMessage book;
  std::optional<Timestamp> pushed;
  for_each_field(result, [&](std::string_view key, od::value value) {
    if (key == "category") {
      category = text_or_none(value);
      if (!category.empty() && category != "spot")
        fail(ErrorCode::kUnknownSymbol, "not a spot instrument");
    } else if (key == "bids" || key == "asks") {
      fail(ErrorCode::kObsoleteProtocol, "a book of API v3");
    } else if (key == "ts") {
      pushed = read_ms(value);
    } else if (key == "cts") {
      book.exchange_time = read_ms(value);
    } else if (key == "list") {
      has_list = true;
      if (refused && type_of(value) != JsonType::kArray) return;
      for_each_row(value,
                   [&](od::value row, std::size_t index) { read_rest_row(row, index, out); });
    } else {
      read_book_field(key, value, book, sides);
    }
  });
  if (has_list || (refused && !sides.both())) return;
  if (!sides.both()) fail(ErrorCode::kSchemaMismatch, "neither a list nor a book");
  if (book.symbol.empty()) book.symbol = frame.symbol;
  about(book.symbol);
  book.stream = rest_stream(book.symbol);
  if (!book.exchange_time) book.exchange_time = pushed;
  out.next_book() = std::move(book);
}

}  // namespace

std::unique_ptr<VenueAdapter> make_bybit() { return std::make_unique<BybitAdapter>(); }

}  // namespace spreadwatch::ingest
