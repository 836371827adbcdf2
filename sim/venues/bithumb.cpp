// Bithumb: public WebSocket v1 and REST v1 (docs v2.1.5), with the legacy /public routes.
// Like Upbit to look at, and different in times, sizes, errors and options.

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

constexpr std::size_t kDepth = 15;
constexpr std::size_t kRestDepth = 30;  // of a call for a single market
constexpr std::size_t kLegacyAllDepth = 5;
constexpr std::size_t kMaxRestMarkets = 200;
constexpr std::size_t kMaxTarget = 4'200;
constexpr std::int64_t kIdleMs = 60'000;
constexpr std::int64_t kFirstStatusMs = 10'000;
constexpr std::int64_t kRestBurst = 150;

/// Orders below half of 0.0001 keep their price on the wire and lose their size, even at the best
/// price. They belong to no book anyone could trade with, so the true book does not know them; they
/// only use slots the fifteen levels leave free.
void add_dust(BookSides& sides, const Listing& listing, std::size_t depth) {
  const std::int64_t tick = listing.instrument.tick;
  const bool room = !sides.bids.empty() && !sides.asks.empty() &&
                    sides.asks.front().price - sides.bids.front().price > tick;
  if (!room) return;
  const std::uint64_t pick = listing.book.last_id % 6;
  if (pick == 0 && sides.asks.size() < depth) {
    sides.asks.insert(sides.asks.begin(), {sides.asks.front().price - tick, 0});
  } else if (pick == 1 && sides.bids.size() < depth) {
    sides.bids.insert(sides.bids.begin(), {sides.bids.front().price + tick, 0});
  }
}

Spelling price_spelling(const Instrument& instrument) {
  return [&instrument](std::int64_t value) { return trimmed(value, instrument.price_decimals); };
}
Spelling size_spelling(const Instrument& instrument) {
  return [&instrument](std::int64_t value) { return trimmed(value, instrument.size_decimals); };
}

HttpAnswer error_answer(int status, std::string_view name, std::string_view message) {
  return http_answer(
      status, JsonObject()
                  .raw("error", JsonObject().raw("name", name).text("message", message).str())
                  .str());
}

HttpAnswer not_routed() {
  return http_answer(404, R"({"name":"not_found","message":"No Route matched with those values"})");
}

HttpAnswer legacy(std::string data) {
  return http_answer(200, R"({"status":"0000","data":)" + std::move(data) + "}");
}

class Bithumb final : public UpbitFamily {
 public:
  explicit Bithumb(const VenueContext& context)
      : UpbitFamily(context, {.idle_ms = kIdleMs, .first_status_ms = kFirstStatusMs}) {}

  UpgradeAnswer on_upgrade(const HttpRequest& request) override {
    if (!is_ws_path(request.path)) return {not_routed()};
    if (!connects_[request.remote].admit(request.now_ms)) {
      violation("connects_per_second", request.now_ms);
      return {http_answer(
          429, R"({"error":{"name":"too_many_requests","message":"Too many connections"}})")};
    }
    return {};
  }

  void on_open(Connection& connection, std::int64_t now_ms) override {
    auto state = std::make_unique<FamilyState>();
    state->last_activity_ms = now_ms;
    connection.state = std::move(state);
  }

  void on_text(Connection& connection, std::string_view text, std::int64_t now_ms) override {
    FamilyState& state = family_state(connection);
    state.last_activity_ms = now_ms;
    if (ping(connection, text, now_ms)) return;
    const TicketRequest request = parse_ticket_request(text);
    if (!request.well_formed) {
      fail(connection, "WRONG_FORMAT", "Format이 맞지 않습니다.");
    } else if (!request.ticket || request.ticket->empty()) {
      fail(connection, "NO_TICKET", "티켓이 존재하지 않거나, 유효하지 않습니다.");
    } else {
      subscribe(connection, state, request);
    }
  }

