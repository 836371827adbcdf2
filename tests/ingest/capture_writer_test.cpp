#include "ingest/capture/capture_writer.h"

#include <doctest/doctest.h>
#include <sys/resource.h>

#include <algorithm>
#include <csignal>
#include <filesystem>
#include <fstream>
#include <string>
#include <thread>
#include <vector>

#include "ingest/capture/capture_reader.h"
#include "metrics/registry.h"
#include "tests/ingest/helpers.h"

namespace spreadwatch::ingest {
namespace {

class CaptureFolder {
 public:
  CaptureFolder() {
    std::string name = (std::filesystem::temp_directory_path() / "captures-XXXXXX").string();
    REQUIRE(mkdtemp(name.data()) != nullptr);
    path = name;
  }
  CaptureFolder(const CaptureFolder&) = delete;
  CaptureFolder& operator=(const CaptureFolder&) = delete;
  ~CaptureFolder() { std::filesystem::remove_all(path); }

  std::vector<std::filesystem::path> files() const {
    std::vector<std::filesystem::path> out;
    for (const auto& entry : std::filesystem::directory_iterator(path)) out.push_back(entry.path());
    std::ranges::sort(out);
    return out;
  }
  /// Every line of every file in order, the writer's own among them.
  std::vector<CaptureLine> lines() const {
    std::vector<CaptureLine> out;
    for (const auto& file : files()) {
      auto reader = CaptureReader::open(file);
      REQUIRE(reader.has_value());
      for (CaptureLine line; (*reader)->next(line);) out.push_back(line);
    }
    return out;
  }
  std::vector<std::string> payloads() const {
    std::vector<std::string> out;
    for (const CaptureLine& line : lines()) {
      REQUIRE_FALSE(line.error.has_value());
      if (line.exchange != "spreadwatch") out.push_back(line.payload);
    }
    return out;
  }

