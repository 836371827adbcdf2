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
#include "ingest/net/rate_budget.h"

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

/// Keeps the budgets in a file (0600). Writing waits for the disk, so a thread of its own does it;
/// what is saved while it writes replaces what still waits, what could not be written is tried
/// again, and a file that went away is written anew.
///
/// Threads: load() and save() by one thread, state() any. `on_error` is called for each read or
/// write that failed, on that thread or the writer's.
class BudgetStore {
 public:
  enum class Operation : std::uint8_t { kRead, kWrite };
  struct State {
    std::string error;        ///< why the file cannot be read or written now; empty = it can
    std::string moved_aside;  ///< where a damaged file was moved to; empty = it was good
  };
  using OnError = std::function<void(Operation, const std::string& detail)>;

  /// The largest file that is read.
  static constexpr std::size_t kMaxBytes = 4U << 20U;

  /// The file's folder is made (0700) with the first write.
  BudgetStore(std::filesystem::path file, OnError on_error);
  ~BudgetStore();  ///< writes what waits
  BudgetStore(const BudgetStore&) = delete;
  BudgetStore& operator=(const BudgetStore&) = delete;

  /// What was kept; empty when there is no file or it cannot be used. A damaged one is moved aside.
  KeptBudgets load();
  /// Has the file replaced unless its content is already this.
  void save(const KeptBudgets& budgets);
  State state() const;
  /// Writes what waits, and ends: save() does nothing after it.
  void finish();

 private:
  void run(const std::stop_token& stop);

  const std::filesystem::path file_;
  const OnError on_error_;
  std::string last_;  // handed to the writer

  mutable std::mutex mutex_;
  std::condition_variable_any changed_;
  std::optional<std::string> next_;  // guarded by mutex_
  State state_;                      // guarded by mutex_

  std::jthread thread_;  // last: joined before what it uses goes
};

}  // namespace spreadwatch::ingest