  [[nodiscard]] HttpAnswer ban_answer(bool) const override { return refusal(429); }
  [[nodiscard]] HttpAnswer refusal(int status) const override {
    return error_answer(status, std::to_string(status),
                        status < 500 ? "Too many requests" : "Service unavailable");
  }

  HttpAnswer on_http(const HttpRequest& request) override {
    if (request.target.size() > kMaxTarget) {
      violation("request_uri_too_long", request.now_ms);
      return http_answer(414, "");
    }
    const std::string category = request.path.find("orderbook") != std::string::npos ? "orderbook"
                                 : request.path.find("ticker") != std::string::npos  ? "ticker"
                                                                                     : "other";
    RateWindow& rate = rest_[request.remote + ' ' + category];
    if (!rate.admit(request.now_ms)) {
      violation("rest_requests_per_second", request.now_ms);
      return error_answer(429, "429", "Too many requests");
    }
    HttpAnswer result = route(at_venue_clock(request));
    result.headers.emplace_back("x-ratelimit-remaining",
                                std::to_string(kRestBurst - rate.used(request.now_ms)));
    result.headers.emplace_back("x-ratelimit-burst-capacity", std::to_string(kRestBurst));
    result.headers.emplace_back("x-ratelimit-replenish-rate", std::to_string(kRestBurst));
    return result;
  }

 private:
  static void fail(Connection& connection, std::string_view name, std::string_view message) {
    UpbitFamily::fail(connection, JsonObject().text("name", name).text("message", message).str());
  }

  static std::optional<std::int64_t> find_level(const Instrument& instrument, double level) {
    if (level == 1) return 1;
    const std::optional<std::int64_t> units = level_units(instrument, level);
    for (const std::int64_t factor : {10, 100, 1000}) {
      if (units == instrument.tick * factor) return units;
    }
    return std::nullopt;
  }

  void subscribe(Connection& connection, FamilyState& state, const TicketRequest& request) {
    if (request.types.empty()) {
      fail(connection, "WRONG_FORMAT", "Format이 맞지 않습니다.");
      return;
    }
    for (const TicketRequest::Type& type : request.types) {
      if (!type.type || type.bad_level) {
        fail(connection, "WRONG_FORMAT", "Format이 맞지 않습니다.");
        return;
      }
      if (*type.type != "ticker" && *type.type != "orderbook" && *type.type != "trade") {
        fail(connection, "INVALID_PARAM", *type.type + "은 지원하지 않는 타입입니다.");
        return;
      }
      if (!type.codes) {
        fail(connection, "NO_CODES", "codes 필드가 존재하지 않습니다.");
        return;
      }
      if (type.codes->empty()) {
        fail(connection, "INVALID_PARAM", "codes 필드가 비어 있습니다.");
        return;
      }
      for (const std::string& code : *type.codes) {
        const Listing* const found = find(code.substr(0, code.find('.')));
        if (found == nullptr || !type.level || *type.type != "orderbook") continue;
        if (!find_level(found->instrument, *type.level)) {
          fail(connection, "WRONG_FORMAT", "Format이 맞지 않습니다.");
          return;
        }
      }
    }
    start_over(state, request.format == "SIMPLE" ? 1 : 0);
    for (const TicketRequest::Type& type : request.types) subscribe_type(connection, type);
  }

  void subscribe_type(Connection& connection, const TicketRequest::Type& type) {
    // The snake_case spelling, documented for Upbit, is ignored here.
    const bool only_snapshot = type.camel_only_snapshot;
    const bool only_realtime = type.camel_only_realtime;
    for (const std::string& code : *type.codes) {
      std::string name = code;
      BookSubscription book{kDepth, 1, !only_snapshot};
      if (const std::size_t dot = code.rfind('.');
          dot != std::string::npos && *type.type == "orderbook") {
        name = code.substr(0, dot);
        const std::string count = code.substr(dot + 1);
        const bool digits =
            !count.empty() && count.size() < 4 &&
            std::all_of(count.begin(), count.end(), [](char c) { return c >= '0' && c <= '9'; });
        if (digits && std::stoul(count) > 0)
          book.depth = std::min<std::size_t>(kDepth, std::stoul(count));
      }
      const Listing* const found = find(name);
      if (found == nullptr) continue;  // silence
      const Listing& listing = *found;
      if (*type.type == "orderbook") {
        book.level = find_level(listing.instrument, type.level.value_or(1)).value_or(1);
        add_book(connection, listing, book, !only_realtime);
      } else if (*type.type == "ticker") {
        add_ticker(connection, listing, !only_snapshot, !only_realtime);
      }
    }
  }

