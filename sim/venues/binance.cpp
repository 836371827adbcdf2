// Binance: spot streams and REST v3 (docs of 2026-07). The server pings, ids are ranges, and an
// unknown symbol is acknowledged and then silent.

#include <algorithm>
#include <array>
#include <limits>
#include <map>
#include <nlohmann/json.hpp>

#include "sim/format.h"
#include "sim/venues.h"
#include "sim/venues/binance_rest.h"
#include "sim/venues/binance_text.h"

namespace spreadwatch::sim {
namespace {

using namespace binance;

constexpr std::int64_t kPingMs = 20'000;
constexpr std::int64_t kPongDeadlineMs = 60'000;
constexpr std::int64_t kLifetimeMs = 24LL * 3'600'000;
constexpr std::size_t kMaxStreams = 1024;
constexpr std::int64_t kWeightLimit = 6'000;
constexpr std::int64_t kBanMs = 120'000;

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
    const std::int64_t weight = BinanceRest::weight_of(current);
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
    HttpAnswer result = routes_.route(at_venue_clock(current));
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

  SymbolIndex by_symbol_{market()};
  BinanceRest routes_{market()};
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
