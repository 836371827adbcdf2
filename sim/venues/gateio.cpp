// Gate: websocket v4 and REST v4, spot (https://www.gate.com/docs/developers/apiv4/ws/en, state of
// 2026-09). Three kinds of order book stream over one series of update ids, which REST shares; the
// address needs its trailing slash; errors come inside acknowledgements, and one unknown pair fails
// a whole payload.

#include <algorithm>
#include <array>
#include <cmath>
#include <map>
#include <nlohmann/json.hpp>
#include <set>

#include "sim/format.h"
#include "sim/venues.h"

namespace spreadwatch::sim {
namespace {

constexpr std::int64_t kIdleMs = 30'500;  // without a subscription
constexpr std::int64_t kPingPeriodMs = 15'000;
constexpr std::int64_t kPongDeadlineMs = 60'000;
constexpr double kTimeSkewS = 60;
constexpr double kLeastMilliseconds = 1e11;  // no seconds of this millennium
constexpr std::int64_t kTickerPeriodMs = 1'000;

enum class Channel : std::uint8_t { kTickers, kObu, kUpdate, kBook, kBookTicker, kQuiet };

struct ChannelName {
  std::string_view name;
  Channel channel;
};
// kQuiet: real channels this market has nothing for.
constexpr std::array<ChannelName, 7> kChannels = {{{"spot.tickers", Channel::kTickers},
                                                   {"spot.obu", Channel::kObu},
                                                   {"spot.order_book_update", Channel::kUpdate},
                                                   {"spot.order_book", Channel::kBook},
                                                   {"spot.book_ticker", Channel::kBookTicker},
                                                   {"spot.trades", Channel::kQuiet},
                                                   {"spot.candlesticks", Channel::kQuiet}}};

/// One subscription. `depth` is the window of a book stream, `period_ms` the rhythm of those that
/// have one.
struct Stream {
  Channel channel{};
  const Listing* listing = nullptr;
  std::size_t depth = 0;
  std::int64_t period_ms = 0;
  friend auto operator<=>(const Stream&, const Stream&) = default;
};

struct State : ConnectionState {
  std::set<Stream> streams;
  std::string conn_id;
  std::int64_t last_heard_ms = 0;
  std::int64_t last_pong_ms = 0;
  std::int64_t next_ping_ms = 0;
};

std::string pair_of(const Instrument& instrument) {
  return instrument.base + "_" + instrument.quote;
}

std::string level_text(const Level& level, const Instrument& instrument) {
  return JsonArray()
      .add(sim::quoted(trimmed(level.price, instrument.price_decimals)))
      .add(sim::quoted(trimmed(level.size, instrument.size_decimals)))
      .str();
}

std::string side_text(const std::vector<Level>& side, const Instrument& instrument,
                      std::size_t depth) {
  JsonArray rows;
  for (std::size_t i = 0; i < std::min(depth, side.size()); ++i)
    rows.add(level_text(side[i], instrument));
  return rows.str();
}

/// A level that left the window is deleted like one that left the book, or, in the streams that
/// expect a client to cut its book to the window, not mentioned.
std::string changes_text(const std::vector<LevelChange>& changes, const Instrument& instrument,
                         bool mention_left) {
  JsonArray rows;
  for (const LevelChange& change : changes) {
    if (change.kind != ChangeKind::kLeft || mention_left) {
      rows.add(level_text(change.level, instrument));
    }
  }
  return rows.str();
}

/// A text member, or nothing of it when it is absent or no text.
std::string text_of(const nlohmann::json& request, const char* key) {
  const auto at = request.find(key);
  return at != request.end() && at->is_string() ? at->get<std::string>() : std::string{};
}

/// Whether a parameter says yes. Clients spell it as their language does: true, True, 1.
bool is_true(std::string_view text) {
  const std::string word = to_lower(text);
  return word == "true" || word == "t" || word == "1";
}

/// Whether a request's time is near enough. Documented in seconds; public clients that send
/// milliseconds, or no time at all, are served as well.
bool is_current(double time, std::int64_t now_ms) {
  const double seconds = time >= kLeastMilliseconds ? time / 1000 : time;
  return std::abs(seconds - static_cast<double>(now_ms) / 1000) <= kTimeSkewS;
}

/// Percent since the window opened.
std::string change_percent(const Ticker& t) {
  const double percent =
      t.open == 0 ? 0 : 100 * static_cast<double>(t.last - t.open) / static_cast<double>(t.open);
  return trimmed(percent, 4);
}

std::string obu_name(const Stream& stream) {
  return "ob." + pair_of(stream.listing->instrument) + "." + std::to_string(stream.depth);
}

std::string ticker_row(const Listing& listing, JsonObject object) {
  const Instrument& instrument = listing.instrument;
  const Ticker& t = listing.ticker;
  const auto price = [&](std::int64_t v) { return trimmed(v, instrument.price_decimals); };
  return object.text("currency_pair", pair_of(instrument))
      .text("last", price(t.last))
      .text("lowest_ask", price(best_of(listing.book.asks).price))
      .text("highest_bid", price(best_of(listing.book.bids).price))
      .text("change_percentage", change_percent(t))
      .text("base_volume", trimmed(t.volume_24h, instrument.size_decimals))
      .text("quote_volume", trimmed(t.turnover_24h, 8))
      .text("high_24h", price(t.high))
      .text("low_24h", price(t.low))
      .str();
}

/// The envelope of a push: time of sending, channel and result.
std::string push_text(std::string_view channel, const std::string& result, std::int64_t now_ms) {
  return JsonObject()
      .number("time", now_ms / 1000)
      .number("time_ms", now_ms)
      .text("channel", channel)
      .text("event", "update")
      .raw("result", result)
      .str();
}

std::string obu_text(const Stream& stream, const Book& book, const std::string& bids,
                     const std::string& asks, bool full) {
  JsonObject result;
  result.number("t", book.ts_ms);
  if (full) result.boolean("full", true);
  result.text("s", obu_name(stream));
  if (!full) result.raw("U", std::to_string(book.first_id));
  result.raw("u", std::to_string(book.last_id)).raw("b", bids).raw("a", asks);
  // These pushes carry neither `event` nor `time`.
  return JsonObject()
      .text("channel", "spot.obu")
      .raw("result", result.str())
      .number("time_ms", book.ts_ms)
      .str();
}

std::string full_obu(const Stream& stream) {
  const Listing& listing = *stream.listing;
  return obu_text(stream, listing.book,
                  side_text(listing.book.bids, listing.instrument, stream.depth),
                  side_text(listing.book.asks, listing.instrument, stream.depth), true);
}

std::string whole_book(const Stream& stream, std::int64_t now_ms) {
  const Listing& listing = *stream.listing;
  return push_text("spot.order_book",
                   JsonObject()
                       .number("t", listing.book.ts_ms)
                       .raw("lastUpdateId", std::to_string(listing.book.last_id))
                       .text("s", pair_of(listing.instrument))
                       .text("l", std::to_string(stream.depth))
                       .raw("bids", side_text(listing.book.bids, listing.instrument, stream.depth))
                       .raw("asks", side_text(listing.book.asks, listing.instrument, stream.depth))
                       .str(),
                   now_ms);
}

std::string book_ticker(const Listing& listing, std::int64_t now_ms) {
  const Instrument& i = listing.instrument;
  const Level bid = best_of(listing.book.bids);
  const Level ask = best_of(listing.book.asks);
  return push_text("spot.book_ticker",
                   JsonObject()
                       .number("t", listing.book.touch_ts_ms)
                       .raw("u", std::to_string(listing.book.last_id))
                       .text("s", pair_of(i))
                       .text("b", trimmed(bid.price, i.price_decimals))
                       .text("B", trimmed(bid.size, i.size_decimals))
                       .text("a", trimmed(ask.price, i.price_decimals))
                       .text("A", trimmed(ask.size, i.size_decimals))
                       .str(),
                   now_ms);
}

HttpAnswer answer(std::string body, int status = 200) {
  HttpAnswer result = http_answer(status, std::move(body));
  result.content_type = "application/json";
  return result;
}
HttpAnswer error_answer(int status, std::string_view label, std::string_view message) {
  return answer(JsonObject().text("label", label).text("message", message).str(), status);
}

class Gateio final : public VenueProtocol {
 public:
  explicit Gateio(const VenueContext& context) : VenueProtocol(context) {
    for (const Listing* listing : listings()) by_pair_.set(pair_of(listing->instrument), listing);
  }

