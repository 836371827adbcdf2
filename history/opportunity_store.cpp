#include "history/opportunity_store.h"

#include <fcntl.h>
#include <spdlog/spdlog.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <map>
#include <utility>

#include "core/state_file.h"
#include "history/sqlite.h"

namespace spreadwatch::history {
namespace {

using Kind = OpportunityEvent::Kind;

constexpr std::int64_t kSchemaVersion = 1;
constexpr const char* kFileName = "opportunities.db";

// One row per event, at most one of each kind per opportunity: the store itself refuses a second
// open or close. Names, not numbers, so that the file can be read with any SQLite client.
constexpr const char* kSchema = R"(
CREATE TABLE IF NOT EXISTS event(
  seq INTEGER PRIMARY KEY AUTOINCREMENT,
  id TEXT NOT NULL, kind TEXT NOT NULL, sent INTEGER NOT NULL DEFAULT 0,
  asset TEXT NOT NULL, buy TEXT NOT NULL, sell TEXT NOT NULL, mode TEXT NOT NULL,
  opened_us INTEGER NOT NULL, time_us INTEGER NOT NULL,
  net_profit_usdt REAL, net_ratio REAL, quantity REAL,
  peak_profit_usdt REAL NOT NULL, peak_quantity REAL NOT NULL, peak_us INTEGER NOT NULL,
  buy_age_us INTEGER, sell_age_us INTEGER, reason TEXT, reasons TEXT NOT NULL,
  UNIQUE(id, kind));
CREATE INDEX IF NOT EXISTS event_unsent ON event(seq) WHERE sent = 0;
)";
constexpr std::string_view kColumns =
    "id, kind, asset, buy, sell, mode, opened_us, time_us, net_profit_usdt, net_ratio, quantity, "
    "peak_profit_usdt, peak_quantity, peak_us, buy_age_us, sell_age_us, reason, reasons";

/// The place of a name in a closed list; throws for a name that is not in it.
template <class Names>
std::size_t place_of(const Names& names, const std::string& name) {
  const auto found = std::ranges::find(names, name);
  if (found == names.end()) throw SqliteError{SQLITE_CORRUPT, "unknown name \"" + name + "\""};
  return static_cast<std::size_t>(found - names.begin());
}

VenueId venue_of(const std::string& name) {
  const std::optional<VenueId> venue = venue_from_name(name);
  if (!venue) throw SqliteError{SQLITE_CORRUPT, "unknown venue \"" + name + "\""};
  return *venue;
}

std::string joined(Reasons reasons) {
  std::string text;
  reasons.for_each([&text](Reason r) {
    if (!text.empty()) text += ' ';
    text += to_string(r);
  });
  return text;
}

Reasons split(const std::string& text) {
  Reasons reasons;
  std::size_t start = 0;
  while (start < text.size()) {
    const std::size_t end = std::min(text.find(' ', start), text.size());
    reasons.add(static_cast<Reason>(place_of(kReasonNames, text.substr(start, end - start))));
    start = end + 1;
  }
  return reasons;
}

Timestamp timestamp_of(std::int64_t us) { return Timestamp{microseconds{us}}; }

std::optional<std::int64_t> count_of(const std::optional<microseconds>& age) {
  return age ? std::optional{static_cast<std::int64_t>(age->count())} : std::nullopt;
}

void bind_event(Statement& s, const OpportunityEvent& e) {
  s.bind(std::string_view{e.id}).bind(to_string(e.kind)).bind(std::string_view{e.asset});
  s.bind(to_string(e.buy)).bind(to_string(e.sell)).bind(to_string(e.mode));
  s.bind(to_us(e.opened)).bind(to_us(e.time));
  s.bind(e.net_profit_usdt).bind(e.net_ratio).bind(e.quantity);
  s.bind(e.peak_profit_usdt).bind(e.peak_quantity).bind(to_us(e.peak_time));
  s.bind(count_of(e.buy_age)).bind(count_of(e.sell_age));
  s.bind(e.reason ? std::optional{to_string(*e.reason)} : std::nullopt);
  s.bind(std::string_view{joined(e.reasons)});
}

OpportunityEvent read_event(const Statement& s) {
  const auto number = [&s](int column) {
    return s.is_null(column) ? std::nullopt : std::optional{s.number(column)};
  };
  const auto age = [&s](int column) {
    return s.is_null(column) ? std::nullopt : std::optional{microseconds{s.integer(column)}};
  };
  OpportunityEvent e;
  e.id = s.text(0);
  e.kind = static_cast<Kind>(place_of(kOpportunityKindNames, s.text(1)));
  e.asset = s.text(2);
  e.buy = venue_of(s.text(3));
  e.sell = venue_of(s.text(4));
  e.mode = static_cast<Mode>(place_of(kModeNames, s.text(5)));
  e.opened = timestamp_of(s.integer(6));
  e.time = timestamp_of(s.integer(7));
  e.net_profit_usdt = number(8);
  e.net_ratio = number(9);
  e.quantity = number(10);
  e.peak_profit_usdt = s.number(11);
  e.peak_quantity = s.number(12);
  e.peak_time = timestamp_of(s.integer(13));
  e.buy_age = age(14);
  e.sell_age = age(15);
  if (!s.is_null(16)) {
    e.reason = static_cast<CloseReason>(place_of(kCloseReasonNames, s.text(16)));
  }
  e.reasons = split(s.text(17));
  return e;
}

/// The store's rows in memory would be a second truth: it only holds what waits for the next
/// commit.
class SqliteStore final : public OpportunityStore {
 public:
  SqliteStore(Database db, const std::filesystem::path& file)
      : file_(file),
        identity_(identity_of(file)),
        db_(std::move(db)),
        insert_(db_.get(), "INSERT INTO event(" + std::string{kColumns} +
                               ") VALUES(?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?) "
                               "ON CONFLICT(id, kind) DO NOTHING"),
        replace_(db_.get(), "INSERT OR REPLACE INTO event(" + std::string{kColumns} +
                                ",sent) VALUES(?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,1)"),
        drop_update_(db_.get(), "DELETE FROM event WHERE id = ? AND kind = 'update'"),
        sent_(db_.get(), "UPDATE event SET sent = 1 WHERE id = ? AND kind = ?") {}

