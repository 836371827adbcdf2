// Korbit spot (since 2026-09 under the name Digital X), public data of API v2.
//
// Docs: https://docs.digitalx.miraeasset.com/ (read 2026-09); the old hosts were
// ws-api.korbit.co.kr and api.korbit.co.kr. Limits: REST 50 calls a second; those of the socket are
// not published.
// Traps: requests are a JSON array, even a single one; symbols are lower case and case-sensitive.
// The book's own time is `data.timestamp`, days old on a stopped pair, whose book is empty. All
// figures of the ticker are of the last 24 hours, its rate is a percentage. A REST ticker has no
// time but that of the last trade, which is taken. An unknown symbol gives an empty REST ticker
// list. v1 ("korbit:push-ticker") ended in 2025 and is refused here.

#include <array>
#include <utility>

#include "ingest/decode/json_reader.h"
#include "ingest/decode/venue_adapter.h"
#include "ingest/decode/venues/registry.h"
#include "ingest/decode/wallet_reader.h"

namespace spreadwatch::ingest {
namespace {

const VenueProfile& korbit_profile() {
  static const VenueProfile profile = [] {
    VenueProfile p;
    p.id = VenueId::kKorbit;
    p.ws_url = "wss://ws-api.digitalx.miraeasset.com/v2/public";
    p.rest_url = "https://api.digitalx.miraeasset.com";
    p.docs_url = "https://docs.digitalx.miraeasset.com/";
    p.protocol = "v2 (2026-09)";
    p.integrity = "every message is a whole book; no sequence number and no checksum";
    p.ping = VenueProfile::Ping::kProtocol;
    p.ping_every =
        milliseconds{10'000};  // the server's own ping every 30 s is too rare a sign of life
    p.pong_within = milliseconds{10'000};
    p.silence = milliseconds{75'000};  // two of the server's pings missed
    p.connects = {5, seconds{1}};      // not published
    p.messages = {{5, seconds{1}}};    // not published
    p.rest = {50, seconds{1}};
    p.max_subscriptions = 500;  // not published; 193 symbols of two channels were served
    p.depths = {30};
    p.default_depth = 30;
    p.tickers_per_call = 100;              // not limited by the venue; keeps the address short
    p.match = VenueProfile::Match::kTime;  // of the last change, in both
    return p;
  }();
  return profile;
}

/// What is known of a payload besides its data.
struct Envelope {
  std::string_view symbol;
  std::string_view type;
  std::string_view status;
  std::string_view code;
  std::string_view message;
  std::optional<Timestamp> time;
  bool has_data = false;
  bool has_error = false;
};

/// What a row of a REST list is.
enum class Rows : std::uint8_t { kTickers, kMarkets, kUnknown };

/// Whether the socket's `type` is one that is read here.
bool is_read(std::string_view type) { return type == "ticker" || type == "orderbook"; }

class KorbitAdapter final : public VenueAdapter {
 public:
  const VenueProfile& profile() const noexcept override { return korbit_profile(); }

  std::string venue_symbol(const Instrument& instrument) const override {
    return to_lower(instrument.base) + "_" + to_lower(instrument.quote);
  }

  std::string book_stream(const Instrument& instrument, int /*depth*/) const override {
    return "orderbook:" + venue_symbol(instrument);
  }

  std::vector<std::string> subscribe(std::span<const Subscription> subscriptions,
                                     Timestamp) const override {
    return requests("subscribe", subscriptions);
  }
  std::vector<std::string> unsubscribe(std::span<const Subscription> subscriptions,
                                       Timestamp) const override {
    return requests("unsubscribe", subscriptions);
  }

  RestCall book_call(const Instrument& instrument, int /*depth*/) const override {
    return call_of("/v2/orderbook?symbol=", "orderbook", instrument);
  }

  std::vector<RestCall> ticker_calls(std::span<const Instrument> instruments) const override {
    return in_groups(instruments, "/v2/tickers?symbol=");
  }

  RestCall markets_call() const override { return {"/v2/currencyPairs", "markets", "", 1}; }

 protected:
  std::optional<Instrument> split(std::string_view venue_symbol) const override {
    return split_at(venue_symbol, '_');
  }

  void parse(const Frame& frame, Decoded& out) override;

 private:
  std::vector<std::string> requests(std::string_view method,
                                    std::span<const Subscription> subscriptions) const;

  void read_data(od::value& data, const Envelope& envelope, const Frame& frame, Decoded& out);
  static void read_pushed(od::value& data, const Envelope& envelope, Decoded& out);
  static void read_rows(od::value& data, const Frame& frame, Decoded& out);
  static void read_row(od::value& row, std::size_t index, Rows rows, Decoded& out);
  static void read_rest_book(od::value& data, const Frame& frame, Decoded& out);
  static void read_reply(const Envelope& envelope, const Frame& frame, Decoded& out);

  JsonReader json_;
};

// [{"requestId":1,"method":"subscribe","type":"ticker","symbols":["btc_krw","usdt_krw"]},
//  {"requestId":2,"method":"subscribe","type":"orderbook","symbols":["btc_krw","usdt_krw"]}]
// Without requestId there is no answer.
std::vector<std::string> KorbitAdapter::requests(
    std::string_view method, std::span<const Subscription> subscriptions) const {
  if (subscriptions.empty()) return {};
  std::string text = "[";
  int id = 0;
  for (const Channel channel : {Channel::kTicker, Channel::kOrderBook}) {
    bool any = false;
    for (const Subscription& s : subscriptions) {
      if (s.channel != channel) continue;
      if (any) {
        text.push_back(',');
      } else {
        if (id > 0) text.push_back(',');
        text.append(R"({"requestId":)")
            .append(std::to_string(++id))
            .append(R"(,"method":")")
            .append(method)
            .append(R"(","type":")")
            .append(to_string(channel))
            .append(R"(","symbols":[)");
      }
      any = true;
      text.append("\"").append(venue_symbol(s.instrument)).append("\"");
    }
    if (any) text.append("]}");
  }
  text.push_back(']');
  return {std::move(text)};
}

void KorbitAdapter::parse(const Frame& frame, Decoded& out) {
  od::document& document = json_.open(frame.payload);
  if (is_array(frame.payload)) fail(ErrorCode::kSchemaMismatch, "v2 answers with an object");
  Envelope envelope;
  bool data_read = false;
  bool is_market = false;
  std::optional<Error> failure;  // of the data
  for_each_field(document, [&](std::string_view key, od::value value) {
    if (key == "symbol") {
      envelope.symbol = text_or_none(value);
      about(envelope.symbol);
    } else if (key == "timestamp") {
      envelope.time = read_ms(value);
    } else if (key == "type") {
      envelope.type = text_or_none(value);
    } else if (key == "data") {
      if (is_null(value)) return;
      envelope.has_data = true;
      if (is_read(envelope.type) || frame.origin == Origin::kRest) {
        failure = failure_of([&] { read_data(value, envelope, frame, out); });
        data_read = true;
      }
    } else if (key == "status") {
      envelope.status = text_or_none(value);
    } else if (key == "code") {
      envelope.code = code_text(value);
    } else if (key == "message") {
      envelope.message = text_or_none(value);
    } else if (key == "error") {
      if (is_null(value)) return;
      envelope.has_error = true;
      read_error_object(value, "code", "message", envelope.code, envelope.message);
    } else if (key == "baseCurrency") {
      is_market = true;
    } else if (key == "event" || key == "last" || key == "bids" || key == "asks" ||
               key == "currency_pair") {
      fail(ErrorCode::kObsoleteProtocol, "a payload of API v1");
    }
  });

  if (envelope.has_error && (!envelope.has_data || frame.origin == Origin::kWs)) {
    if (data_read) fail(ErrorCode::kSchemaMismatch, "an error beside data");
    read_reply(envelope, frame, out);
  } else if (frame.origin == Origin::kWs && !envelope.type.empty() && !is_read(envelope.type)) {
    if (envelope.type == "trade") {
      out.controls.push_back({});
    } else {
      out.pass_over(envelope.type);
    }
  } else if (envelope.has_data) {
    if (!data_read) {
      read_again(json_, "data", [&](od::value data) { read_data(data, envelope, frame, out); });
    }
    // What there is beside a refusal counts; that it is nothing is no further error.
    if (failure && !envelope.has_error) fail(failure->code, failure->detail);
    if (!envelope.type.empty()) {
      if (envelope.symbol.empty()) fail(ErrorCode::kSchemaMismatch, "data without symbol");
      // Around the data, and not always before it.
      for (TickerMessage& message : out.tickers) {
        message.symbol = envelope.symbol;
        message.ticker.exchange_time = envelope.time;
      }
      for (BookMessage& book : out.books) {
        book.symbol = envelope.symbol;
        book.stream.assign("orderbook:").append(envelope.symbol);
        if (!book.exchange_time) book.exchange_time = envelope.time;
      }
    }
    if (envelope.has_error) read_reply(envelope, frame, out);
  } else if (is_market) {
    od::value row = json_.rewind().get_value();
    read_row(row, 0, Rows::kMarkets, out);
  } else if (!envelope.status.empty()) {
    read_reply(envelope, frame, out);
  } else {
    fail(ErrorCode::kSchemaMismatch, "neither status nor data");
  }
  json_.close();
}

// {"status":"success","requestId":1}
// {"status":"fail","code":"INVALID_SYMBOL","message":"The symbol does not exist
// (nope_krw)","requestId":2}
// {"status":"fail","message":"invalid_format"}
// {"success":false,"error":{"code":400,"message":"INVALID_CURRENCY_PAIR"}}
void KorbitAdapter::read_reply(const Envelope& envelope, const Frame& frame, Decoded& out) {
  if (!envelope.has_error && envelope.status == "success") {
    out.controls.push_back({ControlMessage::Kind::kAck, {}, 0});
    return;
  }
  if (!envelope.has_error && envelope.status != "fail" && envelope.status != "error") {
    fail(ErrorCode::kSchemaMismatch, "unknown status");
  }
  ErrorCode code = ErrorCode::kVenueError;
  if (envelope.code == "INVALID_SYMBOL" || envelope.message == "INVALID_CURRENCY_PAIR") {
    code = ErrorCode::kUnknownSymbol;
  } else if (envelope.code == "429") {
    code = ErrorCode::kRateLimited;
  }
  std::string symbol{frame.symbol};
  const auto open = envelope.message.rfind('(');
  if (envelope.code == "INVALID_SYMBOL" && open != std::string_view::npos) {
    const std::string_view rest = envelope.message.substr(open + 1);
    symbol = rest.substr(0, rest.find(')'));
  }
  out.add_refusal(code, joined_detail(envelope.code, envelope.message), symbol);
}

void KorbitAdapter::read_data(od::value& data, const Envelope& envelope, const Frame& frame,
                              Decoded& out) {
  if (is_read(envelope.type)) {
    read_pushed(data, envelope, out);
  } else if (frame.origin == Origin::kWs) {
    fail(ErrorCode::kSchemaMismatch, "data without type");
  } else if (type_of(data) == JsonType::kArray) {
    read_rows(data, frame, out);
  } else {
    read_rest_book(data, frame, out);
  }
}

/// The ticker fields of the socket's `data` and of REST rows:
//  {"open":"115370000","high":"116765000","low":"114412000","close":"116463000","prevClose":"115304000",
//   "priceChange":"1159000","priceChangePercent":"1.01","volume":"39.25266763","lastTradedAt":1790134282264,…}
struct TickerFields {
  bool has_close = false;

  void read(std::string_view key, od::value& value, TickerMessage& message) {
    Ticker& t = message.ticker;
    if (key == "open") {
      t.opening_price = read_optional_double(value);
    } else if (key == "high") {
      t.high_price = read_optional_double(value);
    } else if (key == "low") {
      t.low_price = read_optional_double(value);
    } else if (key == "close") {
      t.trade_price = read_optional_double(value);
      has_close = true;
    } else if (key == "prevClose") {
      t.prev_closing_price = read_optional_double(value);
    } else if (key == "priceChange") {
      // close − prevClose on the wire; the documentation prints the opposite sign.
      t.signed_change_price = read_optional_double(value);
    } else if (key == "volume") {
      t.acc_trade_volume_24h = read_optional_double(value);
    } else if (key == "lastTradedAt") {
      t.exchange_time = read_ms(value);  // the socket's envelope has a better one
    }
  }
};

/// The part of an order book inside `data`; false when it has neither side.
//  {"timestamp":1790134242563,"asks":[{"price":"116506000","qty":"0.27522"},…],"bids":[…]}
bool read_sides(od::value& data, BookMessage& book) {
  BookSides sides;
  for_each_field(data, [&](std::string_view key, od::value value) {
    if (sides.read_objects(key, value, book)) return;
    if (key == "timestamp") book.exchange_time = read_ms(value);
  });
  if (sides.bids != sides.asks) fail(ErrorCode::kSchemaMismatch, "a book without bids or asks");
  return sides.both();
}

// {"symbol":"btc_krw","timestamp":1790134313071,"type":"ticker","snapshot":true,"data":{…}}
void KorbitAdapter::read_pushed(od::value& data, const Envelope& envelope, Decoded& out) {
  if (envelope.type == "ticker") {
    TickerMessage& message = out.next_ticker();
    TickerFields fields;
    for_each_field(
        data, [&](std::string_view key, od::value value) { fields.read(key, value, message); });
    if (!fields.has_close) fail(ErrorCode::kSchemaMismatch, "a ticker without close");
  } else if (!read_sides(data, out.next_book())) {
    fail(ErrorCode::kSchemaMismatch, "a book without bids and asks");
  }
}

void KorbitAdapter::read_rows(od::value& data, const Frame& frame, Decoded& out) {
  const Rows rows = frame.channel == "ticker"    ? Rows::kTickers
                    : frame.channel == "markets" ? Rows::kMarkets
                                                 : Rows::kUnknown;
  const std::size_t count = for_each_row(
      data, [&](od::value row, std::size_t index) { read_row(row, index, rows, out); });
  if (count > 0) return;
  if (rows == Rows::kTickers && !frame.symbol.empty()) {
    fail(ErrorCode::kUnknownSymbol, "no ticker of " + std::string{frame.symbol});
  }
  out.controls.push_back({});
}

// {"symbol":"btc_krw","status":"launched","baseCurrency":"btc","quoteCurrency":"krw","minOrderValue":"5000",…}
void KorbitAdapter::read_row(od::value& row, std::size_t index, Rows rows, Decoded& out) {
  MarketInfo market;
  bool is_ticker = false;
  const bool good = add_ticker(out, index, [&](TickerMessage& message) {
    TickerFields fields;
    bool is_market = rows == Rows::kMarkets;
    for_each_field(row, [&](std::string_view key, od::value value) {
      if (key == "symbol") {
        message.symbol = read_string(value);
      } else if (key == "baseCurrency") {
        market.instrument.base = to_upper(read_string(value));
        is_market = true;
      } else if (key == "quoteCurrency") {
        market.instrument.quote = to_upper(read_string(value));
      } else if (key == "minOrderValue") {
        market.min_notional = read_optional_decimal(value);
      } else if (key == "status") {
        market.active = text_or_none(value) == "launched";
      } else if (rows != Rows::kMarkets) {
        fields.read(key, value, message);
      }
    });
    market.symbol = message.symbol;
    if (is_market) {
      check_market(market);
    } else if (fields.has_close || rows == Rows::kTickers) {
      if (message.symbol.empty() || !fields.has_close) {
        fail(ErrorCode::kSchemaMismatch, "a ticker without symbol or close");
      }
      is_ticker = true;
    } else {
      market.symbol.clear();  // trades, currencies, candles
    }
  });
  if (!good || is_ticker) return;
  out.tickers.pop();
  if (market.symbol.empty()) {
    out.controls.push_back({});
  } else {
    out.markets.push_back(std::move(market));
  }
}

// {"success":true,"data":{"timestamp":1708057740895,"bids":[…],"asks":[…]}}: it does not name its
// pair.
// {"success":true,"data":{"time":1700000000000}}
void KorbitAdapter::read_rest_book(od::value& data, const Frame& frame, Decoded& out) {
  BookMessage& book = out.next_book();
  if (!read_sides(data, book)) {
    if (frame.channel == "orderbook") {
      fail(ErrorCode::kSchemaMismatch, "a book without bids and asks");
    }
    out.books.pop();
    out.controls.push_back({});
    return;
  }
  if (frame.symbol.empty()) {
    fail(ErrorCode::kUnknownSymbol, "a REST book does not name its instrument");
  }
  book.symbol = frame.symbol;
  book.stream = rest_stream(frame.symbol);
}

}  // namespace

std::unique_ptr<VenueAdapter> make_korbit() { return std::make_unique<KorbitAdapter>(); }

namespace {

// Its wallets. One request, as it counts all public ones: 50 a second.
constexpr std::array kWalletRoutes = {WalletRoute{"/v2/currencies", 1}};

constexpr std::string_view kWalletOpen = "launched";

void read_wallets(const dom::element& body, WalletRows& out) {
  for_each_wallet(body["data"].get_array(), [&](const dom::element& row, std::size_t index) {
    const auto ticker = wallet_name(row, "name");
    if (!ticker) return out.refuse(index, "no name");
    const auto networks = list_of(row, "networkList");
    if (!networks) return;  // KRW has none
    for (const dom::element item : *networks) {
      const auto name = wallet_name(item, "name");
      if (!name) {
        out.refuse(index, "a network without name", *ticker);
        continue;
      }
      WalletNetwork network;
      network.name = *name;
      network.deposit = wallet_state(item, "depositStatus", kWalletOpen);
      network.withdraw = wallet_state(item, "withdrawalStatus", kWalletOpen);
      network.withdrawal_fee = wallet_amount(item, "withdrawalTxFee");
      network.minimum_withdrawal = wallet_amount(item, "withdrawalMinAmount");
      out.add(*ticker, std::move(network));
    }
  });
}

/// An answer with status 200 can be a refusal.
bool wallets_accepted(const dom::element& body) {
  const auto found = member(body, "success");
  return found && equals(*found, true);
}
}  // namespace

const WalletSource kKorbitWallets{kWalletRoutes, wallets_accepted, read_wallets};

}  // namespace spreadwatch::ingest
