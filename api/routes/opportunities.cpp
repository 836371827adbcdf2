#include <optional>

#include "api/routes/answer.h"
#include "api/routes/routes.h"

namespace spreadwatch::api {
namespace {

Response list_opportunities(const Context& context, const Request& /*request*/,
                            const Arguments& /*arguments*/, const Route& /*route*/) {
  const Timestamp now = context.clock.now();
  return list_of("opportunities", context.store.opportunities(now), context.clock, now,
                 [&context, now](std::string& out, const OpportunityEvent& event) {
                   const bool open = event.kind != OpportunityEvent::Kind::kClose;
                   append_told(out, context.clock, event,
                               open ? std::optional{context.clock.shown(now)} : std::nullopt);
                 });
}

}  // namespace

std::vector<Route> opportunities_routes() {
  return {
      {.path = "/api/v1/opportunities",
       .operation = "listOpportunities",
       .summary = "Open and recent opportunities, newest first",
       .schema = "Opportunities",
       .handler = list_opportunities},
  };
}

}  // namespace spreadwatch::api
