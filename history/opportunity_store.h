#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <span>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

#include "core/event.h"
#include "core/time.h"

namespace spreadwatch::history {

/// The store cannot be had: the message names the file and what to do.
class StoreError : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

/// Opportunities across crash and restart: an `open` or `close` is here before it is anywhere else.
///
/// Threads: one at a time.
class OpportunityStore {
 public:
  /// What became of a call: nothing had to be written, it is on disk, or it could not be written
  /// (disk full, I/O error) and error() says why.
  enum class Written : std::uint8_t { kNothing, kYes, kNo };
  /// An event of an opportunity that is open or has something to be told.
  struct Unfinished {
    OpportunityEvent event;
    bool sent = false;
  };

  virtual ~OpportunityStore() = default;

  /// Keeps events, in this order, all or none. An `open` or `close` is on disk when this returns
  /// kYes; an `update` only replaces the one before it and is on disk with the next flush().
  /// `fresh`, when given, tells of each event whether it was not there before: keeping the same
  /// event twice is keeping it once, and the first one stays.
  virtual Written keep_all(std::span<const OpportunityEvent> events, std::vector<bool>* fresh) = 0;
  /// As keep_all() of one; false when it could not be written.
  bool keep(const OpportunityEvent& event) {
    return keep_all({&event, 1}, nullptr) != Written::kNo;
  }
  /// The event reached who must have it at least once: it is not told again after a restart.
  /// Written with the next keep() or flush(): losing it means telling twice.
  virtual void mark_sent(std::string_view id, OpportunityEvent::Kind kind) = 0;
  /// Writes what waits.
  virtual Written flush() = 0;

  /// The last event of each opportunity that was opened and not closed, in the order of opening.
  virtual std::vector<OpportunityEvent> open() = 0;
  /// When the latest event that is kept happened: the run before lived at least until then.
  virtual std::optional<Timestamp> latest() = 0;
  /// Every `open` and `close` not marked as sent, in the order of keep().
  virtual std::vector<OpportunityEvent> unsent() = 0;
  /// Forgets opportunities that closed before `before`, and beyond the latest `at_most`, unless
  /// they wait to be sent. Returns how many events went; nullopt when it could not be written.
  virtual std::optional<std::size_t> prune(Timestamp before, std::size_t at_most) = 0;

  /// Whether the files are no longer where they were: deleted or replaced under the process, so
  /// that what is written goes where nobody will find it.
  virtual bool gone() const = 0;
  /// What another store must have in order to take this one's place, in the order of keep().
  /// Throws StoreError when it cannot be read.
  virtual std::vector<Unfinished> unfinished() = 0;
  /// Takes what another store gives away. Not kYes: nothing was taken.
  virtual Written adopt(std::span<const Unfinished> events) = 0;

  /// Why the last of the writing calls failed; empty when it did not.
  virtual const std::string& error() const = 0;
};

/// What open_store() found.
struct OpenedStore {
  std::unique_ptr<OpportunityStore> store;
  /// Where a damaged store was moved to, to begin anew; empty = it was good.
  std::filesystem::path moved_aside;
};

/// Opens `opportunities.db` in `dir`, which is made (0700) when it is not there; the files are for
/// their owner alone (0600).
///
/// SQLite with a write-ahead log, synced at each commit, held by this process alone. A file that is
/// damaged is moved aside, so that a service that watches markets comes back: what it held open is
/// then lost to downstream and the caller should say so. Throws StoreError when the directory
/// cannot be written, another process holds the store, or a newer version wrote it. `vfs` names
/// SQLite's file layer, for tests.
OpenedStore open_store(const std::filesystem::path& dir, const char* vfs = nullptr);

}  // namespace spreadwatch::history