  [[nodiscard]] std::string ws_path() const override { return "/ws/v4/"; }

  UpgradeAnswer on_upgrade(const HttpRequest& request) override {
    if (request.path != ws_path()) return {error_answer(404, "NOT_FOUND", "page not found"), {}};
    return {};
  }

  void on_open(Connection& connection, std::int64_t now_ms) override {
    auto state = std::make_unique<State>();
    std::string id = std::to_string(connection.id());
    state->conn_id = "86f3e47e" + std::string(8 - std::min<std::size_t>(8, id.size()), '0') + id;
    state->last_heard_ms = now_ms;
    state->last_pong_ms = now_ms;
    state->next_ping_ms = now_ms + kPingPeriodMs;
    connection.state = std::move(state);
  }

  void on_text(Connection& connection, std::string_view text, std::int64_t now_ms) override {
    State& state = state_of(connection);
    state.last_heard_ms = now_ms;
    state.last_pong_ms = now_ms;
    now_ms = clock(now_ms);
    const nlohmann::json request = nlohmann::json::parse(text, nullptr, false);
    const std::string channel = request.is_object() ? text_of(request, "channel") : "";
    if (channel.empty()) {
      return respond(connection, nlohmann::json::object(), 1, "invalid request body", now_ms);
    }
    if (channel == "spot.ping") {
      connection.send({std::make_shared<const std::string>(JsonObject()
                                                               .number("time", now_ms / 1000)
                                                               .number("time_ms", now_ms)
                                                               .text("channel", "spot.pong")
                                                               .text("event", "")
                                                               .raw("error", "null")
                                                               .raw("result", "null")
                                                               .str()),
                       false, FrameKind::kHeartbeat, nullptr});
      return;
    }
    if (const auto time = request.find("time"); time != request.end()) {
      if (!time->is_number()) {
        return respond(connection, request, 1, "invalid request body: time", now_ms);
      }
      if (!is_current(time->get<double>(), now_ms)) {
        // A client cannot help it when the venue's own clock is wrong.
        if (market().skew_ms() == 0) violation("time_skew", now_ms);
        return respond(connection, request, 2, "invalid argument: request expired", now_ms);
      }
    }
    const std::string event = text_of(request, "event");
    if (event != "subscribe" && event != "unsubscribe") {
      return respond(connection, request, 2, "unknown event: " + event, now_ms);
    }
    const auto known = std::ranges::find(kChannels, channel, &ChannelName::name);
    if (known == kChannels.end())
      return respond(connection, request, 2, "unknown channel: " + channel, now_ms);
    const auto payload = request.find("payload");
    if (payload == request.end() || !payload->is_array() || payload->empty() ||
        !std::ranges::all_of(*payload,
                             [](const nlohmann::json& item) { return item.is_string(); })) {
      return respond(connection, request, 2, "invalid argument: payload", now_ms);
    }
    handle(connection, request, known->channel, event == "subscribe",
           payload->get<std::vector<std::string>>(), now_ms);
  }

