// Kraken: websocket v2 and public REST (https://docs.kraken.com/api, state of 2026-09). Prices and
// quantities are JSON numbers with all their decimals, since the CRC-32 of the ten best levels is
// taken over that text; no sequence numbers; levels beyond the depth are left to the client to
// drop; one acknowledgement or error per symbol; REST still uses legacy names such as XXBTZUSD.

#include <algorithm>
#include <array>
#include <map>
#include <nlohmann/json.hpp>
#include <set>

#include "sim/format.h"
#include "sim/venues.h"
#include "sim/venues/kraken_rest.h"
#include "sim/venues/kraken_text.h"

namespace spreadwatch::sim {
namespace {

using namespace kraken;

constexpr std::int64_t kHeartbeatMs = 1'000;
constexpr std::int64_t kIdleMs = 60'000;
constexpr std::int64_t kBanMs = 600'000;
constexpr std::array<int, 5> kDepths = {10, 25, 100, 500, 1000};

enum class Channel : std::uint8_t { kBook, kTicker, kInstrument, kQuiet };
enum class Trigger : std::uint8_t { kTrades, kBbo };

struct State : ConnectionState {
  std::map<const Listing*, int> books;  // depth
  std::map<const Listing*, Trigger> tickers;
  std::set<std::pair<std::string, const Listing*>> quiet;  // channels this market has nothing for
  bool instrument = false;
  std::int64_t last_sent_ms = 0;
  std::int64_t last_heard_ms = 0;
  RateWindow requests{200, 1'000};

  [[nodiscard]] bool subscribed() const {
    return instrument || !books.empty() || !tickers.empty() || !quiet.empty();
  }
};

/// Members of a request, absent or of another type alike.
std::string text_member(const nlohmann::json& object, const char* key) {
  const auto at = object.find(key);
  return at != object.end() && at->is_string() ? at->get<std::string>() : std::string();
}

class Kraken final : public VenueProtocol {
 public:
  explicit Kraken(const VenueContext& context) : VenueProtocol(context) {
    for (const Listing* listing : listings()) {
      by_symbol_.set(symbol_of(listing->instrument), listing);
    }
  }

  [[nodiscard]] std::string ws_path() const override { return "/v2"; }

  UpgradeAnswer on_upgrade(const HttpRequest& request) override {
    if (request.path != "/v2" && request.path != "/v2/") return {text_answer(404, "Not Found")};
    const auto ban = banned_until_.find(request.remote);
    if (ban != banned_until_.end() && request.now_ms < ban->second) {
      violation("connect_while_banned", request.now_ms);
      return {text_answer(429, "error code: 1015")};
    }
    if (!connects_[request.remote].admit(request.now_ms)) {
      violation("connects_per_10m", request.now_ms);
      if (banned_until_.size() > 1024) banned_until_.clear();
      banned_until_[request.remote] = request.now_ms + kBanMs;
      return {text_answer(429, "error code: 1015")};
    }
    return {};
  }

  void on_open(Connection& connection, std::int64_t now_ms) override {
    auto state = std::make_unique<State>();
    state->last_sent_ms = state->last_heard_ms = now_ms;
    connection.state = std::move(state);
    connection.send_text(status_frame(connection));
  }

  void on_text(Connection& connection, std::string_view text, std::int64_t now_ms) override {
    State& state = state_of(connection);
    state.last_heard_ms = state.last_sent_ms = now_ms;
    const nlohmann::json request = nlohmann::json::parse(text, nullptr, false);
    Reply reply{connection, {}, {}, clock(now_ms)};
    if (!request.is_object()) {
      fail(reply, "Malformed request");
      return;
    }
    reply.method = text_member(request, "method");
    if (const auto id = request.find("req_id"); id != request.end() && !id->is_null()) {
      if (!id->is_number_integer()) {
        fail(reply, "Malformed request");
        return;
      }
      reply.req_id = id->dump();
    }
    if (!state.requests.admit(now_ms)) {
      violation("messages_per_second", now_ms);
      fail(reply, "Exceeded msg rate");
      return;
    }
    if (reply.method == "ping") {
      pong(reply);
    } else if (reply.method == "subscribe" || reply.method == "unsubscribe") {
      const auto params = request.find("params");
      if (params == request.end() || !params->is_object()) {
        fail(reply, "Malformed request");
      } else if (reply.method == "subscribe") {
        subscribe(reply, state, *params);
      } else {
        unsubscribe(reply, state, *params);
      }
    } else {
      fail(reply, "Method not supported");
    }
  }

  void on_ping(Connection& connection, std::string_view, std::int64_t now_ms) override {
    state_of(connection).last_heard_ms = now_ms;
  }

