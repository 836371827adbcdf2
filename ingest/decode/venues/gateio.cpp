// Gate spot, public data of API v4.
//
// Docs: https://www.gate.com/docs/developers/apiv4/ws/en/ (read 2026-09).
// Limits: REST 200 calls in 10 s per endpoint. The socket has no published limit; ours are
// cautious. Traps: three order book channels. `spot.obu` (used) sends its snapshot on the socket,
// names the stream `ob.<pair>.<levels>` and advances `u` even without levels;
// `spot.order_book_update` needs a REST base whose ids must not be mixed with obu's;
// `spot.order_book` sends whole books. The ticker gives a percentage and no change; a request whose
// `time` is more than 60 s off is refused; the path needs its last slash.

#include <algorithm>
#include <array>
#include <charconv>

#include "ingest/decode/json_reader.h"
#include "ingest/decode/venue_adapter.h"
#include "ingest/decode/venues/registry.h"
#include "ingest/decode/wallet_reader.h"

namespace spreadwatch::ingest {
namespace {

const VenueProfile& gateio_profile() {
  static const VenueProfile profile = [] {
    VenueProfile p;
    p.id = VenueId::kGateio;
    p.ws_url = "wss://api.gateio.ws/ws/v4/";
    p.rest_url = "https://api.gateio.ws";
    p.docs_url = "https://www.gate.com/docs/developers/apiv4/ws/en/";
    p.protocol = "v4 (2026-09)";
    p.integrity =
        "each change starts at the last update id + 1 (U = u + 1); a full push replaces the book";
    p.ping = VenueProfile::Ping::kText;
    p.ping_every = milliseconds{10'000};
    p.pong_within = milliseconds{10'000};
    p.silence = milliseconds{30'000};
    p.connects = {10, seconds{10}};   // not published
    p.messages = {{20, seconds{1}}};  // not published
    p.rest = {200, seconds{10}};
    p.max_subscriptions = 200;  // not published
    p.depths = {50, 400};
    p.default_depth = 50;
    // Equal series are not documented, but numbers of another one would not fall into the few
    // hundred milliseconds of changes that a comparison looks at.
    p.match = VenueProfile::Match::kSequence;
    p.proof = {.number = "u", .first = "U"};
    return p;
  }();
  return profile;
}

constexpr std::string_view kUpdateChannel = "spot.order_book_update";

std::string obu_stream(const Instrument& instrument, int depth) {
  return "ob." + instrument.base + "_" + instrument.quote + "." + std::to_string(depth);
}

/// The pair in `ob.BTC_USDT.50`, or the text itself where a stream is named by its pair.
std::string_view pair_of(std::string_view stream) {
  if (!stream.starts_with("ob.")) return stream;
  stream.remove_prefix(3);
  return stream.substr(0, stream.rfind('.'));
}

/// The levels in `ob.BTC_USDT.50`; 0 when it has none.
int depth_of(std::string_view stream) {
  const auto dot = stream.rfind('.');
  if (!stream.starts_with("ob.") || dot < 3) return 0;
  int depth = 0;
  const std::string_view text = stream.substr(dot + 1);
  const auto [end, status] = std::from_chars(text.data(), text.data() + text.size(), depth);
  return status == std::errc{} && end == text.data() + text.size() && depth > 0 ? depth : 0;
}

/// Channels of the spot socket that are of no use here.
constexpr std::array<std::string_view, 4> kUnusedChannels = {
    "spot.trades", "spot.trades_v2", "spot.candlesticks", "spot.book_ticker"};

bool is_read(std::string_view channel) {
  return channel == "spot.tickers" || channel == "spot.obu" || channel == kUpdateChannel ||
         channel == "spot.order_book" || channel == "spot.system";
}

/// Channels of other markets, which have addresses of their own.
bool is_of_contracts(std::string_view channel) {
  return channel.starts_with("futures.") || channel.starts_with("options.");
}

/// What is known of a payload besides its result.
struct Envelope {
  std::string_view channel;
  std::string_view event;
  std::string_view label;  ///< of a REST error
  std::string_view message;
  std::optional<Timestamp> time;
  std::string_view first_argument;  ///< of a subscription: a pair or a stream
  std::string_view error_code;
  std::string_view error_message;
  bool has_error = false;
  bool has_result = false;
  std::string_view status;
};

class GateioAdapter final : public VenueAdapter {
 public:
  const VenueProfile& profile() const noexcept override { return gateio_profile(); }

  std::string venue_symbol(const Instrument& instrument) const override {
    return instrument.base + "_" + instrument.quote;
  }

  std::string book_stream(const Instrument& instrument, int depth) const override {
    return obu_stream(instrument, offered_depth(depth));
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
    return R"({"time":)" + std::to_string(to_ms(now) / 1000) + R"(,"channel":"spot.ping"})";
  }

  RestCall book_call(const Instrument& instrument, int depth) const override {
    // More than 100 levels come from a cache up to 30 s old. Without with_id: these ids are not
    // obu's.
    RestCall call = call_of("/api/v4/spot/order_book?currency_pair=", "orderbook", instrument);
    call.path += "&interval=0&limit=" + std::to_string(std::min(offered_depth(depth), 100));
    return call;
  }

  // With the id, which tells an older answer from a newer one.
  RestCall polled_call(std::span<const Instrument> instruments, int depth) const override {
    RestCall call = book_call(instruments.front(), depth);
    call.path += "&with_id=true";
    return call;
  }

  std::vector<RestCall> ticker_calls(std::span<const Instrument> instruments) const override {
    return one_or_all(instruments, "/api/v4/spot/tickers?currency_pair=", "/api/v4/spot/tickers");
  }

  RestCall markets_call() const override {
    return {"/api/v4/spot/currency_pairs", "markets", "", 1};
  }

 protected:
  std::optional<Instrument> split(std::string_view venue_symbol) const override {
    return split_at(venue_symbol, '_');
  }

  void parse(const Frame& frame, Decoded& out) override;

 private:
  static std::vector<std::string> requests(std::string_view event,
                                           std::span<const Subscription> subscriptions,
                                           Timestamp now);

  void read_result(od::value& result, const Envelope& envelope, Decoded& out);
  void read_book(od::value& result, const Envelope& envelope, Decoded& out);
  static void read_reply(const Envelope& envelope, bool beside_data, Decoded& out);
  static void read_rest_row(od::value& row, std::size_t index, Decoded& out);

  JsonReader json_;
};

std::vector<std::string> GateioAdapter::requests(std::string_view event,
                                                 std::span<const Subscription> subscriptions,
                                                 Timestamp now) {
  // One instrument a message: an unknown pair fails the whole payload it is in.
  std::vector<std::string> out;
  for (const Subscription& s : subscriptions) {
    const bool ticker = s.channel == Channel::kTicker;
    const int depth = s.depth > 0 ? s.depth : gateio_profile().default_depth;
    std::string text = R"({"time":)" + std::to_string(to_ms(now) / 1000) + R"(,"channel":")" +
                       (ticker ? "spot.tickers" : "spot.obu") + R"(","event":")";
    text.append(event)
        .append(R"(","payload":[")")
        .append(ticker ? s.instrument.base + "_" + s.instrument.quote
                       : obu_stream(s.instrument, depth))
        .append(R"("]})");
    out.push_back(std::move(text));
  }
  return out;
}

void GateioAdapter::parse(const Frame& frame, Decoded& out) {
  od::document& document = json_.open(frame.payload);
  if (is_array(frame.payload)) {
    // REST lists have no envelope: tickers or markets.
    for_each_row(document,
                 [&](od::value row, std::size_t index) { read_rest_row(row, index, out); });
    json_.close();
    return;
  }
  Envelope envelope;
  bool result_read = false;
  bool is_book = false;
  bool is_market = false;
  for_each_field(document, [&](std::string_view key, od::value value) {
    if (key == "time") {
      if (const auto s = read_optional_int(value); s && !envelope.time) {
        if (*s < 0 || *s > 7'258'118'400) fail(ErrorCode::kValueOutOfRange, "time in seconds");
        envelope.time = timestamp_of_ms(*s * 1000);
      }
    } else if (key == "time_ms") {
      if (const auto time = read_ms(value)) envelope.time = time;
    } else if (key == "channel") {
      envelope.channel = text_or_none(value);
    } else if (key == "event") {
      envelope.event = text_or_none(value);
    } else if (key == "payload") {
      if (type_of(value) != JsonType::kArray) return;
      bool first = true;
      for_each_item(value, [&](od::value argument) {
        if (first && type_of(argument) == JsonType::kString) {
          envelope.first_argument = read_string(argument);
        }
        first = false;
      });
    } else if (key == "error") {
      if (is_null(value)) return;
      envelope.has_error = true;
      read_error_object(value, "code", "message", envelope.error_code, envelope.error_message);
    } else if (key == "result") {
      if (is_null(value)) return;
      envelope.has_result = true;
      const bool is_reply = envelope.event == "subscribe" || envelope.event == "unsubscribe";
      // Usually channel and event stand before the result; obu has no event at all.
      if (is_read(envelope.channel) && !is_reply) {
        if (envelope.event == "update" || envelope.channel == "spot.obu") {
          read_result(value, envelope, out);
          result_read = true;
        }
      } else if (is_reply && type_of(value) == JsonType::kObject) {
        for_each_field(value, [&](std::string_view name, od::value part) {
          if (name == "status") envelope.status = text_or_none(part);
        });
      }
    } else if (key == "label") {
      envelope.label = text_or_none(value);
    } else if (key == "message") {
      envelope.message = text_or_none(value);
    } else if (key == "asks" || key == "bids") {
      is_book = true;
    } else if (key == "quote") {
      is_market = true;
    } else if (key == "method" || key == "params" || key == "elapsed") {
      fail(ErrorCode::kObsoleteProtocol, "a message of API v2 or v3");
    }
  });

  if (!envelope.channel.empty()) {
    if (is_of_contracts(envelope.channel)) {
      fail(ErrorCode::kUnknownSymbol, "not a spot instrument");
    }
    const bool is_reply = envelope.event == "subscribe" || envelope.event == "unsubscribe";
    const bool is_update = is_read(envelope.channel) && !is_reply && envelope.has_result &&
                           (envelope.event == "update" || !envelope.has_error);
    if (envelope.channel == "spot.pong") {
      out.controls.push_back({ControlMessage::Kind::kPong, {}, 0});
    } else if (is_reply || (envelope.has_error && !is_update)) {
      if (envelope.status.empty() && envelope.has_result && !envelope.has_error) {
        read_again(json_, "result", [&](od::value value) {
          if (type_of(value) != JsonType::kObject) return;
          for_each_field(value, [&](std::string_view name, od::value part) {
            if (name == "status") envelope.status = text_or_none(part);
          });
        });
      }
      out.tickers.clear();
      out.books.clear();
      out.controls.clear();
      read_reply(envelope, false, out);
    } else if (envelope.channel == "spot.ping" ||
               std::find(kUnusedChannels.begin(), kUnusedChannels.end(), envelope.channel) !=
                   kUnusedChannels.end()) {
      out.controls.push_back({});
    } else if (!is_read(envelope.channel)) {
      out.pass_over(envelope.channel);
    } else if (!envelope.has_result) {
      fail(ErrorCode::kSchemaMismatch, "an update without result");
    } else {
      if (!result_read) {
        read_again(json_, "result", [&](od::value value) { read_result(value, envelope, out); });
      }
      // An error beside data is one of its own.
      if (envelope.has_error) read_reply(envelope, true, out);
    }
    for (TickerMessage& message : out.tickers) message.ticker.exchange_time = envelope.time;
    for (BookMessage& book : out.books) {
      if (!book.exchange_time) book.exchange_time = envelope.time;
    }
  } else if (!envelope.label.empty()) {
    // {"label":"INVALID_CURRENCY_PAIR","message":"Invalid currency pair BTC_USDTT"}
    const ErrorCode code = envelope.label.starts_with("INVALID_CURRENCY")
                               ? ErrorCode::kUnknownSymbol
                           : envelope.label == "TOO_MANY_REQUESTS" ? ErrorCode::kRateLimited
                                                                   : ErrorCode::kVenueError;
    out.add_error(code, std::string{envelope.label} + ": " + std::string{envelope.message},
                  frame.symbol);
  } else if (is_book && !envelope.has_result) {
    // {"id":6358826658,"current":1649769789574,"update":1649769789566,"asks":[…],"bids":[…]}
    // The id (only when asked for) makes it the base of spot.order_book_update.
    if (frame.symbol.empty()) {
      fail(ErrorCode::kUnknownSymbol, "a REST book does not name its instrument");
    }
    about(frame.symbol);
    BookMessage& book = out.next_book();
    book.symbol = frame.symbol;
    BookSides sides;
    std::optional<Timestamp> current;
    for_each_field(json_.rewind(), [&](std::string_view key, od::value value) {
      if (sides.read_arrays(key, value, "bids", "asks", book)) return;
      if (key == "id") {
        book.sequence = read_optional_int(value);
      } else if (key == "current") {
        current = read_ms(value);
      } else if (key == "update") {
        book.exchange_time = read_ms(value);
      }
    });
    if (!sides.both()) fail(ErrorCode::kSchemaMismatch, "a book without bids or asks");
    if (!book.exchange_time) book.exchange_time = current;
    if (book.sequence) {
      book.rule = BookRule::kBufferedDiff;
      book.stream.assign(kUpdateChannel).append(":").append(frame.symbol);
    } else {
      book.stream = rest_stream(frame.symbol);
    }
  } else if (is_market) {
    // One row alone: /spot/currency_pairs/{pair}.
    od::value row = json_.rewind().get_value();
    read_rest_row(row, 0, out);
  } else if (envelope.has_result || envelope.has_error) {
    fail(ErrorCode::kObsoleteProtocol, "v4 names the channel in each message");
  } else {
    fail(ErrorCode::kSchemaMismatch, "no channel, label, book or market");
  }
  json_.close();
}

// {"time":…,"channel":"spot.obu","event":"subscribe","payload":["ob.BTC_USDT.50"],"result":{"status":"success"}}
// {…,"error":{"code":2,"message":"unknown currency pair: XXX_USDT"},"result":{"status":"fail"}}
void GateioAdapter::read_reply(const Envelope& envelope, bool beside_data, Decoded& out) {
  if (envelope.has_error || (!envelope.status.empty() && envelope.status != "success")) {
    const std::string_view message = envelope.error_message;
    const bool unknown = message.find("currency pair") != std::string_view::npos ||
                         message.find("currency_pair") != std::string_view::npos;
    std::string symbol{pair_of(envelope.first_argument)};
    if (const auto colon = message.rfind(": "); symbol.empty() && colon != std::string_view::npos) {
      symbol = message.substr(colon + 2);
    }
    out.add_error(unknown ? ErrorCode::kUnknownSymbol : ErrorCode::kVenueError,
                  std::string{envelope.error_code.empty() ? "0" : envelope.error_code} + ": " +
                      std::string{message},
                  beside_data ? std::string{} : symbol);
    out.errors.back().partial = beside_data;
    return;
  }
  ControlMessage control;
  if (envelope.event == "subscribe" && !envelope.status.empty()) {
    control.kind = ControlMessage::Kind::kAck;
    if (envelope.channel == "spot.obu") {
      control.stream = envelope.first_argument;
      control.depth = depth_of(envelope.first_argument);
    } else if (envelope.channel == kUpdateChannel && !envelope.first_argument.empty()) {
      control.stream.assign(kUpdateChannel).append(":").append(envelope.first_argument);
    }
  }
  out.controls.push_back(std::move(control));
}

/// The ticker fields of the socket and of REST rows.
//  {"currency_pair":"BTC_USDT","last":"64043.9","change_percentage":"-0.4034","base_volume":"5291.366688",
//   "high_24h":"64473.5","low_24h":"63234.7",…}
struct TickerFields {
  std::optional<double> percentage;
  bool has_last = false;

  void read(std::string_view key, od::value& value, TickerMessage& message) {
    Ticker& t = message.ticker;
    if (key == "currency_pair") {
      message.symbol = read_string(value);
    } else if (key == "last") {
      t.trade_price = read_optional_double(value);
      has_last = true;
    } else if (key == "change_percentage") {
      percentage = read_optional_double(value);
    } else if (key == "base_volume") {
      t.acc_trade_volume_24h = read_optional_double(value);
    } else if (key == "high_24h") {
      t.high_price = read_optional_double(value);
    } else if (key == "low_24h") {
      t.low_price = read_optional_double(value);
    }
  }

  /// Only the rate is sent: the price it counts from, and with it the change, follow from the rate.
  void fill_in(Ticker& t) const {
    if (!t.trade_price || !percentage || 1 + *percentage / 100 <= 0) return;
    t.opening_price = *t.trade_price / (1 + *percentage / 100);
    t.prev_closing_price = t.opening_price;
    t.signed_change_price = *t.trade_price - *t.opening_price;
  }
};

void GateioAdapter::read_result(od::value& result, const Envelope& envelope, Decoded& out) {
  if (envelope.channel == "spot.tickers") {
    TickerMessage& message = out.next_ticker();
    TickerFields fields;
    for_each_field(result, [&](std::string_view key, od::value value) {
      fields.read(key, value, message);
      if (key == "currency_pair") about(message.symbol);
    });
    if (!fields.has_last || message.symbol.empty()) {
      fail(ErrorCode::kSchemaMismatch, "a ticker without currency_pair or last");
    }
    fields.fill_in(message.ticker);
  } else if (envelope.channel == "spot.obu" || envelope.channel == kUpdateChannel ||
             envelope.channel == "spot.order_book") {
    read_book(result, envelope, out);
  } else if (envelope.channel == "spot.system") {
    bool closing = false;
    for_each_field(result, [&](std::string_view key, od::value value) {
      if (key == "type") closing = text_or_none(value) == "upgrade";
    });
    ControlMessage control;
    if (closing) control.kind = ControlMessage::Kind::kReconnect;
    out.controls.push_back(std::move(control));
  }
}

// spot.obu {"t":…,"full":true,"s":"ob.BTC_USDT.50","u":73777715168,"b":[["104027.1","50"]],"a":[…]}
//                          {"t":…,"s":"ob.BTC_USDT.50","U":73777715169,"u":73777715212,"b":[…]}
// spot.order_book_update
// {"t":…,"full":true?,"l":"100"?,"s":"BTC_USDT","U":48776301,"u":48776306,"b":[…],"a":[…]}
// spot.order_book {"t":…,"lastUpdateId":48791820,"s":"BTC_USDT","l":"20","bids":[…],"asks":[…]}
void GateioAdapter::read_book(od::value& result, const Envelope& envelope, Decoded& out) {
  BookMessage& book = out.next_book();
  const bool whole = envelope.channel == "spot.order_book";
  const bool obu = envelope.channel == "spot.obu";
  std::string_view name;
  std::string_view levels;
  bool full = whole;
  BookSides sides;
  for_each_field(result, [&](std::string_view key, od::value value) {
    if (sides.read_arrays(key, value, "b", "a", book)) return;
    if (sides.read_arrays(key, value, "bids", "asks", book)) return;
    if (key == "t") {
      book.exchange_time = read_ms(value);
    } else if (key == "s") {
      name = read_string(value);
      book.symbol = obu ? pair_of(name) : name;
      if (obu) {
        book.stream = name.starts_with("ob.") ? name : "ob." + std::string{name};
      } else {
        book.stream.assign(envelope.channel).append(":").append(name);
      }
      if (whole) {
        about(book.symbol);
      } else {
        about(book.symbol, book.stream);
      }
    } else if (key == "U") {
      book.first_sequence = read_int(value);
    } else if (key == "u" || key == "lastUpdateId") {
      book.sequence = read_int(value);
    } else if (key == "full") {
      full = read_bool(value);
    } else if (key == "l") {
      levels = number_text(value);
    }
  });
  if (name.empty()) fail(ErrorCode::kSchemaMismatch, "a book without s");
  if (!whole && !book.sequence) fail(ErrorCode::kSchemaMismatch, "a book without u");
  if (!whole && !full && !book.first_sequence)
    fail(ErrorCode::kSchemaMismatch, "a change without U");
  if ((whole || (full && !obu)) && !sides.both()) {
    fail(ErrorCode::kSchemaMismatch, "a whole book without bids or asks");
  }
  if (whole && !levels.empty()) book.stream.append(":").append(levels);
  book.rule = whole ? BookRule::kReplace : obu ? BookRule::kNumbered : BookRule::kBufferedDiff;
  book.snapshot = full;
  if (obu) {
    book.depth = depth_of(name);
  } else if (!levels.empty()) {
    int depth = 0;
    const auto [end, status] = std::from_chars(levels.data(), levels.data() + levels.size(), depth);
    if (status == std::errc{} && end == levels.data() + levels.size() && depth > 0) {
      book.depth = depth;
    }
  }
}

/// A row of /spot/tickers or /spot/currency_pairs:
//  {"id":"ETH_USDT","base":"ETH","quote":"USDT","min_quote_amount":"1.0","trade_status":"tradable",…}
void GateioAdapter::read_rest_row(od::value& row, std::size_t index, Decoded& out) {
  MarketInfo market;
  bool is_market = false;
  add_ticker(out, index, [&](TickerMessage& message) {
    TickerFields fields;
    for_each_field(row, [&](std::string_view key, od::value value) {
      if (key == "id" && type_of(value) == JsonType::kString) {
        message.symbol = read_string(value);
      } else if (key == "base") {
        market.instrument.base = to_upper(read_string(value));
      } else if (key == "quote") {
        market.instrument.quote = to_upper(read_string(value));
      } else if (key == "min_quote_amount") {
        market.min_notional = read_optional_decimal(value);
      } else if (key == "trade_status") {
        market.active = market.active && text_or_none(value) == "tradable";
      } else if (key == "type") {
        market.active = market.active && text_or_none(value) != "premarket";
      } else {
        fields.read(key, value, message);
      }
    });
    if (fields.has_last && !message.symbol.empty()) {
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

}  // namespace

std::unique_ptr<VenueAdapter> make_gateio() { return std::make_unique<GateioAdapter>(); }

namespace {

// Its wallets. One request, as it counts all public ones: 200 in 10 s of an endpoint.
constexpr std::array kWalletRoutes = {WalletRoute{"/api/v4/spot/currencies", 1}};

void read_wallets(const dom::element& body, WalletRows& out) {
  for_each_wallet(body.get_array(), [&](const dom::element& row, std::size_t index) {
    const auto ticker = wallet_name(row, "currency");
    if (!ticker) return out.refuse(index, "no currency");
    const auto add = [&](const dom::element& from, std::string name) {
      WalletNetwork network;
      network.name = std::move(name);
      network.deposit = wallet_state(from, "deposit_disabled", false);
      network.withdraw = wallet_state(from, "withdraw_disabled", false);
      // It leaves, but nobody says when.
      if (wallet_state(from, "withdraw_delayed", false) == WalletState::kClosed &&
          network.withdraw == WalletState::kOpen) {
        network.withdraw = WalletState::kUnknown;
      }
      out.add(*ticker, std::move(network));
    };
    const auto chains = list_of(row, "chains");
    if (chains && chains->size() > 0) {
      for (const dom::element chain : *chains) {
        if (const auto name = wallet_name(chain, "name")) {
          add(chain, *name);
        } else {
          out.refuse(index, "a chain without name", *ticker);
        }
      }
    } else if (const auto chain = wallet_name(row, "chain")) {
      add(row, *chain);
    }
  });
}

}  // namespace

const WalletSource kGateioWallets{kWalletRoutes, nullptr, read_wallets};

}  // namespace spreadwatch::ingest
