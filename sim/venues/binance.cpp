// Binance: spot streams and REST v3 (docs of 2026-07). The server pings, ids are ranges, and an
// unknown symbol is acknowledged and then silent.

#include <algorithm>
#include <array>
#include <cctype>
#include <limits>
#include <map>
#include <nlohmann/json.hpp>

#include "sim/format.h"
#include "sim/venues.h"

namespace spreadwatch::sim {
namespace {

constexpr std::int64_t kPingMs = 20'000;
constexpr std::int64_t kPongDeadlineMs = 60'000;
constexpr std::int64_t kLifetimeMs = 24LL * 3'600'000;
constexpr std::size_t kMaxStreams = 1024;
constexpr std::int64_t kWeightLimit = 6'000;
constexpr std::int64_t kBanMs = 120'000;
constexpr int kShown = 8;  // every price and size has eight decimals

struct State : ConnectionState {
  bool combined = false;
  bool micros = false;
  std::vector<std::string> streams;  // in the order they were added
  std::int64_t opened_ms = 0;
  std::int64_t next_ping_ms = 0;
  std::string ping_payload;       // of the ping still unanswered, if any
  std::int64_t ping_sent_ms = 0;  // 0 = none is unanswered
  RateWindow messages{5, 1'000};

  [[nodiscard]] bool has(const std::string& stream) const {
    return std::find(streams.begin(), streams.end(), stream) != streams.end();
  }
};

std::string symbol_of(const Instrument& instrument) { return instrument.base + instrument.quote; }

std::string price_text(std::int64_t v, const Instrument& instrument) {
  return fixed(v, instrument.price_decimals, kShown);
}
std::string size_text(std::int64_t v, const Instrument& instrument) {
  return fixed(v, instrument.size_decimals, kShown);
}

std::string level_text(const Level& level, const Instrument& instrument) {
  return "[\"" + price_text(level.price, instrument) + "\",\"" + size_text(level.size, instrument) +
         "\"]";
}

std::string side_text(const std::vector<Level>& side, const Instrument& instrument,
                      std::size_t depth) {
  JsonArray rows;
  for (std::size_t i = 0; i < std::min(depth, side.size()); ++i) {
    rows.add(level_text(side[i], instrument));
  }
  return rows.str();
}

std::string side_text(const std::vector<LevelChange>& side, const Instrument& instrument) {
  JsonArray rows;
  for (const LevelChange& change : side) rows.add(level_text(change.level, instrument));
  return rows.str();
}

std::int64_t statistics_time(const Listing& listing) {
  return std::max(listing.ticker.ts_ms, listing.book.touch_ts_ms);
}

struct Statistics {
  std::string change;
  std::string percent;
  std::string average;
};

Statistics statistics(const Listing& listing) {
  const Instrument& instrument = listing.instrument;
  const Ticker& t = listing.ticker;
  const std::int64_t change = t.last - t.open;
  const double volume = to_double(t.volume_24h, instrument.size_decimals);
  return {
      price_text(change, instrument),
      fixed(t.open == 0 ? 0.0 : 100.0 * static_cast<double>(change) / static_cast<double>(t.open),
            3),
      fixed(volume > 0 ? t.turnover_24h / volume : 0.0, kShown)};
}

/// A time of a stream, in the unit the connection asked for.
std::int64_t stamp(std::int64_t ms, bool micros) { return micros ? ms * 1000 : ms; }

std::string ticker_text(const Listing& listing, std::int64_t event_ms, bool micros) {
  const Instrument& instrument = listing.instrument;
  const Ticker& t = listing.ticker;
  const Statistics s = statistics(listing);
  const std::int64_t close = statistics_time(listing);
  const auto price = [&](std::int64_t v) { return price_text(v, instrument); };
  const auto size = [&](std::int64_t v) { return size_text(v, instrument); };
  return JsonObject()
      .text("e", "24hrTicker")
      .number("E", stamp(event_ms, micros))
      .text("s", symbol_of(instrument))
      .text("p", s.change)
      .text("P", s.percent)
      .text("w", s.average)
      .text("x", price(t.previous_close))
      .text("c", price(t.last))
      .text("Q", size(t.last_size))
      .text("b", price(best_of(listing.book.bids).price))
      .text("B", size(best_of(listing.book.bids).size))
      .text("a", price(best_of(listing.book.asks).price))
      .text("A", size(best_of(listing.book.asks).size))
      .text("o", price(t.open))
      .text("h", price(t.high))
      .text("l", price(t.low))
      .text("v", size(t.volume_24h))
      .text("q", fixed(t.turnover_24h, 6) + "00")
      .number("O", stamp(close - 86'400'000, micros))
      .number("C", stamp(close, micros))
      .number("F", static_cast<std::int64_t>(t.first_trade_id))
      .number("L", static_cast<std::int64_t>(t.last_trade_id))
      .number("n", static_cast<std::int64_t>(t.last_trade_id - t.first_trade_id + 1))
      .str();
}

std::string mini_ticker_text(const Listing& listing, std::int64_t event_ms, bool micros) {
  const Instrument& instrument = listing.instrument;
  const Ticker& t = listing.ticker;
  return JsonObject()
      .text("e", "24hrMiniTicker")
      .number("E", stamp(event_ms, micros))
      .text("s", symbol_of(instrument))
      .text("c", price_text(t.last, instrument))
      .text("o", price_text(t.open, instrument))
      .text("h", price_text(t.high, instrument))
      .text("l", price_text(t.low, instrument))
      .text("v", size_text(t.volume_24h, instrument))
      .text("q", fixed(t.turnover_24h, 6) + "00")
      .str();
}

std::string book_ticker_text(const Listing& listing) {
  const Instrument& instrument = listing.instrument;
  const Level bid = best_of(listing.book.bids);
  const Level ask = best_of(listing.book.asks);
  return JsonObject()
      .number("u", static_cast<std::int64_t>(listing.book.last_id))
      .text("s", symbol_of(instrument))
      .text("b", price_text(bid.price, instrument))
      .text("B", size_text(bid.size, instrument))
      .text("a", price_text(ask.price, instrument))
      .text("A", size_text(ask.size, instrument))
      .str();
}

std::string snapshot_text(const Listing& listing, std::size_t depth) {
  return JsonObject()
      .number("lastUpdateId", static_cast<std::int64_t>(listing.book.last_id))
      .raw("bids", side_text(listing.book.bids, listing.instrument, depth))
      .raw("asks", side_text(listing.book.asks, listing.instrument, depth))
      .str();
}

/// `first` is the id after the one the book `from` had.
std::string diff_text(const Listing& listing, const Book& from, std::int64_t event_ms,
                      bool micros) {
  const WindowChange change = window_change(from, listing.book, 0);
  return JsonObject()
      .text("e", "depthUpdate")
      .number("E", stamp(event_ms, micros))
      .text("s", symbol_of(listing.instrument))
      .number("U", static_cast<std::int64_t>(from.last_id + 1))
      .number("u", static_cast<std::int64_t>(listing.book.last_id))
      .raw("b", side_text(change.bids, listing.instrument))
      .raw("a", side_text(change.asks, listing.instrument))
      .str();
}

std::string rest_ticker(const Listing& listing, bool mini) {
  const Instrument& instrument = listing.instrument;
  const Ticker& t = listing.ticker;
  const Statistics s = statistics(listing);
  const std::int64_t close = statistics_time(listing);
  const auto price = [&](std::int64_t v) { return price_text(v, instrument); };
  const auto size = [&](std::int64_t v) { return size_text(v, instrument); };
  JsonObject row;
  row.text("symbol", symbol_of(instrument));
  if (mini) {
    row.text("openPrice", price(t.open))
        .text("highPrice", price(t.high))
        .text("lowPrice", price(t.low))
        .text("lastPrice", price(t.last));
  } else {
    row.text("priceChange", s.change)
        .text("priceChangePercent", s.percent)
        .text("weightedAvgPrice", s.average)
        .text("prevClosePrice", price(t.previous_close))
        .text("lastPrice", price(t.last))
        .text("lastQty", size(t.last_size))
        .text("bidPrice", price(best_of(listing.book.bids).price))
        .text("bidQty", size(best_of(listing.book.bids).size))
        .text("askPrice", price(best_of(listing.book.asks).price))
        .text("askQty", size(best_of(listing.book.asks).size))
        .text("openPrice", price(t.open))
        .text("highPrice", price(t.high))
        .text("lowPrice", price(t.low));
  }
  return row.text("volume", size(t.volume_24h))
      .text("quoteVolume", fixed(t.turnover_24h, 6) + "00")
      .number("openTime", close - 86'400'000)
      .number("closeTime", close)
      .number("firstId", static_cast<std::int64_t>(t.first_trade_id))
      .number("lastId", static_cast<std::int64_t>(t.last_trade_id))
      .number("count", static_cast<std::int64_t>(t.last_trade_id - t.first_trade_id + 1))
      .str();
}

std::string symbol_row(const Listing& listing, bool permissions) {
  const Instrument& instrument = listing.instrument;
  const std::string tick = price_text(instrument.tick, instrument);
  const std::string lot = size_text(1, instrument);
  JsonArray filters;
  filters
      .add(JsonObject()
               .text("filterType", "PRICE_FILTER")
               .text("minPrice", tick)
               .text("maxPrice", "1000000.00000000")
               .text("tickSize", tick)
               .str())
      .add(JsonObject()
               .text("filterType", "LOT_SIZE")
               .text("minQty", lot)
               .text("maxQty", "9000000.00000000")
               .text("stepSize", lot)
               .str())
      .add(R"({"filterType":"ICEBERG_PARTS","limit":10})")
      .add(
          R"({"filterType":"MARKET_LOT_SIZE","minQty":"0.00000000","maxQty":"100000.00000000","stepSize":"0.00000000"})")
      .add(
          R"({"filterType":"PERCENT_PRICE_BY_SIDE","bidMultiplierUp":"5","bidMultiplierDown":"0.2","askMultiplierUp":"5","askMultiplierDown":"0.2","avgPriceMins":5})")
      .add(
          R"({"filterType":"NOTIONAL","minNotional":"5.00000000","applyMinToMarket":true,"maxNotional":"9000000.00000000","applyMaxToMarket":false,"avgPriceMins":5})")
      .add(R"({"filterType":"MAX_NUM_ORDERS","maxNumOrders":200})");
  JsonObject row;
  row.text("symbol", symbol_of(instrument))
      .text("status", "TRADING")
      .text("baseAsset", instrument.base)
      .number("baseAssetPrecision", 8)
      .text("quoteAsset", instrument.quote)
      .number("quotePrecision", 8)
      .number("quoteAssetPrecision", 8)
      .number("baseCommissionPrecision", 8)
      .number("quoteCommissionPrecision", 8)
      .raw(
          "orderTypes",
          R"(["LIMIT","LIMIT_MAKER","MARKET","STOP_LOSS","STOP_LOSS_LIMIT","TAKE_PROFIT","TAKE_PROFIT_LIMIT"])")
      .boolean("icebergAllowed", true)
      .boolean("ocoAllowed", true)
      .boolean("otoAllowed", true)
      .boolean("quoteOrderQtyMarketAllowed", true)
      .boolean("allowTrailingStop", true)
      .boolean("cancelReplaceAllowed", true)
      .boolean("amendAllowed", true)
      .boolean("isSpotTradingAllowed", true)
      .boolean("isMarginTradingAllowed", true)
      .raw("filters", filters.str())
      .raw("permissions", "[]")
      .raw("permissionSets", permissions ? R"([["SPOT","MARGIN"]])" : "[]")
      .text("defaultSelfTradePreventionMode", "EXPIRE_MAKER")
      .raw("allowedSelfTradePreventionModes",
           R"(["EXPIRE_TAKER","EXPIRE_MAKER","EXPIRE_BOTH","DECREMENT"])");
  return row.str();
}

HttpAnswer error_answer(int status, int code, std::string_view message) {
  return http_answer(status, JsonObject().number("code", code).text("msg", message).str());
}

HttpAnswer invalid_symbol() { return error_answer(400, -1121, "Invalid symbol."); }

class Binance final : public VenueProtocol {
 public:
  explicit Binance(const VenueContext& context) : VenueProtocol(context) {
    for (const Listing* listing : listings()) {
      by_symbol_.set(symbol_of(listing->instrument), listing);
      second_books_[listing] = listing->book;
      all_.push_back(listing);
    }
  }

