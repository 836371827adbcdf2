// Coinone: public websocket 1.0 and REST public/v2 (https://docs.coinone.co.kr, state of 2026-09).
// One pair per subscribe message, acknowledged even when the pair is unknown; whole books of 16
// levels whose asks come worst first; REST errors carry status 200, an unknown path a web page.

#include <algorithm>
#include <array>
#include <map>
#include <nlohmann/json.hpp>
#include <set>

#include "sim/format.h"
#include "sim/venues.h"

namespace spreadwatch::sim {
namespace {

constexpr std::size_t kDepth = 16;
constexpr std::size_t kMaxConnections = 20;  // per address
constexpr std::uint16_t kTooManyConnections = 4290;
constexpr std::int64_t kNeverSpokeMs = 60'700;  // measured: a socket that never sent anything
constexpr std::int64_t kPingPeriodMs = 30LL * 60'000;  // documented: 30 min after the last PING
constexpr std::int64_t kFirstBookAgeMs = 10'000;       // the first book's `timestamp` lags behind

struct Subscription {
  const Listing* listing;
  bool short_format;
  friend auto operator<=>(const Subscription&, const Subscription&) = default;
};

struct State : ConnectionState {
  std::set<Subscription> books;
  std::set<Subscription> tickers;
  std::int64_t last_sent_ms = 0;  // by the client
  bool spoke = false;
};

/// Milliseconds and a three-digit counter, rising per pair.
std::string id_text(std::int64_t ts_ms) { return std::to_string(ts_ms) + "001"; }

/// Writes the long or the short name of a field.
std::string_view name_of(bool short_format, std::string_view name, std::string_view abbreviated) {
  return short_format ? abbreviated : name;
}

std::string level_text(const Level& level, const Instrument& instrument, bool short_format) {
  return JsonObject()
      .text(name_of(short_format, "price", "p"), trimmed(level.price, instrument.price_decimals))
      .text(name_of(short_format, "qty", "q"), trimmed(level.size, instrument.size_decimals))
      .str();
}

std::string side_text(const std::vector<Level>& side, const Instrument& instrument,
                      std::size_t depth, bool worst_first, bool short_format) {
  const std::size_t count = std::min(depth, side.size());
  JsonArray rows;
  for (std::size_t i = 0; i < count; ++i) {
    rows.add(level_text(side[worst_first ? count - 1 - i : i], instrument, short_format));
  }
  return rows.str();
}

std::string envelope(bool short_format, std::string_view channel, std::string_view data) {
  return JsonObject()
      .text(name_of(short_format, "response_type", "r"), "DATA")
      .text(name_of(short_format, "channel", "c"), channel)
      .raw(name_of(short_format, "data", "d"), data)
      .str();
}

std::string book_text(const Listing& listing, bool short_format, std::int64_t lag_ms) {
  const Instrument& instrument = listing.instrument;
  const bool s = short_format;
  return envelope(
      s, "ORDERBOOK",
      JsonObject()
          .text(name_of(s, "quote_currency", "qc"), instrument.quote)
          .text(name_of(s, "target_currency", "tc"), instrument.base)
          .number(name_of(s, "timestamp", "t"), listing.book.ts_ms - lag_ms)
          .text(name_of(s, "id", "i"), id_text(listing.book.ts_ms))
          .raw(name_of(s, "asks", "a"), side_text(listing.book.asks, instrument, kDepth, true, s))
          .raw(name_of(s, "bids", "b"), side_text(listing.book.bids, instrument, kDepth, false, s))
          .str());
}

std::string ticker_text(const Listing& listing, bool short_format) {
  const Instrument& instrument = listing.instrument;
  const Ticker& t = listing.ticker;
  const Level ask = best_of(listing.book.asks);
  const Level bid = best_of(listing.book.bids);
  const bool s = short_format;
  const auto price = [&](std::int64_t v) { return trimmed(v, instrument.price_decimals); };
  const auto size = [&](std::int64_t v) { return trimmed(v, instrument.size_decimals); };
  return envelope(
      s, "TICKER",
      JsonObject()
          .text(name_of(s, "quote_currency", "qc"), instrument.quote)
          .text(name_of(s, "target_currency", "tc"), instrument.base)
          .number(name_of(s, "timestamp", "t"), t.ts_ms)
          .text(name_of(s, "quote_volume", "qv"), trimmed(t.turnover_24h, 4))
          .text(name_of(s, "target_volume", "tv"), size(t.volume_24h))
          .text(name_of(s, "high", "hi"), price(t.high))
          .text(name_of(s, "low", "lo"), price(t.low))
          .text(name_of(s, "first", "fi"), price(t.open))
          .text(name_of(s, "last", "la"), price(t.last))
          .text(name_of(s, "volume_power", "vp"), "100")
          .text(name_of(s, "ask_best_price", "abp"), price(ask.price))
          .text(name_of(s, "ask_best_qty", "abq"), size(ask.size))
          .text(name_of(s, "bid_best_price", "bbp"), price(bid.price))
          .text(name_of(s, "bid_best_qty", "bbq"), size(bid.size))
          .text(name_of(s, "id", "i"), id_text(t.ts_ms))
          .text(name_of(s, "yesterday_high", "yhi"), price(t.yesterday_high))
          .text(name_of(s, "yesterday_low", "ylo"), price(t.yesterday_low))
          .text(name_of(s, "yesterday_first", "yfi"), price(t.yesterday_open))
          .text(name_of(s, "yesterday_last", "yla"), price(t.previous_close))
          .text(name_of(s, "yesterday_quote_volume", "yqv"), trimmed(t.yesterday_turnover, 4))
          .text(name_of(s, "yesterday_target_volume", "ytv"), size(t.yesterday_volume))
          .str());
}

HttpAnswer answer(std::string body) { return http_answer(200, std::move(body)); }

/// Errors come with HTTP 200.
HttpAnswer rest_error(std::string_view code, std::string_view message) {
  return answer(JsonObject()
                    .text("result", "error")
                    .text("error_code", code)
                    .text("error_msg", message)
                    .str());
}

JsonObject success() { return JsonObject().text("result", "success").text("error_code", "0"); }

class Coinone final : public VenueProtocol {
 public:
  explicit Coinone(const VenueContext& context) : VenueProtocol(context) {
    for (const Listing* listing : listings()) by_base_.set(listing->instrument.base, listing);
  }

