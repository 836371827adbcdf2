#include <string>

#include "api/routes/answer.h"
#include "api/routes/patterns.h"
#include "api/routes/routes.h"

namespace spreadwatch::api {
namespace {

Response get_profit(const Context& context, const Request& /*request*/, const Arguments& arguments,
                    const Route& /*route*/) {
  ProfitQuery query{.asset = arguments.name("asset"),
                    .buy = *arguments.venue("buy"),
                    .sell = *arguments.venue("sell")};
  const std::string* const mode = arguments.find("mode");
  query.mode =
      mode != nullptr && *mode == to_string(Mode::kTransfer) ? Mode::kTransfer : Mode::kInventory;
  query.size_usdt = std::stod(*arguments.find("size_usdt"));
  if (!(query.size_usdt > 0)) {
    return problem(400, "invalid_parameter", "'size_usdt' must be above 0");
  }
  const ProfitAnswer answer =
      context.providers.profit ? context.providers.profit(query) : ProfitAnswer{};
  using Status = ProfitAnswer::Status;
  if (answer.status == Status::kOk) return {.body = answer.record};
  if (answer.status == Status::kBusy) return engine_busy();
  return problem(404, "unknown_pair",
                 "nobody watches " + query.asset + " from " + std::string{to_string(query.buy)} +
                     " to " + std::string{to_string(query.sell)} + " in mode " +
                     std::string{to_string(query.mode)});
}

}  // namespace

std::vector<Route> profit_routes() {
  return {
      {.path = "/api/v1/profit",
       .operation = "getProfit",
       .summary = "What a size would earn now, cost by cost",
       .schema = "Profit",
       .parameters = {{.name = "asset",
                       .description = "canonical asset, e.g. BTC",
                       .pattern = kAssetPattern,
                       .required = true},
                      {.name = "buy",
                       .description = "venue to buy at",
                       .values = venue_names(),
                       .required = true},
                      {.name = "sell",
                       .description = "venue to sell at",
                       .values = venue_names(),
                       .required = true},
                      {.name = "size_usdt",
                       .description = "amount to spend, USDT, above 0",
                       .pattern = kAmountPattern,
                       .required = true},
                      {.name = "mode",
                       .description = "inventory when left out",
                       .values = {kModeNames.begin(), kModeNames.end()}}},
       .refusals = {{.status = 404, .description = "the pair is not watched"}},
       .not_now = kEngineBusy,
       .handler = get_profit},
  };
}

}  // namespace spreadwatch::api
