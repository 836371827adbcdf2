// Capture files against text: plain, and as what the first bytes make of it (gzip is told by its
// magic bytes, zstd by the name).

#include <unistd.h>

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <filesystem>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "ingest/capture/capture_reader.h"
#include "tests/fuzz/require.h"

namespace {

using spreadwatch::fuzz::require;
using spreadwatch::ingest::CaptureLine;
using spreadwatch::ingest::CaptureMerge;
using spreadwatch::ingest::CaptureReader;

/// A directory of this process, gone with it.
class Scratch {
 public:
  Scratch() {
    const auto shared = std::filesystem::path{"/dev/shm"};
    const auto base =
        ::access(shared.c_str(), W_OK) == 0 ? shared : std::filesystem::temp_directory_path();
    std::string name = (base / "spreadwatch-fuzz-XXXXXX").string();
    require(::mkdtemp(name.data()) != nullptr, "a directory for the file");
    path_ = name;
  }
  Scratch(const Scratch&) = delete;
  Scratch& operator=(const Scratch&) = delete;
  ~Scratch() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }

  std::filesystem::path write(const char* name, std::string_view text) const {
    const auto file = path_ / name;
    std::FILE* const out = std::fopen(file.c_str(), "wb");
    require(out != nullptr, "the file can be written");
    require(std::fwrite(text.data(), 1, text.size(), out) == text.size(), "the file is written");
    std::fclose(out);
    return file;
  }

 private:
  std::filesystem::path path_;
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static const Scratch scratch;
  const std::string_view text{reinterpret_cast<const char*>(data), size};
  constexpr std::string_view kZstd = "\x28\xb5\x2f\xfd";
  auto file = scratch.write(text.starts_with(kZstd) ? "a.jsonl.zst" : "a.jsonl", text);
  auto reader = CaptureReader::open(file);
  require(reader.has_value(), "a file opens");
  std::vector<std::unique_ptr<CaptureReader>> readers;
  readers.push_back(std::move(*reader));
  CaptureMerge merge{std::move(readers)};
  std::uint64_t before = 0;
  while (const CaptureLine* const line = merge.next()) {
    require(line->line > before, "lines are counted");
    before = line->line;
    if (line->error) {
      require(!line->error->detail.empty(), "an error says what is wrong");
    } else {
      require(!line->exchange.empty(), "a line is somebody's");
    }
  }
  return 0;
}