  // Streams live under /ws and /stream; the address is the host.
  [[nodiscard]] std::string ws_path() const override { return ""; }

  [[nodiscard]] std::optional<std::uint64_t> sequence(const Listing& listing) const override {
    return listing.book.last_id;
  }

  UpgradeAnswer on_upgrade(const HttpRequest& request) override {
    const std::string& path = request.path;
    const bool raw = path == "/ws" || path.starts_with("/ws/");
    const bool combined = path == "/stream" || path == "/stream/";
    if (!raw && !combined) return {http_answer(404, "")};
    if (!connects_[request.remote].admit(request.now_ms)) {
      violation("connects_per_5m", request.now_ms);
      return {error_answer(429, -1003, "Too many connections.")};
    }
    return {};
  }

  void on_open(Connection& connection, std::int64_t now_ms) override {
    const HttpRequest& request = connection.upgrade();
    auto state = std::make_unique<State>();
    state->combined = request.path.starts_with("/stream");
    const std::string unit = request.parameter("timeUnit").value_or("");
    state->micros = unit == "MICROSECOND" || unit == "microsecond";
    state->opened_ms = now_ms;
    state->next_ping_ms = now_ms + kPingMs;
    const std::string list = state->combined           ? request.parameter("streams").value_or("")
                             : request.path.size() > 4 ? request.path.substr(4)
                                                       : "";
    std::size_t begin = 0;
    while (begin < list.size() && state->streams.size() < kMaxStreams) {
      std::size_t end = list.find('/', begin);
      if (end == std::string::npos) end = list.size();
      const std::string stream = list.substr(begin, end - begin);
      // Anything may stand in the address; what is no stream stays silent.
      if (!stream.empty() && !state->has(stream) && sounds(stream)) {
        state->streams.push_back(stream);
      }
      begin = end + 1;
    }
    connection.state = std::move(state);
  }

