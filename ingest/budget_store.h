#pragma once

#include <condition_variable>
#include <filesystem>
#include <functional>
#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <thread>

#include "core/result.h"
#include "core/time.h"
#include "core/venue.h"
#include "ingest/rate_budget.h"

namespace spreadwatch::ingest {

/// What each venue's budget must not forget over a restart, with the addresses it is about: a ban
/// of one host says nothing about another.
struct KeptBudget {
  std::string hosts;
  VenueBudget::State state;
};
using KeptBudgets = std::map<VenueId, KeptBudget>;

/// The state file's text (JSON) and back. Unknown venues and keys are ignored.
/// Errors of decode: kMalformedJson, kSchemaMismatch.
std::string encode_budgets(const KeptBudgets& budgets);
Result<KeptBudgets> decode_budgets(std::string_view text);

/// Replaces `file` so that a crash leaves the old or the new content whole: writes a temporary file
/// beside it, syncs, renames, syncs the folder. nullopt when done, else what failed.
std::optional<std::string> replace_file(const std::filesystem::path& file, std::string_view text);

/// Keeps the budgets in a file. Writing waits for the disk, so a thread of its own
/// does it; what is saved while it writes replaces what still waits.
///
/// Threads: load() and save() by one thread. `on_error` is called for each read or write that
/// failed, on that thread or the writer's.
class BudgetStore {
 public:
  enum class Operation : std::uint8_t { kRead, kWrite };
  using OnError = std::function<void(Operation, const std::string& detail)>;

  /// The largest file that is read.
  static constexpr std::size_t kMaxBytes = 4U << 20U;

  /// The file's folder is made with the first write.
  BudgetStore(std::filesystem::path file, OnError on_error);
  ~BudgetStore();  ///< writes what waits
  BudgetStore(const BudgetStore&) = delete;
  BudgetStore& operator=(const BudgetStore&) = delete;

  /// What was kept; empty when there is no file or it cannot be used.
  KeptBudgets load() const;
  /// Has the file replaced unless its content is already this.
  void save(const KeptBudgets& budgets);

 private:
  void run(const std::stop_token& stop);

  const std::filesystem::path file_;
  const OnError on_error_;
  std::string last_;  // handed to the writer

  std::mutex mutex_;
  std::condition_variable_any changed_;
  std::optional<std::string> next_;  // guarded by mutex_

  std::jthread thread_;  // last: joined before what it uses goes
};

}  // namespace spreadwatch::ingest
