// Upbit: public WebSocket v1 and REST v1 (docs v1.6.4). Whole books in binary frames, no acks.

#include <algorithm>
#include <cmath>
#include <map>
#include <set>

#include "sim/format.h"
#include "sim/venues.h"
#include "sim/venues/ticket_request.h"
#include "sim/venues/upbit_family.h"

namespace spreadwatch::sim {
namespace {

constexpr std::size_t kDepth = 30;
constexpr std::int64_t kIdleMs = 60'500;        // measured; the documentation says 120 s
constexpr std::int64_t kFirstStatusMs = 6'500;  // to {"status":"UP"} after a text PING

constexpr int kRateDecimals = 10;  // -0.0082180744

enum class Format : std::uint8_t { kDefault, kSimple, kJsonList, kSimpleList };

bool is_simple(Format format) { return format == Format::kSimple || format == Format::kSimpleList; }
bool is_list(Format format) { return format == Format::kJsonList || format == Format::kSimpleList; }

/// Prices as the socket writes them: DEFAULT turns large ones into Java's exponent form.
std::string price_text(std::int64_t price, const Instrument& instrument, Format format) {
  if (!is_simple(format) && to_double(price, instrument.price_decimals) >= 1e7) {
    return java_double(price, instrument.price_decimals);
  }
  return trimmed(price, instrument.price_decimals);
}

/// DEFAULT keeps trailing zeros, SIMPLE writes small sizes with an exponent.
std::string size_text(std::int64_t size, const Instrument& instrument, Format format) {
  if (size == 0) return "0";
  if (!is_simple(format)) return fixed(size, instrument.size_decimals, 8);
  const std::string plain = trimmed(size, instrument.size_decimals);
  return plain.starts_with("0.000") ? java_double(size, instrument.size_decimals) : plain;
}

std::string plain_size(std::int64_t size, const Instrument& instrument) {
  return trimmed(size, instrument.size_decimals);
}
std::string plain_price(std::int64_t price, const Instrument& instrument) {
  return trimmed(price, instrument.price_decimals);
}

HttpAnswer error_answer(int status, int name, std::string_view message) {
  return http_answer(
      status, JsonObject()
                  .raw("error", JsonObject().number("name", name).text("message", message).str())
                  .str());
}

class Upbit final : public UpbitFamily {
 public:
  explicit Upbit(const VenueContext& context)
      : UpbitFamily(context, {.idle_ms = kIdleMs, .first_status_ms = kFirstStatusMs}) {}

  UpgradeAnswer on_upgrade(const HttpRequest& request) override {
    if (auto refused = check_origin(request)) return {std::move(refused)};
    if (!is_ws_path(request.path)) {
      return {http_answer(
          404, R"({"error":{"name":"not_found","message":"no Route matched with those values"}})")};
    }
    RateWindow& connects = connects_[request.remote];
    if (!connects.admit(request.now_ms)) {
      violation("connects_per_second", request.now_ms);
      return {http_answer(429, R"({"error":{"name":"too_many_requests"}})")};
    }
    const std::int64_t left = connects.limit() - connects.used(request.now_ms);
    return {{}, {{"remaining-req", "group=websocket; min=300; sec=" + std::to_string(left)}}};
  }

  void on_open(Connection& connection, std::int64_t now_ms) override {
    auto state = std::make_unique<UpbitState>();
    state->last_activity_ms = now_ms;
    connection.state = std::move(state);
  }

  void on_text(Connection& connection, std::string_view text, std::int64_t now_ms) override {
    UpbitState& state = state_of(connection);
    state.last_activity_ms = now_ms;
    if (!state.per_second.admit(now_ms)) violation("messages_per_second", now_ms);
    if (!state.per_minute.admit(now_ms)) violation("messages_per_minute", now_ms);
    if (ping(connection, text, now_ms)) return;
    const TicketRequest request = parse_ticket_request(text);
    if (!request.well_formed) {
      fail(connection, "WRONG_FORMAT", "Format 이 맞지 않습니다.");
      return;
    }
    if (!request.ticket || request.ticket->empty()) {
      fail(connection, "NO_TICKET", "티켓이 존재하지 않거나, 유효하지 않습니다.");
      return;
    }
    if (request.method == "LIST_SUBSCRIPTIONS") {
      connection.send(data_frame(JsonObject()
                                     .text("method", *request.method)
                                     .raw("result", state.listing.empty() ? "[]" : state.listing)
                                     .text("ticket", *request.ticket)
                                     .str(),
                                 FrameKind::kControl, nullptr));
      return;
    }
    subscribe(connection, state, request);
  }

