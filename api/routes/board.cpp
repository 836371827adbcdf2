#include <string_view>

#include "api/embedded.h"
#include "api/routes/routes.h"

namespace spreadwatch::api {
namespace {

Response text_file(std::string_view name, std::string_view content_type) {
  for (const EmbeddedFile& file : board_files()) {
    if (file.name == name) {
      return {.content_type = std::string{content_type}, .body = std::string{file.content}};
    }
  }
  return problem(500, "internal_error", "the board is not part of this program");
}

/// Answers with a file of the board.
Route::Handler file(std::string_view name) {
  return [name](const Context&, const Request&, const Arguments&, const Route& route) {
    return text_file(name, route.content_type);
  };
}

}  // namespace

std::vector<Route> board_routes() {
  return {
      {.path = "/",
       .operation = "board",
       .summary = "The live board",
       .content_type = "text/html; charset=utf-8",
       .handler = file("index.html")},
      {.path = "/app.js",
       .operation = "boardScript",
       .summary = "The board's script",
       .content_type = "text/javascript; charset=utf-8",
       .handler = file("app.js")},
      {.path = "/stream.js",
       .operation = "boardStream",
       .summary = "The board's worker that follows the stream",
       .content_type = "text/javascript; charset=utf-8",
       .handler = file("stream.js")},
      {.path = "/style.css",
       .operation = "boardStyle",
       .summary = "The board's style",
       .content_type = "text/css; charset=utf-8",
       .handler = file("style.css")},
  };
}

}  // namespace spreadwatch::api
