#pragma once

// Private to this folder: the file in which what must be delivered waits from one run to the next.

#include <filesystem>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "core/result.h"
#include "publish/kafka_record.h"

namespace spreadwatch::publish {

inline constexpr std::string_view kUndeliveredFile = "undelivered";

/// The file's content, and back. Bytes stay as they are; the number of records at the end shows
/// that nothing is missing. Errors of decode: kSchemaMismatch (not such a file, or cut short).
std::string encode_undelivered(std::span<const KafkaRecord> records);
Result<std::vector<KafkaRecord>> decode_undelivered(std::string_view text);

/// What the run before left.
struct Undelivered {
  std::vector<KafkaRecord> records;
  std::string moved_aside;  ///< where a damaged file was moved to; empty = there was none
};
/// No file is no records. Throws std::runtime_error when the file cannot be read or moved.
Undelivered read_undelivered(const std::filesystem::path& file);

}  // namespace spreadwatch::publish
