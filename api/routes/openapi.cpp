#include <string>

#include "api/routes/routes.h"
#include "publish/asyncapi.h"

namespace spreadwatch::api {
namespace {

Response openapi(const Context& /*context*/, const Request& /*request*/,
                 const Arguments& /*arguments*/, const Route& /*route*/) {
  static const std::string kDocument = openapi_document();
  return {.body = kDocument};
}

Response asyncapi(const Context& context, const Request& /*request*/,
                  const Arguments& /*arguments*/, const Route& route) {
  return {.content_type = std::string{route.content_type},
          .body = publish::asyncapi_document(context.providers.topic_prefix)};
}

}  // namespace

std::vector<Route> openapi_routes() {
  return {
      {.path = "/openapi.json",
       .operation = "openapi",
       .summary = "This document",
       .schema = "OpenApi",
       .handler = openapi},
      {.path = "/asyncapi.yaml",
       .operation = "asyncapi",
       .summary = "The Kafka topics and the schemas of their records",
       .content_type = "application/yaml",
       .handler = asyncapi},
  };
}

}  // namespace spreadwatch::api
