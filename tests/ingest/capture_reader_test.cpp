#include "ingest/capture/capture_reader.h"

#include <doctest/doctest.h>
#include <unistd.h>
#include <zlib.h>
#include <zstd.h>

#include <cstdio>
#include <fstream>

namespace spreadwatch::ingest {
namespace {

/// A file that is gone at the end of the test.
class TemporaryFile {
 public:
  TemporaryFile(const std::string& name, const std::string& content)
      : path_(std::filesystem::temp_directory_path() /
              ("spreadwatch-" + std::to_string(getpid()) + "-" + name)) {
    std::ofstream(path_, std::ios::binary) << content;
  }
  TemporaryFile(const TemporaryFile&) = delete;
  TemporaryFile& operator=(const TemporaryFile&) = delete;
  ~TemporaryFile() { std::filesystem::remove(path_); }
  const std::filesystem::path& path() const { return path_; }

 private:
  std::filesystem::path path_;
};

std::vector<CaptureLine> read_all(const std::filesystem::path& file) {
  auto reader = CaptureReader::open(file);
  REQUIRE(reader.has_value());
  std::vector<CaptureLine> lines;
  CaptureLine line;
  while ((*reader)->next(line)) lines.push_back(line);
  return lines;
}

const std::string kGood =
    R"({"exchange":"upbit","kind":"ws","channel":"ticker","symbol":"KRW-BTC","recv_ts":1700000000.123456,"raw":"{\"a\":1}","more":[1,{}]})";

std::string gzip(const std::string& text, const std::filesystem::path& path) {
  const gzFile file = gzopen(path.c_str(), "wb");
  gzwrite(file, text.data(), static_cast<unsigned>(text.size()));
  gzclose(file);
  return path.string();
}

TEST_CASE("a line's fields are read, unknown keys are ignored") {
  const TemporaryFile file(
      "good.jsonl",
      kGood + "\n\n" + R"({"raw":"x","kind":"rest","exchange":"okx","recv_ts":null,"dir":"tx"})");
  const auto lines = read_all(file.path());
  REQUIRE(lines.size() == 2);
  CHECK(lines[0].exchange == "upbit");
  CHECK(lines[0].origin == Origin::kWs);
  CHECK(lines[0].channel == "ticker");
  CHECK(lines[0].symbol == "KRW-BTC");
  CHECK(lines[0].receive_time == timestamp_from_us(1'700'000'000'123'456));
  CHECK(lines[0].payload == R"({"a":1})");
  CHECK_FALSE(lines[0].sent);
  CHECK(lines[1].line == 3);
  CHECK(lines[1].origin == Origin::kRest);
  CHECK_FALSE(lines[1].receive_time.has_value());
  CHECK(lines[1].sent);
}

TEST_CASE("a line that does not parse is reported with its number and hurts no other") {
  const TemporaryFile file(
      "bad.jsonl", kGood + "\n{\"exchange\":\"upbit\"\nnot json\n" +
                       R"({"exchange":"upbit","kind":"ws"})" + "\n" +
                       R"({"exchange":"upbit","kind":"carrier pigeon","raw":""})" + "\n" +
                       R"({"exchange":"upbit","kind":"ws","raw":"","recv_ts":-1})" + "\n" +
                       R"({"exchange":"upbit","kind":"ws","raw":7})" + "\n[]\n" + kGood + "\n");
  const auto lines = read_all(file.path());
  REQUIRE(lines.size() == 9);
  for (std::size_t i = 1; i < 8; ++i) {
    CAPTURE(i);
    REQUIRE(lines[i].error.has_value());
    CHECK(lines[i].error->code == ErrorCode::kCaptureLine);
    CHECK(lines[i].line == i + 1);
  }
  CHECK_FALSE(lines[0].error.has_value());
  CHECK_FALSE(lines[8].error.has_value());
  CHECK(lines[8].payload == R"({"a":1})");
}

TEST_CASE("gzip and zstd files read like plain ones") {
  const std::string text = kGood + "\n" + kGood + "\n";
  const TemporaryFile gz("c.jsonl.gz", "");
  gzip(text, gz.path());
  CHECK(read_all(gz.path()).size() == 2);

  std::string packed(ZSTD_compressBound(text.size()), '\0');
  packed.resize(ZSTD_compress(packed.data(), packed.size(), text.data(), text.size(), 3));
  const TemporaryFile zst("c.jsonl.zst", packed + packed);
  CHECK(read_all(zst.path()).size() == 4);
  const TemporaryFile cut("cut.jsonl.zst", packed.substr(0, packed.size() / 2));
  const auto lines = read_all(cut.path());
  REQUIRE_FALSE(lines.empty());
  CHECK(lines.back().error.has_value());
}

TEST_CASE("a file that cannot be opened is an error") {
  CHECK_FALSE(CaptureReader::open("/nonexistent/capture.jsonl").has_value());
  CHECK_FALSE(CaptureReader::open(std::filesystem::temp_directory_path()).has_value());
}

std::string line_at(const std::string& exchange, const std::string& time) {
  return R"({"exchange":")" + exchange + R"(","kind":"ws","recv_ts":)" + time + R"(,"raw":""})" +
         "\n";
}

TEST_CASE("several captures merge by receive time and keep file order where there is none") {
  const TemporaryFile a("a.jsonl",
                        line_at("upbit", "1") + line_at("upbit", "3") + line_at("upbit", "null"));
  const TemporaryFile b("b.jsonl", line_at("okx", "2") + line_at("okx", "3") + line_at("okx", "4"));
  std::vector<std::unique_ptr<CaptureReader>> readers;
  for (const auto* file : {&a, &b}) {
    auto reader = CaptureReader::open(file->path());
    REQUIRE(reader.has_value());
    readers.push_back(std::move(*reader));
  }
  CaptureMerge merge(std::move(readers));
  std::string order;
  while (const CaptureLine* line = merge.next()) order += line->exchange.front();
  CHECK(order == "uouuoo");
}

}  // namespace
}  // namespace spreadwatch::ingest
