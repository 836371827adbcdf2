#include "api/router.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <map>
#include <memory>
#include <utility>

#include "api/embedded.h"
#include "core/secrets.h"
#include "core/text.h"
#include "publish/encode.h"
#include "publish/json_writer.h"
#include "publish/time_of_day.h"
#include "spread/market_view.h"

namespace spreadwatch::api {
namespace {

constexpr std::string_view kJson = "application/json";
// Of any script: see is_asset().
constexpr std::string_view kMarketPattern =
    "^[$.0-9A-Za-z\u00a1-\U0010ffff]{1,20}-[$.0-9A-Za-z\u00a1-\U0010ffff]{1,20}$";
constexpr std::string_view kAssetPattern = "^[$.0-9A-Za-z\u00a1-\U0010ffff]{1,20}$";
constexpr std::string_view kDepthPattern = "^[1-9][0-9]{0,3}$";
constexpr std::string_view kAmountPattern = "^[0-9]{1,9}([.][0-9]{1,8})?$";

std::vector<std::string_view> venue_names() {
  std::vector<std::string_view> names;
  names.reserve(kVenues.size());
  for (const VenueIdentity& v : kVenues) names.push_back(v.name);
  return names;
}

std::vector<Route> make_routes() {
  using Id = Route::Id;
  const auto venue = [](std::string_view name, std::string_view description) {
    return Parameter{.name = name, .description = description, .values = venue_names()};
  };
  const Parameter asset{
      .name = "asset", .description = "canonical asset, e.g. BTC", .pattern = kAssetPattern};
  return {
      {Id::kBoard, "/", "board", "The live board", "text/html; charset=utf-8", "", {}},
      {Id::kBoardScript,
       "/app.js",
       "boardScript",
       "The board's script",
       "text/javascript; charset=utf-8",
       "",
       {}},
      {Id::kBoardStream,
       "/stream.js",
       "boardStream",
       "The board's worker that follows the stream",
       "text/javascript; charset=utf-8",
       "",
       {}},
      {Id::kBoardStyle,
       "/style.css",
       "boardStyle",
       "The board's style",
       "text/css; charset=utf-8",
       "",
       {}},
      {Id::kHealth, "/healthz", "health", "The process answers", kJson, "Health", {}},
      {Id::kReady,
       "/readyz",
       "readiness",
       "Whether the service can do its job, and why not",
       kJson,
       "Readiness",
       {}},
      {Id::kOpenApi, "/openapi.json", "openapi", "This document", kJson, "OpenApi", {}},
      {Id::kVenues,
       "/api/v1/venues",
       "listVenues",
       "The watched venues and their fees",
       kJson,
       "Venues",
       {}},
      {Id::kFeeds,
       "/api/v1/feeds",
       "listFeeds",
       "State of every stream, and each venue's integrity contract",
       kJson,
       "Feeds",
       {}},
      {Id::kTickers,
       "/api/v1/tickers",
       "listTickers",
       "The latest ticker of every market",
       kJson,
       "Tickers",
       {venue("venue", "only this venue's"),
        {.name = "symbol",
         .description = "only this market, BASE-QUOTE",
         .pattern = kMarketPattern}}},
      {Id::kOrderBook,
       "/api/v1/orderbooks/{venue}/{symbol}",
       "getOrderBook",
       "One maintained order book, or why there is none to show",
       kJson,
       "OrderBook",
       {{.name = "venue",
         .in = Parameter::In::kPath,
         .description = "the venue",
         .values = venue_names()},
        {.name = "symbol",
         .in = Parameter::In::kPath,
         .description = "the market, BASE-QUOTE",
         .pattern = kMarketPattern},
        {.name = "depth",
         .description = "levels a side at most; 15 when left out",
         .pattern = kDepthPattern}}},
      {Id::kFx,
       "/api/v1/fx",
       "listRates",
       "The exchange rates with their sources",
       kJson,
       "Rates",
       {}},
      {Id::kPremiums,
       "/api/v1/premiums",
       "listPremiums",
       "The premium of each asset between regions",
       kJson,
       "Premiums",
       {asset}},
      {Id::kSpreads,
       "/api/v1/spreads",
       "listSpreads",
       "Every pair of venues with its verdict",
       kJson,
       "Spreads",
       {asset,
        venue("buy", "only pairs that buy here"),
        venue("sell", "only pairs that sell here"),
        {.name = "mode",
         .description = "only this mode",
         .values = {kModeNames.begin(), kModeNames.end()}},
        {.name = "verdict",
         .description = "only this verdict",
         .values = {kVerdictNames.begin(), kVerdictNames.end()}}}},
      {Id::kOpportunities,
       "/api/v1/opportunities",
       "listOpportunities",
       "Open and recent opportunities, newest first",
       kJson,
       "Opportunities",
       {}},
      {Id::kProfit,
       "/api/v1/profit",
       "getProfit",
       "What a size would earn now, cost by cost",
       kJson,
       "Profit",
       {{.name = "asset",
         .description = "canonical asset, e.g. BTC",
         .pattern = kAssetPattern,
         .required = true},
        {.name = "buy",
         .description = "venue to buy at",
         .values = venue_names(),
         .required = true},
        {.name = "sell",
         .description = "venue to sell at",
         .values = venue_names(),
         .required = true},
        {.name = "size_usdt",
         .description = "amount to spend, USDT, above 0",
         .pattern = kAmountPattern,
         .required = true},
        {.name = "mode",
         .description = "inventory when left out",
         .values = {kModeNames.begin(), kModeNames.end()}}}},
      {Id::kStream,
       "/api/v1/stream",
       "stream",
       "Server-Sent Events: each record as it changes. No replay: take the state from the other "
       "routes first",
       "text/event-stream",
       "",
       {{.name = "topics",
         .description = "which records; all when left out",
         .values = {kTopicNames.begin(), kTopicNames.end()},
         .list = true}}},
  };
}

std::string_view title_of(int status) {
  switch (status) {
    case 400:
      return "Bad Request";
    case 404:
      return "Not Found";
    case 405:
      return "Method Not Allowed";
    case 408:
      return "Request Timeout";
    case 413:
      return "Content Too Large";
    case 414:
      return "URI Too Long";
    case 431:
      return "Request Header Fields Too Large";
    case 503:
      return "Service Unavailable";
    default:
      return "Internal Server Error";
  }
}

/// Percent-decoding of a path segment or a form value; nullopt when an escape is broken, or what
/// comes out is no UTF-8.
std::optional<std::string> decoded(std::string_view text, bool plus_is_space) {
  std::string out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '+' && plus_is_space) {
      out += ' ';
    } else if (text[i] != '%') {
      out += text[i];
    } else {
      unsigned value = 0;
      if (i + 2 >= text.size()) return std::nullopt;
      const char* const begin = text.data() + i + 1;
      if (std::from_chars(begin, begin + 2, value, 16).ptr != begin + 2) return std::nullopt;
      out += static_cast<char>(value);
      i += 2;
    }
  }
  if (!is_utf8(out)) return std::nullopt;
  return out;
}