  void on_text(Connection& connection, std::string_view text, std::int64_t now_ms) override {
    if (!admit(connection, now_ms)) return;
    const nlohmann::json request = nlohmann::json::parse(text, nullptr, false);
    if (request.is_discarded()) {
      top_error(connection, 3, "Invalid JSON: expected value at line 1 column 1", "");
      return;
    }
    if (!request.is_object()) {
      top_error(connection, 2, "Invalid request: request must be an object", "");
      return;
    }
    std::string id = "null";
    if (const auto at = request.find("id"); at != request.end() && !valid_id(*at, id)) {
      top_error(connection, 2, "Invalid request: request ID must be an integer, a string or null",
                "");
      return;
    }
    const auto method = request.find("method");
    if (method == request.end() || !method->is_string()) {
      top_error(
          connection, 2,
          "Invalid request: missing field `method` at line 1 column " + std::to_string(text.size()),
          id);
      return;
    }
    dispatch(connection, *method, request.value("params", nlohmann::json::array()), id, now_ms);
  }

  void on_ping(Connection& connection, std::string_view, std::int64_t now_ms) override {
    admit(connection, now_ms);
  }

  void on_pong(Connection& connection, std::string_view payload, std::int64_t now_ms) override {
    if (!admit(connection, now_ms)) return;
    State& state = state_of(connection);
    if (state.ping_sent_ms == 0) return;  // unsolicited: allowed, and worth nothing
    if (payload == state.ping_payload) {
      state.ping_sent_ms = 0;
    } else {
      violation("wrong_pong_payload", now_ms);
    }
  }

