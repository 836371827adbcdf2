#pragma once

#include <span>
#include <string_view>

namespace spreadwatch::api {

/// A file of the board, part of the program so that it needs nothing beside it.
struct BoardFile {
  std::string_view name;  ///< as in api/board/, e.g. `app.js`
  std::string_view content;
};

/// Every file of api/board/. Threads: any.
std::span<const BoardFile> board_files();

}  // namespace spreadwatch::api