std::vector<std::string_view> split(std::string_view text, char separator) {
  std::vector<std::string_view> parts;
  for (;;) {
    const std::size_t at = text.find(separator);
    parts.push_back(text.substr(0, at));
    if (at == std::string_view::npos) return parts;
    text.remove_prefix(at + 1);
  }
}

bool matches(std::string_view pattern, std::string_view value) {
  if (pattern.empty()) return true;
  if (pattern == kAssetPattern) return is_asset(value);
  if (pattern == kDepthPattern) {
    return !value.empty() && value.size() <= 4 && value.front() != '0' &&
           std::all_of(value.begin(), value.end(), [](char c) { return c >= '0' && c <= '9'; });
  }
  if (pattern == kAmountPattern) {
    const auto digits = [](std::string_view text, std::size_t most) {
      return !text.empty() && text.size() <= most &&
             std::all_of(text.begin(), text.end(), [](char c) { return c >= '0' && c <= '9'; });
    };
    const auto amount = split(value, '.');
    return amount.size() <= 2 && digits(amount[0], 9) &&
           (amount.size() == 1 || digits(amount[1], 8));
  }
  const auto parts = split(value, '-');
  return parts.size() == 2 && is_asset(parts[0]) && is_asset(parts[1]);
}

/// The template's `{name}` segments taken from a path; nullopt when the path is not of the
/// template.
std::optional<std::vector<std::pair<std::string_view, std::string_view>>> match_path(
    std::string_view path_template, std::string_view path) {
  const auto wanted = split(path_template, '/');
  const auto given = split(path, '/');
  if (wanted.size() != given.size()) return std::nullopt;
  std::vector<std::pair<std::string_view, std::string_view>> captured;
  for (std::size_t i = 0; i < wanted.size(); ++i) {
    if (wanted[i].starts_with('{')) {
      if (given[i].empty()) return std::nullopt;
      captured.emplace_back(wanted[i].substr(1, wanted[i].size() - 2), given[i]);
    } else if (wanted[i] != given[i]) {
      return std::nullopt;
    }
  }
  return captured;
}