  [[nodiscard]] std::string ws_path() const override { return ""; }

  UpgradeAnswer on_upgrade(const HttpRequest& request) override {
    if (request.path == "/v1/private") {
      HttpAnswer refused = rest_error("40", "Invalid API permission");
      refused.status = 401;
      return {std::move(refused), {}};
    }
    return {};
  }

  void on_open(Connection& connection, std::int64_t now_ms) override {
    auto state = std::make_unique<State>();
    state->last_sent_ms = now_ms;
    connection.state = std::move(state);
    const std::string& remote = connection.upgrade().remote;
    const auto same = std::ranges::count_if(
        connections(), [&](Connection* other) { return other->upgrade().remote == remote; });
    if (static_cast<std::size_t>(same) > kMaxConnections) {
      violation("connections_per_address", now_ms);
      connection.close(kTooManyConnections, "Too Many Connections");
      return;
    }
    std::string number = std::to_string(connection.id());
    number.insert(0, 12 - std::min<std::size_t>(12, number.size()), '0');
    connection.send_text(
        JsonObject()
            .text("response_type", "CONNECTED")
            .raw("data", JsonObject().text("session_id", "6f3e1d0f-f9ab-f300-1567-" + number).str())
            .str());
  }

  void on_text(Connection& connection, std::string_view text, std::int64_t now_ms) override {
    State& state = state_of(connection);
    state.last_sent_ms = now_ms;
    state.spoke = true;
    const nlohmann::json request = nlohmann::json::parse(text, nullptr, false);
    if (!request.is_object()) return error(connection, 160010, "Invalid Request");
    const auto field = [&request](const char* key) {
      const auto at = request.find(key);
      return at != request.end() && at->is_string() ? at->get<std::string>() : std::string{};
    };
    const std::string type = field("request_type");
    if (type == "PING") {
      connection.send({std::make_shared<const std::string>(R"({"response_type":"PONG"})"), false,
                       FrameKind::kHeartbeat, nullptr});
      return;
    }
    const bool subscribe = type == "SUBSCRIBE";
    if (!subscribe && type != "UNSUBSCRIBE")
      return error(connection, 160011, "Invalid Type", "request_type");
    const std::string channel = field("channel");
    if (channel != "ORDERBOOK" && channel != "TICKER" && channel != "TRADE" && channel != "CHART") {
      return error(connection, 160011, "Invalid Type", "channel");
    }
    const std::string format = request.contains("format") ? field("format") : "DEFAULT";
    if (format != "DEFAULT" && format != "SHORT")
      return error(connection, 160011, "Invalid Type", "format");
    const auto topic = request.find("topic");
    const auto currency = [&](const char* key) {
      const auto at = topic->find(key);
      return at != topic->end() && at->is_string() ? at->get<std::string>() : std::string{};
    };
    if (topic == request.end() || !topic->is_object() || currency("quote_currency").empty() ||
        currency("target_currency").empty()) {
      return error(connection, 160010, "Invalid Request");
    }
    acknowledge(connection, subscribe, channel, currency("quote_currency"),
                currency("target_currency"), format == "SHORT");
    const Listing* const found = by_base_.find(to_upper(currency("target_currency")));
    if (to_upper(currency("quote_currency")) != "KRW" || found == nullptr) {
      return error(connection, 160012, "Invalid Topic");
    }
    const Subscription subscription{found, format == "SHORT"};
    if (channel != "ORDERBOOK" && channel != "TICKER") return;  // nothing trades visibly here
    std::set<Subscription>& held = channel == "TICKER" ? state.tickers : state.books;
    if (!subscribe) {
      held.erase(subscription);
      return;
    }
    held.insert(subscription);
    const Listing& listing = *subscription.listing;
    if (channel == "TICKER") {
      connection.send(
          make_frame(ticker_text(listing, subscription.short_format), FrameKind::kTicker, listing));
    } else {
      connection.send(make_frame(book_text(listing, subscription.short_format, kFirstBookAgeMs),
                                 FrameKind::kBook, listing));
    }
  }

