#pragma once

#include <span>
#include <string_view>

namespace spreadwatch::api {

/// A file that is part of the program, so that it needs nothing beside it.
struct EmbeddedFile {
  std::string_view name;  ///< without its folder, e.g. `app.js`
  std::string_view content;
};

/// The files of api/board/. Threads: any.
std::span<const EmbeddedFile> board_files();

/// The shapes of the answers, api/schemas.json: the OpenAPI document's component schemas. The
/// records in them are those of the Kafka topics, whose full schemas are in publish/schema/.
/// Threads: any.
std::span<const EmbeddedFile> schema_files();

}  // namespace spreadwatch::api