  void on_ping(Connection& connection, std::string_view, std::int64_t now_ms) override {
    state_of(connection).last_heard_ms = now_ms;
    state_of(connection).last_pong_ms = now_ms;
  }
  void on_pong(Connection& connection, std::string_view, std::int64_t now_ms) override {
    state_of(connection).last_pong_ms = now_ms;
  }

  void on_book(const BookEvent& event) override {
    dirty_.insert(&event.listing);
    std::map<Stream, Frame> built;
    for (Connection* connection : connections()) {
      for (const Stream& stream : state_of(*connection).streams) {
        if (stream.listing != &event.listing) continue;
        const bool wanted =
            stream.channel == Channel::kObu || stream.channel == Channel::kUpdate ||
            (stream.channel == Channel::kBook && stream.period_ms < kTickerPeriodMs) ||
            (stream.channel == Channel::kBookTicker && event.touch_changed);
        if (!wanted) continue;
        Frame& frame = built[stream];
        if (!frame.payload)
          frame = make_frame(event_text(stream, event), FrameKind::kBook, &event.listing);
        connection->send(frame);
      }
    }
  }

  void on_ticker(const Listing& listing) override { dirty_.insert(&listing); }

  void on_instant(std::int64_t ts_ms) override {
    if (ts_ms % kTickerPeriodMs != 0 && ts_ms - last_second_ms_ < kTickerPeriodMs) return;
    last_second_ms_ = ts_ms;
    std::map<Stream, Frame> built;
    for (Connection* connection : connections()) {
      for (const Stream& stream : state_of(*connection).streams) {
        if (!dirty_.contains(stream.listing)) continue;
        const bool ticker = stream.channel == Channel::kTickers;
        const bool book = stream.channel == Channel::kBook && stream.period_ms >= kTickerPeriodMs;
        if (!ticker && !book) continue;
        Frame& frame = built[stream];
        if (!frame.payload) {
          frame = make_frame(
              ticker ? push_text("spot.tickers", ticker_row(*stream.listing, JsonObject()), ts_ms)
                     : whole_book(stream, ts_ms),
              ticker ? FrameKind::kTicker : FrameKind::kBook, stream.listing);
        }
        connection->send(frame);
      }
    }
    dirty_.clear();
  }

