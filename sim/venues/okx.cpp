// OKX: API v5, public websocket and REST (state of 2026-10). Text ping and pong, sequence ids
// without a checksum, one acknowledgement per argument.

#include <algorithm>
#include <array>
#include <cctype>
#include <map>
#include <nlohmann/json.hpp>
#include <set>

#include "sim/format.h"
#include "sim/venues.h"

namespace spreadwatch::sim {
namespace {

constexpr std::int64_t kSilenceMs = 30'000;    // no push, or no subscription, for that long: closed
constexpr std::int64_t kHeartbeatMs = 60'000;  // `books` without a change
constexpr std::size_t kMaxRequestBytes = 64U << 10U;
constexpr std::size_t kBooksDepth = 400;
constexpr std::string_view kBusinessPath = "/ws/v5/business";

enum class Channel : std::uint8_t {
  kTickers,
  kBooks,
  kBooks5,
  kBbo,
  kBooksRpi,
  kInstruments,
  kQuiet
};

struct ChannelName {
  std::string_view name;
  Channel channel;
};
// kQuiet: real channels this market has nothing for.
constexpr std::array<ChannelName, 9> kChannels = {{
    {"tickers", Channel::kTickers},
    {"books", Channel::kBooks},
    {"books5", Channel::kBooks5},
    {"bbo-tbt", Channel::kBbo},
    {"books-rpi", Channel::kBooksRpi},
    {"instruments", Channel::kInstruments},
    {"trades", Channel::kQuiet},
    {"option-trades", Channel::kQuiet},
    {"status", Channel::kQuiet},
}};

struct State : ConnectionState {
  std::string conn_id;
  std::set<std::pair<Channel, const Listing*>> subscriptions;
  bool subscribed = false;  // ever, successfully
  std::int64_t opened_ms = 0;
  std::int64_t last_push_ms = 0;
  RateWindow requests{480, 3'600'000};
};

std::string inst_id(const Instrument& instrument) {
  return instrument.base + "-" + instrument.quote;
}

std::string_view channel_name(Channel channel) {
  for (const ChannelName& one : kChannels) {
    if (one.channel == channel) return one.name;
  }
  return {};
}

/// Candles and all trades have a socket of their own, which has nothing else.
std::optional<Channel> find_channel(std::string_view name, bool business) {
  if (business) {
    const bool known = name.starts_with("candle") || name == "trades-all";
    return known ? std::optional(Channel::kQuiet) : std::nullopt;
  }
  for (const ChannelName& one : kChannels) {
    if (one.name == name) return one.channel;
  }
  return std::nullopt;
}

std::string level_text(const LevelChange& change, const Instrument& instrument, bool rpi) {
  const std::string price = sim::quoted(trimmed(change.level.price, instrument.price_decimals));
  if (change.kind != ChangeKind::kSet) return "[" + price + R"(,"0","0","0"])";
  const std::string size = sim::quoted(trimmed(change.level.size, instrument.size_decimals));
  const std::string orders = std::to_string(1 + change.level.size % 9);
  return "[" + price + "," + size + "," + (rpi ? size : "\"0\"") + ",\"" + orders + "\"]";
}

std::string side_text(const std::vector<LevelChange>& side, const Instrument& instrument,
                      bool rpi) {
  JsonArray rows;
  for (const LevelChange& change : side) rows.add(level_text(change, instrument, rpi));
  return rows.str();
}

std::string side_text(const std::vector<Level>& side, const Instrument& instrument,
                      std::size_t depth, bool rpi) {
  JsonArray rows;
  for (std::size_t i = 0; i < std::min(depth, side.size()); ++i) {
    rows.add(level_text({side[i], ChangeKind::kSet}, instrument, rpi));
  }
  return rows.str();
}

std::string arg_text(Channel channel, const Listing& listing) {
  return JsonObject()
      .text("channel", channel_name(channel))
      .text("instId", inst_id(listing.instrument))
      .str();
}

std::int64_t ticker_time(const Listing& listing) {
  return std::max(listing.ticker.ts_ms, listing.book.touch_ts_ms);
}

std::string ticker_row(const Listing& listing) {
  const Instrument& instrument = listing.instrument;
  const Ticker& t = listing.ticker;
  const auto price = [&](std::int64_t v) { return trimmed(v, instrument.price_decimals); };
  const auto size = [&](std::int64_t v) { return trimmed(v, instrument.size_decimals); };
  return JsonObject()
      .text("instType", "SPOT")
      .text("instId", inst_id(instrument))
      .text("last", price(t.last))
      .text("lastSz", size(t.last_size))
      .text("askPx", price(best_of(listing.book.asks).price))
      .text("askSz", size(best_of(listing.book.asks).size))
      .text("bidPx", price(best_of(listing.book.bids).price))
      .text("bidSz", size(best_of(listing.book.bids).size))
      .text("open24h", price(t.open))
      .text("high24h", price(t.high))
      .text("low24h", price(t.low))
      .text("sodUtc0", price(t.previous_close))
      .text("sodUtc8", price(t.open))
      .text("volCcy24h", trimmed(t.turnover_24h, 4))
      .text("vol24h", size(t.volume_24h))
      .text("ts", std::to_string(ticker_time(listing)))
      .str();
}

std::string instrument_row(const Listing& listing) {
  const Instrument& instrument = listing.instrument;
  JsonObject row;
  for (const char* key : {"alias", "auctionEndTime"}) row.text(key, "");
  row.text("baseCcy", instrument.base).text("category", "1").text("contTdSwTime", "1704876947000");
  for (const char* key : {"ctMult", "ctType", "ctVal", "ctValCcy", "expTime"}) row.text(key, "");
  row.boolean("futureSettlement", false)
      .text("groupId", "1")
      .text("instFamily", "")
      .text("instId", inst_id(instrument))
      .number("instIdCode", 10'000 + static_cast<std::int64_t>(instrument.index))
      .text("instType", "SPOT")
      .text("lever", "10")
      .text("listTime", "1606468572000")
      .text("lotSz", trimmed(1, instrument.size_decimals))
      .text("maxIcebergSz", "9999999999")
      .text("maxLmtAmt", "20000000")
      .text("maxLmtSz", "9999999999")
      .text("maxMktAmt", "1000000")
      .text("maxMktSz", "1000000")
      .text("maxStopSz", "1000000")
      .text("maxTriggerSz", "9999999999")
      .text("maxTwapSz", "9999999999")
      .text("minSz", trimmed(10, instrument.size_decimals))
      .text("openType", "fix_price")
      .text("optType", "")
      .text("quoteCcy", instrument.quote)
      .text("ruleType", "normal")
      .text("settleCcy", "")
      .text("state", "live")
      .text("stk", "")
      .text("tickSz", trimmed(instrument.tick, instrument.price_decimals))
      .raw("tradeQuoteCcyList", JsonArray().add(sim::quoted(instrument.quote)).str())
      .text("uly", "")
      .raw("upcChg", "[]");
  return row.str();
}

HttpAnswer answer(int status, std::string body) {
  HttpAnswer result = http_answer(status, std::move(body));
  result.content_type = "application/json";
  return result;
}

HttpAnswer success(std::string data) {
  return answer(200, R"({"code":"0","msg":"","data":)" + std::move(data) + "}");
}

HttpAnswer error_answer(int status, std::string_view code, std::string_view message) {
  return answer(status,
                JsonObject().text("code", code).raw("data", "[]").text("msg", message).str());
}

class Okx final : public VenueProtocol {
 public:
  explicit Okx(const VenueContext& context) : VenueProtocol(context) {
    for (const Listing* listing : listings()) by_id_.set(inst_id(listing->instrument), listing);
  }

  [[nodiscard]] std::string ws_path() const override { return "/ws/v5/public"; }

  [[nodiscard]] std::optional<std::uint64_t> sequence(const Listing& listing) const override {
    return listing.book.last_id;
  }

  UpgradeAnswer on_upgrade(const HttpRequest& request) override {
    if (request.path != ws_path() && request.path != kBusinessPath) {
      return {error_answer(404, "404", "Invalid URL")};
    }
    if (!connects_[request.remote].admit(request.now_ms)) {
      violation("connects_per_second", request.now_ms);
      return {error_answer(429, "50011", "Too Many Requests")};
    }
    return {};
  }

  void on_open(Connection& connection, std::int64_t now_ms) override {
    auto state = std::make_unique<State>();
    std::string hex = std::to_string(connection.id());
    state->conn_id = "a4d3ae55" + hex;
    state->conn_id = state->conn_id.substr(state->conn_id.size() - 8);
    state->opened_ms = now_ms;
    state->last_push_ms = now_ms;
    connection.state = std::move(state);
  }

  void on_text(Connection& connection, std::string_view text, std::int64_t now_ms) override {
    if (text == "ping") {
      state_of(connection).last_push_ms = now_ms;
      connection.send(
          {std::make_shared<const std::string>("pong"), false, FrameKind::kHeartbeat, nullptr});
      return;
    }
    const nlohmann::json request = nlohmann::json::parse(text, nullptr, false);
    const std::string id = request_id(request);
    const auto op = request.is_object() ? request.find("op") : request.end();
    if (!request.is_object() || op == request.end() || !op->is_string()) {
      error(connection, id, "60012", "Invalid request: " + std::string(text), now_ms);
      return;
    }
    const bool subscribe = *op == "subscribe";
    if (*op == "login") {
      error(connection, id, "60009", "Login failed.", now_ms);
      return;
    }
    if (!subscribe && *op != "unsubscribe") {
      error(connection, id, "60019", "Invalid op: " + op->get<std::string>(), now_ms);
      return;
    }
    if (!state_of(connection).requests.admit(now_ms)) {
      violation("requests_per_hour", now_ms);
      error(connection, id, "60014", "Requests too frequent", now_ms);
      return;
    }
    const auto args = request.find("args");
    if (args == request.end() || !args->is_array() || args->empty() ||
        text.size() > kMaxRequestBytes) {
      if (text.size() > kMaxRequestBytes) violation("request_too_long", now_ms);
      error(connection, id, "60013", "Invalid args", now_ms);
      return;
    }
    for (const nlohmann::json& arg : *args) handle(connection, id, arg, subscribe, now_ms);
  }

  void on_ping(Connection& connection, std::string_view, std::int64_t now_ms) override {
    state_of(connection).last_push_ms = now_ms;
  }

  void on_book(const BookEvent& event) override {
    if (event.touch_changed) {
      fan_out(Channel::kBbo, event.listing, FrameKind::kBook,
              [&] { return full_text(Channel::kBbo, event.listing, 1); });
      dirty_.insert(&event.listing);
    }
    const auto update = [&](Channel channel) {
      const WindowChange change = window_change(event.before, event.after, kBooksDepth);
      const bool rpi = channel == Channel::kBooksRpi;
      return push_text(channel, event.listing, "update",
                       side_text(change.asks, event.listing.instrument, rpi),
                       side_text(change.bids, event.listing.instrument, rpi), event.after.ts_ms,
                       static_cast<std::int64_t>(event.after.previous_id));
    };
    fan_out(Channel::kBooks, event.listing, FrameKind::kBook,
            [&] { return update(Channel::kBooks); });
    fan_out(Channel::kBooksRpi, event.listing, FrameKind::kBook,
            [&] { return update(Channel::kBooksRpi); });
    if (!window_change(event.before, event.after, 5).empty()) {
      fan_out(Channel::kBooks5, event.listing, FrameKind::kBook,
              [&] { return full_text(Channel::kBooks5, event.listing, 5); });
    }
  }

  void on_ticker(const Listing& listing) override { dirty_.insert(&listing); }

  void on_instant(std::int64_t ts_ms) override {
    // A trade and a new best price of one instant are one push.
    for (const Listing* listing : listings()) {
      if (dirty_.contains(listing)) {
        fan_out(Channel::kTickers, *listing, FrameKind::kTicker,
                [&] { return ticker_text(*listing); });
      }
      std::int64_t& beat = heartbeats_[listing];
      if (ts_ms - std::max(beat, listing->book.ts_ms) < kHeartbeatMs) continue;
      beat = ts_ms;
      fan_out(Channel::kBooks, *listing, FrameKind::kHeartbeat, [&] {
        return push_text(Channel::kBooks, *listing, "update", "[]", "[]", ts_ms,
                         static_cast<std::int64_t>(listing->book.last_id));
      });
    }
    dirty_.clear();
  }

  void on_timer(std::int64_t now_ms) override {
    for (Connection* connection : connections()) {
      State& state = state_of(*connection);
      if (!state.subscribed && now_ms - state.opened_ms >= kSilenceMs) {
        violation("no_subscription_30s", now_ms);
        state.opened_ms = now_ms;
        connection->close(4004, "No data received in 30s.");
      } else if (now_ms - state.last_push_ms >= kSilenceMs) {
        violation("silence_30s", now_ms);
        state.last_push_ms = now_ms;
        connection->close(4004, "No data received in 30s.");
      }
    }
  }

  [[nodiscard]] HttpAnswer ban_answer(bool) const override { return refusal(429); }
  [[nodiscard]] HttpAnswer refusal(int status) const override {
    return status < 500 ? error_answer(status, "50011", "Too Many Requests")
                        : error_answer(status, "50001", "Service temporarily unavailable.");
  }
  void announce_maintenance(Connection& connection, bool begins, std::int64_t) override {
    if (!begins) return;
    connection.send_text(JsonObject()
                             .text("event", "notice")
                             .text("code", "64008")
                             .text("msg",
                                   "The connection will soon be closed for a service upgrade. "
                                   "Please reconnect.")
                             .text("connId", state_of(connection).conn_id)
                             .str());
  }
  [[nodiscard]] bool works_in_maintenance(const HttpRequest& request) const override {
    return request.path == "/api/v5/system/status" || request.path == "/api/v5/public/time";
  }

  HttpAnswer on_http(const HttpRequest& request) override {
    const std::string& path = request.path;
    if (path == "/api/v5/public/time") {
      return success(R"([{"ts":")" + std::to_string(clock(request.now_ms)) + R"("}])");
    }
    if (path == "/api/v5/system/status") {
      return success(market().maintenance()
                         ? R"([{"title":"Trading system upgrade","state":"ongoing",)"
                           R"("serviceType":"5","system":"unified"}])"
                         : "[]");
    }
    if (path == "/api/v5/asset/currencies") {
      return error_answer(401, "50103", "Request header OK-ACCESS-KEY can not be empty.");
    }
    const std::int64_t limit = path == "/api/v5/market/books" ? 40 : 20;
    const std::string key = request.remote + path + request.parameter("instType").value_or("");
    if (!(limit == 40                           ? rest_books_
          : path == "/api/v5/market/books-full" ? rest_full_
                                                : rest_)[key]
             .admit(request.now_ms)) {
      violation("rest_requests_per_2s", request.now_ms);
      return error_answer(429, "50011", "Too Many Requests");
    }
    if (path == "/api/v5/public/instruments") return instruments(request);
    if (path == "/api/v5/market/tickers") return tickers(request);
    if (path == "/api/v5/market/ticker") {
      return for_instrument(request, [](const Listing& l) { return ticker_row(l); });
    }
    if (path == "/api/v5/market/books") return books(request, 400);
    if (path == "/api/v5/market/books-full") return books(request, 5000);
    return error_answer(404, "404", "Invalid URL");
  }

 private:
  static State& state_of(Connection& connection) { return static_cast<State&>(*connection.state); }

  /// The `id` to echo: up to 32 letters and digits.
  static std::string request_id(const nlohmann::json& request) {
    if (!request.is_object()) return {};
    const auto at = request.find("id");
    if (at == request.end()) return {};
    if (at->is_number_integer()) return std::to_string(at->get<std::int64_t>());
    return at->is_string() ? at->get<std::string>() : std::string();
  }

  void error(Connection& connection, const std::string& id, std::string_view code,
             std::string_view message, std::int64_t now_ms) {
    JsonObject object;
    if (!id.empty()) object.text("id", id);
    object.text("event", "error")
        .text("msg", message)
        .text("code", code)
        .text("connId", state_of(connection).conn_id);
    state_of(connection).last_push_ms = now_ms;
    connection.send_text(object.str());
  }

  void handle(Connection& connection, const std::string& id, const nlohmann::json& arg,
              bool subscribe, std::int64_t now_ms) {
    const auto text = [&](const char* key) -> std::string {
      const auto at = arg.is_object() ? arg.find(key) : arg.end();
      return arg.is_object() && at != arg.end() && at->is_string() ? at->get<std::string>() : "";
    };
    const std::string channel = text("channel");
    if (channel.empty()) {
      error(connection, id, "60013", "Invalid args", now_ms);
      return;
    }
    if (channel == "books50-l2-tbt" || channel == "books-l2-tbt") {
      error(connection, id, "64003",
            "Your trading fee tier doesn't meet the requirement to access this channel", now_ms);
      return;
    }
    const std::optional<Channel> known =
        find_channel(channel, connection.upgrade().path == kBusinessPath);
    const std::string symbol = text("instId");
    const Listing* const listing = by_id_.find(symbol);
    const bool whole = known == Channel::kInstruments || channel == "status";
    if (!known || (!whole && listing == nullptr)) {
      error(connection, id, "60018",
            "Wrong URL or channel:" + channel + ",instId:" + symbol +
                " doesn't exist. Please use the correct URL, channel and parameters referring to "
                "API document.",
            now_ms);
      return;
    }
    State& state = state_of(connection);
    const Listing* const subject = whole ? nullptr : listing;
    JsonObject echo;
    for (const auto& [key, value] : arg.items()) {
      if (value.is_string()) echo.text(key, value.get<std::string>());
    }
    JsonObject ack;
    if (!id.empty()) ack.text("id", id);
    ack.text("event", subscribe ? "subscribe" : "unsubscribe")
        .raw("arg", echo.str())
        .text("connId", state.conn_id);
    connection.send_text(ack.str());
    state.last_push_ms = now_ms;
    if (!subscribe) {
      state.subscriptions.erase({*known, subject});
      return;
    }
    state.subscribed = true;
    state.subscriptions.insert({*known, subject});
    first_push(connection, *known, subject, echo.str());
  }

  void first_push(Connection& connection, Channel channel, const Listing* listing,
                  const std::string& arg) {
    std::string text;
    FrameKind kind = FrameKind::kBook;
    switch (channel) {
      case Channel::kTickers:
        text = ticker_text(*listing);
        kind = FrameKind::kTicker;
        break;
      case Channel::kBooks:
      case Channel::kBooksRpi: {
        const bool rpi = channel == Channel::kBooksRpi;
        text = push_text(channel, *listing, "snapshot",
                         side_text(listing->book.asks, listing->instrument, kBooksDepth, rpi),
                         side_text(listing->book.bids, listing->instrument, kBooksDepth, rpi),
                         listing->book.ts_ms, -1);
        break;
      }
      case Channel::kBooks5:
        text = full_text(channel, *listing, 5);
        break;
      case Channel::kBbo:
        text = full_text(channel, *listing, 1);
        break;
      case Channel::kInstruments: {
        JsonArray rows;
        for (const Listing* one : listings()) rows.add(instrument_row(*one));
        text = R"({"arg":)" + arg + R"(,"data":)" + rows.str() + "}";
        kind = FrameKind::kControl;
        break;
      }
      case Channel::kQuiet:
        return;
    }
    connection.send({std::make_shared<const std::string>(std::move(text)), false, kind, listing});
  }

  /// Builds the text once, if anybody wants it.
  template <class Build>
  void fan_out(Channel channel, const Listing& listing, FrameKind kind, Build build) {
    Frame frame;
    for (Connection* connection : connections()) {
      State& state = state_of(*connection);
      if (!state.subscriptions.contains({channel, &listing})) continue;
      if (!frame.payload) {
        frame = {std::make_shared<const std::string>(build()), false, kind, &listing};
      }
      state.last_push_ms = std::max(state.last_push_ms, wall(ticker_time(listing)));
      connection->send(frame);
    }
  }

  static std::string push_text(Channel channel, const Listing& listing, std::string_view action,
                               std::string_view asks, std::string_view bids, std::int64_t ts_ms,
                               std::int64_t previous) {
    const std::string data = JsonObject()
                                 .raw("asks", asks)
                                 .raw("bids", bids)
                                 .text("ts", std::to_string(ts_ms))
                                 .number("checksum", 0)
                                 .number("seqId", static_cast<std::int64_t>(listing.book.last_id))
                                 .number("prevSeqId", previous)
                                 .str();
    return JsonObject()
        .raw("arg", arg_text(channel, listing))
        .text("action", action)
        .raw("data", "[" + data + "]")
        .str();
  }

  static std::string full_text(Channel channel, const Listing& listing, std::size_t depth) {
    JsonObject data;
    data.raw("asks", side_text(listing.book.asks, listing.instrument, depth, false))
        .raw("bids", side_text(listing.book.bids, listing.instrument, depth, false));
    if (channel == Channel::kBooks5) data.text("instId", inst_id(listing.instrument));
    data.text("ts", std::to_string(listing.book.ts_ms))
        .number("seqId", static_cast<std::int64_t>(listing.book.last_id));
    return JsonObject()
        .raw("arg", arg_text(channel, listing))
        .raw("data", "[" + data.str() + "]")
        .str();
  }

  static std::string ticker_text(const Listing& listing) {
    return JsonObject()
        .raw("arg", arg_text(Channel::kTickers, listing))
        .raw("data", "[" + ticker_row(listing) + "]")
        .str();
  }

  template <class Row>
  HttpAnswer for_instrument(const HttpRequest& request, Row row) {
    const std::optional<std::string> id = request.parameter("instId");
    if (!id || id->empty()) {
      return error_answer(400, "50014", "Parameter instId can not be empty.");
    }
    const Listing* const found = by_id_.find(to_upper(*id));
    if (found == nullptr) {
      return error_answer(200, "51001",
                          "Instrument ID, Instrument ID code, or Spread ID doesn't exist.");
    }
    return success("[" + row(*found) + "]");
  }

  /// Empty for the kinds of instrument this market has none of; an error for kinds that do not
  /// exist.
  std::optional<HttpAnswer> check_type(const HttpRequest& request, bool& spot) {
    const std::string type = request.parameter("instType").value_or("");
    if (type.empty()) return error_answer(400, "50014", "Parameter instType can not be empty.");
    spot = type == "SPOT";
    for (const char* known : {"SPOT", "MARGIN", "SWAP", "FUTURES", "OPTION"}) {
      if (type == known) return std::nullopt;
    }
    return error_answer(400, "51000", "Parameter instType error");
  }

  HttpAnswer instruments(const HttpRequest& request) {
    bool spot = false;
    if (auto error = check_type(request, spot)) return *error;
    const std::optional<std::string> id = request.parameter("instId");
    JsonArray rows;
    bool any = false;
    for (const Listing* listing : listings()) {
      if (!spot || (id && *id != inst_id(listing->instrument))) continue;
      rows.add(instrument_row(*listing));
      any = true;
    }
    if (spot && id && !any) {
      return error_answer(200, "51001",
                          "Instrument ID, Instrument ID code, or Spread ID doesn't exist.");
    }
    return success(rows.str());
  }

  HttpAnswer tickers(const HttpRequest& request) {
    bool spot = false;
    if (auto error = check_type(request, spot)) return *error;
    JsonArray rows;
    for (const Listing* listing : listings()) {
      if (spot) rows.add(ticker_row(*listing));
    }
    return success(rows.str());
  }

  HttpAnswer books(const HttpRequest& request, int max) {
    int depth = 1;
    if (const auto text = request.parameter("sz")) {
      depth = std::atoi(text->c_str());
      if (depth < 1) return error_answer(400, "51000", "Parameter sz error");
    }
    const auto levels = static_cast<std::size_t>(std::min(depth, max));
    return for_instrument(request, [&](const Listing& listing) {
      return JsonObject()
          .raw("asks", side_text(listing.book.asks, listing.instrument, levels, false))
          .raw("bids", side_text(listing.book.bids, listing.instrument, levels, false))
          .text("ts", std::to_string(listing.book.ts_ms))
          .number("seqId", static_cast<std::int64_t>(listing.book.last_id))
          .str();
    });
  }

  SymbolIndex by_id_{market()};
  std::set<const Listing*> dirty_;  // tickers to push at the end of the instant
  std::map<const Listing*, std::int64_t> heartbeats_;
  KeyedRate connects_{3, 1'000};
  KeyedRate rest_{20, 2'000};
  KeyedRate rest_books_{40, 2'000};
  KeyedRate rest_full_{10, 2'000};
};

}  // namespace

std::unique_ptr<VenueProtocol> make_okx(const VenueContext& context) {
  return std::make_unique<Okx>(context);
}

}  // namespace spreadwatch::sim
