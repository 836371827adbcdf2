#pragma once

#include <span>
#include <string>
#include <string_view>

#include "core/embedded_file.h"

namespace spreadwatch::publish {

/// The JSON Schemas of the record types, publish/schema/<type>.json: what the Kafka topics, the
/// event stream, the OpenAPI document and publish/asyncapi.yaml have their record types from.
///
/// They are open: a field may be added within a version, one that is renamed or removed makes a new
/// version. Threads: any.
std::span<const EmbeddedFile> schema_files();

bool has_schema(std::string_view type);
/// The schema of a record type, JSON. REQUIRES: there is one. Threads: any.
std::string_view schema_of(std::string_view type);

/// The `$id` of the schema of a record type, the `ce_dataschema` of its records:
/// `urn:spreadwatch:schema:<type>:<version>`. Threads: any; pure.
std::string schema_id(std::string_view type);

}  // namespace spreadwatch::publish