  std::filesystem::path path;
};

struct WriterFixture {
  WriterFixture() { options.folder = folder.path; }
  CaptureFolder folder;
  SystemClock clock;
  metrics::Registry registry;
  metrics::CaptureMetrics metrics{registry};
  CaptureWriter::Options options;
};

CaptureEntry entry_of(std::string payload) {
  CaptureEntry entry;
  entry.exchange = "upbit";
  entry.receive_time = timestamp_from_us(1'700'000'000'123'456);
  entry.payload = std::move(payload);
  return entry;
}

template <class F>
bool soon(F&& condition) {
  const auto end = std::chrono::steady_clock::now() + std::chrono::seconds{10};
  while (!condition()) {
    if (std::chrono::steady_clock::now() > end) return false;
    std::this_thread::sleep_for(milliseconds{5});
  }
  return true;
}

/// Text that hardly compresses, the same every time.
std::string noise(std::size_t bytes, unsigned seed) {
  std::string out;
  std::uint64_t state = seed * 0x9E3779B97F4A7C15ULL + 1;
  while (out.size() < bytes) {
    state = state * 6364136223846793005ULL + 1442695040888963407ULL;
    out.push_back(static_cast<char>('!' + (state >> 33U) % 90));
  }
  return out;
}

TEST_CASE("a written line reads back with everything that was put in") {
  WriterFixture f;
  {
    CaptureWriter writer(f.options, f.clock, f.metrics);
    writer.start();
    CaptureEntry sent = entry_of("[{\"ticket\":\"a\\b\"}]\n\t\x01 한국");
    sent.sent = true;
    sent.channel = "request";
    sent.connection = 3;
    CHECK(writer.offer(sent));
    CaptureEntry rest = entry_of("{}");
    rest.origin = Origin::kRest;
    rest.channel = "orderbook";
    rest.symbol = "KRW-BTC";
    CHECK(writer.offer(rest));
    CaptureEntry down = entry_of("");
    down.event = "down";
    down.sent = true;
    CHECK(writer.offer(down));
    CaptureEntry invalid = down;
    invalid.event = "invalid";
    invalid.symbol = "BTC-KRW";
    invalid.origin = Origin::kRest;
    invalid.state = "faulted";
    invalid.reason = "checksum_mismatch";
    CHECK(writer.offer(invalid));
  }
  const std::vector<CaptureLine> lines = f.folder.lines();
  REQUIRE(lines.size() == 5);
  CHECK(lines[0].event == "opened");
  CHECK(lines[0].sent);
  CHECK(lines[1].exchange == "upbit");
  CHECK(lines[1].payload == "[{\"ticket\":\"a\\b\"}]\n\t\x01 한국");
  CHECK(lines[1].sent);
  CHECK(lines[1].connection == 3);
  CHECK(lines[1].receive_time == timestamp_from_us(1'700'000'000'123'456));
  CHECK_FALSE(lines[2].sent);
  CHECK(lines[2].origin == Origin::kRest);
  CHECK(lines[2].channel == "orderbook");
  CHECK(lines[2].symbol == "KRW-BTC");
  CHECK(lines[3].connection_lost());
  CHECK(lines[3].about_books());
  CHECK_FALSE(lines[3].state.has_value());
  CHECK_FALSE(lines[0].about_books());
  CHECK(lines[4].about_books());
  CHECK(lines[4].sent);
  CHECK(lines[4].origin == Origin::kRest);
  CHECK(lines[4].symbol == "BTC-KRW");
  CHECK(lines[4].state == FeedState::kFaulted);
  CHECK(lines[4].reason == ErrorCode::kChecksumMismatch);
  const auto name = f.folder.files().at(0).filename().string();
  CHECK(name.starts_with("spreadwatch-20"));
  CHECK(name.ends_with("Z.jsonl.zst"));
}

TEST_CASE("a payload that is not UTF-8 is refused by replay as it was live") {
  for (const std::string& broken :
       {std::string{"{\"a\":\"\xff\"}"}, std::string{"\xc0\xaf{}"}, std::string{"\xed\xa0\x80"},
        std::string{"{\"a\":1}\x80"}, std::string{"\xf0\x9f\x98"}}) {
    std::string line;
    append_capture_line(line, entry_of(broken));
    const nlohmann::json json = nlohmann::json::parse(line);
    const std::string raw = json["raw"];
    CHECK(raw != broken);
    for (const std::string& payload : {broken, raw}) {
      test::Memory sink;
      Normalizer normalizer(VenueId::kOkx);
      normalizer.feed(test::ws(payload), sink);
      REQUIRE(sink.errors.size() == 1);
      CHECK(sink.errors[0].error.code == ErrorCode::kMalformedJson);
    }
  }
}

TEST_CASE("what was offered can be read a second later, while the file is still written") {
  WriterFixture f;
  f.options.flush_every = milliseconds{50};
  CaptureWriter writer(f.options, f.clock, f.metrics);
  writer.start();
  CHECK(f.folder.payloads().empty());  // whole and readable from the first moment
  for (int i = 0; i < 20; ++i) {
    writer.offer(entry_of(std::to_string(i)));
    REQUIRE(soon([&] { return f.folder.payloads().size() == static_cast<std::size_t>(i) + 1; }));
  }
}

TEST_CASE("files turn by size and age, lose nothing in between, and the oldest make room") {
  WriterFixture f;
  f.options.max_file_bytes = 40'000;
  f.options.block_bytes = 10'000;
  SUBCASE("all are kept while they fit") {
    std::vector<std::string> written;
    {
      CaptureWriter writer(f.options, f.clock, f.metrics);
      writer.start();
      for (unsigned i = 0; i < 50; ++i) {
        written.push_back(noise(4'000, i));
        REQUIRE(writer.offer(entry_of(written.back())));
      }
      writer.stop();
      CHECK(writer.counts().lines == 50);
      CHECK(writer.counts().files_removed == 0);
    }
    CHECK(f.folder.files().size() >= 4);
    for (const auto& file : f.folder.files()) CHECK(std::filesystem::file_size(file) <= 40'000);
    CHECK(f.folder.payloads() == written);
  }
  SUBCASE("the oldest go first, and no file that is not a capture") {
    f.options.max_total_bytes = 100'000;
    std::ofstream(f.folder.path / "a-note.txt") << noise(50'000, 1);
    std::ofstream(f.folder.path / "spreadwatch-20200101T000000.000000Z.jsonl.zst")
        << noise(1'000, 1);
    CaptureWriter writer(f.options, f.clock, f.metrics);
    writer.start();
    for (unsigned i = 0; i < 60; ++i) REQUIRE(writer.offer(entry_of(noise(4'000, i))));
    writer.stop();
    CHECK(writer.counts().lines == 60);
    CHECK(writer.counts().files_removed >= 3);
    CHECK(std::filesystem::remove(f.folder.path / "a-note.txt"));
    std::uint64_t total = 0;
    for (const auto& file : f.folder.files()) {
      total += std::filesystem::file_size(file);
      CHECK(file.filename().string().find("2020") == std::string::npos);
    }
    CHECK(total <= 100'000);
    CHECK(f.folder.payloads().back() == noise(4'000, 59));
    CHECK(f.registry.text().find("capture_files_removed_total 0\n") == std::string::npos);
  }
  SUBCASE("by age") {
    f.options.max_file_age = milliseconds{20};
    f.options.flush_every = milliseconds{5};
    CaptureWriter writer(f.options, f.clock, f.metrics);
    writer.start();
    CHECK(soon([&] {
      writer.offer(entry_of("x"));
      return writer.counts().files_opened >= 3;
    }));
  }
}

TEST_CASE("what does not fit into the queue is counted, and the file says where it is missing") {
  WriterFixture f;
  f.options.queue_bytes = 1'000;
  CaptureWriter writer(f.options, f.clock, f.metrics);
  // Not started: nothing takes anything out.
  CHECK(writer.offer(entry_of(std::string(600, 'a'))));
  CHECK_FALSE(writer.offer(entry_of(std::string(600, 'b'))));
  CHECK_FALSE(writer.offer(entry_of(std::string(600, 'c'))));
  CHECK(writer.counts().dropped == 2);
  writer.start();
  writer.stop();
  const std::vector<CaptureLine> lines = f.folder.lines();
  REQUIRE(lines.size() == 3);
  CHECK(lines[1].event == "dropped");
  CHECK(lines[2].payload.front() == 'a');
  CHECK(f.registry.text().find("spreadwatch_ingest_capture_dropped_total 2\n") !=
        std::string::npos);
}

TEST_CASE("a folder that cannot be written stops the start") {
  WriterFixture f;
  std::ofstream(f.folder.path / "file") << "x";
  f.options.folder = f.folder.path / "file" / "below";
  CaptureWriter writer(f.options, f.clock, f.metrics);
  CHECK_THROWS_AS(writer.start(), std::runtime_error);
}

TEST_CASE("a full disk is counted and tried again, and the file stays whole") {
  WriterFixture f;
  f.options.block_bytes = 4'000;
  f.options.flush_every = f.options.retry_every = milliseconds{10};
  CaptureWriter writer(f.options, f.clock, f.metrics);
  writer.start();
  // The kernel refuses a file that grows beyond the limit, as a full disk would, halfway through.
  std::signal(SIGXFSZ, SIG_IGN);
  rlimit before{};
  REQUIRE(getrlimit(RLIMIT_FSIZE, &before) == 0);
  rlimit small = before;
  small.rlim_cur = 10'000;
  REQUIRE(setrlimit(RLIMIT_FSIZE, &small) == 0);
  unsigned offered = 0;
  CHECK(soon([&] {
    writer.offer(entry_of(noise(3'000, offered++)));
    return writer.counts().write_errors >= 3 && writer.counts().dropped == 0 && offered > 5;
  }));
  for (const CaptureLine& line : f.folder.lines()) CHECK_FALSE(line.error.has_value());
  REQUIRE(setrlimit(RLIMIT_FSIZE, &before) == 0);
  CHECK(soon([&] { return writer.counts().lines + writer.counts().dropped == offered; }));
  writer.stop();
  CHECK(f.folder.payloads().size() == writer.counts().lines);
}

}  // namespace
}  // namespace spreadwatch::ingest