  void on_timer(std::int64_t now_ms) override {
    for (Connection* connection : connections()) {
      State& state = state_of(*connection);
      if (now_ms >= state.next_ping_ms) {
        state.next_ping_ms = now_ms + kPingPeriodMs;
        connection->ping("");
      }
      const bool silent = now_ms - state.last_pong_ms >= kPongDeadlineMs;
      const bool idle = state.streams.empty() && now_ms - state.last_heard_ms >= kIdleMs;
      if (!silent && !idle) continue;
      violation(silent ? "missing_pong" : "idle_without_subscription", now_ms);
      state.last_heard_ms = now_ms;
      state.last_pong_ms = now_ms;
      connection->drop();
    }
  }

  [[nodiscard]] HttpAnswer ban_answer(bool) const override { return refusal(429); }
  [[nodiscard]] HttpAnswer refusal(int status) const override {
    return status < 500 ? error_answer(status, "TOO_MANY_REQUESTS", "Request Rate Limit Exceeded")
                        : error_answer(status, "SERVER_ERROR", "Server is under maintenance");
  }
  void announce_maintenance(Connection& connection, bool begins, std::int64_t now_ms) override {
    if (!begins) return;
    connection.send_text(push_text("spot.system",
                                   JsonObject()
                                       .text("type", "upgrade")
                                       .text("msg",
                                             "The connection will soon be closed for a service "
                                             "upgrade. Please reconnect.")
                                       .str(),
                                   clock(now_ms)));
  }

  HttpAnswer on_http(const HttpRequest& request) override {
    constexpr std::string_view kPrefix = "/api/v4";
    if (!request.path.starts_with(kPrefix)) return error_answer(404, "NOT_FOUND", "page not found");
    const std::string path = request.path.substr(kPrefix.size());
    RateWindow& rate = rest_[request.remote + ' ' + path];
    if (!rate.admit(request.now_ms)) {
      violation("rest_requests_per_10s", request.now_ms);
      return error_answer(429, "TOO_MANY_REQUESTS", "Request Rate Limit Exceeded");
    }
    HttpAnswer result = route(at_venue_clock(request), path);
    result.headers.emplace_back("X-Gate-Ratelimit-Limit", std::to_string(rate.limit()));
    result.headers.emplace_back("X-Gate-Ratelimit-Requests-Remain",
                                std::to_string(rate.limit() - rate.used(request.now_ms)));
    result.headers.emplace_back("X-Gate-Ratelimit-Reset-Timestamp",
                                std::to_string(rate.frees_at(request.now_ms) / 1000));
    return result;
  }

  [[nodiscard]] std::optional<std::uint64_t> sequence(const Listing& listing) const override {
    return listing.book.last_id;
  }

 private:
  static State& state_of(Connection& connection) { return static_cast<State&>(*connection.state); }

  static Frame make_frame(std::string text, FrameKind kind, const Listing* listing) {
    return {std::make_shared<const std::string>(std::move(text)), false, kind, listing};
  }

  /// An acknowledgement; an error when `code` is not 0.
  static void respond(Connection& connection, const nlohmann::json& request, int code,
                      std::string_view message, std::int64_t now_ms) {
    const State& state = state_of(connection);
    JsonObject object;
    object.number("time", now_ms / 1000).number("time_ms", now_ms);
    if (const auto id = request.find("id"); id != request.end()) object.raw("id", id->dump());
    object.text("conn_id", state.conn_id).text("trace_id", "4828a24ccb45b4a8783146882392a4bd");
    object.text("channel", text_of(request, "channel")).text("event", text_of(request, "event"));
    if (const auto payload = request.find("payload"); payload != request.end()) {
      object.raw("payload", payload->dump());
    }
    if (code != 0)
      object.raw("error", JsonObject().number("code", code).text("message", message).str());
    object.raw("result", JsonObject().text("status", code == 0 ? "success" : "fail").str())
        .text("requestId", "4828a24ccb45b4a8783146882392a4bd");
    connection.send_text(object.str());
  }