  void on_book(const BookEvent& event) override {
    const Listing& listing = event.listing;
    std::array<Frame, kDepths.size()> frames;
    for (Connection* connection : connections()) {
      State& state = state_of(*connection);
      const auto book = state.books.find(&listing);
      if (book == state.books.end()) continue;
      const auto place = static_cast<std::size_t>(
          std::find(kDepths.begin(), kDepths.end(), book->second) - kDepths.begin());
      Frame& frame = frames.at(place);
      if (!frame.payload)
        frame = data_frame(book_update(event, book->second), FrameKind::kBook, listing);
      connection->send(frame);
      state.last_sent_ms = std::max(state.last_sent_ms, wall(event.after.ts_ms));
    }
    const auto moved = [](const std::vector<Level>& from, const std::vector<Level>& to) {
      return from.empty() || to.empty() || from.front().price != to.front().price;
    };
    if (moved(event.before.bids, event.after.bids) || moved(event.before.asks, event.after.asks)) {
      push_ticker(listing, Trigger::kBbo, event.after.ts_ms);
    }
  }

  void on_ticker(const Listing& listing) override {
    push_ticker(listing, Trigger::kTrades, listing.ticker.ts_ms);
  }

  void on_timer(std::int64_t now_ms) override {
    Frame heartbeat;
    for (Connection* connection : connections()) {
      State& state = state_of(*connection);
      if (state.subscribed()) {
        if (now_ms - state.last_sent_ms < kHeartbeatMs) continue;
        if (!heartbeat.payload) {
          heartbeat = {std::make_shared<const std::string>(R"({"channel":"heartbeat"})"), false,
                       FrameKind::kHeartbeat, nullptr};
        }
        connection->send(heartbeat);
        state.last_sent_ms = now_ms;
      } else if (now_ms - state.last_heard_ms >= kIdleMs) {
        violation("idle_timeout", now_ms);
        state.last_heard_ms = now_ms;
        connection->close(1000);
      }
    }
  }

  [[nodiscard]] HttpAnswer ban_answer(bool) const override { return refusal(429); }
  [[nodiscard]] HttpAnswer refusal(int status) const override {
    if (status < 500) return text_answer(status, "error code: 1015");
    HttpAnswer refused = failed("EService:Unavailable");
    refused.status = status;
    return refused;
  }
  void announce_maintenance(Connection& connection, bool, std::int64_t) override {
    connection.send_text(status_frame(connection));
  }
  [[nodiscard]] bool maintenance_disconnects() const override { return false; }
  [[nodiscard]] bool works_in_maintenance(const HttpRequest& request) const override {
    return request.path == "/0/public/SystemStatus" || request.path == "/0/public/Time";
  }
  void on_delisted(const Listing& listing) override {
    const std::string frame =
        channel_frame("instrument", "update",
                      JsonObject()
                          .raw("assets", "[]")
                          .raw("pairs", "[" + pair_info(listing.instrument, "delisted") + "]")
                          .str());
    for (Connection* connection : connections()) {
      if (state_of(*connection).instrument) connection->send_text(frame);
    }
  }

  HttpAnswer on_http(const HttpRequest& request) override {
    if (!rest_[request.remote].admit(request.now_ms)) {
      violation("rest_requests", request.now_ms);
      return failed("EGeneral:Too many requests");
    }
    return routes_.route(request);
  }

 private:
  /// What every answer to one request repeats.
  struct Reply {
    Connection& connection;
    std::string method;
    std::string req_id;  // JSON text, empty when not sent
    std::int64_t now_ms;
  };

  static State& state_of(Connection& connection) { return static_cast<State&>(*connection.state); }

  [[nodiscard]] std::string status_frame(const Connection& connection) const {
    // Unsigned and above 2^53, where a double no longer holds it.
    const std::uint64_t id = 9'471'984'923'908'980'762ULL + connection.id() * 1'000'003ULL;
    const std::string row = JsonObject()
                                .text("version", "2.0.10")
                                .text("system", system_status(market()))
                                .text("api_version", "v2")
                                .raw("connection_id", std::to_string(id))
                                .str();
    return channel_frame("status", "update", "[" + row + "]");
  }

  static Frame data_frame(std::string text, FrameKind kind, const Listing& listing) {
    return {std::make_shared<const std::string>(std::move(text)), false, kind, &listing};
  }

  /// Keys stand in alphabetical order. `time_out` is when the answer left, a little later.
  static void finish(const Reply& reply, JsonObject& object, bool success,
                     const std::string& symbol) {
    object.boolean("success", success);
    if (!symbol.empty()) object.text("symbol", symbol);
    object.text("time_in", rfc3339_micros(reply.now_ms * 1000 + 101))
        .text("time_out", rfc3339_micros(reply.now_ms * 1000 + 153));
    reply.connection.send_text(object.str());
  }