  void on_ping(Connection& connection, std::string_view, std::int64_t now_ms) override {
    state_of(connection).last_sent_ms = now_ms;
    state_of(connection).spoke = true;
  }

  void on_book(const BookEvent& event) override {
    fan_out(event.listing, &State::books, FrameKind::kBook,
            [&](bool short_format) { return book_text(event.listing, short_format, 0); });
  }

  void on_ticker(const Listing& listing) override {
    fan_out(listing, &State::tickers, FrameKind::kTicker,
            [&](bool short_format) { return ticker_text(listing, short_format); });
  }

  void on_timer(std::int64_t now_ms) override {
    for (Connection* connection : connections()) {
      State& state = state_of(*connection);
      const std::int64_t quiet = now_ms - state.last_sent_ms;
      if (quiet < (state.spoke ? kPingPeriodMs : kNeverSpokeMs)) continue;
      violation("no_ping", now_ms);
      state.last_sent_ms = now_ms;
      connection->drop();
    }
  }

  /// REST tells it with status 200, as every error.
  [[nodiscard]] HttpAnswer ban_answer(bool upgrade) const override {
    return refusal(upgrade ? 403 : 200);
  }
  [[nodiscard]] HttpAnswer refusal(int status) const override {
    HttpAnswer refused =
        status < 500 ? rest_error("4", "Blocked user access") : rest_error("405", "Server error");
    refused.status = status;
    return refused;
  }
  /// The markets say that trading is closed; the routes go on.
  [[nodiscard]] bool works_in_maintenance(const HttpRequest&) const override { return true; }

  HttpAnswer on_http(const HttpRequest& request) override {
    RateWindow& rate = rest_[request.remote];
    if (!rate.admit(request.now_ms)) {
      violation("rest_requests_per_minute", request.now_ms);
      return rest_error("4", "Blocked user access");
    }
    HttpAnswer result = route(at_venue_clock(request));
    result.headers.emplace_back("Public-Ratelimit-Remaining",
                                std::to_string(rate.limit() - rate.used(request.now_ms)));
    return result;
  }

 private:
  static State& state_of(Connection& connection) { return static_cast<State&>(*connection.state); }

  static Frame make_frame(std::string text, FrameKind kind, const Listing& listing) {
    return {std::make_shared<const std::string>(std::move(text)), false, kind, &listing};
  }

  template <class Build>
  void fan_out(const Listing& listing, std::set<Subscription> State::*held, FrameKind kind,
               Build build) {
    std::array<Frame, 2> built;
    for (Connection* connection : connections()) {
      for (const bool short_format : {false, true}) {
        if (!(state_of(*connection).*held).contains({&listing, short_format})) continue;
        Frame& frame = built[short_format ? 1 : 0];
        if (!frame.payload) frame = make_frame(build(short_format), kind, listing);
        connection->send(frame);
      }
    }
  }

  static void acknowledge(Connection& connection, bool subscribe, std::string_view channel,
                          std::string_view quote, std::string_view target, bool s) {
    connection.send_text(
        JsonObject()
            .text(name_of(s, "response_type", "r"), subscribe ? "SUBSCRIBED" : "UNSUBSCRIBED")
            .text(name_of(s, "channel", "c"), channel)
            .raw(name_of(s, "data", "d"), JsonObject()
                                              .text(name_of(s, "quote_currency", "qc"), quote)
                                              .text(name_of(s, "target_currency", "tc"), target)
                                              .str())
            .str());
  }

