#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string>
#include <vector>

namespace spreadwatch::publish {

/// Checks `value` against a JSON Schema, for the keywords that publish/schema/ uses. A keyword it
/// does not know is reported as an error, so that none is passed over in silence. Returns what is
/// wrong, one line each, with the place in the value.
std::vector<std::string> schema_errors(const nlohmann::json& schema, const nlohmann::json& value,
                                       const std::string& where = "");

/// The schema of a record type from publish/schema/.
nlohmann::json load_schema(const std::string& type);
/// The same, closed: of our own records no field may be unknown to it.
nlohmann::json load_closed_schema(const std::string& type);

}  // namespace spreadwatch::publish
