#pragma once

#include <string_view>

namespace spreadwatch {

/// A file that is part of the program, so that it needs nothing beside it.
struct EmbeddedFile {
  std::string_view name;  ///< without its folder, e.g. `app.js`
  std::string_view content;
};

}  // namespace spreadwatch
