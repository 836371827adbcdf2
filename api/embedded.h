#pragma once

#include <span>

#include "core/embedded_file.h"

namespace spreadwatch::api {

/// The files of api/board/. Threads: any.
std::span<const EmbeddedFile> board_files();

/// The shapes of the answers, api/schemas.json: the OpenAPI document's component schemas, beside
/// those of the records, which are publish::schema_files(). Threads: any.
std::span<const EmbeddedFile> answer_schema_files();

}  // namespace spreadwatch::api
