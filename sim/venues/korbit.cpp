// Korbit (Digital X): API v2, public websocket and REST (https://docs.digitalx.miraeasset.com,
// state of 2026-09). Requests come in arrays and are acknowledged only when they carry a requestId;
// symbols are lower case; whole books of 30 levels, rolling 24 h tickers; prices are strings.

#include <algorithm>
#include <map>
#include <nlohmann/json.hpp>
#include <set>

#include "sim/format.h"
#include "sim/venues.h"

namespace spreadwatch::sim {
namespace {

constexpr std::size_t kDepth = 30;
constexpr std::int64_t kPingPeriodMs = 30'000;
constexpr std::int64_t kPongDeadlineMs = 75'000;  // two missed pings

enum class Channel : std::uint8_t { kTicker, kBook, kQuiet };

struct BookView {
  const Listing* listing;
  std::int64_t level;  // grouping in price units, 0 = none
  friend auto operator<=>(const BookView&, const BookView&) = default;
};

struct State : ConnectionState {
  std::set<BookView> books;
  std::set<const Listing*> tickers;
  std::int64_t next_ping_ms = 0;
  std::int64_t last_pong_ms = 0;
};

std::string symbol_of(const Instrument& instrument) {
  return to_lower(instrument.base) + "_" + to_lower(instrument.quote);
}

std::string side_text(const std::vector<Level>& side, const Instrument& instrument,
                      std::int64_t level, bool bids, const char* turnover) {
  JsonArray rows;
  const std::vector<Level> levels = grouped(side, level, bids ? Side::kBid : Side::kAsk);
  for (std::size_t i = 0; i < std::min(kDepth, levels.size()); ++i) {
    JsonObject row;
    row.text("price", trimmed(levels[i].price, instrument.price_decimals))
        .text("qty", trimmed(levels[i].size, instrument.size_decimals));
    if (level != 0) {
      row.text(turnover, trimmed(to_double(levels[i].price, instrument.price_decimals) *
                                     to_double(levels[i].size, instrument.size_decimals),
                                 5));
    }
    rows.add(row.str());
  }
  return rows.str();
}

std::string book_data(const Listing& listing, std::int64_t level, const char* turnover) {
  const Instrument& instrument = listing.instrument;
  return JsonObject()
      .number("timestamp", listing.book.ts_ms)
      .raw("asks", side_text(listing.book.asks, instrument, level, false, turnover))
      .raw("bids", side_text(listing.book.bids, instrument, level, true, turnover))
      .str();
}

/// The fields of a ticker, into an object that may already name its symbol.
std::string ticker_data(const Listing& listing, JsonObject object) {
  const Instrument& instrument = listing.instrument;
  const Ticker& t = listing.ticker;
  const auto price = [&](std::int64_t v) { return trimmed(v, instrument.price_decimals); };
  const std::int64_t change = t.last - t.previous_close;
  const double percent = t.previous_close == 0 ? 0
                                               : 100 * static_cast<double>(change) /
                                                     static_cast<double>(t.previous_close);
  return object.text("open", price(t.open))
      .text("high", price(t.high))
      .text("low", price(t.low))
      .text("close", price(t.last))
      .text("prevClose", price(t.previous_close))
      .text("priceChange", price(change))
      .text("priceChangePercent", trimmed(percent, 2))
      .text("volume", trimmed(t.volume_24h, instrument.size_decimals))
      .text("quoteVolume", trimmed(t.turnover_24h, 5))
      .text("bestBidPrice", price(best_of(listing.book.bids).price))
      .text("bestAskPrice", price(best_of(listing.book.asks).price))
      .number("lastTradedAt", t.ts_ms)
      .str();
}

HttpAnswer error_answer(int status, std::string_view message) {
  return http_answer(
      status, JsonObject()
                  .boolean("success", false)
                  .raw("error", JsonObject().number("code", status).text("message", message).str())
                  .str());
}

HttpAnswer success(std::string_view data) {
  return http_answer(200, JsonObject().boolean("success", true).raw("data", data).str());
}

class Korbit final : public VenueProtocol {
 public:
  explicit Korbit(const VenueContext& context) : VenueProtocol(context) {
    for (const Listing* listing : listings())
      by_symbol_.set(symbol_of(listing->instrument), listing);
  }

  [[nodiscard]] std::string ws_path() const override { return "/v2/public"; }

  UpgradeAnswer on_upgrade(const HttpRequest& request) override {
    if (request.path != ws_path() && request.path != ws_path() + "/") {
      return {error_answer(404, "NOT_FOUND"), {}};
    }
    return {};
  }