  static void error(Connection& connection, int code, std::string_view message,
                    std::string_view field = {}) {
    JsonObject object;
    object.text("response_type", "ERROR").number("error_code", code).text("message", message);
    if (!field.empty()) object.text("field", field);
    connection.send_text(object.str());
  }

  /// The path's parts behind the prefix, upper case.
  static std::vector<std::string> parts_of(std::string_view path) {
    std::vector<std::string> parts;
    while (!path.empty()) {
      const std::size_t slash = std::min(path.find('/'), path.size());
      if (slash > 0) parts.push_back(to_upper(path.substr(0, slash)));
      path.remove_prefix(std::min(slash + 1, path.size()));
    }
    return parts;
  }

  HttpAnswer route(const HttpRequest& request) const {
    constexpr std::string_view kPrefix = "/public/v2/";
    const std::vector<std::string> parts =
        request.path.starts_with(kPrefix)
            ? parts_of(std::string_view{request.path}.substr(kPrefix.size()))
            : std::vector<std::string>{};
    if (parts.size() == 2 && parts[0] == "MARKETS") return markets(request, parts[1]);
    if (parts.size() == 3 && parts[0] == "MARKETS") return markets(request, parts[1], parts[2]);
    if (parts.size() >= 2 && (parts[0] == "TICKER_NEW" || parts[0] == "TICKER_UTC_NEW")) {
      return tickers(request, parts[1], parts.size() > 2 ? parts[2] : "");
    }
    if (parts.size() == 3 && parts[0] == "ORDERBOOK")
      return order_book(request, parts[1], parts[2]);
    if (!parts.empty() && parts[0] == "CURRENCIES")
      return currencies(request, parts.size() > 1 ? parts[1] : "");
    if (parts.size() == 3 && parts[0] == "RANGE_UNITS")
      return range_units(request, parts[1], parts[2]);
    HttpAnswer page =
        answer("<!DOCTYPE html><html><head><title>Coinone</title></head><body></body></html>");
    page.content_type = "text/html; charset=utf-8";
    return page;
  }

  const Listing* find(const std::string& quote, const std::string& target) const {
    const Listing* const found = by_base_.find(target);
    return quote == "KRW" ? found : nullptr;
  }

  HttpAnswer markets(const HttpRequest& request, const std::string& quote,
                     const std::string& target = "") const {
    if (!target.empty() && find(quote, target) == nullptr)
      return rest_error("108", "Unknown CryptoCurrency");
    JsonArray rows;
    for (const Listing* listing : listings()) {
      const Instrument& instrument = listing->instrument;
      if (instrument.quote != quote || (!target.empty() && instrument.base != target)) continue;
      rows.add(JsonObject()
                   .text("quote_currency", instrument.quote)
                   .text("target_currency", instrument.base)
                   .text("price_unit", fixed(instrument.tick, instrument.price_decimals,
                                             std::max(1, instrument.price_decimals)))
                   .text("qty_unit", fixed(std::int64_t{1}, instrument.size_decimals))
                   .text("max_order_amount", "1000000000.0")
                   .text("max_price", "1000000000000.0")
                   .text("max_qty", "10000000000.0")
                   .text("min_order_amount", "5000.0")
                   .text("min_price", fixed(instrument.tick, instrument.price_decimals,
                                            std::max(1, instrument.price_decimals)))
                   .text("min_qty", fixed(std::int64_t{1}, instrument.size_decimals))
                   .raw("order_book_units", R"(["0.0"])")
                   .number("maintenance_status", market().maintenance() ? 1 : 0)
                   .number("trade_status", 1)
                   .raw("order_types", R"(["limit","market","stop_limit"])")
                   .str());
    }
    return answer(success().number("server_time", request.now_ms).raw("markets", rows.str()).str());
  }

