// Coinone spot, Public WebSocket 1.0 and REST Public API V2.
//
// Docs: https://docs.coinone.co.kr/ (read 2026-09).
// Limits: 20 connections for an address, the 21st is closed with 4290; REST 1,200 calls a minute.
// One pair in a subscribe message; the message rate is not published, a burst of 363 was served.
// Traps: the socket's asks come worst first. The `timestamp` of a stream's first book is some ten
// seconds old, while its `id` (milliseconds and three digits) is right. A repeated subscription
// repeats the book with the same id. An unknown pair is acknowledged first and then refused without
// being named. There is no change of price: it is counted from `yesterday_last`. REST spells
// currencies in lower case, answers errors with status 200 and an unknown path with an HTML page.
// `ticker_utc_new` has the socket's day, `ticker_new` has not. REST V1 ("errorCode", "bid", "ask")
// is refused here.

#include <algorithm>
#include <array>
#include <utility>

#include "ingest/decode/json_reader.h"
#include "ingest/decode/venue_adapter.h"
#include "ingest/decode/venues/registry.h"
#include "ingest/decode/wallet_reader.h"

namespace spreadwatch::ingest {
namespace {

using std::chrono::minutes;

const VenueProfile& coinone_profile() {
  static const VenueProfile profile = [] {
    VenueProfile p;
    p.id = VenueId::kCoinone;
    p.ws_url = "wss://stream.coinone.co.kr";
    p.rest_url = "https://api.coinone.co.kr";
    p.docs_url = "https://docs.coinone.co.kr/";
    p.protocol = "Public WebSocket 1.0, REST Public V2 (2026-09)";
    p.integrity =
        "every message is a whole book with a rising id; an older or repeated id is dropped, until "
        "three lower ones in a row begin a new count";
    p.ping = VenueProfile::Ping::kText;
    p.ping_every = milliseconds{10'000};
    p.pong_within = milliseconds{10'000};
    p.silence = milliseconds{30'000};
    p.connects = {20, minutes{1}};    // 20 open ones are allowed; their rate is not published
    p.messages = {{50, seconds{1}}};  // not published
    p.rest = {1200, minutes{1}};
    p.max_subscriptions = 800;  // not published; 363 pairs of one channel were served
    p.depths = {16};
    p.default_depth = 16;
    p.match = VenueProfile::Match::kSequence;
    p.one_series = true;
    return p;
  }();
  return profile;
}

constexpr std::string_view kBookStream = "orderbook:";

/// "KRW-BTC" from the two fields that name a pair, in either case. The venue has no joined
/// spelling.
void assign_symbol(std::string& out, std::string_view quote, std::string_view target) {
  if (quote.empty() || target.empty()) {
    fail(ErrorCode::kSchemaMismatch, "no quote_currency or target_currency");
  }
  out.assign(quote).append("-").append(target);
  for (char& c : out) {
    if (c >= 'a' && c <= 'z') c = static_cast<char>(c - 32);
  }
}

/// As assign_symbol() as soon as both fields are known, so that an error in another names the row.
void name_row(std::string& out, std::string_view quote, std::string_view target) {
  if (!quote.empty() && !target.empty()) assign_symbol(out, quote, target);
}

/// The time inside an id of milliseconds and three digits; nullopt when it is of another make.
std::optional<Timestamp> time_of_id(std::int64_t id) {
  constexpr std::int64_t kSixteenDigits = 1'000'000'000'000'000;
  if (id < kSixteenDigits || id >= 10 * kSixteenDigits) return std::nullopt;
  return timestamp_of_ms(id / 1000);
}

/// What is known of a payload besides its data.
struct Envelope {
  std::string_view response;
  std::string_view channel;
  std::string_view code;
  std::string_view message;
  std::string_view result;
  bool has_data = false;
  bool has_sides = false;
  bool has_rows = false;
  bool has_no_ticker = false;
  bool is_other = false;
};

/// Whether the message is of a kind that is read here, or lacks what tells.
bool is_read(const Envelope& envelope) {
  if (envelope.response != "DATA") {
    return envelope.response == "SUBSCRIBED" || envelope.response == "UNSUBSCRIBED";
  }
  return envelope.channel.empty() || envelope.channel == "TICKER" ||
         envelope.channel == "ORDERBOOK" || envelope.channel == "TRADE" ||
         envelope.channel == "CHART";
}

class CoinoneAdapter final : public VenueAdapter {
 public:
  const VenueProfile& profile() const noexcept override { return coinone_profile(); }

  std::string venue_symbol(const Instrument& instrument) const override {
    return instrument.quote + "-" + instrument.base;
  }

  std::string book_stream(const Instrument& instrument, int /*depth*/) const override {
    return std::string{kBookStream} + venue_symbol(instrument);
  }

  std::vector<std::string> subscribe(std::span<const Subscription> subscriptions,
                                     Timestamp) const override {
    return requests("SUBSCRIBE", subscriptions);
  }
  std::vector<std::string> unsubscribe(std::span<const Subscription> subscriptions,
                                       Timestamp) const override {
    return requests("UNSUBSCRIBE", subscriptions);
  }

  std::string ping(Timestamp) const override { return R"({"request_type":"PING"})"; }

  RestCall book_call(const Instrument& instrument, int /*depth*/) const override {
    RestCall call{"/public/v2/orderbook/" + instrument.quote + "/", "orderbook",
                  venue_symbol(instrument), 1};
    append_url_escaped(call.path, instrument.base);
    call.path += "?size=16";
    return call;
  }

  std::vector<RestCall> ticker_calls(std::span<const Instrument> instruments) const override {
    if (instruments.empty()) return {};
    std::string path = "/public/v2/ticker_utc_new/" + instruments.front().quote;
    constexpr std::string_view kYesterday = "?additional_data=true";
    if (instruments.size() == 1) {
      path.push_back('/');
      append_url_escaped(path, instruments.front().base);
      return {{path + std::string{kYesterday}, "ticker", venue_symbol(instruments.front()), 1}};
    }
    return {{path + std::string{kYesterday}, "ticker", "", 1}};  // KRW is the only quote currency
  }

  RestCall markets_call() const override { return {"/public/v2/markets/KRW", "markets", "", 1}; }

 protected:
  std::optional<Instrument> split(std::string_view venue_symbol) const override {
    return split_quote_first(venue_symbol, '-');
  }

  void parse(const Frame& frame, Decoded& out) override;

 private:
  /// The fields of an order book, wherever they stand.
  struct BookFields {
    std::string_view quote;
    std::string_view target;
    std::string_view group;  ///< the price step that the levels are grouped by
    std::optional<std::int64_t> id;
    std::optional<Timestamp> time;
    bool has_sides = false;
  };

  static std::vector<std::string> requests(std::string_view type,
                                           std::span<const Subscription> subscriptions);

  void read_data(od::value& data, const Envelope& envelope, Decoded& out);
  void read_ack(od::value& data, const Envelope& envelope, Decoded& out) const;
  bool read_book_field(std::string_view key, od::value& value);
  void put_book(Origin origin, Decoded& out);
  static void read_market(od::value& row, MarketInfo& market);
  static void read_error(const Envelope& envelope, const Frame& frame, Decoded& out);

  JsonReader json_;
  BookFields book_;
  std::vector<Level> bids_;
  std::vector<Level> asks_;
};

// {"request_type":"SUBSCRIBE","channel":"TICKER","topic":{"quote_currency":"KRW","target_currency":"BTC"},
//  "format":"DEFAULT"}
std::vector<std::string> CoinoneAdapter::requests(std::string_view type,
                                                  std::span<const Subscription> subscriptions) {
  std::vector<std::string> out;
  out.reserve(subscriptions.size());
  for (const Subscription& s : subscriptions) {
    std::string text = R"({"request_type":")";
    text.append(type)
        .append(R"(","channel":")")
        .append(s.channel == Channel::kTicker ? "TICKER" : "ORDERBOOK")
        .append(R"(","topic":{"quote_currency":")")
        .append(s.instrument.quote)
        .append(R"(","target_currency":")")
        .append(s.instrument.base)
        .append(R"("},"format":"DEFAULT"})");
    out.push_back(std::move(text));
  }
  return out;
}

/// The ticker fields of the socket, in both spellings, and of REST rows:
//  {"quote_currency":"KRW","target_currency":"BTC","timestamp":1790133796484,"target_volume":"267.27610034",
//   "high":"116470000","low":"115570000","first":"115650000","last":"116380000","yesterday_last":"115640000",…}
void read_ticker(od::value& row, TickerMessage& message) {
  std::string_view quote;
  std::string_view target;
  LastPrice last;
  std::optional<Decimal> yesterday_last;
  Ticker& t = message.ticker;
  for_each_field(row, [&](std::string_view key, od::value value) {
    if (key == "quote_currency" || key == "qc") {
      quote = read_string(value);
      name_row(message.symbol, quote, target);
    } else if (key == "target_currency" || key == "tc") {
      target = read_string(value);
      name_row(message.symbol, quote, target);
    } else if (key == "timestamp" || key == "t") {
      t.exchange_time = read_ms(value);
    } else if (key == "first" || key == "fi") {
      t.opening_price = read_optional_double(value);
    } else if (key == "high" || key == "hi") {
      t.high_price = read_optional_double(value);
    } else if (key == "low" || key == "lo") {
      t.low_price = read_optional_double(value);
    } else if (key == "last" || key == "la") {
      last.read(value);
    } else if (key == "target_volume" || key == "tv") {
      t.acc_trade_volume_24h = read_optional_double(value);
    } else if (key == "yesterday_last" || key == "yla") {
      yesterday_last = read_optional_decimal(value);
    }
  });
  assign_symbol(message.symbol, quote, target);
  if (!last.named) fail(ErrorCode::kSchemaMismatch, "a ticker without last");
  // New listings have no yesterday.
  if (yesterday_last && yesterday_last->is_zero()) yesterday_last.reset();
  t.trade_price = to_double(last.price);
  t.prev_closing_price = to_double(yesterday_last);
  t.signed_change_price = difference(last.price, yesterday_last);
}

void CoinoneAdapter::parse(const Frame& frame, Decoded& out) {
  od::document& document = json_.open(frame.payload);
  if (is_array(frame.payload)) {
    fail(ErrorCode::kSchemaMismatch, "every answer is an object");
  }
  Envelope envelope;
  bool data_read = false;
  book_ = {};
  for_each_field(document, [&](std::string_view key, od::value value) {
    if (key == "response_type" || key == "r") {
      envelope.response = text_or_none(value);
    } else if (key == "channel" || key == "c") {
      envelope.channel = text_or_none(value);
    } else if (key == "data" || key == "d") {
      envelope.has_data = true;
      if (!envelope.response.empty() && !envelope.channel.empty() && is_read(envelope)) {
        read_data(value, envelope, out);
        data_read = true;
      }
    } else if (key == "error_code") {
      envelope.code = code_text(value);  // a number on the socket, a string over REST
    } else if (key == "error_msg" || key == "message") {
      envelope.message = text_or_none(value);
    } else if (key == "result") {
      envelope.result = text_or_none(value);
    } else if (key == "tickers") {
      if (is_null(value)) return;
      envelope.has_rows = true;
      const std::size_t rows = for_each_row(value, [&](od::value row, std::size_t index) {
        add_ticker(out, index, [&](TickerMessage& message) { read_ticker(row, message); });
      });
      if (rows == 0) envelope.has_no_ticker = true;
    } else if (key == "markets") {
      if (is_null(value)) return;
      envelope.has_rows = true;
      for_each_row(value, [&](od::value row, std::size_t index) {
        add_market(out, index, [&](MarketInfo& market) { read_market(row, market); });
      });
    } else if (key == "errorCode" || key == "errorMsg" || key == "bid" || key == "ask" ||
               key == "currency") {
      fail(ErrorCode::kObsoleteProtocol, "a payload of REST V1");
    } else if (key == "currencies" || key == "transactions" || key == "chart" ||
               key == "range_price_units") {
      envelope.is_other = true;
    } else {
      read_book_field(key, value);
    }
  });

  if (envelope.response == "ERROR" || envelope.result == "error") {
    // What data there is beside a refusal counts.
    if (envelope.result == "error" && book_.has_sides) put_book(Origin::kRest, out);
    read_error(envelope, frame, out);
  } else if (!envelope.response.empty()) {
    if (envelope.response == "PONG") {
      out.controls.push_back({ControlMessage::Kind::kPong, {}, 0});
    } else if (envelope.response == "CONNECTED") {
      out.controls.push_back({});
    } else if (!is_read(envelope)) {
      out.pass_over(envelope.response == "DATA" ? envelope.channel : envelope.response);
    } else if (!envelope.has_data || envelope.channel.empty()) {
      fail(ErrorCode::kSchemaMismatch, "a message without channel or data");
    } else if (!data_read) {
      for_each_field(json_.rewind(), [&](std::string_view key, od::value value) {
        if (key == "data" || key == "d") read_data(value, envelope, out);
      });
    }
  } else if (envelope.result != "success") {
    fail(ErrorCode::kSchemaMismatch, "neither response_type nor result");
  } else if (book_.has_sides || frame.channel == "orderbook") {
    put_book(Origin::kRest, out);
  } else if (envelope.has_rows || envelope.is_other) {
    if (envelope.has_no_ticker && !frame.symbol.empty()) {
      fail(ErrorCode::kUnknownSymbol, "no ticker of " + std::string{frame.symbol});
    }
    if (out.tickers.empty() && out.markets.empty() && out.errors.empty()) {
      out.controls.push_back({});
    }
  } else {
    fail(ErrorCode::kSchemaMismatch, "neither ticker nor order book nor market");
  }
  json_.close();
}

void CoinoneAdapter::read_data(od::value& data, const Envelope& envelope, Decoded& out) {
  if (envelope.response != "DATA") {
    read_ack(data, envelope, out);
  } else if (envelope.channel == "TICKER") {
    TickerMessage& message = out.next_ticker();
    const auto failure = failure_of([&] { read_ticker(data, message); });
    about(message.symbol);
    if (failure) fail(failure->code, failure->detail);
  } else if (envelope.channel == "ORDERBOOK") {
    book_ = {};
    for_each_field(data,
                   [&](std::string_view key, od::value value) { read_book_field(key, value); });
    put_book(Origin::kWs, out);
  } else {
    out.controls.push_back({});  // trades, candles
  }
}

// {"response_type":"SUBSCRIBED","channel":"ORDERBOOK","data":{"quote_currency":"KRW","target_currency":"BTC"}}
// It echoes the request and proves nothing: an unknown pair gets it too.
void CoinoneAdapter::read_ack(od::value& data, const Envelope& envelope, Decoded& out) const {
  ControlMessage control;
  if (envelope.response == "SUBSCRIBED") {
    control.kind = ControlMessage::Kind::kAck;
    if (envelope.channel == "ORDERBOOK") {
      std::string_view quote;
      std::string_view target;
      for_each_field(data, [&](std::string_view key, od::value value) {
        if (key == "quote_currency" || key == "qc") quote = read_string(value);
        if (key == "target_currency" || key == "tc") target = read_string(value);
      });
      assign_symbol(control.stream, quote, target);
      control.stream.insert(0, kBookStream);
    }
  }
  out.controls.push_back(std::move(control));
}

// {"quote_currency":"KRW","target_currency":"BTC","timestamp":1790134177753,"id":"1790134177753001",
//  "asks":[{"price":"116650000","qty":"0.01198956"},…],"bids":[…]}
// {"qc":"KRW","tc":"BTC","t":1790134177753,"i":"1790134177753001","a":[{"p":"116650000","q":"0.01198956"}],"b":[…]}
bool CoinoneAdapter::read_book_field(std::string_view key, od::value& value) {
  if (key == "quote_currency" || key == "qc") {
    book_.quote = text_or_none(value);
  } else if (key == "target_currency" || key == "tc") {
    book_.target = text_or_none(value);
  } else if (key == "timestamp" || key == "t") {
    book_.time = read_ms(value);
  } else if (key == "id" || key == "i") {
    book_.id = read_optional_int(value);
  } else if (key == "order_book_unit") {
    if (read_optional_double(value).value_or(0) > 0) book_.group = number_text(value);
  } else if (key == "asks" || key == "bids" || key == "a" || key == "b") {
    // A market without sellers (or buyers) may lack the side altogether.
    if (!book_.has_sides) bids_.clear(), asks_.clear();
    book_.has_sides = true;
    const bool is_short = key.size() == 1;
    read_level_objects(value, is_short ? "p" : "price", is_short ? "q" : "qty",
                       key.front() == 'a' ? asks_ : bids_);
  } else {
    return false;
  }
  return true;
}

void CoinoneAdapter::put_book(Origin origin, Decoded& out) {
  if (!book_.has_sides) fail(ErrorCode::kSchemaMismatch, "a book without bids and asks");
  BookMessage& book = out.next_book();
  assign_symbol(book.symbol, book_.quote, book_.target);
  about(book.symbol);
  if (origin == Origin::kWs) {
    book.stream.assign(kBookStream).append(book.symbol);
  } else {
    book.stream = rest_stream(book.symbol);
  }
  // A book whose prices are grouped is another one, not this one with other levels.
  if (!book_.group.empty()) book.stream.append("#").append(book_.group);
  book.sequence = book_.id;
  book.exchange_time = book_.time;
  if (book_.id) {
    // Of the two times of a stream's first book only the one in the id is the book's own; later
    // they agree.
    const std::optional<Timestamp> time = time_of_id(*book_.id);
    if (time && (!book_.time || *time > *book_.time)) book.exchange_time = time;
  }
  std::swap(book.bids, bids_);
  std::swap(book.asks, asks_);
}

// {"quote_currency":"KRW","target_currency":"BTC","min_order_amount":"5000.0","maintenance_status":0,
//  "trade_status":1,…}: 1 = buying and selling, 2 and 3 = only one of them.
void CoinoneAdapter::read_market(od::value& row, MarketInfo& market) {
  std::string_view quote;
  std::string_view target;
  for_each_field(row, [&](std::string_view key, od::value value) {
    if (key == "quote_currency") {
      quote = read_string(value);
      name_row(market.symbol, quote, target);
    } else if (key == "target_currency") {
      target = read_string(value);
      name_row(market.symbol, quote, target);
    } else if (key == "trade_status") {
      market.active = market.active && read_optional_int(value) == 1;
    } else if (key == "maintenance_status") {
      market.active = market.active && read_optional_int(value).value_or(0) == 0;
    } else if (key == "min_order_amount") {
      market.min_notional = read_optional_decimal(value);
    }
  });
  assign_symbol(market.symbol, quote, target);
  market.instrument = {to_upper(target), to_upper(quote)};
}

// {"response_type":"ERROR","error_code":160012,"message":"Invalid Topic"}
// {"result":"error","error_code":"108","error_msg":"Unknown CryptoCurrency"}
void CoinoneAdapter::read_error(const Envelope& envelope, const Frame& frame, Decoded& out) {
  ErrorCode code = ErrorCode::kVenueError;
  if (envelope.code == "160012" || envelope.code == "108") code = ErrorCode::kUnknownSymbol;
  if (envelope.code == "4") code = ErrorCode::kRateLimited;
  out.add_refusal(code, joined_detail(envelope.code, envelope.message), frame.symbol);
}

}  // namespace

std::unique_ptr<VenueAdapter> make_coinone() { return std::make_unique<CoinoneAdapter>(); }

namespace {

// Its wallets. One request, as it counts all public ones: 1,200 a minute.
constexpr std::array kWalletRoutes = {WalletRoute{"/public/v2/currencies", 1}};

constexpr std::string_view kWalletOpen = "normal";

void read_wallets(const dom::element& body, WalletRows& out) {
  for_each_wallet(body["currencies"].get_array(), [&](const dom::element& row, std::size_t index) {
    const auto ticker = wallet_name(row, "symbol");
    if (!ticker) return out.refuse(index, "no symbol");
    WalletNetwork network;  // Coinone names none
    network.deposit = wallet_state(row, "deposit_status", kWalletOpen);
    network.withdraw = wallet_state(row, "withdraw_status", kWalletOpen);
    network.withdrawal_fee = wallet_amount(row, "withdrawal_fee");
    network.minimum_withdrawal = wallet_amount(row, "withdrawal_min_amount");
    out.add(*ticker, std::move(network));
  });
}

/// An answer with status 200 can be a refusal.
bool wallets_accepted(const dom::element& body) {
  const auto found = member(body, "result");
  return found && equals(*found, std::string_view{"success"});
}
}  // namespace

const WalletSource kCoinoneWallets{kWalletRoutes, wallets_accepted, read_wallets};

}  // namespace spreadwatch::ingest
