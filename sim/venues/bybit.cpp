// Bybit: API v5 spot, public websocket and REST (docs of 2026-07). JSON ping, at most ten topics a
// request, and one bad topic fails them all.

#include <algorithm>
#include <cctype>
#include <map>
#include <nlohmann/json.hpp>
#include <set>

#include "sim/format.h"
#include "sim/venues.h"

namespace spreadwatch::sim {
namespace {

constexpr std::size_t kMaxArgs = 10;
constexpr std::size_t kMaxArgCharacters = 21'000;  // of all topics of one connection
constexpr std::int64_t kIdleMs = 600'000;
constexpr std::int64_t kRepeatMs = 3'000;  // orderbook.1 without a change is sent again
constexpr std::int64_t kBanMs = 600'000;
constexpr std::int64_t kRestLimit = 600;
constexpr std::string_view kStatusPath = "/v5/public/misc/status";
constexpr std::string_view kStatusTopic = "system.status";

struct Topic {
  enum Kind : std::uint8_t { kTicker, kBook, kFullBook, kQuiet } kind = kQuiet;
  std::size_t depth = 0;
  const Listing* listing = nullptr;
};

struct State : ConnectionState {
  std::string conn_id;
  std::map<std::string, Topic> topics;
  std::size_t characters = 0;
  std::int64_t last_activity_ms = 0;
};

std::string symbol_of(const Instrument& instrument) { return instrument.base + instrument.quote; }

std::string side_text(const std::vector<Level>& side, const Instrument& instrument,
                      std::size_t depth) {
  JsonArray rows;
  for (std::size_t i = 0; i < std::min(depth, side.size()); ++i) {
    rows.add("[\"" + trimmed(side[i].price, instrument.price_decimals) + "\",\"" +
             trimmed(side[i].size, instrument.size_decimals) + "\"]");
  }
  return rows.str();
}

/// A level that left the window is deleted like one that left the book.
std::string side_text(const std::vector<LevelChange>& side, const Instrument& instrument) {
  JsonArray rows;
  for (const LevelChange& change : side) {
    rows.add("[\"" + trimmed(change.level.price, instrument.price_decimals) + "\",\"" +
             trimmed(change.level.size, instrument.size_decimals) + "\"]");
  }
  return rows.str();
}

std::string book_data(const Listing& listing, std::string_view bids, std::string_view asks) {
  return JsonObject()
      .text("s", symbol_of(listing.instrument))
      .raw("b", bids)
      .raw("a", asks)
      .number("u", static_cast<std::int64_t>(listing.book.revision))
      .number("seq", static_cast<std::int64_t>(listing.book.last_id))
      .str();
}

std::string book_text(const std::string& topic, std::string_view type, const Listing& listing,
                      std::string_view data) {
  return JsonObject()
      .text("topic", topic)
      .number("ts", listing.book.ts_ms)
      .text("type", type)
      .raw("data", data)
      .number("cts", listing.book.ts_ms)
      .str();
}

std::string snapshot_text(const std::string& topic, const Listing& listing, std::size_t depth) {
  return book_text(topic, "snapshot", listing,
                   book_data(listing, side_text(listing.book.bids, listing.instrument, depth),
                             side_text(listing.book.asks, listing.instrument, depth)));
}

/// Ratio with four decimals.
std::string change_ratio(const Ticker& ticker) {
  if (ticker.open == 0) return "0";
  return trimmed(static_cast<double>(ticker.last - ticker.open) / static_cast<double>(ticker.open),
                 4);
}

std::string ticker_text(const std::string& topic, const Listing& listing) {
  const Instrument& instrument = listing.instrument;
  const Ticker& t = listing.ticker;
  const auto price = [&](std::int64_t v) { return trimmed(v, instrument.price_decimals); };
  const std::string data = JsonObject()
                               .text("symbol", symbol_of(instrument))
                               .text("lastPrice", price(t.last))
                               .text("highPrice24h", price(t.high))
                               .text("lowPrice24h", price(t.low))
                               .text("prevPrice24h", price(t.open))
                               .text("volume24h", trimmed(t.volume_24h, instrument.size_decimals))
                               .text("turnover24h", trimmed(t.turnover_24h, 4))
                               .text("price24hPcnt", change_ratio(t))
                               .text("usdIndexPrice", price(t.last))
                               .str();
  return JsonObject()
      .text("topic", topic)
      .number("ts", t.ts_ms)
      .text("type", "snapshot")
      .number("cs", static_cast<std::int64_t>(t.last_trade_id))
      .raw("data", data)
      .str();
}

std::string ticker_row(const Listing& listing) {
  const Instrument& instrument = listing.instrument;
  const Ticker& t = listing.ticker;
  const auto price = [&](std::int64_t v) { return trimmed(v, instrument.price_decimals); };
  const auto size = [&](std::int64_t v) { return trimmed(v, instrument.size_decimals); };
  return JsonObject()
      .text("symbol", symbol_of(instrument))
      .text("bid1Price", price(best_of(listing.book.bids).price))
      .text("bid1Size", size(best_of(listing.book.bids).size))
      .text("ask1Price", price(best_of(listing.book.asks).price))
      .text("ask1Size", size(best_of(listing.book.asks).size))
      .text("lastPrice", price(t.last))
      .text("prevPrice24h", price(t.open))
      .text("price24hPcnt", change_ratio(t))
      .text("highPrice24h", price(t.high))
      .text("lowPrice24h", price(t.low))
      .text("turnover24h", trimmed(t.turnover_24h, 4))
      .text("volume24h", size(t.volume_24h))
      .text("usdIndexPrice", price(t.last))
      .str();
}

std::string instrument_row(const Listing& listing) {
  const Instrument& instrument = listing.instrument;
  const std::string lot = trimmed(1, instrument.size_decimals);
  return JsonObject()
      .text("symbol", symbol_of(instrument))
      .number("symbolId", 100 + static_cast<std::int64_t>(instrument.index))
      .text("baseCoin", instrument.base)
      .text("quoteCoin", instrument.quote)
      .text("innovation", "0")
      .text("symbolType", "")
      .text("status", "Trading")
      .text("marginTrading", "utaOnly")
      .text("stTag", "0")
      .raw("lotSizeFilter", JsonObject()
                                .text("basePrecision", lot)
                                .text("quotePrecision", "0.0000001")
                                .text("minOrderQty", lot)
                                .text("maxOrderQty", "1000000000")
                                .text("minOrderAmt", "5")
                                .text("maxOrderAmt", "8000000")
                                .text("maxLimitOrderQty", "1000000000")
                                .text("maxMarketOrderQty", "500000000")
                                .text("postOnlyMaxLimitOrderSize", "1000000000")
                                .str())
      .raw("priceFilter",
           JsonObject().text("tickSize", trimmed(instrument.tick, instrument.price_decimals)).str())
      .raw("riskParameters",
           JsonObject().text("priceLimitRatioX", "0.01").text("priceLimitRatioY", "0.02").str())
      .str();
}

HttpAnswer envelope(const HttpRequest& request, std::string_view result, int code = 0,
                    std::string_view message = "OK", int status = 200) {
  HttpAnswer answer;
  answer.status = status;
  answer.content_type = "application/json; charset=utf-8";
  answer.body = JsonObject()
                    .number("retCode", code)
                    .text("retMsg", message)
                    .raw("result", result)
                    .raw("retExtInfo", "{}")
                    .number("time", request.now_ms)
                    .str();
  return answer;
}

class Bybit final : public VenueProtocol {
 public:
  explicit Bybit(const VenueContext& context) : VenueProtocol(context) {
    for (const Listing* listing : listings())
      by_symbol_.set(symbol_of(listing->instrument), listing);
  }

