#include <string>
#include <string_view>

#include "api/routes/patterns.h"
#include "api/routes/routes.h"

namespace spreadwatch::api {
namespace {

Response open_stream(const Context& /*context*/, const Request& /*request*/,
                     const Arguments& arguments, const Route& route) {
  Response response{.content_type = std::string{route.content_type}, .stream = kAllTopics};
  if (const std::string* topics = arguments.find("topics")) {
    response.stream = 0;
    for (const std::string_view topic : split_text(*topics, ',')) {
      *response.stream |= mask_of(*topic_from_name(topic));
    }
  }
  return response;
}

}  // namespace

std::vector<Route> stream_routes() {
  return {
      {.path = "/api/v1/stream",
       .operation = "stream",
       .summary = "Server-Sent Events: each record as it changes. No replay: take the state from "
                  "the other routes first",
       .content_type = "text/event-stream",
       .parameters = {{.name = "topics",
                       .description = "which records; all when left out",
                       .values = {kTopicNames.begin(), kTopicNames.end()},
                       .list = true}},
       .not_now =
           Route::Outcome{.status = 503, .description = "as many streams as allowed are open"},
       .handler = open_stream},
  };
}

}  // namespace spreadwatch::api