  static void fail(const Reply& reply, std::string_view error, const std::string& symbol = {}) {
    JsonObject object;
    object.text("error", error);
    if (!reply.method.empty()) object.text("method", reply.method);
    if (!reply.req_id.empty()) object.raw("req_id", reply.req_id);
    finish(reply, object, false, symbol);
  }

  static void acknowledge(const Reply& reply, const std::string& result) {
    JsonObject object;
    object.text("method", reply.method);
    if (!reply.req_id.empty()) object.raw("req_id", reply.req_id);
    object.raw("result", result);
    finish(reply, object, true, {});
  }

  static void pong(const Reply& reply) {
    JsonObject object;
    object.text("method", "pong");
    if (!reply.req_id.empty()) object.raw("req_id", reply.req_id);
    object.text("time_in", rfc3339_micros(reply.now_ms * 1000 + 101))
        .text("time_out", rfc3339_micros(reply.now_ms * 1000 + 125));
    reply.connection.send(
        {std::make_shared<const std::string>(object.str()), false, FrameKind::kHeartbeat, nullptr});
  }

  static std::optional<Channel> channel_of(const std::string& name) {
    if (name == "book") return Channel::kBook;
    if (name == "ticker") return Channel::kTicker;
    if (name == "instrument") return Channel::kInstrument;
    if (name == "trade" || name == "ohlc") return Channel::kQuiet;
    return std::nullopt;
  }

  /// Nothing when it is no list of texts.
  static std::optional<std::vector<std::string>> symbols_of(const nlohmann::json& params) {
    const auto at = params.find("symbol");
    if (at == params.end() || !at->is_array() || at->empty()) return std::nullopt;
    std::vector<std::string> symbols;
    for (const nlohmann::json& symbol : *at) {
      if (!symbol.is_string()) return std::nullopt;
      symbols.push_back(symbol.get<std::string>());
    }
    return symbols;
  }

  /// The depth asked for, 10 when none is; nothing when it is not one of the five.
  static std::optional<int> depth_of(const nlohmann::json& params) {
    const auto at = params.find("depth");
    if (at == params.end() || at->is_null()) return kDepths.front();
    if (!at->is_number_integer()) return std::nullopt;
    for (const int depth : kDepths) {
      if (*at == depth) return depth;
    }
    return std::nullopt;
  }

  /// False after an error has been sent.
  static bool read_request(const Reply& reply, const nlohmann::json& params, Channel& channel,
                           int& depth, std::vector<std::string>& symbols) {
    const std::optional<Channel> known = channel_of(text_member(params, "channel"));
    if (!known) {
      fail(reply, "Channel not supported");
      return false;
    }
    channel = *known;
    if (channel == Channel::kInstrument) return true;
    const auto names = symbols_of(params);
    if (!names) {
      fail(reply, "Symbol(s) must be a non-empty list");
      return false;
    }
    symbols = *names;
    if (channel == Channel::kBook) {
      const std::optional<int> wanted = depth_of(params);
      if (!wanted) {
        fail(reply, "Subscription depth not supported");
        return false;
      }
      depth = *wanted;
    }
    return true;
  }

  void subscribe(const Reply& reply, State& state, const nlohmann::json& params) {
    Channel channel{};
    int depth = 0;
    std::vector<std::string> symbols;
    if (!read_request(reply, params, channel, depth, symbols)) return;
    const auto flag = params.find("snapshot");
    const bool snapshot = flag == params.end() || !flag->is_boolean() || flag->get<bool>();
    if (channel == Channel::kInstrument) {
      subscribe_instrument(reply, state, snapshot);
      return;
    }
    const std::string trigger_name = text_member(params, "event_trigger");
    if (channel == Channel::kTicker && !trigger_name.empty() && trigger_name != "trades" &&
        trigger_name != "bbo") {
      fail(reply, "Event trigger not supported");
      return;
    }
    const Trigger trigger = trigger_name == "bbo" ? Trigger::kBbo : Trigger::kTrades;
    for (const std::string& symbol : symbols) {
      const Listing* const found = by_symbol_.find(symbol);
      if (found == nullptr) {
        fail(reply, "Currency pair not supported " + symbol, symbol);
        continue;
      }
      const Listing& listing = *found;
      JsonObject acknowledged;
      acknowledged.text("channel", text_member(params, "channel"));
      bool fresh = false;
      if (channel == Channel::kBook) {
        fresh = state.books.emplace(&listing, depth).second;
        acknowledged.number("depth", depth);
      } else if (channel == Channel::kTicker) {
        fresh = state.tickers.emplace(&listing, trigger).second;
        acknowledged.text("event_trigger", trigger == Trigger::kBbo ? "bbo" : "trades");
      } else {
        fresh = state.quiet.emplace(text_member(params, "channel"), &listing).second;
        if (const auto interval = params.find("interval");
            interval != params.end() && interval->is_number_integer()) {
          acknowledged.raw("interval", interval->dump());
        }
      }
      if (!fresh) {
        fail(reply, "Already subscribed", symbol);
        continue;
      }
      acknowledge(reply, acknowledged.boolean("snapshot", snapshot).text("symbol", symbol).str());
      if (!snapshot) continue;
      if (channel == Channel::kBook) {
        reply.connection.send(data_frame(book_snapshot(listing, depth), FrameKind::kBook, listing));
      } else if (channel == Channel::kTicker) {
        const std::int64_t ts_ms = trigger == Trigger::kBbo
                                       ? std::max(listing.ticker.ts_ms, listing.book.touch_ts_ms)
                                       : listing.ticker.ts_ms;
        reply.connection.send(
            data_frame(ticker_frame("snapshot", listing, ts_ms), FrameKind::kTicker, listing));
      }
    }
  }