  [[nodiscard]] std::string ws_path() const override { return "/v5/public/spot"; }

  /// All depths and REST share one `u`: every event reaches the ten best levels.
  [[nodiscard]] std::optional<std::uint64_t> sequence(const Listing& listing) const override {
    return listing.book.revision;
  }

  UpgradeAnswer on_upgrade(const HttpRequest& request) override {
    if (request.path != ws_path() && request.path != kStatusPath) {
      return {text_answer(404, "404 page not found")};
    }
    if (!connects_[request.remote].admit(request.now_ms)) {
      violation("connects_per_5m", request.now_ms);
      return {text_answer(403, "access too frequent")};
    }
    return {};
  }

  void on_open(Connection& connection, std::int64_t now_ms) override {
    auto state = std::make_unique<State>();
    state->conn_id = "d9avtmrvu99oj2ihe620-" + std::to_string(connection.id());
    state->last_activity_ms = now_ms;
    connection.state = std::move(state);
  }

  void on_text(Connection& connection, std::string_view text, std::int64_t now_ms) override {
    State& state = state_of(connection);
    state.last_activity_ms = now_ms;
    const nlohmann::json request = nlohmann::json::parse(text, nullptr, false);
    const auto member = [&](const char* key) -> std::string {
      if (!request.is_object()) return {};
      const auto at = request.find(key);
      if (at == request.end()) return {};
      return at->is_string() ? at->get<std::string>() : at->is_number() ? at->dump() : "";
    };
    const std::string op = member("op");
    const std::string req_id = member("req_id");
    if (!request.is_object()) {
      reply(connection, false, "error:json unmarshal failed", req_id, op);
    } else if (op == "ping") {
      connection.send({std::make_shared<const std::string>(JsonObject()
                                                               .boolean("success", true)
                                                               .text("ret_msg", "pong")
                                                               .text("conn_id", state.conn_id)
                                                               .text("op", "ping")
                                                               .str()),
                       false, FrameKind::kHeartbeat, nullptr});
    } else if (op == "subscribe" || op == "unsubscribe") {
      std::vector<std::string> args;
      if (const auto at = request.find("args"); at != request.end() && at->is_array()) {
        for (const nlohmann::json& arg : *at) {
          if (arg.is_string()) args.push_back(arg.get<std::string>());
        }
      }
      if (op == "subscribe") {
        subscribe(connection, state, args, req_id, now_ms);
      } else {
        unsubscribe(connection, state, args, req_id);
      }
    } else {
      reply(connection, false, "error:op not supported", req_id, op);
    }
  }