  ~SqliteStore() override { flush(); }
  SqliteStore(const SqliteStore&) = delete;
  SqliteStore& operator=(const SqliteStore&) = delete;

  Written keep_all(std::span<const OpportunityEvent> events, std::vector<bool>* fresh) override {
    if (fresh != nullptr) fresh->assign(events.size(), true);
    const bool lasting = std::ranges::any_of(
        events, [](const OpportunityEvent& e) { return e.kind != Kind::kUpdate; });
    if (!lasting) {
      for (const OpportunityEvent& e : events) updates_.insert_or_assign(e.id, e);
      return Written::kNothing;
    }
    const Written written = write([&] {
      for (std::size_t i = 0; i < events.size(); ++i) {
        const OpportunityEvent& e = events[i];
        if (e.kind == Kind::kUpdate) continue;
        bind_event(insert_, e);
        insert_.run();
        if (fresh != nullptr) (*fresh)[i] = sqlite3_changes64(db_.get()) > 0;
        if (e.kind == Kind::kClose) drop_update_.bind(std::string_view{e.id}).run();
      }
    });
    if (written != Written::kYes) return written;
    // The updates are on disk with the next flush: there is one an open opportunity, however many
    // came.
    for (const OpportunityEvent& e : events) {
      if (e.kind == Kind::kUpdate) updates_.insert_or_assign(e.id, e);
      if (e.kind == Kind::kClose) updates_.erase(e.id);
    }
    return written;
  }

  void mark_sent(std::string_view id, Kind kind) override { sent_waiting_.emplace_back(id, kind); }

  Written flush() override {
    if (updates_.empty() && sent_waiting_.empty()) return Written::kNothing;
    const Written written = write([this] {
      for (const auto& [id, update] : updates_) {
        bind_event(replace_, update);
        replace_.run();
      }
    });
    if (written == Written::kYes) updates_.clear();
    return written;
  }

  std::vector<OpportunityEvent> open() override {
    // The update, when there is one, is the later of the two.
    return select("SELECT " + std::string{kColumns} +
                  " FROM event e WHERE kind IN ('open', 'update')"
                  " AND NOT EXISTS (SELECT 1 FROM event c WHERE c.id = e.id AND c.kind = 'close')"
                  " AND (kind = 'update' OR NOT EXISTS"
                  "      (SELECT 1 FROM event u WHERE u.id = e.id AND u.kind = 'update'))"
                  " ORDER BY opened_us, id");
  }