  void on_book(const BookEvent& event) override {
    const Listing& listing = event.listing;
    const std::string base = stream_base(listing);
    const std::int64_t ts = event.after.ts_ms;
    fan_out(base + "@depth@100ms", &listing, FrameKind::kBook,
            [&](bool micros) { return diff_text(listing, event.before, ts, micros); });
    for (const std::size_t depth : {5, 10, 20}) {
      fan_out(base + "@depth" + std::to_string(depth) + "@100ms", &listing, FrameKind::kBook,
              [&](bool) { return snapshot_text(listing, depth); });
    }
    if (event.touch_changed) {
      fan_out(base + "@bookTicker", &listing, FrameKind::kTicker,
              [&](bool) { return book_ticker_text(listing); });
    }
  }

  void on_ticker(const Listing&) override {}

  /// The 1000 ms streams: everybody's second begins at the same instant.
  void on_instant(std::int64_t ts_ms) override {
    const std::int64_t second = ts_ms / 1000;
    if (second == second_) return;
    const bool first = second_ == 0;
    second_ = second;
    if (first) return;
    JsonArray minis;
    JsonArray minis_micros;
    bool any_mini = false;
    for (const Listing* listing : listings()) {
      const std::string base = stream_base(*listing);
      Book& sent = second_books_[listing];
      if (sent.last_id != listing->book.last_id) {
        for (const char* stream : {"@depth", "@depth@1000ms"}) {
          fan_out(base + stream, listing, FrameKind::kBook,
                  [&](bool micros) { return diff_text(*listing, sent, ts_ms, micros); });
        }
        for (const std::size_t depth : {5, 10, 20}) {
          for (const char* rhythm : {"", "@1000ms"}) {
            fan_out(base + "@depth" + std::to_string(depth) + rhythm, listing, FrameKind::kBook,
                    [&](bool) { return snapshot_text(*listing, depth); });
          }
        }
        sent = listing->book;
      }
      std::int64_t& shown = second_tickers_[listing];
      if (statistics_time(*listing) == shown) continue;
      shown = statistics_time(*listing);
      any_mini = true;
      minis.add(mini_ticker_text(*listing, ts_ms, false));
      minis_micros.add(mini_ticker_text(*listing, ts_ms, true));
      fan_out(base + "@ticker", listing, FrameKind::kTicker,
              [&](bool micros) { return ticker_text(*listing, ts_ms, micros); });
      fan_out(base + "@miniTicker", listing, FrameKind::kTicker,
              [&](bool micros) { return mini_ticker_text(*listing, ts_ms, micros); });
    }
    if (!any_mini) return;
    for (const char* stream : {"!miniTicker@arr", "!miniTicker@arr@1000ms"}) {
      fan_out(stream, nullptr, FrameKind::kTicker,
              [&](bool micros) { return micros ? minis_micros.str() : minis.str(); });
    }
  }

  void on_timer(std::int64_t now_ms) override {
    for (Connection* connection : connections()) {
      State& state = state_of(*connection);
      if (now_ms - state.opened_ms >= kLifetimeMs) {
        state.opened_ms = now_ms;
        connection->close(1001, "24 hours are over");
      } else if (state.ping_sent_ms != 0 && now_ms - state.ping_sent_ms >= kPongDeadlineMs) {
        violation("missing_pong", now_ms);
        state.ping_sent_ms = 0;
        connection->close(1008, "Pong timeout");
      } else if (now_ms >= state.next_ping_ms) {
        state.next_ping_ms = now_ms + kPingMs;
        // A ping still unanswered keeps its deadline; the newest payload counts.
        state.ping_payload = std::to_string(now_ms);
        if (state.ping_sent_ms == 0) state.ping_sent_ms = now_ms;
        connection->ping(state.ping_payload);
      }
    }
  }