Response text_file(std::string_view name, std::string_view content_type) {
  for (const EmbeddedFile& file : board_files()) {
    if (file.name == name) {
      return {.content_type = std::string{content_type}, .body = std::string{file.content}};
    }
  }
  return problem(500, "internal_error", "the board is not part of this program");
}

template <class Values, class Append>
void append_array(std::string& out, const Values& values, const Append& append) {
  out += '[';
  bool first = true;
  for (const auto& value : values) {
    if (!first) out += ',';
    first = false;
    append(out, value);
  }
  out += ']';
}

void append_strings(std::string& out, std::span<const std::string> values) {
  append_array(out, values, publish::append_json_string);
}

/// Sentences in which texts from outside may stand, as anyone may see them.
std::vector<std::string> shown(std::vector<std::string> texts) {
  for (std::string& text : texts) text = visible(without_secrets(text));
  return texts;
}

std::optional<std::string_view> name_of(std::optional<ErrorCode> code) {
  return code ? std::optional{to_string(*code)} : std::nullopt;
}

void append_feed(std::string& out, const FeedStatus& feed, Timestamp now) {
  publish::JsonObject object(out);
  object.add("venue", to_string(feed.venue));
  object.add("symbol", feed.symbol);
  object.add("channel", to_string(feed.channel));
  object.add("state", to_string(feed.state));
  object.add("reason", name_of(feed.reason));
  object.add("origin", to_string(feed.origin));
  const auto age = spread::age_of(feed.updated, now);
  object.add("age_ms", age ? std::optional{to_ms(*age)} : std::nullopt);
  object.add_ms("exchange_ts_ms", feed.exchange_ts);
  object.add("gaps", feed.gaps);
  object.add("checksum_mismatches", feed.checksum_mismatches);
  object.add("resyncs", feed.resyncs);
  object.add("reconnects", feed.reconnects);
}

void append_limit(std::string& out, const RateLimit& limit) {
  publish::JsonObject object(out);
  object.add("count", limit.count);
  object.add("per_ms", to_ms(limit.per));
}

void append_contract(std::string& out, const config::VenueSettings& venue,
                     const VenueProfile& profile) {
  using Ping = VenueProfile::Ping;
  publish::JsonObject object(out);
  object.add("integrity", profile.integrity);
  object.add("protocol", profile.protocol);
  object.add("docs_url", profile.docs_url);
  object.add("keepalive", profile.ping == Ping::kNone       ? "server_pings"
                          : profile.ping == Ping::kProtocol ? "protocol_ping"
                                                            : "text_ping");
  // A venue that pings by itself is asked only when it falls silent.
  if (profile.ping != Ping::kNone) object.add("ping_every_ms", to_ms(profile.ping_every));
  object.add("pong_within_ms", to_ms(profile.pong_within));
  object.add("silence_ms", to_ms(profile.silence));
  object.add("liveness_ms", to_ms(venue.liveness));
  object.add("book_needs_rest", profile.book_needs_rest);
  std::string& depths = object.key("depths");
  depths += '[';
  for (std::size_t i = 0; i < profile.depths.size(); ++i) {
    if (i > 0) depths += ',';
    depths += std::to_string(profile.depths[i]);
  }
  depths += ']';
  object.add("default_depth", profile.default_depth);
  std::string& limits = object.key("limits");
  limits += "{\"connects\":";
  append_limit(limits, profile.connects);
  limits += ",\"messages\":[";
  for (std::size_t i = 0; i < profile.messages.size(); ++i) {
    if (i > 0) limits += ',';
    append_limit(limits, profile.messages[i]);
  }
  limits += "],\"rest_weight\":";
  append_limit(limits, profile.rest);
  limits += '}';
  object.add("max_subscriptions", profile.max_subscriptions);
  object.add("max_age_ms",
             profile.max_age.count() > 0 ? std::optional{to_ms(profile.max_age)} : std::nullopt);
  object.add("block_ms",
             profile.block.count() > 0 ? std::optional{to_ms(profile.block)} : std::nullopt);
}