  std::optional<Timestamp> latest() override {
    Statement statement(db_.get(), "SELECT max(time_us) FROM event");
    std::optional<Timestamp> time;
    while (statement.step()) {
      if (!statement.is_null(0)) time = timestamp_of(statement.integer(0));
    }
    return time;
  }

  std::vector<OpportunityEvent> unsent() override {
    return select("SELECT " + std::string{kColumns} + " FROM event WHERE sent = 0 ORDER BY seq");
  }

  std::optional<std::size_t> prune(Timestamp before, std::size_t at_most) override {
    if (flush() == Written::kNo) return std::nullopt;
    try {
      // An opportunity goes as a whole, and only once its end has been told.
      Statement drop(db_.get(),
                     "DELETE FROM event WHERE id IN (SELECT id FROM event WHERE kind = 'close' AND "
                     "(time_us < ?1 OR seq NOT IN (SELECT seq FROM event WHERE kind = 'close' "
                     "ORDER BY seq DESC LIMIT ?2))) "
                     "AND NOT EXISTS (SELECT 1 FROM event w WHERE w.id = event.id AND w.sent = 0)");
      drop.bind(to_us(before)).bind(static_cast<std::int64_t>(at_most)).run();
      return static_cast<std::size_t>(sqlite3_changes64(db_.get()));
    } catch (const SqliteError& e) {
      error_ = e.message;
      return std::nullopt;
    }
  }

  bool gone() const override {
    return identity_of(file_) != identity_ ||
           (log_identity_ && identity_of(log()) != log_identity_);
  }

  std::vector<Unfinished> unfinished() override {
    // Should this fail, the latest updates are missing and something may be told twice.
    flush();
    std::vector<Unfinished> events;
    try {
      Statement statement(
          db_.get(),
          "SELECT " + std::string{kColumns} +
              ", sent FROM event e WHERE EXISTS (SELECT 1 FROM event w WHERE w.id = e.id AND "
              "w.sent = 0 AND w.kind <> 'update') OR NOT EXISTS (SELECT 1 FROM event c WHERE "
              "c.id = e.id AND c.kind = 'close') ORDER BY seq");
      while (statement.step()) {
        events.push_back({read_event(statement), statement.integer(18) != 0});
      }
    } catch (const SqliteError& e) {
      throw StoreError(file_.string() + ": " + e.message);
    }
    return events;
  }

  Written adopt(std::span<const Unfinished> events) override {
    if (events.empty()) return Written::kYes;
    return write([&] {
      for (const Unfinished& u : events) {
        Statement& into = u.event.kind == Kind::kUpdate ? replace_ : insert_;
        bind_event(into, u.event);
        into.run();
        if (u.sent) sent_.bind(std::string_view{u.event.id}).bind(to_string(u.event.kind)).run();
      }
    });
  }

  const std::string& error() const override { return error_; }

 private:
  /// `statements`, and what was sent, in one transaction.
  template <class Statements>
  Written write(const Statements& statements) {
    try {
      execute(db_.get(), "BEGIN IMMEDIATE");
      statements();
      for (const auto& [id, kind] : sent_waiting_) {
        sent_.bind(std::string_view{id}).bind(to_string(kind)).run();
      }
      execute(db_.get(), "COMMIT");
    } catch (const SqliteError& e) {
      sqlite3_exec(db_.get(), "ROLLBACK", nullptr, nullptr, nullptr);
      error_ = e.message;
      return Written::kNo;
    }
    sent_waiting_.clear();
    error_.clear();
    // The log file is made with the first write at the latest.
    if (!log_identity_) log_identity_ = identity_of(log());
    return Written::kYes;
  }

  std::filesystem::path log() const {
    std::filesystem::path name = file_;
    return name += "-wal";
  }

  std::vector<OpportunityEvent> select(const std::string& sql) {
    std::vector<OpportunityEvent> events;
    Statement statement(db_.get(), sql);
    while (statement.step()) events.push_back(read_event(statement));
    return events;
  }