  static std::string event_text(const Stream& stream, const BookEvent& event) {
    const Instrument& instrument = event.listing.instrument;
    if (stream.channel == Channel::kBook) return whole_book(stream, event.after.ts_ms);
    if (stream.channel == Channel::kBookTicker)
      return book_ticker(event.listing, event.after.ts_ms);
    const WindowChange change = window_change(event.before, event.after, stream.depth);
    const bool obu = stream.channel == Channel::kObu;
    const std::string bids = changes_text(change.bids, instrument, obu);
    const std::string asks = changes_text(change.asks, instrument, obu);
    if (obu) return obu_text(stream, event.after, bids, asks, false);
    return push_text("spot.order_book_update",
                     JsonObject()
                         .number("t", event.after.ts_ms)
                         .text("e", "depthUpdate")
                         .number("E", event.after.ts_ms / 1000)
                         .text("s", pair_of(instrument))
                         .raw("U", std::to_string(event.after.first_id))
                         .raw("u", std::to_string(event.after.last_id))
                         .text("l", std::to_string(stream.depth))
                         .raw("b", bids)
                         .raw("a", asks)
                         .str(),
                     event.after.ts_ms);
  }

  /// What a payload asks for, or why it asks wrongly.
  struct Wanted {
    std::vector<Stream> streams;
    std::string problem;
  };

  Wanted wanted_of(Channel channel, const std::vector<std::string>& payload) const {
    Wanted wanted;
    const auto find = [&](const std::string& pair) -> const Listing* {
      const Listing* const found = by_pair_.find(pair);
      if (found != nullptr) return found;
      wanted.problem = "unknown currency pair: " + pair;
      return nullptr;
    };
    if (channel == Channel::kObu) {
      for (const std::string& name : payload) {
        const std::size_t dot = name.rfind('.');
        const bool shaped = name.starts_with("ob.") && dot > 3;
        const std::string level = shaped ? name.substr(dot + 1) : "";
        const Listing* const found = shaped ? by_pair_.find(name.substr(3, dot - 3)) : nullptr;
        // An unknown pair or level is acknowledged and stays silent.
        if (found == nullptr || (level != "50" && level != "400")) continue;
        wanted.streams.push_back(
            {channel, found, level == "50" ? 50U : 400U, level == "50" ? 20 : 100});
      }
    } else if (channel == Channel::kUpdate) {
      const std::string period = payload.size() > 1 ? payload[1] : "100ms";
      if (period != "100ms" && period != "20ms")
        wanted.problem = "invalid argument: interval " + period;
      const Listing* const listing = find(payload[0]);
      if (wanted.problem.empty()) {
        wanted.streams.push_back(
            {channel, listing, period == "20ms" ? 20U : 100U, period == "20ms" ? 20 : 100});
      }
    } else if (channel == Channel::kBook) {
      static const std::map<std::string, std::size_t> kLevels = {
          {"5", 5}, {"10", 10}, {"20", 20}, {"50", 50}, {"100", 100}};
      const auto level = payload.size() > 1 ? kLevels.find(payload[1]) : kLevels.end();
      const std::string period = payload.size() > 2 ? payload[2] : "";
      if (level == kLevels.end()) wanted.problem = "invalid argument: level";
      if (period != "100ms" && period != "1000ms") wanted.problem = "invalid argument: interval";
      const Listing* const listing = find(payload[0]);
      if (wanted.problem.empty()) {
        wanted.streams.push_back({channel, listing, level->second, period == "100ms" ? 100 : 1000});
      }
    } else if (channel != Channel::kQuiet) {
      for (const std::string& pair : payload) {
        if (const Listing* listing = find(pair)) wanted.streams.push_back({channel, listing, 0, 0});
      }
    }
    return wanted;
  }