void append_venue(std::string& out, const config::VenueSettings& venue,
                  const VenueProfile& profile) {
  publish::JsonObject object(out);
  object.add("venue", to_string(venue.id));
  object.add("region", to_string(region_of(venue.id)));
  object.add("quote", venue.quote);
  object.add("taker_fee", venue.taker_fee);
  object.add("fx_taker_fee", venue.fx_taker_fee.value_or(venue.taker_fee));
  object.add("orderbook_depth", profile.offered_depth(venue.orderbook_depth));
  object.add("liveness_ms", to_ms(venue.liveness));
  object.add("protocol", profile.protocol);
  object.add("docs_url", profile.docs_url);
}

/// What is known of an order book without its levels.
struct BookState {
  FeedState state = FeedState::kSyncing;
  std::optional<ErrorCode> reason{};
  Origin origin = Origin::kWs;
  std::optional<Timestamp> exchange_time{};
  std::optional<Timestamp> receive_time{};
};

/// The order book record without levels: what an order book is that may not be shown.
void append_hidden_book(std::string& out, VenueId venue, const Instrument& instrument,
                        const BookState& book) {
  publish::JsonObject object(out, "orderbook");
  object.add("region", to_string(region_of(venue)));
  object.add("exchange", to_string(venue));
  object.add("base", instrument.base);
  object.add("quote", instrument.quote);
  object.add_ms("exchange_ts_ms", book.exchange_time);
  object.add_us("recv_ts_us", book.receive_time);
  object.add("origin", to_string(book.origin));
  object.add("state", to_string(book.state));
  object.add("reason", name_of(book.reason));
}

}  // namespace

Response problem(int status, std::string_view code, std::string_view detail) {
  Response response{.status = status, .content_type = "application/problem+json"};
  {
    publish::JsonObject object(response.body);
    object.add("type", "about:blank");
    object.add("status", status);
    object.add("title", title_of(status));
    object.add("detail", detail);
    object.add("code", code);
  }
  return response;
}

std::span<const Route> routes() {
  static const std::vector<Route> kRoutes = make_routes();
  return kRoutes;
}

/// A route's parameters, decoded and checked.
class Router::Parameters {
 public:
  const std::string* find(std::string_view name) const {
    const auto found = values_.find(name);
    return found == values_.end() ? nullptr : &found->second;
  }
  std::optional<VenueId> venue(std::string_view name) const {
    const std::string* text = find(name);
    return text != nullptr ? venue_from_name(*text) : std::nullopt;
  }
  /// Empty when not given; canonical upper case.
  std::string name(std::string_view parameter) const {
    const std::string* text = find(parameter);
    return text != nullptr ? to_upper(*text) : std::string{};
  }

  /// Adds one; the problem when it is not as the route describes it.
  std::optional<Response> add(const Route& route, Parameter::In in, std::string_view raw_name,
                              std::string_view raw_value) {
    const bool query = in == Parameter::In::kQuery;
    const auto name = decoded(raw_name, query);
    const auto value = decoded(raw_value, query);
    if (!name || !value) return problem(400, "malformed_uri", "a percent escape is broken");
    const auto known =
        std::find_if(route.parameters.begin(), route.parameters.end(),
                     [&](const Parameter& p) { return p.in == in && p.name == *name; });
    if (known == route.parameters.end()) {
      return problem(400, "unknown_parameter", "there is no query parameter '" + *name + "' here");
    }
    if (!values_.emplace(*name, *value).second) {
      return problem(400, "invalid_parameter", "'" + *name + "' is given more than once");
    }
    for (const std::string_view one :
         known->list ? split(*value, ',') : std::vector<std::string_view>{*value}) {
      if (auto bad = check(*known, one)) return bad;
    }
    return std::nullopt;
  }

