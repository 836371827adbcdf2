#pragma once

// Private to this folder: SQLite's handles.

#include <sqlite3.h>

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "history/opportunity_store.h"

namespace spreadwatch::history {

struct SqliteDeleter {
  void operator()(sqlite3* db) const { sqlite3_close_v2(db); }
  void operator()(sqlite3_stmt* statement) const { sqlite3_finalize(statement); }
};
using Database = std::unique_ptr<sqlite3, SqliteDeleter>;

/// SQLite said no; `code` is its primary result code.
struct SqliteError {
  int code = 0;
  std::string message;
};

/// A prepared statement. Every call throws SqliteError when SQLite refuses.
class Statement {
 public:
  Statement(sqlite3* db, std::string_view sql);

  Statement& bind(std::int64_t value);
  Statement& bind(std::string_view text);
  Statement& bind(double value);
  Statement& bind_null();
  template <class T>
  Statement& bind(const std::optional<T>& value) {
    return value ? bind(*value) : bind_null();
  }
  /// True while there is a row. The statement is ready for new values once it returns false.
  bool step();
  /// step() to the end.
  void run();

  std::int64_t integer(int column) const;
  double number(int column) const;
  std::string text(int column) const;
  bool is_null(int column) const;

 private:
  void check(int code) const;
  sqlite3* db_;
  std::unique_ptr<sqlite3_stmt, SqliteDeleter> statement_;
  int next_ = 1;
};

/// Runs statements that take no values. Throws SqliteError.
void execute(sqlite3* db, const char* sql);

}  // namespace spreadwatch::history