  [[nodiscard]] HttpAnswer ban_answer(bool) const override { return refusal(418); }
  [[nodiscard]] HttpAnswer refusal(int status) const override {
    if (status >= 500) return error_answer(status, -1008, "Server is currently overloaded.");
    return error_answer(status, -1003,
                        status == 418 ? "Way too much request weight used; IP banned."
                                      : "Too much request weight used.");
  }
  void announce_maintenance(Connection& connection, bool begins, std::int64_t now_ms) override {
    if (!begins) return;
    const State& state = state_of(connection);
    const std::string event = JsonObject()
                                  .text("e", "serverShutdown")
                                  .number("E", stamp(clock(now_ms), state.micros))
                                  .str();
    connection.send_text(
        state.combined ? JsonObject().text("stream", "!serverShutdown").raw("data", event).str()
                       : event);
  }
  [[nodiscard]] bool works_in_maintenance(const HttpRequest& request) const override {
    return request.path == "/sapi/v1/system/status";
  }

  HttpAnswer on_http(const HttpRequest& request) override {
    const std::int64_t now = request.now_ms;
    if (guards_.size() > 1024) guards_.clear();
    Guard& guard = guards_[request.remote];
    if (now < guard.banned_until_ms) {
      violation("request_while_banned", now);
      return limited(418, guard.banned_until_ms - now, guard);
    }
    HttpRequest current = request;
    // The first version's market data routes still answer as the third's.
    constexpr std::string_view kFirst = "/api/v1/";
    if (current.path.starts_with(kFirst)) {
      current.path.replace(0, kFirst.size(), "/api/v3/");
    }
    const std::int64_t weight = weight_of(current);
    if (!guard.weight.admit(now, weight)) {
      violation("rest_weight_per_minute", now);
      // Going on after 429 is answered with a ban.
      if (++guard.rejected > 10) {
        violation("ignored_429", now);
        guard.rejected = 0;
        guard.banned_until_ms = now + kBanMs;
        return limited(418, kBanMs, guard);
      }
      return limited(429, guard.weight.frees_at(now) - now, guard);
    }
    guard.rejected = 0;
    HttpAnswer result = route(at_venue_clock(current));
    const std::string used = std::to_string(guard.weight.used(now));
    result.headers.emplace_back("X-MBX-USED-WEIGHT", used);
    result.headers.emplace_back("X-MBX-USED-WEIGHT-1M", used);
    return result;
  }

 private:
  struct Guard {
    RateWindow weight{kWeightLimit, 60'000};
    int rejected = 0;
    std::int64_t banned_until_ms = 0;
  };

  static State& state_of(Connection& connection) { return static_cast<State&>(*connection.state); }

  static std::string stream_base(const Listing& listing) {
    return to_lower(symbol_of(listing.instrument));
  }

  /// Five messages a second, pings and pongs included.
  bool admit(Connection& connection, std::int64_t now_ms) {
    if (state_of(connection).messages.admit(now_ms)) return true;
    violation("messages_per_second", now_ms);
    connection.close(1008, "Too many requests");
    return false;
  }

  /// Integers of 64 bits, short strings and null; `text` is the id as it is echoed.
  static bool valid_id(const nlohmann::json& id, std::string& text) {
    constexpr auto kMost = static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max());
    if (id.is_number_unsigned() && id.get<std::uint64_t>() > kMost) return false;
    if (id.is_null() || id.is_number_integer()) {
      text = id.dump();
      return true;
    }
    if (!id.is_string() || id.get_ref<const std::string&>().size() > 36) return false;
    text = id.dump();
    return true;
  }

  static void top_error(Connection& connection, int code, std::string_view message,
                        std::string_view id) {
    JsonObject object;
    object.number("code", code).text("msg", message);
    if (!id.empty()) object.raw("id", id);
    connection.send_text(object.str());
  }

  static void nested_error(Connection& connection, int code, std::string_view message,
                           std::string_view id) {
    connection.send_text(
        JsonObject()
            .raw("error", JsonObject().number("code", code).text("msg", message).str())
            .raw("id", id)
            .str());
  }

  static void result(Connection& connection, std::string_view value, std::string_view id) {
    connection.send_text(JsonObject().raw("result", value).raw("id", id).str());
  }

  /// False for a stream of a listed market that the venue does not admit to know: it stays silent.
  [[nodiscard]] bool sounds(const std::string& stream) const {
    const std::string symbol = to_upper(stream.substr(0, stream.find('@')));
    const auto listed = std::ranges::any_of(
        all_, [&](const Listing* one) { return symbol_of(one->instrument) == symbol; });
    return !listed || by_symbol_.find(symbol) != nullptr;
  }

