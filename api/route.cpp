#include "api/route.h"

#include <utility>

#include "core/text.h"
#include "publish/json_writer.h"

namespace spreadwatch::api {
namespace {

std::string_view title_of(int status) {
  switch (status) {
    case 400:
      return "Bad Request";
    case 401:
      return "Unauthorized";
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

const std::string* Arguments::find(std::string_view name) const {
  const auto found = values_.find(name);
  return found == values_.end() ? nullptr : &found->second;
}

std::optional<VenueId> Arguments::venue(std::string_view name) const {
  const std::string* text = find(name);
  return text != nullptr ? venue_from_name(*text) : std::nullopt;
}

std::string Arguments::name(std::string_view parameter) const {
  const std::string* text = find(parameter);
  return text != nullptr ? to_upper(*text) : std::string{};
}

bool Arguments::add(std::string name, std::string value) {
  return values_.emplace(std::move(name), std::move(value)).second;
}

std::vector<FeedStatus> Context::feed_statuses() const {
  return providers.feeds ? providers.feeds() : std::vector<FeedStatus>{};
}

std::string_view to_string(Route::Method method) {
  switch (method) {
    case Route::Method::kGet:
      return "GET";
    case Route::Method::kPost:
      return "POST";
    case Route::Method::kDelete:
      return "DELETE";
  }
  return "";
}

}  // namespace spreadwatch::api