 private:
  static std::optional<Response> check(const Parameter& parameter, std::string_view value) {
    const std::string name{parameter.name};
    if (!parameter.values.empty() && std::find(parameter.values.begin(), parameter.values.end(),
                                               value) == parameter.values.end()) {
      if (parameter.in == Parameter::In::kPath) {
        return problem(404, "unknown_venue", "there is no venue '" + std::string{value} + "'");
      }
      std::string allowed;
      for (const std::string_view v : parameter.values) {
        if (!allowed.empty()) allowed += ", ";
        allowed += v;
      }
      return problem(400, "invalid_parameter",
                     "'" + name + "' is '" + std::string{value} + "', not one of " + allowed);
    }
    if (matches(parameter.pattern, value)) return std::nullopt;
    if (parameter.in == Parameter::In::kPath) {
      return problem(404, "unknown_symbol", "'" + std::string{value} + "' is not a market's name");
    }
    return problem(400, "invalid_parameter",
                   "'" + name + "' is '" + std::string{value} + "', which does not match " +
                       std::string{parameter.pattern});
  }

  std::map<std::string, std::string, std::less<>> values_;
};

Router::Router(std::vector<config::VenueSettings> venues, const Store& store, const Clock& clock,
               Providers providers)
    : venues_(std::move(venues)), store_(store), clock_(clock), providers_(std::move(providers)) {
  publish::JsonObject contracts(contracts_);
  for (const config::VenueSettings& venue : venues_) {
    append_contract(contracts.key(to_string(venue.id)), venue, providers_.profile(venue.id));
  }
}

Response Router::answer(const Request& request) const {
  for (const Route& route : routes()) {
    const auto captured = match_path(route.path, request.path);
    if (!captured) continue;
    if (request.method != "GET") {
      Response refused = problem(405, "method_not_allowed", "this answers to GET and HEAD only");
      refused.allow = "GET, HEAD";
      return refused;
    }
    Parameters parameters;
    for (const auto& [name, value] : *captured) {
      if (auto bad = parameters.add(route, Parameter::In::kPath, name, value)) return *bad;
    }
    for (const std::string_view pair : split(request.query, '&')) {
      if (pair.empty()) continue;
      const std::size_t equals = std::min(pair.find('='), pair.size());
      const std::string_view value = pair.substr(std::min(equals + 1, pair.size()));
      if (auto bad = parameters.add(route, Parameter::In::kQuery, pair.substr(0, equals), value)) {
        return *bad;
      }
    }
    for (const Parameter& parameter : route.parameters) {
      if (parameter.required && parameters.find(parameter.name) == nullptr) {
        return problem(400, "invalid_parameter",
                       "'" + std::string{parameter.name} + "' is missing");
      }
    }
    return dispatch(route, parameters);
  }
  return problem(404, "unknown_route", "there is nothing here; /openapi.json lists what there is");
}

Response Router::dispatch(const Route& route, const Parameters& parameters) const {
  using Id = Route::Id;
  switch (route.id) {
    case Id::kBoard:
      return text_file("index.html", route.content_type);
    case Id::kBoardScript:
      return text_file("app.js", route.content_type);
    case Id::kBoardStream:
      return text_file("stream.js", route.content_type);
    case Id::kBoardStyle:
      return text_file("style.css", route.content_type);
    case Id::kHealth:
      return {.body = R"({"status":"ok"})"};
    case Id::kReady:
      return ready();
    case Id::kOpenApi: {
      static const std::string kDocument = openapi_document();
      return {.body = kDocument};
    }
    case Id::kVenues:
      return venue_list();
    case Id::kFeeds:
      return feeds();
    case Id::kTickers:
      return tickers(parameters);
    case Id::kOrderBook:
      return order_book(parameters);
    case Id::kFx:
      return fx();
    case Id::kPremiums:
      return premiums(parameters);
    case Id::kSpreads:
      return spreads(parameters);
    case Id::kOpportunities:
      return opportunities();
    case Id::kProfit:
      return profit(parameters);
    case Id::kStream: {
      Response response{.content_type = std::string{route.content_type}, .stream = kAllTopics};
      if (const std::string* topics = parameters.find("topics")) {
        response.stream = 0;
        for (const std::string_view topic : split(*topics, ',')) {
          *response.stream |= mask_of(*topic_from_name(topic));
        }
      }
      return response;
    }
  }
  return problem(500, "internal_error", "a route without an answer");
}

