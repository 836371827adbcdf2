// Kraken: websocket v2 and public REST (https://docs.kraken.com/api, state of 2026-09). Prices and
// quantities are JSON numbers with all their decimals, since the CRC-32 of the ten best levels is
// taken over that text; no sequence numbers; levels beyond the depth are left to the client to
// drop; one acknowledgement or error per symbol; REST still uses legacy names such as XXBTZUSD.

#include <zlib.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <map>
#include <nlohmann/json.hpp>
#include <set>

#include "sim/format.h"
#include "sim/venues.h"

namespace spreadwatch::sim {
namespace {

constexpr std::int64_t kHeartbeatMs = 1'000;
constexpr std::int64_t kIdleMs = 60'000;
constexpr std::int64_t kBanMs = 600'000;
constexpr std::size_t kChecksumLevels = 10;
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

/// Old assets carry a class letter in REST: X for coins, Z for currencies.
struct LegacyAsset {
  std::string_view name;
  std::string_view altname;
  std::string_view key;
};
constexpr std::array<LegacyAsset, 13> kLegacyAssets = {{
    {"BTC", "XBT", "XXBT"},
    {"DOGE", "XDG", "XXDG"},
    {"ETH", "ETH", "XETH"},
    {"XRP", "XRP", "XXRP"},
    {"LTC", "LTC", "XLTC"},
    {"ETC", "ETC", "XETC"},
    {"XLM", "XLM", "XXLM"},
    {"ZEC", "ZEC", "XZEC"},
    {"XMR", "XMR", "XXMR"},
    {"REP", "REP", "XREP"},
    {"MLN", "MLN", "XMLN"},
    {"USD", "USD", "ZUSD"},
    {"EUR", "EUR", "ZEUR"},
}};

std::string asset_altname(const std::string& name) {
  for (const LegacyAsset& asset : kLegacyAssets) {
    if (asset.name == name) return std::string(asset.altname);
  }
  return name;
}

std::string asset_key(const std::string& name) {
  for (const LegacyAsset& asset : kLegacyAssets) {
    if (asset.name == name) return std::string(asset.key);
  }
  return name;
}

std::string symbol_of(const Instrument& i) { return i.base + "/" + i.quote; }
std::string wsname_of(const Instrument& i) {
  return asset_altname(i.base) + "/" + asset_altname(i.quote);
}
std::string altname_of(const Instrument& i) {
  return asset_altname(i.base) + asset_altname(i.quote);
}

/// XXBTZUSD, but XBTUSDT and XDGUSD: only pairs older than the naming change carry class letters.
/// USDTZUSD is the one young pair that got them.
std::string rest_key(const Instrument& i) {
  const std::string base = asset_key(i.base);
  const std::string quote = asset_key(i.quote);
  const bool old_base = base != i.base && i.base != "DOGE";
  if (quote != i.quote && (old_base || i.base == "USDT")) return base + quote;
  return altname_of(i);
}

std::string price_text(std::int64_t price, const Instrument& i) {
  return fixed(price, i.price_decimals);
}
std::string size_text(std::int64_t size, const Instrument& i) {
  return fixed(size, i.size_decimals);
}

/// A step of one unit as the instrument channel spells it: 0.1, 0.001, but 1e-08.
std::string step_text(std::int64_t step, int decimals) {
  if (step != 1 || decimals < 5) return trimmed(step, decimals);
  return std::string(decimals < 10 ? "1e-0" : "1e-") + std::to_string(decimals);
}

std::string book_side(const std::vector<Level>& side, const Instrument& i, std::size_t depth) {
  JsonArray rows;
  for (std::size_t n = 0; n < std::min(depth, side.size()); ++n) {
    rows.add(R"({"price":)" + price_text(side[n].price, i) + R"(,"qty":)" +
             size_text(side[n].size, i) + "}");
  }
  return rows.str();
}

/// Deletes come before inserts, so that a client may cut its book to the depth after each level. A
/// level that merely left the window is not mentioned: that cut removes it.
std::string book_side(const std::vector<LevelChange>& side, const Instrument& i) {
  JsonArray rows;
  for (const ChangeKind kind : {ChangeKind::kDeleted, ChangeKind::kSet}) {
    for (const LevelChange& change : side) {
      if (change.kind != kind) continue;
      rows.add(R"({"price":)" + price_text(change.level.price, i) + R"(,"qty":)" +
               size_text(change.level.size, i) + "}");
    }
  }
  return rows.str();
}

void append_checksum_digits(std::string& text, const std::string& number) {
  bool leading = true;
  for (const char c : number) {
    if (c == '.' || (leading && c == '0')) continue;
    leading = false;
    text += c;
  }
}

std::uint32_t checksum(const Book& book, const Instrument& i) {
  std::string text;
  for (const std::vector<Level>* side : {&book.asks, &book.bids}) {
    for (std::size_t n = 0; n < std::min(kChecksumLevels, side->size()); ++n) {
      append_checksum_digits(text, price_text((*side)[n].price, i));
      append_checksum_digits(text, size_text((*side)[n].size, i));
    }
  }
  return static_cast<std::uint32_t>(
      crc32(0, reinterpret_cast<const Bytef*>(text.data()), static_cast<uInt>(text.size())));
}

std::string channel_frame(std::string_view channel, std::string_view type, std::string_view data) {
  return JsonObject().text("channel", channel).text("type", type).raw("data", data).str();
}

/// Depends on what stands in the book only; a snapshot carries no timestamp.
std::string book_snapshot(const Listing& listing, int depth) {
  const auto window = static_cast<std::size_t>(depth);
  const std::string row = JsonObject()
                              .text("symbol", symbol_of(listing.instrument))
                              .raw("bids", book_side(listing.book.bids, listing.instrument, window))
                              .raw("asks", book_side(listing.book.asks, listing.instrument, window))
                              .number("checksum", checksum(listing.book, listing.instrument))
                              .str();
  return channel_frame("book", "snapshot", "[" + row + "]");
}

std::string book_update(const BookEvent& event, int depth) {
  const Instrument& i = event.listing.instrument;
  const WindowChange change =
      window_change(event.before, event.after, static_cast<std::size_t>(depth));
  const std::string row = JsonObject()
                              .text("symbol", symbol_of(i))
                              .raw("bids", book_side(change.bids, i))
                              .raw("asks", book_side(change.asks, i))
                              .number("checksum", checksum(event.after, i))
                              .text("timestamp", rfc3339_micros(event.after.ts_ms * 1000))
                              .str();
  return channel_frame("book", "update", "[" + row + "]");
}

/// Volume-weighted price, or the last one while nothing traded.
double vwap(double turnover, std::int64_t volume, const Listing& listing) {
  if (volume == 0) return to_double(listing.ticker.last, listing.instrument.price_decimals);
  return turnover / to_double(volume, listing.instrument.size_decimals);
}

std::int64_t trade_count(const Ticker& t) {
  return static_cast<std::int64_t>(t.last_trade_id - t.first_trade_id + 1);
}

std::string ticker_frame(std::string_view type, const Listing& listing, std::int64_t ts_ms) {
  const Instrument& i = listing.instrument;
  const Ticker& t = listing.ticker;
  const Level bid = listing.book.bids.empty() ? Level{} : best_of(listing.book.bids);
  const Level ask = listing.book.asks.empty() ? Level{} : best_of(listing.book.asks);
  const double percent =
      t.open == 0 ? 0.0
                  : static_cast<double>(t.last - t.open) * 100.0 / static_cast<double>(t.open);
  const std::string row =
      JsonObject()
          .text("symbol", symbol_of(i))
          .raw("bid", price_text(bid.price, i))
          .raw("bid_qty", size_text(bid.size, i))
          .raw("ask", price_text(ask.price, i))
          .raw("ask_qty", size_text(ask.size, i))
          .raw("last", price_text(t.last, i))
          .raw("volume", size_text(t.volume_24h, i))
          .raw("vwap", fixed(vwap(t.turnover_24h, t.volume_24h, listing), i.price_decimals))
          .raw("low", price_text(t.low, i))
          .raw("high", price_text(t.high, i))
          .raw("change", price_text(t.last - t.open, i))
          .raw("change_pct", fixed(percent, 2))
          .number("trades", trade_count(t))
          .text("timestamp", rfc3339_micros(ts_ms * 1000))
          .str();
  return channel_frame("ticker", type, "[" + row + "]");
}

std::string pair_info(const Instrument& i, std::string_view status = "online") {
  const std::string increment = step_text(i.tick, i.price_decimals);
  return JsonObject()
      .text("symbol", symbol_of(i))
      .text("base", i.base)
      .text("quote", i.quote)
      .text("status", status)
      .number("qty_precision", i.size_decimals)
      .raw("qty_increment", step_text(1, i.size_decimals))
      .number("price_precision", i.price_decimals)
      .number("cost_precision", 5)
      .boolean("marginable", false)
      .boolean("has_index", true)
      .raw("cost_min", "0.50")
      .raw("tick_size", increment)
      .raw("price_increment", increment)
      .raw("qty_min", step_text(1, i.size_decimals))
      .str();
}

const char* wallet_status(const WalletState& wallet) {
  if (wallet.deposit) return wallet.withdraw ? "enabled" : "deposit_only";
  return wallet.withdraw ? "withdrawal_only" : "funding_temporarily_disabled";
}

std::string asset_info(const std::string& name, const WalletState& wallet) {
  const bool cash = name == "USD" || name == "EUR";
  return JsonObject()
      .text("id", name)
      .text("status", wallet_status(wallet))
      .number("precision", cash             ? 4
                           : name == "USDT" ? 8
                                            : 10)
      .number("precision_display", cash ? 2 : 5)
      .boolean("borrowable", false)
      .raw("collateral_value", "1.00")
      .raw("margin_rate", "0.020000")
      .str();
}

/// REST spells a price with at least five decimals and a volume with at least three.
std::string rest_price(std::int64_t price, const Instrument& i) {
  return fixed(price, i.price_decimals, std::max(5, i.price_decimals));
}
std::string rest_volume(std::int64_t size, const Instrument& i) {
  std::string text = trimmed(size, i.size_decimals);
  const std::size_t point = text.find('.');
  if (point == std::string::npos) return text + ".000";
  const std::size_t shown = text.size() - point - 1;
  if (shown < 3) text.append(3 - shown, '0');
  return text;
}
std::string whole_lots(std::int64_t size, const Instrument& i) {
  const std::string text = fixed(size, i.size_decimals);
  return text.substr(0, text.find('.'));
}

std::string array_of(std::initializer_list<std::string> elements) {
  JsonArray array;
  for (const std::string& element : elements) array.add(element);
  return array.str();
}

std::string rest_ticker(const Listing& listing) {
  const Instrument& i = listing.instrument;
  const Ticker& t = listing.ticker;
  const auto best = [&](const std::vector<Level>& side) {
    const Level level = side.empty() ? Level{} : side.front();
    return array_of({sim::quoted(rest_price(level.price, i)),
                     sim::quoted(whole_lots(level.size, i)),
                     sim::quoted(rest_volume(level.size, i))});
  };
  const int decimals = std::max(5, i.price_decimals);
  const std::int64_t count = trade_count(t);
  const double part = t.volume_24h == 0
                          ? 0.0
                          : static_cast<double>(t.volume_day) / static_cast<double>(t.volume_24h);
  const auto count_day = static_cast<std::int64_t>(static_cast<double>(count) * part);
  const std::string low = sim::quoted(rest_price(t.low, i));
  const std::string high = sim::quoted(rest_price(t.high, i));
  return JsonObject()
      .raw("a", best(listing.book.asks))
      .raw("b", best(listing.book.bids))
      .raw("c",
           array_of({sim::quoted(rest_price(t.last, i)), sim::quoted(size_text(t.last_size, i))}))
      .raw("v", array_of({sim::quoted(size_text(t.volume_day, i)),
                          sim::quoted(size_text(t.volume_24h, i))}))
      .raw("p",
           array_of({sim::quoted(fixed(vwap(t.turnover_day, t.volume_day, listing), decimals)),
                     sim::quoted(fixed(vwap(t.turnover_24h, t.volume_24h, listing), decimals))}))
      .raw("t", array_of({std::to_string(count_day), std::to_string(count)}))
      .raw("l", array_of({low, low}))
      .raw("h", array_of({high, high}))
      .text("o", rest_price(t.open, i))
      .str();
}

std::string rest_pair(const Instrument& i, bool readable) {
  const bool stable = i.base == "USDT" || i.base == "USDC";
  return JsonObject()
      .text("altname", altname_of(i))
      .text("wsname", wsname_of(i))
      .text("aclass_base", "currency")
      .text("base", readable ? i.base : asset_key(i.base))
      .text("aclass_quote", "currency")
      .text("quote", readable ? i.quote : asset_key(i.quote))
      .text("lot", "unit")
      .number("cost_decimals", 5)
      .number("pair_decimals", i.price_decimals)
      .number("lot_decimals", i.size_decimals)
      .number("lot_multiplier", 1)
      .raw("leverage_buy", "[]")
      .raw("leverage_sell", "[]")
      .raw("fees", stable ? "[[0,0.2],[50000,0.16],[100000,0.12],[250000,0.08]]"
                          : "[[0,0.4],[10000,0.35],[50000,0.24],[100000,0.22],[250000,0.2]]")
      .raw("fees_maker", stable ? "[[0,0.2],[50000,0.16],[100000,0.12],[250000,0.08]]"
                                : "[[0,0.25],[10000,0.2],[50000,0.14],[100000,0.12],[250000,0.1]]")
      .text("fee_volume_currency", "ZUSD")
      .number("margin_call", 80)
      .number("margin_stop", 40)
      .text("ordermin", trimmed(1, std::min(i.size_decimals, 5)))
      .text("costmin", "0.5")
      .text("tick_size", trimmed(i.tick, i.price_decimals))
      .text("status", "online")
      .str();
}

std::string rest_asset(const std::string& name, const WalletState& wallet) {
  const bool cash = name == "USD" || name == "EUR";
  return JsonObject()
      .text("aclass", "currency")
      .text("altname", asset_altname(name))
      .number("decimals", cash             ? 4
                          : name == "USDT" ? 8
                                           : 10)
      .number("display_decimals", cash ? 2 : 5)
      .raw("collateral_value", "1.0")
      .text("status", wallet_status(wallet))
      .raw("margin_rate", "0.02")
      .str();
}

/// Members of a request, absent or of another type alike.
std::string text_member(const nlohmann::json& object, const char* key) {
  const auto at = object.find(key);
  return at != object.end() && at->is_string() ? at->get<std::string>() : std::string();
}

class Kraken final : public VenueProtocol {
 public:
  explicit Kraken(const VenueContext& context) : VenueProtocol(context) {
    for (const Listing* listing : listings()) {
      const Instrument& i = listing->instrument;
      by_symbol_.set(symbol_of(i), listing);
      for (const std::string& name :
           {rest_key(i), altname_of(i), wsname_of(i), i.base + i.quote, symbol_of(i)}) {
        by_rest_name_.set(name, listing);
      }
      for (const std::string& asset : {i.base, i.quote}) {
        if (std::find(assets_.begin(), assets_.end(), asset) == assets_.end()) {
          assets_.push_back(asset);
        }
      }
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
    constexpr std::string_view kPrefix = "/0/public/";
    if (!request.path.starts_with(kPrefix)) return failed("EGeneral:Unknown method");
    const std::string route = request.path.substr(kPrefix.size());
    if (route == "AssetPairs") {
      return pairs(request, [](const Listing& listing, bool readable) {
        return rest_pair(listing.instrument, readable);
      });
    }
    if (route == "Ticker") {
      return pairs(request, [](const Listing& listing, bool) { return rest_ticker(listing); });
    }
    if (route == "Depth") return depth(request);
    if (route == "Assets") return assets(request);
    const std::int64_t now = clock(request.now_ms);
    const std::int64_t seconds = now / 1000;
    if (route == "Time") {
      return result(JsonObject().number("unixtime", seconds).text("rfc1123", rfc1123(now)).str());
    }
    if (route == "SystemStatus") {
      return result(JsonObject()
                        .text("status", system_status())
                        .text("timestamp", rfc3339_micros(seconds * 1'000'000).substr(0, 19) + "Z")
                        .raw("upcoming_maintenance", "[]")
                        .raw("emergency", "[]")
                        .str());
    }
    return failed("EGeneral:Unknown method");
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

  [[nodiscard]] const char* system_status() const {
    return market().maintenance() ? "maintenance" : "online";
  }

  [[nodiscard]] std::string status_frame(const Connection& connection) const {
    // Unsigned and above 2^53, where a double no longer holds it.
    const std::uint64_t id = 9'471'984'923'908'980'762ULL + connection.id() * 1'000'003ULL;
    const std::string row = JsonObject()
                                .text("version", "2.0.10")
                                .text("system", system_status())
                                .text("api_version", "v2")
                                .raw("connection_id", std::to_string(id))
                                .str();
    return channel_frame("status", "update", "[" + row + "]");
  }

  static HttpAnswer result(const std::string& json) {
    HttpAnswer answer;
    answer.body = R"({"error":[],"result":)" + json + "}";
    answer.content_type = "application/json; charset=utf-8";
    return answer;
  }

  /// Errors come with status 200.
  static HttpAnswer failed(std::string_view error) {
    HttpAnswer answer;
    answer.body = R"({"error":[)" + sim::quoted(error) + "]}";
    answer.content_type = "application/json; charset=utf-8";
    return answer;
  }

  static std::string rfc1123(std::int64_t now_ms) {
    constexpr std::array<const char*, 7> kDays = {"Thu", "Fri", "Sat", "Sun", "Mon", "Tue", "Wed"};
    constexpr std::array<const char*, 12> kMonths = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                                     "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
    const std::string date = date_compact(now_ms);  // YYYYMMDD
    const std::string time = time_compact(now_ms);
    const auto month = static_cast<std::size_t>((date[4] - '0') * 10 + (date[5] - '0') - 1);
    return std::string(kDays.at(static_cast<std::size_t>(now_ms / 86'400'000 % 7))) + ", " +
           date.substr(6, 2) + " " + kMonths.at(month) + " " + date.substr(2, 2) + " " +
           time.substr(0, 2) + ":" + time.substr(2, 2) + ":" + time.substr(4, 2) + " +0000";
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

  /// A pair is answered under its key whatever it was asked by, except by its readable name.
  static std::string key_for(const Listing& listing, std::string_view asked, bool readable) {
    const std::string symbol = symbol_of(listing.instrument);
    return readable || asked == symbol ? symbol : rest_key(listing.instrument);
  }

  static bool wants_readable(const HttpRequest& request) {
    return request.parameter("assetVersion").value_or("0") == "1";
  }

  template <class Row>
  HttpAnswer pairs(const HttpRequest& request, Row row) {
    const bool readable = wants_readable(request);
    const std::vector<std::string> asked = request.parameter_list("pair");
    JsonObject rows;
    if (asked.empty()) {
      for (const Listing* listing : listings()) {
        rows.raw(key_for(*listing, {}, readable), row(*listing, readable));
      }
      return result(rows.str());
    }
    std::set<std::string> written;
    for (const std::string& name : asked) {
      const Listing* const found = by_rest_name_.find(name);
      if (found == nullptr) return failed("EQuery:Unknown asset pair");
      const std::string key = key_for(*found, name, readable);
      if (!written.insert(key).second) continue;
      rows.raw(key, row(*found, readable));
    }
    return result(rows.str());
  }

  HttpAnswer depth(const HttpRequest& request) {
    const std::string name = request.parameter("pair").value_or("");
    if (name.empty()) return failed("EGeneral:Invalid arguments");
    const Listing* const found = by_rest_name_.find(name);
    if (found == nullptr) return failed("EQuery:Unknown asset pair");
    std::size_t count = 100;
    if (const auto text = request.parameter("count")) {
      const char* const end = text->data() + text->size();
      const auto [stop, error] = std::from_chars(text->data(), end, count);
      if (error != std::errc() || stop != end || count < 1 || count > 500) {
        return failed("EGeneral:Invalid arguments");
      }
    }
    const Listing& listing = *found;
    const auto side = [&](const std::vector<Level>& levels) {
      JsonArray rows;
      for (std::size_t n = 0; n < std::min(count, levels.size()); ++n) {
        rows.add(array_of({sim::quoted(rest_price(levels[n].price, listing.instrument)),
                           sim::quoted(rest_volume(levels[n].size, listing.instrument)),
                           std::to_string(listing.book.ts_ms / 1000)}));
      }
      return rows.str();
    };
    const std::string book = JsonObject()
                                 .raw("asks", side(listing.book.asks))
                                 .raw("bids", side(listing.book.bids))
                                 .str();
    return result(JsonObject().raw(key_for(listing, name, wants_readable(request)), book).str());
  }

  HttpAnswer assets(const HttpRequest& request) {
    const bool readable = wants_readable(request);
    const std::vector<std::string> asked = request.parameter_list("asset");
    JsonObject rows;
    for (const std::string& name : asked) {
      const bool known = std::any_of(assets_.begin(), assets_.end(), [&](const std::string& a) {
        return name == a || name == asset_altname(a) || name == asset_key(a);
      });
      if (!known) return failed("EQuery:Unknown asset");
    }
    for (const std::string& asset : assets_) {
      const bool wanted =
          asked.empty() || std::any_of(asked.begin(), asked.end(), [&](const std::string& name) {
            return name == asset || name == asset_altname(asset) || name == asset_key(asset);
          });
      if (wanted)
        rows.raw(readable ? asset : asset_key(asset), rest_asset(asset, market().wallet(asset)));
    }
    return result(rows.str());
  }

  SymbolIndex by_symbol_{market()};
  SymbolIndex by_rest_name_{market()};
  std::vector<std::string> assets_;  // readable names, in the order of the listings
  std::map<std::string, std::int64_t> banned_until_;
  KeyedRate connects_{150, 600'000};
  KeyedRate rest_{30, 30'000};
};

}  // namespace

std::unique_ptr<VenueProtocol> make_kraken(const VenueContext& context) {
  return std::make_unique<Kraken>(context);
}

}  // namespace spreadwatch::sim
