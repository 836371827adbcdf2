// OKX spot, public data of API v5.
//
// Docs: https://www.okx.com/docs-v5/en/ (read 2026-10).
// Limits: 3 connects a second; 480 subscribe, unsubscribe and login requests an hour on a
// connection, each of at most 64 KB; fewer than 30 order book channels on a connection is
// recommended; REST 20 calls in 2 s. Traps: `pong` is not JSON. `seqId` jumps, so only `prevSeqId
// == last seqId` proves continuity. `checksum` is always 0 since 2026-06-23 and means something
// only in old recordings, whose frames have no `seqId`. Swaps, futures and options share the socket
// and differ in the symbol only. An empty string is "none".

#include <algorithm>
#include <array>
#include <limits>

#include "ingest/decode/json_reader.h"
#include "ingest/decode/venue_adapter.h"
#include "ingest/decode/venues/registry.h"

namespace spreadwatch::ingest {
namespace {

using std::chrono::hours;

const VenueProfile& okx_profile() {
  static const VenueProfile profile = [] {
    VenueProfile p;
    p.id = VenueId::kOkx;
    p.ws_url = "wss://ws.okx.com/ws/v5/public";
    p.rest_url = "https://openapi.okx.com";
    p.docs_url = "https://www.okx.com/docs-v5/en/";
    p.protocol = "v5 (2026-10)";
    p.integrity =
        "each change names the seqId it follows (prevSeqId); books5 and bbo-tbt are whole books";
    p.ping = VenueProfile::Ping::kText;
    p.ping_every = milliseconds{15'000};  // closed after 30 s without a push
    p.pong_within = milliseconds{10'000};
    p.silence = milliseconds{30'000};
    p.connects = {3, seconds{1}};
    p.messages = {{480, hours{1}}};
    p.rest = {20, seconds{2}};
    p.max_subscriptions = 29;
    p.depths = {1, 5, 400};
    p.default_depth = 400;
    p.match = VenueProfile::Match::kSequence;  // seqId is in both
    p.one_series = true;
    p.proof = {.number = "seqId",
               .previous = "prevSeqId",
               .text = BookProof::Text::kByLevel,
               .levels = 25};
    return p;
  }();
  return profile;
}

/// An order book channel: its levels and whether it sends changes.
struct BookChannel {
  std::string_view name;
  int depth;
  bool deltas;
};
constexpr std::array<BookChannel, 5> kBookChannels = {{{"books", 400, true},
                                                       {"books5", 5, false},
                                                       {"bbo-tbt", 1, false},
                                                       {"books50-l2-tbt", 50, true},
                                                       {"books-l2-tbt", 400, true}}};

const BookChannel* book_channel(std::string_view name) {
  for (const BookChannel& channel : kBookChannels) {
    if (channel.name == name) return &channel;
  }
  return nullptr;
}

const BookChannel& channel_of_depth(int depth) {
  return depth == 1 ? kBookChannels[2] : depth == 5 ? kBookChannels[1] : kBookChannels[0];
}

/// What the rows of `data` are.
enum class Rows : std::uint8_t { kTickers, kBooks, kMarkets, kOther };

Rows rows_of(std::string_view channel) {
  if (channel == "tickers" || channel == "ticker") return Rows::kTickers;
  if (channel == "orderbook" || book_channel(channel) != nullptr) return Rows::kBooks;
  if (channel == "markets" || channel == "instruments") return Rows::kMarkets;
  return Rows::kOther;
}

/// As rows_of() for a channel of the socket, where REST answers' names are none.
Rows rows_of_socket(std::string_view channel) {
  if (channel == "tickers") return Rows::kTickers;
  if (book_channel(channel) != nullptr) return Rows::kBooks;
  return channel == "instruments" ? Rows::kMarkets : Rows::kOther;
}

/// Channels that the public socket offers and that are of no use here.
constexpr std::array<std::string_view, 6> kUnusedChannels = {
    "trades", "trades-all", "option-trades", "status", "call-auction-details", "index-tickers"};

/// What an unnamed REST answer holds: its first row that says so.
Rows first_row_kind(od::value& data) {
  Rows rows = Rows::kOther;
  for_each_item(data, [&](od::value row) {
    if (rows != Rows::kOther) return;
    if (type_of(row) != JsonType::kObject) return;
    for_each_field(row, [&](std::string_view key, od::value) {
      if (key == "last") rows = Rows::kTickers;
      if (key == "asks" || key == "bids") rows = Rows::kBooks;
      if (key == "baseCcy") rows = Rows::kMarkets;
    });
  });
  return rows;
}

void assign_stream(std::string& out, std::string_view channel, std::string_view symbol) {
  out.assign(channel).append(":").append(symbol);
}

class OkxAdapter final : public VenueAdapter {
 public:
  const VenueProfile& profile() const noexcept override { return okx_profile(); }

  std::string venue_symbol(const Instrument& instrument) const override {
    return instrument.name();
  }

  std::string book_stream(const Instrument& instrument, int depth) const override {
    std::string stream;
    assign_stream(stream, channel_of_depth(offered_depth(depth)).name, venue_symbol(instrument));
    return stream;
  }

  std::vector<std::string> subscribe(std::span<const Subscription> subscriptions,
                                     Timestamp now) const override {
    return requests("subscribe", subscriptions, now);
  }
  std::vector<std::string> unsubscribe(std::span<const Subscription> subscriptions,
                                       Timestamp now) const override {
    return requests("unsubscribe", subscriptions, now);
  }

  std::string ping(Timestamp) const override { return "ping"; }

  RestCall book_call(const Instrument& instrument, int depth) const override {
    RestCall call = call_of("/api/v5/market/books?instId=", "orderbook", instrument);
    call.path += "&sz=" + std::to_string(offered_depth(depth));
    return call;
  }

  std::vector<RestCall> ticker_calls(std::span<const Instrument> instruments) const override {
    return one_or_all(instruments,
                      "/api/v5/market/ticker?instId=", "/api/v5/market/tickers?instType=SPOT");
  }

  RestCall markets_call() const override {
    return {"/api/v5/public/instruments?instType=SPOT", "markets", "", 1};
  }

 protected:
  std::optional<Instrument> split(std::string_view venue_symbol) const override {
    return split_at(venue_symbol,
                    '-');  // BTC-USDT-SWAP has a second dash, which is no asset character
  }

  void parse(const Frame& frame, Decoded& out) override;

 private:
  /// The parts of a payload around its data.
  struct Envelope {
    std::string_view event;
    std::string_view channel;
    std::string_view symbol;
    std::string_view action;
    std::string_view code;
    std::string_view message;
    bool has_arg = false;
    bool is_request = false;
    bool has_data = false;
  };

  static std::vector<std::string> requests(std::string_view op,
                                           std::span<const Subscription> subscriptions,
                                           Timestamp now);

  void read_arg(od::value& arg, Envelope& envelope);
  std::size_t read_data(od::value& data, Rows rows, const Envelope& envelope, const Frame& frame,
                        Decoded& out);
  static void read_row(od::value& row, TickerMessage& ticker, std::string& type);
  static bool read_market(od::value& row, MarketInfo& market);
  void read_book(od::value& row, const Envelope& envelope, const Frame& frame, BookMessage& book);
  void read_event(const Envelope& envelope, Decoded& out) const;
  static void read_refusal(const Envelope& envelope, const Frame& frame, Decoded& out);

  JsonReader json_;
};

std::vector<std::string> OkxAdapter::requests(std::string_view op,
                                              std::span<const Subscription> subscriptions,
                                              Timestamp now) {
  constexpr std::size_t kArgsPerRequest = 500;  // about 25 KB of the 64 KB allowed
  std::vector<std::string> out;
  for (const auto group : chunks(subscriptions, kArgsPerRequest)) {
    std::string text = R"({"id":")" + std::to_string(to_ms(now)) + R"(","op":")";
    text.append(op).append(R"(","args":[)");
    bool first = true;
    for (const Subscription& s : group) {
      if (!first) text.push_back(',');
      first = false;
      const bool ticker = s.channel == Channel::kTicker;
      int depth = s.depth;
      if (depth <= 0) depth = okx_profile().default_depth;
      text.append(R"({"channel":")")
          .append(ticker ? std::string_view{"tickers"} : channel_of_depth(depth).name)
          .append(R"(","instId":")")
          .append(s.instrument.name())
          .append(R"("})");
    }
    text.append("]}");
    out.push_back(std::move(text));
  }
  return out;
}

void OkxAdapter::parse(const Frame& frame, Decoded& out) {
  if (frame.payload == "pong") {
    out.controls.push_back({ControlMessage::Kind::kPong, {}, 0});
    return;
  }
  Envelope envelope;
  od::document& document = json_.open(frame.payload);
  if (frame.payload.front() == '[') {
    fail(ErrorCode::kObsoleteProtocol, "v5 answers with an object, v3 answered with an array");
  }
  Rows rows = rows_of(frame.channel);
  bool data_read = false;
  for_each_field(document, [&](std::string_view key, od::value value) {
    if (key == "arg") {
      if (!is_null(value)) read_arg(value, envelope);
    } else if (key == "action") {
      envelope.action = text_or_none(value);
    } else if (key == "data") {
      envelope.has_data = true;
      // In the usual order everything around the data is known by now; else a second pass reads it.
      const BookChannel* const book = book_channel(envelope.channel);
      if (envelope.has_arg && (book == nullptr || !book->deltas || !envelope.action.empty())) {
        const Rows kind = rows_of_socket(envelope.channel);
        if (kind == Rows::kOther) return;  // passed over below
        if (read_data(value, kind, envelope, frame, out) == 0 && kind != Rows::kMarkets) {
          fail(ErrorCode::kSchemaMismatch, "data without rows");
        }
        data_read = true;
      } else if (frame.origin == Origin::kRest && rows == Rows::kOther &&
                 type_of(value) == JsonType::kArray) {
        rows = first_row_kind(value);
      }
    } else if (key == "event") {
      envelope.event = text_or_none(value);
    } else if (key == "code") {
      envelope.code = code_text(value);
    } else if (key == "msg" || key == "message") {
      envelope.message = text_or_none(value);
    } else if (key == "op") {
      envelope.is_request = true;
    } else if (key == "table" || key == "instrument_id" || key == "product_id" ||
               key == "error_message" || key == "errorCode") {
      fail(ErrorCode::kObsoleteProtocol, "a message of API v3");
    }
  });

  if (!envelope.event.empty()) {
    if (!envelope.has_arg && !envelope.has_data && envelope.message.empty() &&
        envelope.code.empty() &&
        (envelope.event == "subscribe" || envelope.event == "unsubscribe")) {
      fail(ErrorCode::kObsoleteProtocol, "v5 acknowledges with arg, v3 did with channel");
    }
    read_event(envelope, out);
  } else if (envelope.is_request) {
    out.controls.push_back({});
  } else if (envelope.has_arg && envelope.channel.empty()) {
    fail(ErrorCode::kSchemaMismatch, "an arg without channel");
  } else if (envelope.has_arg && rows_of_socket(envelope.channel) == Rows::kOther) {
    if (std::find(kUnusedChannels.begin(), kUnusedChannels.end(), envelope.channel) !=
        kUnusedChannels.end()) {
      out.controls.push_back({});
    } else {
      out.pass_over(envelope.channel);
    }
  } else {
    const bool refused = !envelope.has_arg && !envelope.code.empty() && envelope.code != "0";
    if (!envelope.has_data && !refused) fail(ErrorCode::kSchemaMismatch, "neither event nor data");
    if (envelope.has_data && !data_read) {
      read_again(json_, "data", [&](od::value value) {
        if (envelope.has_arg) rows = rows_of_socket(envelope.channel);
        if (refused && (rows == Rows::kOther || type_of(value) != JsonType::kArray)) return;
        const std::size_t count = read_data(value, rows, envelope, frame, out);
        if (count == 0 && rows != Rows::kMarkets && !refused) {
          fail(ErrorCode::kSchemaMismatch, "data without rows");
        }
      });
    }
    if (refused) read_refusal(envelope, frame, out);
  }
  json_.close();
}

void OkxAdapter::read_arg(od::value& arg, Envelope& envelope) {
  envelope.has_arg = true;
  for_each_field(arg, [&](std::string_view key, od::value value) {
    if (key == "channel") {
      envelope.channel = text_or_none(value);
    } else if (key == "instId") {
      envelope.symbol = text_or_none(value);
    }
  });
  about(envelope.symbol);
}

// Ack and errors:
//   {"id":"1512","event":"subscribe","arg":{"channel":"tickers","instId":"BTC-USDT"},"connId":"a4d3ae55"}
//   {"event":"error","msg":"Wrong URL or channel:tickers,instId:NMR-USDT doesn't exist.
//   …","code":"60018",…}
//   {"event":"notice","code":"64008","msg":"The connection will soon be closed
//   …","connId":"a4d3ae55"}
void OkxAdapter::read_event(const Envelope& envelope, Decoded& out) const {
  ControlMessage control;
  if (envelope.event == "subscribe") {
    control.kind = ControlMessage::Kind::kAck;
    if (const BookChannel* const channel = book_channel(envelope.channel)) {
      assign_stream(control.stream, envelope.channel, envelope.symbol);
      control.depth = channel->depth;
    }
  } else if (envelope.event == "notice") {
    control.kind = ControlMessage::Kind::kReconnect;
  } else if (envelope.event == "error") {
    // The symbol stands only inside the wording, which has changed before: the code decides.
    std::string symbol{envelope.symbol};
    const auto at = envelope.message.find("instId:");
    if (symbol.empty() && at != std::string_view::npos) {
      const std::string_view rest = envelope.message.substr(at + 7);
      symbol = rest.substr(0, rest.find_first_of(" ,'\""));
    }
    const ErrorCode code = envelope.code == "60018"   ? ErrorCode::kUnknownSymbol
                           : envelope.code == "60014" ? ErrorCode::kRateLimited
                                                      : ErrorCode::kVenueError;
    out.add_error(code, std::string{envelope.code} + ": " + std::string{envelope.message}, symbol);
    return;
  } else if (envelope.event != "unsubscribe" && envelope.event != "login" &&
             envelope.event.find("conn-count") == std::string_view::npos) {
    return out.pass_over(envelope.event);
  }
  out.controls.push_back(std::move(control));
}

// {"code":"51001","msg":"Instrument ID doesn't exist.","data":[]}; rows beside a refusal count.
void OkxAdapter::read_refusal(const Envelope& envelope, const Frame& frame, Decoded& out) {
  const std::string detail = std::string{envelope.code} + ": " + std::string{envelope.message};
  const ErrorCode code = envelope.code == "51001"   ? ErrorCode::kUnknownSymbol
                         : envelope.code == "50011" ? ErrorCode::kRateLimited
                                                    : ErrorCode::kVenueError;
  out.add_refusal(code, detail, frame.symbol);
}

/// Returns the number of rows.
std::size_t OkxAdapter::read_data(od::value& data, Rows rows, const Envelope& envelope,
                                  const Frame& frame, Decoded& out) {
  if (rows == Rows::kOther) fail(ErrorCode::kSchemaMismatch, "rows of an unknown kind");
  return for_each_row(data, [&](od::value row, std::size_t index) {
    if (rows == Rows::kBooks) {
      add_book(out, index, [&](BookMessage& book) { read_book(row, envelope, frame, book); });
    } else if (rows == Rows::kTickers) {
      add_ticker(out, index, [&](TickerMessage& message) {
        message.symbol = envelope.symbol;
        std::string type;
        read_row(row, message, type);
        if (!type.empty() && type != "SPOT") {
          fail(ErrorCode::kUnknownSymbol, "not a spot instrument");
        }
      });
    } else {
      add_market(out, index, [&](MarketInfo& market) { return read_market(row, market); });
    }
  });
}

// {"instType":"SPOT","instId":"BTC-USDT","baseCcy":"BTC","quoteCcy":"USDT","state":"live",…}
// False when it is a contract, which is no row of ours.
bool OkxAdapter::read_market(od::value& row, MarketInfo& market) {
  bool spot = true;
  for_each_field(row, [&](std::string_view key, od::value value) {
    if (key == "instId") market.symbol = text_or_none(value);
    if (key == "baseCcy") market.instrument.base = to_upper(text_or_none(value));
    if (key == "quoteCcy") market.instrument.quote = to_upper(text_or_none(value));
    if (key == "instType") spot = read_string(value) == "SPOT";
    if (key == "state") market.active = text_or_none(value) == "live";
  });
  return spot;
}

// {"instType":"SPOT","instId":"BTC-USDT","last":"64028.6","open24h":"64324","high24h":"64496.9",
//  "low24h":"63237.6","volCcy24h":"374703695.177360964","vol24h":"5874.19398956","ts":"1786538789464",…}
// The change is not sent: it is counted from open24h, the price 24 hours ago.
void OkxAdapter::read_row(od::value& row, TickerMessage& message, std::string& type) {
  LastPrice last;
  std::optional<Decimal> open;
  Ticker& t = message.ticker;
  for_each_field(row, [&](std::string_view key, od::value value) {
    if (key == "instId") {
      if (const auto name = read_optional_string(value)) message.symbol = *name;
    } else if (key == "instType") {
      type = text_or_none(value);
    } else if (key == "last") {
      last.read(value);
    } else if (key == "open24h") {
      open = read_optional_decimal(value);
    } else if (key == "high24h") {
      t.high_price = read_optional_double(value);
    } else if (key == "low24h") {
      t.low_price = read_optional_double(value);
    } else if (key == "vol24h") {
      t.acc_trade_volume_24h = read_optional_double(value);
    } else if (key == "ts") {
      t.exchange_time = read_ms(value);
    }
  });
  if (!last.named) fail(ErrorCode::kSchemaMismatch, "a ticker without last");
  if (open && open->is_zero()) open.reset();
  t.trade_price = to_double(last.price);
  t.opening_price = to_double(open);
  t.prev_closing_price = t.opening_price;
  t.signed_change_price = difference(last.price, open);
}

// {"asks":[["120.67","90.475897","0","6"],…],"bids":[…],"ts":"1790394877200","checksum":0,
//  "seqId":32032594283,"prevSeqId":-1}; a level is price, size, a retired field, number of orders.
void OkxAdapter::read_book(od::value& row, const Envelope& envelope, const Frame& frame,
                           BookMessage& book) {
  const std::string_view symbol = envelope.has_arg ? envelope.symbol : frame.symbol;
  book.symbol = symbol;
  if (envelope.has_arg) {
    const BookChannel* const channel = book_channel(envelope.channel);
    if (channel == nullptr || symbol.empty()) {
      fail(ErrorCode::kSchemaMismatch, "a book without channel or instId");
    }
    assign_stream(book.stream, channel->name, symbol);
    book.rule = channel->deltas ? BookRule::kLinked : BookRule::kReplace;
    book.depth = channel->depth;
    if (channel->deltas) {
      if (envelope.action != "snapshot" && envelope.action != "update") {
        fail(ErrorCode::kSchemaMismatch, "a book that is neither snapshot nor update");
      }
      book.snapshot = envelope.action == "snapshot";
      about(symbol, book.stream);
    }
  } else {
    if (symbol.empty()) {
      fail(ErrorCode::kUnknownSymbol, "a REST book does not name its instrument");
    }
    book.stream = rest_stream(symbol);
    about(symbol);
  }
  BookSides sides;
  for_each_field(row, [&](std::string_view key, od::value value) {
    if (sides.read_arrays(key, value, "bids", "asks", book)) return;
    if (key == "ts") {
      book.exchange_time = read_ms(value);
    } else if (key == "seqId") {
      book.sequence = read_optional_int(value);
    } else if (key == "prevSeqId") {
      book.previous_sequence = read_optional_int(value);
    } else if (key == "checksum") {
      // Signed on the wire; zero since its retirement.
      const std::optional<std::int64_t> checksum = read_optional_int(value);
      if (checksum && (*checksum < std::numeric_limits<std::int32_t>::min() ||
                       *checksum > std::numeric_limits<std::uint32_t>::max())) {
        fail(ErrorCode::kValueOutOfRange, "checksum of more than 32 bits");
      }
      if (checksum && *checksum != 0) book.checksum = static_cast<std::uint32_t>(*checksum);
    }
  });
  if (!sides.both()) fail(ErrorCode::kSchemaMismatch, "a book without bids or asks");
}

}  // namespace

std::unique_ptr<VenueAdapter> make_okx() { return std::make_unique<OkxAdapter>(); }

}  // namespace spreadwatch::ingest