  void on_open(Connection& connection, std::int64_t now_ms) override {
    auto state = std::make_unique<State>();
    state->next_ping_ms = now_ms + kPingPeriodMs;
    state->last_pong_ms = now_ms;
    connection.state = std::move(state);
  }

  void on_text(Connection& connection, std::string_view text, std::int64_t) override {
    const nlohmann::json requests = nlohmann::json::parse(text, nullptr, false);
    if (!requests.is_array()) {
      connection.send_text(R"({"status":"fail","message":"invalid_format"})");
      return;
    }
    for (const nlohmann::json& request : requests) handle(connection, request);
  }

  void on_pong(Connection& connection, std::string_view, std::int64_t now_ms) override {
    state_of(connection).last_pong_ms = now_ms;
  }

  void on_book(const BookEvent& event) override {
    std::map<std::int64_t, Frame> built;
    for (Connection* connection : connections()) {
      for (const BookView& view : state_of(*connection).books) {
        if (view.listing != &event.listing) continue;
        Frame& frame = built[view.level];
        if (!frame.payload) frame = book_frame(event.listing, view.level, event.after.ts_ms, false);
        connection->send(frame);
      }
    }
  }

  void on_ticker(const Listing& listing) override {
    Frame frame;
    for (Connection* connection : connections()) {
      if (!state_of(*connection).tickers.contains(&listing)) continue;
      if (!frame.payload) frame = ticker_frame(listing, listing.ticker.ts_ms, false);
      connection->send(frame);
    }
  }

  void on_timer(std::int64_t now_ms) override {
    for (Connection* connection : connections()) {
      State& state = state_of(*connection);
      if (now_ms >= state.next_ping_ms) {
        state.next_ping_ms = now_ms + kPingPeriodMs;
        connection->ping("ping");
      }
      if (now_ms - state.last_pong_ms >= kPongDeadlineMs) {
        violation("missing_pong", now_ms);
        state.last_pong_ms = now_ms;
        connection->drop();
      }
    }
  }

  [[nodiscard]] HttpAnswer ban_answer(bool) const override { return refusal(429); }
  [[nodiscard]] HttpAnswer refusal(int status) const override {
    return error_answer(status, status < 500 ? "TOO_MANY_REQUESTS" : "SERVICE_UNAVAILABLE");
  }

  HttpAnswer on_http(const HttpRequest& request) override {
    RateWindow& rate = rest_[request.remote];
    if (!rate.admit(request.now_ms)) {
      violation("rest_requests_per_second", request.now_ms);
      HttpAnswer limited = error_answer(429, "TOO_MANY_REQUESTS");
      limited.headers.emplace_back("Retry-After", "1");
      return limited;
    }
    HttpAnswer result = route(at_venue_clock(request));
    const std::int64_t left = rate.limit() - rate.used(request.now_ms);
    result.headers.emplace_back("Ratelimit",
                                "limit=50, remaining=" + std::to_string(left) + ", reset=1");
    result.headers.emplace_back("Ratelimit-Policy", "50;w=1");
    return result;
  }

 private:
  static State& state_of(Connection& connection) { return static_cast<State&>(*connection.state); }

  static Frame book_frame(const Listing& listing, std::int64_t level, std::int64_t sent_ms,
                          bool snapshot) {
    JsonObject object;
    object.text("symbol", symbol_of(listing.instrument))
        .number("timestamp", sent_ms)
        .text("type", "orderbook");
    if (snapshot) object.boolean("snapshot", true);
    if (level != 0) object.text("level", trimmed(level, listing.instrument.price_decimals));
    object.raw("data", book_data(listing, level, "quoteVolume"));
    return {std::make_shared<const std::string>(object.str()), false, FrameKind::kBook, &listing};
  }

  static Frame ticker_frame(const Listing& listing, std::int64_t sent_ms, bool snapshot) {
    JsonObject object;
    object.text("symbol", symbol_of(listing.instrument))
        .number("timestamp", sent_ms)
        .text("type", "ticker");
    if (snapshot) object.boolean("snapshot", true);
    object.raw("data", ticker_data(listing, JsonObject()));
    return {std::make_shared<const std::string>(object.str()), false, FrameKind::kTicker, &listing};
  }

  /// `requestId` as it was sent, or empty.
  static std::string request_id(const nlohmann::json& request) {
    const auto at = request.find("requestId");
    return at == request.end() ? std::string{} : at->dump();
  }

