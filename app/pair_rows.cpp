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

template <class Question>
auto PairRows::ask(Question question) {
  using Answer = decltype(engine_.ask(question, kDeadline));
  {
    const std::lock_guard lock(mutex_);
    if (askers_ >= kAskers) return Answer{};
    ++askers_;
  }
  Answer answer = engine_.ask(std::move(question), kDeadline);
  const std::lock_guard lock(mutex_);
  --askers_;
  return answer;
}

/// Which assets there are; what is known of others is forgotten.
std::optional<std::vector<std::string>> PairRows::assets() {
  {
    const std::lock_guard lock(mutex_);
    if (clock_.now() < names_.asked + kReuse) return names_.names;
  }
  std::optional<Names> answer = ask([](const spread::Engine& engine, Timestamp now) {
    return Names{.asked = now, .names = engine.assets()};
  });
  const std::lock_guard lock(mutex_);
  if (!answer) {
    if (clock_.now() < names_.asked + kMaxAge) return names_.names;
    return std::nullopt;
  }
  names_ = *std::move(answer);
  std::erase_if(known_, [this](const auto& entry) {
    return !std::ranges::binary_search(names_.names, entry.first);
  });
  return names_.names;
}

PairRows::Rows PairRows::rows_of(const std::string& asset) {
  // Null when nothing is known that young. Needs mutex_.
  const auto younger_than = [&](microseconds age) -> Rows {
    const auto known = known_.find(asset);
    const bool young = known != known_.end() && clock_.now() < known->second.asked + age;
    return young ? known->second.rows : nullptr;
  };
  {
    const std::lock_guard lock(mutex_);
    if (Rows rows = younger_than(kReuse)) return rows;
  }
  const std::optional<Known> answer = ask([asset](const spread::Engine& engine, Timestamp now) {
    std::vector<SpreadEvent> rows;
    engine.for_each_row(asset, {}, now, [&rows](const SpreadEvent& row) { rows.push_back(row); });
    return Known{.asked = now,
                 .rows = std::make_shared<const std::vector<SpreadEvent>>(std::move(rows))};
  });
  const std::lock_guard lock(mutex_);
  if (!answer) return younger_than(kMaxAge);
  if (answer->rows->empty()) {
    known_.erase(asset);
  } else {
    known_.insert_or_assign(asset, *answer);
  }
  return answer->rows;
}

}  // namespace spreadwatch::app
