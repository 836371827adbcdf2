#include "sim/venues/kraken_rest.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <initializer_list>
#include <set>

#include "sim/format.h"
#include "sim/venues/kraken_text.h"

namespace spreadwatch::sim::kraken {
namespace {

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

HttpAnswer result(const std::string& json) {
  HttpAnswer answer;
  answer.body = R"({"error":[],"result":)" + json + "}";
  answer.content_type = "application/json; charset=utf-8";
  return answer;
}

std::string rfc1123(std::int64_t now_ms) {
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

/// A pair is answered under its key whatever it was asked by, except by its readable name.
std::string key_for(const Listing& listing, std::string_view asked, bool readable) {
  const std::string symbol = symbol_of(listing.instrument);
  return readable || asked == symbol ? symbol : rest_key(listing.instrument);
}

bool wants_readable(const HttpRequest& request) {
  return request.parameter("assetVersion").value_or("0") == "1";
}

}  // namespace

HttpAnswer failed(std::string_view error) {
  HttpAnswer answer;
  answer.body = R"({"error":[)" + sim::quoted(error) + "]}";
  answer.content_type = "application/json; charset=utf-8";
  return answer;
}

const char* system_status(MarketView& market) {
  return market.maintenance() ? "maintenance" : "online";
}

KrakenRest::KrakenRest(MarketView& market) : market_(market) {
  for (const Listing* listing : market_.listings()) {
    const Instrument& i = listing->instrument;
    for (const std::string& name :
         {rest_key(i), altname_of(i), wsname_of(i), i.base + i.quote, symbol_of(i)}) {
      by_rest_name_.set(name, listing);
    }
  }
}

template <class Row>
HttpAnswer KrakenRest::pairs(const HttpRequest& request, Row row) {
  const bool readable = wants_readable(request);
  const std::vector<std::string> asked = request.parameter_list("pair");
  JsonObject rows;
  if (asked.empty()) {
    for (const Listing* listing : market_.listings()) {
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

HttpAnswer KrakenRest::route(const HttpRequest& request) {
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
  const std::int64_t now = request.now_ms + market_.skew_ms();
  const std::int64_t seconds = now / 1000;
  if (route == "Time") {
    return result(JsonObject().number("unixtime", seconds).text("rfc1123", rfc1123(now)).str());
  }
  if (route == "SystemStatus") {
    return result(JsonObject()
                      .text("status", system_status(market_))
                      .text("timestamp", rfc3339_micros(seconds * 1'000'000).substr(0, 19) + "Z")
                      .raw("upcoming_maintenance", "[]")
                      .raw("emergency", "[]")
                      .str());
  }
  return failed("EGeneral:Unknown method");
}

HttpAnswer KrakenRest::depth(const HttpRequest& request) {
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
  const std::string book =
      JsonObject().raw("asks", side(listing.book.asks)).raw("bids", side(listing.book.bids)).str();
  return result(JsonObject().raw(key_for(listing, name, wants_readable(request)), book).str());
}

HttpAnswer KrakenRest::assets(const HttpRequest& request) {
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
      rows.raw(readable ? asset : asset_key(asset), rest_asset(asset, market_.wallet(asset)));
  }
  return result(rows.str());
}

}  // namespace spreadwatch::sim::kraken