  void handle(Connection& connection, const nlohmann::json& request, Channel channel,
              bool subscribe, const std::vector<std::string>& payload, std::int64_t now_ms) {
    State& state = state_of(connection);
    const Wanted wanted = wanted_of(channel, payload);
    if (!wanted.problem.empty()) return respond(connection, request, 2, wanted.problem, now_ms);
    if (subscribe && channel == Channel::kObu) {
      for (const Stream& stream : wanted.streams) {
        if (state.streams.contains(stream)) {
          return respond(connection, request, 2, "Alert sub " + obu_name(stream), now_ms);
        }
      }
    }
    respond(connection, request, 0, "", now_ms);
    for (const Stream& stream : wanted.streams) {
      if (!subscribe) {
        state.streams.erase(stream);
        continue;
      }
      state.streams.insert(stream);
      if (channel == Channel::kObu) {
        connection.send(make_frame(full_obu(stream), FrameKind::kBook, stream.listing));
      } else if (channel == Channel::kTickers) {
        connection.send(
            make_frame(push_text("spot.tickers", ticker_row(*stream.listing, JsonObject()), now_ms),
                       FrameKind::kTicker, stream.listing));
      } else if (channel == Channel::kBook) {
        connection.send(make_frame(whole_book(stream, now_ms), FrameKind::kBook, stream.listing));
      }
    }
  }

  HttpAnswer route(const HttpRequest& request, const std::string& path) const {
    if (path == "/spot/time")
      return answer(JsonObject().number("server_time", request.now_ms).str());
    if (path == "/spot/currency_pairs") return currency_pairs();
    if (path.starts_with("/spot/currency_pairs/")) return currency_pair(path.substr(21));
    if (path == "/spot/tickers") return tickers(request);
    if (path == "/spot/order_book") return order_book(request);
    if (path == "/spot/currencies") return currencies();
    if (path.starts_with("/spot/currencies/")) return currency(path.substr(17));
    if (path == "/wallet/currency_chains") return chains(request);
    // Other markets' lists, which clients ask for at their start: this simulator has spot only.
    if (path.starts_with("/futures/") || path.starts_with("/delivery/") ||
        path.starts_with("/options/") || path == "/margin/currency_pairs" ||
        path == "/margin/uni/currency_pairs") {
      return answer("[]");
    }
    if (path == "/wallet/withdraw_status")
      return error_answer(401, "MISSING_REQUIRED_HEADER", "Missing required header: KEY");
    return error_answer(404, "NOT_FOUND", "page not found");
  }

  static std::string currency_pair_row(const Instrument& i) {
    return JsonObject()
        .text("id", pair_of(i))
        .text("base", i.base)
        .text("base_name", i.base)
        .text("quote", i.quote)
        .text("quote_name", i.quote)
        .text("fee", "0.2")
        .text("min_base_amount", fixed(std::int64_t{1}, std::min(i.size_decimals, 6)))
        .text("min_quote_amount", "3")
        .text("max_quote_amount", "5000000")
        .number("amount_precision", i.size_decimals)
        .number("precision", i.price_decimals)
        .text("trade_status", "tradable")
        .number("sell_start", 0)
        .number("buy_start", 0)
        .number("delisting_time", 0)
        .text("type", "normal")
        .text("trade_url", "https://www.gate.io/trade/" + pair_of(i))
        .boolean("st_tag", false)
        .str();
  }

  HttpAnswer currency_pairs() const {
    JsonArray rows;
    for (const Listing* listing : listings()) rows.add(currency_pair_row(listing->instrument));
    return answer(rows.str());
  }
  HttpAnswer currency_pair(const std::string& name) const {
    const Listing* const found = by_pair_.find(name);
    if (found == nullptr) return unknown_pair(name);
    return answer(currency_pair_row(found->instrument));
  }
  static HttpAnswer unknown_pair(const std::string& name) {
    return error_answer(400, "INVALID_CURRENCY_PAIR", "Invalid currency pair " + name);
  }

  HttpAnswer tickers(const HttpRequest& request) const {
    const std::optional<std::string> name = request.parameter("currency_pair");
    if (name && by_pair_.find(*name) == nullptr) return unknown_pair(*name);
    JsonArray rows;
    for (const Listing* listing : listings()) {
      if (name && pair_of(listing->instrument) != *name) continue;
      JsonObject row;
      if (name) {
        const int decimals = listing->instrument.size_decimals;
        row.text("lowest_size", trimmed(best_of(listing->book.asks).size, decimals))
            .text("highest_size", trimmed(best_of(listing->book.bids).size, decimals));
      }
      const std::string change = change_percent(listing->ticker);
      row.text("change_utc0", change).text("change_utc8", change);
      rows.add(ticker_row(*listing, row));
    }
    return answer(rows.str());
  }