  static void fail(Connection& connection, const std::string& id, std::string_view code,
                   std::string_view message) {
    JsonObject object;
    object.text("status", "fail").text("code", code).text("message", message);
    if (!id.empty()) object.raw("requestId", id);
    connection.send_text(object.str());
  }

  void handle(Connection& connection, const nlohmann::json& request) {
    if (!request.is_object()) {
      connection.send_text(R"({"status":"fail","message":"invalid_format"})");
      return;
    }
    const std::string id = request_id(request);
    const auto text = [&request](const char* key) {
      const auto at = request.find(key);
      return at != request.end() && at->is_string() ? at->get<std::string>() : std::string{};
    };
    const std::string method = text("method");
    if (method != "subscribe" && method != "unsubscribe") {
      return fail(connection, id, "INVALID_REQUEST", "unknown_method");
    }
    const std::string type = text("type");
    const Channel channel = type == "ticker"      ? Channel::kTicker
                            : type == "orderbook" ? Channel::kBook
                                                  : Channel::kQuiet;
    if (channel == Channel::kQuiet && type != "trade") {
      return fail(connection, id, "INVALID_REQUEST", "unknown_type");
    }
    const auto symbols = request.find("symbols");
    if (symbols == request.end() || !symbols->is_array() || symbols->empty()) {
      return fail(connection, id, "INVALID_REQUEST", "invalid_symbols");
    }
    std::vector<const Listing*> wanted;
    for (const nlohmann::json& symbol : *symbols) {
      const std::string name = symbol.is_string() ? symbol.get<std::string>() : symbol.dump();
      const Listing* const found = by_symbol_.find(name);
      if (found == nullptr) {
        return fail(connection, id, "INVALID_SYMBOL", "The symbol does not exist (" + name + ")");
      }
      wanted.push_back(found);
    }
    std::vector<BookView> views;
    for (const Listing* listing : wanted) {
      const std::optional<std::int64_t> level =
          request.contains("level") && !request["level"].is_string()
              ? std::nullopt
              : find_level(*listing, text("level"));
      if (!level) return fail(connection, id, "INVALID_REQUEST", "invalid_level");
      views.push_back({listing, *level});
    }
    if (!id.empty())
      connection.send_text(JsonObject().text("status", "success").raw("requestId", id).str());
    State& state = state_of(connection);
    for (const BookView& view : views) {
      if (channel == Channel::kTicker) {
        if (method == "unsubscribe") {
          state.tickers.erase(view.listing);
        } else {
          state.tickers.insert(view.listing);
          connection.send(ticker_frame(*view.listing, sent_time(*view.listing), true));
        }
      } else if (channel == Channel::kBook) {
        if (method == "unsubscribe") {
          state.books.erase(view);
        } else {
          state.books.insert(view);
          connection.send(book_frame(*view.listing, view.level, sent_time(*view.listing), true));
        }
      }
    }
  }

  /// The envelope's time: not before anything that is inside.
  static std::int64_t sent_time(const Listing& listing) {
    return std::max(listing.book.ts_ms, listing.ticker.ts_ms);
  }

  static std::vector<std::int64_t> levels_of(const Instrument& instrument) {
    return {instrument.tick, instrument.tick * 10, instrument.tick * 100, instrument.tick * 1000};
  }

  /// Grouping in price units: 0 when none is asked for, nothing when it is not offered.
  static std::optional<std::int64_t> find_level(const Listing& listing, const std::string& text) {
    if (text.empty()) return 0;
    for (const std::int64_t level : levels_of(listing.instrument)) {
      if (trimmed(level, listing.instrument.price_decimals) == text) {
        return level == listing.instrument.tick ? 0 : level;
      }
    }
    return std::nullopt;
  }

  HttpAnswer route(const HttpRequest& request) const {
    const std::string& path = request.path;
    if (path == "/v2/time") {
      return success(JsonObject().number("time", request.now_ms).str());
    }
    if (path == "/v2/currencyPairs") return currency_pairs();
    if (path == "/v2/tickers") return tickers(request);
    if (path == "/v2/orderbook") return order_book(request);
    if (path == "/v2/tickSizePolicy") return tick_sizes(request);
    if (path == "/v2/currencies") return currencies();
    if (path == "/v2/notices" || path == "/v2/marketAlerts") return success("[]");
    if (path == "/v2/tradingFeePolicy") return error_answer(401, "UNAUTHORIZED");
    return error_answer(404, "NOT_FOUND");
  }

