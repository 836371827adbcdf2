#include "api/routes/answer.h"
#include "api/routes/patterns.h"
#include "api/routes/routes.h"

namespace spreadwatch::api {
namespace {

Response list_premiums(const Context& context, const Request& /*request*/,
                       const Arguments& arguments, const Route& /*route*/) {
  const Timestamp now = context.clock.now();
  return list_of("premiums", context.store.premiums(arguments.name("asset"), now), context.clock,
                 now, [&context](std::string& out, const PremiumEvent& premium) {
                   append_told(out, context.clock, premium);
                 });
}

}  // namespace

std::vector<Route> premiums_routes() {
  return {
      {.path = "/api/v1/premiums",
       .operation = "listPremiums",
       .summary = "The premium of each asset between regions",
       .schema = "Premiums",
       .parameters = {{.name = "asset",
                       .description = "canonical asset, e.g. BTC",
                       .pattern = kAssetPattern}},
       .handler = list_premiums},
  };
}

}  // namespace spreadwatch::api
