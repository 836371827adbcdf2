#include "publish/schemas.h"

#include <algorithm>
#include <cassert>

namespace spreadwatch::publish {

namespace {

const EmbeddedFile* find(std::string_view type) {
  const std::string name = std::string{type} + ".json";
  const auto found = std::ranges::find(schema_files(), name, &EmbeddedFile::name);
  return found == schema_files().end() ? nullptr : &*found;
}

}  // namespace

bool has_schema(std::string_view type) { return find(type) != nullptr; }

std::string_view schema_of(std::string_view type) {
  const EmbeddedFile* const file = find(type);
  assert(file != nullptr);
  return file->content;
}

std::string schema_id(std::string_view type) {
  return "urn:spreadwatch:schema:" + std::string{type} + ":1";
}

}  // namespace spreadwatch::publish
