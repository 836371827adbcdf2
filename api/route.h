#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "api/broadcaster.h"
#include "api/providers.h"
#include "api/store.h"
#include "config/settings.h"
#include "core/feed_status.h"
#include "core/time.h"
#include "core/venue.h"

namespace spreadwatch::api {

/// A request as it came, path and query still percent-encoded; `query` without the question mark.
/// A HEAD comes as GET.
struct Request {
  std::string method;
  std::string path;
  std::string query;
  std::string body{};
  /// Whether who asks may change something. Nobody may until the server says so.
  bool authorized = false;
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

/// A request's parameters, decoded and found to be as the route describes them.
/// Threads: one.
class Arguments {
 public:
  /// The decoded text; nullptr when not given.
  const std::string* find(std::string_view name) const;
  /// nullopt when not given.
  std::optional<VenueId> venue(std::string_view name) const;
  /// Empty when not given; canonical upper case.
  std::string name(std::string_view parameter) const;
  /// False when there is one of that name already.
  bool add(std::string name, std::string value);

 private:
  std::map<std::string, std::string, std::less<>> values_;
};

/// What the routes answer from. The references outlive it.
/// Threads: any; it does not change.
struct Context {
  std::vector<config::VenueSettings> venues;
  const Store& store;
  const Clock& clock;
  Providers providers;

  /// Empty when nobody knows.
  std::vector<FeedStatus> feed_statuses() const;
};

/// One thing the server answers to. The routing, the checks of a request and the OpenAPI document
/// are made from the same table, so none can know a route that another does not.
struct Route {
  enum class Method : std::uint8_t { kGet, kPost, kDelete };
  /// An answer other than the good one, for the document.
  struct Outcome {
    int status = 0;
    std::string_view description{};
    bool same_body = false;  ///< the body of a good answer in place of a problem
  };
  using Handler =
      std::function<Response(const Context&, const Request&, const Arguments&, const Route&)>;

  Method method = Method::kGet;  ///< kGet answers HEAD too
  std::string_view path{};       ///< template, `{name}` = one segment
  std::string_view operation{};
  std::string_view summary{};
  std::string_view content_type = "application/json";
  std::string_view schema{};  ///< component of the OpenAPI document; empty = text
  std::vector<Parameter> parameters{};
  std::vector<Outcome> refusals{};   ///< what the handler finds wrong with the request
  std::optional<Outcome> not_now{};  ///< what the request cannot help
  bool needs_token = false;          ///< only an authorized request comes to the handler
  std::string_view body_schema{};    ///< component of what it takes; empty = no body
  Handler handler{};                 ///< Threads: any.
};

std::string_view to_string(Route::Method method);

/// Every route. Threads: any.
std::span<const Route> routes();

/// The OpenAPI 3.1 document of these routes. Threads: any; pure.
std::string openapi_document(std::span<const Route> of = routes());

}  // namespace spreadwatch::api
