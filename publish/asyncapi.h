#pragma once

#include <string>
#include <string_view>

namespace spreadwatch::publish {

/// The AsyncAPI 3.0 document of the Kafka topics, YAML: each topic with its partitions and
/// retention, the headers and key of its records, and their schemas. Made from the tables that the
/// records are made from; `asyncapi.yaml` at the root of the project is the one with the default
/// prefix. Threads: any; pure.
std::string asyncapi_document(std::string_view prefix);

}  // namespace spreadwatch::publish
