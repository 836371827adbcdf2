#pragma once

#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "api/broadcaster.h"
#include "api/providers.h"
#include "api/store.h"
#include "config/settings.h"
#include "core/time.h"

namespace spreadwatch::api {

/// A request as it came, path and query still percent-encoded; `query` without the question mark.
/// A HEAD comes as GET.
struct Request {
  std::string method;
  std::string path;
  std::string query;
};

/// What to answer. When `stream` is set the body is the event stream of those topics instead of
/// `body`.
struct Response {
  int status = 200;
  std::string content_type = "application/json";
  std::string body{};
  std::string allow{};  ///< the Allow header; empty = none
  std::optional<TopicMask> stream{};
};

/// An `application/problem+json` answer (RFC 9457). `code` is one of the closed list in the OpenAPI
/// document.
Response problem(int status, std::string_view code, std::string_view detail);

/// A path or query parameter of a route.
struct Parameter {
  enum class In : std::uint8_t { kPath, kQuery };
  std::string_view name{};
  In in = In::kQuery;
  std::string_view description{};
  std::vector<std::string_view> values{};  ///< the closed list; empty = see `pattern`
  std::string_view pattern{};              ///< what it looks like, ECMA-262; empty = free
  bool list = false;                       ///< several, separated by commas
  bool required = false;                   ///< of a query parameter; a path's always are
};

/// One thing the server answers to GET and HEAD. The routing, the parameter checks and the OpenAPI
/// document are made from the same table, so none can know a route that another does not.
struct Route {
  enum class Id : std::uint8_t {
    kBoard,
    kBoardScript,
    kBoardStream,
    kBoardStyle,
    kHealth,
    kReady,
    kOpenApi,
    kVenues,
    kFeeds,
    kTickers,
    kOrderBook,
    kFx,
    kPremiums,
    kSpreads,
    kOpportunities,
    kProfit,
    kStream,
  };
  Id id;
  std::string_view path;  ///< template, `{name}` = one segment
  std::string_view operation;
  std::string_view summary;
  std::string_view content_type;
  std::string_view schema;  ///< component of the OpenAPI document; empty = text
  std::vector<Parameter> parameters;
};

/// Every route. Threads: any.
std::span<const Route> routes();

/// The OpenAPI 3.1 document of `routes()`. Threads: any; pure.
std::string openapi_document();

/// From requests to answers, without a network.
/// Threads: any.
class Router {
 public:
  /// As Server's constructor.
  Router(std::vector<config::VenueSettings> venues, const Store& store, const Clock& clock,
         Providers providers);

  Response answer(const Request& request) const;

 private:
  class Parameters;

  Response dispatch(const Route& route, const Parameters& parameters) const;
  Response ready() const;
  Response venue_list() const;
  Response feeds() const;
  Response tickers(const Parameters& parameters) const;
  Response order_book(const Parameters& parameters) const;
  Response fx() const;
  Response premiums(const Parameters& parameters) const;
  Response spreads(const Parameters& parameters) const;
  Response opportunities() const;
  Response profit(const Parameters& parameters) const;
  /// Empty when nobody knows.
  std::vector<FeedStatus> feed_statuses() const;
  /// `{"ts_ms":…,"<name>":[…]}` around the records as they are at `now`.
  template <class Records, class Append>
  Response list(std::string_view name, const Records& records, Timestamp now,
                const Append& append) const;
  template <class Event, class... More>
  void append_told(std::string& out, const Event& event, const More&... more) const;

  const std::vector<config::VenueSettings> venues_;
  const Store& store_;
  const Clock& clock_;
  const Providers providers_;
  std::string contracts_;  // the JSON object of every watched venue's integrity contract
};

}  // namespace spreadwatch::api
