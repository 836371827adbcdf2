#include "app/what_if.h"

#include <array>
#include <optional>

#include "publish/encode.h"

namespace spreadwatch::app {
namespace {

constexpr milliseconds kProfitDeadline{500};

}  // namespace

api::ProfitAnswer ask_profit(EngineLoop& engine, const Clock& clock,
                             const api::ProfitQuery& query) {
  const auto pair = engine.ask(
      [query](spread::Engine& asked, Timestamp now) {
        return asked.evaluate(query.asset, query.buy, query.sell, query.mode,
                              std::array{query.size_usdt}, now);
      },
      kProfitDeadline);
  if (!pair) return {};
  api::ProfitAnswer answer{.status = api::ProfitAnswer::Status::kUnknownPair};
  if (*pair) {
    SpreadEvent row = **pair;
    row.time = clock.shown(row.time);
    answer.status = api::ProfitAnswer::Status::kOk;
    publish::append_profit(answer.record, row);
  }
  return answer;
}

}  // namespace spreadwatch::app
