#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

#include "core/time.h"
#include "spread/event.h"

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
  virtual ~OpportunityStore() = default;

  /// Keeps an event. An `open` or `close` is on disk when this returns true; an `update` only
  /// replaces the one before it and is on disk with the next of the others or the next flush().
  /// Keeping the same event twice is keeping it once. False when it could not be written (disk
  /// full, I/O error): error() says why.
  virtual bool keep(const spread::OpportunityEvent& event) = 0;
  /// The event reached who must have it at least once: it is not told again after a restart.
  /// Written with the next keep() or flush(): losing it means telling twice.
  virtual void mark_sent(std::string_view id, spread::OpportunityEvent::Kind kind) = 0;
  /// Writes what waits. False as keep().
  virtual bool flush() = 0;

  /// The last event of each opportunity that was opened and not closed, in the order of opening.
  virtual std::vector<spread::OpportunityEvent> open() = 0;
  /// When the latest event that is kept happened: the run before lived at least until then.
  virtual std::optional<Timestamp> latest() = 0;
  /// Every `open` and `close` not marked as sent, in the order of keep().
  virtual std::vector<spread::OpportunityEvent> unsent() = 0;
  /// Forgets opportunities that closed before `before`, and beyond the latest `at_most`, unless
  /// they wait to be sent. Returns how many events went.
  virtual std::size_t prune(Timestamp before, std::size_t at_most) = 0;

  /// Why the last keep() or flush() failed; empty when it did not.
  virtual const std::string& error() const = 0;
};

/// What open_store() found.
struct OpenedStore {
  std::unique_ptr<OpportunityStore> store;
  /// Where a damaged store was moved to, to begin anew; empty = it was good.
  std::filesystem::path moved_aside;
};

/// Opens `opportunities.db` in `dir`, which is made when it is not there.
///
/// SQLite with a write-ahead log, synced at each commit, held by this process alone. A file that is
/// damaged is moved aside, so that a service that watches markets comes back: what it held open is
/// then lost to downstream and the caller should say so. Throws StoreError when the directory
/// cannot be written, another process holds the store, or a newer version wrote it. `vfs` names
/// SQLite's file layer, for tests.
OpenedStore open_store(const std::filesystem::path& dir, const char* vfs = nullptr);

}  // namespace spreadwatch::history