  [[nodiscard]] std::string book_text(const Listing& listing, int style,
                                      const BookSubscription& one,
                                      std::string_view stream) const override {
    const bool simple = style != 0;
    const Instrument& instrument = listing.instrument;
    BookSides sides = book_sides(listing.book, one.depth, one.level);
    if (one.level == 1) add_dust(sides, listing, one.depth);
    // Microseconds here, milliseconds everywhere else.
    const auto micros =
        listing.book.ts_ms * 1000 + static_cast<std::int64_t>(listing.book.last_id * 37 % 1000);
    return JsonObject()
        .text(simple ? "ty" : "type", "orderbook")
        .text(simple ? "cd" : "code", market_code(instrument))
        .raw(simple ? "tas" : "total_ask_size", trimmed(sides.total_ask, instrument.size_decimals))
        .raw(simple ? "tbs" : "total_bid_size", trimmed(sides.total_bid, instrument.size_decimals))
        .raw(simple ? "obu" : "orderbook_units",
             units_text(std::move(sides), simple, price_spelling(instrument),
                        size_spelling(instrument)))
        .raw(simple ? "lv" : "level",
             one.level == 1 ? "1" : trimmed(one.level, instrument.price_decimals))
        .number(simple ? "tms" : "timestamp", micros)
        .text(simple ? "st" : "stream_type", stream)
        .str();
  }

  [[nodiscard]] std::string ticker_text(const Listing& listing, int style,
                                        std::string_view stream) const override {
    const bool s = style != 0;
    const Instrument& instrument = listing.instrument;
    const Ticker& t = listing.ticker;
    const Spelling price = price_spelling(instrument);
    const Spelling size = size_spelling(instrument);
    const std::int64_t change = t.last - t.previous_close;
    const std::int64_t kst = t.ts_ms + kKstOffsetMs;
    return JsonObject()
        .text(s ? "ty" : "type", "ticker")
        .text(s ? "cd" : "code", market_code(instrument))
        .raw(s ? "op" : "opening_price", price(t.open))
        .raw(s ? "hp" : "high_price", price(t.high))
        .raw(s ? "lp" : "low_price", price(t.low))
        .raw(s ? "tp" : "trade_price", price(t.last))
        .raw(s ? "pcp" : "prev_closing_price", price(t.previous_close))
        .text(s ? "c" : "change", change_word(change))
        .raw(s ? "cp" : "change_price", price(std::abs(change)))
        .raw(s ? "scp" : "signed_change_price", price(change))
        .raw(s ? "cr" : "change_rate", rate_text(std::abs(change), t.previous_close, 8))
        .raw(s ? "scr" : "signed_change_rate", rate_text(change, t.previous_close, 8))
        .raw(s ? "tv" : "trade_volume", size(t.last_size))
        .raw(s ? "atv" : "acc_trade_volume", size(t.volume_day))
        .raw(s ? "atv24h" : "acc_trade_volume_24h", size(t.volume_24h))
        .raw(s ? "atp" : "acc_trade_price", trimmed(t.turnover_day, 4))
        .raw(s ? "atp24h" : "acc_trade_price_24h", trimmed(t.turnover_24h, 4))
        .text(s ? "tdt" : "trade_date", date_compact(kst))
        .text(s ? "ttm" : "trade_time", time_compact(kst))
        .number(s ? "ttms" : "trade_timestamp", t.ts_ms)
        .text(s ? "ab" : "ask_bid", t.taker == Side::kAsk ? "ASK" : "BID")
        .raw(s ? "aav" : "acc_ask_volume", size(t.ask_volume_day))
        .raw(s ? "abv" : "acc_bid_volume", size(t.bid_volume_day))
        .raw(s ? "h52wp" : "highest_52_week_price", price(t.year_high))
        .text(s ? "h52wdt" : "highest_52_week_date", date_dashed(kst - 60LL * 86'400'000))
        .raw(s ? "l52wp" : "lowest_52_week_price", price(t.year_low))
        .text(s ? "l52wdt" : "lowest_52_week_date", date_dashed(kst - 200LL * 86'400'000))
        .text(s ? "ms" : "market_state", "ACTIVE")
        .boolean(s ? "its" : "is_trading_suspended", false)
        .text(s ? "dd" : "delisting_date", "")
        .text(s ? "mw" : "market_warning", "NONE")
        .number(s ? "tms" : "timestamp", t.ts_ms)
        .text(s ? "st" : "stream_type", stream)
        .str();
  }