/// Moments of our own clock leave as times of day.
template <class Event, class... More>
void Router::append_told(std::string& out, const Event& event, const More&... more) const {
  const std::optional<Event> told = publish::told(event, clock_);
  publish::append_record(out, told ? *told : event, more...);
}

template <class Records, class Append>
Response Router::list(std::string_view name, const Records& records, Timestamp now,
                      const Append& append) const {
  Response response;
  {
    publish::JsonObject object(response.body);
    object.add("ts_ms", to_ms(clock_.shown(now)));
    append_array(object.key(name), records, append);
  }
  return response;
}

Response Router::ready() const {
  const Readiness state = providers_.readiness ? providers_.readiness() : Readiness{};
  Response response{.status = state.reasons.empty() ? 200 : 503};
  {
    publish::JsonObject object(response.body);
    object.add("ready", state.reasons.empty());
    append_strings(object.key("reasons"), shown(state.reasons));
    append_strings(object.key("notices"), shown(state.notices));
  }
  return response;
}

Response Router::venue_list() const {
  return list("venues", venues_, clock_.now(),
              [this](std::string& out, const config::VenueSettings& venue) {
                append_venue(out, venue, providers_.profile(venue.id));
              });
}

std::vector<FeedStatus> Router::feed_statuses() const {
  return providers_.feeds ? providers_.feeds() : std::vector<FeedStatus>{};
}

Response Router::feeds() const {
  const auto feeds = feed_statuses();
  Response response;
  {
    publish::JsonObject object(response.body);
    const Timestamp now = clock_.now();
    append_array(object.key("feeds"), feeds,
                 [now](std::string& out, const FeedStatus& feed) { append_feed(out, feed, now); });
    object.key("contracts") += contracts_;
  }
  return response;
}

Response Router::tickers(const Parameters& parameters) const {
  const auto venue = parameters.venue("venue");
  const std::string symbol = parameters.name("symbol");
  const Timestamp now = clock_.now();
  struct Row {
    std::shared_ptr<const Ticker> ticker;
    publish::Standing standing{};
  };
  std::map<std::pair<VenueId, Instrument>, Row> rows;
  for (auto& ticker : store_.tickers()) {
    const std::pair market{ticker->venue, ticker->instrument};
    rows.emplace(market, Row{std::move(ticker)});
  }
  // The feed says what may be believed now; of a market without one nobody says anything any more.
  for (const FeedStatus& feed : feed_statuses()) {
    if (feed.channel != Channel::kTicker) continue;
    Row& row = rows[{feed.venue, instrument_from_name(feed.symbol)}];
    row.standing = {feed.state, feed.reason, spread::age_of(feed.updated, now)};
    if (row.ticker) continue;
    Ticker none;
    none.venue = feed.venue;
    none.instrument = instrument_from_name(feed.symbol);
    none.origin = feed.origin;
    row.ticker = std::make_shared<const Ticker>(std::move(none));
  }
  std::erase_if(rows, [&](const auto& row) {
    return (venue && row.first.first != *venue) ||
           (!symbol.empty() && row.first.second.name() != symbol);
  });
  return list("tickers", rows, now, [this](std::string& out, const auto& row) {
    append_told(out, *row.second.ticker, row.second.standing);
  });
}

Response Router::fx() const {
  const Timestamp now = clock_.now();
  return list("fx", store_.rates(now), now,
              [this](std::string& out, const FxEvent& rate) { append_told(out, rate); });
}

Response Router::premiums(const Parameters& parameters) const {
  const Timestamp now = clock_.now();
  return list("premiums", store_.premiums(parameters.name("asset"), now), now,
              [this](std::string& out, const PremiumEvent& premium) { append_told(out, premium); });
}

Response Router::spreads(const Parameters& parameters) const {
  Store::SpreadFilter filter{.asset = parameters.name("asset"),
                             .buy = parameters.venue("buy"),
                             .sell = parameters.venue("sell")};
  if (const std::string* mode = parameters.find("mode")) {
    filter.mode = *mode == to_string(Mode::kTransfer) ? Mode::kTransfer : Mode::kInventory;
  }
  if (const std::string* verdict = parameters.find("verdict")) {
    const auto found = std::ranges::find(kVerdictNames, *verdict);
    filter.verdict = static_cast<Verdict>(found - kVerdictNames.begin());
  }
  const Timestamp now = clock_.now();
  SpreadEvent row;  // one for all, so that its memory is used again
  return list("spreads", store_.spreads(filter), now,
              [this, now, &row](std::string& out, const Store::PairRow& pair) {
                pair.copy_to(row, now);
                append_told(out, row);
              });
}

