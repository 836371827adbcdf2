#include <string>

#include "api/routes/routes.h"

namespace spreadwatch::api {
namespace {

Response openapi(const Context& /*context*/, const Request& /*request*/,
                 const Arguments& /*arguments*/, const Route& /*route*/) {
  static const std::string kDocument = openapi_document();
  return {.body = kDocument};
}

}  // namespace

std::vector<Route> openapi_routes() {
  return {
      {.path = "/openapi.json",
       .operation = "openapi",
       .summary = "This document",
       .schema = "OpenApi",
       .handler = openapi},
  };
}

}  // namespace spreadwatch::api