  HttpAnswer tickers(const HttpRequest& request, const std::string& quote,
                     const std::string& target) const {
    if (!target.empty() && find(quote, target) == nullptr)
      return rest_error("108", "Unknown CryptoCurrency");
    const bool more = to_lower(request.parameter("additional_data").value_or("false")) == "true";
    JsonArray rows;
    for (const Listing* listing : listings()) {
      const Instrument& instrument = listing->instrument;
      if (instrument.quote != quote || (!target.empty() && instrument.base != target)) continue;
      const Ticker& t = listing->ticker;
      const auto price = [&](std::int64_t v) {
        return fixed(v, instrument.price_decimals, std::max(1, instrument.price_decimals));
      };
      const auto size = [&](std::int64_t v) { return trimmed(v, instrument.size_decimals); };
      const auto best = [&](const Level& level) {
        return JsonArray()
            .add(JsonObject().text("price", price(level.price)).text("qty", size(level.size)).str())
            .str();
      };
      JsonObject row;
      row.text("quote_currency", to_lower(instrument.quote))
          .text("target_currency", to_lower(instrument.base))
          .number("timestamp", t.ts_ms)
          .text("high", price(t.high))
          .text("low", price(t.low))
          .text("first", price(t.open))
          .text("last", price(t.last))
          .text("quote_volume", trimmed(t.turnover_24h, 4))
          .text("target_volume", size(t.volume_24h))
          .raw("best_asks", best(best_of(listing->book.asks)))
          .raw("best_bids", best(best_of(listing->book.bids)))
          .text("id", id_text(t.ts_ms));
      if (more) {
        row.text("yesterday_high", price(t.yesterday_high))
            .text("yesterday_low", price(t.yesterday_low))
            .text("yesterday_first", price(t.yesterday_open))
            .text("yesterday_last", price(t.previous_close))
            .text("yesterday_quote_volume", trimmed(t.yesterday_turnover, 4))
            .text("yesterday_target_volume", size(t.yesterday_volume));
      }
      rows.add(row.str());
    }
    return answer(success().number("server_time", request.now_ms).raw("tickers", rows.str()).str());
  }

  HttpAnswer order_book(const HttpRequest& request, const std::string& quote,
                        const std::string& target) const {
    const Listing* const listing = find(quote, target);
    if (listing == nullptr) return rest_error("108", "Unknown CryptoCurrency");
    const std::string size = request.parameter("size").value_or("15");
    if (size != "5" && size != "10" && size != "15" && size != "16") {
      return rest_error("107", "Parameter value is wrong");
    }
    const auto depth = static_cast<std::size_t>(std::stoi(size));
    const Instrument& instrument = listing->instrument;
    return answer(success()
                      .number("timestamp", listing->book.ts_ms)
                      .text("id", id_text(listing->book.ts_ms))
                      .text("quote_currency", instrument.quote)
                      .text("target_currency", instrument.base)
                      .text("order_book_unit", "0.0")
                      .raw("bids", side_text(listing->book.bids, instrument, depth, false, false))
                      .raw("asks", side_text(listing->book.asks, instrument, depth, false, false))
                      .str());
  }

  HttpAnswer currencies(const HttpRequest& request, const std::string& wanted) const {
    JsonArray rows;
    bool any = false;
    for (const Listing* listing : listings()) {
      const std::string& base = listing->instrument.base;
      if (!wanted.empty() && base != wanted) continue;
      any = true;
      const WalletState wallet = market().wallet(base);
      rows.add(JsonObject()
                   .text("name", base)
                   .text("symbol", base)
                   .text("deposit_status", wallet.deposit ? "normal" : "suspended")
                   .text("withdraw_status", wallet.withdraw ? "normal" : "suspended")
                   .number("deposit_confirm_count", 20)
                   .number("max_precision", listing->instrument.size_decimals)
                   .text("deposit_fee", "0.0")
                   .text("withdrawal_min_amount", base == "BTC" ? "0.001" : "1.0")
                   .text("withdrawal_fee", base == "BTC" ? "0.0008" : "1.0")
                   .str());
    }
    if (!any) return rest_error("108", "Unknown CryptoCurrency");
    return answer(
        success().number("server_time", request.now_ms).raw("currencies", rows.str()).str());
  }

  HttpAnswer range_units(const HttpRequest& request, const std::string& quote,
                         const std::string& target) const {
    const Listing* const listing = find(quote, target);
    if (listing == nullptr) return rest_error("108", "Unknown CryptoCurrency");
    const Instrument& instrument = listing->instrument;
    return answer(
        success()
            .number("server_time", request.now_ms)
            .raw("range_price_units",
                 JsonArray()
                     .add(JsonObject()
                              .text("range_min", "0.0")
                              .text("next_range_min", "1000000000000.0")
                              .text("price_unit", fixed(instrument.tick, instrument.price_decimals,
                                                        std::max(1, instrument.price_decimals)))
                              .str())
                     .str())
            .str());
  }

  SymbolIndex by_base_{market()};
  KeyedRate rest_{1'200, 60'000};
};

}  // namespace

std::unique_ptr<VenueProtocol> make_coinone(const VenueContext& context) {
  return std::make_unique<Coinone>(context);
}

}  // namespace spreadwatch::sim