  void on_ping(Connection& connection, std::string_view, std::int64_t now_ms) override {
    state_of(connection).last_activity_ms = now_ms;
  }

  void on_book(const BookEvent& event) override {
    const Listing& listing = event.listing;
    const std::string symbol = symbol_of(listing.instrument);
    for (const std::size_t depth : {50, 200, 1000}) {
      fan_out("orderbook." + std::to_string(depth) + "." + symbol, listing, FrameKind::kBook,
              [&](const std::string& topic) { return delta_text(topic, event, depth); });
    }
    fan_out("orderbook.full." + symbol, listing, FrameKind::kBook,
            [&](const std::string& topic) { return delta_text(topic, event, 0); });
    if (event.touch_changed) send_touch(listing, event.after.ts_ms);
  }

  void on_ticker(const Listing& listing) override {
    fan_out("tickers." + symbol_of(listing.instrument), listing, FrameKind::kTicker,
            [&](const std::string& topic) { return ticker_text(topic, listing); });
  }

  void on_instant(std::int64_t ts_ms) override {
    for (const Listing* listing : listings()) {
      if (ts_ms - touches_[listing].sent_ms >= kRepeatMs) send_touch(*listing, ts_ms);
    }
  }

  void on_timer(std::int64_t now_ms) override {
    for (Connection* connection : connections()) {
      State& state = state_of(*connection);
      if (now_ms - state.last_activity_ms < kIdleMs) continue;
      violation("idle_timeout", now_ms);
      state.last_activity_ms = now_ms;
      connection->close(1000);
    }
  }

  void announce_maintenance(Connection& connection, bool, std::int64_t now_ms) override {
    if (!state_of(connection).topics.contains(std::string(kStatusTopic))) return;
    connection.send_text(JsonObject()
                             .text("topic", kStatusTopic)
                             .number("ts", clock(now_ms))
                             .raw("data", "[" + maintenance_row(clock(now_ms)) + "]")
                             .str());
  }
  [[nodiscard]] bool works_in_maintenance(const HttpRequest& request) const override {
    return request.path == "/v5/system/status";
  }
  [[nodiscard]] HttpAnswer ban_answer(bool) const override { return refusal(403); }
  [[nodiscard]] HttpAnswer refusal(int status) const override {
    return text_answer(status, status < 500 ? "access too frequent" : "service unavailable");
  }