  /// Whether the name has a stream's form; its symbol need not exist.
  static bool is_stream(const std::string& name) {
    if (name.starts_with("!")) return name.ends_with("@arr") || name.ends_with("@arr@1000ms");
    const std::size_t at = name.find('@');
    if (at == std::string::npos || at == 0) return false;
    const std::string kind = name.substr(at + 1);
    constexpr std::array<std::string_view, 22> kKinds = {
        "depth",          "depth@100ms",    "depth@1000ms",  "depth5",        "depth10",
        "depth20",        "depth5@100ms",   "depth10@100ms", "depth20@100ms", "depth5@1000ms",
        "depth10@1000ms", "depth20@1000ms", "ticker",        "miniTicker",    "bookTicker",
        "trade",          "aggTrade",       "avgPrice",      "ticker_1h",     "ticker_4h",
        "ticker_1d",      "kline_1m"};
    return std::find(kKinds.begin(), kKinds.end(), kind) != kKinds.end() ||
           kind.starts_with("kline_");
  }

  void dispatch(Connection& connection, const std::string& method, const nlohmann::json& params,
                const std::string& id, std::int64_t now_ms) {
    State& state = state_of(connection);
    if (method == "SUBSCRIBE" || method == "UNSUBSCRIBE") {
      change_streams(connection, state, method == "SUBSCRIBE", params, id, now_ms);
    } else if (method == "LIST_SUBSCRIPTIONS") {
      JsonArray list;
      for (const std::string& stream : state.streams) list.add(sim::quoted(stream));
      result(connection, list.str(), id);
    } else if (method == "SET_PROPERTY" || method == "GET_PROPERTY") {
      property(connection, state, method == "SET_PROPERTY", params, id);
    } else {
      top_error(connection, 2,
                "Invalid request: unknown variant `" + method +
                    "`, expected one of `SUBSCRIBE`, `UNSUBSCRIBE`, `LIST_SUBSCRIPTIONS`, "
                    "`SET_PROPERTY`, `GET_PROPERTY` at line 1 column 20",
                id);
    }
  }

  void change_streams(Connection& connection, State& state, bool add, const nlohmann::json& params,
                      const std::string& id, std::int64_t now_ms) {
    if (!params.is_array() || params.empty()) {
      top_error(connection, 2, "Invalid request: missing field `params`", id);
      return;
    }
    std::vector<std::string> names;
    for (const nlohmann::json& param : params) {
      if (!param.is_string() || !is_stream(param.get<std::string>())) {
        nested_error(connection, 2, "Invalid request: invalid stream", id);
        connection.close(1008);
        return;
      }
      names.push_back(param.get<std::string>());
    }
    if (!add) {
      for (const std::string& name : names) std::erase(state.streams, name);
    } else if (state.streams.size() + names.size() > kMaxStreams) {
      violation("too_many_streams", now_ms);
      top_error(connection, 2, "Invalid request: too many streams", id);
      return;
    } else {
      for (const std::string& name : names) {
        if (!state.has(name) && sounds(name)) state.streams.push_back(name);
      }
    }
    result(connection, "null", id);
  }

  static void property(Connection& connection, State& state, bool set, const nlohmann::json& params,
                       const std::string& id) {
    const bool known = params.is_array() && !params.empty() && params[0] == "combined";
    if (!known) {
      top_error(connection, 0, "Unknown property", id);
    } else if (!set) {
      result(connection, state.combined ? "true" : "false", id);
    } else if (params.size() < 2 || !params[1].is_boolean()) {
      top_error(connection, 1, "Invalid value type: expected Boolean", id);
    } else {
      state.combined = params[1].get<bool>();
      result(connection, "null", id);
    }
  }

  /// Builds each of the four spellings once, if anybody wants it.
  template <class Build>
  void fan_out(const std::string& stream, const Listing* listing, FrameKind kind, Build build) {
    std::array<Frame, 4> built;
    for (Connection* connection : connections()) {
      const State& state = state_of(*connection);
      if (!state.has(stream)) continue;
      Frame& frame = built[(state.combined ? 2U : 0U) + (state.micros ? 1U : 0U)];
      if (!frame.payload) {
        std::string text = build(state.micros);
        if (state.combined) {
          text = JsonObject().text("stream", stream).raw("data", text).str();
        }
        frame = {std::make_shared<const std::string>(std::move(text)), false, kind, listing};
      }
      connection->send(frame);
    }
  }

  static HttpAnswer limited(int status, std::int64_t wait_ms, Guard& guard) {
    HttpAnswer result = error_answer(
        status, -1003,
        status == 418 ? "Way too much request weight used; IP banned."
                      : "Too much request weight used; current limit is 6000 request weight per 1 "
                        "MINUTE. Please use WebSocket Streams for live updates to avoid polling.");
    result.headers.emplace_back("Retry-After", std::to_string(wait_ms / 1000 + 1));
    result.headers.emplace_back("X-MBX-USED-WEIGHT-1M", std::to_string(guard.weight.limit()));
    return result;
  }

  static int depth_limit(const HttpRequest& request) {
    const std::optional<std::string> text = request.parameter("limit");
    return text ? std::min(5000, std::atoi(text->c_str())) : 100;
  }