  [[nodiscard]] HttpAnswer ban_answer(bool) const override { return refusal(418); }
  [[nodiscard]] HttpAnswer refusal(int status) const override {
    const char* const name = status == 429   ? "too_many_requests"
                             : status == 418 ? "blocked"
                                             : "service_unavailable";
    return http_answer(status, R"({"error":{"name":")" + std::string(name) + R"("}})");
  }

  HttpAnswer on_http(const HttpRequest& request) override {
    if (auto refused = check_origin(request)) return *refused;
    const std::string group = request.path.starts_with("/v1/ticker")      ? "ticker"
                              : request.path.starts_with("/v1/orderbook") ? "orderbook"
                              : request.path == "/v1/market/all"          ? "market"
                                                                          : "";
    if (group.empty()) {
      if (request.path == "/v1/status/wallet") {
        return http_answer(
            401, R"({"error":{"name":"jwt_verification","message":"잘못된 엑세스 키입니다."}})");
      }
      return http_answer(
          404, R"({"error":{"name":"not_found","message":"no Route matched with those values"}})");
    }
    RateWindow& rate = rest_[request.remote + ' ' + group];
    if (!rate.admit(request.now_ms)) return over_limit(request, group);
    HttpAnswer result = route(request);
    result.headers.emplace_back("Remaining-Req",
                                "group=" + group + "; min=600; sec=" +
                                    std::to_string(rate.limit() - rate.used(request.now_ms)));
    return result;
  }