Response Router::opportunities() const {
  const Timestamp now = clock_.now();
  return list("opportunities", store_.opportunities(now), now,
              [this, now](std::string& out, const OpportunityEvent& event) {
                const bool open = event.kind != OpportunityEvent::Kind::kClose;
                append_told(out, event, open ? std::optional{clock_.shown(now)} : std::nullopt);
              });
}

Response Router::profit(const Parameters& parameters) const {
  ProfitQuery query{.asset = parameters.name("asset"),
                    .buy = *parameters.venue("buy"),
                    .sell = *parameters.venue("sell")};
  const std::string* const mode = parameters.find("mode");
  query.mode =
      mode != nullptr && *mode == to_string(Mode::kTransfer) ? Mode::kTransfer : Mode::kInventory;
  query.size_usdt = std::stod(*parameters.find("size_usdt"));
  if (!(query.size_usdt > 0)) {
    return problem(400, "invalid_parameter", "'size_usdt' must be above 0");
  }
  const ProfitAnswer answer = providers_.profit ? providers_.profit(query) : ProfitAnswer{};
  using Status = ProfitAnswer::Status;
  if (answer.status == Status::kOk) return {.body = answer.record};
  if (answer.status == Status::kBusy) {
    return problem(503, "engine_busy", "the pairs are being computed: ask again in a moment");
  }
  return problem(404, "unknown_pair",
                 "nobody watches " + query.asset + " from " + std::string{to_string(query.buy)} +
                     " to " + std::string{to_string(query.sell)} + " in mode " +
                     std::string{to_string(query.mode)});
}

Response Router::order_book(const Parameters& parameters) const {
  const VenueId venue = *parameters.venue("venue");
  const std::string symbol = parameters.name("symbol");
  const Instrument instrument = instrument_from_name(symbol);
  const bool watched =
      std::any_of(venues_.begin(), venues_.end(),
                  [venue](const config::VenueSettings& v) { return v.id == venue; });
  if (!watched) {
    return problem(404, "unknown_venue",
                   "'" + std::string{to_string(venue)} + "' is not a watched venue");
  }
  const auto book = store_.order_book(venue, instrument);

  // The feed's state is newer than the last book when the stream fell silent: it decides.
  std::optional<FeedStatus> feed;
  for (const FeedStatus& f : feed_statuses()) {
    if (f.venue == venue && f.channel == Channel::kOrderBook && f.symbol == symbol) {
      feed = f;
    }
  }
  if (!book && !feed) {
    return problem(404, "unknown_symbol",
                   "'" + symbol + "' is not watched at " + std::string{to_string(venue)});
  }
  Response response;
  FeedState state = book ? book->state : feed->state;
  std::optional<ErrorCode> reason = book ? book->reason : feed->reason;
  if (feed && feed->state != FeedState::kSynced && state == FeedState::kSynced) {
    state = feed->state;
    reason = feed->reason;
  }
  if (book && state == FeedState::kSynced && !book->bids.empty() && !book->asks.empty() &&
      book->bids.front().price >= book->asks.front().price) {
    state = FeedState::kFaulted;
    reason = ErrorCode::kCrossedBook;
  }
  if (book && state == FeedState::kSynced) {
    const std::string* depth = parameters.find("depth");
    append_told(response.body, *book,
                depth != nullptr ? std::stoi(*depth) : publish::kDefaultDepth);
  } else {
    std::optional<Timestamp> received = book ? book->receive_time : std::nullopt;
    if (received) received = clock_.shown(*received);
    append_hidden_book(response.body, venue, instrument,
                       {.state = state,
                        .reason = reason,
                        .origin = book ? book->origin : feed->origin,
                        .exchange_time = book ? book->exchange_time : feed->exchange_ts,
                        .receive_time = received});
  }
  return response;
}

}  // namespace spreadwatch::api