  HttpAnswer on_http(const HttpRequest& request) override {
    if (request.now_ms < banned_until_[request.remote]) {
      violation("ignored_403", request.now_ms);
      return text_answer(403, "access too frequent");
    }
    RateWindow& rate = rest_[request.remote];
    if (!rate.admit(request.now_ms)) {
      violation("rest_requests_per_5s", request.now_ms);
      if (banned_until_.size() > 1024) banned_until_.clear();
      banned_until_[request.remote] = request.now_ms + kBanMs;
      return text_answer(403, "access too frequent");
    }
    HttpAnswer result = route(at_venue_clock(request));
    result.headers.emplace_back("X-Bapi-Limit", std::to_string(kRestLimit));
    result.headers.emplace_back("X-Bapi-Limit-Status",
                                std::to_string(kRestLimit - rate.used(request.now_ms)));
    result.headers.emplace_back("X-Bapi-Limit-Reset-Timestamp",
                                std::to_string(rate.frees_at(request.now_ms)));
    return result;
  }

 private:
  struct Touch {
    std::uint64_t revision = 0;  // of the book the last orderbook.1 push showed
    std::int64_t sent_ms = 0;
  };

  static State& state_of(Connection& connection) { return static_cast<State&>(*connection.state); }

  static void reply(Connection& connection, bool success, std::string_view message,
                    std::string_view req_id, std::string_view op) {
    connection.send_text(JsonObject()
                             .boolean("success", success)
                             .text("ret_msg", message)
                             .text("conn_id", state_of(connection).conn_id)
                             .text("req_id", req_id)
                             .text("op", op)
                             .str());
  }