 private:
  struct UpbitState : FamilyState {
    std::string listing;  // what LIST_SUBSCRIPTIONS answers
    RateWindow per_second{5, 1'000};
    RateWindow per_minute{100, 60'000};
  };

  static UpbitState& state_of(Connection& connection) {
    return static_cast<UpbitState&>(*connection.state);
  }

  static void fail(Connection& connection, std::string_view name, std::string_view message) {
    UpbitFamily::fail(connection, JsonObject().text("message", message).text("name", name).str());
  }

  /// Requests with an Origin header share one slot in ten seconds; the first of them is served.
  std::optional<HttpAnswer> check_origin(const HttpRequest& request) {
    if (!request.header("origin") || origin_[request.remote].admit(request.now_ms)) {
      return std::nullopt;
    }
    violation("origin_header", request.now_ms);
    return http_answer(429, R"({"error":{"name":"too_many_requests"}})");
  }

  HttpAnswer over_limit(const HttpRequest& request, const std::string& group) {
    violation("rest_requests_per_second", request.now_ms);
    // Going on after 429 earns a block.
    if (!abuse_[request.remote].admit(request.now_ms)) {
      violation("ignored_429", request.now_ms);
      return http_answer(418, R"({"error":{"name":"blocked"}})");
    }
    HttpAnswer result = http_answer(429, R"({"error":{"name":"too_many_requests"}})");
    result.headers.emplace_back("Remaining-Req", "group=" + group + "; min=600; sec=0");
    return result;
  }

  static std::vector<std::int64_t> supported_levels(const Instrument& instrument) {
    if (instrument.quote != "KRW") return {0};
    return {0, instrument.tick * 10, instrument.tick * 100, instrument.tick * 1000};
  }

  /// The grouping in price units, or nothing when it is not offered.
  static std::optional<std::int64_t> find_level(const Instrument& instrument, double level) {
    const std::optional<std::int64_t> units = level_units(instrument, level);
    const std::vector<std::int64_t> offered = supported_levels(instrument);
    if (!units || std::find(offered.begin(), offered.end(), *units) == offered.end()) {
      return std::nullopt;
    }
    return units;
  }

  void subscribe(Connection& connection, UpbitState& state, const TicketRequest& request) {
    if (request.types.empty()) {
      fail(connection, "NO_TYPE", "타입 필드가 존재하지 않습니다.");
      return;
    }
    for (const TicketRequest::Type& type : request.types) {
      if (!type.type) {
        fail(connection, "NO_TYPE", "타입 필드가 존재하지 않습니다.");
        return;
      }
      const bool known = *type.type == "ticker" || *type.type == "orderbook" ||
                         *type.type == "trade" || type.type->starts_with("candle.");
      if (!known) {
        fail(connection, "INVALID_PARAM", *type.type + " 은 지원하지 않는 타입입니다.");
        return;
      }
      if (!type.codes || type.codes->empty()) {
        fail(connection, "NO_CODES", "codes 필드가 존재하지 않습니다.");
        return;
      }
    }
    start_over(state, static_cast<int>(parse_format(request.format.value_or("DEFAULT"))));
    JsonArray listed;
    for (const TicketRequest::Type& type : request.types) {
      JsonArray codes;
      for (const std::string& code : *type.codes) codes.add(quoted(code));
      JsonObject row;
      row.text("type", *type.type).raw("codes", codes.str());
      if (type.level) row.raw("level", trimmed(*type.level, 8));
      listed.add(row.str());
      subscribe_type(connection, type);
    }
    state.listing = listed.str();
  }

  void subscribe_type(Connection& connection, const TicketRequest::Type& type) {
    const bool only_snapshot = type.snake_only_snapshot || type.camel_only_snapshot;
    const bool only_realtime = type.snake_only_realtime || type.camel_only_realtime;
    for (const std::string& code : *type.codes) {
      std::string name = code;
      BookSubscription book{kDepth, 0, !only_snapshot};
      if (*type.type == "orderbook") {
        if (const std::size_t dot = code.rfind('.'); dot != std::string::npos) {
          name = code.substr(0, dot);
          const std::string count = code.substr(dot + 1);
          if (count == "1" || count == "5" || count == "15")
            book.depth = static_cast<std::size_t>(std::stoi(count));
        }
      }
      const Listing* const found = find(name);
      if (found == nullptr) continue;  // silence
      const Listing& listing = *found;
      if (*type.type == "orderbook") {
        if (type.bad_level) continue;
        const std::optional<std::int64_t> level =
            find_level(listing.instrument, type.level.value_or(0));
        if (!level) continue;
        book.level = *level;
        add_book(connection, listing, book, !only_realtime);
      } else if (*type.type == "ticker") {
        add_ticker(connection, listing, !only_snapshot, !only_realtime);
      }
    }
  }

  static Format parse_format(std::string_view name) {
    if (name == "SIMPLE") return Format::kSimple;
    if (name == "JSON_LIST") return Format::kJsonList;
    if (name == "SIMPLE_LIST") return Format::kSimpleList;
    return Format::kDefault;
  }

  static std::string wrapped(const JsonObject& object, Format format) {
    return is_list(format) ? "[" + object.str() + "]" : object.str();
  }

  [[nodiscard]] std::string book_text(const Listing& listing, int style,
                                      const BookSubscription& one,
                                      std::string_view stream) const override {
    const auto format = static_cast<Format>(style);
    const Instrument& instrument = listing.instrument;
    const bool s = is_simple(format);
    const BookSides sides = book_sides(listing.book, one.depth, one.level);
    JsonObject object;
    object.text(s ? "ty" : "type", "orderbook")
        .text(s ? "cd" : "code", market_code(instrument))
        .number(s ? "tms" : "timestamp", listing.book.ts_ms)
        .raw(s ? "tas" : "total_ask_size", size_text(sides.total_ask, instrument, format))
        .raw(s ? "tbs" : "total_bid_size", size_text(sides.total_bid, instrument, format))
        .raw(s ? "obu" : "orderbook_units",
             units_text(
                 sides, s, [&](auto price) { return price_text(price, instrument, format); },
                 [&](auto size) { return size_text(size, instrument, format); }))
        .text(s ? "st" : "stream_type", stream)
        .raw(s ? "lv" : "level", trimmed(one.level, instrument.price_decimals));
    return wrapped(object, format);
  }

  [[nodiscard]] std::string ticker_text(const Listing& listing, int style,
                                        std::string_view stream) const override {
    const auto format = static_cast<Format>(style);
    const Instrument& instrument = listing.instrument;
    const Ticker& t = listing.ticker;
    const bool s = is_simple(format);
    const auto price = [&](std::int64_t value) { return price_text(value, instrument, format); };
    const auto size = [&](std::int64_t value) { return plain_size(value, instrument); };
    const std::int64_t change = t.last - t.previous_close;
    JsonObject object;
    object.text(s ? "ty" : "type", "ticker")
        .text(s ? "cd" : "code", market_code(instrument))
        .raw(s ? "op" : "opening_price", price(t.open))
        .raw(s ? "hp" : "high_price", price(t.high))
        .raw(s ? "lp" : "low_price", price(t.low))
        .raw(s ? "tp" : "trade_price", price(t.last))
        .raw(s ? "pcp" : "prev_closing_price", price(t.previous_close))
        .raw(s ? "atp" : "acc_trade_price", trimmed(t.turnover_day, 4))
        .text(s ? "c" : "change", change_word(change))
        .raw(s ? "cp" : "change_price", trimmed(std::abs(change), instrument.price_decimals))
        .raw(s ? "scp" : "signed_change_price", trimmed(change, instrument.price_decimals))
        .raw(s ? "cr" : "change_rate", rate_text(std::abs(change), t.previous_close, kRateDecimals))
        .raw(s ? "scr" : "signed_change_rate", rate_text(change, t.previous_close, kRateDecimals))
        .text(s ? "ab" : "ask_bid", t.taker == Side::kAsk ? "ASK" : "BID")
        .raw(s ? "tv" : "trade_volume", size_text(t.last_size, instrument, Format::kSimple))
        .raw(s ? "atv" : "acc_trade_volume", size(t.volume_day))
        .text(s ? "tdt" : "trade_date", date_compact(t.ts_ms))
        .text(s ? "ttm" : "trade_time", time_compact(t.ts_ms))
        .number(s ? "ttms" : "trade_timestamp", t.ts_ms)
        .raw(s ? "aav" : "acc_ask_volume", size(t.ask_volume_day))
        .raw(s ? "abv" : "acc_bid_volume", size(t.bid_volume_day))
        .raw(s ? "h52wp" : "highest_52_week_price", price(t.year_high))
        .text(s ? "h52wdt" : "highest_52_week_date", date_dashed(t.ts_ms - 60LL * 86'400'000))
        .raw(s ? "l52wp" : "lowest_52_week_price", price(t.year_low))
        .text(s ? "l52wdt" : "lowest_52_week_date", date_dashed(t.ts_ms - 200LL * 86'400'000))
        .text(s ? "ms" : "market_state", "ACTIVE")
        .boolean(s ? "its" : "is_trading_suspended", false)
        .raw(s ? "dd" : "delisting_date", "null")
        .text(s ? "mw" : "market_warning", "NONE")
        .number(s ? "tms" : "timestamp", t.ts_ms)
        .raw(s ? "atp24h" : "acc_trade_price_24h", trimmed(t.turnover_24h, 4))
        .raw(s ? "atv24h" : "acc_trade_volume_24h", size(t.volume_24h))
        .text(s ? "st" : "stream_type", stream);
    return wrapped(object, format);
  }

  static std::string rest_ticker(const Listing& listing) {
    const Instrument& instrument = listing.instrument;
    // Whole KRW-USDT prices carry eight zeros there.
    const bool padded = instrument.base == "USDT";
    const auto price = [&](std::int64_t value) {
      return padded ? fixed(value, instrument.price_decimals, 8)
                    : trimmed(value, instrument.price_decimals);
    };
    return rest_ticker_row(listing, price, kRateDecimals, 0);
  }

  HttpAnswer route(const HttpRequest& request) {
    if (request.path == "/v1/market/all") return market_all(request);
    if (request.path == "/v1/ticker/all") return ticker_all(request);
    if (request.path == "/v1/ticker") {
      return for_markets(request, [](const Listing& listing) { return rest_ticker(listing); });
    }
    if (request.path == "/v1/orderbook/instruments") {
      return for_markets(request, [](const Listing& listing) { return instrument_row(listing); });
    }
    if (request.path == "/v1/orderbook") return orderbook(request);
    return http_answer(
        404, R"({"error":{"name":"not_found","message":"no Route matched with those values"}})");
  }

  template <class Row>
  HttpAnswer for_markets(const HttpRequest& request, Row row) {
    const std::vector<std::string> markets = request.parameter_list("markets");
    if (markets.empty()) {
      return error_answer(400, 400,
                          "Missing request parameter error. Check the required parameters!");
    }
    JsonArray rows;
    for (const std::string& market : markets) {
      const Listing* const found = find(to_upper(market));
      if (found == nullptr) return error_answer(404, 404, "Code not found");
      const std::string text = row(*found);
      if (!text.empty()) rows.add(text);
    }
    return http_answer(200, rows.str());
  }

  HttpAnswer ticker_all(const HttpRequest& request) {
    std::vector<std::string> quotes = request.parameter_list("quote_currencies");
    if (quotes.empty()) quotes = request.parameter_list("quoteCurrencies");
    if (quotes.empty()) {
      return error_answer(400, 400,
                          "Missing request parameter error. Check the required parameters!");
    }
    JsonArray rows;
    for (const Listing* listing : listings()) {
      for (const std::string& quote : quotes) {
        if (to_upper(quote) == listing->instrument.quote) rows.add(rest_ticker(*listing));
      }
    }
    return http_answer(200, rows.str());
  }

  HttpAnswer orderbook(const HttpRequest& request) {
    std::size_t count = kDepth;
    double level = 0;
    try {
      if (const auto text = request.parameter("count")) {
        count = static_cast<std::size_t>(std::clamp(std::stoi(*text), 1, 30));
      }
      if (const auto text = request.parameter("level")) level = std::stod(*text);
    } catch (const std::exception&) {
      return error_answer(400, 400, "Type mismatch error. Check the parameters type!");
    }
    return for_markets(request, [&](const Listing& listing) -> std::string {
      const Instrument& instrument = listing.instrument;
      const std::optional<std::int64_t> group = find_level(instrument, level);
      if (!group) return {};
      const BookSides sides = book_sides(listing.book, count, *group);
      return JsonObject()
          .text("market", market_code(instrument))
          .number("timestamp", listing.book.ts_ms)
          .raw("total_ask_size", trimmed(sides.total_ask, instrument.size_decimals))
          .raw("total_bid_size", trimmed(sides.total_bid, instrument.size_decimals))
          .raw("orderbook_units",
               units_text(
                   sides, false, [&](auto price) { return plain_price(price, instrument); },
                   [&](auto size) { return plain_size(size, instrument); }))
          .raw("level", trimmed(*group, instrument.price_decimals))
          .str();
    });
  }

  static std::string instrument_row(const Listing& listing) {
    const Instrument& instrument = listing.instrument;
    JsonArray levels;
    for (const std::int64_t level : supported_levels(instrument)) {
      levels.add(quoted(trimmed(level, instrument.price_decimals)));
    }
    return JsonObject()
        .text("market", market_code(instrument))
        .text("quote_currency", instrument.quote)
        .text("tick_size", trimmed(instrument.tick, instrument.price_decimals))
        .raw("supported_levels", levels.str())
        .str();
  }

  HttpAnswer market_all(const HttpRequest& request) {
    const std::string detailed =
        request.parameter("is_details").value_or(request.parameter("isDetails").value_or("false"));
    return market_list(listings(), detailed, [](JsonObject& row) {
      row.raw(
          "market_event",
          R"({"warning":false,"caution":{"PRICE_FLUCTUATIONS":false,"TRADING_VOLUME_SOARING":false,)"
          R"("DEPOSIT_AMOUNT_SOARING":false,"GLOBAL_PRICE_DIFFERENCES":false,)"
          R"("CONCENTRATION_OF_SMALL_ACCOUNTS":false}})");
    });
  }

  KeyedRate connects_{5, 1'000};
  KeyedRate rest_{10, 1'000};
  KeyedRate origin_{1, 10'000};
  KeyedRate abuse_{30, 10'000};
};

}  // namespace

std::unique_ptr<VenueProtocol> make_upbit(const VenueContext& context) {
  return std::make_unique<Upbit>(context);
}

}  // namespace spreadwatch::sim