  /// Its two timestamps are the KST wall clock written as Unix time: nine hours ahead.
  static std::string rest_ticker(const Listing& listing) {
    return rest_ticker_row(listing, price_spelling(listing.instrument), 4, kKstOffsetMs);
  }

  HttpAnswer route(const HttpRequest& request) {
    const std::string& path = request.path;
    if (path == "/v1/market/all") return market_all(request);
    if (path == "/v1/market/virtual_asset_warning") return http_answer(200, "[]");
    if (path == "/v1/ticker") return ticker(request);
    if (path == "/v1/orderbook") return orderbook(request);
    if (path.starts_with("/v2/fee/inout/")) return fees(path.substr(14));
    if (path.starts_with("/public/ticker/")) return legacy_ticker(path.substr(15), request.now_ms);
    if (path.starts_with("/public/orderbook/")) {
      return legacy_orderbook(path.substr(18), request);
    }
    if (path.starts_with("/public/assetsstatus/multichain/")) {
      return asset_status(path.substr(32), true);
    }
    if (path.starts_with("/public/assetsstatus/")) return asset_status(path.substr(21), false);
    return not_routed();
  }

  /// The listings asked for, or the error the whole call fails with.
  std::vector<const Listing*> markets_of(const HttpRequest& request,
                                         std::optional<HttpAnswer>& error) {
    const std::vector<std::string> names = request.parameter_list("markets");
    std::vector<const Listing*> found;
    if (names.empty()) {
      error = error_answer(200, "400",
                           "Missing request parameter error. Check the required parameters!");
      return found;
    }
    for (const std::string& name : names) {
      const Listing* const at = find(to_upper(name));
      if (at == nullptr) {
        error = error_answer(200, "404", "Code not found");
        return found;
      }
      found.push_back(at);
    }
    return found;
  }

  HttpAnswer ticker(const HttpRequest& request) {
    if (request.parameter_list("markets").size() > kMaxRestMarkets) {
      violation("too_many_markets", request.now_ms);
      return error_answer(400, "\"400\"",
                          "Parameter 'markets' must be less than or equal to 200 items.");
    }
    std::optional<HttpAnswer> error;
    const std::vector<const Listing*> found = markets_of(request, error);
    if (error) return *error;
    JsonArray rows;
    for (const Listing* listing : found) rows.add(rest_ticker(*listing));
    return http_answer(200, rows.str());
  }

  HttpAnswer orderbook(const HttpRequest& request) {
    std::optional<HttpAnswer> error;
    const std::vector<const Listing*> found = markets_of(request, error);
    if (error) return *error;
    const std::size_t depth = found.size() == 1 ? kRestDepth : kDepth;
    JsonArray rows;
    for (const Listing* listing : found) {
      const BookSides sides = book_sides(listing->book, depth, 1);
      rows.add(
          JsonObject()
              .text("market", market_code(listing->instrument))
              .number("timestamp", listing->book.ts_ms)
              .raw("total_ask_size", trimmed(sides.total_ask, listing->instrument.size_decimals))
              .raw("total_bid_size", trimmed(sides.total_bid, listing->instrument.size_decimals))
              .raw("orderbook_units", units_text(sides, false, price_spelling(listing->instrument),
                                                 size_spelling(listing->instrument)))
              .str());
    }
    return http_answer(200, rows.str());
  }

