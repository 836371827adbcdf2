#include <algorithm>
#include <string>

#include "api/routes/answer.h"
#include "api/routes/patterns.h"
#include "api/routes/routes.h"

namespace spreadwatch::api {
namespace {

Response list_spreads(const Context& context, const Request& /*request*/,
                      const Arguments& arguments, const Route& /*route*/) {
  SpreadQuery query{.asset = arguments.name("asset"),
                    .buy = arguments.venue("buy"),
                    .sell = arguments.venue("sell")};
  if (const std::string* mode = arguments.find("mode")) {
    query.mode = *mode == to_string(Mode::kTransfer) ? Mode::kTransfer : Mode::kInventory;
  }
  if (const std::string* verdict = arguments.find("verdict")) {
    const auto found = std::ranges::find(kVerdictNames, *verdict);
    query.verdict = static_cast<Verdict>(found - kVerdictNames.begin());
  }
  std::optional<std::vector<SpreadEvent>> rows = std::vector<SpreadEvent>{};
  if (context.providers.spreads) rows = context.providers.spreads(query);
  if (!rows) return engine_busy();
  return list_of("spreads", *rows, context.clock, context.clock.now(),
                 [&context](std::string& out, const SpreadEvent& row) {
                   append_told(out, context.clock, row);
                 });
}

}  // namespace

std::vector<Route> spreads_routes() {
  return {
      {.path = "/api/v1/spreads",
       .operation = "listSpreads",
       .summary = "Every pair of venues with its verdict",
       .schema = "Spreads",
       .parameters =
           {{.name = "asset", .description = "canonical asset, e.g. BTC", .pattern = kAssetPattern},
            {.name = "buy", .description = "only pairs that buy here", .values = venue_names()},
            {.name = "sell", .description = "only pairs that sell here", .values = venue_names()},
            {.name = "mode",
             .description = "only this mode",
             .values = {kModeNames.begin(), kModeNames.end()}},
            {.name = "verdict",
             .description = "only this verdict",
             .values = {kVerdictNames.begin(), kVerdictNames.end()}}},
       .not_now = kEngineBusy,
       .handler = list_spreads},
  };
}

}  // namespace spreadwatch::api
