#pragma once

#include <cstddef>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "api/providers.h"
#include "app/engine_loop.h"
#include "core/time.h"

namespace spreadwatch::app {

/// The pair rows as they are now, whether or not they were published as that: asked of the engine,
/// asset by asset, so that it is never held up for long. What was asked of an asset within
/// kReuse answers whoever asks next, so that many clients ask the engine no more often than one.
///
/// Bounds: kAskers wait for the engine at a time; while they do, others get what is known if it is
/// not older than kMaxAge, else no answer. Of assets that are gone nothing is kept. Threads: any
/// but the engine's.
class PairRows {
 public:
  static constexpr milliseconds kReuse{100};
  static constexpr milliseconds kMaxAge{1000};
  static constexpr milliseconds kDeadline{500};  ///< of one asset
  static constexpr std::size_t kAskers = 2;

  /// Both must outlive it.
  PairRows(EngineLoop& engine, const Clock& clock) : engine_(engine), clock_(clock) {}

  /// Ordered by asset, buying venue, selling venue and mode; nullopt when there is no answer in
  /// time.
  std::optional<std::vector<SpreadEvent>> find(const api::SpreadQuery& query);
  /// How many wait for the engine.
  std::size_t asking() const;

 private:
  using Rows = std::shared_ptr<const std::vector<SpreadEvent>>;
  struct Known {
    Timestamp asked{};
    Rows rows;
  };

  struct Names {
    Timestamp asked{};
    std::vector<std::string> names;
  };

  /// What the engine answers; nullopt while kAskers wait for it, or when it does not in time.
  template <class Question>
  auto ask(Question question);
  std::optional<std::vector<std::string>> assets();
  Rows rows_of(const std::string& asset);

  EngineLoop& engine_;
  const Clock& clock_;
  mutable std::mutex mutex_;
  std::map<std::string, Known> known_;  // guarded by mutex_
  Names names_;                         // guarded by mutex_
  std::size_t askers_ = 0;              // guarded by mutex_
};

}  // namespace spreadwatch::app