  HttpAnswer market_all(const HttpRequest& request) {
    const std::string detailed =
        request.parameter("isDetails").value_or(request.parameter("is_details").value_or("false"));
    return market_list(listings(), detailed,
                       [](JsonObject& row) { row.text("market_warning", "NONE"); });
  }

  static JsonObject legacy_ticker_row(const Listing& listing) {
    const Instrument& instrument = listing.instrument;
    const Ticker& t = listing.ticker;
    const Spelling price = price_spelling(instrument);
    const Spelling size = size_spelling(instrument);
    const std::int64_t change = t.last - t.previous_close;
    JsonObject row;
    row.text("opening_price", price(t.open))
        .text("closing_price", price(t.last))
        .text("min_price", price(t.low))
        .text("max_price", price(t.high))
        .text("units_traded", size(t.volume_day))
        .text("acc_trade_value", trimmed(t.turnover_day, 4))
        .text("prev_closing_price", price(t.previous_close))
        .text("units_traded_24H", size(t.volume_24h))
        .text("acc_trade_value_24H", trimmed(t.turnover_24h, 4))
        .text("fluctate_24H", price(change))
        .text(
            "fluctate_rate_24H",
            fixed(100.0 * static_cast<double>(change) / static_cast<double>(t.previous_close), 2));
    return row;
  }

  /// `name`: "ALL", "ALL_KRW", "BTC", "BTC_KRW".
  HttpAnswer legacy_ticker(const std::string& name, std::int64_t now_ms) {
    const auto [base, quote] = split_legacy(name);
    if (base == "ALL") {
      JsonObject data;
      for (const Listing* listing : listings()) {
        if (listing->instrument.quote == quote) {
          data.raw(listing->instrument.base, legacy_ticker_row(*listing).str());
        }
      }
      return legacy(data.text("date", std::to_string(now_ms)).str());
    }
    const Listing* const listing = market().find(base, quote);
    if (listing == nullptr) return not_listed();
    return legacy(
        legacy_ticker_row(*listing).text("date", std::to_string(listing->ticker.ts_ms)).str());
  }

  static HttpAnswer not_listed() {
    return http_answer(200, R"({"status":"5500","message":"상장 코인 아님"})");
  }

  static std::pair<std::string, std::string> split_legacy(const std::string& name) {
    const std::size_t mark = name.find('_');
    return {to_upper(name.substr(0, mark)),
            mark == std::string::npos ? "KRW" : to_upper(name.substr(mark + 1))};
  }

  static std::string legacy_side(const std::vector<Level>& side, const Instrument& instrument,
                                 std::size_t depth) {
    JsonArray rows;
    for (std::size_t i = 0; i < std::min(depth, side.size()); ++i) {
      rows.add(JsonObject()
                   .text("price", trimmed(side[i].price, instrument.price_decimals))
                   .text("quantity", trimmed(side[i].size, instrument.size_decimals))
                   .str());
    }
    return rows.str();
  }