  HttpAnswer order_book(const HttpRequest& request) const {
    const std::optional<std::string> name = request.parameter("currency_pair");
    if (!name)
      return error_answer(400, "MISSING_REQUIRED_PARAM",
                          "Missing required parameter: currency_pair");
    const Listing* const found = by_pair_.find(*name);
    if (found == nullptr) return unknown_pair(*name);
    const std::string limit_text = request.parameter("limit").value_or("10");
    const bool number =
        !limit_text.empty() && limit_text.size() <= 4 &&
        std::ranges::all_of(limit_text, [](char c) { return c >= '0' && c <= '9'; });
    const int limit = number ? std::stoi(limit_text) : 0;
    if (limit < 1 || limit > 1000) return error_answer(400, "INVALID_PARAM_VALUE", "Invalid limit");
    const Listing& listing = *found;
    JsonObject object;
    if (is_true(request.parameter("with_id").value_or("false"))) {
      object.raw("id", std::to_string(listing.book.last_id));
    }
    object.number("current", request.now_ms)
        .number("update", listing.book.ts_ms)
        .raw("asks",
             side_text(listing.book.asks, listing.instrument, static_cast<std::size_t>(limit)))
        .raw("bids",
             side_text(listing.book.bids, listing.instrument, static_cast<std::size_t>(limit)));
    return answer(object.str());
  }

  std::string currency_row(const std::string& name) const {
    const WalletState wallet = market().wallet(name);
    const std::string chain = name == "USDT" ? "TRX" : name;
    return JsonObject()
        .text("currency", name)
        .text("name", name)
        .boolean("delisted", false)
        .boolean("withdraw_disabled", !wallet.withdraw)
        .boolean("withdraw_delayed", false)
        .boolean("deposit_disabled", !wallet.deposit)
        .boolean("trade_disabled", false)
        .text("chain", chain)
        .raw("chains", JsonArray()
                           .add(JsonObject()
                                    .text("name", chain)
                                    .text("addr", "")
                                    .boolean("withdraw_disabled", !wallet.withdraw)
                                    .boolean("withdraw_delayed", false)
                                    .boolean("deposit_disabled", !wallet.deposit)
                                    .str())
                           .str())
        .str();
  }

  std::set<std::string> currency_names() const {
    std::set<std::string> names;
    for (const Listing* listing : listings()) {
      names.insert(listing->instrument.base);
      names.insert(listing->instrument.quote);
    }
    return names;
  }
  HttpAnswer currencies() const {
    JsonArray rows;
    for (const std::string& name : currency_names()) rows.add(currency_row(name));
    return answer(rows.str());
  }
  HttpAnswer currency(const std::string& name) const {
    if (!currency_names().contains(name)) {
      return error_answer(400, "INVALID_CURRENCY", "Invalid currency " + name);
    }
    return answer(currency_row(name));
  }
  HttpAnswer chains(const HttpRequest& request) const {
    const std::string name = request.parameter("currency").value_or("");
    if (!currency_names().contains(name)) {
      return error_answer(400, "INVALID_CURRENCY", "Invalid currency " + name);
    }
    const std::string chain = name == "USDT" ? "TRX" : name;
    const WalletState wallet = market().wallet(name);
    return answer(JsonArray()
                      .add(JsonObject()
                               .text("chain", chain)
                               .text("name_cn", chain)
                               .text("name_en", chain)
                               .text("contract_address", "")
                               .number("is_disabled", 0)
                               .number("is_deposit_disabled", wallet.deposit ? 0 : 1)
                               .number("is_withdraw_disabled", wallet.withdraw ? 0 : 1)
                               .text("decimal", "6")
                               .str())
                      .str());
  }

  SymbolIndex by_pair_{market()};
  std::set<const Listing*> dirty_;  // since the last second
  std::int64_t last_second_ms_ = 0;
  KeyedRate rest_{200, 10'000};
};

}  // namespace

std::unique_ptr<VenueProtocol> make_gateio(const VenueContext& context) {
  return std::make_unique<Gateio>(context);
}

}  // namespace spreadwatch::sim