  void subscribe_instrument(const Reply& reply, State& state, bool snapshot) {
    if (state.instrument) {
      fail(reply, "Already subscribed");
      return;
    }
    state.instrument = true;
    acknowledge(reply, JsonObject()
                           .text("channel", "instrument")
                           .boolean("snapshot", snapshot)
                           .raw("warnings", R"(["tick_size is deprecated, use price_increment"])")
                           .str());
    if (!snapshot) return;
    JsonArray assets;
    for (const std::string& name : assets_) assets.add(asset_info(name, market().wallet(name)));
    JsonArray pairs;
    for (const Listing* listing : listings()) pairs.add(pair_info(listing->instrument));
    // An object here, where every other channel has a list.
    reply.connection.send_text(
        channel_frame("instrument", "snapshot",
                      JsonObject().raw("assets", assets.str()).raw("pairs", pairs.str()).str()));
  }

  void unsubscribe(const Reply& reply, State& state, const nlohmann::json& params) {
    Channel channel{};
    int depth = 0;
    std::vector<std::string> symbols;
    if (!read_request(reply, params, channel, depth, symbols)) return;
    const std::string name = text_member(params, "channel");
    if (channel == Channel::kInstrument) {
      if (!state.instrument) {
        fail(reply, "Subscription Not Found");
        return;
      }
      state.instrument = false;
      acknowledge(reply, JsonObject().text("channel", name).str());
      return;
    }
    for (const std::string& symbol : symbols) {
      const Listing* const found = by_symbol_.find(symbol);
      if (found == nullptr) {
        fail(reply, "Currency pair not supported " + symbol, symbol);
        continue;
      }
      JsonObject acknowledged;
      acknowledged.text("channel", name);
      bool gone = false;
      if (channel == Channel::kBook) {
        // Another depth is another subscription: the running one stays.
        const auto book = state.books.find(found);
        gone = book != state.books.end() && book->second == depth;
        if (gone) state.books.erase(book);
        acknowledged.number("depth", depth);
      } else if (channel == Channel::kTicker) {
        const auto ticker = state.tickers.find(found);
        gone = ticker != state.tickers.end();
        if (gone) {
          acknowledged.text("event_trigger", ticker->second == Trigger::kBbo ? "bbo" : "trades");
          state.tickers.erase(ticker);
        }
      } else {
        gone = state.quiet.erase({name, found}) > 0;
      }
      if (gone) {
        acknowledge(reply, acknowledged.text("symbol", symbol).str());
      } else {
        fail(reply, "Subscription Not Found", symbol);
      }
    }
  }

  void push_ticker(const Listing& listing, Trigger trigger, std::int64_t ts_ms) {
    Frame frame;
    for (Connection* connection : connections()) {
      State& state = state_of(*connection);
      const auto ticker = state.tickers.find(&listing);
      if (ticker == state.tickers.end() || ticker->second != trigger) continue;
      if (!frame.payload) {
        frame = data_frame(ticker_frame("update", listing, ts_ms), FrameKind::kTicker, listing);
      }
      connection->send(frame);
      state.last_sent_ms = std::max(state.last_sent_ms, wall(ts_ms));
    }
  }

  SymbolIndex by_symbol_{market()};
  KrakenRest routes_{market()};
  std::vector<std::string> assets_ = assets_of(listings());
  std::map<std::string, std::int64_t> banned_until_;
  KeyedRate connects_{150, 600'000};
  KeyedRate rest_{30, 30'000};
};

}  // namespace

std::unique_ptr<VenueProtocol> make_kraken(const VenueContext& context) {
  return std::make_unique<Kraken>(context);
}

}  // namespace spreadwatch::sim
