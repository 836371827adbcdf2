#include <string>
#include <vector>

#include "api/routes/answer.h"
#include "api/routes/routes.h"
#include "core/secrets.h"
#include "core/text.h"

namespace spreadwatch::api {
namespace {

/// Sentences in which texts from outside may stand, as anyone may see them.
std::vector<std::string> shown(std::vector<std::string> texts) {
  for (std::string& text : texts) text = visible(without_secrets(text));
  return texts;
}

Response health(const Context& /*context*/, const Request& /*request*/,
                const Arguments& /*arguments*/, const Route& /*route*/) {
  return {.body = R"({"status":"ok"})"};
}

Response readiness(const Context& context, const Request& /*request*/,
                   const Arguments& /*arguments*/, const Route& /*route*/) {
  const Readiness state = context.providers.readiness ? context.providers.readiness() : Readiness{};
  Response response{.status = state.reasons.empty() ? 200 : 503};
  {
    publish::JsonObject object(response.body);
    object.add("ready", state.reasons.empty());
    publish::append_json_array(object.key("reasons"), shown(state.reasons),
                               publish::append_json_string);
    publish::append_json_array(object.key("notices"), shown(state.notices),
                               publish::append_json_string);
  }
  return response;
}

}  // namespace

std::vector<Route> health_routes() {
  return {
      {.path = "/healthz",
       .operation = "health",
       .summary = "The process answers",
       .schema = "Health",
       .handler = health},
      {.path = "/readyz",
       .operation = "readiness",
       .summary = "Whether the service can do its job, and why not",
       .schema = "Readiness",
       .not_now =
           Route::Outcome{
               .status = 503, .description = "not ready: see reasons", .same_body = true},
       .handler = readiness},
  };
}

}  // namespace spreadwatch::api