  const std::filesystem::path file_;
  const std::optional<FileIdentity> identity_;
  std::optional<FileIdentity> log_identity_;  // nullopt = not made yet
  Database db_;
  Statement insert_;
  Statement replace_;
  Statement drop_update_;
  Statement sent_;
  std::map<std::string, OpportunityEvent> updates_;  // one an open opportunity
  std::vector<std::pair<std::string, Kind>> sent_waiting_;
  std::string error_;
};

/// The database and its companions are for their owner alone. SQLite gives the companions the
/// database's mode when it makes them.
void make_private(const std::filesystem::path& file) {
  // Never opened when it is there: closing it would give up SQLite's own locks on it.
  const int made = ::open(file.c_str(), O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
  if (made >= 0) ::close(made);
  for (const char* const suffix : {"", "-wal", "-shm"}) {
    std::filesystem::path name = file;
    name += suffix;
    if (::chmod(name.c_str(), 0600) != 0 && errno != ENOENT) {
      spdlog::warn("{}: others may read it: {}", name.string(), std::strerror(errno));
    }
  }
}

Database open_database(const std::filesystem::path& file, const char* vfs) {
  make_private(file);
  sqlite3* raw = nullptr;
  const int code =
      sqlite3_open_v2(file.c_str(), &raw, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE, vfs);
  Database db{raw};
  if (code != SQLITE_OK) {
    throw SqliteError{code & 0xff, raw == nullptr ? "no memory" : sqlite3_errmsg(raw)};
  }
  execute(raw, "PRAGMA locking_mode = EXCLUSIVE");
  execute(raw, "PRAGMA journal_mode = WAL");
  execute(raw, "PRAGMA synchronous = FULL");
  execute(raw, "BEGIN EXCLUSIVE; COMMIT");  // takes the lock now, not at the first event
  Statement check(raw, "PRAGMA quick_check(1)");
  if (!check.step() || check.text(0) != "ok") {
    throw SqliteError{SQLITE_CORRUPT, "its pages do not fit together"};
  }
  check.run();
  return db;
}

std::int64_t version_of(sqlite3* db) {
  Statement version(db, "PRAGMA user_version");
  const std::int64_t value = version.step() ? version.integer(0) : 0;
  version.run();
  return value;
}

std::unique_ptr<SqliteStore> open_good(const std::filesystem::path& file, const char* vfs) {
  Database db = open_database(file, vfs);
  const std::int64_t version = version_of(db.get());
  if (version > kSchemaVersion) {
    throw StoreError(file.string() + ": written by a newer version (format " +
                     std::to_string(version) + ", this one reads " +
                     std::to_string(kSchemaVersion) + ")");
  }
  execute(db.get(), kSchema);
  execute(db.get(), "PRAGMA user_version = 1");
  auto store = std::make_unique<SqliteStore>(std::move(db), file);
  // What cannot be read back is as damaged as a page that does not fit.
  static_cast<void>(store->open());
  static_cast<void>(store->latest());
  static_cast<void>(store->unsent());
  return store;
}

bool damaged(const SqliteError& e) {
  return e.code == SQLITE_CORRUPT || e.code == SQLITE_NOTADB || e.code == SQLITE_ERROR;
}

}  // namespace

OpenedStore open_store(const std::filesystem::path& dir, const char* vfs) {
  if (const auto error = make_private_folder(dir)) throw StoreError("state_dir: " + *error);
  const std::filesystem::path file = dir / kFileName;
  const auto refused = [&file](const SqliteError& e) {
    return StoreError(file.string() + ": " +
                      (e.code == SQLITE_BUSY ? "another process holds it" : e.message));
  };
  try {
    return {open_good(file, vfs), {}};
  } catch (const SqliteError& e) {
    if (!damaged(e)) throw refused(e);
  }
  OpenedStore opened;
  std::string failure;
  const std::optional<std::filesystem::path> moved = move_aside(file, failure);
  if (!moved) throw StoreError(file.string() + ": damaged, and " + failure);
  opened.moved_aside = *moved;
  // The log belongs to the damaged file; a new one must not be replayed from it.
  for (const char* const suffix : {"-wal", "-shm"}) {
    std::filesystem::path from = file;
    from += suffix;
    std::filesystem::path to = opened.moved_aside;
    to += suffix;
    std::error_code failed;
    if (std::filesystem::exists(from)) std::filesystem::rename(from, to, failed);
  }
  try {
    opened.store = open_good(file, vfs);
  } catch (const SqliteError& e) {
    throw refused(e);
  }
  return opened;
}

}  // namespace spreadwatch::history
