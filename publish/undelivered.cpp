#include "publish/undelivered.h"

#include <algorithm>
#include <charconv>
#include <fstream>
#include <iterator>
#include <optional>
#include <stdexcept>

#include "core/state_file.h"

namespace spreadwatch::publish {
namespace {

constexpr std::string_view kHeader = "spreadwatch undelivered 1\n";

/// Takes texts off the front. Each read gives nullopt at the end or at what cannot be.
class Reader {
 public:
  explicit Reader(std::string_view text) : text_(text) {}

  std::optional<std::string_view> bytes(std::size_t size) {
    if (size > text_.size()) return std::nullopt;
    const std::string_view taken = text_.substr(0, size);
    text_.remove_prefix(size);
    return taken;
  }
  /// A number and the character that must follow it.
  template <class Number>
  std::optional<Number> number(char end) {
    Number value{};
    const char* const last = text_.data() + text_.size();
    const auto [at, error] = std::from_chars(text_.data(), last, value);
    if (error != std::errc{} || at == last || *at != end) return std::nullopt;
    text_.remove_prefix(static_cast<std::size_t>(at - text_.data()) + 1);
    return value;
  }
  /// A length, a space and so many bytes, then a new line.
  std::optional<std::string> sized() {
    const auto size = number<std::size_t>(' ');
    const auto taken = size ? bytes(*size) : std::nullopt;
    if (!taken || bytes(1) != "\n") return std::nullopt;
    return std::string{*taken};
  }
  bool empty() const { return text_.empty(); }

 private:
  std::string_view text_;
};

std::optional<KafkaRecord> read_record(Reader& reader) {
  const auto topic = reader.sized();
  const auto partition = reader.number<int>('\n');
  const auto time = reader.number<std::int64_t>('\n');
  auto type = reader.sized();
  auto id = reader.sized();
  auto key = reader.sized();
  auto value = reader.sized();
  if (!topic || !partition || !time || !type || !id || !key || !value) return std::nullopt;
  const auto found = std::ranges::find(kTopicNames, *topic);
  if (found == kTopicNames.end()) return std::nullopt;
  KafkaRecord record;
  record.topic = static_cast<TopicId>(found - kTopicNames.begin());
  record.partition = *partition;
  record.time = Timestamp{microseconds{*time}};
  record.type = std::move(*type);
  record.id = std::move(*id);
  record.key = std::move(*key);
  record.value = std::move(*value);
  const TopicIdentity& known = identity(record.topic);
  const bool partition_fits = known.partitioning == Partitioning::kVenue
                                  ? record.partition >= 0 && record.partition < known.partitions
                                  : record.partition <= 0;
  if (!partition_fits) return std::nullopt;
  return record;
}

}  // namespace

std::string encode_undelivered(std::span<const KafkaRecord> records) {
  std::string text{kHeader};
  const auto sized = [&text](std::string_view bytes) {
    text.append(std::to_string(bytes.size())).append(" ").append(bytes).append("\n");
  };
  for (const KafkaRecord& record : records) {
    sized(to_string(record.topic));
    text.append(std::to_string(record.partition)).append("\n");
    text.append(std::to_string(to_us(record.time))).append("\n");
    sized(record.type);
    sized(record.id);
    sized(record.key);
    sized(record.value);
  }
  text.append("end ").append(std::to_string(records.size())).append("\n");
  return text;
}

Result<std::vector<KafkaRecord>> decode_undelivered(std::string_view text) {
  const auto damaged = [](std::size_t good) {
    return Unexpected{
        Error{ErrorCode::kSchemaMismatch, "damaged after " + std::to_string(good) + " record(s)"}};
  };
  Reader reader(text);
  if (reader.bytes(kHeader.size()) != kHeader) {
    return Unexpected{Error{ErrorCode::kSchemaMismatch, "not a file of undelivered records"}};
  }
  std::vector<KafkaRecord> records;
  for (;;) {
    Reader end = reader;
    if (end.bytes(4) == "end ") {
      if (end.number<std::size_t>('\n') != records.size() || !end.empty()) {
        return damaged(records.size());
      }
      return records;
    }
    std::optional<KafkaRecord> record = read_record(reader);
    if (!record) return damaged(records.size());
    records.push_back(std::move(*record));
  }
}

Undelivered read_undelivered(const std::filesystem::path& file) {
  if (!identity_of(file)) return {};
  std::ifstream in(file, std::ios::binary);
  const std::string text{std::istreambuf_iterator<char>{in}, {}};
  if (!in.is_open() || in.bad()) throw std::runtime_error(file.string() + ": cannot be read");
  Undelivered found;
  Result<std::vector<KafkaRecord>> records = decode_undelivered(text);
  if (records) {
    found.records = std::move(*records);
    return found;
  }
  std::string failure;
  const auto moved = move_aside(file, failure);
  if (!moved) throw std::runtime_error(file.string() + ": damaged, and " + failure);
  found.moved_aside = moved->string();
  return found;
}

}  // namespace spreadwatch::publish
