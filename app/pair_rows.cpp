#include "app/pair_rows.h"

#include <algorithm>
#include <utility>

namespace spreadwatch::app {
namespace {

bool asked_for(const SpreadEvent& row, const api::SpreadQuery& query) {
  return (!query.buy || row.buy == *query.buy) && (!query.sell || row.sell == *query.sell) &&
         (!query.mode || row.mode == *query.mode) &&
         (!query.verdict || row.verdict == *query.verdict);
}

}  // namespace

std::optional<std::vector<SpreadEvent>> PairRows::find(const api::SpreadQuery& query) {
  std::vector<std::string> wanted{query.asset};
  if (query.asset.empty()) {
    std::optional<std::vector<std::string>> all = assets();
    if (!all) return std::nullopt;
    wanted = std::move(*all);
  }
  std::vector<SpreadEvent> found;
  for (const std::string& asset : wanted) {
    const Rows rows = rows_of(asset);
    if (!rows) return std::nullopt;
    std::ranges::copy_if(*rows, std::back_inserter(found),
                         [&query](const SpreadEvent& row) { return asked_for(row, query); });
  }
  return found;
}

std::size_t PairRows::asking() const {
  const std::lock_guard lock(mutex_);
  return askers_;
}

/// Which assets there are; what is known of others is forgotten.
std::optional<std::vector<std::string>> PairRows::assets() {
  std::optional<std::vector<std::string>> names = engine_.ask(
      [](const spread::Engine& engine, Timestamp /*now*/) { return engine.assets(); }, kDeadline);
  if (!names) return names;
  const std::lock_guard lock(mutex_);
  std::erase_if(known_, [&names](const auto& entry) {
    return !std::ranges::binary_search(*names, entry.first);
  });
  return names;
}

PairRows::Rows PairRows::rows_of(const std::string& asset) {
  {
    const std::lock_guard lock(mutex_);
    const auto known = known_.find(asset);
    const bool any = known != known_.end();
    const microseconds age = any ? clock_.now() - known->second.asked : microseconds::max();
    if (age < kReuse) return known->second.rows;
    if (askers_ >= kAskers) return age < kMaxAge ? known->second.rows : nullptr;
    ++askers_;
  }
  auto answer = engine_.ask(
      [asset](const spread::Engine& engine, Timestamp now) {
        Known known{.asked = now, .rows = {}};
        std::vector<SpreadEvent> rows;
        engine.for_each_row(asset, {}, now,
                            [&rows](const SpreadEvent& row) { rows.push_back(row); });
        known.rows = std::make_shared<const std::vector<SpreadEvent>>(std::move(rows));
        return known;
      },
      kDeadline);
  const std::lock_guard lock(mutex_);
  --askers_;
  if (!answer) return nullptr;
  if (!answer->rows->empty()) known_.insert_or_assign(asset, *answer);
  return answer->rows;
}

}  // namespace spreadwatch::app