  /// `symbols=["A","B"]`, or nothing when there is none; empty for what is no list of texts.
  static std::optional<std::vector<std::string>> symbol_list(const HttpRequest& request) {
    const std::optional<std::string> text = request.parameter("symbols");
    if (!text) return std::nullopt;
    const nlohmann::json json = nlohmann::json::parse(*text, nullptr, false);
    std::vector<std::string> symbols;
    if (json.is_array()) {
      for (const nlohmann::json& one : json) {
        if (one.is_string()) symbols.push_back(one.get<std::string>());
      }
    }
    return symbols;
  }

  static HttpAnswer illegal_symbols() {
    return error_answer(400, -1100, "Illegal characters found in parameter 'symbols'.");
  }

  static std::int64_t weight_of(const HttpRequest& request) {
    const std::string& path = request.path;
    if (path == "/api/v3/exchangeInfo") return 20;
    if (path == "/api/v3/depth") {
      const int limit = depth_limit(request);
      return limit <= 100 ? 5 : limit <= 500 ? 25 : limit <= 1000 ? 50 : 250;
    }
    if (path == "/api/v3/ticker/24hr") {
      if (request.parameter("symbol")) return 2;
      const auto symbols = symbol_list(request);
      if (!symbols) return 80;
      return symbols->size() <= 20 ? 2 : symbols->size() <= 100 ? 40 : 80;
    }
    if (path == "/api/v3/ticker/bookTicker" || path == "/api/v3/ticker/price") {
      return request.parameter("symbol") ? 2 : 4;
    }
    if (path == "/api/v3/avgPrice") return 2;
    return 1;
  }

  HttpAnswer route(const HttpRequest& request) {
    const std::string& path = request.path;
    if (path == "/api/v3/ping") return http_answer(200, "{}");
    if (path == "/api/v3/time") {
      return http_answer(200, JsonObject().number("serverTime", request.now_ms).str());
    }
    if (path == "/api/v3/exchangeInfo") return exchange_info(request);
    if (path == "/api/v3/depth") return depth(request);
    if (path == "/api/v3/ticker/24hr") {
      const bool mini = request.parameter("type").value_or("FULL") == "MINI";
      return rows(request, [mini](const Listing& l) { return rest_ticker(l, mini); });
    }
    if (path == "/api/v3/ticker/bookTicker") {
      return rows(request, [](const Listing& l) {
        const Level bid = best_of(l.book.bids);
        const Level ask = best_of(l.book.asks);
        return JsonObject()
            .text("symbol", symbol_of(l.instrument))
            .text("bidPrice", price_text(bid.price, l.instrument))
            .text("bidQty", size_text(bid.size, l.instrument))
            .text("askPrice", price_text(ask.price, l.instrument))
            .text("askQty", size_text(ask.size, l.instrument))
            .str();
      });
    }
    if (path == "/api/v3/ticker/price") {
      return rows(request, [](const Listing& l) {
        return JsonObject()
            .text("symbol", symbol_of(l.instrument))
            .text("price", price_text(l.ticker.last, l.instrument))
            .str();
      });
    }
    if (path == "/api/v3/avgPrice") return average_price(request);
    if (path == "/sapi/v1/system/status")
      return http_answer(200, market().maintenance() ? R"({"status":1,"msg":"system_maintenance"})"
                                                     : R"({"status":0,"msg":"normal"})");
    if (path.starts_with("/sapi/")) return error_answer(401, -2014, "API-key format invalid.");
    // No derivatives here; clients that load every market type ask all the same.
    if (path == "/fapi/v1/exchangeInfo" || path == "/dapi/v1/exchangeInfo" ||
        path == "/eapi/v1/exchangeInfo") {
      return http_answer(
          200, R"({"timezone":"UTC","serverTime":)" + std::to_string(request.now_ms) +
                   R"(,"rateLimits":[],"exchangeFilters":[],"assets":[],)"
                   R"("optionContracts":[],"optionAssets":[],"optionSymbols":[],"symbols":[]})");
    }
    if (path == "/bapi/capital/v1/public/capital/getNetworkCoinAll") return networks();
    return http_answer(404, R"({"code":-1000,"msg":"Not found."})");
  }

