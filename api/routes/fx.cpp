#include "api/routes/answer.h"
#include "api/routes/routes.h"

namespace spreadwatch::api {
namespace {

Response list_rates(const Context& context, const Request& /*request*/,
                    const Arguments& /*arguments*/, const Route& /*route*/) {
  const Timestamp now = context.clock.now();
  return list_of(
      "fx", context.store.rates(now), context.clock, now,
      [&context](std::string& out, const FxEvent& rate) { append_told(out, context.clock, rate); });
}

}  // namespace

std::vector<Route> fx_routes() {
  return {
      {.path = "/api/v1/fx",
       .operation = "listRates",
       .summary = "The exchange rates with their sources",
       .schema = "Rates",
       .handler = list_rates},
  };
}

}  // namespace spreadwatch::api
