#pragma once

#include <string>
#include <string_view>

#include "core/time.h"

namespace spreadwatch::publish {

/// The id of an event that brings none: 128 bits of its source, key and value as 32 hexadecimal
/// digits. The same content always has the same id, so a record sent again after a crash, or by a
/// replay, is recognizable.
std::string event_id(std::string_view source, std::string_view key, std::string_view value);

/// `2026-01-31T23:59:59.000001Z`: RFC 3339, UTC, microseconds.
std::string rfc3339(Timestamp time);

}  // namespace spreadwatch::publish