  HttpAnswer exchange_info(const HttpRequest& request) {
    const std::string status = request.parameter("symbolStatus").value_or("TRADING");
    const bool permissions = request.parameter("showPermissionSets").value_or("true") != "false";
    std::vector<const Listing*> chosen;
    if (const auto symbol = request.parameter("symbol")) {
      const Listing* const found = by_symbol_.find(*symbol);
      if (found == nullptr) return invalid_symbol();
      chosen.push_back(found);
      if (status != "TRADING") {
        return error_answer(400, -1220,
                            "The symbol's status does not match the requested symbolStatus.");
      }
    } else if (const auto symbols = symbol_list(request)) {
      if (symbols->empty()) return illegal_symbols();
      for (const std::string& name : *symbols) {
        const Listing* const found = by_symbol_.find(name);
        if (found == nullptr) return invalid_symbol();
        chosen.push_back(found);
      }
    } else if (status == "TRADING") {
      chosen.assign(listings().begin(), listings().end());
    }
    JsonArray rows;
    for (const Listing* listing : chosen) rows.add(symbol_row(*listing, permissions));
    return http_answer(
        200,
        JsonObject()
            .text("timezone", "UTC")
            .number("serverTime", request.now_ms)
            .raw(
                "rateLimits",
                R"([{"rateLimitType":"REQUEST_WEIGHT","interval":"MINUTE","intervalNum":1,"limit":6000},)"
                R"({"rateLimitType":"ORDERS","interval":"SECOND","intervalNum":10,"limit":100},)"
                R"({"rateLimitType":"ORDERS","interval":"DAY","intervalNum":1,"limit":200000},)"
                R"({"rateLimitType":"RAW_REQUESTS","interval":"MINUTE","intervalNum":5,"limit":61000}])")
            .raw("exchangeFilters", "[]")
            .raw("symbols", rows.str())
            .str());
  }

  HttpAnswer depth(const HttpRequest& request) {
    const std::optional<std::string> symbol = request.parameter("symbol");
    if (!symbol || symbol->empty()) return missing_symbol();
    const Listing* const found = by_symbol_.find(*symbol);
    if (found == nullptr) return invalid_symbol();
    const int limit = depth_limit(request);
    if (limit < 1) {
      return error_answer(
          400, -1100,
          "Illegal characters found in parameter 'limit'; legal range is '^[0-9]{1,20}$'.");
    }
    return http_answer(200, snapshot_text(*found, static_cast<std::size_t>(limit)));
  }

  HttpAnswer average_price(const HttpRequest& request) {
    const std::optional<std::string> symbol = request.parameter("symbol");
    if (!symbol || symbol->empty()) return missing_symbol();
    const Listing* const found = by_symbol_.find(*symbol);
    if (found == nullptr) return invalid_symbol();
    return http_answer(200, JsonObject()
                                .number("mins", 5)
                                .text("price", price_text(found->ticker.last, found->instrument))
                                .number("closeTime", found->ticker.ts_ms)
                                .str());
  }

  static HttpAnswer missing_symbol() {
    return error_answer(400, -1102,
                        "Mandatory parameter 'symbol' was not sent, was empty/null, or malformed.");
  }

  /// One object for `symbol`, an array for `symbols` or none.
  template <class Row>
  HttpAnswer rows(const HttpRequest& request, Row row) {
    const std::string status = request.parameter("symbolStatus").value_or("TRADING");
    if (const auto symbol = request.parameter("symbol")) {
      const Listing* const found = by_symbol_.find(*symbol);
      if (found == nullptr) return invalid_symbol();
      if (status != "TRADING") {
        return error_answer(400, -1220,
                            "The symbol's status does not match the requested symbolStatus.");
      }
      return http_answer(200, row(*found));
    }
    JsonArray list;
    if (const auto symbols = symbol_list(request)) {
      if (symbols->empty()) return illegal_symbols();
      for (const std::string& name : *symbols) {
        const Listing* const found = by_symbol_.find(name);
        if (found == nullptr) return invalid_symbol();
        list.add(row(*found));
      }
    } else if (status == "TRADING") {
      for (const Listing* listing : listings()) list.add(row(*listing));
    }
    return http_answer(200, list.str());
  }

  HttpAnswer networks() {
    JsonArray coins;
    const auto coin = [&](const std::string& name, std::initializer_list<const char*> chains,
                          const std::string& fee) {
      const WalletState wallet = market().wallet(name);
      JsonArray list;
      for (const char* chain : chains) {
        list.add(JsonObject()
                     .text("network", *chain == '\0' ? name : std::string(chain))
                     .text("coin", name)
                     .boolean("depositEnable", wallet.deposit)
                     .boolean("withdrawEnable", wallet.withdraw)
                     .text("withdrawFee", fee)
                     .text("withdrawMin", fee)
                     .str());
      }
      coins.add(JsonObject().text("coin", name).raw("networkList", list.str()).str());
    };
    for (const Listing* listing : listings()) {
      const double dollars = to_double(listing->ticker.open, listing->instrument.price_decimals);
      coin(listing->instrument.base, {""}, trimmed(1.5 / dollars, 8));
    }
    coin("USDT", {"ETH", "TRX"}, "1");
    return http_answer(200, R"({"code":"000000","message":null,"data":)" + coins.str() + "}");
  }

  SymbolIndex by_symbol_{market()};
  std::vector<const Listing*> all_;                        // also those that left the lists
  std::map<const Listing*, Book> second_books_;            // as of the last full second
  std::map<const Listing*, std::int64_t> second_tickers_;  // statistics time last shown
  std::int64_t second_ = 0;
  std::map<std::string, Guard> guards_;
  KeyedRate connects_{300, 300'000};
};

}  // namespace

std::unique_ptr<VenueProtocol> make_binance(const VenueContext& context) {
  return std::make_unique<Binance>(context);
}

}  // namespace spreadwatch::sim