  HttpAnswer legacy_orderbook(const std::string& name, const HttpRequest& request) {
    const auto [base, quote] = split_legacy(name);
    JsonObject data;
    if (base == "ALL") {
      data.text("timestamp", std::to_string(request.now_ms)).text("payment_currency", quote);
      for (const Listing* listing : listings()) {
        const Instrument& instrument = listing->instrument;
        if (instrument.quote != quote) continue;
        data.raw(instrument.base,
                 JsonObject()
                     .text("order_currency", instrument.base)
                     .raw("bids", legacy_side(listing->book.bids, instrument, kLegacyAllDepth))
                     .raw("asks", legacy_side(listing->book.asks, instrument, kLegacyAllDepth))
                     .str());
      }
      return legacy(data.str());
    }
    const Listing* const listing = market().find(base, quote);
    if (listing == nullptr) return not_listed();
    std::size_t count = kRestDepth;
    if (const auto text = request.parameter("count")) {
      count = static_cast<std::size_t>(std::clamp(std::atoi(text->c_str()), 1, 30));
    }
    data.text("timestamp", std::to_string(listing->book.ts_ms))
        .text("payment_currency", quote)
        .text("order_currency", base)
        .raw("bids", legacy_side(listing->book.bids, listing->instrument, count))
        .raw("asks", legacy_side(listing->book.asks, listing->instrument, count));
    return legacy(data.str());
  }

  /// Networks of a coin: its own, and a second one for the dollar.
  static std::vector<std::string> networks(const std::string& base) {
    if (base == "USDT" || base == "USDC") return {"ETH", "TRX"};
    return {base};
  }

  HttpAnswer asset_status(const std::string& currency, bool chains) {
    const std::string wanted = to_upper(currency);
    JsonArray rows;
    JsonObject coins;
    bool any = false;
    for (const Listing* listing : listings()) {
      const std::string& base = listing->instrument.base;
      if (wanted != "ALL" && wanted != base) continue;
      any = true;
      const WalletState wallet = market().wallet(base);
      const int deposit = wallet.deposit ? 1 : 0;
      const int withdraw = wallet.withdraw ? 1 : 0;
      for (const std::string& network : networks(base)) {
        rows.add(JsonObject()
                     .text("currency", base)
                     .text("net_type", network)
                     .number("deposit_status", deposit)
                     .number("withdrawal_status", withdraw)
                     .str());
      }
      const std::string status = JsonObject()
                                     .number("withdrawal_status", withdraw)
                                     .number("deposit_status", deposit)
                                     .str();
      if (wanted != "ALL" && !chains) return legacy(status);
      coins.raw(base, status);
    }
    if (!any) return not_listed();
    return legacy(chains ? rows.str() : coins.str());
  }

  /// A withdrawal costs about two dollars' worth of the coin, whichever network.
  static std::string withdrawal_fee(const Listing& listing) {
    const double won = to_double(listing.ticker.open, listing.instrument.price_decimals);
    const double fee = 2800.0 / won;
    const int digits = std::clamp(1 - static_cast<int>(std::floor(std::log10(fee))), 0, 8);
    return trimmed(fee, digits);
  }

  HttpAnswer fees(const std::string& currency) {
    const std::string wanted = to_upper(currency);
    JsonArray rows;
    bool any = false;
    for (const Listing* listing : listings()) {
      const std::string& base = listing->instrument.base;
      if (wanted != "ALL" && wanted != base) continue;
      any = true;
      JsonArray list;
      for (const std::string& network : networks(base)) {
        list.add(JsonObject()
                     .text("net_name", network)
                     .text("net_type", network)
                     .text("deposit_fee_quantity", "0")
                     .text("deposit_minimum_quantity", "0")
                     .text("withdraw_fee_quantity", withdrawal_fee(*listing))
                     .raw("withdraw_rate", "null")
                     .raw("withdraw_fee_min", "null")
                     .raw("withdraw_fee_max", "null")
                     .text("withdraw_minimum_quantity", withdrawal_fee(*listing))
                     .str());
      }
      rows.add(
          JsonObject().text("name", base).text("currency", base).raw("networks", list.str()).str());
    }
    if (!any) return error_answer(200, "404", "Code not found");
    return http_answer(200, rows.str());
  }

  KeyedRate connects_{10, 1'000};
  KeyedRate rest_{kRestBurst, 1'000};
};

}  // namespace

std::unique_ptr<VenueProtocol> make_bithumb(const VenueContext& context) {
  return std::make_unique<Bithumb>(context);
}

}  // namespace spreadwatch::sim