  /// The announcement of planned work, which is on while the fault is.
  [[nodiscard]] std::string maintenance_row(std::int64_t now_ms) const {
    return JsonObject()
        .text("id", "4d95b2a0-587f-11f0-bcc9-56f28c94d6ea")
        .text("title", "System upgrade")
        .text("state", market().maintenance() ? "ongoing" : "completed")
        .text("begin", std::to_string(now_ms))
        .text("end", std::to_string(now_ms + 600'000))
        .text("href", "")
        .raw("serviceTypes", "[2,3,4,5]")
        .raw("product", "[2]")
        .raw("uidSuffix", "[]")
        .number("maintainType", 1)
        .number("env", 1)
        .str();
  }

  /// Nothing for a topic nobody handles; a topic without a listing for an unknown symbol.
  std::optional<Topic> parse_topic(const std::string& text) const {
    const std::size_t last = text.rfind('.');
    if (last == std::string::npos) return std::nullopt;
    const std::string head = text.substr(0, last);
    Topic topic;
    if (head == "tickers") {
      topic.kind = Topic::kTicker;
    } else if (head == "orderbook.1" || head == "orderbook.50" || head == "orderbook.200" ||
               head == "orderbook.1000") {
      topic.kind = Topic::kBook;
      topic.depth = static_cast<std::size_t>(std::stoi(head.substr(10)));
    } else if (head == "orderbook.full") {
      topic.kind = Topic::kFullBook;
    } else if (head != "publicTrade" && !head.starts_with("kline.")) {
      return std::nullopt;
    }
    const Listing* const found = by_symbol_.find(text.substr(last + 1));
    if (found != nullptr) topic.listing = found;
    return topic;
  }

  void subscribe(Connection& connection, State& state, const std::vector<std::string>& args,
                 const std::string& req_id, std::int64_t now_ms) {
    if (args.size() > kMaxArgs) {
      violation("too_many_args", now_ms);
      reply(connection, false, "args size >10", req_id, "subscribe");
      return;
    }
    std::size_t characters = state.characters;
    std::map<std::string, Topic> fresh;
    const bool status = connection.upgrade().path == kStatusPath;
    for (const std::string& arg : args) {
      std::optional<Topic> topic = status ? std::nullopt : parse_topic(arg);
      if (status && arg == kStatusTopic) topic.emplace();
      if (!topic) {
        reply(connection, false, "error:handler not found,topic:" + arg, req_id, "subscribe");
        return;
      }
      if (!status && topic->listing == nullptr) {
        reply(connection, false, "Invalid symbol :[" + arg + "]", req_id, "subscribe");
        return;
      }
      if (state.topics.contains(arg) || fresh.contains(arg)) {
        reply(connection, false, "error:already subscribed,topic:" + arg, req_id, "subscribe");
        return;
      }
      fresh.emplace(arg, *topic);
      characters += arg.size();
    }
    if (characters > kMaxArgCharacters) {
      violation("too_many_arg_characters", now_ms);
      reply(connection, false, "args length >21000", req_id, "subscribe");
      return;
    }
    state.characters = characters;
    // A snapshot may overtake its acknowledgement; every other connection sees that.
    const bool ack_first = connection.id() % 2 == 1;
    if (ack_first) reply(connection, true, "subscribe", req_id, "subscribe");
    for (const auto& [name, topic] : fresh) {
      state.topics.emplace(name, topic);
      first_push(connection, name, topic);
    }
    if (!ack_first) reply(connection, true, "subscribe", req_id, "subscribe");
  }

  static void unsubscribe(Connection& connection, State& state,
                          const std::vector<std::string>& args, const std::string& req_id) {
    for (const std::string& arg : args) {
      if (state.topics.erase(arg) > 0) state.characters -= arg.size();
    }
    reply(connection, true, "", req_id, "unsubscribe");
  }

  void first_push(Connection& connection, const std::string& name, const Topic& topic) {
    std::string text;
    FrameKind kind = FrameKind::kBook;
    if (topic.kind == Topic::kTicker) {
      text = ticker_text(name, *topic.listing);
      kind = FrameKind::kTicker;
    } else if (topic.kind == Topic::kBook) {
      // The touch as everybody else last got it, so that a repeat's `u` never goes back.
      const std::uint64_t touch = touches_[topic.listing].revision;
      text = topic.depth == 1 && touch != 0 ? touch_text(name, *topic.listing, touch)
                                            : snapshot_text(name, *topic.listing, topic.depth);
    } else {
      return;
    }
    connection.send(
        {std::make_shared<const std::string>(std::move(text)), false, kind, topic.listing});
  }

  static std::string delta_text(const std::string& topic, const BookEvent& event,
                                std::size_t depth) {
    const WindowChange change = window_change(event.before, event.after, depth);
    const Instrument& instrument = event.listing.instrument;
    return book_text(topic, "delta", event.listing,
                     book_data(event.listing, side_text(change.bids, instrument),
                               side_text(change.asks, instrument)));
  }

  /// orderbook.1 is snapshot only. A repeat shows the same `u` although deeper levels moved on.
  void send_touch(const Listing& listing, std::int64_t ts_ms) {
    Touch& touch = touches_[&listing];
    const bool changed = listing.book.touch_ts_ms == ts_ms || touch.revision == 0;
    if (changed) touch.revision = listing.book.revision;
    touch.sent_ms = ts_ms;
    fan_out("orderbook.1." + symbol_of(listing.instrument), listing, FrameKind::kBook,
            [&](const std::string& topic) { return touch_text(topic, listing, touch.revision); });
  }

  static std::string touch_text(const std::string& topic, const Listing& listing,
                                std::uint64_t revision) {
    Listing shown{listing.instrument, {}, {}};
    for (const auto side : {&Book::bids, &Book::asks}) {
      if (!(listing.book.*side).empty()) shown.book.*side = {(listing.book.*side).front()};
    }
    shown.book.revision = revision;
    shown.book.last_id = listing.book.last_id;
    shown.book.ts_ms = listing.book.touch_ts_ms;
    return snapshot_text(topic, shown, 1);
  }

  template <class Build>
  void fan_out(const std::string& topic, const Listing& listing, FrameKind kind, Build build) {
    Frame frame;
    for (Connection* connection : connections()) {
      if (!state_of(*connection).topics.contains(topic)) continue;
      if (!frame.payload) {
        frame = {std::make_shared<const std::string>(build(topic)), false, kind, &listing};
      }
      connection->send(frame);
    }
  }

  HttpAnswer route(const HttpRequest& request) {
    const std::string& path = request.path;
    if (path == "/v5/market/time") {
      return envelope(request, JsonObject()
                                   .text("timeSecond", std::to_string(request.now_ms / 1000))
                                   .text("timeNano", std::to_string(request.now_ms) + "000000")
                                   .str());
    }
    if (path == "/v5/system/status") {
      const std::string row = market().maintenance() ? maintenance_row(request.now_ms) : "";
      return envelope(request, R"({"list":[)" + row + "]}", 0, "");
    }
    if (path == "/v5/market/instruments-info") {
      return rows(request, [](const Listing& l) { return instrument_row(l); });
    }
    if (path == "/v5/market/tickers") {
      return rows(request, [](const Listing& l) { return ticker_row(l); });
    }
    if (path == "/v5/market/orderbook") return orderbook(request, 1000);
    if (path == "/v5/market/full_orderbook") return orderbook(request, 10'000);
    if (path == "/v5/asset/coin/query-info") {
      return envelope(request, "{}", 10003, "API key is invalid.", 401);
    }
    return text_answer(404, "404 page not found");
  }

  /// The category, if it is one; only spot has markets here.
  static std::optional<std::string> category_of(const HttpRequest& request) {
    const std::string category = request.parameter("category").value_or("");
    for (const char* known : {"spot", "linear", "inverse", "option"}) {
      if (category == known) return category;
    }
    return std::nullopt;
  }

  template <class Row>
  HttpAnswer rows(const HttpRequest& request, Row row) {
    const std::optional<std::string> category = category_of(request);
    if (!category) return envelope(request, "{}", 10001, "params error: Category is invalid");
    const std::string symbol = request.parameter("symbol").value_or("");
    JsonArray list;
    bool any = false;
    for (const Listing* listing : listings()) {
      if (*category != "spot") break;
      if (!symbol.empty() && symbol != symbol_of(listing->instrument)) continue;
      list.add(row(*listing));
      any = true;
    }
    if (!symbol.empty() && !any) return envelope(request, "{}", 10001, "Not supported symbols");
    JsonObject result;
    result.text("category", *category).raw("list", list.str());
    if (*category != "spot") result.text("nextPageCursor", "");
    return envelope(request, result.str());
  }

  HttpAnswer orderbook(const HttpRequest& request, int max) {
    const std::optional<std::string> category = category_of(request);
    if (!category) return envelope(request, "{}", 10001, "params error: Category is invalid");
    const Listing* const found = by_symbol_.find(request.parameter("symbol").value_or(""));
    if (*category != "spot" || found == nullptr) {
      return envelope(request, "{}", 10001, "Not supported symbols");
    }
    int limit = max > 1000 ? max : 1;
    if (const auto text = request.parameter("limit")) {
      limit = std::atoi(text->c_str());
      if (limit < 1 || limit > max) return envelope(request, "{}", 10001, "params error: limit");
    }
    const Listing& listing = *found;
    const auto depth = static_cast<std::size_t>(limit);
    return envelope(request, JsonObject()
                                 .text("s", symbol_of(listing.instrument))
                                 .raw("a", side_text(listing.book.asks, listing.instrument, depth))
                                 .raw("b", side_text(listing.book.bids, listing.instrument, depth))
                                 .number("ts", listing.book.ts_ms)
                                 .number("u", static_cast<std::int64_t>(listing.book.revision))
                                 .number("seq", static_cast<std::int64_t>(listing.book.last_id))
                                 .number("cts", listing.book.ts_ms)
                                 .str());
  }

  SymbolIndex by_symbol_{market()};
  std::map<const Listing*, Touch> touches_;
  std::map<std::string, std::int64_t> banned_until_;
  KeyedRate connects_{500, 300'000};
  KeyedRate rest_{kRestLimit, 5'000};
};

}  // namespace

std::unique_ptr<VenueProtocol> make_bybit(const VenueContext& context) {
  return std::make_unique<Bybit>(context);
}

}  // namespace spreadwatch::sim