  HttpAnswer currency_pairs() const {
    JsonArray rows;
    for (const Listing* listing : listings()) {
      rows.add(JsonObject()
                   .text("symbol", symbol_of(listing->instrument))
                   .text("status", "launched")
                   .text("baseCurrency", to_lower(listing->instrument.base))
                   .text("quoteCurrency", to_lower(listing->instrument.quote))
                   .text("minOrderValue", "5000")
                   .text("maxOrderValue", "1000000000")
                   .str());
    }
    return success(rows.str());
  }

  HttpAnswer tickers(const HttpRequest& request) const {
    const std::vector<std::string> wanted = request.parameter_list("symbol");
    JsonArray rows;
    for (const Listing* listing : listings()) {
      const std::string symbol = symbol_of(listing->instrument);
      if (!wanted.empty() && std::ranges::find(wanted, symbol) == wanted.end()) continue;
      rows.add(ticker_data(*listing, JsonObject().text("symbol", symbol)));
    }
    return success(rows.str());
  }

  HttpAnswer order_book(const HttpRequest& request) const {
    const std::optional<std::string> symbol = request.parameter("symbol");
    if (!symbol) return error_answer(400, "BAD_REQUEST");
    const Listing* const found = by_symbol_.find(*symbol);
    if (found == nullptr) return error_answer(400, "INVALID_CURRENCY_PAIR");
    const std::optional<std::int64_t> level =
        find_level(*found, request.parameter("level").value_or(""));
    if (!level) return error_answer(400, "BAD_REQUEST");
    return success(book_data(*found, *level, "amt"));
  }

  HttpAnswer tick_sizes(const HttpRequest& request) const {
    const std::optional<std::string> symbol = request.parameter("symbol");
    if (!symbol) return error_answer(400, "BAD_REQUEST");
    const Listing* const found = by_symbol_.find(*symbol);
    if (found == nullptr) return error_answer(400, "INVALID_CURRENCY_PAIR");
    const Instrument& instrument = found->instrument;
    JsonArray levels;
    for (const std::int64_t level : levels_of(instrument)) {
      levels.add(sim::quoted(trimmed(level, instrument.price_decimals)));
    }
    return success(
        JsonObject()
            .text("symbol", *symbol)
            .raw("tickSizePolicy",
                 JsonArray()
                     .add(JsonObject()
                              .text("priceGte", "0")
                              .text("tickSize", trimmed(instrument.tick, instrument.price_decimals))
                              .str())
                     .str())
            .raw("orderbookLevels", levels.str())
            .str());
  }

  HttpAnswer currencies() const {
    JsonArray rows;
    rows.add(JsonObject().text("name", "krw").text("fullName", "Korean Won").str());
    for (const Listing* listing : listings()) {
      const std::string base = listing->instrument.base;
      const std::string fee = base == "BTC" ? "0.0008" : base == "ETH" ? "0.004" : "1";
      const WalletState wallet = market().wallet(base);
      const char* const deposit = wallet.deposit ? "launched" : "stopped";
      const char* const withdraw = wallet.withdraw ? "launched" : "stopped";
      const std::string network = JsonObject()
                                      .text("name", base == "USDT" ? "TRX" : base)
                                      .text("fullName", base)
                                      .text("depositStatus", deposit)
                                      .text("withdrawalStatus", withdraw)
                                      .number("confirmationCount", 3)
                                      .text("withdrawalTxFee", fee)
                                      .text("withdrawalMinAmount", fee)
                                      .number("withdrawalPrecision", 8)
                                      .boolean("hasSecondaryAddr", base == "XRP")
                                      .text("addressExplorerUrl", "https://explorer.example/")
                                      .str();
      rows.add(JsonObject()
                   .text("name", to_lower(base))
                   .text("fullName", base)
                   .text("withdrawalMaxAmountPerRequest", "1000000")
                   .text("defaultNetwork", base == "USDT" ? "TRX" : base)
                   .raw("networkList", JsonArray().add(network).str())
                   .text("depositStatus", deposit)
                   .text("withdrawalStatus", withdraw)
                   .text("withdrawalTxFee", fee)
                   .str());
    }
    return success(rows.str());
  }

  SymbolIndex by_symbol_{market()};
  KeyedRate rest_{50, 1'000};
};

}  // namespace

std::unique_ptr<VenueProtocol> make_korbit(const VenueContext& context) {
  return std::make_unique<Korbit>(context);
}

}  // namespace spreadwatch::sim
