// Kraken spot, public data of WebSocket v2 and REST v0.
//
// Docs: https://docs.kraken.com/api/docs/guides/spot-ws-intro/ (read 2026-09).
// Limits: about 150 connects in 10 minutes, beyond which the address is refused for 10 minutes;
// REST about one call a second. The socket's message rate is not published; ours is cautious.
// Traps: prices are JSON numbers whose text enters the CRC32, so they must never pass through a
// double. No delete is sent for levels that fall out of the depth, which a message does not name.
// REST answers under its own key (asked for XBTUSD, it says XXBTZUSD) and counts the day's open
// from 00:00 UTC. v1 (arrays, "event", XBT/USD) lives on under another address and is refused here.

#include <algorithm>
#include <array>
#include <limits>

#include "ingest/decode/json_reader.h"
#include "ingest/decode/venue_adapter.h"
#include "ingest/decode/venues/registry.h"

namespace spreadwatch::ingest {
namespace {

using std::chrono::minutes;

const VenueProfile& kraken_profile() {
  static const VenueProfile profile = [] {
    VenueProfile p;
    p.id = VenueId::kKraken;
    p.ws_url = "wss://ws.kraken.com/v2";
    p.rest_url = "https://api.kraken.com";
    p.docs_url = "https://docs.kraken.com/api/docs/guides/spot-ws-intro/";
    p.protocol = "WebSocket v2 (2026-09)";
    p.integrity =
        "a CRC32 over the ten best levels a side comes with every message; no sequence number";
    p.ping = VenueProfile::Ping::kText;
    p.ping_every = milliseconds{15'000};
    p.pong_within = milliseconds{10'000};
    p.silence = milliseconds{10'000};  // a heartbeat a second once subscribed
    p.connects = {150, minutes{10}};
    p.messages = {{20, seconds{1}}};  // not published
    p.rest = {1, seconds{1}};
    p.block = minutes{10};
    p.max_subscriptions = 200;  // not published
    p.depths = {10, 25, 100, 500, 1000};
    p.default_depth = 100;
    p.tickers_per_call = 50;
    p.match = VenueProfile::Match::kNothing;  // a book over REST has neither time nor number
    p.proof = {.text = BookProof::Text::kBySide, .levels = 10};
    return p;
  }();
  return profile;
}

/// Kraken's old codes of two assets; every other name is common.
std::string_view canonical_asset(std::string_view asset) {
  if (asset == "XBT") return "BTC";
  if (asset == "XDG") return "DOGE";
  return asset;
}
std::string_view rest_asset(std::string_view asset) {
  if (asset == "BTC") return "XBT";
  if (asset == "DOGE") return "XDG";
  return asset;
}

std::optional<Instrument> canonical(std::string_view base, std::string_view quote) {
  if (!is_asset(base) || !is_asset(quote)) return std::nullopt;
  return Instrument{std::string{canonical_asset(to_upper(base))},
                    std::string{canonical_asset(to_upper(quote))}};
}

std::string book_stream_of(std::string_view symbol) { return "book:" + std::string{symbol}; }

/// What the socket's channels hold that is read here, and what else is known of them.
constexpr std::array<std::string_view, 3> kReadChannels = {"book", "ticker", "instrument"};
constexpr std::array<std::string_view, 6> kUnusedChannels = {"status", "trade",      "ohlc",
                                                             "level3", "executions", "balances"};

template <std::size_t kCount>
bool is_one_of(std::string_view text, const std::array<std::string_view, kCount>& all) {
  return std::find(all.begin(), all.end(), text) != all.end();
}

/// What is known of a payload besides its data.
struct Envelope {
  std::string_view channel;
  std::string_view type;
  std::string_view method;
  std::string_view error;
  std::string_view symbol;
  std::optional<bool> success;
  ControlMessage ack;
  bool has_data = false;
  bool has_params = false;
  bool is_rest = false;
  std::vector<std::string> texts;  ///< of a REST answer's `error`, each once
};

class KrakenAdapter final : public VenueAdapter {
 public:
  const VenueProfile& profile() const noexcept override { return kraken_profile(); }

  std::string venue_symbol(const Instrument& instrument) const override {
    return instrument.base + "/" + instrument.quote;
  }

  /// One depth a symbol and connection, and messages do not name it.
  std::string book_stream(const Instrument& instrument, int) const override {
    return book_stream_of(venue_symbol(instrument));
  }

  std::vector<std::string> subscribe(std::span<const Subscription> subscriptions,
                                     Timestamp now) const override {
    return requests("subscribe", subscriptions, now);
  }
  std::vector<std::string> unsubscribe(std::span<const Subscription> subscriptions,
                                       Timestamp now) const override {
    return requests("unsubscribe", subscriptions, now);
  }

  /// Without the snapshot: the list over REST has it all.
  std::vector<std::string> watch_markets(Timestamp now) const override {
    return {
        R"({"method":"subscribe","params":{"channel":"instrument","snapshot":false},"req_id":)" +
        std::to_string(to_ms(now)) + "}"};
  }

  std::string ping(Timestamp now) const override {
    return R"({"method":"ping","req_id":)" + std::to_string(to_ms(now)) + "}";
  }

  RestCall book_call(const Instrument& instrument, int depth) const override {
    return {"/0/public/Depth?pair=" + rest_pair(instrument) +
                "&count=" + std::to_string(std::min(offered_depth(depth), 500)),
            "orderbook", venue_symbol(instrument), 1};
  }

  std::vector<RestCall> ticker_calls(std::span<const Instrument> instruments) const override {
    std::vector<RestCall> calls;
    for (const auto group : chunks(instruments, profile().tickers_per_call)) {
      std::string path = "/0/public/Ticker?pair=";
      for (const Instrument& instrument : group) {
        if (path.back() != '=') path.push_back(',');
        path.append(rest_pair(instrument));
      }
      calls.push_back({std::move(path), "ticker",
                       group.size() == 1 ? venue_symbol(group.front()) : std::string{}, 1});
    }
    return calls;
  }

  RestCall markets_call() const override { return {"/0/public/AssetPairs", "markets", "", 1}; }

 protected:
  // BTC/USD on the socket, XBT/USD in v1 and in AssetPairs, XBTUSD or XXBTZUSD over REST.
  std::optional<Instrument> split(std::string_view symbol) const override {
    const auto alias = aliases_.find(std::string{symbol});
    if (alias != aliases_.end()) return alias->second;
    const auto slash = symbol.find('/');
    if (slash != std::string_view::npos) {
      return canonical(symbol.substr(0, slash), symbol.substr(slash + 1));
    }
    if (symbol.size() == 8 && symbol[0] == 'X' && (symbol[4] == 'Z' || symbol[4] == 'X')) {
      return canonical(symbol.substr(1, 3), symbol.substr(5));
    }
    if (symbol.size() > 3 && symbol.ends_with("XBT")) {
      return canonical(symbol.substr(0, symbol.size() - 3), "XBT");
    }
    const std::optional<Instrument> split = split_at_quote(symbol);
    if (!split) return std::nullopt;
    return canonical(split->base, split->quote);
  }

  void parse(const Frame& frame, Decoded& out) override;

 private:
  static std::vector<std::string> requests(std::string_view method,
                                           std::span<const Subscription> subscriptions,
                                           Timestamp now);
  static std::string rest_pair(const Instrument& instrument) {
    std::string pair;
    append_url_escaped(pair, rest_asset(instrument.base));
    append_url_escaped(pair, rest_asset(instrument.quote));
    return pair;
  }

  void read_data(od::value& data, const Envelope& envelope, Decoded& out);
  void read_book(od::value& row, const Envelope& envelope, BookMessage& book);
  static void read_ticker(od::value& row, TickerMessage& message);
  static void read_pair(od::value& row, MarketInfo& market);
  static void read_error(od::value& error, Envelope& envelope);
  static void read_result(od::value& result, Envelope& envelope, Decoded& out);
  void read_reply(const Envelope& envelope, Decoded& out) const;
  void read_rest(const Envelope& envelope, const Frame& frame, Decoded& out);
  void read_rest_member(std::size_t index, std::string_view name, od::value& member, bool only,
                        const Frame& frame, Decoded& out);

  JsonReader json_;
  std::unordered_map<std::string, Instrument> aliases_;  ///< REST names of the market list
};

std::vector<std::string> KrakenAdapter::requests(std::string_view method,
                                                 std::span<const Subscription> subscriptions,
                                                 Timestamp now) {
  constexpr std::size_t kSymbolsPerRequest = 100;
  // One message carries one channel at one depth.
  std::vector<Subscription> sorted{subscriptions.begin(), subscriptions.end()};
  for (Subscription& s : sorted) {
    if (s.channel == Channel::kTicker) s.depth = 0;
    if (s.channel == Channel::kOrderBook && s.depth <= 0) s.depth = kraken_profile().default_depth;
  }
  std::stable_sort(sorted.begin(), sorted.end(), [](const auto& a, const auto& b) {
    return std::pair{a.channel, a.depth} < std::pair{b.channel, b.depth};
  });
  std::vector<std::string> out;
  for (auto first = sorted.begin(); first != sorted.end();) {
    auto last = first;
    while (last != sorted.end() && last->channel == first->channel && last->depth == first->depth &&
           static_cast<std::size_t>(last - first) < kSymbolsPerRequest) {
      ++last;
    }
    std::string text = R"({"method":")";
    text.append(method).append(R"(","params":{"channel":")");
    text.append(first->channel == Channel::kTicker ? "ticker" : "book").append(R"(","symbol":[)");
    for (auto s = first; s != last; ++s) {
      if (s != first) text.push_back(',');
      text.append("\"")
          .append(s->instrument.base)
          .append("/")
          .append(s->instrument.quote)
          .append("\"");
    }
    text.push_back(']');
    if (first->channel == Channel::kOrderBook) {
      text.append(R"(,"depth":)").append(std::to_string(first->depth));
    }
    if (method == "subscribe") text.append(R"(,"snapshot":true)");
    text.append(R"(},"req_id":)").append(std::to_string(to_ms(now) + static_cast<int>(out.size())));
    text.push_back('}');
    out.push_back(std::move(text));
    first = last;
  }
  return out;
}

ErrorCode code_of_message(std::string_view message) {
  if (message.find("pair not supported") != std::string_view::npos ||
      message.find("Unknown asset pair") != std::string_view::npos) {
    return ErrorCode::kUnknownSymbol;
  }
  if (message.find("msg rate") != std::string_view::npos ||
      message.find("Rate limit") != std::string_view::npos ||
      message.find("Too many requests") != std::string_view::npos) {
    return ErrorCode::kRateLimited;
  }
  return ErrorCode::kVenueError;
}

void KrakenAdapter::parse(const Frame& frame, Decoded& out) {
  od::document& document = json_.open(frame.payload);
  if (is_array(frame.payload)) {
    json_.close();
    fail(ErrorCode::kObsoleteProtocol, "an array of WebSocket v1");
  }
  Envelope envelope;
  bool data_read = false;
  for_each_field(document, [&](std::string_view key, od::value value) {
    if (key == "channel") {
      envelope.channel = text_or_none(value);
    } else if (key == "type") {
      envelope.type = text_or_none(value);
    } else if (key == "data") {
      envelope.has_data = true;
      // Usually channel and type stand before the data; else a second pass reads it.
      if (is_one_of(envelope.channel, kReadChannels) && !envelope.type.empty()) {
        read_data(value, envelope, out);
        data_read = true;
      }
    } else if (key == "method") {
      envelope.method = text_or_none(value);
    } else if (key == "success") {
      if (type_of(value) == JsonType::kBool) envelope.success = read_bool(value);
    } else if (key == "symbol") {
      envelope.symbol = text_or_none(value);
    } else if (key == "error") {
      if (frame.origin == Origin::kWs && type_of(value) == JsonType::kString) {
        envelope.error = text_or_none(value);
      } else if (!is_null(value)) {
        envelope.is_rest = true;
        read_error(value, envelope);
      }
    } else if (key == "result") {
      if (frame.origin == Origin::kRest) {
        envelope.is_rest = true;  // a REST result is read below
      } else if (type_of(value) == JsonType::kObject && !envelope.is_rest) {
        read_result(value, envelope, out);
      }
    } else if (key == "params") {
      envelope.has_params = true;
    } else if (key == "event") {
      fail(ErrorCode::kObsoleteProtocol, "an event of WebSocket v1");
    }
  });

  if (envelope.is_rest) {
    read_rest(envelope, frame, out);
  } else if (!envelope.method.empty()) {
    read_reply(envelope, out);
  } else if (envelope.channel == "heartbeat") {
    out.controls.push_back({ControlMessage::Kind::kHeartbeat, {}, 0});
  } else if (is_one_of(envelope.channel, kUnusedChannels)) {
    out.controls.push_back({});
  } else if (!envelope.channel.empty() && !is_one_of(envelope.channel, kReadChannels)) {
    out.pass_over(envelope.channel);
  } else if (!envelope.channel.empty()) {
    if (!envelope.has_data) fail(ErrorCode::kSchemaMismatch, "a channel without data");
    if (!data_read) {
      read_again(json_, "data", [&](od::value data) { read_data(data, envelope, out); });
    }
  } else if (!envelope.error.empty()) {
    out.add_error(code_of_message(envelope.error), envelope.error, envelope.symbol);
  } else {
    fail(ErrorCode::kSchemaMismatch, "neither channel, method nor REST answer");
  }
  json_.close();
}

// {"channel":"book","depth":10,"snapshot":true,"symbol":"BTC/USD","warnings":["…"]}
void KrakenAdapter::read_result(od::value& result, Envelope& envelope, Decoded& out) {
  std::string_view channel;
  std::string_view symbol;
  int depth = 0;
  for_each_field(result, [&](std::string_view name, od::value part) {
    if (name == "channel") channel = text_or_none(part);
    if (name == "symbol") symbol = text_or_none(part);
    if (name == "depth" && type_of(part) == JsonType::kNumber) {
      depth = static_cast<int>(
          std::min<std::int64_t>(std::max<std::int64_t>(read_int(part), 0), 100'000));
    }
    if (name == "warnings" && type_of(part) == JsonType::kArray) {
      for_each_item(part, [&](od::value item) {
        if (const auto text = text_or_none(item); !text.empty()) out.warn(text);
      });
    }
  });
  if (channel == "book" && !symbol.empty()) {
    envelope.ack.stream = book_stream_of(symbol);
    envelope.ack.depth = depth;
  }
}

/// A REST answer's `error`: a list of texts, E… an error, W… a warning. Each is told once, and so
/// is whatever else the list holds.
void KrakenAdapter::read_error(od::value& error, Envelope& envelope) {
  constexpr std::size_t kMaxTexts = 8;
  const auto add = [&](od::value& item) {
    if (is_null(item) || envelope.texts.size() >= kMaxTexts) return;
    std::string text{type_of(item) == JsonType::kString
                         ? text_or_none(item)
                         : std::string_view{item.raw_json_token()}.substr(0, 40)};
    if (text.empty()) text = "an error without text";
    if (std::find(envelope.texts.begin(), envelope.texts.end(), text) == envelope.texts.end()) {
      envelope.texts.push_back(std::move(text));
    }
  };
  if (type_of(error) == JsonType::kArray) {
    for_each_item(error, [&](od::value item) { add(item); });
  } else {
    add(error);
  }
}

// {"method":"subscribe","result":{"channel":"book","depth":10,"symbol":"BTC/USD",…},"success":true,…}
// {"error":"Currency pair not supported
// NOPE/USD","method":"subscribe","success":false,"symbol":"NOPE/USD",…}
void KrakenAdapter::read_reply(const Envelope& envelope, Decoded& out) const {
  if (envelope.method == "pong") {
    out.controls.push_back({ControlMessage::Kind::kPong, {}, 0});
    return;
  }
  if (!envelope.success) {
    if (!envelope.has_params && envelope.method != "ping") {
      fail(ErrorCode::kSchemaMismatch, "a reply without success");
    }
    out.controls.push_back({});  // a client's request in a recording
    return;
  }
  if (!*envelope.success) {
    out.add_error(code_of_message(envelope.error), envelope.error, envelope.symbol);
    return;
  }
  ControlMessage control;
  if (envelope.method == "subscribe") {
    control = envelope.ack;
    control.kind = ControlMessage::Kind::kAck;
  }
  out.controls.push_back(std::move(control));
}

void KrakenAdapter::read_data(od::value& data, const Envelope& envelope, Decoded& out) {
  if (envelope.channel == "book") {
    for_each_row(data, [&](od::value row, std::size_t index) {
      add_book(out, index, [&](BookMessage& book) { read_book(row, envelope, book); });
    });
  } else if (envelope.channel == "ticker") {
    for_each_row(data, [&](od::value row, std::size_t index) {
      add_ticker(out, index, [&](TickerMessage& message) { read_ticker(row, message); });
    });
  } else {
    for_each_field(data, [&](std::string_view key, od::value value) {
      if (key != "pairs" || is_null(value)) return;
      for_each_row(value, [&](od::value row, std::size_t index) {
        add_market(out, index, [&](MarketInfo& market) { read_pair(row, market); });
      });
    });
  }
}

// {"symbol":"MATIC/USD","bids":[{"price":0.5657,"qty":1098.39475580}],"asks":[],"checksum":2114181697,
//  "timestamp":"2023-10-06T17:35:55.440295Z"}; a side without changes is empty or missing.
void KrakenAdapter::read_book(od::value& row, const Envelope& envelope, BookMessage& book) {
  book.rule = BookRule::kChecksum;
  book.snapshot = envelope.type == "snapshot";
  BookSides sides;
  for_each_field(row, [&](std::string_view key, od::value value) {
    if (sides.read_objects(key, value, book)) return;
    if (key == "symbol") {
      book.symbol = read_string(value);
      book.stream.assign("book:").append(book.symbol);
      about(book.symbol, book.stream);
    } else if (key == "checksum") {
      const std::int64_t checksum = read_int(value);
      if (checksum < 0 || checksum > std::numeric_limits<std::uint32_t>::max()) {
        fail(ErrorCode::kValueOutOfRange, "checksum of more than 32 bits");
      }
      book.checksum = static_cast<std::uint32_t>(checksum);
    } else if (key == "timestamp") {
      book.exchange_time = read_rfc3339(value);
    }
  });
  if (!book.snapshot && envelope.type != "update") {
    fail(ErrorCode::kSchemaMismatch, "a book that is neither snapshot nor update");
  }
  if (book.symbol.empty() || !book.checksum || (!sides.bids && !sides.asks) ||
      (book.snapshot && !sides.both())) {
    fail(ErrorCode::kSchemaMismatch, "a book without symbol, levels or checksum");
  }
}

// {"symbol":"USDT/USD","last":0.99981,"volume":270638277.50461281,"low":0.99959,"high":1.00000,
//  "change":0.00005,"change_pct":0.01,"timestamp":"2026-09-24T03:54:18.054886Z",…}
void KrakenAdapter::read_ticker(od::value& row, TickerMessage& message) {
  LastPrice last;
  std::optional<Decimal> change;
  Ticker& t = message.ticker;
  for_each_field(row, [&](std::string_view key, od::value value) {
    if (key == "symbol") {
      message.symbol = read_string(value);
    } else if (key == "last") {
      last.read(value);
    } else if (key == "change") {
      change = read_optional_decimal(value);
    } else if (key == "high") {
      t.high_price = read_optional_double(value);
    } else if (key == "low") {
      t.low_price = read_optional_double(value);
    } else if (key == "volume") {
      t.acc_trade_volume_24h = read_optional_double(value);
    } else if (key == "timestamp") {
      t.exchange_time = read_rfc3339(value);
    }
  });
  if (!last.named || message.symbol.empty()) {
    fail(ErrorCode::kSchemaMismatch, "a ticker without symbol or last");
  }
  t.trade_price = to_double(last.price);
  t.signed_change_price = to_double(change);
  t.opening_price = difference(last.price, change);
  if (t.opening_price && *t.opening_price <= 0) t.opening_price.reset();
  t.prev_closing_price = t.opening_price;
}

// {"symbol":"BTC/USD","base":"BTC","quote":"USD","status":"online","cost_min":0.5,"qty_increment":1e-08,…}
// BTC/USD:BTNL and the like belong to another venue.
void KrakenAdapter::read_pair(od::value& row, MarketInfo& market) {
  std::string_view base;
  std::string_view quote;
  for_each_field(row, [&](std::string_view key, od::value value) {
    if (key == "symbol") market.symbol = read_string(value);
    if (key == "base") base = read_string(value);
    if (key == "quote") quote = read_string(value);
    if (key == "status") market.active = text_or_none(value) == "online";
    if (key == "cost_min") market.min_notional = read_optional_decimal(value);
  });
  const std::optional<Instrument> instrument = canonical(base, quote);
  if (!instrument || market.symbol.find(':') != std::string::npos) {
    fail(ErrorCode::kUnknownSymbol, "not a spot instrument");
  }
  market.instrument = *instrument;
}

// {"error":[],"result":{"XXBTZUSD":{…}}}
// {"error":["EQuery:Unknown asset pair"],"result":{"XXBTZUSD":{…}}}: what there is counts.
void KrakenAdapter::read_rest(const Envelope& envelope, const Frame& frame, Decoded& out) {
  std::size_t members = 0;
  read_again(json_, "result", [&](od::value value) {
    if (type_of(value) != JsonType::kObject) return;
    for_each_field(value, [&](std::string_view, od::value) { ++members; });
  });
  const bool rows = frame.channel == "ticker" || frame.channel == "markets" ||
                    frame.channel == to_string(Channel::kOrderBook);
  if (members > 0) {
    read_again(json_, "result", [&](od::value value) {
      if (type_of(value) != JsonType::kObject) return;
      std::size_t index = 0;
      for_each_field(value, [&](std::string_view name, od::value member) {
        // Other answers have members that are no rows: the time, the place to go on from.
        if (rows || type_of(member) == JsonType::kObject) {
          read_rest_member(index, name, member, members == 1, frame, out);
        }
        ++index;
      });
    });
  }
  bool refused = false;
  for (const std::string& text : envelope.texts) {
    if (text.starts_with('W')) {
      out.warn(text);
    } else if (members > 0) {
      out.add_partial_error(code_of_message(text), text);
      refused = true;
    } else {
      out.add_error(code_of_message(text), text, frame.symbol);
      refused = true;
    }
  }
  if (members == 0 && !refused) fail(ErrorCode::kSchemaMismatch, "an answer without result");
  if (out.tickers.empty() && out.books.empty() && out.markets.empty() && out.errors.empty()) {
    out.controls.push_back({});  // time, system status
  }
}

/// One pair of a REST result: a ticker, a book or a row of the market list, told apart by its keys.
//  {"c":["30303.20000","0.00067643"],"v":[today,24h],"l":[…],"h":[…],"o":"30502.80000",…}
//  {"asks":[["30384.10000","2.059",1688671659],…],"bids":[…]}
//  {"altname":"XBTUSD","wsname":"XBT/USD","status":"online","costmin":"0.5",…}
void KrakenAdapter::read_rest_member(std::size_t index, std::string_view name, od::value& member,
                                     bool only, const Frame& frame, Decoded& out) {
  // Item `place` of [today, 24 h] or [price, size]; a coin before its first trade may have none.
  const auto item_of = [](od::value& array, int place, auto read) {
    decltype(read(array)) number;
    if (is_null(array)) return number;
    int at = 0;
    for_each_item(array, [&](od::value item) {
      if (at++ == place) number = read(item);
    });
    if (at > 0 && at <= place) fail(ErrorCode::kSchemaMismatch, "a ticker array that is too short");
    return number;
  };
  // Asked for one pair, the answer's key is Kraken's business; the question is what we know.
  const std::string symbol{only && !frame.symbol.empty() ? frame.symbol : name};
  about(symbol);
  BookMessage book;
  MarketInfo market;
  std::string altname;
  std::string wsname;
  LastPrice last;
  std::optional<Decimal> open;
  BookSides sides;
  bool is_book = false;
  bool is_market = false;
  const bool good = add_ticker(out, index, [&](TickerMessage& message) {
    message.symbol = symbol;
    Ticker& t = message.ticker;
    for_each_field(member, [&](std::string_view key, od::value value) {
      if (sides.read_arrays(key, value, "bids", "asks", book)) return;
      if (key == "c") {
        last.price = item_of(value, 0, read_optional_decimal);
        last.named = true;
      } else if (key == "v") {
        t.acc_trade_volume_24h = item_of(value, 1, read_optional_double);
      } else if (key == "l") {
        t.low_price = item_of(value, 1, read_optional_double);
      } else if (key == "h") {
        t.high_price = item_of(value, 1, read_optional_double);
      } else if (key == "o") {
        // A string today; older answers had [today, 24 h].
        open = type_of(value) == JsonType::kArray ? item_of(value, 0, read_optional_decimal)
                                                  : read_optional_decimal(value);
      } else if (key == "altname") {
        altname = text_or_none(value);
      } else if (key == "wsname") {
        wsname = text_or_none(value);
      } else if (key == "status" && type_of(value) == JsonType::kString) {
        market.active = read_string(value) == "online";
      } else if (key == "costmin") {
        market.min_notional = read_optional_decimal(value);
      }
    });
    is_book = sides.bids || sides.asks;
    is_market = !altname.empty() || !wsname.empty();
    if (is_book && !sides.both()) {
      fail(ErrorCode::kSchemaMismatch, "a book without bids or asks");
    }
    if (!is_book && !is_market && !last.named) {
      fail(ErrorCode::kSchemaMismatch, "a ticker without c");
    }
    if (open && open->is_zero()) open.reset();
    // The rolling change is not sent: this one counts from the day's open at 00:00 UTC.
    t.trade_price = to_double(last.price);
    t.opening_price = to_double(open);
    t.prev_closing_price = t.opening_price;
    t.signed_change_price = difference(last.price, open);
  });
  if (!good) return;
  if (is_book) {
    out.tickers.pop();
    book.symbol = symbol;
    book.stream = rest_stream(symbol);
    out.next_book() = std::move(book);
  } else if (is_market) {
    out.tickers.pop();
    const auto slash = wsname.find('/');
    if (altname.ends_with(".d") || slash == std::string::npos) return;  // dark pools
    const std::optional<Instrument> instrument = canonical(
        std::string_view{wsname}.substr(0, slash), std::string_view{wsname}.substr(slash + 1));
    if (!instrument) {
      out.add_row_error(index, {ErrorCode::kUnknownSymbol, "not a spot instrument"}, name, {});
      return;
    }
    market.instrument = *instrument;
    market.symbol = venue_symbol(*instrument);
    constexpr std::size_t kMaxAliases = 200'000;
    if (aliases_.size() < kMaxAliases) {
      aliases_.insert_or_assign(std::string{name}, *instrument);
      aliases_.insert_or_assign(std::move(altname), *instrument);
    }
    out.markets.push_back(std::move(market));
  }
}

}  // namespace

std::unique_ptr<VenueAdapter> make_kraken() { return std::make_unique<KrakenAdapter>(); }

}  // namespace spreadwatch::ingest
